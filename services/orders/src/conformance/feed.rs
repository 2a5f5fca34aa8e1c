//! What happens to orders, for those who follow it.

use std::sync::Arc;
use std::time::Duration;

use yiwang_model::OrderState;

use super::sample::{MORNING, after, moment, note, nth, open as opened, worse};
use crate::OrderStore;
use crate::feed::{Happening, OrderFeed, Wanted};

/// Far more than an event takes to be told.
const LONG: Duration = Duration::from_secs(120);

async fn all(store: &impl OrderFeed, after: u64, limit: u32) -> Vec<Happening> {
    tokio::time::timeout(LONG, store.events(after, limit)).await.expect("told in time").expect("read")
}

pub(super) async fn events_keep_their_places_for_ever<S: OrderStore + OrderFeed, F: Future<Output = S>>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = open("feed").await;
    let empty = store.extent().await.expect("read");
    assert_eq!((empty.before, empty.last), (0, 0));
    let intents = [opened("a", MORNING), opened("b", MORNING), note(worse("a", MORNING, 99.0), after(1))];
    store.apply(1, moment(after(1)), &intents).await.expect("applied");
    store.transition(&nth(2), OrderState::Accepted, "li", "x", moment(after(2))).await.expect("ok");
    let outbox = store.outbox(9).await.expect("read");
    let events = all(&store, 0, 9).await;
    assert!(events.iter().map(|told| &told.event).eq(&outbox), "{events:?}");
    let facts = &events[3].facts;
    assert_eq!((&*facts.category, &*facts.source, &*facts.district), ("air", "b", "510104"));
    assert_eq!((facts.received, &*facts.title.zh), (MORNING, "b 细颗粒物超标"));
    store.outbox_taken(u64::MAX).await.expect("taken");
    drop(store);

    let store = open("feed").await;
    assert_eq!(all(&store, 0, 9).await, events, "what the log has is told all the same");
    assert_eq!(all(&store, 1, 2).await, events[1..3]);
    let extent = store.extent().await.expect("read");
    assert_eq!((extent.store, extent.before, extent.last), (empty.store, 0, 4));
    assert_ne!(open("feed-other").await.extent().await.expect("read").store, empty.store);
    followers_are_remembered(store, open("feed").await).await;
}

async fn followers_are_remembered<S: OrderStore + OrderFeed>(store: S, again: S) {
    assert_eq!(store.cursor("hook/a").await.expect("read"), None);
    store.move_cursor("hook/a", 3).await.expect("moved");
    store.move_cursor("hook/b", u64::MAX).await.expect("moved");
    drop(store);
    let cursor = async |name| again.cursor(name).await.expect("read");
    assert_eq!((cursor("hook/a").await, cursor("hook/b").await), (Some(3), Some(4)), "never beyond the end");
    assert!(again.outbox(9).await.expect("read").is_empty(), "each follower has a place of his own");
}

pub(super) async fn who_waits_is_told<S: OrderStore + OrderFeed, F: Future<Output = S>>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = Arc::new(open("waits").await);
    let waiting = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { all(&*store, 0, 9).await })
    };
    store.apply(1, moment(MORNING), &[opened("a", MORNING)]).await.expect("applied");
    assert_eq!(waiting.await.expect("no panic").len(), 1);
}

pub(super) async fn events_are_chosen_by_what_is_wanted<S: OrderStore + OrderFeed, F: Future<Output = S>>(
    open: &impl Fn(&'static str) -> F,
) {
    use yiwang_model::order::StepKind;
    let store = open("wanted").await;
    let intents = [opened("a", MORNING), opened("b", MORNING), note(worse("a", MORNING, 99.0), after(1))];
    store.apply(1, moment(after(1)), &intents).await.expect("applied");
    store.transition(&nth(2), OrderState::Accepted, "li", "x", moment(after(2))).await.expect("ok");
    let events = all(&store, 0, 9).await;
    let one = |text: &str| vec![text.to_owned()];
    let all = Wanted::default();
    let cases: [(Wanted, &[u64]); 8] = [
        (all.clone(), &[1, 2, 3, 4]),
        (Wanted { kinds: vec![StepKind::Worsened, StepKind::Moved], ..all.clone() }, &[3, 4]),
        (Wanted { states: vec![OrderState::Accepted], ..all.clone() }, &[4]),
        (Wanted { departments: one("ecology"), ..all.clone() }, &[1, 2, 3, 4]),
        (Wanted { departments: one("water"), ..all.clone() }, &[]),
        (Wanted { districts: one("510105"), ..all.clone() }, &[]),
        (Wanted { categories: one("noise"), ..all.clone() }, &[]),
        (Wanted { sources: one("a"), ..all }, &[1, 3]),
    ];
    for (wanted, places) in cases {
        let fit = events.iter().filter(|told| wanted.fits(told)).map(|told| told.event.seq);
        assert!(fit.eq(places.iter().copied()), "{wanted:?}");
    }
}
