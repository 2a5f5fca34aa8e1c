//! Reading records one after the other.

use std::io;

use bytes::Bytes;
use yiwang_disk::DiskFile;

use super::frame::{CrcSeed, FRAME_HEAD_BYTES, FrameHead, frame_bytes};

/// Bytes asked of the disk at a time.
const CHUNK_BYTES: u64 = 1 << 20;

/// Walks the records of one segment. Every checksum is verified; payloads share the memory of the chunk read.
pub(super) struct Scan<'a> {
    file: &'a dyn DiskFile,
    seed: CrcSeed,
    at: u64,
    end: u64,
    chunk: Bytes,
    chunk_at: u64,
    chunk_bytes: u64,
}

/// A record and where it begins.
pub(super) struct Found {
    pub(super) at: u64,
    pub(super) head: FrameHead,
    pub(super) payload: Bytes,
}

/// Why a scan could not go on.
#[derive(Debug)]
pub(super) enum Stop {
    /// What begins here is not a record.
    Damage { at: u64, why: &'static str },
    /// The disk did not answer.
    Io(io::Error),
}

impl<'a> Scan<'a> {
    /// Scans the bytes `at..end`; `at` is where a record begins.
    pub(super) fn new(file: &'a dyn DiskFile, seed: CrcSeed, at: u64, end: u64) -> Self {
        Self { file, seed, at, end, chunk: Bytes::new(), chunk_at: at, chunk_bytes: CHUNK_BYTES }
    }

    /// Asks the disk for smaller pieces, when little is wanted.
    pub(super) fn chunks_of(mut self, bytes: usize) -> Self {
        self.chunk_bytes = (bytes as u64).clamp(16 << 10, CHUNK_BYTES);
        self
    }

    /// The next record, `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Found>, Stop> {
        if self.at == self.end {
            return Ok(None);
        }
        let at = self.at;
        let damage = |why| Stop::Damage { at, why };
        let head = self.take(FRAME_HEAD_BYTES)?;
        let length = frame_bytes(&head).map_err(damage)?;
        let frame = self.take(length)?;
        let head = FrameHead::decode(self.seed, &frame).map_err(damage)?;
        self.at += length as u64;
        Ok(Some(Found { at, head, payload: frame.slice(FRAME_HEAD_BYTES..) }))
    }

    /// The next bytes, without going on.
    fn take(&mut self, length: usize) -> Result<Bytes, Stop> {
        let from = self.at - self.chunk_at;
        if from + length as u64 > self.chunk.len() as u64 {
            self.fill(length as u64)?;
        }
        let from = usize::try_from(self.at - self.chunk_at).expect("a chunk fits in memory");
        Ok(self.chunk.slice(from..from + length))
    }

    fn fill(&mut self, least: u64) -> Result<(), Stop> {
        let left = self.end - self.at;
        if least > left {
            return Err(Stop::Damage { at: self.at, why: "the record is cut short" });
        }
        let length = least.max(self.chunk_bytes).min(left);
        let mut bytes = vec![0; usize::try_from(length).expect("a chunk fits in memory")];
        let read = self.file.read_at(&mut bytes, self.at).map_err(Stop::Io)?;
        if (read as u64) < least {
            return Err(Stop::Damage { at: self.at, why: "the file ends within the record" });
        }
        bytes.truncate(read);
        (self.chunk, self.chunk_at) = (bytes.into(), self.at);
        Ok(())
    }
}
