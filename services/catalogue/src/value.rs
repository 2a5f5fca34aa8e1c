//! The values that a key of a catalogue can have.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::civil;
use toml::de::DeValue;
use yiwang_model::{Priority, Severity, Span, Timestamp, Unit};

/// The most elements of one list.
const MAX_LIST: usize = 10_000;

/// A type that a value of TOML can be read as; an error says what would be right.
pub(crate) trait FromToml: Sized {
    /// What would be right, as "a number".
    fn wanted() -> Cow<'static, str>;

    /// Reads the value.
    fn read(value: &DeValue<'_>) -> Option<Self>;

    /// Reads the value, or says what would be right.
    fn from_toml(value: &DeValue<'_>) -> Result<Self, Cow<'static, str>> {
        Self::read(value).ok_or_else(Self::wanted)
    }
}

/// Implements [`FromToml`]: the type, what would be right, how it is read.
macro_rules! readable {
    ($type:ty, $wanted:expr, $read:expr) => {
        impl $crate::value::FromToml for $type {
            fn wanted() -> std::borrow::Cow<'static, str> {
                $wanted.into()
            }
            fn read(value: &toml::de::DeValue<'_>) -> Option<Self> {
                let read: fn(&toml::de::DeValue<'_>) -> Option<Self> = $read;
                read(value)
            }
        }
    };
}
pub(crate) use readable;

readable!(Arc<str>, "a text", |value| value.as_str().map(Arc::from));
readable!(bool, "true or false", |value| value.as_bool());
readable!(f64, "a finite number", |value| number(value).filter(|number| number.is_finite()));
readable!(u8, "a whole number from 0 to 255", |value| u8::try_from(integer(value)?).ok());
readable!(i16, "a year", |value| i16::try_from(integer(value)?)
    .ok()
    .filter(|year| (1900..2200).contains(year)));
readable!(u32, "a whole number from 0 on", |value| u32::try_from(integer(value)?).ok());
readable!(Span, "a span such as \"90s\", \"5m\", \"24h\", \"3d\", not negative, up to \"36500d\"", |value| {
    value.as_str()?.parse().ok().filter(|span| (Span::ZERO..=Span::DAY.times(36_500)).contains(span))
});
readable!(Unit, "a unit as text, such as \"µg/m³\" or \"%\"", |value| {
    let text = value.as_str()?;
    (!text.trim().is_empty() && text.len() <= 64 && !text.contains(char::is_control)).then(|| Unit::new(text))
});
readable!(Severity, "\"notice\", \"warning\", \"serious\" or \"critical\"", |value| value
    .as_str()?
    .parse()
    .ok());
readable!(Priority, "\"ordinary\", \"urgent\" or \"emergency\"", |value| value.as_str()?.parse().ok());
readable!(civil::Date, "a date from 1900 to 2199 without quotes, such as 2026-03-01", |value| {
    let time = value.as_datetime().filter(|time| time.time.is_none() && time.offset.is_none())?;
    let date = time.date?;
    let year = i16::try_from(date.year).ok().filter(|year| (1900..2200).contains(year))?;
    civil::Date::new(year, i8::try_from(date.month).ok()?, i8::try_from(date.day).ok()?).ok()
});
readable!(civil::Time, "a time of day without quotes, such as 09:00:00", |value| {
    let time = value.as_datetime().filter(|time| time.date.is_none() && time.offset.is_none())?.time?;
    let (hour, minute) = (i8::try_from(time.hour).ok()?, i8::try_from(time.minute).ok()?);
    civil::Time::new(hour, minute, i8::try_from(time.second.unwrap_or(0)).ok()?, 0).ok()
});

readable!(Timestamp, "a time with its offset, such as 2026-03-01T09:00:00+08:00", |value| {
    let text = match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        _ => return None,
    };
    text.parse::<jiff::Timestamp>().ok().map(Timestamp::from_jiff)
});

impl<T: FromToml> FromToml for Vec<T> {
    fn wanted() -> Cow<'static, str> {
        format!("a list, up to {MAX_LIST} long, of which each element is {}", T::wanted()).into()
    }
    fn read(value: &DeValue<'_>) -> Option<Self> {
        let array = value.as_array().filter(|array| array.len() <= MAX_LIST)?;
        array.iter().map(|element| T::read(element.get_ref())).collect()
    }
}

impl<A: FromToml, B: FromToml> FromToml for (A, B) {
    fn wanted() -> Cow<'static, str> {
        format!("a pair [{}, {}]", A::wanted(), B::wanted()).into()
    }
    fn read(value: &DeValue<'_>) -> Option<Self> {
        let array = value.as_array().filter(|array| array.len() == 2)?;
        Some((A::read(array[0].get_ref())?, B::read(array[1].get_ref())?))
    }
}

/// A number, written with or without a point.
pub(crate) fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Float(number) => number.as_str().parse().ok(),
        // a catalogue has no number beyond 2^53
        DeValue::Integer(_) => integer(value).map(|number| number as f64),
        _ => None,
    }
}

fn integer(value: &DeValue<'_>) -> Option<i64> {
    let number = value.as_integer()?;
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// Reads a word of a list.
pub(crate) fn word<T: Copy>(value: &DeValue<'_>, words: &[(T, &str)]) -> Option<T> {
    let text = value.as_str()?;
    words.iter().find(|(_, word)| *word == text).map(|(meant, _)| *meant)
}

/// The words of a list, quoted, as what would be right.
pub(crate) fn words<T>(words: &[(T, &str)]) -> String {
    let quoted: Vec<String> = words.iter().map(|(_, word)| format!("{word:?}")).collect();
    quoted.join(" or ")
}
