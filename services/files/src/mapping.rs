//! What the columns of a file mean.
//!
//! A mapping is a TOML file. In the long form a row is a reading, and `metric` names the column that says of what; in the wide
//! form a row has a reading in each of several columns, and each `[[value]]` says of which metric.
//!
//! ```toml
//! delimiter = ";"                     # a comma if nothing is said, in .tsv a tab
//! missing = ["", "NA"]                # cells that are no reading
//!
//! [source]
//! column = "station"                  # or is = "510104-air-1", for a file of one source
//! prefix = "air-"                     # before what stands there
//! words = { Dongsi = "110101-air-1" } # or names of our own for what stands there
//!
//! [time]
//! columns = ["year", "month", "day", "hour"] # joined by blanks
//! format = "%Y %m %d %H"              # iso (the default), s, ms, us, ns since 1970, or a pattern
//! zone = "Asia/Shanghai"              # for times without an offset
//!
//! [[value]]
//! column = "CO"
//! metric = "co"
//! unit = "mg/m³"                      # of the value, after `divide` and `multiply`; the catalogue's if nothing is said
//! divide = 1000
//! ```
//!
//! In the long form there is one `[[value]]` without `metric`, and `[metric]` is as `[source]`; `unit` may then name a column, too:
//! `[unit] column = "unit"`. `[quality]` names a column of words or numbers of a quality, and translates others by `words`.
//! `vintage` and `period_end` name columns of times in the format of `[time]`. Keys of JSON lines are columns.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::tz::TimeZone;
use serde::Deserialize;
use yiwang_model::Quality;

use crate::Error;
use crate::time::{Format, Times};

/// The most columns that a mapping may name.
const MAX_COLUMNS: usize = 1000;
/// The largest mapping file, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Where a name comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Name {
    /// A column, or what it always is.
    pub(crate) from: From,
    pub(crate) prefix: String,
    pub(crate) words: BTreeMap<String, String>,
}

/// A column, by its place in [`Mapping::columns`], or a constant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum From {
    Column(usize),
    Is(String),
}

/// A column of values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Value {
    pub(crate) column: usize,
    /// The metric, in the wide form.
    pub(crate) metric: Option<String>,
    pub(crate) unit: Option<String>,
    pub(crate) multiply: f64,
    pub(crate) divide: f64,
    /// The column of its quality, if it has one of its own.
    pub(crate) quality: Option<usize>,
}

/// What the columns of a file mean.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// Between cells, if the file's name is not to say it.
    pub(crate) delimiter: Option<u8>,
    pub(crate) missing: Vec<String>,
    /// All columns that are named anywhere, each once.
    pub(crate) columns: Vec<String>,
    /// Which of them a file may lack.
    pub(crate) optional: Vec<usize>,
    /// Whether a file may have others.
    pub(crate) others: bool,
    pub(crate) source: Name,
    pub(crate) metric: Option<Name>,
    pub(crate) unit: Option<usize>,
    pub(crate) time: Vec<usize>,
    pub(crate) times: Times,
    pub(crate) quality: Option<usize>,
    pub(crate) qualities: BTreeMap<String, Quality>,
    pub(crate) vintage: Option<usize>,
    pub(crate) period_end: Option<usize>,
    pub(crate) values: Vec<Value>,
    /// Nanoseconds of a unit of time in line protocol.
    pub(crate) precision: i64,
}

/// As it is typed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    delimiter: Option<String>,
    missing: Option<Vec<String>>,
    source: TypedName,
    metric: Option<TypedName>,
    unit: Option<TypedColumn>,
    time: TypedTime,
    quality: Option<TypedQuality>,
    vintage: Option<String>,
    period_end: Option<String>,
    value: Vec<TypedValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedName {
    column: Option<String>,
    is: Option<String>,
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    words: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedColumn {
    column: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedTime {
    column: Option<String>,
    #[serde(default)]
    columns: Vec<String>,
    format: Option<String>,
    zone: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedQuality {
    column: String,
    #[serde(default)]
    words: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedValue {
    column: String,
    metric: Option<String>,
    unit: Option<String>,
    multiply: Option<f64>,
    divide: Option<f64>,
    quality: Option<String>,
}

impl Mapping {
    /// The mapping of files that need none: columns `source`, `metric`, `time`, `value` and, if they are there, `unit`, `quality`,
    /// `vintage`, `period_end`; no others.
    #[must_use]
    pub fn plain() -> Self {
        let columns = ["source", "metric", "time", "value", "unit", "quality", "vintage", "period_end"];
        let name = |at| Name { from: From::Column(at), prefix: String::new(), words: BTreeMap::new() };
        let value = Value { column: 3, metric: None, unit: None, multiply: 1.0, divide: 1.0, quality: None };
        Self {
            delimiter: None,
            missing: missing(),
            columns: columns.map(str::to_owned).into(),
            optional: vec![4, 5, 6, 7],
            others: false,
            source: name(0),
            metric: Some(name(1)),
            unit: Some(4),
            time: vec![2],
            times: Times::new(Format::Iso, None),
            quality: Some(5),
            qualities: BTreeMap::new(),
            vintage: Some(6),
            period_end: Some(7),
            values: vec![value],
            precision: 1,
        }
    }

    /// Reads a mapping file.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let wrong = |why: String| Error::Mapping { file: path.display().to_string(), why };
        let length = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
        if length > MAX_BYTES {
            return Err(wrong(format!("it has {length} bytes; at most {MAX_BYTES} are read")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        Self::parse(&text).map_err(wrong)
    }

    /// Reads the text of a mapping.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let typed: Typed = toml::from_str(text).map_err(|error| error.to_string())?;
        Meant::default().mapping(typed)
    }

    /// The columns of values, by their places in the mapping.
    #[must_use]
    pub fn value_columns(&self) -> Vec<String> {
        self.values.iter().map(|value| self.columns[value.column].clone()).collect()
    }

    /// Where the columns stand under a header, `None` for those that it may lack and does.
    pub(crate) fn places(&self, header: &[&str]) -> Result<Vec<Option<usize>>, String> {
        if let Some(strange) =
            header.iter().find(|name| !self.others && !self.columns.iter().any(|own| own == *name))
        {
            let known = self.columns.join(", ");
            return Err(format!(
                "column {strange:.64?} is not known; known are {known}; others need a mapping"
            ));
        }
        let twice = |name: &&str| header.iter().filter(|other| *other == name).count() > 1;
        if let Some(name) =
            header.iter().find(|name| self.columns.iter().any(|own| own == *name) && twice(name))
        {
            return Err(format!("column {name:.64?} is there twice"));
        }
        let place = |name: &String| header.iter().position(|own| own == name);
        let places: Vec<Option<usize>> = self.columns.iter().map(place).collect();
        let is_lacking = |at: &usize| places[*at].is_none() && !self.optional.contains(at);
        let lacking: Vec<&str> =
            (0..places.len()).filter(is_lacking).map(|at| self.columns[at].as_str()).collect();
        if lacking.is_empty() {
            return Ok(places);
        }
        let there: String = header.join(", ").chars().take(500).collect();
        Err(format!("lacks {}; there are {there}", lacking.join(", ")))
    }

    /// The columns without which a row says nothing: those of source, metric and time.
    pub(crate) fn needed(&self) -> Vec<usize> {
        let of = |name: &Name| match name.from {
            From::Column(column) => Some(column),
            From::Is(_) => None,
        };
        let names = [of(&self.source), self.metric.as_ref().and_then(of)];
        names.into_iter().flatten().chain(self.time.iter().copied()).collect()
    }

    /// The same, for line protocol whose times count units of so many nanoseconds.
    #[must_use]
    pub fn with_precision(mut self, nanos: i64) -> Self {
        self.precision = nanos;
        self
    }
}

fn missing() -> Vec<String> {
    ["", "NA"].map(str::to_owned).into()
}

/// Makes what is meant of what is typed: columns get their places.
#[derive(Default)]
struct Meant {
    columns: Vec<String>,
}

impl Meant {
    fn mapping(mut self, typed: Typed) -> Result<Mapping, String> {
        let delimiter = typed.delimiter.as_deref().map(delimiter).transpose()?;
        let source = self.name("source", typed.source)?;
        let metric = typed.metric.map(|metric| self.name("metric", metric)).transpose()?;
        let unit = typed.unit.map(|unit| self.column(unit.column));
        let (time, times) = self.time(typed.time)?;
        let (quality, words) = match typed.quality {
            Some(quality) => (Some(self.column(quality.column)), quality.words),
            None => (None, BTreeMap::new()),
        };
        let values: Result<Vec<Value>, String> =
            typed.value.into_iter().map(|value| self.value(value, metric.is_some())).collect();
        let (vintage, period_end) = (typed.vintage, typed.period_end);
        let mapping = Mapping {
            delimiter,
            missing: typed.missing.unwrap_or_else(missing),
            optional: Vec::new(),
            others: true,
            source,
            metric,
            unit,
            time,
            times,
            quality,
            qualities: qualities(words)?,
            vintage: vintage.map(|column| self.column(column)),
            period_end: period_end.map(|column| self.column(column)),
            values: values?,
            precision: 1,
            columns: self.columns,
        };
        check(&mapping)?;
        Ok(mapping)
    }

    fn column(&mut self, name: String) -> usize {
        self.columns.iter().position(|own| *own == name).unwrap_or_else(|| {
            self.columns.push(name);
            self.columns.len() - 1
        })
    }

    fn name(&mut self, what: &str, typed: TypedName) -> Result<Name, String> {
        let from = match (typed.column, typed.is) {
            (Some(column), None) => From::Column(self.column(column)),
            (None, Some(is)) => From::Is(is),
            _ => return Err(format!("[{what}] needs one of column and is")),
        };
        Ok(Name { from, prefix: typed.prefix, words: typed.words })
    }

    fn time(&mut self, typed: TypedTime) -> Result<(Vec<usize>, Times), String> {
        let columns: Vec<String> = typed.column.into_iter().chain(typed.columns).collect();
        if columns.is_empty() {
            return Err("[time] needs column or columns".into());
        }
        let zone = typed.zone.map(|zone| {
            TimeZone::get(&zone)
                .map_err(|_| format!("time zone {zone:?} is not known; Asia/Shanghai would be"))
        });
        let format = Format::read(typed.format.as_deref().unwrap_or("iso"))?;
        let times = Times::new(format, zone.transpose()?);
        Ok((columns.into_iter().map(|column| self.column(column)).collect(), times))
    }

    fn value(&mut self, typed: TypedValue, long: bool) -> Result<Value, String> {
        let TypedValue { column, metric, unit, multiply, divide, quality } = typed;
        if long == metric.is_some() {
            let why = if long { "has a metric beside [metric]" } else { "needs a metric, or [metric]" };
            return Err(format!("[[value]] of column {column:?} {why}"));
        }
        let (multiply, divide) = (multiply.unwrap_or(1.0), divide.unwrap_or(1.0));
        if !(multiply.is_normal() && divide.is_normal()) {
            return Err(format!(
                "[[value]] of column {column:?}: multiply and divide are numbers other than 0"
            ));
        }
        let quality = quality.map(|column| self.column(column));
        Ok(Value { column: self.column(column), metric, unit, multiply, divide, quality })
    }
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !b"\"\r\n".contains(byte) => Ok(*byte),
        _ => Err(format!("delimiter {text:?} is not one ASCII character other than a quote or line end")),
    }
}

fn qualities(words: BTreeMap<String, String>) -> Result<BTreeMap<String, Quality>, String> {
    let quality = |(own, word): (String, String)| {
        Ok((own, word.parse().map_err(|error: yiwang_model::Error| format!("[quality] words: {error}"))?))
    };
    words.into_iter().map(quality).collect()
}

fn check(mapping: &Mapping) -> Result<(), String> {
    if mapping.values.is_empty() {
        return Err("there is no [[value]]: name at least one column of values".into());
    }
    if mapping.metric.is_some() && mapping.values.len() > 1 {
        return Err("there are several [[value]] beside [metric]: a row of the long form has one".into());
    }
    if mapping.columns.len() > MAX_COLUMNS {
        return Err(format!("{} columns are named; at most {MAX_COLUMNS} may be", mapping.columns.len()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: &str = r#"
        [source]
        column = "station"
        [time]
        column = "t"
        [[value]]
        column = "CO"
        metric = "co"
    "#;

    #[test]
    fn what_is_wrong_with_a_mapping_is_said() {
        for (text, named) in [
            (WIDE.replace("station", "station\"\nsort = \"a"), "sort"),
            (WIDE.replace("column = \"t\"", "column = \"t\"\nzone = \"Asia/Chengdu\""), "Asia/Chengdu"),
            (WIDE.replace("column = \"t\"", "format = \"iso\""), "column or columns"),
            (WIDE.replace("metric = \"co\"", ""), "needs a metric"),
            (WIDE.replace("metric = \"co\"", "metric = \"co\"\ndivide = 0"), "other than 0"),
            (WIDE.replace("metric = \"co\"", "metric = \"co\"\ndivide = nan"), "other than 0"),
            (format!("delimiter = \"ab\"\n{WIDE}"), "one ASCII"),
            (format!("{WIDE}\n[metric]\ncolumn = \"m\""), "beside [metric]"),
            (format!("{WIDE}\n[quality]\ncolumn = \"q\"\nwords = {{ X = \"odd\" }}"), "odd"),
            (
                WIDE.replace("[source]\n        column", "[source]\n        is = \"a\"\n        column"),
                "one of column and is",
            ),
            ("value = []\nsource = { is = \"a\" }\ntime = { column = \"t\" }".into(), "no [[value]]"),
            ("x".into(), "1"),
        ] {
            let why = Mapping::parse(&text).expect_err(named);
            assert!(why.contains(named), "{named}: {why}");
        }
        assert_eq!(Mapping::parse(WIDE).unwrap().columns, ["station", "t", "CO"]);
    }
}
