//! Answers that are believed only after a while.
//!
//! Some stores say yes to what they have in memory and write it out some seconds later: VictoriaMetrics does, InfluxDB does not.
//! What such a store said yes to shortly before it was killed is gone. So a mark counts as persisted only when it has stood
//! for the settling time, and after a break all younger marks are forgotten, and what they stood for is written again.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::Mark;

/// Marks of one part of the settling time are kept as one.
const PARTS: u32 = 16;

/// A mark that settles.
struct Young {
    begun: Instant,
    last: Instant,
    mark: Mark,
}

/// Marks of the last while, at most [`PARTS`] and some.
pub(super) struct Settling {
    after: Duration,
    settled: Mark,
    young: VecDeque<Young>,
}

impl Settling {
    /// Marks settle after so long; this one has.
    pub(super) fn new(after: Duration, settled: Mark) -> Self {
        Self { after, settled, young: VecDeque::new() }
    }

    /// The store said yes up to here, now.
    pub(super) fn add(&mut self, mark: Mark, now: Instant) {
        self.settle(now);
        match self.young.back_mut().filter(|young| now - young.begun < self.after / PARTS) {
            Some(young) => {
                young.last = now;
                young.mark.extend(mark);
            }
            None => self.young.push_back(Young { begun: now, last: now, mark }),
        }
        self.settle(now);
    }

    /// Up to where the store is believed now.
    pub(super) fn settled(&mut self, now: Instant) -> &Mark {
        self.settle(now);
        &self.settled
    }

    /// There was a break: says whether there is something to be written again, and forgets what has not settled.
    pub(super) fn broke(&mut self, now: Instant) -> bool {
        self.settle(now);
        self.young.clear();
        !self.after.is_zero()
    }

    fn settle(&mut self, now: Instant) {
        while let Some(young) = self.young.pop_front_if(|young| now - young.last >= self.after) {
            self.settled.extend(young.mark);
        }
    }
}
