//! What a host counts, and how its nodes are.

use std::sync::{Mutex, PoisonError};

use crate::counters::Counter;

/// How many nodes and devices are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Nodes that are born.
    pub nodes_online: u64,
    /// Nodes that died.
    pub nodes_stale: u64,
    /// Nodes whose last birth is not known: the next of their values is answered with a request for one.
    pub nodes_awaited: u64,
    /// Devices that are born, behind a node that is.
    pub devices_online: u64,
    /// All other devices.
    pub devices_stale: u64,
}

/// What is counted of a host since the process began.
#[derive(Debug, Default)]
pub struct Counts {
    tally: Mutex<Tally>,
    /// Births of nodes and devices.
    pub births: Counter,
    /// Deaths of nodes and devices that counted.
    pub deaths: Counter,
    /// Deaths of nodes with a `bdSeq` other than that of their last birth.
    pub deaths_ignored: Counter,
    /// Messages whose number was not the next of their node.
    pub gaps: Counter,
    /// Requests for a rebirth.
    pub rebirths_asked: Counter,
    /// Values whose name or type is not known; they were refused.
    pub unresolved: Counter,
    /// Values of metrics that the catalogue does not have.
    pub unmapped: Counter,
    /// Metrics that said that they have no value.
    pub nulls: Counter,
}

impl Counts {
    /// How its nodes are.
    #[must_use]
    pub fn tally(&self) -> Tally {
        *self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_tally(&self, tally: Tally) {
        *self.tally.lock().unwrap_or_else(PoisonError::into_inner) = tally;
    }
}
