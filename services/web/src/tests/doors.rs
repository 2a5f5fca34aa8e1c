//! Who is let in, where from, and what every response carries.

use super::*;

/// The route that takes what a gateway may send.
const WRITTEN: &str = "/api/v1/alerts";

/// Every route, with one that is not there.
const GUARDED: &[(&str, &str)] = &[
    ("GET", "/"),
    ("GET", "/orders"),
    ("GET", "/orders/YW1"),
    ("POST", "/orders/YW1/transitions"),
    ("GET", "/stations"),
    ("GET", "/api/v1/orders"),
    ("GET", "/api/v1/orders/YW1"),
    ("POST", "/api/v1/orders/YW1/transitions"),
    ("GET", "/api/v1/anomalies/0ad8147d521b365a804ed3aef306652f/explanation"),
    ("GET", "/api/v1/anomalies/0ad8147d521b365a804ed3aef306652f/capsule"),
    ("GET", "/api/v1/anomalies/0ad8147d521b365a804ed3aef306652f/what-if"),
    ("GET", "/api/v1/series"),
    ("GET", "/api/v1/query"),
    ("GET", "/api/v1/silenced"),
    ("GET", "/api/v1/live"),
    ("GET", "/api/v1/catalogue"),
    ("POST", "/api/v1/catalogue/reload"),
    ("GET", "/api/v1/registry/unknown"),
    ("GET", "/api/v1/registry/gateways"),
    ("POST", "/api/v1/registry"),
    ("GET", "/api/v1/registry/gateways/g-1"),
    ("PUT", "/api/v1/registry/gateways/g-1"),
    ("DELETE", "/api/v1/registry/gateways/g-1"),
    ("POST", WRITTEN),
    ("GET", "/api/v1/openapi.json"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/nowhere"),
    ("DELETE", "/orders"),
];

fn locked() -> City {
    let mut city = city();
    city.parts.gate = Arc::new(Locked);
    city
}

fn request(method: &str, path: &str, authorization: Option<&str>) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    let request =
        authorization.into_iter().fold(request, |request, value| request.header("authorization", value));
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn no_route_is_without_a_gate() {
    let city = locked();
    for (method, path) in GUARDED {
        for authorization in
            [None, Some("Bearer wrong"), Some("Basic !!!"), Some("Basic d2FsbDpkZXNrLXNlY3JldA==")]
        {
            let answer = city.ask(request(method, path, authorization)).await;
            assert_eq!(answer.status, 401, "{method} {path} {authorization:?}");
            assert!(answer.header("www-authenticate").starts_with("Basic "), "{path}");
        }
        let answer = city.ask(request(method, path, Some("Token gateway-secret"))).await;
        let status = if *path == WRITTEN { 415 } else { 403 };
        assert_eq!(answer.status, status, "{method} {path}: a gateway may only write");
    }
    for path in ["/healthz", "/assets/app.css"] {
        assert_eq!(city.get(path).await.status, 200, "{path} is for everybody");
    }
}

/// The table above is all there is: the routes of the router, as the source has them.
#[test]
fn the_table_has_every_route() {
    let source = include_str!("../lib.rs");
    let routes = source.split(".route(").skip(1).map(|rest| rest.split('"').nth(1).unwrap());
    for route in routes.filter(|route| *route != "/healthz" && !route.starts_with("/assets/")) {
        let path = route
            .replace("{no}", "YW1")
            .replace("{id}", "0ad8147d521b365a804ed3aef306652f")
            .replace("{kind}", "gateways")
            .replace("{*id}", "g-1");
        assert!(GUARDED.iter().any(|(_, guarded)| *guarded == path), "{route} is not in the table");
    }
}

#[tokio::test]
async fn each_scheme_opens_and_reading_is_not_acting() {
    let city = locked();
    for value in ["Bearer wall-secret", "Token wall-secret", "Basic d2FsbDp3YWxsLXNlY3JldA=="] {
        assert_eq!(city.ask(request("GET", "/api/v1/orders", Some(value))).await.status, 200, "{value}");
    }
    let answer =
        city.ask(request("POST", "/api/v1/orders/YW1/transitions", Some("Bearer wall-secret"))).await;
    assert_eq!(answer.status, 403);
    assert!(answer.json()["error"].as_str().unwrap().contains("\"wall\" may not act"));
    let no = {
        let mut open = self::city();
        open.parts.orders = city.parts.orders.clone();
        open.any("opened").await
    };
    let request = Request::post(format!("/api/v1/orders/{no}/transitions"))
        .header("authorization", "Bearer desk-secret")
        .header("content-type", "application/json");
    let answer = city.ask(request.body(r#"{"to":"accepted"}"#.into()).unwrap()).await;
    assert_eq!(answer.json()["timeline"].as_array().unwrap().last().unwrap()["who"], "desk");
}

#[tokio::test]
async fn another_site_cannot_act_in_somebodys_name() {
    let city = city();
    let no = city.any("opened").await;
    let send = async |headers: &[(&str, &str)]| {
        let request = Request::post(format!("/orders/{no}/transitions"))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("host", "127.0.0.1:8080");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        city.ask(request.body("to=nothing".into()).unwrap()).await.status.as_u16()
    };
    for foreign in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "http://127.0.0.1:9999")],
    ] {
        assert_eq!(send(foreign).await, 403, "{foreign:?}");
    }
    for own in [&[][..], &[("sec-fetch-site", "same-origin")], &[("origin", "http://127.0.0.1:8080")]] {
        assert_eq!(send(own).await, 400, "{own:?} is let in and told that the state is wrong");
    }
}

#[tokio::test]
async fn an_open_console_answers_for_this_machine_alone() {
    let city = city();
    let ask = async |host: &str| {
        city.ask(Request::get("/orders").header("host", host).body(Body::empty()).unwrap())
            .await
            .status
            .as_u16()
    };
    for host in ["localhost:8080", "127.0.0.1", "[::1]:8080", "console.localhost"] {
        assert_eq!(ask(host).await, 200, "{host}");
    }
    for host in ["evil.example", "evil.example:8080", "127.0.0.1.evil.example"] {
        assert_eq!(ask(host).await, 421, "{host}");
    }
}

#[tokio::test]
async fn every_response_is_dressed() {
    let city = city();
    for path in ["/", "/orders", "/api/v1/orders", "/healthz", "/nowhere", "/assets/app.js"] {
        let answer = city.get(path).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}");
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
    }
}

#[tokio::test]
async fn assets_are_ours_and_known_again() {
    let city = city();
    for path in ["app.js", "app.css", "mark.svg", "vendor/uplot/uPlot.iife.min.js", "vendor/uplot/LICENSE"] {
        let answer = city.get(&format!("/assets/{path}")).await;
        assert_eq!(answer.status, 200, "{path}");
        let again = Request::get(format!("/assets/{path}")).header("if-none-match", answer.header("etag"));
        assert_eq!(city.ask(again.body(Body::empty()).unwrap()).await.status, 304, "{path}");
    }
    for path in ["../Cargo.toml", "..%2FCargo.toml", "%00", "app.js/"] {
        assert_eq!(city.get(&format!("/assets/{path}")).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn health_says_what_is_not_ready() {
    let city = city();
    assert_eq!(city.get("/healthz").await.body, "ok\n");
    assert_eq!(city.get("/readyz").await.status, 200);
    city.well.0.store(false, Ordering::Relaxed);
    let answer = city.get("/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["items"][0]["detail"], "disk reserve reached");
    assert_eq!(city.get("/healthz").await.status, 200, "the process lives");
    let metrics = city.get("/metrics").await;
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
    assert!(metrics.body.contains("yiwang_readings_total{door=\"g\\\"rpc\"} 7\n"), "{}", metrics.body);
    assert!(metrics.body.contains("yiwang_web_live_clients 0\n"));
}

#[tokio::test]
async fn the_order_service_has_the_same_gate() {
    use yiwang_proto::v1::order_service_server::OrderService;
    use yiwang_proto::v1::{GetOrderRequest, ListOrdersRequest};
    let city = locked();
    let service = crate::grpc::Orders::new(city.parts.clone());
    let with = |authorization: Option<&str>| {
        let mut request = tonic::Request::new(ListOrdersRequest { page_size: 5, ..Default::default() });
        if let Some(value) = authorization {
            request.metadata_mut().insert("authorization", value.parse().unwrap());
        }
        request
    };
    let code =
        async |authorization| service.list(with(authorization)).await.err().map(|status| status.code());
    assert_eq!(code(None).await, Some(tonic::Code::Unauthenticated));
    assert_eq!(code(Some("Bearer gateway-secret")).await, Some(tonic::Code::PermissionDenied));
    let page = service.list(with(Some("Bearer wall-secret"))).await.unwrap().into_inner();
    assert_eq!(page.orders.len(), 5);
    let mut one = tonic::Request::new(GetOrderRequest { no: page.orders[0].no.clone() });
    one.metadata_mut().insert("authorization", "Token wall-secret".parse().unwrap());
    assert_eq!(service.get(one).await.unwrap().into_inner(), page.orders[0]);
    let mut none = tonic::Request::new(GetOrderRequest { no: "YW1".into() });
    none.metadata_mut().insert("authorization", "Token wall-secret".parse().unwrap());
    assert_eq!(service.get(none).await.unwrap_err().code(), tonic::Code::NotFound);
}
