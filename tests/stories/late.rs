//! Readings that come late or are corrected take orders back, change them and bring them again; nothing is deleted.

use yiwang_model::order::StepKind;
use yiwang_model::{OrderState, Span, Timestamp, WorkOrder};
use yiwang_tests::city::City;
use yiwang_tests::feed::this_minute;
use yiwang_tests::gateway::{Gateway, pm2_5};
use yiwang_tests::{http, orders};

/// The order of a station that the detector "now" opened.
fn order(city: &City, station: &str) -> WorkOrder {
    let mut found = orders::orders(city, &format!("detector=now&source={station}"));
    assert_eq!(found.len(), 1, "{station} has one order");
    found.remove(0)
}

fn kinds(order: &WorkOrder) -> Vec<StepKind> {
    order.timeline.iter().map(|step| step.kind).collect()
}

fn accept(city: &City, order: &WorkOrder) {
    let path = format!("/api/v1/orders/{}/transitions", order.no.0);
    let (status, answer) =
        http::post(city.at().http, &path, r#"{"to":"accepted","note":"by hand"}"#).unwrap();
    assert_eq!(status, 200, "{answer}");
}

#[test]
fn a_correction_withdraws_what_never_was_and_another_brings_it_back() {
    let begin = this_minute();
    let at = |minute: i64| begin + Span::MINUTE.times(minute);
    let mut city = City::story();
    city.fed().start();
    let mut gateway = Gateway::open(city.at().grpc, "story");
    let mut send = |station: &str, time: Timestamp, value: f64| {
        gateway.rows(vec![pm2_5(station, time, value)]).unwrap();
    };
    for station in ["story-01", "story-02"] {
        send(station, at(0), 20.0);
        send(station, at(1), 90.0);
    }
    city.settle();
    accept(&city, &order(&city, "story-02"));
    for station in ["story-01", "story-02"] {
        send(station, at(1), 30.0);
    }
    city.settle();

    let untouched = order(&city, "story-01");
    assert_eq!(
        (untouched.state, kinds(&untouched)),
        (OrderState::Closed, vec![StepKind::Opened, StepKind::Withdrawn])
    );
    let why = &untouched.timeline[1].note;
    assert!(
        why.contains(&at(1).to_string()) && why.contains("90") && why.contains("30"),
        "names the reading: {why}"
    );
    let touched = order(&city, "story-02");
    assert_eq!(touched.state, OrderState::Accepted, "its department decides");
    assert_eq!(kinds(&touched), [StepKind::Opened, StepKind::Moved, StepKind::Withdrawn]);

    // A crash in between changes nothing.
    city.kill().start();
    let mut gateway = Gateway::open(city.at().grpc, "story");
    gateway.rows(vec![pm2_5("story-01", at(1), 95.0)]).unwrap();
    city.settle();
    let back = order(&city, "story-01");
    assert_eq!((&back.no, back.state), (&untouched.no, OrderState::Reopened));
    assert_eq!(back.draft.evidence.anomaly.extreme, 95.0);
    city.stop().reconcile(false, &[]).must_balance();
}

#[test]
fn a_late_reading_moves_the_begin_and_one_too_late_changes_nothing() {
    let begin = this_minute();
    let at = |minute: i64| begin + Span::MINUTE.times(minute);
    let mut city = City::story();
    city.fed().start();
    let mut gateway = Gateway::open(city.at().grpc, "story");
    for (minute, value) in [(0, 20.0), (2, 90.0), (3, 91.0)] {
        gateway.rows(vec![pm2_5("story-01", at(minute), value)]).unwrap();
    }
    city.settle();
    let first = order(&city, "story-01");
    assert_eq!(first.draft.evidence.anomaly.begin, at(2));
    gateway.rows(vec![pm2_5("story-01", at(1), 99.0)]).unwrap();
    city.settle();
    let moved = order(&city, "story-01");
    assert_eq!((&moved.no, moved.anomaly), (&first.no, first.anomaly), "it keeps its name");
    let anomaly = &moved.draft.evidence.anomaly;
    assert_eq!((anomaly.begin, anomaly.extreme), (at(1), 99.0));
    assert_eq!(kinds(&moved), [StepKind::Opened, StepKind::Revised]);

    gateway.rows(vec![pm2_5("story-01", at(-300), 200.0)]).unwrap();
    city.settle();
    assert_eq!(city.metric("yiwang_too_late_total"), 1.0);
    assert_eq!(city.metric("yiwang_marked_minutes_total"), 1.0);
    assert_eq!(order(&city, "story-01"), moved);
    city.stop().reconcile(false, &[]).must_balance();
}
