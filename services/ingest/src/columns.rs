//! Admission of columnar batches: the dictionary is resolved once, the rows are checked against it.

use yiwang_model::{Row, Timestamp, Unit, Vintage};
use yiwang_proto::block::moment;
use yiwang_proto::v1::{Columns, SeriesKey};

use crate::admit::{Admitted, Plausible, admit_row, check_unit, quality};
use crate::names::{Known, Names, Refused};
use crate::refuse::Refusals;

/// The dictionary that holds on a stream.
#[derive(Debug, Default)]
pub struct Dictionary(Vec<Result<Known, Refused>>);

/// The most series of one dictionary.
pub const MAX_DICTIONARY: usize = 200_000;

impl Dictionary {
    /// Resolves the series of a dictionary; those that are not admitted refuse each of their readings.
    #[must_use]
    pub fn resolve(names: &Names, gateway: &str, keys: &[SeriesKey]) -> Self {
        Self(keys.iter().map(|key| resolve(names, gateway, key)).collect())
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
        let known = self.0[columns.index[at] as usize].as_ref().map_err(Clone::clone)?;
        let row = Row {
            series: known.id,
            time: Timestamp(columns.time_unix_nanos[at]),
            value: columns.value[at],
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
        let size = self.0.len();
        match columns.index.iter().position(|index| *index as usize >= size) {
            Some(at) => {
                let index = columns.index[at];
                Err(format!("index {index} of reading {at} is outside the dictionary of {size} series"))
            }
            None => Ok(()),
        }
    }
}

fn resolve(names: &Names, gateway: &str, key: &SeriesKey) -> Result<Known, Refused> {
    let known = names.resolve(gateway, &key.source, &key.metric)?;
    check_unit(&known.metric, &Unit::new(&key.unit))?;
    Ok(known)
}

#[cfg(test)]
mod tests;
