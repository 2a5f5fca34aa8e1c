//! Detectors: what makes an episode out of readings.
//!
//! A detector is a state machine for one series. It has no clock, does no IO and throws no dice: the same inputs
//! in the same order give the same events, on any machine, in any number of batches, before or after a
//! [`Detector::snapshot`]. City time comes in as [`Input::Tick`].
//!
//! What its caller promises: readings of one series come in rising event time, each time once; a tick comes at the
//! very moment for which a detector asked, before any reading of a later time. What comes late or is corrected never reaches a
//! detector as such: the caller takes it back to an earlier state and plays the readings again, in order.
//!
//! [`rule`] has the rules that look across series.
//!
//! A new detector is one file here, one line in [`registry`], one file in `cases/`, one section in docs/detectors.md and one entry in a
//! catalogue.

use std::collections::BTreeMap;
use std::sync::Arc;

use yiwang_model::{Anomaly, AnomalyId, Phase, Quality, Series, Severity, Span, Timestamp};

#[cfg(test)]
mod cases;
mod cause;
mod changepoint;
mod days;
mod drift;
mod ensemble;
mod episode;
mod fault;
mod finish;
mod flat;
pub mod gateway;
mod impossible;
mod innovation;
mod limit;
mod monitor;
#[cfg(test)]
mod noise;
mod params;
#[cfg(test)]
mod power;
mod profile;
#[cfg(test)]
mod proofs;
mod rate;
pub mod registry;
pub mod rises;
mod robust;
pub mod rule;
mod seasonal;
mod shift;
mod silence;
mod slip;
mod spike;
mod state;
mod tail;
pub mod topology;
mod trend;
mod variance;
mod watch;
mod year_on_year;
mod years;

pub use days::Days;
pub use params::{Form, Parameter};

/// One thing that a detector is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Input {
    /// The next reading.
    Reading(Sample),
    /// The moment of [`Detector::wake_at`] has passed without a reading up to it.
    Tick {
        /// That moment, or a later one.
        city: Timestamp,
    },
}

/// The part of a reading that detectors look at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Event time: the instant, or the beginning of the period.
    pub time: Timestamp,
    /// In the metric's unit.
    pub value: f64,
    /// How far it can be trusted.
    pub quality: Quality,
}

impl Sample {
    /// Whether detectors judge it: a number, of a quality that is judged.
    pub(crate) fn is_judged(&self) -> bool {
        self.quality.is_judged() && self.value.is_finite()
    }
}

/// One step in the life of an episode.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// It began.
    Raised(Finding),
    /// It got worse: the extreme or the severity rose.
    Worsened(Finding),
    /// It ended; `end` is set.
    Cleared(Finding),
}

impl Event {
    /// The step of an episode of a series that this is, named by its begin.
    #[must_use]
    pub fn of(self, detector: &Arc<str>, series: &Series) -> Anomaly {
        let (phase, finding) = match self {
            Self::Raised(finding) => (Phase::Raised, finding),
            Self::Worsened(finding) => (Phase::Worsened, finding),
            Self::Cleared(finding) => (Phase::Cleared, finding),
        };
        let Finding { begin, end, extreme, limit, edition, severity } = finding;
        Anomaly {
            id: AnomalyId::of(detector, series, begin),
            detector: Arc::clone(detector),
            series: series.clone(),
            phase,
            begin,
            end,
            extreme,
            limit,
            edition,
            severity,
            because: None,
            into: None,
            silenced: None,
        }
    }
}

/// What a detector says of an episode, as of one step.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Event time at which the rule began to be broken. Fixed from the first step on.
    pub begin: Timestamp,
    /// Event time from which it was kept again.
    pub end: Option<Timestamp>,
    /// The judged value that was furthest out so far.
    pub extreme: f64,
    /// The limit that it was judged against.
    pub limit: Option<f64>,
    /// Where the limit stands.
    pub edition: Arc<str>,
    /// How grave.
    pub severity: Severity,
}

/// A detector of one series.
pub trait Detector: Send {
    /// Takes one input and adds what follows from it to `out`.
    fn step(&mut self, input: &Input, out: &mut Vec<Event>);

    /// The moment at which it wants an [`Input::Tick`]; `None` when only readings matter to it. Asked
    /// again after every step; what it says after a tick is later than that tick.
    fn wake_at(&self) -> Option<Timestamp> {
        None
    }

    /// How strange the last reading was: 0 not at all, 0.5 an alarm, 1 beyond all measure. `None` for kinds that know only yes and no.
    fn score(&self) -> Option<f64> {
        None
    }

    /// Of a kind that asks several witnesses: what each said of the last reading that was judged, as a share of what it takes for an
    /// alarm. Not part of the state.
    fn witnesses(&self) -> Vec<Witness> {
        Vec::new()
    }

    /// Adds its whole state to `out`.
    fn snapshot(&self, out: &mut Vec<u8>);

    /// Takes over a state that [`Detector::snapshot`] of the same kind of detector gave.
    ///
    /// # Errors
    /// [`Error::Snapshot`] when the bytes are no such state; the detector is then as it was.
    fn restore(&mut self, state: &[u8]) -> Result<(), Error>;
}

/// What one of several witnesses said of a reading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Witness {
    /// What it is called.
    pub name: &'static str,
    /// Its measure, as a share of what it takes for an alarm.
    pub share: f64,
    /// How often a day this series has such a measure, as far as that is known: the scale on which witnesses can be compared.
    pub a_day: Option<f64>,
}

/// A detector as the catalogue describes it, ready to be made for any series of its metric.
pub trait Prototype: Send + Sync {
    /// A fresh detector for a series.
    fn make(&self, series: &SeriesContext) -> Box<dyn Detector>;
}

/// What a detector may know of the series that it is made for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeriesContext {
    /// How far apart its readings are, and how long each one holds.
    pub period: Span,
    /// How much later than its event time a reading usually comes: what waits for the end of a window waits so long.
    pub lateness: Span,
    /// The planned curve of a project: event time to planned value, in the metric's unit, sorted.
    pub plan: Option<Arc<[(Timestamp, f64)]>>,
    /// What the city's calendar says of days; `None` where each day is as its weekday.
    pub days: Option<Arc<Days>>,
}

/// A parameter as it stands in the catalogue.
#[derive(Clone, Debug, PartialEq)]
pub enum Param {
    /// A number, in the metric's unit where it is a value.
    Number(f64),
    /// A text; spans are texts as `5m`, `24h`.
    Text(String),
    /// Yes or no.
    Flag(bool),
}

/// The parameters of one detector entry, by key.
pub type Params = BTreeMap<String, Param>;

/// One limit and the time in which it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct LimitRow {
    /// The limit, in the metric's unit.
    pub value: f64,
    /// First moment at which it holds, by event time.
    pub valid_from: Timestamp,
    /// First moment at which it no longer holds; `None` while no end is known.
    pub valid_to: Option<Timestamp>,
    /// Standard, edition, grade, as an order quotes it.
    pub edition: Arc<str>,
}

/// What a detector is built from: the catalogue's entry, resolved.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The detector's own name in the catalogue.
    pub name: Arc<str>,
    /// Which kind in the [`registry`].
    pub kind: String,
    /// How grave an episode is when it begins.
    pub severity: Severity,
    /// Its parameters.
    pub params: Params,
    /// The limits of its metric and window that apply, sorted by `valid_from`; empty for kinds without limits.
    pub limits: Arc<[LimitRow]>,
}

/// What can go wrong when detectors are built or restored.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No such kind of detector.
    #[error("detector kind \"{found}\" is not known; known are {known}")]
    Kind {
        /// What was asked for.
        found: String,
        /// What there is.
        known: String,
    },
    /// A parameter is missing, of the wrong type, out of range, or not a parameter of this kind.
    #[error("parameter \"{key}\" {why}")]
    Param {
        /// Its key.
        key: String,
        /// What is wrong, what would be right.
        why: String,
    },
    /// A state to be restored is damaged or of another kind.
    #[error("the saved state of a \"{kind}\" detector is damaged: {why}")]
    Snapshot {
        /// The kind.
        kind: &'static str,
        /// What does not fit.
        why: String,
    },
}
