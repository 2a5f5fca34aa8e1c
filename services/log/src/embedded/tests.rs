//! The engine on the forgetful disk: the suite of all engines, single rules, damage, and a model under random
//! actions.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use yiwang_disk::sim::{Operation, SimDisk, Trouble};

use super::*;
use crate::conformance::{self, Maker, layout};
use crate::{Partition, TopicId};

mod damage;
mod model;
mod rules;

fn folder() -> &'static Path {
    Path::new("/city/log")
}

fn readings(index: u16) -> Partition {
    Partition { topic: TopicId(0), index }
}

const NAMES: Partition = Partition { topic: TopicId(2), index: 0 };

fn record(to: Partition, payload: impl Into<Bytes>) -> Append {
    Append { to, payload: payload.into() }
}

fn at(partition: Partition, next: u64) -> Position {
    Position { partition, next: Offset(next) }
}

/// Small segments, no reserve, a clock that stands still.
fn options() -> Options {
    Options {
        segment_bytes: 2048,
        reserve_bytes: Some(0),
        tail_cache_bytes: 0,
        clock_ms: Arc::new(|| 1_000_000),
        ..Options::new(layout())
    }
}

fn open_with(disk: &SimDisk, options: Options) -> Result<Arc<EmbeddedLog>, Error> {
    EmbeddedLog::open(Arc::new(disk.clone()), folder(), options)
}

fn open(disk: &SimDisk) -> Arc<EmbeddedLog> {
    open_with(disk, options()).unwrap()
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

impl EmbeddedLog {
    /// Waits until the writer has done what it does after an answer.
    async fn settle(&self) {
        let answer = self.core.queue.push(Class::Inner, Vec::new()).await;
        drop(answer.await);
    }

    async fn put(&self, to: Partition, payload: impl Into<Bytes>) -> Result<Offset, Error> {
        let offsets = self.append(Class::Intake, vec![record(to, payload)]).await?;
        self.settle().await;
        Ok(offsets[0])
    }

    /// All records of a partition from `next` to its end.
    async fn all_from(&self, partition: Partition, mut next: u64) -> Result<Vec<Bytes>, Error> {
        let extent = self.extents().into_iter().find(|extent| extent.partition == partition).unwrap();
        let mut payloads = Vec::new();
        while next < extent.end.0 {
            for stored in self.read(&[at(partition, next)], 700).await? {
                assert_eq!((stored.partition, stored.offset), (partition, Offset(next)));
                next += 1;
                payloads.push(stored.payload);
            }
        }
        Ok(payloads)
    }

    async fn all(&self, partition: Partition) -> Result<Vec<Bytes>, Error> {
        let extent = self.extents().into_iter().find(|extent| extent.partition == partition).unwrap();
        self.all_from(partition, extent.start.0).await
    }
}

/// Segment files of a stream, oldest first.
fn segments(disk: &SimDisk, stream: &str) -> Vec<PathBuf> {
    let folder = folder().join(stream);
    let is_segment =
        |path: &PathBuf| path.starts_with(&folder) && path.extension().is_some_and(|kind| kind == "seg");
    disk.paths().into_iter().filter(is_segment).collect()
}

/// Logs on the twin; a reopened one comes after a power cut.
struct OnTwin {
    disk: Mutex<SimDisk>,
    cache_bytes: usize,
}

impl OnTwin {
    fn open(&self, disk: SimDisk) -> Arc<dyn Log> {
        let options = Options { tail_cache_bytes: self.cache_bytes, ..options() };
        let log = open_with(&disk, options).unwrap();
        *self.disk.lock().unwrap() = disk;
        log
    }
}

#[async_trait]
impl Maker for OnTwin {
    async fn fresh(&self, _layout: Layout) -> Arc<dyn Log> {
        self.open(SimDisk::new(1))
    }

    async fn reopen(&self, log: Arc<dyn Log>) -> Arc<dyn Log> {
        drop(log);
        let disk = self.disk.lock().unwrap().power_cut();
        self.open(disk)
    }
}

/// Logs on the machine's disk, the last one made being the one to reopen.
struct OnMachine {
    folder: tempfile::TempDir,
    made: AtomicU64,
}

impl OnMachine {
    fn open(&self) -> Arc<dyn Log> {
        let folder = self.folder.path().join(self.made.load(Ordering::Relaxed).to_string());
        EmbeddedLog::open(Arc::new(yiwang_disk::RealDisk), &folder, options()).unwrap()
    }
}

#[async_trait]
impl Maker for OnMachine {
    async fn fresh(&self, _layout: Layout) -> Arc<dyn Log> {
        self.made.fetch_add(1, Ordering::Relaxed);
        self.open()
    }

    async fn reopen(&self, log: Arc<dyn Log>) -> Arc<dyn Log> {
        drop(log);
        self.open()
    }
}

#[test]
fn the_engine_conforms_from_disk_and_from_memory() {
    for cache_bytes in [0, 1 << 20] {
        let maker = OnTwin { disk: Mutex::new(SimDisk::new(0)), cache_bytes };
        run(conformance::suite(&maker));
    }
}

#[test]
fn the_engine_conforms_on_the_machines_disk() {
    let folder = tempfile::tempdir().unwrap();
    run(conformance::suite(&OnMachine { folder, made: AtomicU64::new(0) }));
}
