//! The payload of Sparkplug B, read within bounds, and the number that a metric says.

use prost::Message;
use yiwang_proto::sparkplug::{Metric, Payload as Wire, metric::Value};

use super::{MAX_METRICS, MAX_PAYLOAD_BYTES};

/// The metric by which a death names the birth that it ends.
pub(super) const BD_SEQ: &str = "bdSeq";
/// What Tahu calls a payload whose body is another, compressed.
const COMPRESSED: &str = "SPBV1.0_COMPRESSED";

/// A payload.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Payload {
    /// In ms since 1970.
    pub(super) timestamp: Option<u64>,
    /// 0 where it is missing, because some encoders leave out a 0; nobody reads it where there is none.
    pub(super) seq: u8,
    pub(super) metrics: Vec<Metric>,
}

/// Reads a payload.
///
/// # Errors
/// Why it cannot be read.
pub(super) fn read(bytes: &[u8]) -> Result<Payload, String> {
    let length = bytes.len();
    if length > MAX_PAYLOAD_BYTES {
        return Err(format!("the payload has {length} bytes, and at most {MAX_PAYLOAD_BYTES} are read"));
    }
    let bad = |error: prost::DecodeError| format!("the payload is none of Sparkplug B: {error:.200}");
    let wire = Wire::decode(bytes).map_err(bad)?;
    if wire.uuid.as_deref() == Some(COMPRESSED) {
        return Err("the payload is compressed, and that is no part of Sparkplug B: send it plain".to_owned());
    }
    let count = wire.metrics.len();
    if count > MAX_METRICS {
        return Err(format!("the payload has {count} metrics, and at most {MAX_METRICS} are read"));
    }
    let seq = wire.seq.unwrap_or_default();
    let seq = u8::try_from(seq).map_err(|_| format!("seq is {seq}, and can be 0 to 255"))?;
    let metrics = wire.metrics.iter().map(|metric| Metric::decode(metric.as_slice()).map_err(bad));
    Ok(Payload { timestamp: wire.timestamp, seq, metrics: metrics.collect::<Result<_, _>>()? })
}

/// The number of the birth that a birth or death is of.
pub(super) fn bd_seq(payload: &Payload) -> Option<u64> {
    let metric = payload.metrics.iter().find(|metric| metric.name.as_deref() == Some(BD_SEQ))?;
    match metric.value {
        Some(Value::IntValue(number)) => Some(u64::from(number)),
        Some(Value::LongValue(number)) => Some(number),
        _ => None,
    }
}

/// Whether the value can be read without knowing its type.
pub(super) fn says_type(metric: &Metric) -> bool {
    !matches!(metric.value, Some(Value::IntValue(_) | Value::LongValue(_)))
}

/// The number that a metric of this type says; the type decides the sign of whole numbers.
///
/// # Errors
/// Why it is none.
pub(super) fn number(metric: &Metric, datatype: Option<u32>) -> Result<f64, String> {
    match metric.value {
        Some(Value::IntValue(bits)) => whole(u64::from(bits), datatype),
        Some(Value::LongValue(bits)) => whole(bits, datatype),
        Some(Value::FloatValue(value)) => Ok(f64::from(value)),
        Some(Value::DoubleValue(value)) => Ok(value),
        Some(Value::BooleanValue(value)) => Ok(f64::from(u8::from(value))),
        Some(_) => Err("the value is no number".to_owned()),
        None => Err("there is no value, and is_null does not say so".to_owned()),
    }
}

/// A whole number beyond 2^53 is taken as the nearest that a float has.
fn whole(bits: u64, datatype: Option<u32>) -> Result<f64, String> {
    match datatype {
        Some(1) => signed(bits, 8),
        Some(2) => signed(bits, 16),
        Some(3) => signed(bits, 32),
        Some(4) => signed(bits, 64),
        Some(5) => unsigned(bits, 8),
        Some(6) => unsigned(bits, 16),
        Some(7) => unsigned(bits, 32),
        Some(8) => unsigned(bits, 64),
        Some(11) => unsigned(bits, 1),
        Some(other) => Err(format!("the value is a whole number, and its type, {other}, is none of them")),
        None => Err("the type of the value is not known".to_owned()),
    }
}

/// Two's complement in so many bits; encoders fill the bits above with zeros or with the sign.
fn signed(bits: u64, width: u32) -> Result<f64, String> {
    let unused = 64 - width;
    // wraps: two's complement
    let value = (bits << unused).cast_signed() >> unused;
    let filled =
        [value.cast_unsigned() & (u64::MAX >> unused), u64::from(value as u32), value.cast_unsigned()];
    if filled.contains(&bits) {
        return Ok(value as f64);
    }
    Err(format!("{bits} is no whole number with sign of {width} bits"))
}

fn unsigned(bits: u64, width: u32) -> Result<f64, String> {
    if bits <= u64::MAX >> (64 - width) {
        return Ok(bits as f64);
    }
    Err(format!("{bits} is no whole number without sign of {width} bits"))
}

#[cfg(test)]
mod tests;
