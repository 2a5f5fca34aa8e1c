//! Alerts of other systems: the real Alertmanager opens, worsens and clears an order, whoever is killed; and what was
//! answered with yes is there after a kill.

use serde_json::{Value, json};
use yiwang_model::order::{Channel, StepKind};
use yiwang_model::{OrderState, Severity, Span, WorkOrder};
use yiwang_tests::alertmanager::Alertmanager;
use yiwang_tests::city::City;
use yiwang_tests::feed::this_minute;
use yiwang_tests::orders::orders;
use yiwang_tests::{http, skip, wait};

/// Waits until the city's clock has begun, without which no order has a deadline.
fn ready(city: &City) {
    let empty = || http::post(city.at().http, "/api/v1/alerts", "{\"alerts\":[]}");
    wait::until("alerts are taken", || matches!(empty(), Ok((200, _))));
}

fn kinds(order: &WorkOrder) -> Vec<StepKind> {
    order.timeline.iter().map(|step| step.kind).collect()
}

#[test]
fn the_real_alertmanager_opens_worsens_and_clears_one_order() {
    let mut city = City::story();
    city.start();
    let Some(monitor) = Alertmanager::start(city.at().http) else {
        return skip("alerts", "prometheus-alertmanager is not there; tests/install.sh installs it");
    };
    ready(&city);
    let begin = (this_minute() - Span::MINUTE).to_string();
    let alert = |severity: &str, end: Option<String>| {
        let mut alert = json!({
            "labels": {"alertname": "PumpDown", "team": "air", "instance": "pump-7"},
            "annotations": {"summary": "Pump 7 stands still", "severity": severity},
            "startsAt": begin, "generatorURL": "http://prometheus.example/graph?g0.expr=up",
        });
        if let Some(end) = end {
            alert["endsAt"] = end.into();
        }
        json!([alert])
    };
    let found = |city: &City| orders(city, "detector=alert%3APumpDown");
    monitor.tell(&alert("warning", None));
    wait::until("an order is opened", || found(&city).len() == 1);
    wait::until("it is repeated", || city.metric("yiwang_alerts_total{came=\"repeated\"}") > 0.0);
    city.kill();
    monitor.tell(&alert("critical", None));
    city.start();
    wait::until("it has worsened", || kinds(&found(&city)[0]).contains(&StepKind::Worsened));
    monitor.tell(&alert("critical", Some(this_minute().to_string())));
    wait::until("it has cleared", || kinds(&found(&city)[0]).contains(&StepKind::Cleared));
    city.kill().start();
    let found = found(&city);
    assert_eq!(found.len(), 1, "{found:?}");
    let order = &found[0];
    assert_eq!(kinds(order), [StepKind::Opened, StepKind::Worsened, StepKind::Cleared]);
    assert_eq!((order.channel, order.state), (Channel::Alert, OrderState::Opened));
    assert_eq!((&*order.draft.category, &*order.draft.department), ("air", "air-office"));
    assert_eq!(order.draft.evidence.anomaly.severity, Severity::Critical);
    assert_eq!(order.draft.evidence.links, ["http://prometheus.example/graph?g0.expr=up"]);
    assert!(city.get(&format!("/orders/{}", order.no)).contains("Pump 7 stands still"));
    drop(monitor);
    city.stop();
    let books = city.reconcile(false, &[]);
    books.must_balance();
    assert!(books.text.contains("orders of other systems' alerts: 1 looked at, 0 differ"), "{}", books.text);
}

#[test]
fn what_two_senders_were_told_is_there_after_a_kill() {
    let mut city = City::story();
    city.start();
    ready(&city);
    let begin = this_minute().to_string();
    for round in 0..3 {
        let alert = |nth: i32| {
            json!({
                "status": "firing", "startsAt": begin, "endsAt": "0001-01-01T00:00:00Z",
                "labels": {"alertname": "Down", "instance": format!("node-{nth}")},
            })
        };
        let body = json!({"version": "4", "alerts": (0..=round).map(alert).collect::<Vec<_>>()}).to_string();
        let at = city.at().http;
        let send = || {
            let (status, answer) = http::post(at, "/api/v1/alerts", &body).unwrap();
            assert_eq!(status, 200, "{answer}");
            serde_json::from_str::<Value>(&answer).unwrap()
        };
        // Two of a pair that is highly available.
        let (one, two) = std::thread::scope(|scope| {
            let (one, two) = (scope.spawn(send), scope.spawn(send));
            (one.join().unwrap(), two.join().unwrap())
        });
        city.kill().start();
        let last = |answer: &Value| answer["taken"][usize::try_from(round).unwrap()].clone();
        assert_eq!(last(&one)["order"], last(&two)["order"]);
        let mut came = [last(&one)["came"].clone(), last(&two)["came"].clone()].map(|came| came.to_string());
        came.sort();
        assert_eq!(came, ["\"opened\"", "\"repeated\""]);
        let no = last(&one)["order"].as_str().unwrap().to_owned();
        assert_eq!(city.json(&format!("/api/v1/orders/{no}"))["channel"], "alert");
        assert_eq!(orders(&city, "category=device").len(), usize::try_from(round).unwrap() + 1);
        ready(&city);
    }
    city.stop();
    city.reconcile(false, &[]).must_balance();
}
