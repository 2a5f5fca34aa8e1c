//! What late and corrected readings do to orders.

use yiwang_model::order::StepKind;
use yiwang_model::{Anomaly, Because, OrderIntent, OrderState, Phase, Severity};

use super::life::way;
use super::sample::{MORNING, after, draft, episode, moment, note, nth, open as opened, over, worse};
use crate::note::{Revised, Withdrawn};
use crate::{Applied, Filter, OrderStore};

/// A reading that came late, and one that was corrected.
const LATE: Because = Because { time: MORNING, value: 12.5, was: None };
const CORRECTED: Because = Because { was: Some(99.0), ..LATE };

/// The episode, begun otherwise.
fn revised(station: &str) -> Anomaly {
    let (begin, severity, because) = (after(-30), Severity::Serious, Some(LATE));
    Anomaly { phase: Phase::Revised, begin, severity, because, extreme: 80.5, ..episode(station, MORNING) }
}

/// The episode, taken back.
fn withdrawn(station: &str) -> Anomaly {
    Anomaly { phase: Phase::Withdrawn, because: Some(CORRECTED), ..episode(station, MORNING) }
}

const NOTED: Applied = Applied { opened: 0, noted: 1, repeated: 0 };
const REPEATED: Applied = Applied { opened: 0, noted: 0, repeated: 1 };

/// Applies one intent after the other, each in an epoch of its own, and again: the second time nothing changes.
async fn each_once<S: OrderStore>(store: &S, from: u64, intents: &[OrderIntent]) {
    for (epoch, intent) in (from..).step_by(2).zip(intents) {
        let one = std::slice::from_ref(intent);
        assert_eq!(store.apply(epoch, moment(after(70)), one).await.expect("applied"), NOTED, "{intent:?}");
        let before = store.outbox(500).await.expect("read");
        let again = store.apply(epoch + 1, moment(after(71)), one).await.expect("applied");
        assert_eq!(again, REPEATED, "{intent:?} again");
        assert_eq!(store.outbox(500).await.expect("read"), before, "{intent:?} again");
    }
}

/// The kind, state and note of the last line of the `count`-th order, and its episode.
async fn last<S: OrderStore>(store: &S, count: u32) -> (StepKind, OrderState, String, Anomaly) {
    let order = store.get(&nth(count)).await.expect("read").expect("the order");
    let step = order.timeline.last().expect("a step").clone();
    assert_eq!((step.state, &*step.who), (order.state, "yiwang"), "the state is that of the last line");
    (step.kind, step.state, step.note, order.draft.evidence.anomaly)
}

async fn active<S: OrderStore>(store: &S) -> (u64, usize) {
    let filter = Filter { active: Some(true), ..Filter::default() };
    let found = store.find(&filter, 99, None).await.expect("read").orders.len();
    let rows = store.episodes(None, 99).await.expect("read");
    assert_eq!(rows.iter().filter(|row| row.active).count(), found);
    (store.counts(MORNING).await.expect("read").active, found)
}

pub(super) async fn a_revision_changes_the_episode_and_no_state<S: OrderStore, F: Future<Output = S>>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = open("revised").await;
    for (count, state) in (1..).zip(OrderState::ALL) {
        let (station, epoch) = (state.word(), u64::from(count) * 10);
        store.apply(epoch, moment(MORNING), &[opened(station, MORNING)]).await.expect("applied");
        for step in way(state) {
            store.transition(&nth(count), *step, "li", "ok", moment(after(1))).await.expect("a way");
        }
        each_once(&store, epoch + 1, &[note(revised(station), after(60))]).await;
        let (kind, now, says, anomaly) = last(&store, count).await;
        assert_eq!((kind, now, &anomaly), (StepKind::Revised, state, &revised(station)));
        assert_eq!(says.parse(), Ok(Revised::of(&anomaly, "µg/m³")), "{says}");
    }
    let ended = Anomaly { end: Some(after(9)), because: Some(CORRECTED), ..revised("opened") };
    let reading = Anomaly { because: Some(CORRECTED), ..revised("accepted") };
    each_once(&store, 100, &[note(ended, after(61)), note(reading, after(62))]).await;
    assert_eq!(active(&store).await, (7, 7), "a revised episode with an end is over");
    let order = store.get(&nth(1)).await.expect("read").expect("the order");
    assert_eq!(order.draft.priority, draft("opened", MORNING).priority, "what an order asks for stays");
}

pub(super) async fn what_nobody_took_up_closes_when_it_is_withdrawn<S: OrderStore, F: Future<Output = S>>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = open("withdrawn").await;
    let intents = [opened("a", MORNING), opened("b", MORNING), note(worse("a", MORNING, 99.0), after(1))];
    store.apply(1, moment(after(1)), &intents).await.expect("applied");
    let joined = Anomaly { into: Some(episode("b", MORNING).id), ..withdrawn("a") };
    each_once(&store, 2, &[note(joined.clone(), after(60))]).await;
    drop(store);

    let store = open("withdrawn").await;
    let (kind, state, says, anomaly) = last(&store, 1).await;
    assert_eq!((kind, state, &anomaly), (StepKind::Withdrawn, OrderState::Closed, &joined));
    assert_eq!(says.parse(), Ok(Withdrawn { because: Some(CORRECTED), into: Some(nth(2).0) }), "{says}");
    assert_eq!(active(&store).await, (1, 1));
    assert_eq!(store.counts(after(999_999)).await.expect("read").overdue, 1, "closed orders are not due");

    let again = [opened("a", MORNING), note(withdrawn("a"), after(62)), opened("a", MORNING)];
    store.apply(4, moment(after(63)), &again[..1]).await.expect("applied");
    let (kind, state, says, anomaly) = last(&store, 1).await;
    assert_eq!((kind, state, &anomaly), (StepKind::Restored, OrderState::Reopened, &episode("a", MORNING)));
    assert_eq!(says.parse(), Ok(Revised::of(&anomaly, "µg/m³")), "{says}");
    assert_eq!(active(&store).await, (2, 2));
    let applied = store.apply(5, moment(after(63)), &again).await.expect("applied");
    assert_eq!(applied, Applied { opened: 0, noted: 2, repeated: 1 }, "in one epoch too");
    let order = store.get(&nth(1)).await.expect("read").expect("the order");
    let states: Vec<OrderState> = order.timeline[3..].iter().map(|step| step.state).collect();
    use OrderState::{Closed, Dispatched, Reopened};
    assert_eq!(states, [Reopened, Closed, Reopened]);
    assert_eq!(store.get(&nth(3)).await.expect("read"), None, "the same order each time");
    store
        .transition(&nth(1), Dispatched, "li", "", moment(after(64)))
        .await
        .expect("people go on from there");
}

pub(super) async fn what_people_took_up_they_close<S: OrderStore, F: Future<Output = S>>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = open("withdrawn-late").await;
    for (count, state) in (1..).zip(OrderState::ALL.into_iter().filter(|state| *state != OrderState::Opened))
    {
        let (station, epoch) = (state.word(), u64::from(count) * 10);
        store.apply(epoch, moment(MORNING), &[opened(station, MORNING)]).await.expect("applied");
        for step in way(state) {
            store.transition(&nth(count), *step, "li", "ok", moment(after(1))).await.expect("a way");
        }
        each_once(&store, epoch + 1, &[note(withdrawn(station), after(60))]).await;
        let (kind, now, says, anomaly) = last(&store, count).await;
        assert_eq!((kind, now, &anomaly), (StepKind::Withdrawn, state, &withdrawn(station)));
        assert_eq!(says.parse(), Ok(Withdrawn { because: Some(CORRECTED), into: None }), "{says}");
        assert_eq!(active(&store).await.0, u64::from(count) - 1);
        each_once(&store, epoch + 3, &[opened(station, MORNING)]).await;
        let (kind, now, _, anomaly) = last(&store, count).await;
        assert_eq!((kind, now, anomaly), (StepKind::Restored, state, episode(station, MORNING)));
    }
}

/// A cause that was over and is found again under its old name has its order again, whatever people made of it.
pub(super) async fn what_was_over_and_is_raised_again_is_reopened<S: OrderStore, F: Future<Output = S>>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = open("raised-again").await;
    for (count, state) in (1..).zip(OrderState::ALL) {
        let (station, epoch) = (state.word(), u64::from(count) * 10);
        store.apply(epoch, moment(MORNING), &[opened(station, MORNING)]).await.expect("applied");
        for step in way(state) {
            store.transition(&nth(count), *step, "li", "ok", moment(after(1))).await.expect("a way");
        }
        store
            .apply(epoch + 1, moment(after(5)), &[note(over(station, MORNING, after(4)), after(5))])
            .await
            .expect("applied");
        each_once(&store, epoch + 2, &[opened(station, MORNING)]).await;
        let (kind, now, _, anomaly) = last(&store, count).await;
        let wanted = if state == OrderState::Closed { OrderState::Reopened } else { state };
        assert_eq!((kind, now, anomaly), (StepKind::Restored, wanted, episode(station, MORNING)));
        assert_eq!(active(&store).await.0, u64::from(count));
    }
}

/// Who reopens what the judgement closed has taken it up.
pub(super) async fn people_may_take_up_what_the_judgement_closed<S: OrderStore, F: Future<Output = S>>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = open("withdrawn-reopened").await;
    let elsewhere = Anomaly { into: Some(episode("nobody", MORNING).id), ..withdrawn("a") };
    let intents = [opened("a", MORNING), note(elsewhere, after(1))];
    store.apply(1, moment(MORNING), &intents).await.expect("applied");
    let (_, state, says, anomaly) = last(&store, 1).await;
    assert_eq!(state, OrderState::Closed, "in the epoch that opened it");
    let into = anomaly.into.map(|id| id.to_string());
    assert_eq!(says.parse(), Ok(Withdrawn { because: Some(CORRECTED), into }), "of no order that is known");
    store.transition(&nth(1), OrderState::Reopened, "li", "", moment(after(2))).await.expect("allowed");
    each_once(&store, 2, &[opened("a", MORNING), note(withdrawn("a"), after(3))]).await;
    let (kind, state, ..) = last(&store, 1).await;
    assert_eq!((kind, state), (StepKind::Withdrawn, OrderState::Reopened));
}

pub(super) async fn only_opening_brings_an_episode_back<S: OrderStore, F: Future<Output = S>>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = open("withdrawn-still").await;
    let intents = [opened("a", MORNING), note(withdrawn("a"), after(1))];
    store.apply(1, moment(MORNING), &intents).await.expect("applied");
    let says = [worse("a", MORNING, 99.0), over("a", MORNING, after(9)), revised("a")];
    each_once(&store, 2, &says.map(|says| note(says, after(2)))).await;
    let (kind, state, _, anomaly) = last(&store, 1).await;
    assert_eq!((kind, state), (StepKind::Revised, OrderState::Closed));
    let wanted = Anomaly { phase: Phase::Withdrawn, because: Some(CORRECTED), ..revised("a") };
    assert_eq!((anomaly, active(&store).await), (wanted, (0, 0)));
    each_once(&store, 20, &[opened("a", MORNING)]).await;
    assert_eq!((last(&store, 1).await.0, active(&store).await), (StepKind::Restored, (1, 1)));
}

pub(super) async fn the_reading_comes_back_bit_by_bit<S: OrderStore, F: Future<Output = S>>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = open("reading-exact").await;
    let values = [0.1 + 0.2, 5e-324, f64::MAX, -0.0, f64::NAN, f64::NEG_INFINITY];
    let wases = values.into_iter().map(Some).chain([None]);
    let all: Vec<_> =
        values.into_iter().flat_map(|value| wases.clone().map(move |was| (value, was))).collect();
    store.apply(1, moment(MORNING), &[opened("a", MORNING)]).await.expect("applied");
    for (epoch, (value, was)) in (2..).step_by(2).zip(all) {
        let because = Because { time: after(3), value, was };
        let says = Anomaly { because: Some(because), into: Some(episode("b", MORNING).id), ..revised("a") };
        each_once(&store, epoch, &[note(says.clone(), after(1))]).await;
        let found = last(&store, 1).await.3;
        let got = found.because.expect("a reading");
        assert_eq!((got.time, found.into), (because.time, says.into));
        // Which of the many that are no number it is, is not told.
        let bits = |value: f64| if value.is_nan() { 0 } else { value.to_bits() };
        assert_eq!((bits(got.value), got.was.map(bits)), (bits(value), was.map(bits)), "{because:?}");
    }
}
