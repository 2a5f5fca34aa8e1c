//! Who may pass: every request but those for `/healthz` and for assets is put before a [`Gate`].
//!
//! The gate itself, with its credentials and its comparison in constant time, is handed in; here is how a
//! credential is read from a request, and the one place through which all requests go. What a request needs
//! follows from its method alone, so that a new route is guarded before anybody thinks of it.

use std::fmt;

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

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
}

/// Who acts, by the name of a credential; it stands in the histories of orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who(pub String);

/// A credential as it was presented. Its secret is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Presented {
    /// The name, where the scheme has one: HTTP Basic.
    pub name: Option<String>,
    /// The secret.
    pub secret: String,
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented").field("name", &self.name).finish_non_exhaustive()
    }
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

/// The credential that a request carries: HTTP Basic, `Bearer SECRET` or `Token SECRET`.
#[must_use]
pub fn presented(headers: &HeaderMap) -> Option<Presented> {
    parse(headers.get(AUTHORIZATION)?.to_str().ok()?)
}

/// Reads the value of an `Authorization` header.
pub(crate) fn parse(value: &str) -> Option<Presented> {
    let (scheme, rest) = value.split_once(' ')?;
    let rest = rest.trim();
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" | "token" => Some(Presented { name: None, secret: rest.to_owned() }),
        "basic" => {
            let text = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
            let (name, secret) = text.split_once(':')?;
            Some(Presented { name: Some(name.to_owned()), secret: secret.to_owned() })
        }
        _ => None,
    }
}

/// Whether an address is for everybody: that the process lives, and what pages are made of.
fn is_public(path: &str) -> bool {
    path == "/healthz" || path.starts_with("/assets/")
}

/// What a request needs.
fn needed(method: &Method) -> May {
    if origin::is_safe(method) { May::Read } else { May::Act }
}

/// The one place through which all requests go.
pub(crate) async fn guard(State(web): State<Web>, mut request: Request, next: Next) -> Response {
    if is_public(request.uri().path()) {
        return next.run(request).await;
    }
    match admit(&web, &request) {
        Ok(who) => {
            request.extensions_mut().insert(who);
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

fn admit(web: &Web, request: &Request) -> Result<Who, Error> {
    let gate = &web.parts().gate;
    if gate.is_open() {
        origin::check_host(request)?;
    }
    let act = needed(request.method());
    let who = gate.allows(presented(request.headers()).as_ref(), act).map_err(|denied| match denied {
        Denied::Unknown => Error::Unauthorised,
        Denied::NotThis(Who(name)) => Error::Forbidden { why: not_this(&name, act) },
    })?;
    origin::check_site(request)?;
    Ok(who)
}

fn not_this(name: &str, act: May) -> String {
    let wanted = match act {
        May::Read => "read",
        May::Write => "write",
        May::Act => "act",
    };
    format!("credential \"{name}\" may not {wanted}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_schemes_are_read() {
        let basic = parse("Basic Y2VudHJlOnNlOmNyZXQ=").expect("a credential");
        assert_eq!((basic.name.as_deref(), basic.secret.as_str()), (Some("centre"), "se:cret"));
        for text in ["Bearer s3", "bearer s3", "Token s3"] {
            let token = Presented { name: None, secret: "s3".into() };
            assert_eq!(parse(text), Some(token), "{text}");
        }
        for text in ["", "Basic", "Basic %%%", "Basic bm9jb2xvbg==", "Digest x", "Bearer"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        let shown = format!("{:?}", parse("Bearer hush").expect("a credential"));
        assert!(!shown.contains("hush"), "{shown}");
    }
}
