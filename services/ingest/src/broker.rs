//! A broker that a city already has: we are its client, take what it hands us, and acknowledge what is durable.
//!
//! [`Broker`] holds one connection at a time to one broker, by `rumqttc`, in MQTT 3.1.1 or 5. What its messages mean is said by a
//! [`Consumer`]; [`Readings`] is the one of this house, with topics and payloads as at [`crate::mqtt`].
//!
//! - The session outlives the connection: the client id is fixed, the broker keeps what comes while we are away.
//! - A PUBACK goes to the broker when, and only when, what its message says is in the log, or the record of its refusal is; in
//!   the order of arrival. What was not acknowledged comes again, which is harmless: a repeat changes nothing.
//! - Packet identifiers belong to a connection, and the broker uses them again on the next. Each connection therefore has an
//!   event loop of its own; what of an earlier one becomes durable later is counted as thrown away and not acknowledged.
//!   `rumqttc` would go on with the earlier one's events: they are dropped with its event loop.
//! - A refused message is acknowledged, or it would come for ever. So is one above [`Target::max_packet_bytes`]. One above
//!   [`MAX_READ_BYTES`] cannot be read: the connection ends, and health says what to do. Version 5 tells the broker that bound; brokers then
//!   drop what is larger.
//! - While [`MAX_MESSAGES`] messages or [`MAX_WAITING_BYTES`] wait for the log nothing is read, and TCP holds the broker back. No ping is sent
//!   meanwhile: beyond one and a half times the keep alive a broker closes the connection, and what was not acknowledged comes
//!   again on the next.
//! - A broker that is gone touches no other door. The first try to come back is made at once, the next after a pause that
//!   doubles up to [`Pauses::longest`].

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Ingest;

mod consumer;
mod hold;
mod link;
mod pause;
mod progress;
mod session;
mod target;

pub use consumer::{Consumer, Message, Readings, Say};
pub use pause::Pauses;
pub use progress::{Progress, State};
pub use target::{Login, Target, Version, is_filter};

use session::{Ended, Session};

/// The largest packet that is read at all, in bytes.
pub const MAX_READ_BYTES: u32 = 16 << 20;
/// How many messages may wait for the log; version 5 tells the broker (Receive Maximum).
pub const MAX_MESSAGES: u16 = 4096;
/// How much payload may wait for the log, in bytes; one message may go beyond it.
pub const MAX_WAITING_BYTES: usize = 4 << 20;
/// A connection that lasted so long is none of a series of failures.
const FIRM: Duration = Duration::from_secs(1);

/// A broker elsewhere, and who takes its messages.
pub struct Broker {
    target: Target,
    ingest: Arc<Ingest>,
    progress: Arc<Progress>,
    consumer: Box<dyn Consumer>,
    pauses: Pauses,
}

impl Broker {
    /// One whose messages this consumer takes; nothing is connected yet.
    #[must_use]
    pub fn new(target: Target, ingest: Arc<Ingest>, consumer: Box<dyn Consumer>) -> Self {
        Self { target, ingest, progress: Arc::default(), consumer, pauses: Pauses::default() }
    }

    /// The same with other pauses between tries.
    #[must_use]
    pub fn with_pauses(self, pauses: Pauses) -> Self {
        Self { pauses, ..self }
    }

    /// How it goes.
    #[must_use]
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Connects, takes, comes back, until `stop`. Then nothing more is taken, what is under way is acknowledged, and the
    /// broker is told goodbye.
    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let began = Instant::now();
            let (ingest, progress) = (Arc::clone(&self.ingest), Arc::clone(&self.progress));
            let session = Session::open(&self.target, ingest, progress, self.consumer.as_mut());
            match session.run(&stop).await {
                Ended::Stopped => return,
                Ended::Lost(lost) => {
                    self.consumer.lost();
                    self.progress.down(&self.target.name, &lost);
                }
            }
            if began.elapsed() >= FIRM {
                self.pauses.begin_anew();
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.pauses.next()) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
