//! What flows between the workers.

use serde::{Deserialize, Serialize};
use yiwang_model::order::EvidencePoint;
use yiwang_model::{Anomaly, AnomalyId, Quality, Row, Series, SeriesId, Timestamp};

use crate::derive::Fed;
use crate::pack::Pack;

/// A reading on its way to the worker that owns its series, with its place in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// The series.
    #[serde(with = "raw_series")]
    pub series: SeriesId,
    /// The partition of topic `readings` that it stands in.
    pub partition: u16,
    /// Its place in its record, from 0.
    pub at: u32,
    /// The record.
    pub offset: u64,
    /// Event time.
    #[serde(with = "raw_time")]
    pub time: Timestamp,
    /// The value, in the metric's unit.
    pub value: f64,
    /// Vintage in nanoseconds, 0 for none.
    pub vintage: i64,
    /// How far it can be trusted.
    pub quality: Quality,
}

impl Item {
    /// The reading at place `at` of a record.
    #[must_use]
    pub fn new(partition: u16, offset: u64, at: u32, row: &Row) -> Self {
        Self {
            series: row.series,
            partition,
            at,
            offset,
            time: row.time,
            value: row.value,
            vintage: row.vintage.0.map_or(0, Timestamp::nanos),
            quality: row.quality,
        }
    }

    /// The order in which readings are judged: by partition, record, place.
    #[must_use]
    pub fn place(&self) -> (u16, u64, u32) {
        (self.partition, self.offset, self.at)
    }
}

/// The tick that closes an epoch, as one partition has it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// The epoch.
    pub epoch: u64,
    /// The partition.
    pub partition: u16,
    /// The offset after the tick.
    pub next: u64,
    /// City time in nanoseconds, if the city has one.
    pub city: Option<i64>,
    /// The catalogue in force from here on.
    pub revision: u32,
    /// Whether the state at the end of this epoch is to be saved.
    pub save: Save,
}

/// A step in the life of an episode, with what an order about it should show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// The step.
    pub anomaly: Anomaly,
    /// The last judged values, oldest first; only of a raised one.
    pub points: Vec<EvidencePoint>,
    /// The series to look at.
    pub series: Vec<Series>,
}

/// Whether the state at the end of an epoch is saved, and what of it; of several the greatest holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Save {
    /// It is not.
    #[default]
    No,
    /// The series that changed since the save of an epoch, while later epochs are judged.
    Changes {
        /// That epoch.
        since: u64,
    },
    /// All series, while later epochs are judged.
    Whole,
    /// All series, at once: nothing comes after it.
    Last,
}

impl Save {
    /// What is asked for by the ticks of an epoch.
    #[must_use]
    pub fn asked(ends: &[End]) -> Self {
        ends.iter().map(|end| end.save).max().unwrap_or_default()
    }
}

/// A part of the state at the end of an epoch, of one worker's judge or deriver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// The epoch.
    pub epoch: u64,
    /// The states of some series; `None` when those before were all.
    pub pack: Option<Pack>,
}

/// What an episode follows from, see [`crate::capsule`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The episode.
    pub anomaly: AnomalyId,
    /// An encoded capsule.
    pub capsule: Vec<u8>,
}

/// A minute of a series for which a reading came too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Marked {
    /// The number of the series.
    pub series: u64,
    /// Where the minute begins, in nanoseconds.
    pub minute: i64,
}

/// A gateway was heard in an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeardOf {
    /// The gateway.
    pub gateway: String,
    /// The earliest and latest event times.
    pub oldest: i64,
    /// The latest event time.
    pub newest: i64,
}

/// How many readings were what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Taken into the judgement.
    pub judged: u64,
    /// Repeats, which changed nothing.
    pub repeats: u64,
    /// Corrections.
    pub corrections: u64,
    /// Later than is allowed: stored, not judged.
    pub too_late: u64,
    /// Of series that the catalogue in force does not have.
    pub unknown: u64,
    /// Episodes of which no capsule was kept, because it would be too large or does not hold; not readings.
    pub unexplained: u64,
    /// Episodes that opened no order because a silence held; not readings.
    pub silenced: u64,
}

impl Counts {
    /// Adds the counts of another worker or epoch.
    pub fn add(&mut self, more: &Self) {
        self.judged += more.judged;
        self.repeats += more.repeats;
        self.corrections += more.corrections;
        self.too_late += more.too_late;
        self.unknown += more.unknown;
        self.unexplained += more.unexplained;
        self.silenced += more.silenced;
    }
}

/// What a worker says at the end of an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Judged {
    /// A gateway was heard.
    Heard(HeardOf),
    /// A step of an episode that stands by itself.
    Found(Box<Found>),
    /// A step of a silence, which the rule across series may hold back; and through which gateway.
    Silence(Box<Found>, String),
    /// What an episode that was raised or revised follows from.
    Capsule(Box<Kept>),
    /// What was made of this minute is to be made anew.
    Marked(Marked),
    /// What was counted.
    Counts(Counts),
    /// Something for a reckoned series.
    Fed(Fed),
    /// A part of a state that is saved.
    State(Part),
}

/// Times cross the wire between workers as numbers, not as texts.
mod raw_time {
    use serde::{Deserialize, Deserializer, Serializer};
    use yiwang_model::Timestamp;

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(time.nanos())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(from).map(Timestamp)
    }
}

mod raw_series {
    use serde::{Deserialize, Deserializer, Serializer};
    use yiwang_model::SeriesId;

    pub(super) fn serialize<S: Serializer>(series: &SeriesId, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(series.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SeriesId, D::Error> {
        u64::deserialize(from).map(SeriesId)
    }
}
