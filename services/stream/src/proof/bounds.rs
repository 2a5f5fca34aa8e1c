//! What is in memory is bounded: by counts of what the log handed out and what was done with it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use prost::Message;
use tokio::sync::watch;
use yiwang_log::embedded::EmbeddedLog;
use yiwang_log::{Append, Class, CursorClass, Error, Extent, Layout, Log, Offset, Position, Stored};
use yiwang_model::Series;
use yiwang_proto::log::{ReadingsRecord, readings_record::Kind};
use yiwang_proto::topics;

use super::city::{self, PARTITIONS, moment};
use super::script::Writer;
use super::world::{block_on, log_of};
use crate::closer::State;
use crate::dataflow::{self, Beginning, INLET_RECORDS, Running};
use crate::directory::{Directory, Follower};
use crate::reader::{Reader, Saves, Wish};

/// A log that counts what it hands out of topic `readings`.
struct Counting {
    inner: Arc<EmbeddedLog>,
    handed: Mutex<Handed>,
}

#[derive(Default)]
struct Handed {
    records: usize,
    /// The last tick of each partition.
    ticks: BTreeMap<u16, u64>,
    /// The most epochs that one partition was ahead of another when more was read of it.
    ahead: u64,
}

#[async_trait]
impl Log for Counting {
    fn layout(&self) -> &Layout {
        self.inner.layout()
    }

    async fn append(&self, class: Class, records: Vec<Append>) -> Result<Vec<Offset>, Error> {
        self.inner.append(class, records).await
    }

    async fn read(&self, from: &[Position], max_bytes: usize) -> Result<Vec<Stored>, Error> {
        let records = self.inner.read(from, max_bytes).await?;
        let mut handed = self.handed.lock().unwrap();
        let least =
            (0..PARTITIONS).map(|index| handed.ticks.get(&index).copied().unwrap_or_default()).min().unwrap();
        for stored in records.iter().filter(|stored| stored.partition.topic.0 == topics::READINGS) {
            let before = handed.ticks.get(&stored.partition.index).copied().unwrap_or_default();
            handed.ahead = handed.ahead.max(before.saturating_sub(least).min(1_000_000));
            handed.records += 1;
            let record = ReadingsRecord::decode(stored.payload.clone()).unwrap();
            if let Some(Kind::Tick(tick)) = record.kind {
                handed.ticks.insert(stored.partition.index, tick.number);
            }
        }
        Ok(records)
    }

    fn extents(&self) -> Vec<Extent> {
        self.inner.extents()
    }

    async fn commit_cursor(&self, name: &str, class: CursorClass, to: &[Position]) -> Result<(), Error> {
        self.inner.commit_cursor(name, class, to).await
    }

    fn cursor(&self, name: &str) -> Vec<Position> {
        self.inner.cursor(name)
    }

    fn gap(&self, name: &str) -> u64 {
        self.inner.gap(name)
    }
}

async fn start(log: &Arc<Counting>, workers: usize, read_bytes: usize) -> (Reader, Running) {
    let log: Arc<dyn Log> = log.clone();
    let directory = Arc::new(Directory::default());
    let mut follower = Follower::new(Arc::clone(&log), Arc::clone(&directory));
    follower.want_all().await.unwrap();
    let state = Arc::new(State { next: vec![0; usize::from(PARTITIONS)], ..State::default() });
    let mut running =
        dataflow::start(workers, Beginning { directory, partitions: PARTITIONS, state }).unwrap();
    let (wish, wishes) = watch::channel(Wish::Drain);
    std::mem::forget(wish);
    let next = vec![0; usize::from(PARTITIONS)];
    let inlets = std::mem::take(&mut running.inlets);
    (Reader { read_bytes, ..Reader::new(log, follower, next, inlets, wishes, Saves::default()) }, running)
}

async fn counting(writer: Writer) -> Arc<Counting> {
    Arc::new(Counting { inner: log_of(&writer.commits).await, handed: Mutex::default() })
}

/// Whoever takes closed epochs takes the next only when all that can run has run a while: what the log has handed out
/// stays within what the queues hold.
#[test]
fn a_slow_finisher_bounds_what_is_read() {
    const EPOCHS: usize = 2_000;
    const READ_BYTES: usize = 4_096;
    let mut writer = Writer::new(city::TEXT);
    let series = Series::new("e-1", "dust").unwrap();
    for second in 0..EPOCHS as i64 {
        writer.row(&series, second, 50.0);
        writer.tick(moment(second));
    }
    block_on(async {
        let log = counting(writer).await;
        let (reader, mut running) = start(&log, 2, READ_BYTES).await;
        let read = tokio::spawn(reader.run());
        let mut taken = 0;
        let mut most = 0;
        loop {
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
            let handed = log.handed.lock().unwrap().records;
            most = most.max(handed.saturating_sub(taken * 5));
            if running.closed.recv().await.is_none() {
                break;
            }
            taken += 1;
        }
        read.await.unwrap().unwrap();
        assert_eq!(taken, EPOCHS);
        // Five records an epoch: closed epochs in the queue, inlets, one poll, and what sources took and timely carries,
        // whose bound is in readings and not met here.
        let (smallest_record, carried) = (20, 4_096);
        let bound = INLET_RECORDS * 5 + 2 * INLET_RECORDS + READ_BYTES / smallest_record + carried;
        assert!(most <= bound, "{most} records were under way, {bound} are the most");
        assert!(most > INLET_RECORDS, "it was slow: {most}");
    });
}

/// One partition has nearly all the bytes. The others would be read hundreds of epochs ahead of it, and held in memory
/// all that time.
#[test]
fn partitions_with_little_in_them_do_not_run_ahead() {
    let mut writer = Writer::new(city::TEXT);
    let series = Series::new("e-1", "dust").unwrap();
    for epoch in 0..400_i64 {
        let rows: Vec<_> = (0..100).map(|place| arrival(&series, epoch * 100 + place)).collect();
        writer.rows(&rows);
        writer.tick(moment(epoch * 100 + 100));
    }
    block_on(async {
        let log = counting(writer).await;
        let (reader, mut running) = start(&log, 2, 2_048).await;
        let read = tokio::spawn(reader.run());
        let mut taken = 0;
        while running.closed.recv().await.is_some() {
            taken += 1;
        }
        read.await.unwrap().unwrap();
        assert_eq!(taken, 400);
        let ahead = log.handed.lock().unwrap().ahead;
        assert!(ahead <= 2_048 / 20, "one was read {ahead} epochs ahead of another");
    });
}

fn arrival(series: &Series, second: i64) -> city::Arrival {
    let row = yiwang_model::Row {
        series: series.id(),
        time: moment(second),
        value: 50.0 + (second % 3) as f64,
        quality: yiwang_model::Quality::Good,
        period_end: None,
        vintage: yiwang_model::Vintage(None),
    };
    city::Arrival { at: second, series: series.clone(), row }
}
