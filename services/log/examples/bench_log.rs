//! How fast the embedded log is on this machine's disk: `cargo run --release -p yiwang-log --example bench_log [FOLDER]`.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::try_join_all;
use yiwang_disk::RealDisk;
use yiwang_log::embedded::{EmbeddedLog, Options};
use yiwang_log::{Append, Class, Layout, Log, Offset, Partition, Position, TopicId, TopicSpec};

type Outcome<T> = Result<T, Box<dyn Error>>;

const PARTITIONS: u16 = 16;

fn main() -> Outcome<()> {
    let parent = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let folder = tempfile::tempdir_in(parent)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    println!("| what | appends | seconds | appends/s | MB/s |");
    println!("|---|---|---|---|---|");
    for (what, flights, rounds, bytes) in [
        ("one in flight, 100 B", 1, 2_000, 100),
        ("64 in flight, 100 B", 64, 500, 100),
        ("64 in flight, 100 kB", 64, 100, 100_000),
    ] {
        let log = open(&folder.path().join(what.replace([' ', ','], "-")))?;
        let seconds = runtime.block_on(append(&log, flights, rounds, bytes))?;
        print(what, flights * rounds, bytes, seconds);
    }
    let path = folder.path().join("read");
    let log = open(&path)?;
    runtime.block_on(append(&log, 64, 100, 100_000))?;
    drop(log);
    let started = Instant::now();
    let log = open(&path)?;
    println!("\nopening 640 MB took {:.3} s", started.elapsed().as_secs_f64());
    let (records, seconds) = runtime.block_on(read(&log))?;
    print("read from disk, 100 kB", records, 100_000, seconds);
    Ok(())
}

fn open(folder: &std::path::Path) -> Outcome<Arc<EmbeddedLog>> {
    let topic = TopicSpec { name: "readings".to_owned(), partitions: PARTITIONS, kept: false };
    Ok(EmbeddedLog::open(Arc::new(RealDisk), folder, Options::new(Layout { topics: vec![topic] }))?)
}

fn partition(number: usize) -> Partition {
    Partition { topic: TopicId(0), index: u16::try_from(number).unwrap_or(0) % PARTITIONS }
}

/// Each flight appends one record after the other.
async fn append(log: &Arc<EmbeddedLog>, flights: usize, rounds: usize, bytes: usize) -> Outcome<Duration> {
    let payload = Bytes::from(vec![0xA5; bytes]);
    let started = Instant::now();
    let flight = |number| {
        let (log, payload) = (Arc::clone(log), payload.clone());
        tokio::spawn(async move {
            for _ in 0..rounds {
                let record = Append { to: partition(number), payload: payload.clone() };
                log.append(Class::Intake, vec![record]).await?;
            }
            Ok::<_, yiwang_log::Error>(())
        })
    };
    for answer in try_join_all((0..flights).map(flight)).await? {
        answer?;
    }
    Ok(started.elapsed())
}

/// Reads all partitions from the beginning to the end.
async fn read(log: &EmbeddedLog) -> Outcome<(usize, Duration)> {
    let start = |index| Position { partition: partition(usize::from(index)), next: Offset(0) };
    let mut next: Vec<Position> = (0..PARTITIONS).map(start).collect();
    let total: u64 = log.extents().iter().map(|extent| extent.end.0).sum();
    let started = Instant::now();
    let mut records = 0;
    while records as u64 != total {
        for stored in log.read(&next, 4 << 20).await? {
            next[usize::from(stored.partition.index)].next.0 += 1;
            records += 1;
        }
    }
    Ok((records, started.elapsed()))
}

fn print(what: &str, appends: usize, bytes: usize, took: Duration) {
    let (seconds, count) = (took.as_secs_f64(), appends as f64);
    let megabytes = count * bytes as f64 / 1e6;
    println!("| {what} | {appends} | {seconds:.2} | {:.0} | {:.1} |", count / seconds, megabytes / seconds);
}
