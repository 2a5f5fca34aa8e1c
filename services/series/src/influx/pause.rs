//! How long to wait before another try: twice as long each time up to a bound, and never quite the same, so that many who
//! lost the same store do not come back at once.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::target::Patience;

/// A store that asks for more time than our longest pause gets up to so many times that.
const ASKED_FACTOR: u32 = 10;

pub(super) struct Pauses {
    next: Duration,
    longest: Duration,
    dice: SmallRng,
}

impl Pauses {
    pub(super) fn new(patience: &Patience) -> Self {
        let dice = SmallRng::seed_from_u64(RandomState::new().hash_one(0));
        Self { next: patience.first_pause.min(patience.longest_pause), longest: patience.longest_pause, dice }
    }

    /// The next pause: between half and all of what it may be, and not less than was asked for.
    pub(super) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(self.longest);
        let pause = whole.mul_f64(self.dice.random_range(0.5..=1.0));
        pause.max(asked.unwrap_or_default().min(self.longest * ASKED_FACTOR))
    }
}
