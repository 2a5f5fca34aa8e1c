//! Robust location and spread of a few numbers, and running means that no single number can carry far.
//!
//! Spread is in standard deviations of a normal distribution: 1.4826 median absolute deviations (Hampel 1974), and in running
//! means 1.2533 mean absolute deviations (√(π/2)) of deviations cut at [`CLIP`] spreads, which is Huber's ψ (1964) with steps of
//! a stochastic approximation (Robbins and Monro 1951). statrs and augurs keep all values or need them at once; these keep none.

/// Deviations are learnt from up to so many spreads.
pub(crate) const CLIP: f64 = 3.0;
/// Standard deviations of a normal distribution in its mean absolute deviation.
const DEVIATIONS_PER_MEAN: f64 = 1.253_314_137_315_5;
/// Standard deviations of a normal distribution in its median absolute deviation.
const DEVIATIONS_PER_MAD: f64 = 1.4826;
/// Values further out are taken as if they were there: they and their squares fit into what is kept of them.
pub(crate) const FURTHEST: f64 = 1e18;

/// The middle of the values, the mean of two for an even number; sorts them. `None` of none.
pub(crate) fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[half]),
        _ => Some(f64::midpoint(values[half - 1], values[half])),
    }
}

/// Median, and spread around it by the median absolute deviation; `None` of no values.
pub(crate) fn median_and_spread(values: &mut [f64]) -> Option<(f64, f64)> {
    let middle = median(values)?;
    Some((middle, spread_about(middle, values)))
}

/// Spread around a value by the median absolute deviation; 0 of no values.
pub(crate) fn spread_about(middle: f64, values: &[f64]) -> f64 {
    let mut distances: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
    DEVIATIONS_PER_MAD * median(&mut distances).unwrap_or_default()
}

/// A spread as it is learnt, one deviation at a time, cut at [`CLIP`] times it or `least`.
pub(crate) fn learn_spread(spread: f64, least: f64, deviation: f64, weight: f64) -> f64 {
    let seen = deviation.abs().min(CLIP * spread.max(least)).min(FURTHEST);
    (spread + weight * (DEVIATIONS_PER_MEAN * seen - spread)).min(FURTHEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::Noise;

    #[test]
    fn median_and_spread_are_those_of_the_definition() {
        assert_eq!(median(&mut []), None);
        assert_eq!(median(&mut [3.0, 1.0]), Some(2.0));
        let (middle, spread) = median_and_spread(&mut [1.0, 2.0, 3.0, 4.0, 100.0]).unwrap();
        assert_eq!((middle, spread), (3.0, 1.4826));
    }

    #[test]
    fn a_spread_is_the_standard_deviation_of_normal_noise_and_outliers_move_it_little() {
        let mut noise = Noise::new(1, 0.0);
        let (mut clean, mut dirty) = (1.0, 1.0);
        for at in 0..20_000 {
            let value = 5.0 * noise.next();
            let weight = (1.0 / f64::from(at + 1)).max(1e-3);
            clean = learn_spread(clean, 0.0, value, weight);
            dirty = learn_spread(dirty, 0.0, if at % 20 == 19 { 1e9 } else { value }, weight);
        }
        assert!((4.7..5.3).contains(&clean) && (5.0..6.5).contains(&dirty), "{clean} {dirty}");
    }
}
