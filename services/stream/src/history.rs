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

/// The memory of one series. Its bytes decide how many series a city can have, so what is rarely there stands apart: 32 bytes where no
/// reading may be late; else 16 bytes a reading more, 32 for a series that has vintages or bad qualities.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    held: Held,
    /// All up to this event time is settled; `i64::MIN` for nothing.
    floor: i64,
}

impl Default for History {
    fn default() -> Self {
        Self { held: Held::None, floor: i64::MIN }
    }
}

/// The readings.
#[derive(Clone, Debug, PartialEq)]
enum Held {
    None,
    /// Event time and value of the only one, which has no vintage and is good.
    One(i64, f64),
    Many(Box<Many>),
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Many {
    /// Event time and value.
    samples: VecDeque<(i64, f64)>,
    /// Vintage and quality of each; `None` while all are 0 and good.
    rest: Option<VecDeque<(i64, Quality)>>,
}

impl Many {
    fn insert(&mut self, at: usize, new: &Entry) {
        let (time, vintage) = new.key;
        if !new.is_plain() && self.rest.is_none() {
            self.rest = Some(self.samples.iter().map(|_| (0, Quality::Good)).collect());
        }
        self.samples.insert(at, (time, new.value));
        if let Some(rest) = &mut self.rest {
            rest.insert(at, (vintage, new.quality));
        }
    }

    fn remove(&mut self, at: usize) {
        self.samples.remove(at);
        self.rest.iter_mut().for_each(|rest| _ = rest.remove(at));
    }

    fn forget(&mut self, first: usize) {
        self.samples.drain(..first);
        self.rest.iter_mut().for_each(|rest| _ = rest.drain(..first));
        if self.samples.capacity() > 4 * self.samples.len().max(16) {
            self.samples.shrink_to(2 * self.samples.len());
        }
    }
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

    fn is_plain(&self) -> bool {
        self.key.1 == 0 && self.quality == Quality::Good
    }

    fn sample(&self) -> Sample {
        Sample { time: Timestamp(self.key.0), value: self.value, quality: self.quality }
    }
}

impl History {
    /// Takes a reading in, unless its event time is at or before `settled` or what was settled before, and says what it is.
    pub fn see(&mut self, item: &Item, settled: Timestamp) -> Seen {
        let new = Entry::of(item);
        let last = self.len().checked_sub(1).map(|last| self.key(last));
        let place = if last.is_none_or(|last| new.key > last) { Err(self.len()) } else { self.find(new.key) };
        let is_late = new.key.0 <= settled.0 || (self.floor > i64::MIN && new.key.0 <= self.floor);
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
        self.len().checked_sub(1).map(|last| Timestamp(self.time(last)))
    }

    /// The readings after one event time and up to another, oldest first: of each event time the one of the newest vintage.
    pub fn played(&self, after: Timestamp, until: Timestamp) -> impl Iterator<Item = Sample> + Clone + '_ {
        let to = self.first_after(until);
        let is_last = move |at: &usize| *at + 1 == to || self.time(*at) != self.time(*at + 1);
        (self.first_after(after)..to).filter(is_last).map(|at| self.entry(at).sample())
    }

    /// The last of those up to an event time, oldest first, at most `most`.
    pub fn last(&self, most: usize, until: Timestamp) -> impl Iterator<Item = Sample> + '_ {
        let to = self.first_after(until);
        (to.saturating_sub(most)..to).map(|at| self.entry(at).sample())
    }

    /// Settles all up to an event time.
    pub fn settle(&mut self, until: Timestamp) {
        self.floor = self.floor.max(until.0);
    }

    /// Lets go of what is settled, but for the newest reading, by which a repeat is known.
    pub fn forget_settled(&mut self) {
        let Held::Many(many) = &mut self.held else { return };
        let settled = many.samples.partition_point(|(time, _)| *time <= self.floor);
        many.forget(settled.min(many.samples.len().saturating_sub(1)));
        self.hold_little();
    }

    /// Holds a reading that is alone without a box.
    fn hold_little(&mut self) {
        if self.len() == 1 && self.entry(0).is_plain() {
            let Entry { key: (time, _), value, .. } = self.entry(0);
            self.held = Held::One(time, value);
        }
    }

    fn first_after(&self, time: Timestamp) -> usize {
        match &self.held {
            Held::None => 0,
            Held::One(own, _) => usize::from(*own <= time.0),
            Held::Many(many) => many.samples.partition_point(|(own, _)| *own <= time.0),
        }
    }

    /// How many readings there are.
    pub fn len(&self) -> usize {
        match &self.held {
            Held::None => 0,
            Held::One(..) => 1,
            Held::Many(many) => many.samples.len(),
        }
    }

    /// A reading that is there.
    fn at(&self, at: usize) -> (i64, f64) {
        match &self.held {
            Held::None => (0, 0.0),
            Held::One(time, value) => (*time, *value),
            Held::Many(many) => many.samples[at],
        }
    }

    fn time(&self, at: usize) -> i64 {
        self.at(at).0
    }

    fn key(&self, at: usize) -> (i64, i64) {
        (self.time(at), self.rest_of(at).0)
    }

    fn entry(&self, at: usize) -> Entry {
        Entry { key: self.key(at), value: self.at(at).1, quality: self.rest_of(at).1 }
    }

    fn rest_of(&self, at: usize) -> (i64, Quality) {
        let Held::Many(many) = &self.held else { return (0, Quality::Good) };
        many.rest.as_ref().map_or((0, Quality::Good), |rest| rest[at])
    }

    /// Where a key is, or where it would be.
    fn find(&self, key: (i64, i64)) -> Result<usize, usize> {
        let (mut from, mut to) = (0, self.len());
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
        let many = self.many();
        many.remove(at);
        many.insert(at, &new);
        self.hold_little();
        Seen::Correction(old.sample())
    }

    /// Where no reading may be late, one takes the place of the one before, which is settled.
    fn put(&mut self, at: usize, new: Entry) {
        match &mut self.held {
            Held::None if new.is_plain() => self.held = Held::One(new.key.0, new.value),
            Held::One(time, value) if at == 1 && *time <= self.floor && new.is_plain() => {
                (*time, *value) = (new.key.0, new.value);
            }
            _ => self.many().insert(at, &new),
        }
    }

    /// The readings in a box.
    fn many(&mut self) -> &mut Many {
        match self.held {
            Held::Many(_) => {}
            Held::None => self.held = Held::Many(Box::default()),
            Held::One(time, value) => {
                self.held = Held::Many(Box::new(Many { samples: [(time, value)].into(), rest: None }));
            }
        }
        match &mut self.held {
            Held::Many(many) => many,
            Held::None | Held::One(..) => unreachable!("they were put into a box"),
        }
    }

    /// As a checkpoint has it.
    #[must_use]
    pub fn save(&self) -> Saved {
        let mut last = 0;
        let mut delta = |time: i64| time.wrapping_sub(std::mem::replace(&mut last, time));
        let rest = if let Held::Many(many) = &self.held { many.rest.as_ref() } else { None };
        let rest = || rest.into_iter().flatten();
        Saved {
            floor: Some(self.floor).filter(|floor| *floor > i64::MIN),
            time_deltas: (0..self.len()).map(|at| delta(self.time(at))).collect(),
            values: (0..self.len()).map(|at| self.at(at).1).collect(),
            vintages: rest().map(|(vintage, _)| *vintage).collect(),
            qualities: rest().map(|(_, quality)| *quality as u8).collect(),
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
        let mut history = Self { floor: saved.floor.unwrap_or(i64::MIN), ..Self::default() };
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
            history.many().insert(at, &Entry { key, value: *value, quality });
        }
        history.hold_little();
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
                let keys: Vec<_> = (0..history.len()).map(|at| history.key(at)).collect();
                prop_assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?} rise");
                prop_assert_eq!(keys.len(), saved.values.len());
            }
        }
    }
}
