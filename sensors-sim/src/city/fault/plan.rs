//! The plan as it is written.

use yiwang_model::{Span, Timestamp};

use super::{Kind, Wrong};

/// The most bytes of a plan.
const MAX_BYTES: usize = 1 << 20;
/// The most faults of a plan.
const MAX_LINES: usize = 10_000;
const COLUMNS: [&str; 5] = ["kind", "target", "begin", "end", "size"];

/// A point in time, as a plan says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// So long after the city's first start; before it when negative.
    After(Span),
    /// At this moment.
    At(Timestamp),
}

/// One fault of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Where it stands, from 1.
    pub line: u64,
    /// What goes wrong.
    pub kind: Kind,
    /// With whom.
    pub target: String,
    /// From when on.
    pub begin: When,
    /// The first moment at which it is over.
    pub end: When,
    /// How much; the unit depends on the kind.
    pub size: f64,
}

/// A plan of faults.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The faults, in the order of the plan.
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
        let mut lines = records(text);
        let header = lines.next().unwrap_or((1, Ok(csv::StringRecord::new())));
        let header = header.1.map_err(|error| vec![Wrong { line: header.0, what: error.to_string() }])?;
        let (mut wrong, mut plan) = (check_columns(&COLUMNS, &header), Self::default());
        if !wrong.is_empty() {
            return Err(wrong);
        }
        for (line, record) in lines {
            let record = record.map_err(|error| vec![Wrong { line, what: error.to_string() }]);
            match record.and_then(|record| read(line, &header, &record)) {
                Ok(line) => plan.lines.push(line),
                Err(mut faults) => wrong.append(&mut faults),
            }
            if plan.lines.len() + wrong.len() > MAX_LINES {
                wrong.push(Wrong { line, what: format!("more than {MAX_LINES} faults") });
                break;
            }
        }
        if wrong.is_empty() { Ok(plan) } else { Err(wrong) }
    }
}

/// What a header lacks of the wanted columns, and what it has besides.
pub(crate) fn check_columns(wanted: &[&str], header: &csv::StringRecord) -> Vec<Wrong> {
    let strange = header
        .iter()
        .filter(|name| !wanted.contains(name))
        .map(|name| format!("column {name:?} is not known"));
    let missing = wanted.iter().filter(|name| header.iter().all(|own| own != **name));
    let missing = missing.map(|name| format!("column {name:?} is missing"));
    strange
        .chain(missing)
        .map(|what| Wrong { line: 1, what: format!("{what}; wanted are {wanted:?}") })
        .collect()
}

/// The records with their lines, from 1, without comments and empty lines. A record is a line.
pub(crate) fn records(text: &str) -> impl Iterator<Item = (u64, Result<csv::StringRecord, csv::Error>)> {
    let written = |(_, line): &(u64, &str)| !line.trim().is_empty() && !line.starts_with('#');
    (1..).zip(text.lines()).filter(written).map(|(number, line)| {
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).trim(csv::Trim::All).from_reader(line.as_bytes());
        (number, reader.records().next().unwrap_or_else(|| Ok(csv::StringRecord::new())))
    })
}

/// Reads a record; all of its fields are looked at before it is refused.
fn read(line: u64, header: &csv::StringRecord, record: &csv::StringRecord) -> Result<Line, Vec<Wrong>> {
    let field =
        |name: &str| header.iter().position(|own| own == name).and_then(|at| record.get(at)).unwrap_or("");
    let mut wrong = Vec::new();
    let kind = keep(&mut wrong, read_kind(field("kind")));
    let target = Some(field("target")).filter(|target| !target.is_empty());
    let target = keep(&mut wrong, target.ok_or_else(|| "target is empty".to_owned()));
    let begin = keep(&mut wrong, read_when("begin", field("begin")));
    let end = keep(&mut wrong, read_when("end", field("end")));
    let size = keep(&mut wrong, read_size(field("size")));
    if record.len() > header.len() {
        wrong.push(format!("{} fields under {} columns", record.len(), header.len()));
    }
    if let (Some(When::After(begin)), Some(When::After(end))) = (begin, end)
        && end <= begin
    {
        wrong.push(format!("end {end} is not after begin {begin}"));
    }
    match (kind, target, begin, end, size) {
        (Some(kind), Some(target), Some(begin), Some(end), Some(size)) if wrong.is_empty() => {
            let size = size.unwrap_or(kind.default_size());
            Ok(Line { line, kind, target: target.to_owned(), begin, end, size })
        }
        _ => Err(wrong.into_iter().map(|what| Wrong { line, what }).collect()),
    }
}

/// What was read; what could not be is added to `wrong`.
pub(crate) fn keep<T>(wrong: &mut Vec<String>, read: Result<T, String>) -> Option<T> {
    read.map_err(|what| wrong.push(what)).ok()
}

fn read_kind(word: &str) -> Result<Kind, String> {
    let known = || Kind::WORDS.map(|(_, word)| word).join(", ");
    Kind::of(word).ok_or_else(|| format!("kind {word:?} is not known; known are {}", known()))
}

fn read_when(name: &str, text: &str) -> Result<When, String> {
    let offset = text.strip_prefix('+').or_else(|| text.starts_with('-').then_some(text));
    let read = match offset {
        Some(span) => span.parse().map(When::After).ok(),
        None => text.parse().map(When::At).ok(),
    };
    read.ok_or_else(|| format!("{name} {text:?} is neither an offset such as +30s or -20h nor RFC 3339"))
}

fn read_size(text: &str) -> Result<Option<f64>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let size = text.parse().ok().filter(|size: &f64| size.is_finite());
    size.map(Some).ok_or_else(|| format!("size {text:?} is not a number"))
}
