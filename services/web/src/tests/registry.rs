//! The registry, as programs meet it.

use axum::http::Method;
use serde_json::json;

use super::*;

const STATION: &str = r#"{"zh": "府南河口", "en": "Funan mouth", "kind": "water", "district": "510104",
    "gateway": "g-water", "metrics": ["water_level"], "point": [104.06, 30.65], "owner": "水务局"}"#;

impl City {
    async fn send(&self, method: Method, path: &str, seen: Option<&str>, body: &str) -> Answer {
        let request = Request::builder().method(method).uri(format!("/api/v1/registry{path}"));
        let request = seen.into_iter().fold(request, |request, seen| request.header("if-match", seen));
        let request = request.header("content-type", "application/json");
        self.ask(request.body(body.to_owned().into()).unwrap()).await
    }

    async fn register(&self, path: &str, body: &str) -> Answer {
        self.send(Method::PUT, path, None, body).await
    }
}

#[tokio::test]
async fn a_source_is_registered_shown_changed_and_taken_out() {
    let city = city();
    let gateway = city.register("/gateways/g-water", r#"{"zh": "水务网关", "en": "Water gateway"}"#).await;
    assert_eq!((gateway.status, gateway.json()), (StatusCode::OK, json!({"revision": 2, "entries": 1})));
    assert_eq!(city.register("/stations/water/funan-1", STATION).await.status, StatusCode::OK);
    let shown = city.get("/api/v1/registry/stations/water/funan-1").await;
    assert_eq!(shown.headers["etag"], "\"3\"");
    let mut entry = shown.json();
    assert_eq!((&entry["id"], &entry["registered"]), (&json!("water/funan-1"), &json!(true)));
    assert_eq!((&entry["owner"], &entry["point"]), (&json!("水务局"), &json!([104.06, 30.65])));
    let page = city.get("/stations?lang=en").await;
    assert!(page.body.contains("Funan mouth"), "a page knows it at once");
    // What was shown can be sent back, changed.
    entry["period"] = json!("10m");
    let changed = city.send(Method::PUT, "/stations/water/funan-1", Some("\"3\""), &entry.to_string()).await;
    assert_eq!(changed.json()["revision"], 4, "{}", changed.body);
    assert_eq!(city.get("/api/v1/registry/stations/water/funan-1").await.json()["period"], "10m");
    assert_eq!(city.send(Method::DELETE, "/stations/water/funan-1", None, "").await.status, StatusCode::OK);
    assert_eq!(city.get("/api/v1/registry/stations/water/funan-1").await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        city.send(Method::DELETE, "/stations/water/funan-1", None, "").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn many_are_registered_at_once_or_none() {
    let city = city();
    let mut station: Value = serde_json::from_str(STATION).unwrap();
    station["id"] = json!("funan-1");
    let window = json!({"id": "w1", "station": "funan-1", "from": "2026-03-02T09:00:00+08:00",
        "to": "2026-03-02T10:00:00+08:00", "source": "水务局"});
    let all = json!({"stations": [station], "calibrations": [window],
        "gateways": [{"id": "g-water", "zh": "水务网关", "en": "Water gateway"}]});
    let answer = city.send(Method::POST, "", None, &all.to_string()).await;
    assert_eq!(answer.json(), json!({"revision": 2, "entries": 3}));
    let shown = city.get("/api/v1/registry/calibrations/w1").await.json();
    assert_eq!((&shown["quality"], &shown["station"]), (&json!("calibration"), &json!("funan-1")));
    // The gateway is still needed.
    let refused = city.send(Method::DELETE, "/gateways/g-water", None, "").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.json()["faults"][0]["key"] == "station.gateway", "{}", refused.body);
    let half = json!({"gateways": [{"id": "g-2", "zh": "二", "en": "Two"}], "stations": [{"id": "s-2"}]});
    assert_eq!(
        city.send(Method::POST, "", None, &half.to_string()).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(city.get("/api/v1/registry/gateways/g-2").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_wrong_is_told_key_by_key() {
    let city = city();
    let answer = city
        .register("/stations/s-1", r#"{"zh": "一", "en": "One", "kind": "moon", "districts": "x"}"#)
        .await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let faults = answer.json()["faults"].clone();
    let keys: Vec<&str> =
        faults.as_array().unwrap().iter().map(|fault| fault["key"].as_str().unwrap()).collect();
    for key in ["station.kind", "station.districts", "station.gateway", "station.metrics"] {
        assert!(keys.contains(&key), "{key} is not among {keys:?}");
    }
    for (path, body, status, said) in [
        ("/stations/510104-air-1", STATION, StatusCode::CONFLICT, "stands in the catalogue's files"),
        ("/moons/x", STATION, StatusCode::NOT_FOUND, "gateways, stations, loggers, calibrations, silences"),
        ("/stations/s-1", "[1]", StatusCode::BAD_REQUEST, "field \\\"body\\\""),
        ("/stations/s-1", "{\"zh\": null}", StatusCode::BAD_REQUEST, "field \\\"body\\\""),
        ("/stations/s-1", r#"{"id": "s-2"}"#, StatusCode::BAD_REQUEST, "another station than the address"),
        ("/stations/a%20b", STATION, StatusCode::UNPROCESSABLE_ENTITY, "of letters, digits"),
    ] {
        let answer = city.register(path, body).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert!(answer.body.contains(said), "{path}: {}", answer.body);
    }
    let deep = format!("{{\"zh\": {}1{}}}", "[".repeat(120), "]".repeat(120));
    assert!(city.register("/stations/s-1", &deep).await.status.is_client_error());
    assert_eq!(city.get("/api/v1/registry/gateways").await.headers["etag"], "\"1\"", "nothing has changed");
}

#[tokio::test]
async fn nobody_overwrites_what_he_has_not_seen() {
    let city = city();
    let body = r#"{"zh": "一", "en": "One"}"#;
    assert_eq!(city.send(Method::PUT, "/gateways/g-1", Some("\"1\""), body).await.status, StatusCode::OK);
    let late = city.send(Method::PUT, "/gateways/g-1", Some("\"1\""), body).await;
    assert_eq!(late.status, StatusCode::PRECONDITION_FAILED);
    assert!(late.body.contains("at revision 2, not 1"), "{}", late.body);
    assert_eq!(city.send(Method::PUT, "/gateways/g-1", Some("*"), body).await.status, StatusCode::OK);
    assert_eq!(
        city.send(Method::PUT, "/gateways/g-1", Some("x"), body).await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn a_silence_is_registered_and_shown_with_what_it_keeps_quiet() {
    let mut city = city();
    let no = yiwang_model::OrderNo(city.any("opened").await);
    let mut of = city.parts.orders.get(&no).await.unwrap().unwrap().draft.evidence.anomaly;
    let entry = |to: Timestamp| {
        json!({"who": "desk", "why": "the road is built", "stations": [of.series.source()],
            "from": (now() - Span::HOUR).to_string(), "to": to.to_string()})
    };
    let (held, too_long) = (entry(now() + Span::HOUR), entry(now() + Span::DAY.times(30)));
    assert_eq!(city.register("/silences/s-1", &held.to_string()).await.status, StatusCode::OK);
    let refused = city.register("/silences/s-2", &too_long.to_string()).await;
    assert_eq!(
        (refused.status, &refused.json()["faults"][0]["key"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("silence.to"))
    );
    let shown = city.get("/api/v1/registry/silences/s-1").await.json();
    assert_eq!((&shown["why"], &shown["metrics"]), (&held["why"], &Value::Null));
    assert_eq!(
        city.register("/silences/s-1", &shown.to_string()).await.status,
        StatusCode::OK,
        "as it was shown"
    );
    of.silenced = Some("s-1".into());
    city.parts.quiet = Arc::new(move || crate::Quiet { count: 1, episodes: vec![of.clone()] });
    let quiet = city.get("/api/v1/silenced").await.json();
    assert_eq!((&quiet["count"], &quiet["silences"][0]["id"]), (&json!(1), &json!("s-1")), "{quiet}");
    assert_eq!(quiet["episodes"][0]["silenced"], "s-1");
    let page = city.get("/?lang=en").await.body;
    assert!(page.contains("the road is built") && page.contains("1 anomalies without an order"));
}

#[tokio::test]
async fn the_files_are_read_again_and_what_was_registered_stays() {
    let city = city();
    assert_eq!(city.register("/gateways/g-1", r#"{"zh": "一", "en": "One"}"#).await.status, StatusCode::OK);
    let held = city.get("/api/v1/catalogue").await.json();
    assert_eq!((&held["revision"], &held["who"]), (&json!(2), &json!("local")));
    let reloaded = city.ask(Request::post("/api/v1/catalogue/reload").body(Body::empty()).unwrap()).await;
    assert_eq!((reloaded.status, &reloaded.json()["changed"]), (StatusCode::OK, &json!(true)));
    assert!(city.parts.catalogue.in_force().catalogue.gateways.contains_key("g-1"));
    let answer = city.get("/api/v1/catalogue?x=1").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.body);
}

#[tokio::test]
async fn pages_of_the_registry_leave_nothing_out() {
    let city = city();
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = city.get(&format!("/api/v1/registry/stations?limit=7&after={after}")).await.json();
        let entries = page["entries"].as_array().unwrap();
        assert!(entries.iter().all(|entry| entry["registered"] == false));
        seen.extend(entries.iter().map(|entry| entry["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        after = next.to_owned();
    }
    let all: Vec<String> =
        city.parts.catalogue.in_force().catalogue.stations.keys().map(ToString::to_string).collect();
    assert_eq!(seen, all);
}

#[tokio::test]
async fn registering_takes_who_may_manage() {
    let mut city = city();
    city.parts.gate = Arc::new(Locked);
    for (secret, status) in [
        ("wall-secret", StatusCode::FORBIDDEN),
        ("gateway-secret", StatusCode::FORBIDDEN),
        ("desk-secret", StatusCode::FORBIDDEN),
        ("office-secret", StatusCode::OK),
    ] {
        let request =
            Request::put("/api/v1/registry/gateways/g-1").header("content-type", "application/json");
        let request = request.header("authorization", format!("Bearer {secret}"));
        let answer = city.ask(request.body(r#"{"zh": "一", "en": "One"}"#.into()).unwrap()).await;
        assert_eq!(answer.status, status, "{secret}");
        let reload =
            Request::post("/api/v1/catalogue/reload").header("authorization", format!("Bearer {secret}"));
        assert_eq!(city.ask(reload.body(Body::empty()).unwrap()).await.status, status, "{secret}");
    }
}

#[tokio::test]
async fn what_was_shown_could_not_be_sent_back_with_others() {
    let city = city();
    assert_eq!(city.register("/gateways/g-1", r#"{"zh": "一", "en": "One"}"#).await.status, StatusCode::OK);
    let shown = city.get("/api/v1/registry/gateways/g-1").await.json();
    let answer = city.send(Method::POST, "", None, &json!({"gateways": [shown]}).to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

#[tokio::test]
async fn one_entry_was_held_to_less_than_the_answer_said() {
    let city = city();
    let units: Vec<String> = (0..5_000).map(|nth| format!(r#""w{nth:09}": "mg/L""#)).collect();
    let body = format!(r#"{{"station": "nowhere", "units": {{{}}}}}"#, units.join(", "));
    assert!(body.len() > crate::MAX_BODY_BYTES);
    let answer = city.register("/loggers/88888880000001", &body).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.body);
    let answer = city.register("/gateways/g-1", &format!(r#"{{"zh": "{}"}}"#, "x".repeat(4 << 20))).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(answer.body.contains("4194304"), "{}", answer.body);
}
