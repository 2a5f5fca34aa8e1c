//! One connection to a broker, by `rumqttc`, whose two versions of MQTT are two libraries with one shape.
//!
//! [`Words`] says, [`Ears`] hears. They belong to one connection and are dropped with it. What is said goes into a channel that
//! has room for an acknowledgement of every packet identifier there is, and leaves while [`Ears::next`] is polled.
//! `next` must be polled to its end: dropped midway it may lose what it was about to write.
//!
//! Nagle's algorithm stays on, so that acknowledgements, which `rumqttc` writes one by one, leave together.

use bytes::Bytes;

use super::{Say, Target, Version};

mod v3;
mod v5;

/// Room for what waits to be said: more than there are packet identifiers, and what a consumer says.
const ROOM: usize = 1 << 17;
/// Messages of ours that may wait for the broker's acknowledgement.
const OWN_MESSAGES: u16 = 100;
/// How long a connection may take to stand, in seconds.
const CONNECT_SECONDS: u64 = 10;

/// What a connection brings.
#[derive(Debug)]
pub(super) enum Heard {
    /// The broker took the connection, with our session or with a new one.
    Entered { resumed: bool },
    /// It answered to the filters, in their order: what is wrong with each.
    Subscribed(Vec<Option<String>>),
    /// A message.
    Message(Incoming),
    /// We have said goodbye.
    Left,
}

/// A message as it came.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) topic: Topic,
    pub(super) payload: Bytes,
    /// None for QoS 0.
    pub(super) id: Option<u16>,
    pub(super) retained: bool,
    pub(super) again: bool,
}

/// A topic; in version 5 not checked to be text.
#[derive(Debug)]
pub(super) enum Topic {
    Text(String),
    Bytes(Bytes),
}

impl Topic {
    pub(super) fn text(&self) -> std::borrow::Cow<'_, str> {
        match self {
            Self::Text(text) => text.into(),
            Self::Bytes(bytes) => String::from_utf8_lossy(bytes),
        }
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    /// It cannot be reached.
    #[error("{at} cannot be reached: {why}")]
    Unreachable { at: String, why: String },
    /// It does not want us.
    #[error("the broker refused CONNECT: {0}")]
    Refused(String),
    /// It closed the connection.
    #[error(
        "the broker closed the connection; if it does so again and again, another client has this client_id"
    )]
    Closed,
    /// A packet that cannot be read, and comes again on each connection.
    #[error(
        "a message of {0} bytes waits in the broker, and at most {max} can be read: remove it there, and have the broker \
         refuse such (message_size_limit in Mosquitto)",
        max = super::MAX_READ_BYTES
    )]
    TooLarge(usize),
    /// Something else.
    #[error("{0}")]
    Other(String),
}

/// What is wrong with a user or a password.
const BAD_LOGIN: &str = "wrong user or password; see user and secret_file";
/// What is wrong when it knows us and does not let us in.
const NOT_ALLOWED: &str =
    "not authorized: wrong user or password, or no right to connect; see user and secret_file";

/// The speaking end.
pub(super) enum Words {
    V3(rumqttc::AsyncClient),
    V5(rumqttc::v5::AsyncClient),
}

/// The hearing end.
pub(super) enum Ears {
    V3(Box<v3::Ears>),
    V5(Box<v5::Ears>),
}

/// A connection that will be made when `next` is polled first.
pub(super) fn open(target: &Target, will: Option<Say>) -> (Words, Ears) {
    match target.version {
        Version::V3 => {
            let (client, ears) = v3::open(target, will);
            (Words::V3(client), Ears::V3(Box::new(ears)))
        }
        Version::V5 => {
            let (client, ears) = v5::open(target, will);
            (Words::V5(client), Ears::V5(Box::new(ears)))
        }
    }
}

/// The channel has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoRoom;

impl Words {
    pub(super) fn subscribe(&self, filters: Vec<String>) -> Result<(), NoRoom> {
        match self {
            Self::V3(client) => {
                client.try_subscribe_many(filters.into_iter().map(v3::filter)).or(Err(NoRoom))
            }
            Self::V5(client) => {
                client.try_subscribe_many(filters.into_iter().map(v5::filter)).or(Err(NoRoom))
            }
        }
    }

    /// Acknowledges the message of this identifier.
    pub(super) fn acknowledge(&self, id: u16) -> Result<(), NoRoom> {
        match self {
            Self::V3(client) => client.try_ack(&v3::received(id)).or(Err(NoRoom)),
            Self::V5(client) => client.try_ack(&v5::received(id)).or(Err(NoRoom)),
        }
    }

    pub(super) fn say(&self, Say { topic, payload, acknowledged, retain }: Say) -> Result<(), NoRoom> {
        match self {
            Self::V3(client) => {
                client.try_publish(topic, v3::qos(acknowledged), retain, payload).or(Err(NoRoom))
            }
            Self::V5(client) => {
                client.try_publish(topic, v5::qos(acknowledged), retain, payload).or(Err(NoRoom))
            }
        }
    }

    pub(super) fn goodbye(&self) -> Result<(), NoRoom> {
        match self {
            Self::V3(client) => client.try_disconnect().or(Err(NoRoom)),
            Self::V5(client) => client.try_disconnect().or(Err(NoRoom)),
        }
    }
}

impl Ears {
    /// What comes next.
    pub(super) async fn next(&mut self) -> Result<Heard, Lost> {
        match self {
            Self::V3(ears) => ears.next().await,
            Self::V5(ears) => ears.next().await,
        }
    }
}
