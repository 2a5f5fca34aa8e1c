//! Commands to loggers by HTTP: `POST /api/v1/hj212/{mn}/commands`.
//!
//! The body says what: `{"cn": 1062, "values": {"RtdInterval": "60"}}`, and may say how long to wait, in seconds:
//! `over_time` (1 to 60), `re_count` (0 to 10), `run_time` (1 to 300), see [`Patience`]. The answer comes when the logger has
//! said all, or will not, and has everything that it said:
//!
//! `{"mn": …, "cn": 1061, "qn": …, "sent": 1, "QnRtn": 1, "ExeRtn": 1, "values": {"RtdInterval": "60"}}`
//!
//! | status | |
//! |---|---|
//! | 200 | done |
//! | 400 | no command that can be sent |
//! | 404 | no logger of this MN |
//! | 409 | it is not connected, or left before it answered |
//! | 502 | it refused, or could not do it |
//! | 503 | too many requests are open |
//! | 504 | it did not answer, or did not say how it ended |

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use yiwang_proto::authorization::Who;

use super::desk::{Ended, NotDone, Patience};
use super::request::Request;
use crate::Ingest;

/// The address; whoever serves it sees to it that nobody comes in who may not manage, and says who it is by an extension [`Who`].
pub(crate) fn router(ingest: Arc<Ingest>) -> Router {
    Router::new().route("/api/v1/hj212/{mn}/commands", post(send)).with_state(ingest)
}

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    cn: u16,
    #[serde(default)]
    values: BTreeMap<String, String>,
    over_time: Option<u64>,
    re_count: Option<u32>,
    run_time: Option<u64>,
}

async fn send(
    State(ingest): State<Arc<Ingest>>,
    Path(mn): Path<String>,
    who: Option<Extension<Who>>,
    asked: Result<Json<Asked>, JsonRejection>,
) -> Response {
    let asked = match asked {
        Ok(Json(asked)) => asked,
        Err(rejection) => {
            return (rejection.status(), Json(json!({ "error": rejection.body_text() }))).into_response();
        }
    };
    let (request, patience) = match asked.meant() {
        Ok(meant) => meant,
        Err(error) => return (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response(),
    };
    let cn = request.cn();
    let ended = ingest.desk.send(&ingest.names.catalogue(), &mn, request, patience).await;
    ingest.counters.hj212.command(ended.outcome);
    let who = who.map_or_else(String::new, |Extension(Who(name))| name);
    let outcome = NotDone::WORDS[NotDone::number(ended.outcome)];
    tracing::info!(logger = format!("{mn:.64}"), cn, who, outcome, "a logger was told to do something");
    (status(ended.outcome), Json(told(&mn, cn, &ended))).into_response()
}

impl Asked {
    fn meant(&self) -> Result<(Request, Patience), String> {
        let usual = Patience::default();
        let seconds = |name, given: Option<u64>, usual, range| {
            given.map_or(Ok(usual), |given| within(name, given, range).map(Duration::from_secs))
        };
        let patience = Patience {
            over_time: seconds("over_time", self.over_time, usual.over_time, 1..=60)?,
            re_count: self.re_count.map_or(Ok(usual.re_count), |given| within("re_count", given, 0..=10))?,
            run_time: seconds("run_time", self.run_time, usual.run_time, 1..=300)?,
        };
        Ok((Request::read(self.cn, &self.values)?, patience))
    }
}

fn within<T: PartialOrd + std::fmt::Display>(
    name: &str,
    given: T,
    range: RangeInclusive<T>,
) -> Result<T, String> {
    let (least, most) = (range.start(), range.end());
    if range.contains(&given) {
        Ok(given)
    } else {
        Err(format!("{name} is {given}; {least} to {most} are possible"))
    }
}

fn status(outcome: Result<(), NotDone>) -> StatusCode {
    match outcome {
        Ok(()) => StatusCode::OK,
        Err(NotDone::Unknown) => StatusCode::NOT_FOUND,
        Err(NotDone::NotConnected | NotDone::Left) => StatusCode::CONFLICT,
        Err(NotDone::TooMany) => StatusCode::SERVICE_UNAVAILABLE,
        Err(NotDone::Refused(_) | NotDone::Failed(_)) => StatusCode::BAD_GATEWAY,
        Err(NotDone::Unanswered | NotDone::NoResult) => StatusCode::GATEWAY_TIMEOUT,
    }
}

fn told(mn: &str, cn: u16, ended: &Ended) -> Value {
    let Ended { qn, told, outcome } = ended;
    let mut answer = json!({ "mn": mn, "cn": cn, "sent": told.sent });
    let more = [
        ("qn", qn.as_deref().map(Value::from)),
        ("QnRtn", told.qn_rtn.map(Value::from)),
        ("ExeRtn", told.exe_rtn.map(Value::from)),
        ("noted", told.noted.then(|| Value::from(true))),
        ("values", told.said.as_ref().map(|(name, value)| json!({ *name: value }))),
        ("error", outcome.err().map(|why| Value::from(format!("logger \"{mn:.64}\": {why}")))),
    ];
    more.into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .for_each(|(key, value)| answer[key] = value);
    answer
}
