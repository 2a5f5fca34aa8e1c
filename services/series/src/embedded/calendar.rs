//! Spans of the calendar, in UTC, by which stored files are parted: a year, a month or a day.
//!
//! A span is a year until it has many rows, then its months, then its days: figures of three years make a
//! few files, a day of ten thousand sensors has files of its own, and retention drops whole files.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use yiwang_model::Timestamp;

/// A year, a month or a day in UTC; shown as `2026`, `2026-03`, `2026-03-02`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct CalendarSpan {
    year: i16,
    month: Option<i8>,
    day: Option<i8>,
}

impl CalendarSpan {
    /// The year that holds `at`.
    pub(super) fn year_of(at: Timestamp) -> Self {
        Self { year: date_of(at).year(), month: None, day: None }
    }

    /// The day that holds `at`.
    pub(super) fn day_of(at: Timestamp) -> Self {
        let date = date_of(at);
        Self { year: date.year(), month: Some(date.month()), day: Some(date.day()) }
    }

    /// The finer span that holds `at`, which lies in this one; `None` for a day.
    pub(super) fn finer(self, at: Timestamp) -> Option<Self> {
        let date = date_of(at);
        match (self.month, self.day) {
            (_, Some(_)) => None,
            (Some(_), None) => Some(Self { day: Some(date.day()), ..self }),
            (None, _) => Some(Self { month: Some(date.month()), ..self }),
        }
    }

    /// Its first nanosecond, and its last; the last of all time for a span that is cut by it.
    pub(super) fn bounds(self) -> (Timestamp, Timestamp) {
        let first =
            Date::new(self.year, self.month.unwrap_or(1), self.day.unwrap_or(1)).unwrap_or(Date::ZERO);
        let next = match (self.month, self.day) {
            (_, Some(_)) => first.tomorrow(),
            (Some(_), None) => first.checked_add(jiff::Span::new().months(1)),
            (None, _) => first.checked_add(jiff::Span::new().years(1)),
        };
        let last = match next.map_or(i64::MAX, nanos_of) {
            i64::MAX => i64::MAX,
            next => next - 1,
        };
        (Timestamp(nanos_of(first)), Timestamp(last))
    }

    /// Whether it is a day, which is never parted further.
    pub(super) fn is_day(self) -> bool {
        self.day.is_some()
    }
}

fn date_of(at: Timestamp) -> Date {
    at.to_jiff().to_zoned(TimeZone::UTC).date()
}

fn nanos_of(date: Date) -> i64 {
    date.to_zoned(TimeZone::UTC).map_or(i64::MAX, |at| Timestamp::from_jiff(at.timestamp()).nanos())
}

impl fmt::Display for CalendarSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.year)?;
        self.month.iter().chain(&self.day).try_for_each(|part| write!(f, "-{part:02}"))
    }
}

impl FromStr for CalendarSpan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{:?} is no span of the calendar", text.chars().take(32).collect::<String>());
        let mut parts = text.split('-');
        let year = parts.next().and_then(|part| part.parse().ok()).ok_or_else(wrong)?;
        let month = parts.next().map(|part| part.parse().map_err(|_| wrong())).transpose()?;
        let day = parts.next().map(|part| part.parse().map_err(|_| wrong())).transpose()?;
        Date::new(year, month.unwrap_or(1), day.unwrap_or(1)).map_err(|_| wrong())?;
        if parts.next().is_some() { Err(wrong()) } else { Ok(Self { year, month, day }) }
    }
}

impl serde::Serialize for CalendarSpan {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for CalendarSpan {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(span: CalendarSpan, at: Timestamp) -> bool {
        let (first, last) = span.bounds();
        first <= at && at <= last
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn a_span_holds_its_first_and_its_last_nanosecond_and_no_other() {
        let year = CalendarSpan::year_of(at("2026-03-02T10:15:00+08:00"));
        let month = year.finer(at("2026-03-02T10:15:00+08:00")).expect("a month");
        let day = month.finer(at("2026-03-02T10:15:00+08:00")).expect("a day");
        assert_eq!(
            (year.to_string(), month.to_string(), day.to_string()),
            ("2026".into(), "2026-03".into(), "2026-03-02".into())
        );
        assert_eq!(day, CalendarSpan::day_of(at("2026-03-02T10:15:00+08:00")));
        assert_eq!(day.finer(at("2026-03-02T10:15:00+08:00")), None);
        assert!(holds(day, at("2026-03-02T00:00:00Z")) && holds(day, at("2026-03-02T23:59:59.999999999Z")));
        assert!(!holds(day, at("2026-03-01T23:59:59.999999999Z")) && !holds(day, at("2026-03-03T00:00:00Z")));
        for span in [year, month, day] {
            assert_eq!(span.to_string().parse(), Ok(span));
        }
    }

    #[test]
    fn the_ends_of_time_have_a_span() {
        for nanos in [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX] {
            let day = CalendarSpan::day_of(Timestamp(nanos));
            assert!(holds(day, Timestamp(nanos)), "{day}");
            assert!(holds(CalendarSpan::year_of(Timestamp(nanos)), Timestamp(nanos)), "{day}");
        }
    }

    #[test]
    fn other_texts_are_no_spans() {
        for text in ["", "x", "2026-13", "2026-02-30", "2026-01-01-01", "2026-", "99999"] {
            assert!(text.parse::<CalendarSpan>().is_err(), "{text}");
        }
    }
}
