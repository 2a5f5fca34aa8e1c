//! How long to wait before another try: none, then twice as long each time up to a bound, and never quite the same, so that
//! many who lost the same broker do not come back at once.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// The pauses between tries.
#[derive(Debug)]
pub struct Pauses {
    /// The second; the first is none.
    pub first: Duration,
    /// The longest.
    pub longest: Duration,
    next: Duration,
    dice: SmallRng,
}

impl Default for Pauses {
    fn default() -> Self {
        Self::new(Duration::from_millis(250), Duration::from_secs(10))
    }
}

impl Pauses {
    /// Up to this long.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Self {
        let dice = SmallRng::seed_from_u64(RandomState::new().hash_one(0));
        Self { first, longest, next: Duration::ZERO, dice }
    }

    pub(super) fn begin_anew(&mut self) {
        self.next = Duration::ZERO;
    }

    /// Between half and all of what it may be.
    pub(super) fn next(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).max(self.first).min(self.longest);
        whole.mul_f64(self.dice.random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_none_and_the_others_grow_up_to_a_bound() {
        let (first, longest) = (Duration::from_millis(250), Duration::from_secs(1));
        let mut pauses = Pauses::new(first, longest);
        for _ in 0..2 {
            assert_eq!(pauses.next(), Duration::ZERO);
            for whole in [first, first * 2, longest, longest] {
                let pause = pauses.next();
                assert!(pause >= whole / 2 && pause <= whole, "{pause:?} of {whole:?}");
            }
            pauses.begin_anew();
        }
    }
}
