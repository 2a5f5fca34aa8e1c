//! The detector against an oracle that knows nothing of it: plain sums over a table of hours read from the CSV.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use yiwang_model::{Quality, Severity, Span, Timestamp};

use crate::registry::build;
use crate::{Event, Input, LimitRow, Param, Sample, SeriesContext, Spec};

const LIMIT: f64 = 75.0;
const FIRST_HOUR: &str = "2013-03-01T00:00:00+08:00";

/// Begin, end, bits of the extreme.
type Found = (Timestamp, Option<Timestamp>, u64);

#[test]
fn days_and_hours_of_eight_stations_agree_with_the_oracle() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/beijing-air");
    let Ok(entries) = folder.read_dir() else {
        // Past the test run, which shows what a test prints only when it fails.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: there is no ../shared/data/beijing-air beside the checkout"
        );
        return;
    };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_string_lossy().ends_with(".csv.gz"));
    files.sort();
    for file in &files {
        let hours = hours(file);
        let days = by_detector(&hours, "day mean");
        let rolling = by_detector(&hours, "24 h mean");
        println!("{:?}: {} by day, {} by 24 h", file.file_name().unwrap(), days.len(), rolling.len());
        assert_eq!(days, oracle_days(&hours));
        assert_eq!(rolling, oracle_rolling(&hours));
        if file.to_string_lossy().contains("Aotizhongxin") {
            assert_eq!((days.len(), rolling.len()), (221, 283));
        }
    }
    assert_eq!(files.len(), 8);
}

/// PM2.5 by hour since 2013-03-01 00:00 in Beijing.
fn hours(file: &PathBuf) -> Vec<Option<f64>> {
    let mut csv = csv::Reader::from_reader(flate2::read::GzDecoder::new(File::open(file).unwrap()));
    let column = csv.headers().unwrap().iter().position(|name| name == "PM2.5").unwrap();
    let rows = csv.records().map(|row| row.unwrap()[column].parse().ok());
    rows.collect()
}

fn at(hour: usize) -> Timestamp {
    FIRST_HOUR.parse::<Timestamp>().unwrap() + Span::HOUR.times(hour as i64)
}

/// Collects episodes from means: `None` neither opens nor ends one.
fn episodes(means: impl Iterator<Item = (Timestamp, Option<f64>)>) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let mut open = false;
    for (stamp, mean) in means {
        match mean {
            Some(mean) if mean > LIMIT && open => {
                let last = found.last_mut().unwrap();
                last.2 = last.2.max(mean.to_bits()); // positive numbers sort as their bits
            }
            Some(mean) if mean > LIMIT => {
                found.push((stamp, None, mean.to_bits()));
                open = true;
            }
            Some(_) if open => {
                found.last_mut().unwrap().1 = Some(stamp);
                open = false;
            }
            _ => {}
        }
    }
    found
}

fn mean(hours: &[Option<f64>]) -> Option<f64> {
    let mut sum = 0.0;
    let mut count = 0;
    for value in hours.iter().flatten() {
        sum += value;
        count += 1;
    }
    if count < 20 { None } else { Some(sum / f64::from(count)) }
}

fn oracle_days(hours: &[Option<f64>]) -> Vec<Found> {
    episodes((0..hours.len() / 24).map(|day| (at(day * 24), mean(&hours[day * 24..day * 24 + 24]))))
}

fn oracle_rolling(hours: &[Option<f64>]) -> Vec<Found> {
    let first = |end: usize| end.saturating_sub(24);
    episodes((1..=hours.len()).map(|end| (at(end), mean(&hours[first(end)..end]))))
}

fn by_detector(hours: &[Option<f64>], window: &str) -> Vec<Found> {
    let limits = [LimitRow {
        value: LIMIT,
        valid_from: "2013-01-01T00:00:00+08:00".parse().unwrap(),
        valid_to: None,
        edition: "GB 3095-2012, grade II".into(),
    }];
    let spec = Spec {
        name: "pm2_5".into(),
        kind: "limit".into(),
        severity: Severity::Warning,
        params: BTreeMap::from([("window".into(), Param::Text(window.into()))]),
        limits: Arc::new(limits),
    };
    let series = SeriesContext { period: Span::HOUR, ..SeriesContext::default() };
    let mut detector = build(&spec).map_err(|_| "faults").unwrap().make(&series);
    let mut events = Vec::new();
    for (hour, value) in hours.iter().enumerate() {
        if let Some(value) = *value {
            let reading = Sample { time: at(hour), value, quality: Quality::Good };
            detector.step(&Input::Reading(reading), &mut events);
        }
    }
    while let Some(city) = detector.wake_at().filter(|city| *city < at(hours.len() + 48)) {
        detector.step(&Input::Tick { city }, &mut events);
    }
    told(&events)
}

fn told(events: &[Event]) -> Vec<Found> {
    let mut found = BTreeMap::new();
    for event in events {
        let (Event::Raised(finding) | Event::Worsened(finding) | Event::Cleared(finding)) = event;
        found.insert(finding.begin, (finding.begin, finding.end, finding.extreme));
    }
    found.into_values().map(|(begin, end, extreme)| (begin, end, extreme.to_bits())).collect()
}
