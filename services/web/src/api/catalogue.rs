//! The catalogue in force: its revision, who changed it, and reading its files again.

use axum::extract::State;
use axum::http::Uri;
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;
use yiwang_catalogue::InForce;

use super::wire::{Mistake, Refused};
use crate::error::Error;
use crate::params::Params;
use crate::{Web, Who};

/// The catalogue that holds.
#[derive(Serialize, ToSchema)]
pub(crate) struct Held {
    /// Its revision: how many catalogues there were, this one with them.
    revision: u32,
    /// SHA-256 of its text.
    hash: String,
    /// Who changed it: a credential; empty for a start.
    who: String,
    /// When it was written, RFC 3339, by the wall.
    since: String,
}

impl Held {
    pub(crate) fn of(InForce { revision, catalogue, who, since }: &InForce) -> Self {
        let hash = catalogue.hash().iter().map(|byte| format!("{byte:02x}")).collect();
        Self { revision: *revision, hash, who: who.to_string(), since: since.to_string() }
    }
}

/// What reading the files again came to.
#[derive(Serialize, ToSchema)]
pub(crate) struct Reloaded {
    /// The catalogue's revision, in force.
    revision: u32,
    /// Whether the files said anything new.
    changed: bool,
}

/// The catalogue in force.
#[utoipa::path(get, path = "/api/v1/catalogue", operation_id = "get_catalogue", tag = "catalogue",
    responses((status = 200, body = Held), Refused))]
pub(crate) async fn held(State(web): State<Web>, uri: Uri) -> Result<Json<Held>, Error> {
    Params::read(&uri, &[])?;
    Ok(Json(Held::of(&web.in_force)))
}

/// Reads the catalogue's files again. What they say holds from the next tick, together with what was registered; a catalogue
/// with faults is refused, and the one before holds on.
#[utoipa::path(post, path = "/api/v1/catalogue/reload", operation_id = "reload_catalogue", tag = "catalogue",
    responses((status = 200, body = Reloaded),
        (status = 422, body = Mistake, description = "The files have faults; `faults` names each key"), Refused))]
pub(crate) async fn reload(
    State(web): State<Web>,
    Extension(who): Extension<Who>,
    uri: Uri,
) -> Result<Json<Reloaded>, Error> {
    Params::read(&uri, &[])?;
    let before = web.revision();
    let revision = web.parts().catalogue.reload(&who).await?;
    Ok(Json(Reloaded { revision, changed: revision != before }))
}
