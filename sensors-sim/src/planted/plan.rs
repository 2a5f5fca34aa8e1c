//! The plan as it is written: CSV with columns `kind,target,begin,length,size`; `docs/planted.md` is its reference.

use std::fmt::Write;

use yiwang_model::{Span, Timestamp};

use super::kind::Kind;
use crate::city::fault::{When, Wrong, check_columns, keep, records};

/// The most bytes of a plan.
const MAX_BYTES: usize = 4 << 20;
/// The most rows of a plan.
const MAX_LINES: usize = 50_000;
/// The most readings of a row.
const MAX_READINGS: u32 = 100_000;
const COLUMNS: [&str; 5] = ["kind", "target", "begin", "length", "size"];

/// One row of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Where it stands, from 1.
    pub line: u64,
    /// What is planted.
    pub kind: Kind,
    /// In whom.
    pub target: String,
    /// From when on.
    pub begin: When,
    /// How long, in readings of the series; of an area in steps of ten minutes.
    pub readings: u32,
    /// How much; the unit depends on the kind.
    pub size: f64,
}

/// What is planted in a city.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The rows, in the order of the plan.
    pub lines: Vec<Line>,
}

impl Plan {
    /// Reads a plan.
    ///
    /// # Errors
    /// Everything that is wrong with it, by line.
    pub fn parse(text: &str) -> Result<Self, Vec<Wrong>> {
        if text.len() > MAX_BYTES {
            let what = format!("{} bytes; a plan has at most {MAX_BYTES}", text.len());
            return Err(vec![Wrong { line: 1, what }]);
        }
        let mut rows = records(text);
        let (at, header) = rows.next().unwrap_or((1, Ok(csv::StringRecord::new())));
        let header = header.map_err(|error| vec![Wrong { line: at, what: error.to_string() }])?;
        let (mut wrong, mut plan) = (check_columns(&COLUMNS, &header), Self::default());
        if !wrong.is_empty() {
            return Err(wrong);
        }
        for (line, record) in rows {
            let record = record.map_err(|error| vec![Wrong { line, what: error.to_string() }]);
            match record.and_then(|record| read(line, &header, &record)) {
                Ok(line) => plan.lines.push(line),
                Err(mut faults) => wrong.append(&mut faults),
            }
            if plan.lines.len() + wrong.len() > MAX_LINES {
                wrong.push(Wrong { line, what: format!("more than {MAX_LINES} rows") });
                break;
            }
        }
        if wrong.is_empty() { Ok(plan) } else { Err(wrong) }
    }

    /// The plan as CSV; it parses to the same.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut text = format!("{}\n", COLUMNS.join(","));
        for Line { kind, target, begin, readings, size, .. } in &self.lines {
            let begin = match begin {
                When::After(span) => format!("+{span}"),
                When::At(at) => at.to_string(),
            };
            let size = if kind.has_size() { size.to_string() } else { String::new() };
            writeln!(text, "{},{target},{begin},{readings},{size}", kind.word()).expect("a text takes all");
        }
        text
    }
}

/// Reads a record; all of its fields are looked at before it is refused.
fn read(line: u64, header: &csv::StringRecord, record: &csv::StringRecord) -> Result<Line, Vec<Wrong>> {
    let field =
        |name: &str| header.iter().position(|own| own == name).and_then(|at| record.get(at)).unwrap_or("");
    let mut wrong = Vec::new();
    let kind = keep(&mut wrong, read_kind(field("kind")));
    let target = keep(&mut wrong, read_target(field("target")));
    let begin = keep(&mut wrong, read_begin(field("begin")));
    let readings = keep(&mut wrong, read_length(field("length")));
    let size = keep(&mut wrong, read_size(kind, field("size")));
    if record.len() > header.len() {
        wrong.push(format!("{} fields under {} columns", record.len(), header.len()));
    }
    match (kind, target, begin, readings, size) {
        (Some(kind), Some(target), Some(begin), Some(readings), Some(size)) if wrong.is_empty() => {
            let readings = readings.unwrap_or(kind.readings());
            Ok(Line { line, kind, target, begin, readings, size: size.unwrap_or(kind.size()) })
        }
        _ => Err(wrong.into_iter().map(|what| Wrong { line, what }).collect()),
    }
}

fn read_kind(word: &str) -> Result<Kind, String> {
    Kind::of(word).map_err(|known| format!("kind {word:?} is not known; wanted is one of {known}"))
}

fn read_target(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("target \"\" names nobody; wanted is source/metric, or the name of an area".into());
    }
    Ok(text.to_owned())
}

fn read_begin(text: &str) -> Result<When, String> {
    let read = match text.strip_prefix('+') {
        Some(span) => span.parse().ok().filter(|span: &Span| *span >= Span::ZERO).map(When::After),
        None => text.parse().ok().map(|at: Timestamp| When::At(at)),
    };
    read.ok_or_else(|| format!("begin {text:?} is no moment; wanted is an offset as +8d4h, or RFC 3339"))
}

fn read_length(text: &str) -> Result<Option<u32>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let length = text.parse().ok().filter(|length| (1..=MAX_READINGS).contains(length));
    length
        .map(Some)
        .ok_or_else(|| format!("length {text:?} is no number of readings; wanted is 1 to {MAX_READINGS}"))
}

fn read_size(kind: Option<Kind>, text: &str) -> Result<Option<f64>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    if let Some(kind) = kind.filter(|kind| !kind.has_size()) {
        return Err(format!("size {text:?}, and a {} has none; wanted is an empty field", kind.word()));
    }
    let size = text.parse().ok().filter(|size: &f64| size.is_finite() && size.abs() <= 1e6);
    size.map(Some).ok_or_else(|| {
        format!("size {text:?} is no number; wanted is one from -1e6 to 1e6, or an empty field")
    })
}
