//! A stretch of real readings, with the noise of each series.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use anyhow::bail;
use yiwang_catalogue::Catalogue;
use yiwang_model::{Quality, Span, Timestamp};

use crate::city::hours::OFFSET;
use crate::planted::kind::Kind;
use crate::planted::least;
use crate::planted::recipe::{self, Recipe};
use crate::planted::truth::Row;
use crate::replay::read;

/// How far apart readings are.
pub(super) const HOUR: Span = Span::HOUR;
/// How many readings either side the local median takes.
const BESIDE: usize = 2;

/// By time, each time once.
type Readings = Vec<(Timestamp, f64)>;

/// A series as it was measured.
pub(super) struct Series {
    pub(super) source: String,
    pub(super) recipe: &'static Recipe,
    readings: Readings,
    /// The local median of each.
    local: Vec<f64>,
    /// σ, in the metric's unit.
    pub(super) sigma: f64,
    /// The mean of each hour of the day, and of all.
    hours: [f64; 24],
    mean: f64,
    /// The share of readings that are missing.
    missing: f64,
}

/// Some weeks of some stations.
pub(super) struct Stretch {
    pub(super) begin: Timestamp,
    days: u32,
    pub(super) series: Vec<Series>,
}

impl Stretch {
    /// Reads files of the data set.
    pub(super) fn read(inputs: &[PathBuf], begin: Timestamp, days: u32) -> anyhow::Result<Self> {
        let input = read::files(inputs, &Catalogue::demo())?;
        let mut by_name = BTreeMap::<(String, &str), (&'static Recipe, Readings)>::new();
        let span = begin..begin + Span::DAY.times(days.into());
        for record in &input.records {
            let key = &input.dictionary[record.series as usize];
            let recipe =
                recipe::of(yiwang_catalogue::StationKind::Air).find(|recipe| recipe.metric == key.metric);
            let (Some(recipe), at) = (recipe, Timestamp(record.time)) else { continue };
            if span.contains(&at) {
                let own = by_name.entry((key.source.clone(), recipe.metric)).or_insert((recipe, Vec::new()));
                own.1.push((at, record.value));
            }
        }
        let series: Vec<Series> = by_name
            .into_iter()
            .map(|((source, _), (recipe, readings))| Series::of(source, recipe, readings, days))
            .collect();
        if series.is_empty() {
            bail!(
                "the inputs have no readings of air from {begin} on; wanted is a begin from 2013-03-01 to 2017-02-28"
            );
        }
        Ok(Self { begin, days, series })
    }

    pub(super) fn end(&self) -> Timestamp {
        self.begin + Span::DAY.times(self.days.into())
    }

    /// The series of a name, as `Dongsi/no2`.
    pub(super) fn find(&self, name: &str) -> Option<(usize, &Series)> {
        self.series.iter().enumerate().find(|(_, series)| series.name() == name)
    }

    /// The first full hour at or after a moment.
    pub(super) fn first_hour(&self, at: Timestamp) -> Timestamp {
        let since = (at - self.begin).0;
        self.begin + HOUR.times(since.div_euclid(HOUR.0) + i64::from(since.rem_euclid(HOUR.0) != 0))
    }

    /// The stations, each once.
    pub(super) fn sources(&self) -> Vec<&str> {
        let mut sources: Vec<&str> = self.series.iter().map(|series| series.source.as_str()).collect();
        sources.dedup();
        sources
    }

    /// `readings.csv` with what is planted.
    pub(super) fn with(&self, rows: &[(usize, Row)]) -> String {
        let mut lines = Vec::new();
        for (at, series) in self.series.iter().enumerate() {
            let own: Vec<&Row> =
                rows.iter().filter(|(series, _)| *series == at).map(|(_, row)| row).collect();
            lines.extend(
                series.with(&own).into_iter().map(|(time, value, quality)| (time, at, value, quality)),
            );
        }
        lines.sort_by_key(|(time, at, ..)| (*time, *at));
        let mut text = "source,metric,time,value,quality\n".to_owned();
        for (time, at, value, quality) in lines {
            let Series { source, recipe, .. } = &self.series[at];
            let word = if quality == Quality::Good { "" } else { quality.word() };
            writeln!(text, "{source},{},{time},{value},{word}", recipe.metric).expect("a text takes all");
        }
        text
    }
}

impl Series {
    fn of(source: String, recipe: &'static Recipe, mut readings: Readings, days: u32) -> Self {
        readings.dedup_by_key(|(time, _)| *time);
        let values: Vec<f64> = readings.iter().map(|(_, value)| *value).collect();
        let local: Vec<f64> = (0..values.len()).map(|at| median(around(&values, at).to_vec())).collect();
        let off = values.iter().zip(&local).map(|(value, local)| (value - local).abs()).collect();
        let (mut sums, mut counts) = ([0.0; 24], [0.0; 24]);
        for (time, value) in &readings {
            let hour = hour_of_day(*time);
            sums[hour] += value;
            counts[hour] += 1.0;
        }
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        let hours =
            std::array::from_fn(|hour| if counts[hour] == 0.0 { mean } else { sums[hour] / counts[hour] });
        // An instrument cannot be better than it shows.
        let sigma = (1.4826 * median(off)).max(1.0);
        let missing = 1.0 - values.len() as f64 / (24.0 * f64::from(days));
        Self { source, recipe, readings, local, sigma, hours, mean, missing }
    }

    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.source, self.recipe.metric)
    }

    /// The readings of a span.
    pub(super) fn between(&self, from: Timestamp, to: Timestamp) -> &[(Timestamp, f64)] {
        let at = |moment| self.readings.partition_point(|(time, _)| *time < moment);
        &self.readings[at(from)..at(to)]
    }

    /// What is sent, with what is planted in it; `rows` do not overlap.
    pub(super) fn with(&self, rows: &[&Row]) -> Vec<(Timestamp, f64, Quality)> {
        let mut last = self.mean;
        let mut sent = Vec::with_capacity(self.readings.len());
        for ((time, value), local) in self.readings.iter().zip(&self.local) {
            let row = rows.iter().find(|row| row.begin <= *time && *time < row.end);
            let Some(value) = row.map_or(Some(*value), |row| self.bent(row, *time, *value, *local, last))
            else {
                continue;
            };
            let value = (value.clamp(self.recipe.range.0, self.recipe.range.1) * 10.0).round() / 10.0;
            let quality = if row.is_some_and(|row| row.kind == Kind::Calibration) {
                Quality::Calibration
            } else {
                Quality::Good
            };
            if row.is_none() {
                last = value;
            }
            sent.push((*time, value, quality));
        }
        sent
    }

    /// What becomes of a reading; `last` is the last one in which nothing was planted.
    fn bent(&self, row: &Row, time: Timestamp, value: f64, local: f64, last: f64) -> Option<f64> {
        Some(match row.kind {
            Kind::Gap => return None,
            Kind::Stuck => last,
            Kind::Noise => local + row.size * (value - local),
            Kind::Limit => row.size * self.recipe.limit?.0 + value - local,
            Kind::Calibration => 0.0,
            _ => value + self.sigma * self.moved(row, time),
        })
    }

    /// By how many σ a reading is moved.
    fn moved(&self, row: &Row, time: Timestamp) -> f64 {
        match row.kind {
            Kind::Drift => row.size * ((time - row.begin).0 / HOUR.0 + 1) as f64,
            Kind::Season => (self.mean - self.hours[hour_of_day(time)]) / self.sigma,
            _ => row.size,
        }
    }

    /// The least delay, in readings.
    pub(super) fn least(&self, row: &Row) -> u32 {
        if row.kind == Kind::Limit {
            return 1;
        }
        let nats = |reading: u32| match row.kind {
            Kind::Noise => (row.size * row.size - 1.0) / 2.0 - libm::log(row.size),
            // It shows full units.
            Kind::Stuck => least::same(1.0, self.sigma),
            Kind::Gap => -libm::log(self.missing.max(1e-3)),
            _ => self.moved(row, row.begin + HOUR.times(reading.into())).powi(2) / 2.0,
        };
        least::first(((row.end - row.begin).0 / HOUR.0) as u32, 24.0, nats)
    }
}

fn around(values: &[f64], at: usize) -> &[f64] {
    &values[at.saturating_sub(BESIDE)..(at + BESIDE + 1).min(values.len())]
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn hour_of_day(at: Timestamp) -> usize {
    ((at + OFFSET).nanos().rem_euclid(Span::DAY.0) / HOUR.0) as usize
}
