//! `drift`: a slow ramp, as of a sensor that ages or fouls.
//!
//! The distance of each value from its profile, z in spreads, is taken in blocks of `readings` / 20; the median of a block is kept,
//! so that no spike counts. Over the last 20 medians m₀ … m₁₉ the slope of least squares
//!
//! > b = Σ (i − 9.5)·mᵢ / Σ (i − 9.5)², rise = 19·b
//!
//! is the statistic of the generalised likelihood ratio for a ramp in a window (Basseville and Nikiforov 1993). It is measured
//! by the rises of windows of this series that ended before this one began: |rise| > `bar`·s·(1 + 20 / n), with s the running spread of n of them (see
//! [`crate::robust`]), so that noise that wanders, and what the profile does not explain of a day, must be exceeded. It
//! must be at least `least` spreads of the series too. And a ramp is no step: the squares that the line leaves must be at most
//! [`STEP_SHARE`] times those that the best two levels leave. While more than half of the bar is reached, nothing is learnt.
//!
//! The episode begins with the first reading of the block with which a window is too steep, and ends when a window's rise is below
//! half of its bar; where the ramp led is the usual level from then on. The extreme is the last value of the window that rose most; the limit is what was usual then.
//!
//! A library (statrs, linfa) would bring regression of any shape; the sums of 20 numbers are a few lines.
//!
//! Memory: 384 bytes, 4 for each reading of a block (20), and the profile's cells (none 10, day 542, week 1,550 bytes), and 100 more while an
//! episode is open.
//!
//! Saved state: head 0xb1; profile; z of the block, medians, rises (count, then each, oldest first); spread; rises learnt; time at which the block
//! began; whether half of the bar was reached; then as every [`Watch`].

use std::mem::size_of;
use std::sync::Arc;

use yiwang_model::Timestamp;

use crate::episode::Sight;
use crate::params::{
    CRITICAL_AT, Entry, Form, Grades, POSITIVE, Parameter, SERIOUS_AT, SOURCE, WORSEN_STEP, defaulted,
};
use crate::profile::{MEMORY, MIN_SCALE, PROFILE, Profile, Settings, UTC_OFFSET, Usual, WARM_UP};
use crate::registry::{Kind, Make};
use crate::robust::{FURTHEST, learn_spread, median};
use crate::state::{Reader, put_byte, put_count, put_single, put_time};
use crate::watch::Watch;
use crate::{Detector, Error, Event, Input, Prototype, Sample, SeriesContext, Spec};

const NAME: &str = "drift";
const HEAD: u8 = 0xb1;
const _: () = assert!(size_of::<Drift>() <= 384);

/// Blocks of a window.
const BLOCKS: usize = 20;
/// Σ (i − 9.5)² over the blocks.
const SQUARES: f64 = 665.0;
/// What a line may leave, as a multiple of what two levels leave.
const STEP_SHARE: f64 = 1.25;
/// Rises that are learnt before one is judged, and over how many they fade to a third.
const LEAST_RISES: u32 = 60;
const RISES_MEMORY: f64 = 2_000.0;

pub(crate) const KIND: Kind = Kind {
    name: NAME,
    zh: "缓慢漂移：读数持续缓慢上升或下降",
    en: "a slow ramp away from what is usual",
    unit: "the metric's unit",
    params: PARAMS,
    needs_limits: false,
    make: Make::Series(build),
};

const PARAMS: &[Parameter] = &[
    defaulted(
        "readings",
        Form::Number { least: 20.0, most: 5_000.0 },
        "100",
        "readings of the window over which a rise is measured, a multiple of 20",
    ),
    defaulted("bar", POSITIVE, "6", "how many spreads of the rises before a rise may be"),
    defaulted("least", POSITIVE, "2", "least rise over the window that is told, in spreads of the series"),
    PROFILE,
    MEMORY,
    WARM_UP,
    MIN_SCALE,
    UTC_OFFSET,
    SOURCE,
    SERIOUS_AT,
    CRITICAL_AT,
];

struct Rules {
    block: usize,
    bar: f64,
    least: f64,
    profile: Arc<Settings>,
    source: Arc<str>,
    grades: Grades,
}

struct Prepared(Arc<Rules>);

impl Prototype for Prepared {
    fn make(&self, series: &SeriesContext) -> Box<dyn Detector> {
        Box::new(Drift {
            profile: Profile::new(&self.0.profile, series),
            rules: Arc::clone(&self.0),
            block: Vec::new(),
            block_begin: Timestamp(0),
            medians: Last::default(),
            rises: Last::default(),
            spread: 0.0,
            learnt: 0,
            is_suspected: false,
            watch: Watch::default(),
        })
    }
}

fn build(spec: &Spec) -> Result<Box<dyn Prototype>, Vec<Error>> {
    let mut entry = Entry::new(spec, PARAMS);
    let readings = entry.count("readings").unwrap_or(BLOCKS);
    if !readings.is_multiple_of(BLOCKS) {
        entry.fault("readings", format!("is {readings}; a multiple of {BLOCKS} is wanted"));
    }
    let min_scale = entry.number("min_scale").unwrap_or_default();
    let rules = Rules {
        block: readings / BLOCKS,
        bar: entry.number("bar").unwrap_or(f64::MAX),
        least: entry.number("least").unwrap_or(f64::MAX),
        profile: Arc::new(Settings::read(&mut entry, min_scale)),
        source: entry.source(),
        grades: entry.grades(),
    };
    entry.finish(Box::new(Prepared(Arc::new(rules))))
}

/// The last numbers, one for each block, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
struct Last {
    numbers: [f32; BLOCKS],
    filled: u8,
}

impl Last {
    /// Takes a number; gives the one that has to go for it.
    fn push(&mut self, number: f32) -> Option<f32> {
        if usize::from(self.filled) < BLOCKS {
            self.numbers[usize::from(self.filled)] = number;
            self.filled += 1;
            return None;
        }
        let gone = self.numbers[0];
        self.numbers.copy_within(1.., 0);
        self.numbers[BLOCKS - 1] = number;
        Some(gone)
    }

    fn full(&self) -> Option<[f64; BLOCKS]> {
        (usize::from(self.filled) == BLOCKS).then(|| self.numbers.map(f64::from))
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_singles(out, &self.numbers[..usize::from(self.filled)]);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Error> {
        let mut last = Self::default();
        for number in read_singles(from, BLOCKS)? {
            last.push(number);
        }
        Ok(last)
    }
}

fn put_singles(out: &mut Vec<u8>, numbers: &[f32]) {
    put_count(out, numbers.len());
    numbers.iter().for_each(|number| put_single(out, *number));
}

fn read_singles(from: &mut Reader<'_>, most: usize) -> Result<Vec<f32>, Error> {
    (0..from.count(most)?).map(|_| from.single(FURTHEST)).collect()
}

/// How far a line through the numbers rises from the first to the last, and whether it fits as well as a step.
fn rise(numbers: &[f64; BLOCKS]) -> (f64, bool) {
    let count = BLOCKS as f64;
    let sum: f64 = numbers.iter().sum();
    let mean = sum / count;
    let all: f64 = numbers.iter().map(|number| (number - mean) * (number - mean)).sum();
    let middle = (count - 1.0) / 2.0;
    let slope =
        numbers.iter().enumerate().map(|(at, number)| (at as f64 - middle) * number).sum::<f64>() / SQUARES;
    let (mut before, mut explained) = (0.0, 0.0_f64);
    for (at, number) in numbers[..BLOCKS - 1].iter().enumerate() {
        before += number;
        let below = (at + 1) as f64;
        let apart = before / below - (sum - before) / (count - below);
        explained = explained.max(below * (count - below) / count * apart * apart);
    }
    let (line, step) = ((all - slope * slope * SQUARES).max(0.0), (all - explained).max(0.0));
    (slope * (count - 1.0), line <= STEP_SHARE * step + 1e-9 * all)
}

struct Drift {
    rules: Arc<Rules>,
    profile: Profile,
    /// The values of the block that is not full, in spreads from their profile.
    block: Vec<f32>,
    block_begin: Timestamp,
    medians: Last,
    /// Rises of windows that overlap with this one.
    rises: Last,
    /// Of rises before those.
    spread: f32,
    learnt: u32,
    is_suspected: bool,
    watch: Watch,
}

impl Drift {
    fn reading(&mut self, Sample { time, value, .. }: Sample, out: &mut Vec<Event>) {
        let usual = self.profile.usual(time);
        if !self.is_suspected {
            self.profile.learn(time, value);
        }
        let Some(usual) = usual.filter(|usual| usual.is_known) else { return };
        if self.block.is_empty() {
            self.block_begin = time;
        }
        self.block.push(usual.distance(value) as f32);
        if self.block.len() < self.rules.block {
            return;
        }
        let mut values: Vec<f64> = self.block.drain(..).map(f64::from).collect();
        self.medians.push(median(&mut values).expect("a block has a value") as f32);
        if let Some(medians) = self.medians.full() {
            self.judge(time, value, usual, rise(&medians), out);
        }
    }

    fn judge(
        &mut self,
        time: Timestamp,
        value: f64,
        usual: Usual,
        (rise, is_ramp): (f64, bool),
        out: &mut Vec<Event>,
    ) {
        let unsure = 1.0 + BLOCKS as f64 / f64::from(self.learnt.max(1));
        let bar = (self.rules.bar * unsure * f64::from(self.spread)).max(self.rules.least);
        let quotient = rise.abs() / bar;
        let is_known = self.learnt >= LEAST_RISES;
        self.is_suspected = is_known && quotient > 0.5;
        if !self.is_suspected {
            self.learn(rise);
            if self.watch.is_open() {
                self.settle(time, usual, out);
            }
            return;
        }
        if quotient > 1.0 && (is_ramp || self.watch.is_open()) {
            let sight = Sight {
                value,
                badness: quotient,
                limit: Some(usual.level),
                edition: Arc::clone(&self.rules.source),
                severity: self.rules.grades.grade(|times| quotient >= times),
            };
            self.watch.broken(self.block_begin, sight, WORSEN_STEP, out);
        }
    }

    /// The ramp is over: where it led is the usual level, and windows begin anew.
    fn settle(&mut self, time: Timestamp, usual: Usual, out: &mut Vec<Event>) {
        let newest = self.medians.full().map_or(0.0, |medians| medians[BLOCKS - 1]);
        self.profile.move_by(newest * usual.spread);
        self.medians = Last::default();
        self.watch.end(time, out);
    }

    fn learn(&mut self, rise: f64) {
        let Some(gone) = self.rises.push(rise.clamp(-FURTHEST, FURTHEST) as f32) else { return };
        let weight = (2.0 / (f64::from(self.learnt) + 2.0)).max(1.0 / RISES_MEMORY);
        self.spread = learn_spread(f64::from(self.spread), self.rules.least, f64::from(gone), weight) as f32;
        self.learnt = self.learnt.saturating_add(1);
    }
}

impl Detector for Drift {
    fn step(&mut self, input: &Input, out: &mut Vec<Event>) {
        if let Input::Reading(sample) = input
            && sample.is_judged()
        {
            self.reading(*sample, out);
        }
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        put_byte(out, HEAD);
        self.profile.put(out);
        put_singles(out, &self.block);
        self.medians.put(out);
        self.rises.put(out);
        put_single(out, self.spread);
        put_count(out, self.learnt as usize);
        put_time(out, self.block_begin);
        put_byte(out, self.is_suspected.into());
        self.watch.put(out);
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        let mut from = Reader::new(NAME, HEAD, state)?;
        let profile = self.profile.read(&mut from)?;
        let block = read_singles(&mut from, self.rules.block - 1)?;
        let (medians, rises) = (Last::read(&mut from)?, Last::read(&mut from)?);
        let spread = from.single_to(FURTHEST)?;
        let learnt = from.count(u32::MAX as usize)? as u32;
        let (block_begin, is_suspected) = (from.time()?, from.byte()? != 0);
        let watch = Watch::read(&mut from)?;
        from.end()?;
        (self.profile, self.block, self.medians, self.rises) = (profile, block, medians, rises);
        (self.spread, self.learnt, self.block_begin) = (spread, learnt, block_begin);
        (self.is_suspected, self.watch) = (is_suspected, watch);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_rises_and_a_step_is_no_line() {
        let of = |number: fn(usize) -> f64| rise(&std::array::from_fn(number));
        let (line, is_ramp) = of(|at| 3.0 - 0.5 * at as f64);
        assert!((line + 9.5).abs() < 1e-9 && is_ramp);
        assert!(!of(|at| if at < 9 { 0.0 } else { 3.0 }).1);
        // A ramp that has filled a little more than half of the window is one already, with less it could be a step.
        assert!(of(|at| (at as f64 - 8.0).max(0.0)).1);
        assert!(!of(|at| (at as f64 - 12.0).max(0.0)).1);
        assert_eq!(of(|_| 7.0), (0.0, true));
    }
}
