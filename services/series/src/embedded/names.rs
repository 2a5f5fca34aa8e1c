//! The series that a store knows: a dense index for memory, the sorted roll for files, and the file of names.
//!
//! # `NAMES`
//! A line `yiwang-series-names 1`, then one line `source`, tab, `metric` for each series, in the order in
//! which they were named; lines end in a line feed. It only grows. The manifest says how many bytes of it
//! count and their CRC-32C; what lies behind them was never committed and is written over.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use yiwang_disk::Disk;
use yiwang_model::{Series, SeriesId};

use super::disk_io::{corrupt, read_failed, synced, write_failed};
use crate::Error;

/// The name of the file in the store's folder.
pub(super) const NAMES: &str = "NAMES";
const FIRST_LINE: &str = "yiwang-series-names 1\n";
const MOST_BYTES: u64 = 1 << 32;

/// How much of the file of names counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NamesExtent {
    /// Series.
    pub(super) count: u32,
    /// Bytes from the beginning of the file.
    pub(super) bytes: u64,
    /// CRC-32C of these bytes.
    pub(super) crc32c: u32,
}

/// A dense number of a series, in the order of naming; the same as long as the store lives.
pub(super) type SeriesIndex = u32;

/// All series by number and by name.
#[derive(Default)]
pub(super) struct Names {
    series: Vec<Series>,
    index: HashMap<SeriesId, SeriesIndex, SeededState>,
    roll: Option<Arc<Roll>>,
}

/// The series of one moment, sorted by name.
#[derive(Default)]
pub(super) struct Roll {
    /// By number.
    pub(super) series: Vec<Series>,
    /// Numbers, by name.
    pub(super) order: Vec<SeriesIndex>,
}

impl Names {
    /// Takes a name in; one that is known changes nothing.
    pub(super) fn add(&mut self, id: SeriesId, series: &Series) {
        if self.index.contains_key(&id) {
            return;
        }
        let next = SeriesIndex::try_from(self.series.len()).expect("fewer series than u32 fit in memory");
        self.index.insert(id, next);
        self.series.push(series.clone());
        self.roll = None;
    }

    pub(super) fn index(&self, id: SeriesId) -> Option<SeriesIndex> {
        self.index.get(&id).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.series.len()
    }

    /// The roll, if no name came since it was made; else what [`Roll::of`] makes one from.
    pub(super) fn roll(&self) -> Result<Arc<Roll>, Vec<Series>> {
        self.roll.clone().ok_or_else(|| self.series.clone())
    }

    /// Keeps a roll, unless names came meanwhile.
    pub(super) fn keep(&mut self, roll: &Arc<Roll>) {
        if roll.series.len() == self.series.len() {
            self.roll = Some(Arc::clone(roll));
        }
    }
}

impl Roll {
    /// Sorts the series.
    pub(super) fn of(series: Vec<Series>) -> Self {
        let count = SeriesIndex::try_from(series.len()).expect("fewer series than u32 fit in memory");
        let mut order: Vec<SeriesIndex> = (0..count).collect();
        order.sort_unstable_by(|a, b| series[*a as usize].cmp(&series[*b as usize]));
        Self { series, order }
    }

    /// The numbers of all series of a source.
    pub(super) fn of_source(&self, source: &str) -> &[SeriesIndex] {
        let name = |at: &SeriesIndex| -> &str { self.series[*at as usize].source() };
        let from = self.order.partition_point(|at| name(at) < source);
        let to = self.order.partition_point(|at| name(at) <= source);
        &self.order[from..to]
    }
}

/// Reads the names that count.
pub(super) fn read(disk: &dyn Disk, folder: &Path, extent: NamesExtent) -> Result<Names, Error> {
    let path = folder.join(NAMES);
    let mut names = Names::default();
    if extent.count == 0 {
        return Ok(names);
    }
    let bytes =
        yiwang_disk::read_whole(disk, &path, MOST_BYTES).map_err(|error| read_failed(&path, &error))?;
    let bytes = bytes.ok_or_else(|| corrupt(&path, "is missing"))?;
    let counted = usize::try_from(extent.bytes).ok().and_then(|length| bytes.get(..length));
    let counted =
        counted.ok_or_else(|| corrupt(&path, format!("has {} of {} bytes", bytes.len(), extent.bytes)))?;
    if crc32c::crc32c(counted) != extent.crc32c {
        return Err(corrupt(&path, "has another checksum than the manifest says"));
    }
    let text = std::str::from_utf8(counted).map_err(|error| corrupt(&path, error))?;
    let lines =
        text.strip_prefix(FIRST_LINE).ok_or_else(|| corrupt(&path, "does not begin as a file of names"))?;
    for line in lines.lines() {
        let (source, metric) =
            line.split_once('\t').ok_or_else(|| corrupt(&path, "has a line without a tab"))?;
        let series = Series::new(source, metric).map_err(|error| corrupt(&path, error))?;
        names.add(series.id(), &series);
    }
    if names.len() != extent.count as usize {
        return Err(corrupt(&path, format!("has {} series, not {}", names.len(), extent.count)));
    }
    Ok(names)
}

/// Appends names behind what counts and syncs them; they count once a manifest with the answer is durable.
pub(super) fn append(
    disk: &dyn Disk,
    folder: &Path,
    extent: NamesExtent,
    new: &[Series],
) -> Result<NamesExtent, Error> {
    let path = folder.join(NAMES);
    if new.is_empty() {
        return Ok(extent);
    }
    let mut text = String::with_capacity(new.len() * 32);
    if extent.bytes == 0 {
        text.push_str(FIRST_LINE);
    }
    for series in new {
        text.extend([series.source(), "\t", series.metric(), "\n"]);
    }
    let file = disk.open(&path, true).map_err(|error| write_failed(&path, &error))?;
    file.write_at(text.as_bytes(), extent.bytes).map_err(|error| write_failed(&path, &error))?;
    synced(&path, file.sync_data())?;
    synced(&path, disk.sync_dir(folder))?;
    Ok(NamesExtent {
        count: extent.count + u32::try_from(new.len()).expect("fewer series than u32 fit in memory"),
        bytes: extent.bytes + text.len() as u64,
        crc32c: crc32c::crc32c_append(extent.crc32c, text.as_bytes()),
    })
}

/// Hashes series numbers, which are hashes already, with a key of this process: senders choose names.
struct SeededState(u64);

impl Default for SeededState {
    fn default() -> Self {
        Self(RandomState::new().hash_one(0))
    }
}

impl BuildHasher for SeededState {
    type Hasher = SeededHasher;

    fn build_hasher(&self) -> SeededHasher {
        SeededHasher(self.0)
    }
}

struct SeededHasher(u64);

impl Hasher for SeededHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        let product = u128::from(self.0 ^ number) * 0x9E37_79B9_7F4A_7C15;
        self.0 = product as u64 ^ (product >> 64) as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_roll_is_sorted_by_name_and_finds_a_source() {
        let mut names = Names::default();
        for (source, metric) in [("b", "y"), ("a", "z"), ("b", "x"), ("ab", "y"), ("b", "y")] {
            let series = Series::new(source, metric).expect("good names");
            names.add(series.id(), &series);
        }
        assert_eq!(names.len(), 4, "a name said twice is one");
        let roll = Roll::of(names.roll().err().expect("no roll was made yet"));
        assert_eq!(roll.order, [1, 3, 2, 0]);
        assert_eq!(roll.of_source("b"), [2, 0]);
        assert!(roll.of_source("c").is_empty());
    }
}
