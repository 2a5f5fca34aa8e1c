//! What other systems report.

use yiwang_model::order::{Channel, StepKind};
use yiwang_model::{AlertKey, OrderState, Severity, Timestamp};

use super::sample::{MORNING, after, draft, moment, nth, open as opened};
use crate::alert::Outcome::{Cleared, Opened, Repeated, Unknown, Worsened};
use crate::alert::{Alert, Outcome};
use crate::{AlertDesk, Error, OrderStore};

/// What the sender `monitor` reports of an alert.
fn alert(name: &str, begin: i64, end: Option<i64>, severity: Severity) -> Alert {
    let (key, begin) = (AlertKey::of("monitor", name), after(begin));
    let mut draft = draft(name, MORNING);
    draft.evidence.links = vec!["http://grafana.example/d/1".into()];
    let anomaly = &mut draft.evidence.anomaly;
    (anomaly.id, anomaly.begin, anomaly.end) = (key.occurrence(begin), begin, end.map(after));
    (anomaly.severity, anomaly.extreme, anomaly.limit) = (severity, f64::from(severity as u8), None);
    Alert { key, draft }
}

fn firing(name: &str, begin: i64) -> Alert {
    alert(name, begin, None, Severity::Warning)
}

fn resolved(name: &str, begin: i64, end: i64) -> Alert {
    alert(name, begin, Some(end), Severity::Warning)
}

/// Takes one report after the other; what came of each, and which order of that morning it is of.
async fn told<S: AlertDesk>(store: &S, alerts: &[Alert]) -> Vec<(Outcome, Option<u32>)> {
    let taken = store.take("monitor", moment(after(99)), alerts).await.expect("taken");
    let number = |no: &yiwang_model::OrderNo| no.0[11..].parse().expect("a number");
    taken.iter().map(|taken| (taken.outcome, taken.order.as_ref().map(number))).collect()
}

pub(super) async fn an_alert_opens_updates_and_clears_one_order<
    S: OrderStore + AlertDesk,
    F: Future<Output = S>,
>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = open("alert").await;
    assert_eq!(told(&store, &[firing("a", 0)]).await, [(Opened, Some(1))]);
    drop(store);
    let store = open("alert").await;
    let graver = alert("a", 0, None, Severity::Critical);
    assert_eq!(
        told(&store, &[graver]).await,
        [(Worsened, Some(1))],
        "known after the store was opened again"
    );
    assert_eq!(told(&store, &[resolved("a", 0, 60)]).await, [(Cleared, Some(1))]);
    let order = store.get(&nth(1)).await.expect("read").expect("the order");
    let anomaly = &order.draft.evidence.anomaly;
    assert_eq!((order.channel, order.state), (Channel::Alert, OrderState::Opened), "people close");
    assert_eq!((anomaly.end, anomaly.severity), (Some(after(60)), Severity::Critical));
    assert_eq!(order.anomaly, Some(AlertKey::of("monitor", "a").occurrence(MORNING)));
    assert_eq!(order.draft.evidence.links, ["http://grafana.example/d/1"]);
    let lines: Vec<_> = order.timeline.iter().map(|s| (s.kind, &*s.who, &*s.note, s.at)).collect();
    assert_eq!(
        lines,
        [
            (StepKind::Opened, "monitor", "", MORNING),
            (StepKind::Worsened, "monitor", "critical", after(99)),
            (StepKind::Cleared, "monitor", "2026-03-02T02:01:00Z", after(99)),
        ]
    );
    let nobody = store.take("", moment(MORNING), &[firing("b", 0)]).await;
    assert!(matches!(nobody, Err(Error::Missing { .. })), "{nobody:?}");
}

pub(super) async fn what_arrives_late_or_again_changes_nothing<
    S: OrderStore + AlertDesk,
    F: Future<Output = S>,
>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = open("alert-again").await;
    assert_eq!(told(&store, &[resolved("a", 0, 9)]).await, [(Unknown, None)], "resolved first");
    assert_eq!(
        told(&store, &[firing("a", 10), firing("a", 10), firing("b", 10)]).await,
        [(Opened, Some(1)), (Repeated, Some(1)), (Opened, Some(2))],
    );
    let late = [
        firing("a", 10),
        firing("a", 5), // another replica saw it begin earlier
        firing("a", 12),
        alert("a", 10, None, Severity::Notice),
        resolved("a", 0, 9), // of what was before it
    ];
    assert!(told(&store, &late).await.iter().all(|told| *told == (Repeated, Some(1))));
    assert_eq!(told(&store, &[resolved("a", 10, 50)]).await, [(Cleared, Some(1))]);
    let late =
        [resolved("a", 10, 51), firing("a", 10), firing("a", 50), alert("a", 20, None, Severity::Critical)];
    assert!(told(&store, &late).await.iter().all(|told| *told == (Repeated, Some(1))));
    let steps = store.get(&nth(1)).await.expect("read").expect("the order").timeline.len();
    assert_eq!((steps, store.outbox(9).await.expect("read").len()), (2, 3));
}

pub(super) async fn who_comes_again_after_the_end_gets_another_order<
    S: OrderStore + AlertDesk,
    F: Future<Output = S>,
>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = open("alert-reborn").await;
    let life = [firing("a", 0), resolved("a", 0, 30), resolved("a", 31, 40), firing("a", 41)];
    let wanted = [(Opened, Some(1)), (Cleared, Some(1)), (Unknown, Some(1)), (Opened, Some(2))];
    assert_eq!(told(&store, &life).await, wanted);
    let other = Alert { key: AlertKey::of("other", "a"), ..firing("a", 500) };
    let id = other.key.occurrence(after(500));
    let mut other = other;
    other.draft.evidence.anomaly.id = id;
    assert_eq!(told(&store, &[other]).await, [(Opened, Some(3))], "another sender's alert");
    close(&store, 2).await;
    let later = [firing("a", 41), firing("a", 60), resolved("a", 60, 70)];
    let wanted = [(Repeated, Some(2)), (Opened, Some(4)), (Cleared, Some(4))];
    assert_eq!(told(&store, &later).await, wanted, "people had closed it, and it came again");
}

async fn close<S: OrderStore>(store: &S, count: u32) {
    use OrderState::{Accepted, Closed, Dispatched, Handling, Replied};
    for to in [Accepted, Dispatched, Handling, Replied, Closed] {
        store.transition(&nth(count), to, "li", "", moment(after(99))).await.expect("allowed");
    }
}

pub(super) async fn many_at_once_open_one_order<S: OrderStore + AlertDesk, F: Future<Output = S>>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = std::sync::Arc::new(open("alert-ha").await);
    let begin = |nth: i64| firing("a", nth % 3);
    let senders = (0..8).map(|nth| {
        let store = store.clone();
        tokio::spawn(async move { told(&*store, &[begin(nth)]).await[0] })
    });
    let mut outcomes = Vec::new();
    for sender in senders.collect::<Vec<_>>() {
        outcomes.push(sender.await.expect("no panic"));
    }
    outcomes.sort_unstable();
    assert_eq!(outcomes[0], (Opened, Some(1)));
    assert!(outcomes[1..].iter().all(|outcome| *outcome == (Repeated, Some(1))), "{outcomes:?}");
}

pub(super) async fn orders_of_alerts_stand_among_the_others<
    S: OrderStore + AlertDesk,
    F: Future<Output = S>,
>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = open("alert-among").await;
    store.apply(1, moment(after(1)), &[opened("s", MORNING)]).await.expect("applied");
    assert_eq!(told(&store, &[firing("a", 0)]).await, [(Opened, Some(2))]);
    store.apply(2, moment(after(2)), &[opened("t", MORNING)]).await.expect("applied");
    assert_eq!(store.get(&nth(3)).await.expect("read").expect("the third").channel, Channel::Sensor);
    let mut channels: Vec<_> =
        store.episodes(None, 9).await.expect("read").iter().map(|row| row.channel).collect();
    channels.sort_unstable();
    assert_eq!(channels, [Channel::Sensor, Channel::Sensor, Channel::Alert]);
    let active = store.counts(Timestamp::MIN).await.expect("read").active;
    assert_eq!(active, 3);
    assert_eq!(told(&store, &[resolved("a", 0, 1)]).await, [(Cleared, Some(2))]);
    assert_eq!(store.counts(Timestamp::MIN).await.expect("read").active, 2);
}
