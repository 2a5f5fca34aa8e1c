//! Puts what is in memory into files: files first, names next, the manifest with the mark last.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use yiwang_model::SeriesId;

use super::calendar::CalendarSpan;
use super::columns::{Figure, Run};
use super::engine::{Edit, Engine, FlushEdit, LATEST, lock};
use super::latest::LatestRows;
use super::manifest::{FileEntry, Manifest, Table};
use super::memtable::{Frozen, Sorted};
use super::names::{self, Roll};
use super::parquet_file::{ReadingsWriter, RecordsWriter};
use super::plan::Plan;
use crate::Error;

/// What a flush has written so far.
struct Flush<'a> {
    engine: &'a Engine,
    sequence: u64,
    parted: BTreeSet<(Table, CalendarSpan)>,
    files: Vec<FileEntry>,
    latest: Option<FileEntry>,
}

impl Engine {
    /// Puts all that was taken in so far into files.
    pub(super) fn flush(&self) -> Result<(), Error> {
        let mut flushed = lock(&self.flushed);
        loop {
            let (frozen, left_over) = {
                let mut state = self.healthy()?;
                match state.flushing.clone().map(|frozen| (frozen, true)) {
                    Some(left_over) => left_over,
                    None => match state.freeze() {
                        Some(frozen) => (frozen, false),
                        None => return Ok(()),
                    },
                }
            };
            self.persist(&mut flushed, &frozen).inspect_err(|error| self.note(error))?;
            if !left_over {
                self.wake(|wake| wake.merge = true);
                return Ok(());
            }
        }
    }

    fn persist(&self, flushed: &mut LatestRows, frozen: &Frozen) -> Result<(), Error> {
        let roll = self.roll();
        let manifest = lock(&self.manifest).clone();
        let mut flush = Flush {
            engine: self,
            sequence: manifest.sequence + 1,
            parted: manifest.parted.clone(),
            files: Vec::new(),
            latest: None,
        };
        let result = flush.write(&manifest, flushed, frozen, &roll);
        let edit = result.and_then(|()| flush.edit(&manifest, frozen, &roll));
        let paths = flush.paths();
        edit.and_then(|edit| self.commit(edit))
            .inspect_err(|error| self.discard_unless_failed(error, &paths))?;
        if let (Some(_), Some(old)) = (&flush.latest, &manifest.latest) {
            self.discard(std::slice::from_ref(&old.path));
        }
        Ok(())
    }
}

impl Flush<'_> {
    fn write(
        &mut self,
        manifest: &Manifest,
        flushed: &mut LatestRows,
        frozen: &Frozen,
        roll: &Roll,
    ) -> Result<(), Error> {
        let sorted = frozen.sort(roll);
        self.write_readings(manifest, &sorted, roll)?;
        self.write_records(manifest, frozen)?;
        sorted.each(|series, run| {
            flushed.offer(series, &run.row(SeriesId(0), run.len() - 1));
            Ok::<_, Error>(())
        })?;
        let since = self.sequence - manifest.latest.as_ref().map_or(0, |file| file.sequence);
        if since >= self.engine.options.merge_files as u64 {
            self.write_latest(flushed, roll)?;
        }
        let latest = self.latest.iter();
        self.engine.sync_folders(self.files.iter().chain(latest).map(|file| file.path.as_str()))
    }

    fn write_readings(&mut self, manifest: &Manifest, sorted: &Sorted<'_>, roll: &Roll) -> Result<(), Error> {
        let spans = self.plan(manifest, &Table::Readings, sorted.times().iter().copied());
        for span in spans {
            let path = self.engine.new_path(&Table::Readings, span, self.sequence);
            let file = self.engine.folder.join(&path);
            let mut writer = ReadingsWriter::create(&self.engine.disk, file, self.engine.fresh())?;
            let (first, last) = span.bounds();
            sorted.each(|series, run| {
                let rows = run.between(first.nanos(), last.nanos());
                writer.append(&roll.series[series as usize], run, rows)
            })?;
            let written = writer.finish()?;
            self.files.push(FileEntry::of(path, Table::Readings, span, 0, self.sequence, written));
        }
        Ok(())
    }

    fn write_records(&mut self, manifest: &Manifest, frozen: &Frozen) -> Result<(), Error> {
        let records: Vec<_> = frozen.records.iter().collect();
        for records in records.chunk_by(|((a, ..), _), ((b, ..), _)| a == b) {
            let table = Table::Records(Arc::clone(&records[0].0.0));
            for span in self.plan(manifest, &table, records.iter().map(|((_, time, _), _)| *time)) {
                let path = self.engine.new_path(&table, span, self.sequence);
                let file = self.engine.folder.join(&path);
                let mut writer = RecordsWriter::create(&self.engine.disk, file, self.engine.fresh())?;
                let (first, last) = span.bounds();
                let inside = |time: i64| first.nanos() <= time && time <= last.nanos();
                for ((_, time, key), body) in records.iter().filter(|((_, time, _), _)| inside(*time)) {
                    writer.append(*time, key, body)?;
                }
                let written = writer.finish()?;
                self.files.push(FileEntry::of(path, table.clone(), span, 0, self.sequence, written));
            }
        }
        Ok(())
    }

    /// The newest row of each series in files, so that a start need not read them all.
    fn write_latest(&mut self, flushed: &LatestRows, roll: &Roll) -> Result<(), Error> {
        let number = self.engine.next_file.fetch_add(1, Ordering::SeqCst);
        let path = format!("{LATEST}/{number:08}.parquet");
        let file = self.engine.folder.join(&path);
        let mut writer = ReadingsWriter::create(&self.engine.disk, file, self.engine.fresh())?;
        let mut run = Run::default();
        for series in &roll.order {
            if let Some(row) = flushed.get(*series) {
                run.clear();
                let figure = Figure { period_end: row.period_end, vintage: row.vintage };
                run.push(row.time.nanos(), row.value, row.quality, figure);
                writer.append(&roll.series[*series as usize], &run, 0..1)?;
            }
        }
        let written = writer.finish()?;
        let span = CalendarSpan::year_of(yiwang_model::Timestamp(written.max_time_ns));
        self.latest = Some(FileEntry::of(path, Table::Readings, span, 0, self.sequence, written));
        Ok(())
    }

    fn plan(
        &mut self,
        manifest: &Manifest,
        table: &Table,
        times: impl Iterator<Item = i64>,
    ) -> Vec<CalendarSpan> {
        let mut stored = BTreeMap::new();
        for file in manifest.files.iter().filter(|file| file.table == *table) {
            *stored.entry(file.span).or_default() += file.rows;
        }
        let most_rows = self.engine.options.part_rows;
        Plan { table, parted: &mut self.parted, stored: &stored, most_rows }.spans(times)
    }

    fn edit(&self, manifest: &Manifest, frozen: &Frozen, roll: &Roll) -> Result<Edit, Error> {
        let new = &roll.series[manifest.names.count as usize..frozen.names];
        let names = names::append(&*self.engine.disk, &self.engine.folder, manifest.names, new)?;
        let flush = FlushEdit {
            mark: frozen.mark.clone(),
            sequence: self.sequence,
            names,
            parted: self.parted.clone(),
            latest: self.latest.clone(),
        };
        let add = self.files.iter().cloned().map(Arc::new).collect();
        Ok(Edit { add, flush: Some(flush), ..Edit::default() })
    }

    fn paths(&self) -> Vec<String> {
        self.files.iter().chain(&self.latest).map(|file| file.path.clone()).collect()
    }
}
