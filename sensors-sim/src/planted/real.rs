//! Faults planted into real readings: the hourly air of Beijing (UCI, set 501), by the same plans and with the same truth.
//!
//! Nobody knows the signal of real air. It is taken to be the *local median*, of a reading and the two before and behind it, those that
//! are missing left out; the robust noise σ of a series is 1.4826 times the median absolute deviation of its readings from that,
//! over the whole stretch, before anything is planted. What is strange in the real readings themselves has no line in the truth: an
//! episode of it counts as false. `least` is that of Gaussian noise, which this is not.
//!
//! Of the kinds of a plan those of single series are taken, but `slip` and those that are announced; a `season` is the mean of an
//! hour of the day over the stretch. A plan by dice has 48 readings of `season`, which are two days.

mod stretch;

use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use yiwang_model::{Span, Timestamp};

use super::kind::Kind;
use super::plan::{Line, Plan};
use super::truth::{Row, Truth};
use super::{catalogue, save};
use crate::city::fault::{When, Wrong, all_wrong};
use stretch::{HOUR, Series, Stretch};

/// Nothing is drawn into the first weeks, and they are not judged: a day of hourly readings is short.
const WARM_UP: Span = Span::DAY.times(28);
/// What can be planted, and as many times each.
const KINDS: [Kind; 8] =
    [Kind::Spike, Kind::Shift, Kind::Drift, Kind::Noise, Kind::Stuck, Kind::Gap, Kind::Limit, Kind::Season];
/// What a season is longer in ten minutes than in hours.
const SEASON: u32 = 6;
/// What lies between two things in one series that are drawn.
const APART: Span = Span::HOUR.times(48);
const TRIES: usize = 20_000;

/// What is planted into what.
#[derive(Clone, Debug)]
pub struct Options {
    /// Files of the data set, gzipped or not.
    pub inputs: Vec<PathBuf>,
    /// The first midnight.
    pub begin: Timestamp,
    /// How many days.
    pub days: u32,
    /// The plan; one is drawn if there is none.
    pub plan: Option<Plan>,
    /// Of the plan that is drawn.
    pub seed: u64,
    /// How many faults of each kind are drawn; there are as many calibrations as faults.
    pub each: usize,
    /// How many times the usual they are.
    pub factors: Vec<f64>,
    /// A file of the catalogue that has detectors, copied to the others.
    pub detectors: Option<PathBuf>,
    /// The folder for `readings.csv`, `truth.csv`, `plan.csv` and `catalogue`.
    pub out: PathBuf,
}

/// Plants.
///
/// # Errors
/// Files that cannot be read or written; a plan that does not fit, by line.
pub fn write(options: &Options) -> anyhow::Result<()> {
    let stretch = Stretch::read(&options.inputs, options.begin, options.days)?;
    let plan = options.plan.clone().map_or_else(|| draw(options, &stretch), Ok)?;
    let rows = resolve(&plan, &stretch).map_err(|wrong| all_wrong("plan", &wrong))?;
    let out = |name: &str| options.out.join(name);
    std::fs::create_dir_all(out("catalogue")).with_context(|| options.out.display().to_string())?;
    save(&out("plan.csv"), &plan.to_csv())?;
    save(&out("readings.csv"), &stretch.with(&rows))?;
    save(&out("catalogue/city.toml"), &catalogue::beijing(&stretch.sources()))?;
    if let Some(detectors) = &options.detectors {
        let text = std::fs::read_to_string(detectors).with_context(|| detectors.display().to_string())?;
        save(&out("catalogue/detectors.toml"), &text)?;
    }
    let (from, to) = (options.begin + WARM_UP, stretch.end());
    let truth =
        Truth { from, to, series: stretch.series.len(), rows: rows.into_iter().map(|row| row.1).collect() };
    save(&out("truth.csv"), &truth.to_csv()?)
}

/// Each row of the plan as a line of the truth, with its series, sorted by series and begin.
fn resolve(plan: &Plan, stretch: &Stretch) -> Result<Vec<(usize, Row)>, Vec<Wrong>> {
    let each = plan.lines.iter().enumerate();
    let (rows, wrong): (Vec<_>, Vec<_>) = each
        .map(|(at, line)| row(stretch, at + 1, line).map_err(|what| Wrong { line: line.line, what }))
        .partition(Result::is_ok);
    let mut rows: Vec<(usize, Row)> = rows.into_iter().filter_map(Result::ok).collect();
    rows.sort_by_key(|(series, row)| (*series, row.begin));
    let mut wrong: Vec<Wrong> = wrong.into_iter().filter_map(Result::err).collect();
    let late = |pair: &&[(usize, Row)]| pair[0].0 == pair[1].0 && pair[1].1.begin < pair[0].1.end;
    wrong.extend(rows.windows(2).filter(late).map(|pair| {
        let (first, second) = (&pair[0].1, &pair[1].1);
        let what = format!(
            "begin {} lies in another row of the same series; wanted is {} or later",
            second.begin, first.end
        );
        Wrong { line: plan.lines[second.number - 1].line, what }
    }));
    if wrong.is_empty() { Ok(rows) } else { Err(wrong) }
}

fn row(stretch: &Stretch, number: usize, line: &Line) -> Result<(usize, Row), String> {
    let (at, series) = stretch.find(&line.target).ok_or_else(|| {
        format!("target {:?} is no series here; wanted is station/metric, as Dongsi/no2", line.target)
    })?;
    if !KINDS.contains(&line.kind) && line.kind != Kind::Calibration {
        let known: Vec<&str> = KINDS.iter().map(|kind| kind.word()).collect();
        return Err(format!(
            "kind {:?} cannot be planted into real air; wanted is {} or calibration",
            line.kind.word(),
            known.join(", ")
        ));
    }
    if line.kind == Kind::Limit && series.recipe.limit.is_none() {
        return Err(format!("target {:?} has no limit of the hourly mean; wanted is no2 or o3", line.target));
    }
    let begin = stretch.first_hour(line.begin.at(stretch.begin));
    let end = begin + HOUR.times(line.readings.into());
    if begin < stretch.begin || end > stretch.end() {
        return Err(format!(
            "begin {begin} to {end} is not in the stretch; wanted is {} to {}",
            stretch.begin,
            stretch.end()
        ));
    }
    let usual = if line.kind == Kind::Season { line.readings * SEASON } else { line.readings };
    let mut row = Row {
        number,
        class: line.kind.class(),
        kind: line.kind,
        target: line.target.clone(),
        source: series.source.clone(),
        metric: series.recipe.metric.to_owned(),
        begin,
        end,
        size: line.size,
        factor: line.kind.factor(usual, line.size),
        least: 0,
        period: HOUR,
    };
    row.least = series.least(&row);
    Ok((at, row))
}

/// A plan by dice.
fn draw(options: &Options, stretch: &Stretch) -> anyhow::Result<Plan> {
    if stretch.begin + WARM_UP + Span::DAY.times(30) > stretch.end() || options.factors.is_empty() {
        bail!("--days is {}; wanted are at least 58, of which the first 28 have no faults", options.days);
    }
    let mut dice = ChaCha8Rng::seed_from_u64(options.seed);
    let (mut plan, mut taken) = (Plan::default(), vec![Vec::new(); stretch.series.len()]);
    for at in 0..options.each {
        let factor = options.factors[at % options.factors.len()];
        for kind in KINDS {
            put(&mut dice, stretch, &mut plan, &mut taken, kind, factor)?;
            put(&mut dice, stretch, &mut plan, &mut taken, Kind::Calibration, 1.0)?;
        }
    }
    plan.lines.sort_by_key(|line| line.begin.at(stretch.begin));
    (2..).zip(&mut plan.lines).for_each(|(at, line)| line.line = at);
    Ok(plan)
}

/// What is taken of each series.
type Taken = [Vec<(Timestamp, Timestamp)>];

fn put(
    dice: &mut ChaCha8Rng,
    stretch: &Stretch,
    plan: &mut Plan,
    taken: &mut Taken,
    kind: Kind,
    factor: f64,
) -> anyhow::Result<()> {
    let (readings, size) = kind.scaled(factor);
    let readings = if kind == Kind::Season { readings.div_ceil(SEASON) } else { readings };
    let hours = (stretch.end() - stretch.begin).0 / HOUR.0 - i64::from(readings);
    for _ in 0..TRIES {
        let series: &Series = &stretch.series[dice.random_range(0..stretch.series.len())];
        let begin = When::After(HOUR.times(dice.random_range(WARM_UP.0 / HOUR.0..hours)));
        let line = Line { line: 0, kind, target: series.name(), begin, readings, size };
        let Ok((at, row)) = row(stretch, 1, &line) else { continue };
        // Where most readings are missing, nothing can be planted.
        let there = series.between(row.begin, row.end).len() as u32;
        let span = (row.begin - APART, row.end + APART);
        if 10 * there >= 9 * readings && taken[at].iter().all(|(from, to)| span.1 <= *from || *to <= span.0) {
            taken[at].push(span);
            plan.lines.push(line);
            return Ok(());
        }
    }
    Err(anyhow!(
        "no place was found for a {}; wanted are more stations, more days or fewer faults",
        kind.word()
    ))
}

#[cfg(test)]
mod tests;
