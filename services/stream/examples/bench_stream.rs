//! How fast the judgement alone is, and what a series costs: blocks that are encoded beforehand go through reader-less
//! dataflow with all detectors of the load generator's sources, under the demo catalogue.
//!
//! `cargo run --release -p yiwang-stream --example bench_stream [series] [readings] [workers]`; defaults 10000, 5000000, 1.
//! Prints readings a second of wall time and of CPU time, and resident memory before and after.

use std::sync::Arc;
use std::time::Instant;

use prost::Message as _;
use yiwang_catalogue::Catalogue;
use yiwang_model::{Quality, Row, Series, Span, Timestamp, Vintage};
use yiwang_proto::block::Builder;
use yiwang_proto::log::{Block, Tick};
use yiwang_stream::closer::State;
use yiwang_stream::dataflow::{self, Beginning, Message, Running};
use yiwang_stream::directory::Directory;

const PARTITIONS: u16 = 4;
/// Readings of one tick, in all partitions.
const ROWS_A_TICK: usize = 100_000;
const METRICS: [&str; 6] = ["pm2_5", "pm10", "so2", "no2", "co", "o3"];

fn main() {
    let mut arguments = std::env::args().skip(1).map(|word| word.parse::<usize>().expect("a number"));
    let series = arguments.next().unwrap_or(10_000);
    let readings = arguments.next().unwrap_or(5_000_000);
    let workers = arguments.next().unwrap_or(1);
    let directory = Arc::new(Directory::default());
    directory.revise(1, Arc::new(Catalogue::demo()));
    let city = City::new(series, &directory);
    let epochs: Vec<Vec<Vec<u8>>> = (0..readings / ROWS_A_TICK).map(|epoch| city.epoch(epoch)).collect();
    let before_kib = resident_kib();
    let Figures { wall, cpu, resident } = run(&directory, workers, epochs);
    let millions = (readings / ROWS_A_TICK * ROWS_A_TICK) as f64 / 1e6;
    println!(
        "{series} series, {millions} M readings, {workers} workers: {:.2} M/s wall, {:.2} M/core-second, {wall:.2} s; \
         resident {} MiB before with all blocks, {} MiB at the end",
        millions / wall,
        millions / cpu,
        before_kib / 1024,
        resident / 1024,
    );
}

/// The load generator's series, dealt out over partitions.
struct City {
    by_partition: Vec<Vec<(u32, Series)>>,
    count: usize,
}

impl City {
    fn new(count: usize, directory: &Directory) -> Self {
        let mut by_partition = vec![Vec::new(); usize::from(PARTITIONS)];
        for number in 0..count {
            let source = format!("bench-{}", number / METRICS.len());
            let series = Series::new(source, METRICS[number % METRICS.len()]).expect("a good name");
            directory.name(series.clone());
            let partition = usize::from(series.partition(PARTITIONS));
            by_partition[partition].push((u32::try_from(number).expect("few series"), series));
        }
        Self { by_partition, count }
    }

    /// The encoded blocks of an epoch, one a partition: each series speaks once every `count` readings.
    fn epoch(&self, epoch: usize) -> Vec<Vec<u8>> {
        let first = epoch * ROWS_A_TICK / self.count;
        let rounds = (ROWS_A_TICK / self.count).max(1);
        let share = (ROWS_A_TICK as f64 / self.count as f64).min(1.0);
        let encode = |own: &Vec<(u32, Series)>| {
            let mut builder = Builder::default();
            let part = (own.len() as f64 * share) as usize;
            let from = if share < 1.0 { epoch * part % own.len() } else { 0 };
            for round in 0..rounds {
                for place in 0..part {
                    let (dense, series) = &own[(from + place) % own.len()];
                    let turn = if share < 1.0 { epoch * part / own.len() } else { first + round };
                    builder.push(*dense, &row(*dense, series, turn));
                }
            }
            builder.take().encode_to_vec()
        };
        self.by_partition.iter().map(encode).collect()
    }
}

/// A calm reading, a second after the one before.
fn row(dense: u32, series: &Series, turn: usize) -> Row {
    let noise = (u64::from(dense) * 7_919 + turn as u64 * 104_729) % 1_000;
    Row {
        series: series.id(),
        time: begin() + Span::SECOND.times(turn as i64),
        value: 20.0 + noise as f64 / 100.0,
        quality: Quality::Good,
        period_end: None,
        vintage: Vintage(None),
    }
}

fn begin() -> Timestamp {
    Timestamp::from_secs(1_773_100_800)
}

fn run(directory: &Arc<Directory>, workers: usize, epochs: Vec<Vec<Vec<u8>>>) -> Figures {
    let count = epochs.len();
    let state = Arc::new(State { next: vec![0; usize::from(PARTITIONS)], ..State::default() });
    let beginning = Beginning { directory: Arc::clone(directory), partitions: PARTITIONS, state };
    let Running { inlets, mut closed, workers } = dataflow::start(workers, beginning).expect("a good state");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let (began, cpu) = (Instant::now(), cpu_seconds());
    let feed = async move {
        let mut offset = 0;
        for (number, blocks) in (1_u64..).zip(epochs) {
            for (partition, bytes) in (0_u16..).zip(&blocks) {
                let block = Block::decode(bytes.as_slice()).expect("what we encoded");
                let to = usize::from(partition) % inlets.len();
                inlets[to].send(Message::Block { partition, offset, block }).await;
                let city = begin() + Span::SECOND.times(number as i64);
                let city_nanos = Some(city.nanos());
                let tick = Tick { number, city_nanos, catalogue_revision: 1, ..Tick::default() };
                inlets[to].send(Message::Tick { partition, offset: offset + 1, tick, save: false }).await;
            }
            offset += 2;
        }
        inlets
    };
    let gather = async {
        let mut judged = 0;
        for _ in 0..count {
            judged += closed.recv().await.expect("a closed epoch for each").counts.judged;
        }
        judged
    };
    let (inlets, judged) = runtime.block_on(async { tokio::join!(feed, gather) });
    let result =
        Figures { wall: began.elapsed().as_secs_f64(), cpu: cpu_seconds() - cpu, resident: resident_kib() };
    drop(inlets);
    workers.join().expect("no panic").expect("no failure");
    assert!(judged > 0, "something was judged");
    result
}

/// What a run took: seconds, seconds, KiB at its end.
struct Figures {
    wall: f64,
    cpu: f64,
    resident: u64,
}

/// User and system time of this process, in seconds.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks: u64 = fields[11..13].iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    ticks as f64 / 100.0
}

/// Resident memory of this process.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or_default()
}
