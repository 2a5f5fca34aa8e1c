//! The statutory calendar: which days are working days.
//!
//! A notice of the State Council rules a year; some also rule the last days of December before it. So a day is
//! looked up in the notice of the following year first, then in that of its own, and is else working from
//! Monday to Friday. A city may rule single days itself; that comes before all notices.
//!
//! The notices of 2013 to 2026 are part of the program (`holidays/`). A catalogue adds or replaces years by
//! `[[calendar_year]]` and rules days by `[[calendar_day]]`. What a missing notice may still change is answered
//! from weekends and marked *provisional*: every day of a year without a notice, and the days from 25 December
//! on while the notice of the following year is missing (since 2013 notices reached back to 29 December).

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use jiff::civil::{Date, Weekday};
use serde::Deserialize;
use yiwang_detect::Days;

use crate::entry::Entry;

/// The files of NateScarlet/holiday-cn, commit d4e53bf2, MIT.
const SHIPPED: [&str; 14] = [
    include_str!("../holidays/2013.json"),
    include_str!("../holidays/2014.json"),
    include_str!("../holidays/2015.json"),
    include_str!("../holidays/2016.json"),
    include_str!("../holidays/2017.json"),
    include_str!("../holidays/2018.json"),
    include_str!("../holidays/2019.json"),
    include_str!("../holidays/2020.json"),
    include_str!("../holidays/2021.json"),
    include_str!("../holidays/2022.json"),
    include_str!("../holidays/2023.json"),
    include_str!("../holidays/2024.json"),
    include_str!("../holidays/2025.json"),
    include_str!("../holidays/2026.json"),
];

/// From this day of December on the notice of the following year may rule.
const DECEMBER_RULED_FROM: i8 = 25;

/// What a notice says: the day and whether it is a working day.
type Notice = BTreeMap<Date, bool>;

static SHIPPED_NOTICES: LazyLock<BTreeMap<i16, Arc<Notice>>> =
    LazyLock::new(|| SHIPPED.iter().map(|text| read_notice(text)).collect());

#[derive(Deserialize)]
struct File {
    year: i16,
    days: Vec<Day>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Day {
    date: String,
    is_off_day: bool,
}

fn read_notice(text: &str) -> (i16, Arc<Notice>) {
    let file: File = serde_json::from_str(text).expect("the shipped notices are JSON");
    let day = |day: Day| (day.date.parse().expect("the shipped notices have dates"), !day.is_off_day);
    (file.year, Arc::new(file.days.into_iter().map(day).collect()))
}

/// Which days are working days, as far as notices are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    notices: BTreeMap<i16, Arc<Notice>>,
    local: Notice,
}

impl Calendar {
    /// The calendar of the shipped notices, 2013 to 2026.
    #[must_use]
    pub fn shipped() -> Self {
        Self { notices: SHIPPED_NOTICES.clone(), local: Notice::new() }
    }

    /// Whether a day is a working day, and whether that is provisional because a notice is missing.
    #[must_use]
    pub fn working_day(&self, date: Date) -> (bool, bool) {
        if let Some(working) = self.local.get(&date) {
            return (*working, false);
        }
        let following = self.notices.get(&(date.year() + 1));
        let own = self.notices.get(&date.year());
        let ruled = [following, own].into_iter().flatten().find_map(|notice| notice.get(&date).copied());
        let late = date.month() == 12 && date.day() >= DECEMBER_RULED_FROM;
        let provisional = own.is_none() || (late && following.is_none());
        (ruled.unwrap_or_else(|| is_weekday(date)), provisional)
    }

    /// The days that are not what their weekday says, as detectors are told them.
    pub(crate) fn days(&self) -> Days {
        let known = self.notices.values().flat_map(|notice| notice.keys()).chain(self.local.keys());
        let ruled = known.filter_map(|date| {
            let (working, _) = self.working_day(*date);
            (working != is_weekday(*date)).then(|| (number(*date), working))
        });
        Days::new(ruled)
    }

    /// A `[[calendar_year]]`: the notice of a year, in place of the shipped one if there is one.
    pub(crate) fn read_year(&mut self, entry: &Entry<'_>, seen: &mut BTreeMap<i16, String>) {
        let (year, off, working): (Option<i16>, Option<Vec<Date>>, Option<Vec<Date>>) =
            (entry.want("year"), entry.want("off"), entry.want("working"));
        entry.want_text("source");
        entry.finish();
        let (Some(year), Some(off), Some(working)) = (year, off, working) else { return };
        if let Some(first) = seen.insert(year, entry.place()) {
            entry.wrong("year", format!("{year} again, first at {first}"), "one entry for each year".into());
        }
        check_days(entry, year, "off", &off);
        check_days(entry, year, "working", &working);
        let mut notice: Notice = off.into_iter().map(|date| (date, false)).collect();
        for date in working {
            if notice.insert(date, true) == Some(false) {
                entry.wrong(
                    "working",
                    format!("{date}, which is off as well"),
                    "each day in one list".into(),
                );
            }
        }
        self.notices.insert(year, Arc::new(notice));
    }

    /// A `[[calendar_day]]`: what the city itself says of a day.
    pub(crate) fn read_day(&mut self, entry: &Entry<'_>) {
        let (date, working): (Option<Date>, Option<bool>) = (entry.want("date"), entry.want("working"));
        entry.want_text("source");
        entry.finish();
        let (Some(date), Some(working)) = (date, working) else { return };
        if self.local.insert(date, working).is_some() {
            entry.wrong("date", format!("{date} again"), "one entry for each day".into());
        }
    }
}

fn check_days(entry: &Entry<'_>, year: i16, key: &'static str, days: &[Date]) {
    let strange =
        days.iter().find(|date| date.year() != year && !(date.year() + 1 == year && date.month() == 12));
    if let Some(date) = strange {
        entry.wrong(key, date.to_string(), format!("days of {year} or of the December before"));
    }
}

/// Days since 1970-01-01.
fn number(date: Date) -> i32 {
    let since = date.duration_since(Date::constant(1970, 1, 1));
    i32::try_from(since.as_hours() / 24).expect("the years of dates are below 10,000")
}

fn is_weekday(date: Date) -> bool {
    !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)
}

#[cfg(test)]
mod tests;
