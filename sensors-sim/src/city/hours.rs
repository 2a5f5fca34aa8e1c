//! The hours of the city: time of day, day of the week and season in Asia/Shanghai, which is UTC+8 all year.

use std::f64::consts::PI;

use yiwang_model::{Span, Timestamp};

/// How far the city's clock is ahead of UTC.
pub(crate) const OFFSET: Span = Span::HOUR.times(8);

/// Hours since midnight in the city, 0 to 24.
pub(super) fn hour_of_day(at: Timestamp) -> f64 {
    Span((at + OFFSET).nanos().rem_euclid(Span::DAY.0)).as_secs_f64() / 3600.0
}

/// Whether it is Saturday or Sunday in the city.
pub(crate) fn is_weekend(at: Timestamp) -> bool {
    // 1970-01-01 was a Thursday.
    matches!(((at + OFFSET).nanos().div_euclid(Span::DAY.0) + 3).rem_euclid(7), 5 | 6)
}

/// 1 in the middle of January, −1 in the middle of July.
pub(super) fn winter(at: Timestamp) -> f64 {
    let days = (at + OFFSET - Timestamp(0)).as_secs_f64() / 86_400.0;
    libm::cos(2.0 * PI * (days - 15.0) / 365.2425)
}

/// How high the sun is: 0 at night, 1 at one in the afternoon.
pub(crate) fn sun(at: Timestamp) -> f64 {
    libm::sin(PI * (hour_of_day(at) - 6.0) / 14.0).max(0.0)
}

/// How much traffic there is, 0 to 1: peaks about 8 and 18 on working days, a flat afternoon at weekends.
pub(super) fn traffic(at: Timestamp) -> f64 {
    traffic_on(!is_weekend(at), at)
}

/// The same where somebody else knows whether it is a working day.
pub(crate) fn traffic_on(working: bool, at: Timestamp) -> f64 {
    let hour = hour_of_day(at);
    let day = 0.35 * step(hour, 5.5, 8.0) * (1.0 - step(hour, 20.0, 23.5));
    if !working {
        return day + 0.2 * bump(hour, 15.0, 3.0);
    }
    day + 0.6 * bump(hour, 8.0, 1.1) + 0.55 * bump(hour, 18.0, 1.4)
}

/// How much is being built, 0 to 1: from 7 to 20 with a break at noon, less at weekends.
pub(super) fn work(at: Timestamp) -> f64 {
    work_on(!is_weekend(at), at)
}

/// The same where somebody else knows whether it is a working day.
pub(crate) fn work_on(working: bool, at: Timestamp) -> f64 {
    let hour = hour_of_day(at);
    let day = step(hour, 6.5, 7.5) * (1.0 - step(hour, 19.0, 20.5)) * (1.0 - 0.6 * bump(hour, 12.7, 0.5));
    if working { day } else { 0.6 * day }
}

/// 0 before `from`, 1 after `to`, eased between.
pub(super) fn step(x: f64, from: f64, to: f64) -> f64 {
    let share = ((x - from) / (to - from)).clamp(0.0, 1.0);
    share * share * (3.0 - 2.0 * share)
}

fn bump(x: f64, middle: f64, width: f64) -> f64 {
    libm::exp(-((x - middle) / width).powi(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn the_hours_are_those_of_the_city() {
        assert!((hour_of_day(at("2026-03-02T10:15:00+08:00")) - 10.25).abs() < 1e-9);
        assert!(is_weekend(at("2026-03-01T00:00:00+08:00")) && !is_weekend(at("2026-03-02T00:00:00+08:00")));
        assert!(
            winter(at("2026-01-16T00:00:00+08:00")) > 0.999
                && winter(at("2026-07-16T00:00:00+08:00")) < -0.99
        );
        assert!(sun(at("2026-07-16T13:00:00+08:00")) > 0.999 && sun(at("2026-07-16T23:00:00+08:00")) < 1e-9);
        assert!(traffic(at("2026-03-02T08:00:00+08:00")) > 2.0 * traffic(at("2026-03-02T13:00:00+08:00")));
        assert!(work(at("2026-03-02T03:00:00+08:00")) < 1e-9 && work(at("2026-03-02T10:00:00+08:00")) > 0.9);
    }
}
