//! The stream stage alone: decoded readings in, every series judged, anomalies out.
//!
//! `cargo run --release -p yiwang-stream --example bench_stream SET SERIES WORKERS [LATENESS]`, where SET is `least`, `ewma`, `basic` or
//! `full` and LATENESS is what the metrics allow (default `0s`). Each series speaks [`WARM_UP`] times first, which is not measured but for
//! the memory that it leaves; then [`MEASURED`] readings come, which wait in memory as decoded blocks. Prints one line of JSON: readings per
//! second of CPU of the whole process and of wall time, and the growth of resident memory a series: names, places, states.

mod city;
mod gauge;

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;
use yiwang_stream::closer::{Closed, State};
use yiwang_stream::dataflow::{self, Beginning, Inlet, Message, Running};
use yiwang_stream::directory::Directory;

use city::{City, PARTITIONS, ROWS_A_TICK};
use gauge::{cpu_seconds, resident_bytes};

/// How often each series speaks before anything is measured: more often than the basic set looks back.
const WARM_UP: usize = 24;
/// Readings that are measured.
const MEASURED: usize = 8_000_000;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [set, series, workers, rest @ ..] = words.as_slice() else {
        panic!("wanted: SET SERIES WORKERS [LATENESS]")
    };
    let (series, workers): (usize, usize) = (count(series), count(workers));
    let lateness = rest.first().map_or("0s", String::as_str);
    println!("{}", run(set, series, workers, lateness));
}

fn count(word: &str) -> usize {
    word.parse().expect("a number")
}

fn run(set: &str, series: usize, workers: usize, lateness: &str) -> String {
    let before = resident_bytes();
    let directory = Arc::new(Directory::default());
    directory.revise(1, Arc::new(city::catalogue(set, lateness)));
    let mut city = City::new(series, &directory);
    let mut stage = Stage::start(&directory, workers);
    let warm_up = (WARM_UP * series).div_ceil(ROWS_A_TICK);
    for _ in 0..warm_up {
        stage.run(vec![city.epoch()]);
    }
    let bytes = resident_bytes().saturating_sub(before + city.bytes());
    let epochs: Vec<Vec<Message>> = (0..MEASURED / ROWS_A_TICK).map(|_| city.epoch()).collect();
    let (wall, cpu) = (Instant::now(), cpu_seconds());
    let (judged, found) = stage.run(epochs);
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    stage.end();
    assert_eq!(judged, MEASURED as u64, "every reading is judged");
    format!(
        r#"{{"set":"{set}","series":{series},"workers":{workers},"per_core_second":{:.0},"per_second":{:.0},"bytes_a_series":{:.0},"anomalies":{found}}}"#,
        judged as f64 / cpu,
        judged as f64 / wall,
        bytes as f64 / series as f64,
    )
}

/// The running dataflow.
struct Stage {
    runtime: tokio::runtime::Runtime,
    inlets: Vec<Inlet>,
    closed: mpsc::Receiver<Closed>,
    workers: std::thread::JoinHandle<Result<(), String>>,
}

impl Stage {
    fn start(directory: &Arc<Directory>, workers: usize) -> Self {
        let state = Arc::new(State { next: vec![0; usize::from(PARTITIONS)], ..State::default() });
        let beginning = Beginning { directory: Arc::clone(directory), partitions: PARTITIONS, state };
        let Running { inlets, closed, workers } = dataflow::start(workers, beginning).expect("a good state");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        Self { runtime, inlets, closed, workers }
    }

    /// Runs epochs through; gives how many readings were judged and how many steps of episodes were found.
    fn run(&mut self, epochs: Vec<Vec<Message>>) -> (u64, usize) {
        let Self { runtime, inlets, closed, .. } = self;
        let count = epochs.len();
        let feed = async {
            for message in epochs.into_iter().flatten() {
                let to = usize::from(message.partition()) % inlets.len();
                inlets[to].send(message).await;
            }
        };
        let gather = async {
            let (mut judged, mut found) = (0, 0);
            for _ in 0..count {
                let closed = closed.recv().await.expect("a closed epoch for each");
                judged += closed.counts.judged;
                found += closed.found.len();
            }
            (judged, found)
        };
        runtime.block_on(async { tokio::join!(feed, gather).1 })
    }

    fn end(self) {
        drop(self.inlets);
        self.workers.join().expect("no panic").expect("no failure");
    }
}
