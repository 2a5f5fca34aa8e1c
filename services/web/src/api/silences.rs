//! What is silent just now, and what is kept quiet by it.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use yiwang_catalogue::registry::Kind;

use super::registry::shown;
use super::wire::Refused;
use crate::Web;
use crate::error::Error;
use crate::params::Params;

/// What is kept quiet.
#[derive(Serialize, ToSchema)]
pub(crate) struct Silenced {
    /// The silences that hold at this moment of city time, as the registry shows them.
    #[schema(value_type = Vec<Object>)]
    silences: Vec<Value>,
    /// How many episodes go on that would have an order without them.
    count: usize,
    /// Some of these, those that began last first; `silenced` names the silence.
    #[schema(value_type = Vec<Object>)]
    episodes: Vec<Value>,
}

/// The silences that hold now, and the episodes that open no orders because of them.
#[utoipa::path(get, path = "/api/v1/silenced", operation_id = "list_silenced", tag = "orders",
    responses((status = 200, body = Silenced), Refused))]
pub(crate) async fn silenced(State(web): State<Web>, uri: Uri) -> Result<Json<Silenced>, Error> {
    Params::read(&uri, &[])?;
    let now = (web.parts().city_now)();
    let holding =
        web.catalogue().silences.values().filter(|silence| now.is_some_and(|now| silence.holds(now)));
    let silences = holding.filter_map(|silence| shown(web.catalogue(), Kind::Silence, &silence.id)).collect();
    let quiet = (web.parts().quiet)();
    let episodes = quiet.episodes.iter().filter_map(|anomaly| serde_json::to_value(anomaly).ok()).collect();
    Ok(Json(Silenced { silences, count: quiet.count, episodes }))
}
