//! What must hold of causes over the alarms of random cities.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use yiwang_model::{Anomaly, Phase, Series, Severity, Span, Timestamp};

use super::cities::{City, Dice, spec};
use crate::registry::build_rule;
use crate::rule::{Epoch, Rule, SeriesEvent, sort};
use crate::{Event, Finding};

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_secs(60 * minutes)
}

fn rule(city: &City) -> Box<dyn Rule> {
    let mut rule = build_rule(&spec()).map_err(|faults| format!("{faults:?}")).unwrap();
    rule.learn(Arc::clone(&city.topology));
    rule
}

/// A city of 300 series over 300 minutes: outages of gateways and alarms by chance, each of which ends.
fn life(seed: u64) -> (City, Vec<Vec<SeriesEvent>>) {
    let mut dice = Dice::new(seed);
    let city = City::of(&mut dice, 300);
    let mut epochs = vec![Vec::new(); 300];
    let mut busy: BTreeMap<(Series, usize), usize> = BTreeMap::new();
    for _ in 0..6 {
        let (gateway, begin, lasts) = (dice.below(6), dice.below(150), 1 + dice.below(60));
        let (kind, share) = (dice.below(3), 2 + dice.below(8));
        let gateway: Arc<str> = format!("gw-{gateway:03}").into();
        for site in city.topology.sites.iter().filter(|site| site.gateways.contains(&gateway)) {
            let begin = begin + dice.below(10);
            for meter in &site.meters {
                if share <= 8 && dice.below(10) >= share {
                    continue;
                }
                let series = Series::new(Arc::clone(&site.source), Arc::clone(&meter.metric)).unwrap();
                let end = begin + lasts + dice.below(20);
                let free = busy.entry((series.clone(), kind)).or_default();
                if *free <= begin {
                    *free = end + 1;
                    let raised = raised(&series, kind, begin as i64);
                    let cleared =
                        Anomaly { phase: Phase::Cleared, end: Some(at(end as i64)), ..raised.clone() };
                    epochs[begin].push(said(raised));
                    epochs[end].push(said(cleared));
                }
            }
        }
    }
    (city, epochs)
}

fn raised(series: &Series, kind: usize, begin: i64) -> Anomaly {
    let detector = ["silence", "shift", "limit"][kind];
    let finding = Finding {
        begin: at(begin),
        end: None,
        extreme: 1500.0,
        limit: Some(if kind == 0 { 1500.0 } else { 200.0 }),
        edition: "".into(),
        severity: Severity::Warning,
    };
    Event::Raised(finding).of(&detector.into(), series)
}

fn said(anomaly: Anomaly) -> SeriesEvent {
    SeriesEvent { gateway: crate::gateway::subject("any").unwrap(), anomaly }
}

fn step(rule: &mut dyn Rule, minute: usize, events: &[SeriesEvent]) -> Vec<Anomaly> {
    let (mut events, mut out) = (events.to_vec(), Vec::new());
    sort(&mut events);
    rule.step(&Epoch { city: at(minute as i64), heard: &[], events: &events }, &mut out);
    out
}

fn run(rule: &mut dyn Rule, epochs: &[Vec<SeriesEvent>]) -> Vec<Anomaly> {
    epochs.iter().enumerate().flat_map(|(minute, events)| step(rule, minute, events)).collect()
}

fn saved(rule: &dyn Rule) -> Vec<u8> {
    let mut state = Vec::new();
    rule.snapshot(&mut state);
    state
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_restored_rule_is_the_same(seed in 0..10_000_u64, every in 1_usize..40) {
        let (city, epochs) = life(seed);
        let (mut whole, mut cut) = (rule(&city), rule(&city));
        for (minute, events) in epochs.iter().enumerate() {
            prop_assert_eq!(step(&mut *whole, minute, events), step(&mut *cut, minute, events));
            if minute % every == 0 {
                let state = saved(&*cut);
                cut = rule(&city);
                cut.restore(&state).unwrap();
                prop_assert_eq!(saved(&*cut), state);
            }
        }
    }

    #[test]
    fn the_order_within_an_epoch_does_not_show(seed in 0..10_000_u64) {
        let (city, epochs) = life(seed);
        let turned: Vec<Vec<SeriesEvent>> =
            epochs.iter().map(|events| events.iter().rev().cloned().collect()).collect();
        prop_assert_eq!(run(&mut *rule(&city), &epochs), run(&mut *rule(&city), &turned));
    }

    #[test]
    fn nothing_is_lost_and_what_surfaces_is_in_order(seed in 0..10_000_u64) {
        let (city, mut epochs) = life(seed);
        // all that is held comes to an end
        epochs.extend(vec![Vec::new(); 200]);
        let mut last: BTreeMap<_, Phase> = BTreeMap::new();
        for step in run(&mut *rule(&city), &epochs) {
            let before = last.insert(step.id, step.phase);
            let fits = match step.phase {
                Phase::Raised => matches!(before, None | Some(Phase::Withdrawn)),
                Phase::Worsened | Phase::Cleared => matches!(before, Some(Phase::Raised | Phase::Worsened)),
                Phase::Withdrawn => before != Some(Phase::Withdrawn),
                Phase::Revised => false,
            };
            prop_assert!(fits, "{:?} after {:?}: {:?}", step.phase, before, step);
        }
        for event in epochs.iter().flatten() {
            let end = last.get(&event.anomaly.id);
            prop_assert!(matches!(end, Some(Phase::Cleared | Phase::Withdrawn)), "{:?} of {:?}", end, event.anomaly);
        }
        prop_assert!(last.values().all(|phase| matches!(phase, Phase::Cleared | Phase::Withdrawn)));
    }

    #[test]
    fn hostile_states_are_refused_and_change_nothing(
        seed in 0..10_000_u64, place in any::<prop::sample::Index>(), byte in any::<u8>(), until in 20_usize..250,
    ) {
        let (city, epochs) = life(seed);
        let mut rule = rule(&city);
        run(&mut *rule, &epochs[..until]);
        let good = saved(&*rule);
        let mut bad = good.clone();
        let place = place.index(bad.len());
        bad[place] = byte;
        if rule.restore(&bad).is_err() {
            prop_assert_eq!(saved(&*rule), good);
        } else {
            run(&mut *rule, &epochs);
        }
    }
}

#[test]
fn a_limit_is_told_at_once() {
    let (city, _) = life(1);
    let series = Series::new(Arc::clone(&city.topology.sites[0].source), "pm2_5").unwrap();
    let limit = raised(&series, 2, 5);
    assert_eq!(step(&mut *rule(&city), 5, &[said(limit.clone())]), [limit]);
}

#[test]
fn one_silence_surfaces_after_half_of_what_is_allowed() {
    let (city, _) = life(1);
    let series = Series::new(Arc::clone(&city.topology.sites[0].source), "pm2_5").unwrap();
    let silence = raised(&series, 0, 5);
    let mut rule = rule(&city);
    let held = Span::from_secs(750);
    for minute in 5..17 {
        let events = if minute == 5 { vec![said(silence.clone())] } else { Vec::new() };
        assert_eq!(step(&mut *rule, minute, &events), [], "{minute}");
    }
    assert!(at(17) < at(5) + held && at(18) > at(5) + held);
    assert_eq!(step(&mut *rule, 17, &[]), []);
    assert_eq!(step(&mut *rule, 18, &[]), [silence]);
}
