//! How it goes with a receiver, for health and metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How it goes with a receiver.
#[derive(Debug, Default)]
pub struct Progress {
    delivered: AtomicU64,
    set_aside: AtomicU64,
    retries: AtomicU64,
    behind: AtomicU64,
    wrong: Mutex<Option<String>>,
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Events that the receiver has taken.
    pub delivered: u64,
    /// Events that it refused for good.
    pub set_aside: u64,
    /// Tries that went wrong.
    pub retries: u64,
    /// Events that it has not got, as of the last look, those counted that it does not want.
    pub behind: u64,
}

impl Progress {
    /// What was counted.
    #[must_use]
    pub fn counted(&self) -> Counted {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counted {
            delivered: get(&self.delivered),
            set_aside: get(&self.set_aside),
            retries: get(&self.retries),
            behind: get(&self.behind),
        }
    }

    /// What was wrong with the last try; none when it went well.
    #[must_use]
    pub fn wrong(&self) -> Option<String> {
        self.lock().clone()
    }

    pub(crate) fn delivered(&self) {
        self.delivered.fetch_add(1, Ordering::Relaxed);
        *self.lock() = None;
    }

    pub(crate) fn set_aside(&self) {
        self.set_aside.fetch_add(1, Ordering::Relaxed);
        *self.lock() = None;
    }

    pub(crate) fn failed(&self, why: String) {
        self.retries.fetch_add(1, Ordering::Relaxed);
        *self.lock() = Some(why);
    }

    pub(crate) fn set_behind(&self, events: u64) {
        self.behind.store(events, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
