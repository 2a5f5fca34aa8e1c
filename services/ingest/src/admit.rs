//! Admission: which readings the city takes.
//!
//! A reading is refused when its series, unit, value or time cannot be; what is doubtful but possible is taken with the
//! quality that its sender gave. The order of the checks is fixed, so that the same reading is always refused for
//! the same reason.

use yiwang_catalogue::Metric;
use yiwang_model::{Quality, Reading, Row, Span, Timestamp, Unit, Vintage};
use yiwang_proto::v1::Reason;

use crate::decimal;
use crate::names::{Known, Names, Refused};

/// An admitted reading: the series' dense number and partition, and the row for the log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Admitted {
    /// The series' number at the doors.
    pub dense: u32,
    /// Its partition of topic `readings`.
    pub partition: u16,
    /// The reading.
    pub row: Row,
}

/// The window of event times that are plausible for a metric now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plausible {
    city: Option<Timestamp>,
    /// Whether the readings are of the past, so that none can be too late.
    history: bool,
    /// Whether readings move the clock, so that none can be ahead of it.
    feed: bool,
}

impl Plausible {
    /// Around this city time. In a city whose feed moves the clock no reading is ahead; before it began, none is late.
    #[must_use]
    pub fn around(city: Option<Timestamp>, feed: bool) -> Self {
        Self { city, feed, history: false }
    }

    /// The same for readings of the past: none of them is too late.
    #[must_use]
    pub fn for_history(self) -> Self {
        Self { history: true, ..self }
    }

    fn check(self, metric: &Metric, time: Timestamp) -> Result<(), (Reason, Span)> {
        let Some(city) = self.city else { return Ok(()) };
        if !self.history && metric.is_late(time, city) {
            return Err((Reason::TooLate, city - time));
        }
        if !self.feed && metric.is_early(time, city) {
            return Err((Reason::TooEarly, time - city));
        }
        Ok(())
    }
}

/// A reading as a door understood it: names and all still in words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Said<'a> {
    /// The source.
    pub source: &'a str,
    /// The metric, as the catalogue names it.
    pub metric: &'a str,
    /// The unit of the value; `None` where the door's mapping has seen to it that it is the metric's own.
    pub unit: Option<&'a str>,
    /// Event time.
    pub time: Timestamp,
    /// The value.
    pub value: f64,
    /// How far it is to be trusted.
    pub quality: Quality,
    /// The end of its period, for figures of a period.
    pub period_end: Option<Timestamp>,
    /// When it was published, for figures.
    pub vintage: Vintage,
}

impl<'a> From<&'a Reading> for Said<'a> {
    fn from(reading: &'a Reading) -> Self {
        Self {
            source: reading.series.source(),
            metric: reading.series.metric(),
            unit: Some(reading.unit.as_str()),
            time: reading.time,
            value: reading.value,
            quality: reading.quality,
            period_end: reading.period_end,
            vintage: reading.vintage,
        }
    }
}

/// Admits one reading that came through a gateway.
///
/// # Errors
/// The reason and the sentence with which to refuse it.
pub fn admit(
    names: &Names,
    plausible: Plausible,
    gateway: &str,
    said: &Said<'_>,
) -> Result<Admitted, Refused> {
    let known = names.resolve(gateway, said.source, said.metric)?;
    let mut value = said.value;
    if let Some(unit) = said.unit.filter(|unit| *unit != known.metric.unit.as_str()) {
        value = decimal::shift(value, known.shift(&Unit::new(unit))?);
    }
    let Said { time, quality, period_end, vintage, .. } = *said;
    let row = Row { series: known.id, time, value, quality, period_end, vintage };
    admit_row(&known, plausible, row)
}

/// Admits a row of a series that is known.
///
/// # Errors
/// The reason and the sentence with which to refuse it.
pub fn admit_row(known: &Known, plausible: Plausible, mut row: Row) -> Result<Admitted, Refused> {
    check_row(known, plausible, &row)?;
    row.quality = known.quality_at(row.time, row.quality);
    Ok(Admitted { dense: known.dense, partition: known.partition, row })
}

/// Refuses a row whose value, time or period cannot be.
///
/// # Errors
/// The reason and the sentence.
pub fn check_row(known: &Known, plausible: Plausible, row: &Row) -> Result<(), Refused> {
    let metric = &known.metric;
    if !metric.is_possible(row.value) {
        return Err(impossible(metric, row.value));
    }
    plausible.check(metric, row.time).map_err(|(reason, off)| implausible(metric, row.time, reason, off))?;
    match (row.period_end, row.vintage.0) {
        (Some(end), _) if end <= row.time => Err((
            Reason::BadPeriod,
            format!("the period ends at {end}, which is not after its beginning {}", row.time),
        )),
        (_, Some(vintage)) => check_vintage(plausible, metric, vintage),
        _ => Ok(()),
    }
}

fn check_vintage(plausible: Plausible, metric: &Metric, vintage: Timestamp) -> Result<(), Refused> {
    match plausible.city {
        Some(city) if !plausible.feed && metric.is_early(vintage, city) => {
            Err((Reason::BadPeriod, format!("published at {vintage}, which is after the city's time {city}")))
        }
        _ => Ok(()),
    }
}

fn impossible(metric: &Metric, value: f64) -> Refused {
    let Metric { name, min, max, unit, .. } = metric;
    (Reason::ImpossibleValue, format!("{value} is not possible for \"{name}\": {min} to {max} {unit} is"))
}

fn implausible(metric: &Metric, time: Timestamp, reason: Reason, off: Span) -> Refused {
    let name = &metric.name;
    let message = if reason == Reason::TooLate {
        format!("{time} is {off} behind the city's clock; \"{name}\" may be {} behind", metric.back)
    } else {
        format!("{time} is {off} ahead of the city's clock; \"{name}\" may be {} ahead", metric.ahead)
    };
    (reason, message)
}

/// The quality with this number.
///
/// # Errors
/// The reason and the sentence.
pub fn quality(number: u8) -> Result<Quality, Refused> {
    Quality::from_number(number)
        .ok_or_else(|| (Reason::BadQuality, format!("quality {number} is not known; known are 0 to 8")))
}

#[cfg(test)]
mod tests;
