//! `yiwang score`: how strange each row of a series is, by the detector that a city would have.
//!
//! In: CSV with `timestamp` and `value`, in the order of the rows, as the Numenta Anomaly Benchmark has it. Out: the same rows with
//! `anomaly_score`, from 0 to 1, where 0.5 is the alarm. A row's score follows from the rows before it and itself; nothing is
//! looked up ahead, and nothing is known of the file. A row whose time is before that of the last, or whose value is no number, has 0.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Args;
use yiwang_detect::{Detector, Input, Param, Params, Prototype, Sample, SeriesContext, Spec, registry};
use yiwang_model::{Quality, Severity, Timestamp};

use crate::cli::Failed;

/// What to score.
#[derive(Debug, Args)]
pub struct Options {
    /// A CSV file with columns `timestamp` and `value`, or a folder of them.
    #[arg(long)]
    input: PathBuf,
    /// Where to write: a file for a file, a folder for a folder, in which the files have the same names.
    #[arg(long)]
    output: PathBuf,
    /// A parameter of the detector that is not to have its default, as `level_bar=3`.
    #[arg(long, value_name = "KEY=NUMBER", value_parser = param)]
    param: Vec<(String, f64)>,
}

/// The kind of detector that scores.
const KIND: &str = "ensemble";

/// Scores.
///
/// # Errors
/// Files that cannot be read or written, rows that are none, parameters that the detector does not know.
pub fn run(options: &Options) -> Result<ExitCode, Failed> {
    let params: Params =
        options.param.iter().map(|(key, value)| (key.clone(), Param::Number(*value))).collect();
    let spec = Spec {
        name: KIND.into(),
        kind: KIND.to_owned(),
        severity: Severity::Warning,
        params,
        limits: [].into(),
    };
    let prototype = registry::build(&spec).map_err(|faults| {
        Failed::Usage(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })?;
    if options.input.is_dir() {
        folder(&options.input, &options.output, &*prototype)?;
    } else {
        file(&options.input, &options.output, &*prototype)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// All files of a folder and of those in it.
fn folder(from: &Path, to: &Path, prototype: &dyn Prototype) -> anyhow::Result<()> {
    std::fs::create_dir_all(to).with_context(|| to.display().to_string())?;
    let entries = std::fs::read_dir(from).with_context(|| from.display().to_string())?;
    for entry in entries {
        let path = entry?.path();
        let Some(name) = path.file_name() else { continue };
        if path.is_dir() {
            folder(&path, &to.join(name), prototype)?;
        } else if path.extension().is_some_and(|extension| extension == "csv") {
            file(&path, &to.join(name), prototype)?;
        }
    }
    Ok(())
}

fn file(from: &Path, to: &Path, prototype: &dyn Prototype) -> anyhow::Result<()> {
    let scored = score(from, to, prototype);
    scored.with_context(|| format!("{} to {}", from.display(), to.display()))
}

fn score(from: &Path, to: &Path, prototype: &dyn Prototype) -> anyhow::Result<()> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(from)?;
    let header = reader.headers()?.clone();
    let column = |name: &str| {
        let found = header.iter().position(|own| own.eq_ignore_ascii_case(name));
        found.ok_or_else(|| anyhow!("header: column \"{name}\" is missing"))
    };
    let (at, value) = (column("timestamp")?, column("value")?);
    let mut detector = prototype.make(&SeriesContext::default());
    let mut writer = csv::Writer::from_path(to)?;
    writer.write_record(["timestamp", "value", "anomaly_score"])?;
    let (mut row, mut said) = (csv::StringRecord::new(), Vec::new());
    while reader.read_record(&mut row)? {
        let line = row.position().map_or(0, csv::Position::line);
        let cell = |column| row.get(column).unwrap_or_default();
        let time = time(cell(at)).with_context(|| format!("line {line}"))?;
        let score = step(&mut *detector, time, cell(value), &mut said);
        writer.write_record([cell(at), cell(value), &score.to_string()])?;
    }
    writer.flush()?;
    Ok(())
}

fn step(
    detector: &mut dyn Detector,
    time: Timestamp,
    value: &str,
    said: &mut Vec<yiwang_detect::Event>,
) -> f64 {
    let Some(value) = value.parse().ok().filter(|value: &f64| value.is_finite()) else { return 0.0 };
    detector.step(&Input::Reading(Sample { time, value, quality: Quality::Good }), said);
    said.clear();
    detector.score().unwrap_or_default()
}

/// A time with an offset, or without one and then of UTC: only the hour of the day matters.
fn time(text: &str) -> anyhow::Result<Timestamp> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let civil: jiff::civil::DateTime = text.parse().with_context(|| format!("\"{text:.64}\" is no time"))?;
    let instant = civil.to_zoned(jiff::tz::TimeZone::UTC)?.timestamp();
    i64::try_from(instant.as_nanosecond()).map(Timestamp).context("a time outside the years 1678 to 2261")
}

fn param(text: &str) -> Result<(String, f64), String> {
    let (key, value) = text.split_once('=').ok_or("KEY=NUMBER is wanted")?;
    Ok((key.to_owned(), value.parse().map_err(|_| format!("{value:?} is no number"))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(text: &str) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("in"), folder.path().join("out"));
        std::fs::create_dir(&from).unwrap();
        std::fs::write(from.join("a.csv"), text).unwrap();
        let options = Options { input: from, output: to.clone(), param: vec![("warm_up".into(), 40.0)] };
        match run(&options) {
            Ok(_) => Ok(std::fs::read_to_string(to.join("a.csv")).unwrap()),
            Err(Failed::Failure(error)) => Err(format!("{error:#}")),
            Err(_) => Err("something else".into()),
        }
    }

    fn wave(rows: i64) -> String {
        let row = |at: i64| format!("2026-03-02 {:02}:{:02}:00,{}\n", at / 60 % 24, at % 60, (at * 7) % 5);
        (0..rows).map(row).collect()
    }

    #[test]
    fn each_row_has_its_score_and_nothing_follows_from_those_behind_it() {
        let text = format!("timestamp,value\n{}", wave(300));
        let calm = scored(&text).unwrap();
        assert_eq!(calm.lines().count(), 301);
        let scores: Vec<f64> =
            calm.lines().skip(1).map(|line| line.rsplit(',').next().unwrap().parse().unwrap()).collect();
        assert!(scores.iter().all(|score| (0.0..0.5).contains(score)), "{scores:?}");
        let strange = scored(&format!("{text}2026-03-02 05:00:00,90\n")).unwrap();
        let (before, last) = strange.trim_end().rsplit_once('\n').unwrap();
        assert_eq!(before, calm.trim_end());
        let score: f64 = last.rsplit(',').next().unwrap().parse().unwrap();
        assert!((0.5..=1.0).contains(&score), "{last}");
    }

    #[test]
    fn rows_that_are_none_have_no_score_and_files_that_are_none_are_told() {
        let rows = "2026-03-02T10:00:00+08:00,NaN\n2026-03-02 03:00:00,\n2026-03-02 01:00:00,1e308\n";
        let found = scored(&format!("value,timestamp\n{}", rows.replace("NaN", "x"))).unwrap_err();
        assert!(found.contains("a.csv") && found.contains("is no time"), "{found}");
        let found = scored(&format!("Timestamp,Value\n{rows}")).unwrap();
        assert!(found.lines().skip(1).all(|line| line.ends_with(",0")), "{found}");
        let found = scored("time,value\n").unwrap_err();
        assert!(found.contains("column \"timestamp\" is missing"), "{found}");
    }
}
