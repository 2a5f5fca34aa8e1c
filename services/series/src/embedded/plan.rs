//! Which spans of the calendar the rows of a flush go to.

use std::collections::{BTreeMap, BTreeSet};

use yiwang_model::Timestamp;

use super::calendar::CalendarSpan;
use super::manifest::Table;

/// The spans that take new rows of a table.
pub(super) struct Plan<'a> {
    pub(super) table: &'a Table,
    /// Spans that finer ones took the place of; grows while planning.
    pub(super) parted: &'a mut BTreeSet<(Table, CalendarSpan)>,
    /// Rows in the files of a span.
    pub(super) stored: &'a BTreeMap<CalendarSpan, u64>,
    /// A span that would have more rows is parted, unless it is a day.
    pub(super) most_rows: u64,
}

impl Plan<'_> {
    /// The spans for rows of these times; they do not overlap and hold all of them.
    pub(super) fn spans(mut self, times: impl Iterator<Item = i64>) -> Vec<CalendarSpan> {
        let days = count_days(times);
        let mut spans = Vec::new();
        for years in days.chunk_by(|a, b| CalendarSpan::year_of(a.0) == CalendarSpan::year_of(b.0)) {
            self.descend(CalendarSpan::year_of(years[0].0), years, &mut spans);
        }
        spans
    }

    fn descend(&mut self, span: CalendarSpan, days: &[(Timestamp, u64)], spans: &mut Vec<CalendarSpan>) {
        let rows = days.iter().map(|(_, rows)| rows).sum::<u64>() + self.stored.get(&span).unwrap_or(&0);
        let key = (self.table.clone(), span);
        if span.is_day() || (rows <= self.most_rows && !self.parted.contains(&key)) {
            return spans.push(span);
        }
        self.parted.insert(key);
        for part in days.chunk_by(|a, b| span.finer(a.0) == span.finer(b.0)) {
            let finer = span.finer(part[0].0).expect("it is no day");
            self.descend(finer, part, spans);
        }
    }
}

/// The span that a time belongs to, as things are parted.
pub(super) fn span_of(
    table: &Table,
    parted: &BTreeSet<(Table, CalendarSpan)>,
    at: Timestamp,
) -> CalendarSpan {
    let mut span = CalendarSpan::year_of(at);
    while parted.contains(&(table.clone(), span))
        && let Some(finer) = span.finer(at)
    {
        span = finer;
    }
    span
}

/// Rows per day, by a time within the day, upwards.
fn count_days(times: impl Iterator<Item = i64>) -> Vec<(Timestamp, u64)> {
    let mut days = BTreeMap::<i64, u64>::new();
    let (mut first, mut last, mut count) = (1, 0, 0);
    for time in times {
        if time < first || time > last {
            if count > 0 {
                *days.entry(first).or_default() += count;
            }
            let (day_first, day_last) = CalendarSpan::day_of(Timestamp(time)).bounds();
            (first, last, count) = (day_first.nanos(), day_last.nanos(), 0);
        }
        count += 1;
    }
    if count > 0 {
        *days.entry(first).or_default() += count;
    }
    days.into_iter().map(|(day, rows)| (Timestamp(day), rows)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000_000_000;

    fn spans(parted: &mut BTreeSet<(Table, CalendarSpan)>, times: &[i64], most_rows: u64) -> Vec<String> {
        let plan = Plan { table: &Table::Readings, parted, stored: &BTreeMap::new(), most_rows };
        plan.spans(times.iter().copied()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn few_rows_make_few_spans_and_many_make_days() {
        let mut parted = BTreeSet::new();
        let months: Vec<i64> = (0..36).map(|month| month * 30 * DAY).collect();
        assert_eq!(spans(&mut parted, &months, 100), ["1970", "1971", "1972"]);
        let many: Vec<i64> = (0..101).map(|minute| 400 * DAY + minute * 60_000_000_000).collect();
        assert_eq!(spans(&mut parted, &many, 100), ["1971-02-05"]);
        assert_eq!(spans(&mut parted, &months, 100)[..3], ["1970", "1971-01", "1971-02-25"]);
        assert_eq!(span_of(&Table::Readings, &parted, Timestamp(400 * DAY)).to_string(), "1971-02-05");
        assert_eq!(span_of(&Table::Readings, &parted, Timestamp(0)).to_string(), "1970");
    }
}
