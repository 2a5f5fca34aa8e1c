//! Days and hours of a city: what the statutory calendar says of a day, and which part of the week a time lies in.
//!
//! A public holiday is like a Sunday, a weekend day that is worked like a Wednesday: so profiles of a week compare like
//! with like. Memory: 8 bytes for each day that is not what its weekday says, shared by all series.

use yiwang_model::{Span, Timestamp};

/// Days that a calendar rules otherwise than their weekday: holidays from Monday to Friday, worked Saturdays and Sundays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Days {
    /// Days since 1970-01-01 in the city, and whether they are worked; sorted.
    ruled: Box<[(i32, bool)]>,
}

impl Days {
    /// Of days since 1970-01-01 in the city, each with whether it is worked; the last word on a day holds.
    #[must_use]
    pub fn new(ruled: impl IntoIterator<Item = (i32, bool)>) -> Self {
        let ruled: std::collections::BTreeMap<i32, bool> = ruled.into_iter().collect();
        Self { ruled: ruled.into_iter().collect() }
    }

    /// The days that it rules, in order, each with whether it is worked.
    pub fn iter(&self) -> impl Iterator<Item = (i32, bool)> + '_ {
        self.ruled.iter().copied()
    }

    /// Whether a day is worked, if that is not what its weekday says.
    fn ruled(&self, day: i64) -> Option<bool> {
        let found = self.ruled.binary_search_by_key(&day, |(ruled, _)| i64::from(*ruled));
        found.ok().map(|place| self.ruled[place].1)
    }
}

/// The day of the week whose habits a day has; Monday is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Habit(pub(crate) u8);

const WEDNESDAY: u8 = 2;
const SATURDAY: u8 = 5;
const SUNDAY: u8 = 6;

impl Habit {
    /// Of the day with this number since 1970-01-01, a Thursday.
    fn of(day: i64, days: Option<&Days>) -> Self {
        // below 7
        let weekday = (day + 3).rem_euclid(7) as u8;
        let worked = weekday < SATURDAY;
        match days.and_then(|days| days.ruled(day)) {
            Some(true) if !worked => Self(WEDNESDAY),
            Some(false) if worked => Self(SUNDAY),
            _ => Self(weekday),
        }
    }

    /// Whether one works on it.
    pub(crate) fn is_worked(self) -> bool {
        self.0 < SATURDAY
    }
}

/// Which day a time lies in, by habit, and how far into it; `offset` is that of the city's clock from UTC.
pub(crate) fn local(time: Timestamp, offset: Span, days: Option<&Days>) -> (Habit, Span) {
    let local = i128::from(time.nanos()) + i128::from(offset.0);
    let day = i128::from(Span::DAY.0);
    // A day's number and the time of day fit: nanoseconds since 1970 did.
    let (number, within) = (local.div_euclid(day) as i64, local.rem_euclid(day) as i64);
    (Habit::of(number, days), Span(within))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holidays_are_sundays_and_worked_weekends_are_wednesdays() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let day = |text: &str| (at(text).secs() / 86_400) as i32;
        // The notice of 2026: 1 October is off, Saturday 10 October is worked; Sunday 4 October is off as it would be.
        let days = Days::new([(day("2026-10-01T00:00:00Z"), false), (day("2026-10-10T00:00:00Z"), true)]);
        let habit = |text: &str| local(at(text), Span::HOUR.times(8), Some(&days));
        assert_eq!(habit("2026-09-30T16:00:00Z"), (Habit(SUNDAY), Span::ZERO));
        assert_eq!(habit("2026-09-30T15:59:59Z"), (Habit(WEDNESDAY), Span::SECOND.times(86_399)));
        assert_eq!(habit("2026-10-10T04:00:00+08:00"), (Habit(WEDNESDAY), Span::HOUR.times(4)));
        assert_eq!(habit("2026-10-04T04:00:00+08:00").0, Habit(SUNDAY));
        assert_eq!(habit("2026-10-03T04:00:00+08:00").0, Habit(SATURDAY));
        assert_eq!(local(Timestamp::from_secs(-1), Span::ZERO, None), (Habit(2), Span::SECOND.times(86_399)));
        assert!(!Habit(SUNDAY).is_worked() && Habit(WEDNESDAY).is_worked());
    }
}
