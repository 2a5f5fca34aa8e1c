//! What was sent, or will be, and is not acknowledged: numbered without gaps, in order.

use std::collections::VecDeque;
use std::time::Instant;

use super::{Acked, Batch, OnAck, Refused};

/// Batches that are not acknowledged, by a number that rises by one from batch to batch.
///
/// An acknowledgement out of order leaves a hole; a hole is never sent or told of again. One for a number that is not
/// here is late and changes nothing.
#[derive(Debug, Default)]
pub struct Unacked {
    first: u64,
    entries: VecDeque<Option<Entry>>,
    readings: usize,
}

#[derive(Debug)]
struct Entry {
    batch: Batch,
    due: Instant,
    refused: Vec<Refused>,
    unnamed: u64,
    unsure: bool,
}

impl Unacked {
    /// Takes a batch in and answers its number.
    pub fn push(&mut self, batch: Batch, due: Instant) -> u64 {
        self.readings += batch.len();
        self.entries.push_back(Some(Entry { batch, due, refused: Vec::new(), unnamed: 0, unsure: false }));
        self.end() - 1
    }

    /// The number of the oldest batch.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The number that the next batch will have.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// How many numbers are taken, holes among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether everything is acknowledged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many readings are not acknowledged.
    #[must_use]
    pub fn readings(&self) -> usize {
        self.readings
    }

    /// The batch with this number, unless it is acknowledged.
    #[must_use]
    pub fn get(&self, number: u64) -> Option<&Batch> {
        self.entries.get(self.place(number)?)?.as_ref().map(|entry| &entry.batch)
    }

    /// Notes that a reading was refused; it is told with the acknowledgement.
    pub fn refuse(&mut self, number: u64, refused: Refused) {
        if let Some(entry) = self.entry(number) {
            entry.refused.push(refused);
        }
    }

    /// Notes that so many more were refused up to and with this batch, and not which; counted with the oldest.
    pub fn refuse_unnamed(&mut self, through: u64, count: u64) {
        let mut count = Some(count).filter(|count| *count > 0);
        let known = count.is_none();
        for number in self.first..=through.min(self.end().saturating_sub(1)) {
            if let (false, Some(entry)) = (known, self.entry(number)) {
                entry.unnamed += count.take().unwrap_or(0);
                entry.unsure = true;
            }
        }
    }

    /// Everything up to and with this number is acknowledged; answers how many batches that were.
    pub fn ack_through(&mut self, number: u64, tell: &mut OnAck) -> usize {
        let mut told = 0;
        while self.first <= number && !self.entries.is_empty() {
            told += usize::from(self.ack_one(self.first, tell));
        }
        told
    }

    /// This one is acknowledged; answers whether it was waited for.
    pub fn ack_one(&mut self, number: u64, tell: &mut OnAck) -> bool {
        let place = self.place(number);
        let entry = place.and_then(|place| self.entries.get_mut(place)).and_then(Option::take);
        if let Some(entry) = &entry {
            self.readings -= entry.batch.len();
            tell(&entry.acked());
        }
        while let Some(None) = self.entries.front() {
            self.entries.pop_front();
            self.first += 1;
        }
        entry.is_some()
    }

    fn entry(&mut self, number: u64) -> Option<&mut Entry> {
        let place = self.place(number)?;
        self.entries.get_mut(place)?.as_mut()
    }

    fn place(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.first)?).ok()
    }
}

impl Entry {
    fn acked(&self) -> Acked<'_> {
        Acked {
            batch: &self.batch,
            due: self.due,
            refused: &self.refused,
            unnamed: self.unnamed,
            unsure: self.unsure,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use proptest::prelude::*;

    use super::*;

    fn one(value: f64) -> Batch {
        let mut batch = Batch { series: Arc::new(vec![Default::default()]), ..Batch::default() };
        batch.push(0, 1, value);
        batch
    }

    #[derive(Clone, Debug)]
    enum Act {
        Push,
        Through(u64),
        One(u64),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            Just(Act::Push),
            Just(Act::Push),
            (0..40u64).prop_map(Act::Through),
            (0..40u64).prop_map(Act::One)
        ]
    }

    proptest! {
        /// Against a set: what was acknowledged is told once, what was not is still there, numbers have no gaps.
        #[test]
        fn nothing_is_told_twice_and_nothing_is_forgotten(acts in prop::collection::vec(act(), 1..80)) {
            let told = Arc::new(Mutex::new(Vec::new()));
            let seen = told.clone();
            let mut tell: OnAck = Box::new(move |acked| seen.lock().expect("alive").push(acked.batch.value[0] as u64));
            let (mut unacked, mut waiting, mut pushed) = (Unacked::default(), std::collections::BTreeSet::new(), 0);
            for act in acts {
                match act {
                    Act::Push => {
                        prop_assert_eq!(unacked.push(one(pushed as f64), Instant::now()), pushed);
                        waiting.insert(pushed);
                        pushed += 1;
                    }
                    Act::Through(number) => {
                        unacked.ack_through(number, &mut tell);
                        waiting.retain(|n| *n > number);
                    }
                    Act::One(number) => {
                        prop_assert_eq!(unacked.ack_one(number, &mut tell), waiting.remove(&number));
                    }
                }
                let there: Vec<u64> = (0..pushed).filter(|n| unacked.get(*n).is_some()).collect();
                prop_assert_eq!(there, waiting.iter().copied().collect::<Vec<_>>());
                prop_assert_eq!(unacked.readings(), waiting.len());
                prop_assert_eq!(unacked.end(), pushed);
            }
            let mut told = told.lock().expect("alive").clone();
            told.sort_unstable();
            prop_assert_eq!(told, (0..pushed).filter(|n| !waiting.contains(n)).collect::<Vec<_>>());
        }
    }
}
