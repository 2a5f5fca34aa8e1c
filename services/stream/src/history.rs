//! What the judgement remembers of a series, to tell a repeat from a reading.
//!
//! The newest [`CAPACITY`] keys with their values, sorted by event time and vintage. A reading older than what has been
//! forgotten can be a repeat or not; it is counted, kept by the stores, and not judged.

use std::cmp::Ordering;
use std::collections::VecDeque;

use yiwang_detect::Sample;
use yiwang_model::Quality;
use yiwang_proto::log::History as Saved;

use crate::item::Item;

/// How many readings of a series are remembered; 16 bytes each in memory, 32 for a series that has vintages or bad
/// qualities.
pub const CAPACITY: usize = 128;

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

/// The memory of one series. Its bytes decide how many series a city can have, so what is rarely there stands apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Event time and value.
    samples: VecDeque<(i64, f64)>,
    /// Vintage and quality of each; `None` while all are 0 and good.
    rest: Option<VecDeque<(i64, Quality)>>,
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
        match self.samples.len().checked_sub(1).map(|last| self.key(last)) {
            Some(last) if new.key <= last => self.place(new),
            _ => self.push(new),
        }
    }

    /// The newest readings, oldest first, at most `most`.
    pub fn newest(&self, most: usize) -> impl Iterator<Item = Sample> + '_ {
        (self.samples.len().saturating_sub(most)..self.samples.len()).map(|at| self.entry(at).sample())
    }

    fn key(&self, at: usize) -> (i64, i64) {
        (self.samples[at].0, self.rest_of(at).0)
    }

    fn entry(&self, at: usize) -> Entry {
        Entry { key: self.key(at), value: self.samples[at].1, quality: self.rest_of(at).1 }
    }

    fn rest_of(&self, at: usize) -> (i64, Quality) {
        self.rest.as_ref().map_or((0, Quality::Good), |rest| rest[at])
    }

    fn push(&mut self, new: Entry) -> Seen {
        if self.samples.len() == CAPACITY {
            self.forget_oldest();
        }
        self.put(self.samples.len(), new);
        Seen::New
    }

    fn place(&mut self, new: Entry) -> Seen {
        match self.find(new.key) {
            Ok(at) => self.replace(at, new),
            Err(0) if self.cut => Seen::Forgotten,
            Err(0) if self.samples.len() == CAPACITY => {
                self.cut = true;
                Seen::Forgotten
            }
            Err(at) => self.insert(at, new),
        }
    }

    /// Where a key is, or where it would be.
    fn find(&self, key: (i64, i64)) -> Result<usize, usize> {
        let (mut from, mut to) = (0, self.samples.len());
        while from < to {
            let middle = from.midpoint(to);
            match self.key(middle).cmp(&key) {
                Ordering::Less => from = middle + 1,
                Ordering::Greater => to = middle,
                Ordering::Equal => return Ok(middle),
            }
        }
        Err(from)
    }

    fn insert(&mut self, at: usize, new: Entry) -> Seen {
        let mut at = at;
        if self.samples.len() == CAPACITY {
            self.forget_oldest();
            at -= 1;
        }
        self.put(at, new);
        Seen::New
    }

    fn replace(&mut self, at: usize, new: Entry) -> Seen {
        let old = self.entry(at);
        if old.value.to_bits() == new.value.to_bits() && old.quality == new.quality {
            return Seen::Repeat;
        }
        self.samples.remove(at);
        self.rest.iter_mut().for_each(|rest| _ = rest.remove(at));
        self.put(at, new);
        Seen::Correction(old.sample())
    }

    fn put(&mut self, at: usize, new: Entry) {
        let (time, vintage) = new.key;
        let plain = vintage == 0 && new.quality == Quality::Good;
        if !plain && self.rest.is_none() {
            self.rest = Some(self.samples.iter().map(|_| (0, Quality::Good)).collect());
        }
        self.samples.insert(at, (time, new.value));
        if let Some(rest) = &mut self.rest {
            rest.insert(at, (vintage, new.quality));
        }
    }

    fn forget_oldest(&mut self) {
        self.samples.pop_front();
        self.rest.iter_mut().for_each(|rest| _ = rest.pop_front());
        self.cut = true;
    }

    /// As a checkpoint has it.
    #[must_use]
    pub fn save(&self) -> Saved {
        let mut last = 0;
        let mut delta = |time: i64| time.wrapping_sub(std::mem::replace(&mut last, time));
        Saved {
            cut: self.cut,
            time_deltas: self.samples.iter().map(|(time, _)| delta(*time)).collect(),
            values: self.samples.iter().map(|(_, value)| *value).collect(),
            vintages: self.rest.iter().flatten().map(|(vintage, _)| *vintage).collect(),
            qualities: self.rest.iter().flatten().map(|(_, quality)| *quality as u8).collect(),
        }
    }

    /// From what [`History::save`] gave; `None` for what it cannot have given. Of more than are remembered the newest are
    /// taken.
    #[must_use]
    pub fn restore(saved: &Saved) -> Option<Self> {
        let count = saved.values.len();
        let rest = saved.vintages.len();
        if saved.time_deltas.len() != count || saved.qualities.len() != rest || (rest > 0 && rest != count) {
            return None;
        }
        let mut history = Self { cut: saved.cut, ..Self::default() };
        let mut time = 0_i64;
        let mut last = None;
        for (at, value) in saved.values.iter().enumerate() {
            time = time.wrapping_add(saved.time_deltas[at]);
            let vintage = saved.vintages.get(at).copied().unwrap_or_default();
            let quality = saved
                .qualities
                .get(at)
                .map_or(Some(Quality::Good), |quality| Quality::from_number(*quality))?;
            let key = (time, vintage);
            if last.replace(key).is_some_and(|last| last >= key) {
                return None;
            }
            history.push(Entry { key, value: *value, quality });
        }
        Some(history)
    }
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
                let back = History::restore(&history.save());
                prop_assert_eq!(back.as_ref(), Some(&history));
            }
        }

        #[test]
        fn vintages_are_readings_of_their_own(keys in prop::collection::vec((0..20_i64, 0..3_i64, 0..2_u8), 1..120)) {
            let mut history = History::default();
            let mut all: BTreeMap<(i64, i64), u8> = BTreeMap::new();
            for (time, vintage, value) in keys {
                let item = Item { vintage, ..item(time, f64::from(value)) };
                let wanted = match all.insert((time, vintage), value) {
                    None => Seen::New,
                    Some(old) if old == value => Seen::Repeat,
                    Some(old) => Seen::Correction(Sample { value: f64::from(old), ..Entry::of(&item).sample() }),
                };
                prop_assert_eq!(history.see(&item), wanted);
                let back = History::restore(&history.save());
                prop_assert_eq!(back.as_ref().map(History::save), Some(history.save()));
            }
        }

        #[test]
        fn arbitrary_columns_are_refused_or_read(
            cut: bool,
            time_deltas in prop::collection::vec(-1..3_i64, 0..6),
            values in prop::collection::vec(any::<f64>(), 0..6),
            vintages in prop::collection::vec(any::<i64>(), 0..6),
            qualities in prop::collection::vec(any::<u8>(), 0..6),
        ) {
            let saved = Saved { cut, time_deltas, values, vintages, qualities };
            if let Some(history) = History::restore(&saved) {
                let keys: Vec<_> = (0..history.samples.len()).map(|at| history.key(at)).collect();
                prop_assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?} rise");
                prop_assert_eq!(keys.len(), saved.values.len());
            }
        }
    }
}
