//! Line protocol of InfluxDB, as the city's own door understands it: measurement `readings` names source and metric itself;
//! what other measurements mean stands in the catalogue. A time is needed. A text may not go over a line's end.

use yiwang_catalogue::line::READINGS;
use yiwang_model::Quality;
use yiwang_proto::line::{Line, Value};
use yiwang_proto::v1::Reason;

use crate::gather::{Gather, Item, Why};
use crate::row::utf8;
use crate::series::Words;

/// Takes a line in; `precision` are the nanoseconds of its unit of time.
pub(crate) fn take(precision: i64, line: u64, text: &[u8], into: &mut Gather) {
    let read = utf8(text).and_then(|text| points(precision, line, text, into));
    if let Err(why) = read {
        into.fault(line, "", text, why);
    }
}

fn points(precision: i64, line: u64, text: &str, into: &mut Gather) -> Result<(), Why> {
    let mut parsed = Line::default();
    let is_line =
        parsed.plain(text) || parsed.read(text).map_err(|error| Why(Reason::Malformed, error.to_string()))?;
    if !is_line {
        return Ok(());
    }
    let time = parsed.time.ok_or_else(|| Why(Reason::Malformed, "it has no time".into()))?;
    let time = time.checked_mul(precision).ok_or_else(|| {
        Why(Reason::Malformed, format!("time {time} is outside the years 1678 to 2261: check the precision"))
    })?;
    if parsed.measurement == READINGS {
        return reading(line, &parsed, time, into);
    }
    for (field, value) in &parsed.fields {
        if let Err(why) = point(line, &parsed, field, value, time, into) {
            into.fault(line, field, text.as_bytes(), why);
        }
    }
    Ok(())
}

fn reading(line: u64, parsed: &Line<'_>, time: i64, into: &mut Gather) -> Result<(), Why> {
    let (mut said, mut quality) = (None, Quality::Good);
    for (field, value) in &parsed.fields {
        match (field.as_ref(), value) {
            ("value", value) => said = Some(number(value)?),
            ("quality", Value::Text(word)) => {
                quality = word
                    .parse()
                    .map_err(|error: yiwang_model::Error| Why(Reason::BadQuality, error.to_string()))?;
            }
            _ => {
                return Err(Why(
                    Reason::Malformed,
                    format!("field \"{field:.64}\" is not known; known are value and quality"),
                ));
            }
        }
    }
    let value = said.ok_or_else(|| Why(Reason::Malformed, "field \"value\" is missing".into()))?;
    let (source, metric) = (tag(parsed, "source")?, tag(parsed, "metric")?);
    push(line, (source, metric), time, value, quality, into)
}

fn point(
    line: u64,
    parsed: &Line<'_>,
    field: &str,
    value: &Value<'_>,
    time: i64,
    into: &mut Gather,
) -> Result<(), Why> {
    let known =
        into.series.catalogue().line_fields(&parsed.measurement).iter().find(|known| *known.field == *field);
    let known = known.cloned().ok_or_else(|| {
        Why(
            Reason::UnknownMetric,
            format!(
                "field \"{field:.64}\" of measurement \"{:.64}\" is not in the catalogue: add a [[line_field]]",
                parsed.measurement
            ),
        )
    })?;
    let source = format!("{}{}", known.source_prefix, tag(parsed, &known.source_tag)?);
    push(line, (&source, &known.metric), time, number(value)?, Quality::Good, into)
}

fn push(
    line: u64,
    (source, metric): (&str, &str),
    time: i64,
    value: f64,
    quality: Quality,
    into: &mut Gather,
) -> Result<(), Why> {
    let key = [source.as_bytes(), &[0xff], metric.as_bytes()].concat();
    let series = match into.series.get(&key) {
        Some(series) => series,
        None => into.series.add(&key, Words { source: source.into(), metric: metric.into(), unit: None })?,
    };
    let quality = quality as u8;
    into.items.push(Item { line, slot: 0, quality, series, time, value, period_end: 0, vintage: 0 });
    Ok(())
}

fn tag<'p>(parsed: &'p Line<'_>, key: &str) -> Result<&'p str, Why> {
    parsed.tag(key).ok_or_else(|| Why(Reason::UnknownSource, format!("tag {key:?} is missing")))
}

fn number(value: &Value<'_>) -> Result<f64, Why> {
    match value {
        Value::Number(value) if value.is_finite() => Ok(*value),
        _ => Err(Why(Reason::Malformed, "it is no number".into())),
    }
}
