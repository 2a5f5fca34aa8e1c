//! The witnesses: each says how strange a value is for it, in its own measure, and then learns it.

use yiwang_model::{Span, Timestamp};

use super::Rules;
use super::history::{Late, Ring};
use crate::Error;
use crate::state::{Reader, put_count, put_number};
use crate::tail::LARGEST;

/// How many witnesses there are.
pub(super) const COUNT: usize = 6;
/// What they are called, in the order in which they speak.
pub(super) const NAMES: [&str; COUNT] = ["range", "forecast", "level", "rank", "roughness", "jump"];
/// Hours of a day.
const SLOTS: usize = 24;
/// Values against which a rank is taken.
const KEPT: usize = 64;
/// The least spread that is assumed, as a share of the range.
const FLOOR: f64 = 1e-3;
/// The least spread of means of errors, ranks and logarithms of steps.
const ERROR_FLOOR: f64 = 0.3 * FLOOR;
const RANK_FLOOR: f64 = 0.02;
const ROUGH_FLOOR: f64 = 0.05;
/// The share of the typical step that is added before its logarithm is taken, so that a stuck value has one.
const LEAST_STEP: f64 = 0.02;
/// A measure where there was no range yet.
const FIRST_STEP: f64 = 1e3;
/// The least weight of a new step in the typical jump.
const JUMP_WEIGHT: f64 = 0.005;

/// All witnesses of a series.
#[derive(Clone, Debug)]
pub(super) struct Witnesses {
    seen: u64,
    low: f64,
    high: f64,
    last: f64,
    forecast: Forecast,
    level: Late,
    kept: Ring,
    rank: Late,
    typical_step: f64,
    rough: Late,
    jump: Jump,
}

/// What an hour of the day is like, and what the last values had beyond that.
#[derive(Clone, Debug)]
struct Forecast {
    hours: [f64; SLOTS],
    counts: [u32; SLOTS],
    beyond: f64,
    errors: Late,
}

/// Where the last values were, and how far from there values usually are.
#[derive(Clone, Copy, Debug, Default)]
struct Jump {
    quick: f64,
    typical: f64,
}

impl Witnesses {
    pub(super) fn new(rules: &Rules) -> Self {
        let forecast = Forecast {
            hours: [0.0; SLOTS],
            counts: [0; SLOTS],
            beyond: 0.0,
            errors: Late::new(rules.error_readings),
        };
        Self {
            seen: 0,
            low: 0.0,
            high: 0.0,
            last: 0.0,
            forecast,
            level: Late::new(rules.level_readings),
            kept: Ring::new(KEPT),
            rank: Late::new(rules.rank_readings),
            typical_step: 0.0,
            rough: Late::new(rules.rough_readings),
            jump: Jump::default(),
        }
    }

    /// How many values were seen.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// What each says of a value, in the order of [`NAMES`].
    pub(super) fn see(&mut self, at: Timestamp, value: f64, rules: &Rules) -> [f64; COUNT] {
        let range = self.range(value);
        let floor = FLOOR * (self.high - self.low);
        let forecast = self.forecast.see(hour(at), value, floor, rules);
        let level = self.level.see(value, rules.memory, floor, |mean| mean).abs();
        let rank = self.rank(value, rules);
        let rough = self.rough(value, rules);
        let jump = self.jump.see(value, self.seen, floor, rules);
        self.seen += 1;
        [range, forecast, level, rank, rough, jump].map(|measure| measure.min(LARGEST))
    }

    /// How far beyond all values so far, as a share of their range.
    fn range(&mut self, value: f64) -> f64 {
        if self.seen == 0 {
            (self.low, self.high) = (value, value);
        }
        let beyond = (value - self.high).max(self.low - value).max(0.0);
        let range = self.high - self.low;
        (self.low, self.high) = (self.low.min(value), self.high.max(value));
        match (beyond > 0.0, range > 0.0) {
            (false, _) => 0.0,
            (true, true) => beyond / range,
            (true, false) => FIRST_STEP,
        }
    }

    /// The mean rank among values of the past, which is deaf to how far out single values are.
    fn rank(&mut self, value: f64, rules: &Rules) -> f64 {
        let count = self.kept.by_age().count() as f64;
        let below: f64 = self
            .kept
            .by_age()
            .map(|kept| {
                if kept < value {
                    1.0
                } else if kept == value {
                    0.5
                } else {
                    0.0
                }
            })
            .sum();
        let distance = if count > 0.0 {
            self.rank.see(below / count, rules.memory, RANK_FLOOR, |mean| mean).abs()
        } else {
            0.0
        };
        if self.seen.is_multiple_of(rules.keep_every) {
            self.kept.push(value);
        }
        distance
    }

    /// The mean step from value to value, on a logarithmic scale: a stuck sensor as well as a trembling one.
    fn rough(&mut self, value: f64, rules: &Rules) -> f64 {
        let step = (value - std::mem::replace(&mut self.last, value)).abs();
        if self.seen == 0 {
            return 0.0;
        }
        let weight = (1.0 / self.seen as f64).max(1.0 / rules.memory);
        self.typical_step += weight * (step - self.typical_step);
        let least = (LEAST_STEP * self.typical_step).max(f64::MIN_POSITIVE);
        self.rough.see(step, rules.memory, ROUGH_FLOOR, |mean| libm::log(mean + least)).abs()
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_count(out, usize::try_from(self.seen).unwrap_or(usize::MAX));
        let Forecast { hours, counts, beyond, errors } = &self.forecast;
        let Jump { quick, typical } = self.jump;
        let numbers = [self.low, self.high, self.last, self.typical_step, quick, typical, *beyond];
        numbers.iter().chain(hours).for_each(|number| put_number(out, *number));
        counts.iter().for_each(|count| put_count(out, *count as usize));
        self.kept.put(out);
        [errors, &self.level, &self.rank, &self.rough].iter().for_each(|late| late.put(out));
    }

    pub(super) fn read(from: &mut Reader<'_>, rules: &Rules) -> Result<Self, Error> {
        let seen = from.count(usize::MAX >> 1)? as u64;
        let mut numbers = [0.0; 7];
        for number in &mut numbers {
            *number = from.number()?;
        }
        let [low, high, last, typical_step, quick, typical, beyond] = numbers;
        let (mut hours, mut counts) = ([0.0; SLOTS], [0; SLOTS]);
        for hour in &mut hours {
            *hour = from.number()?;
        }
        for count in &mut counts {
            *count = u32::try_from(from.count(u32::MAX as usize)?).unwrap_or(u32::MAX);
        }
        let kept = Ring::read(from, KEPT)?;
        let errors = Late::read(from, rules.error_readings)?;
        let level = Late::read(from, rules.level_readings)?;
        let rank = Late::read(from, rules.rank_readings)?;
        let rough = Late::read(from, rules.rough_readings)?;
        let forecast = Forecast { hours, counts, beyond, errors };
        let jump = Jump { quick, typical };
        Ok(Self { seen, low, high, last, forecast, level, kept, rank, typical_step, rough, jump })
    }
}

impl Forecast {
    /// How far the mean error of the last values is above what such means were.
    fn see(&mut self, hour: usize, value: f64, floor: f64, rules: &Rules) -> f64 {
        let is_known = self.counts[hour] > 0;
        let usual = if is_known { self.hours[hour] } else { value };
        let beyond = value - usual;
        let error = (beyond - self.beyond).abs();
        if is_known {
            self.beyond += rules.quick * (beyond - self.beyond);
        }
        self.counts[hour] = self.counts[hour].saturating_add(1);
        let weight = (1.0 / f64::from(self.counts[hour])).max(rules.slow);
        self.hours[hour] += weight * (value - self.hours[hour]);
        self.errors.see(error, rules.memory, ERROR_FLOOR / FLOOR * floor, |mean| mean).max(0.0)
    }
}

/// Values before a jump is judged.
const JUMP_AFTER: u64 = 5;

impl Jump {
    /// How many times as far from the last values as usual. A far one is learnt as if it were nearer.
    fn see(&mut self, value: f64, seen: u64, floor: f64, rules: &Rules) -> f64 {
        if seen == 0 {
            self.quick = value;
        }
        let distance = (value - self.quick).abs();
        self.quick += rules.quick_jump * (value - self.quick);
        let typical = self.typical.max(floor).max(f64::MIN_POSITIVE);
        let is_judged = seen > JUMP_AFTER;
        let learnt = if is_judged { distance.min(rules.jump_clip * typical) } else { distance };
        let least = if is_judged { JUMP_WEIGHT } else { 0.0 };
        self.typical += (1.0 / (seen as f64 + 1.0)).max(least) * (learnt - self.typical);
        if is_judged { distance / typical } else { 0.0 }
    }
}

fn hour(at: Timestamp) -> usize {
    // below 24
    (at.nanos().div_euclid(Span::HOUR.0).rem_euclid(SLOTS as i64)) as usize
}
