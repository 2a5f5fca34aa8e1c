//! Blocks: admitted readings as columns, the form in which they stand in the log.

use yiwang_model::{Quality, Row, SeriesId, Timestamp, Vintage};

use crate::log::Block;

/// Builds blocks. One builder serves one partition for as long as the process lives, so that its map from series to
/// dictionary is made once.
///
/// The caller numbers its series densely from 0; the builder keeps 8 bytes for each.
#[derive(Debug, Default)]
pub struct Builder {
    block: Block,
    /// By dense number: the block in which the series was last seen, and its place in that dictionary.
    places: Vec<(u32, u32)>,
    stamp: u32,
    last_time: i64,
    all_good: bool,
    any_period: bool,
    any_vintage: bool,
}

impl Builder {
    /// Adds a reading of the series with this dense number.
    pub fn push(&mut self, dense: u32, row: &Row) {
        if self.block.index.is_empty() {
            self.begin();
        }
        let place = self.place(dense, row.series);
        let block = &mut self.block;
        block.index.push(place);
        block.time_delta_nanos.push(row.time.nanos().wrapping_sub(self.last_time));
        block.value.push(row.value);
        block.quality.push(row.quality as u8);
        block.period_end_nanos.push(row.period_end.map_or(0, Timestamp::nanos));
        block.vintage_nanos.push(row.vintage.0.map_or(0, Timestamp::nanos));
        self.last_time = row.time.nanos();
        self.all_good &= row.quality == Quality::Good;
        self.any_period |= row.period_end.is_some();
        self.any_vintage |= row.vintage.0.is_some();
    }

    /// How many readings wait in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.block.index.len()
    }

    /// Whether none waits in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.block.index.is_empty()
    }

    /// Takes the block out; columns that say nothing are left empty.
    #[must_use]
    pub fn take(&mut self) -> Block {
        let mut block = std::mem::take(&mut self.block);
        if self.all_good {
            block.quality = Vec::new();
        }
        if !self.any_period {
            block.period_end_nanos = Vec::new();
        }
        if !self.any_vintage {
            block.vintage_nanos = Vec::new();
        }
        block
    }

    fn begin(&mut self) {
        self.stamp = self.stamp.wrapping_add(1);
        if self.stamp == 0 {
            self.places.clear();
            self.stamp = 1;
        }
        self.last_time = 0;
        self.all_good = true;
        self.any_period = false;
        self.any_vintage = false;
    }

    fn place(&mut self, dense: u32, series: SeriesId) -> u32 {
        let dense = dense as usize;
        if self.places.len() <= dense {
            self.places.resize(dense + 1, (0, 0));
        }
        let (stamp, place) = &mut self.places[dense];
        if *stamp != self.stamp {
            *stamp = self.stamp;
            *place = u32::try_from(self.block.series.len()).unwrap_or(u32::MAX);
            self.block.series.push(series.0);
        }
        *place
    }
}

/// Why a block cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A column has another length than `index`.
    #[error("column {column} has {found} entries for {wanted} readings")]
    Length {
        /// The column.
        column: &'static str,
        /// Its length.
        found: usize,
        /// The number of readings.
        wanted: usize,
    },
    /// An index points outside the dictionary.
    #[error("reading {at} names series {found} of a dictionary of {size}")]
    Index {
        /// Which reading, from 0.
        at: usize,
        /// What it names.
        found: u32,
        /// The size of the dictionary.
        size: usize,
    },
    /// A quality has no meaning.
    #[error("reading {at} has quality {found}; known are 0 to 8")]
    Quality {
        /// Which reading, from 0.
        at: usize,
        /// What it has.
        found: u8,
    },
}

impl Block {
    /// The readings, each with its place in the dictionary.
    ///
    /// # Errors
    /// When the columns do not fit together; nothing is then given.
    pub fn rows(&self) -> Result<impl Iterator<Item = (u32, Row)> + '_, Error> {
        self.check()?;
        let mut time = 0_i64;
        Ok((0..self.index.len()).map(move |at| {
            let place = self.index[at];
            time = time.wrapping_add(self.time_delta_nanos[at]);
            let quality = self.quality.get(at).and_then(|number| Quality::from_number(*number));
            let row = Row {
                series: SeriesId(self.series[place as usize]),
                time: Timestamp(time),
                value: self.value[at],
                quality: quality.unwrap_or_default(),
                period_end: moment(&self.period_end_nanos, at),
                vintage: Vintage(moment(&self.vintage_nanos, at)),
            };
            (place, row)
        }))
    }

    fn check(&self) -> Result<(), Error> {
        let wanted = self.index.len();
        let full = [("time_delta_nanos", self.time_delta_nanos.len()), ("value", self.value.len())];
        let optional = [
            ("quality", self.quality.len()),
            ("period_end_nanos", self.period_end_nanos.len()),
            ("vintage_nanos", self.vintage_nanos.len()),
        ];
        let wrong = full.into_iter().find(|(_, found)| *found != wanted);
        let wrong = wrong.or_else(|| optional.into_iter().find(|(_, found)| *found != 0 && *found != wanted));
        if let Some((column, found)) = wrong {
            return Err(Error::Length { column, found, wanted });
        }
        let size = self.series.len();
        if let Some(at) = self.index.iter().position(|index| *index as usize >= size) {
            return Err(Error::Index { at, found: self.index[at], size });
        }
        if let Some(at) = self.quality.iter().position(|number| Quality::from_number(*number).is_none()) {
            return Err(Error::Quality { at, found: self.quality[at] });
        }
        Ok(())
    }
}

/// The moment at a place of a sparse column, where 0 and a missing column say none.
#[must_use]
pub fn moment(column: &[i64], at: usize) -> Option<Timestamp> {
    column.get(at).copied().filter(|nanos| *nanos != 0).map(Timestamp)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    fn any_row() -> impl Strategy<Value = (u32, Row)> {
        let moment = proptest::option::of((1..i64::MAX).prop_map(Timestamp));
        (0..20_u32, any::<i64>(), any::<f64>(), 0..9_u8, moment.clone(), moment).prop_map(
            |(dense, time, value, quality, period_end, vintage)| {
                let row = Row {
                    series: SeriesId(u64::from(dense) * 7919),
                    time: Timestamp(time),
                    value,
                    quality: Quality::from_number(quality).expect("0 to 8"),
                    period_end,
                    vintage: Vintage(vintage),
                };
                (dense, row)
            },
        )
    }

    proptest! {
        #[test]
        fn rows_come_back_as_they_went_in(batches in prop::collection::vec(prop::collection::vec(any_row(), 0..50), 1..5)) {
            let mut builder = Builder::default();
            for batch in batches {
                batch.iter().for_each(|(dense, row)| builder.push(*dense, row));
                let bytes = builder.take().encode_to_vec();
                let block = Block::decode(bytes.as_slice()).expect("what we encoded");
                let back: Vec<Row> = block.rows().expect("fits together").map(|(_, row)| row).collect();
                prop_assert_eq!(back.len(), batch.len());
                for (back, (_, row)) in back.iter().zip(&batch) {
                    prop_assert!(back.repeats(row), "{:?} is not {:?}", back, row);
                }
            }
        }

        #[test]
        fn arbitrary_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(block) = Block::decode(bytes.as_slice()) {
                let _ = block.rows().map(Iterator::count);
            }
        }
    }

    #[test]
    fn columns_that_do_not_fit_are_named() {
        let good = Block {
            series: vec![1],
            index: vec![0, 0],
            time_delta_nanos: vec![1, 1],
            value: vec![1.0, 2.0],
            ..Block::default()
        };
        let short = Block { value: vec![1.0], ..good.clone() };
        assert_eq!(short.rows().err(), Some(Error::Length { column: "value", found: 1, wanted: 2 }));
        let outside = Block { index: vec![0, 1], ..good.clone() };
        assert_eq!(outside.rows().err(), Some(Error::Index { at: 1, found: 1, size: 1 }));
        let odd = Block { quality: vec![0, 9], ..good };
        assert_eq!(odd.rows().err(), Some(Error::Quality { at: 1, found: 9 }));
    }
}
