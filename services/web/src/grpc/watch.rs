//! `OrderService.Watch`: what happens to orders, for as long as a client stays.
//!
//! The stream holds one page of events and no more; the next is read from the store when the client has taken this one. So a
//! slow client costs a page, whatever it has missed. The first reply only says where the stream begins: a client that asked
//! for what comes from now on, and is cut off before anything came, has a place to come back to.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use futures::stream::unfold;
use tokio::sync::OwnedSemaphorePermit;
use tonic::Status;
use yiwang_orders::OrderFeed;
use yiwang_orders::feed::{Extent, Happening, MAX_EVENTS, Place, Wanted};
use yiwang_proto::v1::{OrderEvent, OrderStep, Text, WatchOrdersReply, WatchOrdersRequest};

use super::{field, status, words};
use crate::error::excerpt;
use crate::live::MAX_WATCHERS;
use crate::{Live, Parts};

/// The replies to one client.
pub(super) type Watching = Pin<Box<dyn Stream<Item = Result<WatchOrdersReply, Status>> + Send>>;

/// The stream that a request asks for.
pub(super) async fn watch(parts: &Parts, asked: &WatchOrdersRequest) -> Result<Watching, Status> {
    let wanted = wanted(asked)?;
    let extent = parts.feed.extent().await.map_err(status)?;
    let after = begin(asked, extent)?;
    let full = || Status::resource_exhausted(format!("too many watch: the most is {MAX_WATCHERS}"));
    let watcher = Watcher {
        feed: Arc::clone(&parts.feed),
        live: Arc::clone(&parts.live),
        wanted,
        at: Place { store: extent.store, seq: after },
        ready: VecDeque::from([WatchOrdersReply { token: token(extent.store, after), event: None }]),
        _seat: parts.live.watch().ok_or_else(full)?,
    };
    Ok(Box::pin(unfold(Some(watcher), |watcher| async {
        let mut watcher = watcher?;
        let reply = watcher.reply().await;
        let goes_on = reply.is_ok();
        Some((reply, goes_on.then_some(watcher)))
    })))
}

fn wanted(asked: &WatchOrdersRequest) -> Result<Wanted, Status> {
    let one = |text: &str| field(text).into_iter().collect();
    Ok(Wanted {
        kinds: words("kinds", &asked.kinds)?,
        states: words("states", &asked.states)?,
        departments: one(&asked.department),
        districts: one(&asked.district),
        categories: one(&asked.category),
        sources: one(&asked.source),
    })
}

/// The place behind which the stream begins.
fn begin(asked: &WatchOrdersRequest, extent: Extent) -> Result<u64, Status> {
    let token = asked.token.as_str();
    match (token, asked.from_start) {
        ("", true) => Ok(extent.before),
        ("", false) => Ok(extent.last),
        (_, true) => Err(Status::invalid_argument("token beside from_start; wanted is one of the two")),
        (token, false) => {
            let wrong = || format!("\"{}\" is not a token: take that of a reply", excerpt(token));
            let place = Place::read(token).ok_or_else(|| Status::invalid_argument(wrong()))?;
            go_on(place, extent).map_err(|why| {
                let then = "begin with from_start, or without a token for what comes from now on";
                Status::out_of_range(format!("{why}: {then}"))
            })
        }
    }
}

fn go_on(place: Place, extent: Extent) -> Result<u64, &'static str> {
    if place.store != extent.store {
        Err("the token is of another order store")
    } else if place.seq < extent.before {
        Err("the events behind the token are no longer kept")
    } else if place.seq > extent.last {
        Err("the order store ends before the token, as one does that was restored from a copy")
    } else {
        Ok(place.seq)
    }
}

struct Watcher {
    feed: Arc<dyn OrderFeed>,
    live: Arc<Live>,
    wanted: Wanted,
    /// Up to which event the store was read.
    at: Place,
    ready: VecDeque<WatchOrdersReply>,
    _seat: OwnedSemaphorePermit,
}

impl Watcher {
    async fn reply(&mut self) -> Result<WatchOrdersReply, Status> {
        loop {
            if let Some(reply) = self.ready.pop_front() {
                return Ok(reply);
            }
            let events = tokio::select! {
                events = self.feed.events(self.at.seq, MAX_EVENTS) => events.map_err(status)?,
                () = self.live.closed() => {
                    return Err(Status::unavailable("the city stops: come back with the last token"));
                }
            };
            self.take(events);
        }
    }

    /// Makes replies of events; if none of many is wanted, one that says how far the stream is.
    fn take(&mut self, events: Vec<Happening>) {
        let Some(last) = events.last().map(|told| told.event.seq) else { return };
        let many = events.len() == MAX_EVENTS as usize;
        let store = self.at.store;
        self.at.seq = last;
        for told in events.into_iter().filter(|told| self.wanted.fits(told)) {
            let token = token(store, told.event.seq);
            self.ready.push_back(WatchOrdersReply { token, event: Some(event(told)) });
        }
        if many && self.ready.is_empty() {
            self.ready.push_back(WatchOrdersReply { token: token(store, last), event: None });
        }
    }
}

fn token(store: u64, seq: u64) -> String {
    Place { store, seq }.text()
}

fn event(Happening { event, facts }: Happening) -> OrderEvent {
    OrderEvent {
        no: event.no.0,
        category: facts.category,
        title: Some(Text::from(facts.title)),
        text: Some(Text::from(facts.text)),
        district: facts.district,
        station: facts.station,
        priority: facts.priority.word().into(),
        department: event.department,
        received_unix_nanos: facts.received.nanos(),
        due_unix_nanos: facts.due.nanos(),
        anomaly: event.anomaly.map(|id| id.to_string()).unwrap_or_default(),
        detector: facts.detector,
        source: facts.source,
        metric: facts.metric,
        step: Some(OrderStep::from(event.step)),
    }
}
