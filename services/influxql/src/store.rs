//! What a query asks: databases, and in them measurements, series, fields and points.
//!
//! A point is a measurement, a set of tags, a time and at least one field. All points of one measurement and one set of
//! tags are a series. A field has one type in all of a measurement. Calls may block; they count what they read on the
//! [`Watch`] of the query and give up when it says so.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// The tags of a series, by key; a tag that is not there is as one with an empty value, and never stands here.
pub type Tags = BTreeMap<Arc<str>, Arc<str>>;

/// The type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FieldType {
    /// 64 bits, IEEE 754.
    Float,
    /// 64 bits, with a sign.
    Integer,
    /// Text in UTF-8.
    String,
    /// True or false.
    Boolean,
}

/// Of one field, a value for each time of a block, or none.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Floats.
    Float(Vec<Option<f64>>),
    /// Integers.
    Integer(Vec<Option<i64>>),
    /// Texts.
    String(Vec<Option<Arc<str>>>),
    /// Yes or no.
    Boolean(Vec<Option<bool>>),
    /// The field has no value at any of these times.
    Absent,
}

/// Some points of one series, in the order of time that the scan asked for, each time once.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Which series: its place in [`Scan::series`].
    pub series: usize,
    /// Nanoseconds since 1970.
    pub times: Vec<i64>,
    /// One for each of [`Scan::fields`]. A time stands here if at least one of them has a value at it.
    pub columns: Vec<Column>,
}

/// A series of a measurement.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What the store knows it by.
    pub id: u64,
    /// Its tags.
    pub tags: Arc<Tags>,
}

/// Which points are asked for.
#[derive(Clone, Debug)]
pub struct Scan<'a> {
    /// Of which measurement.
    pub measurement: &'a str,
    /// Of which series, by [`Series::id`].
    pub series: &'a [u64],
    /// Which fields, at least one.
    pub fields: &'a [Arc<str>],
    /// Times, in nanoseconds since 1970.
    pub times: RangeInclusive<i64>,
    /// Newest first.
    pub descending: bool,
    /// No more than this many points of a series are looked at; more may be given.
    pub enough: usize,
}

/// Whether whoever asked still wants to know, and how much may still be read.
pub trait Watch: Send + Sync {
    /// Counts what was read.
    ///
    /// # Errors
    /// [`Error::Cancelled`] once nobody wants the answer, [`Error::TooMuch`] when a bound was reached.
    fn read(&self, points: usize) -> Result<(), Error>;
}

/// One database under one retention policy.
pub trait Database: Send + Sync {
    /// The names of its measurements, sorted by their bytes.
    ///
    /// # Errors
    /// [`Error::Failed`].
    fn measurements(&self) -> Result<Vec<Arc<str>>, Error>;

    /// The fields of a measurement, sorted by their bytes; none where there is no such measurement.
    ///
    /// # Errors
    /// [`Error::Failed`].
    fn fields(&self, measurement: &str) -> Result<Vec<(Arc<str>, FieldType)>, Error>;

    /// The series of a measurement whose tags are wanted, in any order.
    ///
    /// # Errors
    /// [`Error::Failed`], and what `watch` says.
    fn series(
        &self,
        measurement: &str,
        wanted: &mut dyn FnMut(&Tags) -> bool,
        watch: &dyn Watch,
    ) -> Result<Vec<Series>, Error>;

    /// Gives the points of each series that was named, one series after the other, each in blocks of at most some thousands of points.
    ///
    /// # Errors
    /// [`Error::Failed`], and what `watch` or `take` says, at once.
    fn scan(
        &self,
        scan: &Scan<'_>,
        watch: &dyn Watch,
        take: &mut dyn FnMut(Block) -> Result<(), Error>,
    ) -> Result<(), Error>;
}

/// A retention policy of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// How long points are kept, in nanoseconds; zero for ever.
    pub duration: i64,
    /// How much of time lies in one shard, in nanoseconds.
    pub shard_duration: i64,
    /// How often points are kept.
    pub replication: u32,
    /// Whether it is used where none is named.
    pub default: bool,
}

/// All databases.
pub trait Store: Send + Sync {
    /// Their names, sorted by their bytes.
    ///
    /// # Errors
    /// [`Error::Failed`].
    fn databases(&self) -> Result<Vec<String>, Error>;

    /// The policies of a database; `None` where there is no such database.
    ///
    /// # Errors
    /// [`Error::Failed`].
    fn policies(&self, database: &str) -> Result<Option<Vec<Policy>>, Error>;

    /// A database under a policy, its own where none is named.
    ///
    /// # Errors
    /// [`Error::NoDatabase`], [`Error::NoPolicy`], [`Error::Failed`].
    fn database(&self, name: &str, policy: Option<&str>) -> Result<Arc<dyn Database>, Error>;

    /// Makes a database durable; one that is there stays as it is.
    ///
    /// # Errors
    /// [`Error::Refused`] where it cannot be made, [`Error::Failed`].
    fn create(&self, database: &str, policy: Option<&Policy>) -> Result<(), Error>;

    /// Removes a database and all that is in it; one that is not there is no error.
    ///
    /// # Errors
    /// [`Error::Refused`] where it may not be removed, [`Error::Failed`].
    fn drop(&self, database: &str) -> Result<(), Error>;
}

/// Why a store does not answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The sender named a database that is not there.
    #[error("database not found: {0}")]
    NoDatabase(String),
    /// The sender named a retention policy that is not there.
    #[error("retention policy not found: {0}")]
    NoPolicy(String),
    /// What was asked is not done, and why.
    #[error("{0}")]
    Refused(String),
    /// A bound was reached; the sender must ask for less.
    #[error("{0}")]
    TooMuch(String),
    /// Nobody wants the answer any more.
    #[error("query was cancelled")]
    Cancelled,
    /// The store cannot be read.
    #[error("{0}")]
    Failed(String),
}
