use yiwang_model::Quality;

use super::*;
use crate::registry::build;
use crate::{LimitRow, Sample};

fn spec(rises: &str) -> Spec {
    let limit =
        LimitRow { value: 10.0, valid_from: Timestamp::MIN, valid_to: None, edition: "a rule".into() };
    let params = [("window", "instant"), (KEY, rises)];
    Spec {
        name: "above".into(),
        kind: "limit".into(),
        severity: Severity::Notice,
        params: params.map(|(key, text)| (key.to_owned(), Param::Text(text.to_owned()))).into(),
        limits: [limit].into(),
    }
}

fn detector(rises: &str) -> Box<dyn Detector> {
    build(&spec(rises)).unwrap_or_else(|faults| panic!("{faults:?}")).make(&SeriesContext::default())
}

fn hour(nth: i64) -> Timestamp {
    Timestamp::from_secs(1_772_294_400) + Span::HOUR.times(nth)
}

fn sample(nth: i64, value: f64) -> Input {
    Input::Reading(Sample { time: hour(nth), value, quality: Quality::Good })
}

/// What is said from one hour to another, values as given, ticks at their moments; saved and restored after each step.
fn said(
    rises: &str,
    hours: std::ops::Range<i64>,
    value: impl Fn(i64) -> Option<f64>,
) -> Vec<(i64, char, Severity)> {
    let (mut detector, mut events, mut said) = (detector(rises), Vec::new(), Vec::new());
    let mut step = |detector: &mut Box<dyn Detector>, input: &Input, nth: i64| {
        detector.step(input, &mut events);
        for event in events.drain(..) {
            let (phase, finding) = match event {
                Event::Raised(finding) => ('r', finding),
                Event::Worsened(finding) => ('w', finding),
                Event::Cleared(finding) => ('c', finding),
            };
            said.push((nth, phase, finding.severity));
        }
        let mut state = Vec::new();
        detector.snapshot(&mut state);
        *detector = self::detector(rises);
        detector.restore(&state).unwrap();
    };
    for nth in hours {
        while let Some(city) = detector.wake_at().filter(|wake| *wake < hour(nth)) {
            step(&mut detector, &Input::Tick { city }, nth - 1);
        }
        if let Some(value) = value(nth) {
            step(&mut detector, &sample(nth, value), nth);
        }
    }
    said
}

use Severity::{Critical, Notice, Serious};

#[test]
fn an_episode_that_goes_on_grows_graver_step_by_step() {
    let high = |nth| Some(if (2..30).contains(&nth) { 11.0 } else { 1.0 });
    let found = said("6h serious, 24h critical", 0..40, high);
    assert_eq!(found, [(2, 'r', Notice), (8, 'w', Serious), (26, 'w', Critical), (30, 'c', Critical)]);
    let short = said("6h serious", 0..40, |nth| Some(if nth == 2 { 11.0 } else { 1.0 }));
    assert_eq!(short, [(2, 'r', Notice), (3, 'c', Notice)], "it was over before");
}

#[test]
fn a_series_that_says_nothing_any_more_grows_graver_as_well() {
    let found = said("6h serious", 0..40, |nth| (nth <= 2).then_some(11.0));
    assert_eq!(found, [(0, 'r', Notice), (6, 'w', Serious)]);
}

#[test]
fn the_graver_of_size_and_duration_holds() {
    let mut spec = spec("3h serious");
    spec.params.insert("critical_at".into(), Param::Number(2.0));
    let mut detector =
        build(&spec).map_err(|faults| format!("{faults:?}")).unwrap().make(&SeriesContext::default());
    let mut events = Vec::new();
    for (nth, value) in [(0, 11.0), (1, 25.0)] {
        detector.step(&sample(nth, value), &mut events);
    }
    detector.step(&Input::Tick { city: hour(3) }, &mut events);
    let severities: Vec<Severity> = events
        .iter()
        .map(|event| match event {
            Event::Raised(of) | Event::Worsened(of) | Event::Cleared(of) => of.severity,
        })
        .collect();
    assert_eq!(severities, [Notice, Critical], "what is critical already is not told anew");
}

#[test]
fn steps_that_do_not_rise_are_refused() {
    for rises in [
        "",
        "6h",
        "6h grave",
        "0s serious",
        "6h serious, 6h critical",
        "6h serious, 7h serious",
        "6h critical, 7h serious",
    ] {
        let faults = build(&spec(rises)).err().unwrap_or_default();
        assert!(faults.iter().any(|fault| fault.to_string().contains("\"rises\"")), "{rises:?}: {faults:?}");
    }
    let mut two = spec("6h");
    two.params.remove("window");
    assert_eq!(build(&two).err().unwrap_or_default().len(), 2, "all faults of the entry at once");
}

#[test]
fn a_state_of_nobodys_making_is_refused() {
    let mut detector = detector("6h serious");
    detector.step(&sample(0, 11.0), &mut Vec::new());
    let mut state = Vec::new();
    detector.snapshot(&mut state);
    for cut in 0..state.len() {
        assert!(detector.restore(&state[..cut]).is_err(), "cut at {cut}");
    }
    let flat = Spec {
        kind: "flat".into(),
        params: [
            ("duration".to_owned(), Param::Text("1h".into())),
            (KEY.to_owned(), Param::Text("6h serious".into())),
        ]
        .into(),
        ..spec("")
    };
    let mut other = Vec::new();
    build(&flat)
        .map_err(|faults| format!("{faults:?}"))
        .unwrap()
        .make(&SeriesContext::default())
        .snapshot(&mut other);
    assert!(detector.restore(&other).is_err(), "of another kind inside");
    let mut beyond = Vec::new();
    put_byte(&mut beyond, HEAD);
    put_byte(&mut beyond, 7);
    assert!(detector.restore(&beyond).is_err());
    let mut after = Vec::new();
    detector.snapshot(&mut after);
    assert_eq!(after, state, "and changes nothing");
}
