//! The API for programs: JSON, version 1.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{PathItem, RefOr};
use utoipa::{Modify, OpenApi};

use self::wire::Refused;
use crate::Web;
use crate::error::Error;
use crate::params::Params;
use crate::{health, live};

pub(crate) mod alerts;
pub(crate) mod catalogue;
pub(crate) mod orders;
pub(crate) mod query;
pub(crate) mod registry;
pub(crate) mod series;
pub(crate) mod silences;
pub(crate) mod why;
pub(crate) mod wire;

#[derive(OpenApi)]
#[openapi(
    info(title = "Yiwang", description = "Work orders and readings of a city."),
    paths(
        orders::list,
        orders::one,
        orders::transition,
        alerts::send,
        why::explanation,
        why::capsule,
        why::what_if,
        series::list,
        query::query,
        catalogue::held,
        catalogue::reload,
        registry::unknown,
        registry::list,
        registry::one,
        registry::put,
        registry::delete,
        registry::post,
        silences::silenced,
        live::live,
        health::healthz,
        health::readyz,
        health::metrics,
        openapi
    ),
    modifiers(&Credentials)
)]
struct Description;

/// The description of the console's API and of the addresses that take readings in.
pub(crate) fn described(writes: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let mut described = Description::openapi().merge_from(writes);
    // It is the document of this release, whatever its parts say.
    described.info.version = env!("CARGO_PKG_VERSION").to_owned();
    described.paths.paths.values_mut().for_each(name_answers);
    described
}

/// Gives each answer that is described by its status alone the status' own words: OpenAPI wants some.
fn name_answers(item: &mut PathItem) {
    let methods = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
    for operation in methods.into_iter().flatten() {
        for (status, answer) in &mut operation.responses.responses {
            if let RefOr::T(answer) = answer
                && answer.description.is_empty()
            {
                let status = status.parse::<StatusCode>().ok().and_then(|status| status.canonical_reason());
                answer.description = status.unwrap_or("Answer").to_owned();
            }
        }
    }
}

/// What a request must carry, once there are credentials.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, described: &mut utoipa::openapi::OpenApi) {
        let components = described.components.get_or_insert_default();
        for (name, scheme) in [("basic", HttpAuthScheme::Basic), ("bearer", HttpAuthScheme::Bearer)] {
            components.add_security_scheme(name, SecurityScheme::Http(Http::new(scheme)));
        }
        let either = ["basic", "bearer"].map(|name| SecurityRequirement::new(name, [""; 0]));
        described.security = Some(either.into());
    }
}

/// This description, in OpenAPI.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "api",
    responses((status = 200, body = serde_json::Value), Refused))]
pub(crate) async fn openapi(
    State(web): State<Web>,
    uri: Uri,
) -> Result<Json<utoipa::openapi::OpenApi>, Error> {
    Params::read(&uri, &[])?;
    Ok(Json(web.described().clone()))
}
