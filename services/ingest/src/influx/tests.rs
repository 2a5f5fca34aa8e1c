use std::io::Write;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use serde_json::Value;
use tower::ServiceExt;
use yiwang_proto::topics;

use super::*;
use crate::names::Limits;
use crate::testing::{Disk, MemoryLog};
use crate::tests_kit::{Start, city, values};

const V1: &str = "/write?db=city";
const V2: &str = "/api/v2/write?org=o&bucket=city";
const GOOD: &str = "readings,source=510104-air-1,metric=pm2_5 value=35.5 1772417700000000000";

async fn start() -> Start {
    city(MemoryLog::new(2), Limits::default()).await
}

fn request(to: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(to).body(body.into()).unwrap()
}

async fn send(start: &Start, request: Request<Body>) -> (StatusCode, String) {
    let response = router(Arc::clone(&start.ingest)).oneshot(request).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let told = serde_json::from_slice::<Value>(&body).unwrap_or_default();
    let told = told.get("error").or(told.get("message")).and_then(Value::as_str).unwrap_or_default();
    (status, told.to_owned())
}

async fn post(start: &Start, to: &str, body: &str) -> (StatusCode, String) {
    send(start, request(to, body.to_owned())).await
}

fn packed(body: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(body).unwrap();
    packed.finish().unwrap()
}

#[tokio::test]
async fn points_are_taken_in_both_dialects_and_by_both_mappings() {
    let start = start().await;
    let mapped = "air,station=510104-air-1,host=box pm10=61i,co=0.7 1772417700000000001\n\n# a remark\n";
    for (to, body) in [(V1, GOOD), (V2, mapped)] {
        assert_eq!(post(&start, to, body).await, (StatusCode::NO_CONTENT, String::new()));
    }
    let mut found = values(&start.log);
    found.sort_by(f64::total_cmp);
    assert_eq!(found, [0.7, 35.5, 61.0]);
}

#[tokio::test]
async fn nothing_is_answered_before_it_is_durable() {
    let start = start().await;
    start.log.set(Disk::Held);
    let answer = post(&start, V1, GOOD);
    tokio::pin!(answer);
    tokio::select! {
        answered = &mut answer => panic!("answered {answered:?} while the disk held"),
        () = start.log.begun(1) => {}
    }
    start.log.set(Disk::Free);
    assert_eq!(answer.await.0, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn good_points_are_kept_and_bad_ones_named() {
    let start = start().await;
    let lines = [
        GOOD,
        "readings,source=510104-air-1,metric=pm2_5 1772417700000000000",
        "readings,source=nobody,metric=pm2_5 value=1 1772417700000000000",
        "air,station=510104-air-1 pm25=7,uptime=5 1772417700000000002",
        "air,host=box pm25=7 1772417700000000002",
        "air,station=510104-air-1 pm25=\"seven\" 1772417700000000002",
        "readings,source=510104-air-1,metric=pm2_5 value=9,colour=1 1772417700000000000",
        "readings,source=510104-air-1,metric=pm2_5 value=9,quality=\"fine\" 1772417700000000000",
        "readings,source=510104-air-1,metric=pm2_5 value=-5 1772417700000000000",
    ];
    let (status, told) = post(&start, V1, &lines.join("\n")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{told}");
    let words = [
        "No fields were provided",
        "source \"nobody\" is not in the catalogue",
        "field \"uptime\" of measurement \"air\"",
        "tag \"station\" is missing",
        "field \"pm25\" is no number",
        "no field \"colour\"",
        "quality",
        "-5 is not possible",
        "dropped=8",
    ];
    assert!(told.starts_with("partial write: "), "{told}");
    words.iter().for_each(|word| assert!(told.contains(word), "{word} in {told}"));
    let mut found = values(&start.log);
    found.sort_by(f64::total_cmp);
    assert_eq!(found, [7.0, 35.5]);
    assert_eq!(start.log.topic(topics::REJECTED).len(), 5, "one record for each reason");
    let (status, _) = post(&start, V2, lines[2]).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(post(&start, V2, lines[1]).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn an_answer_names_some_and_counts_all() {
    let start = start().await;
    let (_, told) = post(&start, V1, &"nonsense\n".repeat(5_000)).await;
    assert!(
        told.ends_with("dropped=5000") && told.matches("nonsense").count() == answer::MAX_NAMED,
        "{told}"
    );
}

#[tokio::test]
async fn a_byte_that_is_no_text_spoils_its_line_and_no_other() {
    let start = start().await;
    let bad = b"readings,source=510104-air-1,metric=pm2_5 value=3\xff5 1772417700000000000\n";
    let body = [bad.as_slice(), GOOD.as_bytes()].concat();
    let (status, told) = send(&start, request(V1, body)).await;
    assert!(status == StatusCode::BAD_REQUEST && told.contains("invalid utf-8"), "{told}");
    assert_eq!(values(&start.log), [35.5]);
}

#[tokio::test]
async fn precision_is_heeded_and_a_time_out_of_range_told() {
    let start = start().await;
    let line = |time: &str| format!("readings,source=510104-air-1,metric=pm2_5 value=1 {time}");
    for (to, time) in [
        ("/write?db=city&precision=s", "1772417700"),
        ("/write?db=city&precision=ms", "1772417701000"),
        ("/write?db=city&precision=u", "1772417702000000"),
        ("/write?db=city&precision=m", "29540295"),
        ("/write?db=city&precision=h", "492338"),
        ("/api/v2/write?bucket=city&precision=us", "1772417704000000"),
    ] {
        assert_eq!(post(&start, to, &line(time)).await.0, StatusCode::NO_CONTENT, "{to}");
    }
    let (_, told) = post(&start, "/write?db=city&precision=h", &line("1772417700000000")).await;
    assert!(told.contains("check the precision"), "{told}");
    assert_eq!(post(&start, "/write?db=city&precision=d", GOOD).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(post(&start, "/api/v2/write?bucket=city&precision=h", GOOD).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn gzip_is_undone_and_what_is_none_is_told() {
    let start = start().await;
    let with = |encoding: &str, body: Vec<u8>| {
        Request::post(V1).header("content-encoding", encoding).body(Body::from(body)).unwrap()
    };
    assert_eq!(send(&start, with("gzip", packed(GOOD.as_bytes()))).await.0, StatusCode::NO_CONTENT);
    let mut torn = packed(GOOD.as_bytes());
    torn.truncate(20);
    assert_eq!(send(&start, with("gzip", torn)).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(send(&start, with("br", GOOD.into())).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let bomb = packed(&vec![b'\n'; MAX_BODY_BYTES + 1]);
    assert!(bomb.len() < 200_000);
    assert_eq!(send(&start, with("gzip", bomb)).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(values(&start.log), [35.5]);
}

#[tokio::test]
async fn a_body_that_is_too_large_or_elsewhere_is_turned_away() {
    let start = start().await;
    let large = vec![b'\n'; MAX_BODY_BYTES + 1];
    assert_eq!(send(&start, request(V2, large)).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(post(&start, "/write?db=other", GOOD).await.0, StatusCode::NOT_FOUND);
    assert_eq!(post(&start, "/write", GOOD).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(post(&start, V1, "").await.0, StatusCode::NO_CONTENT);
    assert_eq!(post(&start, V2, "").await.0, StatusCode::BAD_REQUEST);
    assert!(values(&start.log).is_empty());
}

#[tokio::test]
async fn a_body_that_is_larger_than_a_submission_is_taken_whole() {
    let start = start().await;
    let line = |n: i64| {
        format!("readings,source=510104-air-1,metric=pm2_5 value=1 {}\n", 1_772_417_700_000_000_000 + n)
    };
    let body: String = (0..45_000).map(line).collect();
    assert_eq!(post(&start, V1, &body).await.0, StatusCode::NO_CONTENT);
    assert_eq!(values(&start.log).len(), 45_000);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_given_up_and_too_many_are_turned_away() {
    let start = start().await;
    let never = Body::from_stream(futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
    assert_eq!(send(&start, request(V1, never)).await.0, StatusCode::REQUEST_TIMEOUT);
    let (ingest, budget) = (Arc::clone(&start.ingest), Arc::new(Budget::new(10)));
    let door = Door { ingest, keys: Keys::default(), budget };
    let headers = HeaderMap::new();
    let mut share = door.budget.share();
    let read = body::read(&headers, Body::from(GOOD), &mut share).await;
    assert!(matches!(read, Err(Trouble::Body(crate::body::Trouble::Busy))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is sent, it is answered, and good lines among it that stand alone are kept.
    #[test]
    fn any_bytes_are_answered(junk in proptest::collection::vec(any::<u8>(), 0..300), at in 0..20usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let start = start().await;
            let mut body = GOOD.as_bytes().to_vec();
            body.push(b'\n');
            body.extend(&junk);
            let status = send(&start, request(if at % 2 == 0 { V1 } else { V2 }, body)).await.0;
            assert!(matches!(status.as_u16(), 204 | 400 | 422), "{status}");
            assert_eq!(values(&start.log).first(), Some(&35.5));
        });
    }
}
