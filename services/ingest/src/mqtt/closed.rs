//! Why a connection of the MQTT door ended; each is counted.

use mqtt_protocol_core::mqtt::result_code::MqttError;

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The client said goodbye.
    Goodbye,
    /// The client closed the connection, or the network did, without a word.
    Lost,
    /// No CONNECT in time.
    NoConnect,
    /// A CONNECT that cannot be taken: another version, a client id that is not allowed, a will above QoS 1.
    BadConnect,
    /// The client has no credential, or one that is not known or may not write.
    Denied,
    /// A packet that is not what MQTT allows, or more unacknowledged messages than were granted.
    Malformed,
    /// A packet above the largest.
    TooLarge,
    /// A message of QoS 2.
    QosNotSupported,
    /// Nothing was heard for 1.5 times the keep alive.
    Silent,
    /// The client does not read its answers.
    Slow,
    /// The same client connected again.
    TakenOver,
    /// The city is stopping.
    Stopping,
    /// There were too many connections.
    TooMany,
    /// All connections together held too much, and this one was in the midst of a large packet.
    Quota,
}

impl Closed {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 14] = [
        Self::Goodbye,
        Self::Lost,
        Self::NoConnect,
        Self::BadConnect,
        Self::Denied,
        Self::Malformed,
        Self::TooLarge,
        Self::QosNotSupported,
        Self::Silent,
        Self::Slow,
        Self::TakenOver,
        Self::Stopping,
        Self::TooMany,
        Self::Quota,
    ];

    /// What a fault of the protocol ends a connection for.
    pub(crate) fn by(fault: MqttError) -> Self {
        match fault {
            MqttError::PacketTooLarge => Self::TooLarge,
            MqttError::UnsupportedProtocolVersion | MqttError::ClientIdentifierNotValid => Self::BadConnect,
            MqttError::BadUserNameOrPassword => Self::Denied,
            _ => Self::Malformed,
        }
    }

    /// Its name in metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Goodbye => "goodbye",
            Self::Lost => "lost",
            Self::NoConnect => "no_connect",
            Self::BadConnect => "bad_connect",
            Self::Denied => "denied",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::QosNotSupported => "qos_not_supported",
            Self::Silent => "silent",
            Self::Slow => "slow",
            Self::TakenOver => "taken_over",
            Self::Stopping => "stopping",
            Self::TooMany => "too_many",
            Self::Quota => "quota",
        }
    }
}
