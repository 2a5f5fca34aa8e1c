//! How late what a series is reckoned from may come, and how much of it is held.
//!
//! Each source may be as late as its metric allows; episodes that an expression asks about come as late as the readings in which they are found; a
//! frame of which something is missing is waited for; and what is moved to later frames by a lag makes those the newest. So
//!
//! > allowed = max(its metric's, each source's, patience) + longest lag + 2 frames,
//!
//! one frame for the place of a reading in its own and one for the rest of a span that is no whole number of them. Both the frames and the judgement
//! of what they come to are held for so long.

use std::collections::BTreeMap;
use std::sync::Arc;

use yiwang_model::{Series, Span};

use super::{Derivation, Derived, Rule, behind_gate};
use crate::detector::DetectorEntry;
use crate::expression::MAX_WINDOW_FRAMES;
use crate::metric::{MAX_ALLOWED_PERIODS, Metric};
use crate::station::Station;

/// Frames beyond what may be late.
const MORE_FRAMES: i64 = 2;

/// What stations send, and what watches it.
pub(crate) struct Sent<'a> {
    pub(crate) metrics: &'a BTreeMap<Arc<str>, Metric>,
    pub(crate) stations: &'a BTreeMap<Arc<str>, Station>,
    pub(crate) detectors: &'a [Arc<DetectorEntry>],
}

/// Something that is longer than is held.
pub(crate) struct TooLong {
    /// What it is.
    pub(crate) found: String,
    /// The most that is held.
    pub(crate) wanted: String,
}

impl Sent<'_> {
    /// By how much a reading of a series may come after a newer one and still change what was judged, if its metric is there.
    fn lateness(&self, series: &Series) -> Option<Span> {
        let name = series.metric();
        let metric = self.metrics.get(name).or_else(|| self.metrics.get(behind_gate(name)?))?;
        let own = self.stations.get(series.source()).and_then(|station| station.period);
        Some(metric.allowed(own.unwrap_or(metric.period)))
    }

    /// The same of a series that is reckoned.
    pub(crate) fn allowed(&self, series: &Series, how: &Derivation) -> Span {
        together(self.late(series, how), how.frame.times(MORE_FRAMES))
    }

    /// What may be late, and the longest lag.
    fn late(&self, series: &Series, how: &Derivation) -> Span {
        let reckoned = self.metrics.get(series.metric()).map(|metric| metric.allowed(metric.period));
        let sources = how.sources.iter().filter_map(|source| self.lateness(&source.series));
        let asked = self.asked(series, how).into_iter().filter_map(|series| self.lateness(&series));
        let latest = sources.chain(asked).chain(reckoned).max().unwrap_or_default();
        let lag = how.sources.iter().map(|source| source.lag).max().unwrap_or_default();
        together(latest.max(how.patience), lag)
    }

    /// The series of the station in which detectors that an expression asks about find their episodes.
    fn asked(&self, series: &Series, how: &Derivation) -> Vec<Series> {
        let Rule::Expression(expression, _) = &how.rule else { return Vec::new() };
        let is_asked = |entry: &&Arc<DetectorEntry>| expression.detectors.contains(&entry.name);
        let station = self.stations.get(series.source());
        let has = |metric: &&Arc<str>| station.is_some_and(|station| station.metrics.contains(*metric));
        let metrics = self.detectors.iter().filter(is_asked).flat_map(|entry| &entry.metrics).filter(has);
        let of = |metric: &Arc<str>| Series::new(Arc::clone(series.source()), Arc::clone(metric)).ok();
        metrics.filter_map(of).collect()
    }

    /// The reckoned metrics of which more would be held than may be, each with what is too long.
    pub(crate) fn too_long(&self, derived: &Derived) -> BTreeMap<Arc<str>, TooLong> {
        let each = derived.by_series.iter();
        let found = each.filter_map(|(series, how)| {
            let too_long = window(how).or_else(|| self.frames(series, how))?;
            Some((Arc::clone(series.metric()), too_long))
        });
        found.collect()
    }

    fn frames(&self, series: &Series, how: &Derivation) -> Option<TooLong> {
        let period = match how.rule {
            Rule::Rank { .. } => self.metrics.get(series.metric())?.period,
            _ => how.frame,
        };
        let (late, most) = (self.late(series, how), period.times(MAX_ALLOWED_PERIODS));
        let found = || format!("{late} by which it may be late, with lags, at {:?}", series.source());
        let wanted = || format!("at most {most}, {MAX_ALLOWED_PERIODS} of its periods");
        (late > most).then(|| TooLong { found: found(), wanted: wanted() })
    }
}

fn together(one: Span, other: Span) -> Span {
    Span(one.0.saturating_add(other.0))
}

/// The longest window of a condition, if it is too long; those of `[[derived]]` are checked with their entries.
fn window(how: &Derivation) -> Option<TooLong> {
    let Rule::Gate(unless, _) = &how.rule else { return None };
    let (longest, most) =
        (unless.windows.iter().map(|window| window.span).max()?, how.frame.times(MAX_WINDOW_FRAMES));
    let wanted = || format!("at most {most}, {MAX_WINDOW_FRAMES} periods of what it watches");
    (longest > most).then(|| TooLong { found: format!("a window of {longest}"), wanted: wanted() })
}
