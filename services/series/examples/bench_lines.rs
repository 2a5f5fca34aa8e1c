//! Measures what a store elsewhere costs: CPU per reading of lines, compression and sending, against a listener in this
//! process that says 204 and looks at nothing.
//!
//! `cargo run --release -p yiwang-series --example bench_lines`
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on is to panic where it stands")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use yiwang_model::{Quality, Row, Series, SeriesId, Span, Timestamp, Vintage};
use yiwang_series::influx::{Aside, Influx, Patience, Place, SetAside, Target, target};
use yiwang_series::{Batch, Mark, SeriesSink};

const SERIES: usize = 10_000;
const BATCHES: i64 = 100;
const BEGIN: Timestamp = Timestamp::from_secs(1_772_409_600);

struct Nowhere;

#[async_trait]
impl Aside for Nowhere {
    async fn keep(&self, lines: SetAside) {
        panic!("set aside: {}", lines.why);
    }
}

#[tokio::main]
async fn main() {
    for gzip in [true, false] {
        measure(gzip).await;
    }
}

async fn measure(gzip: bool) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = Place::Bucket { org: "city".into(), bucket: "main".into() };
    let url = target::url(&format!("http://{}", listener.local_addr().unwrap()), &place).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(say_yes(stream));
        }
    });
    let (name, settle, patience) = ("bench".into(), Duration::ZERO, Patience::default());
    let target = Target { name, url, place, token: None, gzip, settle, patience };
    let store = Influx::new(target, Mark::new(), Arc::new(Nowhere), CancellationToken::new()).unwrap();
    let ids = name_all(&store).await;
    let batches: Vec<Batch> = (0..BATCHES).map(|step| batch(&ids, step)).collect();
    let began = cpu_seconds();
    for batch in batches {
        store.write(batch).await.unwrap();
    }
    let cpu = cpu_seconds() - began;
    let rows = SERIES as f64 * BATCHES as f64;
    println!(
        "gzip {gzip}: {rows} readings, {cpu:.2} s of CPU, {:.2} M readings per core-second",
        rows / cpu / 1e6
    );
}

async fn name_all(store: &Influx) -> Vec<SeriesId> {
    const METRICS: [&str; 10] =
        ["pm2_5", "pm10", "so2", "no2", "co", "o3", "noise", "dust", "water_level", "ph"];
    let series = |at: usize| {
        Series::new(format!("5101{:02}-air-{}", at / 10 % 20, at / 10), METRICS[at % 10]).unwrap()
    };
    let series: Vec<Series> = (0..SERIES).map(series).collect();
    let names = series.iter().map(|series| (series.id(), series.clone())).collect();
    store.write(Batch { names, ..Batch::default() }).await.unwrap();
    series.iter().map(Series::id).collect()
}

/// A reading of each series, with one or two decimals.
fn batch(ids: &[SeriesId], step: i64) -> Batch {
    let time = BEGIN + Span::from_secs(10).times(step);
    let value = |at: usize| (at * 7919 + usize::try_from(step).unwrap() * 31) % 4000;
    let row = |(at, series): (usize, &SeriesId)| {
        let value = value(at) as f64 / if at.is_multiple_of(2) { 10.0 } else { 100.0 };
        Row { series: *series, time, value, quality: Quality::Good, period_end: None, vintage: Vintage(None) }
    };
    Batch { rows: ids.iter().enumerate().map(row).collect(), ..Batch::default() }
}

/// Reads each body by its length and looks at none.
async fn say_yes(mut stream: TcpStream) {
    let mut bytes = Vec::new();
    loop {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return;
            }
            continue;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let whole = end + 4 + length.unwrap_or(0);
        while bytes.len() < whole {
            stream.read_buf(&mut bytes).await.unwrap();
        }
        bytes.drain(..whole);
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    }
}

/// CPU of all threads of this process, user and system.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<f64> = text
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .map(|field| field.parse().unwrap_or(0.0))
        .collect();
    // utime and stime, in ticks of a hundredth of a second
    (fields[11] + fields[12]) / 100.0
}
