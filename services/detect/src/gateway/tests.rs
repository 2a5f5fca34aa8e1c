//! What must hold of silent gateways over random lives of a small city.
use std::collections::BTreeMap;

use proptest::prelude::*;
use yiwang_model::Timestamp;

use super::*;
use crate::Param;
use crate::cases::across::{City, restored_rule};
use crate::registry::build_rule;

/// City time in tenths of a second.
fn tenths(tenths: i64) -> Timestamp {
    Timestamp::from_millis(tenths * 100)
}

fn spec(kind: &str, after: Option<&str>) -> Spec {
    let params = after.map(|after| ("after".to_owned(), Param::Text(after.to_owned())));
    Spec {
        name: kind.into(),
        kind: kind.into(),
        severity: Severity::Warning,
        params: params.into_iter().collect(),
        limits: [].into(),
    }
}

fn rule(after: Option<&str>) -> Box<dyn Rule> {
    build_rule(&spec(NAME, after)).map_err(|faults| format!("{faults:?}")).unwrap()
}

type Closed = (Timestamp, Vec<Heard>, Vec<SeriesEvent>);

/// The epochs of a life: for each, how many tenths it takes and which of three series of three gateways speak.
/// The last epochs are long and every gateway speaks in them by its first series, so that all comes to rest.
fn epochs(life: &[(i64, u16)]) -> Vec<Closed> {
    let mut city = City::new(spec("silence", Some("60s")));
    let mut now = 0;
    let rest = (0..40).map(|_| (100, 0b001_001_001));
    let mut close = |(lasts, speak): (i64, u16)| {
        now += lasts;
        for place in (0..9).filter(|place| speak >> place & 1 == 1) {
            city.reading(
                &format!("g{}/s{}", place / 3, place % 3),
                tenths(now - 1 - i64::from(place) % lasts),
            );
        }
        let (heard, events) = city.close(tenths(now));
        (tenths(now), heard, events)
    };
    life.iter().copied().chain(rest).map(&mut close).collect()
}

fn run(rule: &mut dyn Rule, epochs: &[Closed]) -> Vec<Anomaly> {
    let mut out = Vec::new();
    for (city, heard, events) in epochs {
        rule.step(&Epoch { city: *city, heard, events }, &mut out);
    }
    out
}

fn life() -> impl Strategy<Value = Vec<(i64, u16)>> {
    let lasts = prop_oneof![5 => 1_i64..3, 5 => 50_i64..150, 1 => 500_i64..2000];
    let speak = prop_oneof![3 => Just(0_u16), 3 => 0_u16..512, 3 => Just(511_u16)];
    prop::collection::vec((lasts, speak), 1..80)
}

fn after() -> impl Strategy<Value = Option<&'static str>> {
    prop::sample::select(&[None, Some("20s"), Some("60s"), Some("200s")][..])
}

fn is_of(gateway: usize, event: &Anomaly) -> bool {
    event.series.source().starts_with(&format!("g{gateway}"))
}

/// Where the gateway may be silent for as long as its series, it is not yet silent when the first half of them is.
#[test]
fn fifty_series_in_two_ticks_are_one_anomaly() {
    for after in [None, Some("59950ms")] {
        fifty_series_in_two_ticks(rule(after));
    }
}

fn fifty_series_in_two_ticks(mut rule: Box<dyn Rule>) {
    let mut city = City::new(spec("silence", Some("60s")));
    let mut out = Vec::new();
    for tick in [1, 2, 601, 602, 603, 604, 900] {
        if tick < 3 {
            (0..25).for_each(|series| {
                city.reading(&format!("g/{tick}-{series}"), tenths(tick) - Span(1 + series))
            });
        }
        let (heard, events) = city.close(tenths(tick));
        rule.step(&Epoch { city: tenths(tick), heard: &heard, events: &events }, &mut out);
    }
    assert_eq!(out.len(), 1, "{out:?}");
    assert!(out[0].phase == Phase::Raised);
    assert_eq!(out[0].series, subject("g").unwrap());
}

#[test]
fn names_that_no_series_may_have_are_no_subject() {
    assert!(subject("a b").is_err());
    assert_eq!(subject("a").unwrap().metric().as_ref(), "gateway");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn gateways_can_be_dealt_out_over_workers(life in life(), after in after()) {
        let epochs = epochs(&life);
        let together = run(&mut *rule(after), &epochs);
        for gateway in 0..3 {
            let own = |subject: &Series| **subject.source() == *format!("g{gateway}");
            let mut share = epochs.clone();
            for (_, heard, events) in &mut share {
                heard.retain(|heard| own(&heard.gateway));
                events.retain(|event| own(&event.gateway));
            }
            let alone = run(&mut *rule(after), &share);
            let theirs: Vec<_> = together.iter().filter(|event| is_of(gateway, event)).cloned().collect();
            prop_assert_eq!(alone, theirs);
        }
    }

    #[test]
    fn a_restored_rule_is_the_same(life in life(), after in after(), every in 1_usize..5) {
        let epochs = epochs(&life);
        let whole = run(&mut *rule(after), &epochs);
        let mut cut = Vec::new();
        let mut rule = rule(after);
        for part in epochs.chunks(every) {
            cut.extend(run(&mut *rule, part));
            rule = restored_rule(&*rule, &spec(NAME, after));
        }
        prop_assert_eq!(whole, cut);
    }

    #[test]
    fn nothing_leaks_while_a_gateway_is_silent_and_nothing_is_lost(life in life(), after in after()) {
        let epochs = epochs(&life);
        let mut open: BTreeMap<Series, Timestamp> = BTreeMap::new();
        for event in run(&mut *rule(after), &epochs) {
            let gateway = subject(event.series.source().split(':').next().unwrap()).unwrap();
            match event.phase {
                Phase::Raised => {
                    prop_assert!(gateway == event.series || !open.contains_key(&gateway), "leaked {:?}", event);
                    prop_assert_eq!(open.insert(event.series, event.begin), None);
                }
                Phase::Cleared => prop_assert_eq!(open.remove(&event.series), Some(event.begin)),
                phase => prop_assert!(false, "a silence is {:?}", phase),
            }
        }
        let mut silent: BTreeMap<Series, Timestamp> = BTreeMap::new();
        for event in epochs.iter().flat_map(|(_, _, events)| events) {
            let of = &event.anomaly;
            match of.phase {
                Phase::Raised => silent.insert(of.series.clone(), of.begin),
                _ => silent.remove(&of.series),
            };
        }
        // With 200 s a gateway may still be waited for, but none is silent in the end, for all speak.
        prop_assert_eq!(open, silent);
    }

    #[test]
    fn hostile_states_are_refused_and_change_nothing(
        life in life(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(),
        flip in any::<bool>(),
    ) {
        let epochs = epochs(&life);
        let mut rule = rule(None);
        run(&mut *rule, &epochs[..life.len()]);
        let mut good = Vec::new();
        rule.snapshot(&mut good);
        let mut bad = good.clone();
        let place = at.index(bad.len());
        bad[place] = byte;
        if flip {
            bad.truncate(cut.index(good.len()));
        }
        if rule.restore(&bad).is_err() {
            let mut after = Vec::new();
            rule.snapshot(&mut after);
            prop_assert_eq!(after, good);
        } else {
            run(&mut *rule, &epochs);
        }
    }
}
