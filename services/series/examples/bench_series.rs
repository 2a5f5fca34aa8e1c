//! Measures the embedded store: CPU per row of write and flush, bytes per reading, memory, latency of queries.
//!
//! `cargo run --release -p yiwang-series --example bench_series`
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on is to panic where it stands")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use yiwang_disk::RealDisk;
use yiwang_model::{Quality, Row, Series, Span, Timestamp, Vintage};
use yiwang_series::embedded::{EmbeddedSeries, Options};
use yiwang_series::{AsOf, Batch, Range, SeriesSink, SeriesStore};

const BEGIN: Timestamp = Timestamp::from_secs(1_772_409_600);
const PERIOD: Span = Span::from_secs(10);

/// Series that walk at random, with one or two decimals.
struct City {
    series: Vec<Series>,
    values: Vec<i32>,
    random: SmallRng,
    step: i64,
}

impl City {
    fn of(series: usize) -> Self {
        let name =
            |at: usize| Series::new(format!("5101{:02}-air-{}", at % 20, at / 10), METRICS[at % 10]).unwrap();
        let series: Vec<Series> = (0..series).map(name).collect();
        Self { values: vec![400; series.len()], series, random: SmallRng::seed_from_u64(1), step: 0 }
    }

    fn names(&self) -> Batch {
        Batch {
            names: self.series.iter().map(|series| (series.id(), series.clone())).collect(),
            ..Batch::default()
        }
    }

    /// A reading of each series.
    fn next(&mut self, ids: &[yiwang_model::SeriesId]) -> Batch {
        let time = BEGIN + PERIOD.times(self.step);
        self.step += 1;
        let mut rows = Vec::with_capacity(ids.len());
        for (at, (series, value)) in ids.iter().zip(&mut self.values).enumerate() {
            *value = (*value + self.random.random_range(-5..=5)).clamp(0, 4000);
            let value = f64::from(*value) / if at % 2 == 0 { 10.0 } else { 100.0 };
            let (quality, period_end, vintage) = (Quality::Good, None, Vintage(None));
            rows.push(Row { series: *series, time, value, quality, period_end, vintage });
        }
        let mark = [("readings/0".to_owned(), u64::try_from(self.step).unwrap())].into();
        Batch { rows, mark, ..Batch::default() }
    }
}

const METRICS: [&str; 10] = ["pm2_5", "pm10", "so2", "no2", "co", "o3", "noise", "dust", "water_level", "ph"];

#[tokio::main]
async fn main() {
    many_series().await;
    write_and_flush(false).await;
    write_and_flush(true).await;
    a_day().await;
}

/// 10,000 series, 20 M readings; with and without merges.
async fn write_and_flush(background: bool) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), background);
    let mut city = City::of(10_000);
    let ids: Vec<_> = city.series.iter().map(Series::id).collect();
    store.write(city.names()).await.unwrap();
    let (mut cpu, mut wall) = (Duration::ZERO, Duration::ZERO);
    for round in 0..20 {
        let batches: Vec<_> = (0..100).map(|_| city.next(&ids)).collect();
        let (cpu_before, before) = (cpu_time(), Instant::now());
        for batch in batches {
            store.write(batch).await.unwrap();
        }
        if !background && round % 2 == 1 {
            store.flush().await.unwrap();
        }
        cpu += cpu_time() - cpu_before;
        wall += before.elapsed();
    }
    let (cpu_before, before) = (cpu_time(), Instant::now());
    store.flush().await.unwrap();
    while background && store.tidy().unwrap() {}
    cpu += cpu_time() - cpu_before;
    wall += before.elapsed();
    let rows = 20.0 * 100.0 * 10_000.0;
    let merges = if background { "with merges" } else { "without merges" };
    println!(
        "write+flush {merges}: {:.1} ns CPU per row, {:.2} M rows per core-second, {:.1} s wall",
        cpu.as_secs_f64() * 1e9 / rows,
        rows / cpu.as_secs_f64() / 1e6,
        wall.as_secs_f64()
    );
    print_size(&store, "  stored");
}

/// 1,000 series over a day: size once merged, and latency of queries.
async fn a_day() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), false);
    let mut city = City::of(1_000);
    let ids: Vec<_> = city.series.iter().map(Series::id).collect();
    store.write(city.names()).await.unwrap();
    for step in 0..8640 {
        store.write(city.next(&ids)).await.unwrap();
        if step % 600 == 599 {
            store.flush().await.unwrap();
        }
    }
    store.flush().await.unwrap();
    print_size(&store, "a day of 1,000 series, as flushed each 100 minutes");
    let cpu = cpu_time();
    store.merge_all().unwrap();
    let rows = store.stats().file_rows as f64;
    println!("  merge_all: {:.1} ns CPU per row", (cpu_time() - cpu).as_secs_f64() * 1e9 / rows);
    print_size(&store, "  merged");
    let range = |at: usize, from: i64, to: i64, limit| Range {
        series: city.series[at].clone(),
        from: BEGIN + Span::HOUR.times(from),
        to: BEGIN + Span::HOUR.times(to),
        as_of: AsOf::Latest,
        limit,
    };
    let mut day = Vec::new();
    let mut hour = Vec::new();
    for at in 0..100 {
        let before = Instant::now();
        assert_eq!(store.range(&range(at * 7, 0, 24, 100_000)).await.unwrap().len(), 8640);
        day.push(before.elapsed());
        let before = Instant::now();
        assert_eq!(store.range(&range(at * 7 + 1, 11, 12, 100_000)).await.unwrap().len(), 360);
        hour.push(before.elapsed());
    }
    let before = Instant::now();
    assert_eq!(store.latest(&[]).await.unwrap().len(), 1000);
    println!(
        "  range of a day {:?}, of an hour {:?} (median); latest of all {:?}",
        median(day),
        median(hour),
        before.elapsed()
    );
}

/// 100,000 series: resident memory.
async fn many_series() {
    let before = resident_mib();
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), true);
    let mut city = City::of(100_000);
    let ids: Vec<_> = city.series.iter().map(Series::id).collect();
    store.write(city.names()).await.unwrap();
    let mut most = 0;
    for _ in 0..200 {
        store.write(city.next(&ids)).await.unwrap();
        most = most.max(resident_mib());
    }
    store.flush().await.unwrap();
    while store.tidy().unwrap() {}
    println!("100,000 series, 20 M readings: {most} MiB resident at most, {before} before");
    let start = Instant::now();
    assert_eq!(store.latest(&[]).await.unwrap().len(), 100_000);
    println!("  latest of all {:?}", start.elapsed());
    drop(store);
    let start = Instant::now();
    let store = open(folder.path(), true);
    println!("  opened again in {:?}, {} MiB resident", start.elapsed(), resident_mib());
    assert_eq!(store.latest(&[]).await.unwrap().len(), 100_000);
    print_size(&store, "  stored");
}

fn open(folder: &Path, background: bool) -> Arc<EmbeddedSeries> {
    let options = Options { background, ..Options::new(Arc::new(|| BEGIN)) };
    EmbeddedSeries::open(Arc::new(RealDisk), folder, options).unwrap()
}

fn print_size(store: &EmbeddedSeries, what: &str) {
    let stats = store.stats();
    println!(
        "{what}: {:.2} bytes per reading in {} files",
        stats.file_bytes as f64 / stats.file_rows as f64,
        stats.files
    );
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// User and system time of this process.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10) // a tick is 10 ms on Linux
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}
