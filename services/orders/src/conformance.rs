//! What every order store must do, as tests that any engine can be put through.
//!
//! [`suite`] runs all of them; each asks for a store of its own by name, and opens it again where it must show
//! that something lasts. A store that breaks a promise makes the suite panic with what was expected.

mod alerts;
mod corrections;
mod episodes;
mod feed;
mod life;
mod members;
pub mod model;
mod pages;
pub(crate) mod sample;

use crate::{AlertDesk, OrderFeed, OrderStore};

/// Puts an engine through all promises of the seam. `open(name)` opens the store of that name, an empty one at
/// first, the same one whenever the name comes again; its city is in `Asia/Shanghai`. Wants a tokio runtime.
///
/// # Panics
/// When the engine breaks a promise.
pub async fn suite<S, F, O>(open: O)
where
    S: OrderStore + OrderFeed + AlertDesk,
    F: Future<Output = S>,
    O: Fn(&'static str) -> F,
{
    episodes::an_episode_opens_one_order(&open).await;
    episodes::an_epoch_is_applied_once(&open).await;
    episodes::numbers_count_within_the_citys_day(&open).await;
    episodes::notes_stand_in_the_history_and_close_nothing(&open).await;
    episodes::numbers_come_back_bit_by_bit(&open).await;
    episodes::an_audit_walks_over_every_episode(&open).await;
    episodes::what_an_episode_follows_from_is_kept_byte_by_byte(&open).await;
    corrections::a_revision_changes_the_episode_and_no_state(&open).await;
    corrections::what_nobody_took_up_closes_when_it_is_withdrawn(&open).await;
    corrections::what_people_took_up_they_close(&open).await;
    corrections::what_was_over_and_is_raised_again_is_reopened(&open).await;
    corrections::people_may_take_up_what_the_judgement_closed(&open).await;
    corrections::only_opening_brings_an_episode_back(&open).await;
    corrections::the_reading_comes_back_bit_by_bit(&open).await;
    members::a_cause_has_its_members_with_and_without_orders(&open).await;
    members::an_episode_is_part_of_what_was_said_last(&open).await;
    members::of_many_members_the_first_are_given_and_all_counted(&open).await;
    life::only_allowed_steps_are_taken(&open).await;
    life::what_people_say_is_bounded(&open).await;
    life::of_many_at_once_one_wins(&open).await;
    life::the_outbox_has_every_step_once(&open).await;
    alerts::an_alert_opens_updates_and_clears_one_order(&open).await;
    alerts::what_arrives_late_or_again_changes_nothing(&open).await;
    alerts::who_comes_again_after_the_end_gets_another_order(&open).await;
    alerts::many_at_once_open_one_order(&open).await;
    alerts::orders_of_alerts_stand_among_the_others(&open).await;
    feed::events_keep_their_places_for_ever(&open).await;
    feed::who_waits_is_told(&open).await;
    feed::events_are_chosen_by_what_is_wanted(&open).await;
    pages::pages_join_without_gap_or_repeat(&open).await;
    pages::filters_find_what_they_say(&open).await;
    pages::wildcards_stand_for_themselves(&open).await;
    pages::tokens_of_others_are_refused(&open).await;
    pages::counts_are_what_a_recount_gives(&open).await;
    for seed in 1..=8 {
        model::live(&open, model::NAMES[seed % model::NAMES.len()], &model::actions(seed as u64, 60)).await;
    }
}
