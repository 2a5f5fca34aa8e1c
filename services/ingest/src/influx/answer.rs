//! Answers, as InfluxDB 1.x and 2.x give them: agents decide by status and text whether to send again.

use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use yiwang_proto::v1::Reason;

use super::DATABASE;
use crate::body;
use crate::commit::Stopping;
use crate::refuse::Refusals;

/// How many refused points an answer names.
pub const MAX_NAMED: usize = 10;

/// Which InfluxDB is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    V1,
    V2,
}

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("the query cannot be read: {0}")]
    Query(String),
    #[error("database is required: the city's is \"{DATABASE}\"")]
    NoDatabase,
    #[error("database not found: \"{0}\"; the city's is \"{DATABASE}\"")]
    Database(String),
    #[error("invalid precision \"{0}\"")]
    Precision(String),
    #[error("writing requires points: the body is empty")]
    Empty,
    #[error("content-encoding is not known; known are gzip and identity")]
    Encoding,
    #[error("the body is not gzip: {0}")]
    Gzip(String),
    #[error(transparent)]
    Body(#[from] body::Trouble),
    #[error(transparent)]
    Stopping(#[from] Stopping),
}

impl Trouble {
    fn status(&self) -> StatusCode {
        match self {
            Self::Query(_) | Self::NoDatabase | Self::Precision(_) | Self::Empty | Self::Gzip(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::Database(_) => StatusCode::NOT_FOUND,
            Self::Encoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Body(trouble) => trouble.status(),
            Self::Stopping(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl Dialect {
    /// Nanoseconds of a unit of time; without a name one.
    pub(super) fn precision(self, name: &str) -> Option<i64> {
        match (name, self) {
            ("" | "ns", _) | ("n", Self::V1) => Some(1),
            ("us", _) | ("u", Self::V1) => Some(1_000),
            ("ms", _) => Some(1_000_000),
            ("s", _) => Some(1_000_000_000),
            ("m", Self::V1) => Some(60_000_000_000),
            ("h", Self::V1) => Some(3_600_000_000_000),
            _ => None,
        }
    }

    /// The answer to a body: what was refused of it, or why it was not read.
    pub(super) fn answer(self, taken: Result<Refusals, Trouble>) -> Response {
        match taken {
            // InfluxDB 1.x has nothing against nothing.
            Err(Trouble::Empty) if self == Self::V1 => StatusCode::NO_CONTENT.into_response(),
            Err(trouble) => self.tell(trouble.status(), &trouble.to_string()),
            Ok(refusals) if refusals.is_empty() => StatusCode::NO_CONTENT.into_response(),
            Ok(refusals) => {
                let total = refusals.total();
                let named: Vec<&str> =
                    refusals.kept.iter().take(MAX_NAMED).map(|refusal| refusal.message.as_str()).collect();
                let told = format!("partial write: {} dropped={total}", named.join("\n"));
                self.tell(self.partial(&refusals), &told)
            }
        }
    }

    /// 2.x tells lines that cannot be read from points that cannot be taken.
    fn partial(self, refusals: &Refusals) -> StatusCode {
        let unread = refusals.by_reason.iter().any(|(reason, _)| *reason == Reason::Malformed);
        match self {
            Self::V2 if !unread => StatusCode::UNPROCESSABLE_ENTITY,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    fn tell(self, status: StatusCode, told: &str) -> Response {
        let body = match self {
            Self::V1 => json!({ "error": told }),
            Self::V2 => json!({ "code": code(status), "message": told }),
        };
        let mut response = (status, Json(body)).into_response();
        let shown: String =
            told.chars().map(|c| if c.is_ascii_graphic() { c } else { ' ' }).take(256).collect();
        if let (Self::V1, Ok(shown)) = (self, HeaderValue::from_str(shown.trim())) {
            response.headers_mut().insert("x-influxdb-error", shown);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// The code that InfluxDB 2.x gives beside a status.
fn code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "not found",
        StatusCode::PAYLOAD_TOO_LARGE => "request too large",
        StatusCode::UNPROCESSABLE_ENTITY => "unprocessable entity",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        _ => "invalid",
    }
}
