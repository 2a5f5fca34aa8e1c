//! Reading: from memory what is there, the rest from the disk in one pass, each partition its part.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::frame::{CrcSeed, FRAME_HEAD_BYTES};
use super::scan::{Found, Scan, Stop};
use super::sealed::corrupt;
use super::slots::{Slot, StreamId};
use super::state::State;
use super::{Core, io_failed, segment, shown};
use crate::{Error, Offset, Position, Stored};

/// A scan that has found something ends after so many times what was asked for.
const MOST_SCAN_FACTOR: usize = 4;
const LEAST_SCAN_BYTES: usize = 256 << 10;
const MOST_HINTS: usize = 4096;

/// Where the last readers stopped, so that the next read need not look for it; and whose turn it is.
#[derive(Default)]
pub(super) struct Hints {
    places: Mutex<BTreeMap<(Slot, u64), FilePlace>>,
    turn: AtomicUsize,
}

#[derive(Clone, Copy)]
struct FilePlace {
    first_seq: u64,
    at: u64,
}

/// What a read will take, decided in one moment.
#[derive(Default)]
struct Plan {
    records: Vec<Stored>,
    bytes: usize,
    disk: Vec<DiskPart>,
}

/// What one partition will get from the disk.
struct DiskPart {
    slot: Slot,
    stream: StreamId,
    next: u64,
    share_bytes: usize,
    first_seq: u64,
    at: u64,
    end: u64,
    taken: Vec<Stored>,
    taken_bytes: usize,
    full: bool,
}

/// Why a plan could not be carried out.
enum Miss {
    /// Retention has taken the segment meanwhile.
    Dropped,
    Error(Error),
}

impl Core {
    pub(super) async fn read(
        self: &Arc<Self>,
        from: &[Position],
        max_bytes: usize,
    ) -> Result<Vec<Stored>, Error> {
        let wanted = from.iter().map(|position| Ok((self.slots.slot(position.partition)?, position.next.0)));
        let wanted = wanted.collect::<Result<BTreeMap<Slot, u64>, Error>>()?;
        let mut grown = self.grown.subscribe();
        while !wanted.is_empty() {
            grown.borrow_and_update();
            let plan = self.plan(&wanted, max_bytes)?;
            if plan.records.is_empty() && plan.disk.is_empty() {
                // The sender lives as long as `self`.
                drop(grown.changed().await);
            } else if let Some(records) = self.carry_out(plan).await? {
                return Ok(records);
            }
        }
        Ok(Vec::new())
    }

    fn plan(&self, wanted: &BTreeMap<Slot, u64>, max_bytes: usize) -> Result<Plan, Error> {
        let state = self.shared.lock();
        let mut ready = Vec::new();
        for (slot, next) in wanted {
            let extent = state.extents[slot.0];
            if *next < extent.start {
                let partition = self.slots.name(*slot);
                return Err(Error::Gone { partition, wanted: *next, start: extent.start });
            }
            if *next < extent.end {
                ready.push((*slot, *next));
            }
        }
        let mut plan = Plan::default();
        if ready.is_empty() {
            return Ok(plan);
        }
        let turn = self.hints.turn.fetch_add(1, Ordering::Relaxed) % ready.len();
        ready.rotate_left(turn);
        for (place, (slot, next)) in ready.iter().enumerate() {
            if place > 0 && plan.bytes >= max_bytes {
                break;
            }
            let share_bytes = max_bytes.saturating_sub(plan.bytes) / (ready.len() - place);
            self.plan_slot(&state, &mut plan, *slot, *next, share_bytes);
        }
        Ok(plan)
    }

    fn plan_slot(&self, state: &State, plan: &mut Plan, slot: Slot, next: u64, share_bytes: usize) {
        let Some(payloads) = state.cache.from(slot, next) else {
            plan.disk.push(self.disk_part(state, slot, next, share_bytes));
            plan.bytes += share_bytes;
            return;
        };
        let mut bytes = 0;
        for (offset, payload) in (next..).zip(payloads) {
            if offset > next && bytes + payload.len() > share_bytes {
                break;
            }
            bytes += payload.len();
            plan.records.push(self.stored(slot, offset, payload.clone()));
        }
        plan.bytes += bytes;
    }

    fn disk_part(&self, state: &State, slot: Slot, next: u64, share_bytes: usize) -> DiskPart {
        let stream = self.slots.stream(slot);
        let segment = state.find(stream, slot, next);
        let hint = self.hints.find(slot, next).filter(|place| place.first_seq == segment.first_seq);
        let at = hint.map_or_else(|| segment.slot(slot).seek(next), |place| place.at);
        DiskPart {
            slot,
            stream,
            next,
            share_bytes,
            first_seq: segment.first_seq,
            at,
            end: segment.length,
            taken: Vec::new(),
            taken_bytes: 0,
            full: false,
        }
    }

    /// Adds what must come from the disk; `None` when a segment was dropped meanwhile.
    async fn carry_out(self: &Arc<Self>, plan: Plan) -> Result<Option<Vec<Stored>>, Error> {
        let Plan { mut records, mut disk, .. } = plan;
        if disk.is_empty() {
            return Ok(Some(records));
        }
        let _turn = self.reads.acquire().await.expect("the semaphore is never closed");
        let core = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || core.read_parts(&mut disk).map(|()| disk));
        match read.await.unwrap_or_else(|_| Err(Miss::Error(self.writer_gone()))) {
            Ok(disk) => records.extend(disk.into_iter().flat_map(|part| part.taken)),
            Err(Miss::Dropped) => return Ok(None),
            Err(Miss::Error(error)) => return Err(error),
        }
        Ok(Some(records))
    }

    /// Reads forwards through each segment; a part that lies on the way of another is served with it.
    fn read_parts(&self, parts: &mut [DiskPart]) -> Result<(), Miss> {
        parts.sort_by_key(|part| (part.stream as usize, part.first_seq, part.at));
        for leader in 0..parts.len() {
            if parts[leader].taken.is_empty() {
                self.read_pass(&mut parts[leader..])?;
            }
        }
        Ok(())
    }

    /// Reads from where the first part begins until it has its share; the others take what comes along.
    fn read_pass(&self, parts: &mut [DiskPart]) -> Result<(), Miss> {
        let (stream, first_seq, end) = (parts[0].stream, parts[0].first_seq, parts[0].end);
        let path = segment::path(&self.folder.join(stream.folder()), first_seq);
        let file =
            self.disk.open(&path, false).map_err(|error| self.miss(&path, stream, first_seq, &error))?;
        let length =
            parts.iter().take_while(|part| part.stream == stream && part.first_seq == first_seq).count();
        let parts = &mut parts[..length];
        let share_bytes: usize = parts.iter().map(|part| part.share_bytes).sum();
        let most = (share_bytes.saturating_mul(MOST_SCAN_FACTOR)).max(LEAST_SCAN_BYTES) as u64;
        let enough_at = parts[0].at.saturating_add(most);
        let seed = CrcSeed::new(self.id, first_seq);
        let mut scan = Scan::new(&*file, seed, parts[0].at, end).chunks_of(share_bytes.saturating_mul(2));
        while !parts[0].full && parts[0].next_is_before(end) {
            let Some(found) = scan.next().map_err(|stop| stopped(&path, stop))? else { break };
            self.offer(parts, &path, &found).map_err(Miss::Error)?;
            if found.at >= enough_at && !parts[0].taken.is_empty() {
                break;
            }
        }
        if parts[0].taken.is_empty() {
            let why = format!("offset {} of {} is not in it", parts[0].next, self.slots.name(parts[0].slot));
            return Err(Miss::Error(corrupt(&shown(&path), parts[0].at, &why)));
        }
        parts.iter().filter(|part| !part.taken.is_empty()).for_each(|part| self.hints.keep(part));
        Ok(())
    }

    /// Gives a record to the part that waits for it.
    fn offer(&self, parts: &mut [DiskPart], path: &Path, found: &Found) -> Result<(), Error> {
        let slot = self.slots.slot(found.head.partition);
        let slot = slot.map_err(|_| corrupt(&shown(path), found.at, "there is no such partition"))?;
        let Some(part) = parts.iter_mut().find(|part| part.slot == slot && !part.full) else { return Ok(()) };
        if found.head.offset > part.next {
            return Err(corrupt(&shown(path), found.at, "records before this one are missing"));
        }
        if found.head.offset == part.next {
            part.take(found, || self.stored(slot, found.head.offset, found.payload.clone()));
        }
        Ok(())
    }

    fn stored(&self, slot: Slot, offset: u64, payload: Bytes) -> Stored {
        Stored { partition: self.slots.partition(slot), offset: Offset(offset), payload }
    }

    /// What it means that a segment could not be opened.
    fn miss(&self, path: &Path, stream: StreamId, first_seq: u64, error: &io::Error) -> Miss {
        if error.kind() != io::ErrorKind::NotFound {
            return Miss::Error(io_failed(path, error));
        }
        let state = self.shared.lock();
        if state.segments(stream).iter().any(|segment| segment.first_seq == first_seq) {
            return Miss::Error(corrupt(&shown(path), 0, "the file is missing"));
        }
        Miss::Dropped
    }
}

fn stopped(path: &Path, stop: Stop) -> Miss {
    Miss::Error(match stop {
        Stop::Damage { at, why } => corrupt(&shown(path), at, why),
        Stop::Io(error) => io_failed(path, &error),
    })
}

impl DiskPart {
    fn take(&mut self, found: &Found, stored: impl FnOnce() -> Stored) {
        if !self.taken.is_empty() && self.taken_bytes + found.payload.len() > self.share_bytes {
            self.full = true;
            return;
        }
        self.taken_bytes += found.payload.len();
        self.taken.push(stored());
        self.next += 1;
        self.at = found.at + (FRAME_HEAD_BYTES + found.payload.len()) as u64;
    }

    fn next_is_before(&self, end: u64) -> bool {
        self.at < end
    }
}

impl Hints {
    fn find(&self, slot: Slot, next: u64) -> Option<FilePlace> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).get(&(slot, next)).copied()
    }

    fn keep(&self, part: &DiskPart) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= MOST_HINTS {
            places.clear();
        }
        places.insert((part.slot, part.next), FilePlace { first_seq: part.first_seq, at: part.at });
    }
}
