//! How long to wait before another try: twice as long each time up to a bound, and never quite the same, so that many who
//! lost the same receiver do not come back at once.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::Patience;

pub(crate) struct Pauses {
    next: Duration,
    longest: Duration,
    longest_asked: Duration,
    dice: SmallRng,
}

impl Pauses {
    pub(crate) fn new(patience: &Patience) -> Self {
        let Patience { first_pause, longest_pause: longest, longest_asked, .. } = *patience;
        let dice = SmallRng::seed_from_u64(RandomState::new().hash_one(0));
        Self { next: first_pause.min(longest), longest, longest_asked, dice }
    }

    /// The next pause: between half and all of what it may be, and not less than was asked for.
    pub(crate) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(self.longest);
        let pause = whole.mul_f64(self.dice.random_range(0.5..=1.0));
        pause.max(asked.unwrap_or_default().min(self.longest_asked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_heed_what_is_asked() {
        let patience = Patience::default();
        let mut pauses = Pauses::new(&patience);
        let mut whole = patience.first_pause;
        for _ in 0..20 {
            let pause = pauses.next(None);
            assert!(whole / 2 <= pause && pause <= whole, "{pause:?} of {whole:?}");
            whole = (whole * 2).min(patience.longest_pause);
        }
        assert_eq!(Pauses::new(&patience).next(Some(Duration::from_secs(90))), Duration::from_secs(90));
        assert_eq!(pauses.next(Some(Duration::MAX)), patience.longest_asked);
    }
}
