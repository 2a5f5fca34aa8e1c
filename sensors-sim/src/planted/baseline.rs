//! Two textbook methods, for comparison: they judge the same readings, and their episodes are judged by the same rule.
//!
//! Both learn mean m and deviation s of each series in its first days, hold them ever after, and say no kind.
//!
//! - `sigma`: a reading is strange when |x − m| > 3 s (Shewhart, 1931).
//! - `ewma`: zₖ = λ xₖ + (1 − λ) zₖ₋₁ from z₀ = m; strange when |z − m| > 3 s √(λ / (2 − λ)), with λ = 0.2 (Roberts, Technometrics 1,
//!   1959).
//!
//! An episode begins with the first strange reading and ends with the next that is not. Readings that a flag marks are passed over.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use yiwang_model::{Severity, Span, Timestamp};

use super::judge::Episode;

/// How many deviations are strange.
const BOUND: f64 = 3.0;
/// The weight of the newest reading.
const LAMBDA: f64 = 0.2;

/// Which method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Three deviations from the mean.
    Sigma,
    /// A control chart of an exponentially weighted moving average.
    Ewma,
}

impl Method {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Sigma, Self::Ewma];

    /// The word for it, which stands for the detector.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sigma => "sigma",
            Self::Ewma => "ewma",
        }
    }
}

/// The judged readings of each series, as they stand in the file.
pub type Readings = BTreeMap<(String, String), Vec<(Timestamp, f64)>>;

/// Reads `readings.csv` of a planted city.
///
/// # Errors
/// What is no reading, with its line.
pub fn read(path: &Path) -> anyhow::Result<Readings> {
    let name = path.display().to_string();
    let mut file = csv::Reader::from_path(path).with_context(|| name.clone())?;
    let (mut readings, mut places) = (Vec::new(), BTreeMap::new());
    let mut record = csv::StringRecord::new();
    while file.read_record(&mut record)? {
        let field = |at: usize| record.get(at).unwrap_or("");
        if !field(4).is_empty() {
            continue;
        }
        let told = || format!("{name}, line {}", record.position().map_or(0, csv::Position::line));
        let time = field(2).parse().with_context(told)?;
        let value = field(3).parse().with_context(told)?;
        let place = *places.entry((field(0).to_owned(), field(1).to_owned())).or_insert_with(|| {
            readings.push(Vec::new());
            readings.len() - 1
        });
        readings[place].push((time, value));
    }
    Ok(places.into_iter().map(|(series, place)| (series, std::mem::take(&mut readings[place]))).collect())
}

/// The episodes of a method that learns for so long.
#[must_use]
pub fn episodes(method: Method, readings: &Readings, learns: Span) -> Vec<Episode> {
    let begin = readings.values().filter_map(|own| own.first()).map(|(time, _)| *time).min();
    let until = begin.map_or(Timestamp::MIN, |begin| begin + learns);
    let of = |((source, metric), own): (&(String, String), &Vec<(Timestamp, f64)>)| {
        let episode = |(begin, end): (Timestamp, Option<Timestamp>)| Episode {
            id: String::new(),
            detector: method.word().to_owned(),
            source: source.clone(),
            metric: metric.clone(),
            begin,
            end,
            opened: Some(begin),
            severity: Severity::Notice,
        };
        strange(method, own, until).into_iter().map(episode).collect::<Vec<_>>()
    };
    readings.iter().flat_map(of).collect()
}

/// The spans in which a series is strange, from a moment on.
fn strange(
    method: Method,
    own: &[(Timestamp, f64)],
    until: Timestamp,
) -> Vec<(Timestamp, Option<Timestamp>)> {
    let learnt = own.partition_point(|(time, _)| *time < until);
    let (mean, deviation) = moments(&own[..learnt]);
    let (weight, bound) = match method {
        Method::Sigma => (1.0, BOUND * deviation),
        Method::Ewma => (LAMBDA, BOUND * deviation * libm::sqrt(LAMBDA / (2.0 - LAMBDA))),
    };
    let (mut smooth, mut spans) = (mean, Vec::<(Timestamp, Option<Timestamp>)>::new());
    for (time, value) in &own[learnt..] {
        smooth += weight * (value - smooth);
        let open = spans.last_mut().filter(|span| span.1.is_none());
        match ((smooth - mean).abs() > bound, open) {
            (true, None) => spans.push((*time, None)),
            (false, Some(open)) => open.1 = Some(*time),
            _ => {}
        }
    }
    spans
}

fn moments(own: &[(Timestamp, f64)]) -> (f64, f64) {
    let count = own.len().max(1) as f64;
    let mean = own.iter().map(|(_, value)| value).sum::<f64>() / count;
    let variance = own.iter().map(|(_, value)| (value - mean) * (value - mean)).sum::<f64>() / count;
    (mean, libm::sqrt(variance))
}

/// Writes episodes as `yiwang replay` does.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, episodes: &[Episode]) -> anyhow::Result<()> {
    let mut file = BufWriter::new(std::fs::File::create(path).with_context(|| path.display().to_string())?);
    for episode in episodes {
        serde_json::to_writer(&mut file, episode)?;
        file.write_all(b"\n")?;
    }
    file.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 readings of 0 and 2 in turn, then these, ten minutes apart.
    fn series(then: &[f64]) -> Readings {
        let values = (0..100).map(|at| f64::from(at % 2 * 2)).chain(then.iter().copied());
        let own = (0..).zip(values).map(|(at, value)| (Timestamp::from_secs(600 * at), value)).collect();
        Readings::from([(("a".to_owned(), "x".to_owned()), own)])
    }

    /// Which readings of those behind the first hundred episodes begin and end with.
    fn found(method: Method, then: &[f64]) -> Vec<(i64, Option<i64>)> {
        let place = |at: Timestamp| at.secs() / 600 - 100;
        let episodes = episodes(method, &series(then), Span::from_secs(60_000));
        episodes.iter().map(|one| (place(one.begin), one.end.map(place))).collect()
    }

    #[test]
    fn sigma_is_strange_beyond_three_deviations() {
        // Mean and deviation are 1.
        assert_eq!(found(Method::Sigma, &[1.0, 4.1, 4.1, 3.9, -2.1]), [(1, Some(3)), (4, None)]);
    }

    #[test]
    fn ewma_is_strange_beyond_three_deviations_of_the_mean() {
        // Its bound is 3 √(0.2 / 1.8) = 1. After n readings of 2 it is 1 − 0.8ⁿ from the mean, which never is 1; of 3 twice that, more than
        // 1 from the fourth on, 1.18; and a −7 takes it to −0.66.
        assert_eq!(found(Method::Ewma, &[2.0; 30]), []);
        assert_eq!(found(Method::Ewma, &[3.0, 3.0, 3.0, 3.0, -7.0]), [(3, Some(4))]);
    }
}
