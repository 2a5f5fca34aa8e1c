//! Seam 2, the series store: points in, answers out.
//!
//! | promises | does not promise |
//! |---|---|
//! | the same (series, event time, vintage) written twice is there once, the last in log order wins | that a write can be queried before the stated flush |
//!
//! A store is filled by a consumer of the log. Each batch says up to which [`Mark`] of the log it goes; what
//! [`SeriesSink::persisted`] answers is the mark up to which everything is on disk, and from which the consumer
//! starts again after a crash. What is written twice for that reason is there once.
//!
//! [`embedded`] keeps Parquet files in a folder and answers queries. [`influx`] carries the same to a store elsewhere that
//! speaks as InfluxDB does; it is only filled, and whoever wants to know asks that store itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use yiwang_model::{Row, Series, SeriesId, Timestamp};

pub mod embedded;
pub mod influx;

/// How far in the log a batch goes: for each partition, as `topic/index`, the offset that comes next.
pub type Mark = BTreeMap<String, u64>;

/// What a consumer of the log hands over at once.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Names of series that rows may use from here on. Saying a name again is harmless.
    pub names: Vec<(SeriesId, Series)>,
    /// Readings in log order.
    pub rows: Vec<Row>,
    /// Records of other kinds: anomalies, order events.
    pub records: Vec<Record>,
    /// Up to where in the log this goes. Partitions not named keep their place.
    pub mark: Mark,
}

/// The measurement of records that name a minute of a series for which a reading came too late.
pub const LATE_MINUTES: &str = "late_minutes";

/// A record that is no reading: an anomaly's step, an order's step. Its key is (measurement, key, time); the
/// last in log order wins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// `anomalies` or `order_events`.
    pub measurement: Arc<str>,
    /// What tells it from others of its kind at the same time.
    pub key: String,
    /// Event time of an anomaly's step, city time of an order's.
    pub time: Timestamp,
    /// Its content as a JSON object.
    pub body: String,
}

/// Which vintages a query sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AsOf {
    /// The latest of each period.
    #[default]
    Latest,
    /// What was known at this time: the latest that was published at or before it.
    Published(Timestamp),
}

/// Which readings of one series are asked for.
#[derive(Clone, Debug)]
pub struct Range {
    /// The series.
    pub series: Series,
    /// From this event time on.
    pub from: Timestamp,
    /// Up to, and without, this event time.
    pub to: Timestamp,
    /// Which vintages.
    pub as_of: AsOf,
    /// At most this many, the newest of them; 1 to 100,000.
    pub limit: usize,
}

/// The newest reading of a series, by event time, then vintage.
#[derive(Clone, Debug, PartialEq)]
pub struct Latest {
    /// The series.
    pub series: Series,
    /// Its newest reading.
    pub row: Row,
}

/// What a store has and how it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Series known by name.
    pub series: u64,
    /// Rows in memory that no file holds yet.
    pub buffered_rows: u64,
    /// Files.
    pub files: u64,
    /// Rows in files, a key in two files counted twice.
    pub file_rows: u64,
    /// Bytes of the files.
    pub file_bytes: u64,
    /// Why rows do not go to files just now: there is no room.
    pub flush_put_off: Option<String>,
    /// Why files are not merged just now: there is no room.
    pub merge_put_off: Option<String>,
}

/// A store of series as its filler sees it: batches go in, a mark says how far they are safe.
#[async_trait]
pub trait SeriesSink: Send + Sync + 'static {
    /// Takes a batch in, in log order; durable it is once [`SeriesSink::persisted`] covers its mark. Waits while the store is
    /// behind or out of reach, so that memory stays bounded.
    ///
    /// # Errors
    /// [`Error::UnknownSeries`] when a row's series has no name; [`Error::Failed`] once the disk failed;
    /// [`Error::Stopped`] when the store is being closed and cannot be reached: the batch is to be written again.
    /// [`Error::WriteAgain`] when all behind [`SeriesSink::persisted`] is.
    async fn write(&self, batch: Batch) -> Result<(), Error>;

    /// Puts all that was taken in on disk and answers once it is durable.
    ///
    /// # Errors
    /// [`Error::NoRoom`]: retry when there is room, nothing is lost. [`Error::Failed`].
    async fn flush(&self) -> Result<(), Error>;

    /// The mark up to which everything is durable.
    fn persisted(&self) -> Mark;
}

/// The series store that answers queries, as everybody but its engine sees it. What was written, queries see at once.
#[async_trait]
pub trait SeriesStore: SeriesSink {
    /// Readings of one series, by event time upwards, one per event time, the vintage as asked.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Failed`]. A series that nobody wrote has no readings and is no error.
    async fn range(&self, range: &Range) -> Result<Vec<Row>, Error>;

    /// The newest reading of every series of these sources, by series; of all sources when none is named.
    ///
    /// # Errors
    /// As [`SeriesStore::range`].
    async fn latest(&self, sources: &[Arc<str>]) -> Result<Vec<Latest>, Error>;

    /// All series, sorted.
    fn series(&self) -> Vec<Series>;

    /// Records of a measurement with time in `from..to`, newest first, at most `limit`.
    ///
    /// # Errors
    /// As [`SeriesStore::range`].
    async fn records(
        &self,
        measurement: &str,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<Record>, Error>;

    /// How it is.
    fn stats(&self) -> Stats;
}

/// What can go wrong with a series store.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No room on disk. Outside must act; retry with backoff.
    #[error("the series store has no room, make some on its disk: {why}")]
    NoRoom {
        /// What the system said.
        why: String,
    },
    /// A write or sync failed and what is on disk is unknown. We must stop.
    #[error("the series store has stopped after a failure in {file}: {why}")]
    Failed {
        /// The file.
        file: String,
        /// What the system said.
        why: String,
    },
    /// A file is not what was written. A person must act.
    #[error("{file} is damaged: {why}")]
    Corrupt {
        /// The file.
        file: String,
        /// What does not fit.
        why: String,
    },
    /// Written by a newer release.
    #[error("{file} has format version {found}; this release reads up to {known}: start a newer release")]
    Newer {
        /// The file.
        file: String,
        /// Its version.
        found: u32,
        /// The newest version that we know.
        known: u32,
    },
    /// The store is being closed and gave up what it was at; all is as before it.
    #[error("the series store is being closed")]
    Stopped,
    /// The store was out of reach for a while and may have lost what it had not on disk.
    #[error("the store was out of reach: what it had not on disk is to be written again")]
    WriteAgain,
    /// A store elsewhere cannot be spoken to at all. The configuration must change.
    #[error("the store \"{store}\" cannot be spoken to: {why}")]
    Unspeakable {
        /// Its name.
        store: String,
        /// Why.
        why: String,
    },
    /// A row of a series that was never named.
    #[error("series {0:?} has no name")]
    UnknownSeries(SeriesId),
}
