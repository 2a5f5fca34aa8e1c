//! Episodes that are part of another.

use yiwang_model::{Anomaly, AnomalyId, OrderIntent, Phase};

use super::sample::{MORNING, after, episode, moment, note, open as opened, over};
use crate::{Member, Members, OrderStore};

/// The episode, part of that of station `cause`, or of none.
fn part(station: &str, cause: Option<&str>) -> OrderIntent {
    let into = cause.map(|cause| episode(cause, MORNING).id);
    note(Anomaly { phase: Phase::Withdrawn, into, ..episode(station, MORNING) }, after(5))
}

fn member(station: &str) -> Member {
    let Anomaly { id, detector, series, begin, end, severity, .. } = episode(station, MORNING);
    Member { anomaly: id, detector, series, begin, end, severity }
}

fn members(stations: &[&str]) -> Members {
    Members { all: stations.len() as u64, first: stations.iter().map(|station| member(station)).collect() }
}

fn id(station: &str) -> AnomalyId {
    episode(station, MORNING).id
}

pub(super) async fn a_cause_has_its_members_with_and_without_orders<S: OrderStore, F: Future<Output = S>>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = open("members").await;
    let intents = [opened("told", MORNING), opened("cause", MORNING), part("held", Some("cause"))];
    store.apply(1, moment(MORNING), &intents).await.expect("applied");
    assert_eq!(store.members(id("cause"), 9).await.expect("read"), members(&["held"]));
    assert_eq!(store.of_anomaly(id("held")).await.expect("read"), None, "it never had an order");
    store.apply(2, moment(after(6)), &[part("told", Some("cause"))]).await.expect("applied");
    drop(store);

    let store = open("members").await;
    let both = members(&["held", "told"]);
    assert_eq!(store.members(id("cause"), 9).await.expect("read"), both, "by station");
    assert_eq!(store.members(id("told"), 9).await.expect("read"), Members::default());
    store.apply(2, moment(after(6)), &[part("told", None)]).await.expect("applied");
    assert_eq!(store.members(id("cause"), 9).await.expect("read"), both, "an epoch is applied once");
}

pub(super) async fn an_episode_is_part_of_what_was_said_last<S: OrderStore, F: Future<Output = S>>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = open("members-moved").await;
    let stations = ["a", "b", "c", "d"];
    let into_x = stations.map(|station| part(station, Some("x")));
    store.apply(1, moment(MORNING), &into_x).await.expect("applied");
    let moved = [
        part("a", Some("y")),
        part("b", None),
        opened("c", MORNING),
        note(over("d", MORNING, after(9)), after(9)),
    ];
    store.apply(2, moment(after(6)), &moved).await.expect("applied");
    assert_eq!(store.members(id("x"), 9).await.expect("read"), members(&["d"]));
    assert_eq!(store.members(id("y"), 9).await.expect("read"), members(&["a"]));
    let back = [opened("a", MORNING), part("a", Some("x"))];
    store.apply(3, moment(after(7)), &back).await.expect("applied");
    assert_eq!(store.members(id("x"), 9).await.expect("read"), members(&["a", "d"]), "in one epoch too");
}

pub(super) async fn of_many_members_the_first_are_given_and_all_counted<
    S: OrderStore,
    F: Future<Output = S>,
>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = open("members-many").await;
    let stations: Vec<String> = (0..600).map(|at| format!("s-{at:03}")).collect();
    let intents: Vec<OrderIntent> = stations.iter().rev().map(|station| part(station, Some("x"))).collect();
    store.apply(1, moment(MORNING), &intents).await.expect("applied");
    for (limit, given) in [(0, 1), (1, 1), (100, 100), (u32::MAX, 500)] {
        let Members { all, first } = store.members(id("x"), limit).await.expect("read");
        let wanted: Vec<Member> = stations[..given].iter().map(|station| member(station)).collect();
        assert_eq!((all, first), (600, wanted), "{limit}");
    }
}
