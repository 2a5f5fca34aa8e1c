//! Where a request comes from: a browser sends what it knows of us along with whatever another site makes it send.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, Method};

use crate::error::{Error, excerpt};

/// Whether a method changes nothing.
pub(crate) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Refuses a change that another site asks for in the name of whoever sits at the browser. Programs send neither
/// header and are not asked.
pub(crate) fn check_site(request: &Request) -> Result<(), Error> {
    if is_safe(request.method()) {
        return Ok(());
    }
    let headers = request.headers();
    let foreign = match text(headers, "sec-fetch-site") {
        Some(site) => !matches!(site, "same-origin" | "none"),
        None => text(headers, ORIGIN.as_str()).is_some_and(|origin| origin_host(origin) != host(request)),
    };
    if foreign {
        return Err(Error::Forbidden { why: "the request comes from another site".into() });
    }
    Ok(())
}

/// Refuses, on behalf of a console without credentials, a host that is not this machine: the name of a foreign site
/// that was made to point here would otherwise be read and acted for.
pub(crate) fn check_host(request: &Request) -> Result<(), Error> {
    let Some(host) = host(request) else { return Ok(()) };
    let name = without_port(host);
    let is_here = name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok();
    if is_here { Ok(()) } else { Err(Error::Host { host: excerpt(host) }) }
}

fn host(request: &Request) -> Option<&str> {
    let header = text(request.headers(), HOST.as_str());
    header.or_else(|| request.uri().authority().map(axum::http::uri::Authority::as_str))
}

fn origin_host(origin: &str) -> Option<&str> {
    origin.split_once("://").map(|(_, host)| host)
}

fn without_port(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
