//! The stream stage alone: decoded readings in, every series judged, anomalies out.
//!
//! `cargo run --release -p yiwang-stream --example bench_stream SET SERIES WORKERS [LATENESS [skewed]]`, where SET is `least`, `ewma`, `basic` or
//! `full` and LATENESS is what the metrics allow (default `0s`). Each series speaks [`WARM_UP`] times first, which is not measured but for
//! the memory that it leaves; then [`MEASURED`] readings come, which wait in memory as decoded blocks. Prints one line of JSON: readings per
//! second of CPU of the whole process and of wall time, and the growth of resident memory a series: names, places, states.

mod checkpoint;
mod city;
mod gauge;

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;
use yiwang_stream::closer::{Closed, State};
use yiwang_stream::dataflow::{self, Beginning, Inlet, Message, Running};
use yiwang_stream::directory::Directory;
use yiwang_stream::item::Save;

use city::{City, PARTITIONS, ROWS_A_TICK};
use gauge::{cpu_seconds, resident_bytes};

/// How often each series speaks before anything is measured: more often than the basic set looks back.
const WARM_UP: usize = 24;
/// Readings that are measured.
const MEASURED: usize = 8_000_000;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [set, series, workers, rest @ ..] = words.as_slice() else {
        panic!("wanted: SET SERIES WORKERS [LATENESS [skewed]]")
    };
    let (series, workers): (usize, usize) = (count(series), count(workers));
    let lateness = rest.first().map_or("0s", String::as_str);
    let skewed = rest.get(1).is_some_and(|word| word == "skewed");
    match set.strip_prefix("checkpoint-") {
        Some(set) => println!("{}", checkpoint::run(set, series, workers, lateness)),
        None => println!("{}", run(set, series, workers, (lateness, skewed))),
    }
}

fn count(word: &str) -> usize {
    word.parse().expect("a number")
}

fn run(set: &str, series: usize, workers: usize, (lateness, skewed): (&str, bool)) -> String {
    let before = resident_bytes();
    let directory = Arc::new(Directory::default());
    directory.revise(1, Arc::new(city::catalogue(set, lateness)));
    let mut city = City::new(series, skewed, &directory);
    let mut stage = warm(&directory, &mut city, series, workers);
    let bytes = resident_bytes().saturating_sub(before + city.bytes());
    let epochs: Vec<Vec<Message>> =
        (0..MEASURED / ROWS_A_TICK).map(|_| city.epoch(ROWS_A_TICK, Save::No)).collect();
    let (wall, cpu) = (Instant::now(), cpu_seconds());
    let (judged, found) = stage.run(epochs);
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    stage.end();
    assert_eq!(judged, MEASURED as u64, "every reading is judged");
    format!(
        r#"{{"set":"{set}","series":{series},"workers":{workers},"skewed":{skewed},"per_core_second":{:.0},"per_second":{:.0},"bytes_a_series":{:.0},"anomalies":{found}}}"#,
        judged as f64 / cpu,
        judged as f64 / wall,
        bytes as f64 / series as f64,
    )
}

/// A stage in which each series has spoken.
fn warm(directory: &Arc<Directory>, city: &mut City, series: usize, workers: usize) -> Stage {
    let mut stage = Stage::start(directory, workers, State::default());
    for _ in 0..(WARM_UP * series).div_ceil(ROWS_A_TICK) {
        stage.run(vec![city.epoch(ROWS_A_TICK, Save::No)]);
    }
    stage
}

/// The running dataflow.
struct Stage {
    runtime: tokio::runtime::Runtime,
    inlets: Vec<Inlet>,
    closed: mpsc::Receiver<Closed>,
    workers: std::thread::JoinHandle<Result<(), String>>,
}

impl Stage {
    fn start(directory: &Arc<Directory>, workers: usize, state: State) -> Self {
        let state = Arc::new(State { next: vec![0; usize::from(PARTITIONS)], ..state });
        let beginning = Beginning { directory: Arc::clone(directory), partitions: PARTITIONS, state };
        let Running { inlets, closed, workers } = dataflow::start(workers, beginning).expect("a good state");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        Self { runtime, inlets, closed, workers }
    }

    /// Runs epochs through; gives how many readings were judged and how many steps of episodes were found.
    fn run(&mut self, epochs: Vec<Vec<Message>>) -> (u64, usize) {
        let all = self.closed(epochs);
        (
            all.iter().map(|closed| closed.counts.judged).sum(),
            all.iter().map(|closed| closed.found.len()).sum(),
        )
    }

    /// Runs epochs through; gives them as they were closed.
    fn closed(&mut self, epochs: Vec<Vec<Message>>) -> Vec<Closed> {
        let Self { runtime, inlets, closed, .. } = self;
        let count = epochs.len();
        let feed = async {
            for message in epochs.into_iter().flatten() {
                let to = usize::from(message.partition()) % inlets.len();
                inlets[to].send(message).await;
            }
        };
        let gather = async {
            let mut all = Vec::new();
            for _ in 0..count {
                all.push(closed.recv().await.expect("a closed epoch for each"));
            }
            all
        };
        runtime.block_on(async { tokio::join!(feed, gather).1 })
    }

    fn end(self) {
        drop(self.inlets);
        self.workers.join().expect("no panic").expect("no failure");
    }
}
