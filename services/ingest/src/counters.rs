//! What the doors count. Nothing disappears without being counted here.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use yiwang_proto::v1::Reason;

use crate::hj212::Counts;
use crate::mqtt::closed::Closed;

/// A count that only rises.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to it.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// What it is.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the doors count since the process began.
#[derive(Debug, Default)]
pub struct Counters {
    /// Readings made durable.
    pub admitted: Counter,
    /// Readings made durable in quarantine, because their source is not in the catalogue; they are among the admitted.
    pub quarantined: Counter,
    /// Readings that left the quarantine for the city.
    pub released: Counter,
    /// Readings refused, by number of [`Reason`].
    pub refused_by_reason: [Counter; REASONS],
    /// Refused readings that the topic `rejected` had no room for.
    pub rejected_not_kept: Counter,
    /// Commits that found the disk full and were tried again.
    pub no_room: Counter,
    /// Whether the commit under way found the disk full.
    pub is_full: AtomicBool,
    /// Whether the city's clock stands, because the log has no room for a tick.
    pub ticks_wait: AtomicBool,
    /// Whether the MQTT listener could not take the last connection.
    pub mqtt_cannot_accept: AtomicBool,
    /// Open gRPC streams ever.
    pub grpc_streams: Counter,
    /// MQTT connections ever.
    pub mqtt_connections: Counter,
    /// MQTT connections that ended, by [`Closed`].
    pub mqtt_closed: [Counter; Closed::ALL.len()],
    /// MQTT messages taken, good and refused.
    pub mqtt_messages: Counter,
    /// Requests with line protocol, good and refused.
    pub influx_requests: Counter,
    /// What the HJ 212 door counts.
    pub hj212: Counts,
    /// Ticks appended.
    pub ticks: Counter,
}

/// One more than the largest number of a [`Reason`].
pub const REASONS: usize = 15;

impl Counters {
    /// Counts refused readings.
    pub fn refused(&self, reason: u32, count: u64) {
        if let Some(counter) = self.refused_by_reason.get(reason as usize) {
            counter.add(count);
        }
    }

    /// Refused readings by reason, as (name in the API, count).
    pub fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        (0..).zip(&self.refused_by_reason).map(|(number, counter)| {
            let reason = Reason::try_from(number).unwrap_or(Reason::Unspecified);
            (reason.as_str_name(), counter.get())
        })
    }

    /// MQTT connections that ended, as (why, count).
    pub fn mqtt_closings(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Closed::ALL.iter().zip(&self.mqtt_closed).map(|(closed, counter)| (closed.word(), counter.get()))
    }
}
