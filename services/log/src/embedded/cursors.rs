//! Named cursors, and from where on the main stream is there, in one small file that is replaced as a whole.
//!
//! The file `cursors` (magic `YWLOGCUR`, version 1) has the body: log id, `u64` first_seq of the oldest segment that
//! retention has left in `main/` (older ones are removed when they are found), `u32` cursors, and for each `u8` length
//! of the name, the name, `u8` class (0 must, 1 may lag), `u64` most bytes of lag, `u64` gap in records, `u32`
//! partitions, each `u8` topic, `u16` partition, `u64` next offset.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, BufMut, TryGetError};
use yiwang_disk::Disk;

use super::sealed::{Kind, corrupt, get_name, put_name};
use super::{LogId, believe, io_failed, shown};
use crate::{CursorClass, Error, Offset, Partition, Position, TopicId};

const KIND: Kind = Kind { magic: b"YWLOGCUR", version: 1 };
const MOST_FILE_BYTES: u64 = 64 << 20;
const MOST_NAME_BYTES: usize = 255;

/// Where one reader is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) class: CursorClass,
    /// Records that it missed.
    pub(super) gap: u64,
    /// The next offset in each partition that it ever named.
    pub(super) next: BTreeMap<Partition, u64>,
}

/// All that the file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    /// The first record of the main stream that retention has left.
    pub(super) oldest_seq: u64,
    pub(super) cursors: BTreeMap<String, Cursor>,
}

/// The cursors, in memory as on disk.
pub(super) struct Cursors {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    log: LogId,
    durable: Mutex<Table>,
    /// Held while the file is replaced.
    file: Mutex<()>,
}

impl Cursors {
    pub(super) fn open(disk: Arc<dyn Disk>, folder: &Path, log: LogId) -> Result<Self, Error> {
        let path = folder.join("cursors");
        let bytes = yiwang_disk::read_whole(&*disk, &path, MOST_FILE_BYTES);
        let table = match bytes.map_err(|error| io_failed(&path, &error))? {
            Some(bytes) => {
                let table = decode(&path, log, &bytes)?;
                believe(&*disk, &path, &bytes)?;
                table
            }
            None => Table::default(),
        };
        Ok(Self { disk, path, log, durable: Mutex::new(table), file: Mutex::new(()) })
    }

    /// The cursors as they are on disk.
    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves one cursor and answers when that is durable. Blocks.
    pub(super) fn commit(
        &self,
        name: &str,
        class: CursorClass,
        to: &[Position],
    ) -> Result<(), CursorFailure> {
        self.change(|table| {
            let new = Cursor { class, gap: 0, next: BTreeMap::new() };
            let cursor = table.cursors.entry(name.to_owned()).or_insert(new);
            cursor.class = class;
            cursor.next.extend(to.iter().map(|position| (position.partition, position.next.0)));
            true
        })
    }

    /// Changes the table, on disk first; `change` says whether it did. Nobody else changes it meanwhile.
    pub(super) fn change(&self, change: impl FnOnce(&mut Table) -> bool) -> Result<(), CursorFailure> {
        let _alone = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut table = self.table().clone();
        if !change(&mut table) {
            return Ok(());
        }
        let bytes = KIND.seal(|into| encode(into, self.log, &table));
        yiwang_disk::replace(&*self.disk, &self.path, &bytes).map_err(|error| self.failure(&error))?;
        *self.table() = table;
        Ok(())
    }

    fn failure(&self, error: &io::Error) -> CursorFailure {
        if yiwang_disk::is_full(error) {
            return CursorFailure::NoRoom;
        }
        CursorFailure::Failed(io_failed(&self.path, error))
    }
}

/// Why a cursor was not moved.
#[derive(Debug)]
pub(super) enum CursorFailure {
    /// The old table stands; the next try writes everything anew.
    NoRoom,
    Failed(Error),
}

pub(super) fn check_name(name: &str) -> Result<(), Error> {
    if (1..=MOST_NAME_BYTES).contains(&name.len()) {
        Ok(())
    } else {
        Err(Error::BadCursorName { bytes: name.len() })
    }
}

fn encode(into: &mut Vec<u8>, log: LogId, table: &Table) {
    into.put_slice(&log.0);
    into.put_u64_le(table.oldest_seq);
    into.put_u32_le(u32::try_from(table.cursors.len()).expect("cursors are few"));
    for (name, cursor) in &table.cursors {
        put_name(into, name);
        let (class, max_lag_bytes) = match cursor.class {
            CursorClass::Must => (0, 0),
            CursorClass::MayLag { max_lag_bytes } => (1, max_lag_bytes),
        };
        into.put_u8(class);
        into.put_u64_le(max_lag_bytes);
        into.put_u64_le(cursor.gap);
        into.put_u32_le(u32::try_from(cursor.next.len()).expect("partitions were checked to be few"));
        for (partition, next) in &cursor.next {
            into.put_u8(partition.topic.0);
            into.put_u16_le(partition.index);
            into.put_u64_le(*next);
        }
    }
}

fn decode(path: &Path, log: LogId, bytes: &[u8]) -> Result<Table, Error> {
    let file = shown(path);
    let body = KIND.unseal(&file, bytes)?;
    let (found, table) = decode_body(body).map_err(|_| corrupt(&file, 0, "the file is too short"))?;
    if found == log { Ok(table) } else { Err(corrupt(&file, 0, "the cursors are those of another log")) }
}

fn decode_body(mut from: &[u8]) -> Result<(LogId, Table), TryGetError> {
    let mut log = LogId([0; 16]);
    from.try_copy_to_slice(&mut log.0)?;
    let mut table = Table { oldest_seq: from.try_get_u64_le()?, cursors: BTreeMap::new() };
    let count = from.try_get_u32_le()?;
    for _ in 0..count {
        let name = get_name(&mut from)?;
        table.cursors.insert(name, decode_cursor(&mut from)?);
    }
    Ok((log, table))
}

fn decode_cursor(from: &mut &[u8]) -> Result<Cursor, TryGetError> {
    let class = from.try_get_u8()?;
    let max_lag_bytes = from.try_get_u64_le()?;
    let class = if class == 0 { CursorClass::Must } else { CursorClass::MayLag { max_lag_bytes } };
    let gap = from.try_get_u64_le()?;
    let count = from.try_get_u32_le()?;
    let mut next = BTreeMap::new();
    for _ in 0..count {
        let partition = Partition { topic: TopicId(from.try_get_u8()?), index: from.try_get_u16_le()? };
        next.insert(partition, from.try_get_u64_le()?);
    }
    Ok(Cursor { class, gap, next })
}

impl Cursor {
    pub(super) fn positions(&self) -> Vec<Position> {
        let position =
            |(partition, next): (&Partition, &u64)| Position { partition: *partition, next: Offset(*next) };
        self.next.iter().map(position).collect()
    }
}
