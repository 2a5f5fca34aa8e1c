//! Capsules: what an episode follows from, sealed, so that it can be derived again from that alone.
//!
//! A capsule has the state of the detector at a mark (see `crate::slot`), the readings since, up to the opening, the catalogue's
//! entry as it was for the metric, what the detector knew of the series, and what it said when it opened the episode. It is the
//! message `yiwang.log.v1.Capsule`: the content, and before it its SHA-256.
//!
//! Bounds: [`MAX_STATE_BYTES`], [`MAX_READINGS`], [`MAX_PLAN_POINTS`]. What does not fit, and what does not say the same when it is tried, is
//! not kept but counted. A metric whose allowed lateness is zero has no marks, and its episodes no capsules.

use std::sync::Arc;

use prost::Message;
use sha2::{Digest, Sha256};
use yiwang_catalogue::DetectorEntry;
use yiwang_detect::{Days, LimitRow, Param, Params, Sample, SeriesContext, Spec};
use yiwang_model::{Anomaly, AnomalyId, Quality, Series, Severity, Span, Timestamp};
use yiwang_proto::log::{
    Capsule, CapsuleContent, CapsuleDay, CapsuleLimit, CapsuleParam, CapsulePoint, capsule_param::Value,
};

use crate::explain;

/// The longest state of a detector that is kept, in bytes.
pub const MAX_STATE_BYTES: usize = 4_096;
/// The most readings of a capsule.
pub const MAX_READINGS: usize = 4_096;
/// The most points of a project's plan.
pub const MAX_PLAN_POINTS: usize = 4_096;
/// The longest capsule that is read, in bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// So far about the readings the calendar is kept.
const CALENDAR_AROUND: Span = Span(8 * Span::DAY.0);

/// What a capsule is made of, where an episode was opened.
pub(crate) struct Opening<'a> {
    pub(crate) anomaly: &'a Anomaly,
    pub(crate) entry: &'a DetectorEntry,
    pub(crate) context: &'a SeriesContext,
    pub(crate) revision: u32,
    /// The state at a mark, and its event time.
    pub(crate) state: &'a [u8],
    pub(crate) mark: Timestamp,
    /// The event time at which the episode was opened.
    pub(crate) raised: Timestamp,
}

/// A capsule that was opened: its content, and what it is sealed with.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// SHA-256 of the content.
    pub hash: [u8; 32],
    /// The content.
    pub content: CapsuleContent,
}

/// Why a capsule cannot be believed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Broken {
    /// Its bytes are no capsule.
    #[error("it is no capsule: {0}")]
    Form(&'static str),
    /// Its content is not what was sealed.
    #[error("it was altered: its content has the SHA-256 {found}, and it was sealed with {sealed}")]
    Seal {
        /// The hash of the content.
        found: String,
        /// The hash that it has.
        sealed: String,
    },
}

/// Seals the content.
#[must_use]
pub fn seal(content: &CapsuleContent) -> Vec<u8> {
    let content = content.encode_to_vec();
    Capsule { hash: Sha256::digest(&content).to_vec(), content }.encode_to_vec()
}

/// Opens a capsule; one altered byte is found.
///
/// # Errors
/// [`Broken`].
pub fn open(bytes: &[u8]) -> Result<Opened, Broken> {
    if bytes.len() > MAX_BYTES {
        return Err(Broken::Form("it is too long"));
    }
    let capsule = Capsule::decode(bytes).map_err(|_| Broken::Form("it cannot be decoded"))?;
    let hash: [u8; 32] = Sha256::digest(&capsule.content).into();
    if capsule.hash != hash {
        return Err(Broken::Seal { found: hex(&hash), sealed: hex(&capsule.hash) });
    }
    // What decodes to the same and is other bytes was not written by us.
    if capsule.encode_to_vec() != bytes {
        return Err(Broken::Form("it has bytes that say nothing"));
    }
    let content = CapsuleContent::decode(capsule.content.as_slice());
    let content = content.map_err(|_| Broken::Form("its content cannot be decoded"))?;
    Ok(Opened { hash, content })
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Opening<'_> {
    /// The capsule of the episode, with these readings since the mark; `None` when it would be too large, or when the detector does
    /// not say the same from it.
    pub(crate) fn capsule(&self, readings: impl Iterator<Item = Sample>) -> Option<Vec<u8>> {
        let plan = self.context.plan.as_deref().unwrap_or_default();
        let readings: Vec<Sample> = readings.take(MAX_READINGS + 1).collect();
        let fits = self.state.len() <= MAX_STATE_BYTES
            && readings.len() <= MAX_READINGS
            && plan.len() <= MAX_PLAN_POINTS;
        if !fits {
            return None;
        }
        let mut content = self.content(plan, &readings);
        let said = explain::opening(&content)?;
        (content.extreme, content.limit) = (said.extreme, said.limit);
        (content.edition, content.raised_severity) = (said.edition.to_string(), said.severity as u32);
        Some(seal(&content)).filter(|bytes| bytes.len() <= MAX_BYTES)
    }

    fn content(&self, plan: &[(Timestamp, f64)], readings: &[Sample]) -> CapsuleContent {
        let Anomaly { id, series, begin, .. } = self.anomaly;
        let (source, metric) = (series.source().to_string(), series.metric().to_string());
        let limits = self.entry.limits(&metric);
        let points = plan.iter().map(|(time, value)| CapsulePoint { time_nanos: time.0, value: *value });
        let times = || readings.iter().map(|sample| sample.time);
        let all_good = readings.iter().all(|sample| sample.quality == Quality::Good);
        let qualities = readings.iter().map(|sample| sample.quality as u8);
        CapsuleContent {
            anomaly: id.0.to_vec(),
            source,
            metric,
            detector: self.entry.name.to_string(),
            kind: self.entry.kind.to_string(),
            severity: self.entry.severity as u32,
            params: self.entry.params.iter().map(param).collect(),
            limits: limits.iter().map(limit).collect(),
            catalogue_revision: self.revision,
            period_nanos: self.context.period.0,
            lateness_nanos: self.context.lateness.0,
            plan: points.collect(),
            days: self.days(times().next().unwrap_or(self.raised)),
            state: self.state.to_vec(),
            mark_nanos: self.mark.0,
            time_deltas: deltas(times()).collect(),
            values: readings.iter().map(|sample| sample.value).collect(),
            qualities: if all_good { Vec::new() } else { qualities.collect() },
            raised_nanos: self.raised.0,
            begin_nanos: begin.0,
            ..CapsuleContent::default()
        }
    }

    /// What the calendar says of the days about the readings.
    fn days(&self, first: Timestamp) -> Vec<CapsuleDay> {
        let number = |time: Timestamp| time.0.div_euclid(Span::DAY.0);
        let near = number(first - CALENDAR_AROUND)..=number(self.raised + CALENDAR_AROUND);
        let days = self.context.days.iter().flat_map(|days| days.iter());
        let near = days.filter(|(day, _)| near.contains(&i64::from(*day)));
        near.map(|(day, worked)| CapsuleDay { day, worked }).collect()
    }
}

/// By how much each is later than the one before; the first than 1970.
fn deltas(times: impl Iterator<Item = Timestamp>) -> impl Iterator<Item = i64> {
    times.scan(0_i64, |last, time| Some(time.0.wrapping_sub(std::mem::replace(last, time.0))))
}

fn param((key, value): (&String, &Param)) -> CapsuleParam {
    let value = match value {
        Param::Number(number) => Value::Number(*number),
        Param::Text(text) => Value::Text(text.clone()),
        Param::Flag(flag) => Value::Flag(*flag),
    };
    CapsuleParam { key: key.clone(), value: Some(value) }
}

fn limit(row: &LimitRow) -> CapsuleLimit {
    CapsuleLimit {
        value: row.value,
        valid_from_nanos: row.valid_from.0,
        valid_to_nanos: row.valid_to.map(|to| to.0),
        edition: row.edition.to_string(),
    }
}

/// The content as the model has it; each getter refuses what was never sealed.
impl Opened {
    /// The episode.
    #[must_use]
    pub fn anomaly(&self) -> Option<AnomalyId> {
        id(&self.content)
    }
}

pub(crate) fn id(content: &CapsuleContent) -> Option<AnomalyId> {
    content.anomaly.as_slice().try_into().ok().map(AnomalyId)
}

/// The series of a capsule.
pub(crate) fn series(content: &CapsuleContent) -> Option<Series> {
    Series::new(content.source.clone(), content.metric.clone()).ok()
}

/// What its detector is built from.
pub(crate) fn spec(content: &CapsuleContent) -> Option<Spec> {
    let limit = |row: &CapsuleLimit| LimitRow {
        value: row.value,
        valid_from: Timestamp(row.valid_from_nanos),
        valid_to: row.valid_to_nanos.map(Timestamp),
        edition: row.edition.as_str().into(),
    };
    let param = |param: &CapsuleParam| {
        let value = match param.value.as_ref()? {
            Value::Number(number) => Param::Number(*number),
            Value::Text(text) => Param::Text(text.clone()),
            Value::Flag(flag) => Param::Flag(*flag),
        };
        Some((param.key.clone(), value))
    };
    Some(Spec {
        name: content.detector.as_str().into(),
        kind: content.kind.clone(),
        severity: severity(content.severity)?,
        params: content.params.iter().map(param).collect::<Option<Params>>()?,
        limits: content.limits.iter().map(limit).collect(),
    })
}

/// What the detector knew of the series.
pub(crate) fn context(content: &CapsuleContent) -> SeriesContext {
    let points = content.plan.iter().map(|point| (Timestamp(point.time_nanos), point.value));
    let days = content.days.iter().map(|day| (day.day, day.worked));
    SeriesContext {
        period: Span(content.period_nanos),
        lateness: Span(content.lateness_nanos),
        plan: Some(points.collect()).filter(|points: &Arc<[_]>| !points.is_empty()),
        days: Some(Arc::new(Days::new(days))),
    }
}

/// Its readings, in order; `None` when they are none that were sealed.
pub(crate) fn readings(content: &CapsuleContent) -> Option<Vec<Sample>> {
    let CapsuleContent { time_deltas, values, qualities, .. } = content;
    let fits = time_deltas.len() == values.len() && (qualities.is_empty() || qualities.len() == values.len());
    if !fits || values.len() > MAX_READINGS {
        return None;
    }
    let mut time = 0_i64;
    let sample = |at: usize| {
        time = time.wrapping_add(time_deltas[at]);
        let quality =
            qualities.get(at).map_or(Some(Quality::Good), |number| Quality::from_number(*number))?;
        Some(Sample { time: Timestamp(time), value: values[at], quality })
    };
    let readings: Vec<Sample> = (0..values.len()).map(sample).collect::<Option<_>>()?;
    readings.is_sorted_by(|a, b| a.time < b.time).then_some(readings)
}

/// A severity by its number.
pub(crate) fn severity(number: u32) -> Option<Severity> {
    let all = [Severity::Notice, Severity::Warning, Severity::Serious, Severity::Critical];
    all.into_iter().find(|severity| *severity as u32 == number)
}

#[cfg(test)]
pub(crate) mod tests;
