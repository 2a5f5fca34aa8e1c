//! One client's stream: what it missed, then events as they come, and a tick each second.

use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::extract::{FromRef, State};
use axum::http::{HeaderMap, Uri};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_stream::wrappers::ReceiverStream;

use super::{CLIENT_EVENTS, LiveEvent, Seat, Sent};
use crate::api::catalogue::Held;
use crate::api::wire::Refused;
use crate::error::Error;
use crate::params::Params;
use crate::view::Names;
use crate::{Console, Web};

/// How old the counts of a tick may be: all clients share one look at the order store.
const PULSE: Duration = Duration::from_millis(900);

/// Anomalies and orders as they happen (`anomaly`, `order`), another catalogue (`catalogue`), and a `tick` each second with city time and counts.
#[utoipa::path(get, path = "/api/v1/live", tag = "live",
    params(("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that came")),
    responses((status = 200, body = String, content_type = "text/event-stream"), Refused))]
pub(crate) async fn live(
    State(console): State<Console>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Error> {
    Params::read(&uri, &[])?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let seat = Web::from_ref(&console).parts().live.sit(last)?;
    let (to, from) = mpsc::channel(CLIENT_EVENTS);
    tokio::spawn(feed(console, seat, to));
    let keep = KeepAlive::new().interval(Duration::from_secs(15));
    Ok(Sse::new(ReceiverStream::new(from)).keep_alive(keep).into_response())
}

type Outlet = mpsc::Sender<Result<Event, Infallible>>;

/// Fills a client's queue until it leaves, is too slow, or the city closes.
async fn feed(console: Console, mut seat: Seat, to: Outlet) {
    let live = seat.live.clone();
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        let event = if let Some(sent) = seat.missed.pop_front() {
            Ok(told(&Web::from_ref(&console), &live.run, &sent))
        } else {
            tokio::select! {
                () = live.closed.cancelled() => return,
                () = to.closed() => return,
                came = seat.receiver.recv() => came.map(|sent| told(&Web::from_ref(&console), &live.run, &sent)),
                _ = ticks.tick() => {
                    let web = Web::from_ref(&console);
                    Ok(Event::default().event("tick").data(web.pulse().tick(&web).await))
                }
            }
        };
        match event.map(|event| to.try_send(Ok(event))) {
            Ok(Ok(())) => {}
            Ok(Err(TrySendError::Closed(_))) | Err(RecvError::Closed) => return,
            Ok(Err(TrySendError::Full(_))) | Err(RecvError::Lagged(_)) => {
                live.dropped.fetch_add(1, Ordering::Relaxed);
                tracing::debug!("a slow client of the live stream was dropped");
                return;
            }
        }
    }
}

fn told(web: &Web, run: &str, (number, event): &Sent) -> Event {
    let (name, body) = match event.as_ref() {
        LiveEvent::Anomaly(anomaly) => {
            let names = Names(web.catalogue());
            let mut body = serde_json::to_value(anomaly).unwrap_or_default();
            if let Value::Object(body) = &mut body {
                body.insert("station_title".into(), json!(names.station(anomaly.series.source())));
                body.insert("metric_title".into(), json!(names.metric(anomaly.series.metric())));
            }
            ("anomaly", body)
        }
        LiveEvent::Catalogue(held) => ("catalogue", serde_json::to_value(Held::of(held)).unwrap_or_default()),
        LiveEvent::Order(event) => ("order", serde_json::to_value(event).unwrap_or_default()),
    };
    Event::default().event(name).id(format!("{run}-{number}")).data(body.to_string())
}

/// City time and counts, looked up at most once in [`PULSE`] however many clients there are.
#[derive(Debug, Default)]
pub(crate) struct Pulse(tokio::sync::Mutex<Option<(Instant, String)>>);

impl Pulse {
    async fn tick(&self, web: &Web) -> String {
        let mut last = self.0.lock().await;
        if let Some((at, text)) = last.as_ref()
            && at.elapsed() < PULSE
        {
            return text.clone();
        }
        let text = look(web).await.to_string();
        *last = Some((Instant::now(), text.clone()));
        text
    }
}

async fn look(web: &Web) -> Value {
    let now = (web.parts().city_now)();
    let counts = match now {
        Some(now) => web.parts().orders.counts(now).await.ok(),
        None => None,
    };
    let open = counts.as_ref().map(crate::view::open_orders);
    json!({ "city_time": now, "open": open, "counts": counts })
}
