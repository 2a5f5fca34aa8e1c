//! Line protocol: what a batch says, as lines.
//!
//! Written so that any reader of the protocol takes it: in tags `,`, `=` and blanks are escaped, in texts `"` and `\`; what
//! cannot stand in a tag (a backslash, a control character) becomes `_`, a control character in a text becomes a blank. A
//! line therefore ends where a line ends, and a body can be cut there.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde::Deserialize;
use yiwang_model::order::Step;
use yiwang_model::{Anomaly, AnomalyId, Because, OrderNo, Row, Series, SeriesId, Timestamp};

use crate::{Batch, Error, LATE_MINUTES, Record};

/// A body stops growing here, in bytes; its last line may go over it.
const BODY_BYTES: usize = 1 << 20;
/// Steps of orders are moved apart by less than this many nanoseconds: a millisecond.
const APART_NANOS: u64 = 1_000_000;

/// Whole lines that go out together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Body {
    /// The lines, each with its end.
    pub(super) text: String,
    /// How many.
    pub(super) lines: u64,
}

impl Body {
    /// The two halves; none of a single line.
    pub(super) fn halves(&self) -> Option<(Self, Self)> {
        let first = usize::try_from(self.lines / 2).ok().filter(|lines| *lines > 0)?;
        let (at, _) = self.text.match_indices('\n').nth(first - 1)?;
        let (left, right) = self.text.split_at(at + 1);
        let lines = self.lines / 2;
        Some((
            Self { text: left.to_owned(), lines },
            Self { text: right.to_owned(), lines: self.lines - lines },
        ))
    }
}

/// Writes lines; knows the series by name.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Measurement-less beginnings, `metric=…,source=…`.
    tags: HashMap<SeriesId, String>,
}

/// What came of a batch.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) bodies: Vec<Body>,
    /// Values that are no number, which the protocol cannot say, and records that nobody can read.
    pub(super) unsaid: u64,
}

impl Lines {
    /// The lines of a batch, in its order.
    pub(super) fn write(&mut self, batch: &Batch) -> Result<Written, Error> {
        self.tags.extend(batch.names.iter().map(|(id, series)| (*id, tags_of(series))));
        let mut to = Writer::default();
        for row in &batch.rows {
            let tags = self.tags.get(&row.series).ok_or(Error::UnknownSeries(row.series))?;
            to.line(|text| reading(text, tags, row));
        }
        // what it reckons from readings it reckons from its own
        for record in batch.records.iter().filter(|record| *record.measurement != *LATE_MINUTES) {
            to.line(|text| match &*record.measurement {
                "anomalies" => anomaly(text, record),
                _ => order_event(text, record),
            });
        }
        Ok(to.finish())
    }
}

#[derive(Default)]
struct Writer {
    done: Written,
    body: Body,
}

impl Writer {
    /// Writes one line, or nothing if there is nothing that can be said.
    fn line(&mut self, write: impl FnOnce(&mut String) -> Option<()>) {
        let before = self.body.text.len();
        match write(&mut self.body.text) {
            Some(()) => {
                self.body.text.push('\n');
                self.body.lines += 1;
            }
            None => {
                self.body.text.truncate(before);
                self.done.unsaid += 1;
            }
        }
        if self.body.text.len() >= BODY_BYTES {
            self.done.bodies.push(std::mem::take(&mut self.body));
        }
    }

    fn finish(mut self) -> Written {
        if self.body.lines > 0 {
            self.done.bodies.push(self.body);
        }
        self.done
    }
}

fn tags_of(series: &Series) -> String {
    let mut text = String::new();
    tag(&mut text, "metric", series.metric());
    tag(&mut text, "source", series.source());
    text
}

fn reading(text: &mut String, tags: &str, row: &Row) -> Option<()> {
    let value = finite(row.value)?;
    match row.vintage.0 {
        None => {
            text.push_str("readings");
            text.push_str(tags);
        }
        Some(vintage) => {
            text.push_str("figures");
            text.push_str(tags);
            tag(text, "vintage", &vintage.to_string());
        }
    }
    let _ = write!(text, " value={value:?},quality={}i", row.quality as u8);
    if let Some(end) = row.period_end {
        let _ = write!(text, ",period_end={}i", end.nanos());
    }
    at(text, row.time)
}

/// The beginning of the episode is its time at every step: with the tags that is its name.
fn anomaly(text: &mut String, record: &Record) -> Option<()> {
    let anomaly: Anomaly = serde_json::from_str(&record.body).ok()?;
    text.push_str("anomalies");
    tag(text, "detector", &anomaly.detector);
    tag(text, "metric", anomaly.series.metric());
    tag(text, "phase", anomaly.phase.word());
    tag(text, "source", anomaly.series.source());
    let _ = write!(text, " id=\"{}\",severity={}i", anomaly.id, anomaly.severity as u8);
    if let Some(extreme) = finite(anomaly.extreme) {
        let _ = write!(text, ",extreme={extreme:?}");
    }
    if let Some(limit) = anomaly.limit.and_then(finite) {
        let _ = write!(text, ",limit={limit:?}");
    }
    if let Some(end) = anomaly.end {
        let _ = write!(text, ",end={}i", end.nanos());
    }
    if let Some(because) = anomaly.because {
        reason(text, &because);
    }
    if let Some(into) = anomaly.into {
        field(text, "into", &into.to_string());
    }
    if let Some(silence) = &anomaly.silenced {
        field(text, "silenced", silence);
    }
    field(text, "edition", &anomaly.edition);
    at(text, anomaly.begin)
}

/// The reading that changed an episode.
fn reason(text: &mut String, because: &Because) {
    let _ = write!(text, ",because_time={}i", because.time.nanos());
    for (key, value) in [("because", Some(because.value)), ("was", because.was)] {
        if let Some(value) = value.and_then(finite) {
            let _ = write!(text, ",{key}={value:?}");
        }
    }
}

/// An event as the order store's outbox has it; this room does not know that one.
#[derive(Deserialize)]
struct OrderEvent {
    seq: u64,
    no: OrderNo,
    anomaly: Option<AnomalyId>,
    department: String,
    step: Step,
}

/// All orders of a tick have one city time: the place in the outbox moves them apart.
fn order_event(text: &mut String, record: &Record) -> Option<()> {
    let event: OrderEvent = serde_json::from_str(&record.body).ok()?;
    let step = &event.step;
    text.push_str("order_events");
    tag(text, "department", &event.department);
    tag(text, "kind", step.kind.word());
    tag(text, "state", step.state.word());
    let _ = write!(text, " seq={}i,step={}i,at={}i", event.seq, step.seq, step.at.nanos());
    field(text, "no", &event.no.0);
    if let Some(id) = event.anomaly {
        field(text, "anomaly", &id.to_string());
    }
    field(text, "who", &step.who);
    field(text, "note", &step.note);
    let apart = i64::try_from(event.seq % APART_NANOS).ok()?;
    at(text, Timestamp(step.at.nanos().saturating_add(apart)))
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn at(text: &mut String, time: Timestamp) -> Option<()> {
    write!(text, " {}", time.nanos()).ok()
}

/// A tag; one without a value cannot be said and is left out.
fn tag(text: &mut String, key: &str, value: &str) {
    if value.is_empty() {
        return;
    }
    let _ = write!(text, ",{key}=");
    for c in value.chars() {
        match c {
            ',' | '=' | ' ' => text.extend(['\\', c]),
            '\\' => text.push('_'),
            c if c.is_control() => text.push('_'),
            c => text.push(c),
        }
    }
}

/// A field that is a text, behind another.
fn field(text: &mut String, key: &str, value: &str) {
    let _ = write!(text, ",{key}=\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            c if c.is_control() => text.push(' '),
            c => text.push(c),
        }
    }
    text.push('"');
}
