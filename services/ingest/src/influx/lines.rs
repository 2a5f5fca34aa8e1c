//! Lines become admitted readings.

use std::borrow::Cow;

use influxdb_line_protocol::split_lines;
use memchr::memchr2;
use yiwang_catalogue::Catalogue;
use yiwang_catalogue::line::READINGS;
use yiwang_model::{Quality, Row, Timestamp, Vintage};
use yiwang_proto::line::{Line, Value, cut};
use yiwang_proto::v1::Reason;

use super::keys::{Fresh, Keys, Met};
use crate::Ingest;
use crate::admit::{Admitted, Plausible, admit_row};
use crate::clock::wall_now;
use crate::commit::{Receipt, Stopping, Submission};
use crate::names::{Known, Refused};
use crate::refuse::Refusals;

/// The readings of one submission; a body of more makes several.
const MAX_ROWS: usize = 20_000;
/// The bytes of lines that are taken before others have their turn.
const MAX_AT_ONCE: usize = 1 << 20;
/// The field of a reading that has its value.
const VALUE: &str = "value";
/// How much of a line a refusal shows, in bytes.
const MAX_SHOWN: usize = 120;

/// Takes the lines of a body in; answers with what was refused, once all of it is durable.
pub(super) async fn take(
    ingest: &Ingest,
    keys: &Keys,
    sender: &str,
    body: &[u8],
    nanos: i64,
) -> Result<Refusals, Stopping> {
    let edition = ingest.names.edition();
    let catalogue = ingest.names.catalogue();
    let mut taker = Taker::new(ingest, keys, (&catalogue, edition), sender, nanos);
    let mut receipts: Vec<Receipt> = Vec::new();
    let text = taker.text(body);
    let mut lines = lines(&text);
    while taker.gather(&mut lines) {
        if taker.rows.len() >= MAX_ROWS {
            receipts.push(ingest.committer.submit(taker.submission()).await?);
        }
        tokio::task::yield_now().await;
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
    keys: &'a Keys,
    catalogue: &'a Catalogue,
    /// The edition of the names that is not newer than the catalogue.
    edition: u64,
    sender: &'a str,
    nanos: i64,
    plausible: Plausible,
    /// The time of points that have none.
    now: Timestamp,
    /// Lines seen.
    lines: usize,
    rows: Vec<Admitted>,
    refusals: Refusals,
    /// Fields that were met for the first time.
    fresh: Vec<Fresh>,
}

impl<'a> Taker<'a> {
    fn new(
        ingest: &'a Ingest,
        keys: &'a Keys,
        (catalogue, edition): (&'a Catalogue, u64),
        sender: &'a str,
        nanos: i64,
    ) -> Self {
        Self {
            ingest,
            keys,
            catalogue,
            edition,
            sender,
            nanos,
            plausible: ingest.plausible(),
            now: ingest.clock.now().unwrap_or_else(wall_now),
            lines: 0,
            rows: Vec::new(),
            refusals: Refusals::default(),
            fresh: Vec::new(),
        }
    }

    /// Takes lines until there is enough for a submission, or for one turn; false when there are no more.
    fn gather<'l>(&mut self, lines: &mut impl Iterator<Item = &'l str>) -> bool {
        let (keys, mut parsed) = (self.keys, Line::default());
        let met = keys.met(&self.ingest.names);
        let (mut more, mut bytes) = (false, 0);
        for line in lines {
            self.line(line, &met, &mut parsed);
            bytes += line.len();
            if self.rows.len() >= MAX_ROWS || bytes >= MAX_AT_ONCE {
                more = true;
                break;
            }
        }
        drop(met);
        keys.learn(&mut self.fresh);
        more
    }

    fn submission(&mut self) -> Submission {
        Submission { rows: std::mem::take(&mut self.rows), ..Submission::default() }
    }

    fn line<'l>(&mut self, line: &'l str, met: &Met, parsed: &mut Line<'l>) {
        self.lines += 1;
        if self.met(line, met, parsed).is_some() {
            return;
        }
        let is_plain = parsed.plain(line);
        let read = if is_plain { Ok(true) } else { parsed.read(line) };
        match read {
            Ok(true) => self.points(line, parsed, is_plain),
            Ok(false) => {}
            Err(error) => self.refuse(line, (Reason::Malformed, error.to_string())),
        }
    }

    /// Takes a line whose key and fields were all met before; none, and nothing taken, for any other.
    fn met<'l>(&mut self, line: &'l str, met: &Met, parsed: &mut Line<'l>) -> Option<()> {
        let (key, values) = cut(line, b' ');
        let fields = met.fields(key)?;
        if !parsed.plain_values(values?) {
            return None;
        }
        // Of a reading, a second value would be the same one again.
        if parsed.fields.len() > 1 && cut(key, b',').0 == READINGS {
            return None;
        }
        let time = self.time(parsed.time).ok()?;
        let taken = self.rows.len();
        for (field, value) in &parsed.fields {
            let known = fields.iter().find(|(own, _)| **own == **field).map(|(_, known)| known);
            let admitted = known.zip(number(field, value).ok()).and_then(|(known, value)| {
                let (quality, period_end, vintage) = (Quality::Good, None, Vintage::default());
                let row = Row { series: known.id, time, value, quality, period_end, vintage };
                admit_row(known, self.plausible, row).ok()
            });
            let Some(admitted) = admitted else {
                self.rows.truncate(taken);
                return None;
            };
            self.rows.push(admitted);
        }
        Some(())
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

    fn points(&mut self, line: &str, parsed: &Line<'_>, is_plain: bool) {
        let time = match self.time(parsed.time) {
            Ok(time) => time,
            Err(refused) => return self.refuse(line, refused),
        };
        if parsed.measurement == READINGS {
            return match self.reading(parsed, time) {
                Ok(known) if is_plain && parsed.fields.len() == 1 => self.remember(line, VALUE, known),
                Ok(_) => {}
                Err(refused) => self.refuse(line, refused),
            };
        }
        for (field, value) in &parsed.fields {
            match self.point(parsed, field, value, time) {
                Ok(known) if is_plain => self.remember(line, field, known),
                Ok(_) => {}
                Err(refused) => self.refuse(line, refused),
            }
        }
    }

    /// A plain line's key always means the same.
    fn remember(&mut self, line: &str, field: &str, known: Known) {
        let (key, edition) = (cut(line, b' ').0.into(), self.edition);
        self.fresh.push(Fresh { key, field: field.into(), known, edition });
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
    ) -> Result<Known, Refused> {
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
    fn reading(&mut self, parsed: &Line<'_>, time: Timestamp) -> Result<Known, Refused> {
        let (mut number_said, mut quality) = (None, Quality::Good);
        for (field, value) in &parsed.fields {
            match field.as_ref() {
                VALUE => number_said = Some(number(field, value)?),
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
    ) -> Result<Known, Refused> {
        let known = self.ingest.names.resolve(self.sender, source, metric)?;
        let (period_end, vintage) = (None, Vintage::default());
        let row = Row { series: known.id, time, value, quality, period_end, vintage };
        self.rows.push(admit_row(&known, self.plausible, row)?);
        Ok(known)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::names::Limits;
    use crate::testing::MemoryLog;
    use crate::tests_kit::city;

    /// Some differ in their last tag only.
    const KEYS: [&str; 10] = [
        "readings,source=510104-air-1,metric=pm2_5",
        "readings,source=510104-air-1,metric=pm10",
        "readings,source=510104-air-2,metric=pm10,host=a",
        "readings,source=510104-air-1",
        "readings,source=nobody,metric=pm2_5",
        "air,station=510104-air-1",
        "air,station=510104-air-2",
        "air,station=510104-air-1,host=b",
        "a\\ ir,station=510104-air-1",
        "# a remark",
    ];
    const FIELDS: [&str; 12] = [
        "value=1.5",
        "value=7i",
        "value=1,value=2",
        "value=3,quality=\"suspect\"",
        "value=-9e9",
        "value=-9999999",
        "pm25=4,pm10=5i",
        "pm10=6",
        "pm25=t",
        "pm25=\"x\"",
        "uptime=1",
        "",
    ];
    const TIMES: [&str; 5] = [" 1772417700", " 1772417701", " 99999999999999999", " x", ""];

    fn line() -> impl Strategy<Value = String> {
        let parts = (select(&KEYS[..]), select(&FIELDS[..]), select(&TIMES[..]));
        parts.prop_map(|(key, fields, time)| format!("{key} {fields}{time}"))
    }

    fn taken(ingest: &Ingest, keys: &Keys, body: &str) -> (Vec<Admitted>, String) {
        let catalogue = ingest.names.catalogue();
        let edition = ingest.names.edition();
        let mut taker = Taker::new(ingest, keys, (&catalogue, edition), "agent", 1_000_000_000);
        // Now, but always the same now.
        taker.now = Timestamp::from_secs(1_772_417_700);
        while taker.gather(&mut lines(body)) {}
        (taker.rows, format!("{:?}", taker.refusals))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// However often a key was met before, its lines are taken and refused as the first time.
        #[test]
        fn a_key_that_was_met_means_the_same(bodies in proptest::collection::vec(proptest::collection::vec(line(), 1..20), 1..6)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let start = runtime.block_on(city(MemoryLog::new(2), Limits::default()));
            let learnt = Keys::default();
            for body in bodies {
                let body = body.join("\n");
                for _ in 0..2 {
                    let (found, wanted) = (taken(&start.ingest, &learnt, &body), taken(&start.ingest, &Keys::default(), &body));
                    prop_assert_eq!(found, wanted);
                }
            }
        }
    }
}
