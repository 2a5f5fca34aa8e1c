//! One connection's share of the load.

use std::sync::Arc;
use std::time::{Duration, Instant};

use yiwang_catalogue::Metric;
use yiwang_model::Timestamp;
use yiwang_proto::v1::SeriesKey;

use super::report::Tally;
use super::{Options, PREFIX, values};
use crate::door::{Address, Batch, Sender};

/// Event times of a series rise by at least this, in nanoseconds.
const LEAST_STEP: i64 = 1_000;
const MILLI: i64 = 1_000_000;

/// The source of this number, from 0.
pub(super) fn source(number: usize) -> String {
    format!("{PREFIX}{:06}", number + 1)
}

fn key(number: usize, metric: &Metric) -> SeriesKey {
    let unit = if metric.unit.as_str().is_empty() { "1".into() } else { metric.unit.to_string() };
    SeriesKey { source: source(number), metric: metric.name.to_string(), unit }
}

/// Makes batches of its series, in rounds: each series once a round, all with one event time.
pub(super) struct Lane {
    dictionary: Arc<Vec<SeriesKey>>,
    table: Vec<f64>,
    batch: usize,
    /// MQTT: all readings of a batch are of one source.
    by_source: bool,
    /// By how much event times rise at least, in nanoseconds.
    step: i64,
    schedule: Option<Duration>,
    start: Instant,
    end: Instant,
    tally: Tally,
    /// The next series of the round.
    next: usize,
    round: usize,
    /// Event time of the round, nanoseconds since the epoch.
    time: i64,
}

impl Lane {
    pub(super) fn new(
        lane: usize,
        options: &Options,
        address: &Address,
        metric: &Metric,
        start: Instant,
        tally: &Tally,
    ) -> Self {
        let dictionary: Vec<SeriesKey> = match address {
            Address::Hj212(_, speaks) => {
                let metrics = speaks.codes.keys().filter_map(|name| options.catalogue.metric(name));
                metrics.map(|metric| key(lane, metric)).collect()
            }
            _ => (lane..options.series).step_by(options.lanes()).map(|number| key(number, metric)).collect(),
        };
        let is_logger = matches!(address, Address::Hj212(..));
        let batch = if is_logger { dictionary.len() } else { options.batch() };
        let apart = batch as f64 * options.lanes() as f64 / options.rate;
        Self {
            dictionary: Arc::new(dictionary),
            table: values::table(options.values, metric),
            batch,
            by_source: matches!(address, Address::Mqtt(_)),
            step: if is_logger { MILLI } else { LEAST_STEP },
            schedule: (options.rate > 0.0).then(|| Duration::from_secs_f64(apart.min(1e6))),
            start,
            end: start + options.lasts,
            tally: tally.clone(),
            next: 0,
            round: 0,
            time: 0,
        }
    }

    /// Sends until the time is over.
    pub(super) async fn send_all(&mut self, to: &Sender) -> anyhow::Result<()> {
        for number in 0..u32::MAX {
            let Some(due) = self.wait_for(number).await else { return Ok(()) };
            let batch = if self.by_source { self.of_one() } else { self.of_many() };
            let readings = batch.len();
            to.send(batch, due).await?;
            self.tally.sent(readings);
        }
        Ok(())
    }

    /// When the batch of this number is due, once it is; `None` when that is after the end.
    async fn wait_for(&self, number: u32) -> Option<Instant> {
        let due = self.schedule.map_or_else(Instant::now, |apart| self.start + apart.saturating_mul(number));
        if due >= self.end {
            return None;
        }
        if self.schedule.is_some() && due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
        }
        Some(due)
    }

    fn of_many(&mut self) -> Batch {
        let mut batch = Batch::of(&self.dictionary);
        batch.index.reserve_exact(self.batch);
        batch.time.reserve_exact(self.batch);
        batch.value.reserve_exact(self.batch);
        while batch.len() < self.batch {
            self.begin_round();
            let to = self.dictionary.len().min(self.next + self.batch - batch.len());
            let numbers = self.next..to;
            batch.time.resize(batch.time.len() + numbers.len(), self.time);
            batch.value.extend(numbers.clone().map(|series| self.table[values::place(series, self.round)]));
            batch.index.extend(numbers.map(|series| u32::try_from(series).unwrap_or(u32::MAX)));
            self.next = to;
        }
        batch
    }

    /// So many readings of the next series, each at a time of its own.
    fn of_one(&mut self) -> Batch {
        self.begin_round();
        let mut batch = Batch::of(&self.dictionary);
        let series = u32::try_from(self.next).unwrap_or(u32::MAX);
        for later in 0..self.batch {
            let value = self.table[values::place(self.next, self.round + later)];
            batch.push(series, self.time + later.cast_signed() as i64 * LEAST_STEP, value);
        }
        self.next += 1;
        batch
    }

    /// At the end of a round begins the next: a millisecond of now, or a little after the last round.
    fn begin_round(&mut self) {
        if self.next < self.dictionary.len() && self.time > 0 {
            return;
        }
        let now = Timestamp::from_jiff(jiff::Timestamp::now()).nanos();
        let of_a_round = if self.by_source { self.batch.cast_signed() as i64 } else { 1 };
        self.time = (now - now.rem_euclid(MILLI)).max(self.time + of_a_round * self.step);
        self.next = 0;
        self.round += 1;
    }
}
