//! The writing end of one stream: append, sync, cut back, and begin a new segment.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use yiwang_disk::{Disk, DiskFile};

use super::frame::CrcSeed;
use super::index::SegmentIndex;
use super::segment::{self, SegmentHeader};
use super::slots::StreamId;
use super::{LogId, io_failed};
use crate::Error;

/// Why bytes were not written.
#[derive(Debug)]
pub(super) enum Refusal {
    /// There is no room, and the segment is as it was.
    NoRoom,
    /// What is on disk is unknown.
    Failed(Error),
}

pub(super) struct StreamWriter {
    pub(super) id: StreamId,
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    log: LogId,
    /// The segment that is written to; none before the first record.
    tail: Option<Tail>,
}

/// The open end of a stream.
pub(super) struct Tail {
    pub(super) file: Box<dyn DiskFile>,
    pub(super) path: PathBuf,
    pub(super) seed: CrcSeed,
    pub(super) header_bytes: u64,
    /// Length of the segment, of which everything is durable.
    pub(super) length: u64,
}

impl StreamWriter {
    pub(super) fn new(
        id: StreamId,
        disk: Arc<dyn Disk>,
        folder: PathBuf,
        log: LogId,
        tail: Option<Tail>,
    ) -> Self {
        Self { id, disk, folder, log, tail }
    }

    /// Whether a segment must be begun before the next record.
    pub(super) fn is_full(&self, segment_bytes: u64) -> bool {
        let full = |tail: &Tail| tail.length > tail.header_bytes && tail.length >= segment_bytes;
        self.tail.as_ref().is_none_or(full)
    }

    pub(super) fn seed(&self) -> CrcSeed {
        self.tail.as_ref().expect("a segment was begun").seed
    }

    /// Begins a segment: its header and its name are durable before the first record goes in.
    pub(super) fn begin(&mut self, first_seq: u64, next: Vec<u64>) -> Result<SegmentIndex, Refusal> {
        let header = SegmentHeader { log: self.log, stream: self.id, first_seq, next };
        let path = segment::path(&self.folder, first_seq);
        let bytes = header.encode();
        let file = write_new(&*self.disk, &path, &bytes).map_err(|error| refusal(&path, &error))?;
        let sync = file.sync_data().and_then(|()| self.disk.sync_dir(&self.folder));
        sync.map_err(|error| Refusal::Failed(io_failed(&path, &error)))?;
        let length = bytes.len() as u64;
        tracing::debug!(file = %path.display(), "segment begun");
        self.tail = Some(Tail { file, path, seed: header.seed(), header_bytes: length, length });
        Ok(SegmentIndex::new(first_seq, length, &header.next))
    }

    /// Writes bytes behind the last durable ones and makes them durable.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        if bytes.is_empty() {
            return Ok(());
        }
        let tail = self.tail.as_mut().expect("a segment was begun");
        if let Err(error) = tail.file.write_at(bytes, tail.length) {
            return Err(tail.refuse(&error));
        }
        tail.file.sync_data().map_err(|error| Refusal::Failed(io_failed(&tail.path, &error)))?;
        tail.length += bytes.len() as u64;
        Ok(())
    }

    /// Takes back the last `bytes` that were appended.
    pub(super) fn take_back(&mut self, bytes: usize) -> Result<(), Error> {
        if bytes == 0 {
            return Ok(());
        }
        let tail = self.tail.as_mut().expect("a segment was begun");
        tail.length -= bytes as u64;
        tail.cut_back()
    }
}

impl Tail {
    /// After a write that failed: nothing of it may surface, not even after a power cut.
    fn refuse(&self, error: &io::Error) -> Refusal {
        if !yiwang_disk::is_full(error) {
            return Refusal::Failed(io_failed(&self.path, error));
        }
        self.cut_back().map_or_else(Refusal::Failed, |()| Refusal::NoRoom)
    }

    fn cut_back(&self) -> Result<(), Error> {
        let cut = self.file.set_len(self.length).and_then(|()| self.file.sync_data());
        cut.map_err(|error| io_failed(&self.path, &error))
    }
}

fn write_new(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<Box<dyn DiskFile>> {
    let file = disk.open(path, true)?;
    file.set_len(0)?;
    file.write_at(bytes, 0)?;
    Ok(file)
}

fn refusal(path: &Path, error: &io::Error) -> Refusal {
    if yiwang_disk::is_full(error) { Refusal::NoRoom } else { Refusal::Failed(io_failed(path, error)) }
}
