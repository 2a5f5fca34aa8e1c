//! Whatever is asked, nothing breaks: arbitrary queries, paths and bodies are answered, never with a 500.

use proptest::prelude::*;

use super::*;

const PATHS: &[&str] = &[
    "/",
    "/orders",
    "/stations",
    "/api/v1/orders",
    "/api/v1/series",
    "/api/v1/query",
    "/api/v1/anomalies/0ad8147d521b365a804ed3aef306652f/what-if",
    "/readyz",
    "/orders/YW1",
];

const NAMES: &[&str] = &[
    "state",
    "department",
    "district",
    "category",
    "source",
    "metric",
    "detector",
    "active",
    "overdue",
    "q",
    "limit",
    "after",
    "from",
    "to",
    "as_of",
    "step",
    "points",
    "value",
    "lang",
    "kind",
    "health",
    "page",
    "x",
];

/// Values that people and machines get wrong.
fn value() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "",
        "opened",
        "true",
        "1",
        "0",
        "-1",
        "4294967296",
        "510104",
        "zh",
        "510104-air-1",
        "pm2_5",
        "air",
        "fresh",
        "2026-03-02T10:15:00+08:00",
        "-009999-01-02T01:59:59Z",
        "9999-12-30T22:00:00Z",
        "1677-09-21T00:12:44Z",
    ]);
    prop_oneof![known.prop_map(str::to_owned), any::<String>(), "[%0-9A-Fa-f&=+;#]{0,40}"]
}

fn query() -> impl Strategy<Value = String> {
    let pair = (prop::sample::select(NAMES), value(), any::<bool>()).prop_map(|(name, value, raw)| {
        let legal = |c: &char| c.is_ascii_graphic() && !"#\"<>\\^`{|}".contains(*c);
        let raw_value: String = value.chars().filter(legal).collect();
        let escaped: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
        format!("{name}={}", if raw { raw_value } else { escaped })
    });
    prop::collection::vec(pair, 0..6).prop_map(|pairs| pairs.join("&"))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_query_breaks_the_console(path in prop::sample::select(PATHS), query in query()) {
        let answer = block_on(async { shared().get(&format!("{path}?{query}")).await });
        prop_assert!(!answer.status.is_server_error(), "{} for {}?{}: {}", answer.status, path, query, answer.body);
    }

    #[test]
    fn no_body_breaks_the_console(body in prop::collection::vec(any::<u8>(), 0..200), form in any::<bool>()) {
        let (path, kind) = match form {
            true => ("/orders/YW1/transitions", "application/x-www-form-urlencoded"),
            false => ("/api/v1/orders/YW1/transitions", "application/json"),
        };
        let request = Request::post(path).header("content-type", kind).body(body.into()).unwrap();
        let answer = block_on(async { shared().ask(request).await });
        prop_assert!(answer.status.is_client_error(), "{}", answer.status);
    }

    #[test]
    fn no_header_breaks_the_console(value in "[ -~]{0,80}") {
        for name in ["authorization", "accept-language", "cookie", "host", "origin", "last-event-id", "if-none-match"] {
            let request = Request::get("/orders?limit=1").header(name, &value).body(Body::empty()).unwrap();
            let answer = block_on(async { shared().ask(request).await });
            prop_assert!(!answer.status.is_server_error(), "{} for {}: {}", answer.status, name, value);
        }
    }
}

/// One city for all cases: they only read.
fn shared() -> &'static City {
    static CITY: std::sync::OnceLock<City> = std::sync::OnceLock::new();
    CITY.get_or_init(city)
}
