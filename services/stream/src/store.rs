//! The consumer that fills a series store: topics `readings`, `derived`, `events`, with a cursor of its own.
//!
//! The store says up to which mark it has everything on disk; from there it is filled again after a crash. What it then gets
//! twice is there once. A store elsewhere keeps no mark: its beginning is the cursor that the log has for it
//! ([`reached`]). If it lags too far the log cuts it off; it goes on where the log begins then, and the log counts the gap.

use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use tokio_util::sync::CancellationToken;
use yiwang_log::{CursorClass, Log, Offset, Partition, Position, Stored};
use yiwang_model::{Anomaly, Span, Timestamp};
use yiwang_orders::OrderEvent;
use yiwang_proto::log::{Derived, LateMark, OrderEvents, ReadingsRecord, readings_record::Kind};
use yiwang_proto::topics;
use yiwang_series::{Batch, LATE_MINUTES, Mark, Record, SeriesSink};

use crate::Error;
use crate::directory::{Directory, Follower};
use crate::finish::no_room;
use crate::waits::{LOG, Waits};

/// What is read at once for a store that must have everything.
const READ_BYTES: usize = 4 << 20;
/// What is read at once for one that may lag: it may hold a batch for hours.
const LAGGING_READ_BYTES: usize = 1 << 20;
/// How often the log is told how far the store is.
const NOTE_EVERY: Duration = Duration::from_secs(2);
const TOPICS: [u8; 3] = [topics::READINGS, topics::DERIVED, topics::EVENTS];

/// Fills a series store from the log.
pub struct Filler {
    log: Arc<dyn Log>,
    store: Arc<dyn SeriesSink>,
    follower: Follower,
    cursor: String,
    class: CursorClass,
    positions: Vec<Position>,
    noted: Vec<Position>,
    waits: Waits,
}

impl Filler {
    /// Goes on where the store is. The log keeps for it what it has not got, as its class says.
    #[must_use]
    pub fn new(
        log: Arc<dyn Log>,
        store: Arc<dyn SeriesSink>,
        cursor: impl Into<String>,
        class: CursorClass,
    ) -> Self {
        let follower = Follower::new(Arc::clone(&log), Arc::new(Directory::default()));
        let positions = marked(log.as_ref(), &store.persisted());
        let cursor = cursor.into();
        Self { log, store, follower, cursor, class, noted: Vec::new(), positions, waits: Waits::default() }
    }

    /// Fills until stopped; then up to the end that the log has now, and all of it to disk. A store elsewhere that is out of
    /// reach then is left behind.
    ///
    /// # Errors
    /// When the log or the store has failed.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), Error> {
        self.note().await?;
        let mut note = tokio::time::interval(NOTE_EVERY);
        loop {
            if stop.is_cancelled() && self.is_at_end() {
                break;
            }
            let log = Arc::clone(&self.log);
            let positions = self.positions.clone();
            let filled = tokio::select! {
                records = log.read(&positions, self.read_bytes()) => self.filled(records).await,
                _ = note.tick() => self.note().await,
                () = stop.cancelled(), if !stop.is_cancelled() => Ok(()),
            };
            match filled {
                Err(Error::Series(yiwang_series::Error::Stopped)) => break,
                Err(Error::Series(yiwang_series::Error::WriteAgain)) => self.go_back(),
                filled => filled?,
            }
        }
        self.waits.patiently("series store", || self.store.flush(), full).await?;
        self.note().await
    }

    const fn read_bytes(&self) -> usize {
        match self.class {
            CursorClass::Must => READ_BYTES,
            CursorClass::MayLag { .. } => LAGGING_READ_BYTES,
        }
    }

    async fn filled(&mut self, records: Result<Vec<Stored>, yiwang_log::Error>) -> Result<(), Error> {
        match records {
            Err(yiwang_log::Error::Gone { .. }) if self.class != CursorClass::Must => {
                let begins = positions(self.log.as_ref(), &self.cursor);
                self.positions = later(&self.positions, &begins);
                Ok(())
            }
            records => self.fill(records?).await,
        }
    }

    /// To where the store is on disk, or where the log begins if that is later.
    fn go_back(&mut self) {
        let persisted = marked(self.log.as_ref(), &self.store.persisted());
        self.positions = later(&persisted, &starts(self.log.as_ref()));
    }

    pub(crate) async fn fill(&mut self, records: Vec<Stored>) -> Result<(), Error> {
        let mut batch = Batch::default();
        for stored in records {
            self.passed(stored.partition, stored.offset);
            self.take(stored, &mut batch).await?;
        }
        batch.mark = mark(self.log.as_ref(), &self.positions);
        Ok(self.store.write(batch).await?)
    }

    async fn take(&mut self, stored: Stored, batch: &mut Batch) -> Result<(), Error> {
        match stored.partition.topic.0 {
            topics::READINGS => self.readings(stored, batch).await,
            topics::DERIVED => derived(stored, batch),
            _ => events(stored, batch),
        }
    }

    async fn readings(&mut self, stored: Stored, batch: &mut Batch) -> Result<(), Error> {
        let unreadable = || Error::Unreadable("readings");
        let record = ReadingsRecord::decode(stored.payload).map_err(|_| unreadable())?;
        let Some(Kind::Block(block)) = record.kind else { return Ok(()) };
        let fresh = self.follower.want_names(&block.series).await?;
        batch.names.extend(fresh.into_iter().map(|series| (series.id(), series)));
        batch.rows.extend(block.rows().map_err(|_| unreadable())?.map(|(_, row)| row));
        Ok(())
    }

    fn passed(&mut self, partition: Partition, offset: Offset) {
        if let Some(position) = self.positions.iter_mut().find(|position| position.partition == partition) {
            position.next = Offset(offset.0 + 1);
        }
    }

    fn is_at_end(&self) -> bool {
        let extents = self.log.extents();
        self.positions.iter().all(|position| {
            extents.iter().any(|extent| extent.partition == position.partition && extent.end <= position.next)
        })
    }

    /// Tells the log how far the store is on disk.
    pub(crate) async fn note(&mut self) -> Result<(), Error> {
        let filled = marked(self.log.as_ref(), &self.store.persisted());
        // Where the log has cut it off, it is not moved back.
        let positions = later(&filled, &self.log.cursor(&self.cursor));
        if positions != self.noted {
            let commit = || self.log.commit_cursor(&self.cursor, self.class, &positions);
            self.waits.patiently(LOG, commit, no_room).await?;
            self.noted = positions;
        }
        Ok(())
    }
}

fn full(error: &yiwang_series::Error) -> bool {
    matches!(error, yiwang_series::Error::NoRoom { .. })
}

fn derived(stored: Stored, batch: &mut Batch) -> Result<(), Error> {
    let unreadable = || Error::Unreadable("derived");
    let derived = Derived::decode(stored.payload).map_err(|_| unreadable())?;
    for (at, body) in derived.anomalies.into_iter().enumerate() {
        let anomaly: Anomaly = serde_json::from_str(&body).map_err(|_| unreadable())?;
        let key = format!("{}/{}/{at}", anomaly.id, derived.epoch);
        let time = anomaly.end.unwrap_or(anomaly.begin);
        batch.records.push(Record { measurement: "anomalies".into(), key, time, body });
    }
    let at = Timestamp(derived.city_nanos);
    batch.records.extend(derived.marks.iter().flat_map(|mark| late_minutes(mark, at)));
    Ok(())
}

/// The minutes of a series that readings came too late for, marked at this city time: one record each, whose key a later mark of the
/// same minute has again.
fn late_minutes(mark: &LateMark, at: Timestamp) -> impl Iterator<Item = Record> {
    let hour = |minute: i64| Timestamp(minute.div_euclid(Span::HOUR.0).saturating_mul(Span::HOUR.0));
    mark.minutes_nanos.iter().map(move |minute| {
        let LateMark { source, metric, .. } = mark;
        let body = serde_json::json!({
            "source": source, "metric": metric, "minute": Timestamp(*minute), "hour": hour(*minute), "marked_at": at
        });
        let key = format!("{source}/{metric}");
        Record { measurement: LATE_MINUTES.into(), key, time: Timestamp(*minute), body: body.to_string() }
    })
}

fn events(stored: Stored, batch: &mut Batch) -> Result<(), Error> {
    let unreadable = || Error::Unreadable("events");
    let events = OrderEvents::decode(stored.payload).map_err(|_| unreadable())?;
    for body in events.events {
        let event: OrderEvent = serde_json::from_str(&body).map_err(|_| unreadable())?;
        let key = format!("{}/{}", event.no, event.step.seq);
        batch.records.push(Record { measurement: "order_events".into(), key, time: event.step.at, body });
    }
    Ok(())
}

/// The partitions of the topics that a series store is filled from, with their names in a [`Mark`].
fn partitions(log: &dyn Log) -> impl Iterator<Item = (Partition, String)> {
    log.extents()
        .into_iter()
        .map(|extent| extent.partition)
        .filter(|partition| TOPICS.contains(&partition.topic.0))
        .map(|partition| {
            let (topic, _) = topics::ALL[usize::from(partition.topic.0)];
            (partition, format!("{topic}/{}", partition.index))
        })
}

/// How far a store is that keeps no mark of its own: where the log's cursor for it stands, or where the log begins.
pub fn reached(log: &dyn Log, cursor: &str) -> Mark {
    mark(log, &positions(log, cursor))
}

/// Where a cursor stands; where it never was, or has fallen behind the log's beginning, the beginning.
fn positions(log: &dyn Log, cursor: &str) -> Vec<Position> {
    later(&starts(log), &log.cursor(cursor))
}

/// Where the log begins.
fn starts(log: &dyn Log) -> Vec<Position> {
    let extents = log.extents().into_iter().filter(|extent| TOPICS.contains(&extent.partition.topic.0));
    extents.map(|extent| Position { partition: extent.partition, next: extent.start }).collect()
}

/// The positions, each moved on to the other of its partition if that is further.
fn later(positions: &[Position], others: &[Position]) -> Vec<Position> {
    let further = |position: &Position| {
        let same = others.iter().filter(|other| other.partition == position.partition);
        let next = same.map(|other| other.next).fold(position.next, Offset::max);
        Position { next, ..*position }
    };
    positions.iter().map(further).collect()
}

/// The positions that a mark stands for.
pub fn marked(log: &dyn Log, mark: &Mark) -> Vec<Position> {
    let position = |(partition, name): (Partition, String)| Position {
        partition,
        next: Offset(mark.get(&name).copied().unwrap_or_default()),
    };
    partitions(log).map(position).collect()
}

fn mark(log: &dyn Log, positions: &[Position]) -> Mark {
    let next = |partition| positions.iter().find(|position| position.partition == partition);
    partitions(log).filter_map(|(partition, name)| Some((name, next(partition)?.next.0))).collect()
}
