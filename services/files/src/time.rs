//! Times as files have them: with an offset, local in a zone, or counted since 1970.
//!
//! The usual form, `2026-03-02T10:15:00+08:00`, is read by hand, because a file has a time in every row; whatever that
//! reader does not know goes to the calendar library. What it reads, it reads as the library does: a property test holds it
//! to that. A local time that its zone has twice or not at all is refused, not guessed at.

use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;

/// How times are written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Format {
    /// `2026-03-02T10:15:00+08:00`, with `T` or a blank; without an offset if there is a zone; or, of at least 16 digits,
    /// nanoseconds since 1970.
    Iso,
    /// A number since 1970, of units that are so many nanoseconds.
    Since(i64),
    /// By a pattern, as `%d/%m/%Y %H:%M`.
    Pattern(String),
}

impl Format {
    /// Reads the word for a format, or takes it for a pattern.
    ///
    /// # Errors
    /// What would be right.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        match text {
            "iso" => Ok(Self::Iso),
            "s" => Ok(Self::Since(1_000_000_000)),
            "ms" => Ok(Self::Since(1_000_000)),
            "us" => Ok(Self::Since(1_000)),
            "ns" => Ok(Self::Since(1)),
            pattern if pattern.contains('%') => Ok(Self::Pattern(pattern.to_owned())),
            other => Err(format!(
                "format {other:?} is not known: iso, s, ms, us, ns or a pattern as %Y-%m-%d %H:%M"
            )),
        }
    }
}

/// Reads times of one format and zone.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Times {
    format: Format,
    zone: Option<TimeZone>,
}

impl Times {
    /// A reader of this format, in this zone.
    pub(crate) fn new(format: Format, zone: Option<TimeZone>) -> Self {
        Self { format, zone }
    }

    /// Nanoseconds since 1970.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub(crate) fn read(&self, text: &str) -> Result<i64, String> {
        match &self.format {
            Format::Iso => match quick(text.as_bytes()) {
                Some((civil, Some(offset))) => nanos_of(civil, offset).ok_or_else(out_of_range),
                _ => self.iso(text),
            },
            Format::Since(unit) => since(text, *unit),
            Format::Pattern(pattern) => self.pattern(pattern, text),
        }
    }

    fn iso(&self, text: &str) -> Result<i64, String> {
        if text.len() >= 16 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return since(text, 1);
        }
        if let Ok(time) = text.parse::<jiff::Timestamp>() {
            return within(time);
        }
        let local: DateTime =
            text.parse().map_err(|_| "it is no time as 2026-03-02T10:15:00+08:00".to_owned())?;
        self.local(local)
    }

    fn pattern(&self, pattern: &str, text: &str) -> Result<i64, String> {
        let parsed = BrokenDownTime::parse(pattern, text).map_err(|error| error.to_string())?;
        if parsed.offset().is_some() || pattern.contains("%s") {
            return within(parsed.to_timestamp().map_err(|error| error.to_string())?);
        }
        self.local(parsed.to_datetime().map_err(|error| error.to_string())?)
    }

    fn local(&self, local: DateTime) -> Result<i64, String> {
        let zone = self.zone.as_ref().ok_or("it has no offset, and the mapping no zone")?;
        let found = zone.to_ambiguous_timestamp(local).unambiguous();
        within(found.map_err(|_| format!("{local} is there twice or not at all in its zone"))?)
    }
}

fn out_of_range() -> String {
    "it is outside the years 1678 to 2261".into()
}

fn within(time: jiff::Timestamp) -> Result<i64, String> {
    i64::try_from(time.as_nanosecond()).map_err(|_| out_of_range())
}

/// A whole number, or one with up to nine decimals, of a unit.
fn since(text: &str, unit: i64) -> Result<i64, String> {
    let wrong = || "it is no number since 1970".to_owned();
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let number: i64 = whole.parse().map_err(|_| wrong())?;
    if part.len() > 9 || !part.bytes().all(|byte| byte.is_ascii_digit()) || (part.is_empty() && whole != text)
    {
        return Err(wrong());
    }
    let mut below = 0;
    let mut digit_unit = unit;
    for digit in part.bytes() {
        digit_unit /= 10;
        below += i64::from(digit - b'0') * digit_unit;
    }
    let below = if whole.starts_with('-') { -below } else { below };
    number.checked_mul(unit).and_then(|whole| whole.checked_add(below)).ok_or_else(out_of_range)
}

/// Seconds of the civil time and nanoseconds below them.
type Civil = (i64, i64);

/// Reads `YYYY-MM-DDTHH:MM:SS[.fraction][Z|±HH:MM]` and nothing else; the offset in seconds, if there is one.
fn quick(text: &[u8]) -> Option<(Civil, Option<i64>)> {
    let (head, rest) = text.split_at_checked(19)?;
    let is = |at: usize, wanted: u8| head[at] == wanted;
    if !(is(4, b'-') && is(7, b'-') && (is(10, b'T') || is(10, b' ')) && is(13, b':') && is(16, b':')) {
        return None;
    }
    let [year, month, day] = [number(&head[..4])?, number(&head[5..7])?, number(&head[8..10])?];
    let [hour, minute, second] = [number(&head[11..13])?, number(&head[14..16])?, number(&head[17..19])?];
    if hour > 23 || minute > 59 || second > 59 || !is_day(year, month, day) {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    let (below, rest) = fraction(rest)?;
    Some(((seconds, below), offset(rest)?))
}

fn nanos_of((seconds, below): Civil, offset: i64) -> Option<i64> {
    (seconds - offset).checked_mul(1_000_000_000)?.checked_add(below)
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

fn is_day(year: i64, month: i64, day: i64) -> bool {
    if day <= 28 && (1..=12).contains(&month) {
        return day >= 1 && year >= 1;
    }
    let small = |part: i64| i8::try_from(part).ok();
    let date = || Date::new(i16::try_from(year).ok()?, small(month)?, small(day)?).ok();
    date().is_some()
}

/// Days since 1970 of a date of the Gregorian calendar, counted from March so that the leap day is a year's last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    year * 365 + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (month * 153 + 2) / 5
        + day
        - 719_469
}

fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.', digits)) = rest.split_first() else { return Some((0, rest)) };
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 || length > 9 {
        return None;
    }
    let (digits, rest) = digits.split_at(length);
    let missing = u32::try_from(9 - length).ok()?;
    Some((number(digits)? * 10_i64.pow(missing), rest))
}

fn offset(rest: &[u8]) -> Option<Option<i64>> {
    match rest {
        [] => Some(None),
        b"Z" => Some(Some(0)),
        [sign @ (b'+' | b'-'), a, b, b':', c, d] => {
            let (hours, minutes) = (number(&[*a, *b])?, number(&[*c, *d])?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = hours * 3600 + minutes * 60;
            Some(Some(if *sign == b'-' { -seconds } else { seconds }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn times(format: &str, zone: Option<&str>) -> Times {
        Times::new(Format::read(format).unwrap(), zone.map(|zone| TimeZone::get(zone).unwrap()))
    }

    #[test]
    fn a_time_is_read_in_each_form() {
        let at = 1_772_417_700_000_000_000;
        let shanghai = Some("Asia/Shanghai");
        for (format, zone, text) in [
            ("iso", None, "2026-03-02T10:15:00+08:00"),
            ("iso", None, "2026-03-02 02:15:00Z"),
            ("iso", None, "1772417700000000000"),
            ("iso", shanghai, "2026-03-02T10:15:00"),
            ("iso", shanghai, "2026-03-02 10:15"),
            ("s", None, "1772417700"),
            ("s", None, "1772417700.0"),
            ("ms", None, "1772417700000"),
            ("us", None, "1772417700000000"),
            ("ns", None, "1772417700000000000"),
            ("%d/%m/%Y %H:%M", shanghai, "02/03/2026 10:15"),
            ("%Y %m %d %H %M", shanghai, "2026 3 2 10 15"),
            ("%Y-%m-%dT%H:%M:%S%z", None, "2026-03-02T10:15:00+0800"),
        ] {
            assert_eq!(times(format, zone).read(text), Ok(at), "{format} {text}");
        }
        assert_eq!(times("s", None).read("-1.5"), Ok(-1_500_000_000));
        assert_eq!(times("%Y-%m-%d", shanghai).read("1970-01-02"), Ok(57_600_000_000_000));
    }

    #[test]
    fn what_is_no_time_says_why() {
        for (format, zone, text, why) in [
            ("iso", None, "2026-03-02T10:15:00", "no offset"),
            ("iso", None, "yesterday", "no time as"),
            ("iso", None, "2026-02-30T10:15:00Z", "no time as"),
            ("iso", None, "9999-01-01T00:00:00Z", "1678"),
            ("iso", Some("America/New_York"), "2026-11-01T01:30:00", "twice or not at all"),
            ("iso", Some("America/New_York"), "2026-03-08T02:30:00", "twice or not at all"),
            ("s", None, "99999999999", "1678"),
            ("s", None, "1.", "no number"),
            ("s", None, "0x10", "no number"),
            ("%Y", Some("Asia/Shanghai"), "x", "parse"),
        ] {
            let found = times(format, zone).read(text).expect_err(text);
            assert!(found.contains(why), "{text}: {found}");
        }
        assert!(Format::read("rfc").unwrap_err().contains("iso"));
    }

    proptest! {
        /// Texts that are times, with a byte changed here and there.
        #[test]
        fn what_is_read_quickly_is_what_the_library_reads(
            seconds in -12_000_000_000_i64..12_000_000_000,
            fraction in prop_oneof![Just(String::new()), "\\.[0-9]{1,10}"],
            offset in prop_oneof![Just("Z".to_owned()), "[+-][0-2][0-9]:[0-7][0-9]"],
            blank in any::<bool>(),
            change in proptest::option::of((0_usize..35, "[0-9:TZ. -]")),
        ) {
            let civil = jiff::Timestamp::from_second(seconds).unwrap().to_zoned(TimeZone::UTC).datetime();
            let mut text = civil.strftime(if blank { "%Y-%m-%d %H:%M:%S" } else { "%Y-%m-%dT%H:%M:%S" }).to_string();
            text += &fraction;
            text += &offset;
            if let Some((at, change)) = change.filter(|(at, _)| *at < text.len()) {
                text.replace_range(at..=at, &change);
            }
            if let Some((civil, Some(offset))) = quick(text.as_bytes()) {
                let library: Option<jiff::Timestamp> = text.parse().ok();
                prop_assert!(library.is_some(), "{} is read quickly only", text);
                let wanted = i64::try_from(library.unwrap().as_nanosecond()).ok();
                prop_assert_eq!(nanos_of(civil, offset), wanted, "{}", text);
            }
        }
    }
}
