//! The API for programs: JSON, version 1.

use axum::Json;
use axum::http::Uri;
use utoipa::OpenApi;

use crate::error::Error;
use crate::params::Params;
use crate::{health, live};

pub(crate) mod orders;
pub(crate) mod query;
pub(crate) mod registry;
pub(crate) mod series;
pub(crate) mod wire;

#[derive(OpenApi)]
#[openapi(
    info(title = "Yiwang", description = "Work orders and readings of a city."),
    paths(
        orders::list,
        orders::one,
        orders::transition,
        series::list,
        query::query,
        registry::unknown,
        registry::list,
        registry::one,
        registry::put,
        registry::delete,
        registry::post,
        live::live,
        health::healthz,
        health::readyz,
        health::metrics
    )
)]
struct Description;

/// The description of the API, in OpenAPI.
pub(crate) async fn openapi(uri: Uri) -> Result<Json<utoipa::openapi::OpenApi>, Error> {
    Params::read(&uri, &[])?;
    Ok(Json(Description::openapi()))
}
