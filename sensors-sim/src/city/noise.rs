//! Randomness that is a pure function: of a seed, a key that says what it is for, and a place in time.
//!
//! There is no state, so any stretch of time can be made alone and in any order, and is the same each time. A value at
//! a slot is a hash (two rounds of the SplitMix64 finaliser); what must be smooth is interpolated between slots.
//! Only arithmetic and `libm` are used, so every machine gets the same bits.

use yiwang_model::{Span, Timestamp};

/// A source of repeatable noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noise {
    seed: u64,
}

impl Noise {
    /// The noise of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// 64 random bits for a key and a slot.
    #[must_use]
    pub fn bits(self, key: u64, slot: i64) -> u64 {
        let keyed = finalise(self.seed ^ key.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        finalise(keyed.wrapping_add(slot.cast_unsigned().wrapping_mul(0xd1b5_4a32_d192_ed03)))
    }

    /// Even between 0 and 1, without 1.
    #[must_use]
    // 53 bits are exact
    pub fn even(self, key: u64, slot: i64) -> f64 {
        (self.bits(key, slot) >> 11) as f64 / 9_007_199_254_740_992.0
    }

    /// Even between −1 and 1.
    #[must_use]
    pub fn signed(self, key: u64, slot: i64) -> f64 {
        2.0 * self.even(key, slot) - 1.0
    }

    /// Bell-shaped around 0 with a standard deviation of 1, never beyond 3: the sum of three even ones.
    #[must_use]
    pub fn bell(self, key: u64, slot: i64) -> f64 {
        let part = |at: u64| self.signed(key ^ at << 56, slot);
        part(1) + part(2) + part(3)
    }

    /// Between −1 and 1, changing smoothly: even at the multiples of `period`, eased between them.
    #[must_use]
    pub fn smooth(self, key: u64, at: Timestamp, period: Span) -> f64 {
        let slot = at.nanos().div_euclid(period.0);
        let share = Span(at.nanos().rem_euclid(period.0)).as_secs_f64() / period.as_secs_f64();
        let eased = share * share * (3.0 - 2.0 * share);
        let (here, next) = (self.signed(key, slot), self.signed(key, slot + 1));
        here + (next - here) * eased
    }

    /// Between −1 and 1, changing on the scale of `period` and on a quarter of it.
    #[must_use]
    pub fn rough(self, key: u64, at: Timestamp, period: Span) -> f64 {
        let fine = Span(period.0 / 4).max(Span(1));
        0.7 * self.smooth(key, at, period) + 0.3 * self.smooth(!key, at, fine)
    }
}

const fn finalise(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// A key for a name: FNV-1a, 64 bits.
#[must_use]
pub fn key_of(name: &str) -> u64 {
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |key, byte| (key ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_never_changes() {
        let noise = Noise::new(7);
        assert_eq!(noise.bits(1, 2), 5_156_136_728_053_578_921);
        assert_eq!(noise.bits(1, -2), noise.bits(1, -2));
        assert_ne!(noise.bits(1, 2), Noise::new(8).bits(1, 2));
    }

    #[test]
    fn it_is_spread_evenly() {
        let noise = Noise::new(1);
        let mean = |of: &dyn Fn(i64) -> f64| (0..20_000).map(of).sum::<f64>() / 20_000.0;
        assert!((mean(&|slot| noise.even(3, slot)) - 0.5).abs() < 0.01);
        assert!(mean(&|slot| noise.bell(3, slot)).abs() < 0.03);
        let spread = mean(&|slot| noise.bell(3, slot).powi(2));
        assert!((spread - 1.0).abs() < 0.05, "{spread}");
    }

    #[test]
    fn smooth_noise_does_not_jump() {
        let noise = Noise::new(1);
        let at = |second| noise.smooth(9, Timestamp::from_secs(second), Span::HOUR);
        assert!((0..20_000).all(|second| (at(second + 1) - at(second)).abs() < 0.001));
        assert!((0..20_000).all(|second| at(second).abs() <= 1.0));
    }
}
