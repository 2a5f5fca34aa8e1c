//! What a profile learns, and what it costs.
use yiwang_model::Severity;

use super::*;
use crate::Spec;
use crate::noise::Noise;
use crate::params::{Parameter, SOURCE};

const PARAMS: &[Parameter] = &[PROFILE, MEMORY, WARM_UP, MIN_SCALE, UTC_OFFSET, SOURCE];
/// Monday, 2026-03-02T00:00:00+08:00.
const MONDAY: Timestamp = Timestamp::from_secs(1_772_380_800);

fn profile(detail: &str, period: Span, days: Option<Days>) -> Profile {
    let params = [("profile".to_owned(), crate::Param::Text(detail.to_owned()))].into();
    let spec = Spec {
        name: "profile".into(),
        kind: String::new(),
        severity: Severity::Notice,
        params,
        limits: [].into(),
    };
    let mut entry = Entry::new(&spec, PARAMS);
    let settings = Arc::new(Settings::read(&mut entry, 0.0));
    entry.finish(()).unwrap();
    Profile::new(&settings, &SeriesContext { period, days: days.map(Arc::new), ..SeriesContext::default() })
}

/// 10 at night, 20 by day from Monday to Friday, 14 by day on weekends.
fn truth(time: Timestamp) -> f64 {
    let (habit, within) = local(time, Span::HOUR.times(8), None);
    let by_day = (Span::HOUR.times(8)..Span::HOUR.times(20)).contains(&within);
    if !by_day {
        10.0
    } else if habit.is_worked() {
        20.0
    } else {
        14.0
    }
}

fn taught(detail: &str, days: i64) -> Profile {
    let mut profile = profile(detail, Span::HOUR, None);
    let mut noise = Noise::new(7, 0.0);
    for hour in 0..24 * days {
        let time = MONDAY + Span::HOUR.times(hour);
        profile.learn(time, truth(time) + 0.5 * noise.next());
    }
    profile
}

fn worst(profile: &Profile, at: i64) -> f64 {
    let times = (0..168).map(|hour| MONDAY + Span::DAY.times(at) + Span::HOUR.times(hour));
    times.map(|time| (profile.usual(time).unwrap().level - truth(time)).abs()).fold(0.0, f64::max)
}

#[test]
fn hours_of_worked_days_and_of_days_off_are_learnt() {
    for detail in ["day", "week"] {
        let profile = taught(detail, 28);
        assert!(worst(&profile, 28) < 1.6, "{detail} {}", worst(&profile, 28));
        let usual = profile.usual(MONDAY + Span::DAY.times(28) + Span::HOUR.times(3)).unwrap();
        assert!((0.45..0.85).contains(&usual.spread) && usual.is_known, "{usual:?}");
    }
    let without = taught("none", 28).usual(MONDAY).unwrap();
    assert!((3.0..6.0).contains(&without.spread), "{without:?}");
}

#[test]
fn a_holiday_is_compared_with_sundays() {
    let noon = MONDAY + Span::DAY.times(28) + Span::HOUR.times(12);
    let day = i32::try_from((noon.secs() + 8 * 3600) / 86_400).unwrap();
    let mut profile = taught("week", 28);
    assert!(profile.usual(noon).unwrap().level > 18.0);
    profile.days = Some(Arc::new(Days::new([(day, false)])));
    assert!(profile.usual(noon).unwrap().level < 15.5);
}

#[test]
fn a_step_of_the_scale_is_the_least_spread_and_values_out_of_this_world_do_no_harm() {
    let mut profile = profile("none", Span::HOUR, None);
    for hour in 0..200 {
        profile.learn(MONDAY + Span::HOUR.times(hour), if hour == 3 { 7.25 } else { 7.5 });
    }
    let usual = profile.usual(MONDAY).unwrap();
    assert_eq!((usual.level, usual.spread), (7.5, 0.125));
    for value in [f64::MAX, f64::MIN, 1e-300] {
        profile.learn(MONDAY, value);
    }
    let usual = profile.usual(MONDAY).unwrap();
    assert!((usual.level - 7.5).abs() < 0.1 && usual.spread < 0.2, "{usual:?}");
}

#[test]
fn a_day_costs_and_days_of_long_periods_have_fewer_slots() {
    let bytes = |detail, period| {
        let profile = profile(detail, period, None);
        4 * profile.levels.len() + 2 * profile.counts.len() + 4 * profile.spreads.len()
    };
    assert_eq!(bytes("none", Span::MINUTE), 10);
    assert_eq!(bytes("day", Span::MINUTE), 542);
    assert_eq!(bytes("week", Span::MINUTE), 1_550);
    assert_eq!(bytes("week", Span::HOUR.times(3)), 526);
    assert_eq!(bytes("week", Span::DAY.times(30)), 10);
    assert!(size_of::<Profile>() <= 128);
}
