//! A row becomes readings, as the mapping says.

use std::collections::BTreeMap;

use yiwang_model::Quality;
use yiwang_proto::v1::Reason;

use crate::gather::{Gather, Item, Why};
use crate::mapping::{From, Mapping, Name, Value};
use crate::series::Words;

/// The cells of a row, by place in [`Mapping::columns`]; `None` where the row or the file has none.
pub(crate) trait Row {
    fn cell(&self, column: usize) -> Option<&[u8]>;
}

/// Reads rows by a mapping. What it remembers saves reading the same time twice.
pub(crate) struct Rows<'m> {
    mapping: &'m Mapping,
    key: Vec<u8>,
    joined: Vec<u8>,
    /// The last time, as it stood there, and what it was.
    last: (Vec<u8>, i64),
}

/// What a key has between its parts; no text has this byte.
const BETWEEN: u8 = 0xff;

/// A fault in a column, or of the whole row.
struct At<'c>(Option<&'c str>, Vec<u8>, Why);

impl<'m> Rows<'m> {
    pub(crate) fn new(mapping: &'m Mapping) -> Self {
        Self { mapping, key: Vec::new(), joined: Vec::new(), last: (Vec::new(), 0) }
    }

    /// Takes a row in.
    pub(crate) fn take(&mut self, line: u64, row: &impl Row, into: &mut Gather) {
        let mapping = self.mapping;
        let mut times = None;
        for (slot, value) in (0..).zip(&mapping.values) {
            let cell = row.cell(value.column).unwrap_or_default();
            if mapping.missing.iter().any(|missing| missing.as_bytes() == cell) {
                into.missing += 1;
                continue;
            }
            let times = match &times {
                Some(times) => *times,
                None => match self.times(row) {
                    Ok(read) => *times.insert(read),
                    // A row whose time cannot be read is one fault, not one for each of its values.
                    Err(At(column, text, why)) => return into.fault(line, column.unwrap_or(""), &text, why),
                },
            };
            if let Err(At(column, text, why)) = self.value(line, slot, value, times, row, cell, into) {
                into.fault(line, column.unwrap_or(""), &text, why);
            }
        }
    }

    /// Time, end of the period, vintage.
    fn times(&mut self, row: &impl Row) -> Result<[i64; 3], At<'m>> {
        let mapping = self.mapping;
        let time = match mapping.time.as_slice() {
            [column] => {
                let text = row.cell(*column).unwrap_or_default();
                read_time(mapping, &mut self.last, text).map_err(|why| self.at(*column, text, why))?
            }
            columns => {
                self.joined.clear();
                for column in columns {
                    let gap = (!self.joined.is_empty()).then_some(b' ');
                    self.joined.extend(gap);
                    self.joined.extend_from_slice(row.cell(*column).unwrap_or_default());
                }
                read_time(mapping, &mut self.last, &self.joined).map_err(|why| {
                    At(mapping.columns.get(columns[0]).map(String::as_str), self.joined.clone(), why)
                })?
            }
        };
        let [period_end, vintage] = [mapping.period_end, mapping.vintage].map(|column| {
            let column = column?;
            Some((column, row.cell(column).filter(|text| !text.is_empty())?))
        });
        let read = |found: Option<(usize, &[u8])>| match found {
            Some((column, text)) => uncached(mapping, text).map_err(|why| self.at(column, text, why)),
            None => Ok(0),
        };
        Ok([time, read(period_end)?, read(vintage)?])
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one reading")]
    fn value(
        &mut self,
        line: u64,
        slot: u16,
        value: &Value,
        [time, period_end, vintage]: [i64; 3],
        row: &impl Row,
        cell: &[u8],
        into: &mut Gather,
    ) -> Result<(), At<'m>> {
        let mapping = self.mapping;
        let mut number = number(cell).map_err(|why| self.at(value.column, cell, why))?;
        if value.multiply != 1.0 || value.divide != 1.0 {
            number = number * value.multiply / value.divide;
        }
        let quality = match value.quality.or(mapping.quality) {
            None => Quality::Good,
            Some(column) => {
                let text = row.cell(column).unwrap_or_default();
                quality(&mapping.qualities, text).map_err(|why| self.at(column, text, why))?
            }
        };
        let series = self.series(slot, value, row, into)?;
        let quality = quality as u8;
        into.items.push(Item { line, slot, quality, series, time, value: number, period_end, vintage });
        Ok(())
    }

    /// The number of the series, by what stands in the row.
    fn series(&mut self, slot: u16, value: &Value, row: &impl Row, into: &mut Gather) -> Result<u32, At<'m>> {
        let mapping = self.mapping;
        let part = |name: &'m Name| match name.from {
            From::Column(column) => row.cell(column).unwrap_or_default(),
            From::Is(_) => &[],
        };
        let source = part(&mapping.source);
        let slot = slot.to_le_bytes();
        let metric = mapping.metric.as_ref().map_or(&slot[..], part);
        let unit = mapping.unit.and_then(|column| row.cell(column)).unwrap_or_default();
        self.key.clear();
        self.key.extend_from_slice(source);
        self.key.push(BETWEEN);
        self.key.extend_from_slice(metric);
        self.key.push(BETWEEN);
        self.key.extend_from_slice(unit);
        if let Some(number) = into.series.get(&self.key) {
            return Ok(number);
        }
        let named = |name: &'m Name, text: &[u8]| {
            let own = utf8(text).map_err(|why| self.of_name(name, text, why))?;
            let own = if let From::Is(is) = &name.from { is } else { own };
            let word = name.words.get(own).map_or(own, String::as_str);
            Ok(format!("{}{word}", name.prefix))
        };
        let source_said = named(&mapping.source, source)?;
        let metric_said = match (&mapping.metric, &value.metric) {
            (Some(name), _) => named(name, metric)?,
            (None, known) => known.clone().unwrap_or_default(),
        };
        let unit = match (utf8(unit).map_err(|why| At(None, unit.to_vec(), why))?, &value.unit) {
            ("", of_value) => of_value.as_deref(),
            (said, _) => Some(said),
        };
        let words = Words { source: source_said, metric: metric_said, unit };
        into.series.add(&self.key, words).map_err(|why| match why.0 {
            Reason::UnknownMetric => match &mapping.metric {
                Some(name) => self.of_name(name, metric, why),
                None => self.at(value.column, &[], why),
            },
            _ => self.of_name(&mapping.source, source, why),
        })
    }

    fn at(&self, column: usize, text: &[u8], why: Why) -> At<'m> {
        At(self.mapping.columns.get(column).map(String::as_str), text.to_vec(), why)
    }

    fn of_name(&self, name: &Name, text: &[u8], why: Why) -> At<'m> {
        match name.from {
            From::Column(column) => self.at(column, text, why),
            From::Is(_) => At(None, text.to_vec(), why),
        }
    }
}

/// Reads a time; the one before is remembered.
fn read_time(mapping: &Mapping, last: &mut (Vec<u8>, i64), text: &[u8]) -> Result<i64, Why> {
    if !text.is_empty() && last.0 == text {
        return Ok(last.1);
    }
    let time = uncached(mapping, text)?;
    last.0.clear();
    last.0.extend_from_slice(text);
    last.1 = time;
    Ok(time)
}

fn uncached(mapping: &Mapping, text: &[u8]) -> Result<i64, Why> {
    mapping.times.read(utf8(text)?).map_err(|why| Why(Reason::Malformed, why))
}

pub(crate) fn utf8(text: &[u8]) -> Result<&str, Why> {
    std::str::from_utf8(text).map_err(|error| Why(Reason::Malformed, error.to_string()))
}

fn number(cell: &[u8]) -> Result<f64, Why> {
    let text = utf8(cell)?;
    let number: f64 = text.parse().map_err(|_| Why(Reason::Malformed, "it is not a number".into()))?;
    if number.is_finite() {
        return Ok(number);
    }
    Err(Why(Reason::ImpossibleValue, "it is not a finite number".into()))
}

/// A quality by the mapping's words, by its own word, by its number; nothing is good.
fn quality(words: &BTreeMap<String, Quality>, text: &[u8]) -> Result<Quality, Why> {
    let text = utf8(text)?;
    if let Some(known) = words.get(text) {
        return Ok(*known);
    }
    match text.as_bytes() {
        [] => Ok(Quality::Good),
        [digit @ b'0'..=b'8'] => Ok(Quality::from_number(digit - b'0').unwrap_or_default()),
        _ => text.parse().map_err(|error: yiwang_model::Error| Why(Reason::BadQuality, error.to_string())),
    }
}
