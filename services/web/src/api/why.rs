//! Why an episode was found, and what another limit would have found.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use serde::Serialize;
use utoipa::ToSchema;
use yiwang_model::{AnomalyId, Row, Span, Timestamp};
use yiwang_series::{AsOf, Range};

use super::wire::{Mistake, Refused};
use crate::Web;
use crate::error::{Error, excerpt};
use crate::params::{Params, wrong};
use crate::why::{AT_ONCE, MAX_READINGS, Outcome, Why};

/// How far back a what-if looks.
const WEEK: Span = Span(7 * Span::DAY.0);

/// What another limit would have found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WhatIf {
    /// The limit that was tried.
    value: f64,
    /// From this event time on.
    #[schema(value_type = String)]
    from: Timestamp,
    /// Up to this one.
    #[schema(value_type = String)]
    to: Timestamp,
    /// How many readings were judged.
    readings: usize,
    /// Whether the span has more readings than are judged here; then `from` is that of the oldest judged.
    truncated: bool,
    /// With the limit as it was.
    before: Outcome,
    /// With the one that was tried.
    after: Outcome,
}

/// Why an episode was found: derived again from what was kept when it was opened.
#[utoipa::path(get, path = "/api/v1/anomalies/{id}/explanation", operation_id = "explain_anomaly", tag = "orders",
    params(("id" = String, Path, description = "Id of the anomaly, 32 hexadecimal digits")),
    responses((status = 200, body = Why), (status = 404, body = Mistake), Refused))]
pub(crate) async fn explanation(
    State(web): State<Web>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<Why>, Error> {
    Params::read(&uri, &[])?;
    let id = anomaly(&id)?;
    why(&web, id).await?.map(Json).ok_or_else(|| nothing_kept(id))
}

/// What is kept of an episode, as it was sealed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Capsule {
    /// A message `yiwang.log.v1.Capsule`, in hexadecimal digits.
    capsule: String,
}

/// What was kept of an episode when it was opened, from which anybody can derive it again.
#[utoipa::path(get, path = "/api/v1/anomalies/{id}/capsule", operation_id = "get_capsule", tag = "orders",
    params(("id" = String, Path, description = "Id of the anomaly, 32 hexadecimal digits")),
    responses((status = 200, body = Capsule), (status = 404, body = Mistake), Refused))]
pub(crate) async fn capsule(
    State(web): State<Web>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<Capsule>, Error> {
    Params::read(&uri, &[])?;
    let id = anomaly(&id)?;
    let bytes = web.parts().orders.capsule(id).await?.ok_or_else(|| nothing_kept(id))?;
    Ok(Json(Capsule { capsule: bytes.iter().map(|byte| format!("{byte:02x}")).collect() }))
}

/// What the judgement says of an episode; `None` when nothing was kept of it.
pub(crate) async fn why(web: &Web, id: AnomalyId) -> Result<Option<Why>, Error> {
    let Some(capsule) = web.parts().orders.capsule(id).await? else { return Ok(None) };
    web.parts().reasons.why(&capsule).map(Some).map_err(Error::Capsule)
}

/// What the rule that found an episode would find in the last week of its series with another limit, beginning with nothing seen.
#[utoipa::path(get, path = "/api/v1/anomalies/{id}/what-if", operation_id = "try_limit", tag = "orders",
    params(
        ("id" = String, Path, description = "Id of the anomaly, 32 hexadecimal digits"),
        ("value" = f64, Query, description = "The limit to try, in the unit of the metric"),
    ),
    responses((status = 200, body = WhatIf), (status = 404, body = Mistake), Refused))]
pub(crate) async fn what_if(
    State(web): State<Web>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<WhatIf>, Error> {
    let params = Params::read(&uri, &["value"])?;
    let text = params.text("value", 32)?.ok_or(Error::MissingParameter { name: "value" })?;
    let value: Option<f64> = text.parse().ok().filter(|value: &f64| value.is_finite());
    let value = value.ok_or_else(|| wrong("value", text, "a finite number".into()))?;
    let id = anomaly(&id)?;
    let orders = &web.parts().orders;
    let (capsule, order) = (orders.capsule(id).await?, orders.of_anomaly(id).await?);
    let (Some(capsule), Some(order)) = (capsule, order) else { return Err(nothing_kept(id)) };
    let busy = Error::Busy { what: "limits that are tried", most: AT_ONCE };
    let seat = Arc::clone(web.tries()).try_acquire_owned().map_err(|_| busy)?;
    let to = web.now()?;
    let (from, rows) = week(&web, &order.draft.evidence.anomaly.series, to).await?;
    let (readings, truncated) = (rows.len(), rows.len() == MAX_READINGS);
    let reasons = Arc::clone(&web.parts().reasons);
    // Who goes away leaves the work behind: the seat is its own.
    let tried = tokio::task::spawn_blocking(move || {
        let tried = reasons.what_if(&capsule, value, &rows);
        drop(seat);
        tried
    });
    let tried = tried.await;
    let tried = tried.map_err(|error| Error::Capsule(error.to_string()))?.map_err(Error::Capsule)?;
    let [before, after] =
        tried.ok_or_else(|| wrong("value", text, "none: its rule has no limit to move".into()))?;
    Ok(Json(WhatIf { value, from, to, readings, truncated, before, after }))
}

/// The readings of the last week, the newest of them; and from when on they are.
async fn week(
    web: &Web,
    series: &yiwang_model::Series,
    to: Timestamp,
) -> Result<(Timestamp, Vec<Row>), Error> {
    let (from, limit) = (to - WEEK, MAX_READINGS);
    let range = Range { series: series.clone(), from, to: to + Span(1), as_of: AsOf::Latest, limit };
    let rows = web.parts().series.range(&range).await?;
    let first = rows.first().map(|row| row.time).filter(|_| rows.len() == limit);
    Ok((first.unwrap_or(from), rows))
}

fn anomaly(id: &str) -> Result<AnomalyId, Error> {
    id.parse().map_err(|_| Error::NotFound { what: format!("anomaly {}", excerpt(id)) })
}

fn nothing_kept(id: AnomalyId) -> Error {
    Error::NotFound { what: format!("explanation of anomaly {id}: nothing was kept of it") }
}
