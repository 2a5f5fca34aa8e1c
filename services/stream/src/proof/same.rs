//! One log, one verdict: however it is read, by however many workers, stopped and gone on with, cut into whatever epochs.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use yiwang_disk::SimDisk;
use yiwang_log::Log;
use yiwang_model::{Anomaly, Series};
use yiwang_orders::{OrderStore, SqliteOrders};

use super::city::{self, PARTITIONS, readings};
use super::orders::ModelOrders;
use super::script::{Commit, Cuts, Writer};
use super::world::{
    CHECKPOINTS, assert_one_order_each, assert_same_episodes, block_on, derived, fill, judge, log_of, open,
    parts, to_derive, wall,
};
use crate::{Parts, Stream};

const CUTS: Cuts = Cuts { batch: 4, tick: (5, 15) };

fn script(seed: u64, cuts: Cuts) -> Vec<Commit> {
    let mut writer = Writer::new(city::TEXT);
    writer.play(&readings(7, 3_600), cuts, &mut ChaCha8Rng::seed_from_u64(seed));
    writer.commits
}

fn source_of(series: &Series) -> (char, u16) {
    (series.source().chars().next().unwrap(), series.partition(PARTITIONS))
}

/// The proofs below mean little if nothing happens in the city.
#[test]
fn the_city_has_episodes_of_every_kind_and_gateways_across_partitions() {
    let verdict = block_on(async { judge(&log_of(&script(1, CUTS)).await, 1, 1 << 20).await });
    let detectors: BTreeSet<&str> =
        verdict.orders.values().map(|order| order.draft.evidence.anomaly.detector.as_ref()).collect();
    let wanted = [
        "apart",
        "dust-limit",
        "dust-spike",
        "dusty",
        "flat",
        "gateway-silent",
        "growth-limit",
        "noise-limit",
        "noise-rate",
        "silent",
        "slip",
    ];
    assert_eq!(detectors, wanted.into());
    let gateways = verdict.orders.values().map(|order| &order.draft.evidence.anomaly);
    let gateways = gateways.filter(|anomaly| anomaly.detector.as_ref() == "gateway-silent");
    let ended = gateways.filter(|anomaly| anomaly.end.is_some()).count();
    assert_eq!(ended, 3, "east twice and west once");
    let east: BTreeSet<_> = city::catalogue().series_of("east").iter().map(source_of).collect();
    assert!(east.len() > 1, "the rule looks across partitions: {east:?}");
    let counts = verdict.counts;
    assert!(counts.repeats > 50 && counts.corrections > 50 && counts.unknown == 0, "{counts:?}");
    assert_one_order_each(&verdict);
}

#[test]
fn a_hundred_poll_sizes_and_one_two_and_four_workers_agree() {
    let mut dice = ChaCha8Rng::seed_from_u64(11);
    block_on(async {
        let log = log_of(&script(1, CUTS)).await;
        let wanted = judge(&log, 1, 1 << 20).await;
        for round in 0..100 {
            let workers = [1, 2, 4][round % 3];
            let read_bytes = 1 << dice.random_range(0..18);
            let found = judge(&log, workers, read_bytes).await;
            assert!(
                found == wanted,
                "{workers} workers, {read_bytes} bytes a poll\n{}",
                difference(&wanted, &found)
            );
        }
    });
}

fn difference(wanted: &super::world::Verdict, found: &super::world::Verdict) -> String {
    let differs = wanted.steps.iter().zip(&found.steps).find(|(a, b)| a != b);
    format!("{differs:#?}\n{:?}\n{:?}", wanted.counts, found.counts)
}

/// Judges a log with real checkpoints: up to a place by so many workers, then to the end by others.
async fn stopped_and_finished(commits: &[Commit], stop: usize, workers: [usize; 2]) {
    let disk = SimDisk::new(3);
    let log = open(Arc::new(disk.clone())).unwrap();
    let orders = Arc::new(ModelOrders::default());
    for (part, workers) in [&commits[..stop], &commits[stop..]].into_iter().zip(workers) {
        fill(log.as_ref(), part).await;
        let parts = parts(&log, &orders, Arc::new(disk.clone()));
        let stream = Stream::start_saving_often(parts, Path::new(CHECKPOINTS), workers).await.unwrap();
        stream.drain().await.unwrap();
    }
    let wanted = judge(&log, 1, 1 << 20).await;
    assert_eq!(orders.all(), wanted.orders, "stopped after {stop} commits");
    assert_eq!(derived(log.as_ref()).await, to_derive(&wanted), "stopped after {stop} commits");
    assert!(!disk.paths().is_empty());
}

#[test]
fn stopped_at_two_workers_and_finished_at_three_changes_nothing() {
    let commits = script(2, CUTS);
    let mut dice = ChaCha8Rng::seed_from_u64(5);
    for _ in 0..20 {
        let stop = dice.random_range(1..commits.len());
        block_on(stopped_and_finished(&commits, stop, [2, 3]));
    }
}

/// The same with the order store of record.
#[test]
fn orders_in_sqlite_are_the_same_when_stopped_and_finished() {
    let commits = script(4, CUTS);
    let whole = block_on(sqlite_orders(&[&commits], &[1]));
    let (first, second) = commits.split_at(commits.len() / 2);
    let parted = block_on(sqlite_orders(&[first, second], &[2, 3]));
    assert!(whole.len() > 50, "{} orders", whole.len());
    assert_eq!(whole, parted);
}

async fn sqlite_orders(pieces: &[&[Commit]], workers: &[usize]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let disk = SimDisk::new(3);
    let log = open(Arc::new(disk.clone())).unwrap();
    let orders =
        Arc::new(SqliteOrders::open(&folder.path().join("orders.sqlite"), "Asia/Shanghai").await.unwrap());
    for (piece, workers) in pieces.iter().zip(workers) {
        fill(log.as_ref(), piece).await;
        let log: Arc<dyn Log> = log.clone();
        let parts = Parts { log, orders: orders.clone(), disk: Arc::new(disk.clone()), wall };
        let stream = Stream::start_saving_often(parts, Path::new(CHECKPOINTS), *workers).await.unwrap();
        stream.drain().await.unwrap();
    }
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = orders.find(&yiwang_orders::Filter::default(), 500, after.as_deref()).await.unwrap();
        all.extend(page.orders.iter().map(|order| serde_json::to_string(order).unwrap()));
        after = page.next;
        if after.is_none() {
            orders.close().await;
            return all;
        }
    }
}

#[test]
fn other_batches_and_other_ticks_find_the_same_episodes() {
    block_on(async {
        let wanted = judge(&log_of(&script(1, CUTS)).await, 1, 1 << 20).await;
        for seed in 0..30 {
            let cuts = Cuts { batch: 1 + seed as i64 % 9, tick: (1 + seed as i64 % 5, 6 + seed as i64 % 10) };
            let found = judge(&log_of(&script(100 + seed, cuts)).await, 2, 1 << 14).await;
            assert_same_episodes(&wanted, &found, &format!("seed {seed}"));
        }
    });
}

/// A sender's retry of everything, cut otherwise, in the same log: repeats change nothing.
#[test]
fn the_same_readings_sent_three_times_find_the_same_episodes() {
    let thrice: Vec<_> = readings(7, 1_800).into_iter().flat_map(|arrival| vec![arrival; 3]).collect();
    block_on(async {
        let mut once = Writer::new(city::TEXT);
        once.play(&readings(7, 1_800), CUTS, &mut ChaCha8Rng::seed_from_u64(1));
        let mut three = Writer::new(city::TEXT);
        three.play(&thrice, CUTS, &mut ChaCha8Rng::seed_from_u64(2));
        let once = judge(&log_of(&once.commits).await, 1, 1 << 20).await;
        let three = judge(&log_of(&three.commits).await, 2, 1 << 20).await;
        assert_same_episodes(&once, &three, "three times");
        assert!(three.counts.repeats > once.counts.judged, "{:?}", three.counts);
        assert!(!once.steps.iter().flat_map(|step| &step.3).collect::<Vec<&Anomaly>>().is_empty());
    });
}
