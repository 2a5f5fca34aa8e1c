//! What can go wrong at the HTTP door, and how it is told: JSON to programs, a page to people.
//!
//! Every failure is an [`Error`]. As a response it is the JSON that programs get; [`crate::dress`] turns it into a
//! page where a person asked.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use yiwang_catalogue::Fault;
use yiwang_model::OrderState;

use crate::registry::Refusal;

/// What can go wrong at the HTTP door.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A parameter has a value that it cannot have. The sender must act.
    #[error("parameter \"{name}\" is \"{found}\"; wanted is {wanted}")]
    Parameter {
        /// The parameter.
        name: &'static str,
        /// The beginning of its value.
        found: String,
        /// What would be right.
        wanted: String,
    },
    /// A parameter that this address does not have. The sender must act.
    #[error("parameter \"{name}\" is not known; known are {}", known.join(", "))]
    UnknownParameter {
        /// The beginning of its name.
        name: String,
        /// Those that are known.
        known: Vec<&'static str>,
    },
    /// A parameter that must be there is not. The sender must act.
    #[error("parameter \"{name}\" is missing")]
    MissingParameter {
        /// The parameter.
        name: &'static str,
    },
    /// The query is too long or has too many parameters. The sender must act.
    #[error("the query is longer than {bytes} bytes or has more than {parameters} parameters")]
    Query {
        /// The most bytes.
        bytes: usize,
        /// The most parameters.
        parameters: usize,
    },
    /// The body or one of its fields is not what it must be. The sender must act.
    #[error("field \"{field}\" {why}")]
    Field {
        /// The field; `body` for the whole.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The body is too big. The sender must act.
    #[error("the body is larger than {most_bytes} bytes")]
    TooLarge {
        /// The most bytes.
        most_bytes: usize,
    },
    /// The body is of a kind that is not read here. The sender must act.
    #[error("the body must be {wanted}")]
    MediaType {
        /// What is read.
        wanted: &'static str,
    },
    /// Nothing stands at this address.
    #[error("there is no {what}")]
    NotFound {
        /// What there is not.
        what: String,
    },
    /// The address does not take this method.
    #[error("this address does not take this method")]
    Method,
    /// No credential, or one that is not known.
    #[error("a credential is needed: HTTP Basic with name and secret, or the secret as Bearer or Token")]
    Unauthorised,
    /// The credential may not do this, or the request came from another site.
    #[error("refused: {why}")]
    Forbidden {
        /// Why.
        why: String,
    },
    /// The address names a host that an unguarded console does not answer for.
    #[error(
        "host \"{host}\" is not this machine; without credentials the console answers only for localhost and addresses: configure a [[credential]]"
    )]
    Host {
        /// The beginning of the host.
        host: String,
    },
    /// The city's clock has not begun.
    #[error("the city's clock has not begun yet: try again in a moment")]
    NoTime,
    /// Too many at once.
    #[error("{what}: the most is {most}")]
    Busy {
        /// What there is too much of.
        what: &'static str,
        /// The most.
        most: usize,
    },
    /// The registry refused.
    #[error(transparent)]
    Registry(#[from] Refusal),
    /// What was kept of an episode does not hold. A person must look.
    #[error("what was kept of this anomaly does not hold: {0}")]
    Capsule(String),
    /// The order store refused.
    #[error(transparent)]
    Orders(#[from] yiwang_orders::Error),
    /// The series store refused.
    #[error(transparent)]
    Series(#[from] yiwang_series::Error),
    /// A page could not be written. We must act.
    #[error("the page could not be written")]
    Page(#[from] askama::Error),
}

/// A failure that stands in a response, for whoever dresses it as a page.
#[derive(Clone, Debug)]
pub(crate) struct Told(pub(crate) String);

impl Error {
    /// The status by which HTTP tells it.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        use yiwang_orders::Error as Orders;
        match self {
            Self::Parameter { .. }
            | Self::UnknownParameter { .. }
            | Self::MissingParameter { .. }
            | Self::Query { .. }
            | Self::Field { .. } => StatusCode::BAD_REQUEST,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NotFound { .. } => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unauthorised => StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } => StatusCode::FORBIDDEN,
            Self::Host { .. } => StatusCode::MISDIRECTED_REQUEST,
            Self::NoTime | Self::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Registry(refusal) => of_registry(refusal),
            Self::Orders(Orders::NoSuchOrder(_)) => StatusCode::NOT_FOUND,
            Self::Orders(Orders::NotAllowed { .. }) => StatusCode::CONFLICT,
            Self::Orders(Orders::TooLong { .. } | Orders::Missing { .. } | Orders::Token(_)) => {
                StatusCode::BAD_REQUEST
            }
            Self::Orders(Orders::Outside(_)) | Self::Series(yiwang_series::Error::NoRoom { .. }) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Capsule(_) | Self::Orders(_) | Self::Series(_) | Self::Page(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    /// What programs get: `error`, and what helps them to do better.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut told = Map::new();
        told.insert("error".into(), self.to_string().into());
        let (key, value) = match self {
            Self::Parameter { name, .. } | Self::MissingParameter { name } => ("parameter", json!(name)),
            Self::UnknownParameter { known, .. } => ("known", json!(known)),
            Self::Field { field, .. } => ("field", json!(field)),
            Self::Registry(Refusal::Faults(faults)) => ("faults", faults.iter().map(fault).collect()),
            Self::Orders(error) => match of_orders(error) {
                Some(pair) => pair,
                None => return told.into(),
            },
            _ => return told.into(),
        };
        told.insert(key.into(), value);
        told.into()
    }
}

fn of_registry(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::Faults(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::InFiles { .. } => StatusCode::CONFLICT,
        Refusal::NotThere { .. } => StatusCode::NOT_FOUND,
        Refusal::Changed { .. } => StatusCode::PRECONDITION_FAILED,
        Refusal::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn fault(fault: &Fault) -> Value {
    let Fault { file, line, key, found, wanted } = fault;
    json!({"file": file, "line": line, "key": key, "found": found, "wanted": wanted})
}

/// What the order store's refusals say besides their text.
fn of_orders(error: &yiwang_orders::Error) -> Option<(&'static str, Value)> {
    use yiwang_orders::Error as Orders;
    match error {
        Orders::NotAllowed { allowed, .. } => {
            Some(("allowed", allowed.iter().map(|state| state.word()).collect()))
        }
        Orders::Token(_) => Some(("parameter", json!("after"))),
        Orders::TooLong { what, .. } | Orders::Missing { what } if what.contains("note") => {
            Some(("field", json!("note")))
        }
        _ => None,
    }
}

/// What may follow, when an order's state was the reason.
pub(crate) fn allowed(error: &Error) -> Option<&'static [OrderState]> {
    match error {
        Error::Orders(yiwang_orders::Error::NotAllowed { allowed, .. }) => Some(allowed),
        _ => None,
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = self.status();
        if status.is_server_error() {
            let cause = std::error::Error::source(&self).map(ToString::to_string);
            tracing::warn!(error = %self, cause, "request failed");
        }
        let mut response = (status, Json(self.json())).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"yiwang\", charset=\"UTF-8\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response.extensions_mut().insert(Told(self.to_string()));
        response
    }
}

/// The beginning of a text from outside, fit to stand in an error.
pub(crate) fn excerpt(text: &str) -> String {
    text.chars().take(64).collect()
}
