//! Seam 1, the log: bytes in, bytes out, in order.
//!
//! | promises | does not promise |
//! |---|---|
//! | an acknowledged append survives `kill -9` and, in segments, power loss | order across partitions |
//! | order within a partition, offsets that rise by one | that a sender's retry is not there twice |
//! | the same bytes on every read | |
//!
//! The log knows topics and partitions by number and carries what it is given. What the bytes mean is said in
//! `proto/yiwang/v1/log.proto`. A log has one [`Layout`], fixed when it is made. Partitions are logical: an
//! engine may keep them all in one stream on disk.
//!
//! [`embedded`] keeps segments in a folder; [`conformance`] is the suite that every engine must pass.

use async_trait::async_trait;
use bytes::Bytes;

pub mod conformance;
pub mod embedded;

/// A topic by its place in the [`Layout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub u8);

/// One ordered sequence of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    /// Of which topic.
    pub topic: TopicId,
    /// Which one of its partitions, from 0.
    pub index: u16,
}

/// The place of a record in its partition. The first is 0, the next always one more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub u64);

/// What a log is divided into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The topics; a [`TopicId`] is the place in this list.
    pub topics: Vec<TopicSpec>,
}

/// One topic of a [`Layout`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name: 1 to 32 of `a-z`, `0-9` and `_`.
    pub name: String,
    /// How many partitions it has; at least 1.
    pub partitions: u16,
    /// Whether its records outlive retention: for the few that explain all the others, such as names.
    pub kept: bool,
}

/// Who appends, which decides what happens when the disk is nearly full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// From outside: refused with [`Error::NoRoom`] while less than the reserve is free.
    Intake,
    /// From the city's own judgement: may use the reserve.
    Inner,
}

/// A record to append.
#[derive(Clone, Debug)]
pub struct Append {
    /// Where to.
    pub to: Partition,
    /// What; at most [`MAX_PAYLOAD_BYTES`].
    pub payload: Bytes,
}

/// The largest payload of one record: 16 MiB.
pub const MAX_PAYLOAD_BYTES: usize = 16 << 20;

/// A record as it was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Where it stands.
    pub partition: Partition,
    /// Its place there.
    pub offset: Offset,
    /// The bytes that were appended.
    pub payload: Bytes,
}

/// How far a reader is in one partition: the offset that it wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The partition.
    pub partition: Partition,
    /// The next record to read.
    pub next: Offset,
}

/// What retention owes a named cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CursorClass {
    /// Nothing that it has not read is dropped.
    Must,
    /// Once it lags by more than this many bytes it is cut off: what it missed is counted as a gap.
    MayLag {
        /// The most that may wait for it, in bytes of payload.
        max_lag_bytes: u64,
    },
}

/// What one partition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The partition.
    pub partition: Partition,
    /// The oldest record still there.
    pub start: Offset,
    /// One past the newest durable record.
    pub end: Offset,
    /// Bytes of payload between them.
    pub bytes: u64,
}

/// The log, as everybody but its engine sees it.
#[async_trait]
pub trait Log: Send + Sync + 'static {
    /// The layout that this log was made with.
    fn layout(&self) -> &Layout;

    /// Appends the records, in this order, and answers with their offsets once all of them are durable.
    /// A caller that goes away does not take back what it sent.
    ///
    /// # Errors
    /// [`Error::NoRoom`] when there is no room: none of the records is then in the log, and trying again later
    /// is right. [`Error::Failed`] once a write or sync went wrong in a way that leaves the state of the disk unknown: the process
    /// must end and start again. [`Error::TooLarge`], [`Error::UnknownPartition`]: nothing was appended.
    async fn append(&self, class: Class, records: Vec<Append>) -> Result<Vec<Offset>, Error>;

    /// Reads durable records from these positions on, at least one and at most about `max_bytes` of
    /// payload; waits while there is none. Within a partition the records come in order and without holes.
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`Error::Gone`] when retention has passed a position, [`Error::Corrupt`] when a record is not what was
    /// appended, [`Error::UnknownPartition`].
    async fn read(&self, from: &[Position], max_bytes: usize) -> Result<Vec<Stored>, Error>;

    /// What each partition holds now, in the order of the layout.
    fn extents(&self) -> Vec<Extent>;

    /// Moves a named cursor, making it if need be, and answers once that is durable. Partitions not named
    /// keep their place.
    ///
    /// # Errors
    /// As [`Log::append`].
    async fn commit_cursor(&self, name: &str, class: CursorClass, to: &[Position]) -> Result<(), Error>;

    /// Where a named cursor stands; empty when it was never moved.
    fn cursor(&self, name: &str) -> Vec<Position>;

    /// How many records the named cursor missed because it lagged too far.
    fn gap(&self, name: &str) -> u64;
}

/// What can go wrong with a log.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk has no room. Outside must act; retry with backoff.
    #[error("the log has no room, make some on its disk: {free} bytes are free, the reserve is {reserve}")]
    NoRoom {
        /// Free bytes on its file system.
        free: u64,
        /// Bytes that are kept for the city's own work.
        reserve: u64,
    },
    /// A write or sync failed and what is on disk is unknown. We must stop.
    #[error("the log has stopped after a failure in {file}: {why}")]
    Failed {
        /// The file.
        file: String,
        /// What the system said.
        why: String,
    },
    /// Bytes on disk are not what was appended. A person must act.
    #[error("{file} is damaged at byte {at}: {why}")]
    Corrupt {
        /// The file.
        file: String,
        /// The byte at which the damaged record begins.
        at: u64,
        /// What does not fit.
        why: String,
    },
    /// Written by a newer release.
    #[error("{file} has format version {found}; this release reads up to {known}: start a newer release")]
    Newer {
        /// The file.
        file: String,
        /// Its version.
        found: u16,
        /// The newest version that we know.
        known: u16,
    },
    /// The log was made with another layout.
    #[error("the log was made with {found}, and {wanted} is wanted: a layout cannot be changed")]
    OtherLayout {
        /// What the log has.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// The layout that was asked for cannot be. We must mend it.
    #[error("this layout cannot be: {why}")]
    BadLayout {
        /// What is wrong with it.
        why: String,
    },
    /// The name of a cursor is empty or above 255 bytes. We must mend it.
    #[error("a cursor's name has 1 to 255 bytes, not {bytes}")]
    BadCursorName {
        /// Its length.
        bytes: usize,
    },
    /// Retention dropped what was asked for.
    #[error("offset {wanted} of {partition} was dropped by retention; the oldest is {start}")]
    Gone {
        /// The partition, as `topic/index`.
        partition: String,
        /// What was asked for.
        wanted: u64,
        /// The oldest that is there.
        start: u64,
    },
    /// A payload above [`MAX_PAYLOAD_BYTES`].
    #[error("a record of {bytes} bytes is above the largest of {most}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The largest allowed.
        most: usize,
    },
    /// No such partition in the layout.
    #[error("the log has no partition {index} of topic {topic}")]
    UnknownPartition {
        /// The topic's number.
        topic: u8,
        /// The partition's number.
        index: u16,
    },
}
