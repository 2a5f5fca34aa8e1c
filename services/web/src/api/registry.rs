//! Gateways, sources, loggers, calibrations and silences: what is known of them, and registering more.
//!
//! An entry has the keys that it has in a catalogue's file (see [`yiwang_catalogue`]) and is checked as if it stood in one.
//! What stands in a file is shown and not changed here. Every answer has the catalogue's revision as its `ETag`; with it as
//! `If-Match` a change is made only if nobody else has made one since.

use axum::extract::{FromRequest, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use yiwang_catalogue::registry::{Entry, Kind};
use yiwang_catalogue::{Catalogue, Gateway, Logger, Station};

use super::wire::{Mistake, Refused};
use crate::error::{Error, excerpt};
use crate::params::Params;
use crate::registry::{Change, Refusal, UnknownSeries};
use crate::{Web, Who};

/// The most bytes of a body that registers.
pub(crate) const MAX_REGISTRY_BYTES: usize = 4 << 20;
/// Says of an entry that is shown whether it was registered; in what is sent back it means nothing.
const REGISTERED: &str = "registered";
const PAGE: u32 = 100;
const MAX_PAGE: u32 = 1000;

/// A page of what is known, by name.
#[derive(Serialize, ToSchema)]
pub(crate) struct RegistryPage {
    /// The catalogue's revision.
    revision: u32,
    /// Each with the keys of its entry, and `registered`: whether it was registered by API.
    #[schema(value_type = Vec<Object>)]
    entries: Vec<Value>,
    /// What to hand in as `after` for the next page; null at the end.
    next: Option<String>,
}

/// What holds after a change.
#[derive(Serialize, ToSchema)]
pub(crate) struct Registered {
    /// The catalogue's revision, in force.
    revision: u32,
    /// How many entries were registered or taken out.
    entries: usize,
}

/// What is known of a kind: gateways, stations, loggers, calibrations or silences.
#[utoipa::path(get, path = "/api/v1/registry/{kind}", operation_id = "list_registered", tag = "registry",
    params(("kind" = String, Path, description = "gateways, stations, loggers, calibrations or silences"),
        ("limit" = Option<u32>, Query, description = "At most this many, 1 to 1,000; 100 when not said"),
        ("after" = Option<String>, Query, description = "`next` of the page before")),
    responses((status = 200, body = RegistryPage), (status = 404, body = Mistake), Refused))]
pub(crate) async fn list(
    State(web): State<Web>,
    Path(kind): Path<String>,
    uri: Uri,
) -> Result<Response, Error> {
    let params = Params::read(&uri, &["limit", "after"])?;
    let limit = params.number("limit", 1..=MAX_PAGE)?.unwrap_or(PAGE) as usize;
    let after = params.text("after", 128)?.unwrap_or_default();
    let kind = kind_of(&kind)?;
    let mut ids: Vec<&str> = ids(web.catalogue(), kind).into_iter().filter(|id| *id > after).collect();
    let more = ids.len() > limit;
    ids.truncate(limit);
    let next = ids.last().filter(|_| more).map(|id| (*id).to_owned());
    let entries = ids.into_iter().filter_map(|id| shown(web.catalogue(), kind, id)).collect();
    let revision = web.revision();
    Ok(tagged(revision, Json(RegistryPage { revision, entries, next })))
}

/// What is sent by sources that nobody has registered, where the city keeps it in quarantine.
#[derive(Serialize, ToSchema)]
pub(crate) struct Unknown {
    /// Those that came first first.
    series: Vec<UnknownSeries>,
}

/// Series that are sent and that nobody has registered.
#[utoipa::path(get, path = "/api/v1/registry/unknown", operation_id = "list_unknown", tag = "registry",
    responses((status = 200, body = Unknown), Refused))]
pub(crate) async fn unknown(State(web): State<Web>, uri: Uri) -> Result<Json<Unknown>, Error> {
    Params::read(&uri, &[])?;
    Ok(Json(Unknown { series: web.parts().catalogue.unknown() }))
}

/// What is known of one.
#[utoipa::path(get, path = "/api/v1/registry/{kind}/{id}", operation_id = "get_registered", tag = "registry",
    params(("kind" = String, Path, description = "gateways, stations, loggers, calibrations or silences"),
        ("id" = String, Path, description = "Its name; of a logger its MN")),
    responses((status = 200, body = Object), (status = 404, body = Mistake), Refused))]
pub(crate) async fn one(
    State(web): State<Web>,
    Path((kind, id)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, Error> {
    Params::read(&uri, &[])?;
    let kind = kind_of(&kind)?;
    let found = shown(web.catalogue(), kind, &id);
    let found = found.ok_or_else(|| Error::Registry(Refusal::NotThere { kind, id: excerpt(&id) }))?;
    Ok(tagged(web.revision(), Json(found)))
}

/// Registers one, in place of what was registered under its name.
#[utoipa::path(put, path = "/api/v1/registry/{kind}/{id}", operation_id = "register", tag = "registry",
    params(("kind" = String, Path, description = "gateways, stations, loggers, calibrations or silences"),
        ("id" = String, Path, description = "Its name; of a logger its MN")),
    request_body(content = Object, description = "The keys of the entry, as in a catalogue's file"),
    responses((status = 200, body = Registered), (status = 404, body = Mistake), (status = 413, body = Mistake),
        (status = 415, body = Mistake),
        (status = 409, body = Mistake, description = "It stands in a file"),
        (status = 412, body = Mistake, description = "The catalogue is not at the revision of `If-Match`"),
        (status = 422, body = Mistake, description = "It does not fit; `faults` names each key"),
        Refused))]
pub(crate) async fn put(
    State(web): State<Web>,
    Extension(who): Extension<Who>,
    Path((kind, id)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Error> {
    Params::read(request.uri(), &[])?;
    let (kind, seen) = (kind_of(&kind)?, seen(request.headers())?);
    let mut entry: Entry = read(request).await?;
    entry.remove(REGISTERED);
    change(&web, &who, seen, vec![(kind, named(kind, id, &entry)?, Some(entry))]).await
}

/// Takes out what was registered under this name.
#[utoipa::path(delete, path = "/api/v1/registry/{kind}/{id}", operation_id = "unregister", tag = "registry",
    params(("kind" = String, Path, description = "gateways, stations, loggers, calibrations or silences"),
        ("id" = String, Path, description = "Its name; of a logger its MN")),
    responses((status = 200, body = Registered), (status = 404, body = Mistake),
        (status = 409, body = Mistake, description = "It stands in a file"),
        (status = 412, body = Mistake, description = "The catalogue is not at the revision of `If-Match`"),
        (status = 422, body = Mistake, description = "Others refer to it"), Refused))]
pub(crate) async fn delete(
    State(web): State<Web>,
    Extension(who): Extension<Who>,
    Path((kind, id)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Error> {
    Params::read(request.uri(), &[])?;
    let (kind, seen) = (kind_of(&kind)?, seen(request.headers())?);
    change(&web, &who, seen, vec![(kind, id, None)]).await
}

/// Registers many at once, all or none: each kind with a list of entries that name themselves.
#[utoipa::path(post, path = "/api/v1/registry", operation_id = "register_many", tag = "registry",
    request_body(content = Object,
        description = "`gateways`, `stations`, `loggers`, `calibrations`, `silences`: lists of entries, as in a catalogue's file"),
    responses((status = 200, body = Registered), (status = 404, body = Mistake), (status = 415, body = Mistake),
        (status = 409, body = Mistake, description = "One of them stands in a file"),
        (status = 412, body = Mistake, description = "The catalogue is not at the revision of `If-Match`"),
        (status = 413, body = Mistake),
        (status = 422, body = Mistake, description = "Some do not fit; `faults` names each key"),
        Refused))]
pub(crate) async fn post(
    State(web): State<Web>,
    Extension(who): Extension<Who>,
    request: Request,
) -> Result<Response, Error> {
    Params::read(request.uri(), &[])?;
    let seen = seen(request.headers())?;
    let lists: Map<String, Value> = read(request).await?;
    let mut entries = Vec::new();
    for (kind, list) in lists {
        let kind = kind_of(&kind)
            .map_err(|_| body(format!("has the field \"{}\"; known are {}", excerpt(&kind), plurals())))?;
        let list: Vec<Entry> = serde_json::from_value(list).map_err(|error| {
            body(format!("has {kind} entries that are none: {}", excerpt(&error.to_string())))
        })?;
        for mut entry in list {
            entry.remove(REGISTERED);
            let id = entry.get(kind.key()).and_then(|id| id.as_str()).map(str::to_owned);
            let id = id.ok_or_else(|| body(format!("has a {kind} without \"{}\"", kind.key())))?;
            entries.push((kind, id, Some(entry)));
        }
    }
    change(&web, &who, seen, entries).await
}

/// Registers entries, or takes out those without keys.
async fn change(
    web: &Web,
    who: &Who,
    seen: Option<u32>,
    entries: Vec<(Kind, String, Option<Entry>)>,
) -> Result<Response, Error> {
    let count = entries.len();
    let change: Change = Box::new(move |catalogue| {
        let mut registry = catalogue.registry().clone();
        for (kind, id, entry) in entries {
            let known = shown(catalogue, kind, &id).is_some();
            let registered = registry.get(kind, &id).is_some();
            match entry {
                _ if known && !registered => return Err(Refusal::InFiles { kind, id: excerpt(&id) }),
                Some(entry) => registry.put(kind, &id, entry),
                None if registered => drop(registry.remove(kind, &id)),
                None => return Err(Refusal::NotThere { kind, id: excerpt(&id) }),
            }
        }
        catalogue.with(&registry).map_err(Refusal::Faults)
    });
    let revision = web.parts().catalogue.revise(who, seen, change).await?;
    Ok(tagged(revision, Json(Registered { revision, entries: count })))
}

/// The name in the address, which the entry may repeat but not contradict.
fn named(kind: Kind, id: String, entry: &Entry) -> Result<String, Error> {
    match entry.get(kind.key()) {
        Some(other) if other.as_str() != Some(&id) => {
            Err(body(format!("names another {kind} than the address does")))
        }
        _ => Ok(id),
    }
}

/// The revision that the caller has seen.
fn seen(headers: &HeaderMap) -> Result<Option<u32>, Error> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let number = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let wrong =
        || Error::Field { field: "If-Match", why: "is not the ETag of an answer of the registry".into() };
    number.parse().map(Some).map_err(|_| wrong())
}

async fn read<T: serde::de::DeserializeOwned>(request: Request) -> Result<T, Error> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if kind.and_then(|kind| kind.split(';').next()).map(str::trim) != Some("application/json") {
        return Err(Error::MediaType { wanted: "JSON, as application/json" });
    }
    let bytes = axum::body::Bytes::from_request(request, &()).await.map_err(|error| {
        match error.into_response().status() {
            StatusCode::PAYLOAD_TOO_LARGE => Error::TooLarge { most_bytes: MAX_REGISTRY_BYTES },
            _ => body("did not arrive whole".into()),
        }
    })?;
    serde_json::from_slice(&bytes).map_err(|error| body(format!("is not what a catalogue can have: {error}")))
}

fn body(why: String) -> Error {
    Error::Field { field: "body", why }
}

fn tagged(revision: u32, answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    let tag = HeaderValue::try_from(format!("\"{revision}\"")).expect("digits are a header's value");
    response.headers_mut().insert(header::ETAG, tag);
    response
}

const fn plural(kind: Kind) -> &'static str {
    match kind {
        Kind::Gateway => "gateways",
        Kind::Station => "stations",
        Kind::Logger => "loggers",
        Kind::Calibration => "calibrations",
        Kind::Silence => "silences",
    }
}

fn plurals() -> String {
    Kind::ALL.map(plural).join(", ")
}

fn kind_of(word: &str) -> Result<Kind, Error> {
    let kind = Kind::ALL.into_iter().find(|kind| plural(*kind) == word);
    kind.ok_or_else(|| Error::NotFound {
        what: format!("registry of {}; there are {}", excerpt(word), plurals()),
    })
}

/// The names of a kind, sorted.
fn ids(catalogue: &Catalogue, kind: Kind) -> Vec<&str> {
    match kind {
        Kind::Gateway => catalogue.gateways.keys().map(AsRef::as_ref).collect(),
        Kind::Station => catalogue.stations.keys().map(AsRef::as_ref).collect(),
        Kind::Logger => catalogue.loggers.keys().map(AsRef::as_ref).collect(),
        Kind::Calibration => catalogue.calibrations.keys().map(AsRef::as_ref).collect(),
        Kind::Silence => catalogue.silences.keys().map(AsRef::as_ref).collect(),
    }
}

/// An entry with the keys that it has in a file, and whether it was registered.
pub(crate) fn shown(catalogue: &Catalogue, kind: Kind, id: &str) -> Option<Value> {
    let mut entry = match kind {
        Kind::Gateway => gateway(catalogue.gateways.get(id)?),
        Kind::Station => station(catalogue.stations.get(id)?),
        Kind::Logger => logger(catalogue.loggers.get(id)?),
        Kind::Calibration => calibration(catalogue.calibrations.get(id)?),
        Kind::Silence => silence(catalogue.silences.get(id)?),
    };
    let registered = catalogue.registry().get(kind, id).is_some();
    let keys = entry.as_object_mut()?;
    keys.retain(|_, value| !value.is_null());
    keys.insert(REGISTERED.into(), registered.into());
    Some(entry)
}

fn gateway(gateway: &Gateway) -> Value {
    json!({"id": gateway.id, "zh": gateway.title.zh, "en": gateway.title.en})
}

fn station(station: &Station) -> Value {
    let units: Map<String, Value> =
        station.units.iter().map(|(metric, (unit, _))| (metric.to_string(), json!(unit.as_str()))).collect();
    json!({
        "id": station.id, "zh": station.title.zh, "en": station.title.en, "kind": station.kind.word(),
        "district": station.district, "gateway": station.gateway, "metrics": station.metrics,
        "point": station.point, "period": station.period.map(|period| period.to_string()),
        "owner": station.owner, "units": units,
    })
}

fn logger(logger: &Logger) -> Value {
    let units: Map<String, Value> =
        logger.units.iter().map(|(code, unit)| (code.to_string(), json!(unit.as_str()))).collect();
    json!({
        "mn": logger.mn, "station": logger.station, "mode": if logger.strict { "strict" } else { "lenient" },
        "units": units,
    })
}

fn calibration(window: &yiwang_catalogue::Calibration) -> Value {
    json!({
        "id": window.id, "station": window.station, "metrics": window.metrics, "from": window.from.to_string(),
        "to": window.to.to_string(), "quality": window.quality.word(), "source": window.source,
    })
}

fn silence(silence: &yiwang_catalogue::Silence) -> Value {
    // What it is not for has no key in its entry.
    let some = |names: &[std::sync::Arc<str>]| (!names.is_empty()).then(|| json!(names));
    json!({
        "id": silence.id, "who": silence.who, "why": silence.why, "from": silence.from.to_string(),
        "to": silence.to.to_string(), "stations": some(&silence.stations), "metrics": some(&silence.metrics),
        "detectors": some(&silence.detectors), "districts": some(&silence.districts),
        "gateways": some(&silence.gateways),
    })
}
