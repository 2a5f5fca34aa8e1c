//! Metrics: what can be measured, in which unit, and what of it is possible and plausible.

use std::sync::Arc;

use yiwang_model::order::Text;
use yiwang_model::{Span, Timestamp, Unit};

use crate::entry::{Entry, Ids};
use crate::value::{readable, word, words};

/// What a metric tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MetricKind {
    /// Air, noise, dust: `environment`.
    Environment,
    /// Rivers and lakes: `water`.
    Water,
    /// The progress of projects: `project`.
    Project,
    /// Figures of the statistics office: `economy`.
    Economy,
}

impl MetricKind {
    const WORDS: [(Self, &'static str); 4] = [
        (Self::Environment, "environment"),
        (Self::Water, "water"),
        (Self::Project, "project"),
        (Self::Economy, "economy"),
    ];

    /// The word for it, as in catalogues and APIs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::Water => "water",
            Self::Project => "project",
            Self::Economy => "economy",
        }
    }

    /// How far back an event time is plausible when the catalogue does not say: a sensor's 24 hours; figures and
    /// projects are revised for 36 months, which are 1116 days at most.
    const fn default_back(self) -> Span {
        match self {
            Self::Environment | Self::Water => Span::DAY,
            Self::Project | Self::Economy => Span::DAY.times(36 * 31),
        }
    }
}

readable!(MetricKind, words(&MetricKind::WORDS), |value| word(value, &MetricKind::WORDS));

/// A metric: what is measured, in which unit, and what of it is possible and plausible.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// The name under which readings come, such as `pm2_5`.
    pub name: Arc<str>,
    /// The name for people.
    pub title: Text,
    /// What it tells of.
    pub kind: MetricKind,
    /// The unit of its values; a reading in another is refused.
    pub unit: Unit,
    /// The smallest possible value, in `unit`.
    pub min: f64,
    /// The greatest possible value, in `unit`.
    pub max: f64,
    /// How far apart readings are, unless a station says otherwise.
    pub period: Span,
    /// How far ahead of city time an event time is plausible.
    pub ahead: Span,
    /// How far behind city time an event time is plausible.
    pub back: Span,
    /// How much later than its event time a reading usually comes, so that windows wait for it.
    pub lateness: Span,
    /// How much later than a newer one of its series a reading may come and still change what was judged; zero for not at all. Where
    /// it is not given, 32 periods.
    pub allowed_lateness: Option<Span>,
    /// How many decimals people are shown.
    pub decimals: u8,
    /// Where range and period come from.
    pub source: Arc<str>,
}

impl Metric {
    /// Whether a value can be at all.
    #[must_use]
    pub fn is_possible(&self, value: f64) -> bool {
        (self.min..=self.max).contains(&value)
    }

    /// Whether a time is further behind the city's clock, which says `city`, than is plausible.
    #[must_use]
    pub fn is_late(&self, time: Timestamp, city: Timestamp) -> bool {
        time < city - self.back
    }

    /// Whether a time is further ahead of the city's clock, which says `city`, than is plausible.
    #[must_use]
    pub fn is_early(&self, time: Timestamp, city: Timestamp) -> bool {
        time > city + self.ahead
    }

    /// By how much readings that are so far apart may be late and still change what was judged.
    pub(crate) fn allowed(&self, period: Span) -> Span {
        self.allowed_lateness.unwrap_or_else(|| period.times(ALLOWED_PERIODS))
    }

    pub(crate) fn read(entry: &Entry<'_>, ids: &mut Ids) -> Option<Self> {
        let name = entry.want_id("name", ids);
        let (title, kind, unit) = (entry.want_title(), entry.want::<MetricKind>("kind"), entry.want("unit"));
        let (min, max) = (entry.want("min"), entry.want("max"));
        let period = want_period(entry, "period", true);
        let (ahead, back, lateness) = (entry.get("ahead"), entry.get("back"), entry.get("lateness"));
        let allowed_lateness = want_allowed(entry, period);
        let decimals = entry.get("decimals").unwrap_or(1);
        let source = entry.want_text("source");
        entry.finish();
        let (min, max): (f64, f64) = (min?, max?);
        if min >= max {
            entry.wrong("max", max.to_string(), format!("more than min, which is {min}"));
        }
        let kind = kind?;
        Some(Self {
            name: name?,
            title: title?,
            kind,
            unit: unit?,
            min,
            max,
            period: period?,
            ahead: ahead.unwrap_or(Span::MINUTE.times(5)),
            back: back.unwrap_or(kind.default_back()),
            lateness: lateness.unwrap_or(Span::ZERO),
            allowed_lateness,
            decimals,
            source: source?,
        })
    }
}

/// By how many periods of its series a reading may be late and still be judged, unless the metric says otherwise.
pub(crate) const ALLOWED_PERIODS: i64 = 32;
/// The most periods of a metric by which a reading may be late and still be judged: so many readings of each series are held.
pub const MAX_ALLOWED_PERIODS: i64 = 1_000;

fn want_allowed(entry: &Entry<'_>, period: Option<Span>) -> Option<Span> {
    let allowed: Span = entry.get("allowed_lateness")?;
    let most = period?.times(MAX_ALLOWED_PERIODS);
    if allowed > most {
        let wanted = format!(
            "at most {most}, {MAX_ALLOWED_PERIODS} periods: so many readings of each series are held"
        );
        entry.wrong("allowed_lateness", allowed.to_string(), wanted);
    }
    Some(allowed)
}

/// A period: a span that is not zero.
pub(crate) fn want_period(entry: &Entry<'_>, key: &'static str, needed: bool) -> Option<Span> {
    let period: Span = if needed { entry.want(key)? } else { entry.get(key)? };
    if period == Span::ZERO {
        entry.wrong(key, period.to_string(), "a span above zero".into());
        return None;
    }
    Some(period)
}
