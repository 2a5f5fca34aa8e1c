//! Admission of columnar batches: the dictionary is resolved once, the rows are checked against it.

use yiwang_model::{Row, Timestamp, Unit, Vintage};
use yiwang_proto::block::moment;
use yiwang_proto::v1::{Columns, SeriesKey};

use crate::admit::{Admitted, Plausible, admit_row, quality};
use crate::decimal;
use crate::names::{Known, Names, Refused};
use crate::refuse::Refusals;

/// The dictionary that holds on a stream.
#[derive(Debug, Default)]
pub struct Dictionary {
    entries: Vec<Result<Entry, Box<Unknown>>>,
    /// The edition of the names that the entries were looked up in.
    edition: u64,
}

/// A series that is admitted.
#[derive(Debug)]
struct Entry {
    known: Known,
    /// The unit that the sender named, if it is not the metric's, and by how many places the decimal point moves to the right.
    unit: Option<(Unit, i8)>,
}

/// A series that is not admitted.
#[derive(Debug)]
struct Unknown {
    key: SeriesKey,
    refused: Refused,
}

/// The most series of one dictionary.
pub const MAX_DICTIONARY: usize = 200_000;

impl Dictionary {
    /// Resolves the series of a dictionary; those that are not admitted refuse each of their readings.
    #[must_use]
    pub fn resolve(names: &Names, gateway: &str, keys: Vec<SeriesKey>) -> Self {
        let edition = names.edition();
        Self { entries: keys.into_iter().map(|key| entry(names, gateway, key)).collect(), edition }
    }

    /// Looks the series up again if the catalogue has changed since.
    pub fn renew(&mut self, names: &Names, gateway: &str) {
        let edition = names.edition();
        if edition == self.edition {
            return;
        }
        let old = std::mem::take(&mut self.entries);
        let key = |old: Result<Entry, Box<Unknown>>| match old {
            Ok(entry) => key_of(names, entry),
            Err(unknown) => unknown.key,
        };
        *self =
            Self { entries: old.into_iter().map(|old| entry(names, gateway, key(old))).collect(), edition };
    }

    /// Admits the readings of a batch that [`Dictionary::check`] found sound.
    #[must_use]
    pub fn admit(&self, plausible: Plausible, columns: &Columns) -> (Vec<Admitted>, Refusals) {
        let mut rows = Vec::with_capacity(columns.index.len());
        let mut refusals = Refusals::default();
        for at in 0..columns.index.len() {
            match self.admit_one(plausible, columns, at) {
                Ok(admitted) => rows.push(admitted),
                Err((reason, message)) => refusals.add(at, reason, || message),
            }
        }
        (rows, refusals)
    }

    fn admit_one(&self, plausible: Plausible, columns: &Columns, at: usize) -> Result<Admitted, Refused> {
        let entry = &self.entries[columns.index[at] as usize];
        let Entry { known, unit } = entry.as_ref().map_err(|unknown| unknown.refused.clone())?;
        let value = columns.value[at];
        let row = Row {
            series: known.id,
            time: Timestamp(columns.time_unix_nanos[at]),
            value: unit.as_ref().map_or(value, |(_, shift)| decimal::shift(value, *shift)),
            quality: quality(columns.quality.get(at).copied().unwrap_or_default())?,
            period_end: moment(&columns.period_end_unix_nanos, at),
            vintage: Vintage(moment(&columns.vintage_unix_nanos, at)),
        };
        admit_row(known, plausible, row)
    }

    /// Refuses a batch whose columns do not fit together or name series outside the dictionary that holds.
    ///
    /// # Errors
    /// The sentence that says which column and why.
    pub fn check(&self, columns: &Columns) -> Result<(), String> {
        let wanted = columns.index.len();
        let lengths = [
            ("time_unix_nanos", columns.time_unix_nanos.len(), false),
            ("value", columns.value.len(), false),
            ("quality", columns.quality.len(), true),
            ("period_end_unix_nanos", columns.period_end_unix_nanos.len(), true),
            ("vintage_unix_nanos", columns.vintage_unix_nanos.len(), true),
        ];
        for (column, found, may_be_empty) in lengths {
            if found != wanted && !(may_be_empty && found == 0) {
                return Err(format!("column {column} has {found} entries, index has {wanted}"));
            }
        }
        let size = self.entries.len();
        match columns.index.iter().position(|index| *index as usize >= size) {
            Some(at) => {
                let index = columns.index[at];
                Err(format!("index {index} of reading {at} is outside the dictionary of {size} series"))
            }
            None => Ok(()),
        }
    }
}

fn entry(names: &Names, gateway: &str, key: SeriesKey) -> Result<Entry, Box<Unknown>> {
    resolve(names, gateway, &key).map_err(|refused| Box::new(Unknown { key, refused }))
}

/// What the sender called a series that was admitted.
fn key_of(names: &Names, Entry { known, unit }: Entry) -> SeriesKey {
    let (source, metric) = match names.series(known.dense) {
        Some(series) => (series.source().to_string(), series.metric().to_string()),
        None => <_>::default(),
    };
    let unit = unit.map_or_else(|| known.metric.unit.to_string(), |(unit, _)| unit.to_string());
    SeriesKey { source, metric, unit }
}

fn resolve(names: &Names, gateway: &str, key: &SeriesKey) -> Result<Entry, Refused> {
    let known = names.resolve(gateway, &key.source, &key.metric)?;
    let unit = Unit::new(&key.unit);
    let unit = match known.shift(&unit)? {
        0 => None,
        shift => Some((unit, shift)),
    };
    Ok(Entry { known, unit })
}

#[cfg(test)]
mod tests;
