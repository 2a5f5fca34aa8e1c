//! What happens, as it happens: server-sent events of anomalies, orders and other catalogues, and a tick each second.
//!
//! Whoever judges calls [`Live::publish`]; it never waits. Every client has a queue of [`CLIENT_EVENTS`] events and
//! a task that fills it; a client whose queue is full is dropped and counted, and its browser comes back with
//! `Last-Event-ID` for what it missed, as far as the last [`KEPT_EVENTS`] events reach. An event's id is the run
//! of the process and a number rising by one within it; an id of another run asks for nothing.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;
use yiwang_catalogue::InForce;
use yiwang_model::Anomaly;
use yiwang_orders::OrderEvent;

use crate::error::Error;
use crate::health::Sample;

mod stream;

pub(crate) use stream::Pulse;
pub(crate) use stream::{__path_live, live};

/// The most clients at once.
pub const MAX_CLIENTS: usize = 256;
/// The most events that wait for one client.
pub const CLIENT_EVENTS: usize = 64;
/// The most who watch orders by gRPC at once; each holds at most [`yiwang_orders::feed::MAX_EVENTS`] events.
pub const MAX_WATCHERS: usize = 256;
/// How many past events are kept for clients that come back.
pub const KEPT_EVENTS: usize = 256;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum LiveEvent {
    /// A step of an episode.
    Anomaly(Anomaly),
    /// A step of an order.
    Order(OrderEvent),
    /// Another catalogue holds.
    Catalogue(InForce),
}

/// An event with its number.
pub(crate) type Sent = (u64, Arc<LiveEvent>);

/// Where events come in and clients sit.
#[derive(Debug)]
pub struct Live {
    run: String,
    sender: broadcast::Sender<Sent>,
    kept: Mutex<Kept>,
    clients: AtomicUsize,
    dropped: AtomicU64,
    closed: CancellationToken,
    /// The free seats of those who watch orders by gRPC.
    watchers: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Kept {
    last: u64,
    events: VecDeque<Sent>,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            run: format!("{:x}", jiff::Timestamp::now().as_millisecond()),
            sender: broadcast::Sender::new(KEPT_EVENTS),
            kept: Mutex::default(),
            clients: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            closed: CancellationToken::new(),
            watchers: Arc::new(Semaphore::new(MAX_WATCHERS)),
        }
    }
}

impl Live {
    /// Tells all clients. Never waits: slow clients lose their seat, not others their time.
    pub fn publish(&self, event: LiveEvent) {
        let mut kept = self.kept();
        kept.last += 1;
        let sent = (kept.last, Arc::new(event));
        if kept.events.len() == KEPT_EVENTS {
            kept.events.pop_front();
        }
        kept.events.push_back(sent.clone());
        // under the lock, so that nobody subscribes between the two and hears it twice; no receiver is no fault
        let _ = self.sender.send(sent);
    }

    /// Ends all streams, so that a server that drains is not kept by them.
    pub fn close(&self) {
        self.closed.cancel();
    }

    /// Resolves once all streams end.
    pub(crate) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// A seat for who watches orders; none when all are taken.
    pub(crate) fn watch(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.watchers).try_acquire_owned().ok()
    }

    /// How many clients there are.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients.load(Ordering::Relaxed)
    }

    /// How many clients were dropped because they were slow.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    // counts far below 2^53
    pub(crate) fn samples(&self) -> [Sample; 3] {
        let watchers = MAX_WATCHERS - self.watchers.available_permits();
        [
            Sample::gauge("yiwang_web_watchers", "Clients that watch orders by gRPC.", watchers as f64),
            Sample::gauge("yiwang_web_live_clients", "Clients of the live stream.", self.clients() as f64),
            Sample::counter(
                "yiwang_web_live_dropped_total",
                "Clients of the live stream dropped because they were slow.",
                self.dropped() as f64,
            ),
        ]
    }

    /// A seat, with what came after the event that a client saw last.
    fn sit(self: &Arc<Self>, last_seen: Option<&str>) -> Result<Seat, Error> {
        let seat = |taken| (taken < MAX_CLIENTS).then_some(taken + 1);
        if self.clients.fetch_update(Ordering::Relaxed, Ordering::Relaxed, seat).is_err() {
            return Err(Error::Busy { what: "too many clients of the live stream", most: MAX_CLIENTS });
        }
        let kept = self.kept();
        let after = last_seen.and_then(|id| self.number(id));
        let missed = after.map_or_else(VecDeque::new, |after| {
            kept.events.iter().filter(|(number, _)| *number > after).cloned().collect()
        });
        let receiver = self.sender.subscribe();
        drop(kept);
        Ok(Seat { live: self.clone(), missed, receiver })
    }

    fn number(&self, id: &str) -> Option<u64> {
        let (run, number) = id.split_once('-')?;
        (run == self.run).then(|| number.parse().ok()).flatten()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client's place; it is free again when this is dropped.
#[derive(Debug)]
struct Seat {
    live: Arc<Live>,
    missed: VecDeque<Sent>,
    receiver: broadcast::Receiver<Sent>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.live.clients.fetch_sub(1, Ordering::Relaxed);
    }
}
