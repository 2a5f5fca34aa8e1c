//! Readings for `sensors-sim replay`: a CSV made by a story.

use std::fmt::Write as _;
use std::path::Path;

use yiwang_model::{Span, Timestamp};

/// The wall's time, cut to a whole minute.
pub fn this_minute() -> Timestamp {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let seconds = i64::try_from(now.as_secs()).expect("before the year 292277026596");
    Timestamp::from_secs(seconds - seconds.rem_euclid(60))
}

/// Readings in the order in which they are to be sent among equal times.
#[derive(Clone, Debug, Default)]
pub struct Feed(Vec<Reading>);

/// One reading; the unit is that of the catalogue.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Who measures.
    pub source: String,
    /// What.
    pub metric: String,
    /// When.
    pub time: Timestamp,
    /// How much.
    pub value: f64,
}

impl Feed {
    /// Adds a reading.
    pub fn push(&mut self, source: &str, metric: &str, time: Timestamp, value: f64) {
        let (source, metric) = (source.to_owned(), metric.to_owned());
        self.0.push(Reading { source, metric, time, value });
    }

    /// The readings.
    pub fn readings(&self) -> &[Reading] {
        &self.0
    }

    /// Writes the readings that are wanted.
    pub fn write_where(&self, path: &Path, wanted: impl Fn(&Reading) -> bool) {
        let mut text = String::from("source,metric,time,value\n");
        for Reading { source, metric, time, value } in self.0.iter().filter(|reading| wanted(reading)) {
            let _ = writeln!(text, "{source},{metric},{},{value}", time.nanos());
        }
        std::fs::write(path, text).expect("a file of readings");
    }

    /// Writes all.
    pub fn write(&self, path: &Path) {
        self.write_where(path, |_| true);
    }

    /// Stations `story-01`, `story-02`, … that measure PM2.5 every minute, each with a rhythm of its own that goes over
    /// the story's limit of 75 now and then, with a jump here and a flat hour there. The same for the same arguments.
    pub fn rhythm(stations: u32, begin: Timestamp, lasts: Span) -> Self {
        let mut feed = Self::default();
        let minutes = lasts.0 / Span::MINUTE.0;
        for minute in 0..minutes {
            for station in 1..=stations {
                let time = begin + Span::MINUTE.times(minute);
                feed.push(&format!("story-{station:02}"), "pm2_5", time, value(station, minute));
            }
        }
        feed
    }
}

/// Between 20 and 110, over 75 for a third of each round; with a jump to 500 every 180 minutes, and flat for a while.
fn value(station: u32, minute: i64) -> f64 {
    let round = 40 + i64::from(station) * 7;
    let place = (minute + i64::from(station) * 11) % round;
    if minute % 180 == 90 + i64::from(station) {
        return 500.0;
    }
    if (300..=380).contains(&(minute % 600)) && station.is_multiple_of(3) {
        return 42.0;
    }
    let third = round / 3;
    // small
    let wave = (place * 7 + i64::from(station) * 13) as f64 % 19.0 / 2.0;
    if place < third { 90.0 + wave } else { 30.0 + wave }
}
