//! Which series there are.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;
use utoipa::ToSchema;
use yiwang_model::Series;
use yiwang_model::order::Text;

use super::wire::{Refused, TextSchema};
use crate::Web;
use crate::error::Error;
use crate::params::{Params, wrong};
use crate::view::Names;

/// The most series of a page, and how many it has when nobody says.
const MAX_SERIES: u32 = 1_000;
const PAGE: u32 = 100;
const KNOWN: &[&str] = &["source", "metric", "limit", "after"];

/// A series, and what the catalogue says of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SeriesOut {
    /// Who measures.
    source: String,
    /// What is measured.
    metric: String,
    /// The unit of its values; null when the catalogue does not know the metric.
    unit: Option<String>,
    #[schema(value_type = TextSchema)]
    station_title: Text,
    #[schema(value_type = TextSchema)]
    metric_title: Text,
}

/// A page of series.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SeriesPage {
    /// By source, then metric.
    series: Vec<SeriesOut>,
    /// What to hand in as `after` for the next page; null at the end.
    next: Option<String>,
}

/// A page of the series that have readings.
#[utoipa::path(get, path = "/api/v1/series", operation_id = "list_series", tag = "readings",
    params(
        ("source" = Option<String>, Query, description = "Only of this source"),
        ("metric" = Option<String>, Query, description = "Only of this metric"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "At most this many, 1 to 1000; 100 when not said"),
        ("after" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, body = SeriesPage), Refused))]
pub(crate) async fn list(State(web): State<Web>, uri: Uri) -> Result<Json<SeriesPage>, Error> {
    let params = Params::read(&uri, KNOWN)?;
    let (source, metric) = (params.text("source", 128)?, params.text("metric", 128)?);
    let limit = params.number("limit", 1..=MAX_SERIES)?.unwrap_or(PAGE) as usize;
    let after = params.text("after", 260)?.map(token).transpose()?;
    let all = web.parts().series.series();
    let begin = after.map_or(0, |after| all.partition_point(|series| *series <= after));
    let wanted = all[begin..].iter().filter(|series| {
        source.is_none_or(|source| source == &**series.source())
            && metric.is_none_or(|metric| metric == &**series.metric())
    });
    let mut page: Vec<&Series> = wanted.take(limit + 1).collect();
    let more = page.len() > limit;
    page.truncate(limit);
    let last = page.last().filter(|_| more);
    let next = last.map(|series| format!("{},{}", series.source(), series.metric()));
    let series = page.into_iter().map(|series| described(&web, series)).collect();
    Ok(Json(SeriesPage { series, next }))
}

/// A token is the last series of the page before, with a comma, which names do not have.
fn token(text: &str) -> Result<Series, Error> {
    let series = text.split_once(',').and_then(|(source, metric)| Series::new(source, metric).ok());
    series.ok_or_else(|| wrong("after", text, "the next that the page before gave".into()))
}

fn described(web: &Web, series: &Series) -> SeriesOut {
    let catalogue = web.catalogue();
    let names = Names(catalogue);
    SeriesOut {
        source: series.source().to_string(),
        metric: series.metric().to_string(),
        unit: catalogue.metric(series.metric()).map(|metric| metric.unit.to_string()),
        station_title: names.station(series.source()),
        metric_title: names.metric(series.metric()),
    }
}
