//! A host of Sparkplug B 3.0 at a broker elsewhere: edge nodes say what their metrics are, then send values, and say when
//! they die.
//!
//! [`Host`] is a [`Consumer`] of a broker's messages: it takes those below [`PREFIX`] and leaves the others to [`Readings`].
//!
//! | topic | what is done |
//! |---|---|
//! | `spBv1.0/STATE/{host_id}` | said online once subscribed, offline by the will and when the city stops; retained |
//! | `spBv1.0/{group}/NBIRTH/{node}`, `…/DBIRTH/{node}/{device}` | names, aliases and types are remembered, the values are readings |
//! | `…/NDATA/{node}`, `…/DDATA/{node}/{device}` | the values are readings |
//! | `…/NDEATH/{node}`, `…/DDEATH/{node}/{device}` | node or device is stale: counted and shown, no reading |
//! | `…/NCMD/{node}` | said, to ask for a rebirth; heard, it is of others |
//!
//! - The source is `{group}/{node}/{device}`, or `{group}/{node}` for a metric of the node itself; the metric is what the
//!   catalogue says, see [`yiwang_catalogue::sparkplug`].
//! - An alias is only worth what the last birth of its node says. After a gap in the numbers, a lost connection or a restart
//!   that birth may not be the last: it is forgotten, and the node is asked for another, at most once in [`REBIRTH_PAUSE`]. Until then only
//!   values with a name and a type are taken; the others are refused, for nobody knows what they are of.
//! - A death counts when its `bdSeq` is that of the last birth that was heard.
//! - A source that is not in the catalogue is refused; in a city with a quarantine, values that a `[[sparkplug_metric]]` gives a unit go there.
//! - Metrics that the catalogue does not have are counted, and recorded once for each node and device. Those without a value (`is_null`) are counted.
//!
//! Bounded: a payload [`MAX_PAYLOAD_BYTES`] and [`MAX_METRICS`], all that is remembered of nodes [`MAX_REMEMBERED_BYTES`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use prost::Message as _;
use yiwang_catalogue::Catalogue;
use yiwang_model::{Quality, Timestamp, Vintage};
use yiwang_proto::sparkplug::{Metric, Payload as Wire, metric::Value};
use yiwang_proto::v1::Reason;

use crate::Ingest;
use crate::admit::{Admitted, Plausible, Said, admit};
use crate::broker::{Consumer, Message, Readings, Say};
use crate::clock::wall_now;
use crate::commit::Submission;
use crate::names::Refused;
use crate::refuse::Refusals;

mod counts;
mod nodes;
mod payload;
mod topic;

pub use counts::{Counts, Tally};

use nodes::Nodes;
use payload::Payload;
use topic::{Kind, Topic};

/// What the topics of Sparkplug B begin with.
pub const PREFIX: &str = "spBv1.0/";
/// The largest payload that is read, in bytes.
pub const MAX_PAYLOAD_BYTES: usize = 1 << 20;
/// The most metrics of a payload.
pub const MAX_METRICS: usize = 10_000;
/// What is remembered of all nodes of a broker, in bytes: names, and 256 for each thing that has one.
pub const MAX_REMEMBERED_BYTES: usize = 64 << 20;
/// The least time between two requests for a rebirth to one node.
pub const REBIRTH_PAUSE: Duration = Duration::from_secs(10);

/// The name of the door in topic `rejected`.
const DOOR: &str = "sparkplug";
/// What a node is told to be born again by (clause 6.4.26).
const REBIRTH: &str = "Node Control/Rebirth";
/// The type of that metric.
const BOOLEAN: u32 = 11;

/// A host of Sparkplug B, at one broker.
#[derive(Debug)]
pub struct Host {
    id: String,
    /// When this connection began, in ms since 1970: birth and death of a connection say the same time.
    since: i64,
    nodes: Nodes,
    counts: Arc<Counts>,
}

impl Host {
    /// A host of this id, which knows no node yet.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), since: 0, nodes: Nodes::default(), counts: Arc::default() }
    }

    /// What it counts.
    #[must_use]
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    fn state(&self, online: bool) -> Say {
        let payload = format!(r#"{{"online":{online},"timestamp":{}}}"#, self.since);
        let topic = format!("{PREFIX}STATE/{}", self.id);
        Say { topic, payload: payload.into(), acknowledged: true, retain: true }
    }

    /// Somebody says that this host is offline, as the broker does for an earlier connection: it is not.
    fn heard_state(&self, message: &Message<'_>) -> Option<Say> {
        #[derive(serde::Deserialize)]
        struct State {
            online: bool,
        }
        let own = message.topic.strip_prefix(PREFIX)?.strip_prefix("STATE/")? == self.id;
        let state: State = serde_json::from_slice(message.payload).ok()?;
        (own && !state.online && !message.retained).then(|| self.state(true))
    }

    fn hear(
        &mut self,
        (ingest, plausible): (&Ingest, Plausible),
        message: &Message<'_>,
        rows: &mut Vec<Admitted>,
        refusals: &mut Refusals,
    ) -> Result<Option<Say>, Refused> {
        let Some(topic) = Topic::read(message.topic)? else { return Ok(None) };
        if message.retained {
            let why = "a retained message of Sparkplug B says nothing of now: publish it without retain";
            return Err((Reason::Malformed, why.to_owned()));
        }
        let payload = payload::read(message.payload).map_err(|why| (Reason::Malformed, why))?;
        let now = Instant::now();
        let mut lacks_birth = self.nodes.hear(&topic, &payload, message.again, &self.counts)?;
        if topic.kind.has_values() {
            let mut taking = Taking { ingest, plausible, sender: message.broker, rows, refusals };
            lacks_birth |= self.take_values(&mut taking, &topic, &payload);
        }
        Ok((lacks_birth && self.nodes.may_ask(&topic, now)).then(|| {
            self.counts.rebirths_asked.add(1);
            rebirth(&topic)
        }))
    }

    /// Takes the readings of a payload; whether one of them has no name here.
    fn take_values(&mut self, taking: &mut Taking<'_>, topic: &Topic<'_>, payload: &Payload) -> bool {
        let (catalogue, source) = (taking.ingest.names.catalogue(), topic.source());
        let (mut is_lost, mut unmapped) = (false, Vec::new());
        for (at, metric) in payload.metrics.iter().enumerate() {
            let Some((name, datatype)) = self.nodes.resolve(topic, metric) else {
                is_lost = true;
                self.counts.unresolved.add(1);
                taking.refusals.add(at, Reason::UnknownMetric, || nameless(&source, topic, metric));
                continue;
            };
            if is_control(name) {
                continue;
            }
            let Some(meaning) = meaning(&catalogue, topic, &source, name) else {
                unmapped.push((at, name.to_owned()));
                continue;
            };
            if metric.is_null == Some(true) {
                self.counts.nulls.add(1);
                continue;
            }
            if !meaning.has_unit {
                taking.refusals.add(at, Reason::UnknownSource, || {
                    format!(
                        "source \"{source}\" is not in the catalogue, so nobody knows the unit of metric \"{name:.128}\": add a station of this id"
                    )
                });
                continue;
            }
            match taking.reading(&source, &meaning, (metric, datatype), payload) {
                Ok(row) => taking.rows.push(row),
                Err((reason, why)) => {
                    taking.refusals.add(at, reason, || format!("{why}, in metric \"{name:.128}\""));
                }
            }
        }
        self.count_unmapped(taking, topic, &source, &unmapped);
        is_lost
    }

    /// Counts metrics that the catalogue does not have; the first time a node or device has some they are recorded.
    fn count_unmapped(
        &mut self,
        taking: &mut Taking<'_>,
        topic: &Topic<'_>,
        source: &str,
        unmapped: &[(usize, String)],
    ) {
        self.counts.unmapped.add(unmapped.len() as u64);
        if unmapped.is_empty() || self.nodes.was_told(topic) {
            return;
        }
        for (at, name) in unmapped {
            taking.refusals.add(*at, Reason::UnknownMetric, || {
                format!(
                    "metric \"{name:.128}\" of \"{source}\" is not in the catalogue, add a [[sparkplug_metric]] or to the \
                     station's metrics; recorded once, counted on"
                )
            });
        }
    }
}

/// Where the readings of a message go.
struct Taking<'a> {
    ingest: &'a Ingest,
    plausible: Plausible,
    sender: &'a str,
    rows: &'a mut Vec<Admitted>,
    refusals: &'a mut Refusals,
}

impl Taking<'_> {
    fn reading(
        &self,
        source: &str,
        meaning: &Meaning,
        (metric, datatype): (&Metric, Option<u32>),
        payload: &Payload,
    ) -> Result<Admitted, Refused> {
        let malformed = |why| (Reason::Malformed, why);
        let said = Said {
            source,
            metric: &meaning.metric,
            unit: meaning.unit.as_deref(),
            time: time(metric.timestamp.or(payload.timestamp)).map_err(malformed)?,
            value: payload::number(metric, datatype).map_err(malformed)?,
            quality: Quality::Good,
            period_end: None,
            vintage: Vintage::default(),
        };
        admit(&self.ingest.names, self.plausible, self.sender, &said)
    }
}

/// What a metric is here.
struct Meaning {
    metric: Arc<str>,
    /// The unit in which its station is known to send it, if that is another than the metric's.
    unit: Option<String>,
    /// Whether a mapping or a station says in which unit it is. Without either it is not fit for the quarantine.
    has_unit: bool,
}

/// What a metric of a node or device is here. One that a known station does not have is nothing.
fn meaning(catalogue: &Catalogue, topic: &Topic<'_>, source: &str, name: &str) -> Option<Meaning> {
    let station = catalogue.station(source);
    let mapped = catalogue.sparkplug_metric(topic.group, name);
    let metric = match mapped {
        Some(mapped) => Arc::clone(&mapped.metric),
        None => Arc::clone(&catalogue.metric(name)?.name),
    };
    if station.is_some_and(|station| !station.metrics.contains(&metric)) {
        return None;
    }
    let own = station.filter(|_| mapped.is_none()).and_then(|station| station.units.get(&metric));
    let has_unit = mapped.is_some() || station.is_some();
    Some(Meaning { unit: own.map(|(unit, _)| unit.as_str().to_owned()), has_unit, metric })
}

/// Metrics that say something of the session, not of the city.
fn is_control(name: &str) -> bool {
    name == payload::BD_SEQ || name.starts_with("Node Control/") || name.starts_with("Device Control/")
}

fn nameless(source: &str, topic: &Topic<'_>, metric: &Metric) -> String {
    let node = topic.node_source();
    match (&metric.name, metric.alias) {
        (Some(name), _) => {
            format!(
                "the type of metric \"{name:.128}\" of \"{source}\" is not known: a BIRTH of \"{node}\" says it"
            )
        }
        (None, Some(alias)) => {
            format!("alias {alias} of \"{source}\" is not known: a BIRTH of \"{node}\" says what it is")
        }
        (None, None) => format!("a metric of \"{source}\" has neither name nor alias"),
    }
}

fn time(millis: Option<u64>) -> Result<Timestamp, String> {
    let millis = millis.ok_or("neither the metric nor the payload has a timestamp")?;
    let nanos = i64::try_from(millis).ok().and_then(|millis| millis.checked_mul(1_000_000));
    nanos.map(Timestamp).ok_or_else(|| format!("time {millis} ms is after the year 2261"))
}

/// The command to be born again, which has no number (clause 6.4.26).
fn rebirth(topic: &Topic<'_>) -> Say {
    let now = millis_now().unsigned_abs();
    let metric = Metric {
        name: Some(REBIRTH.to_owned()),
        timestamp: Some(now),
        datatype: Some(BOOLEAN),
        value: Some(Value::BooleanValue(true)),
        ..Metric::default()
    };
    let payload = Wire { timestamp: Some(now), metrics: vec![metric.encode_to_vec()], ..Wire::default() };
    let topic = format!("{PREFIX}{}/NCMD/{}", topic.group, topic.node);
    Say { topic, payload: Bytes::from(payload.encode_to_vec()), acknowledged: false, retain: false }
}

fn millis_now() -> i64 {
    wall_now().nanos() / 1_000_000
}

impl Consumer for Host {
    fn filters(&self) -> Vec<String> {
        vec![format!("{PREFIX}#")]
    }

    fn will(&mut self) -> Option<Say> {
        self.since = millis_now();
        Some(self.state(false))
    }

    fn connected(&mut self) -> Vec<Say> {
        vec![self.state(true)]
    }

    fn take(
        &mut self,
        ingest: &Ingest,
        plausible: Plausible,
        message: &Message<'_>,
        into: &mut Submission,
        say: &mut Vec<Say>,
    ) {
        if !message.topic.starts_with(PREFIX) {
            return Readings.take(ingest, plausible, message, into, say);
        }
        if Topic::is_state(message.topic) {
            return say.extend(self.heard_state(message));
        }
        let mut refusals = Refusals::default();
        match self.hear((ingest, plausible), message, &mut into.rows, &mut refusals) {
            Ok(asked) => say.extend(asked),
            Err((reason, why)) => refusals.add(0, reason, || why),
        }
        if !refusals.is_empty() {
            refusals.set_excerpt(message.payload);
            into.rejected.extend(ingest.rejected(DOOR, message.broker, &refusals));
        }
    }

    fn leaving(&mut self) -> Vec<Say> {
        vec![self.state(false)]
    }

    fn lost(&mut self) {
        self.nodes.lose_all(&self.counts);
    }
}

#[cfg(test)]
mod tests;
