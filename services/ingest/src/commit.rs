//! The committer: makes admitted readings durable, many senders at a time.
//!
//! It takes what waits, builds one block for each partition and appends all of it at once; while the disk is at work, the
//! next group gathers. There is no fixed wait. The queue is bounded, and so are the readings in it: a full queue slows
//! the senders. A submission is answered when, and only when, its readings and refusals are durable.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prost::Message;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use yiwang_log::{Append, Class, Log, Partition, TopicId};
use yiwang_model::Timestamp;
use yiwang_proto::block::Builder;
use yiwang_proto::log::{
    Block, QuarantineRecord, ReadingsRecord, Rejected, SeriesName, quarantine_record, readings_record::Kind,
};
use yiwang_proto::topics;

use crate::admit::Admitted;
use crate::clock::CityClock;
use crate::counters::Counters;
use crate::names::Names;

/// What a door hands over: readings that were admitted and the records of those that were not.
#[derive(Debug, Default)]
pub struct Submission {
    /// Admitted readings, in the order of the sender.
    pub rows: Vec<Admitted>,
    /// Records for the topic `rejected`.
    pub rejected: Vec<Rejected>,
    /// Whether the readings are of the past: they stand in blocks of their own, which are not judged, and move no clock.
    pub history: bool,
}

/// Resolves once a submission is durable. Dropped unanswered when the city stops before that.
pub type Receipt = oneshot::Receiver<()>;

/// The readings that may wait for the disk, in all doors together.
const MAX_WAITING_ROWS: usize = 4_000_000;
/// The submissions that may wait.
const QUEUE: usize = 65_536;
/// The readings of one commit; more go into the next.
const MAX_COMMIT_ROWS: usize = 500_000;
/// The readings of one block: far below the largest record of the log.
const MAX_BLOCK_ROWS: usize = 100_000;
/// How long to wait before asking a full disk again.
const NO_ROOM_PAUSE: Duration = Duration::from_millis(100);

struct Waiting {
    submission: Submission,
    answer: oneshot::Sender<()>,
    _permit: OwnedSemaphorePermit,
}

/// The doors' end of the committer.
#[derive(Clone, Debug)]
pub struct Committer {
    queue: mpsc::Sender<Waiting>,
    rows: Arc<Semaphore>,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting").field("rows", &self.submission.rows.len()).finish_non_exhaustive()
    }
}

/// The city is stopping: nothing more is taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the city is stopping: nothing more is taken in")]
pub struct Stopping;

impl Committer {
    /// Hands a submission over; waits while too much is waiting already. Submissions of one caller become durable in the
    /// order in which they were handed over.
    ///
    /// # Errors
    /// [`Stopping`]; nothing of the submission is then acknowledged.
    pub async fn submit(&self, submission: Submission) -> Result<Receipt, Stopping> {
        let rows = submission.rows.len().clamp(1, MAX_WAITING_ROWS);
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.rows).acquire_many_owned(rows).await.map_err(|_| Stopping)?;
        let (answer, receipt) = oneshot::channel();
        let waiting = Waiting { submission, answer, _permit: permit };
        self.queue.send(waiting).await.map_err(|_| Stopping)?;
        Ok(receipt)
    }
}

/// What the committer works with.
pub struct Parts {
    /// Where readings become durable.
    pub log: Arc<dyn Log>,
    /// Names of series.
    pub names: Arc<Names>,
    /// The clock that admitted readings may move.
    pub clock: Arc<CityClock>,
    /// What is counted.
    pub counters: Arc<Counters>,
    /// The most bytes that topic `rejected` may hold.
    pub max_rejected_bytes: u64,
}

/// Makes a committer and the task that runs it: until all doors are closed, or until the log fails.
pub fn committer(
    parts: Parts,
    stop: CancellationToken,
) -> (Committer, impl Future<Output = Result<(), yiwang_log::Error>>) {
    let (queue, waiting) = mpsc::channel(QUEUE);
    let rows = Arc::new(Semaphore::new(MAX_WAITING_ROWS));
    // Now, not when the task is first polled: a door may make a series known in between, and its name is still to come.
    let blocks = Blocks::new(&parts);
    (Committer { queue, rows }, run(parts, blocks, waiting, stop))
}

async fn run(
    parts: Parts,
    mut blocks: Blocks,
    mut waiting: mpsc::Receiver<Waiting>,
    stop: CancellationToken,
) -> Result<(), yiwang_log::Error> {
    let mut group = Vec::new();
    while let Some(first) = waiting.recv().await {
        gather(first, &mut waiting, &mut group);
        let records = blocks.build(&parts, &group);
        if !append(&parts, records, &stop).await? {
            return Ok(());
        }
        blocks.announced();
        for Waiting { submission, answer, .. } in group.drain(..) {
            parts.counters.admitted.add(submission.rows.len() as u64);
            let _ = answer.send(());
        }
    }
    Ok(())
}

/// Takes what waits, up to the size of a commit.
fn gather(first: Waiting, waiting: &mut mpsc::Receiver<Waiting>, group: &mut Vec<Waiting>) {
    let mut rows = first.submission.rows.len();
    group.push(first);
    while rows < MAX_COMMIT_ROWS {
        let Ok(next) = waiting.try_recv() else { break };
        rows += next.submission.rows.len();
        group.push(next);
    }
}

/// Appends; while the disk is full, again and again, because the senders wait for the answer. False when the city stops
/// meanwhile.
async fn append(
    parts: &Parts,
    records: Vec<Append>,
    stop: &CancellationToken,
) -> Result<bool, yiwang_log::Error> {
    let mut full = false;
    loop {
        match parts.log.append(Class::Intake, records.clone()).await {
            Ok(_) => {
                if full {
                    parts.counters.is_full.store(false, Ordering::Relaxed);
                    tracing::info!("the disk has room again, taking readings in");
                }
                return Ok(true);
            }
            Err(error @ yiwang_log::Error::NoRoom { .. }) => {
                if !full {
                    tracing::warn!(%error, "no reading is acknowledged until there is room, senders wait");
                    full = true;
                    parts.counters.is_full.store(true, Ordering::Relaxed);
                }
                parts.counters.no_room.add(1);
            }
            Err(error) => return Err(error),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(false),
            () = tokio::time::sleep(NO_ROOM_PAUSE) => {}
        }
    }
}

/// Builds the records of a commit.
struct Blocks {
    partitions: Vec<Builder>,
    /// For readings of the past.
    history: Vec<Builder>,
    /// Of series that are in no partition: of now, and of the past.
    quarantine: [Builder; 2],
    /// By dense number: whether the name is durable, or in the commit under way.
    named: Vec<bool>,
    fresh: Vec<u32>,
}

impl Blocks {
    fn new(parts: &Parts) -> Self {
        let partitions = parts.log.layout().topics[usize::from(topics::READINGS)].partitions;
        let named = vec![true; parts.names.len()];
        let builders = || (0..partitions).map(|_| Builder::default()).collect();
        let (partitions, history) = (builders(), builders());
        Self { partitions, history, quarantine: <_>::default(), named, fresh: Vec::new() }
    }

    fn build(&mut self, parts: &Parts, group: &[Waiting]) -> Vec<Append> {
        let mut records = Vec::new();
        let mut newest = Timestamp::MIN;
        for Waiting { submission, .. } in group {
            let history = submission.history;
            let builders = if history { &mut self.history } else { &mut self.partitions };
            for admitted in &submission.rows {
                name(&mut self.named, &mut self.fresh, admitted.dense);
                let Some(builder) = builders.get_mut(usize::from(admitted.partition)) else {
                    let builder = &mut self.quarantine[usize::from(history)];
                    builder.push(admitted.dense, &admitted.row);
                    if builder.len() >= MAX_BLOCK_ROWS {
                        records.push(quarantined(parts, builder, history));
                    }
                    continue;
                };
                if !history {
                    newest = newest.max(admitted.row.time);
                }
                builder.push(admitted.dense, &admitted.row);
                if builder.len() >= MAX_BLOCK_ROWS {
                    records.push(block(admitted.partition, builder, history));
                }
            }
        }
        for (builders, history) in [(&mut self.partitions, false), (&mut self.history, true)] {
            let full = (0..).zip(builders).filter(|(_, builder)| !builder.is_empty());
            records.extend(full.map(|(partition, builder)| block(partition, builder, history)));
        }
        for (builder, history) in self.quarantine.iter_mut().zip([false, true]) {
            if !builder.is_empty() {
                records.push(quarantined(parts, builder, history));
            }
        }
        if newest > Timestamp::MIN {
            parts.clock.admitted(newest);
        }
        records.extend(self.fresh.iter().filter_map(|dense| name_record(parts, *dense)));
        records.extend(rejected(parts, group));
        records
    }

    fn announced(&mut self) {
        self.fresh.clear();
    }
}

/// Notes a series whose name is not durable yet.
fn name(named: &mut Vec<bool>, fresh: &mut Vec<u32>, dense: u32) {
    let at = dense as usize;
    if named.len() <= at {
        named.resize(at + 1, false);
    }
    if !named[at] {
        named[at] = true;
        fresh.push(dense);
    }
}

pub(crate) fn block(partition: u16, builder: &mut Builder, history: bool) -> Append {
    let block = Block { history, ..builder.take() };
    let record = ReadingsRecord { kind: Some(Kind::Block(block)) };
    to(topics::READINGS, partition, &record)
}

fn quarantined(parts: &Parts, builder: &mut Builder, history: bool) -> Append {
    parts.counters.quarantined.add(builder.len() as u64);
    let kind = quarantine_record::Kind::Block(Block { history, ..builder.take() });
    to(topics::QUARANTINE, 0, &QuarantineRecord { kind: Some(kind) })
}

fn name_record(parts: &Parts, dense: u32) -> Option<Append> {
    let series = parts.names.series(dense)?;
    let record = SeriesName {
        id: series.id().0,
        source: series.source().to_string(),
        metric: series.metric().to_string(),
    };
    Some(to(topics::NAMES, 0, &record))
}

/// The records of what was refused, as long as their topic has room; beyond that they are only counted.
fn rejected(parts: &Parts, group: &[Waiting]) -> Vec<Append> {
    let all = group.iter().flat_map(|waiting| &waiting.submission.rejected);
    let mut records = Vec::new();
    let mut room = None;
    for record in all {
        let append = to(topics::REJECTED, 0, record);
        let room = room.get_or_insert_with(|| parts.max_rejected_bytes.saturating_sub(rejected_bytes(parts)));
        parts.counters.refused(record.reason, record.count);
        match room.checked_sub(append.payload.len() as u64) {
            Some(rest) => {
                *room = rest;
                records.push(append);
            }
            None => parts.counters.rejected_not_kept.add(record.count),
        }
    }
    records
}

fn rejected_bytes(parts: &Parts) -> u64 {
    let extents = parts.log.extents();
    let rejected = extents.iter().filter(|extent| extent.partition.topic == TopicId(topics::REJECTED));
    rejected.map(|extent| extent.bytes).sum()
}

/// An append of a message to a partition.
pub(crate) fn to(topic: u8, index: u16, message: &impl Message) -> Append {
    Append { to: Partition { topic: TopicId(topic), index }, payload: message.encode_to_vec().into() }
}

#[cfg(test)]
mod tests;
