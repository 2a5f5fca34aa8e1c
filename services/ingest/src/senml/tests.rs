use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use proptest::prelude::*;
use serde_json::Value;
use tower::ServiceExt;

use super::*;
use crate::names::Limits;
use crate::testing::{Disk, MemoryLog};
use crate::tests_kit::{NOON, Start, city, values};

async fn start() -> Start {
    city(MemoryLog::new(1), Limits::default()).await
}

fn resolved(payload: &str) -> Vec<Result<Option<Resolved>, Refused>> {
    let mut base = Base::default();
    pack(payload.as_bytes()).unwrap().into_iter().map(|record| base.resolve(record, NOON)).collect()
}

async fn post(start: &Start, body: &str) -> (StatusCode, Value) {
    let request = Request::post("/api/v1/senml").body(Body::from(body.to_owned())).unwrap();
    let response = router(Arc::clone(&start.ingest)).oneshot(request).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// The examples of RFC 8428, 5.1.2 and 5.1.3, in their resolved form (5.1.4), with the numbers of ours.
#[test]
fn base_fields_hold_from_their_record_on() {
    let payload = r#"[
        {"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,"bu":"A","bver":5,"n":"voltage","u":"V","v":120.1},
        {"n":"current","t":-5,"v":1.2},
        {"n":"current","v":1.7},
        {"bn":"other/","bv":10,"n":"x","v":2},
        {"bt":0,"n":"y","t":-2,"v":0}
    ]"#;
    let said: Vec<(String, i64, String, f64)> = resolved(payload)
        .into_iter()
        .map(|one| one.unwrap().unwrap())
        .map(|one| (one.name, one.time.nanos() / 1_000, one.unit, one.value))
        .collect();
    let name = |last: &str| format!("urn:dev:ow:10e2073a0108006:{last}");
    let wanted = [
        (name("voltage"), 1_276_020_076_001_000, "V".to_owned(), 120.1),
        (name("current"), 1_276_020_071_001_000, "A".to_owned(), 1.2),
        (name("current"), 1_276_020_076_001_000, "A".to_owned(), 1.7),
        ("other/x".to_owned(), 1_276_020_076_001_000, "A".to_owned(), 12.0),
        ("other/y".to_owned(), NOON.nanos() / 1_000 - 2_000_000, "A".to_owned(), 10.0),
    ];
    assert_eq!(said, wanted);
}

#[test]
fn what_is_no_reading_is_told_and_base_fields_alone_are_none() {
    let payload = r#"[
        {"bn":"a/"},
        {"n":"x","vs":"hot","u":"Cel"},
        {"n":"x","vb":true,"u":"Cel"},
        {"n":"x","u":"Cel"},
        {"n":"x","v":1},
        {"n":"x","v":1,"u":"Cel","t":1e300}
    ]"#;
    let reasons: Vec<Option<Reason>> =
        resolved(payload).into_iter().map(|one| one.err().map(|(reason, _)| reason)).collect();
    let (bad, unit) = (Some(Reason::Malformed), Some(Reason::WrongUnit));
    assert_eq!(reasons, [None, bad, bad, bad, unit, bad]);
}

#[test]
fn packs_that_are_not_understood_are_refused_whole() {
    for (payload, word) in [
        (r#"[{"bver":11,"n":"a/x","v":1}]"#, "version 11"),
        (r#"[{"n":"a/x","v":1},{"wind_":1}]"#, "\"wind_\" must be understood"),
        (r#"{"n":"a/x","v":1}"#, "no SenML pack"),
        (r#"[{"n":"a/x","v":"1"}]"#, "no SenML pack"),
        (r#"[{"n":"a/x","v":1}"#, "no SenML pack"),
        ("\u{feff}[]", "no SenML pack"),
    ] {
        let error = pack(payload.as_bytes()).expect_err(payload);
        assert!(error.contains(word), "{payload}: {error}");
    }
    let many = format!("[{}]", vec!["{\"v\":1}"; MAX_RECORDS + 1].join(","));
    assert!(pack(many.as_bytes()).unwrap_err().contains("at most 10000 records"));
    assert!(pack(b"[]").unwrap().is_empty());
}

/// A base name holds for all records: laid together each time it would cost seconds.
#[test]
fn a_long_name_or_unit_is_refused_for_each_record_and_not_copied() {
    let records = vec![r#"{"v":1,"u":"m"}"#; 9_000].join(",");
    let payload = format!(r#"[{{"bn":"{}/x","v":1,"u":"m"}},{records}]"#, "n".repeat(850_000));
    let said = resolved(&payload);
    assert_eq!(said.len(), 9_001);
    for one in said {
        let (reason, message) = one.unwrap_err();
        assert!(reason == Reason::BadName && message.len() < 200, "{message:.300}");
    }
    let (reason, message) =
        resolved(&format!(r#"[{{"n":"a/b","v":1,"u":"{}"}}]"#, "m".repeat(1_000))).remove(0).unwrap_err();
    assert!(reason == Reason::WrongUnit && message.len() < 200, "{message}");
}

/// What a library says of a text that should be a number has the whole text in it.
#[tokio::test]
async fn a_refusal_quoted_all_that_could_not_be_read() {
    let start = start().await;
    let (status, body) = post(&start, &format!(r#"[{{"v":"{}"}}]"#, "long".repeat(100_000))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let told = body["refusals"][0]["message"].as_str().unwrap();
    assert!(told.contains("no SenML pack") && told.len() <= crate::refuse::MAX_MESSAGE_BYTES, "{told:.300}");
}

#[tokio::test]
async fn a_pack_is_taken_with_its_units_and_the_bad_records_named() {
    let start = start().await;
    let good = r#"[{"bn":"510104-air-1/","bt":1772417700,"bu":"ug/m3","n":"pm2_5","v":35},
        {"n":"co","u":"kg/m3","v":0.0000007},{"n":"pm10","u":"µg/m³","v":61,"t":1}]"#;
    assert_eq!(post(&start, good).await.0, StatusCode::NO_CONTENT);
    let mut found = values(&start.log);
    found.sort_by(f64::total_cmp);
    assert_eq!(found, [0.7, 35.0, 61.0]);
    let bad = r#"[{"bn":"510104-air-1/","bt":1772417701,"n":"pm2_5","u":"ug/m3","v":36},
        {"n":"pm2_5","u":"Cel","v":36},{"bn":"","n":"alone","u":"ug/m3","v":1},{"n":"nobody/pm2_5","u":"ug/m3","v":1}]"#;
    let (status, told) = post(&start, bad).await;
    assert_eq!((status, &told["taken"], &told["refused"]), (StatusCode::BAD_REQUEST, &1.into(), &3.into()));
    let reasons: Vec<&str> =
        told["refusals"].as_array().unwrap().iter().map(|one| one["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["REASON_WRONG_UNIT", "REASON_BAD_NAME", "REASON_UNKNOWN_SOURCE"]);
    assert!(values(&start.log).contains(&36.0));
    let large = format!("[{}]", " ".repeat(super::http::MAX_BYTES));
    assert_eq!(post(&start, &large).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn nothing_is_answered_before_it_is_durable() {
    let start = start().await;
    start.log.set(Disk::Held);
    let answer = post(&start, r#"[{"n":"510104-air-1/pm2_5","u":"ug/m3","v":1,"t":1772417700}]"#);
    tokio::pin!(answer);
    tokio::select! {
        answered = &mut answer => panic!("answered {answered:?} while the disk held"),
        () = start.log.begun(1) => {}
    }
    start.log.set(Disk::Free);
    assert_eq!(answer.await.0, StatusCode::NO_CONTENT);
}

proptest! {
    /// Whatever bytes come, they are read or refused.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = pack(&bytes);
    }

    /// Any times and values resolve or are refused, and never overflow.
    #[test]
    fn any_numbers_resolve_or_are_refused(bt in any::<f64>(), t in any::<f64>(), v in any::<f64>()) {
        let record = Record { bt: Some(bt), t: Some(t), v: Some(v), u: Some("m".into()), ..Record::default() };
        let _ = Base::default().resolve(record, Timestamp(i64::MAX));
    }
}
