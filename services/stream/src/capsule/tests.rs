use proptest::prelude::*;
use yiwang_catalogue::Catalogue;
use yiwang_detect::{Event, Input, registry};

use super::*;
use crate::explain::{Explanation, explain};

const BEGIN: Timestamp = Timestamp::from_secs(1_773_100_800);

fn at(minute: i64) -> Timestamp {
    BEGIN + Span::MINUTE.times(minute)
}

/// Calm, then far above any limit of the small city, then calm.
fn value(minute: i64) -> f64 {
    let calm = 40.0 + f64::from(i32::try_from(minute * 7 % 5).unwrap());
    if (70..74).contains(&minute) { calm + 130.0 } else { calm }
}

fn sample(minute: i64) -> Sample {
    Sample { time: at(minute), value: value(minute), quality: Quality::Good }
}

/// A capsule of the first episode that an entry of the small city opens in minutes, from a mark after `mark` minutes.
pub(crate) fn made(detector: &str, metric: &str, mark: i64) -> Vec<u8> {
    let catalogue = Catalogue::parse(&[("city.toml", include_str!("../proof/city.toml"))]).unwrap();
    let entry = catalogue.detectors_for(metric).iter().find(|entry| *entry.name == *detector).unwrap();
    let series = catalogue.series().find(|series| series.metric().as_ref() == metric).unwrap();
    let context = SeriesContext { period: Span::MINUTE, ..catalogue.series_context(&series) };
    let mut running = entry.prototype(metric).unwrap().make(&context);
    let (mut state, mut said) = (Vec::new(), Vec::new());
    for minute in 0..200 {
        if minute == mark + 1 {
            running.snapshot(&mut state);
        }
        while let Some(city) = running.wake_at().filter(|moment| *moment < at(minute)) {
            running.step(&Input::Tick { city }, &mut said);
            assert!(said.is_empty(), "opened by a reading");
        }
        running.step(&Input::Reading(sample(minute)), &mut said);
        if let Some(event @ Event::Raised(_)) = said.drain(..).next() {
            let anomaly = event.of(&entry.name, &series);
            let (mark, raised) = (at(mark), at(minute));
            let opening = Opening {
                anomaly: &anomaly,
                entry,
                context: &context,
                revision: 3,
                state: &state,
                mark,
                raised,
            };
            return opening.capsule((0..=minute).map(sample).filter(|sample| sample.time > mark)).unwrap();
        }
    }
    panic!("{detector} finds nothing");
}

fn holds(bytes: &[u8]) -> Explanation {
    let explanation = explain(bytes).unwrap();
    assert_eq!(explanation.differs, None);
    explanation
}

#[test]
fn an_episode_is_derived_again_from_its_capsule_alone() {
    let found = holds(&made("dust-spike", "dust", 50));
    assert_eq!((found.detector.as_str(), found.kind.as_str()), ("dust-spike", "spike"));
    assert_eq!((found.catalogue_revision, found.mark, found.raised), (3, at(50), found.sealed.at));
    assert_eq!(found.readings.len(), usize::try_from((found.raised - at(50)).0 / Span::MINUTE.0).unwrap());
    assert_eq!(found.sealed.begin, at(70));
    let raised = found.said.iter().find(|said| said.at == found.raised).unwrap();
    assert_eq!(*raised, found.sealed);
}

#[test]
fn one_altered_bit_anywhere_is_found() {
    let bytes = made("dust-limit", "dust", 60);
    holds(&bytes);
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut altered = bytes.clone();
            altered[place] ^= 1 << bit;
            assert!(open(&altered).is_err(), "bit {bit} of byte {place}");
        }
    }
    for end in 0..bytes.len() {
        assert!(open(&bytes[..end]).is_err(), "cut to {end} bytes");
    }
    let longer = [&bytes[..], &[0x18, 0x01]].concat();
    assert!(matches!(open(&longer), Err(Broken::Form(_))), "a field that no capsule has");
}

/// Who alters a capsule can seal it anew; then the detector contradicts it.
#[test]
fn what_was_altered_and_sealed_anew_does_not_hold() {
    let altered = |alter: &dyn Fn(&mut CapsuleContent)| {
        let mut content = open(&made("dust-limit", "dust", 60)).unwrap().content;
        alter(&mut content);
        explain(&seal(&content)).unwrap().differs
    };
    assert_eq!(altered(&|_| {}), None);
    assert!(altered(&|content| content.limits[0].value = 500.0).unwrap().contains("opens no episode"));
    assert!(altered(&|content| content.limits[0].value += 0.25).unwrap().contains("extreme or limit"));
    assert!(altered(&|content| content.limits[0].edition = "mine".into()).unwrap().contains("edition"));
    assert!(altered(&|content| content.severity = 4).unwrap().contains("severity"));
    assert!(altered(&|content| content.extreme += 1.0).unwrap().contains("extreme or limit"));
    assert!(altered(&|content| content.begin_nanos += 1).unwrap().contains("begin"));
    assert!(altered(&|content| content.raised_nanos += 1).unwrap().contains("opens no episode"));
    assert!(altered(&|content| content.mark_nanos = content.raised_nanos).unwrap().contains("lie between"));
    assert!(altered(&|content| content.state = vec![0xff; 9]).unwrap().contains("damaged"));
    assert!(altered(&|content| content.kind = "oracle".into()).unwrap().contains("not known"));
    assert!(altered(&|content| content.params.clear()).is_some(), "a limit without its window");
    assert!(altered(&|content| content.values.fill(1.0)).unwrap().contains("opens no episode"));
}

#[test]
fn what_is_too_large_is_not_kept() {
    let catalogue = Catalogue::parse(&[("city.toml", include_str!("../proof/city.toml"))]).unwrap();
    let entry = &catalogue.detectors_for("dust")[0];
    let anomaly = Anomaly {
        id: AnomalyId([7; 16]),
        detector: entry.name.clone(),
        series: Series::new("a", "dust").unwrap(),
        phase: yiwang_model::Phase::Raised,
        begin: at(1),
        end: None,
        extreme: 1.0,
        limit: None,
        edition: "".into(),
        severity: Severity::Notice,
        because: None,
        into: None,
        silenced: None,
    };
    let context = SeriesContext::default();
    let try_with = |state: &[u8], readings: i64| {
        let (mark, raised) = (at(-1), at(readings));
        let opening =
            Opening { anomaly: &anomaly, entry, context: &context, revision: 1, state, mark, raised };
        opening.capsule((0..readings).map(sample))
    };
    assert_eq!(try_with(&[0; MAX_STATE_BYTES + 1], 3), None);
    assert_eq!(try_with(&[0; 4], 5_000), None);
    assert_eq!(try_with(&[0; 4], 3), None, "no state of its detector");
}

proptest! {
    /// Whoever can seal can say anything; it is refused or contradicted, and never the end of the program.
    #[test]
    fn hostile_contents_are_refused(
        kind in 0..registry::kinds().count(),
        state in prop::collection::vec(any::<u8>(), 0..40),
        deltas in prop::collection::vec(any::<i64>(), 0..6),
        values in prop::collection::vec(any::<f64>(), 0..6),
        times in any::<[i64; 4]>(),
    ) {
        let content = CapsuleContent {
            anomaly: vec![1; 16],
            source: "a".into(),
            metric: "b".into(),
            kind: registry::kinds().nth(kind).unwrap().name.into(),
            severity: 2,
            raised_severity: 2,
            state,
            time_deltas: deltas,
            values,
            mark_nanos: times[0],
            raised_nanos: times[1],
            period_nanos: times[2],
            lateness_nanos: times[3],
            ..CapsuleContent::default()
        };
        let found = explain(&seal(&content));
        prop_assert!(found.is_err() || found.unwrap().differs.is_some());
    }
}
