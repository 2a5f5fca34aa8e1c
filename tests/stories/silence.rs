//! Pain 12: nothing is heard of a gateway. One order says so, not one for each of its series.

use yiwang_model::{Span, Timestamp};
use yiwang_tests::city::City;
use yiwang_tests::feed::this_minute;
use yiwang_tests::gateway::{Gateway, pm2_5};
use yiwang_tests::orders;

/// How many series fall silent together.
const SERIES: usize = 48;

#[test]
fn pain_12_a_gateway_that_falls_silent_is_one_order() {
    let begin = this_minute();
    let mut city = silent_city();
    let mut gateway = Gateway::open(city.at().grpc, "bench");
    for minute in 0..10 {
        gateway.rows(round("bench-", SERIES, begin + Span::MINUTE.times(minute))).unwrap();
        heard(&mut gateway, begin + Span::MINUTE.times(minute));
    }
    city.settle();
    assert_eq!(orders::orders(&city, ""), []);
    // The other gateway goes on, and with it the city's time: the first has said nothing for an hour.
    for minute in 10..70 {
        heard(&mut gateway, begin + Span::MINUTE.times(minute));
        // A tick now and then, so that silence is found as it would be.
        if minute % 10 == 0 {
            city.settle();
        }
    }
    city.settle();
    let found = orders::orders(&city, "");
    let told: Vec<String> = found.iter().map(|order| order.draft.title.en.clone()).collect();
    assert_eq!(found.len(), 1, "{told:?}");
    let anomaly = &found[0].draft.evidence.anomaly;
    assert_eq!(
        (&*anomaly.detector, anomaly.series.source().as_ref(), anomaly.end),
        ("gateway-silent", "bench", None)
    );
    // It speaks again: the order is cleared, and nothing else ever came.
    gateway.rows(round("bench-", SERIES, begin + Span::MINUTE.times(70))).unwrap();
    city.settle();
    let found = orders::orders(&city, "");
    assert_eq!(found.len(), 1);
    assert!(found[0].draft.evidence.anomaly.end.is_some());
    city.stop().reconcile(false, &[]).must_balance();
}

/// The story's city, which also minds who falls silent.
fn silent_city() -> City {
    let mut city = City::story();
    let text = std::fs::read_to_string(yiwang_tests::city::story_catalogue()).unwrap();
    let file = city.beside("silence.toml");
    std::fs::write(&file, text.replace("period = \"1s\"", "period = \"1m\"") + SILENCES).unwrap();
    city.catalogue(&file).fed().start();
    city
}

const SILENCES: &str = r#"
[[detector]]
name = "sensor-silent"
zh = "失联"
en = "Silent"
kind = "silence"
metrics = ["pm2_5"]
periods = 5
category = "device"
severity = "warning"
source = "the stories"

[[detector]]
name = "gateway-silent"
zh = "网关失联"
en = "Gateway silent"
kind = "gateway_silent"
category = "device"
severity = "serious"
source = "the stories"
"#;

fn round(prefix: &str, series: usize, at: Timestamp) -> Vec<yiwang_proto::v1::Reading> {
    // Never the same value for long: nothing here is to be flat.
    let value = 20.0 + f64::from(u8::try_from(at.secs() / 60 % 7).unwrap());
    (1..=series).map(|number| pm2_5(&format!("{prefix}{number:06}"), at, value)).collect()
}

/// A reading of the gateway that goes on.
fn heard(gateway: &mut Gateway, at: Timestamp) {
    gateway.rows(round("story-", 1, at)).unwrap();
}
