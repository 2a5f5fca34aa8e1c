//! Where Grafana and Alertmanager send their alerts.

use std::collections::BTreeMap;

use axum::extract::{FromRequest, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use yiwang_model::Timestamp;
use yiwang_orders::{Alert, Moment};

use super::wire::{Mistake, Refused};
use crate::alerts::draft::{self, Sent};
use crate::alerts::report::Report;
use crate::alerts::{MAX_ALERTS, MAX_ALERTS_BYTES};
use crate::error::Error;
use crate::params::Params;
use crate::{Web, Who};

/// The webhook of Alertmanager, version 4, and that of Grafana, which has more fields.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    alerts: Vec<Value>,
    receiver: Option<String>,
    /// A number of 64 bits with a sign, as described; negative ones are refused.
    truncated_alerts: Option<i64>,
}

/// What is read of the document; other fields may be there.
#[derive(ToSchema)]
#[schema(as = Alerts)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct AlertsSchema {
    /// At most 1,000.
    alerts: Vec<AlertSchema>,
    /// The sender's receiver or contact point.
    receiver: Option<String>,
    /// How many alerts the sender left out.
    #[schema(rename = "truncatedAlerts", minimum = 0)]
    truncated: Option<u64>,
}

/// One alert.
#[derive(ToSchema)]
#[schema(as = Alert, rename_all = "camelCase")]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct AlertSchema {
    /// firing or resolved.
    status: String,
    /// `category`, `district`, `station`, `metric`, `severity` and `alertname` are read; all are kept in the text.
    labels: Option<BTreeMap<String, String>>,
    /// `summary` and `description` are read, with `_zh` for Chinese.
    annotations: Option<BTreeMap<String, String>>,
    /// RFC 3339.
    starts_at: String,
    /// RFC 3339; year 1 for none.
    ends_at: Option<String>,
    /// What the sender knows the alert by; its labels, if it does not say.
    fingerprint: Option<String>,
    #[schema(rename = "generatorURL")]
    generator_url: Option<String>,
    #[schema(rename = "dashboardURL")]
    dashboard_url: Option<String>,
    #[schema(rename = "panelURL")]
    panel_url: Option<String>,
    /// The values that Grafana judged.
    value_string: Option<String>,
}

/// What came of the alerts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AlertsAnswer {
    /// What is wrong, where one was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Those that were taken, durably.
    taken: Vec<TakenAlert>,
    /// Those that were not.
    refused: Vec<RefusedAlert>,
}

/// An alert that was taken.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TakenAlert {
    /// Its place in the document, from 0.
    alert: usize,
    /// opened, worsened, cleared, repeated, unknown.
    #[schema(value_type = String)]
    came: yiwang_orders::alert::Outcome,
    /// Its order; none when it was resolved and never known.
    order: Option<String>,
}

/// An alert that was refused.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RefusedAlert {
    /// Its place in the document, from 0.
    alert: usize,
    /// What is wrong with it.
    why: String,
}

/// Takes the alerts of Grafana or Alertmanager. The good ones are taken and durable also where some are refused.
#[utoipa::path(post, path = "/api/v1/alerts", operation_id = "send_alerts", tag = "alerts",
    request_body = AlertsSchema,
    responses((status = 200, body = AlertsAnswer),
        (status = 422, body = AlertsAnswer, description = "Some were refused, for good; the others are taken"),
        (status = 413, body = Mistake), (status = 415, body = Mistake), Refused))]
pub(crate) async fn send(
    State(web): State<Web>,
    Extension(who): Extension<Who>,
    request: Request,
) -> Result<Response, Error> {
    Params::read(request.uri(), &["u", "p"])?;
    let Document { alerts, receiver, truncated_alerts } = read(request).await?;
    let truncated = u64::try_from(truncated_alerts.unwrap_or_default())
        .map_err(|_| Error::Field { field: "truncatedAlerts", why: "is negative".into() })?;
    let at = Moment { city: web.now()?, wall: Timestamp::from_jiff(jiff::Timestamp::now()) };
    let sent = Sent { who: &who.0, receiver: &receiver.unwrap_or_default(), received: at.city };
    let (mut good, mut places, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for (alert, said) in alerts.into_iter().enumerate() {
        match one(&web, sent, said, at) {
            Ok(report) => {
                good.push(report);
                places.push(alert);
            }
            Err(why) => refused.push(RefusedAlert { alert, why }),
        }
    }
    let taken = if good.is_empty() { Vec::new() } else { web.parts().alerts.take(&who.0, at, &good).await? };
    web.alerts().add(&taken, refused.len(), truncated);
    let taken = places.into_iter().zip(taken).map(|(alert, taken)| TakenAlert {
        alert,
        came: taken.outcome,
        order: taken.order.map(|no| no.0),
    });
    Ok(answer(&who, AlertsAnswer { error: None, taken: taken.collect(), refused }))
}

/// One alert of a document.
fn one(web: &Web, sent: Sent<'_>, said: Value, at: Moment) -> Result<Alert, String> {
    let report = Report::read(said, sent.who, at.wall)?;
    draft::alert(web.catalogue(), sent, &report)
}

/// Senders try again after 5xx only: what is refused is refused for good, and they tell their own people of it.
fn answer(Who(who): &Who, mut answer: AlertsAnswer) -> Response {
    let Some(first) = answer.refused.first() else { return Json(answer).into_response() };
    let why = format!("{} alerts were refused; alert {} {}", answer.refused.len(), first.alert, first.why);
    tracing::warn!(who, error = %why, "alerts refused");
    answer.error = Some(why);
    (StatusCode::UNPROCESSABLE_ENTITY, Json(answer)).into_response()
}

async fn read(request: Request) -> Result<Document, Error> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if kind.and_then(|kind| kind.split(';').next()).map(str::trim) != Some("application/json") {
        return Err(Error::MediaType { wanted: "JSON, as application/json" });
    }
    let bytes = axum::body::Bytes::from_request(request, &()).await.map_err(|error| {
        match error.into_response().status() {
            StatusCode::PAYLOAD_TOO_LARGE => Error::TooLarge { most_bytes: MAX_ALERTS_BYTES },
            _ => Error::Field { field: "body", why: "did not arrive whole".into() },
        }
    })?;
    let document: Document = serde_json::from_slice(&bytes).map_err(|error| {
        let why = crate::alerts::one_line(&format!("is no webhook of Alertmanager or Grafana: {error}"), 200);
        Error::Field { field: "body", why }
    })?;
    match document.alerts.len() {
        0..=MAX_ALERTS => Ok(document),
        count => Err(Error::Field { field: "alerts", why: format!("has {count}; the most is {MAX_ALERTS}") }),
    }
}
