//! The newest records in memory, so that readers who keep up do not touch the disk.

use std::collections::VecDeque;

use bytes::Bytes;

use super::slots::Slot;

/// What a record costs beyond its payload, about.
const RECORD_BYTES: usize = 64;

/// The last durable records of each partition, dropped in the order in which they came.
#[derive(Debug)]
pub(super) struct TailCache {
    slots: Vec<Tail>,
    order: VecDeque<Slot>,
    bytes: usize,
    most_bytes: usize,
}

#[derive(Debug, Default)]
struct Tail {
    first: u64,
    payloads: VecDeque<Bytes>,
}

impl TailCache {
    pub(super) fn new(next: &[u64], most_bytes: usize) -> Self {
        let slots = next.iter().map(|next| Tail { first: *next, payloads: VecDeque::new() }).collect();
        Self { slots, order: VecDeque::new(), bytes: 0, most_bytes }
    }

    /// Adds the next record of a partition and drops what is too much.
    pub(super) fn push(&mut self, slot: Slot, payload: Bytes) {
        self.bytes += payload.len() + RECORD_BYTES;
        self.slots[slot.0].payloads.push_back(payload);
        self.order.push_back(slot);
        while self.bytes > self.most_bytes && self.drop_oldest() {}
    }

    /// The records from `offset` on, if they are all here.
    pub(super) fn from(&self, slot: Slot, offset: u64) -> Option<impl Iterator<Item = &Bytes>> {
        let tail = &self.slots[slot.0];
        let skip = usize::try_from(offset.checked_sub(tail.first)?).ok()?;
        (skip < tail.payloads.len()).then(|| tail.payloads.range(skip..))
    }

    fn drop_oldest(&mut self) -> bool {
        let Some(slot) = self.order.pop_front() else { return false };
        let tail = &mut self.slots[slot.0];
        let payload = tail.payloads.pop_front().expect("each record stands in the order once");
        tail.first += 1;
        self.bytes -= payload.len() + RECORD_BYTES;
        true
    }
}
