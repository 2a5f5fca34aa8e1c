//! Series that nobody sends: each is reckoned from readings of others, and judged by detectors like any other.
//!
//! So whatever looks across series is said once, here, and every kind of detector can watch it: a station against those around it, what
//! comes down a river against what went in, and what the people of the city put together themselves.
//!
//! | `rule` | value of a frame | keys (those in brackets may be missing) |
//! |---|---|---|
//! | `neighbours` | the station's value less the median of its neighbours' | `of radius_km [least most usual with against]` |
//! | `balance` | the value downstream less the one upstream `lag` before; with `as = "ratio"` divided by it | `of upstream downstream [lag as]` |
//! | `sections` | the section's value less the median of those around it on the river, when the same water was there | `of stations lag [least around usual with against]` |
//! | `expression` | what it gives; yes is 1, no is 0 | `expression [kind]`; see [`crate::expression`] |
//! | `rank` | the station's place among its peers by `of`, 1 for the `best` (`"largest"`); equal values share the better one | `of stations least [peers best]` |
//! | `clock` | by how many seconds the readings of `of` come after their event time, the median of the last [`CLOCK_FRAMES`] frames | `of` |
//!
//! `metric` names the metric of the reckoned series, which is in the catalogue like any other and which nobody sends. A frame is
//! one period of it; the value of a series in a frame is that of its newest judged reading in it. A frame is reckoned once all its series have
//! spoken, at the latest when the usual lateness of `metric` has passed since its end, and again when one of them changes. For
//! `neighbours` and `sections` there must be `least` of them then, for the others all that are named. Windows of an expression are made
//! of the frames before.
//!
//! `neighbours` is for every station that has `of` and a point, and at least `least` (3) others within `radius_km`, of which the
//! nearest `most` (8) count. `sections` is for each of `stations`, which stand as the water passes them, `lag` from one to the next:
//! it is held against the two above and the two below, at an end of the river against three, at least `least` (2), and waits until its water is at the last of them. What all
//! sections feel at once falls out as well, if it is not too sudden, since half of the others felt it earlier and half later.
//!
//! With `usual`, a span of a day or more, each series is first taken from its own usual level in its own scale, both learnt over that time; there
//! is no value on the first day. `with` names companions, other metrics of the same stations: what they have apart as well is taken away, since a device fails
//! alone. Those in `against` go the other way. Both are metrics that stations send, each once.
//!
//! `rank` is for each of `stations`, among `peers`, else all that have `of`; frames of it are event times, since months and years are not
//! equally long, and `least` other peers must have the same one. It waits for those that are missing a period and the usual lateness of
//! `metric` from that time on. Memory: a frame has 24 bytes a peer, of which there are at most [`MAX_PEERS`].
//!
//! `expression` is for every station that has all metrics that it names, of this `kind` if one is given. Members of
//! families have none. `clock` is for every station that has `of`. A device whose clock is slow has a median far above the usual
//! lateness, one whose clock is fast one below zero; what is late by the way it takes is late by turns.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use yiwang_model::{Series, Span};

use crate::detector::DetectorEntry;
use crate::entry::Ids;
use crate::expression::Expression;
use crate::metric::Metric;
use crate::station::Station;

mod around;
pub(crate) mod bounds;
mod companions;
mod formula;
mod gate;
mod peers;
mod read;

pub(crate) use gate::{behind_gate, gate_metric};

/// The most neighbours of a station that count.
pub const MAX_NEIGHBOURS: usize = 16;

/// The most peers that a station is ranked among, itself with them.
pub const MAX_PEERS: usize = 1_024;
/// The most stations that one entry ranks.
const MAX_RANKED: usize = 64;

/// How many frames the median of a clock is of.
pub const CLOCK_FRAMES: i64 = 31;

/// How the value of a frame comes about.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// The first series less the median of the others, of which there must be so many.
    Neighbours {
        /// At least.
        least: usize,
    },
    /// The same, each of them from what is usual for it; and less what other metrics of the station have as well.
    Apart(Arc<Apart>),
    /// The first series less the second, or divided by it.
    Balance {
        /// Whether it is divided.
        ratio: bool,
    },
    /// The place of the first series among all, 1 for the best; those with equal values share the better one (standard competition ranking).
    Rank {
        /// So many others must have spoken.
        least: usize,
        /// Whether the smallest value is the best, not the largest.
        smallest: bool,
    },
    /// The median of the last frames, whose values are by how many seconds readings of the series came after their event time.
    Clock,
    /// What an expression gives, for a station: its id, district and kind.
    Expression(Arc<Expression>, [Arc<str>; 3]),
    /// The last series, where the expression, which the others are for, does not say yes: what a detector with `unless` watches.
    Gate(Arc<Expression>, [Arc<str>; 3]),
}

/// How what a station has apart is found. The sources stand by groups: in each the station's own series, then those of the others.
#[derive(Clone, Debug, PartialEq)]
pub struct Apart {
    /// So many others must have spoken.
    pub least: usize,
    /// Time over which what is usual fades to a third.
    pub memory: Span,
    /// The metric itself, then its companions.
    pub groups: Vec<Group>,
}

/// The series of one metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// How many.
    pub sources: usize,
    /// Whether what moves the metric itself moves this one the other way.
    pub turned: bool,
}

/// A series that a frame is reckoned from.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Which.
    pub series: Series,
    /// By how much its readings are moved to later frames.
    pub lag: Span,
}

/// How one series is reckoned from others.
#[derive(Clone, Debug, PartialEq)]
pub struct Derivation {
    /// How.
    pub rule: Rule,
    /// From which, in the order in which the rule wants them.
    pub sources: Vec<Source>,
    /// How long a frame is.
    pub frame: Span,
    /// How long after its end it waits for those that did not speak.
    pub patience: Span,
}

/// The reckoned series that are told of something, each with the place of that among what it is told.
type Told = Vec<(Series, usize)>;
/// A detector and a station.
type At = (Arc<str>, Arc<str>);

/// All reckoned series of a catalogue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Derived {
    by_series: BTreeMap<Series, Arc<Derivation>>,
    /// For each series, those that are reckoned from it, and its place among their sources.
    fed: BTreeMap<Series, Told>,
    /// For each series, those that are reckoned from when its readings come.
    timed: BTreeMap<Series, Told>,
    /// The series that detectors with `unless` watch, each with the one whose readings it has.
    gates: BTreeMap<Series, Series>,
    /// For each detector and station, those whose expression asks about it, and its place there.
    asked: BTreeMap<At, Told>,
}

/// What an entry may refer to.
pub(crate) struct Known<'a> {
    pub(crate) metric_names: &'a Ids,
    pub(crate) station_names: &'a Ids,
    pub(crate) metrics: &'a BTreeMap<Arc<str>, Metric>,
    pub(crate) stations: &'a BTreeMap<Arc<str>, Station>,
    /// The metrics that stations send.
    pub(crate) sent: BTreeSet<&'a Arc<str>>,
    /// The metrics that are reckoned.
    pub(crate) derived: BTreeSet<Arc<str>>,
    pub(crate) detectors: &'a [Arc<DetectorEntry>],
}

impl Derived {
    /// How a series is reckoned; nothing for one that is sent.
    #[must_use]
    pub fn of(&self, series: &Series) -> Option<&Arc<Derivation>> {
        self.by_series.get(series)
    }

    /// The series that are reckoned from this one, and its place among their sources.
    #[must_use]
    pub fn fed_by(&self, series: &Series) -> &[(Series, usize)] {
        self.fed.get(series).map_or(&[], Vec::as_slice)
    }

    /// The series that are reckoned from when readings of this one come, and its place among their sources.
    #[must_use]
    pub fn timed_by(&self, series: &Series) -> &[(Series, usize)] {
        self.timed.get(series).map_or(&[], Vec::as_slice)
    }

    /// Whether any is reckoned from when readings come.
    #[must_use]
    pub fn has_clocks(&self) -> bool {
        !self.timed.is_empty()
    }

    /// Whether this series is of how wrong a clock is.
    #[must_use]
    pub fn is_clock(&self, series: &Series) -> bool {
        self.of(series).is_some_and(|how| how.rule == Rule::Clock)
    }

    /// The series that ask whether a detector has an open episode at a station, and its place among what they ask.
    #[must_use]
    pub fn asking(&self, detector: &Arc<str>, station: &Arc<str>) -> &[(Series, usize)] {
        self.asked.get(&(Arc::clone(detector), Arc::clone(station))).map_or(&[], Vec::as_slice)
    }

    /// All of them.
    pub fn series(&self) -> impl Iterator<Item = &Series> {
        self.by_series.keys()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_series.is_empty()
    }
}

#[cfg(test)]
mod tests;
