//! Who takes the messages of a broker: the seam between the client and what its messages mean.
//!
//! A consumer that also speaks, as a host of Sparkplug B, says what the broker is to publish when the connection is lost
//! ([`Consumer::will`]), what to publish once it stands ([`Consumer::connected`]), what to publish on a message
//! ([`Consumer::take`]), and what when the city leaves ([`Consumer::leaving`]).

use bytes::Bytes;

use crate::Ingest;
use crate::admit::Plausible;
use crate::commit::Submission;
use crate::mqtt::take::{Sender, take};
use crate::seq::Order;

/// A message of a broker.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The broker, as it is configured.
    pub broker: &'a str,
    /// Its topic.
    pub topic: &'a str,
    /// What it says.
    pub payload: &'a [u8],
    /// Whether the broker had kept it for whoever comes.
    pub retained: bool,
    /// Whether the broker delivers it again.
    pub again: bool,
    /// Whether others of a group get the rest.
    pub shared: bool,
}

/// A message to a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Say {
    /// Its topic.
    pub topic: String,
    /// What it says.
    pub payload: Bytes,
    /// Whether it is to be acknowledged: QoS 1, otherwise 0.
    pub acknowledged: bool,
    /// Whether the broker is to keep it for whoever comes.
    pub retain: bool,
}

/// Who takes the messages of a broker.
pub trait Consumer: Send {
    /// Filters to subscribe to besides those that are configured.
    fn filters(&self) -> Vec<String> {
        Vec::new()
    }

    /// What the broker is to publish when the connection is lost; asked for before each connection.
    fn will(&mut self) -> Option<Say> {
        None
    }

    /// The subscriptions stand: what is to be published now.
    fn connected(&mut self) -> Vec<Say> {
        Vec::new()
    }

    /// Lays what a message says into `into`, and the records of what it refuses; what is to be published goes into `say`. The message
    /// is acknowledged once `into` is durable.
    fn take(
        &mut self,
        ingest: &Ingest,
        plausible: Plausible,
        message: &Message<'_>,
        into: &mut Submission,
        say: &mut Vec<Say>,
    );

    /// The city stops, and what was taken is acknowledged: what is to be published before the goodbye.
    fn leaving(&mut self) -> Vec<Say> {
        Vec::new()
    }

    /// The connection is lost.
    fn lost(&mut self) {}
}

/// Takes readings, in the topics and payloads of [`crate::mqtt`].
#[derive(Clone, Copy, Debug)]
pub struct Readings;

/// The name of the door in topic `rejected`.
pub(super) const DOOR: &str = "broker";

impl Consumer for Readings {
    fn take(
        &mut self,
        ingest: &Ingest,
        plausible: Plausible,
        message: &Message<'_>,
        into: &mut Submission,
        _: &mut Vec<Say>,
    ) {
        let order = match message {
            Message { retained: true, .. } | Message { shared: true, .. } => Order::Unknown,
            Message { again: true, .. } => Order::Again,
            _ => Order::Kept,
        };
        let sender = Sender { door: DOOR, name: message.broker, order };
        // A broker is told nothing of a refusal: it would have nobody to tell.
        drop(take(ingest, plausible, sender, (message.topic, message.payload), into));
    }
}
