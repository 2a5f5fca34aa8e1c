//! What the judgement asks for.

use std::collections::BTreeSet;

use yiwang_model::order::{Channel, EvidencePoint, StepKind};
use yiwang_model::{Anomaly, AnomalyId, OrderIntent, OrderNo, OrderState, Phase, Span, Timestamp};

use super::sample::{MORNING, after, draft, episode, moment, note, nth, open as opened, over, worse};
use crate::{Applied, Filter, OrderStore};

pub(super) async fn an_episode_opens_one_order<S: OrderStore, F: Future<Output = S>>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = open("one-order").await;
    let intents = [opened("a", MORNING), opened("b", MORNING), opened("a", MORNING), opened("a", after(9))];
    let applied = store.apply(1, moment(after(1)), &intents).await.expect("applied");
    assert_eq!(applied, Applied { opened: 3, noted: 0, repeated: 1 }, "an episode twice in one epoch");
    let applied = store.apply(2, moment(after(2)), &intents).await.expect("applied");
    assert_eq!(applied, Applied { opened: 0, noted: 0, repeated: 4 }, "known episodes in a later epoch");
    drop(store);

    let store = open("one-order").await;
    let order = store.get(&nth(1)).await.expect("read").expect("the first order");
    assert_eq!(order.draft, draft("a", MORNING), "content comes back as it was asked for");
    assert_eq!((order.state, order.channel), (OrderState::Opened, Channel::Sensor));
    assert_eq!(order.timeline.len(), 1);
    let step = &order.timeline[0];
    assert_eq!((step.seq, step.kind, &*step.who), (1, StepKind::Opened, "yiwang"));
    assert_eq!((step.at, step.wall), (MORNING, moment(after(1)).wall));
    let id = episode("a", MORNING).id;
    assert_eq!(order.anomaly, Some(id));
    assert_eq!(store.of_anomaly(id).await.expect("read"), Some(order));
    assert_eq!(store.of_anomaly(episode("c", MORNING).id).await.expect("read"), None);
    assert_eq!(store.get(&nth(4)).await.expect("read"), None, "a fourth order");
}

pub(super) async fn an_epoch_is_applied_once<S: OrderStore, F: Future<Output = S>>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = open("one-epoch").await;
    assert_eq!(store.applied().await.expect("read"), None);
    store.apply(7, moment(after(1)), &[opened("a", MORNING)]).await.expect("applied");
    let applied = store.apply(8, moment(after(1)), &[]).await.expect("applied");
    assert_eq!(applied, Applied::default());
    for epoch in [0, 7, 8] {
        let applied = store.apply(epoch, moment(after(2)), &[opened("b", MORNING)]).await.expect("answered");
        assert_eq!(applied, Applied { repeated: 1, ..Applied::default() }, "epoch {epoch} again");
    }
    drop(store);

    let store = open("one-epoch").await;
    assert_eq!(store.applied().await.expect("read"), Some(8));
    assert_eq!(store.get(&nth(2)).await.expect("read"), None, "an order of an epoch that was over");
    assert_eq!(store.outbox(9).await.expect("read").len(), 1);
    assert!(store.apply(u64::MAX, moment(after(2)), &[]).await.is_err(), "an epoch that no log cuts");
    assert_eq!(store.applied().await.expect("read"), Some(8));
}

pub(super) async fn numbers_count_within_the_citys_day<S: OrderStore, F: Future<Output = S>>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = open("numbers").await;
    let before: Timestamp = "2026-03-02T15:59:59Z".parse().expect("a time");
    let first = [opened("a", before), opened("b", before + Span::SECOND), opened("c", before)];
    store.apply(1, moment(before), &first).await.expect("applied");
    drop(store);
    let store = open("numbers").await;
    let second = [opened("d", before + Span::SECOND), opened("e", before)];
    store.apply(2, moment(before), &second).await.expect("applied");
    for (no, station) in [
        ("YW20260302-000001", "a"),
        ("YW20260303-000001", "b"),
        ("YW20260302-000002", "c"),
        ("YW20260303-000002", "d"),
        ("YW20260302-000003", "e"),
    ] {
        let order = store.get(&OrderNo(no.into())).await.expect("read").expect(no);
        assert_eq!(order.draft.place.station, station, "{no}");
    }
}

pub(super) async fn notes_stand_in_the_history_and_close_nothing<S: OrderStore, F: Future<Output = S>>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = open("notes").await;
    let (bad, gone) = (worse("a", MORNING, 120.5), over("a", MORNING, after(60)));
    let first = [
        opened("a", MORNING),
        note(bad.clone(), after(10)),
        note(bad.clone(), after(11)),
        note(worse("nobody", MORNING, 99.0), after(12)),
        note(episode("a", MORNING), after(12)),
    ];
    let applied = store.apply(1, moment(after(20)), &first).await.expect("applied");
    assert_eq!(applied, Applied { opened: 1, noted: 1, repeated: 3 });
    let again = [note(bad.clone(), after(21)), note(gone.clone(), after(60)), note(gone.clone(), after(61))];
    let applied = store.apply(2, moment(after(61)), &again).await.expect("applied");
    assert_eq!(applied, Applied { opened: 0, noted: 1, repeated: 2 });
    drop(store);

    let store = open("notes").await;
    let order = store.get(&nth(1)).await.expect("read").expect("the order");
    assert_eq!(order.state, OrderState::Opened, "people close, not the end of an episode");
    assert_eq!(order.draft.evidence.anomaly, gone);
    let lines: Vec<_> = order.timeline.iter().map(|s| (s.seq, s.kind, s.state, &*s.note, s.at)).collect();
    assert_eq!(
        lines,
        [
            (1, StepKind::Opened, OrderState::Opened, "", MORNING),
            (2, StepKind::Worsened, OrderState::Opened, "120.5 µg/m³", after(10)),
            (3, StepKind::Cleared, OrderState::Opened, "2026-03-02T02:01:00Z", after(60)),
        ]
    );
    let active = Filter { active: Some(true), ..Filter::default() };
    assert!(store.find(&active, 9, None).await.expect("read").orders.is_empty());
    assert_eq!(store.counts(MORNING).await.expect("read").active, 0);
}

pub(super) async fn numbers_come_back_bit_by_bit<S: OrderStore, F: Future<Output = S>>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = open("numbers-exact").await;
    let values = [0.1 + 0.2, 5e-324, f64::MAX, -1.0 / 3.0, 122.416_385_279_655_73, f64::NAN, f64::INFINITY];
    let of = |value: f64| {
        let mut draft = draft("a", Timestamp(value.to_bits().cast_signed() >> 1));
        draft.evidence.anomaly.extreme = value;
        draft.evidence.points = vec![EvidencePoint { time: MORNING, value }; 3];
        draft.place.point = None;
        draft
    };
    let intents: Vec<_> = values.iter().map(|value| OrderIntent::Open(Box::new(of(*value)))).collect();
    store.apply(1, moment(MORNING), &intents).await.expect("applied");
    for (epoch, value) in (2..).zip(values) {
        let id = of(value).evidence.anomaly.id;
        let found = store.of_anomaly(id).await.expect("read").expect("an order").draft;
        let extreme = found.evidence.anomaly.extreme;
        assert!(extreme == value || value.is_nan() && extreme.is_nan(), "{extreme} for {value}");
        let point = found.evidence.points[2].value;
        assert!(point == value || !value.is_finite() && !point.is_finite(), "{point} for {value}");
        assert_eq!(found.place.point, None);
        let says = Anomaly { phase: Phase::Worsened, extreme: value, ..found.evidence.anomaly };
        let twice = [note(says.clone(), after(1)), note(says, after(1))];
        let first = store.apply(2 * epoch, moment(MORNING), &twice).await.expect("applied");
        assert_eq!((first.noted, first.repeated), (1, 1), "{value}");
        let again = store.apply(2 * epoch + 1, moment(MORNING), &twice).await.expect("applied");
        assert_eq!((again.noted, again.repeated), (0, 2), "{value} was news when it was read back");
    }
}

pub(super) async fn an_audit_walks_over_every_episode<S: OrderStore, F: Future<Output = S>>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = open("audit").await;
    let mut intents: Vec<_> = (0..25).map(|n| opened("a", after(n))).collect();
    intents.push(note(over("a", after(3), after(90)), after(90)));
    store.apply(1, moment(after(99)), &intents).await.expect("applied");
    assert_eq!(store.episodes(None, 0).await.expect("read").len(), 1, "a limit of none is one");
    assert_eq!(store.episodes(None, u32::MAX).await.expect("read").len(), 25);
    let (mut all, mut last) = (Vec::new(), None);
    loop {
        let rows = store.episodes(last, 7).await.expect("read");
        last = rows.last().map(|row| row.anomaly.id);
        all.extend(rows);
        if last.is_none() {
            break;
        }
    }
    let ids: Vec<AnomalyId> = all.iter().map(|row| row.anomaly.id).collect();
    let wanted: BTreeSet<_> = (0..25).map(|n| episode("a", after(n)).id).collect();
    assert_eq!(ids, wanted.into_iter().collect::<Vec<_>>(), "by id, each once");
    let gone: Vec<_> = all.iter().filter(|row| !row.active).collect();
    assert_eq!(gone.len(), 1);
    assert_eq!(gone[0].anomaly, over("a", after(3), after(90)));
    assert_eq!((&gone[0].no, &*gone[0].department), (&nth(4), "ecology"));
}

pub(super) async fn what_an_episode_follows_from_is_kept_byte_by_byte<
    S: OrderStore,
    F: Future<Output = S>,
>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = open("capsules").await;
    let id = |n| episode("a", after(n)).id;
    let all: Vec<u8> = (0..=255).collect();
    assert_eq!(store.capsule(id(1)).await.expect("read"), None);
    let kept = [(id(1), all.clone()), (id(2), vec![7]), (id(1), vec![8; 9_000])];
    store.keep(&kept[..2]).await.expect("kept");
    assert_eq!(store.capsule(id(1)).await.expect("read"), Some(all));
    store.keep(&kept[2..]).await.expect("kept");
    let found = [store.capsule(id(1)).await.expect("read"), store.capsule(id(2)).await.expect("read")];
    assert_eq!(found, [Some(vec![8; 9_000]), Some(vec![7])], "the last word on an episode holds");
    assert!(store.of_anomaly(id(1)).await.expect("read").is_none(), "without an order");
}
