//! The log in a folder: segments, one sync per commit, torn tails cut back.
//!
//! # What holds
//! - An append is answered after the `fdatasync` that covers it has returned; only then can it be read.
//! - After a power cut everything answered is there, in order; of what was not answered a first part may be there,
//!   of what was refused with [`Error::NoRoom`] nothing.
//! - A write that finds no room is cut back, and the log goes on when there is room. After any other failure of a
//!   write or sync it has stopped: no sync is tried again, since a second one may succeed without having brought
//!   anything to the disk. For the same reason opening writes the last commit and the small files once more before
//!   it rests on them; so it needs a little room.
//! - A damaged record is never given out. At the end of the last segment it is cut off, and [`EmbeddedLog::repairs`]
//!   says so; anywhere else it is [`Error::Corrupt`].
//! - Memory: at most [`Options::queue_bytes`] wait, about [`Options::tail_cache_bytes`] are cached, marks take some
//!   24 bytes per 64 KiB of log; a read takes what it asks for and at most four times that in shared pieces.
//! - Whoever is polled first to append stands first.
//!
//! # Retention
//! Whole oldest segments of `main/` go when they are older than [`Options::retention_age`] or all of `main/` is
//! larger than [`Options::retention_bytes`]. A segment stays while a cursor of class "must" has something to read in
//! it, in any partition that the cursor ever named; a name in [`Options::must`] that was never committed holds
//! everything. A cursor that may lag holds what it has not read up to its limit; beyond, it is moved to the oldest
//! record that is left and what it missed is counted. This and the new beginning of the log are durable before
//! anything is dropped. Retention is looked
//! after at each commit, and without any each [`Options::retention_idle`].
//!
//! # The folder
//! `layout` (see `embedded/slots.rs`), `cursors` (see `embedded/cursors.rs`), and two streams, `main/` and, of topics that are kept, `kept/`. A
//! commit that touches both writes and syncs `kept/` first. A stream is a row of segments
//! `{first_seq:020}.seg`, where `first_seq` counts the records of the stream before; each may have an index
//! beside it (see `embedded/index.rs`). Small files have a common envelope (see `embedded/sealed.rs`). Numbers are little-endian.
//!
//! A segment begins with a header of 43 + 8·n bytes:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | magic `YWLOGSEG` |
//! | u16 | format version, 1 |
//! | 16 | log id |
//! | u8 | 1 in `kept/`, 0 in `main/` |
//! | u64 | first_seq |
//! | u32 | n, partitions in the layout |
//! | n × u64 | the next offset of each partition, topics in order; 0 for those of the other stream |
//! | u32 | CRC-32C of everything before it |
//!
//! Header and name are durable before a record goes in, so a header that is not whole is either a file in which
//! nothing is (removed at open) or damage. Records follow to the end of the file:
//!
//! | bytes | what |
//! |---|---|
//! | u32 | length of the payload, at most 16 MiB |
//! | u32 | CRC-32C over log id, first_seq (u64), and all of the record but this field |
//! | u64 | offset |
//! | u64 | when it was appended, milliseconds since 1970, for retention alone |
//! | u16 | partition |
//! | u8 | topic |
//! | u8 | 1 if it is the first of its commit in this stream, else 0 |
//! | … | payload |
//!
//! Offsets of a partition rise by one through all segments. A segment continues the one before it when its
//! `first_seq` and table say so; otherwise one is missing.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use tokio::sync::{Semaphore, watch};
use yiwang_disk::Disk;

use crate::{
    Append, Class, CursorClass, Error, Extent, Layout, Log, MAX_PAYLOAD_BYTES, Offset, Position, Stored,
};

mod cache;
mod cursors;
mod frame;
mod index;
mod options;
mod queue;
mod read;
mod recover;
mod retention;
mod scan;
mod sealed;
mod segment;
mod slots;
mod state;
mod stream;
#[cfg(test)]
mod tests;
mod writer;

pub use options::{ClockMs, Options};
pub use recover::Repair;

use cursors::{CursorFailure, Cursors};
use queue::Queue;
use slots::{Slot, Slots};
use state::Shared;
use writer::Writer;

/// Disk reads at a time; others wait for their turn.
const MOST_READS: usize = 4;

/// What distinguishes one log from any other; random when it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LogId([u8; 16]);

/// The log in a folder. Dropping it writes what was accepted and ends the writer.
pub struct EmbeddedLog {
    core: Arc<Core>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// What callers, writer, readers and retention share.
struct Core {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    id: LogId,
    options: Options,
    slots: Slots,
    shared: Shared,
    queue: Queue,
    cursors: Cursors,
    hints: read::Hints,
    /// Counts commits, to wake those who wait for more to read.
    grown: watch::Sender<u64>,
    reads: Semaphore,
    reserve_bytes: u64,
    repairs: Vec<Repair>,
}

impl EmbeddedLog {
    /// The layout of the log in `folder`; `None` when there is no log yet.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Newer`], [`Error::Failed`], each of the file `layout`.
    pub fn layout_of(disk: &dyn Disk, folder: &Path) -> Result<Option<Layout>, Error> {
        slots::found(disk, folder)
    }

    /// Opens the log in `folder`, making it if there is none, and mends its tail. Blocks. The caller has seen to it
    /// that no other process holds the folder (`yiwang_disk::real::lock`).
    ///
    /// # Errors
    /// [`Error::BadLayout`], [`Error::OtherLayout`], [`Error::Newer`]; [`Error::Corrupt`] when something other than
    /// the tail is damaged or missing; [`Error::Failed`] when the disk does not answer.
    pub fn open(disk: Arc<dyn Disk>, folder: &Path, options: Options) -> Result<Arc<Self>, Error> {
        let slots = Slots::new(options.layout.clone())?;
        let opened = recover::open(&disk, folder, &slots)?;
        let reserve_bytes = options.reserve(&*disk, folder);
        let core = Arc::new(Core {
            shared: Shared::new(opened.segments, slots.count(), options.tail_cache_bytes),
            queue: Queue::new(options.queue_bytes),
            cursors: opened.cursors,
            hints: read::Hints::default(),
            grown: watch::Sender::new(0),
            reads: Semaphore::new(MOST_READS),
            folder: folder.to_owned(),
            id: opened.id,
            repairs: opened.repairs,
            disk,
            options,
            slots,
            reserve_bytes,
        });
        let writer = Writer::new(Arc::clone(&core), opened.writers);
        let thread = std::thread::Builder::new().name("log-writer".to_owned()).spawn(move || writer.run());
        let thread = thread.map_err(|error| io_failed(folder, &error))?;
        Ok(Arc::new(Self { core, writer: Mutex::new(Some(thread)) }))
    }

    /// What was mended when the log was opened.
    #[must_use]
    pub fn repairs(&self) -> &[Repair] {
        &self.core.repairs
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        self.core.queue.close();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if writer.is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("log writer panicked");
        }
    }
}

#[async_trait]
impl Log for EmbeddedLog {
    fn layout(&self) -> &Layout {
        self.core.slots.layout()
    }

    async fn append(&self, class: Class, records: Vec<Append>) -> Result<Vec<Offset>, Error> {
        let records =
            records.into_iter().map(|record| self.core.check(record)).collect::<Result<Vec<_>, _>>()?;
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let answer = self.core.queue.push(class, records).await;
        answer.await.unwrap_or_else(|_| Err(self.core.writer_gone()))
    }

    async fn read(&self, from: &[Position], max_bytes: usize) -> Result<Vec<Stored>, Error> {
        self.core.read(from, max_bytes).await
    }

    fn extents(&self) -> Vec<Extent> {
        let extent = |(place, extent): (usize, &state::SlotExtent)| Extent {
            partition: self.core.slots.partition(Slot(place)),
            start: Offset(extent.start),
            end: Offset(extent.end),
            bytes: extent.payload_bytes,
        };
        self.core.shared.lock().extents.iter().enumerate().map(extent).collect()
    }

    async fn commit_cursor(&self, name: &str, class: CursorClass, to: &[Position]) -> Result<(), Error> {
        cursors::check_name(name)?;
        for position in to {
            self.core.slots.slot(position.partition)?;
        }
        let (core, name, to) = (Arc::clone(&self.core), name.to_owned(), to.to_vec());
        let commit = tokio::task::spawn_blocking(move || core.commit_cursor(&name, class, &to));
        commit.await.unwrap_or_else(|_| Err(self.core.writer_gone()))
    }

    fn cursor(&self, name: &str) -> Vec<Position> {
        self.core.cursors.table().cursors.get(name).map(cursors::Cursor::positions).unwrap_or_default()
    }

    fn gap(&self, name: &str) -> u64 {
        self.core.cursors.table().cursors.get(name).map_or(0, |cursor| cursor.gap)
    }
}

impl Core {
    fn check(&self, record: Append) -> Result<(Slot, bytes::Bytes), Error> {
        let bytes = record.payload.len();
        if bytes > MAX_PAYLOAD_BYTES {
            return Err(Error::TooLarge { bytes, most: MAX_PAYLOAD_BYTES });
        }
        Ok((self.slots.slot(record.to)?, record.payload))
    }

    fn commit_cursor(&self, name: &str, class: CursorClass, to: &[Position]) -> Result<(), Error> {
        self.shared.failed()?;
        self.cursors.commit(name, class, to).map_err(|failure| self.cursor_failure(failure))
    }

    /// A cursor file in an unknown state stops the log as a segment does.
    fn cursor_failure(&self, failure: CursorFailure) -> Error {
        match failure {
            CursorFailure::NoRoom => {
                let free = self.disk.room(&self.folder).map_or(0, |room| room.free);
                Error::NoRoom { free, reserve: self.reserve_bytes }
            }
            CursorFailure::Failed(error) => {
                self.shared.fail(&error);
                error
            }
        }
    }

    /// The answer when the writer went away without one, which takes a panic or a runtime that ends.
    fn writer_gone(&self) -> Error {
        let why = "the thread that writes is gone".to_owned();
        self.shared.failed().err().unwrap_or_else(|| Error::Failed { file: shown(&self.folder), why })
    }
}

/// Writes a small file that was found once more, before anything rests on it: if the run before ended in a failed
/// sync, it may be there for readers alone.
fn believe(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<(), Error> {
    yiwang_disk::replace(disk, path, bytes).map_err(|error| io_failed(path, &error))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn io_failed(path: &Path, error: &io::Error) -> Error {
    Error::Failed { file: shown(path), why: error.to_string() }
}
