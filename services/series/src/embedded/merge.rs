//! Merges the pieces of several files by series and key; of a key the newest holds.

use std::collections::VecDeque;

use yiwang_model::Series;

use super::columns::Run;
use super::parquet_file::{Pieces, RecordGroups, RecordRow};
use crate::Error;

/// A file that is being merged, and the piece of it that is next.
struct Source {
    pieces: Pieces,
    head: Option<(Series, Run)>,
}

/// Gives each series' rows once, by series and key upwards, in runs that are never empty. A series may come
/// in several runs. `files` stand from the oldest to the newest. Holds one row group of each in memory.
///
/// Answers the earliest time behind the files' range, if one was met.
pub(super) fn merge(
    files: Vec<Pieces>,
    give: &mut dyn FnMut(&Series, &Run) -> Result<(), Error>,
) -> Result<Option<i64>, Error> {
    let mut sources = Vec::with_capacity(files.len());
    for mut pieces in files {
        let head = pieces.next()?;
        sources.push(Source { pieces, head });
    }
    while let Some(series) = sources.iter().filter_map(Source::series).min().cloned() {
        while let Some(run) = next_run(&mut sources, &series)? {
            give(&series, &run)?;
        }
    }
    Ok(sources.iter().filter_map(|source| source.pieces.later).min())
}

/// The rows of a series up to the first end of a piece: what comes later cannot have their keys.
fn next_run(sources: &mut [Source], series: &Series) -> Result<Option<Run>, Error> {
    let heads =
        || sources.iter().filter_map(|source| source.head.as_ref()).filter(|(found, _)| found == series);
    let Some(end) = heads().filter_map(|(_, run)| run.last_key()).min() else {
        return Ok(None);
    };
    let mut merged = Run::default();
    for source in sources {
        let Some((found, run)) = &mut source.head else { continue };
        if found != series {
            continue;
        }
        let rows = run.up_to(end);
        if rows == run.len() {
            merged.merge_owned(std::mem::take(run));
            source.head = source.pieces.next()?;
        } else {
            merged.merge_owned(run.split_front(rows));
        }
    }
    Ok(Some(merged))
}

impl Source {
    fn series(&self) -> Option<&Series> {
        self.head.as_ref().map(|(series, _)| series)
    }
}

/// Merges files of records by time and key; of a key the newest holds.
pub(super) struct RecordMerge {
    /// From the oldest to the newest.
    sources: Vec<RecordSource>,
}

struct RecordSource {
    file: RecordGroups,
    next_group: usize,
    rows: VecDeque<RecordRow>,
}

impl RecordMerge {
    /// The records from `from` on, in nanoseconds since 1970.
    pub(super) fn new(files: Vec<RecordGroups>, from: i64) -> Result<Self, Error> {
        let mut sources = Vec::with_capacity(files.len());
        for file in files {
            let next_group =
                (0..file.0.groups()).find(|group| file.times(*group).1 >= from).unwrap_or(file.0.groups());
            let mut source = RecordSource { file, next_group, rows: VecDeque::new() };
            source.fill()?;
            while source.rows.front().is_some_and(|row| row.time < from) {
                source.rows.pop_front();
                source.fill()?;
            }
            sources.push(source);
        }
        Ok(Self { sources })
    }

    /// The time of the next record.
    pub(super) fn next_time(&self) -> Option<i64> {
        self.sources.iter().filter_map(|source| source.rows.front()).map(|row| row.time).min()
    }

    /// The next record.
    pub(super) fn next(&mut self) -> Result<Option<RecordRow>, Error> {
        let heads = self.sources.iter().filter_map(|source| source.rows.front());
        let Some(key) = heads.map(|row| (row.time, row.key.clone())).min() else {
            return Ok(None);
        };
        let mut newest = None;
        for source in &mut self.sources {
            if source.rows.front().is_some_and(|row| (row.time, &row.key) == (key.0, &key.1)) {
                newest = source.rows.pop_front();
                source.fill()?;
            }
        }
        Ok(newest)
    }
}

impl RecordSource {
    fn fill(&mut self) -> Result<(), Error> {
        if self.rows.is_empty() && self.next_group < self.file.0.groups() {
            self.rows = self.file.read(self.next_group)?.into();
            self.next_group += 1;
        }
        Ok(())
    }
}
