//! The hours (or thirds of one) of the windows that are not yet judged.
//!
//! A ring: the value of cell number `c` stands at `c` modulo the width of a window.

use crate::Error;
use crate::state::{Reader, put_byte, put_count, put_number, put_whole};

/// 2⁶⁴: sums are whole numbers of its inverse.
const UNITS: f64 = 18_446_744_073_709_551_616.0;

pub(super) enum Cells {
    /// A reading is a cell's value; NaN where there is none.
    Values { ring: Box<[f64]>, filled: usize },
    /// A cell's value is the mean of its readings, summed exactly in units of 2⁻⁶⁴.
    Sums { sums: Box<[i128]>, counts: Box<[u32]>, need: u32, energy: bool, filled: usize },
}

impl Cells {
    /// Room for a window of cells each of which is one reading.
    pub(super) fn values(width: usize) -> Self {
        Self::Values { ring: vec![f64::NAN; width].into(), filled: 0 }
    }

    /// Room for a window of cells that need so many readings each.
    pub(super) fn sums(width: usize, need: u32, energy: bool) -> Self {
        Self::Sums { sums: vec![0; width].into(), counts: vec![0; width].into(), need, energy, filled: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Values { filled, .. } | Self::Sums { filled, .. } => *filled == 0,
        }
    }

    fn width(&self) -> usize {
        match self {
            Self::Values { ring, .. } => ring.len(),
            Self::Sums { sums, .. } => sums.len(),
        }
    }

    fn place(&self, cell: i64) -> usize {
        let width = self.width();
        if width == 1 {
            return 0;
        }
        let width = i64::try_from(width).expect("a window has few cells");
        usize::try_from(cell.rem_euclid(width)).expect("a remainder is not negative")
    }

    /// Adds a reading to a cell.
    pub(super) fn add(&mut self, cell: i64, value: f64) {
        let place = self.place(cell);
        match self {
            Self::Values { ring, filled } => {
                *filled += usize::from(ring[place].is_nan());
                ring[place] = value;
            }
            Self::Sums { sums, counts, energy, filled, .. } => {
                *filled += usize::from(counts[place] == 0);
                sums[place] = sums[place].saturating_add(in_units(value, *energy));
                counts[place] = counts[place].saturating_add(1);
            }
        }
    }

    /// Empties a cell.
    pub(super) fn clear(&mut self, cell: i64) {
        let place = self.place(cell);
        match self {
            Self::Values { ring, filled } => {
                *filled -= usize::from(!ring[place].is_nan());
                ring[place] = f64::NAN;
            }
            Self::Sums { sums, counts, filled, .. } => {
                *filled -= usize::from(counts[place] > 0);
                (sums[place], counts[place]) = (0, 0);
            }
        }
    }

    /// The values of the valid cells of the window that begins with `first`, in time order.
    pub(super) fn values_from(&self, first: i64) -> impl Iterator<Item = f64> {
        let (start, width) = (self.place(first), self.width());
        (start..width).chain(0..start).filter_map(|place| self.value(place))
    }

    fn value(&self, place: usize) -> Option<f64> {
        match self {
            Self::Values { ring, .. } => Some(ring[place]).filter(|value| !value.is_nan()),
            Self::Sums { sums, counts, need, energy, .. } => {
                (counts[place] >= *need).then(|| mean(sums[place], counts[place], *energy))
            }
        }
    }

    /// Saves the filled cells: number, then for each its place and value, or its place, sum and count.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Values { ring, filled } => {
                put_count(out, *filled);
                for (place, value) in ring.iter().enumerate().filter(|(_, value)| !value.is_nan()) {
                    put_count(out, place);
                    put_number(out, *value);
                }
            }
            Self::Sums { sums, counts, filled, .. } => {
                put_count(out, *filled);
                for (place, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                    put_count(out, place);
                    out.extend_from_slice(&sums[place].to_le_bytes());
                    put_whole(out, i64::from(*count));
                }
            }
        }
    }

    /// Reads what [`Cells::put`] saved of cells of the same make; they take the place of these.
    pub(super) fn read(&self, from: &mut Reader<'_>) -> Result<Self, Error> {
        let width = self.width();
        let mut fresh = self.fresh();
        for _ in 0..from.count(width)? {
            let place = from.count(width - 1)?;
            match &mut fresh {
                Self::Values { ring, filled } => {
                    ring[place] = from.number()?;
                    *filled += 1;
                }
                Self::Sums { sums, counts, filled, .. } => {
                    sums[place] = from.wide()?;
                    let count = from.count(u32::MAX as usize)?;
                    counts[place] = u32::try_from(count).expect("bounded by the largest u32");
                    *filled += 1;
                }
            }
        }
        if fresh.recount() { Ok(fresh) } else { Err(from.damaged("a cell stands there twice or is empty")) }
    }

    fn fresh(&self) -> Self {
        match self {
            Self::Values { ring, .. } => Self::values(ring.len()),
            Self::Sums { sums, need, energy, .. } => Self::sums(sums.len(), *need, *energy),
        }
    }

    fn recount(&self) -> bool {
        match self {
            Self::Values { ring, filled } => ring.iter().filter(|value| !value.is_nan()).count() == *filled,
            Self::Sums { counts, filled, .. } => counts.iter().filter(|count| **count > 0).count() == *filled,
        }
    }

    /// One byte that says how cells are made, so that no state is taken for one of the other make.
    pub(super) fn put_make(&self, out: &mut Vec<u8>) {
        match self {
            Self::Values { .. } => put_byte(out, 0),
            Self::Sums { energy, .. } => put_byte(out, 1 + u8::from(*energy)),
        }
    }
}

// `as` takes the nearest that there is
fn in_units(value: f64, energy: bool) -> i128 {
    let value = if energy { libm::exp10(value / 10.0) } else { value };
    (value * UNITS) as i128
}

// rounded once, here
fn mean(sum: i128, count: u32, energy: bool) -> f64 {
    let mean = (sum / i128::from(count.max(1))) as f64 / UNITS;
    if energy { 10.0 * libm::log10(mean) } else { mean }
}
