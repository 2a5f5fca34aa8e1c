//! Readings: one value of one series at one event time.

use serde::{Deserialize, Serialize};

use crate::{Quality, Series, SeriesId, Timestamp, Unit};

/// When a figure was published. Sensors measure once and have none; a statistics office revises, and each
/// revision of the same figure is a reading of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Vintage(pub Option<Timestamp>);

/// One value of one series at one event time, as a sender says it.
///
/// Its key is (series, event time, vintage). The same key with the same value is a repeat and changes
/// nothing; with another value it is a correction, and the last in log order holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// What was measured, and by whom.
    pub series: Series,
    /// The instant of the measurement, or the beginning of the period that the value is for.
    pub time: Timestamp,
    /// The value, in `unit`.
    pub value: f64,
    /// The unit of `value`.
    pub unit: Unit,
    /// How far the value can be trusted.
    pub quality: Quality,
    /// The end of the period, for figures of a month, a quarter, a year.
    pub period_end: Option<Timestamp>,
    /// When the figure was published; empty for sensors.
    pub vintage: Vintage,
}

/// A reading after admission: the catalogue's unit is understood, the series is a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// The series by its number.
    pub series: SeriesId,
    /// Event time.
    pub time: Timestamp,
    /// The value, in the unit that the catalogue has for the metric.
    pub value: f64,
    /// How far the value can be trusted.
    pub quality: Quality,
    /// The end of the period, for figures of a period.
    pub period_end: Option<Timestamp>,
    /// When the figure was published; empty for sensors.
    pub vintage: Vintage,
}

impl Row {
    /// Whether both say the same of the same key, bit by bit: the second is then a repeat.
    #[must_use]
    pub fn repeats(&self, other: &Self) -> bool {
        self.key() == other.key()
            && self.value.to_bits() == other.value.to_bits()
            && self.quality == other.quality
            && self.period_end == other.period_end
    }

    /// (series, event time, vintage).
    #[must_use]
    pub fn key(&self) -> (SeriesId, Timestamp, Vintage) {
        (self.series, self.time, self.vintage)
    }
}
