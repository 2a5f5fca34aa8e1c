//! Reads files of readings: one series of a file, or all of it, a piece of a series at a time.

use std::collections::VecDeque;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use parquet::column::reader::{ColumnReaderImpl, get_column_reader, get_typed_column_reader};
use parquet::data_type::{DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::statistics::Statistics;
use yiwang_model::{Quality, Series, Timestamp, Vintage};

use super::names_column::{self, NameRun};
use super::{Opened, column};
use crate::Error;
use crate::embedded::columns::{Figure, Run};
use crate::embedded::disk_io::{corrupt, parquet_read_failed};

/// The rows of a series with a time in `times`, in nanoseconds since 1970, by key upwards.
pub(in crate::embedded) fn read_series(
    file: &Opened,
    series: &Series,
    times: &RangeInclusive<i64>,
) -> Result<Run, Error> {
    let mut found = Run::default();
    for group in 0..file.groups() {
        if overlaps(file.times(group), times) && file.may_have_source(group, series.source()) {
            let part = read_in_group(file, group, series, times);
            let part = part.map_err(|error| parquet_read_failed(&file.path, &error))?;
            found.extend(&part, 0..part.len());
        }
    }
    Ok(found)
}

fn read_in_group(
    file: &Opened,
    group: usize,
    series: &Series,
    times: &RangeInclusive<i64>,
) -> ParquetResult<Run> {
    let spans = file.spans(group)?;
    let Some(span) =
        spans.into_iter().find(|span| span.source == *series.source() && span.metric == *series.metric())
    else {
        return Ok(Run::default());
    };
    let time = file.values::<Int64Type>(group, column::TIME, &span.rows)?;
    let from = time.partition_point(|time| time < times.start());
    let to = time.partition_point(|time| time <= times.end());
    let rows = span.rows.start + from..span.rows.start + to;
    file.run(group, &rows, time[from..to].to_vec())
}

/// All of a file with a time in a range, by series and key, in pieces of at most a row group.
pub(in crate::embedded) struct Pieces {
    file: Arc<Opened>,
    times: RangeInclusive<i64>,
    next_group: usize,
    block: Run,
    spans: VecDeque<Span>,
    /// The earliest time behind the range that was met so far.
    pub(in crate::embedded) later: Option<i64>,
}

/// Rows of one series within a row group.
struct Span {
    source: Arc<str>,
    metric: Arc<str>,
    rows: Range<usize>,
}

impl Pieces {
    pub(in crate::embedded) fn new(file: Arc<Opened>, times: RangeInclusive<i64>) -> Self {
        Self { file, times, next_group: 0, block: Run::default(), spans: VecDeque::new(), later: None }
    }

    /// The next piece; never an empty one.
    pub(in crate::embedded) fn next(&mut self) -> Result<Option<(Series, Run)>, Error> {
        loop {
            while let Some(span) = self.spans.pop_front() {
                let rows = self.inside(&span.rows);
                if rows.is_empty() {
                    continue;
                }
                let series = Series::new(span.source, span.metric);
                let series = series.map_err(|error| corrupt(&self.file.path, error))?;
                let mut run = Run::default();
                run.extend(&self.block, rows);
                return Ok(Some((series, run)));
            }
            if self.next_group == self.file.groups() {
                return Ok(None);
            }
            self.load().map_err(|error| parquet_read_failed(&self.file.path, &error))?;
        }
    }

    fn load(&mut self) -> ParquetResult<()> {
        let group = self.next_group;
        self.next_group += 1;
        if let Some((min, max)) = self.file.times(group)
            && !overlaps(Some((min, max)), &self.times)
        {
            self.note_later(min);
            return Ok(());
        }
        let rows = 0..self.file.rows(group);
        let time = self.file.values::<Int64Type>(group, column::TIME, &rows)?;
        self.block = self.file.run(group, &rows, time)?;
        self.spans = self.file.spans(group)?.into();
        Ok(())
    }

    fn inside(&mut self, rows: &Range<usize>) -> Range<usize> {
        let time = &self.block.time[rows.clone()];
        let from = time.partition_point(|time| time < self.times.start());
        let to = time.partition_point(|time| time <= self.times.end());
        if let Some(later) = time.get(to).copied() {
            self.note_later(later);
        }
        rows.start + from..rows.start + to
    }

    fn note_later(&mut self, time: i64) {
        if time > *self.times.end() {
            self.later = Some(self.later.map_or(time, |later| later.min(time)));
        }
    }
}

fn overlaps(found: Option<(i64, i64)>, times: &RangeInclusive<i64>) -> bool {
    found.is_none_or(|(min, max)| min <= *times.end() && *times.start() <= max)
}

impl Opened {
    /// The earliest and the latest time of a row group.
    pub(super) fn times(&self, group: usize) -> Option<(i64, i64)> {
        match self.metadata.row_group(group).columns().get(column::TIME)?.statistics()? {
            Statistics::Int64(times) => Some((*times.min_opt()?, *times.max_opt()?)),
            _ => None,
        }
    }

    fn may_have_source(&self, group: usize, source: &str) -> bool {
        match self.metadata.row_group(group).column(column::SOURCE).statistics() {
            Some(Statistics::ByteArray(names)) => {
                names.min_opt().is_none_or(|min| min.data() <= source.as_bytes())
                    && names.max_opt().is_none_or(|max| source.as_bytes() <= max.data())
            }
            _ => true,
        }
    }

    /// Which rows of a row group are whose.
    fn spans(&self, group: usize) -> ParquetResult<Vec<Span>> {
        let sources = names_column::decode(self.pages(group, column::SOURCE)?)?;
        let metrics = names_column::decode(self.pages(group, column::METRIC)?)?;
        let rows = |runs: &[NameRun]| runs.iter().map(|(_, rows)| *rows as usize).sum::<usize>();
        if rows(&sources) != self.rows(group) || rows(&metrics) != self.rows(group) {
            return Err(ParquetError::General("has columns of unequal length".into()));
        }
        Ok(cross(&sources, &metrics))
    }

    /// Rows of a row group, whose times are known.
    fn run(&self, group: usize, rows: &Range<usize>, time: Vec<i64>) -> ParquetResult<Run> {
        let value = self.values::<DoubleType>(group, column::VALUE, rows)?;
        let numbers = self.values::<Int32Type>(group, column::QUALITY, rows)?;
        let known = |number: i32| u8::try_from(number).ok().and_then(Quality::from_number);
        let quality: Option<Vec<Quality>> = numbers.into_iter().map(known).collect();
        let quality = quality.ok_or_else(|| ParquetError::General("has an unknown quality".into()))?;
        let ends = self.nullable(group, column::PERIOD_END, rows)?;
        let vintages = self.nullable(group, column::VINTAGE, rows)?;
        let mut figures = Vec::new();
        if !ends.is_empty() || !vintages.is_empty() {
            let at = |column: &[Option<Timestamp>], row: usize| column.get(row).copied().flatten();
            let figure = |row| Figure { period_end: at(&ends, row), vintage: Vintage(at(&vintages, row)) };
            figures.extend((0..rows.len()).map(figure));
        }
        Ok(Run { time, value, quality, figures })
    }

    fn values<T: DataType>(
        &self,
        group: usize,
        column: usize,
        rows: &Range<usize>,
    ) -> ParquetResult<Vec<T::T>> {
        let mut values = Vec::with_capacity(rows.len());
        if !rows.is_empty() {
            let mut reader = self.column::<T>(group, column, rows.start)?;
            reader.read_records(rows.len(), None, None, &mut values)?;
        }
        whole(values.len(), rows).map(|()| values)
    }

    /// The values of a column that may be null; nothing at all when all of them are.
    fn nullable(
        &self,
        group: usize,
        column: usize,
        rows: &Range<usize>,
    ) -> ParquetResult<Vec<Option<Timestamp>>> {
        let chunk = self.metadata.row_group(group).column(column);
        let nulls = chunk.statistics().and_then(Statistics::null_count_opt);
        if rows.is_empty() || nulls.is_some_and(|nulls| nulls == self.rows(group) as u64) {
            return Ok(Vec::new());
        }
        let (mut values, mut levels) = (Vec::new(), Vec::new());
        let mut reader = self.column::<Int64Type>(group, column, rows.start)?;
        reader.read_records(rows.len(), Some(&mut levels), None, &mut values)?;
        whole(levels.len(), rows)?;
        let mut values = values.into_iter();
        Ok(levels.iter().map(|level| if *level == 1 { values.next().map(Timestamp) } else { None }).collect())
    }

    fn column<T: DataType>(
        &self,
        group: usize,
        column: usize,
        skip: usize,
    ) -> ParquetResult<ColumnReaderImpl<T>> {
        let described = self.metadata.row_group(group).column(column).column_descr_ptr();
        let mut reader =
            get_typed_column_reader(get_column_reader(described, Box::new(self.pages(group, column)?)));
        reader.skip_records(skip)?;
        Ok(reader)
    }
}

fn whole(found: usize, rows: &Range<usize>) -> ParquetResult<()> {
    if found == rows.len() {
        return Ok(());
    }
    Err(ParquetError::General(format!("has {found} of {} rows in a column", rows.len())))
}

/// Spans in which neither name changes.
fn cross(sources: &[NameRun], metrics: &[NameRun]) -> Vec<Span> {
    let mut spans = Vec::<Span>::new();
    let (mut metrics, mut left, mut row) = (metrics.iter(), 0, 0);
    let mut metric: Arc<str> = "".into();
    for (source, rows) in sources {
        let mut rest = *rows as usize;
        while rest > 0 {
            if left == 0 {
                let Some((name, rows)) = metrics.next() else { return spans };
                (metric, left) = (Arc::clone(name), *rows as usize);
            }
            let count = rest.min(left);
            spans.push(Span {
                source: Arc::clone(source),
                metric: Arc::clone(&metric),
                rows: row..row + count,
            });
            (rest, left, row) = (rest - count, left - count, row + count);
        }
    }
    spans
}
