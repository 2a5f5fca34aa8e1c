//! Many alarms of one cause: one order, with members that have none; the same by however many workers, stopped, torn and late.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use yiwang_disk::SimDisk;
use yiwang_model::AnomalyId;
use yiwang_orders::{OrderStore, SqliteOrders};

use super::city::{self, readings};
use super::late::delayed;
use super::orders::ModelOrders;
use super::script::{Commit, Cuts, Writer};
use super::torn::{is_tick, torn};
use super::world::{CHECKPOINTS, block_on, derived, fill, judge, log_of, open, parts, to_derive, wall};
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
