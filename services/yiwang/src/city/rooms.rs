//! Log and stores of a data folder, opened under its lock.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::Context;
use tokio::sync::broadcast;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use yiwang_disk::real::{FolderLock, lock};
use yiwang_disk::{Disk, RealDisk};
use yiwang_ingest::clock::{CityClock, wall_now};
use yiwang_log::embedded::EmbeddedLog;
use yiwang_log::{CursorClass, Layout, Log, TopicSpec};
use yiwang_model::Timestamp;
use yiwang_orders::sqlite::SqliteOrders;
use yiwang_orders::{AlertDesk, OrderEvent, OrderFeed, OrderStore};
use yiwang_proto::topics;
use yiwang_series::SeriesStore;
use yiwang_series::embedded::EmbeddedSeries;
use yiwang_stream::finish::Progress;
use yiwang_stream::store::Filler;

use super::stores::Elsewhere;
use crate::config::Config;

/// The city's time zone.
pub const ZONE: &str = "Asia/Shanghai";

/// The cursor of the embedded series store.
const SERIES_CURSOR: &str = "series";

/// Where what is kept.
pub struct Folders {
    /// The log.
    pub log: PathBuf,
    /// The series store.
    pub series: PathBuf,
    /// The order store's file.
    pub orders: PathBuf,
    /// Checkpoints.
    pub checkpoints: PathBuf,
}

/// Where what is kept in a data folder.
pub fn folders(config: &Config) -> Folders {
    let at = |name: &str| config.data_dir.join(name);
    Folders {
        log: at("log"),
        series: at("series"),
        orders: at("orders.sqlite"),
        checkpoints: at("checkpoints"),
    }
}

/// The city's clock, once there is one.
#[derive(Clone, Default)]
pub struct LateClock(Arc<OnceLock<Arc<CityClock>>>);

impl LateClock {
    /// From now on this is the clock.
    pub fn set(&self, clock: Arc<CityClock>) {
        // It is set once, when the doors open.
        let _ = self.0.set(clock);
    }

    fn now(&self) -> Timestamp {
        self.0.get().and_then(|clock| clock.now()).unwrap_or(Timestamp::MIN)
    }
}

/// Log and stores.
pub struct Rooms {
    /// The log.
    pub log: Arc<dyn Log>,
    /// The series store.
    pub series: Arc<dyn SeriesStore>,
    /// The order store.
    pub orders: Arc<dyn OrderStore>,
    /// Tells the stores city time.
    pub clock: LateClock,
    /// Stores elsewhere that are filled beside ours.
    pub elsewhere: Vec<Elsewhere>,
    /// Nothing more is carried into the log.
    carried: CancellationToken,
    disk: Arc<dyn Disk>,
    sqlite: Arc<SqliteOrders>,
    /// What keeps other processes out, until the last who holds it lets go.
    pub lock: Arc<FolderLock>,
}

impl Rooms {
    /// Opens them, or makes them.
    ///
    /// # Errors
    /// When another process holds the folder, when something in it is damaged or of a newer release, when the disk fails.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        let lock = hold(&config.data_dir)?;
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let log: Arc<dyn Log> = open_log(config)?;
        let clock = LateClock::default();
        let late = clock.clone();
        let mut options = yiwang_series::embedded::Options::new(Arc::new(move || late.now()));
        options.retention.readings = config.readings_kept;
        options.retention.figures = config.figures_kept;
        let embedded = EmbeddedSeries::open(Arc::clone(&disk), &folders(config).series, options)
            .context("cannot open the series store")?;
        let sqlite = open_orders(config).await?;
        let carried = CancellationToken::new();
        let elsewhere = Elsewhere::all(config, &log, &carried)?;
        let (orders, lock) = (sqlite.clone(), Arc::new(lock));
        Ok(Self { log, series: embedded, orders, clock, elsewhere, carried, disk, sqlite, lock })
    }

    /// What the judgement works with.
    pub fn stream_parts(&self) -> yiwang_stream::Parts {
        yiwang_stream::Parts {
            log: Arc::clone(&self.log),
            orders: Arc::clone(&self.orders),
            disk: Arc::clone(&self.disk),
            wall: wall_now,
        }
    }

    /// Starts those who carry from log to stores and from orders to log.
    pub fn consumers(
        &self,
        progress: &Arc<Progress>,
        live: broadcast::Sender<OrderEvent>,
        stop: &CancellationToken,
    ) -> JoinSet<Result<(), yiwang_stream::Error>> {
        let carried = self.carried.clone();
        let mut tasks = JoinSet::new();
        let filler =
            Filler::new(Arc::clone(&self.log), self.series.clone(), SERIES_CURSOR, CursorClass::Must);
        tasks.spawn(filler.run(carried.clone()));
        for store in &self.elsewhere {
            tasks.spawn(store.filler().run(carried.clone()));
        }
        let (log, orders) = (Arc::clone(&self.log), Arc::clone(&self.orders));
        let carry = yiwang_stream::outbox::carry(log, orders, Arc::clone(progress), live, stop.clone());
        // The stores are filled to the end only when nothing more is carried into the log.
        tasks.spawn(async move {
            let ended = carry.await;
            carried.cancel();
            ended
        });
        tasks
    }

    /// What happens to the orders.
    pub fn feed(&self) -> Arc<dyn OrderFeed> {
        self.sqlite.clone()
    }

    /// Where the alerts of other systems open orders.
    pub fn alerts(&self) -> Arc<dyn AlertDesk> {
        self.sqlite.clone()
    }

    /// Lets go of them, which waits for the threads that write files.
    pub async fn close(self) {
        self.sqlite.close().await;
        // On a thread that may block, so that who waits for this can cease to.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }
}

/// The log of a data folder, which the caller holds.
///
/// # Errors
/// When it is damaged or of a newer release, when the disk fails.
pub fn open_log(config: &Config) -> anyhow::Result<Arc<EmbeddedLog>> {
    let log = EmbeddedLog::open(Arc::new(RealDisk), &folders(config).log, log_options(config));
    log.context("cannot open the log")
}

/// The orders of a data folder, which the caller holds.
///
/// # Errors
/// When they are damaged or of a newer release, when the disk fails.
pub async fn open_orders(config: &Config) -> anyhow::Result<Arc<SqliteOrders>> {
    let orders = SqliteOrders::open(&folders(config).orders, ZONE).await;
    Ok(Arc::new(orders.context("cannot open the order store")?))
}

/// Takes a data folder for this process, making it if need be.
pub fn hold(folder: &Path) -> anyhow::Result<FolderLock> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the data folder {}", folder.display()))?;
    lock(folder).context("cannot take the data folder; stop the other process, or choose another folder")
}

fn log_options(config: &Config) -> yiwang_log::embedded::Options {
    let mut options = yiwang_log::embedded::Options::new(layout(config.partitions));
    options.segment_bytes = config.segment_bytes;
    options.retention_bytes = config.log_max_bytes;
    options.retention_age = config.log_max_age;
    options.reserve_bytes = config.reserve_bytes;
    options.must = vec![yiwang_stream::finish::CURSOR.to_owned(), SERIES_CURSOR.to_owned()];
    options
}

fn layout(partitions: u16) -> Layout {
    let topic = |(at, (name, kept)): (u8, &(&str, bool))| TopicSpec {
        name: (*name).to_owned(),
        partitions: if at == topics::READINGS { partitions } else { 1 },
        kept: *kept,
    };
    Layout { topics: (0..).zip(&topics::ALL).map(topic).collect() }
}
