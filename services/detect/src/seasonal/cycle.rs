//! Whether the day's cycle is there: values regressed on their profile over a time in six parts.

use yiwang_model::{Span, Timestamp};

use super::Rules;
use crate::Error;
use crate::profile::Usual;
use crate::robust::learn_spread;
use crate::state::{Reader, put_byte, put_count, put_single, put_whole};

/// Parts of the time that is looked at.
const PARTS: usize = 6;
/// Shares that are learnt before one is judged, and over how many they fade to a third.
const LEAST_SHARES: u16 = 24;
const SHARES_MEMORY: f64 = 120.0;
/// How far below the shares so far a lost one lies, in their spreads, and the least such spread.
const BELOW: f64 = 3.5;
const LEAST_SPREAD: f64 = 0.05;
/// The share of the readings that must be there.
const COVERED: f64 = 0.75;
/// Distances from the level of all times are cut at so many spreads.
const MOST: f64 = 100.0;

/// Sums over a part, in spreads of all times from their level.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Part {
    count: u32,
    /// Of x, p, x·p, p², and of the spread at each time.
    sums: [f32; 5],
}

impl Part {
    fn add(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.sums.iter_mut().zip(other.sums).for_each(|(sum, other)| *sum += other);
    }
}

/// Saved as in [`super`].
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Cycle {
    /// The newest last.
    parts: [Part; PARTS],
    /// The number of the newest since 1970.
    number: i64,
    mean: f32,
    spread: f32,
    learnt: u16,
    is_lost: bool,
}

impl Cycle {
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Takes a value; with the first of a new part it looks at those before.
    pub(super) fn see(&mut self, time: Timestamp, value: f64, usual: Usual, rules: &Rules, period: Span) {
        let number = time.nanos().div_euclid((rules.lost_for.0 / PARTS as i64).max(1));
        if number != self.number {
            self.look(rules, period);
            self.turn_to(number);
        }
        let (level, spread) = usual.all;
        let from = |value: f64| ((value - level) / spread).clamp(-MOST, MOST);
        let (x, p) = (from(value), from(usual.level));
        let sums = [x, p, x * p, p * p, (usual.spread / spread).min(MOST)].map(|sum| sum as f32);
        self.parts[PARTS - 1].add(&Part { count: 1, sums });
    }

    fn turn_to(&mut self, number: i64) {
        let passed = number.saturating_sub(self.number).clamp(0, PARTS as i64) as usize;
        self.parts.rotate_left(passed);
        self.parts[PARTS - passed..].fill(Part::default());
        self.number = number;
    }

    fn look(&mut self, rules: &Rules, period: Span) {
        let Some(share) = self.share(rules, period) else { return };
        if self.is_lost {
            self.is_lost = share <= (1.0 + rules.share) / 2.0;
            return;
        }
        let (mean, spread) = (f64::from(self.mean), f64::from(self.spread).max(LEAST_SPREAD));
        let is_known = self.learnt >= LEAST_SHARES;
        self.is_lost = is_known && share < rules.share && mean - share > BELOW * spread;
        if !self.is_lost {
            self.learn(share);
        }
    }

    /// The share of the cycle that is there; `None` where there is none to lose or too little was read.
    fn share(&self, rules: &Rules, period: Span) -> Option<f64> {
        let mut all = Part::default();
        self.parts.iter().for_each(|part| all.add(part));
        let expected = rules.lost_for.0 as f64 / period.0.max(1) as f64;
        let count = f64::from(all.count);
        if period.0 <= 0 || count < COVERED * expected || count < 2.0 * PARTS as f64 {
            return None;
        }
        let [x, p, xp, pp, spread] = all.sums.map(|sum| f64::from(sum) / count);
        let variance = pp - p * p;
        (variance.max(0.0).sqrt() >= rules.strength * spread && variance > 0.0)
            .then(|| (xp - x * p) / variance)
    }

    fn learn(&mut self, share: f64) {
        let weight = (2.0 / (f64::from(self.learnt) + 2.0)).max(1.0 / SHARES_MEMORY);
        let share = share.clamp(-MOST, MOST);
        let mean = f64::from(self.mean);
        self.spread = learn_spread(f64::from(self.spread), LEAST_SPREAD, share - mean, weight) as f32;
        self.mean = (mean + weight * (share - mean)) as f32;
        self.learnt = self.learnt.saturating_add(1);
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        for part in &self.parts {
            put_count(out, part.count as usize);
            part.sums.iter().for_each(|sum| put_single(out, *sum));
        }
        put_whole(out, self.number);
        put_single(out, self.mean);
        put_single(out, self.spread);
        put_count(out, self.learnt.into());
        put_byte(out, self.is_lost.into());
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, Error> {
        let mut cycle = Self::default();
        for part in &mut cycle.parts {
            part.count = from.count(u32::MAX as usize)? as u32;
            for sum in &mut part.sums {
                *sum = from.single(MOST * MOST * 1e10)?;
            }
        }
        cycle.number = from.whole()?;
        (cycle.mean, cycle.spread) = (from.single(MOST)?, from.single_to(1e6)?);
        cycle.learnt = from.count(u16::MAX.into())? as u16;
        cycle.is_lost = from.byte()? != 0;
        Ok(cycle)
    }
}
