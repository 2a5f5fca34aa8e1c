//! What is durable, as readers, writer and retention share it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::cache::TailCache;
use super::index::SegmentIndex;
use super::slots::{Slot, StreamId};
use crate::Error;

/// Everything that changes while the log is open, under one short lock: once per commit, once per read.
pub(super) struct Shared {
    state: Mutex<State>,
}

pub(super) struct State {
    /// The segments of each stream, oldest first; the last is written to.
    segments: [Vec<SegmentIndex>; 2],
    pub(super) extents: Vec<SlotExtent>,
    pub(super) cache: TailCache,
    /// Why the log has stopped, if it has.
    pub(super) failed: Option<Error>,
}

/// What there is of one partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SlotExtent {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) payload_bytes: u64,
}

/// A record that has become durable.
pub(super) struct Written {
    pub(super) stream: StreamId,
    pub(super) slot: Slot,
    pub(super) payload: Bytes,
}

impl Shared {
    pub(super) fn new(segments: [Vec<SegmentIndex>; 2], slots: usize, cache_bytes: usize) -> Self {
        let mut extents = vec![SlotExtent::default(); slots];
        for stream in &segments {
            for (extent, (first, last)) in extents.iter_mut().zip(ends(stream)) {
                extent.start = extent.start.max(first);
                extent.end = extent.end.max(last);
            }
            for (place, segment) in stream.iter().flat_map(|segment| segment.slots().enumerate()) {
                extents[place].payload_bytes += segment.payload_bytes;
            }
        }
        let next: Vec<u64> = extents.iter().map(|extent| extent.end).collect();
        let cache = TailCache::new(&next, cache_bytes);
        Self { state: Mutex::new(State { segments, extents, cache, failed: None }) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the log has stopped, if it has.
    pub(super) fn failed(&self) -> Result<(), Error> {
        self.lock().failed.clone().map_or(Ok(()), Err)
    }

    /// Stops the log for good; the first reason stays.
    pub(super) fn fail(&self, error: &Error) {
        let mut state = self.lock();
        if state.failed.is_none() {
            tracing::error!(%error, "log stopped");
            state.failed = Some(error.clone());
        }
    }
}

/// First and next offset of each partition over the segments of a stream.
fn ends(stream: &[SegmentIndex]) -> impl Iterator<Item = (u64, u64)> {
    let (first, last) = (stream.first(), stream.last());
    let pairs = first.zip(last).map(|(first, last)| first.slots().zip(last.slots()));
    pairs.into_iter().flatten().map(|(first, last)| (first.first, last.next))
}

impl State {
    pub(super) fn segments(&self, stream: StreamId) -> &[SegmentIndex] {
        &self.segments[stream as usize]
    }

    pub(super) fn add_segment(&mut self, stream: StreamId, segment: SegmentIndex) {
        self.segments[stream as usize].push(segment);
    }

    /// Makes records readable, in the order in which they were written.
    pub(super) fn publish(&mut self, written: Vec<Written>, appended_ms: u64) {
        for Written { stream, slot, payload } in written {
            let segment =
                self.segments[stream as usize].last_mut().expect("a record is written into a segment");
            segment.add(slot, appended_ms, payload.len());
            let extent = &mut self.extents[slot.0];
            extent.end += 1;
            extent.payload_bytes += payload.len() as u64;
            self.cache.push(slot, payload);
        }
    }

    /// Forgets the oldest segment of the main stream.
    pub(super) fn drop_oldest(&mut self) {
        let dropped = self.segments[StreamId::Main as usize].remove(0);
        for (extent, slot) in self.extents.iter_mut().zip(dropped.slots()) {
            extent.start = extent.start.max(slot.next);
            extent.payload_bytes -= slot.payload_bytes;
        }
    }

    /// The segment that holds an offset that is within the partition's extent.
    pub(super) fn find(&self, stream: StreamId, slot: Slot, offset: u64) -> &SegmentIndex {
        let segments = self.segments(stream);
        let place = segments.partition_point(|segment| segment.slot(slot).next <= offset);
        &segments[place]
    }

    /// About how many bytes of payload of a partition stand from `offset` on; too many rather than too few.
    pub(super) fn payload_bytes_from(&self, stream: StreamId, slot: Slot, offset: u64) -> u64 {
        let from = |segment: &SegmentIndex| {
            let slot = segment.slot(slot);
            slot.payload_bytes - slot.payload_bytes_before(offset)
        };
        self.segments(stream)
            .iter()
            .rev()
            .take_while(|segment| segment.slot(slot).next > offset)
            .map(from)
            .sum()
    }
}
