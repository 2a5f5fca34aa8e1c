//! What the judgement remembers of a series, to tell a repeat from a reading.
//!
//! The newest [`CAPACITY`] keys with their values, sorted by event time and vintage. A reading older than what has been
//! forgotten can be a repeat or not; it is counted, kept by the stores, and not judged.

use std::collections::VecDeque;

use yiwang_detect::Sample;
use yiwang_model::Quality;

use crate::item::Item;

/// How many readings of a series are remembered; 25 bytes each in a checkpoint, 32 in memory.
pub const CAPACITY: usize = 256;

/// What a reading is, given what came before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Seen {
    /// It was not there before.
    New,
    /// It was there with the same value.
    Repeat,
    /// It was there with another value.
    Correction(Sample),
    /// It is older than all that is remembered.
    Forgotten,
}

/// The memory of one series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    entries: VecDeque<Entry>,
    /// Whether something was forgotten: all that is older than the first entry is then unknown.
    cut: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Entry {
    key: (i64, i64),
    value: f64,
    quality: Quality,
}

impl Entry {
    fn of(item: &Item) -> Self {
        Self { key: (item.time.nanos(), item.vintage), value: item.value, quality: item.quality }
    }

    fn sample(&self) -> Sample {
        Sample { time: yiwang_model::Timestamp(self.key.0), value: self.value, quality: self.quality }
    }
}

impl History {
    /// Takes a reading in and says what it is.
    pub fn see(&mut self, item: &Item) -> Seen {
        let new = Entry::of(item);
        match self.entries.back() {
            Some(last) if new.key > last.key => self.push(new),
            Some(_) => self.place(new),
            None => self.push(new),
        }
    }

    /// The newest readings, oldest first, at most `most`.
    pub fn newest(&self, most: usize) -> impl Iterator<Item = Sample> + '_ {
        self.entries.iter().skip(self.entries.len().saturating_sub(most)).map(Entry::sample)
    }

    fn push(&mut self, new: Entry) -> Seen {
        if self.entries.len() == CAPACITY {
            self.entries.pop_front();
            self.cut = true;
        }
        self.entries.push_back(new);
        Seen::New
    }

    fn place(&mut self, new: Entry) -> Seen {
        match self.entries.binary_search_by(|entry| entry.key.cmp(&new.key)) {
            Ok(at) => self.replace(at, new),
            Err(0) if self.cut => Seen::Forgotten,
            Err(0) if self.entries.len() == CAPACITY => {
                self.cut = true;
                Seen::Forgotten
            }
            Err(at) => self.insert(at, new),
        }
    }

    fn insert(&mut self, at: usize, new: Entry) -> Seen {
        self.entries.insert(at, new);
        if self.entries.len() > CAPACITY {
            self.entries.pop_front();
            self.cut = true;
        }
        Seen::New
    }

    fn replace(&mut self, at: usize, new: Entry) -> Seen {
        let old = self.entries[at];
        if old.value.to_bits() == new.value.to_bits() && old.quality == new.quality {
            return Seen::Repeat;
        }
        self.entries[at] = new;
        Seen::Correction(old.sample())
    }

    /// As bytes: one that says whether something was forgotten, then 25 for each reading: event time, vintage, value as
    /// little-endian 64-bit numbers, quality.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1 + self.entries.len() * ENTRY_BYTES);
        bytes.push(u8::from(self.cut));
        for entry in &self.entries {
            bytes.extend(entry.key.0.to_le_bytes());
            bytes.extend(entry.key.1.to_le_bytes());
            bytes.extend(entry.value.to_le_bytes());
            bytes.push(entry.quality as u8);
        }
        bytes
    }

    /// From what [`History::to_bytes`] gave; `None` for other bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (cut, rest) = bytes.split_first()?;
        if *cut > 1 || !rest.len().is_multiple_of(ENTRY_BYTES) || rest.len() / ENTRY_BYTES > CAPACITY {
            return None;
        }
        let entries: Option<VecDeque<_>> = rest.chunks_exact(ENTRY_BYTES).map(entry).collect();
        let entries = entries.filter(|entries| entries.iter().is_sorted_by(|a, b| a.key < b.key))?;
        Some(Self { entries, cut: *cut == 1 })
    }
}

const ENTRY_BYTES: usize = 25;

fn entry(bytes: &[u8]) -> Option<Entry> {
    let number = |at: usize| bytes.get(at..at + 8)?.try_into().ok();
    Some(Entry {
        key: (i64::from_le_bytes(number(0)?), i64::from_le_bytes(number(8)?)),
        value: f64::from_le_bytes(number(16)?),
        quality: Quality::from_number(*bytes.get(24)?)?,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use yiwang_model::Timestamp;

    use super::*;

    fn item(time: i64, value: f64) -> Item {
        Item { time: Timestamp(time), value, ..Item::default() }
    }

    proptest! {
        #[test]
        fn a_repeat_is_never_taken_for_a_reading(times in prop::collection::vec((0..600_i64, 0..3_u8), 1..900)) {
            let mut history = History::default();
            let mut all: BTreeMap<i64, u8> = BTreeMap::new();
            for (time, value) in times {
                let seen = history.see(&item(time, f64::from(value)));
                match (all.insert(time, value), seen) {
                    (_, Seen::Forgotten) => prop_assert!(all.len() > CAPACITY),
                    (None, seen) => prop_assert_eq!(seen, Seen::New),
                    (Some(old), Seen::Repeat) => prop_assert_eq!(old, value),
                    (Some(old), Seen::Correction(was)) => prop_assert_eq!(was.value, f64::from(old)),
                    (Some(_), Seen::New) => prop_assert!(false, "{} at {} was there", value, time),
                }
                let back = History::from_bytes(&history.to_bytes());
                prop_assert_eq!(back.as_ref(), Some(&history));
            }
        }

        #[test]
        fn arbitrary_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = History::from_bytes(&bytes);
        }
    }
}
