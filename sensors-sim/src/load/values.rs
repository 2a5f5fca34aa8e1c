//! Values from a table that is made once.

use std::f64::consts::TAU;

use yiwang_catalogue::Metric;

use crate::city::noise::Noise;

/// What sort of values a generator sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Values {
    /// Like a sensor: a slow course, a little noise, few decimals; far from limits.
    #[default]
    Sensor,
    /// All bits random, within a twentieth of the possible range.
    Random,
}

/// A power of two, so that going round is a mask.
const SIZE: usize = 1 << 14;

/// The values of all series, each on its own place of the same round.
pub(super) fn table(values: Values, metric: &Metric) -> Vec<f64> {
    let (noise, range) = (Noise::new(1), metric.max - metric.min);
    let scale = 10f64.powi(i32::from(metric.decimals.min(6)) + 1);
    let at = |place: usize| {
        let slot = place.cast_signed() as i64;
        match values {
            Values::Random => metric.min + 0.05 * range * noise.even(0, slot),
            Values::Sensor => {
                let round = libm::sin(TAU * place as f64 / SIZE as f64);
                let share = 0.012 + 0.003 * round + 0.0002 * noise.bell(0, slot);
                ((metric.min + range * share) * scale).round() / scale
            }
        }
    };
    (0..SIZE).map(at).collect()
}

/// Where a series is in the table, in its n-th round.
pub(super) fn place(series: usize, round: usize) -> usize {
    (series.wrapping_mul(37).wrapping_add(round)) & (SIZE - 1)
}
