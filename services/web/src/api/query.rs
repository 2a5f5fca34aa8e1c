//! The readings of a series: as they came, thinned to what a line shows, or as means of steps.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;
use utoipa::ToSchema;
use yiwang_model::{Row, Series, Span, Timestamp};
use yiwang_series::{AsOf, Range, SeriesStore};

use super::wire::Refused;
use crate::Web;
use crate::error::Error;
use crate::params::Params;
use crate::thin::{A_COLUMN, Columns};

/// The most points of an answer, and the most readings that steps are made from.
const MAX_POINTS: u32 = 100_000;
const PAGE: u32 = 10_000;
/// The most readings that a line is thinned from, in pieces of [`MAX_POINTS`]: 115 days of one each ten seconds.
const MAX_PIECES: usize = 10;
/// The fewest and the most points of a line that is thinned.
const MIN_THINNED: u32 = A_COLUMN as u32;
const MAX_THINNED: u32 = 10_000;
/// The longest step, in seconds: 366 days.
const MAX_STEP_S: u32 = 366 * 86_400;
/// Steps begin where days of the city begin: eight hours before those of UTC.
const CITY_OFFSET: Span = Span::HOUR.times(8);
const KNOWN: &[&str] = &["source", "metric", "from", "to", "as_of", "limit", "step", "points"];

/// A point: one reading, or the mean of a step.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Point {
    /// Event time, or the beginning of the step.
    #[schema(value_type = String)]
    pub(crate) time: Timestamp,
    /// In the unit of the answer.
    pub(crate) value: f64,
    /// good, suspect, maintenance, calibration, fault, stopped, manual, disconnected, clock_off; not for steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    quality: Option<&'static str>,
    /// The end of the period, for figures.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    period_end: Option<Timestamp>,
    /// When the figure was published.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    vintage: Option<Timestamp>,
    /// How many readings the mean is of; only for steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    readings: Option<u32>,
}

/// The readings of a series.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Answer {
    source: String,
    metric: String,
    /// The unit of the values; null when the catalogue does not know the metric.
    unit: Option<String>,
    /// By time upwards.
    points: Vec<Point>,
    /// Whether there are older readings in the span that the limit cut off.
    truncated: bool,
    /// Whether readings between the points were left out, as `points` asked.
    thinned: bool,
}

/// The readings of one series in `from..to`; with `step`, the mean of the judged readings of each step; with
/// `points`, the whole span thinned so that a line through it keeps its look and every peak.
#[utoipa::path(get, path = "/api/v1/query", tag = "readings",
    params(
        ("source" = String, Query, description = "Who measures"),
        ("metric" = String, Query, description = "What is measured"),
        ("from" = Option<String>, Query, description = "From this event time on, RFC 3339; a day before `to` when not said"),
        ("to" = Option<String>, Query, description = "Up to and without this event time; now in the city when not said"),
        ("as_of" = Option<String>, Query, description = "As was known at this time, RFC 3339; the latest when not said"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100000, description = "At most this many, the newest, 1 to 100000; 10000 when not said"),
        ("step" = Option<u32>, Query, minimum = 1, maximum = 31622400, description = "Seconds of a step; steps begin at midnight in the city"),
        ("points" = Option<u32>, Query, minimum = 4, maximum = 10000, description = "At most this many over the whole span, 4 to 10000; not with limit or step"),
    ),
    responses((status = 200, body = Answer), Refused))]
pub(crate) async fn query(State(web): State<Web>, uri: Uri) -> Result<Json<Answer>, Error> {
    let params = Params::read(&uri, KNOWN)?;
    let series = series(&params)?;
    let (from, to) = span(&web, &params)?;
    let as_of = params.time("as_of")?.map_or(AsOf::Latest, AsOf::Published);
    let found = points(&*web.parts().series, &series, (from, to), as_of, wanted(&params)?).await?;
    Ok(Json(Answer {
        source: series.source().to_string(),
        metric: series.metric().to_string(),
        unit: web.catalogue().metric(series.metric()).map(|metric| metric.unit.to_string()),
        points: found.points,
        truncated: found.truncated,
        thinned: found.thinned,
    }))
}

/// How much of a span is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted {
    /// The newest readings, at most so many.
    Newest(usize),
    /// The newest means of steps of this length, at most so many.
    Means(Span, usize),
    /// The whole span, thinned to at most so many.
    Thinned(usize),
}

/// The points of a span.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// By time upwards.
    pub(crate) points: Vec<Point>,
    /// Whether older readings of the span were cut off.
    pub(crate) truncated: bool,
    /// Whether readings between the points were left out.
    pub(crate) thinned: bool,
}

fn wanted(params: &Params) -> Result<Wanted, Error> {
    let limit = params.number("limit", 1..=MAX_POINTS)?;
    let step = params.number("step", 1..=MAX_STEP_S)?;
    let most = params.number("points", MIN_THINNED..=MAX_THINNED)?;
    let newest = limit.unwrap_or(PAGE) as usize;
    match (most, step) {
        (Some(most), None) if limit.is_none() => Ok(Wanted::Thinned(most as usize)),
        (Some(most), _) => {
            Err(crate::params::wrong("points", &most.to_string(), "nothing beside limit or step".into()))
        }
        (None, Some(seconds)) => Ok(Wanted::Means(Span::from_secs(i64::from(seconds)), newest)),
        (None, None) => Ok(Wanted::Newest(newest)),
    }
}

fn series(params: &Params) -> Result<Series, Error> {
    let want = |name| params.text(name, 128)?.ok_or(Error::MissingParameter { name });
    let (source, metric) = (want("source")?, want("metric")?);
    Series::new(source, metric).map_err(|error| {
        let (name, found) = match &error {
            yiwang_model::Error::Name { what: "metric", .. } => ("metric", metric),
            _ => ("source", source),
        };
        crate::params::wrong(name, found, error.to_string())
    })
}

fn span(web: &Web, params: &Params) -> Result<(Timestamp, Timestamp), Error> {
    let to = match params.time("to")? {
        Some(to) => to,
        None => web.now()?,
    };
    let from = params.time("from")?.unwrap_or(to - Span::DAY);
    if from >= to {
        return Err(crate::params::wrong("from", &from.to_string(), format!("a time before {to}")));
    }
    Ok((from, to))
}

/// The points of a series in a span.
pub(crate) async fn points(
    store: &dyn SeriesStore,
    series: &Series,
    (from, to): (Timestamp, Timestamp),
    as_of: AsOf,
    wanted: Wanted,
) -> Result<Found, Error> {
    let most = match wanted {
        Wanted::Newest(limit) => limit,
        Wanted::Means(..) | Wanted::Thinned(_) => MAX_POINTS as usize,
    };
    let range = Range { series: series.clone(), from, to, as_of, limit: most };
    let rows = store.range(&range).await?;
    let of = |rows: &[Row]| rows.iter().map(Point::of).collect::<Vec<_>>();
    match wanted {
        Wanted::Thinned(most) if rows.len() > most => thin(store, range, rows, most).await,
        Wanted::Thinned(_) => Ok(Found { points: of(&rows), ..Found::default() }),
        Wanted::Newest(_) => {
            let truncated = rows.len() == most && more_before(store, &range, rows.first()).await?;
            Ok(Found { points: of(&rows), truncated, thinned: false })
        }
        Wanted::Means(step, limit) => {
            let cut = rows.len() == most && more_before(store, &range, rows.first()).await?;
            let mut points = means(&rows, step);
            let beyond = points.len().saturating_sub(limit);
            points.drain(..beyond);
            Ok(Found { points, truncated: cut || beyond > 0, thinned: false })
        }
    }
}

/// Thins a span piece by piece, the newest first.
async fn thin(
    store: &dyn SeriesStore,
    mut range: Range,
    mut rows: Vec<Row>,
    most: usize,
) -> Result<Found, Error> {
    let mut columns = Columns::new((range.from, range.to), most);
    let mut truncated = true;
    for _ in 0..MAX_PIECES {
        rows.iter().for_each(|row| columns.take(row));
        let first = rows.first().filter(|first| rows.len() == range.limit && first.time > range.from);
        let Some(first) = first else {
            truncated = false;
            break;
        };
        range.to = first.time;
        rows = store.range(&range).await?;
    }
    let points = columns.rows().iter().map(Point::of).collect();
    Ok(Found { points, truncated: truncated && !rows.is_empty(), thinned: true })
}

/// Whether there is a reading before the first that was given.
async fn more_before(store: &dyn SeriesStore, range: &Range, first: Option<&Row>) -> Result<bool, Error> {
    let Some(first) = first.filter(|first| range.from < first.time) else { return Ok(false) };
    Ok(!store.range(&Range { to: first.time, limit: 1, ..range.clone() }).await?.is_empty())
}

impl Point {
    fn of(row: &Row) -> Self {
        Self {
            time: row.time,
            value: row.value,
            quality: Some(row.quality.word()),
            period_end: row.period_end,
            vintage: row.vintage.0,
            readings: None,
        }
    }
}

/// The mean of the judged readings of each step, by time upwards; a step without any has no point.
fn means(rows: &[Row], step: Span) -> Vec<Point> {
    let begin = |row: &Row| {
        let local = (row.time + CITY_OFFSET).nanos();
        Timestamp(local.div_euclid(step.0).saturating_mul(step.0)) - CITY_OFFSET
    };
    let judged: Vec<&Row> = rows.iter().filter(|row| row.quality.is_judged()).collect();
    let steps = judged.chunk_by(|a, b| begin(a) == begin(b));
    steps.filter_map(|rows| mean(begin(rows.first()?), rows)).collect()
}

fn mean(time: Timestamp, rows: &[&Row]) -> Option<Point> {
    let readings = u32::try_from(rows.len()).ok()?;
    let value = rows.iter().map(|row| row.value).sum::<f64>() / f64::from(readings);
    Some(Point { time, value, quality: None, period_end: None, vintage: None, readings: Some(readings) })
}

#[cfg(test)]
mod tests {
    use yiwang_model::{Quality, SeriesId, Vintage};

    use super::*;

    #[test]
    fn steps_are_means_of_judged_readings_from_midnight_in_the_city() {
        let row = |time: &str, value, quality| Row {
            series: SeriesId(1),
            time: time.parse().expect("a time"),
            value,
            quality,
            period_end: None,
            vintage: Vintage(None),
        };
        let rows = [
            row("2026-03-01T23:59:00+08:00", 1.0, Quality::Good),
            row("2026-03-02T00:00:00+08:00", 10.0, Quality::Good),
            row("2026-03-02T12:00:00+08:00", 999.0, Quality::Fault),
            row("2026-03-02T23:00:00+08:00", 20.0, Quality::Manual),
        ];
        let means: Vec<(String, f64, Option<u32>)> = means(&rows, Span::DAY)
            .into_iter()
            .map(|point| (point.time.to_string(), point.value, point.readings))
            .collect();
        let day = |text: &str| text.to_owned();
        assert_eq!(
            means,
            [(day("2026-02-28T16:00:00Z"), 1.0, Some(1)), (day("2026-03-01T16:00:00Z"), 15.0, Some(2))]
        );
    }
}
