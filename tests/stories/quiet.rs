//! Silences: what somebody knows of opens no order, for a time that has an end; what still goes on then opens one.

use yiwang_model::{Span, Timestamp};
use yiwang_tests::city::City;
use yiwang_tests::feed::this_minute;
use yiwang_tests::gateway::{Gateway, pm2_5};
use yiwang_tests::{http, orders};

/// Above the story's limit.
const HIGH: f64 = 90.0;

#[test]
fn a_silence_holds_back_orders_until_it_ends_or_is_taken_out_over_a_kill() {
    let begin = this_minute();
    let minute = |nth| begin + Span::MINUTE.times(nth);
    let mut city = City::story();
    city.fed().start();
    let silence = |station: &str, to: Timestamp| {
        format!(
            r#"{{"who": "desk", "why": "the road is built", "stations": ["{station}"], "from": "{begin}", "to": "{to}"}}"#
        )
    };
    put(&city, "s-1", &silence("story-01", minute(10)), 200);
    put(&city, "s-2", &silence("story-02", minute(10)), 200);
    let answer = put(&city, "s-3", &silence("story-01", begin + Span::DAY.times(31)), 422);
    assert!(answer.contains("silence.to") && answer.contains("30d"), "{answer}");
    let answer = put(&city, "s-3", &silence("story-01", minute(10)).replace("the road is built", ""), 422);
    assert!(answer.contains("silence.why"), "{answer}");
    for nth in 0..3 {
        send(&city, &["story-01", "story-02", "story-03"], minute(nth));
    }
    assert_eq!(ordered(&city), ["story-03"], "the others are known");
    let quiet = city.json("/api/v1/silenced");
    assert_eq!(
        (quiet["count"].as_u64(), quiet["silences"].as_array().unwrap().len()),
        (Some(2), 2),
        "{quiet}"
    );
    assert_eq!((city.metric("yiwang_silenced_total"), city.metric("yiwang_silenced_episodes")), (2.0, 2.0));
    city.kill().start();
    city.settle();
    assert_eq!((ordered(&city).len(), city.metric("yiwang_silenced_episodes")), (1, 2.0), "after a kill");
    change(&city, "DELETE", "silences/s-2", "", 200);
    send(&city, &["story-03"], minute(4));
    assert_eq!(ordered(&city), ["story-02", "story-03"], "it was taken out, and the episode still goes on");
    assert_eq!(city.json("/api/v1/silenced")["episodes"][0]["silenced"], "s-1");
    send(&city, &["story-03"], minute(11));
    assert_eq!(ordered(&city), ["story-01", "story-02", "story-03"], "its time is over");
    let found = orders::orders(&city, "detector=now&source=story-01");
    assert_eq!(found[0].draft.evidence.anomaly.begin, begin, "it is the same episode");
    assert_eq!(city.json("/api/v1/silenced")["count"], 0);
    city.stop().reconcile(false, &[]).must_balance();
}

fn send(city: &City, sources: &[&str], at: Timestamp) {
    let rows = sources.iter().map(|source| pm2_5(source, at, HIGH)).collect();
    assert_eq!(Gateway::open(city.at().grpc, "story").rows(rows).unwrap().refused_total, 0);
    city.settle();
}

/// The sources that have an order of detector `now`, sorted.
fn ordered(city: &City) -> Vec<String> {
    let found = orders::orders(city, "detector=now").into_iter();
    let mut sources: Vec<String> =
        found.map(|order| order.draft.evidence.anomaly.series.source().to_string()).collect();
    sources.sort();
    sources
}

fn put(city: &City, id: &str, entry: &str, status: u16) -> String {
    change(city, "PUT", &format!("silences/{id}"), entry, status)
}

fn change(city: &City, method: &str, path: &str, body: &str, wanted: u16) -> String {
    let path = format!("/api/v1/registry/{path}");
    let (status, answer) = http::send(city.at().http, method, &path, body).unwrap();
    assert_eq!(status, wanted, "{method} {path}: {answer}");
    answer
}
