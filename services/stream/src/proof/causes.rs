//! Many alarms of one cause: one order, with members that have none; the same by however many workers, stopped, torn and late.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use yiwang_disk::SimDisk;
use yiwang_model::{Anomaly, AnomalyId, Phase};
use yiwang_orders::{OrderStore, SqliteOrders};

use super::city::{self, moment, readings};
use super::late::delayed;
use super::orders::ModelOrders;
use super::script::{Commit, Cuts, Writer};
use super::torn::{is_tick, torn};
use super::world::{
    CHECKPOINTS, Verdict, assert_one_order_each, block_on, derived, fill, judge, log_of, open, parts,
    to_derive, wall,
};
use crate::{Parts, Stream};

const CUTS: Cuts = Cuts { batch: 4, tick: (5, 15) };

fn script(seed: u64, share_late: f64) -> Vec<Commit> {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let orderly = readings(7, 3_600);
    let arrivals = if share_late == 0.0 { orderly } else { delayed(&orderly, share_late, &mut dice) };
    let mut writer = Writer::new(&city::with_causes());
    writer.play(&arrivals, CUTS, &mut dice);
    writer.commits
}

/// The causes that were found: what for, and when they began, in seconds of the city.
fn causes(verdict: &Verdict, scope: &str) -> Vec<(String, i64)> {
    let own = verdict.last_steps().filter(|of| &*of.detector == "cause" && **of.series.metric() == *scope);
    let mut all: Vec<_> =
        own.map(|of| (of.series.source().to_string(), (of.begin - moment(0)).0 / 1_000_000_000)).collect();
    all.sort_by_key(|(_, begin)| *begin);
    all
}

/// The proofs below mean little if nothing happens in the city.
#[test]
fn a_silent_gateway_is_one_order_whose_members_have_none() {
    let verdict = block_on(async { judge(&log_of(&script(1, 0.0)).await, 1, 1 << 20).await });
    assert_one_order_each(&verdict);
    let gateways = causes(&verdict, "gateway");
    let names: Vec<&str> = gateways.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["east", "east"], "east is down twice");
    // The west is down once between. w-1 would be heard through the east then: that both its stations are silent has two causes.
    let stations = causes(&verdict, "station");
    let names: BTreeSet<&str> = stations.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["w-1", "w-2"].into());
    for ((_, begin), down) in gateways.iter().zip([1_200, 2_700]).chain(stations.iter().zip([2_200; 2])) {
        assert!((0..90).contains(&(begin - down)), "down at {down}, told of {begin}");
    }
    let told: BTreeSet<AnomalyId> = verdict.orders.keys().copied().collect();
    let untold = verdict.parts.keys().filter(|part| !told.contains(part)).count();
    assert!(untold > 10, "{untold} alarms had no orders");
    let of_east: BTreeSet<&str> = verdict
        .steps
        .iter()
        .flat_map(|step| &step.3)
        .filter(|of| {
            of.into
                .is_some_and(|into| &**verdict.orders[&into].draft.evidence.anomaly.series.source() == "east")
        })
        .map(|of| &**of.series.source())
        .collect();
    assert_eq!(of_east, ["e-1", "e-2", "e-3"].into(), "w-1 is heard through the other one as well");
    for order in verdict.orders.values().filter(|order| &*order.draft.evidence.anomaly.detector == "cause") {
        let shown = &order.draft.evidence.series;
        let fits =
            (1..=8).contains(&shown.len()) && shown.iter().all(|one| one.metric() == shown[0].metric());
        assert!(fits, "{shown:?} on one axis");
    }
}

#[test]
fn one_two_and_four_workers_find_the_same_causes() {
    let mut dice = ChaCha8Rng::seed_from_u64(11);
    block_on(async {
        for late in [0.0, 0.5] {
            let log = log_of(&script(2, late)).await;
            let wanted = judge(&log, 1, 1 << 20).await;
            assert!(!wanted.parts.is_empty());
            for round in 0..20 {
                let found = judge(&log, [1, 2, 4][round % 3], 1 << dice.random_range(0..18)).await;
                assert!(found == wanted, "round {round}, {late} late");
            }
        }
    });
}

/// What was judged in lives that end at these commits, by one, two and three workers in turn.
async fn lives(commits: &[Commit], ends: impl Iterator<Item = usize>, what: &str) {
    let disk = SimDisk::new(3);
    let log = open(Arc::new(disk.clone())).unwrap();
    let orders = Arc::new(ModelOrders::default());
    let mut done = 0;
    for (life, end) in ends.chain([commits.len()]).enumerate() {
        fill(log.as_ref(), &commits[done..end]).await;
        done = end;
        let parts = parts(&log, &orders, Arc::new(disk.clone()));
        let stream = Stream::start_saving_often(parts, Path::new(CHECKPOINTS), 1 + life % 3).await.unwrap();
        stream.drain().await.unwrap();
    }
    let wanted = judge(&log, 1, 1 << 20).await;
    assert_eq!(orders.all(), wanted.orders, "{what}");
    assert_eq!(orders.parts(), wanted.parts, "{what}");
    assert_eq!(derived(log.as_ref()).await, to_derive(&wanted), "{what}");
}

#[test]
fn stopped_anywhere_and_gone_on_with_other_workers_changes_no_cause() {
    let mut dice = ChaCha8Rng::seed_from_u64(5);
    for late in [0.0, 0.5] {
        let commits = script(3, late);
        for _ in 0..8 {
            let stop = dice.random_range(1..commits.len());
            block_on(lives(&commits, [stop].into_iter(), &format!("stopped after {stop}")));
        }
    }
}

#[test]
fn torn_ticks_change_no_cause() {
    let commits = torn(script(4, 0.0), &mut ChaCha8Rng::seed_from_u64(23));
    let ends: Vec<usize> =
        (0..commits.len()).filter(|at| is_tick(&commits[*at]) && commits[*at].len() < 4).collect();
    assert!(ends.len() > 5);
    block_on(lives(&commits, ends.iter().map(|end| end + 1), "torn"));
}

/// However late readings come, what is part of a cause was withdrawn into one that has an order, and nothing has two places.
#[test]
fn late_and_corrected_readings_leave_every_alarm_in_one_place() {
    block_on(async {
        for (seed, late) in [(1, 0.1), (2, 0.5), (3, 0.9)] {
            let verdict = judge(&log_of(&script(seed, late)).await, 2, 1 << 20).await;
            assert_one_order_each(&verdict);
            let mut withdrawn = 0;
            for last in verdict.last_steps() {
                let is_part = last.phase == Phase::Withdrawn && last.into.is_some();
                assert_eq!(verdict.parts.get(&last.id), last.into.as_ref().filter(|_| is_part), "{last:?}");
                withdrawn += usize::from(last.phase == Phase::Withdrawn && last.into.is_none());
                let held = verdict.orders.get(&last.id).map(|order| &order.draft.evidence.anomaly);
                let content = |of: &Anomaly| (of.phase, of.begin, of.end, of.into);
                assert!(held.is_none_or(|held| content(held) == content(last)), "{held:?} but {last:?}");
            }
            let last: BTreeMap<AnomalyId, &Anomaly> =
                verdict.last_steps().map(|last| (last.id, last)).collect();
            // A reading that came late may have made two episodes one, which then was part of a cause or is gone.
            let is_one_now = |part: &AnomalyId, whole: &AnomalyId| {
                last[part].because.is_some() && last[whole].phase == Phase::Withdrawn
            };
            let lost = verdict
                .parts
                .iter()
                .find(|(part, whole)| !verdict.orders.contains_key(whole) && !is_one_now(part, whole));
            assert_eq!(lost, None, "{late} late: {:?}", lost.map(|(part, whole)| (last[part], last[whole])));
            assert!(withdrawn > 10 || late < 0.2, "{withdrawn} were taken back");
        }
    });
}

/// The members of a cause in the order store of record are those of the log.
#[test]
fn the_order_store_has_the_members_of_each_cause() {
    let commits = script(5, 0.3);
    let (first, second) = commits.split_at(commits.len() / 2);
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let disk = SimDisk::new(3);
        let log = open(Arc::new(disk.clone())).unwrap();
        let path = folder.path().join("orders.sqlite");
        let orders = Arc::new(SqliteOrders::open(&path, "Asia/Shanghai").await.unwrap());
        for (piece, workers) in [(first, 2), (second, 3)] {
            fill(log.as_ref(), piece).await;
            let parts =
                Parts { log: log.clone(), orders: orders.clone(), disk: Arc::new(disk.clone()), wall };
            let stream = Stream::start_saving_often(parts, Path::new(CHECKPOINTS), workers).await.unwrap();
            stream.drain().await.unwrap();
        }
        let verdict = judge(&log, 1, 1 << 20).await;
        let causes: BTreeSet<AnomalyId> = verdict.parts.values().copied().collect();
        assert!(causes.len() > 2, "{}", causes.len());
        for cause in causes {
            let members = orders.members(cause, 500).await.unwrap();
            let found: BTreeSet<AnomalyId> = members.first.iter().map(|member| member.anomaly).collect();
            let own = verdict.parts.iter().filter(|(_, into)| **into == cause);
            assert_eq!(found, own.map(|(id, _)| *id).collect());
            assert_eq!(members.all, found.len() as u64);
        }
    });
}
