//! What people do with orders, and what leaves by the outbox.

use std::sync::Arc;

use yiwang_model::order::StepKind;
use yiwang_model::{OrderNo, OrderState};

use super::sample::{MORNING, after, moment, note, nth, open as opened, worse};
use crate::{Error, MAX_NOTE_CHARS, MAX_STEPS, MAX_STEPS_IN_PAGE, MAX_WHO_CHARS, OrderStore};

/// A way from `Opened` to each state.
pub(super) fn way(to: OrderState) -> &'static [OrderState] {
    use OrderState::{Accepted, Closed, Dispatched, Handling, Reopened, Replied, Returned};
    match to {
        OrderState::Opened => &[],
        Accepted => &[Accepted],
        Dispatched => &[Accepted, Dispatched],
        Handling => &[Accepted, Dispatched, Handling],
        Replied => &[Accepted, Dispatched, Handling, Replied],
        Closed => &[Accepted, Dispatched, Handling, Replied, Closed],
        Returned => &[Accepted, Dispatched, Returned],
        Reopened => &[Accepted, Dispatched, Handling, Replied, Closed, Reopened],
    }
}

pub(super) async fn only_allowed_steps_are_taken<S: OrderStore, F: Future<Output = S>>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = open("steps").await;
    let pairs = OrderState::ALL.into_iter().flat_map(|from| OrderState::ALL.map(|to| (from, to)));
    for (count, (from, to)) in (1..).zip(pairs) {
        let epoch = u64::from(count);
        store
            .apply(epoch, moment(MORNING), &[opened("a", after(epoch.cast_signed()))])
            .await
            .expect("applied");
        for step in way(from) {
            store.transition(&nth(count), *step, "li", "ok", moment(after(1))).await.expect("a way");
        }
        let before = store.get(&nth(count)).await.expect("read").expect("the order");
        let moved = store.transition(&nth(count), to, "wang", "why", moment(after(2))).await;
        let now = store.get(&nth(count)).await.expect("read").expect("the order");
        if from.allowed().contains(&to) {
            let step = now.timeline.last().expect("a step");
            assert_eq!(
                (step.kind, step.state, &*step.who, &*step.note),
                (StepKind::Moved, to, "wang", "why")
            );
            assert_eq!((step.at, step.wall), (after(2), moment(after(2)).wall));
            assert_eq!(moved.expect("allowed"), now, "{from} to {to}");
            assert_eq!((now.state, now.timeline.len()), (to, before.timeline.len() + 1));
        } else {
            let error = moved.expect_err("a step that is not allowed");
            let Error::NotAllowed { from: was, to: asked, allowed, .. } = error else { panic!("{error}") };
            assert_eq!((was, asked, allowed), (from, to, from.allowed()));
            assert_eq!(now, before, "{from} to {to} was refused and changed something");
        }
    }
}

pub(super) async fn what_people_say_is_bounded<S: OrderStore, F: Future<Output = S>>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = open("bounded").await;
    store.apply(1, moment(MORNING), &[opened("a", MORNING)]).await.expect("applied");
    let (no, at) = (nth(1), moment(MORNING));
    let (who, said) = ("王".repeat(MAX_WHO_CHARS), "说".repeat(MAX_NOTE_CHARS));
    let long = store.transition(&no, OrderState::Accepted, &format!("{who}x"), "", at).await;
    assert!(matches!(long, Err(Error::TooLong { most: MAX_WHO_CHARS, .. })), "{long:?}");
    let long = store.transition(&no, OrderState::Accepted, "li", &format!("{said}x"), at).await;
    assert!(matches!(long, Err(Error::TooLong { most: MAX_NOTE_CHARS, .. })), "{long:?}");
    let nobody = store.transition(&no, OrderState::Accepted, " ", "", at).await;
    assert!(matches!(nobody, Err(Error::Missing { .. })), "{nobody:?}");
    let order = store.transition(&no, OrderState::Accepted, &who, &said, at).await.expect("the longest");
    assert_eq!((&order.timeline[1].who, &order.timeline[1].note), (&who, &said));

    store.transition(&no, OrderState::Dispatched, "li", "", at).await.expect("allowed");
    let silent = store.transition(&no, OrderState::Returned, "li", " \n", at).await;
    assert!(matches!(silent, Err(Error::Missing { .. })), "{silent:?}");
    store.transition(&no, OrderState::Returned, "li", "not ours", at).await.expect("with a reason");

    let other = OrderNo("'; DROP TABLE orders; --".repeat(9_999));
    let nowhere = store.transition(&other, OrderState::Accepted, "li", "", at).await;
    assert!(matches!(nowhere, Err(Error::NoSuchOrder(OrderNo(no))) if no.len() <= 64));
    a_long_history_is_given_by_its_end(&store).await;
}

async fn a_long_history_is_given_by_its_end<S: OrderStore>(store: &S) {
    let notes: Vec<_> = (1..=1_100).map(|n| note(worse("a", MORNING, f64::from(n)), after(1))).collect();
    store.apply(2, moment(MORNING), &notes).await.expect("applied");
    let order = store.get(&nth(1)).await.expect("read").expect("the order");
    let seqs: Vec<u32> = order.timeline.iter().map(|step| step.seq).collect();
    assert_eq!(seqs, (1_104 - MAX_STEPS + 1..=1_104).collect::<Vec<_>>());
    let page = store.find(&crate::Filter::default(), 1, None).await.expect("read");
    assert_eq!(page.orders[0].timeline[..], order.timeline[(MAX_STEPS - MAX_STEPS_IN_PAGE) as usize..]);
}

pub(super) async fn of_many_at_once_one_wins<S: OrderStore, F: Future<Output = S>>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = Arc::new(open("at-once").await);
    for count in 1..=20 {
        let epoch = u64::from(count);
        store
            .apply(epoch, moment(MORNING), &[opened("a", after(epoch.cast_signed()))])
            .await
            .expect("applied");
        let tries: Vec<_> = (0..8)
            .map(|n| {
                let store = store.clone();
                let who = format!("clerk-{n}");
                tokio::spawn(async move {
                    store.transition(&nth(count), OrderState::Accepted, &who, "", moment(MORNING)).await
                })
            })
            .collect();
        let mut won = 0;
        for answer in tries {
            match answer.await.expect("no panic") {
                Ok(_) => won += 1,
                Err(Error::NotAllowed { from: OrderState::Accepted, .. }) => (),
                Err(error) => panic!("{error}"),
            }
        }
        let order = store.get(&nth(count)).await.expect("read").expect("the order");
        assert_eq!((won, order.timeline.len()), (1, 2));
    }
}

pub(super) async fn the_outbox_has_every_step_once<S: OrderStore, F: Future<Output = S>>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = open("outbox").await;
    let intents = [opened("a", MORNING), opened("b", MORNING), note(worse("a", MORNING, 99.0), after(1))];
    store.apply(1, moment(after(1)), &intents).await.expect("applied");
    let order =
        store.transition(&nth(2), OrderState::Accepted, "li", "x", moment(after(2))).await.expect("ok");
    store.transition(&nth(2), OrderState::Closed, "li", "x", moment(after(2))).await.expect_err("refused");
    let events = store.outbox(u32::MAX).await.expect("read");
    let told: Vec<_> = events.iter().map(|e| (e.seq, e.no.clone(), e.step.kind)).collect();
    assert_eq!(
        told,
        [
            (1, nth(1), StepKind::Opened),
            (2, nth(2), StepKind::Opened),
            (3, nth(1), StepKind::Worsened),
            (4, nth(2), StepKind::Moved),
        ]
    );
    assert_eq!((&events[3].step, events[3].anomaly), (&order.timeline[1], order.anomaly));
    assert_eq!(events[3].department, "ecology");
    assert_eq!(store.outbox(2).await.expect("read"), events[..2]);
    store.outbox_taken(2).await.expect("taken");
    store.outbox_taken(2).await.expect("taken again");
    assert_eq!(store.outbox(9).await.expect("read"), events[2..]);
    store.outbox_taken(u64::MAX).await.expect("taken");
    drop(store);

    let store = open("outbox").await;
    assert!(store.outbox(9).await.expect("read").is_empty());
    store.transition(&nth(2), OrderState::Dispatched, "li", "", moment(after(3))).await.expect("allowed");
    let events = store.outbox(9).await.expect("read");
    assert_eq!(events.iter().map(|e| e.seq).collect::<Vec<_>>(), [5], "a place is never given twice");
}
