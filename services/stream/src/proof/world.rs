//! Logs on a disk in memory, and the judgement over them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use prost::Message;
use tokio::sync::watch;
use yiwang_disk::{Disk, SimDisk};
use yiwang_log::embedded::{EmbeddedLog, Options};
use yiwang_log::{Class, Layout, Log, Offset, Position, TopicId, TopicSpec};
use yiwang_model::{Anomaly, AnomalyId, Phase, SeriesId, Severity, Span, Timestamp, WorkOrder};
use yiwang_orders::{Moment, OrderStore};
use yiwang_proto::log::{Derived, LateMark};
use yiwang_proto::topics;

use super::city::PARTITIONS;
use super::orders::ModelOrders;
use super::script::Commit;
use crate::closer::{Closed, State};
use crate::dataflow::{self, Beginning, Running};
use crate::directory::{Directory, Follower};
use crate::item::{Counts, Kept, Marked};
use crate::reader::{Reader, Saves, Wish};
use crate::{Parts, route};

/// Where logs and checkpoints are.
pub(super) const LOG: &str = "/city/log";
pub(super) const CHECKPOINTS: &str = "/city/checkpoints";

/// A runtime for one proof.
pub(super) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}

pub(super) fn layout() -> Layout {
    let spec = |(number, (name, kept)): (usize, &(&str, bool))| TopicSpec {
        name: (*name).to_owned(),
        partitions: if number == usize::from(topics::READINGS) { PARTITIONS } else { 1 },
        kept: *kept,
    };
    Layout { topics: topics::ALL.iter().enumerate().map(spec).collect() }
}

/// The log on a disk.
pub(super) fn open(disk: Arc<dyn Disk>) -> Result<Arc<EmbeddedLog>, yiwang_log::Error> {
    let options = Options { reserve_bytes: Some(0), segment_bytes: 1 << 20, ..Options::new(layout()) };
    EmbeddedLog::open(disk, Path::new(LOG), options)
}

/// A fresh log that holds these commits.
pub(super) async fn log_of(commits: &[Commit]) -> Arc<EmbeddedLog> {
    let log = open(Arc::new(SimDisk::new(1))).unwrap();
    fill(log.as_ref(), commits).await;
    log
}

pub(super) async fn fill(log: &dyn Log, commits: &[Commit]) {
    for commit in commits {
        log.append(Class::Intake, commit.clone()).await.unwrap();
    }
}

/// All that the log has of one topic, by partition, from an offset on.
pub(super) async fn records(log: &dyn Log, topic: u8) -> Vec<bytes::Bytes> {
    try_records(log, topic).await.unwrap()
}

/// The same of a log that may be cut off meanwhile.
pub(super) async fn try_records(log: &dyn Log, topic: u8) -> Result<Vec<bytes::Bytes>, yiwang_log::Error> {
    let mut all = Vec::new();
    for extent in log.extents().iter().filter(|extent| extent.partition.topic == TopicId(topic)) {
        let mut next = extent.start;
        while next < extent.end {
            let position = Position { partition: extent.partition, next };
            let read = log.read(&[position], 1 << 20).await?;
            next = Offset(read.last().unwrap().offset.0 + 1);
            all.extend(read.into_iter().map(|stored| stored.payload));
        }
    }
    Ok(all)
}

/// What an epoch came to: its number, city time, revision, anomalies as found.
pub(super) type Step = (u64, Option<Timestamp>, u32, Vec<Anomaly>);

/// What a whole log came to.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Verdict {
    pub(super) steps: Vec<Step>,
    pub(super) counts: Counts,
    pub(super) orders: BTreeMap<AnomalyId, WorkOrder>,
    /// What each episode that is part of another is part of.
    pub(super) parts: BTreeMap<AnomalyId, AnomalyId>,
    /// The minutes that readings came too late for.
    pub(super) marks: Marks,
    /// What episodes follow from, as it was said.
    pub(super) capsules: Vec<Kept>,
}

/// By series, where minutes begin, in nanoseconds.
pub(super) type Marks = BTreeMap<(String, String), BTreeSet<i64>>;

impl Verdict {
    /// The last step of each episode that is not of a silence.
    pub(super) fn last_steps(&self) -> impl Iterator<Item = &Anomaly> {
        let steps = self.steps.iter().flat_map(|step| &step.3).filter(|anomaly| anomaly.silenced.is_none());
        steps.map(|anomaly| (anomaly.id, anomaly)).collect::<BTreeMap<_, _>>().into_values()
    }

    /// The episodes as they stand at the end, by what may not depend on cuts.
    pub(super) fn episodes(&self) -> Episodes {
        episodes(self.steps.iter().flat_map(|step| &step.3))
    }

    /// The last epoch up to this one in which something was found.
    pub(super) fn last_found(&self, epoch: u64) -> u64 {
        let found = self.steps.iter().filter(|step| step.0 <= epoch && !step.3.is_empty());
        found.map(|step| step.0).max().unwrap_or_default()
    }
}

/// Detector and series, begin, end, extreme, severity of each episode that was not withdrawn, sorted: what two runs that are the same
/// have in common. Names are not part of it: late readings move a begin, and the name stays.
pub(super) type Episodes = Vec<(String, Timestamp, Option<Timestamp>, u64, Severity)>;

pub(super) fn episodes<'a>(anomalies: impl Iterator<Item = &'a Anomaly>) -> Episodes {
    let last: BTreeMap<AnomalyId, &Anomaly> = anomalies.map(|anomaly| (anomaly.id, anomaly)).collect();
    let content = |of: &Anomaly| {
        let name = format!("{} {}", of.detector, of.series);
        (name, of.begin, of.end, of.extreme.to_bits(), of.severity)
    };
    let held = last.into_values().filter(|anomaly| anomaly.phase != Phase::Withdrawn);
    let mut all: Episodes = held.map(content).collect();
    all.sort();
    all
}

/// Fails with what differs, if anything does. Episodes that begin in the last two minutes are left out: whether they are
/// seen already depends on where the last ticks fall.
pub(super) fn assert_same_episodes(wanted: &Verdict, found: &Verdict, what: &str) {
    let last = wanted.steps.last().and_then(|step| step.1).unwrap_or_default();
    let settled = |verdict: &Verdict| {
        let all = verdict.episodes().into_iter();
        all.filter(|of| last - of.1 > Span::MINUTE.times(2)).collect::<Episodes>()
    };
    let (wanted, found) = (settled(wanted), settled(found));
    let missing: Vec<_> = wanted.iter().filter(|of| !found.contains(of)).collect();
    let surplus: Vec<_> = found.iter().filter(|of| !wanted.contains(of)).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "{what}: {missing:#?}\n instead {surplus:#?}");
    assert_eq!(wanted, found, "{what}");
}

/// Judges a whole log from its beginning, through reader, dataflow and closer, without stores.
pub(super) async fn judge(log: &Arc<EmbeddedLog>, workers: usize, read_bytes: usize) -> Verdict {
    let log: Arc<dyn Log> = log.clone();
    let directory = Arc::new(Directory::default());
    let mut follower = Follower::new(Arc::clone(&log), Arc::clone(&directory));
    follower.want_all().await.unwrap();
    let state = Arc::new(State { next: vec![0; usize::from(PARTITIONS)], ..State::default() });
    let beginning = Beginning { directory: Arc::clone(&directory), partitions: PARTITIONS, state };
    let Running { inlets, mut closed, workers } = dataflow::start(workers, beginning).unwrap();
    let (_wish, wishes) = watch::channel(Wish::Drain);
    let next = vec![0; usize::from(PARTITIONS)];
    let reader = Reader { read_bytes, ..Reader::new(log, follower, next, inlets, wishes, Saves::default()) };
    let mut all = Vec::new();
    let gather = async {
        while let Some(closed) = closed.recv().await {
            all.push(Closed { state: None, ..closed });
        }
    };
    let (read, ()) = tokio::join!(reader.run(), gather);
    read.unwrap();
    workers.join().unwrap().unwrap();
    conclude(&directory, all).await
}

async fn conclude(directory: &Directory, all: Vec<Closed>) -> Verdict {
    let orders = ModelOrders::default();
    let mut verdict = Verdict::default();
    for closed in all {
        verdict.counts.add(&closed.counts);
        let catalogue = directory.catalogue(closed.revision).unwrap();
        let city = closed.city.unwrap_or_default();
        let intents: Vec<_> =
            closed.found.iter().filter_map(|found| route::intent(&catalogue, found, city)).collect();
        if !intents.is_empty() {
            orders.apply(closed.epoch, Moment { city, wall: wall() }, &intents).await.unwrap();
        }
        for Marked { series, minute } in closed.marked {
            let series = directory.series(SeriesId(series)).unwrap();
            let of = (series.source().to_string(), series.metric().to_string());
            verdict.marks.entry(of).or_default().insert(minute);
        }
        verdict.capsules.extend(closed.capsules);
        let anomalies = closed.found.into_iter().map(|found| found.anomaly).collect();
        verdict.steps.push((closed.epoch, closed.city, closed.revision, anomalies));
    }
    (verdict.orders, verdict.parts) = (orders.all(), orders.parts());
    verdict
}

/// The parts of a whole judgement.
pub(super) fn parts(log: &Arc<EmbeddedLog>, orders: &Arc<ModelOrders>, disk: Arc<dyn Disk>) -> Parts {
    Parts { log: log.clone(), orders: orders.clone(), disk, wall }
}

/// A wall that stands still, so that histories can be compared.
pub(super) fn wall() -> Timestamp {
    Timestamp(7)
}

/// What topic `derived` says of each epoch; what it says again must be the same.
pub(super) async fn derived(log: &dyn Log) -> BTreeMap<u64, (Timestamp, Vec<Anomaly>)> {
    let mut all = BTreeMap::new();
    for payload in records(log, topics::DERIVED).await {
        let Derived { epoch, city_nanos, anomalies, capsules, marks } = Derived::decode(payload).unwrap();
        if anomalies.is_empty() && !(capsules.is_empty() && marks.is_empty()) {
            continue;
        }
        let anomalies: Vec<Anomaly> =
            anomalies.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        let said = (Timestamp(city_nanos), anomalies);
        let before = all.insert(epoch, said.clone());
        assert!(before.is_none_or(|before| before == said), "epoch {epoch} is told in two ways");
    }
    all
}

/// The minutes that topic `derived` marks.
pub(super) async fn marks(log: &dyn Log) -> Marks {
    let mut all = Marks::new();
    for payload in records(log, topics::DERIVED).await {
        for LateMark { source, metric, minutes_nanos } in Derived::decode(payload).unwrap().marks {
            all.entry((source, metric)).or_default().extend(minutes_nanos);
        }
    }
    all
}

/// What topic `derived` must say, given a verdict.
pub(super) fn to_derive(verdict: &Verdict) -> BTreeMap<u64, (Timestamp, Vec<Anomaly>)> {
    let found = verdict.steps.iter().filter(|step| !step.3.is_empty());
    found.map(|step| (step.0, (step.1.unwrap_or_default(), step.3.clone()))).collect()
}

/// One order for each episode but those that a silence keeps quiet and those that were part of another before they were told, and no
/// step of an episode before its order.
pub(super) fn assert_one_order_each(verdict: &Verdict) {
    let steps = || verdict.steps.iter().flat_map(|step| &step.3).filter(|anomaly| anomaly.silenced.is_none());
    let raised: BTreeSet<AnomalyId> =
        steps().filter(|anomaly| anomaly.phase == Phase::Raised).map(|anomaly| anomaly.id).collect();
    assert_eq!(raised.len(), verdict.orders.len(), "an order for each episode that was raised");
    for anomaly in steps() {
        let is_withdrawn = anomaly.phase == Phase::Withdrawn;
        let has_order = verdict.orders.contains_key(&anomaly.id);
        assert!(has_order || is_withdrawn && !raised.contains(&anomaly.id), "{anomaly:?} has no order");
    }
}
