//! How the city is: readiness and counters, handed in by the program that runs all rooms.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Web;
use crate::api::wire::{Mistake, Refused};
use crate::error::Error;
use crate::params::Params;

/// One thing that is to be well, and without which the city is not ready if it is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Readiness {
    /// What, such as `log`.
    pub name: String,
    /// Whether it is well.
    pub ok: bool,
    /// Whether the city is not ready while it is not well.
    pub needed: bool,
    /// What there is to say about it.
    pub detail: String,
}

/// What a number does over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleKind {
    /// It only rises.
    Counter,
    /// It rises and falls.
    Gauge,
}

/// One number for Prometheus; those of one name share help and kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The name, with the unit at its end, such as `yiwang_log_bytes`.
    pub name: &'static str,
    /// What it counts.
    pub help: &'static str,
    /// What it does over time.
    pub kind: SampleKind,
    /// Labels and their values.
    pub labels: Vec<(&'static str, String)>,
    /// The number.
    pub value: f64,
}

impl Sample {
    /// A counter without labels.
    #[must_use]
    pub fn counter(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { name, help, kind: SampleKind::Counter, labels: Vec::new(), value }
    }

    /// A gauge without labels.
    #[must_use]
    pub fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { name, help, kind: SampleKind::Gauge, labels: Vec::new(), value }
    }

    /// The same with a label more.
    #[must_use]
    pub fn with(mut self, label: &'static str, value: impl Into<String>) -> Self {
        self.labels.push((label, value.into()));
        self
    }
}

/// How the rooms are. Answers at once: it is asked on every probe and scrape.
pub trait Health: Send + Sync + 'static {
    /// What must be well before the city is ready.
    fn readiness(&self) -> Vec<Readiness>;

    /// All numbers of all rooms.
    fn samples(&self) -> Vec<Sample>;
}

/// The answer of `/readyz`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Ready {
    ready: bool,
    items: Vec<Readiness>,
}

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "health", security(()),
    responses((status = 200, body = String)))]
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether the city is ready; what is not is among the items.
#[utoipa::path(get, path = "/readyz", tag = "health",
    responses((status = 200, body = Ready), (status = 503, body = Ready, description = "Not ready"),
        (status = 400, body = Mistake), (status = 401, body = Mistake), (status = 403, body = Mistake),
        (status = 421, body = Mistake)))]
pub(crate) async fn readyz(State(web): State<Web>, uri: axum::http::Uri) -> Result<Response, Error> {
    Params::read(&uri, &[])?;
    let items = web.parts().health.readiness();
    let ready = items.iter().all(|item| item.ok || !item.needed);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, Json(Ready { ready, items })).into_response())
}

/// All numbers, for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "health", responses((status = 200, body = String), Refused))]
pub(crate) async fn metrics(State(web): State<Web>, uri: axum::http::Uri) -> Result<Response, Error> {
    Params::read(&uri, &[])?;
    let mut samples = web.parts().health.samples();
    samples.extend(web.parts().live.samples());
    samples.extend(web.alerts().samples());
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Ok((kind, exposition(&samples)).into_response())
}

/// The text format of Prometheus, version 0.0.4: samples of one name stand together, by name.
pub(crate) fn exposition(samples: &[Sample]) -> String {
    let mut by_name: BTreeMap<&str, Vec<&Sample>> = BTreeMap::new();
    samples.iter().for_each(|sample| by_name.entry(sample.name).or_default().push(sample));
    let mut text = String::new();
    for (name, samples) in by_name {
        let kind = match samples[0].kind {
            SampleKind::Counter => "counter",
            SampleKind::Gauge => "gauge",
        };
        let help = samples[0].help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        samples.iter().for_each(|sample| line(&mut text, sample));
    }
    text
}

fn line(text: &mut String, sample: &Sample) {
    text.push_str(sample.name);
    for (at, (label, value)) in sample.labels.iter().enumerate() {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let open = if at == 0 { '{' } else { ',' };
        let _ = write!(text, "{open}{label}=\"{value}\"");
    }
    if !sample.labels.is_empty() {
        text.push('}');
    }
    let value = match sample.value {
        value if value.is_nan() => "NaN".to_owned(),
        value if value == f64::INFINITY => "+Inf".to_owned(),
        value if value == f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    };
    let _ = writeln!(text, " {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_names_stand_together() {
        let samples = [
            Sample::counter("a_total", "first\nline", 1.0).with("door", "m\"q\\t\nt"),
            Sample::gauge("b", "b", f64::INFINITY),
            Sample::counter("a_total", "first\nline", 2.5).with("door", "grpc").with("why", "x"),
        ];
        assert_eq!(
            exposition(&samples),
            "# HELP a_total first\\nline\n# TYPE a_total counter\n\
             a_total{door=\"m\\\"q\\\\t\\nt\"} 1\na_total{door=\"grpc\",why=\"x\"} 2.5\n\
             # HELP b b\n# TYPE b gauge\nb +Inf\n"
        );
    }
}
