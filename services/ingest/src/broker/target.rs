//! Which broker, as whom, and what of it.

use std::fmt;
use std::time::Duration;

/// Which version of MQTT is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 3.1.1.
    V3,
    /// 5.0.
    V5,
}

impl Version {
    /// As it is written.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::V3 => "3.1.1",
            Self::V5 => "5",
        }
    }
}

/// A user and the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The password, which is never shown.
    pub secret: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with a password", self.user)
    }
}

/// A broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What it is called in health, metrics and topic `rejected`.
    pub name: String,
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Under which the broker keeps our session.
    pub client_id: String,
    /// As whom we come, if it asks.
    pub login: Option<Login>,
    /// Filters to subscribe to.
    pub topics: Vec<String>,
    /// Which version is spoken.
    pub version: Version,
    /// The group that shares the messages; version 5 only.
    pub group: Option<String>,
    /// How long the connection may be silent before we ping.
    pub keep_alive: Duration,
    /// A larger message is refused, in bytes; at most [`super::MAX_READ_BYTES`].
    pub max_packet_bytes: u32,
    /// The id of the host of Sparkplug B that we are there; none takes no part in it.
    pub sparkplug_host: Option<String>,
}

/// The longest filter, in bytes: room for that of a group before it.
const MAX_FILTER_BYTES: usize = 1024;

/// Whether this is a filter of topics; one of a group is none here.
#[must_use]
pub fn is_filter(text: &str) -> bool {
    let plain = text.len() <= MAX_FILTER_BYTES && !text.contains('\0') && !text.starts_with("$share/");
    plain && rumqttc::valid_filter(text)
}

impl Target {
    /// The filters as they are asked for.
    pub(super) fn filters(&self, further: impl IntoIterator<Item = String>) -> Vec<String> {
        let share = |topic: String| match &self.group {
            Some(group) => format!("$share/{group}/{topic}"),
            None => topic,
        };
        self.topics.iter().cloned().map(share).chain(further).collect()
    }
}
