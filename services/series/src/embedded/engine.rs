//! What all parts of the engine share: the state in memory, the manifest, and how both change together.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use yiwang_disk::Disk;
use yiwang_model::{Series, Span};

use super::background::PutOff;
use super::calendar::CalendarSpan;
use super::disk_io::synced;
use super::files::{LiveFile, OpenFiles};
use super::kept::{Fate, Kept};
use super::latest::LatestRows;
use super::manifest::{FileEntry, Manifest, Table};
use super::memtable::{Frozen, Memtable};
use super::names::{Names, Roll, SeriesIndex};
use super::parquet_file::{Tuning, Written};
use super::{Options, Retention};
use crate::{Batch, Error, Mark, Stats};

/// The folder of files of readings, below the store's.
pub(super) const READINGS: &str = "readings";
/// The folder of files of records.
pub(super) const RECORDS: &str = "records";
/// The folder of files of newest rows.
pub(super) const LATEST: &str = "latest";

/// Locks are taken in the order of these fields; `state` is held for moments only, never over IO.
pub(super) struct Engine {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) folder: PathBuf,
    pub(super) options: Options,
    pub(super) open_files: OpenFiles,
    pub(super) next_file: AtomicU64,
    /// Held by the merge that is going on.
    pub(super) merging: Mutex<()>,
    /// Held by the flush that is going on: the newest rows of what is in files.
    pub(super) flushed: Mutex<LatestRows>,
    /// What the manifest says; held while it is replaced.
    pub(super) manifest: Mutex<Manifest>,
    pub(super) state: Mutex<State>,
    pub(super) put_off: PutOff,
    /// Once set, the threads in the background end, in the middle of a merge too.
    stopping: AtomicBool,
    /// Told when writers may go on.
    room: Notify,
    wake: Mutex<Wake>,
    woken: Condvar,
}

/// What is in memory, and which files go with it.
pub(super) struct State {
    pub(super) names: Names,
    pub(super) memtable: Memtable,
    /// Being flushed; older than the memtable, newer than all files.
    pub(super) flushing: Option<Arc<Frozen>>,
    pub(super) latest: LatestRows,
    pub(super) files: Arc<Vec<Arc<LiveFile>>>,
    /// Up to where in the log the memtable goes.
    pub(super) mark: Mark,
    pub(super) persisted: Mark,
    pub(super) persisted_names: usize,
    pub(super) failed: Option<Error>,
    /// The numbers of a batch's series while it is taken in.
    pub(super) indices: Vec<SeriesIndex>,
}

/// What the threads in the background are to do.
#[derive(Default)]
pub(super) struct Wake {
    pub(super) flush: bool,
    pub(super) merge: bool,
}

/// How the manifest changes at once.
#[derive(Default)]
pub(super) struct Edit {
    pub(super) remove: Vec<Arc<FileEntry>>,
    pub(super) add: Vec<Arc<FileEntry>>,
    pub(super) flush: Option<FlushEdit>,
}

/// How a flush changes the manifest beside the files.
pub(super) struct FlushEdit {
    pub(super) mark: Mark,
    pub(super) sequence: u64,
    pub(super) names: super::names::NamesExtent,
    pub(super) parted: BTreeSet<(Table, CalendarSpan)>,
    pub(super) latest: Option<FileEntry>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engine {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        folder: PathBuf,
        options: Options,
        manifest: Manifest,
        state: State,
    ) -> Self {
        Self {
            open_files: OpenFiles::new(Arc::clone(&disk), folder.clone()),
            next_file: AtomicU64::new(manifest.next_file),
            merging: Mutex::default(),
            flushed: Mutex::default(),
            manifest: Mutex::new(manifest),
            state: Mutex::new(state),
            put_off: PutOff::default(),
            stopping: AtomicBool::new(false),
            room: Notify::new(),
            wake: Mutex::default(),
            woken: Condvar::new(),
            disk,
            folder,
            options,
        }
    }

    /// Takes a batch in once there is room for it.
    pub(super) async fn write(&self, batch: Batch) -> Result<(), Error> {
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            {
                let mut state = self.healthy()?;
                if state.buffered_bytes() < self.options.memory_bytes {
                    return self.take_in(&mut state, batch);
                }
            }
            if self.options.background {
                self.wake(|wake| wake.flush = true);
                room.await;
            } else {
                self.flush()?;
            }
        }
    }

    fn take_in(&self, state: &mut State, batch: Batch) -> Result<(), Error> {
        state.take_in(batch)?;
        let half_full = state.memtable.bytes() >= self.options.memory_bytes / 2;
        if half_full || state.memtable.rows() >= self.options.flush_rows {
            self.wake(|wake| wake.flush = true);
        }
        Ok(())
    }

    /// The state, unless the disk failed.
    pub(super) fn healthy(&self) -> Result<MutexGuard<'_, State>, Error> {
        let state = lock(&self.state);
        match &state.failed {
            Some(error) => Err(error.clone()),
            None => Ok(state),
        }
    }

    /// Replaces the manifest, then shows queries the new files. Holding both locks keeps them in step.
    pub(super) fn commit(&self, edit: Edit) -> Result<(), Error> {
        let mut manifest = lock(&self.manifest);
        let next = edit.apply(&manifest, self.next_file.load(Ordering::SeqCst));
        next.write(&*self.disk, &self.folder)?;
        let mut state = lock(&self.state);
        self.show(&mut state, &edit);
        if let Some(flush) = edit.flush {
            state.flushing = None;
            state.persisted = flush.mark;
            state.persisted_names = next.names.count as usize;
        }
        *manifest = next;
        self.room.notify_waiters();
        Ok(())
    }

    fn show(&self, state: &mut State, edit: &Edit) {
        let removed = |file: &LiveFile| edit.remove.iter().any(|entry| entry.path == file.entry.path);
        let (old, mut files): (Vec<_>, Vec<_>) = state.files.iter().cloned().partition(|file| removed(file));
        for file in old {
            self.open_files.take(&file.entry.path);
            file.give_up();
        }
        files.extend(edit.add.iter().map(|entry| LiveFile::new(&self.disk, &self.folder, Arc::clone(entry))));
        state.files = Arc::new(files);
    }

    /// Remembers a failure of the disk, after which nothing is written any more.
    pub(super) fn note(&self, error: &Error) {
        if matches!(error, Error::Failed { .. }) {
            lock(&self.state).failed.get_or_insert_with(|| error.clone());
            self.room.notify_waiters();
        }
    }

    /// A path for a new file, below the store's folder: the span, the sequence, and a number that no other has.
    pub(super) fn new_path(&self, table: &Table, span: CalendarSpan, sequence: u64) -> String {
        let number = self.next_file.fetch_add(1, Ordering::SeqCst);
        match table {
            Table::Readings => format!("{READINGS}/{span}-{sequence:010}-{number:08}.parquet"),
            Table::Records(measurement) => {
                format!("{RECORDS}/{}-{span}-{sequence:010}-{number:08}.parquet", file_name(measurement))
            }
        }
    }

    /// How a flush writes files.
    pub(super) fn fresh(&self) -> Tuning {
        Tuning::fresh(self.options.row_group_rows)
    }

    /// How a merge writes files.
    pub(super) fn merged(&self) -> Tuning {
        Tuning::merged(self.options.row_group_rows)
    }

    /// Makes the names of new files durable.
    pub(super) fn sync_folders<'a>(&self, paths: impl Iterator<Item = &'a str>) -> Result<(), Error> {
        let folders: BTreeSet<&str> = paths.filter_map(|path| path.split('/').next()).collect();
        for folder in folders {
            let folder = self.folder.join(folder);
            synced(&folder, self.disk.sync_dir(&folder))?;
        }
        Ok(())
    }

    /// Removes files that do not count.
    pub(super) fn discard(&self, paths: &[String]) {
        for path in paths {
            let _ = self.disk.remove(&self.folder.join(path)); // if it stays, the next start removes it
        }
    }

    /// Removes files that did not come to count. After a failure of the disk nobody knows whether they do.
    pub(super) fn discard_unless_failed(&self, error: &Error, paths: &[String]) {
        if !matches!(error, Error::Failed { .. }) {
            self.discard(paths);
        }
    }

    /// Which readings are answered.
    pub(super) fn kept(&self) -> Kept {
        let Retention { readings, figures, .. } = self.options.retention;
        Kept { sensors: self.cutoff(readings), figures: self.cutoff(figures) }
    }

    /// Records of a measurement before this are not answered any more, in nanoseconds since 1970.
    pub(super) fn records_cutoff(&self, measurement: &str) -> i64 {
        self.cutoff(self.options.retention.records.get(measurement).copied())
    }

    fn cutoff(&self, kept: Option<Span>) -> i64 {
        kept.map_or(i64::MIN, |kept| ((self.options.clock)() - kept).nanos())
    }

    /// What retention means for a file.
    pub(super) fn fate(&self, file: &FileEntry) -> Fate {
        match &file.table {
            Table::Readings => self.kept().fate(file),
            Table::Records(measurement) if file.max_time_ns < self.records_cutoff(measurement) => Fate::Goes,
            Table::Records(_) => Fate::Stays,
        }
    }

    /// All series by name.
    pub(super) fn roll(&self) -> Arc<Roll> {
        let series = match lock(&self.state).names.roll() {
            Ok(roll) => return roll,
            Err(series) => series,
        };
        let roll = Arc::new(Roll::of(series));
        lock(&self.state).names.keep(&roll);
        roll
    }

    pub(super) fn series(&self) -> Vec<Series> {
        let roll = self.roll();
        roll.order.iter().map(|at| roll.series[*at as usize].clone()).collect()
    }

    pub(super) fn persisted(&self) -> Mark {
        lock(&self.state).persisted.clone()
    }

    pub(super) fn stats(&self) -> Stats {
        let state = lock(&self.state);
        let rows = state.memtable.rows() + state.flushing.as_ref().map_or(0, |frozen| frozen.rows());
        Stats {
            series: state.names.len() as u64,
            buffered_rows: rows as u64,
            files: state.files.len() as u64,
            file_rows: state.files.iter().map(|file| file.entry.rows).sum(),
            file_bytes: state.files.iter().map(|file| file.entry.bytes).sum(),
            flush_put_off: lock(&self.put_off.flush).clone(),
            merge_put_off: lock(&self.put_off.merge).clone(),
        }
    }

    /// Tells the threads in the background something.
    pub(super) fn wake(&self, tell: impl FnOnce(&mut Wake)) {
        tell(&mut lock(&self.wake));
        self.woken.notify_all();
    }

    /// Ends the threads in the background.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.wake(|_| ());
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// What takes long asks this often, to be given up when the store is closed.
    pub(super) fn go_on(&self) -> Result<(), Error> {
        if self.is_stopping() { Err(Error::Stopped) } else { Ok(()) }
    }

    /// Waits until `wanted` answers something, or for `at_most`.
    pub(super) fn wait<T>(
        &self,
        at_most: std::time::Duration,
        mut wanted: impl FnMut(&mut Wake) -> Option<T>,
    ) -> Option<T> {
        let mut answer = None;
        let unfit = |wake: &mut Wake| {
            answer = wanted(wake);
            answer.is_none()
        };
        let waited = self.woken.wait_timeout_while(lock(&self.wake), at_most, unfit);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        answer
    }
}

impl State {
    /// Bytes that wait for a file.
    pub(super) fn buffered_bytes(&self) -> usize {
        self.memtable.bytes() + self.flushing.as_ref().map_or(0, |frozen| frozen.bytes)
    }

    /// Takes a batch in, the whole of it or, when a series has no name, none of its rows.
    fn take_in(&mut self, batch: Batch) -> Result<(), Error> {
        for (id, series) in &batch.names {
            self.names.add(*id, series);
        }
        self.indices.clear();
        for row in &batch.rows {
            self.indices.push(self.names.index(row.series).ok_or(Error::UnknownSeries(row.series))?);
        }
        for (row, series) in batch.rows.iter().zip(&self.indices) {
            self.memtable.push(*series, row);
            self.latest.offer(*series, row);
        }
        for record in batch.records {
            self.memtable.push_record(record);
        }
        self.mark.extend(batch.mark);
        Ok(())
    }

    /// Takes out what the next flush writes; `None` when all is on disk.
    pub(super) fn freeze(&mut self) -> Option<Arc<Frozen>> {
        let names = self.names.len();
        if self.memtable.is_empty() && self.mark == self.persisted && names == self.persisted_names {
            return None;
        }
        let frozen = Arc::new(self.memtable.freeze(self.mark.clone(), names));
        self.flushing = Some(Arc::clone(&frozen));
        Some(frozen)
    }
}

impl Edit {
    fn apply(&self, manifest: &Manifest, next_file: u64) -> Manifest {
        let mut next = Manifest { next_file, ..manifest.clone() };
        next.files.retain(|entry| !self.remove.iter().any(|removed| removed.path == entry.path));
        next.files.extend(self.add.iter().cloned());
        if let Some(flush) = &self.flush {
            next.mark.clone_from(&flush.mark);
            next.sequence = flush.sequence;
            next.names = flush.names;
            next.parted.clone_from(&flush.parted);
            if flush.latest.is_some() {
                next.latest.clone_from(&flush.latest);
            }
        }
        next
    }
}

impl FileEntry {
    /// The entry of a file that was written.
    pub(super) fn of(
        path: String,
        table: Table,
        span: CalendarSpan,
        level: u8,
        sequence: u64,
        written: Written,
    ) -> Self {
        let Written { rows, bytes, crc32c, min_time_ns, max_time_ns, sensors, figures, first, last } =
            written;
        Self {
            path,
            table,
            span,
            level,
            sequence,
            rows,
            bytes,
            crc32c,
            min_time_ns,
            max_time_ns,
            sensors,
            figures,
            first,
            last,
        }
    }

    /// Whether it has times in `from..=to`.
    pub(super) fn overlaps(&self, from: i64, to: i64) -> bool {
        self.min_time_ns <= to && from <= self.max_time_ns
    }

    /// Whether the series may be in it.
    pub(super) fn may_have(&self, series: &Series) -> bool {
        let name = (series.source(), series.metric());
        (&self.first.0, &self.first.1) <= name && name <= (&self.last.0, &self.last.1)
    }
}

/// A measurement as part of a file's name: what is not a letter, a digit or `_` becomes `%` and its bytes.
fn file_name(measurement: &str) -> String {
    let mut name = String::new();
    for byte in measurement.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => name.push(char::from(byte)),
            other => name.push_str(&format!("%{other:02x}")),
        }
    }
    name
}
