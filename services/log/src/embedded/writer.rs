//! The thread that writes. A commit is all that waits, one write and one sync per stream that it touches; it
//! begins as soon as the disk is free. Nothing is readable or answered before the sync has returned.

use std::sync::Arc;

use super::Core;
use super::frame::FrameHead;
use super::queue::{EndOnDrop, Request};
use super::slots::{Slot, StreamId};
use super::state::Written;
use super::stream::{Refusal, StreamWriter};
use crate::{Class, Error, Offset};

/// A commit takes no more requests once it has so many bytes.
const MOST_COMMIT_BYTES: usize = 8 << 20;
/// How old the answer of the file system about its room may be.
const ROOM_AGE_MS: u64 = 50;

pub(super) struct Writer {
    core: Arc<Core>,
    streams: [StreamWriter; 2],
    /// The next offset of each partition.
    next: Vec<u64>,
    /// The bytes of one commit, per stream; kept for their memory.
    buffers: [Vec<u8>; 2],
    room: Room,
    full: bool,
}

/// What is known of the room on disk.
struct Room {
    free: u64,
    asked_ms: Option<u64>,
}

/// The requests of a commit as they were laid out.
struct Batch {
    appended_ms: u64,
    written: Vec<Written>,
    offsets: Vec<Vec<Offset>>,
}

impl Writer {
    pub(super) fn new(core: Arc<Core>, streams: [StreamWriter; 2]) -> Self {
        let next = core.shared.lock().extents.iter().map(|extent| extent.end).collect();
        let room = Room { free: 0, asked_ms: None };
        Self { core, streams, next, buffers: Default::default(), room, full: false }
    }

    /// Serves the queue until it is closed and empty.
    pub(super) fn run(mut self) {
        let core = Arc::clone(&self.core);
        let _end = EndOnDrop(&core.queue);
        while let Some(requests) = core.queue.take(MOST_COMMIT_BYTES, core.options.retention_idle) {
            match requests.is_empty() {
                true => self.idle(),
                false => self.serve(requests),
            }
        }
    }

    /// What grows old does so without appends, too.
    fn idle(&mut self) {
        if self.core.shared.failed().is_ok() {
            self.retain((self.core.options.clock_ms)());
        }
    }

    fn serve(&mut self, requests: Vec<Request>) {
        if let Err(error) = self.core.shared.failed() {
            return refuse(requests, &error);
        }
        let now_ms = (self.core.options.clock_ms)();
        let requests = self.admit(requests, now_ms);
        if requests.is_empty() {
            return;
        }
        match self.commit(&requests, now_ms) {
            Ok(offsets) => {
                self.tell_room(false);
                self.retain(now_ms);
                answer(requests, offsets);
            }
            Err(Refusal::NoRoom) => {
                self.room.asked_ms = None;
                self.free(now_ms);
                self.tell_room(true);
                refuse(requests, &self.no_room());
                self.retain(now_ms);
            }
            Err(Refusal::Failed(error)) => {
                self.core.shared.fail(&error);
                refuse(requests, &error);
            }
        }
    }

    /// Refuses what comes from outside while the reserve is touched.
    fn admit(&mut self, requests: Vec<Request>, now_ms: u64) -> Vec<Request> {
        if self.free(now_ms) >= self.core.reserve_bytes {
            return requests;
        }
        let (refused, admitted): (Vec<_>, Vec<_>) =
            requests.into_iter().partition(|request| request.class == Class::Intake);
        if !refused.is_empty() {
            self.tell_room(true);
            refuse(refused, &self.no_room());
        }
        admitted
    }

    fn free(&mut self, now_ms: u64) -> u64 {
        if self.room.asked_ms.is_none_or(|asked| asked.abs_diff(now_ms) >= ROOM_AGE_MS) {
            match self.core.disk.room(&self.core.folder) {
                Ok(room) => self.room = Room { free: room.free, asked_ms: Some(now_ms) },
                Err(error) => tracing::warn!(%error, "room on disk unknown"),
            }
        }
        self.room.free
    }

    fn no_room(&self) -> Error {
        Error::NoRoom { free: self.room.free, reserve: self.core.reserve_bytes }
    }

    /// Says once that there is no room, and once that there is again: not while only the city's own appends find some.
    fn tell_room(&mut self, full: bool) {
        let (free, reserve) = (self.room.free, self.core.reserve_bytes);
        if full != self.full && (full || free >= reserve) {
            self.full = full;
            match full {
                true => tracing::warn!(free, reserve, "no room for the log"),
                false => tracing::info!(free, reserve, "room for the log again"),
            }
        }
    }

    fn commit(&mut self, requests: &[Request], now_ms: u64) -> Result<Vec<Vec<Offset>>, Refusal> {
        self.begin_segments(requests)?;
        let before = self.next.clone();
        let batch = self.lay_out(requests, now_ms);
        if let Err(refusal) = self.write() {
            self.next = before;
            return Err(refusal);
        }
        self.room.free =
            self.room.free.saturating_sub(self.buffers.iter().map(|buffer| buffer.len() as u64).sum());
        self.core.shared.lock().publish(batch.written, batch.appended_ms);
        self.core.grown.send_modify(|commits| *commits += 1);
        Ok(batch.offsets)
    }

    fn begin_segments(&mut self, requests: &[Request]) -> Result<(), Refusal> {
        for stream in StreamId::ALL {
            let slots = &self.core.slots;
            let touched = requests
                .iter()
                .any(|request| request.records.iter().any(|(slot, _)| slots.stream(*slot) == stream));
            if touched && self.streams[stream as usize].is_full(self.core.options.segment_bytes) {
                self.begin_segment(stream)?;
            }
        }
        Ok(())
    }

    fn begin_segment(&mut self, stream: StreamId) -> Result<(), Refusal> {
        let closed = self.core.shared.lock().segments(stream).last().cloned();
        if let Some(closed) = &closed {
            self.core.save_index(stream, closed).map_err(Refusal::Failed)?;
        }
        let first_seq = closed.map_or(0, |closed| closed.next_seq());
        let slots = &self.core.slots;
        let own = |(place, next): (usize, &u64)| if slots.stream(Slot(place)) == stream { *next } else { 0 };
        let next = self.next.iter().enumerate().map(own).collect();
        let begun = self.streams[stream as usize].begin(first_seq, next)?;
        self.core.shared.lock().add_segment(stream, begun);
        Ok(())
    }

    /// Gives the records their offsets and their bytes.
    fn lay_out(&mut self, requests: &[Request], appended_ms: u64) -> Batch {
        self.buffers.iter_mut().for_each(Vec::clear);
        let (mut written, mut offsets) = (Vec::new(), Vec::with_capacity(requests.len()));
        for request in requests {
            let mut placed = Vec::with_capacity(request.records.len());
            for (slot, payload) in &request.records {
                let stream = self.core.slots.stream(*slot);
                let buffer = &mut self.buffers[stream as usize];
                let offset = self.next[slot.0];
                let head = FrameHead {
                    partition: self.core.slots.partition(*slot),
                    offset,
                    appended_ms,
                    first_of_commit: buffer.is_empty(),
                };
                head.encode(self.streams[stream as usize].seed(), payload, buffer);
                self.next[slot.0] += 1;
                placed.push(Offset(offset));
                written.push(Written { stream, slot: *slot, payload: payload.clone() });
            }
            offsets.push(placed);
        }
        Batch { appended_ms, written, offsets }
    }

    /// Writes and syncs the streams, kept topics first: what explains is there before what it explains.
    fn write(&mut self) -> Result<(), Refusal> {
        let [kept, main] = &mut self.streams;
        let [kept_bytes, main_bytes] = &self.buffers;
        kept.append(kept_bytes)?;
        let refusal = match main.append(main_bytes) {
            Ok(()) => return Ok(()),
            Err(Refusal::NoRoom) => {
                kept.take_back(kept_bytes.len()).map_or_else(Refusal::Failed, |()| Refusal::NoRoom)
            }
            Err(failed) => failed,
        };
        Err(refusal)
    }

    fn retain(&mut self, now_ms: u64) {
        if let Err(error) = self.core.retain(now_ms) {
            self.core.shared.fail(&error);
        }
    }
}

fn answer(requests: Vec<Request>, offsets: Vec<Vec<Offset>>) {
    for (request, offsets) in requests.into_iter().zip(offsets) {
        // Nobody may wait any more; the records are in the log all the same.
        drop(request.answer.send(Ok(offsets)));
    }
}

fn refuse(requests: Vec<Request>, error: &Error) {
    for request in requests {
        drop(request.answer.send(Err(error.clone())));
    }
}
