//! What must hold of every kind of detector, over random lives of a series.
use proptest::prelude::*;
use yiwang_model::{Quality, Span, Timestamp};

use crate::cases::{restored, spec};
use crate::registry::build;
use crate::{Days, Detector, Event, Input, LimitRow, Prototype, Sample, SeriesContext, Spec};

const START: Timestamp = Timestamp::from_secs(1_772_294_400);

/// Entries of every kind, in several settings, as the catalogue would have them.
const ENTRIES: &[(&str, &str)] = &[
    (
        "limit",
        r#"{ window = "instant", hysteresis = "5%", min_duration = "30m", hold = "20m", serious_at = 1.2 }"#,
    ),
    ("limit", r#"{ window = "instant", direction = "below", critical_at = 0.5 }"#),
    ("limit", r#"{ window = "20 min mean", mean = "energy" }"#),
    ("limit", r#"{ window = "hour mean", hold = "2h" }"#),
    ("limit", r#"{ window = "8 h mean", hysteresis = 1 }"#),
    ("limit", r#"{ window = "24 h mean", min_duration = "3h" }"#),
    ("limit", r#"{ window = "day mean", serious_at = 1.1 }"#),
    ("spike", r#"{ min_scale = 0.5, readings = 7, k = 2, calm = 2, serious_at = 2 }"#),
    ("rate", r#"{ max_per_hour = 20, calm = 2, max_gap = "3h", critical_at = 3 }"#),
    ("flat", r#"{ duration = "30m", readings = 3, tolerance = 0.5, ignore = "13" }"#),
    ("silence", r#"{ after = "1h" }"#),
    (
        "ensemble",
        r#"{ warm_up = 20, rest = 5, calm = 3, level_bar = 1.5, level_readings = 5, rank_readings = 6, fade = 50, serious_at = 2 }"#,
    ),
    (
        "shift",
        r#"{ size = 1, between = 100, adapt = 20, calm = 2, profile = "none", warm_up = 16, serious_at = 2 }"#,
    ),
    (
        "shift",
        r#"{ size = 2, between = 1000, adapt = 5, calm = 3, profile = "week", memory = "3d", warm_up = 20 }"#,
    ),
    (
        "variance",
        r#"{ factor = 1.5, between = 100, adapt = 20, calm = 2, profile = "none", warm_up = 16, serious_at = 2 }"#,
    ),
    ("variance", r#"{ direction = "louder", between = 1000, profile = "day", warm_up = 20 }"#),
    ("drift", r#"{ readings = 20, bar = 1, least = 0.1, profile = "none", warm_up = 16, serious_at = 1.2 }"#),
    ("drift", r#"{ readings = 40, bar = 2, least = 0.5, warm_up = 20 }"#),
    (
        "seasonal",
        r#"{ k = 1, readings = 2, calm = 2, lost_for = "24h", share = 0.9, strength = 0.01, warm_up = 20, serious_at = 2 }"#,
    ),
    ("seasonal", r#"{ k = 0.5, readings = 3, share = 1, strength = 1e-6, profile = "day", warm_up = 16 }"#),
    (
        "fault",
        r#"{ form = "shift", shift = 5, drift = 5, noise = 5, adapt = 20, profile = "none", warm_up = 16, serious_at = 2 }"#,
    ),
    ("fault", r#"{ form = "noise", shift = 9, drift = 9, noise = 5, adapt = 15, warm_up = 16 }"#),
    ("fault", r#"{ form = "spike", k = 2, calm = 3, profile = "none", warm_up = 16 }"#),
    ("fault", r#"{ form = "spike", k = 3e-308, calm = 3, profile = "none", warm_up = 16 }"#),
    (
        "fault",
        r#"{ form = "shift", k = 1e308, shift = 5, drift = 5, noise = 5, adapt = 20, profile = "none", warm_up = 16 }"#,
    ),
    ("seasonal", r#"{ k = 3e-308, readings = 1, calm = 2, profile = "day", warm_up = 16 }"#),
    (
        "ensemble",
        r#"{ warm_up = 20, rest = 5, fatigue = 10, range_bar = 1e-305, jump_bar = 1e-305, false_per_day = 1000, serious_at = 2 }"#,
    ),
    ("changepoint", r#"{ run = 10, readings = 2, sure = 0.6, settle = 10, profile = "none", warm_up = 16 }"#),
    ("changepoint", r#"{ run = 100, readings = 3, sure = 0.5, settle = 8, warm_up = 20 }"#),
    ("trend", r#"{ seasons = 12, years = 5, p = 0.5, least = 0 }"#),
    ("finish", r#"{ late = "1h", figures = 5, confidence = "80%", serious_at = 2 }"#),
    ("year_on_year", r#"{ seasons = 1, k = 0.5, min_scale = 0.1 }"#),
    ("impossible", r#"{ least = 11, most = 14, readings = 2, calm = 2 }"#),
    ("limit", r#"{ window = "instant", hold = "2h", rises = "90m serious, 5h critical" }"#),
    ("flat", r#"{ duration = "30m", readings = 3, tolerance = 0.5, rises = "2h critical" }"#),
    ("slip", r#"{ points = 3, hysteresis = 1, serious_at = 2 }"#),
];

/// Two editions with a gap between.
fn limits() -> Vec<LimitRow> {
    let row = |value, from, to: Option<i64>, edition: &str| LimitRow {
        value,
        valid_from: START + Span::HOUR.times(from),
        valid_to: to.map(|to| START + Span::HOUR.times(to)),
        edition: edition.into(),
    };
    vec![row(13.0, -99, Some(40), "old"), row(12.0, 50, None, "new")]
}

/// What makes the detectors of an entry.
fn prototype((kind, params): (&str, &str)) -> Box<dyn Prototype> {
    let case: toml::Table = format!("params = {params}").parse().unwrap();
    let spec = Spec { limits: limits().into(), ..spec(kind, &toml::Value::Table(case)) };
    build(&spec).map_err(|faults| format!("{faults:?}")).unwrap()
}

/// A series with a reading every so many minutes, a plan that rises to 40 in 200 hours, and a holiday.
fn series(period_minutes: i64) -> SeriesContext {
    // the Monday after the first day
    let days = Days::new([(20_514, false)]);
    let plan = [(START, 10.0), (START + Span::HOUR.times(200), 40.0)];
    SeriesContext {
        period: Span::MINUTE.times(period_minutes),
        lateness: Span::MINUTE.times(40),
        plan: Some(plan.into()),
        days: Some(days.into()),
    }
}

/// The next reading of a series: so many periods after the last, its value and quality.
type Next = (i64, f64, Quality);

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![5 => (40_i32..64).prop_map(|quarters| f64::from(quarters) / 4.0), 1 => Just(13.0), 1 => 0.0..30.0]
}

/// A life of values that are as large, as small and as far from each other as numbers can be.
fn wild_life() -> impl Strategy<Value = Vec<Next>> {
    let power = (-300_i32..=300, any::<bool>())
        .prop_map(|(power, sign)| libm::pow(10.0, f64::from(power)) * if sign { 1.0 } else { -1.0 });
    let ends =
        prop::sample::select(&[0.0, -0.0, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 1e18, -1e18, 1e6][..]);
    let value = prop_oneof![3 => power, 3 => ends, 2 => value()];
    let some = prop::collection::vec((1_i64..3, value, Just(Quality::Good)), 0..80);
    // far, then further by the same factor each time
    let rising = (0_usize..60, 1.5..1e9_f64, 0_usize..40).prop_map(|(zeros, factor, count)| {
        let rise = (0..count).map(|at| 1e-300 * libm::pow(factor, at as f64));
        let values = std::iter::repeat_n(0.0, zeros).chain(rise);
        values.filter(|value| value.is_finite()).map(|value| (1, value, Quality::Good)).collect::<Vec<_>>()
    });
    prop_oneof![some, rising]
}

fn next() -> impl Strategy<Value = Next> {
    let periods = prop_oneof![20 => Just(1_i64), 2 => 2_i64..5, 1 => 5_i64..90];
    let quality =
        prop_oneof![9 => Just(Quality::Good), 1 => Just(Quality::Fault), 1 => Just(Quality::Manual)];
    (periods, value(), quality)
}

fn life() -> impl Strategy<Value = Vec<Next>> {
    prop::collection::vec(next(), 0..400)
}

/// The readings of a life.
fn readings(life: &[Next], period: Span) -> Vec<Sample> {
    let mut time = START;
    let sample = |(periods, value, quality): &Next| {
        time = time + period.times(*periods);
        Sample { time, value: *value, quality: *quality }
    };
    life.iter().map(sample).collect()
}

fn state(detector: &dyn Detector) -> Vec<u8> {
    let mut state = Vec::new();
    detector.snapshot(&mut state);
    state
}

/// Every tick that is due before a moment, each at its own.
fn ticks(detector: &mut dyn Detector, before: Timestamp, out: &mut Vec<Event>) {
    let mut last = Timestamp::MIN;
    while let Some(wake) = detector.wake_at().filter(|wake| *wake < before) {
        assert!(wake > last, "it wants another tick at the moment of the last");
        detector.step(&Input::Tick { city: wake }, out);
        last = wake;
    }
}

/// All events of a life, and the last state; `meddle` comes before every reading.
fn live(
    mut detector: Box<dyn Detector>,
    readings: &[Sample],
    mut meddle: impl FnMut(Box<dyn Detector>, Timestamp, &mut Vec<Event>) -> Box<dyn Detector>,
) -> (Vec<Event>, Vec<u8>) {
    let mut out = Vec::new();
    for sample in readings {
        detector = meddle(detector, sample.time, &mut out);
        detector.step(&Input::Reading(*sample), &mut out);
    }
    (out, state(&*detector))
}

fn prompt(mut detector: Box<dyn Detector>, before: Timestamp, out: &mut Vec<Event>) -> Box<dyn Detector> {
    ticks(&mut *detector, before, out);
    detector
}

fn any_entry() -> impl Strategy<Value = (&'static str, &'static str)> {
    prop::sample::select(ENTRIES)
}

fn any_period() -> impl Strategy<Value = i64> {
    prop::sample::select(&[5_i64, 10, 20, 60, 180][..])
}

/// A state tells by its first byte which kind it is of, and every kind is among the entries that are proved.
#[test]
fn states_open_with_a_byte_of_their_kind() {
    let mut heads = std::collections::BTreeMap::new();
    // `rises` is no kind: its state has that of the detector in it
    for entry in ENTRIES.iter().filter(|(_, params)| !params.contains("rises")) {
        let head = state(&*prototype(*entry).make(&series(60)))[0];
        assert_eq!(*heads.entry(head).or_insert(entry.0), entry.0, "{head:#04x}");
    }
    let series_kinds =
        crate::registry::kinds().filter(|kind| matches!(kind.make, crate::registry::Make::Series(_)));
    assert_eq!(heads.len(), series_kinds.count());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn a_restored_detector_is_the_same(
        entry in any_entry(), period in any_period(), life in life(),
        cuts in prop::collection::vec(any::<bool>(), 400),
    ) {
        let (prototype, series) = (prototype(entry), series(period));
        let readings = readings(&life, series.period);
        let whole = live(prototype.make(&series), &readings, prompt);
        let mut cuts = cuts.into_iter();
        let cut = live(prototype.make(&series), &readings, |detector, before, out| {
            let detector = prompt(detector, before, out);
            if cuts.next() == Some(true) { restored(&*detector, prototype.make(&series)) } else { detector }
        });
        prop_assert_eq!(whole, cut);
    }

    #[test]
    fn a_state_of_wild_values_is_taken_back(entry in any_entry(), period in any_period(), life in wild_life()) {
        let (prototype, series) = (prototype(entry), series(period));
        let readings = readings(&life, series.period);
        let whole = live(prototype.make(&series), &readings, prompt);
        let cut = live(prototype.make(&series), &readings, |detector, before, out| {
            restored(&*prompt(detector, before, out), prototype.make(&series))
        });
        prop_assert_eq!(whole, cut);
    }

    #[test]
    fn early_ticks_change_nothing(entry in any_entry(), period in any_period(), life in life()) {
        let (prototype, series) = (prototype(entry), series(period));
        let readings = readings(&life, series.period);
        let promptly = live(prototype.make(&series), &readings, prompt);
        let early = live(prototype.make(&series), &readings, |detector, before, out| {
            let mut detector = prompt(detector, before, out);
            let unmoved = (state(&*detector), out.len());
            let early = detector.wake_at().map_or(before, |wake| wake - Span(1));
            detector.step(&Input::Tick { city: early }, out);
            assert_eq!((state(&*detector), out.len()), unmoved);
            detector
        });
        prop_assert_eq!(&promptly, &early);
    }

    #[test]
    fn without_ticks_the_readings_tell_the_same(
        entry in any_entry().prop_filter("only ticks find it", |(kind, _)| *kind != "silence"),
        period in any_period(), life in life(),
    ) {
        let (prototype, series) = (prototype(entry), series(period));
        let readings = readings(&life, series.period);
        let (ticked, _) = live(prototype.make(&series), &readings, prompt);
        let (alone, _) = live(prototype.make(&series), &readings, |detector, _, _| detector);
        prop_assert_eq!(ticked, alone);
    }

    #[test]
    fn episodes_follow_one_another(
        entry in any_entry(), period in any_period(), life in life(),
    ) {
        let (prototype, series) = (prototype(entry), series(period));
        let (events, _) = live(prototype.make(&series), &readings(&life, series.period), prompt);
        let mut open = None;
        for event in events {
            match event {
                Event::Raised(finding) => {
                    prop_assert_eq!((open, finding.end), (None, None));
                    open = Some(finding.begin);
                }
                Event::Worsened(finding) => prop_assert_eq!((open, finding.end), (Some(finding.begin), None)),
                Event::Cleared(finding) => {
                    prop_assert_eq!(open.take(), Some(finding.begin));
                    prop_assert!(finding.end >= Some(finding.begin));
                }
            }
        }
    }

    #[test]
    fn hostile_states_are_refused_and_change_nothing(
        entry in any_entry(), life in prop::collection::vec(next(), 0..60),
        noise in prop::collection::vec(any::<u8>(), 0..60), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        cut in any::<prop::sample::Index>(), flip in any::<bool>(),
    ) {
        let (prototype, series) = (prototype(entry), series(60));
        let readings = readings(&life, series.period);
        let (_, good) = live(prototype.make(&series), &readings, prompt);
        let mut bad = good.clone();
        let place = at.index(bad.len());
        bad[place] = byte;
        if flip {
            bad.truncate(cut.index(good.len()));
        }
        for bytes in [&bad, &noise] {
            let mut detector = prototype.make(&series);
            let half = readings[..readings.len() / 2].iter();
            half.for_each(|sample| detector.step(&Input::Reading(*sample), &mut Vec::new()));
            let before = state(&*detector);
            if detector.restore(bytes).is_err() {
                prop_assert_eq!(state(&*detector), before);
            } else {
                live(detector, &readings, prompt);
            }
        }
    }
}
