mod reference;

use super::*;
use crate::noise::Noise;

fn trend(values: &[Option<f64>], seasons: usize, covariance: bool) -> Trend {
    Table { values, seasons, years: values.len() / seasons }.trend(covariance).unwrap()
}

#[test]
fn one_season_is_the_test_of_mann_and_kendall() {
    // By hand: S = 10 + 9 − … of 10 rising values but one swap: S = 45 − 2, Var S = 10·9·25 / 18 = 125.
    let values = [1.0, 2.0, 3.0, 5.0, 4.0, 6.0, 7.0, 8.0, 9.0, 10.0].map(Some);
    let found = trend(&values, 1, true);
    assert!((found.p - libm::erfc(42.0 / 125_f64.sqrt() / 2_f64.sqrt())).abs() < 1e-12);
    assert_eq!(found.slope, 1.0);
}

#[test]
fn ties_take_from_the_variance_and_missing_values_are_left_out() {
    // Two ties of two among eight: (8·7·21 − 2·2·1·9) / 18 = 63.33.
    let column: Vec<_> = [1.0, 1.0, 2.0, 2.0, 3.0, 4.0, 5.0, 6.0].into_iter().enumerate().collect();
    assert!((variance_of(&column) - 1140.0 / 18.0).abs() < 1e-9);
    assert_eq!(rank(&column, Some(2.0)), 3.5);
    assert_eq!(rank(&column, None), 4.5);
    let gaps = [Some(0.0), None, Some(2.0), Some(3.0), None, Some(5.0), Some(6.0)];
    assert_eq!(trend(&gaps, 1, true).slope, 1.0);
    assert!(Table { values: &gaps[..5], seasons: 1, years: 5 }.trend(true).is_none());
}

#[test]
fn months_that_go_together_have_the_covariance_of_a_month_with_itself() {
    let column: Vec<_> = [3.0, 1.0, 4.0, 2.0, 6.0, 5.0].into_iter().enumerate().collect();
    let table = Table { values: &[None; 6], seasons: 1, years: 6 };
    assert!((table.covariance(&column, &column) - variance_of(&column)).abs() < 1e-9);
}

/// By chance one in a hundred is below 0.01; with years that count for all of their months, only the covariance keeps that.
#[test]
fn p_is_what_it_says() {
    let share = |years_weigh: f64, covariance| {
        let below = (1..=400).filter(|seed| {
            let (mut months, mut years) = (Noise::new(*seed, 0.0), Noise::new(9_999 + seed, 0.0));
            let mut values = Vec::new();
            for _ in 0..10 {
                let year = years_weigh * years.next();
                values.extend((0..12).map(|month| Some(f64::from(month) + year + months.next())));
            }
            trend(&values, 12, covariance).p < 0.01
        });
        below.count() as f64 / 400.0
    };
    assert!(share(0.0, false) <= 0.025 && share(0.0, true) <= 0.025);
    assert!(share(1.0, false) > 0.1 && share(1.0, true) <= 0.025);
}

#[test]
fn a_slope_of_a_fifth_of_the_noise_a_year_is_found_in_ten_years() {
    let mut noise = Noise::new(5, 0.0);
    let values: Vec<_> = (0..120).map(|at| Some(0.2 * f64::from(at / 12) + noise.next())).collect();
    let found = trend(&values, 12, true);
    assert!(found.p < 0.01 && (0.12..0.28).contains(&found.slope), "{found:?}");
    assert!((0.8..1.2).contains(&found.spread), "{found:?}");
}
