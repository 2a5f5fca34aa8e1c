//! How things are shown: names from the catalogue, values with their decimals, times of the city.

use std::borrow::Cow;
use std::sync::LazyLock;

use jiff::tz::TimeZone;
use yiwang_catalogue::{Catalogue, Limit, Metric};
use yiwang_model::order::Text;
use yiwang_model::{OrderState, Quality, Series, Span, Timestamp, WorkOrder};
use yiwang_orders::Counts;

use crate::lang::Lang;

mod note;

pub(crate) use note::{joined, note};

static ZONE: LazyLock<TimeZone> =
    LazyLock::new(|| TimeZone::get("Asia/Shanghai").expect("the time zones are built in"));

/// What the catalogue calls things; what it does not know is called by its key.
#[derive(Clone, Copy)]
pub(crate) struct Names<'a>(pub(crate) &'a Catalogue);

impl Names<'_> {
    /// A station. A member of a family is called by the family and its own name.
    pub(crate) fn station(&self, source: &str) -> Text {
        match self.0.station(source) {
            Some(station) if station.id.as_ref() == source => station.title.clone(),
            Some(family) => {
                Text::new(format!("{} {source}", family.title.zh), format!("{} {source}", family.title.en))
            }
            None => self.0.gateways.get(source).map_or_else(|| key(source), |gateway| gateway.title.clone()),
        }
    }

    pub(crate) fn metric(&self, name: &str) -> Text {
        self.0.metric(name).map_or_else(|| key(name), |metric| metric.title.clone())
    }

    pub(crate) fn district(&self, name: &str) -> Text {
        self.0.districts.get(name).map_or_else(|| key(name), |district| district.title.clone())
    }

    pub(crate) fn department(&self, name: &str) -> Text {
        self.0.departments.get(name).map_or_else(|| key(name), |department| department.title.clone())
    }

    pub(crate) fn category(&self, name: &str) -> Text {
        self.0.categories.get(name).map_or_else(|| key(name), |category| category.title.clone())
    }

    pub(crate) fn detector(&self, name: &str) -> Text {
        let detector = self.0.detectors.iter().find(|entry| entry.name.as_ref() == name);
        let rule = self.0.gateway_rule().filter(|rule| rule.name.as_ref() == name);
        detector
            .map(|entry| &entry.title)
            .or(rule.map(|rule| &rule.title))
            .cloned()
            .unwrap_or_else(|| key(name))
    }

    /// The limits of a metric that hold at a moment.
    pub(crate) fn limits(&self, metric: &str, at: Timestamp) -> impl Iterator<Item = &Limit> {
        let holds = move |limit: &&Limit| limit.valid_from <= at && limit.valid_to.is_none_or(|to| at < to);
        self.0.limits.iter().filter(move |limit| limit.metric.as_ref() == metric).filter(holds)
    }
}

fn key(key: &str) -> Text {
    Text::new(key, key)
}

/// How a station or one of its series is doing, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Condition {
    /// Its newest reading is as fresh as it should be.
    Fresh,
    /// Its newest reading is good for nothing but to be looked at.
    Suspect,
    /// It is late by more than two readings.
    Late,
    /// It is late by more than ten.
    Silent,
    /// It has never sent.
    Never,
}

impl Condition {
    pub(crate) const ALL: [Self; 5] = [Self::Fresh, Self::Suspect, Self::Late, Self::Silent, Self::Never];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Suspect => "suspect",
            Self::Late => "late",
            Self::Silent => "silent",
            Self::Never => "never",
        }
    }

    /// Of a series with this period, lateness allowed, whose newest reading is this old.
    pub(crate) fn of(age: Span, period: Span, lateness: Span, quality: Quality) -> Self {
        let late = |readings: i64| age.0 > period.times(readings).0.saturating_add(lateness.0);
        match () {
            () if late(11) => Self::Silent,
            () if late(3) => Self::Late,
            () if !quality.is_judged() => Self::Suspect,
            () => Self::Fresh,
        }
    }
}

/// The period of a series, as its station or its metric has it, and the lateness that is usual for it.
pub(crate) fn pace(catalogue: &Catalogue, series: &Series) -> (Span, Span) {
    let lateness = catalogue.metric(series.metric()).map_or(Span::ZERO, |metric| metric.lateness);
    (catalogue.series_context(series).period, lateness)
}

/// A unit of extreme and limit, as a reader says it. Units of metrics are signs, the same in both languages; what a kind
/// of detector derives from them has words.
pub(crate) fn unit(unit: &str, lang: Lang) -> Cow<'_, str> {
    match (lang, unit.strip_suffix(" per hour")) {
        (Lang::En, _) => unit.into(),
        (Lang::Zh, Some(metric)) => format!("{metric}/小时").into(),
        (Lang::Zh, None) if unit == "percentage points" => "个百分点".into(),
        (Lang::Zh, None) => unit.into(),
    }
}

/// A value with the decimals of its metric; thousands stand apart.
pub(crate) fn value(value: f64, metric: Option<&Metric>) -> String {
    number(value, metric.map_or(1, |metric| usize::from(metric.decimals)))
}

/// A number with this many decimals; thousands stand apart from 10,000 on.
pub(crate) fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), ""), |(whole, rest)| (whole, rest));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut grouped = String::from(sign);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && digits.len() > 4 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if rest.is_empty() { grouped } else { format!("{grouped}.{rest}") }
}

/// A moment in the city, to the minute.
pub(crate) fn minute(at: Timestamp) -> String {
    zoned(at).strftime("%Y-%m-%d %H:%M").to_string()
}

/// A moment in the city, to the second.
pub(crate) fn second(at: Timestamp) -> String {
    zoned(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The month of a moment in the city.
pub(crate) fn month(at: Timestamp) -> String {
    zoned(at).strftime("%Y-%m").to_string()
}

/// The day of a moment in the city.
pub(crate) fn day(at: Timestamp) -> String {
    zoned(at).strftime("%Y-%m-%d").to_string()
}

/// When a reading of a metric with this period was made, as precise as makes sense.
pub(crate) fn of_period(at: Timestamp, period: Span) -> String {
    match period {
        period if period >= Span::DAY.times(28) => month(at),
        period if period >= Span::DAY => day(at),
        _ => second(at),
    }
}

fn zoned(at: Timestamp) -> jiff::Zoned {
    at.to_jiff().to_zoned(ZONE.clone())
}

/// A length of time in its largest unit: `3 分钟`, `3 min`.
pub(crate) fn length(span: Span, lang: Lang) -> String {
    let seconds = span.0.unsigned_abs() / 1_000_000_000;
    let units = [(86_400, "天", "d"), (3_600, "小时", "h"), (60, "分钟", "min"), (1, "秒", "s")];
    let fitting = units.into_iter().find(|(unit, ..)| seconds >= unit * if *unit == 86_400 { 2 } else { 1 });
    let (unit, zh, en) = fitting.unwrap_or((1, "秒", "s"));
    format!("{} {}", seconds / unit, lang.pick(zh, en))
}

/// Orders that somebody must still act on.
pub(crate) fn open_orders(counts: &Counts) -> u64 {
    counts.by_state.iter().filter(|(state, _)| state.is_open()).map(|(_, count)| count).sum()
}

/// Whether an order is open and past due.
pub(crate) fn is_overdue(order: &WorkOrder, now: Timestamp) -> bool {
    order.state != OrderState::Closed && order.draft.due.at < now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_city() {
        let at: Timestamp = "2026-03-01T16:30:05Z".parse().expect("a time");
        assert_eq!(minute(at), "2026-03-02 00:30");
        assert_eq!(of_period(at, Span::DAY.times(31)), "2026-03");
        assert_eq!(of_period(at, Span::SECOND), "2026-03-02 00:30:05");
    }

    #[test]
    fn numbers_keep_their_decimals_and_group_thousands() {
        let shown: Vec<String> = [(0.0, 0), (1234.5, 1), (12345.678, 2), (-1_234_567.0, 0), (999_999.96, 1)]
            .map(|(value, decimals)| number(value, decimals))
            .into();
        assert_eq!(shown, ["0", "1234.5", "12,345.68", "-1,234,567", "1,000,000.0"]);
    }

    #[test]
    fn derived_units_are_said_in_the_language_of_the_reader() {
        let units = ["µg/m³ per hour", "percentage points", "µg/m³", "s", ""];
        assert_eq!(units.map(|of| unit(of, Lang::Zh)), ["µg/m³/小时", "个百分点", "µg/m³", "s", ""]);
        assert_eq!(units.map(|of| unit(of, Lang::En)), units);
    }

    #[test]
    fn a_condition_follows_age_and_quality() {
        let of =
            |seconds, quality| Condition::of(Span::from_secs(seconds), Span::MINUTE, Span::ZERO, quality);
        assert_eq!(of(60, Quality::Good), Condition::Fresh);
        assert_eq!(of(-60, Quality::Good), Condition::Fresh);
        assert_eq!(of(60, Quality::Fault), Condition::Suspect);
        assert_eq!(of(181, Quality::Good), Condition::Late);
        assert_eq!(of(661, Quality::Good), Condition::Silent);
    }

    #[test]
    fn lengths_have_one_unit() {
        let shown = [59, 60, 7_200, 100_000, 172_800].map(|s| length(Span::from_secs(s), Lang::En));
        assert_eq!(shown, ["59 s", "1 min", "2 h", "27 h", "2 d"]);
        assert_eq!(length(Span::from_secs(120), Lang::Zh), "2 分钟");
    }
}
