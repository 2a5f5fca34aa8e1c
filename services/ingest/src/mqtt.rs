//! The MQTT door: versions 3.1.1 and 5.0, for publishing only.
//!
//! A client publishes readings as JSON to `yw/v1/{source}`; what a payload holds stands in `mqtt/payload.rs`, which
//! refusal has which reason code in `mqtt/take.rs`. What the door promises:
//!
//! - A PUBACK leaves when, and only when, every reading of its message is durable, or the record of its refusal is.
//!   PUBACKs of one connection leave in the order of its messages.
//! - Version 3.1.1 knows no refusal: there a refused message gets its plain PUBACK, and the refusal is in the log.
//! - QoS 0 is taken and not answered. QoS 2 is refused: CONNACK grants QoS 1, who sends it anyway gets DISCONNECT 0x9B
//!   (3.1.1: is disconnected). So is a will of QoS 2.
//! - No session outlives its connection: session present is always 0, what was not acknowledged is to be sent again, and
//!   a repeat is harmless. DUP says nothing to the door.
//! - SUBSCRIBE is refused for every filter (0x87; 3.1.1: 0x80). Since nobody can subscribe, a will is accepted and never
//!   published, and RETAIN means nothing.
//! - The client id is the gateway. Without one the door assigns one. The same id connected twice: the older leaves
//!   (0x8E).
//! - Who is slower to read than to send, or faster than the disk, is slowed: see [`RECEIVE_MAXIMUM`].
//!
//! Bounds of one connection: a packet of [`MAX_PACKET_BYTES`] while it comes in, [`MAX_WAITING_BYTES`] of payload whose
//! readings wait for the disk, one read of 64 KiB, and their answers (a few bytes each, at most 256 with a reason).
//! All connections together: [`Options::max_held_bytes`], and one read of each.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::Ingest;
use crate::accept::{self, accept};
use crate::budget::Budget;
use crate::gate::Gate;

pub mod closed;
mod connection;
pub mod payload;
mod protocol;
pub(crate) mod take;

use crate::clients::Clients;
use closed::Closed;
pub use take::PREFIX;

/// The largest packet, in bytes.
pub const MAX_PACKET_BYTES: u32 = 1 << 20;
/// How many messages of one connection may wait for the disk. Version 5 is told so, and who sends more is disconnected
/// (0x93); of 3.1.1, and of QoS 0, no more is read until some are durable.
pub const RECEIVE_MAXIMUM: u16 = 4096;
/// How much payload of one connection may wait for the disk before no more is read, in bytes.
pub const MAX_WAITING_BYTES: usize = 4 << 20;

/// How the door is set.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The most connections at once; more are closed at once. Default 10,000.
    pub max_connections: usize,
    /// The most bytes that all connections together may hold, of payload that waits for the disk and of packets that are
    /// not whole yet. Beyond it a connection is read only while nothing of it waits, and one in the midst of a large
    /// packet is closed (0x97). Default 256 MiB.
    pub max_held_bytes: usize,
    /// How long a client may take to say CONNECT. Default 10 s.
    pub connect_time: Duration,
    /// How long a client may take to read something of its answers. Default 30 s.
    pub write_time: Duration,
    /// How long a client without keep alive may be silent. Default 1 h.
    pub idle_time: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_held_bytes: 256 << 20,
            connect_time: Duration::from_secs(10),
            write_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(3600),
        }
    }
}

/// What the connections of a door share.
struct Door {
    ingest: Arc<Ingest>,
    gate: Arc<dyn Gate>,
    options: Options,
    clients: Arc<Clients>,
    budget: Arc<Budget>,
    stop: CancellationToken,
}

/// Serves clients until `stop`. Then no more is read, what was submitted is answered, and all connections are closed;
/// it returns when the last is.
pub async fn serve(
    listener: TcpListener,
    ingest: Arc<Ingest>,
    gate: Arc<dyn Gate>,
    options: Options,
    stop: CancellationToken,
) {
    let budget = Arc::new(Budget::new(options.max_held_bytes));
    let door = Arc::new(Door { ingest, gate, options, clients: Arc::default(), budget, stop: stop.clone() });
    accept(listener, door, options.max_connections, stop).await;
}

impl accept::Door for Door {
    async fn serve_one(self: Arc<Self>, socket: TcpStream) {
        self.ingest.counters.mqtt_connections.add(1);
        let closed = connection::Connection::new(socket, Arc::clone(&self)).run().await;
        self.count(closed);
    }

    fn too_many(&self) {
        self.count(Closed::TooMany);
    }

    fn cannot_accept(&self, cannot: bool) {
        self.ingest.counters.mqtt_cannot_accept.store(cannot, Ordering::Relaxed);
    }
}

impl Door {
    fn count(&self, closed: Closed) {
        self.ingest.counters.mqtt_closed[closed as usize].add(1);
    }
}

#[cfg(test)]
pub(crate) mod tests;
