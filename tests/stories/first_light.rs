//! What a newcomer sees: one command on an empty folder, and the city lives, opens orders by itself, stops, goes on.
//!
//! The times that are promised for it (readings of all kinds within 10 s, an order within 30 s, a stop within 5 s) are
//! printed and not asserted: they hold on a machine that does nothing else.

use std::net::TcpStream;
use std::time::Instant;

use serde_json::Value;
use yiwang_model::{Span, Timestamp, WorkOrder};
use yiwang_tests::city::City;
use yiwang_tests::feed::this_minute;
use yiwang_tests::{http, orders, wait};

/// One metric of each kind, and how far back its readings may lie.
const KINDS: [(&str, &str, Span); 3] = [
    ("environment", "pm2_5", Span::HOUR),
    ("project progress", "project_percent", Span::HOUR.times(24 * 40)),
    ("economy", "industrial_value_added", Span::HOUR.times(24 * 100)),
];

#[test]
fn a_newcomer_sees_the_city_at_work() {
    let mut city = City::new();
    let began = Instant::now();
    city.switch("--simulate").start();
    greets(&city);
    for (kind, metric, back) in KINDS {
        wait::until(&format!("readings of {kind} are answered"), || has_readings(&city, metric, back));
    }
    told("readings of all three kinds", 10, began);
    wait::until("an order has opened by itself, and its page draws the limit", || {
        orders::orders(&city, "").iter().any(|order| draws_its_limit(&city, order))
    });
    told("an order with its chart", 30, began);

    let before = orders::orders(&city, "");
    let stopping = Instant::now();
    city.interrupt();
    told("Ctrl-C", 5, stopping);

    city.start();
    let after = orders::orders(&city, "");
    orders::episodes(&after);
    for order in &before {
        assert!(after.iter().any(|found| same(found, order)), "{} is not there any more", order.no.0);
    }
    let known = newest(&city, "site_noise");
    wait::until("more readings come", || newest(&city, "site_noise") > known);
    city.interrupt().reconcile(false, &[]).must_balance();
}

/// One short block with where everything is; the ports are those that are really bound.
fn greets(city: &City) {
    let (at, greeting) = (city.at(), city.greeting());
    for address in [at.grpc, at.mqtt, at.http] {
        TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        let named = greeting.lines().any(|line| line.split_whitespace().last() == Some(&address.to_string()));
        assert!(named, "{address} is not told:\n{greeting}");
    }
    for wanted in [format!("http://{}/", at.http), city.data().display().to_string()] {
        assert!(greeting.contains(&wanted), "{wanted} is not told:\n{greeting}");
    }
    assert!(greeting.lines().count() <= 10, "that is no short block:\n{greeting}");
}

fn has_readings(city: &City, metric: &str, back: Span) -> bool {
    let from = http::quoted(&(this_minute() - back).to_string());
    sources(city, metric).iter().any(|source| {
        let found = city.json(&format!("/api/v1/query?source={source}&metric={metric}&from={from}"));
        found["points"].as_array().is_some_and(|points| !points.is_empty())
    })
}

/// The time of the newest reading of a metric.
fn newest(city: &City, metric: &str) -> Option<Timestamp> {
    let newest = |source: &String| {
        let found = city.json(&format!("/api/v1/query?source={source}&metric={metric}&limit=1"));
        found["points"][0]["time"].as_str()?.parse().ok()
    };
    sources(city, metric).iter().filter_map(newest).max()
}

fn sources(city: &City, metric: &str) -> Vec<String> {
    let found = city.json(&format!("/api/v1/series?metric={metric}"));
    let series = found["series"].as_array().unwrap().iter();
    series.map(|series| series["source"].as_str().unwrap().to_owned()).collect()
}

/// Whether the page of this order has readings and a limit in its chart: across it, or beside a plan.
fn draws_its_limit(city: &City, order: &WorkOrder) -> bool {
    let page = city.get(&format!("/orders/{}", order.no.0));
    let (_, rest) = page.split_once("<script type=\"application/json\">").expect("a chart");
    let chart: Value = serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap();
    let lines = chart["lines"].as_array().unwrap();
    let has = |style: &str| {
        lines.iter().any(|line| {
            line["style"] == style && line["points"].as_array().is_some_and(|points| !points.is_empty())
        })
    };
    let across = chart["limits"].as_array().is_some_and(|limits| !limits.is_empty());
    has("line") && (across || has("limit"))
}

fn same(found: &WorkOrder, order: &WorkOrder) -> bool {
    (&found.no, found.anomaly, found.draft.received) == (&order.no, order.anomaly, order.draft.received)
}

/// Past the test run, which shows what a test prints only when it fails.
fn told(what: &str, promised: u32, since: Instant) {
    use std::io::Write as _;
    let took = since.elapsed().as_secs_f64();
    let _ = writeln!(std::io::stderr(), "first light: {what}: {took:.1} s; promised are {promised} s");
}
