//! The embedded engine: Parquet files in a folder, and what is not in files yet in memory.
//!
//! # The life of a reading
//! 1. [`write`](crate::SeriesSink::write) appends it to the memtable, where queries see it at once.
//! 2. A flush sorts the memtable by series and key and writes a file for each span of the calendar that it
//!    touches. Then it appends new names of series, and last it replaces the manifest, which names the files
//!    and carries the mark: data and mark move together, and the mark never leads.
//! 3. In the background small files of a span are merged; of a key the newest flush holds.
//! 4. A file that is wholly older than its retention is dropped. One in which only figures or only sensors' readings
//!    are still kept is written again with these alone.
//!
//! # Invariants
//! - A file never changes. What counts is what the manifest names; all else is a leftover and is removed.
//! - Of the rows of one key, all are in files of one span or in a span that it was parted into, and the file
//!   with the higher `sequence` is newer. Merges take neighbours in that order only.
//! - A file's length and CRC-32C are held against the manifest before its first row is read.
//! - After a failed sync or write nothing is written any more. Out of room is no failure: data stays in
//!   memory, writers wait, and the next try starts from there.
//! - Memory: the memtable and the one being flushed take at most [`Options::memory_bytes`], once more that
//!   while they are sorted; a merge holds a row group of each file.
//!
//! # The folder
//! | name | what |
//! |---|---|
//! | `MANIFEST` | the files that count, and the mark |
//! | `NAMES` | the series |
//! | `readings/*.parquet` | readings; any reader of Parquet takes the folder as it is, see `README.md` |
//! | `records/<measurement>-*.parquet` | anomalies, order events, late minutes |
//! | `latest/*.parquet` | the newest reading of each series as of some flush, so that a start is quick |

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::spawn_blocking;
use yiwang_disk::Disk;
use yiwang_model::{Row, Series, Span, Timestamp};

use crate::{Batch, Error, Latest, Mark, Range, Record, SeriesSink, SeriesStore, Stats};

mod background;
mod calendar;
mod columns;
mod compact;
mod disk_io;
mod engine;
mod files;
mod flush;
mod kept;
mod latest;
mod manifest;
mod memtable;
mod merge;
mod names;
mod open;
mod parquet_file;
mod plan;
mod query;
mod scan;
#[cfg(test)]
mod tests;

pub use scan::scan_folder;

use background::Background;
use engine::Engine;

/// Tells the city's time; retention goes by it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How an embedded store works.
#[derive(Clone)]
pub struct Options {
    /// Rows in memory that make a flush begin. More make larger files and fewer merges, and more to read
    /// again after a crash. Default 2,000,000.
    pub flush_rows: usize,
    /// How long a row stays in memory only. Default 5 s.
    pub flush_age: Duration,
    /// What is not in files yet takes at most this many bytes of memory; then writers wait. A row takes 21.
    /// Default 192 MiB.
    pub memory_bytes: usize,
    /// Rows in a row group: what a merge holds of a file, and the least that a query of a series looks at.
    /// Default 131,072.
    pub row_group_rows: usize,
    /// As many neighbouring files of a level are merged into one of the next. Default 8.
    pub merge_files: usize,
    /// A file with at least so many rows is merged no more. Default 64,000,000.
    pub full_rows: u64,
    /// A year or month of the calendar that would have more rows is parted into months or days.
    /// Default 1,000,000.
    pub part_rows: u64,
    /// A span of the calendar that got nothing for so many flushes is merged into one file. Default 256.
    pub settle_flushes: u64,
    /// How long data is kept.
    pub retention: Retention,
    /// The city's time.
    pub clock: Clock,
    /// Whether flushes, merges and retention happen by themselves, on two threads. Without, they happen when
    /// they are asked for, and a write that finds no room flushes first: for tools and tests.
    pub background: bool,
}

impl Options {
    /// The defaults; nothing is ever dropped.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            flush_rows: 2_000_000,
            flush_age: Duration::from_secs(5),
            memory_bytes: 192 << 20,
            row_group_rows: 1 << 17,
            merge_files: 8,
            full_rows: 64_000_000,
            part_rows: 1_000_000,
            settle_flushes: 256,
            retention: Retention::default(),
            clock,
            background: true,
        }
    }
}

/// How long data is kept, counted from its time to the city's time. What is older is not answered any more;
/// its room is given back when a whole file is older, or all of one kind of readings in it.
#[derive(Clone, Debug, Default)]
pub struct Retention {
    /// Of readings without a vintage, as sensors send them; forever when empty.
    pub readings: Option<Span>,
    /// Of readings with a vintage, as figures of a period are published; forever when empty.
    pub figures: Option<Span>,
    /// Of records by measurement; forever when not named.
    pub records: BTreeMap<String, Span>,
}

/// A series store in a folder of this machine. One process holds the folder; who opens it sees to that.
pub struct EmbeddedSeries {
    engine: Arc<Engine>,
    background: Option<Background>,
}

impl EmbeddedSeries {
    /// Opens the store in a folder, or makes one. Leftovers of a power cut are removed.
    ///
    /// # Errors
    /// [`Error::Corrupt`] naming the file, [`Error::Newer`], [`Error::NoRoom`], [`Error::Failed`].
    pub fn open(disk: Arc<dyn Disk>, folder: &Path, options: Options) -> Result<Arc<Self>, Error> {
        let run = options.background;
        let engine = Arc::new(open::open(disk, folder, options)?);
        let background = run.then(|| Background::start(&engine));
        Ok(Arc::new(Self { engine, background }))
    }

    /// Merges and drops what is to be merged and dropped now. Answers whether there was anything to do; then
    /// there may be more.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::NoRoom`], [`Error::Failed`].
    pub fn tidy(&self) -> Result<bool, Error> {
        self.engine.tidy()
    }

    /// Merges the files of each span into one, however many there are. Takes long.
    ///
    /// # Errors
    /// As [`EmbeddedSeries::tidy`].
    pub fn merge_all(&self) -> Result<(), Error> {
        self.engine.merge_all()
    }

    /// Gives every stored key once with its last value, by series and key upwards. Flushes first. The rows
    /// of a series may come in several pieces.
    ///
    /// # Errors
    /// As [`EmbeddedSeries::tidy`].
    pub fn scan(&self, give: &mut dyn FnMut(&Series, &Row)) -> Result<(), Error> {
        self.engine.scan(give)
    }
}

impl Drop for EmbeddedSeries {
    fn drop(&mut self) {
        self.engine.stop();
        if let Some(background) = self.background.take() {
            background.join();
        }
    }
}

#[async_trait]
impl SeriesSink for EmbeddedSeries {
    async fn write(&self, batch: Batch) -> Result<(), Error> {
        self.engine.write(batch).await
    }

    async fn flush(&self) -> Result<(), Error> {
        self.blocking(Engine::flush).await
    }

    fn persisted(&self) -> Mark {
        self.engine.persisted()
    }
}

#[async_trait]
impl SeriesStore for EmbeddedSeries {
    async fn range(&self, range: &Range) -> Result<Vec<Row>, Error> {
        let range = range.clone();
        self.blocking(move |engine| engine.range(&range)).await
    }

    async fn latest(&self, sources: &[Arc<str>]) -> Result<Vec<Latest>, Error> {
        let sources = sources.to_vec();
        self.blocking(move |engine| Ok(engine.latest(&sources))).await
    }

    fn series(&self) -> Vec<Series> {
        self.engine.series()
    }

    async fn records(
        &self,
        measurement: &str,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<Record>, Error> {
        let measurement: Arc<str> = measurement.into();
        self.blocking(move |engine| engine.records(&measurement, from, to, limit)).await
    }

    fn stats(&self) -> Stats {
        self.engine.stats()
    }
}

impl EmbeddedSeries {
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Engine) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let engine = Arc::clone(&self.engine);
        let failed = |error: tokio::task::JoinError| Error::Failed {
            file: "the store".into(),
            why: error.to_string(),
        };
        spawn_blocking(move || work(&engine)).await.map_err(failed)?
    }
}
