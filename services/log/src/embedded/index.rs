//! Where the records of a segment are.
//!
//! In memory each partition has a mark for every 64 KiB of its payload and every 1 MiB of the segment. A closed
//! segment has them beside it in `{first_seq:020}.idx` (magic `YWLOGIDX`, version 1): log id, `u64` first_seq,
//! `u64` length of the segment, `u64` records, `u64` newest append time, `u32` partitions, and for each `u64`
//! first offset, `u64` next offset, `u64` bytes of payload, `u32` marks, each `u64` offset, `u64` position, `u64`
//! bytes of payload before it. The file is a hint: when it does not fit it is made anew from the segment.

use bytes::{Buf, BufMut, TryGetError};

use super::LogId;
use super::frame::FRAME_HEAD_BYTES;
use super::sealed::Kind;
use super::slots::Slot;
use crate::Error;

const KIND: Kind = Kind { magic: b"YWLOGIDX", version: 1 };
const MARK_EVERY_PAYLOAD_BYTES: u64 = 64 << 10;
const MARK_EVERY_SEGMENT_BYTES: u64 = 1 << 20;
/// The largest index file that is read.
pub(super) const MOST_FILE_BYTES: u64 = 64 << 20;

/// What a segment holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SegmentIndex {
    pub(super) first_seq: u64,
    /// Length of the segment, of which everything is durable.
    pub(super) length: u64,
    pub(super) records: u64,
    /// Append time of the newest record, milliseconds since 1970.
    pub(super) newest_ms: u64,
    slots: Vec<SlotIndex>,
}

/// What a segment holds of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SlotIndex {
    pub(super) first: u64,
    pub(super) next: u64,
    pub(super) payload_bytes: u64,
    marks: Vec<Mark>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    offset: u64,
    at: u64,
    payload_bytes_before: u64,
}

impl SegmentIndex {
    /// The index of a segment with a header of `length` and no record.
    pub(super) fn new(first_seq: u64, length: u64, next: &[u64]) -> Self {
        let slot = |next: &u64| SlotIndex { first: *next, next: *next, payload_bytes: 0, marks: Vec::new() };
        Self { first_seq, length, records: 0, newest_ms: 0, slots: next.iter().map(slot).collect() }
    }

    /// Takes up the next record.
    pub(super) fn add(&mut self, slot: Slot, appended_ms: u64, payload_bytes: usize) {
        let at = self.length;
        self.slots[slot.0].add(at, payload_bytes as u64);
        self.length += (FRAME_HEAD_BYTES + payload_bytes) as u64;
        self.records += 1;
        self.newest_ms = self.newest_ms.max(appended_ms);
    }

    pub(super) fn slot(&self, slot: Slot) -> &SlotIndex {
        &self.slots[slot.0]
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = &SlotIndex> {
        self.slots.iter()
    }

    /// The next offset of every partition after this segment.
    pub(super) fn next(&self) -> Vec<u64> {
        self.slots.iter().map(|slot| slot.next).collect()
    }

    /// The sequence number after the last record.
    pub(super) fn next_seq(&self) -> u64 {
        self.first_seq + self.records
    }

    pub(super) fn encode(&self, log: LogId) -> Vec<u8> {
        KIND.seal(|into| {
            into.put_slice(&log.0);
            for number in [self.first_seq, self.length, self.records, self.newest_ms] {
                into.put_u64_le(number);
            }
            into.put_u32_le(u32::try_from(self.slots.len()).expect("partitions were checked to be few"));
            self.slots.iter().for_each(|slot| slot.encode(into));
        })
    }

    pub(super) fn decode(log: LogId, file: &str, bytes: &[u8]) -> Result<Option<Self>, Error> {
        Ok(Self::decode_body(log, KIND.unseal(file, bytes)?).ok().flatten())
    }

    fn decode_body(log: LogId, mut from: &[u8]) -> Result<Option<Self>, TryGetError> {
        let mut found = LogId([0; 16]);
        from.try_copy_to_slice(&mut found.0)?;
        let first_seq = from.try_get_u64_le()?;
        let length = from.try_get_u64_le()?;
        let records = from.try_get_u64_le()?;
        let newest_ms = from.try_get_u64_le()?;
        let count = from.try_get_u32_le()?;
        let slots = (0..count).map(|_| SlotIndex::decode(&mut from)).collect::<Result<_, _>>()?;
        Ok((found == log).then_some(Self { first_seq, length, records, newest_ms, slots }))
    }
}

impl SlotIndex {
    /// Where to begin to look for an offset that is in this segment.
    pub(super) fn seek(&self, offset: u64) -> u64 {
        self.mark_before(offset).map_or(0, |mark| mark.at)
    }

    /// About how many bytes of payload stand before an offset, a mark's distance too few at worst.
    pub(super) fn payload_bytes_before(&self, offset: u64) -> u64 {
        if offset >= self.next {
            return self.payload_bytes;
        }
        self.mark_before(offset).map_or(0, |mark| mark.payload_bytes_before)
    }

    fn mark_before(&self, offset: u64) -> Option<&Mark> {
        let after = self.marks.partition_point(|mark| mark.offset <= offset);
        self.marks[..after].last()
    }

    fn add(&mut self, at: u64, payload_bytes: u64) {
        let due = |last: &Mark| {
            self.payload_bytes - last.payload_bytes_before >= MARK_EVERY_PAYLOAD_BYTES
                || at - last.at >= MARK_EVERY_SEGMENT_BYTES
        };
        if self.marks.last().is_none_or(due) {
            self.marks.push(Mark { offset: self.next, at, payload_bytes_before: self.payload_bytes });
        }
        self.next += 1;
        self.payload_bytes += payload_bytes;
    }

    fn encode(&self, into: &mut Vec<u8>) {
        for number in [self.first, self.next, self.payload_bytes] {
            into.put_u64_le(number);
        }
        into.put_u32_le(u32::try_from(self.marks.len()).expect("a segment has few marks"));
        for mark in &self.marks {
            for number in [mark.offset, mark.at, mark.payload_bytes_before] {
                into.put_u64_le(number);
            }
        }
    }

    fn decode(from: &mut &[u8]) -> Result<Self, TryGetError> {
        let mut number = || from.try_get_u64_le();
        let (first, next, payload_bytes) = (number()?, number()?, number()?);
        let count = from.try_get_u32_le()?;
        let mark = |_| {
            let mut number = || from.try_get_u64_le();
            Ok(Mark { offset: number()?, at: number()?, payload_bytes_before: number()? })
        };
        let marks = (0..count).map(mark).collect::<Result<_, _>>()?;
        Ok(Self { first, next, payload_bytes, marks })
    }
}
