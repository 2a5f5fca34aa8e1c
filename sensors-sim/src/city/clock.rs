//! City time: wall time, or so many city seconds a second from a moment of its own.

use tokio::time::Instant;
use yiwang_model::{Span, Timestamp};

/// The city's clock as its sensors know it.
#[derive(Clone, Copy, Debug)]
pub struct CityClock {
    start: Timestamp,
    since: Instant,
    speed: f64,
}

impl CityClock {
    /// Wall time.
    #[must_use]
    pub fn wall() -> Self {
        Self::new(wall_now(), 1.0)
    }

    /// Begins now at `start` and goes `speed` city seconds a second.
    #[must_use]
    pub fn new(start: Timestamp, speed: f64) -> Self {
        Self { start, since: Instant::now(), speed }
    }

    /// Where it began.
    #[must_use]
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// City time.
    #[must_use]
    // centuries fit
    pub fn now(&self) -> Timestamp {
        self.start + Span((self.since.elapsed().as_secs_f64() * self.speed * 1e9) as i64)
    }
}

/// Wall time.
#[must_use]
pub(crate) fn wall_now() -> Timestamp {
    Timestamp::from_jiff(jiff::Timestamp::now())
}
