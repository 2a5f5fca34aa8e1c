//! The live stream: what it tells, and that a slow or a greedy client costs little.

use tokio_stream::StreamExt;
use yiwang_model::{Anomaly, Phase, Severity};

use super::*;
use crate::LiveEvent;
use crate::live::{CLIENT_EVENTS, KEPT_EVENTS, MAX_CLIENTS};

fn anomaly(city: &City) -> Anomaly {
    let order = city::order(&city.parts.catalogue.in_force().catalogue, 3, Span::HOUR, now());
    Anomaly { phase: Phase::Raised, severity: Severity::Critical, ..order.draft.evidence.anomaly }
}

async fn open(city: &City, last: Option<&str>) -> axum::response::Response {
    let request = Request::get("/api/v1/live");
    let request = last.into_iter().fold(request, |request, id| request.header("last-event-id", id));
    city.router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

/// Reads the stream until a text has come.
async fn read_until(response: axum::response::Response, wanted: &str) -> String {
    let mut body = response.into_body().into_data_stream();
    let mut text = String::new();
    while !text.contains(wanted) {
        let Some(Ok(bytes)) = body.next().await else { break };
        text.push_str(&String::from_utf8_lossy(&bytes));
    }
    text
}

/// Lets other tasks run until something holds, for as long as they could take at the very most.
async fn until(holds: impl Fn() -> bool) {
    for _ in 0..1_000_000 {
        if holds() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it never came to hold");
}

#[tokio::test]
async fn events_and_ticks_come() {
    let city = city();
    let response = open(&city, None).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    city.parts.live.publish(LiveEvent::Anomaly(anomaly(&city)));
    let text = read_until(response, "event: tick").await;
    let text = if text.contains("event: anomaly") { text } else { panic!("no anomaly in {text}") };
    assert!(text.contains("\"station_title\":{\"en\":"), "{text}");
    assert!(text.contains("\"city_time\":\"2026-03-02T02:15:00Z\""), "{text}");
    assert!(text.contains("\"overdue\":"), "{text}");
}

#[tokio::test]
async fn a_client_that_comes_back_is_told_what_it_missed() {
    let city = city();
    let response = open(&city, None).await;
    city.parts.live.publish(LiveEvent::Anomaly(anomaly(&city)));
    let text = read_until(response, "id: ").await;
    let id = text.split("id: ").nth(1).unwrap().lines().next().unwrap().to_owned();
    for _ in 0..3 {
        city.parts.live.publish(LiveEvent::Anomaly(anomaly(&city)));
    }
    let text = read_until(open(&city, Some(&id)).await, "event: tick").await;
    assert_eq!(text.matches("event: anomaly").count(), 3);
    let strange = read_until(open(&city, Some("another-1")).await, "event: tick").await;
    assert_eq!(strange.matches("event: anomaly").count(), 0, "the id of another run asks for nothing");
}

#[tokio::test]
async fn a_slow_client_is_dropped_and_counted() {
    let city = city();
    let live = city.parts.live.clone();
    let unread = open(&city, None).await;
    assert_eq!(live.clients(), 1);
    for _ in 0..CLIENT_EVENTS + KEPT_EVENTS + 1 {
        live.publish(LiveEvent::Anomaly(anomaly(&city)));
        tokio::task::yield_now().await;
    }
    until(|| live.dropped() == 1 && live.clients() == 0).await;
    let text = read_until(unread, "never comes").await;
    let waited = text.matches("event: ").count();
    assert!(waited <= CLIENT_EVENTS, "{waited} events waited");
    assert!(city.get("/metrics").await.body.contains("yiwang_web_live_dropped_total 1\n"));
}

#[tokio::test]
async fn seats_are_counted_and_given_back() {
    let city = city();
    let mut seated = Vec::new();
    for _ in 0..MAX_CLIENTS {
        seated.push(open(&city, None).await);
    }
    assert_eq!(open(&city, None).await.status(), 503);
    drop(seated);
    until(|| city.parts.live.clients() == 0).await;
    assert_eq!(open(&city, None).await.status(), 200);
}

#[tokio::test]
async fn closing_ends_every_stream() {
    let city = city();
    let response = open(&city, None).await;
    city.parts.live.close();
    read_until(response, "never comes").await;
    until(|| city.parts.live.clients() == 0).await;
}
