//! Reads inputs and merges them by event time.
//!
//! | format | how it is told | what it has |
//! |---|---|---|
//! | JSON lines | the name ends in `.jsonl` or `.ndjson` | an object a line with the columns of CSV as keys, also `period_end` |
//! | Beijing | its header has `No` and `PM2.5` | see [`beijing`] |
//! | CSV | else | `source,metric,time,value[,unit][,quality][,vintage][,period_end]` in any order of columns |
//!
//! A name that ends further in `.gz` is gzipped. Lines may be in any order. `time`, `vintage` and `period_end` are RFC 3339
//! with an offset, or nanoseconds since the epoch. Without a unit the catalogue's is meant. Readings of the same time stay
//! in the order of the inputs.

pub mod beijing;
mod lines;
mod rows;

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use flate2::read::MultiGzDecoder;
use yiwang_catalogue::Catalogue;
use yiwang_model::{Quality, Series, Timestamp};
use yiwang_proto::v1::SeriesKey;

/// The most readings of all inputs together: they are held in memory, 48 bytes each.
const MAX_RECORDS: usize = 50_000_000;
/// The most series of all inputs together: what a dictionary may have.
const MAX_SERIES: usize = 200_000;
/// The most bytes of an input after unpacking.
const MAX_BYTES: u64 = 16 << 30;
/// The longest line, in bytes.
const MAX_LINE: u64 = 1 << 20;
/// The most faults of an input that are told.
const MAX_FAULTS: usize = 10;

/// A reading of an input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Record {
    /// Which series of the dictionary.
    pub series: u32,
    /// The number of its quality.
    pub quality: u8,
    /// Event time, nanoseconds since the epoch.
    pub time: i64,
    /// In the unit of its series.
    pub value: f64,
    /// Nanoseconds since the epoch, 0 for none.
    pub vintage: i64,
    /// Nanoseconds since the epoch, 0 for none.
    pub period_end: i64,
}

/// All inputs together.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// The series.
    pub dictionary: Arc<Vec<SeriesKey>>,
    /// The readings, by event time.
    pub records: Vec<Record>,
    /// How many values are marked as missing.
    pub missing: u64,
}

/// Reads files and merges them.
///
/// # Errors
/// What cannot be read: the file, the line and why, up to ten of them.
pub fn files(paths: &[PathBuf], catalogue: &Catalogue) -> anyhow::Result<Input> {
    let mut gather = Gather::new(catalogue);
    for path in paths {
        gather.file(path).with_context(|| format!("input {}", path.display()))?;
    }
    Ok(gather.finish())
}

/// One reading as an input has it, before it is checked.
#[derive(Debug, Default)]
struct Raw<'a> {
    source: &'a str,
    metric: &'a str,
    time: &'a str,
    value: f64,
    unit: Option<&'a str>,
    quality: Option<&'a str>,
    vintage: Option<&'a str>,
    period_end: Option<&'a str>,
}

/// Collects readings.
struct Gather<'a> {
    catalogue: &'a Catalogue,
    numbers: HashMap<(String, String, String), u32>,
    dictionary: Vec<SeriesKey>,
    records: Vec<Record>,
    missing: u64,
    faults: Vec<String>,
}

impl<'a> Gather<'a> {
    fn new(catalogue: &'a Catalogue) -> Self {
        Self {
            catalogue,
            numbers: HashMap::new(),
            dictionary: Vec::new(),
            records: Vec::new(),
            missing: 0,
            faults: Vec::new(),
        }
    }

    fn file(&mut self, path: &Path) -> anyhow::Result<()> {
        let name = path.to_string_lossy();
        let file = File::open(path)?;
        let inner = name.strip_suffix(".gz");
        let bytes: Box<dyn Read> = if inner.is_some() {
            Box::new(MultiGzDecoder::new(BufReader::new(file)))
        } else {
            Box::new(file)
        };
        self.read(inner.unwrap_or(&name), BufReader::new(bytes.take(MAX_BYTES)))?;
        if self.faults.is_empty() { Ok(()) } else { Err(anyhow!("{}", self.faults.join("\n"))) }
    }

    fn read(&mut self, name: &str, mut from: impl BufRead) -> anyhow::Result<()> {
        if name.ends_with(".jsonl") || name.ends_with(".ndjson") {
            return lines::read(self, from);
        }
        let header = first_line(&mut from)?;
        let mut columns = csv::ReaderBuilder::new().has_headers(false).from_reader(header.as_bytes());
        let columns = columns.records().next().transpose()?.context("is empty; a header is wanted")?;
        if beijing::is_header(&columns) {
            beijing::read(self, &columns, from)
        } else {
            rows::read(self, &columns, from)
        }
    }

    /// Takes a reading in, or notes why not.
    fn add(&mut self, line: u64, raw: &Raw<'_>) -> anyhow::Result<()> {
        match self.check(raw) {
            Ok(record) => self.records.push(record),
            Err(why) => self.faults.push(format!("line {line}: {why:#}")),
        }
        self.check_bounds()
    }

    fn fault(&mut self, line: u64, why: &str) -> anyhow::Result<()> {
        self.faults.push(format!("line {line}: {why}"));
        self.check_bounds()
    }

    fn check_bounds(&self) -> anyhow::Result<()> {
        if self.faults.len() >= MAX_FAULTS {
            bail!("{}\nand perhaps more", self.faults.join("\n"));
        }
        if self.records.len() > MAX_RECORDS {
            bail!("more than {MAX_RECORDS} readings");
        }
        Ok(())
    }

    fn check(&mut self, raw: &Raw<'_>) -> anyhow::Result<Record> {
        if !raw.value.is_finite() {
            bail!("value {} is not a finite number", raw.value);
        }
        let some = |text: Option<&str>, what| {
            text.map_or(Ok(0), |text| nanos(text).with_context(|| format!("{what} {text:?}")))
        };
        Ok(Record {
            time: nanos(raw.time).with_context(|| format!("time {:?}", raw.time))?,
            vintage: some(raw.vintage, "vintage")?,
            period_end: some(raw.period_end, "period_end")?,
            quality: raw.quality.map_or(Ok(Quality::Good), str::parse)? as u8,
            series: self.series(raw.source, raw.metric, raw.unit)?,
            value: raw.value,
        })
    }

    fn series(&mut self, source: &str, metric: &str, unit: Option<&str>) -> anyhow::Result<u32> {
        let key = (source.to_owned(), metric.to_owned(), unit.unwrap_or("").to_owned());
        if let Some(number) = self.numbers.get(&key) {
            return Ok(*number);
        }
        Series::new(source, metric)?;
        let unit = unit.map_or_else(|| self.unit_of(metric), |unit| Ok(unit.to_owned()))?;
        let number = u32::try_from(self.dictionary.len())?;
        if self.dictionary.len() >= MAX_SERIES {
            bail!("more than {MAX_SERIES} series");
        }
        self.dictionary.push(SeriesKey { source: source.to_owned(), metric: metric.to_owned(), unit });
        self.numbers.insert(key, number);
        Ok(number)
    }

    fn unit_of(&self, metric: &str) -> anyhow::Result<String> {
        let known = self.catalogue.metric(metric);
        let known = known
            .with_context(|| format!("metric {metric:?} is not in the catalogue, and no unit is given"))?;
        Ok(if known.unit.as_str().is_empty() { "1".into() } else { known.unit.to_string() })
    }

    fn finish(mut self) -> Input {
        self.records.sort_by_key(|record| record.time);
        Input { dictionary: Arc::new(self.dictionary), records: self.records, missing: self.missing }
    }
}

/// Nanoseconds since the epoch: given as such, or RFC 3339.
fn nanos(text: &str) -> anyhow::Result<i64> {
    if text.len() >= 16 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(text.parse()?);
    }
    Ok(text.parse::<Timestamp>()?.nanos())
}

fn first_line(from: &mut impl BufRead) -> anyhow::Result<String> {
    let mut line = String::new();
    from.by_ref().take(MAX_LINE).read_line(&mut line).context("line 1")?;
    Ok(line.trim_start_matches('\u{feff}').to_owned())
}

/// The fields of CSV after its header, each record with its line.
fn records<R: BufRead>(from: R) -> impl Iterator<Item = (u64, Result<csv::StringRecord, csv::Error>)> {
    let reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(from);
    let mut records = reader.into_records();
    std::iter::from_fn(move || {
        let line = records.reader().position().line() + 1;
        records.next().map(|record| (line, record))
    })
}
