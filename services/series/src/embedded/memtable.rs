//! What was taken in and is in no file yet: readings as columns in log order, records by key.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use yiwang_model::{Quality, Row};

use super::columns::{Figure, Run};
use super::names::{Roll, SeriesIndex};
use crate::{Mark, Record};

/// Rows in a chunk: what a query reads while writers wait is at most this.
const CHUNK_ROWS: usize = 1 << 16;
/// Memory that a row takes here, in bytes, without what figures take.
const ROW_BYTES: usize =
    size_of::<SeriesIndex>() + size_of::<i64>() + size_of::<f64>() + size_of::<Quality>();
const FIGURE_BYTES: usize = size_of::<(u32, Figure)>();
/// What a record takes beside its texts, about.
const RECORD_BYTES: usize = 128;

/// Measurement, time in nanoseconds since 1970, key.
pub(super) type RecordKey = (Arc<str>, i64, String);

/// Takes in rows and records.
#[derive(Default)]
pub(super) struct Memtable {
    full: Vec<Arc<Chunk>>,
    open: Chunk,
    records: BTreeMap<RecordKey, String>,
    bytes: usize,
}

/// Readings in log order.
#[derive(Default)]
pub(super) struct Chunk {
    series: Vec<SeriesIndex>,
    time: Vec<i64>,
    value: Vec<f64>,
    quality: Vec<Quality>,
    /// By row, of the few that are figures of a period.
    figures: Vec<(u32, Figure)>,
}

/// A memtable that takes nothing in any more, and how far in the log it goes.
pub(super) struct Frozen {
    pub(super) chunks: Vec<Arc<Chunk>>,
    pub(super) records: BTreeMap<RecordKey, String>,
    pub(super) bytes: usize,
    pub(super) mark: Mark,
    /// How many series had a name by then.
    pub(super) names: usize,
}

impl Memtable {
    pub(super) fn push(&mut self, series: SeriesIndex, row: &Row) {
        let chunk = &mut self.open;
        let figure = Figure { period_end: row.period_end, vintage: row.vintage };
        if figure != Figure::NONE {
            chunk.figures.push((u32::try_from(chunk.series.len()).expect("a chunk is small"), figure));
            self.bytes += FIGURE_BYTES;
        }
        chunk.series.push(series);
        chunk.time.push(row.time.nanos());
        chunk.value.push(row.value);
        chunk.quality.push(row.quality);
        self.bytes += ROW_BYTES;
        if chunk.series.len() == CHUNK_ROWS {
            self.full.push(Arc::new(std::mem::take(chunk)));
        }
    }

    pub(super) fn push_record(&mut self, record: Record) {
        self.bytes += RECORD_BYTES + record.key.len() + record.body.len();
        self.records.insert((record.measurement, record.time.nanos(), record.key), record.body);
    }

    pub(super) fn rows(&self) -> usize {
        self.full.len() * CHUNK_ROWS + self.open.series.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// The chunks that are full; they can be read without holding up writers.
    pub(super) fn full(&self) -> &[Arc<Chunk>] {
        &self.full
    }

    /// The chunk that is being filled.
    pub(super) fn open(&self) -> &Chunk {
        &self.open
    }

    pub(super) fn records(&self) -> &BTreeMap<RecordKey, String> {
        &self.records
    }

    /// Takes all out.
    pub(super) fn freeze(&mut self, mark: Mark, names: usize) -> Frozen {
        let Self { full: mut chunks, open, records, bytes } = std::mem::take(self);
        chunks.push(Arc::new(open));
        Frozen { chunks, records, bytes, mark, names }
    }
}

impl Chunk {
    /// Appends the rows of a series with a time in the range, in log order.
    pub(super) fn collect(&self, series: SeriesIndex, times: &RangeInclusive<i64>, into: &mut Run) {
        let found = self.series.iter().enumerate().filter(|(_, found)| **found == series);
        for row in found.map(|(row, _)| row).filter(|row| times.contains(&self.time[*row])) {
            into.push(self.time[row], self.value[row], self.quality[row], self.figure(row));
        }
    }

    fn figure(&self, row: usize) -> Figure {
        let place = self.figures.binary_search_by_key(&row, |(row, _)| *row as usize);
        place.map_or(Figure::NONE, |place| self.figures[place].1)
    }
}

impl Frozen {
    pub(super) fn rows(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.series.len()).sum()
    }

    /// The rows by series, in the order of the roll, and within a series in log order.
    pub(super) fn sort<'a>(&self, roll: &'a Roll) -> Sorted<'a> {
        let mut starts = vec![0_usize; roll.series.len() + 1];
        for series in self.chunks.iter().flat_map(|chunk| &chunk.series) {
            starts[*series as usize] += 1;
        }
        let mut next = 0;
        for series in &roll.order {
            next += std::mem::replace(&mut starts[*series as usize], next);
        }
        starts[roll.series.len()] = next;
        let mut sorted = Sorted { roll, ends: starts, time: vec![0; next], ..Sorted::of(roll) };
        sorted.value.resize(next, 0.0);
        sorted.quality.resize(next, Quality::Good);
        for chunk in &self.chunks {
            sorted.scatter(chunk);
        }
        sorted.figures.sort_by_key(|(place, _)| *place);
        sorted
    }
}

/// Rows by series.
pub(super) struct Sorted<'a> {
    roll: &'a Roll,
    /// Where the rows of a series end, by its number.
    ends: Vec<usize>,
    time: Vec<i64>,
    value: Vec<f64>,
    quality: Vec<Quality>,
    figures: Vec<(usize, Figure)>,
}

impl<'a> Sorted<'a> {
    fn of(roll: &'a Roll) -> Self {
        let (ends, time, value) = (Vec::new(), Vec::new(), Vec::new());
        Self { roll, ends, time, value, quality: Vec::new(), figures: Vec::new() }
    }

    /// Puts the rows of a chunk in their places; `ends` move from where a series begins to where it ends.
    fn scatter(&mut self, chunk: &Chunk) {
        let mut figures = chunk.figures.iter().peekable();
        for (row, series) in chunk.series.iter().enumerate() {
            let place = &mut self.ends[*series as usize];
            self.time[*place] = chunk.time[row];
            self.value[*place] = chunk.value[row];
            self.quality[*place] = chunk.quality[row];
            if let Some((_, figure)) = figures.next_if(|(figure_row, _)| *figure_row as usize == row) {
                self.figures.push((*place, *figure));
            }
            *place += 1;
        }
    }

    /// All times, in no order that matters.
    pub(super) fn times(&self) -> &[i64] {
        &self.time
    }

    /// Gives the settled rows of each series that has some, by series.
    ///
    /// # Errors
    /// The first that `give` answers.
    pub(super) fn each<E>(&self, mut give: impl FnMut(SeriesIndex, &Run) -> Result<(), E>) -> Result<(), E> {
        let mut run = Run::default();
        let mut from = 0;
        for series in &self.roll.order {
            let to = self.ends[*series as usize];
            if from < to {
                self.fill(&mut run, from, to);
                give(*series, &run)?;
            }
            from = to;
        }
        Ok(())
    }

    fn fill(&self, run: &mut Run, from: usize, to: usize) {
        run.clear();
        run.time.extend_from_slice(&self.time[from..to]);
        run.value.extend_from_slice(&self.value[from..to]);
        run.quality.extend_from_slice(&self.quality[from..to]);
        let first = self.figures.partition_point(|(place, _)| *place < from);
        for (place, figure) in self.figures[first..].iter().take_while(|(place, _)| *place < to) {
            run.figures.resize(to - from, Figure::NONE);
            run.figures[place - from] = *figure;
        }
        run.settle();
    }
}
