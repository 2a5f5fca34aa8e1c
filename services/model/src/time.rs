//! Points in time and spans between them, in nanoseconds.

use std::fmt;
use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

use crate::{Error, excerpt};

/// A point in time: nanoseconds since 1970-01-01T00:00:00Z. Covers the years 1678 to 2261.
///
/// Shown and serialised as RFC 3339 in UTC; read from RFC 3339 with any offset.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

/// A length of time in nanoseconds; negative when it points backwards.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(pub i64);

impl Timestamp {
    /// The earliest point there is.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest moment that there is.
    pub const MAX: Self = Self(i64::MAX);

    /// The point this many whole seconds after the epoch, or the nearest that can be represented.
    #[must_use]
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }

    /// The point this many milliseconds after the epoch, or the nearest that can be represented.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Milliseconds since the epoch, rounded down.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1_000_000_000)
    }

    /// The same point as the calendar library has it.
    #[must_use]
    pub fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_nanosecond(i128::from(self.0)).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    /// From the calendar library's point; points outside 1678 to 2261 become the nearest inside.
    #[must_use]
    pub fn from_jiff(at: jiff::Timestamp) -> Self {
        let nanos = at.as_nanosecond().clamp(i128::from(i64::MIN), i128::from(i64::MAX));
        Self(i64::try_from(nanos).unwrap_or_default())
    }
}

impl std::str::FromStr for Timestamp {
    type Err = Error;

    /// Reads RFC 3339 with an offset, as `2026-03-02T10:15:00+08:00` or `…Z`.
    ///
    /// # Errors
    /// [`Error::Time`] when the text is anything else; a time without an offset is not guessed at.
    fn from_str(text: &str) -> Result<Self, Error> {
        text.parse().map(Self::from_jiff).map_err(|_| Error::Time { text: excerpt(text) })
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_jiff().fmt(f)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Add<Span> for Timestamp {
    type Output = Self;
    fn add(self, by: Span) -> Self {
        Self(self.0.saturating_add(by.0))
    }
}

impl Sub<Span> for Timestamp {
    type Output = Self;
    fn sub(self, by: Span) -> Self {
        Self(self.0.saturating_sub(by.0))
    }
}

impl Sub for Timestamp {
    type Output = Span;
    fn sub(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// One second.
    pub const SECOND: Self = Self(1_000_000_000);
    /// One minute.
    pub const MINUTE: Self = Self(60 * Self::SECOND.0);
    /// One hour.
    pub const HOUR: Self = Self(60 * Self::MINUTE.0);
    /// Twenty-four hours.
    pub const DAY: Self = Self(24 * Self::HOUR.0);

    /// This many whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(Self::SECOND.0))
    }

    /// This many milliseconds.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// The span `times` over.
    #[must_use]
    pub const fn times(self, times: i64) -> Self {
        Self(self.0.saturating_mul(times))
    }

    /// Seconds, with their fraction.
    #[must_use]
    // a span of 100 days is exact to a microsecond
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

/// As people write it: `90s`, `5m`, `24h`, `3d`, or a sum as `1h30m`; zero is `0s`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let mut rest = self.0.unsigned_abs();
        for (unit, name) in UNITS {
            if rest >= unit {
                write!(f, "{}{name}", rest / unit)?;
                rest %= unit;
            }
        }
        Ok(())
    }
}

const UNITS: [(u64, &str); 7] = [
    (86_400_000_000_000, "d"),
    (3_600_000_000_000, "h"),
    (60_000_000_000, "m"),
    (1_000_000_000, "s"),
    (1_000_000, "ms"),
    (1_000, "us"),
    (1, "ns"),
];

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Span {
    type Err = Error;

    /// Reads what [`Span`] shows: whole numbers, each with `d`, `h`, `m`, `s`, `ms`, `us` or `ns`.
    ///
    /// # Errors
    /// [`Error::Word`] for a number without a unit, an unknown unit or an empty text.
    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::Word {
            what: "span",
            found: excerpt(text),
            known: "whole numbers with d, h, m, s, ms, us, ns, as 90s or 1h30m",
        };
        let (sign, mut rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let mut total: i64 = 0;
        if rest.is_empty() {
            return Err(wrong());
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
            let number: i64 = rest[..digits].parse().map_err(|_| wrong())?;
            rest = &rest[digits..];
            let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            let (unit, _) = UNITS.iter().find(|(_, name)| *name == &rest[..letters]).ok_or_else(wrong)?;
            let part =
                i64::try_from(*unit).ok().and_then(|unit| number.checked_mul(unit)).ok_or_else(wrong)?;
            total = total.checked_add(part).ok_or_else(wrong)?;
            rest = &rest[letters..];
        }
        Ok(Self(sign * total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_with_its_offset_and_shown_in_utc() {
        let at: Timestamp = "2026-03-02T10:15:00+08:00".parse().expect("a time");
        assert_eq!(at.to_string(), "2026-03-02T02:15:00Z");
        assert_eq!(at, Timestamp::from_secs(1_772_417_700));
        assert!("2026-03-02T10:15:00".parse::<Timestamp>().is_err(), "no offset, no guess");
    }

    #[test]
    fn spans_are_read_as_they_are_shown() {
        for text in ["0s", "90s", "5m", "1h30m", "24h", "3d", "100ms", "-5m"] {
            let span: Span = text.parse().expect("a span");
            assert_eq!(span.to_string().parse::<Span>(), Ok(span));
        }
        for text in ["", "5", "m", "5 m", "5w", "-", "99999999999999d"] {
            assert!(text.parse::<Span>().is_err(), "{text:?} was taken for a span");
        }
    }
}
