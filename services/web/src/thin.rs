//! Fewer readings for a line that looks the same: M4 (Jugel, Jerzak, Hackenbroich, Markl, "M4: A Visualization-Oriented
//! Time Series Data Aggregation", PVLDB 7 (10), 2014).
//!
//! A span is cut into columns of equal width; the first, the lowest, the highest and the last reading of each stay as
//! they are. So no peak beside a limit is lost, and a line through what stays covers what a line through all would,
//! to the width of a column. Readings may be taken in any order and in any pieces: the memory is that of the columns.

use yiwang_model::{Row, Span, Timestamp};

/// How many readings a column keeps.
pub(crate) const A_COLUMN: usize = 4;

/// How wide a column is when `from..to` keeps `most` readings; so far apart may neighbours be within it.
pub(crate) fn column_width((from, to): (Timestamp, Timestamp), most: usize) -> Span {
    let columns = i64::try_from(columns(most)).unwrap_or(i64::MAX);
    Span((to - from).0 / columns)
}

fn columns(most: usize) -> usize {
    (most / A_COLUMN).max(1)
}

/// A span in columns.
#[derive(Debug)]
pub(crate) struct Columns {
    from: Timestamp,
    to: Timestamp,
    columns: Vec<Option<Column>>,
}

/// What stays of a column: its first, lowest, highest and last reading; of two equal ones the earlier.
#[derive(Clone, Copy, Debug)]
struct Column([Row; A_COLUMN]);

impl Columns {
    /// Columns over `from..to` that keep at most `most` readings; [`A_COLUMN`] at least.
    pub(crate) fn new((from, to): (Timestamp, Timestamp), most: usize) -> Self {
        Self { from, to, columns: vec![None; columns(most)] }
    }

    /// Takes a reading in. One outside the span belongs to the column that is nearest.
    pub(crate) fn take(&mut self, row: &Row) {
        let place = self.place(row.time);
        let column = &mut self.columns[place];
        match column {
            Some(column) => column.take(row),
            None => *column = Some(Column([*row; A_COLUMN])),
        }
    }

    fn place(&self, time: Timestamp) -> usize {
        let since = |time: Timestamp| i128::from(time.nanos()) - i128::from(self.from.nanos());
        let columns = self.columns.len();
        let place = since(time).max(0) * columns as i128 / since(self.to).max(1);
        usize::try_from(place).map_or(columns - 1, |place| place.min(columns - 1))
    }

    /// What stays, by time upwards.
    pub(crate) fn rows(self) -> Vec<Row> {
        let mut rows: Vec<Row> = self.columns.into_iter().flatten().flat_map(|column| column.0).collect();
        rows.sort_by_key(|row| row.time);
        rows.dedup_by_key(|row| row.time);
        rows
    }
}

impl Column {
    fn take(&mut self, row: &Row) {
        let by_value = |a: &Row, b: &Row| a.value.total_cmp(&b.value);
        let Self([first, lowest, highest, last]) = self;
        if row.time < first.time {
            *first = *row;
        }
        if row.time > last.time {
            *last = *row;
        }
        if by_value(row, lowest).then(row.time.cmp(&lowest.time)).is_lt() {
            *lowest = *row;
        }
        if by_value(highest, row).then(row.time.cmp(&highest.time)).is_lt() {
            *highest = *row;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use yiwang_model::{Quality, SeriesId, Vintage};

    use super::*;

    const FROM: Timestamp = Timestamp(1_000_000_000);

    fn row(second: i64, value: f64) -> Row {
        let time = FROM + Span::SECOND.times(second);
        Row {
            series: SeriesId(1),
            time,
            value,
            quality: Quality::Good,
            period_end: None,
            vintage: Vintage(None),
        }
    }

    fn thinned(rows: &[Row], seconds: i64, most: usize) -> Vec<Row> {
        let mut columns = Columns::new((FROM, FROM + Span::SECOND.times(seconds)), most);
        rows.iter().for_each(|row| columns.take(row));
        columns.rows()
    }

    #[test]
    fn each_column_keeps_its_first_lowest_highest_and_last() {
        let values = [5.0, 6.0, 1.0, 7.0, 9.0, 4.0, 5.0, 3.0, 3.0, 3.0, 3.0, 3.0];
        let rows: Vec<Row> = (0..).zip(values).map(|(second, value)| row(second, value)).collect();
        let kept: Vec<f64> = thinned(&rows, 12, 8).iter().map(|row| row.value).collect();
        assert_eq!(kept, [5.0, 1.0, 9.0, 4.0, 5.0, 3.0, 3.0], "of equal ones the first stands for all");
    }

    proptest! {
        #[test]
        fn what_stays_was_there_is_not_too_much_and_has_the_extremes(
            values in prop::collection::vec(-1e3..1e3, 1..600),
            most in 1_usize..200,
            turned in any::<bool>(),
        ) {
            let mut rows: Vec<Row> = (0..).zip(&values).map(|(second, value)| row(second, *value)).collect();
            let seconds = rows.len() as i64;
            let (first, last) = (rows[0], rows[rows.len() - 1]);
            let whole = rows.clone();
            if turned {
                rows.reverse();
            }
            let kept = thinned(&rows, seconds, most);
            prop_assert!(kept.len() <= most.max(A_COLUMN));
            prop_assert!(kept.is_sorted_by(|a, b| a.time < b.time));
            prop_assert!(kept.iter().all(|row| whole.contains(row)));
            prop_assert_eq!((kept[0], kept[kept.len() - 1]), (first, last));
            let extremes = |rows: &[Row]| rows.iter().fold((f64::MAX, f64::MIN), |(low, high), row| {
                (low.min(row.value), high.max(row.value))
            });
            prop_assert_eq!(extremes(&kept), extremes(&whole));
        }

        #[test]
        fn no_time_is_too_strange(from in any::<i64>(), to in any::<i64>(), time in any::<i64>()) {
            let mut columns = Columns::new((Timestamp(from), Timestamp(to)), 100);
            columns.take(&Row { time: Timestamp(time), ..row(0, 1.0) });
            prop_assert_eq!(columns.rows().len(), 1);
        }
    }
}
