//! Answers questions from memory and files together.
//!
//! A query takes, in one moment, what is in memory and the list of files; files that are merged away
//! meanwhile stay until it lets go.

use std::collections::BTreeMap;
use std::sync::Arc;

use yiwang_model::{Row, Timestamp};

use super::columns::{Figure, Run};
use super::engine::{Engine, State, lock};
use super::files::LiveFile;
use super::manifest::Table;
use super::memtable::RecordKey;
use super::parquet_file::{RecordGroups, read_series};
use crate::{AsOf, Error, Latest, Range, Record};

/// The most readings that a query answers.
const MOST_ROWS: usize = 100_000;

impl Engine {
    pub(super) fn range(&self, range: &Range) -> Result<Vec<Row>, Error> {
        let kept = self.kept();
        let times = range.from.nanos().max(kept.since())..=range.to.nanos().saturating_sub(1);
        let limit = range.limit.clamp(1, MOST_ROWS);
        if times.is_empty() || range.to == Timestamp::MIN {
            return Ok(Vec::new());
        }
        let id = range.series.id();
        let (memory, files) = {
            let state = lock(&self.state);
            let Some(index) = state.names.index(id) else { return Ok(Vec::new()) };
            (kept.of(state.collect(index, &times)), Arc::clone(&state.files))
        };
        let mut files: Vec<&Arc<LiveFile>> = files.iter().collect();
        files.retain(|file| {
            let entry = &file.entry;
            entry.table == Table::Readings
                && entry.overlaps(*times.start(), *times.end())
                && entry.may_have(&range.series)
        });
        files.sort_by_key(|file| std::cmp::Reverse(file.entry.max_time_ns));
        let mut found = Found::new(memory, range.as_of);
        for file in files {
            if found.newest_from(file.entry.max_time_ns, limit) {
                break;
            }
            let run = read_series(&*self.open_files.get(&file.entry)?, &range.series, &times)?;
            found.add(file.entry.sequence, kept.of(run));
        }
        let rows = found.answer(limit);
        Ok((0..rows.len()).map(|at| rows.row(id, at)).collect())
    }

    pub(super) fn latest(&self, sources: &[Arc<str>]) -> Vec<Latest> {
        let roll = self.roll();
        let kept = self.kept();
        let state = lock(&self.state);
        let newest = |at: &u32| {
            let series = &roll.series[*at as usize];
            let row = state.latest.get(*at).filter(|row| kept.has(row.time.nanos(), row.vintage))?;
            Some(Latest { series: series.clone(), row: *row })
        };
        if sources.is_empty() {
            return roll.order.iter().filter_map(newest).collect();
        }
        let mut sources: Vec<&Arc<str>> = sources.iter().collect();
        sources.sort();
        sources.dedup();
        sources.iter().flat_map(|source| roll.of_source(source)).filter_map(newest).collect()
    }

    pub(super) fn records(
        &self,
        measurement: &Arc<str>,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<Record>, Error> {
        let table = Table::Records(Arc::clone(measurement));
        let (from, to) = (from.nanos().max(self.records_cutoff(measurement)), to.nanos());
        if from >= to || limit == 0 {
            return Ok(Vec::new());
        }
        let (mut found, files) = {
            let state = lock(&self.state);
            (state.collect_records(measurement, from, to, limit), Arc::clone(&state.files))
        };
        for (newest, sequence, file, group) in self.record_groups(&files, &table, from, to)? {
            if found.len() >= limit
                && found.keys().rev().nth(limit - 1).is_some_and(|(time, _)| *time > newest)
            {
                break;
            }
            for row in file.read(group)? {
                if from <= row.time && row.time < to {
                    let slot = found.entry((row.time, row.key)).or_default();
                    if slot.0 <= sequence {
                        *slot = (sequence, row.body);
                    }
                }
            }
        }
        let newest_first = found.into_iter().rev().take(limit);
        Ok(newest_first.map(|((time, key), (_, body))| record(measurement, time, key, body)).collect())
    }

    /// The row groups that may have records in `from..to`, those with the latest times first.
    fn record_groups(
        &self,
        files: &[Arc<LiveFile>],
        table: &Table,
        from: i64,
        to: i64,
    ) -> Result<Vec<RecordGroup>, Error> {
        let mut groups = Vec::new();
        for file in
            files.iter().filter(|file| file.entry.table == *table && file.entry.overlaps(from, to - 1))
        {
            let opened = Arc::new(RecordGroups(self.open_files.get(&file.entry)?));
            for group in 0..opened.0.groups() {
                let (min, max) = opened.times(group);
                if min < to && from <= max {
                    groups.push((max, file.entry.sequence, Arc::clone(&opened), group));
                }
            }
        }
        groups.sort_by_key(|(newest, ..)| std::cmp::Reverse(*newest));
        Ok(groups)
    }
}

fn record(measurement: &Arc<str>, time: i64, key: String, body: String) -> Record {
    Record { measurement: Arc::clone(measurement), key, time: Timestamp(time), body }
}

/// Latest time, sequence, file, and the group in it.
type RecordGroup = (i64, u64, Arc<RecordGroups>, usize);

/// Records by time and key, each with the sequence of where it was found; memory counts as the highest.
type FoundRecords = BTreeMap<(i64, String), (u64, String)>;

impl State {
    fn collect(&self, series: u32, times: &std::ops::RangeInclusive<i64>) -> Run {
        let mut run = Run::default();
        let flushing = self.flushing.iter().flat_map(|frozen| &frozen.chunks);
        for chunk in flushing.chain(self.memtable.full()) {
            chunk.collect(series, times, &mut run);
        }
        self.memtable.open().collect(series, times, &mut run);
        run.settle();
        run
    }

    fn collect_records(&self, measurement: &Arc<str>, from: i64, to: i64, limit: usize) -> FoundRecords {
        let key = |time| -> RecordKey { (Arc::clone(measurement), time, String::new()) };
        let tables = self.flushing.iter().map(|frozen| &frozen.records).chain([self.memtable.records()]);
        let mut found = FoundRecords::new();
        for table in tables {
            for ((_, time, key), body) in table.range(key(from)..key(to)).rev().take(limit) {
                found.insert((*time, key.clone()), (u64::MAX, body.clone()));
            }
        }
        found
    }
}

/// What was found of a series so far.
struct Found {
    as_of: AsOf,
    /// With the sequence of the file; memory counts as the highest.
    runs: Vec<(u64, Run)>,
}

impl Found {
    fn new(memory: Run, as_of: AsOf) -> Self {
        Self { as_of, runs: vec![(u64::MAX, memory)] }
    }

    fn add(&mut self, sequence: u64, run: Run) {
        self.runs.push((sequence, run));
    }

    /// Whether the newest `limit` readings are known, if all that was not read has times up to `unread`.
    fn newest_from(&mut self, unread: i64, limit: usize) -> bool {
        if self.runs.iter().map(|(_, run)| run.len()).sum::<usize>() < limit {
            return false;
        }
        let visible = self.visible();
        visible.len() >= limit && visible.time[visible.len() - limit] > unread
    }

    /// The newest `limit` readings.
    fn answer(&mut self, limit: usize) -> Run {
        let mut visible = self.visible();
        visible.split_front(visible.len().saturating_sub(limit));
        visible
    }

    /// One reading of each time, the vintage as asked.
    fn visible(&mut self) -> Run {
        self.runs.sort_by_key(|(sequence, _)| *sequence);
        let mut merged = Run::default();
        for (_, run) in &self.runs {
            merged.merge(run);
        }
        if merged.figures.is_empty() {
            return merged;
        }
        let known = |figure: Figure| match (self.as_of, figure.vintage.0) {
            (AsOf::Published(at), Some(published)) => published <= at,
            _ => true,
        };
        let mut visible = Run::default();
        let rows: Vec<usize> = (0..merged.len()).filter(|at| known(merged.figure(*at))).collect();
        for rows in rows.chunk_by(|a, b| merged.time[*a] == merged.time[*b]) {
            let last = rows[rows.len() - 1];
            visible.push(merged.time[last], merged.value[last], merged.quality[last], merged.figure(last));
        }
        visible
    }
}
