//! Innovations: what a reading brings that does not follow from the one before.
//!
//! > u = (z − φ·z′) / s
//!
//! z is a distance in spreads, z′ the one before, φ their lag-one correlation from 0 to 0.95, s the spread of z − φ·z′ (residuals of an AR(1)
//! model: Alwan and Roberts 1988). φ is a running quotient of Σ z·z′ and Σ z², of values cut at 3, that starts as 30 readings without correlation;
//! a fixed order of one is all that fits into a few bytes and is what a city's residuals mostly need (augurs' and other ARIMA
//! models are fitted to stored series).
//!
//! Memory: 40 bytes. Saved state: last z (option: time, z); mean products of neighbours, mean squares, s (single); readings learnt.

use yiwang_model::{Span, Timestamp};

use crate::Error;
use crate::robust::{CLIP, FURTHEST, learn_spread};
use crate::state::{Reader, put_count, put_option, put_single, put_time};

/// A reading that many periods after the one before does not follow from it.
const FOLLOWS: i64 = 3;
/// Readings over which the correlation fades to a third, and what the prior of no correlation counts.
const MEMORY: f64 = 2_000.0;
const PRIOR: f64 = 30.0;
const MOST_CORRELATION: f64 = 0.95;

/// Whether a reading comes soon enough after one before to follow from it.
pub(crate) fn follows(before: Timestamp, time: Timestamp, period: Span) -> bool {
    period.0 <= 0 || time - before <= period.times(FOLLOWS)
}

#[derive(Clone, Debug)]
pub(crate) struct Innovations {
    last: Option<(Timestamp, f32)>,
    /// Running means of products of neighbours and of squares.
    neighbours: f32,
    squares: f32,
    spread: f32,
    learnt: u32,
}

impl Default for Innovations {
    fn default() -> Self {
        Self { last: None, neighbours: 0.0, squares: 1.0, spread: 1.0, learnt: 0 }
    }
}

impl Innovations {
    pub(crate) fn correlation(&self) -> f64 {
        let squares = f64::from(self.squares).max(1e-6);
        (f64::from(self.neighbours) / squares).clamp(0.0, MOST_CORRELATION)
    }

    /// Takes the next distance; gives the one before, if this follows from it.
    pub(crate) fn next(&mut self, time: Timestamp, z: f64, period: Span) -> Option<f64> {
        let before = self.last.replace((time, z as f32));
        before.filter(|(last, _)| follows(*last, time, period)).map(|(_, z)| f64::from(z))
    }

    /// The next reading follows from none.
    pub(crate) fn break_off(&mut self) {
        self.last = None;
    }

    /// What z brings beyond the one before, given [`Innovations::correlation`].
    pub(crate) fn of(&self, z: f64, before: Option<f64>, correlation: f64) -> f64 {
        let Some(before) = before else { return z };
        (z - correlation * before) / f64::from(self.spread).max(1e-3)
    }

    /// Takes into what is usual what [`Innovations::of`] was asked of.
    pub(crate) fn learn(&mut self, z: f64, before: Option<f64>, correlation: f64) {
        let Some(before) = before else { return };
        self.learnt = self.learnt.saturating_add(1);
        let weight = 1.0 / (PRIOR + f64::from(self.learnt)).min(MEMORY);
        let error = z - correlation * before;
        self.spread = learn_spread(f64::from(self.spread), 0.0, error, weight) as f32;
        let (z, before) = (z.clamp(-CLIP, CLIP), before.clamp(-CLIP, CLIP));
        let mean = |of: f32, new: f64| (f64::from(of) + weight * (new - f64::from(of))) as f32;
        self.neighbours = mean(self.neighbours, z * before);
        self.squares = mean(self.squares, f64::midpoint(z * z, before * before));
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_option(out, self.last, |out, (time, z)| {
            put_time(out, time);
            put_single(out, z);
        });
        [self.neighbours, self.squares, self.spread].iter().for_each(|number| put_single(out, *number));
        put_count(out, self.learnt as usize);
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self {
            last: from.option(|from| Ok((from.time()?, from.single(FURTHEST)?)))?,
            neighbours: from.single(CLIP * CLIP)?,
            squares: from.single_to(CLIP * CLIP)?,
            spread: from.single_to(FURTHEST)?,
            learnt: from.count(u32::MAX as usize)? as u32,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::Noise;

    #[test]
    fn innovations_of_noise_with_memory_have_none() {
        let mut noise = Noise::new(3, 0.7);
        let mut innovations = Innovations::default();
        let mut brought = Vec::new();
        for at in 0..6_000 {
            let z = noise.next();
            let before = innovations.next(Timestamp::from_secs(at), z, Span::SECOND);
            let correlation = innovations.correlation();
            brought.push(innovations.of(z, before, correlation));
            innovations.learn(z, before, correlation);
        }
        assert!((0.6..0.8).contains(&innovations.correlation()), "{}", innovations.correlation());
        let late = &brought[2_000..];
        let square = late.iter().map(|u| u * u).sum::<f64>() / late.len() as f64;
        let next = late.windows(2).map(|pair| pair[0] * pair[1]).sum::<f64>() / late.len() as f64;
        assert!((0.85..1.15).contains(&square) && next.abs() < 0.1, "{square} {next}");
        assert!(innovations.next(Timestamp::from_secs(6_003), 0.0, Span::SECOND).is_none());
    }
}
