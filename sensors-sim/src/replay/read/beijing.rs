//! The Beijing data of the UCI repository, set 501: an hour a line, `NA` where a value is missing.
//!
//! Columns `No, year, month, day, hour, PM2.5, PM10, SO2, NO2, CO, O3, …, station`. The hour is local, UTC+8, and begins
//! then. All six are in µg/m³; CO becomes mg/m³, as the catalogue has it. The weather columns are left out. The source is
//! the station's name.

use std::io::BufRead;

use anyhow::Context;
use csv::StringRecord;
use jiff::civil::DateTime;
use jiff::tz::{Offset, offset};

use super::{Gather, Raw, records};

/// A column, the metric and unit that it becomes, and what divides its values.
type Rule = (&'static str, &'static str, &'static str, f64);

const METRICS: [Rule; 6] = [
    ("PM2.5", "pm2_5", "µg/m³", 1.0),
    ("PM10", "pm10", "µg/m³", 1.0),
    ("SO2", "so2", "µg/m³", 1.0),
    ("NO2", "no2", "µg/m³", 1.0),
    ("CO", "co", "mg/m³", 1000.0),
    ("O3", "o3", "µg/m³", 1.0),
];
const LOCAL: Offset = offset(8);
const MISSING: &str = "NA";

/// Whether a header is that of this data.
pub(super) fn is_header(columns: &StringRecord) -> bool {
    ["No", "PM2.5"].iter().all(|name| columns.iter().any(|own| own == *name))
}

pub(super) fn read(gather: &mut Gather<'_>, header: &StringRecord, from: impl BufRead) -> anyhow::Result<()> {
    let columns = Columns::of(header)?;
    for (line, record) in records(from) {
        match record {
            Ok(record) => columns.take(gather, line, &record)?,
            Err(error) => gather.fault(line, &error.to_string())?,
        }
    }
    Ok(())
}

/// Where the columns stand.
struct Columns {
    /// Year, month, day, hour.
    time: [usize; 4],
    station: usize,
    values: [usize; 6],
}

impl Columns {
    fn of(header: &StringRecord) -> anyhow::Result<Self> {
        let place = |name: &str| {
            let at = header.iter().position(|own| own == name);
            at.with_context(|| format!("line 1: column {name:?} is missing"))
        };
        let mut values = [0; 6];
        for (at, (column, ..)) in values.iter_mut().zip(METRICS) {
            *at = place(column)?;
        }
        let time = [place("year")?, place("month")?, place("day")?, place("hour")?];
        Ok(Self { time, station: place("station")?, values })
    }

    fn take(&self, gather: &mut Gather<'_>, line: u64, record: &StringRecord) -> anyhow::Result<()> {
        let Some(time) = self.time_of(record) else {
            return gather.fault(line, "year, month, day and hour are no time");
        };
        let source = record.get(self.station).unwrap_or("");
        for (at, (column, metric, unit, divisor)) in self.values.into_iter().zip(METRICS) {
            let text = record.get(at).unwrap_or("");
            match text.parse::<f64>() {
                _ if text == MISSING => gather.missing += 1,
                Ok(value) => {
                    let (value, unit) = (value / divisor, Some(unit));
                    gather.add(line, &Raw { source, metric, time: &time, value, unit, ..Raw::default() })?;
                }
                Err(_) => gather.fault(line, &format!("{column} {text:?} is neither a number nor NA"))?,
            }
        }
        Ok(())
    }

    /// The beginning of the hour, in nanoseconds since the epoch.
    fn time_of(&self, record: &StringRecord) -> Option<String> {
        let [year, month, day, hour] = self.time;
        let small = |at: usize| record.get(at)?.parse::<i8>().ok();
        let year = record.get(year)?.parse().ok()?;
        let local = DateTime::new(year, small(month)?, small(day)?, small(hour)?, 0, 0, 0).ok()?;
        Some(LOCAL.to_timestamp(local).ok()?.as_nanosecond().to_string())
    }
}
