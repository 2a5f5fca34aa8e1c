//! A segment file: its name and its header. The format stands in [`crate::embedded`].

use std::path::{Path, PathBuf};

use bytes::{Buf, BufMut, TryGetError};
use yiwang_disk::DiskFile;

use super::frame::CrcSeed;
use super::sealed::{Kind, corrupt};
use super::slots::StreamId;
use super::{LogId, io_failed, shown};
use crate::Error;

const KIND: Kind = Kind { magic: b"YWLOGSEG", version: 1 };
const BYTES_WITHOUT_TABLE: usize = 8 + 2 + 16 + 1 + 8 + 4 + 4;

/// What a segment says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) log: LogId,
    pub(super) stream: StreamId,
    /// The place in its stream of its first record.
    pub(super) first_seq: u64,
    /// The next offset of every partition of the layout when the segment was made; 0 for those of the other stream.
    pub(super) next: Vec<u64>,
}

impl SegmentHeader {
    /// Length of the header in a log of so many partitions.
    pub(super) fn bytes(partitions: usize) -> u64 {
        (BYTES_WITHOUT_TABLE + 8 * partitions) as u64
    }

    pub(super) fn seed(&self) -> CrcSeed {
        CrcSeed::new(self.log, self.first_seq)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        KIND.seal(|into| {
            into.put_slice(&self.log.0);
            into.put_u8(u8::from(self.stream == StreamId::Kept));
            into.put_u64_le(self.first_seq);
            into.put_u32_le(u32::try_from(self.next.len()).expect("partitions were checked to be few"));
            self.next.iter().for_each(|next| into.put_u64_le(*next));
        })
    }

    /// Reads the header of a file, which must be that of this place in this log.
    pub(super) fn read(file: &dyn DiskFile, path: &Path, place: &Place) -> Result<Self, Error> {
        let length = Self::bytes(place.partitions);
        let mut bytes = vec![0; usize::try_from(length).expect("a header fits in memory")];
        let read = file.read_at(&mut bytes, 0).map_err(|error| io_failed(path, &error))?;
        let name = shown(path);
        let short = |_: TryGetError| corrupt(&name, 0, "the header is too short");
        let header = Self::decode(KIND.unseal(&name, &bytes[..read])?).map_err(short)?;
        let fits = header.log == place.log
            && header.stream == place.stream
            && header.first_seq == place.first_seq
            && header.next.len() == place.partitions;
        if fits { Ok(header) } else { Err(corrupt(&name, 0, "the header is that of another segment")) }
    }

    fn decode(mut from: &[u8]) -> Result<Self, TryGetError> {
        let mut log = LogId([0; 16]);
        from.try_copy_to_slice(&mut log.0)?;
        let stream = if from.try_get_u8()? == 0 { StreamId::Main } else { StreamId::Kept };
        let first_seq = from.try_get_u64_le()?;
        let count = from.try_get_u32_le()?;
        let next = (0..count).map(|_| from.try_get_u64_le()).collect::<Result<_, _>>()?;
        Ok(Self { log, stream, first_seq, next })
    }
}

/// Which segment a file must be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) log: LogId,
    pub(super) stream: StreamId,
    pub(super) first_seq: u64,
    pub(super) partitions: usize,
}

pub(super) fn path(folder: &Path, first_seq: u64) -> PathBuf {
    folder.join(format!("{first_seq:020}.seg"))
}

/// The first sequence number that a file name stands for, if it is a segment's.
pub(super) fn parse_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg").filter(|digits| digits.len() == 20)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}
