//! One record on disk. The format stands in [`crate::embedded`].

use bytes::BufMut;

use super::LogId;
use crate::{MAX_PAYLOAD_BYTES, Partition, TopicId};

/// Bytes before the payload.
pub(super) const FRAME_HEAD_BYTES: usize = 28;

const CRC_AT: std::ops::Range<usize> = 4..8;
const FIRST_OF_COMMIT: u8 = 1;

/// What a checksum begins with, so that a record fits in its own segment of its own log only.
#[derive(Clone, Copy, Debug)]
pub(super) struct CrcSeed(u32);

impl CrcSeed {
    pub(super) fn new(log: LogId, first_seq: u64) -> Self {
        Self(crc32c::crc32c_append(crc32c::crc32c(&log.0), &first_seq.to_le_bytes()))
    }

    fn of(self, frame: &[u8]) -> u32 {
        let before = crc32c::crc32c_append(self.0, &frame[..CRC_AT.start]);
        crc32c::crc32c_append(before, &frame[CRC_AT.end..])
    }
}

/// All of a record but its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHead {
    pub(super) partition: Partition,
    pub(super) offset: u64,
    pub(super) appended_ms: u64,
    pub(super) first_of_commit: bool,
}

impl FrameHead {
    pub(super) fn encode(&self, seed: CrcSeed, payload: &[u8], into: &mut Vec<u8>) {
        let start = into.len();
        into.put_u32_le(u32::try_from(payload.len()).expect("payloads were checked to be small"));
        into.put_u32_le(0);
        into.put_u64_le(self.offset);
        into.put_u64_le(self.appended_ms);
        into.put_u16_le(self.partition.index);
        into.put_u8(self.partition.topic.0);
        into.put_u8(if self.first_of_commit { FIRST_OF_COMMIT } else { 0 });
        into.put_slice(payload);
        let crc = seed.of(&into[start..]);
        into[start..][CRC_AT].copy_from_slice(&crc.to_le_bytes());
    }

    /// Decodes a whole frame, or says what does not fit.
    pub(super) fn decode(seed: CrcSeed, frame: &[u8]) -> Result<Self, &'static str> {
        let crc = u32::from_le_bytes(bytes_at(frame, CRC_AT.start));
        if seed.of(frame) != crc {
            return Err("the checksum does not fit");
        }
        Ok(Self {
            offset: u64::from_le_bytes(bytes_at(frame, 8)),
            appended_ms: u64::from_le_bytes(bytes_at(frame, 16)),
            partition: Partition {
                index: u16::from_le_bytes(bytes_at(frame, 24)),
                topic: TopicId(frame[26]),
            },
            first_of_commit: frame[27] & FIRST_OF_COMMIT != 0,
        })
    }
}

/// The length of the whole frame whose first bytes these are.
pub(super) fn frame_bytes(head: &[u8]) -> Result<usize, &'static str> {
    match u32::from_le_bytes(bytes_at(head, 0)) as usize {
        payload if payload <= MAX_PAYLOAD_BYTES => Ok(FRAME_HEAD_BYTES + payload),
        _ => Err("the length is impossible"),
    }
}

fn bytes_at<const N: usize>(frame: &[u8], at: usize) -> [u8; N] {
    frame[at..at + N].try_into().expect("a range of N bytes has N bytes")
}
