//! Quarantine: what sources send that nobody has registered.
//!
//! Where a city wants it, the readings of a source that is not in the catalogue are not refused but made durable in topic
//! `quarantine`, and acknowledged: not judged, not in any store, listed for whoever may register the source. When it is
//! registered, its readings go on to topic `readings`, in one commit with records that say so: a city that is killed in
//! between releases them once. This goes on beside the open doors, many records in a commit, and a city that stops hears of it
//! between two commits. The metric must be one of the catalogue's and the unit be said, so that both have been checked.
//!
//! Bounded: [`Limits::quarantined`](crate::names::Limits) series, and [`Options::quarantine_bytes`](crate::Options::quarantine_bytes) in the log; beyond either, sources
//! that are not in the catalogue are refused. What nobody registers goes with the log's retention, and leaves its seat.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prost::Message;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use yiwang_log::{Append, Class, Extent, Log, Offset, Partition, Position, Stored, TopicId};
use yiwang_model::{Series, SeriesId, Timestamp};
use yiwang_proto::block::Builder;
use yiwang_proto::log::{Block, QuarantineRecord, Released, quarantine_record::Kind};
use yiwang_proto::topics;

use crate::Error;
use crate::clock::CityClock;
use crate::commit::{block, to};
use crate::counters::Counters;
use crate::names::{Known, Names};

/// How often it is looked whether something came or may go.
const EVERY: Duration = Duration::from_millis(250);
/// The most that is read at once, in bytes.
const READ_BYTES: usize = 4 << 20;
const PARTITION: Partition = Partition { topic: TopicId(topics::QUARANTINE), index: 0 };

/// A series that nobody has registered.
#[derive(Clone, Debug, PartialEq)]
pub struct Unknown {
    /// What it calls itself.
    pub series: Series,
    /// How many of its readings are kept.
    pub readings: u64,
    /// The earliest event time among them.
    pub first: Timestamp,
    /// The latest.
    pub last: Timestamp,
    /// The value that came last, in the metric's unit.
    pub value: f64,
}

/// What is in quarantine now.
#[derive(Debug, Default)]
pub struct Quarantine(Mutex<BTreeMap<SeriesId, Held>>);

/// What is kept of a series.
#[derive(Debug)]
struct Held {
    first: Timestamp,
    last: Timestamp,
    value: f64,
    /// The records that have readings of it, and how many.
    records: BTreeMap<u64, u64>,
}

impl Quarantine {
    /// The series that nobody has registered, those that came first first.
    #[must_use]
    pub fn unknown(&self, names: &Names) -> Vec<Unknown> {
        let held = self.held();
        let unknown = |(id, held): (&SeriesId, &Held)| {
            let (readings, series) = (held.records.values().sum(), names.name(*id)?);
            Some(Unknown { series, readings, first: held.first, last: held.last, value: held.value })
        };
        let mut all: Vec<Unknown> = held.iter().filter_map(unknown).collect();
        all.sort_by(|a, b| (a.first, &a.series).cmp(&(b.first, &b.series)));
        all
    }

    /// How many series and readings there are.
    #[must_use]
    pub fn count(&self) -> (u64, u64) {
        let held = self.held();
        (held.len() as u64, held.values().flat_map(|held| held.records.values()).sum())
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<SeriesId, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the readings of a record in.
    fn put(&self, offset: u64, block: &Block) -> Result<(), Error> {
        let mut all = self.held();
        for (_, row) in block.rows().map_err(|_| Error::Unreadable("quarantine"))? {
            let fresh =
                || Held { first: row.time, last: row.time, value: row.value, records: BTreeMap::new() };
            let held = all.entry(row.series).or_insert_with(fresh);
            held.first = held.first.min(row.time);
            held.last = held.last.max(row.time);
            held.value = row.value;
            *held.records.entry(offset).or_default() += 1;
        }
        Ok(())
    }

    /// These series have left this record.
    fn take(&self, released: &Released) {
        let mut all = self.held();
        for id in released.series.iter().copied().map(SeriesId) {
            let Some(held) = all.get_mut(&id) else { continue };
            held.records.remove(&released.offset);
            if held.records.is_empty() {
                all.remove(&id);
            }
        }
    }

    /// What retention has dropped is not kept any more.
    fn forget_before(&self, start: u64) {
        self.held().retain(|_, held| {
            held.records = held.records.split_off(&start);
            !held.records.is_empty()
        });
    }

    /// The series that are there.
    fn series(&self) -> HashSet<SeriesId> {
        self.held().keys().copied().collect()
    }

    /// Whether readings of this series in this record are still there.
    fn holds(&self, id: SeriesId, offset: u64) -> bool {
        self.held().get(&id).is_some_and(|held| held.records.contains_key(&offset))
    }

    /// The first record that has readings of a series that is known now.
    fn due(&self, names: &Names) -> Option<u64> {
        let held = self.held();
        let known = held.iter().filter(|(id, _)| names.known(**id).is_some());
        known.filter_map(|(_, held)| held.records.keys().next()).min().copied()
    }
}

/// Keeps the quarantine.
pub(crate) struct Keeper {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) names: Arc<Names>,
    pub(crate) clock: Arc<CityClock>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) quarantine: Arc<Quarantine>,
    /// The most bytes that the topic may hold.
    pub(crate) max_bytes: u64,
    /// What was read of the topic.
    pub(crate) next: Offset,
}

impl Keeper {
    /// Looks again and again, until the city stops.
    ///
    /// # Errors
    /// When the log has failed.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), yiwang_log::Error> {
        let mut beats = tokio::time::interval(EVERY);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = beats.tick() => {}
            }
            match self.look(&stop).await {
                Ok(()) | Err(Error::Log(yiwang_log::Error::NoRoom { .. })) => {}
                Err(Error::Log(error)) => return Err(error),
                Err(error) => tracing::error!(%error, "the quarantine cannot be read"),
            }
        }
    }

    /// Reads what came, and lets go what is known now, unless the city stops.
    async fn look(&mut self, stop: &CancellationToken) -> Result<(), Error> {
        self.see().await?;
        while let Some(first) = self.quarantine.due(&self.names).filter(|_| !stop.is_cancelled()) {
            if !self.release(first).await? {
                break;
            }
        }
        self.names.seat(&self.quarantine.series());
        Ok(())
    }

    /// Reads what came, and says what room is left.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) async fn see(&mut self) -> Result<(), Error> {
        let Some(extent) = self.extent() else { return Ok(()) };
        self.read(extent).await?;
        self.names.seat(&self.quarantine.series());
        self.names.fill_quarantine(extent.bytes > self.max_bytes);
        Ok(())
    }

    fn extent(&self) -> Option<Extent> {
        self.log.extents().into_iter().find(|extent| extent.partition == PARTITION)
    }

    async fn read(&mut self, extent: Extent) -> Result<(), Error> {
        self.quarantine.forget_before(extent.start.0);
        self.next = self.next.max(extent.start);
        while self.next < extent.end {
            let Some(read) = self.records(self.next).await?.filter(|read| !read.is_empty()) else {
                return Ok(());
            };
            for stored in read {
                self.next = Offset(stored.offset.0 + 1);
                match record(stored.payload)? {
                    Some(Kind::Block(block)) => self.quarantine.put(stored.offset.0, &block)?,
                    Some(Kind::Released(released)) => self.quarantine.take(&released),
                    None => {}
                }
            }
        }
        Ok(())
    }

    /// Some records from here on; none when retention was faster.
    async fn records(&self, next: Offset) -> Result<Option<Vec<Stored>>, Error> {
        match self.log.read(&[Position { partition: PARTITION, next }], READ_BYTES).await {
            Ok(read) => Ok(Some(read)),
            Err(yiwang_log::Error::Gone { start, .. }) => {
                self.quarantine.forget_before(start);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Sends what is known now on to the city: as much as is read at once, in one commit. Says whether there may be more.
    async fn release(&self, first: u64) -> Result<bool, Error> {
        let Some(read) = self.records(Offset(first)).await? else { return Ok(true) };
        let (mut appends, mut all, mut rows) = (Vec::new(), Vec::new(), 0);
        for stored in read {
            let Some(Kind::Block(block)) = record(stored.payload)? else { continue };
            let (blocks, released, of_record) = self.blocks(stored.offset.0, &block)?;
            if of_record > 0 {
                let kind = Some(Kind::Released(released.clone()));
                appends.extend(blocks);
                appends.push(to(topics::QUARANTINE, 0, &QuarantineRecord { kind }));
                all.push(released);
                rows += of_record;
            }
        }
        if all.is_empty() {
            // It left the catalogue meanwhile.
            return Ok(false);
        }
        self.log.append(Class::Intake, appends).await?;
        all.iter().for_each(|released| self.quarantine.take(released));
        self.counters.released.add(rows);
        Ok(true)
    }

    /// The blocks of a record for the city, what is let go with them, and how many readings that is. What is let go is what
    /// stands in the blocks: the catalogue may change meanwhile.
    fn blocks(&self, offset: u64, from: &Block) -> Result<(Vec<Append>, Released, u64), Error> {
        let mut partitions: BTreeMap<u16, Builder> = BTreeMap::new();
        let mut series: BTreeMap<SeriesId, Option<Known>> = BTreeMap::new();
        let (mut rows, mut newest) = (0, Timestamp::MIN);
        for (_, mut row) in from.rows().map_err(|_| Error::Unreadable("quarantine"))? {
            let known = series.entry(row.series).or_insert_with(|| {
                self.quarantine.holds(row.series, offset).then(|| self.names.known(row.series)).flatten()
            });
            let Some(known) = known else { continue };
            row.quality = known.quality_at(row.time, row.quality);
            newest = newest.max(row.time);
            rows += 1;
            partitions.entry(known.partition).or_default().push(known.dense, &row);
        }
        // The past moves no clock.
        if rows > 0 && !from.history {
            self.clock.admitted(newest);
        }
        let block = |(partition, builder): (&u16, &mut Builder)| block(*partition, builder, from.history);
        let gone = series.iter().filter(|(_, known)| known.is_some()).map(|(id, _)| id.0).collect();
        Ok((partitions.iter_mut().map(block).collect(), Released { offset, series: gone }, rows))
    }
}

fn record(payload: bytes::Bytes) -> Result<Option<Kind>, Error> {
    Ok(QuarantineRecord::decode(payload).map_err(|_| Error::Unreadable("quarantine"))?.kind)
}

#[cfg(test)]
mod tests;
