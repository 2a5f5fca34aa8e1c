use super::*;
use crate::names::Limits;
use crate::testing::MemoryLog;
use crate::tests_kit::{Start, city};

fn reading(metric: &str, value: &str) -> String {
    format!(r#"{{"metric":"{metric}","time":"2026-03-02T10:15:00+08:00","value":{value},"unit":"ug/m3"}}"#)
}

async fn taken(topic: &str, payload: &str) -> (Submission, Option<Verdict>) {
    taken_within(Limits::default(), topic, payload).await
}

async fn taken_within(limits: Limits, topic: &str, payload: &str) -> (Submission, Option<Verdict>) {
    let Start { ingest, .. } = city(MemoryLog::new(4), limits).await;
    let mut submission = Submission::default();
    let sender = Sender { door: "mqtt", name: "g1", order: Order::Kept };
    let verdict = take(&ingest, ingest.plausible(), sender, (topic, payload.as_bytes()), &mut submission);
    (submission, verdict.map(|verdict| *verdict))
}

const TOPIC: &str = "yw/v1/510104-air-1";

#[tokio::test]
async fn a_good_reading_is_admitted_in_any_spelling_of_its_unit() {
    let (submission, verdict) = taken(TOPIC, &reading("pm2_5", "41.5")).await;
    assert_eq!(verdict, None);
    assert_eq!(submission.rows.len(), 1);
    assert!((submission.rows[0].row.value - 41.5).abs() < f64::EPSILON);
    assert!(submission.rejected.is_empty());
}

#[tokio::test]
async fn each_refusal_has_its_code_and_is_recorded() {
    let unknown_metric = reading("nonsense", "1");
    for (topic, payload, code, reason) in [
        ("other/v1/x", "{}", PubackReasonCode::TopicNameInvalid, Reason::BadName),
        ("yw/v1/", "{}", PubackReasonCode::TopicNameInvalid, Reason::BadName),
        ("yw/v1/a b", "{}", PubackReasonCode::TopicNameInvalid, Reason::BadName),
        (TOPIC, "{", PubackReasonCode::PayloadFormatInvalid, Reason::Malformed),
        (TOPIC, "", PubackReasonCode::PayloadFormatInvalid, Reason::Malformed),
        (TOPIC, &unknown_metric, PubackReasonCode::PayloadFormatInvalid, Reason::UnknownMetric),
        (TOPIC, &reading("pm2_5", "-1"), PubackReasonCode::PayloadFormatInvalid, Reason::ImpossibleValue),
        ("yw/v1/nowhere", &reading("pm2_5", "1"), PubackReasonCode::NotAuthorized, Reason::UnknownSource),
    ] {
        let (submission, verdict) = taken(topic, payload).await;
        assert_eq!(verdict.expect("refused").code, code, "{topic} {payload}");
        assert!(submission.rows.is_empty());
        let [record] = submission.rejected.as_slice() else { panic!("{topic}: {:?}", submission.rejected) };
        assert_eq!((record.reason, record.count), (reason as u32, 1), "{topic} {payload}");
        assert_eq!((record.door.as_str(), record.sender.as_str()), ("mqtt", "g1"));
        assert_eq!(record.excerpt, payload.as_bytes());
    }
}

#[tokio::test]
async fn too_many_series_are_a_matter_of_quota() {
    let limits = Limits { series_per_gateway: 1, series: 10, ..Limits::default() };
    let payload = format!("[{},{}]", reading("pm2_5", "1"), reading("pm10", "1"));
    let (submission, verdict) = taken_within(limits, TOPIC, &payload).await;
    assert_eq!(verdict.unwrap().code, PubackReasonCode::QuotaExceeded);
    assert_eq!(submission.rows.len(), 1);
}

#[tokio::test]
async fn of_an_array_the_good_ones_are_kept() {
    let payload = format!("[{},{},{}]", reading("pm2_5", "1"), reading("pm2_5", "-1"), reading("pm10", "2"));
    let (submission, verdict) = taken(TOPIC, &payload).await;
    assert_eq!(submission.rows.len(), 2);
    let verdict = verdict.unwrap();
    assert_eq!(verdict.code, PubackReasonCode::PayloadFormatInvalid);
    assert!(
        verdict.reason.starts_with("1 of 3 readings refused, the others kept; reading 1:"),
        "{}",
        verdict.reason
    );
}

#[tokio::test]
async fn of_broken_json_nothing_is_kept() {
    let payload = format!("[{},{}", reading("pm2_5", "1"), reading("pm2_5", "-1"));
    let (submission, verdict) = taken(TOPIC, &payload).await;
    assert!(submission.rows.is_empty());
    assert_eq!(submission.rejected.len(), 1);
    assert_eq!(verdict.unwrap().code, PubackReasonCode::PayloadFormatInvalid);
}

#[tokio::test]
async fn reasons_and_excerpts_are_bounded() {
    let long = "µ".repeat(100_000);
    let payload = reading("pm2_5", "1").replace("ug/m3", &long);
    let (submission, verdict) = taken(TOPIC, &payload).await;
    assert!(verdict.unwrap().reason.len() <= MAX_REASON_BYTES);
    let [record] = submission.rejected.as_slice() else { panic!("one record") };
    assert!(record.message.len() < 1000 && record.excerpt.len() == 1024);
}

#[tokio::test]
async fn below_senml_a_message_is_a_pack() {
    let pack = r#"[{"bn":"510104-air-1/","bu":"ug/m3","n":"pm2_5","v":1},{"n":"smell","v":1}]"#;
    let (submission, verdict) = taken("senml/any/box", pack).await;
    assert_eq!(submission.rows.len(), 1);
    let verdict = verdict.unwrap();
    assert!(
        verdict.reason.contains("1 of 2 readings refused") && verdict.reason.contains("smell"),
        "{verdict:?}"
    );
}
