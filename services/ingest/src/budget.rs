//! What all senders at a door hold together is bounded, whatever each of them may hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that the connections or requests of a door hold.
#[derive(Debug)]
pub(crate) struct Budget {
    held: AtomicUsize,
    most: usize,
}

/// What one connection holds of it; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    held: usize,
}

impl Budget {
    pub(crate) fn new(most: usize) -> Self {
        Self { held: AtomicUsize::new(0), most }
    }

    pub(crate) fn share(self: &Arc<Self>) -> Share {
        Share { budget: Arc::clone(self), held: 0 }
    }
}

impl Share {
    /// Says how much this connection holds now, in bytes.
    pub(crate) fn set(&mut self, held: usize) {
        self.budget.held.fetch_add(held, Ordering::Relaxed);
        self.budget.held.fetch_sub(self.held, Ordering::Relaxed);
        self.held = held;
    }

    /// Whether all connections together hold more than they may.
    pub(crate) fn is_overdrawn(&self) -> bool {
        self.budget.held.load(Ordering::Relaxed) > self.budget.most
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_and_are_given_back() {
        let budget = Arc::new(Budget::new(100));
        let (mut one, mut other) = (budget.share(), budget.share());
        one.set(60);
        other.set(41);
        assert!(one.is_overdrawn() && other.is_overdrawn());
        one.set(59);
        assert!(!one.is_overdrawn());
        drop((one, other));
        assert_eq!(budget.held.load(Ordering::Relaxed), 0);
    }
}
