use std::sync::Arc;

use yiwang_catalogue::Catalogue;
use yiwang_model::{Series, Vintage};

use super::*;
use crate::names::Limits;
use crate::tests_kit::{NOON, reading};

fn names() -> Names {
    Names::new(Arc::new(Catalogue::demo()), 4, Limits::default())
}

fn now() -> Plausible {
    Plausible::around(Some(NOON), false)
}

/// A good reading, changed.
fn with(change: impl FnOnce(&mut Reading)) -> Reading {
    let mut reading = reading("pm2_5", 41.0);
    change(&mut reading);
    reading
}

fn reason(plausible: Plausible, reading: &Reading) -> Option<Reason> {
    admit(&names(), plausible, "g1", &reading.into()).err().map(|(reason, _)| reason)
}

#[test]
fn a_good_reading_keeps_all_it_says() {
    let said = with(|reading| reading.quality = Quality::Calibration);
    let admitted = admit(&names(), now(), "g1", &(&said).into()).unwrap();
    assert_eq!((admitted.dense, admitted.partition), (0, said.series.partition(4)));
    assert_eq!((admitted.row.series, admitted.row.time), (said.series.id(), NOON));
    assert_eq!(admitted.row.quality, Quality::Calibration);
    assert!((admitted.row.value - 41.0).abs() < f64::EPSILON);
}

#[test]
fn each_refusal_has_its_reason() {
    let station = "510104-air-1";
    let series = |source: &str, metric: &str| Series::new(source, metric).unwrap();
    let cases: [(Reason, &str, Reading); 9] = [
        (Reason::UnknownSource, "nowhere", with(|said| said.series = series("nowhere", "pm2_5"))),
        (Reason::UnknownMetric, "\"pm25\" is not", with(|said| said.series = series(station, "pm25"))),
        (Reason::UnknownMetric, "it has pm2_5", with(|said| said.series = series(station, "water_level"))),
        (Reason::WrongUnit, "not in \"mg/m³\"", with(|said| said.unit = Unit::new("mg/m3"))),
        (Reason::ImpossibleValue, "0 to 2000", with(|said| said.value = f64::NAN)),
        (Reason::ImpossibleValue, "inf is not", with(|said| said.value = f64::INFINITY)),
        (Reason::TooEarly, "ahead", with(|said| said.time = NOON + Span::HOUR)),
        (Reason::TooLate, "behind", with(|said| said.time = Timestamp::from_secs(0))),
        (Reason::BadPeriod, "not after", with(|said| said.period_end = Some(NOON))),
    ];
    for (reason, named, said) in cases {
        let (found, message) = admit(&names(), now(), "g1", &(&said).into()).expect_err(named);
        assert_eq!(found, reason, "{message}");
        assert!(message.contains(named), "{message}");
    }
}

/// Mends one fault after the good reading.
type Mend = fn(&mut Reading, Reading);

#[test]
fn the_first_of_several_faults_is_the_one_that_is_named() {
    let mut said = with(|said| {
        said.series = Series::new("nowhere", "nonsense").unwrap();
        said.unit = Unit::new("furlong");
        said.value = -1.0;
        said.time = Timestamp::from_secs(0);
        said.period_end = Some(Timestamp::from_secs(-1));
    });
    let good = reading("pm2_5", 41.0);
    let mends: [(Reason, Mend); 6] = [
        (Reason::UnknownSource, |said, _| said.series = Series::new("510104-air-1", "nonsense").unwrap()),
        (Reason::UnknownMetric, |said, good| said.series = good.series),
        (Reason::WrongUnit, |said, good| said.unit = good.unit),
        (Reason::ImpossibleValue, |said, good| said.value = good.value),
        (Reason::TooLate, |said, good| said.time = good.time),
        (Reason::BadPeriod, |said, good| said.period_end = good.period_end),
    ];
    for (due, mend) in mends {
        assert_eq!(reason(now(), &said), Some(due));
        mend(&mut said, good.clone());
    }
    assert_eq!(reason(now(), &said), None);
}

#[test]
fn bounds_belong_to_what_is_possible() {
    for (value, taken) in [(0.0, true), (2000.0, true), (-0.001, false), (2000.001, false)] {
        assert_eq!(reason(now(), &with(|said| said.value = value)).is_none(), taken, "{value}");
    }
    let ahead = Span::MINUTE.times(5);
    let nanosecond = Span(1);
    for (time, refused) in [
        (NOON + ahead, None),
        (NOON + ahead + nanosecond, Some(Reason::TooEarly)),
        (NOON - Span::DAY, None),
        (NOON - Span::DAY - nanosecond, Some(Reason::TooLate)),
    ] {
        assert_eq!(reason(now(), &with(|said| said.time = time)), refused, "{time}");
    }
}

#[test]
fn a_figure_comes_36_months_back_and_no_further() {
    let months = Span::DAY.times(36 * 31);
    let figure = |time: Timestamp| {
        let series = Series::new("510104-statistics", "gdp").unwrap();
        with(|said| *said = Reading { series, time, unit: Unit::new("亿元"), ..said.clone() })
    };
    assert_eq!(reason(now(), &figure(NOON - months)), None);
    assert_eq!(reason(now(), &figure(NOON - months - Span(1))), Some(Reason::TooLate));
}

#[test]
fn where_the_feed_moves_the_clock_nothing_is_early() {
    let early = with(|said| said.time = NOON + Span::DAY.times(400));
    let late = with(|said| said.time = NOON - Span::DAY - Span::SECOND);
    let feed = Plausible::around(Some(NOON), true);
    assert_eq!((reason(feed, &early), reason(feed, &late)), (None, Some(Reason::TooLate)));
    let not_begun = Plausible::around(None, true);
    assert_eq!((reason(not_begun, &early), reason(not_begun, &late)), (None, None));
}

#[test]
fn a_figure_is_not_published_after_now() {
    let published = |at: Timestamp| with(|said| said.vintage = Vintage(Some(at)));
    assert_eq!(reason(now(), &published(NOON)), None);
    assert_eq!(reason(now(), &published(NOON + Span::DAY)), Some(Reason::BadPeriod));
    let feed = Plausible::around(Some(NOON), true);
    assert_eq!(reason(feed, &published(NOON + Span::DAY)), None);
}

#[test]
fn a_quality_is_one_of_nine() {
    assert_eq!(quality(7), Ok(Quality::Disconnected));
    assert_eq!(quality(8), Ok(Quality::ClockOff));
    assert_eq!(quality(9).unwrap_err().0, Reason::BadQuality);
}

#[test]
fn a_long_unit_does_not_make_a_long_sentence() {
    let said = with(|said| said.unit = Unit::new(&"µ".repeat(100_000)));
    assert!(admit(&names(), now(), "g1", &(&said).into()).unwrap_err().1.len() < 300);
}
