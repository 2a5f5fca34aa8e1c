//! The city's clock, as the doors see it.
//!
//! City time comes from the ticks that are already in the log and from what moves the clock since: the wall, the feed,
//! or the wall times a speed. It never falls.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};

use yiwang_model::{Span, Timestamp};
use yiwang_proto::log;

/// What moves the city's clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ClockKind {
    /// The wall clock.
    Wall,
    /// The largest event time admitted.
    Feed,
    /// So many city seconds a wall second, from a beginning on.
    Speed {
        /// City seconds a wall second; above 0.
        speed: f64,
        /// City time at the beginning.
        city_begin: Timestamp,
        /// Wall time at the beginning.
        wall_begin: Timestamp,
    },
}

impl ClockKind {
    /// Its name in the log and on the command line.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Wall => "wall",
            Self::Feed => "feed",
            Self::Speed { .. } => "speed",
        }
    }

    /// As it stands in the log's topic `clock`.
    #[must_use]
    pub fn to_log(self) -> log::Clock {
        let kind = self.word().to_owned();
        match self {
            Self::Wall | Self::Feed => log::Clock { kind, ..log::Clock::default() },
            Self::Speed { speed, city_begin, wall_begin } => log::Clock {
                kind,
                speed,
                city_begin_nanos: city_begin.nanos(),
                wall_begin_nanos: wall_begin.nanos(),
            },
        }
    }

    /// Whether both are moved by the same thing, at the same speed, whenever they began.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Speed { speed, .. }, Self::Speed { speed: other, .. }) => speed == other,
            _ => self.word() == other.word(),
        }
    }

    /// From the log's topic `clock`; `None` for a kind that this release does not know.
    #[must_use]
    pub fn from_log(clock: &log::Clock) -> Option<Self> {
        match clock.kind.as_str() {
            "wall" => Some(Self::Wall),
            "feed" => Some(Self::Feed),
            "speed" => Some(Self::Speed {
                speed: clock.speed,
                city_begin: Timestamp(clock.city_begin_nanos),
                wall_begin: Timestamp(clock.wall_begin_nanos),
            }),
            _ => None,
        }
    }
}

impl fmt::Display for ClockKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wall | Self::Feed => f.write_str(self.word()),
            Self::Speed { speed, .. } => write!(f, "speed {speed}"),
        }
    }
}

/// The clock itself. One per process, shared by all doors.
#[derive(Debug)]
pub struct CityClock {
    kind: ClockKind,
    /// The latest city time seen, or [`UNSET`] before a feed began.
    latest: AtomicI64,
}

const UNSET: i64 = i64::MIN;

impl CityClock {
    /// A clock that goes on from the city time of the log's last tick.
    #[must_use]
    pub fn new(kind: ClockKind, last_tick: Option<Timestamp>) -> Self {
        Self { kind, latest: AtomicI64::new(last_tick.map_or(UNSET, Timestamp::nanos)) }
    }

    /// What moves it.
    #[must_use]
    pub fn kind(&self) -> ClockKind {
        self.kind
    }

    /// City time now; `None` in a city whose feed has not begun.
    #[must_use]
    pub fn now(&self) -> Option<Timestamp> {
        let moved = match self.kind {
            ClockKind::Wall => wall_now().nanos(),
            ClockKind::Feed => UNSET,
            ClockKind::Speed { speed, city_begin, wall_begin } => {
                (city_begin + scaled(wall_now() - wall_begin, speed)).nanos()
            }
        };
        let before = self.latest.fetch_max(moved, Ordering::AcqRel);
        Some(before.max(moved)).filter(|nanos| *nanos != UNSET).map(Timestamp)
    }

    /// Tells a clock that follows the feed that readings up to this event time were admitted.
    pub fn admitted(&self, newest: Timestamp) {
        if self.kind == ClockKind::Feed {
            self.latest.fetch_max(newest.nanos(), Ordering::AcqRel);
        }
    }

    /// Whether the feed owns the clock, so that no reading can be ahead of it.
    #[must_use]
    pub fn follows_feed(&self) -> bool {
        self.kind == ClockKind::Feed
    }
}

// saturating, and exact to 100 ns in a year
fn scaled(span: Span, by: f64) -> Span {
    Span((span.0 as f64 * by) as i64)
}

/// Wall time.
#[must_use]
pub fn wall_now() -> Timestamp {
    Timestamp::from_jiff(jiff::Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_begins_with_its_first_reading_and_never_falls() {
        let clock = CityClock::new(ClockKind::Feed, None);
        assert_eq!(clock.now(), None);
        clock.admitted(Timestamp::from_secs(100));
        clock.admitted(Timestamp::from_secs(50));
        assert_eq!(clock.now(), Some(Timestamp::from_secs(100)));
    }

    #[test]
    fn the_wall_never_takes_the_city_back() {
        let ahead = wall_now() + Span::HOUR;
        let clock = CityClock::new(ClockKind::Wall, Some(ahead));
        clock.admitted(ahead + Span::DAY);
        assert_eq!(clock.now(), Some(ahead));
    }

    #[test]
    fn a_fast_clock_runs_so_many_times_the_wall() {
        let city_begin = Timestamp::from_secs(1_000_000);
        let wall_begin = wall_now() - Span::MINUTE;
        let clock = CityClock::new(ClockKind::Speed { speed: 60.0, city_begin, wall_begin }, None);
        let gone = clock.now().expect("it runs") - city_begin;
        assert!(gone >= Span::HOUR && gone < Span::HOUR.times(2), "{gone}");
    }

    #[test]
    fn each_kind_is_read_as_it_is_written() {
        let speed = ClockKind::Speed { speed: 2.5, city_begin: Timestamp(7), wall_begin: Timestamp(9) };
        for kind in [ClockKind::Wall, ClockKind::Feed, speed] {
            assert_eq!(ClockKind::from_log(&kind.to_log()), Some(kind));
        }
    }
}
