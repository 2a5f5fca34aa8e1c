//! Run lengths, each with its probability and what is known of the regime that lasts so long.

use std::f64::consts::PI;
use std::mem::size_of;
use std::ops::Range;

use yiwang_model::Timestamp;

use crate::Error;
use crate::robust::FURTHEST;
use crate::state::{Reader, put_count, put_single, put_time};

/// How many run lengths are kept.
pub(super) const MOST: usize = 24;
/// What they take: one more is there while a reading is taken, and a vector has room for a power of two.
pub(super) const BYTES: usize = (MOST + 1).next_power_of_two() * size_of::<Run>();

/// The prior of a regime: what its mean counts, half its degrees of freedom, its sum of squares.
const KAPPA: f64 = 0.1;
const ALPHA: f64 = 1.0;
const BETA: f64 = 1.0;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Run {
    begin: Timestamp,
    readings: u32,
    /// Natural logarithm of its probability.
    log: f32,
    mean: f32,
    beta: f32,
}

impl Run {
    fn new(begin: Timestamp) -> Self {
        Self { begin, readings: 0, log: 0.0, mean: 0.0, beta: BETA as f32 }
    }

    fn kappa(&self) -> f64 {
        KAPPA + f64::from(self.readings)
    }

    fn alpha(&self) -> f64 {
        ALPHA + f64::from(self.readings) / 2.0
    }

    /// Logarithm of Student's density of the next reading.
    fn predicts(&self, value: f64) -> f64 {
        let (kappa, alpha, beta) = (self.kappa(), self.alpha(), f64::from(self.beta).max(1e-6));
        let variance = beta * (kappa + 1.0) / (alpha * kappa);
        let from = value - f64::from(self.mean);
        // ln Γ(α + 1/2) − ln Γ(α) for α of 1 and more, to 0.001
        let gammas = 0.5 * libm::log(alpha) - 0.125 / alpha + 1.0 / (192.0 * alpha * alpha * alpha);
        gammas
            - 0.5 * libm::log(2.0 * PI * alpha * variance)
            - (alpha + 0.5) * libm::log1p(from * from / (2.0 * alpha * variance))
    }

    fn learn(&mut self, value: f64) {
        let (kappa, from) = (self.kappa(), value - f64::from(self.mean));
        self.beta = (f64::from(self.beta) + kappa * from * from / (2.0 * (kappa + 1.0))).min(FURTHEST) as f32;
        self.mean = (f64::from(self.mean) + from / (kappa + 1.0)) as f32;
        self.readings = self.readings.saturating_add(1);
    }
}

/// Oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Runs(Vec<Run>);

impl Runs {
    /// Takes a reading; a regime lasts `run` readings before anything is known.
    pub(super) fn see(&mut self, time: Timestamp, value: f64, run: f64) {
        let goes_on = libm::log1p(-1.0 / run);
        let mut new = Run::new(time);
        new.log = (new.predicts(value) - libm::log(run)) as f32;
        for run in &mut self.0 {
            run.log = (f64::from(run.log) + run.predicts(value) + goes_on) as f32;
        }
        self.0.push(new);
        self.0.iter_mut().for_each(|run| run.learn(value));
        self.drop_least();
        self.normalise();
    }

    fn drop_least(&mut self) {
        if self.0.len() > MOST {
            let least = (0..self.0.len()).min_by(|a, b| self.0[*a].log.total_cmp(&self.0[*b].log));
            self.0.remove(least.expect("there are more than none"));
        }
    }

    fn normalise(&mut self) {
        let most = self.0.iter().map(|run| f64::from(run.log)).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = self.0.iter().map(|run| libm::exp(f64::from(run.log) - most)).sum();
        let whole = most + libm::log(sum);
        self.0.iter_mut().for_each(|run| run.log = (f64::from(run.log) - whole).max(-1e6) as f32);
    }

    /// Readings of the likeliest run, 0 of none.
    pub(super) fn likeliest(&self) -> u32 {
        self.0.iter().max_by(|a, b| a.log.total_cmp(&b.log)).map_or(0, |run| run.readings)
    }

    /// Where the likeliest run of such a length began, if runs of such a length are together more probable than `sure`.
    pub(super) fn changed(&self, readings: Range<u32>, sure: f64) -> Option<Timestamp> {
        let young = || self.0.iter().filter(|run| readings.contains(&run.readings));
        let probable: f64 = young().map(|run| libm::exp(f64::from(run.log))).sum();
        if probable <= sure {
            return None;
        }
        young().max_by(|a, b| a.log.total_cmp(&b.log)).map(|run| run.begin)
    }

    /// Forgets the runs that are younger: what they would begin has been told.
    pub(super) fn settle(&mut self, readings: u32) {
        self.0.retain(|run| run.readings >= readings);
        self.normalise();
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_count(out, self.0.len());
        for run in &self.0 {
            put_count(out, run.readings as usize);
            put_time(out, run.begin);
            [run.log, run.mean, run.beta].iter().for_each(|number| put_single(out, *number));
        }
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, Error> {
        let run = |from: &mut Reader<'_>| {
            Ok(Run {
                readings: from.count(u32::MAX as usize)? as u32,
                begin: from.time()?,
                log: from.single(1e6)?,
                mean: from.single(FURTHEST)?,
                beta: from.single_to(FURTHEST)?,
            })
        };
        Ok(Self((0..from.count(MOST)?).map(|_| run(from)).collect::<Result<_, Error>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_predictive_density_is_that_of_the_definition() {
        // Student's t with 2 degrees of freedom at 0, of scale² 1.1 / 0.1 = 11, at 0: Γ(3/2) / (Γ(1)·√(2π·11)).
        let expected = libm::log(0.886_226_925_452_758 / (2.0 * PI * 11.0).sqrt());
        assert!((Run::new(Timestamp(0)).predicts(0.0) - expected).abs() < 2e-3);
    }

    #[test]
    fn a_regime_is_learnt_as_by_the_formulas_for_all_values_at_once() {
        let values = [1.0, 3.0, 2.0, 6.0];
        let mut run = Run::new(Timestamp(0));
        values.iter().for_each(|value| run.learn(*value));
        let mean = 3.0;
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        let beta = BETA + squares / 2.0 + KAPPA * 4.0 * mean * mean / (2.0 * (KAPPA + 4.0));
        assert!((f64::from(run.mean) - 12.0 / 4.1).abs() < 1e-5 && (f64::from(run.beta) - beta).abs() < 1e-4);
    }

    #[test]
    fn probabilities_are_one_together_and_the_change_is_where_it_was() {
        let mut runs = Runs::default();
        for at in 0..140 {
            let level = if at < 100 { 0.0 } else { 3.0 };
            runs.see(Timestamp(at), level + [0.5, -0.7, 0.2, -0.1][at as usize % 4], 1e4);
            let all: f64 = runs.0.iter().map(|run| libm::exp(f64::from(run.log))).sum();
            assert!((all - 1.0).abs() < 1e-3 && runs.0.len() <= MOST, "{all}");
        }
        assert_eq!(runs.changed(5..60, 0.99), Some(Timestamp(100)));
        assert_eq!(runs.likeliest(), 40);
    }
}
