//! The console as its visitors meet it: requests in, responses out, over two stores in memory.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt;
use yiwang_model::{Quality, Row, Series, Span, Timestamp, Vintage};
use yiwang_proto::authorization::Presented;

use self::stores::{MemoryCatalogue, MemoryOrders, MemorySeries};
use crate::{Denied, Gate, Health, Live, May, OpenGate, Parts, Readiness, Sample, Who};

mod alerts;
mod api;
#[path = "../testing/city.rs"]
mod city;
mod doors;
mod fuzz;
mod pages;
mod registry;
#[path = "../testing/stores.rs"]
mod stores;
mod streams;
mod watch;
mod why;

/// How many orders the city of the tests has.
const ORDERS: usize = 24;

/// A city with its parts at hand.
struct City {
    parts: Parts,
    orders: Arc<MemoryOrders>,
    series: Arc<MemorySeries>,
    well: Arc<Vitals>,
}

struct Vitals(AtomicBool);

impl Health for Vitals {
    fn readiness(&self) -> Vec<Readiness> {
        let ok = self.0.load(Ordering::Relaxed);
        let detail = if ok { "writable" } else { "disk reserve reached" };
        vec![
            Readiness { name: "log".into(), ok, needed: true, detail: detail.into() },
            Readiness { name: "series".into(), ok: false, needed: false, detail: "no room".into() },
        ]
    }

    fn samples(&self) -> Vec<Sample> {
        vec![Sample::counter("yiwang_readings_total", "Readings admitted.", 7.0).with("door", "g\"rpc")]
    }
}

/// A gate with credentials: `desk` may read and act, `office` manage, `wall` only read, `gateway` only write.
struct Locked;

impl Gate for Locked {
    fn allows(&self, presented: Option<&Presented>, act: May) -> Result<Who, Denied> {
        let presented = presented.ok_or(Denied::Unknown)?;
        let (name, may): (_, &[May]) = match presented.secret.as_slice() {
            b"desk-secret" => ("desk", &[May::Read, May::Act]),
            b"office-secret" => ("office", &[May::Manage]),
            b"wall-secret" => ("wall", &[May::Read]),
            b"gateway-secret" => ("gateway", &[May::Write]),
            _ => return Err(Denied::Unknown),
        };
        if presented.name.as_deref().is_some_and(|given| given != name) {
            return Err(Denied::Unknown);
        }
        let who = Who(name.into());
        if may.contains(&act) { Ok(who) } else { Err(Denied::NotThis(who)) }
    }
}

fn now() -> Timestamp {
    "2026-03-02T10:15:00+08:00".parse().unwrap()
}

fn city() -> City {
    let (series, orders) = (Arc::new(MemorySeries::default()), Arc::new(MemoryOrders::default()));
    let well = Arc::new(Vitals(AtomicBool::new(true)));
    let catalogue = city::catalogue();
    for nth in 1..=ORDERS {
        let age = Span::HOUR.times(i64::try_from(nth).unwrap());
        orders.put(city::order(&catalogue, nth, age, now()));
    }
    let parts = Parts {
        catalogue: MemoryCatalogue::new(catalogue),
        series: series.clone(),
        orders: orders.clone(),
        feed: orders.clone(),
        alerts: orders.clone(),
        reasons: Arc::new(stores::MemoryReasons),
        quiet: Arc::new(crate::Quiet::default),
        city_now: Arc::new(|| Some(now())),
        health: well.clone(),
        gate: Arc::new(OpenGate),
        live: Arc::new(Live::default()),
    };
    City { parts, orders, series, well }
}

fn put(city: &City, series: &Series, time: Timestamp, value: f64) {
    publish(city, series, time, value, None);
}

fn publish(city: &City, series: &Series, time: Timestamp, value: f64, published: Option<Timestamp>) {
    let (quality, vintage) = (Quality::Good, Vintage(published));
    city.series.put(series, Row { series: series.id(), time, value, quality, period_end: None, vintage });
}

impl City {
    fn router(&self) -> Router {
        crate::router(self.parts.clone(), crate::Added::default())
    }

    async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.router().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = axum::body::to_bytes(response.into_body(), 32 << 20).await.unwrap();
        Answer { status, headers, body: String::from_utf8_lossy(&body).into_owned() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// Moves an order by the API.
    async fn move_to(&self, no: &str, body: &str) -> Answer {
        let request = Request::post(format!("/api/v1/orders/{no}/transitions"));
        self.ask(request.header("content-type", "application/json").body(body.to_owned().into()).unwrap())
            .await
    }

    /// Sends the form of an order's page.
    async fn submit(&self, no: &str, form: &str) -> Answer {
        let request = Request::post(format!("/orders/{no}/transitions"));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        self.ask(request.body(form.to_owned().into()).unwrap()).await
    }

    /// The number of an order in this state.
    async fn any(&self, state: &str) -> String {
        let page = self.get(&format!("/api/v1/orders?state={state}&limit=1")).await.json();
        page["orders"][0]["no"].as_str().unwrap().to_owned()
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}
