//! Packs over HTTP.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Json, Router};
use serde_json::json;
use yiwang_proto::authorization::Who;

use crate::Ingest;
use crate::commit::{Stopping, Submission};
use crate::refuse::Refusals;

/// The most bytes of a pack over HTTP.
pub(super) const MAX_BYTES: usize = 1 << 20;
/// How long a pack may take to come.
const BODY_TIME: Duration = Duration::from_secs(30);
/// How many refusals an answer names.
const MAX_NAMED: usize = 10;

/// The address; whoever serves it sees to it that nobody comes in who may not write, and says who it is by an extension
/// [`Who`].
pub fn router(ingest: Arc<Ingest>) -> Router {
    Router::new().route("/api/v1/senml", post(take)).with_state(ingest)
}

async fn take(State(ingest): State<Arc<Ingest>>, sender: Option<Extension<Who>>, body: Body) -> Response {
    let came = tokio::time::timeout(BODY_TIME, axum::body::to_bytes(body, MAX_BYTES));
    let body = match came.await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => {
            let told = format!("the pack did not come whole, or has more than {MAX_BYTES} bytes: {error}");
            return tell(StatusCode::PAYLOAD_TOO_LARGE, &told, 0, &Refusals::default());
        }
        Err(_) => {
            return tell(
                StatusCode::REQUEST_TIMEOUT,
                "the pack did not come in time",
                0,
                &Refusals::default(),
            );
        }
    };
    let sender = sender.map_or_else(|| "senml".into(), |Extension(Who(name))| name);
    match submit(&ingest, &sender, &body).await {
        Err(stopping) => {
            tell(StatusCode::SERVICE_UNAVAILABLE, &stopping.to_string(), 0, &Refusals::default())
        }
        Ok((_, refusals)) if refusals.is_empty() => StatusCode::NO_CONTENT.into_response(),
        Ok((taken, refusals)) => {
            tell(StatusCode::BAD_REQUEST, "not all of the pack was taken", taken, &refusals)
        }
    }
}

/// How many readings were taken, and what was refused, once all of it is durable.
async fn submit(ingest: &Ingest, sender: &str, body: &[u8]) -> Result<(usize, Refusals), Stopping> {
    let (mut rows, mut refusals) = (Vec::new(), Refusals::default());
    super::take(ingest, ingest.plausible(), sender, body, &mut rows, &mut refusals);
    if !refusals.is_empty() {
        refusals.set_excerpt(body);
    }
    let (taken, rejected) = (rows.len(), ingest.rejected("senml", sender, &refusals));
    let receipt = ingest.committer.submit(Submission { rows, rejected, history: false }).await?;
    receipt.await.map_err(|_| Stopping)?;
    Ok((taken, refusals))
}

fn tell(status: StatusCode, error: &str, taken: usize, refusals: &Refusals) -> Response {
    let named = refusals.kept.iter().take(MAX_NAMED).map(|refusal| {
        json!({ "record": refusal.index, "reason": refusal.reason.as_str_name(), "message": refusal.message })
    });
    let body = json!({
        "error": error,
        "taken": taken,
        "refused": refusals.total(),
        "refusals": named.collect::<Vec<_>>(),
    });
    (status, Json(body)).into_response()
}
