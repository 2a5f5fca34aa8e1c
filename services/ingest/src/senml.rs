//! SenML (RFC 8428), packs in JSON, over MQTT and HTTP.
//!
//! A pack is an array of records. Base fields (`bn`, `bt`, `bu`, `bv`) hold from their record on; what a record says resolves to
//! a name, a time, a unit and a value (RFC 8428, 4.6). The name is source and metric: what stands before and behind its last
//! `/` or, without one, its last `:`.
//!
//! - A time below 2^28 s is relative to the city's now, a record without a time is of now (4.5.3). Times are taken to the
//!   microsecond, because a number in JSON carries no more of seconds since 1970.
//! - The unit is one of the registry or the metric's own spelling, see [`mod@unit`]; a value without a unit is refused.
//! - Values that are no numbers (`vs`, `vb`, `vd`) and sums (`s`) are refused.
//! - A pack of a newer version (`bver`), or with a field that must be understood and is not (its name ends in `_`), is refused whole (4.4).
//!   Other fields that are not known mean nothing here.
//! - Of a pack the good records are kept.
//!
//! | door | address | answer |
//! |---|---|---|
//! | MQTT | any topic below [`TOPIC`] | as to every message, see [`crate::mqtt`] |
//! | HTTP | `POST /api/v1/senml` | 204 when all is durable; 400 with what was refused, once the rest is |

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use yiwang_model::series::MAX_NAME_BYTES;
use yiwang_model::{Quality, Row, Timestamp, Vintage};
use yiwang_proto::v1::Reason;

use crate::Ingest;
use crate::admit::{Admitted, Plausible, admit_row};
use crate::clock::wall_now;
use crate::names::Refused;
use crate::refuse::Refusals;

mod http;
pub mod unit;

pub use http::router;

/// What the topics of packs begin with.
pub const TOPIC: &str = "senml/";
/// The most records of a pack.
pub const MAX_RECORDS: usize = 10_000;
/// The longest name of a record: source, metric and what stands between.
const MAX_NAME: usize = 2 * MAX_NAME_BYTES + 1;
/// The longest unit, in bytes.
const MAX_UNIT: usize = 64;
/// The version that is read.
const VERSION: u32 = 10;
/// Times below it are relative, in seconds (RFC 8428, 4.5.3).
const ABSOLUTE: f64 = 268_435_456.0;

/// A record as it stands in a pack.
#[derive(Debug, Default, Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    bn: Option<Cow<'a, str>>,
    bt: Option<f64>,
    #[serde(borrow)]
    bu: Option<Cow<'a, str>>,
    bv: Option<f64>,
    bver: Option<u32>,
    #[serde(borrow)]
    n: Option<Cow<'a, str>>,
    #[serde(borrow)]
    u: Option<Cow<'a, str>>,
    t: Option<f64>,
    v: Option<f64>,
    vs: Option<IgnoredAny>,
    vb: Option<IgnoredAny>,
    vd: Option<IgnoredAny>,
    s: Option<IgnoredAny>,
    #[serde(flatten)]
    others: BTreeMap<String, IgnoredAny>,
}

/// The base fields that hold.
#[derive(Debug, Default)]
struct Base<'a> {
    name: Cow<'a, str>,
    time: f64,
    unit: Option<Cow<'a, str>>,
    value: f64,
}

/// A record with its base fields laid under it.
#[derive(Debug, PartialEq)]
struct Resolved {
    name: String,
    time: Timestamp,
    unit: String,
    value: f64,
}

/// Admits the readings of a pack; answers with how many records it has, 0 if it cannot be read.
pub(crate) fn take(
    ingest: &Ingest,
    plausible: Plausible,
    sender: &str,
    payload: &[u8],
    rows: &mut Vec<Admitted>,
    refusals: &mut Refusals,
) -> usize {
    let records = match pack(payload) {
        Ok(records) => records,
        Err(message) => {
            refusals.add(0, Reason::Malformed, || message);
            return 0;
        }
    };
    let now = ingest.clock.now().unwrap_or_else(wall_now);
    let (mut base, count) = (Base::default(), records.len());
    for (at, record) in records.into_iter().enumerate() {
        let admitted = match base.resolve(record, now) {
            Ok(None) => continue,
            Ok(Some(resolved)) => admit(ingest, plausible, sender, &resolved),
            Err(refused) => Err(refused),
        };
        match admitted {
            Ok(row) => rows.push(row),
            Err((reason, message)) => refusals.add(at, reason, || message),
        }
    }
    count
}

/// The records of a pack, no more than may be: each takes many times the room of the two bytes that it may have.
struct Records<'a>(Vec<Record<'a>>);

impl<'de> Deserialize<'de> for Records<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(Several)
    }
}

struct Several;

impl<'de> Visitor<'de> for Several {
    type Value = Records<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an array of at most {MAX_RECORDS} records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
        let mut records = Vec::new();
        while let Some(record) = from.next_element()? {
            if records.len() == MAX_RECORDS {
                return Err(A::Error::custom(format!("a pack has at most {MAX_RECORDS} records")));
            }
            records.push(record);
        }
        Ok(Records(records))
    }
}

/// The records of a pack that is understood.
fn pack(payload: &[u8]) -> Result<Vec<Record<'_>>, String> {
    let Records(records) = serde_json::from_slice(payload)
        .map_err(|error| format!("the payload is no SenML pack, an array of records: {error:.200}"))?;
    for record in &records {
        if let Some(version) = record.bver.filter(|version| *version > VERSION) {
            return Err(format!("the pack is of version {version}; {VERSION} is read"));
        }
        if let Some(field) = record.others.keys().find(|field| field.ends_with('_')) {
            return Err(format!("field \"{field:.64}\" must be understood and is not"));
        }
    }
    Ok(records)
}

impl<'a> Base<'a> {
    /// What a record says; nothing when it only sets base fields.
    fn resolve(&mut self, record: Record<'a>, now: Timestamp) -> Result<Option<Resolved>, Refused> {
        self.name = record.bn.unwrap_or(std::mem::take(&mut self.name));
        self.time = record.bt.unwrap_or(self.time);
        self.unit = record.bu.or(self.unit.take());
        self.value = record.bv.unwrap_or(self.value);
        let other = record.vs.or(record.vb).or(record.vd).or(record.s).is_some();
        let Some(value) = record.v else {
            let is_base_only = !other && record.n.is_none() && record.t.is_none();
            let message = "a record has no value that is a number: it needs \"v\"".to_owned();
            return if is_base_only { Ok(None) } else { Err((Reason::Malformed, message)) };
        };
        let unit = record.u.as_deref().or(self.unit.as_deref());
        let unit =
            unit.ok_or((Reason::WrongUnit, "a record has no unit: it needs \"u\" or \"bu\"".to_owned()))?;
        // Before they are laid together: a base name holds for thousands of records.
        let own = record.n.unwrap_or_default();
        let length = self.name.len() + own.len();
        if length > MAX_NAME {
            let message =
                format!("a name of {length} bytes is too long; source and metric have {MAX_NAME} at most");
            return Err((Reason::BadName, message));
        }
        if unit.len() > MAX_UNIT {
            return Err((Reason::WrongUnit, format!("unit \"{unit:.64}…\" is longer than {MAX_UNIT} bytes")));
        }
        Ok(Some(Resolved {
            name: format!("{}{own}", self.name),
            time: time(self.time + record.t.unwrap_or_default(), now)?,
            unit: unit.to_owned(),
            value: self.value + value,
        }))
    }
}

/// A time in seconds, since 1970 or from now.
fn time(seconds: f64, now: Timestamp) -> Result<Timestamp, Refused> {
    let micros = (seconds * 1e6).round();
    // 2^63 ns are 9.2e15 µs, which a float has exactly
    let nanos = (micros.abs() < 9.2e15).then(|| (micros as i64).checked_mul(1_000)).flatten();
    let absolute =
        if seconds < ABSOLUTE { nanos.and_then(|nanos| now.nanos().checked_add(nanos)) } else { nanos };
    absolute
        .map(Timestamp)
        .ok_or_else(|| (Reason::Malformed, format!("time {seconds} s is outside the years 1678 to 2261")))
}

fn admit(ingest: &Ingest, plausible: Plausible, sender: &str, said: &Resolved) -> Result<Admitted, Refused> {
    let name = said.name.as_str();
    let (source, metric) = name.rsplit_once('/').or_else(|| name.rsplit_once(':')).ok_or_else(|| {
        (Reason::BadName, format!("name \"{name:.128}\" is not source and metric: put a / between them"))
    })?;
    let known = ingest.names.resolve(sender, source, metric)?;
    let row = Row {
        series: known.id,
        time: said.time,
        value: unit::convert(&known, &said.unit, said.value)?,
        quality: Quality::Good,
        period_end: None,
        vintage: Vintage::default(),
    };
    admit_row(&known, plausible, row)
}

#[cfg(test)]
mod tests;
