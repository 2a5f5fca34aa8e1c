//! The city's own time: days begin and end at midnight in Asia/Shanghai.

use std::sync::LazyLock;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use yiwang_model::Timestamp;

use crate::entry::Entry;

static ZONE: LazyLock<TimeZone> =
    LazyLock::new(|| TimeZone::get("Asia/Shanghai").expect("the time zones are built in"));

/// The moment at which a day begins in the city.
pub(crate) fn midnight(date: Date) -> Timestamp {
    let begin = date.to_zoned(ZONE.clone()).map(|zoned| zoned.timestamp());
    begin.map_or(Timestamp(i64::MAX), Timestamp::from_jiff)
}

/// The moment at which a day ends in the city: the first that is not of that day.
pub(crate) fn end_of(date: Date) -> Timestamp {
    date.tomorrow().map_or(Timestamp(i64::MAX), midnight)
}

/// The day in the city that a moment is of.
pub(crate) fn date_of(at: Timestamp) -> Date {
    at.to_jiff().to_zoned(ZONE.clone()).date()
}

/// The time in which something holds, by the days that a catalogue names: both are in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) from: Timestamp,
    pub(crate) to: Option<Timestamp>,
}

impl Validity {
    /// From the beginning of the first day to the end of the last.
    pub(crate) fn of(first: Option<Date>, last: Option<Date>) -> Self {
        Self { from: first.map_or(Timestamp::MIN, midnight), to: last.map(end_of) }
    }

    /// The keys `valid_from`, which may be `needed`, and `valid_to`; a last day before the first is refused.
    pub(crate) fn read(entry: &Entry<'_>, needed: bool) -> Option<Self> {
        let first: Option<Date> = if needed { entry.want("valid_from") } else { entry.get("valid_from") };
        let last: Option<Date> = entry.get("valid_to");
        if entry.has("valid_from") != first.is_some() || entry.has("valid_to") != last.is_some() {
            return None;
        }
        if let Some(end) = last.filter(|last| first.is_some_and(|first| *last < first)) {
            entry.wrong("valid_to", end.to_string(), "the day of valid_from or a later one".into());
            return None;
        }
        Some(Self::of(first, last))
    }

    /// Whether it holds at this moment.
    pub(crate) fn contains(&self, at: Timestamp) -> bool {
        self.from <= at && self.to.is_none_or(|to| at < to)
    }

    /// Whether both hold at some moment.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let before = |a: &Self, b: &Self| a.to.is_some_and(|to| to <= b.from);
        !before(self, other) && !before(other, self)
    }
}
