//! Sources are registered while the city runs: the doors take them at once, the judgement knows them, and a city that is
//! killed at the moment of its answer still has them.

use yiwang_model::{Span, Timestamp};
use yiwang_tests::city::City;
use yiwang_tests::feed::this_minute;
use yiwang_tests::gateway::{Gateway, pm2_5};
use yiwang_tests::{http, orders, wait};

/// How often the city is killed as soon as it has answered.
const ROUNDS: u32 = 5;
/// Above the story's limit.
const HIGH: f64 = 90.0;

#[test]
fn a_source_is_judged_from_the_moment_it_is_registered() {
    let begin = this_minute();
    let mut city = City::story();
    city.fed().start();
    let mut gateway = Gateway::open(city.at().grpc, "story");
    let send = |gateway: &mut Gateway, source: &str, at: Timestamp, value: f64| {
        gateway.rows(vec![pm2_5(source, at, value)]).unwrap().refused_total
    };
    assert_eq!(send(&mut gateway, "new-01", begin, HIGH), 1, "nobody knows it yet");
    register(&city, "new-01", "");
    assert_eq!(
        send(&mut gateway, "new-01", begin + Span::MINUTE, HIGH),
        0,
        "the stream that is open goes on"
    );
    city.settle();
    assert_eq!(opened(&city, "new-01"), [begin + Span::MINUTE]);
    let window = format!(
        r#"{{"station": "new-02", "from": "{begin}", "to": "{}", "source": "plan"}}"#,
        begin + Span::MINUTE.times(5)
    );
    register(&city, "new-02", "");
    change(&city, "PUT", "calibrations/w-1", &window);
    for minute in 2..7 {
        assert_eq!(send(&mut gateway, "new-02", begin + Span::MINUTE.times(minute), HIGH), 0);
    }
    city.settle();
    assert_eq!(opened(&city, "new-02"), [begin + Span::MINUTE.times(5)], "a calibration is no alarm");
    change(&city, "DELETE", "stations/new-01", "");
    assert_eq!(send(&mut gateway, "new-01", begin + Span::MINUTE.times(7), HIGH), 1);
    let page = http::get(city.at().http, "/stations?lang=en").unwrap().1;
    assert!(page.contains("Station new-02") && !page.contains("Station new-01"));
}

#[test]
fn what_was_registered_outlives_a_kill() {
    let begin = this_minute();
    let mut city = City::story();
    city.fed();
    for round in 0..ROUNDS {
        city.start();
        let source = format!("new-{round}");
        register(&city, &source, r#", "units": {"pm2_5": "mg/m³"}"#);
        city.kill();
    }
    city.start();
    let mut gateway = Gateway::open(city.at().grpc, "story");
    for round in 0..ROUNDS {
        let mut reading = pm2_5(&format!("new-{round}"), begin, HIGH / 1000.0);
        reading.unit = "mg/m³".into();
        assert_eq!(gateway.rows(vec![reading]).unwrap().refused_total, 0, "round {round}");
    }
    city.settle();
    for round in 0..ROUNDS {
        let source = format!("new-{round}");
        assert_eq!(opened(&city, &source), [begin], "{source} sends in mg/m³ and is judged in µg/m³");
    }
    city.stop().reconcile(false, &[]).must_balance();
}

/// Killed right after the answer, at the latest: while the readings of what was registered are let go.
#[test]
fn what_came_too_early_waits_in_quarantine() {
    let begin = this_minute();
    let mut city = City::story();
    city.fed().config("quarantine_bytes = 1048576").start();
    let mut gateway = Gateway::open(city.at().grpc, "story");
    for round in 0..ROUNDS {
        let reading = pm2_5(&format!("new-{round}"), begin, HIGH);
        assert_eq!(gateway.rows(vec![reading]).unwrap().refused_total, 0, "it is taken");
    }
    city.kill().start();
    assert_eq!(city.metric("yiwang_quarantine_readings"), f64::from(ROUNDS));
    let unknown = city.json("/api/v1/registry/unknown");
    assert_eq!(unknown["series"][0]["source"], "new-0", "{unknown}");
    city.settle();
    assert!(orders::all(&city).is_empty(), "nobody judges what nobody knows");
    for round in 0..ROUNDS {
        register(&city, &format!("new-{round}"), "");
        city.kill().start();
    }
    wait::until("all were let go", || city.metric("yiwang_quarantine_readings") == 0.0);
    city.kill().start();
    assert_eq!(city.metric("yiwang_readings_released_total"), 0.0, "they are let go once");
    city.settle();
    for round in 0..ROUNDS {
        assert_eq!(opened(&city, &format!("new-{round}")), [begin], "round {round}");
    }
    city.stop().reconcile(false, &[]).must_balance();
}

fn register(city: &City, source: &str, more: &str) {
    let entry = format!(
        r#"{{"zh": "新站", "en": "Station {source}", "kind": "air", "district": "510104", "gateway": "story",
            "metrics": ["pm2_5"]{more}}}"#
    );
    change(city, "PUT", &format!("stations/{source}"), &entry);
}

fn change(city: &City, method: &str, path: &str, body: &str) {
    let path = format!("/api/v1/registry/{path}");
    let (status, answer) = http::send(city.at().http, method, &path, body).unwrap();
    assert_eq!(status, 200, "{method} {path}: {answer}");
}

/// When the episodes of a source began, in order.
fn opened(city: &City, source: &str) -> Vec<Timestamp> {
    let orders = orders::orders(city, &format!("detector=now&source={source}"));
    let mut begins: Vec<_> = orders.iter().map(|order| order.draft.evidence.anomaly.begin).collect();
    begins.sort_unstable();
    begins
}
