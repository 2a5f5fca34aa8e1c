//! The seasonal Mann-Kendall test and Sen's slope, as [`super`] states them.

use std::cmp::Ordering;

use crate::robust::{median, median_and_spread};

/// The least number of years of which there must be a pair in some month, and of values for each month on average.
const LEAST_YEARS: usize = 5;

/// Values of months, oldest first; the last is the newest.
pub(super) struct Table<'a> {
    pub(super) values: &'a [Option<f64>],
    pub(super) seasons: usize,
    pub(super) years: usize,
}

/// What the test says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Trend {
    /// Of both sides together.
    pub(super) p: f64,
    /// In the metric's unit a year.
    pub(super) slope: f64,
    /// Of what month and slope do not explain.
    pub(super) spread: f64,
}

impl Table<'_> {
    /// The value of a month in a year, both counted from the oldest.
    fn at(&self, year: usize, season: usize) -> Option<f64> {
        self.values[year * self.seasons + season]
    }

    /// The values of a month, with their years.
    fn of(&self, season: usize) -> Vec<(usize, f64)> {
        (0..self.years).filter_map(|year| Some((year, self.at(year, season)?))).collect()
    }

    /// The trend; `None` while there are too few values.
    pub(super) fn trend(&self, covariance: bool) -> Option<Trend> {
        let columns: Vec<_> = (0..self.seasons).map(|season| self.of(season)).collect();
        let count: usize = columns.iter().map(Vec::len).sum();
        if count < LEAST_YEARS * self.seasons {
            return None;
        }
        let mut slopes = Vec::new();
        let (mut score, mut variance) = (0.0, 0.0);
        for column in &columns {
            score += pairs(column).map(|(_, rise)| sign(rise)).sum::<f64>();
            variance += variance_of(column);
            slopes.extend(pairs(column).map(|(years, rise)| rise / years));
        }
        if covariance {
            let two = |g: usize| (0..g).map(|h| self.covariance(&columns[g], &columns[h])).sum::<f64>();
            variance += 2.0 * (0..self.seasons).map(two).sum::<f64>();
        }
        let z = if variance > 0.0 { (score.abs() - 1.0).max(0.0) / variance.sqrt() } else { 0.0 };
        let slope = median(&mut slopes)?;
        Some(Trend { p: libm::erfc(z / std::f64::consts::SQRT_2), slope, spread: spread(&columns, slope) })
    }

    fn covariance(&self, g: &[(usize, f64)], h: &[(usize, f64)]) -> f64 {
        let (mut concordant, mut ranks) = (0.0, 0.0);
        let of = |column: &[(usize, f64)], year| {
            column.iter().find(|(at, _)| *at == year).map(|(_, value)| *value)
        };
        let both: Vec<_> = (0..self.years).map(|year| (of(g, year), of(h, year))).collect();
        for (at, later) in both.iter().enumerate() {
            ranks += rank(g, later.0) * rank(h, later.1);
            for earlier in &both[..at] {
                if let ((Some(g0), Some(h0)), (Some(g1), Some(h1))) = (earlier, later) {
                    concordant += sign(g1 - g0) * sign(h1 - h0);
                }
            }
        }
        let counts = (g.len() + 1) as f64 * (h.len() + 1) as f64;
        (concordant + 4.0 * ranks - self.years as f64 * counts) / 3.0
    }
}

/// Years and rise between each two values of a month.
fn pairs(column: &[(usize, f64)]) -> impl Iterator<Item = (f64, f64)> {
    column.iter().enumerate().flat_map(move |(at, (year, value))| {
        column[..at].iter().map(move |(before, from)| ((year - before) as f64, value - from))
    })
}

fn sign(number: f64) -> f64 {
    match number.total_cmp(&0.0) {
        _ if number == 0.0 => 0.0,
        Ordering::Greater => 1.0,
        _ => -1.0,
    }
}

/// Variance of the score of a month, with its ties.
fn variance_of(column: &[(usize, f64)]) -> f64 {
    let term = |count: f64| count * (count - 1.0) * (2.0 * count + 5.0);
    let mut values: Vec<f64> = column.iter().map(|(_, value)| *value).collect();
    values.sort_by(f64::total_cmp);
    let ties: f64 = values.chunk_by(|a, b| a == b).map(|tie| term(tie.len() as f64)).sum();
    (term(values.len() as f64) - ties) / 18.0
}

/// The rank of a value within its month, the middle one of equals; of a missing one the middle of all.
fn rank(column: &[(usize, f64)], value: Option<f64>) -> f64 {
    let Some(value) = value else { return (column.len() + 1) as f64 / 2.0 };
    let signs: f64 = column.iter().map(|(_, other)| sign(value - other)).sum();
    (column.len() as f64 + 1.0 + signs) / 2.0
}

/// The spread of what remains of the values without the slope and the median of their month.
fn spread(columns: &[Vec<(usize, f64)>], slope: f64) -> f64 {
    let mut left = Vec::new();
    for column in columns {
        let mut values: Vec<f64> = column.iter().map(|(year, value)| value - slope * *year as f64).collect();
        let Some(middle) = median(&mut values) else { continue };
        left.extend(values.iter().map(|value| value - middle));
    }
    median_and_spread(&mut left).map_or(0.0, |(_, spread)| spread)
}

#[cfg(test)]
mod tests;
