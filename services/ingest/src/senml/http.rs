//! Packs over HTTP.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Json, Router};
use serde_json::json;
use yiwang_proto::authorization::Who;

use crate::Ingest;
use crate::body;
use crate::budget::Budget;
use crate::commit::{Stopping, Submission};
use crate::refuse::Refusals;

/// The most bytes of a pack over HTTP.
pub(super) const MAX_BYTES: usize = 1 << 20;
/// The most bytes of packs that are held at a time; beyond, a pack is turned away (503).
const MAX_HELD_BYTES: usize = 32 << 20;
/// How many refusals an answer names.
const MAX_NAMED: usize = 10;

struct Door {
    ingest: Arc<Ingest>,
    budget: Arc<Budget>,
}

/// The address; whoever serves it sees to it that nobody comes in who may not write, and says who it is by an extension
/// [`Who`].
pub fn router(ingest: Arc<Ingest>) -> Router {
    let door = Door { ingest, budget: Arc::new(Budget::new(MAX_HELD_BYTES)) };
    Router::new().route("/api/v1/senml", post(take)).with_state(Arc::new(door))
}

async fn take(State(door): State<Arc<Door>>, sender: Option<Extension<Who>>, body: Body) -> Response {
    let mut share = door.budget.share();
    let body = match body::read(body, MAX_BYTES, &mut share).await {
        Ok(body) => body,
        Err(trouble) => return tell(trouble.status(), &trouble.to_string(), 0, &Refusals::default()),
    };
    let sender = sender.map_or_else(|| "senml".into(), |Extension(Who(name))| name);
    match submit(&door.ingest, &sender, &body).await {
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
