//! Figures of the statistics office: by month or quarter, with seasons, growth, a first print and a revision.
//!
//! A figure for a period is published at 10:00 on the 18th day after its end (the first print) and again 31 days later
//! (the revision, which is the true value). Both are readings of the same event time with vintages of their own.

use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use yiwang_catalogue::Station;
use yiwang_catalogue::metric::Metric;
use yiwang_model::{Span, Timestamp};

use super::noise::{Noise, key_of};

/// From the end of a period to its first print.
const FIRST_PRINT: Span = Span(17 * Span::DAY.0 + 10 * Span::HOUR.0);
/// From the first print to the revision.
const REVISION: Span = Span::DAY.times(31);
/// Growth of levels in a year, as a share.
const GROWTH: f64 = 0.07;
/// How far a level strays from its growth, as a share.
const STRAY: f64 = 0.009;
/// How far a first print is off, as a share.
const FIRST_ERROR: f64 = 0.006;

/// A figure that an office publishes.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    /// Months in a period.
    months: i32,
    /// Whether it is the growth on the year, in %, of a level.
    growth: bool,
    /// The level of a month at the beginning of 2024, in the metric's unit.
    base: f64,
    key: u64,
}

/// One publication of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Print {
    /// Beginning of the period.
    pub(super) begin: Timestamp,
    /// Its end.
    pub(super) end: Timestamp,
    /// When it was published.
    pub(super) vintage: Timestamp,
    /// The revision, not the first print.
    pub(super) revised: bool,
}

impl Figure {
    pub(super) fn of(station: &Station, metric: &Metric) -> Self {
        let (level, growth) = match metric.name.strip_suffix("_growth") {
            Some(level) => (level, true),
            None => (&*metric.name, metric.unit.as_str() == "%"),
        };
        let size = 0.6 + 0.8 * Noise::new(0).even(key_of(&station.id), 0);
        Self {
            months: if metric.period > Span::DAY.times(60) { 3 } else { 1 },
            growth,
            base: size * monthly_level(level),
            key: key_of(&station.id) ^ key_of(level),
        }
    }

    /// The value for the period that begins then; the first print is a little off.
    pub(super) fn value(&self, noise: Noise, begin: Timestamp, revised: bool) -> f64 {
        let month = month_of(begin);
        let level = self.level(noise, month);
        let off = if revised { 0.0 } else { FIRST_ERROR * noise.signed(self.key ^ 1, i64::from(month)) };
        let printed = level * (1.0 + off);
        if self.growth { 100.0 * (printed / self.level(noise, month - 12) - 1.0) } else { printed }
    }

    /// The sum over the months of the period.
    fn level(&self, noise: Noise, month: i32) -> f64 {
        (month..month + self.months).map(|month| self.month(noise, month)).sum()
    }

    fn month(&self, noise: Noise, month: i32) -> f64 {
        let years = f64::from(month - (2024 - 1970) * 12) / 12.0;
        let at = Timestamp::from_secs(i64::from(month) * 86_400);
        let stray = STRAY * noise.smooth(self.key, at, Span::DAY.times(14));
        self.base * season(month) * libm::pow(1.0 + GROWTH, years) * (1.0 + stray)
    }

    /// Everything published after `from`, up to and with `to`, in order of publication.
    pub(super) fn prints(&self, from: Timestamp, to: Timestamp) -> Vec<Print> {
        let first = month_of(from) - 6 * self.months;
        let first = first - first.rem_euclid(self.months);
        let step = usize::try_from(self.months).unwrap_or(1);
        let mut prints: Vec<Print> =
            (first..=month_of(to)).step_by(step).flat_map(|month| self.prints_of(month)).collect();
        prints.retain(|print| from < print.vintage && print.vintage <= to);
        prints.sort_by_key(|print| (print.vintage, print.begin));
        prints
    }

    fn prints_of(&self, month: i32) -> [Print; 2] {
        let (begin, end) = (begin_of(month), begin_of(month + self.months));
        let first = end + FIRST_PRINT;
        [
            Print { begin, end, vintage: first, revised: false },
            Print { begin, end, vintage: first + REVISION, revised: true },
        ]
    }
}

/// 亿元 a month in a district of middling size; 50 for figures that are not known here.
fn monthly_level(metric: &str) -> f64 {
    match metric {
        "industrial_value_added" => 46.0,
        "fixed_asset_investment" => 58.0,
        "retail_sales" => 95.0,
        "gdp" => 130.0,
        _ => 50.0,
    }
}

/// How much more or less a month is than the average one: little in February, much in December.
fn season(month: i32) -> f64 {
    const SEASONS: [f64; 12] = [0.94, 0.82, 1.02, 0.98, 1.0, 1.06, 0.96, 0.97, 1.04, 1.02, 1.05, 1.14];
    SEASONS[usize::try_from(month.rem_euclid(12)).unwrap_or(0)]
}

/// Months since January 1970 in the city.
fn month_of(at: Timestamp) -> i32 {
    let date = at.to_jiff().to_zoned(TimeZone::fixed(OFFSET)).date();
    (i32::from(date.year()) - 1970) * 12 + i32::from(date.month()) - 1
}

/// Midnight in the city of the first day of a month.
fn begin_of(month: i32) -> Timestamp {
    let (year, of_year) = (1970 + month.div_euclid(12), month.rem_euclid(12) + 1);
    let date =
        i16::try_from(year).ok().zip(i8::try_from(of_year).ok()).and_then(|(y, m)| Date::new(y, m, 1).ok());
    let zoned = date.and_then(|date| date.to_zoned(TimeZone::fixed(OFFSET)).ok());
    zoned.map_or(Timestamp::MIN, |zoned| Timestamp::from_jiff(zoned.timestamp()))
}

const OFFSET: Offset = jiff::tz::offset(8);

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(months: i32) -> Figure {
        Figure { months, growth: false, base: 100.0, key: 5 }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn a_month_is_printed_and_revised() {
        let prints = figure(1).prints(at("2026-03-01T00:00:00+08:00"), at("2026-04-30T00:00:00+08:00"));
        let february = at("2026-02-01T00:00:00+08:00");
        let of_february: Vec<_> = prints.iter().filter(|print| print.begin == february).collect();
        assert_eq!(of_february.len(), 2);
        assert_eq!(of_february[0].vintage, at("2026-03-18T10:00:00+08:00"));
        assert_eq!(of_february[1].vintage, at("2026-04-18T10:00:00+08:00"));
        assert_eq!(of_february[0].end, at("2026-03-01T00:00:00+08:00"));
        assert!(prints.is_sorted_by_key(|print| print.vintage));
    }

    #[test]
    fn quarters_begin_where_quarters_begin() {
        let prints = figure(3).prints(at("2025-01-01T00:00:00+08:00"), at("2026-12-31T00:00:00+08:00"));
        assert!(prints.iter().all(|print| (month_of(print.begin)).rem_euclid(3) == 0));
        assert!(prints.len() >= 15, "{}", prints.len());
    }

    #[test]
    fn prints_of_two_spans_are_those_of_the_whole() {
        let (a, b, c) = (at("2023-01-05T00:00:00Z"), at("2024-07-18T02:00:00Z"), at("2026-01-01T00:00:00Z"));
        let parts = [figure(1).prints(a, b), figure(1).prints(b, c)].concat();
        assert_eq!(parts, figure(1).prints(a, c));
    }

    #[test]
    fn growth_is_that_of_the_level() {
        let (noise, level) = (Noise::new(3), figure(1));
        let growth = Figure { growth: true, ..level.clone() };
        let (now, then) = (at("2026-02-01T00:00:00+08:00"), at("2025-02-01T00:00:00+08:00"));
        let by_hand = 100.0 * (level.value(noise, now, true) / level.value(noise, then, true) - 1.0);
        assert!((growth.value(noise, now, true) - by_hand).abs() < 1e-9);
        assert!((2.0..12.0).contains(&by_hand), "{by_hand}");
        assert_ne!(level.value(noise, now, false).to_bits(), level.value(noise, now, true).to_bits());
    }
}
