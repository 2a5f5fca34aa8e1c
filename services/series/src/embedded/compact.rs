//! Merges files of a span, parts spans, drops what is older than its retention. What is too old is not merged on.
//!
//! Only neighbours in the order of `sequence` are merged, so that of a key the newest flush goes on to hold.
//! A span that was parted is emptied in one go, with all its files: what comes to the finer spans that way
//! is older than all that flushes put there since.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use yiwang_disk::Room;
use yiwang_model::Timestamp;

use super::calendar::CalendarSpan;
use super::engine::{Edit, Engine, lock};
use super::files::LiveFile;
use super::kept::Fate;
use super::manifest::{FileEntry, Manifest, Table};
use super::merge::{RecordMerge, merge};
use super::parquet_file::{Pieces, ReadingsWriter, RecordGroups, RecordsWriter, Written};
use super::plan::span_of;
use crate::Error;

/// Files that are merged, from the oldest to the newest.
struct Job {
    table: Table,
    /// Their span; rows go to it, or to finer ones if it was parted.
    span: CalendarSpan,
    parted: bool,
    /// Whether it is one file, written again without what is too old in it.
    thins: bool,
    inputs: Vec<Arc<LiveFile>>,
}

/// What a step did.
pub(super) struct Step {
    /// Whether there was something that could be done; then there may be more.
    pub(super) done: bool,
    /// Why the first job that found no room was put off.
    pub(super) put_off: Option<Error>,
}

/// How eagerly files are merged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Eagerness {
    /// When there are enough of a level, or nothing came for long.
    AsNeeded,
    /// Whenever there is more than one, or one that was never merged.
    All,
}

type Spans = BTreeMap<(Table, CalendarSpan), Vec<Arc<LiveFile>>>;

impl Engine {
    /// One step of what there is to merge and drop; answers whether there was one.
    pub(super) fn tidy(&self) -> Result<bool, Error> {
        self.step(Eagerness::AsNeeded)?.answer()
    }

    /// Merges each span into one file.
    pub(super) fn merge_all(&self) -> Result<(), Error> {
        while self.step(Eagerness::All)?.answer()? {}
        Ok(())
    }

    /// Drops what is too old and does the first job that finds room: a large one holds up no small one.
    pub(super) fn step(&self, eagerness: Eagerness) -> Result<Step, Error> {
        let _merging = lock(&self.merging);
        drop(self.healthy()?);
        let dropped = self.drop_old().inspect_err(|error| self.note(error))?;
        let manifest = lock(&self.manifest).clone();
        let mut put_off = None;
        for job in self.thinnings(&manifest).into_iter().chain(self.merges(&manifest, eagerness)) {
            match self.run(&manifest, &job) {
                Ok(()) => return Ok(Step { done: true, put_off }),
                Err(error @ Error::NoRoom { .. }) => drop(put_off.get_or_insert(error)),
                Err(error) => {
                    self.note(&error);
                    return Err(error);
                }
            }
        }
        Ok(Step { done: dropped, put_off })
    }

    fn drop_old(&self) -> Result<bool, Error> {
        let files = Arc::clone(&lock(&self.state).files);
        let entries = files.iter().map(|file| &file.entry);
        let old = entries.filter(|entry| self.fate(entry) == Fate::Goes);
        let remove: Vec<_> = old.cloned().collect();
        if remove.is_empty() {
            return Ok(false);
        }
        tracing::info!(files = remove.len(), "files older than their retention dropped");
        self.commit(Edit { remove, ..Edit::default() })?;
        Ok(true)
    }

    /// Files that are to be written again without what is too old in them. A span that was parted is left to the
    /// merge that empties it.
    fn thinnings(&self, manifest: &Manifest) -> Vec<Job> {
        let files = Arc::clone(&lock(&self.state).files);
        let parted = |entry: &FileEntry| manifest.parted.contains(&(entry.table.clone(), entry.span));
        let thinned = files.iter().filter(|file| self.fate(&file.entry) == Fate::IsThinned);
        let thinned = thinned.filter(|file| !parted(&file.entry));
        let job = |file: &Arc<LiveFile>| {
            let (table, span) = (file.entry.table.clone(), file.entry.span);
            Job { table, span, parted: false, thins: true, inputs: vec![Arc::clone(file)] }
        };
        thinned.map(job).collect()
    }

    fn merges(&self, manifest: &Manifest, eagerness: Eagerness) -> Vec<Job> {
        let mut spans = Spans::new();
        for file in lock(&self.state).files.iter() {
            spans.entry((file.entry.table.clone(), file.entry.span)).or_default().push(Arc::clone(file));
        }
        let mut jobs = Vec::new();
        for ((table, span), mut files) in spans {
            files.sort_by_key(|file| file.entry.sequence);
            let parted = manifest.parted.contains(&(table.clone(), span));
            let due = if parted { vec![files] } else { self.neighbours(manifest, &files, eagerness) };
            let covered = covered_sequence(manifest, &table, eagerness);
            let due = due.into_iter().filter(|files| files.iter().all(|file| file.entry.sequence <= covered));
            jobs.extend(due.map(|inputs| Job { table: table.clone(), span, parted, thins: false, inputs }));
        }
        jobs
    }

    /// Neighbours that are to be merged: each answer is one merge, and of two that share files only one is made.
    fn neighbours(
        &self,
        manifest: &Manifest,
        files: &[Arc<LiveFile>],
        eagerness: Eagerness,
    ) -> Vec<Vec<Arc<LiveFile>>> {
        let options = &self.options;
        let is_full = |file: &LiveFile| file.entry.rows >= options.full_rows;
        let newest = files.last().map_or(0, |file| file.entry.sequence);
        let settled = newest.saturating_add(options.settle_flushes) <= manifest.sequence;
        let mut due = Vec::new();
        for group in files.chunk_by(|a, b| is_full(a) == is_full(b)).filter(|group| !is_full(&group[0])) {
            let fresh = eagerness == Eagerness::All && group[0].entry.level == 0;
            if fresh || (group.len() > 1 && (settled || eagerness == Eagerness::All)) {
                due.push(group[..group.len().min(MOST_INPUTS)].to_vec());
            }
            let levels = group.chunk_by(|a, b| a.entry.level == b.entry.level);
            let many = levels.filter(|level| level.len() >= options.merge_files);
            due.extend(many.map(|level| level[..options.merge_files.min(MOST_INPUTS)].to_vec()));
        }
        due
    }

    fn run(&self, manifest: &Manifest, job: &Job) -> Result<(), Error> {
        self.check_room(job)?;
        let mut written = Vec::new();
        let result = self.write_spans(manifest, job, &mut written);
        let paths: Vec<String> = written.iter().map(|entry: &Arc<FileEntry>| entry.path.clone()).collect();
        let result = result.and_then(|()| self.sync_folders(paths.iter().map(String::as_str)));
        let remove = job.inputs.iter().map(|file| Arc::clone(&file.entry)).collect();
        result
            .and_then(|()| self.commit(Edit { remove, add: written, flush: None }))
            .inspect_err(|error| self.discard_unless_failed(error, &paths))
    }

    /// A merge begins only when twice as much is free as it may write: it is in no hurry, and the rest is for the log,
    /// orders and checkpoints, which may lie on the same disk. Thinning frees room, so for it the size of its file
    /// is enough. Where nobody knows the room, it is tried.
    fn check_room(&self, job: &Job) -> Result<(), Error> {
        let Ok(Room { free, .. }) = self.disk.room(&self.folder) else { return Ok(()) };
        let bytes: u64 = job.inputs.iter().map(|file| file.entry.bytes).sum();
        let (what, needed) = match (job.thins, job.inputs.len()) {
            (true, _) => ("thin a file".to_owned(), bytes),
            (false, files) => (format!("merge {files} files"), 2 * bytes),
        };
        if free >= needed {
            return Ok(());
        }
        let (folder, span) = (self.folder.display(), job.span);
        let why = format!("{folder}: to {what} of {span}, {needed} bytes must be free, {free} are");
        Err(Error::NoRoom { why })
    }

    /// Writes a file for each span that has rows of the inputs.
    fn write_spans(
        &self,
        manifest: &Manifest,
        job: &Job,
        written: &mut Vec<Arc<FileEntry>>,
    ) -> Result<(), Error> {
        let entries = || job.inputs.iter().map(|file| &file.entry);
        let level = entries().map(|entry| entry.level).max().unwrap_or(0).saturating_add(1);
        let sequence = entries().map(|entry| entry.sequence).max().unwrap_or(0);
        let mut next = entries().map(|entry| entry.min_time_ns).min();
        while let Some(time) = next {
            let span =
                if job.parted { span_of(&job.table, &manifest.parted, Timestamp(time)) } else { job.span };
            let (first, last) = span.bounds();
            let path = self.new_path(&job.table, span, sequence);
            let (file, later) = match job.table {
                Table::Readings => self.merge_readings(job, &path, first.nanos()..=last.nanos())?,
                Table::Records(_) => self.merge_records(job, &path, first.nanos()..=last.nanos())?,
            };
            next = later;
            if file.rows == 0 {
                self.discard(&[path]); // all of it was too old
                continue;
            }
            written.push(Arc::new(FileEntry::of(path, job.table.clone(), span, level, sequence, file)));
        }
        Ok(())
    }

    fn merge_readings(
        &self,
        job: &Job,
        path: &str,
        times: RangeInclusive<i64>,
    ) -> Result<(Written, Option<i64>), Error> {
        let mut pieces = Vec::with_capacity(job.inputs.len());
        for input in &job.inputs {
            self.go_on()?;
            pieces.push(Pieces::new(self.open_files.get(&input.entry)?, times.clone()));
        }
        let mut writer = ReadingsWriter::create(&self.disk, self.folder.join(path), self.merged())?;
        let kept = self.kept();
        let later = merge(pieces, &mut |series, run| {
            self.go_on()?;
            kept.stretches(run).into_iter().try_for_each(|rows| writer.append(series, run, rows))
        })?;
        Ok((writer.finish()?, later))
    }

    fn merge_records(
        &self,
        job: &Job,
        path: &str,
        times: RangeInclusive<i64>,
    ) -> Result<(Written, Option<i64>), Error> {
        let mut files = Vec::with_capacity(job.inputs.len());
        for input in &job.inputs {
            self.go_on()?;
            files.push(RecordGroups(self.open_files.get(&input.entry)?));
        }
        let mut merged = RecordMerge::new(files, *times.start())?;
        let mut writer = RecordsWriter::create(&self.disk, self.folder.join(path), self.merged())?;
        while merged.next_time().is_some_and(|time| time <= *times.end())
            && let Some(row) = merged.next()?
        {
            self.go_on()?;
            writer.append(row.time, &row.key, &row.body)?;
        }
        Ok((writer.finish()?, merged.next_time()))
    }
}

impl Step {
    /// Whether there was something to do; that something waits for room only when there was nothing else.
    fn answer(self) -> Result<bool, Error> {
        match self.put_off {
            Some(error) if !self.done => Err(error),
            _ => Ok(self.done),
        }
    }
}

/// A merge opens at most so many files.
const MOST_INPUTS: usize = 16;

/// Readings of later flushes are not merged yet: a start reads them to find the newest of each series, and
/// would have to read all that they were merged with.
fn covered_sequence(manifest: &Manifest, table: &Table, eagerness: Eagerness) -> u64 {
    match table {
        Table::Readings if eagerness == Eagerness::AsNeeded => {
            manifest.latest.as_ref().map_or(0, |latest| latest.sequence)
        }
        _ => u64::MAX,
    }
}
