//! How it goes with a broker: for health and metrics, and the one line of the log for each change.

use std::sync::{Mutex, PoisonError};

use super::link::Lost;
use crate::counters::Counter;

/// How it stands with a broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Nothing was heard yet.
    #[default]
    Connecting,
    /// Connected; filters that the broker did not grant as asked, each with what it said.
    Connected(Vec<String>),
    /// Not connected, and why.
    Down(String),
}

/// What is counted of a broker since the process began.
#[derive(Debug, Default)]
pub struct Progress {
    state: Mutex<State>,
    /// Connections that the broker took.
    pub connections: Counter,
    /// Messages taken, good and refused.
    pub messages: Counter,
    /// Bytes of their payload.
    pub bytes: Counter,
    /// Messages that were delivered again.
    pub redelivered: Counter,
    /// Messages whose acknowledgement was thrown away, because their connection was gone.
    pub thrown_away: Counter,
    /// Connections on which the broker no longer had the session of the one before.
    pub sessions_lost: Counter,
}

impl Progress {
    /// How it stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it is connected.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        matches!(self.state(), State::Connected(_))
    }

    /// What is wrong, if anything is.
    #[must_use]
    pub fn wrong(&self) -> Option<String> {
        match self.state() {
            State::Connecting => Some("not connected yet".to_owned()),
            State::Connected(refused) if refused.is_empty() => None,
            State::Connected(refused) => {
                Some(format!("connected, and not all is subscribed to: {}", refused.join("; ")))
            }
            State::Down(why) => Some(format!("not connected: {why}")),
        }
    }

    /// The broker took the connection; `resumed` if it still has the session.
    pub(super) fn entered(&self, broker: &str, resumed: bool) {
        if self.connections.get() > 0 && !resumed {
            self.sessions_lost.add(1);
            tracing::warn!(broker, "the broker has lost our session: what it kept for us is lost");
        }
        self.connections.add(1);
    }

    /// It granted what was asked for, but for `refused`.
    pub(super) fn subscribed(&self, broker: &str, refused: Vec<String>) {
        let told = refused.join("; ");
        if self.becomes(State::Connected(refused)) {
            match told.as_str() {
                "" => tracing::info!(broker, "connected to a broker and subscribed"),
                refused => tracing::warn!(broker, refused, "connected to a broker that refused filters"),
            }
        }
    }

    /// The connection is lost, or could not be made.
    pub(super) fn down(&self, broker: &str, lost: &Lost) {
        if self.becomes(State::Down(lost.to_string())) {
            tracing::warn!(broker, error = %lost, "not connected to a broker, trying on");
        }
    }

    /// Whether that is news.
    fn becomes(&self, state: State) -> bool {
        let mut held = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *held, state.clone()) != state
    }
}
