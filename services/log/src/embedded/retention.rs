//! Dropping what is old and has been read. The rules stand in [`crate::embedded`].

use std::io;
use std::path::Path;

use super::cursors::{Cursor, CursorFailure, Table};
use super::index::SegmentIndex;
use super::slots::{Slot, StreamId};
use super::{Core, io_failed, recover, segment};
use crate::{CursorClass, Error, Partition};

impl Core {
    /// Drops the oldest segments of the main stream as far as limits and cursors allow.
    pub(super) fn retain(&self, now_ms: u64) -> Result<(), Error> {
        while let Some(oldest) = self.oldest_due(now_ms) {
            let held = self.is_held(&self.cursors.table(), &oldest);
            if held || !self.cut_off(&oldest)? {
                return Ok(());
            }
            self.drop_oldest(oldest.first_seq)?;
        }
        Ok(())
    }

    pub(super) fn save_index(&self, stream: StreamId, index: &SegmentIndex) -> Result<(), Error> {
        recover::save_index(&*self.disk, &self.folder.join(stream.folder()), self.id, index)
    }

    /// The oldest segment if age or size say that it may go. The one after it must have a record: if the power went
    /// while that was empty, nothing would tell where the partitions stand.
    fn oldest_due(&self, now_ms: u64) -> Option<SegmentIndex> {
        let state = self.shared.lock();
        let segments = state.segments(StreamId::Main);
        let [oldest, after, ..] = segments else { return None };
        let bytes = || segments.iter().map(|segment| segment.length).sum::<u64>();
        let too_many = self.options.retention_bytes.is_some_and(|most| bytes() > most);
        let age_ms = u128::from(now_ms.saturating_sub(oldest.newest_ms));
        let too_old = self.options.retention_age.is_some_and(|most| age_ms > most.as_millis());
        ((too_many || too_old) && after.records > 0).then(|| oldest.clone())
    }

    /// Whether a cursor still has a right to something in this segment.
    fn is_held(&self, table: &Table, oldest: &SegmentIndex) -> bool {
        let never_committed = self.options.must.iter().any(|name| !table.cursors.contains_key(name));
        never_committed || table.cursors.values().any(|cursor| self.holds(cursor, oldest))
    }

    fn holds(&self, cursor: &Cursor, oldest: &SegmentIndex) -> bool {
        let behind = cursor.next.iter().any(|(partition, next)| self.missed(oldest, *partition, *next) > 0);
        behind
            && match cursor.class {
                CursorClass::Must => true,
                CursorClass::MayLag { max_lag_bytes } => self.lag_bytes(cursor) <= max_lag_bytes,
            }
    }

    /// Moves the beginning of the log and the cursors that lag too far, durably; says whether the segment may go.
    fn cut_off(&self, oldest: &SegmentIndex) -> Result<bool, Error> {
        let mut held = false;
        let changed = self.cursors.change(|table| {
            held = self.is_held(table, oldest);
            if !held {
                table.oldest_seq = oldest.next_seq();
                table.cursors.iter_mut().for_each(|(name, cursor)| self.move_on(name, cursor, oldest));
            }
            !held
        });
        match changed {
            Ok(()) => Ok(!held),
            Err(CursorFailure::NoRoom) => Ok(false),
            Err(CursorFailure::Failed(error)) => Err(error),
        }
    }

    fn move_on(&self, name: &str, cursor: &mut Cursor, oldest: &SegmentIndex) {
        let mut missed = 0;
        for (partition, next) in &mut cursor.next {
            missed += self.missed(oldest, *partition, *next);
            if let Ok(slot) = self.slots.slot(*partition) {
                *next = (*next).max(oldest.slot(slot).next);
            }
        }
        if missed > 0 {
            tracing::warn!(cursor = name, missed, "cursor lagged too far and was moved on");
            cursor.gap += missed;
        }
    }

    /// How many records from `next` on would go with this segment.
    fn missed(&self, oldest: &SegmentIndex, partition: Partition, next: u64) -> u64 {
        match self.slots.slot(partition) {
            Ok(slot) if self.slots.stream(slot) == StreamId::Main => self.unread(oldest, slot, next),
            _ => 0,
        }
    }

    fn unread(&self, oldest: &SegmentIndex, slot: Slot, next: u64) -> u64 {
        let held = oldest.slot(slot);
        held.next.saturating_sub(next.max(held.first))
    }

    fn lag_bytes(&self, cursor: &Cursor) -> u64 {
        let state = self.shared.lock();
        let lag = |(partition, next): (&Partition, &u64)| {
            let slot = self.slots.slot(*partition).ok()?;
            Some(state.payload_bytes_from(self.slots.stream(slot), slot, *next))
        };
        cursor.next.iter().filter_map(lag).sum()
    }

    /// What a power cut brings back is before the beginning of the log, and is removed when it is opened.
    fn drop_oldest(&self, first_seq: u64) -> Result<(), Error> {
        let folder = self.folder.join(StreamId::Main.folder());
        let path = segment::path(&folder, first_seq);
        self.shared.lock().drop_oldest();
        self.remove(&path)?;
        self.remove(&recover::index_path(&folder, first_seq))?;
        tracing::debug!(file = %path.display(), "segment dropped by retention");
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<(), Error> {
        match self.disk.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_failed(path, &error)),
            _ => Ok(()),
        }
    }
}
