//! The anomalies that are part of one: what an order that is for a cause of many alarms covers.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use serde::Serialize;
use utoipa::ToSchema;
use yiwang_model::{AnomalyId, Timestamp};
use yiwang_orders::{MAX_PAGE, Member, Members};

use super::why::anomaly;
use super::wire::{Mistake, Refused};
use crate::Web;
use crate::error::Error;
use crate::params::Params;

/// How many are given when nobody says.
const USUAL: u32 = 100;

/// The anomalies that are part of one.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MembersOf {
    /// How many there are.
    all: u64,
    /// The first of them, by source, metric, detector and begin.
    members: Vec<MemberOf>,
}

/// An anomaly that is part of another, whether or not it had an order of its own.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MemberOf {
    /// 32 hexadecimal digits.
    #[schema(value_type = String)]
    anomaly: AnomalyId,
    /// The name of the detector.
    detector: String,
    /// Whose it is.
    source: String,
    /// Of what.
    metric: String,
    /// RFC 3339.
    #[schema(value_type = String)]
    begin: Timestamp,
    /// RFC 3339; null where it went on when it became part of the other.
    #[schema(value_type = Option<String>)]
    end: Option<Timestamp>,
    /// notice, warning, serious, critical.
    severity: &'static str,
}

/// The anomalies that are part of one: of a cause, the alarms that come of it.
#[utoipa::path(get, path = "/api/v1/anomalies/{id}/members", operation_id = "list_members", tag = "orders",
    params(
        ("id" = String, Path, description = "Id of the anomaly, 32 hexadecimal digits"),
        ("limit" = Option<u32>, Query, description = "How many at most, 1 to 500; 100 if not given"),
    ),
    responses((status = 200, body = MembersOf), (status = 404, body = Mistake), Refused))]
pub(crate) async fn members(
    State(web): State<Web>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<MembersOf>, Error> {
    let params = Params::read(&uri, &["limit"])?;
    let limit = params.number("limit", 1..=MAX_PAGE)?.unwrap_or(USUAL);
    let Members { all, first } = web.parts().orders.members(anomaly(&id)?, limit).await?;
    Ok(Json(MembersOf { all, members: first.into_iter().map(MemberOf::from).collect() }))
}

impl From<Member> for MemberOf {
    fn from(of: Member) -> Self {
        Self {
            anomaly: of.anomaly,
            detector: of.detector.to_string(),
            source: of.series.source().to_string(),
            metric: of.series.metric().to_string(),
            begin: of.begin,
            end: of.end,
            severity: of.severity.word(),
        }
    }
}
