//! InfluxDB's line protocol over HTTP, as its clients and agents send it.
//!
//! | address | as InfluxDB | where to | precision |
//! |---|---|---|---|
//! | `POST /write` | 1.x | `db` is [`DATABASE`] | `n` or `ns` (default), `u` or `us`, `ms`, `s`, `m`, `h` |
//! | `POST /api/v2/write` | 2.x | `bucket` is [`DATABASE`] | `ns` (default), `us`, `ms`, `s` |
//!
//! What a line means stands in the catalogue, see [`yiwang_catalogue::line`]. The door promises:
//!
//! - 204 leaves when, and only when, every point of the body is durable.
//! - Of a body with points that are refused the good ones are kept. The answer, 400 or 422 as InfluxDB has it, names the first
//!   [`answer::MAX_NAMED`] that were refused and says how many; it leaves when the good ones, and the records of the others, are durable.
//!   Agents take such an answer as final and do not send the same again.
//! - A point without a time gets the city's.
//! - 503 says that nothing, or not all, was taken, and to send the whole body again; a repeat is harmless.
//!
//! A point is a field of a line: two fields are two readings. A database may be named with a retention policy or an
//! organisation; they mean nothing here.
//!
//! Bounds: a body has at most [`MAX_BODY_BYTES`], as it comes and when its gzip is undone; all bodies that are held at a time
//! [`MAX_HELD_BYTES`]; a body has [`TIME`](crate::body::TIME) to come.

use axum::Extension;
use axum::Router;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use serde::Deserialize;
use std::sync::Arc;
use yiwang_proto::authorization::Who;

use crate::Ingest;
use crate::budget::Budget;

pub mod answer;
mod body;
mod keys;
mod lines;

use answer::{Dialect, Trouble};
use keys::Keys;

/// The name of the database, or bucket, that is the city.
pub const DATABASE: &str = "city";
/// The most bytes of a body, packed and unpacked; InfluxDB 1.x has the same bound.
pub const MAX_BODY_BYTES: usize = 25_000_000;
/// The most bytes of bodies that are held at a time; beyond, a body is turned away (503).
pub const MAX_HELD_BYTES: usize = 256 << 20;

struct Door {
    ingest: Arc<Ingest>,
    keys: Keys,
    budget: Arc<Budget>,
}

/// The addresses; whoever serves them sees to it that nobody comes in who may not write, and says who it is
/// by an extension [`Who`].
pub fn router(ingest: Arc<Ingest>) -> Router {
    let door =
        Arc::new(Door { ingest, keys: Keys::default(), budget: Arc::new(Budget::new(MAX_HELD_BYTES)) });
    let address = |dialect| post(write).with_state((Arc::clone(&door), dialect));
    Router::new().route("/write", address(Dialect::V1)).route("/api/v2/write", address(Dialect::V2))
}

/// What is asked for; anything else that a client may add means nothing here.
#[derive(Deserialize)]
struct Asked {
    /// Of 1.x.
    db: Option<String>,
    /// Of 2.x.
    bucket: Option<String>,
    precision: Option<String>,
}

async fn write(
    State((door, dialect)): State<(Arc<Door>, Dialect)>,
    sender: Option<Extension<Who>>,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    door.ingest.counters.influx_requests.add(1);
    let sender = sender.map_or_else(|| "influx".into(), |Extension(Who(name))| name);
    let taken = async {
        let Query(asked) = asked.map_err(|error| Trouble::Query(error.body_text()))?;
        let nanos = target(dialect, &asked)?;
        let mut share = door.budget.share();
        let body = body::read(&headers, body, &mut share).await?;
        if body.is_empty() {
            return Err(Trouble::Empty);
        }
        Ok(lines::take(&door.ingest, &door.keys, &sender, &body, nanos).await?)
    };
    dialect.answer(taken.await)
}

/// Nanoseconds of a unit of time, once the database is the city's.
fn target(dialect: Dialect, asked: &Asked) -> Result<i64, Trouble> {
    let found = match dialect {
        Dialect::V1 => &asked.db,
        Dialect::V2 => &asked.bucket,
    };
    match found.as_deref() {
        Some(DATABASE) => {}
        None | Some("") => return Err(Trouble::NoDatabase),
        Some(other) => return Err(Trouble::Database(other.chars().take(64).collect())),
    }
    let precision = asked.precision.as_deref().unwrap_or_default();
    dialect.precision(precision).ok_or_else(|| Trouble::Precision(precision.chars().take(64).collect()))
}

#[cfg(test)]
mod tests;
