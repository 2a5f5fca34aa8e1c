//! The weather, which all stations share: slow noise on several scales, like an autoregressive process without state.

use yiwang_model::{Span, Timestamp};

use super::hours;
use super::noise::Noise;

const WIND: u64 = 0x5749_4e44;
const WARMTH: u64 = 0x5445_4d50;
const RAIN: u64 = 0x5241_494e;

/// The weather of a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weather {
    /// Wind, m/s.
    pub wind: f64,
    /// Air temperature, °C.
    pub temperature: f64,
    /// Rain, mm/h.
    pub rain: f64,
    /// Share of the sun that comes through, 0.2 to 1.
    pub clear: f64,
}

impl Weather {
    /// The weather at a moment.
    #[must_use]
    pub fn at(noise: Noise, at: Timestamp) -> Self {
        let slow = |key: u64| {
            0.6 * noise.smooth(key, at, Span::HOUR.times(40))
                + 0.4 * noise.rough(key ^ 1, at, Span::HOUR.times(9))
        };
        let rain = rain(noise, at);
        let day = 4.0 * (hours::sun(at) - 0.45);
        Self {
            wind: (2.0 + 1.5 * slow(WIND) + 0.4 * (hours::sun(at) - 0.4)).max(0.3),
            temperature: 17.0 - 9.5 * hours::winter(at) + day + 4.0 * slow(WARMTH),
            rain,
            clear: (0.75 + 0.25 * slow(WARMTH ^ 2) - 0.3 * rain).clamp(0.2, 1.0),
        }
    }

    /// How much stays in the air: 1 on an ordinary day, more without wind, less with wind and rain.
    #[must_use]
    pub fn stagnation(&self) -> f64 {
        libm::exp(-0.22 * (self.wind - 2.0)) / (1.0 + 0.4 * self.rain)
    }
}

/// Rain, mm/h: some showers in most weeks.
pub(super) fn rain(noise: Noise, at: Timestamp) -> f64 {
    let spell = 0.65 * noise.smooth(RAIN, at, Span::HOUR.times(30))
        + 0.35 * noise.rough(!RAIN, at, Span::HOUR.times(4));
    12.0 * (spell - 0.42).max(0.0)
}

/// What of the rain of the last half day is still in the rivers, mm/h.
pub(crate) fn run_off(noise: Noise, at: Timestamp) -> f64 {
    (0..12).map(|ago| rain(noise, at - Span::HOUR.times(ago)) * libm::exp(-0.25 * ago as f64)).sum::<f64>()
        / 4.0
}
