//! What a message says: JSON, one reading or an array of at most [`MAX_READINGS`].
//!
//! A reading is an object of these fields and no others, each at most once:
//!
//! | field | | what |
//! |---|---|---|
//! | `metric` | text | as the catalogue names it |
//! | `time` | text or number | RFC 3339 with an offset, or a whole number since 1970 in `time_unit` |
//! | `value` | number | in `unit` |
//! | `unit` | text | of `value` |
//! | `quality` | text, may be missing | `good` and the other words of [`Quality`] |
//! | `period_end` | as `time`, may be missing | the end of the period, for figures of a period |
//! | `vintage` | as `time`, may be missing | when the figure was published |
//! | `time_unit` | text, if any time is a number | `s`, `ms`, `us` or `ns` |
//! | `seq` | whole number, may be missing | the gateway's running number of this message, see [`crate::seq`] |
//! | `gateway` | text, may be missing | who numbers; without it the source does |
//!
//! A fault in the form of one reading refuses that one; a fault in the JSON refuses the message. Depth is bounded by
//! the parser, length by the packet.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use yiwang_model::series::check_name;
use yiwang_model::{Quality, Timestamp, Vintage};
use yiwang_proto::v1::Reason;

use crate::admit;
use crate::names::Refused;

/// The most readings of one message.
pub const MAX_READINGS: usize = 10_000;

/// A reading as a message says it; its source is in the topic.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Said<'a> {
    pub(crate) metric: Cow<'a, str>,
    pub(crate) time: Timestamp,
    pub(crate) value: f64,
    pub(crate) unit: Cow<'a, str>,
    pub(crate) quality: Quality,
    pub(crate) period_end: Option<Timestamp>,
    pub(crate) vintage: Vintage,
    pub(crate) gateway: Option<Cow<'a, str>>,
    pub(crate) seq: Option<u64>,
}

impl Said<'_> {
    /// The same of this source.
    pub(crate) fn of<'a>(&'a self, source: &'a str) -> admit::Said<'a> {
        let Self { metric, time, value, unit, quality, period_end, vintage, .. } = self;
        admit::Said {
            source,
            metric,
            unit: Some(unit),
            time: *time,
            value: *value,
            quality: *quality,
            period_end: *period_end,
            vintage: *vintage,
        }
    }
}

/// Hands over each reading of a message, in order, or why it is none.
///
/// # Errors
/// The sentence with which to refuse the message as a whole; what was handed over before is then void.
pub(crate) fn read<'a>(payload: &'a [u8], take: impl FnMut(Result<Said<'a>, Refused>)) -> Result<(), String> {
    let text = std::str::from_utf8(payload).map_err(|error| format!("the payload is not UTF-8: {error}"))?;
    let mut json = serde_json::Deserializer::from_str(text);
    json.deserialize_any(Message { take, taken: 0 }).and_then(|()| json.end()).map_err(|error| {
        format!("the payload is not JSON of one reading or an array of readings: {error:.200}")
    })
}

struct Message<F> {
    take: F,
    taken: usize,
}

impl<'de, F: FnMut(Result<Said<'de>, Refused>)> Visitor<'de> for Message<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reading or an array of readings")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, map: A) -> Result<(), A::Error> {
        let form = Form::fill(map)?;
        (self.take)(form.read());
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while let Some(Element(form)) = seq.next_element()? {
            self.taken += 1;
            if self.taken > MAX_READINGS {
                return Err(A::Error::custom(format_args!("an array has at most {MAX_READINGS} readings")));
            }
            (self.take)(form.and_then(Form::read));
        }
        Ok(())
    }
}

/// One element of an array.
struct Element<'a>(Result<Form<'a>, Refused>);

impl<'de> Deserialize<'de> for Element<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Element<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a reading")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Element<'de>, A::Error> {
                Ok(Element(Ok(Form::fill(map)?)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Element<'de>, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(no_object())
            }

            fn visit_str<E>(self, _: &str) -> Result<Element<'de>, E> {
                Ok(no_object())
            }

            fn visit_i64<E>(self, _: i64) -> Result<Element<'de>, E> {
                Ok(no_object())
            }

            fn visit_u64<E>(self, _: u64) -> Result<Element<'de>, E> {
                Ok(no_object())
            }

            fn visit_f64<E>(self, _: f64) -> Result<Element<'de>, E> {
                Ok(no_object())
            }

            fn visit_bool<E>(self, _: bool) -> Result<Element<'de>, E> {
                Ok(no_object())
            }

            fn visit_unit<E>(self) -> Result<Element<'de>, E> {
                Ok(no_object())
            }
        }
        from.deserialize_any(Object)
    }
}

fn no_object<'a>() -> Element<'a> {
    Element(Err(malformed("a reading is an object, and this element is none".to_owned())))
}

/// The fields of a reading, as they stand in the JSON.
#[derive(Default)]
struct Form<'a> {
    metric: Field<'a>,
    time: Field<'a>,
    value: Field<'a>,
    unit: Field<'a>,
    quality: Field<'a>,
    period_end: Field<'a>,
    vintage: Field<'a>,
    time_unit: Field<'a>,
    gateway: Field<'a>,
    seq: Field<'a>,
    fault: Option<String>,
}

impl<'de> Form<'de> {
    fn fill<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut form = Self::default();
        while let Some(Key(key)) = map.next_key()? {
            let field: Field<'de> = map.next_value()?;
            form.put(&key, field);
        }
        Ok(form)
    }

    fn put(&mut self, key: &str, field: Field<'de>) {
        let place = match key {
            "metric" => &mut self.metric,
            "time" => &mut self.time,
            "value" => &mut self.value,
            "unit" => &mut self.unit,
            "quality" => &mut self.quality,
            "period_end" => &mut self.period_end,
            "vintage" => &mut self.vintage,
            "time_unit" => &mut self.time_unit,
            "gateway" => &mut self.gateway,
            "seq" => &mut self.seq,
            _ => {
                self.fault.get_or_insert_with(|| format!("a reading has no field \"{key:.64}\""));
                return;
            }
        };
        if *place != Field::Missing {
            self.fault.get_or_insert_with(|| format!("field \"{key}\" stands there twice"));
        }
        *place = field;
    }

    fn read(self) -> Result<Said<'de>, Refused> {
        if let Some(fault) = self.fault {
            return Err(malformed(fault));
        }
        let unit_of_time = TimeUnit::read(self.time_unit)?;
        Ok(Said {
            metric: self.metric.text("metric")?,
            time: self.time.time("time", unit_of_time)?.ok_or_else(|| missing("time"))?,
            value: self.value.number("value")?,
            unit: self.unit.text("unit")?,
            quality: self.quality.quality()?,
            period_end: self.period_end.time("period_end", unit_of_time)?,
            vintage: Vintage(self.vintage.time("vintage", unit_of_time)?),
            gateway: self.gateway.name("gateway")?,
            seq: self.seq.seq()?,
        })
    }
}

/// The name of a field, borrowed if it can be.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a field")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        from.deserialize_str(Text)
    }
}

/// What stands in a field, whether it belongs there or not.
#[derive(Debug, Default, PartialEq)]
enum Field<'a> {
    #[default]
    Missing,
    Null,
    Text(Cow<'a, str>),
    Whole(i64),
    Number(f64),
    Other(&'static str),
}

impl<'de> Deserialize<'de> for Field<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Field<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value of a field")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Field<'de>, E> {
        Ok(Field::Whole(number))
    }

    // above 2^63: no time, and as a value the nearest float
    fn visit_u64<E>(self, number: u64) -> Result<Field<'de>, E> {
        Ok(i64::try_from(number).map_or(Field::Number(number as f64), Field::Whole))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Field<'de>, E> {
        Ok(Field::Number(number))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Field<'de>, E> {
        Ok(Field::Other("true or false"))
    }

    fn visit_unit<E>(self) -> Result<Field<'de>, E> {
        Ok(Field::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Field<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Other("an array"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Field<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Other("an object"))
    }
}

impl<'a> Field<'a> {
    fn text(self, name: &str) -> Result<Cow<'a, str>, Refused> {
        match self {
            Self::Text(text) => Ok(text),
            other => Err(other.unfit(name, "text")),
        }
    }

    // beyond 2^53 the nearest float, as JSON has it
    fn number(self, name: &str) -> Result<f64, Refused> {
        match self {
            Self::Whole(number) => Ok(number as f64),
            Self::Number(number) => Ok(number),
            other => Err(other.unfit(name, "a number")),
        }
    }

    fn name(self, name: &'static str) -> Result<Option<Cow<'a, str>>, Refused> {
        if matches!(self, Self::Missing | Self::Null) {
            return Ok(None);
        }
        let text = self.text(name)?;
        check_name(name, &text).map_err(|error| (Reason::BadName, error.to_string()))?;
        Ok(Some(text))
    }

    fn seq(self) -> Result<Option<u64>, Refused> {
        match self {
            Self::Missing | Self::Null => Ok(None),
            Self::Whole(number) => u64::try_from(number)
                .map(Some)
                .map_err(|_| malformed(format!("field \"seq\" is {number}: it counts from 0"))),
            other => Err(other.unfit("seq", "a whole number")),
        }
    }

    fn quality(self) -> Result<Quality, Refused> {
        match self {
            Self::Missing | Self::Null => Ok(Quality::Good),
            Self::Text(text) => {
                text.parse().map_err(|error: yiwang_model::Error| (Reason::BadQuality, error.to_string()))
            }
            other => Err(other.unfit("quality", "text")),
        }
    }

    fn time(self, name: &str, unit: Option<TimeUnit>) -> Result<Option<Timestamp>, Refused> {
        match self {
            Self::Missing | Self::Null => Ok(None),
            Self::Text(text) => text
                .parse()
                .map(Some)
                .map_err(|error: yiwang_model::Error| malformed(format!("field \"{name}\": {error}"))),
            Self::Whole(number) => TimeUnit::since_1970(unit, name, number).map(Some),
            Self::Number(number) => Err(malformed(format!(
                "field \"{name}\" is {number}: a time is RFC 3339 text or a whole number since 1970 with a \"time_unit\""
            ))),
            other => Err(other.unfit(name, "a time")),
        }
    }

    fn unfit(self, name: &str, wanted: &str) -> Refused {
        let found = match self {
            Self::Missing => return missing(name),
            Self::Null => "null",
            Self::Text(_) => "text",
            Self::Whole(_) | Self::Number(_) => "a number",
            Self::Other(what) => what,
        };
        malformed(format!("field \"{name}\" is {found}, and {wanted} belongs there"))
    }
}

/// The unit of times that are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TimeUnit {
    nanos: i64,
}

impl TimeUnit {
    fn read(field: Field<'_>) -> Result<Option<Self>, Refused> {
        let text = match field {
            Field::Missing | Field::Null => return Ok(None),
            field => field.text("time_unit")?,
        };
        let nanos = match text.as_ref() {
            "s" => 1_000_000_000,
            "ms" => 1_000_000,
            "us" => 1_000,
            "ns" => 1,
            other => {
                return Err(malformed(format!(
                    "time_unit \"{other:.64}\" is not known; known are s, ms, us and ns"
                )));
            }
        };
        Ok(Some(Self { nanos }))
    }

    fn since_1970(unit: Option<Self>, name: &str, number: i64) -> Result<Timestamp, Refused> {
        let Some(unit) = unit else {
            let message = format!(
                "field \"{name}\" is a number without a unit: add \"time_unit\", one of s, ms, us and ns"
            );
            return Err(malformed(message));
        };
        let nanos = number.checked_mul(unit.nanos).ok_or_else(|| {
            malformed(format!(
                "field \"{name}\" is {number}, which is outside the years 1678 to 2261: check \"time_unit\""
            ))
        })?;
        Ok(Timestamp(nanos))
    }
}

fn missing(name: &str) -> Refused {
    malformed(format!("field \"{name}\" is missing"))
}

fn malformed(message: String) -> Refused {
    (Reason::Malformed, message)
}

#[cfg(test)]
mod tests;
