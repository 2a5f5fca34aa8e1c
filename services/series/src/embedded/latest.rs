//! The newest row of each series, by event time, then vintage, kept in memory.

use yiwang_model::Row;

use super::names::SeriesIndex;

/// Newest rows by number of the series.
#[derive(Clone, Default)]
pub(super) struct LatestRows(Vec<Option<Row>>);

impl LatestRows {
    /// Takes a row in that comes behind all others in log order.
    pub(super) fn offer(&mut self, series: SeriesIndex, row: &Row) {
        let place = series as usize;
        if place >= self.0.len() {
            self.0.resize((place + 1).next_power_of_two(), None);
        }
        let slot = &mut self.0[place];
        if slot.is_none_or(|newest| (newest.time, newest.vintage) <= (row.time, row.vintage)) {
            *slot = Some(*row);
        }
    }

    /// The newest row of a series.
    pub(super) fn get(&self, series: SeriesIndex) -> Option<&Row> {
        self.0.get(series as usize)?.as_ref()
    }
}
