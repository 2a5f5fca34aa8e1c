//! Deadlines: by when an order must be closed.
//!
//! Days are counted as the Civil Code of 2020 counts them (articles 201 to 203): the day of receipt does not
//! count (`start = "next_day"`), and the last day ends at 24:00, which is the next day's midnight. Hours run from
//! the moment of receipt (`start = "immediate"`). Hotline rules state working days and follow the same use.
//!
//! | clock | amount | `immediate` begins | `next_day` begins |
//! |---|---|---|---|
//! | `calendar` | a span | at receipt | at the next midnight |
//! | `working_day` | working days; due at the end of the last | with the day of receipt | with the day after |
//! | `working_hour` | hours within office hours of working days | at receipt | at the next midnight |
//!
//! Of the policies that hold at receipt, the one that names both category and priority comes first, then
//! priority, then category, then the default, which names neither.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::{Date, Time};
use yiwang_model::order::Due;
use yiwang_model::{Priority, Span, Timestamp};

use crate::calendar::Calendar;
use crate::city::{Validity, date_of, end_of, midnight};
use crate::entry::{Entry, Ids};
use crate::value::{readable, word, words};

/// The most days that are looked at for one deadline: a calendar may have days off only, a loop may not.
const MAX_DAYS: usize = 20_000;
/// The greatest amount of working days or hours of a deadline.
const MAX_AMOUNT: u32 = 1_000;

/// How the time of a deadline runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// It always runs, for this long.
    Calendar(Span),
    /// It counts so many working days.
    WorkingDay(u32),
    /// It counts so many hours within office hours.
    WorkingHour(u32),
}

/// When the time of a deadline begins to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At receipt.
    Immediate,
    /// With the day after.
    NextDay,
}

#[derive(Clone, Copy)]
enum ClockWord {
    Calendar,
    WorkingDay,
    WorkingHour,
}

const CLOCKS: [(ClockWord, &str); 3] = [
    (ClockWord::Calendar, "calendar"),
    (ClockWord::WorkingDay, "working_day"),
    (ClockWord::WorkingHour, "working_hour"),
];
const STARTS: [(Start, &str); 2] = [(Start::Immediate, "immediate"), (Start::NextDay, "next_day")];

readable!(ClockWord, words(&CLOCKS), |value| word(value, &CLOCKS));
readable!(Start, words(&STARTS), |value| word(value, &STARTS));

/// A deadline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// Its own name, which orders quote.
    pub id: Arc<str>,
    /// The subject that it is for; none for all.
    pub category: Option<Arc<str>>,
    /// The priority that it is for; none for all.
    pub priority: Option<Priority>,
    /// How its time runs.
    pub clock: Clock,
    /// When its time begins.
    pub start: Start,
    /// Where it stands.
    pub source: Arc<str>,
    validity: Validity,
}

impl Deadline {
    pub(crate) fn read(entry: &Entry<'_>, ids: &mut Ids, categories: &Ids) -> Option<Self> {
        let id = entry.want_id("id", ids);
        let (category, priority) = (entry.get_ref("category", categories), entry.get("priority"));
        let (clock, start) = (read_clock(entry), entry.want("start"));
        let (validity, source) = (Validity::read(entry, false), entry.want_text("source"));
        entry.finish();
        Some(Self {
            id: id?,
            category,
            priority,
            clock: clock?,
            start: start?,
            source: source?,
            validity: validity?,
        })
    }

    /// Whether both could be meant for the same order.
    pub(crate) fn rivals(&self, other: &Self) -> bool {
        let same = (&self.category, self.priority) == (&other.category, other.priority);
        same && self.validity.overlaps(&other.validity)
    }

    fn fits(&self, category: &str, priority: Priority, received: Timestamp) -> bool {
        self.category.as_deref().is_none_or(|own| own == category)
            && self.priority.is_none_or(|own| own == priority)
            && self.validity.contains(received)
    }

    fn rank(&self) -> (bool, bool) {
        (self.priority.is_some(), self.category.is_some())
    }

    /// The deadline of `all` for an order.
    pub(crate) fn choose<'a>(
        all: &'a [Self],
        category: &str,
        priority: Priority,
        received: Timestamp,
    ) -> Option<&'a Self> {
        all.iter()
            .filter(|deadline| deadline.fits(category, priority, received))
            .max_by_key(|deadline| deadline.rank())
    }

    /// When an order received then is due.
    pub(crate) fn due(&self, received: Timestamp, calendar: &Calendar, hours: &OfficeHours) -> Due {
        let today = date_of(received);
        let begin = match self.start {
            Start::Immediate => received,
            Start::NextDay => end_of(today),
        };
        let (at, provisional) = match self.clock {
            Clock::Calendar(span) => (begin + span, false),
            Clock::WorkingDay(days) => count_days(date_of(begin), days, calendar),
            Clock::WorkingHour(amount) => hours.run(begin, Span::HOUR.times(i64::from(amount)), calendar),
        };
        Due { at, policy: self.id.to_string(), provisional }
    }
}

fn read_clock(entry: &Entry<'_>) -> Option<Clock> {
    entry.know("amount"); // also where the clock, on which its form depends, is wrong
    match entry.want::<ClockWord>("clock")? {
        ClockWord::Calendar => crate::metric::want_period(entry, "amount", true).map(Clock::Calendar),
        ClockWord::WorkingDay => want_amount(entry).map(Clock::WorkingDay),
        ClockWord::WorkingHour => want_amount(entry).map(Clock::WorkingHour),
    }
}

fn want_amount(entry: &Entry<'_>) -> Option<u32> {
    let amount: u32 = entry.want("amount")?;
    if amount == 0 || amount > MAX_AMOUNT {
        entry.wrong("amount", amount.to_string(), format!("a whole number from 1 to {MAX_AMOUNT}"));
        return None;
    }
    Some(amount)
}

/// The days from one on, each with whether it is a working day and whether that is provisional.
fn days(first: Date, calendar: &Calendar) -> impl Iterator<Item = (Date, bool, bool)> {
    std::iter::successors(Some(first), |date| date.tomorrow().ok()).take(MAX_DAYS).map(|date| {
        let (working, provisional) = calendar.working_day(date);
        (date, working, provisional)
    })
}

/// The end of the `amount`th working day, `first` being the first that can count.
fn count_days(first: Date, amount: u32, calendar: &Calendar) -> (Timestamp, bool) {
    let (mut left, mut provisional, mut last) = (amount, false, first);
    for (date, working, unsure) in days(first, calendar) {
        provisional |= unsure;
        last = date;
        left -= u32::from(working);
        if left == 0 {
            break;
        }
    }
    (end_of(last), provisional)
}

/// The hours in which offices work, on every working day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfficeHours(Vec<(Time, Time)>);

impl OfficeHours {
    /// An `[[office_hours]]`: one stretch of the day.
    pub(crate) fn read(&mut self, entry: &Entry<'_>) {
        let (from, to): (Option<Time>, Option<Time>) = (entry.want("from"), entry.want("to"));
        entry.want_text("source");
        entry.finish();
        let (Some(from), Some(to)) = (from, to) else { return };
        if to <= from {
            entry.wrong("to", to.to_string(), format!("a time after {from}"));
        }
        if self.0.iter().any(|(begin, end)| from < *end && *begin < to) {
            entry.wrong("from", from.to_string(), "hours that are in no other entry".into());
        }
        self.0.push((from, to));
        self.0.sort_unstable();
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The moment at which so many office hours have passed.
    fn run(&self, begin: Timestamp, amount: Span, calendar: &Calendar) -> (Timestamp, bool) {
        let (mut left, mut provisional) = (amount, false);
        for (date, working, unsure) in days(date_of(begin), calendar) {
            provisional |= unsure;
            for (from, to) in self.0.iter().filter(|_| working) {
                let (from, to) = (moment(date, *from).max(begin), moment(date, *to));
                if to > from && left <= to - from {
                    return (from + left, provisional);
                }
                left = Span(left.0 - (to - from).0.max(0));
            }
        }
        (begin + amount, true)
    }
}

fn moment(date: Date, time: Time) -> Timestamp {
    let seconds = i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
    midnight(date) + Span::from_secs(seconds)
}

/// Tells of deadlines that cannot be told apart.
pub(crate) fn check_rivals(deadlines: &[(Deadline, Entry<'_>)]) {
    let mut seen: BTreeMap<_, Vec<&Deadline>> = BTreeMap::new();
    for (deadline, entry) in deadlines {
        let like = seen.entry((&deadline.category, deadline.priority)).or_default();
        if let Some(other) = like.iter().find(|other| other.rivals(deadline)) {
            let found = format!("what deadline {:?} is for at the same time", other.id);
            entry.wrong("id", found, "another category, priority or validity".into());
        }
        like.push(deadline);
    }
}

#[cfg(test)]
mod tests;
