//! Parts of years: months, quarters, half-years, of a city's clock.

use yiwang_model::{Span, Timestamp};

use crate::params::{Entry, Form, Parameter, defaulted};

/// The most parts that a year has.
pub(crate) const MOST_SEASONS: usize = 12;

/// `seasons`: how a year is cut.
pub(crate) const SEASONS: Parameter = defaulted(
    "seasons",
    Form::Number { least: 1.0, most: 12.0 },
    "12",
    "parts of a year with a figure each: 12 months, 4 quarters, or another divisor of 12",
);

/// Reads [`SEASONS`].
pub(crate) fn read_seasons(entry: &mut Entry<'_>) -> usize {
    let seasons = entry.count("seasons").unwrap_or(MOST_SEASONS);
    if !MOST_SEASONS.is_multiple_of(seasons.max(1)) {
        entry.fault("seasons", format!("is {seasons}; a divisor of 12 is wanted"));
    }
    seasons.clamp(1, MOST_SEASONS)
}

/// The number of the part of a year that a time lies in, of `seasons` parts each year since year 0.
pub(crate) fn part_of_year(time: Timestamp, offset: Span, seasons: usize) -> i64 {
    let local = i128::from(time.nanos()) + i128::from(offset.0);
    // nanoseconds since 1970 are few days
    let day = local.div_euclid(i128::from(Span::DAY.0)) as i64;
    let month = month(day);
    month.div_euclid(12) * seasons as i64 + month.rem_euclid(12) * seasons as i64 / 12
}

/// Months since January of year 0, of a day since 1970-01-01; by the algorithm of H. Hinnant (2013), in which years begin in March.
fn month(day: i64) -> i64 {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    // 0 is March
    let month = (5 * of_year + 2) / 153;
    (era * 400 + year) * 12 + month + 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_those_of_the_calendar() {
        for days in (-800_000..800_000).step_by(13) {
            let date = jiff::civil::date(1970, 1, 1).saturating_add(jiff::Span::new().days(days));
            let expected = i64::from(date.year()) * 12 + i64::from(date.month()) - 1;
            assert_eq!(month(days), expected, "{date}");
        }
    }

    #[test]
    fn quarters_are_three_months_of_the_citys_clock() {
        let part = |text: &str, seasons| part_of_year(text.parse().unwrap(), Span::HOUR.times(8), seasons);
        assert_eq!(part("2026-03-31T23:59:59+08:00", 4), 2026 * 4);
        assert_eq!(part("2026-04-01T00:00:00+08:00", 4), 2026 * 4 + 1);
        assert_eq!(part("2026-12-31T12:00:00+08:00", 1), 2026);
        assert_eq!(part("2026-01-01T00:00:00+08:00", 12), 2026 * 12);
    }
}
