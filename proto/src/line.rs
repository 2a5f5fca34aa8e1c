//! One line of InfluxDB's line protocol.
//!
//! Every line can be read by the library, [`Line::read`]. Most lines have no escapes, no quotes and plain numbers; [`Line::plain`]
//! reads those, and those only, at less cost (BENCHMARKS.md). What it reads, it reads as the library does: a property test
//! holds it to that.
//!
//! A line is bounded, so that none of a few megabytes costs more than its share: whoever looks for a tag looks through all of them.

use std::borrow::Cow;

use influxdb_line_protocol::{EscapedStr, FieldValue, ParsedLine, parse_lines};
use memchr::memchr;

/// The most bytes of a line.
pub const MAX_BYTES: usize = 1 << 20;
/// The most tags of a line.
pub const MAX_TAGS: usize = 100;
/// The most fields of a line.
pub const MAX_FIELDS: usize = 1_000;

/// Why a line cannot be read.
#[derive(Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is no line protocol; what the library says.
    #[error("{0}")]
    Malformed(String),
    /// It has more of something than is read.
    #[error("a line has at most {most} {what}, this one has {found}")]
    TooMany {
        /// Of what: bytes, tags or fields.
        what: &'static str,
        /// How many it has.
        found: usize,
        /// How many are read.
        most: usize,
    },
}

/// A line taken apart.
#[derive(Debug, Default, PartialEq)]
pub struct Line<'a> {
    /// The measurement.
    pub measurement: Cow<'a, str>,
    /// Tags, key and value.
    pub tags: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Fields, key and value.
    pub fields: Vec<(Cow<'a, str>, Value<'a>)>,
    /// The time as it stands there, in whatever precision was agreed on.
    pub time: Option<i64>,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// A float, or an integer as the nearest float.
    Number(f64),
    /// A text.
    Text(Cow<'a, str>),
    /// True or false.
    Truth,
}

impl<'a> Line<'a> {
    /// Reads any line into this one; false for a blank one or a remark.
    ///
    /// # Errors
    /// [`Error`].
    pub fn read(&mut self, text: &'a str) -> Result<bool, Error> {
        at_most("bytes", text.len(), MAX_BYTES)?;
        let parsed = parse_lines(text).next().transpose();
        let Some(parsed) = parsed.map_err(|error| Error::Malformed(format!("{error:.200}")))? else {
            return Ok(false);
        };
        let ParsedLine { series, field_set, timestamp } = parsed;
        at_most("tags", series.tag_set.as_ref().map_or(0, |tags| tags.len()), MAX_TAGS)?;
        at_most("fields", field_set.len(), MAX_FIELDS)?;
        let tags = series.tag_set.into_iter().flatten();
        self.tags.clear();
        self.tags.extend(tags.map(|(key, value)| (cow(key), cow(value))));
        self.fields.clear();
        self.fields.extend(field_set.into_iter().map(|(key, value)| (cow(key), value.into())));
        (self.measurement, self.time) = (cow(series.measurement), timestamp);
        Ok(true)
    }

    /// Reads a line without escapes and quotes into this one; false for one that has to be read by [`Line::read`].
    pub fn plain(&mut self, text: &'a str) -> bool {
        self.try_plain(text).is_some()
    }

    /// Reads what stands behind the first space of a line as [`Line::plain`] does, and leaves measurement and tags as they
    /// are; false for what has to be read by [`Line::read`].
    pub fn plain_values(&mut self, text: &'a str) -> bool {
        self.try_values(text).is_some()
    }

    fn try_plain(&mut self, text: &'a str) -> Option<()> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let (key, values) = cut(text, b' ');
        let (measurement, tags) = cut(key, b',');
        if !is_plain(measurement) || measurement.starts_with('#') {
            return None;
        }
        self.tags.clear();
        let mut rest = tags;
        while let Some(tags) = rest {
            let (tag, others) = cut(tags, b',');
            let (key, value) = pair(tag).filter(|_| self.tags.len() < MAX_TAGS)?;
            self.tags.push((key.into(), is_plain(value).then_some(value)?.into()));
            rest = others;
        }
        self.measurement = measurement.into();
        self.try_values(values?)
    }

    fn try_values(&mut self, text: &'a str) -> Option<()> {
        let (fields, time) = cut(text, b' ');
        self.fields.clear();
        let mut rest = Some(fields);
        while let Some(fields) = rest {
            let (field, others) = cut(fields, b',');
            let (key, value) = pair(field).filter(|_| self.fields.len() < MAX_FIELDS)?;
            self.fields.push((key.into(), Value::Number(number(value)?)));
            rest = others;
        }
        self.time = time.map(|time| whole(time)?.parse().ok()).map_or(Some(None), |time| time.map(Some))?;
        Some(())
    }

    /// The value of the first tag of this name.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find(|(own, _)| own == key).map(|(_, value)| value.as_ref())
    }
}

fn at_most(what: &'static str, found: usize, most: usize) -> Result<(), Error> {
    if found > most { Err(Error::TooMany { what, found, most }) } else { Ok(()) }
}

/// What stands before the first such byte, which is ASCII, and, if it is there, what stands behind it.
pub fn cut(text: &str, at: u8) -> (&str, Option<&str>) {
    match memchr(at, text.as_bytes()) {
        Some(found) => (&text[..found], Some(&text[found + 1..])),
        None => (text, None),
    }
}

/// Key and value around `=`, the key one that stands for itself.
fn pair(text: &str) -> Option<(&str, &str)> {
    let (key, value) = cut(text, b'=');
    Some((key, value?)).filter(|(key, _)| is_plain(key))
}

/// Whether it is a name that stands for itself.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| PLAIN[usize::from(byte)])
}

/// The bytes that stand for themselves in names.
const PLAIN: [bool; 256] = plain();

const fn plain() -> [bool; 256] {
    let mut table = [true; 256];
    let mut control = 0;
    while control <= b' ' {
        table[control as usize] = false;
        control += 1;
    }
    table[127] = false;
    table[b'\\' as usize] = false;
    table[b'"' as usize] = false;
    table[b'=' as usize] = false;
    table[b',' as usize] = false;
    table
}

/// A float in its simplest form, digits and at most one point between them; or an integer.
fn number(text: &str) -> Option<f64> {
    if let Some(integer) = text.strip_suffix('i') {
        // beyond 2^53 the nearest float, as every door has it
        return whole(integer)?.parse::<i64>().ok().map(|integer| integer as f64);
    }
    let (before, after) = text.split_once('.').unwrap_or((text, "0"));
    whole(before)?;
    let is_number = !after.is_empty() && after.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

fn whole(text: &str) -> Option<&str> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

fn cow(text: EscapedStr<'_>) -> Cow<'_, str> {
    match text {
        EscapedStr::SingleSlice(text) => text.into(),
        EscapedStr::CopiedValue(text) => text.into(),
    }
}

impl<'a> From<FieldValue<'a>> for Value<'a> {
    // beyond 2^53 the nearest float, as every door has it
    fn from(value: FieldValue<'a>) -> Self {
        match value {
            FieldValue::F64(value) => Self::Number(value),
            FieldValue::I64(value) => Self::Number(value as f64),
            FieldValue::U64(value) => Self::Number(value as f64),
            FieldValue::String(text) => Self::Text(cow(text)),
            FieldValue::Boolean(_) => Self::Truth,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn both(text: &str) -> (bool, Line<'_>, Result<bool, String>, Line<'_>) {
        let (mut plain, mut read) = (Line::default(), Line::default());
        let is_plain = plain.plain(text);
        let was_read = read.read(text).map_err(|error| error.to_string());
        (is_plain, plain, was_read, read)
    }

    #[test]
    fn a_line_of_a_gateway_is_plain() {
        for text in [
            "readings,source=510104-air-1,metric=pm2_5 value=35.5 1772417700000000000",
            "空气,站=一 pm25=35i,pm10=-0.1",
        ] {
            let (is_plain, plain, was_read, read) = both(text);
            assert!(is_plain && was_read == Ok(true), "{text}");
            assert_eq!(plain, read, "{text}");
        }
    }

    #[test]
    fn anything_unusual_is_left_to_the_library() {
        for text in [
            "a\\ b value=1 1",
            "a,b=c\\,d value=1 1",
            "a value=\"x\" 1",
            "a value=t 1",
            "a value=1u 1",
            "a value=1e5 1",
            "a value=1  1",
            " a value=1 1",
            "a value=1 1\r",
            "a value=1 1 1",
            "a value= 1",
            "a, value=1",
            "a,b value=1",
            "a,b= value=1",
            "a value=inf",
            "a value=nan",
            "a value=.5",
            "a value=1.",
            "a value=+1",
            "# value=1",
            "a",
            "",
            "a=b value=1",
            "a value=1 99999999999999999999",
            "a value=99999999999999999999i",
        ] {
            assert!(!Line::default().plain(text), "{text:?}");
        }
    }

    #[test]
    fn a_line_that_has_too_much_is_refused() {
        let many = |count: usize, part: &str| vec![part; count].join(",");
        for (text, wanted) in [
            (format!("a,{} b=1", many(MAX_TAGS, "t=u")), None),
            (format!("a,{} b=1", many(MAX_TAGS + 1, "t=u")), Some(("tags", MAX_TAGS + 1, MAX_TAGS))),
            (format!("a {}", many(MAX_FIELDS, "b=1")), None),
            (format!("a {}", many(MAX_FIELDS + 1, "b=1")), Some(("fields", MAX_FIELDS + 1, MAX_FIELDS))),
            (format!("a,t={} b=1", "u".repeat(MAX_BYTES)), Some(("bytes", MAX_BYTES + 8, MAX_BYTES))),
        ] {
            let (is_plain, ..) = both(&text);
            let wanted = wanted.map(|(what, found, most)| Error::TooMany { what, found, most });
            assert!(is_plain || wanted.is_some());
            assert_eq!(Line::default().read(&text).err(), wanted);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Whatever is read as plain, the library reads, and as the same.
        #[test]
        fn what_is_read_as_plain_is_what_the_library_reads(text in "[ab#]{0,2}(,[ab]{0,2}=?[ab=\\\\]{0,2}){0,2} [ab]{0,2}=-?[0-9.ei\"t]{0,4}(,[ab]=[0-9.i]{0,3})?( -?[0-9]{0,4})?[ \r]?") {
            let (is_plain, plain, was_read, read) = both(&text);
            if is_plain {
                prop_assert_eq!(was_read, Ok(true));
                prop_assert_eq!(plain, read);
            }
        }
    }
}
