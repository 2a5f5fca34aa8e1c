//! What the witnesses remember: the last values, running moments, and means that are compared with those before them.

use crate::Error;
use crate::state::{Reader, put_count, put_number};

/// The last values, at most a fixed number. Saved as their count and the values, oldest first.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    values: Box<[f64]>,
    next: usize,
    filled: usize,
}

impl Ring {
    pub(super) fn new(size: usize) -> Self {
        Self { values: vec![0.0; size].into(), next: 0, filled: 0 }
    }

    pub(super) fn size(&self) -> usize {
        self.values.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.filled == self.size()
    }

    /// Takes a value; gives the one that has to go for it.
    pub(super) fn push(&mut self, value: f64) -> Option<f64> {
        let gone = self.is_full().then_some(self.values[self.next]);
        self.values[self.next] = value;
        self.next = (self.next + 1) % self.size();
        self.filled = self.size().min(self.filled + 1);
        gone
    }

    /// Oldest first: sums are the same before and after the ring was saved.
    pub(super) fn by_age(&self) -> impl Iterator<Item = f64> {
        let from = if self.is_full() { self.next } else { 0 };
        let (young, old) = self.values[..self.filled].split_at(from);
        old.iter().chain(young).copied()
    }

    /// The mean of a full ring.
    pub(super) fn mean(&self) -> Option<f64> {
        self.is_full().then(|| self.by_age().sum::<f64>() / self.size() as f64)
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_count(out, self.filled);
        self.by_age().for_each(|value| put_number(out, value));
    }

    pub(super) fn read(from: &mut Reader<'_>, size: usize) -> Result<Self, Error> {
        let mut ring = Self::new(size);
        for _ in 0..from.count(size)? {
            ring.push(from.number()?);
        }
        Ok(ring)
    }
}

/// Mean and variance of all values, the last so many weighing most. Saved as count, mean, variance.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moments {
    count: f64,
    mean: f64,
    variance: f64,
}

impl Moments {
    /// Takes a value: with the weight of one among all, or of one among `memory`, whichever is more.
    pub(super) fn add(&mut self, value: f64, memory: f64) {
        self.count += 1.0;
        let weight = (1.0 / self.count).max(1.0 / memory);
        let from = value - self.mean;
        self.mean += weight * from;
        self.variance = (1.0 - weight) * (self.variance + weight * from * from);
    }

    pub(super) fn count(&self) -> f64 {
        self.count
    }

    /// How many standard deviations, at least `floor` each, a value is from the mean.
    pub(super) fn distance(&self, value: f64, floor: f64) -> f64 {
        (value - self.mean) / self.variance.sqrt().max(floor).max(f64::MIN_POSITIVE)
    }

    fn put(&self, out: &mut Vec<u8>) {
        [self.count, self.mean, self.variance].iter().for_each(|number| put_number(out, *number));
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self { count: from.number()?, mean: from.number()?, variance: from.number()? })
    }
}

/// The mean of the last values, against all such means that ended before the first of these values came: values that follow
/// from each other make such means spread, and that is paid for. Saved as values, means, moments.
#[derive(Clone, Debug)]
pub(super) struct Late {
    values: Ring,
    means: Ring,
    history: Moments,
}

impl Late {
    pub(super) fn new(size: usize) -> Self {
        Self { values: Ring::new(size), means: Ring::new(size), history: Moments::default() }
    }

    /// Takes a value; how many standard deviations the mean is off, 0 while too little is known. `of` is what is made of a mean.
    pub(super) fn see(&mut self, value: f64, memory: f64, floor: f64, of: impl Fn(f64) -> f64) -> f64 {
        self.values.push(value);
        let Some(mean) = self.values.mean().map(of) else { return 0.0 };
        if let Some(gone) = self.means.push(mean) {
            self.history.add(gone, memory);
        }
        if self.history.count() < self.values.size() as f64 {
            return 0.0;
        }
        self.history.distance(mean, floor)
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        self.values.put(out);
        self.means.put(out);
        self.history.put(out);
    }

    pub(super) fn read(from: &mut Reader<'_>, size: usize) -> Result<Self, Error> {
        let (values, means) = (Ring::read(from, size)?, Ring::read(from, size)?);
        Ok(Self { values, means, history: Moments::read(from)? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn moments_are_those_of_the_definition(values in prop::collection::vec(-99.0..99.0, 1..50)) {
            let mut moments = Moments::default();
            values.iter().for_each(|value| moments.add(*value, 1e9));
            let count = values.len() as f64;
            let mean = values.iter().sum::<f64>() / count;
            let variance = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count;
            prop_assert!((moments.mean - mean).abs() < 1e-9 && (moments.variance - variance).abs() < 1e-6);
        }

        #[test]
        fn a_ring_has_the_last_values_in_their_order(values in prop::collection::vec(-9.0..9.0, 0..20)) {
            let mut ring = Ring::new(7);
            let gone: Vec<_> = values.iter().filter_map(|value| ring.push(*value)).collect();
            let kept: Vec<_> = ring.by_age().collect();
            prop_assert_eq!([gone, kept].concat(), values);
        }
    }
}
