//! The readings of a series that may still be judged anew, to tell a repeat from a reading and to play them again.
//!
//! Sorted by event time and vintage. What is older than the floor is settled: such a reading can be a repeat or not; it is
//! counted, kept by the stores, and not judged.

use std::cmp::Ordering;
use std::collections::VecDeque;

use yiwang_detect::Sample;
use yiwang_model::{Quality, Timestamp};
use yiwang_proto::log::History as Saved;

use crate::item::Item;

/// What a reading is, given what came before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Seen {
    /// It was not there before.
    New,
    /// It was there with the same value.
    Repeat,
    /// It was there with another value.
    Correction(Sample),
    /// It is older than all that may still be judged anew.
    TooLate,
}

/// The memory of one series. Its bytes decide how many series a city can have, so what is rarely there stands apart: 16 bytes a
/// reading, 32 for a series that has vintages or bad qualities.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Event time and value.
    samples: VecDeque<(i64, f64)>,
    /// Vintage and quality of each; `None` while all are 0 and good.
    rest: Option<VecDeque<(i64, Quality)>>,
    /// All up to this event time is settled.
    floor: Option<i64>,
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
        Sample { time: Timestamp(self.key.0), value: self.value, quality: self.quality }
    }
}

impl History {
    /// Takes a reading in, unless its event time is at or before `settled` or what was settled before, and says what it is.
    pub fn see(&mut self, item: &Item, settled: Timestamp) -> Seen {
        let new = Entry::of(item);
        let last = self.samples.len().checked_sub(1).map(|last| self.key(last));
        let place =
            if last.is_none_or(|last| new.key > last) { Err(self.samples.len()) } else { self.find(new.key) };
        let is_late = new.key.0 <= settled.0 || self.floor.is_some_and(|floor| new.key.0 <= floor);
        match place {
            Ok(at) if self.is_repeat(at, &new) => Seen::Repeat,
            _ if is_late => Seen::TooLate,
            Ok(at) => self.replace(at, new),
            Err(at) => {
                self.put(at, new);
                Seen::New
            }
        }
    }

    /// The event time of the newest reading.
    #[must_use]
    pub fn newest(&self) -> Option<Timestamp> {
        self.samples.back().map(|(time, _)| Timestamp(*time))
    }

    /// The readings after one event time and up to another, oldest first: of each event time the one of the newest vintage.
    pub fn played(&self, after: Timestamp, until: Timestamp) -> impl Iterator<Item = Sample> + Clone + '_ {
        let to = self.first_after(until);
        let is_last = move |at: &usize| *at + 1 == to || self.samples[*at].0 != self.samples[*at + 1].0;
        (self.first_after(after)..to).filter(is_last).map(|at| self.entry(at).sample())
    }

    /// The last of those up to an event time, oldest first, at most `most`.
    pub fn last(&self, most: usize, until: Timestamp) -> impl Iterator<Item = Sample> + '_ {
        let to = self.first_after(until);
        (to.saturating_sub(most)..to).map(|at| self.entry(at).sample())
    }

    /// Settles all up to an event time.
    pub fn settle(&mut self, until: Timestamp) {
        self.floor = self.floor.max(Some(until.0));
    }

    /// Lets go of what is settled, but for the newest reading, by which a repeat is known.
    pub fn forget_settled(&mut self) {
        let Some(floor) = self.floor else { return };
        let settled = self.first_after(Timestamp(floor)).min(self.samples.len().saturating_sub(1));
        self.samples.drain(..settled);
        self.rest.iter_mut().for_each(|rest| _ = rest.drain(..settled));
        if self.samples.capacity() > 4 * self.samples.len().max(16) {
            self.samples.shrink_to(2 * self.samples.len());
        }
    }

    fn first_after(&self, time: Timestamp) -> usize {
        self.samples.partition_point(|(own, _)| *own <= time.0)
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

    fn is_repeat(&self, at: usize, new: &Entry) -> bool {
        let old = self.entry(at);
        old.value.to_bits() == new.value.to_bits() && old.quality == new.quality
    }

    fn replace(&mut self, at: usize, new: Entry) -> Seen {
        let old = self.entry(at);
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

    /// As a checkpoint has it.
    #[must_use]
    pub fn save(&self) -> Saved {
        let mut last = 0;
        let mut delta = |time: i64| time.wrapping_sub(std::mem::replace(&mut last, time));
        Saved {
            floor: self.floor,
            time_deltas: self.samples.iter().map(|(time, _)| delta(*time)).collect(),
            values: self.samples.iter().map(|(_, value)| *value).collect(),
            vintages: self.rest.iter().flatten().map(|(vintage, _)| *vintage).collect(),
            qualities: self.rest.iter().flatten().map(|(_, quality)| *quality as u8).collect(),
        }
    }

    /// From what [`History::save`] gave; `None` for what it cannot have given.
    #[must_use]
    pub fn restore(saved: &Saved) -> Option<Self> {
        let count = saved.values.len();
        let rest = saved.vintages.len();
        if saved.time_deltas.len() != count || saved.qualities.len() != rest || (rest > 0 && rest != count) {
            return None;
        }
        let mut history = Self { floor: saved.floor, ..Self::default() };
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
            history.put(at, Entry { key, value: *value, quality });
        }
        Some(history)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn item(time: i64, value: f64) -> Item {
        Item { time: Timestamp(time), value, ..Item::default() }
    }

    proptest! {
        #[test]
        fn a_repeat_is_never_taken_for_a_reading(
            times in prop::collection::vec((0..600_i64, 0..3_u8), 1..900), allowed in 1..600_i64,
        ) {
            let mut history = History::default();
            let mut all: BTreeMap<i64, u8> = BTreeMap::new();
            for (at, (time, value)) in times.into_iter().enumerate() {
                let settled = history.newest().map_or(-1, |newest| newest.0 - allowed);
                let seen = history.see(&item(time, f64::from(value)), Timestamp(settled));
                let before = all.get(&time).copied();
                prop_assert_eq!(seen == Seen::TooLate, time <= settled && seen != Seen::Repeat, "{} at {}", value, time);
                if seen == Seen::TooLate {
                    continue;
                }
                all.insert(time, value);
                match (before, seen) {
                    (None, seen) => prop_assert_eq!(seen, Seen::New),
                    (Some(old), Seen::Repeat) => prop_assert_eq!(old, value),
                    (Some(old), Seen::Correction(was)) => prop_assert_eq!(was.value, f64::from(old)),
                    (Some(_), seen) => prop_assert!(false, "{} at {} was there: {:?}", value, time, seen),
                }
                if at % 7 == 0 {
                    history.settle(Timestamp(settled));
                    history.forget_settled();
                }
                let played: Vec<_> = history.played(Timestamp(settled), Timestamp::MAX).map(|of| (of.time.0, of.value)).collect();
                let wanted: Vec<_> = all.range(settled + 1..).map(|(time, value)| (*time, f64::from(*value))).collect();
                prop_assert_eq!(played, wanted);
                let back = History::restore(&history.save());
                prop_assert_eq!(back.as_ref(), Some(&history));
            }
        }

        #[test]
        fn vintages_are_readings_of_their_own_and_the_newest_is_played(
            keys in prop::collection::vec((0..20_i64, 0..3_i64, 0..2_u8), 1..120),
        ) {
            let mut history = History::default();
            let mut all: BTreeMap<(i64, i64), u8> = BTreeMap::new();
            for (time, vintage, value) in keys {
                let item = Item { vintage, ..item(time, f64::from(value)) };
                let wanted = match all.insert((time, vintage), value) {
                    None => Seen::New,
                    Some(old) if old == value => Seen::Repeat,
                    Some(old) => Seen::Correction(Sample { value: f64::from(old), ..Entry::of(&item).sample() }),
                };
                prop_assert_eq!(history.see(&item, Timestamp::MIN), wanted);
                let back = History::restore(&history.save());
                prop_assert_eq!(back.as_ref().map(History::save), Some(history.save()));
            }
            let newest: BTreeMap<i64, u8> = all.iter().map(|((time, _), value)| (*time, *value)).collect();
            let played: Vec<_> = history.played(Timestamp::MIN, Timestamp::MAX).map(|of| (of.time.0, of.value)).collect();
            prop_assert_eq!(played, newest.into_iter().map(|(time, value)| (time, f64::from(value))).collect::<Vec<_>>());
        }

        #[test]
        fn arbitrary_columns_are_refused_or_read(
            floor: Option<i64>,
            time_deltas in prop::collection::vec(-1..3_i64, 0..6),
            values in prop::collection::vec(any::<f64>(), 0..6),
            vintages in prop::collection::vec(any::<i64>(), 0..6),
            qualities in prop::collection::vec(any::<u8>(), 0..6),
        ) {
            let saved = Saved { floor, time_deltas, values, vintages, qualities };
            if let Some(history) = History::restore(&saved) {
                let keys: Vec<_> = (0..history.samples.len()).map(|at| history.key(at)).collect();
                prop_assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?} rise");
                prop_assert_eq!(keys.len(), saved.values.len());
            }
        }
    }
}
