//! The files that `yiwang replay` reads.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::de::{DeserializeOwned, Error, Visitor};
use serde::{Deserialize, Deserializer};
use yiwang_model::{Quality, Timestamp, Vintage};

use crate::cli::Failed;

/// A reading of the file.
pub(super) struct Line {
    /// Its line, from 1.
    pub(super) number: u64,
    pub(super) source: String,
    pub(super) metric: String,
    pub(super) time: Timestamp,
    pub(super) value: f64,
    pub(super) quality: Quality,
    pub(super) vintage: Vintage,
}

/// A reading as it is typed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    source: String,
    metric: String,
    time: Timestamp,
    value: f64,
    #[serde(default, deserialize_with = "quality")]
    quality: Quality,
    #[serde(default)]
    vintage: Option<Timestamp>,
}

impl Typed {
    fn line(self, number: u64) -> Line {
        let Self { source, metric, time, value, quality, vintage } = self;
        Line { number, source, metric, time, value, quality, vintage: Vintage(vintage) }
    }
}

/// A quality by its word, as in APIs, or by its number, as on the wire; nothing is good.
fn quality<'de, D: Deserializer<'de>>(from: D) -> Result<Quality, D::Error> {
    from.deserialize_any(WordOrNumber)
}

struct WordOrNumber;

impl Visitor<'_> for WordOrNumber {
    type Value = Quality;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a quality as a word, as good, or as a number from 0 to 7")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Quality, E> {
        let known = u8::try_from(number).ok().and_then(Quality::from_number);
        known.ok_or_else(|| E::custom(format!("quality {number} is not known; known are 0 to 7")))
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Quality, E> {
        if word.is_empty() { Ok(Quality::Good) } else { word.parse().map_err(E::custom) }
    }

    fn visit_unit<E: Error>(self) -> Result<Quality, E> {
        Ok(Quality::Good)
    }
}

/// The longest line, in bytes.
const MAX_LINE_BYTES: usize = 64 << 10;

/// Reads a file whole; all its readings are held in memory, some 150 bytes each.
pub(super) fn read(path: &Path) -> Result<Vec<Line>, Failed> {
    let shown = path.display();
    let file = File::open(path).map_err(|error| Failed::Usage(format!("cannot read {shown}: {error}")))?;
    let lines = match path.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => csv(file),
        Some("jsonl" | "ndjson") => jsonl(file),
        _ => Err("a .csv or .jsonl file is wanted".into()),
    };
    lines.map_err(|why| Failed::Usage(format!("{shown}: {why}")))
}

fn csv(file: File) -> Result<Vec<Line>, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(BufReader::new(file));
    let known = ["source", "metric", "time", "value", "quality", "vintage"];
    let headers = reader.headers().map_err(|error| error.to_string())?.clone();
    if let Some(unknown) = headers.iter().find(|header| !known.contains(header)) {
        return Err(format!("line 1: column \"{unknown:.64}\" is not known; known are {}", known.join(", ")));
    }
    if let Some(missing) = known[..4].iter().find(|wanted| !headers.iter().any(|header| header == **wanted)) {
        return Err(format!("line 1: column \"{missing}\" is missing"));
    }
    let mut lines = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| at_line(&error))?;
        let number = record.position().map_or(0, csv::Position::line);
        let typed: Typed =
            record.deserialize(Some(&headers)).map_err(|error| format!("line {number}: {error}"))?;
        lines.push(typed.line(number));
    }
    Ok(lines)
}

/// What is wrong with a record, behind its line.
fn at_line(error: &csv::Error) -> String {
    let line = error.position().map_or(0, csv::Position::line);
    format!("line {line}: {error}")
}

fn jsonl(file: File) -> Result<Vec<Line>, String> {
    let mut lines = Vec::new();
    for (number, text) in (1..).zip(BufReader::new(file).lines()) {
        let text = text.map_err(|error| format!("line {number}: {error}"))?;
        if text.len() > MAX_LINE_BYTES {
            return Err(format!("line {number}: {} bytes; at most {MAX_LINE_BYTES} are read", text.len()));
        }
        if !text.trim().is_empty() {
            lines.push(json::<Typed>(&text).map_err(|error| format!("line {number}: {error}"))?.line(number));
        }
    }
    Ok(lines)
}

fn json<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    serde_json::from_str(text)
}

#[cfg(test)]
mod tests;
