//! What the doors must know of the log before they open: its clock, the catalogue in force, the names of series, the
//! last tick.

use std::sync::Arc;

use prost::Message;
use yiwang_catalogue::registry::LeftOut;
use yiwang_catalogue::{Catalogue, InForce, Registry};
use yiwang_log::{Class, Log, Offset, Partition, Position, Stored, TopicId};
use yiwang_model::{Series, Timestamp};
use yiwang_proto::log::{CatalogueRevision, Clock, ReadingsRecord, SeriesName, readings_record::Kind};
use yiwang_proto::topics;

use crate::Error;
use crate::clock::{ClockKind, wall_now};
use crate::commit::to;

/// The last tick of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastTick {
    /// Its number; 0 when there is none.
    pub number: u64,
    /// Its city time, if the city had one.
    pub city: Option<Timestamp>,
}

/// The cursor that remembers where to look for the last tick.
pub(crate) const TICKS_CURSOR: &str = "ticks";

/// The most that is read at once, in bytes.
const READ_BYTES: usize = 4 << 20;

/// The clock of this log; a new log gets `wanted` as its first record.
///
/// # Errors
/// [`Error::OtherClock`] when the log has another kind or speed than the one asked for; [`Error::Unreadable`] for a kind that
/// is not known.
pub async fn clock(log: &dyn Log, wanted: Option<ClockKind>) -> Result<ClockKind, Error> {
    let partition = Partition { topic: TopicId(topics::CLOCK), index: 0 };
    let Some(first) = all(log, partition, Offset(0)).await?.into_iter().next() else {
        let kind = wanted.unwrap_or(ClockKind::Wall);
        log.append(Class::Inner, vec![to(topics::CLOCK, 0, &kind.to_log())]).await?;
        return Ok(kind);
    };
    let found = Clock::decode(first.payload).map_err(|_| Error::Unreadable("clock"))?;
    let kind = ClockKind::from_log(&found).ok_or(Error::Unreadable("clock"))?;
    match wanted {
        Some(wanted) if !wanted.is_like(&kind) => {
            Err(Error::OtherClock { found: kind.to_string(), wanted: wanted.to_string() })
        }
        _ => Ok(kind),
    }
}

/// The catalogue of the files together with what was registered by API; appended as a new one when it is not the last of the log.
///
/// # Errors
/// When the log cannot be read or appended to; [`Error::Files`] when the files are why nothing registered can hold on.
pub async fn catalogue(log: &dyn Log, files: Arc<Catalogue>) -> Result<InForce, Error> {
    let partition = Partition { topic: TopicId(topics::CATALOGUE), index: 0 };
    let end = log.extents().into_iter().find(|extent| extent.partition == partition);
    let newest = end.and_then(|extent| extent.end.0.checked_sub(1)).map_or(Offset(0), Offset);
    let last = all(log, partition, newest).await?.pop();
    let last = last.map(|last| CatalogueRevision::decode(last.payload)).transpose();
    let last = last.map_err(|_| Error::Unreadable("catalogue"))?.unwrap_or_default();
    let catalogue = with_registered(files, &last.text)?;
    if last.hash == catalogue.hash() {
        let CatalogueRevision { revision, who, wall_nanos, .. } = last;
        return Ok(InForce { revision, catalogue, who: who.into(), since: Timestamp(wall_nanos) });
    }
    Ok(append_revision(log, last.revision, &catalogue, "").await?)
}

/// What was registered holds on, as far as it still fits.
fn with_registered(files: Arc<Catalogue>, last: &str) -> Result<Arc<Catalogue>, Error> {
    let registry = Registry::of(last);
    if registry.is_empty() {
        return Ok(files);
    }
    let (catalogue, left_out) = files.with_what_fits(registry).map_err(Error::Files)?;
    for LeftOut { kind, id, fault } in left_out {
        tracing::warn!(%kind, id, %fault, "what was registered by API does not fit the catalogue's files any more and is left out");
    }
    Ok(Arc::new(catalogue))
}

/// Appends a catalogue as the revision after `last`; `who` changed it, nobody at a start.
///
/// # Errors
/// When the log cannot be appended to.
pub(crate) async fn append_revision(
    log: &dyn Log,
    last: u32,
    catalogue: &Arc<Catalogue>,
    who: &str,
) -> Result<InForce, yiwang_log::Error> {
    let since = wall_now();
    let next = CatalogueRevision {
        revision: last + 1,
        hash: catalogue.hash().to_vec(),
        text: catalogue.text().to_owned(),
        wall_nanos: since.nanos(),
        who: who.to_owned(),
    };
    log.append(Class::Inner, vec![to(topics::CATALOGUE, 0, &next)]).await?;
    tracing::info!(revision = next.revision, who, "new catalogue, in force from the next tick");
    Ok(InForce { revision: next.revision, catalogue: Arc::clone(catalogue), who: who.into(), since })
}

/// The names of all series of the log.
///
/// # Errors
/// When the log cannot be read.
pub async fn names(log: &dyn Log) -> Result<Vec<Series>, Error> {
    let partition = Partition { topic: TopicId(topics::NAMES), index: 0 };
    let records = all(log, partition, Offset(0)).await?;
    let name = |record: Stored| {
        let name = SeriesName::decode(record.payload).map_err(|_| Error::Unreadable("names"))?;
        Series::new(name.source, name.metric).map_err(|_| Error::Unreadable("names"))
    };
    records.into_iter().map(name).collect()
}

/// The last tick in any partition.
///
/// # Errors
/// When the log cannot be read.
pub async fn last_tick(log: &dyn Log) -> Result<LastTick, Error> {
    let marked = log.cursor(TICKS_CURSOR);
    let mut last = LastTick::default();
    for extent in log.extents().iter().filter(|extent| extent.partition.topic == TopicId(topics::READINGS)) {
        let marked = marked.iter().find(|position| position.partition == extent.partition);
        let mut next = marked.map_or(extent.start, |marked| marked.next.max(extent.start));
        while next < extent.end {
            for stored in log.read(&[Position { partition: extent.partition, next }], READ_BYTES).await? {
                next = Offset(stored.offset.0 + 1);
                last.see(&stored)?;
            }
        }
    }
    Ok(last)
}

impl LastTick {
    fn see(&mut self, stored: &Stored) -> Result<(), Error> {
        let record =
            ReadingsRecord::decode(stored.payload.clone()).map_err(|_| Error::Unreadable("readings"))?;
        if let Some(Kind::Tick(tick)) = record.kind {
            self.number = self.number.max(tick.number);
            self.city = self.city.max(tick.city_nanos.map(Timestamp));
        }
        Ok(())
    }
}

/// All records of a partition that are there now.
async fn all(log: &dyn Log, partition: Partition, from: Offset) -> Result<Vec<Stored>, Error> {
    let extent = log.extents().into_iter().find(|extent| extent.partition == partition);
    let end = extent.map_or(Offset(0), |extent| extent.end);
    let mut records = Vec::new();
    let mut next = from;
    while next < end {
        let read = log.read(&[Position { partition, next }], READ_BYTES).await?;
        next = read.last().map_or(end, |last| Offset(last.offset.0 + 1));
        records.extend(read);
    }
    Ok(records)
}

/// What the doors begin with.
#[derive(Debug)]
pub struct Beginning {
    /// The clock of the log.
    pub clock: ClockKind,
    /// The catalogue in force, with what was registered by API.
    pub in_force: InForce,
    /// The series that were announced.
    pub names: Vec<Series>,
    /// The last tick.
    pub last_tick: LastTick,
}

/// Reads it all, in the order in which a new log wants its first records.
///
/// # Errors
/// When the log cannot be read or appended to, or has another clock than the one asked for.
pub async fn begin(
    log: &Arc<dyn Log>,
    files: Arc<Catalogue>,
    clock_wanted: Option<ClockKind>,
) -> Result<Beginning, Error> {
    let log = log.as_ref();
    let clock = clock(log, clock_wanted).await?;
    let in_force = catalogue(log, files).await?;
    Ok(Beginning { clock, in_force, names: names(log).await?, last_tick: last_tick(log).await? })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::testing::MemoryLog;

    fn speed(speed: f64, began: i64) -> ClockKind {
        let began = Timestamp::from_secs(began);
        ClockKind::Speed { speed, city_begin: began, wall_begin: began }
    }

    #[tokio::test]
    async fn the_first_record_names_the_clock_and_another_is_refused() {
        let kinds = [ClockKind::Wall, ClockKind::Feed, speed(60.0, 7), speed(5.0, 7)];
        for made in kinds {
            let log = MemoryLog::new(1);
            assert_eq!(clock(&log, Some(made)).await.unwrap(), made);
            let first = log.topic(topics::CLOCK).remove(0);
            assert_eq!(ClockKind::from_log(&Clock::decode(first).unwrap()), Some(made));
            assert_eq!(clock(&log, None).await.unwrap(), made);
            for wanted in kinds {
                match clock(&log, Some(wanted)).await {
                    Ok(kept) => assert_eq!((kept, wanted), (made, made)),
                    Err(error) => {
                        let said = error.to_string();
                        assert!(wanted != made && matches!(error, Error::OtherClock { .. }), "{said}");
                        assert!(said.contains(&format!("\"{made}\"")), "{said}");
                        assert!(said.contains(&format!("\"{wanted}\"")), "{said}");
                    }
                }
            }
            assert_eq!(log.topic(topics::CLOCK).len(), 1);
        }
    }

    #[tokio::test]
    async fn the_same_speed_goes_on_from_its_first_beginning() {
        let log = MemoryLog::new(1);
        let first = clock(&log, Some(speed(60.0, 7))).await.unwrap();
        assert_eq!(clock(&log, Some(speed(60.0, 9))).await.unwrap(), first);
    }

    #[tokio::test]
    async fn a_new_log_has_the_wall_unless_told_and_an_unknown_clock_is_not_guessed() {
        assert_eq!(clock(&MemoryLog::new(1), None).await.unwrap(), ClockKind::Wall);
        let log = MemoryLog::new(1);
        let moon = Clock { kind: "moon".into(), ..Clock::default() };
        log.append(Class::Inner, vec![to(topics::CLOCK, 0, &moon)]).await.unwrap();
        assert!(matches!(clock(&log, None).await, Err(Error::Unreadable("clock"))));
    }
}
