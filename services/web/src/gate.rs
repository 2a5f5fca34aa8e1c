//! Who may pass: every request but those for `/healthz` and for assets is put before a [`Gate`].
//!
//! The gate itself, with its credentials and its comparison in constant time, is handed in; here is the
//! one place through which all requests go. What a request needs follows from its method alone, so that a new
//! route is guarded before anybody thinks of it.

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use yiwang_proto::authorization::Presented;
pub use yiwang_proto::authorization::Who;

use crate::error::Error;
use crate::{Web, origin};

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum May {
    /// See orders, readings and health.
    Read,
    /// Send readings.
    Write,
    /// Move orders.
    Act,
    /// Register sources, have the catalogue's files read again, and say what loggers are to do.
    Manage,
}

/// Why somebody may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Nothing presented, or nothing that is known.
    Unknown,
    /// Known, but not for this.
    NotThis(Who),
}

/// Decides who may do what. An implementation compares secrets in constant time.
pub trait Gate: Send + Sync + 'static {
    /// Who may do this with what was presented.
    ///
    /// # Errors
    /// [`Denied`], with the name when it is known.
    fn allows(&self, presented: Option<&Presented>, act: May) -> Result<Who, Denied>;

    /// Whether anybody may do anything: then only this machine is answered.
    fn is_open(&self) -> bool {
        false
    }
}

/// The gate of a city without credentials: everybody on this machine may do everything, as `local`.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenGate;

impl Gate for OpenGate {
    fn allows(&self, _: Option<&Presented>, _: May) -> Result<Who, Denied> {
        Ok(Who("local".into()))
    }

    fn is_open(&self) -> bool {
        true
    }
}

/// The credential that a request carries.
fn presented(headers: &HeaderMap) -> Option<Presented> {
    Presented::from_header(headers.get(AUTHORIZATION)?.to_str().ok()?)
}

/// Whether an address is for everybody: that the process lives, and what pages are made of.
fn is_public(path: &str) -> bool {
    path == "/healthz" || path.starts_with("/assets/")
}

/// What a request needs.
fn needed(method: &Method, path: &str) -> May {
    let managed = MANAGED.iter().any(|managed| path.starts_with(managed));
    match (origin::is_safe(method), managed) {
        (true, _) => May::Read,
        (false, true) => May::Manage,
        (false, false) => May::Act,
    }
}

/// Where a change decides what is judged at all.
const MANAGED: [&str; 3] = ["/api/v1/registry", "/api/v1/catalogue", "/api/v1/hj212"];

/// The one place through which all requests go.
pub(crate) async fn guard(State(web): State<Web>, request: Request, next: Next) -> Response {
    if is_public(request.uri().path()) {
        return next.run(request).await;
    }
    let (act, found) = (needed(request.method(), request.uri().path()), presented(request.headers()));
    pass(&web, request, next, found.as_ref(), act).await
}

/// As [`guard`], for addresses that take readings in. Clients of InfluxDB 1.x may send name and secret as `u` and `p`.
pub(crate) async fn guard_writes(State(web): State<Web>, request: Request, next: Next) -> Response {
    let found = presented(request.headers()).or_else(|| in_query(request.uri().query()?));
    pass(&web, request, next, found.as_ref(), May::Write).await
}

async fn pass(web: &Web, mut request: Request, next: Next, found: Option<&Presented>, act: May) -> Response {
    match admit(web, &request, found, act) {
        Ok(who) => {
            request.extensions_mut().insert(who);
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

fn in_query(query: &str) -> Option<Presented> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let (_, secret) = pairs.clone().find(|(key, _)| key == "p")?;
    let name = pairs.find(|(key, _)| key == "u").map(|(_, name)| name.into_owned());
    Some(Presented { name, secret: secret.into_owned().into_bytes() })
}

fn admit(web: &Web, request: &Request, found: Option<&Presented>, act: May) -> Result<Who, Error> {
    let gate = &web.parts().gate;
    if gate.is_open() {
        origin::check_host(request)?;
    }
    let who = gate.allows(found, act).map_err(|denied| match denied {
        Denied::Unknown => Error::Unauthorised,
        Denied::NotThis(Who(name)) => Error::Forbidden { why: not_this(&name, act) },
    })?;
    origin::check_site(request)?;
    Ok(who)
}

pub(crate) fn not_this(name: &str, act: May) -> String {
    let wanted = match act {
        May::Read => "read",
        May::Write => "write",
        May::Act => "act",
        May::Manage => "manage",
    };
    format!("credential \"{name}\" may not {wanted}")
}
