//! Means of windows against the limit.

use std::mem::size_of;
use std::sync::Arc;

use yiwang_model::{Span, Timestamp};

use super::cells::Cells;
use super::judge::{Judge, Window};
use super::{HEAD, NAME, Rules, Shape};
use crate::state::{Reader, put_byte, put_option, put_whole};
use crate::{Detector, Error, Event, Input, Sample, SeriesContext};

const _: () = assert!(size_of::<Windowed>() <= 152);

pub(super) struct Windowed {
    rules: Arc<Rules>,
    shape: Shape,
    period: Span,
    lateness: Span,
    cells: Cells,
    /// The cell at whose begin the first window that is not judged ends.
    next_end: Option<i64>,
    judge: Judge,
}

impl Windowed {
    pub(super) fn new(rules: Arc<Rules>, shape: Shape, series: &SeriesContext) -> Self {
        let SeriesContext { period, lateness, .. } = *series;
        let cells = cells_for(&shape, period, rules.energy);
        Self { rules, shape, period, lateness, cells, next_end: None, judge: Judge::default() }
    }

    fn reading(&mut self, sample: &Sample, out: &mut Vec<Event>) {
        let cell = self.shape.cell_of(sample.time);
        self.judge_up_to(cell, out);
        let next_end = *self.next_end.get_or_insert_with(|| self.shape.end_after(cell));
        if sample.is_judged() && cell >= next_end - self.shape.width {
            self.cells.add(cell, sample.value);
        }
        self.judge_up_to(self.shape.cell_of(sample.time + self.period), out);
    }

    /// Judges every window that ends at or before the begin of `cell`.
    fn judge_up_to(&mut self, cell: i64, out: &mut Vec<Event>) {
        let Some(mut end) = self.next_end else { return };
        while end <= cell {
            if self.is_idle() {
                end = self.shape.end_after(cell);
                break;
            }
            self.judge_window(end, out);
            end += self.shape.stride;
        }
        self.next_end = Some(end);
    }

    /// Whether no window can say anything until a reading comes.
    fn is_idle(&self) -> bool {
        self.cells.is_empty() && self.judge.is_calm()
    }

    /// Judges the window that ends at the begin of the cell `end`, and drops the cells that no later one has.
    fn judge_window(&mut self, end: i64, out: &mut Vec<Event>) {
        let window = self.window(end);
        match self.mean(end) {
            Some(mean) => self.judge.value(&self.rules, window, mean, out),
            None => self.judge.nothing(&self.rules, window, out),
        }
        let first = end - self.shape.width;
        (first..first + self.shape.stride).for_each(|cell| self.cells.clear(cell));
    }

    fn window(&self, end: i64) -> Window {
        let Shape { width, stride, stamped_at_end, .. } = self.shape;
        let (begin, until) = (self.shape.begin_of(end - width), self.shape.begin_of(end));
        let limit_at = if stride > 1 { begin } else { until - Span(1) };
        Window { stamp: if stamped_at_end { until } else { begin }, until, limit_at }
    }

    /// The mean of the valid cells in time order, where there are enough.
    fn mean(&self, end: i64) -> Option<f64> {
        let values = self.cells.values_from(end - self.shape.width);
        let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
        (count as usize >= self.shape.need).then(|| sum / f64::from(count)).filter(|mean| mean.is_finite())
    }

    fn tick(&mut self, city: Timestamp, out: &mut Vec<Event>) {
        while let (Some(end), Some(wake)) = (self.next_end, self.wake_at())
            && wake <= city
        {
            self.judge_window(end, out);
            self.next_end = Some(end + self.shape.stride);
        }
    }

    /// What must be the same for a saved state to be of this detector.
    fn put_make(&self, out: &mut Vec<u8>) {
        put_byte(out, 1);
        for part in [self.shape.cell, self.shape.width, self.shape.stride] {
            put_whole(out, part);
        }
        self.cells.put_make(out);
    }

    fn check_make(&self, from: &mut Reader<'_>) -> Result<(), Error> {
        let mut make = Vec::new();
        self.put_make(&mut make);
        for byte in make {
            if from.byte()? != byte {
                return Err(from.damaged("it is of another window"));
            }
        }
        Ok(())
    }
}

impl Detector for Windowed {
    fn step(&mut self, input: &Input, out: &mut Vec<Event>) {
        match input {
            Input::Reading(sample) => self.reading(sample, out),
            Input::Tick { city } => self.tick(*city, out),
        }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        let end = self.next_end.filter(|_| !self.is_idle())?;
        Some(self.shape.begin_of(end) + self.lateness)
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        put_byte(out, HEAD);
        self.put_make(out);
        put_option(out, self.next_end, put_whole);
        self.cells.put(out);
        self.judge.put(out);
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        let mut from = Reader::new(NAME, HEAD, state)?;
        self.check_make(&mut from)?;
        let next_end = from.option(Reader::whole)?;
        let cells = self.cells.read(&mut from)?;
        let judge = Judge::read(&mut from)?;
        let possible = |end: i64| end % self.shape.stride == 0 && end.checked_mul(self.shape.cell).is_some();
        if !next_end.is_none_or(possible) {
            return Err(from.damaged("no window ends where its next one is said to"));
        }
        from.end()?;
        (self.next_end, self.cells, self.judge) = (next_end, cells, judge);
        Ok(())
    }
}

/// Cells for readings so far apart: three quarters of a cell must be covered.
fn cells_for(shape: &Shape, period: Span, energy: bool) -> Cells {
    let width = usize::try_from(shape.width).expect("a window has few cells");
    if period <= Span::ZERO || period.0 >= shape.cell {
        return Cells::values(width);
    }
    let needed = shape.cell / 4 * 3;
    let need = u32::try_from((needed + period.0 - 1) / period.0).unwrap_or(u32::MAX);
    Cells::sums(width, need, energy)
}
