//! `yiwang replay`: judges a file of readings without a city, through the very dataflow that a city has.
//!
//! The readings are sorted by when they were known, which is their event time, or, of figures, their vintage: a revision is late, as it was
//! in the city, and what was judged before knows nothing of it. Among equal times they keep the order of the file. The clock follows
//! them: it ticks whenever that time has gone on by a minute, and once at the end. Out come the episodes as of their last step, one JSON
//! a line, sorted by begin, detector, series; `end` is null for one that goes on, `opened` the city's time when it was first said.
//! `--orders` prints the orders that they end in instead, each with the episodes that it holds.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::Args;
use serde::Serialize;
use tokio::sync::mpsc;
use yiwang_catalogue::Catalogue;
use yiwang_ingest::admit::{self, Admitted, Plausible, Said};
use yiwang_ingest::names::{Limits, Names};
use yiwang_model::{Anomaly, AnomalyId, Phase, Row, Severity, Span, Timestamp};
use yiwang_proto::block::Builder;
use yiwang_proto::log::Tick;
use yiwang_stream::closer::{Closed, State};
use yiwang_stream::dataflow::{self, Beginning, Inlet, Message, Running};
use yiwang_stream::directory::Directory;
use yiwang_stream::item::Save;

use crate::cli::{Failed, catalogue, runtime};

mod input;
mod orders;

use input::Line;
pub use input::{Lines, read};

/// What to judge.
#[derive(Debug, Args)]
pub struct Options {
    /// A .csv or .jsonl file, gzipped if .gz stands behind, with `source`, `metric`, `time` (RFC 3339 with an offset), `value` and, if
    /// need be, `unit`, `quality`, `vintage` and `period_end`, in any order; or line protocol, .lp.
    #[arg(long)]
    input: PathBuf,
    /// The catalogue to judge by, if not the demo city.
    #[arg(long)]
    catalogue: Option<PathBuf>,
    /// Threads of the judgement; the result is the same with any number.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
    /// Print orders instead of episodes: what each is for, and the episodes that it holds.
    #[arg(long)]
    orders: bool,
}

/// As many partitions as a city has that nobody configured.
const PARTITIONS: u16 = 4;
/// The revision that the catalogue has here.
const REVISION: u32 = 1;
/// How far event time goes between two ticks, at least.
const TICK: Span = Span::MINUTE;
/// The most readings of a block.
const BLOCK_ROWS: usize = 50_000;
/// How many refused readings are told one by one.
const TOLD: usize = 10;

/// Judges the file.
///
/// # Errors
/// What cannot be read; a refused reading is told on the standard error and is no failure.
pub fn run(options: &Options) -> Result<ExitCode, Failed> {
    let catalogue = Arc::new(catalogue(options.catalogue.as_deref())?);
    let lines = read(&options.input, &catalogue)?;
    let (found, _) = judged(&catalogue, lines, options.workers)?;
    let episodes = episodes(found);
    if options.orders {
        let mut out = BufWriter::new(std::io::stdout().lock());
        orders::show(&episodes, &catalogue, &mut out)?;
        out.flush().context("standard output")?;
    } else {
        show(episodes)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Judges readings under a catalogue: the epochs in which something was found, and the directory that they were judged with.
///
/// # Errors
/// When the judgement cannot be started, or dies.
pub fn judged(
    catalogue: &Arc<Catalogue>,
    lines: Lines,
    workers: u16,
) -> anyhow::Result<(Vec<Closed>, Arc<Directory>)> {
    let (rows, directory) = admit(catalogue, lines);
    let running = start(usize::from(workers), &directory)?;
    Ok((runtime()?.block_on(judge(running, rows))?, directory))
}

/// The readings that a city would admit, sorted by event time.
fn admit(catalogue: &Arc<Catalogue>, lines: Lines) -> (Vec<Admitted>, Arc<Directory>) {
    let names = Names::new(Arc::clone(catalogue), PARTITIONS, Limits::default());
    let Lines { readings, mut refused } = lines;
    let mut rows = Vec::with_capacity(readings.len());
    for line in readings {
        match admit_one(&names, &line) {
            Ok(admitted) => rows.push(admitted),
            Err(why) => refused.push((line.number, why)),
        }
    }
    for (line, why) in refused.iter().take(TOLD) {
        eprintln!("line {line}: refused: {why}");
    }
    if !refused.is_empty() {
        eprintln!("{} readings refused, {} judged", refused.len(), rows.len());
    }
    rows.sort_by_key(|admitted| known(&admitted.row));
    let directory = Directory::default();
    directory.revise(REVISION, Arc::clone(catalogue));
    (0..).map_while(|dense| names.series(dense)).for_each(|series| directory.name(series));
    (rows, Arc::new(directory))
}

/// When a city has a reading: not before it was published.
fn known(row: &Row) -> Timestamp {
    row.vintage.0.map_or(row.time, |published| published.max(row.time))
}

/// As the doors of a city do it.
fn admit_one(names: &Names, line: &Line) -> Result<Admitted, String> {
    let Line { source, metric, unit, time, value, quality, period_end, vintage, .. } = line;
    let (time, value, quality, period_end, vintage) = (*time, *value, *quality, *period_end, *vintage);
    let said = Said { source, metric, unit: Some(unit.as_str()), time, value, quality, period_end, vintage };
    admit::admit(names, Plausible::around(None, true), "replay", &said).map_err(|(_, why)| why)
}

fn start(workers: usize, directory: &Arc<Directory>) -> anyhow::Result<Running> {
    let state = State { revision: REVISION, next: vec![0; usize::from(PARTITIONS)], ..State::default() };
    let beginning =
        Beginning { directory: Arc::clone(directory), partitions: PARTITIONS, state: Arc::new(state) };
    Ok(dataflow::start(workers, beginning)?)
}

async fn judge(running: Running, rows: Vec<Admitted>) -> anyhow::Result<Vec<Closed>> {
    let Running { inlets, closed, workers } = running;
    let gathered = tokio::spawn(gather(closed));
    Feed::new(inlets).run(rows).await;
    let found = gathered.await?;
    let joined = tokio::task::spawn_blocking(move || workers.join()).await?;
    joined.map_err(|_| anyhow!("the judgement panicked"))?.map_err(|why| anyhow!(why))?;
    Ok(found)
}

/// The epochs in which something was found, without states and capsules.
pub async fn gather(mut closed: mpsc::Receiver<Closed>) -> Vec<Closed> {
    let mut found = Vec::new();
    while let Some(closed) = closed.recv().await {
        if !closed.found.is_empty() {
            found.push(Closed { state: None, capsules: Vec::new(), ..closed });
        }
    }
    found
}

/// Episodes as of their last step, each with the city's time when it was first said.
type Episodes = BTreeMap<AnomalyId, (Option<Timestamp>, Anomaly)>;

fn episodes(closed: Vec<Closed>) -> Episodes {
    let mut episodes = Episodes::new();
    for closed in closed {
        for found in closed.found {
            let opened = episodes.get(&found.anomaly.id).map_or(closed.city, |(opened, _)| *opened);
            episodes.insert(found.anomaly.id, (opened, found.anomaly));
        }
    }
    episodes
}

/// Stands in for the log: blocks and ticks, with offsets that rise.
struct Feed {
    inlets: Vec<Inlet>,
    builders: Vec<Builder>,
    offsets: Vec<u64>,
    ticks: u64,
}

impl Feed {
    fn new(inlets: Vec<Inlet>) -> Self {
        let count = usize::from(PARTITIONS);
        let builders = (0..count).map(|_| Builder::default()).collect();
        Self { inlets, builders, offsets: vec![0; count], ticks: 0 }
    }

    async fn run(mut self, rows: Vec<Admitted>) {
        let mut ticked = rows.first().map_or(Timestamp::MIN, |first| known(&first.row));
        let mut city = ticked;
        for Admitted { partition, dense, row } in rows {
            let now = known(&row);
            if now - ticked >= TICK {
                self.tick(city).await;
                ticked = now;
            }
            city = now;
            let builder = &mut self.builders[usize::from(partition)];
            builder.push(dense, &row);
            if builder.len() >= BLOCK_ROWS {
                self.block(partition).await;
            }
        }
        self.tick(city).await;
    }

    async fn tick(&mut self, city: Timestamp) {
        self.ticks += 1;
        let tick = Tick {
            number: self.ticks,
            city_nanos: Some(city.nanos()),
            catalogue_revision: REVISION,
            wall_nanos: 0,
            last: false,
        };
        for partition in 0..PARTITIONS {
            self.block(partition).await;
            let offset = self.next(partition);
            self.send(Message::Tick { partition, offset, tick, save: Save::No }).await;
        }
    }

    async fn block(&mut self, partition: u16) {
        let builder = &mut self.builders[usize::from(partition)];
        if !builder.is_empty() {
            let block = builder.take();
            let offset = self.next(partition);
            self.send(Message::Block { partition, offset, block }).await;
        }
    }

    fn next(&mut self, partition: u16) -> u64 {
        let offset = &mut self.offsets[usize::from(partition)];
        *offset += 1;
        *offset - 1
    }

    /// A worker that is gone is told when it is joined.
    async fn send(&self, message: Message) {
        let inlet = usize::from(message.partition()) % self.inlets.len();
        self.inlets[inlet].send(message).await;
    }
}

/// An episode as it is shown. Those that late or corrected readings took back are not.
#[derive(Serialize)]
struct Shown<'a> {
    id: AnomalyId,
    detector: &'a str,
    source: &'a str,
    metric: &'a str,
    begin: Timestamp,
    end: Option<Timestamp>,
    opened: Option<Timestamp>,
    extreme: f64,
    limit: Option<f64>,
    edition: &'a str,
    severity: Severity,
}

fn show(episodes: Episodes) -> anyhow::Result<()> {
    let held = episodes.into_values().filter(|(_, anomaly)| anomaly.phase != Phase::Withdrawn);
    let mut episodes: Vec<_> = held.collect();
    episodes
        .sort_by(|(_, a), (_, b)| (a.begin, &a.detector, &a.series).cmp(&(b.begin, &b.detector, &b.series)));
    let mut out = BufWriter::new(std::io::stdout().lock());
    for (opened, anomaly) in &episodes {
        let shown = Shown {
            id: anomaly.id,
            detector: &anomaly.detector,
            source: anomaly.series.source(),
            metric: anomaly.series.metric(),
            begin: anomaly.begin,
            end: anomaly.end,
            opened: *opened,
            extreme: anomaly.extreme,
            limit: anomaly.limit,
            edition: &anomaly.edition,
            severity: anomaly.severity,
        };
        serde_json::to_writer(&mut out, &shown)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use yiwang_model::{Phase, Series};
    use yiwang_stream::item::{Counts, Found};

    use super::*;

    fn closed(epoch: u64, phase: Phase) -> Closed {
        let series = Series::new("a", "x").unwrap();
        let begin = Timestamp::from_secs(1_000);
        let anomaly = Anomaly {
            id: AnomalyId::of("d", &series, begin),
            detector: "d".into(),
            series,
            phase,
            begin,
            end: (phase == Phase::Cleared).then(|| Timestamp::from_secs(5_000)),
            extreme: 1.0,
            limit: None,
            edition: "test".into(),
            severity: Severity::Notice,
            because: None,
            into: None,
            silenced: None,
        };
        let found = vec![Found { anomaly, points: Vec::new(), series: Vec::new() }];
        let city = Some(Timestamp::from_secs(1_000 * epoch.cast_signed()));
        Closed {
            marked: Vec::new(),
            epoch,
            city,
            revision: REVISION,
            found,
            counts: Counts::default(),
            capsules: Vec::new(),
            state: None,
            quiet: None,
        }
    }

    #[tokio::test]
    async fn an_episode_is_opened_once_and_shown_as_of_its_last_step() {
        let (to, from) = mpsc::channel(4);
        for (epoch, phase) in [(2, Phase::Raised), (3, Phase::Worsened), (5, Phase::Cleared)] {
            to.send(closed(epoch, phase)).await.unwrap();
        }
        drop(to);
        let episodes: Vec<_> = episodes(gather(from).await).into_values().collect();
        assert_eq!(episodes.len(), 1);
        assert_eq!(episodes[0].0, Some(Timestamp::from_secs(2_000)));
        assert_eq!(episodes[0].1.end, Some(Timestamp::from_secs(5_000)));
    }
}
