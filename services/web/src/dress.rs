//! The last hand on every response: headers that keep a browser safe, the cookie of a language, and a page in place
//! of JSON where a person asked.

use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, SET_COOKIE,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::error::{Error, Told, excerpt};
use crate::lang::{self, Lang};
use crate::pages;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Nothing stands at this address.
pub(crate) async fn not_found(request: Request) -> Error {
    Error::NotFound { what: format!("page \"{}\"", excerpt(request.uri().path())) }
}

/// The address stands, the method does not.
pub(crate) async fn wrong_method() -> Error {
    Error::Method
}

/// Dresses a response.
pub(crate) async fn dress(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let lang = Lang::choose(request.uri(), request.headers());
    let asked = lang::asked(request.uri());
    let mut response = next.run(request).await;
    if is_page(&path)
        && let Some(Told(why)) = response.extensions_mut().remove::<Told>()
    {
        response = as_page(response, lang, &why);
    }
    let headers = response.headers_mut();
    secure(headers, path.starts_with("/assets/"));
    if let Some(lang) = asked.filter(|_| is_page(&path)) {
        let cookie = format!("lang={}; Path=/; Max-Age=31536000; SameSite=Lax", lang.word());
        headers.extend(HeaderValue::from_str(&cookie).ok().map(|cookie| (SET_COOKIE, cookie)));
    }
    response
}

/// Whether an address is for people.
fn is_page(path: &str) -> bool {
    let for_programs = ["/api/", "/assets/"].iter().any(|begin| path.starts_with(begin));
    !for_programs && !matches!(path, "/healthz" | "/readyz" | "/metrics")
}

/// The same failure as a page, with its status and headers.
fn as_page(told: Response, lang: Lang, why: &str) -> Response {
    let mut page = match pages::error(lang, told.status(), why) {
        Ok(page) => page.into_response(),
        Err(error) => return error.into_response(),
    };
    *page.status_mut() = told.status();
    for (name, value) in
        told.headers().iter().filter(|(name, _)| *name != CONTENT_TYPE && *name != "content-length")
    {
        page.headers_mut().insert(name, value.clone());
    }
    page
}

fn secure(headers: &mut HeaderMap, is_asset: bool) {
    let cache = if is_asset { "public, no-cache" } else { "no-store" };
    let fields = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "same-origin"),
        (CACHE_CONTROL, cache),
    ];
    for (name, value) in fields {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
