//! The HJ 212 door: loggers of pollution sources, editions 2005, 2017 and 2025, on one TCP port.
//!
//! [`yiwang_proto::hj212`] reads the packets; this door knows who may send and what becomes of it. What it promises:
//!
//! - An answer (9014 to data, 9013 to notices) has the QN of its packet and leaves when, and only when, every reading of the
//!   packet is durable, or the record of its refusal is. It leaves only if Flag asks for one. The protocol knows no
//!   refusal of data: a factor that was refused is in topic `rejected` with its reason.
//! - What cannot be read gets no answer, as the standard has it, and is recorded and counted; the packets behind it are
//!   taken. So does a packet with a wrong sum.
//! - A connection is bound to one logger by the MN and PW of its first packet. An MN that is not in the catalogue, a wrong PW
//!   or, later, another MN closes it. The same MN connected twice: the older leaves.
//! - A value without a unit in the logger's map is refused, the other factors of its packet are taken.
//! - Parts of a split packet are taken each alone; that all came is only counted.
//!
//! - What a logger is told to do ([`desk`], over HTTP) goes by its connection, in between. Its answers are told to who asked;
//!   one that belongs to no open request is counted and changes nothing.
//!
//! Of a connection at most one read is under way: nothing more is read before it is durable and its answers are written.
//!
//! Bounds: of a connection a packet of 4,106 bytes that is not whole; of all connections [`Options::max_reads`] reads
//! of 64 KiB whose readings wait for the disk, and [`Options::max_unread_bytes`] of answers that their loggers do not take. An
//! idle connection keeps no buffer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::Ingest;
use crate::accept::{self, accept};

pub mod closed;
mod connection;
mod counts;
pub mod desk;
pub(crate) mod http;
mod line;
mod number;
mod parts;
mod reading;
pub mod request;
mod speech;
mod take;

use closed::Closed;
pub use counts::Counts;
pub use line::Told;

/// Knows the loggers' passwords.
pub trait Passwords: Send + Sync + 'static {
    /// Whether this is the logger's password. Asked for each packet, from async code: it must not block.
    fn allows(&self, mn: &str, pw: &str) -> bool;
}

/// Takes any password: for a city that listens on loopback only.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnyPassword;

impl Passwords for AnyPassword {
    fn allows(&self, _mn: &str, _pw: &str) -> bool {
        true
    }
}

/// How the door is set.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The most connections at once; more are closed at once. Default 10,000.
    pub max_connections: usize,
    /// The most reads of all connections together that wait for the disk. Default 256.
    pub max_reads: usize,
    /// The most bytes of all connections together that were written and that the sockets did not take at once. Who would
    /// have more is closed as slow. Default 16 MiB.
    pub max_unread_bytes: usize,
    /// How long a connection may take to send its first packet. Default 10 min.
    pub first_time: Duration,
    /// How long a logger may be silent: the longest interval of the standard is an hour. Default 2 h.
    pub idle_time: Duration,
    /// How long a logger may take to read its answers. Default 5 s.
    pub write_time: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_reads: 256,
            max_unread_bytes: 16 << 20,
            first_time: Duration::from_secs(600),
            idle_time: Duration::from_secs(7200),
            write_time: Duration::from_secs(5),
        }
    }
}

/// What the connections of a door share.
struct Door {
    ingest: Arc<Ingest>,
    passwords: Arc<dyn Passwords>,
    options: Options,
    reads: Semaphore,
    unread: Semaphore,
    stop: CancellationToken,
}

/// Serves loggers until `stop`. Then no more is read, what was read is made durable and answered, and all connections are
/// closed; it returns when the last is.
pub async fn serve(
    listener: TcpListener,
    ingest: Arc<Ingest>,
    passwords: Arc<dyn Passwords>,
    options: Options,
    stop: CancellationToken,
) {
    let reads = Semaphore::new(options.max_reads.clamp(1, Semaphore::MAX_PERMITS));
    let unread = Semaphore::new(options.max_unread_bytes.min(Semaphore::MAX_PERMITS));
    let door = Arc::new(Door { ingest, passwords, options, reads, unread, stop: stop.clone() });
    accept(listener, door, options.max_connections, stop).await;
}

impl accept::Door for Door {
    async fn serve_one(self: Arc<Self>, socket: TcpStream) {
        self.counts().connections.add(1);
        let closed = connection::Connection::new(socket, Arc::clone(&self)).run().await;
        self.counts().closed(closed);
    }

    fn too_many(&self) {
        self.counts().closed(Closed::TooMany);
    }

    fn cannot_accept(&self, cannot: bool) {
        self.counts().cannot_accept.store(cannot, Ordering::Relaxed);
    }
}

impl Door {
    fn counts(&self) -> &Counts {
        &self.ingest.counters.hj212
    }
}

#[cfg(test)]
mod tests;
