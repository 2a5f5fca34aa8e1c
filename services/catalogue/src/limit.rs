//! Limits: what a metric may be, by which standard, and when.

use std::collections::BTreeMap;
use std::sync::Arc;

use yiwang_detect::LimitRow;
use yiwang_model::order::Text;
use yiwang_model::{Timestamp, Unit};

use crate::city::Validity;
use crate::entry::{Entry, Ids};
use crate::value::{readable, word, words};

/// On which side of a limit the rule is broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Above it: `above`.
    #[default]
    Above,
    /// Below it: `below`.
    Below,
}

impl Direction {
    const WORDS: [(Self, &'static str); 2] = [(Self::Above, "above"), (Self::Below, "below")];
}

readable!(Direction, words(&Direction::WORDS), |value| word(value, &Direction::WORDS));

/// A limit of a metric, with the standard that says so and the time in which it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// Its own name.
    pub id: Arc<str>,
    /// The metric.
    pub metric: Arc<str>,
    /// The limit, in `unit`; being equal to it keeps the rule.
    pub value: f64,
    /// The metric's unit, stated again so that nobody copies a number without it.
    pub unit: Unit,
    /// What is judged against it, such as `day mean`.
    pub window: Arc<str>,
    /// On which side it is broken.
    pub direction: Direction,
    /// First moment at which it holds, by event time.
    pub valid_from: Timestamp,
    /// First moment at which it no longer holds; `None` while no end is known.
    pub valid_to: Option<Timestamp>,
    /// The standard, such as `GB 3095`.
    pub standard: Arc<str>,
    /// Its edition, such as `2012`.
    pub edition: Arc<str>,
    /// The grade or class, such as `grade II`, where the standard has several.
    pub grade: Option<Arc<str>>,
    /// Where exactly it stands.
    pub source: Arc<str>,
    /// The same in Chinese, as an order quotes it.
    pub source_zh: Option<Arc<str>>,
}

impl Limit {
    pub(crate) fn read(entry: &Entry<'_>, ids: &mut Ids, metrics: &Ids, units: &Units) -> Option<Self> {
        let (id, metric) = (entry.want_id("id", ids), entry.want_ref("metric", metrics));
        let (value, unit) = (entry.want("value"), entry.want::<Unit>("unit"));
        let (window, direction) = (entry.want_text("window"), entry.get("direction").unwrap_or_default());
        let (standard, edition) = (entry.want_text("standard"), entry.want_text("edition"));
        let (grade, source) = (entry.get_text("grade"), entry.want_text("source"));
        let source_zh = entry.get_text("source_zh");
        let validity = Validity::read(entry, true);
        entry.finish();
        let (metric, unit) = (metric?, unit?);
        check_unit(entry, &unit, &metric, units);
        let validity = validity?;
        Some(Self {
            id: id?,
            metric,
            value: value?,
            unit,
            window: window?,
            direction,
            valid_from: validity.from,
            valid_to: validity.to,
            standard: standard?,
            edition: edition?,
            grade,
            source: source?,
            source_zh,
        })
    }

    /// Standard, edition and grade, as an order quotes them: `GB 3095-2012, grade II`.
    #[must_use]
    pub fn quote(&self) -> String {
        let grade = self.grade.as_ref().map(|grade| format!(", {grade}")).unwrap_or_default();
        format!("{}-{}{grade}", self.standard, self.edition)
    }

    /// What an order quotes, for readers of either language; without Chinese words both read [`Self::quote`].
    #[must_use]
    pub fn basis(&self) -> Text {
        basis(&self.quote(), self.source_zh.as_ref())
    }

    /// The limit as detectors take it.
    #[must_use]
    pub fn row(&self) -> LimitRow {
        let edition = self.quote().into();
        LimitRow { value: self.value, valid_from: self.valid_from, valid_to: self.valid_to, edition }
    }

    /// The time in which it holds.
    pub(crate) fn validity(&self) -> Validity {
        Validity { from: self.valid_from, to: self.valid_to }
    }
}

/// The basis of a judgement, which is called by its English words where it has no Chinese ones.
pub(crate) fn basis(quote: &str, zh: Option<&Arc<str>>) -> Text {
    Text::new(zh.map_or(quote, AsRef::as_ref), quote)
}

/// The unit of each metric, also of one that is faulty otherwise.
pub(crate) type Units = BTreeMap<Arc<str>, Unit>;

/// Refuses a unit that is not the metric's.
pub(crate) fn check_unit(entry: &Entry<'_>, unit: &Unit, metric: &str, units: &Units) {
    if let Some(own) = units.get(metric).filter(|own| *own != unit) {
        entry.wrong("unit", format!("{unit:?}"), format!("{own:?}, the unit of metric {metric:?},"));
    }
}
