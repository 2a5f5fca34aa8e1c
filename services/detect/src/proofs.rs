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
    ("limit", r#"{ window = "20 min mean", mean = "energy", lateness = "40m" }"#),
    ("limit", r#"{ window = "hour mean", hold = "2h", lateness = "1h" }"#),
    ("limit", r#"{ window = "8 h mean", hysteresis = 1, lateness = "30m" }"#),
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
    ("changepoint", r#"{ run = 10, readings = 2, sure = 0.6, settle = 10, profile = "none", warm_up = 16 }"#),
    ("changepoint", r#"{ run = 100, readings = 3, sure = 0.5, settle = 8, warm_up = 20 }"#),
    ("trend", r#"{ seasons = 12, years = 5, p = 0.5, least = 0 }"#),
    ("finish", r#"{ late = "1h", figures = 5, confidence = "80%", serious_at = 2 }"#),
    ("year_on_year", r#"{ seasons = 1, k = 0.5, min_scale = 0.1 }"#),
    ("impossible", r#"{ least = 11, most = 14, readings = 2, calm = 2 }"#),
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
        plan: Some(plan.into()),
        days: Some(days.into()),
    }
}

/// One thing that happens to a series, told without its place in time.
#[derive(Clone, Debug)]
enum Happens {
    /// A reading, so many periods after the newest.
    Next(i64, f64, Quality),
    /// A reading, so many minutes before the newest.
    Late(i64, f64),
    /// The reading so many back gets another value.
    Corrected(usize, f64),
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![5 => (40_i32..64).prop_map(|quarters| f64::from(quarters) / 4.0), 1 => Just(13.0), 1 => 0.0..30.0]
}

fn next() -> impl Strategy<Value = Happens> {
    let periods = prop_oneof![20 => Just(1_i64), 2 => 2_i64..5, 1 => 5_i64..90];
    let quality =
        prop_oneof![9 => Just(Quality::Good), 1 => Just(Quality::Fault), 1 => Just(Quality::Manual)];
    (periods, value(), quality).prop_map(|(periods, value, quality)| Happens::Next(periods, value, quality))
}

fn anything() -> impl Strategy<Value = Happens> {
    prop_oneof![
        12 => next(),
        1 => (0_i64..1800, value()).prop_map(|(minutes, value)| Happens::Late(minutes, value)),
        1 => (0_usize..40, value()).prop_map(|(back, value)| Happens::Corrected(back, value)),
    ]
}

/// The inputs of a life, each with the city time at which it comes: the newest event time so far.
fn inputs(life: &[Happens], period: Span) -> Vec<(Timestamp, Input)> {
    let mut newest = START;
    let mut readings: Vec<Sample> = Vec::new();
    let mut inputs = Vec::new();
    for happens in life {
        let input = match *happens {
            Happens::Next(periods, value, quality) => {
                newest = newest + period.times(periods);
                Input::Reading(Sample { time: newest, value, quality })
            }
            Happens::Late(minutes, value) => Input::Reading(Sample {
                time: newest - Span::MINUTE.times(minutes),
                value,
                quality: Quality::Good,
            }),
            Happens::Corrected(back, value) => {
                let Some(place) = readings.len().checked_sub(back + 1) else { continue };
                let was = readings[place];
                readings[place].value = value;
                Input::Correction { was, is: readings[place] }
            }
        };
        if let Input::Reading(sample) = input {
            readings.push(sample);
        }
        inputs.push((newest, input));
    }
    inputs
}

fn state(detector: &dyn Detector) -> Vec<u8> {
    let mut state = Vec::new();
    detector.snapshot(&mut state);
    state
}

/// Every tick that is due by `city`, each at its moment.
fn ticks(detector: &mut dyn Detector, city: Timestamp, out: &mut Vec<Event>) {
    while let Some(wake) = detector.wake_at().filter(|wake| *wake <= city) {
        detector.step(&Input::Tick { city: wake }, out);
    }
}

/// All events of a life, and the last state; `meddle` comes before every input.
fn live(
    mut detector: Box<dyn Detector>,
    inputs: &[(Timestamp, Input)],
    mut meddle: impl FnMut(Box<dyn Detector>, Timestamp, &mut Vec<Event>) -> Box<dyn Detector>,
) -> (Vec<Event>, Vec<u8>) {
    let mut out = Vec::new();
    for (city, input) in inputs {
        detector = meddle(detector, *city, &mut out);
        detector.step(input, &mut out);
    }
    (out, state(&*detector))
}

fn prompt(mut detector: Box<dyn Detector>, city: Timestamp, out: &mut Vec<Event>) -> Box<dyn Detector> {
    ticks(&mut *detector, city, out);
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
    for entry in ENTRIES {
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
        entry in any_entry(), period in any_period(), life in prop::collection::vec(anything(), 0..400),
        cuts in prop::collection::vec(any::<bool>(), 400),
    ) {
        let (prototype, series) = (prototype(entry), series(period));
        let inputs = inputs(&life, series.period);
        let whole = live(prototype.make(&series), &inputs, prompt);
        let mut cuts = cuts.into_iter();
        let cut = live(prototype.make(&series), &inputs, |detector, city, out| {
            let detector = prompt(detector, city, out);
            if cuts.next() == Some(true) { restored(&*detector, prototype.make(&series)) } else { detector }
        });
        prop_assert_eq!(whole, cut);
    }

    #[test]
    fn early_ticks_change_nothing_and_a_late_tick_is_many(
        entry in any_entry(), period in any_period(), life in prop::collection::vec(anything(), 0..400),
    ) {
        let (prototype, series) = (prototype(entry), series(period));
        let inputs = inputs(&life, series.period);
        let promptly = live(prototype.make(&series), &inputs, prompt);
        let late = live(prototype.make(&series), &inputs, |mut detector, city, out| {
            detector.step(&Input::Tick { city }, out);
            detector
        });
        prop_assert_eq!(&promptly, &late);
        let early = live(prototype.make(&series), &inputs, |detector, city, out| {
            let mut detector = prompt(detector, city, out);
            let before = (state(&*detector), out.len());
            let wake = detector.wake_at().map_or(city, |wake| wake - Span(1));
            detector.step(&Input::Tick { city: wake }, out);
            assert_eq!((state(&*detector), out.len()), before);
            detector
        });
        prop_assert_eq!(&promptly, &early);
    }

    #[test]
    fn without_ticks_the_readings_tell_the_same(
        entry in any_entry(), period in any_period(), life in prop::collection::vec(next(), 0..400),
    ) {
        let (prototype, series) = (prototype(entry), series(period));
        let inputs = inputs(&life, series.period);
        let (ticked, _) = live(prototype.make(&series), &inputs, prompt);
        let (alone, _) = live(prototype.make(&series), &inputs, |detector, _, _| detector);
        // A silence that a tick has found is cleared by the same reading that finds it otherwise.
        prop_assert_eq!(ticked, alone);
    }

    #[test]
    fn episodes_follow_one_another(
        entry in any_entry(), period in any_period(), life in prop::collection::vec(anything(), 0..400),
    ) {
        let (prototype, series) = (prototype(entry), series(period));
        let (events, _) = live(prototype.make(&series), &inputs(&life, series.period), prompt);
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
    fn the_order_inside_an_hour_never_shows(
        values in prop::collection::vec(0.0..1e4, 240), order in prop::sample::select(&[7_usize, 11, 13, 17][..]),
    ) {
        let (prototype, series) = (prototype(ENTRIES[3]), series(1));
        let reading = |minute: usize| Input::Reading(Sample {
            time: START + Span::MINUTE.times(minute as i64), value: values[minute], quality: Quality::Good,
        });
        let run = |stride: usize| {
            // All minutes of an hour but the last, in another order; the last judges.
            let minutes = (0..240).map(|at| match at % 60 { 59 => at, minute => at / 60 * 60 + minute * stride % 59 });
            let inputs: Vec<_> = minutes.map(|minute| (START, reading(minute))).collect();
            live(prototype.make(&series), &inputs, |detector, _, _| detector)
        };
        prop_assert_eq!(run(1), run(order));
    }

    #[test]
    fn hostile_states_are_refused_and_change_nothing(
        entry in any_entry(), life in prop::collection::vec(anything(), 0..60),
        noise in prop::collection::vec(any::<u8>(), 0..60), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        cut in any::<prop::sample::Index>(), flip in any::<bool>(),
    ) {
        let (prototype, series) = (prototype(entry), series(60));
        let inputs = inputs(&life, series.period);
        let (_, good) = live(prototype.make(&series), &inputs, prompt);
        let mut bad = good.clone();
        let place = at.index(bad.len());
        bad[place] = byte;
        if flip {
            bad.truncate(cut.index(good.len()));
        }
        for bytes in [&bad, &noise] {
            let mut detector = prototype.make(&series);
            let half = inputs[..inputs.len() / 2].iter();
            half.for_each(|(_, input)| detector.step(input, &mut Vec::new()));
            let before = state(&*detector);
            if detector.restore(bytes).is_err() {
                prop_assert_eq!(state(&*detector), before);
            } else {
                live(detector, &inputs, prompt);
            }
        }
    }
}
