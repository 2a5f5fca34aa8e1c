//! Real input: hourly PM2.5 of Beijing, 2013 to 2017, through both doors and offline, against an oracle that reads the CSV
//! and knows nothing of the program.
//!
//! Compliance: the mean of a calendar day with at least 20 values; warning: the mean of the last 24 hours at each full
//! hour, with at least 20. Above 75 µg/m³ opens or goes on, at or below ends, no valid mean does neither.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use yiwang_model::{Phase, Span, Timestamp};
use yiwang_tests::city::City;
use yiwang_tests::sim::{Door, Sim, number};
use yiwang_tests::{orders, programs, skip};

const LIMIT: f64 = 75.0;
const LEAST_VALUES: usize = 20;
const DETECTORS: [&str; 2] = ["pm2_5-day", "pm2_5-24h"];

/// Station, detector, begin, end, bits of the extreme.
type Episode = (String, &'static str, Timestamp, Option<Timestamp>, u64);

/// The shipped stations through both doors into a fresh city.
#[test]
fn orders_of_two_stations_are_those_of_the_oracle() {
    let files = stations(&programs::root().join("sensors-sim/data/beijing"));
    assert_eq!(files.len(), 2);
    let mut city = City::new();
    city.fed().start();
    let inputs: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let acked = city.beside("beijing.acked");
    let report = Sim::replay(&city, Door::Both, &inputs, &["--acked", acked.to_str().unwrap()]).report();
    assert_eq!(number(&report, "acked"), number(&report, "readings"), "{report}");
    city.settle();
    let found = DETECTORS.map(|detector| orders::orders(&city, &format!("detector={detector}")));
    orders::episodes(found.iter().flatten());
    // A window that a door's delay left half full was judged, and withdrawn when the rest came.
    let held = found.iter().flatten().filter(|order| order.draft.evidence.anomaly.phase != Phase::Withdrawn);
    let found = held.map(|order| {
        let anomaly = &order.draft.evidence.anomaly;
        let detector = DETECTORS.into_iter().find(|name| **name == *anomaly.detector).unwrap();
        (anomaly.series.source().to_string(), detector, anomaly.begin, anomaly.end, anomaly.extreme.to_bits())
    });
    assert_same(found.collect(), oracle(&files));
    city.stop().reconcile(false, &[&acked]).must_balance();
}

/// All stations offline, where they lie beside the checkout.
#[test]
fn eight_stations_offline_are_those_of_the_oracle() {
    let files = stations(&programs::root().join("../shared/data/beijing-air"));
    if files.is_empty() {
        return skip("beijing, eight stations", "there is no ../shared/data/beijing-air beside the checkout");
    }
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("eight.csv");
    write(&input, files.iter().flat_map(|file| lines(file)));
    assert_same(read_back(&replay(&input, 2)), oracle(&files));
}

/// One worker or four, in order or shuffled: byte by byte the same.
#[test]
fn workers_and_the_order_of_lines_never_show() {
    let files = stations(&programs::root().join("sensors-sim/data/beijing"));
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("sorted.csv");
    let mut all: Vec<String> = files.iter().flat_map(|file| lines(file)).collect();
    write(&input, all.iter().cloned());
    let one = replay(&input, 1);
    assert!(one.lines().count() > 2 * 221, "{one:.1000}");
    for workers in [2, 4] {
        assert!(replay(&input, workers) == one, "{workers} workers judge otherwise than one");
    }
    all.shuffle(&mut ChaCha8Rng::seed_from_u64(7));
    write(&input, all.into_iter());
    assert!(replay(&input, 3) == one, "shuffled lines are judged otherwise");
}

/// The files of a folder, sorted.
pub(super) fn stations(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = folder.read_dir() else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_string_lossy().ends_with(".csv.gz"));
    files.sort();
    files
}

/// The station of a file, and its PM2.5 by hour since 2013-03-01 00:00 in Beijing.
pub(super) fn hours(file: &Path) -> (String, Vec<Option<f64>>) {
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(file).unwrap()).read_to_string(&mut text).unwrap();
    let mut csv = csv::Reader::from_reader(text.as_bytes());
    let headers = csv.headers().unwrap().clone();
    let column = |name: &str| headers.iter().position(|own| own == name).unwrap();
    let (value, station) = (column("PM2.5"), column("station"));
    let rows: Vec<csv::StringRecord> = csv.records().map(Result::unwrap).collect();
    (rows[0][station].to_owned(), rows.iter().map(|row| row[value].parse().ok()).collect())
}

fn hour(number: usize) -> Timestamp {
    "2013-03-01T00:00:00+08:00".parse::<Timestamp>().unwrap()
        + Span::HOUR.times(i64::try_from(number).unwrap())
}

/// Lines of `yiwang replay`.
pub(super) fn lines(file: &Path) -> Vec<String> {
    let (station, hours) = hours(file);
    let values = hours.iter().enumerate().filter_map(|(number, value)| Some((hour(number), (*value)?)));
    values.map(|(time, value)| format!("{station},pm2_5,{time},{value}")).collect()
}

fn write(file: &Path, lines: impl Iterator<Item = String>) {
    let text: Vec<String> = std::iter::once("source,metric,time,value".to_owned()).chain(lines).collect();
    std::fs::write(file, text.join("\n")).unwrap();
}

fn replay(input: &Path, workers: u32) -> String {
    let mut command = programs::yiwang();
    let output =
        command.arg("replay").arg("--input").arg(input).args(["--workers", &workers.to_string()]).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn read_back(lines: &str) -> BTreeSet<Episode> {
    let mut found = BTreeSet::new();
    for line in lines.lines() {
        let told: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| told[key].as_str().unwrap();
        let Some(detector) = DETECTORS.into_iter().find(|name| *name == text("detector")) else { continue };
        let end = told["end"].as_str().map(|end| end.parse().unwrap());
        let extreme = told["extreme"].as_f64().unwrap().to_bits();
        assert!(found.insert((
            text("source").to_owned(),
            detector,
            text("begin").parse().unwrap(),
            end,
            extreme
        )));
    }
    found
}

/// What the two rules say of these files.
pub(super) fn oracle(files: &[PathBuf]) -> BTreeSet<Episode> {
    let mut all = BTreeSet::new();
    for file in files {
        let (station, hours) = hours(file);
        let days = (0..hours.len() / 24).map(|day| (hour(day * 24), mean(&hours[day * 24..(day + 1) * 24])));
        let rolling = (1..=hours.len()).map(|end| (hour(end), mean(&hours[end.saturating_sub(24)..end])));
        let (days, rolling) = (spells(days), spells(rolling));
        if station == "Aotizhongxin" {
            assert_eq!((days.len(), rolling.len()), (221, 283), "the oracle itself is wrong");
        }
        for (detector, spells) in DETECTORS.into_iter().zip([days, rolling]) {
            all.extend(
                spells
                    .into_iter()
                    .map(|(begin, end, extreme)| (station.clone(), detector, begin, end, extreme)),
            );
        }
    }
    all
}

fn mean(hours: &[Option<f64>]) -> Option<f64> {
    let values: Vec<f64> = hours.iter().flatten().copied().collect();
    // at most 24
    let count = values.len() as f64;
    (values.len() >= LEAST_VALUES).then(|| values.iter().fold(0.0, |sum, value| sum + value) / count)
}

/// Runs of means above the limit: begin, end, bits of the highest.
fn spells(means: impl Iterator<Item = (Timestamp, Option<f64>)>) -> Vec<(Timestamp, Option<Timestamp>, u64)> {
    let mut spells = Vec::new();
    let mut open: Option<(Timestamp, f64)> = None;
    for (at, mean) in means.filter_map(|(at, mean)| Some((at, mean?))) {
        open = match (open, mean > LIMIT) {
            (None, true) => Some((at, mean)),
            (Some((begin, highest)), true) => Some((begin, highest.max(mean))),
            (Some((begin, highest)), false) => {
                spells.push((begin, Some(at), highest.to_bits()));
                None
            }
            (None, false) => None,
        };
    }
    spells.extend(open.map(|(begin, highest)| (begin, None, highest.to_bits())));
    spells
}

pub(super) fn assert_same(found: BTreeSet<Episode>, wanted: BTreeSet<Episode>) {
    let show =
        |episodes: &mut dyn Iterator<Item = &Episode>| format!("{:#?}", episodes.take(4).collect::<Vec<_>>());
    let missing = show(&mut wanted.difference(&found));
    let surplus = show(&mut found.difference(&wanted));
    assert!(
        found == wanted,
        "{} found, {} wanted\nmissing {missing}\nsurplus {surplus}",
        found.len(),
        wanted.len()
    );
}
