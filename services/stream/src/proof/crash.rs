//! Power cuts, failed syncs and full disks: what was found before is found again, orders are there once.
//!
//! Log and checkpoints are on a disk in memory that forgets what was not synced; the order store is one that survives. A
//! sender sends again what was not acknowledged; the ticker goes on from the newest tick.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prost::Message;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use yiwang_disk::SimDisk;
use yiwang_log::{Class, Log};
use yiwang_proto::log::{ReadingsRecord, Tick, readings_record::Kind};
use yiwang_proto::topics;

use super::city::{self, Arrival, readings};
use super::disk::WatchedDisk;
use super::orders::ModelOrders;
use super::script::{Commit, Cuts, Writer, everywhere, tick};
use super::world::{
    CHECKPOINTS, Verdict, assert_one_order_each, assert_same_episodes, block_on, derived, fill, judge,
    log_of, marks, open, parts, to_derive, try_records,
};
use crate::checkpoint::Checkpoints;
use crate::finish::CURSOR;
use crate::{Error, Stream};

/// Runs with the power cut at a random operation.
const RUNS: u64 = 1_000;
/// The same with causes.
const RUNS_WITH_CAUSES: u64 = 200;
/// What happens in a run, in seconds of the city.
const SECONDS: i64 = 500;
/// The longest that anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
const CUTS: Cuts = Cuts { batch: 8, tick: (12, 28) };

/// An hour in short: episodes come thick.
fn arrivals() -> Vec<Arrival> {
    let mut all = readings(7, 1_600);
    all.retain(|arrival| arrival.at >= 1_600 - SECONDS);
    // some come again at the end with another value, far too late
    let is_first =
        |arrival: &&Arrival| arrival.at < 1_700 - SECONDS && arrival.series.metric().as_ref() == "dust";
    let mut late: Vec<Arrival> = all.iter().filter(is_first).step_by(7).cloned().collect();
    late.iter_mut().for_each(|arrival| (arrival.at, arrival.row.value) = (1_590, 999.0));
    all.extend(late);
    all.sort_by_key(|arrival| arrival.at);
    all
}

pub(super) fn script(seed: u64) -> Vec<Commit> {
    script_of(city::TEXT, seed)
}

fn script_of(catalogue: &str, seed: u64) -> Vec<Commit> {
    let mut writer = Writer::new(catalogue);
    writer.play(&arrivals(), CUTS, &mut ChaCha8Rng::seed_from_u64(seed));
    writer.commits
}

/// The city over its lives: what outlives a crash.
pub(super) struct City {
    pub(super) disk: SimDisk,
    pub(super) orders: Arc<ModelOrders>,
    /// Commits that were acknowledged.
    done: usize,
    placed: Vec<(u64, u64)>,
}

impl City {
    pub(super) fn new(seed: u64) -> Self {
        Self { disk: SimDisk::new(seed), orders: Arc::default(), done: 0, placed: Vec::new() }
    }

    /// The log was told of no more than what the newest checkpoint on disk has, whenever the power went: it lets go of the rest.
    fn assert_log_holds(&self, log: &dyn Log, disk: &Arc<WatchedDisk>) -> Option<()> {
        let (_, newest) = Checkpoints::open(disk.clone(), Path::new(CHECKPOINTS)).ok()?;
        if self.disk.is_cut() {
            // It gave what it gave; nothing begins with that.
            return None;
        }
        for told in log.cursor(CURSOR) {
            let saved = newest.as_ref().map_or(0, |state| state.next[usize::from(told.partition.index)]);
            assert!(told.next.0 <= saved, "the log was told {told:?}, in the checkpoint is {saved}");
        }
        Some(())
    }

    /// Lives until the script has ended or the power is gone.
    pub(super) async fn live(&mut self, commits: &[Commit], workers: usize) -> Option<()> {
        let watched = WatchedDisk::new(self.disk.clone(), Arc::clone(&self.orders));
        let lived = self.try_live(commits, workers, &watched).await;
        self.placed.append(&mut watched.placed.lock().unwrap());
        lived
    }

    async fn try_live(&mut self, commits: &[Commit], workers: usize, disk: &Arc<WatchedDisk>) -> Option<()> {
        let log = open(disk.clone()).ok()?;
        self.assert_log_holds(log.as_ref(), disk)?;
        let mut number = last_tick(log.as_ref()).await?;
        let parts = parts(&log, &self.orders, disk.clone());
        let stream = Stream::start_saving_often(parts, Path::new(CHECKPOINTS), workers).await.ok()?;
        while let Some(commit) = commits.get(self.done) {
            let commit = renumbered(commit, &mut number);
            log.append(Class::Intake, commit).await.ok()?;
            self.done += 1;
        }
        stream.drain().await.ok()
    }

    fn crash(&mut self) {
        self.disk = self.disk.power_cut();
    }
}

/// The number of the newest tick of any partition.
async fn last_tick(log: &dyn Log) -> Option<u64> {
    let mut last = 0;
    for payload in try_records(log, topics::READINGS).await.ok()? {
        if let Some(Kind::Tick(tick)) = ReadingsRecord::decode(payload).ok()?.kind {
            last = last.max(tick.number);
        }
    }
    Some(last)
}

/// A commit as the ticker would write it now.
fn renumbered(commit: &Commit, number: &mut u64) -> Commit {
    let Ok(record) = ReadingsRecord::decode(commit[0].payload.clone()) else { return commit.clone() };
    match record.kind {
        Some(Kind::Tick(old)) if commit[0].to.topic.0 == topics::READINGS => {
            *number += 1;
            tick(*number, yiwang_model::Timestamp(old.city_nanos.unwrap()), old.catalogue_revision)
        }
        _ => commit.clone(),
    }
}

/// Whatever happened, in the end all is as if nothing had.
pub(super) async fn assert_undisturbed(city: &City, whole: &Verdict, what: &str) {
    let wanted = assert_as_its_log(city, what).await;
    assert_same_episodes(whole, &wanted, what);
}

/// Whatever happened, orders and log say what the log comes to.
async fn assert_as_its_log(city: &City, what: &str) -> Verdict {
    let log = open(Arc::new(city.disk.clone())).unwrap();
    let wanted = judge(&log, 1, 1 << 20).await;
    assert_one_order_each(&wanted);
    assert_eq!(city.orders.all(), wanted.orders, "{what}: the orders of this log");
    assert_eq!(city.orders.parts(), wanted.parts, "{what}: what is part of them");
    assert_eq!(derived(log.as_ref()).await, to_derive(&wanted), "{what}: what is derived from this log");
    assert_eq!(marks(log.as_ref()).await, wanted.marks, "{what}: the minutes that are marked");
    for (epoch, applied) in &city.placed {
        assert!(
            wanted.last_found(*epoch) <= *applied,
            "{what}: checkpoint {epoch} leads the orders at {applied}"
        );
    }
    wanted
}

#[test]
fn a_thousand_power_cuts_leave_the_orders_of_an_undisturbed_city() {
    let scripts: Vec<_> = (0..8).map(script).collect();
    block_on(async {
        let whole = judge(&log_of(&scripts[0]).await, 1, 1 << 20).await;
        assert!(whole.orders.len() > 5, "{} orders", whole.orders.len());
        assert!(whole.marks.values().flatten().count() > 3, "{:?}", whole.marks);
        let mut calm = City::new(0);
        calm.live(&scripts[0], 1).await.expect("no power cut");
        let operations = calm.disk.operations();
        assert_undisturbed(&calm, &whole, "calm").await;
        for seed in 0..RUNS {
            let city = run(seed, operations, &scripts).await;
            assert_undisturbed(&city, &whole, &format!("seed {seed}")).await;
        }
    });
}

#[test]
fn power_cuts_leave_the_causes_of_the_log() {
    let scripts: Vec<_> = (0..8).map(|seed| script_of(&city::with_causes(), seed)).collect();
    block_on(async {
        let mut calm = City::new(0);
        calm.live(&scripts[0], 1).await.expect("no power cut");
        assert!(!assert_as_its_log(&calm, "calm").await.parts.is_empty(), "a cause has alarms");
        let operations = calm.disk.operations();
        for seed in 0..RUNS_WITH_CAUSES {
            let city = run(seed, operations, &scripts).await;
            assert_as_its_log(&city, &format!("seed {seed}")).await;
        }
    });
}

/// A city that lives through power cuts.
async fn run(seed: u64, operations: u64, scripts: &[Vec<Commit>]) -> City {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let commits = &scripts[seed as usize % scripts.len()];
    let mut city = City::new(seed);
    for _ in 0..dice.random_range(1..3) {
        let at = city.disk.operations() + dice.random_range(0..operations);
        city.disk.cut_at(at);
        let _ = city.live(commits, dice.random_range(1..3)).await;
        city.crash();
    }
    city.live(commits, 1).await.expect("the power stays on");
    city
}

#[test]
fn after_a_failed_sync_of_a_checkpoint_the_judgement_ends_and_tries_no_other() {
    block_on(async {
        let orders = Arc::new(ModelOrders::default());
        let disk = WatchedDisk::new(SimDisk::new(1), Arc::clone(&orders));
        let log = open(disk.clone()).unwrap();
        disk.broken.store(true, Ordering::Relaxed);
        let mut stream =
            Stream::start_saving_often(parts(&log, &orders, disk.clone()), Path::new(CHECKPOINTS), 2)
                .await
                .unwrap();
        fill(log.as_ref(), &script(1)).await;
        let error = tokio::time::timeout(PATIENCE, stream.failed()).await.expect("the judgement ends");
        assert!(matches!(error, Error::Disk { .. }), "{error}");
        drop(stream);
        assert_eq!(disk.syncs.load(Ordering::Relaxed), 1);
        assert!(disk.placed.lock().unwrap().is_empty());
    });
}

#[test]
fn without_room_for_checkpoints_orders_go_on() {
    block_on(async {
        let orders = Arc::new(ModelOrders::default());
        let sim = SimDisk::new(1);
        let disk = WatchedDisk::new(sim.clone(), Arc::clone(&orders));
        let log = open(disk.clone()).unwrap();
        disk.full.store(true, Ordering::Relaxed);
        let commits = script(1);
        fill(log.as_ref(), &commits[..commits.len() / 2]).await;
        let stream =
            Stream::start_saving_often(parts(&log, &orders, disk.clone()), Path::new(CHECKPOINTS), 2)
                .await
                .unwrap();
        stream.drain().await.unwrap();
        assert!(disk.placed.lock().unwrap().is_empty());
        let left: Vec<_> = sim.paths().into_iter().filter(|path| path.starts_with(CHECKPOINTS)).collect();
        assert!(left.is_empty(), "what was half written takes no room: {left:?}");
        assert_eq!(orders.all(), judge(&log, 1, 1 << 20).await.orders);
        disk.full.store(false, Ordering::Relaxed);
        fill(log.as_ref(), &commits[commits.len() / 2..]).await;
        let stream =
            Stream::start_saving_often(parts(&log, &orders, disk.clone()), Path::new(CHECKPOINTS), 2)
                .await
                .unwrap();
        stream.drain().await.unwrap();
        assert!(!disk.placed.lock().unwrap().is_empty());
        assert_eq!(orders.all(), judge(&log, 1, 1 << 20).await.orders);
    });
}

/// A city that was stopped goes on where it was, without reading anything again.
#[test]
fn the_state_at_the_last_tick_is_saved() {
    block_on(async {
        let (orders, disk) = (Arc::new(ModelOrders::default()), SimDisk::new(1));
        let log = open(Arc::new(disk.clone())).unwrap();
        fill(log.as_ref(), &script(1)).await;
        let number = last_tick(log.as_ref()).await.unwrap() + 1;
        let last = Tick { number, last: true, catalogue_revision: 1, ..Tick::default() };
        log.append(Class::Inner, everywhere(last)).await.unwrap();
        let parts = parts(&log, &orders, Arc::new(disk.clone()));
        Stream::start(parts, Path::new(CHECKPOINTS), 2).await.unwrap().drain().await.unwrap();
        let (_, state) =
            crate::checkpoint::Checkpoints::open(Arc::new(disk), Path::new(CHECKPOINTS)).unwrap();
        assert_eq!(state.expect("a checkpoint").epoch, number);
    });
}

/// A crash between the write of a checkpoint and its rename leaves a file that nobody would ever look at again.
#[test]
fn what_a_crash_left_of_a_checkpoint_is_removed_at_the_next_start() {
    let disk = SimDisk::new(1);
    let left = Path::new(CHECKPOINTS).join("checkpoint-00000000000000000007.new");
    disk.put(&left, b"half");
    let (_, state) = Checkpoints::open(Arc::new(disk.clone()), Path::new(CHECKPOINTS)).unwrap();
    assert!(state.is_none() && disk.paths().is_empty());
}
