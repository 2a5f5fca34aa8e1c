//! Rows of one series as columns.

use std::ops::Range;

use yiwang_model::{Quality, Row, SeriesId, Timestamp, Vintage};

/// What a figure of a period has beside its value. Sensors have neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Figure {
    pub(super) period_end: Option<Timestamp>,
    pub(super) vintage: Vintage,
}

impl Figure {
    /// What a sensor has.
    pub(super) const NONE: Self = Self { period_end: None, vintage: Vintage(None) };
}

/// Event time, then vintage: what tells rows of one series from one another.
pub(super) type RowKey = (i64, Vintage);

/// Rows of one series. Once [settled](Run::settle), by key upwards, each key once.
///
/// Times are nanoseconds since 1970. `figures` is empty when no row is a figure.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Run {
    pub(super) time: Vec<i64>,
    pub(super) value: Vec<f64>,
    pub(super) quality: Vec<Quality>,
    pub(super) figures: Vec<Figure>,
}

impl Run {
    pub(super) fn len(&self) -> usize {
        self.time.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.time.is_empty()
    }

    pub(super) fn figure(&self, at: usize) -> Figure {
        self.figures.get(at).copied().unwrap_or(Figure::NONE)
    }

    pub(super) fn key(&self, at: usize) -> RowKey {
        (self.time[at], self.figure(at).vintage)
    }

    pub(super) fn last_key(&self) -> Option<RowKey> {
        self.len().checked_sub(1).map(|last| self.key(last))
    }

    pub(super) fn row(&self, series: SeriesId, at: usize) -> Row {
        let Figure { period_end, vintage } = self.figure(at);
        let (time, value, quality) = (Timestamp(self.time[at]), self.value[at], self.quality[at]);
        Row { series, time, value, quality, period_end, vintage }
    }

    pub(super) fn push(&mut self, time: i64, value: f64, quality: Quality, figure: Figure) {
        if figure != Figure::NONE || !self.figures.is_empty() {
            self.figures.resize(self.len(), Figure::NONE);
            self.figures.push(figure);
        }
        self.time.push(time);
        self.value.push(value);
        self.quality.push(quality);
    }

    /// Appends some rows of another run.
    pub(super) fn extend(&mut self, from: &Self, rows: Range<usize>) {
        if !from.figures.is_empty() || !self.figures.is_empty() {
            self.figures.resize(self.len(), Figure::NONE);
            self.figures.extend(rows.clone().map(|at| from.figure(at)));
        }
        self.time.extend_from_slice(&from.time[rows.clone()]);
        self.value.extend_from_slice(&from.value[rows.clone()]);
        self.quality.extend_from_slice(&from.quality[rows]);
    }

    pub(super) fn clear(&mut self) {
        self.time.clear();
        self.value.clear();
        self.quality.clear();
        self.figures.clear();
    }

    /// The rows in `from..=to`. The run is settled.
    pub(super) fn between(&self, from: i64, to: i64) -> Range<usize> {
        self.time.partition_point(|time| *time < from)..self.time.partition_point(|time| *time <= to)
    }

    /// How many rows have a key up to this one. The run is settled.
    pub(super) fn up_to(&self, key: RowKey) -> usize {
        let (mut from, mut to) = (0, self.len());
        while from < to {
            let middle = from.midpoint(to);
            if self.key(middle) <= key { from = middle + 1 } else { to = middle }
        }
        from
    }

    /// Takes the first `rows` rows out.
    pub(super) fn split_front(&mut self, rows: usize) -> Self {
        let mut front = Self::default();
        let mut back = Self::default();
        front.extend(self, 0..rows);
        back.extend(self, rows..self.len());
        *self = back;
        front
    }

    /// Sorts rows that came in log order by key and keeps the last of each key.
    pub(super) fn settle(&mut self) {
        if self.is_settled() {
            return;
        }
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by_key(|at| self.key(*at)); // stable: log order within a key
        let mut settled = Self::default();
        for (place, at) in order.iter().enumerate() {
            let superseded = order.get(place + 1).is_some_and(|next| self.key(*next) == self.key(*at));
            if !superseded {
                settled.push(self.time[*at], self.value[*at], self.quality[*at], self.figure(*at));
            }
        }
        *self = settled;
    }

    fn is_settled(&self) -> bool {
        if self.figures.is_empty() {
            self.time.is_sorted_by(|a, b| a < b)
        } else {
            (1..self.len()).all(|at| self.key(at - 1) < self.key(at))
        }
    }

    /// As [`Run::merge`], without a copy when this one is empty.
    pub(super) fn merge_owned(&mut self, newer: Self) {
        if self.is_empty() { *self = newer } else { self.merge(&newer) }
    }

    /// Takes in a newer run; where both have a key, the newer holds. Both are settled, and so is the answer.
    pub(super) fn merge(&mut self, newer: &Self) {
        let Some(last) = self.last_key() else {
            return self.clone_from(newer);
        };
        let Some(first) = (!newer.is_empty()).then(|| newer.key(0)) else { return };
        if last < first {
            return self.extend(newer, 0..newer.len());
        }
        let older = std::mem::take(self);
        let (mut o, mut n) = (0, 0);
        while o < older.len() && n < newer.len() {
            let (older_key, newer_key) = (older.key(o), newer.key(n));
            if older_key < newer_key {
                self.extend(&older, o..o + 1);
                o += 1;
            } else {
                self.extend(newer, n..n + 1);
                n += 1;
                o += usize::from(older_key == newer_key);
            }
        }
        self.extend(&older, o..older.len());
        self.extend(newer, n..newer.len());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    type Said = (i64, Option<i64>, f64);

    fn run(said: &[Said]) -> Run {
        let mut run = Run::default();
        for (time, vintage, value) in said {
            let vintage = Vintage(vintage.map(Timestamp));
            run.push(*time, *value, Quality::Good, Figure { period_end: None, vintage });
        }
        run
    }

    fn rows(run: &Run) -> Vec<(RowKey, f64)> {
        (0..run.len()).map(|at| (run.key(at), run.value[at])).collect()
    }

    fn said() -> impl Strategy<Value = Vec<Said>> {
        prop::collection::vec((0..12_i64, prop::option::weighted(0.2, 0..3_i64), -9.0..9.0), 0..40)
    }

    proptest! {
        #[test]
        fn the_last_said_of_a_key_holds_in_a_run_and_over_runs(parts in prop::collection::vec(said(), 1..4)) {
            let mut model = BTreeMap::new();
            let mut merged = Run::default();
            for part in &parts {
                for (time, vintage, value) in part {
                    model.insert((*time, Vintage(vintage.map(Timestamp))), *value);
                }
                let mut newer = run(part);
                newer.settle();
                merged.merge(&newer);
            }
            prop_assert_eq!(rows(&merged), model.into_iter().collect::<Vec<_>>());
        }
    }
}
