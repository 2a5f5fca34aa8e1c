//! Lines become admitted readings.

use std::borrow::Cow;

use influxdb_line_protocol::split_lines;
use memchr::memchr2;
use yiwang_catalogue::Catalogue;
use yiwang_catalogue::line::READINGS;
use yiwang_model::{Quality, Timestamp, Vintage};
use yiwang_proto::line::{Line, Value, cut};
use yiwang_proto::v1::Reason;

use crate::Ingest;
use crate::admit::{Admitted, Plausible, Said, admit};
use crate::clock::wall_now;
use crate::commit::{Receipt, Stopping, Submission};
use crate::names::Refused;
use crate::refuse::Refusals;

/// The readings of one submission; a body of more makes several.
const MAX_ROWS: usize = 20_000;
/// How much of a line a refusal shows, in bytes.
const MAX_SHOWN: usize = 120;

/// Takes the lines of a body in; answers with what was refused, once all of it is durable.
pub(super) async fn take(
    ingest: &Ingest,
    sender: &str,
    body: &[u8],
    nanos: i64,
) -> Result<Refusals, Stopping> {
    let catalogue = ingest.names.catalogue();
    let mut taker = Taker::new(ingest, &catalogue, sender, nanos);
    let mut receipts: Vec<Receipt> = Vec::new();
    let text = taker.text(body);
    let mut lines = lines(&text);
    while taker.gather(&mut lines) {
        receipts.push(ingest.committer.submit(taker.submission()).await?);
    }
    let last =
        Submission { rejected: ingest.rejected("influx", sender, &taker.refusals), ..taker.submission() };
    receipts.push(ingest.committer.submit(last).await?);
    for receipt in receipts {
        receipt.await.map_err(|_| Stopping)?;
    }
    Ok(taker.refusals)
}

/// The lines of a body. One without escapes and quotes is cut at its line ends; in another they may stand inside a text.
fn lines(text: &str) -> Box<dyn Iterator<Item = &str> + Send + '_> {
    if memchr2(b'\\', b'"', text.as_bytes()).is_some() {
        return Box::new(split_lines(text));
    }
    let mut rest = Some(text);
    Box::new(std::iter::from_fn(move || {
        let (line, others) = rest.map(|rest| cut(rest, b'\n'))?;
        rest = others;
        Some(line)
    }))
}

struct Taker<'a> {
    ingest: &'a Ingest,
    catalogue: &'a Catalogue,
    sender: &'a str,
    nanos: i64,
    plausible: Plausible,
    /// The time of points that have none.
    now: Timestamp,
    /// Lines seen.
    lines: usize,
    rows: Vec<Admitted>,
    refusals: Refusals,
}

impl<'a> Taker<'a> {
    fn new(ingest: &'a Ingest, catalogue: &'a Catalogue, sender: &'a str, nanos: i64) -> Self {
        Self {
            ingest,
            catalogue,
            sender,
            nanos,
            plausible: ingest.plausible(),
            now: ingest.clock.now().unwrap_or_else(wall_now),
            lines: 0,
            rows: Vec::new(),
            refusals: Refusals::default(),
        }
    }

    /// Takes lines until there is enough for a submission; false when there are no more.
    fn gather<'l>(&mut self, lines: &mut impl Iterator<Item = &'l str>) -> bool {
        let mut parsed = Line::default();
        for line in lines {
            self.line(line, &mut parsed);
            if self.rows.len() >= MAX_ROWS {
                return true;
            }
        }
        false
    }

    fn submission(&mut self) -> Submission {
        Submission { rows: std::mem::take(&mut self.rows), ..Submission::default() }
    }

    fn line<'l>(&mut self, line: &'l str, parsed: &mut Line<'l>) {
        self.lines += 1;
        let read = if parsed.plain(line) { Ok(true) } else { parsed.read(line) };
        match read {
            Ok(true) => self.points(line, parsed),
            Ok(false) => {}
            Err(error) => self.refuse(line, (Reason::Malformed, format!("{error:.200}"))),
        }
    }

    /// The body as text. A byte that is no UTF-8 spoils the whole line that it stands in, never a part of it.
    fn text<'b>(&mut self, body: &'b [u8]) -> Cow<'b, str> {
        if let Ok(text) = std::str::from_utf8(body) {
            return text.into();
        }
        let mut good = String::new();
        for line in body.split_inclusive(|byte| *byte == b'\n') {
            match std::str::from_utf8(line) {
                Ok(line) => good.push_str(line),
                Err(error) => {
                    let shown = String::from_utf8_lossy(&line[..line.len().min(MAX_SHOWN)]);
                    self.refuse(shown.trim_end(), (Reason::Malformed, error.to_string()));
                }
            }
        }
        good.into()
    }

    fn points(&mut self, line: &str, parsed: &Line<'_>) {
        let time = match self.time(parsed.time) {
            Ok(time) => time,
            Err(refused) => return self.refuse(line, refused),
        };
        if parsed.measurement == READINGS {
            return self.reading(line, parsed, time);
        }
        for (field, value) in &parsed.fields {
            if let Err(refused) = self.point(parsed, field, value, time) {
                self.refuse(line, refused);
            }
        }
    }

    fn time(&self, timestamp: Option<i64>) -> Result<Timestamp, Refused> {
        let Some(timestamp) = timestamp else { return Ok(self.now) };
        timestamp.checked_mul(self.nanos).map(Timestamp).ok_or_else(|| {
            (
                Reason::Malformed,
                format!("time {timestamp} is outside the years 1678 to 2261: check the precision"),
            )
        })
    }

    /// A field that the catalogue maps.
    fn point(
        &mut self,
        parsed: &Line<'_>,
        field: &str,
        value: &Value<'_>,
        time: Timestamp,
    ) -> Result<(), Refused> {
        let measurement = parsed.measurement.as_ref();
        let fields = self.catalogue.line_fields(measurement);
        let known = fields.iter().find(|known| *known.field == *field).ok_or_else(|| {
            let message = format!(
                "field \"{field:.64}\" of measurement \"{measurement:.64}\" is not in the catalogue: add a [[line_field]]"
            );
            (Reason::UnknownMetric, message)
        })?;
        let tag = tag(parsed, &known.source_tag)?;
        let value = number(field, value)?;
        if known.source_prefix.is_empty() {
            return self.said(tag, &known.metric, time, value, Quality::Good);
        }
        let source = format!("{}{tag}", known.source_prefix);
        self.said(&source, &known.metric, time, value, Quality::Good)
    }

    /// A line of the measurement that names source and metric itself.
    fn reading(&mut self, line: &str, parsed: &Line<'_>, time: Timestamp) {
        if let Err(refused) = self.try_reading(parsed, time) {
            self.refuse(line, refused);
        }
    }

    fn try_reading(&mut self, parsed: &Line<'_>, time: Timestamp) -> Result<(), Refused> {
        let (mut number_said, mut quality) = (None, Quality::Good);
        for (field, value) in &parsed.fields {
            match field.as_ref() {
                "value" => number_said = Some(number(field, value)?),
                "quality" => quality = quality_of(value)?,
                _ => {
                    let message = format!(
                        "measurement \"{READINGS}\" has no field \"{field:.64}\"; it has value and quality"
                    );
                    return Err((Reason::Malformed, message));
                }
            }
        }
        let value = number_said.ok_or((Reason::Malformed, "field \"value\" is missing".to_owned()))?;
        self.said(tag(parsed, "source")?, tag(parsed, "metric")?, time, value, quality)
    }

    fn said(
        &mut self,
        source: &str,
        metric: &str,
        time: Timestamp,
        value: f64,
        quality: Quality,
    ) -> Result<(), Refused> {
        let vintage = Vintage::default();
        let said = Said { source, metric, unit: None, time, value, quality, period_end: None, vintage };
        self.rows.push(admit(&self.ingest.names, self.plausible, self.sender, &said)?);
        Ok(())
    }

    fn refuse(&mut self, line: &str, (reason, why): Refused) {
        if self.refusals.is_empty() {
            self.refusals.set_excerpt(line.as_bytes());
        }
        let shown = &line[..line.floor_char_boundary(MAX_SHOWN)];
        self.refusals.add(self.lines.saturating_sub(1), reason, || match reason {
            Reason::Malformed => format!("unable to parse '{shown}': {why}"),
            _ => format!("{why}, in '{shown}'"),
        });
    }
}

fn tag<'p>(parsed: &'p Line<'_>, key: &str) -> Result<&'p str, Refused> {
    parsed.tag(key).ok_or_else(|| (Reason::UnknownSource, format!("tag \"{key:.64}\" is missing")))
}

fn number(field: &str, value: &Value<'_>) -> Result<f64, Refused> {
    match value {
        Value::Number(value) => Ok(*value),
        Value::Text(_) | Value::Truth => {
            Err((Reason::Malformed, format!("field \"{field:.64}\" is no number")))
        }
    }
}

fn quality_of(value: &Value<'_>) -> Result<Quality, Refused> {
    let Value::Text(word) = value else {
        return Err((Reason::BadQuality, "field \"quality\" is a word, as \"good\"".into()));
    };
    word.parse().map_err(|error: yiwang_model::Error| (Reason::BadQuality, error.to_string()))
}
