//! How often a measure of a series comes as far out as that: the common scale of measures that have none of their own.
//!
//! Peaks over a threshold. Exceedances that follow each other within `apart` readings are one cluster, and only its peak counts (Davison and
//! Smith 1990). The threshold u is followed by steps of Robbins and Monro (1951) to where [`BEGIN`] of the measures outside of clusters begin one, so
//! that a fault that lasts moves it once, and then a little with each reading: what lasts for good becomes what is usual. Before the first cluster ended every
//! measure counts. The peaks'
//! excess y over u has the tail (1 + ξ y / σ)^(−1/ξ) of a generalized Pareto distribution, by the method of moments (Hosking and
//! Wallis 1987): with mean m and variance v of the excess, ξ = (1 − m²/v) / 2 and σ = m (m²/v + 1) / 2; ξ is kept
//! within 0 and 1/2. 0 is the exponential tail, which a tail that falls faster is taken for: of normal noise a bar costs less than was asked for, so that
//! what is asked for is a most. With c clusters a day, a measure that far above u comes
//!
//! rate(u + y) = c (1 + ξ y / σ)^(−1/ξ) times a day; and the measure that costs r alarms a day is u + σ ((c/r)^ξ − 1) / ξ.
//!
//! That a tail of a stream be fitted so and asked for its threshold is of Siffer et al., *Anomaly Detection in Streams with Extreme
//! Value Theory* (KDD 2017). What is far out is learnt as if it were nearer, at [`FURTHEST_PEAK`] mean excesses: an anomaly is
//! no measure of what is ordinary.
//!
//! Memory: 32 bytes. Saved state: threshold, mean and variance of the excess, mean readings between clusters, the open peak, each of four bytes; then
//! readings since the last cluster, since the last exceedance, and the count of peaks.

use crate::Error;
use crate::state::{Reader, put_count, put_single};

/// The share of measures outside of clusters that begin one.
const BEGIN: f32 = 0.02;
/// A step of the threshold, as a share of the mean excess; of the mean of all measures before there is a peak.
const STEP: f32 = 0.1;
/// Peaks before the tail is believed.
const ENOUGH: u32 = 20;
/// Peaks over which older ones fade to a third.
const MEMORY: f32 = 400.0;
/// The largest measure that is told from larger ones.
pub(crate) const LARGEST: f64 = 1e6;
/// Mean excesses beyond which a peak is learnt as if it were there.
const FURTHEST_PEAK: f32 = 8.0;

/// The tail of one measure of one series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Tail {
    /// u.
    threshold: f32,
    /// m and v; m is the mean of all measures before the first peak.
    excess: f32,
    variance: f32,
    /// Mean readings from one cluster to the next.
    readings: f32,
    /// The excess of the cluster that is open, 0 where none is.
    peak: f32,
    /// Readings since the last cluster ended.
    since: u32,
    /// Readings since the last exceedance of the open cluster.
    quiet: u32,
    /// Clusters that ended.
    peaks: u32,
}

impl Tail {
    /// Takes a measure, not below 0. Exceedances with less than `apart` readings between them are one.
    pub(crate) fn see(&mut self, measure: f64, apart: u64) {
        let measure = measure.clamp(0.0, LARGEST) as f32;
        self.since = self.since.saturating_add(1);
        if self.peaks == 0 {
            self.excess += (measure - self.excess) / self.since as f32;
        }
        let (is_above, is_open) = (measure > self.threshold, self.peak > 0.0);
        if is_above {
            self.peak = self.peak.max(measure - self.threshold);
            self.quiet = 0;
        } else if is_open {
            self.quiet = self.quiet.saturating_add(1);
            if u64::from(self.quiet) >= apart {
                self.close();
            }
        }
        let share = match (is_above, is_open && self.peaks > 0) {
            (true, false) => 1.0 - BEGIN,
            (false, false) => -BEGIN,
            (true, true) => BEGIN,
            (false, true) => 0.0,
        };
        self.threshold = (self.threshold + STEP * self.excess * share).clamp(0.0, LARGEST as f32);
    }

    /// Learns the cluster that is open.
    fn close(&mut self) {
        let is_first = self.peaks == 0;
        self.peaks = self.peaks.saturating_add(1);
        let furthest = if is_first { self.peak } else { FURTHEST_PEAK * self.excess };
        let peak = std::mem::take(&mut self.peak).min(furthest);
        let weight = (1.0 / self.peaks as f32).max(1.0 / MEMORY);
        let from = peak - if is_first { 0.0 } else { self.excess };
        self.excess = if is_first { peak } else { self.excess + weight * from };
        self.variance = if is_first { 0.0 } else { (1.0 - weight) * (self.variance + weight * from * from) };
        self.readings += weight * (self.since as f32 - self.readings);
        (self.since, self.quiet) = (0, 0);
    }

    /// How often in so many readings a measure comes that is as far out; of one below the threshold as often as one that is on it. Nothing
    /// before enough peaks were met.
    pub(crate) fn times(&self, measure: f64, readings: f64) -> Option<f64> {
        let clusters = self.clusters(readings)?;
        let beyond = (measure - f64::from(self.threshold)).max(0.0);
        let (shape, scale) = self.pareto();
        Some(clusters * survival(beyond / scale, shape))
    }

    /// The measure that is exceeded so many times in so many readings.
    pub(crate) fn costing(&self, times: f64, readings: f64) -> Option<f64> {
        let share = (self.clusters(readings)? / times).max(1.0);
        let (shape, scale) = self.pareto();
        let beyond = if shape > 0.0 { (libm::pow(share, shape) - 1.0) / shape } else { libm::log(share) };
        Some(f64::from(self.threshold) + scale * beyond)
    }

    fn clusters(&self, readings: f64) -> Option<f64> {
        (self.peaks >= ENOUGH).then(|| readings / f64::from(self.readings.max(1.0)))
    }

    /// ξ and σ.
    fn pareto(&self) -> (f64, f64) {
        let mean = f64::from(self.excess).max(f64::from(f32::MIN_POSITIVE));
        let square = mean * mean / f64::from(self.variance).max(f64::from(f32::MIN_POSITIVE));
        let shape = ((1.0 - square) / 2.0).clamp(0.0, 0.5);
        (shape, mean * (1.0 - shape))
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        for number in [self.threshold, self.excess, self.variance, self.readings, self.peak] {
            put_single(out, number);
        }
        [self.since, self.quiet, self.peaks].iter().for_each(|count| put_count(out, *count as usize));
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, Error> {
        let threshold = from.single_to(LARGEST)?;
        let excess = from.single_to(LARGEST)?;
        let variance = from.single_to(LARGEST * LARGEST)?;
        let readings = from.single_to(f64::from(u32::MAX))?;
        let peak = from.single_to(LARGEST)?;
        let mut count =
            || from.count(u32::MAX as usize).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        let (since, quiet, peaks) = (count()?, count()?, count()?);
        Ok(Self { threshold, excess, variance, readings, peak, since, quiet, peaks })
    }
}

/// The share of peaks that exceed `beyond` scales.
fn survival(beyond: f64, shape: f64) -> f64 {
    if shape > 0.0 { libm::pow(1.0 + shape * beyond, -1.0 / shape) } else { libm::exp(-beyond) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::Noise;

    /// A tail that saw so many measures.
    fn learnt(seed: u64, phi: f64, count: usize, measure: impl Fn(f64) -> f64) -> Tail {
        let (mut noise, mut tail) = (Noise::new(seed, phi), Tail::default());
        (0..count).for_each(|_| tail.see(measure(noise.next()), 30));
        tail
    }

    /// How many clusters of `count` measures exceed the bar.
    fn clusters(seed: u64, phi: f64, count: usize, bar: f64, measure: impl Fn(f64) -> f64) -> f64 {
        let mut noise = Noise::new(seed, phi);
        let (mut found, mut last) = (0_u32, None);
        for at in 0..count {
            if measure(noise.next()) > bar {
                found += u32::from(last.is_none_or(|last| at - last > 30));
                last = Some(at);
            }
        }
        f64::from(found)
    }

    type Shape = (&'static str, f64, fn(f64) -> f64, [f64; 2]);

    /// Normal; heavy; squared with some memory; of values that follow closely from each other. And within what factors they have to cost what
    /// was asked for: normal tails cost less.
    fn shapes() -> [Shape; 4] {
        [
            ("normal", 0.0, f64::abs, [0.0, 0.5]),
            ("cubed", 0.0, |noise| noise.abs().powi(3), [0.7, 2.0]),
            ("squared", 0.7, |noise| noise * noise, [0.2, 1.0]),
            ("slow", 0.95, |noise| noise.max(0.0), [0.0, 1.0]),
        ]
    }

    #[test]
    fn a_measure_costs_about_what_is_said() {
        for (name, phi, measure, [least, most]) in shapes() {
            for times in [0.1, 1.0] {
                let readings = 10_000.0;
                let mut found = 0.0;
                for seed in 1..=20 {
                    let tail = learnt(seed, phi, 40_000, measure);
                    let bar = tail.costing(times, readings).unwrap();
                    found += clusters(seed + 100, phi, 200_000, bar, measure) / 20.0;
                    let back = tail.times(bar, readings).unwrap();
                    assert!((back / times - 1.0).abs() < 1e-6, "{name}: {back} for {times}");
                }
                let factor = found / times / 20.0;
                println!("{name}: {factor:.2} times the {times} that were asked for");
                assert!((least..=most).contains(&factor), "{name}: {factor} times {times}");
            }
        }
    }

    #[test]
    fn what_is_further_out_is_rarer() {
        let tail = learnt(1, 0.0, 40_000, f64::abs);
        let times = |measure| tail.times(measure, 1_000.0).unwrap();
        assert!((1..60).all(|at| times(f64::from(at) / 10.0) >= times(f64::from(at + 1) / 10.0)));
        assert!(times(0.0) > 1.0 && times(6.0) < 0.1, "{} {}", times(0.0), times(6.0));
    }

    /// A fault that lasts is far out and is one cluster: it moves the bar by little.
    #[test]
    fn an_anomaly_is_no_measure_of_what_is_ordinary() {
        let mut tail = learnt(1, 0.0, 40_000, f64::abs);
        let before = tail.costing(0.1, 1_000.0).unwrap();
        (0..100).for_each(|_| tail.see(1e6, 30));
        (0..100).for_each(|_| tail.see(0.5, 30));
        let after = tail.costing(0.1, 1_000.0).unwrap();
        println!("the bar from {before} to {after}");
        assert!((0.95..1.2).contains(&(after / before)), "{before} {after}");
    }

    #[test]
    fn little_is_no_tail_and_stillness_is_none_either() {
        let still = learnt(1, 0.0, 100_000, |_| 0.0);
        let young = learnt(1, 0.0, 300, f64::abs);
        assert_eq!((still.costing(1.0, 288.0), young.times(9.0, 288.0)), (None, None));
    }

    #[test]
    fn a_state_is_read_as_it_was_put_and_damage_is_refused() {
        let tail = learnt(3, 0.0, 5_000, f64::abs);
        let mut state = vec![0x11];
        tail.put(&mut state);
        let read = |state: &[u8]| Tail::read(&mut Reader::new("test", 0x11, state).unwrap());
        assert_eq!(read(&state), Ok(tail));
        state[1..5].copy_from_slice(&f32::NAN.to_le_bytes());
        assert!(read(&state).is_err());
    }
}
