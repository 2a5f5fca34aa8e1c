//! The console and the HTTP API: what people and programs see of the city.
//!
//! The room shows and moves orders, shows readings, and judges nothing. It holds no state but the seats of live
//! clients: kill it, start it, and every page says the same, because all it shows stands in the two stores and in
//! the catalogue.
//!
//! | address | for |
//! |---|---|
//! | `/`, `/orders`, `/orders/{no}`, `/stations` | people, in Chinese and English |
//! | `/api/v1/orders`, `…/{no}`, `…/{no}/transitions` | programs: orders |
//! | `/api/v1/alerts` | Grafana and Alertmanager: alerts in, see [`alerts`] |
//! | `/api/v1/series`, `/api/v1/query` | programs: readings |
//! | `/api/v1/catalogue`, `…/reload` | programs: the catalogue in force, and reading its files again |
//! | `/api/v1/registry/…` | programs: gateways, sources, loggers, calibrations, silences |
//! | `/api/v1/silenced` | programs: the silences that hold, and what they keep quiet |
//! | `/api/v1/anomalies/{id}/…` | programs and the console: why an anomaly was found, and what another limit would find, see [`why`] |
//! | `/api/v1/live` | server-sent events, see [`live`] |
//! | `/api/v1/openapi.json` | the description of the above |
//! | `/healthz`, `/readyz`, `/metrics` | whoever watches the process |
//!
//! Invariants: every request passes the [`Gate`] but `/healthz` and assets; every parameter is known and bounded, a
//! body has at most [`MAX_BODY_BYTES`], unless its address says otherwise; what came from outside is escaped wherever it is shown; nothing is loaded
//! from another host. The page of a mistake says what the API says of it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tokio::sync::Semaphore;
use utoipa::openapi::OpenApi;
use yiwang_catalogue::{Catalogue, InForce};
use yiwang_model::Timestamp;
use yiwang_orders::{AlertDesk, OrderFeed, OrderStore};
use yiwang_series::SeriesStore;

#[cfg(test)]
extern crate self as yiwang_web;

pub mod alerts;
mod api;
mod asked;
mod assets;
mod dress;
mod error;
pub mod gate;
mod grpc;
pub mod health;
mod lang;
pub mod live;
mod origin;
mod pages;
mod params;
pub mod quiet;
pub mod registry;
#[cfg(test)]
mod tests;
mod thin;
mod view;
pub mod why;
mod words;

pub use error::Error;
pub use gate::{Denied, Gate, May, OpenGate, Who};
pub use grpc::{Orders, order_service};
pub use health::{Health, Readiness, Sample, SampleKind};
pub use live::{Live, LiveEvent};
pub use quiet::{Quiet, QuietNow};
pub use registry::{Refusal, Registrar};

/// The most bytes of a body.
pub const MAX_BODY_BYTES: usize = 64 << 10;

/// Tells city time; `None` until the log's clock has begun.
pub type CityNow = Arc<dyn Fn() -> Option<Timestamp> + Send + Sync>;

/// What the console is made of, handed in by the program.
#[derive(Clone)]
pub struct Parts {
    /// Holds the catalogue in force.
    pub catalogue: Arc<dyn Registrar>,
    /// The series store.
    pub series: Arc<dyn SeriesStore>,
    /// The order store.
    pub orders: Arc<dyn OrderStore>,
    /// What happens in it.
    pub feed: Arc<dyn OrderFeed>,
    /// Where the alerts of other systems open orders in it.
    pub alerts: Arc<dyn AlertDesk>,
    /// Reads what is kept of episodes.
    pub reasons: Arc<dyn why::Reasons>,
    /// Tells which episodes silences keep quiet.
    pub quiet: QuietNow,
    /// City time.
    pub city_now: CityNow,
    /// How the rooms are.
    pub health: Arc<dyn Health>,
    /// Who may do what.
    pub gate: Arc<dyn Gate>,
    /// Where live events come in.
    pub live: Arc<Live>,
}

/// The console: its parts and the counts that its live clients share.
#[derive(Clone)]
pub(crate) struct Console(Arc<(Parts, live::Pulse, OpenApi, alerts::Counts, Arc<Semaphore>)>);

impl Console {
    pub(crate) fn new(parts: Parts, described: OpenApi) -> Self {
        let (pulse, counts) = (live::Pulse::default(), alerts::Counts::default());
        Self(Arc::new((parts, pulse, described, counts, Arc::new(Semaphore::new(why::AT_ONCE)))))
    }
}

/// The console as one request sees it: under one catalogue.
#[derive(Clone)]
pub(crate) struct Web {
    console: Console,
    in_force: InForce,
}

impl FromRef<Console> for Web {
    fn from_ref(console: &Console) -> Self {
        Self { console: console.clone(), in_force: console.0.0.catalogue.in_force() }
    }
}

impl Web {
    pub(crate) fn parts(&self) -> &Parts {
        &self.console.0.0
    }

    pub(crate) fn pulse(&self) -> &live::Pulse {
        &self.console.0.1
    }

    pub(crate) fn catalogue(&self) -> &Catalogue {
        &self.in_force.catalogue
    }

    /// The revision of that catalogue.
    pub(crate) fn revision(&self) -> u32 {
        self.in_force.revision
    }

    pub(crate) fn described(&self) -> &OpenApi {
        &self.console.0.2
    }

    pub(crate) fn alerts(&self) -> &alerts::Counts {
        &self.console.0.3
    }

    /// Seats for those who try other limits.
    pub(crate) fn tries(&self) -> &Arc<Semaphore> {
        &self.console.0.4
    }

    /// City time.
    pub(crate) fn now(&self) -> Result<Timestamp, Error> {
        (self.parts().city_now)().ok_or(Error::NoTime)
    }
}

/// The addresses of the HTTP door that other rooms serve; they are guarded as all are.
#[derive(Default)]
pub struct Added {
    /// Those that take readings in.
    pub writes: Router,
    /// Those that tell devices what to do.
    pub commands: Router,
    /// What they are, in OpenAPI.
    pub described: OpenApi,
}

/// The HTTP door, ready to be served.
pub fn router(parts: Parts, added: Added) -> Router {
    let Added { writes, commands, described } = added;
    let console = Console::new(parts, api::described(described));
    let api = Router::new()
        .route("/api/v1/orders", get(api::orders::list))
        .route("/api/v1/orders/{no}", get(api::orders::one))
        .route("/api/v1/orders/{no}/transitions", post(api::orders::transition))
        .route("/api/v1/anomalies/{id}/explanation", get(api::why::explanation))
        .route("/api/v1/anomalies/{id}/capsule", get(api::why::capsule))
        .route("/api/v1/anomalies/{id}/what-if", get(api::why::what_if))
        .route("/api/v1/series", get(api::series::list))
        .route("/api/v1/query", get(api::query::query))
        .route("/api/v1/silenced", get(api::silences::silenced))
        .route("/api/v1/live", get(live::live))
        .route("/api/v1/catalogue", get(api::catalogue::held))
        .route("/api/v1/catalogue/reload", post(api::catalogue::reload))
        .route("/api/v1/registry/unknown", get(api::registry::unknown))
        .route("/api/v1/registry/{kind}", get(api::registry::list))
        .route(
            "/api/v1/registry/{kind}/{*id}",
            get(api::registry::one)
                .put(api::registry::put)
                .delete(api::registry::delete)
                .layer(DefaultBodyLimit::max(api::registry::MAX_REGISTRY_BYTES)),
        )
        .route(
            "/api/v1/registry",
            post(api::registry::post).layer(DefaultBodyLimit::max(api::registry::MAX_REGISTRY_BYTES)),
        )
        .route("/api/v1/openapi.json", get(api::openapi))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics));
    let pages = Router::new()
        .route("/", get(pages::overview::page))
        .route("/orders", get(pages::orders::page))
        .route("/orders/{no}", get(pages::order::page))
        .route("/orders/{no}/transitions", post(pages::order::transition))
        .route("/stations", get(pages::stations::page))
        .route("/assets/{*path}", get(assets::asset));
    let alerts = Router::new()
        .route(
            "/api/v1/alerts",
            post(api::alerts::send).layer(DefaultBodyLimit::max(alerts::MAX_ALERTS_BYTES)),
        )
        .layer(from_fn_with_state(console.clone(), gate::guard_writes))
        .layer(axum::middleware::from_fn(dress::dress))
        .with_state(console.clone());
    api.merge(pages)
        .merge(commands.with_state(()))
        .fallback(dress::not_found)
        .method_not_allowed_fallback(dress::wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn_with_state(console.clone(), gate::guard))
        .layer(axum::middleware::from_fn(dress::dress))
        .with_state(console.clone())
        .merge(alerts)
        .merge(writes.layer(from_fn_with_state(console, gate::guard_writes)))
}
