//! The API: filters, pages, mistakes, transitions, readings.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use yiwang_model::{Series, Span, Timestamp, WorkOrder};

use super::*;

fn numbers(page: &Value) -> Vec<String> {
    page["orders"].as_array().unwrap().iter().map(|order| order["no"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn pages_give_every_order_once_newest_first() {
    let city = city();
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = city.get(&format!("/api/v1/orders?limit=7{after}")).await.json();
        seen.extend(numbers(&page));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(seen.len(), ORDERS);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), ORDERS);
    assert!(city.get("/api/v1/orders?limit=500").await.json()["next"].is_null(), "null at the end");
}

#[tokio::test]
async fn filters_reach_the_store() {
    let city = city();
    let count = async |query: &str| numbers(&city.get(&format!("/api/v1/orders?{query}")).await.json()).len();
    let both = count("state=opened").await + count("state=closed").await;
    assert!(both > 2);
    assert_eq!(count("state=opened,closed").await, both);
    assert_eq!(count("state=opened&state=closed").await, both);
    assert_eq!(
        count("category=air&active=true").await + count("category=air&active=false").await,
        ORDERS / 3
    );
    assert_eq!(
        count("source=510104-site-1").await,
        count("source=510104-site-1&detector=site_noise-20min").await
    );
    assert_eq!(count("department=nobody").await, 0);
    assert_eq!(count("district=510104&q=%E9%94%A6%E6%B1%9F").await, count("q=%E9%94%A6%E6%B1%9F").await);
    let overdue = city.get("/api/v1/orders?overdue=true").await.json();
    let overdue = overdue["orders"].as_array().unwrap();
    assert!(!overdue.is_empty() && overdue.iter().all(|order| order["overdue"] == json!(true)));
}

#[tokio::test]
async fn a_program_in_rust_reads_an_order_back() {
    let city = city();
    let no = city.any("opened").await;
    let answer = city.get(&format!("/api/v1/orders/{no}")).await.json();
    let order: WorkOrder = serde_json::from_value(answer.clone()).unwrap();
    assert_eq!(order.no.0, no);
    assert_eq!(answer["allowed"], json!(["accepted"]));
}

/// Every field of what is sent is described, and nothing is described that is not sent.
#[tokio::test]
async fn the_description_names_what_is_sent() {
    let city = city();
    let described = city.get("/api/v1/openapi.json").await.json();
    let schemas = &described["components"]["schemas"];
    let no = city.any("closed").await;
    let order = city.get(&format!("/api/v1/orders/{no}")).await.json();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    for (schema, sent) in [
        ("WorkOrder", &order),
        ("Place", &order["place"]),
        ("Due", &order["due"]),
        ("Evidence", &order["evidence"]),
        ("Step", &order["timeline"][0]),
    ] {
        assert_eq!(keys(&schemas[schema]["properties"]), keys(sent), "{schema}");
    }
    for path in
        ["/api/v1/orders", "/api/v1/orders/{no}/transitions", "/api/v1/query", "/api/v1/live", "/readyz"]
    {
        assert!(described["paths"][path].is_object(), "{path}");
    }
}

/// What OpenAPI asks of a document, and utoipa does not see to.
#[tokio::test]
async fn the_description_is_whole() {
    let described = city().get("/api/v1/openapi.json").await.json();
    let mut operations = BTreeSet::new();
    for (path, item) in described["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(operations.insert(id.to_owned()), "{id} twice");
            for (status, answer) in operation["responses"].as_object().unwrap() {
                assert!(answer["description"].is_string(), "{method} {path} {status}");
            }
        }
    }
    let text = described.to_string();
    for reference in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(described["components"]["schemas"][name].is_object(), "{name}");
    }
    assert!(
        described["security"][0]["basic"].is_array()
            && described["paths"]["/healthz"]["get"]["security"].is_array()
    );
}

#[tokio::test]
async fn a_mistake_is_named() {
    let city = city();
    for (path, parameter) in [
        ("/api/v1/orders?state=done", "state"),
        ("/api/v1/orders?limit=0", "limit"),
        ("/api/v1/orders?limit=501", "limit"),
        ("/api/v1/orders?limit=5&limit=6", "limit"),
        ("/api/v1/orders?active=perhaps", "active"),
        ("/api/v1/orders?after=nobody-gave-this", "after"),
        ("/api/v1/query?metric=pm2_5", "source"),
        ("/api/v1/query?source=a%20b&metric=pm2_5", "source"),
        ("/api/v1/query?source=a&metric=b&from=yesterday", "from"),
        ("/api/v1/query?source=a&metric=b&from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z", "from"),
        ("/api/v1/query?source=a&metric=b&step=0", "step"),
        ("/api/v1/series?after=x", "after"),
    ] {
        let answer = city.get(path).await;
        assert_eq!(answer.status, 400, "{path}");
        assert_eq!(answer.json()["parameter"], parameter, "{path}");
        assert!(
            answer.json()["error"].as_str().unwrap().contains(parameter) || parameter == "after",
            "{path}"
        );
    }
    let long = "x".repeat(129);
    assert_eq!(city.get(&format!("/api/v1/orders?q={long}")).await.status, 400);
    assert_eq!(city.get(&format!("/api/v1/orders?q={}", "x".repeat(5000))).await.status, 400);
    let unknown = city.get("/api/v1/orders?sate=opened").await;
    assert_eq!(unknown.status, 400);
    assert!(unknown.json()["known"].as_array().unwrap().contains(&json!("state")));
    for path in ["/api/v1/orders/YW1", "/api/v1/orders/%3Cscript%3E", "/api/v1/nothing"] {
        let answer = city.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.json()["error"].is_string());
    }
    let wrong = city.ask(Request::delete("/api/v1/orders").body(Body::empty()).unwrap()).await;
    assert_eq!(wrong.status, 405);
    assert!(wrong.json()["error"].is_string());
}

#[tokio::test]
async fn a_transition_is_noted_with_who() {
    let city = city();
    let no = city.any("opened").await;
    let answer = city.move_to(&no, r#"{"to":"accepted","note":"见附件"}"#).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let last = answer.json()["timeline"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (&last["who"], &last["note"], &last["state"]),
        (&json!("local"), &json!("见附件"), &json!("accepted"))
    );
    assert_eq!(last["at"], json!("2026-03-02T02:15:00Z"), "city time");
}

#[tokio::test]
async fn a_wrong_transition_names_the_allowed_ones() {
    let city = city();
    let no = city.any("dispatched").await;
    let answer = city.move_to(&no, r#"{"to":"closed"}"#).await;
    assert_eq!(answer.status, 409);
    assert_eq!(answer.json()["allowed"], json!(["handling", "returned"]));
    assert!(answer.json()["error"].as_str().unwrap().contains("cannot become closed"));
}

#[tokio::test]
async fn a_bad_body_names_the_field() {
    let city = city();
    let no = city.any("dispatched").await;
    let long = format!(r#"{{"to":"handling","note":"{}"}}"#, "长".repeat(4001));
    for (body, field) in [
        (r#"{"to":"done"}"#, "to"),
        (r#"{"note":"x"}"#, "to"),
        (r#"{"to":"handling","note":7}"#, "note"),
        (r#"{"to":"handling","who":"me"}"#, "body"),
        (r#"{"to":"returned","note":"  "}"#, "note"),
        (r#"{"to":"handling","note":"a\u0000b"}"#, "note"),
        (&long, "note"),
        ("{", "body"),
        ("", "body"),
    ] {
        let answer = city.move_to(&no, body).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert_eq!(answer.json()["field"], field, "{}", answer.body);
    }
    assert_eq!(city.move_to("YW20990101-000001", r#"{"to":"accepted"}"#).await.status, 404);
    let huge = format!(r#"{{"to":"handling","note":"{}"}}"#, "x".repeat(crate::MAX_BODY_BYTES));
    assert_eq!(city.move_to(&no, &huge).await.status, 413);
    let path = format!("/api/v1/orders/{no}/transitions");
    let text =
        Request::post(path).header("content-type", "text/plain").body(r#"{"to":"handling"}"#.into()).unwrap();
    assert_eq!(city.ask(text).await.status, 415);
    assert_eq!(city.any("dispatched").await, no, "nothing moved");
}

#[tokio::test]
async fn nothing_moves_before_the_clock_begins() {
    let mut city = city();
    let no = city.any("opened").await;
    city.parts.city_now = Arc::new(|| None);
    assert_eq!(city.move_to(&no, r#"{"to":"accepted"}"#).await.status, 503);
    for path in ["/", "/orders", "/stations", &format!("/orders/{no}")] {
        assert_eq!(city.get(path).await.status, 200, "{path} is shown all the same");
    }
}

fn minute(minute: i64) -> Timestamp {
    now() - Span::HOUR + Span::MINUTE.times(minute)
}

#[tokio::test]
async fn readings_are_given_as_they_came_and_in_steps() {
    let city = city();
    let series = Series::new("510104-air-1", "pm2_5").unwrap();
    (0..60).for_each(|nth| put(&city, &series, minute(nth), 10.0 + nth as f64));
    let query = async |rest: &str| {
        let path = format!("/api/v1/query?source=510104-air-1&metric=pm2_5&{rest}");
        city.get(&path).await.json()
    };
    let all = query("from=2026-03-02T09:00:00+08:00&to=2026-03-02T10:15:00%2B08:00").await;
    assert_eq!((all["points"].as_array().unwrap().len(), &all["unit"]), (60, &json!("µg/m³")));
    assert_eq!(all["points"][0], json!({"time": "2026-03-02T01:15:00Z", "value": 10.0, "quality": "good"}));
    let last = query("limit=2").await;
    assert_eq!(
        (last["points"].as_array().unwrap().len(), &last["truncated"]),
        (2, &json!(true)),
        "the newest"
    );
    assert_eq!(last["points"][1]["value"], json!(69.0));
    let steps = query("step=900").await;
    let means: Vec<_> =
        steps["points"].as_array().unwrap().iter().map(|point| point["value"].as_f64()).collect();
    assert_eq!(means, [17.0, 32.0, 47.0, 62.0].map(Some));
    assert_eq!(city.get("/api/v1/query?source=nobody&metric=pm2_5").await.json()["points"], json!([]));
}

/// The whole of a span that has more than one answer holds, thinned from pieces of the store; and an answer that leaves
/// the oldest out says so.
#[tokio::test]
async fn a_long_span_is_thinned_and_a_cut_is_told() {
    let city = city();
    let series = Series::new("510104-air-1", "pm2_5").unwrap();
    let (begin, readings) = (now() - Span::DAY.times(30), 250_000);
    for nth in 0..readings {
        let value = if nth == 7 { 400.0 } else { 10.0 + (nth % 13) as f64 };
        put(&city, &series, begin + Span::SECOND.times(nth * 10), value);
    }
    let query = async |rest: &str| {
        let path = format!("/api/v1/query?source=510104-air-1&metric=pm2_5&from=2026-01-31T02:15:00Z{rest}");
        city.get(&path).await.json()
    };
    let thinned = query("&points=400").await;
    let points = thinned["points"].as_array().unwrap();
    assert!((300..=400).contains(&points.len()), "{}", points.len());
    assert_eq!((&thinned["thinned"], &thinned["truncated"]), (&json!(true), &json!(false)));
    assert_eq!(points[0]["time"], json!(begin));
    assert!(points.iter().any(|point| point["value"] == json!(400.0)), "the peak stays");
    let newest = query("&limit=1000").await;
    assert_eq!((&newest["thinned"], &newest["truncated"]), (&json!(false), &json!(true)));
    assert_eq!(query("&step=86400").await["truncated"], json!(true), "steps are made of so many and no more");
    let few = query("&points=400&to=2026-01-31T02:20:00Z").await;
    assert_eq!(
        (&few["thinned"], few["points"].as_array().unwrap().len()),
        (&json!(false), 30),
        "few stay as they are"
    );
    for both in ["&points=400&limit=10", "&points=400&step=60", "&points=3"] {
        assert_eq!(query(both).await["parameter"], "points", "{both}");
    }
}

#[tokio::test]
async fn a_figure_is_given_as_it_was_known() {
    let city = city();
    let series = Series::new("510104-statistics", "retail_sales").unwrap();
    let published = |day: &str| Some(format!("2026-03-{day}T00:00:00Z").parse::<Timestamp>().unwrap());
    publish(&city, &series, minute(0), 100.0, published("10"));
    publish(&city, &series, minute(0), 104.0, published("20"));
    let value = async |rest: &str| {
        let path = format!("/api/v1/query?source=510104-statistics&metric=retail_sales{rest}");
        city.get(&path).await.json()["points"][0]["value"].as_f64()
    };
    assert_eq!(value("").await, Some(104.0));
    assert_eq!(value("&as_of=2026-03-15T00:00:00Z").await, Some(100.0));
    assert_eq!(value("&as_of=2026-03-05T00:00:00Z").await, None);
}

#[tokio::test]
async fn series_come_in_pages() {
    let city = city();
    for station in 1..=5 {
        for metric in ["pm2_5", "so2"] {
            put(&city, &Series::new(format!("bench-{station}"), metric).unwrap(), minute(0), 1.0);
        }
    }
    let first = city.get("/api/v1/series?metric=so2&limit=3").await.json();
    assert_eq!(first["series"].as_array().unwrap().len(), 3);
    assert_eq!(first["series"][0]["station_title"]["en"], "Load generator bench-1");
    let next = first["next"].as_str().unwrap();
    let rest = city.get(&format!("/api/v1/series?metric=so2&limit=3&after={next}")).await.json();
    assert_eq!((rest["series"].as_array().unwrap().len(), &rest["next"]), (2, &Value::Null));
}
