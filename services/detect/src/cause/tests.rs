//! What must hold of causes over the alarms of random cities.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use yiwang_model::{Anomaly, Phase, Series, Severity, Span, Timestamp};

use super::cities::{City, Dice, spec};
use crate::registry::build_rule;
use crate::rule::{Epoch, Rule, SeriesEvent, sort};
use crate::topology::{Meter, Nature, Site, Topology};
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
            for meter in site.meters.iter().filter(|meter| meter.silent_after.is_some()) {
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
    let detector = ["silence", "shift", "limit", "step"][kind];
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

/// Its order would show nothing else.
#[test]
fn a_cause_is_shown_by_its_alarms_even_when_they_have_ended() {
    let (city, _) = life(1);
    let mut rule = rule(&city);
    let gateway: Arc<str> = "gw-000".into();
    let silent = city.topology.sites.iter().filter(|site| site.gateways == [Arc::clone(&gateway)]);
    let silent: Vec<Series> = silent
        .filter(|site| &*site.kind != "project")
        .flat_map(|site| site.meters.iter().map(move |meter| (site, meter)))
        .filter(|(_, meter)| meter.silent_after.is_some())
        .map(|(site, meter)| (&site.source, &meter.metric))
        .map(|(source, metric)| Series::new(Arc::clone(source), Arc::clone(metric)).unwrap())
        .collect();
    let ends = |series: &Series| {
        let raised = raised(series, 0, 5);
        said(Anomaly { phase: Phase::Cleared, end: Some(at(8)), ..raised })
    };
    step(&mut *rule, 5, &silent.iter().map(|series| said(raised(series, 0, 5))).collect::<Vec<_>>());
    step(&mut *rule, 8, &silent.iter().map(ends).collect::<Vec<_>>());
    let out = step(&mut *rule, 18, &[]);
    let cause = out.iter().find(|of| of.phase == Phase::Raised).unwrap();
    assert_eq!(cause.series.to_string(), "gw-000 gateway");
    let shown = rule.evidence(&cause.series);
    assert!(shown.len() > 2 && shown.len() <= 8, "{shown:?}");
    assert!(shown.iter().all(|one| silent.contains(one) && one.metric() == shown[0].metric()), "{shown:?}");
    let stations: BTreeSet<_> = shown.iter().map(Series::source).collect();
    assert_eq!(stations.len(), shown.len());
}

#[test]
fn several_metrics_of_a_station_are_one_order_and_its_limit_another() {
    let (city, _) = life(1);
    let mut rule = rule(&city);
    let air = city.topology.sites.iter().find(|site| &*site.kind == "air").unwrap();
    let series = |metric: &str| Series::new(Arc::clone(&air.source), metric).unwrap();
    let moved = ["pm2_5", "pm10", "no2"].map(|metric| raised(&series(metric), 1, 5));
    let limit = raised(&series("o3"), 2, 5);
    let events: Vec<SeriesEvent> = moved.iter().chain([&limit]).cloned().map(said).collect();
    let mut told = step(&mut *rule, 5, &events);
    assert_eq!(told.len(), 4, "alone they are told at once");
    told.extend((6..=65).flat_map(|minute| step(&mut *rule, minute, &[])));
    let place = told.iter().find(|step| &**step.series.metric() == "place").unwrap();
    assert_eq!((place.series.source(), place.extreme), (&air.source, 3.0));
    let withdrawn: BTreeSet<_> =
        told.iter().filter(|step| step.into == Some(place.id)).map(|of| of.id).collect();
    assert_eq!(withdrawn, moved.iter().map(|of| of.id).collect());
}

#[test]
fn values_that_go_back_are_part_of_what_moved_them() {
    let (city, _) = life(1);
    let mut rule = rule(&city);
    let air = city.topology.sites.iter().find(|site| &*site.kind == "air").unwrap();
    let series = |metric: &str| Series::new(Arc::clone(&air.source), metric).unwrap();
    let moved = ["pm2_5", "pm10"].map(|metric| said(raised(&series(metric), 1, 5)));
    step(&mut *rule, 5, &moved);
    let told: Vec<Anomaly> = (6..=65).flat_map(|minute| step(&mut *rule, minute, &[])).collect();
    let place = told.iter().find(|step| &**step.series.metric() == "place").unwrap().id;
    // Another detector, which did not tell of the rise, tells of the fall; and of that of a metric that did not rise.
    for (begin, metric, parts) in [(200, "pm2_5", 1), (300, "no2", 0)] {
        let fell = Anomaly { extreme: -1500.0, ..raised(&series(metric), 3, begin) };
        assert!(fell.limit.is_some_and(|limit| fell.extreme < limit));
        let (begin, mut own) = (begin as usize, 0);
        for minute in begin..=begin + 60 {
            let events = if minute == begin { vec![said(fell.clone())] } else { Vec::new() };
            own += step(&mut *rule, minute, &events).iter().filter(|step| step.into == Some(place)).count();
        }
        assert_eq!(own, parts, "{metric}");
    }
}

/// The silences of a station with several meters, which make a cause of it by minute 40.
fn outage(city: &City, rule: &mut dyn Rule) -> (Vec<Series>, Vec<Anomaly>) {
    let many =
        |site: &&Site| site.meters.len() >= 3 && site.meters.iter().all(|meter| meter.silent_after.is_some());
    let site = city.topology.sites.iter().find(many).expect("a station with three meters");
    let series: Vec<Series> = site
        .meters
        .iter()
        .map(|meter| Series::new(Arc::clone(&site.source), Arc::clone(&meter.metric)).unwrap())
        .collect();
    let mut told = Vec::new();
    for minute in 5..40 {
        let events: Vec<_> = if minute == 5 {
            series.iter().map(|series| said(raised(series, 0, 5))).collect()
        } else {
            Vec::new()
        };
        told.extend(step(rule, minute, &events));
    }
    (series, told)
}

fn cleared(raised: &Anomaly, end: i64) -> Anomaly {
    Anomaly { phase: Phase::Cleared, end: Some(at(end)), ..raised.clone() }
}

fn is_of_the_cause(step: &Anomaly) -> bool {
    &*step.detector == "cause"
}

/// One series that comes and goes does not end the outage of those that stay away.
#[test]
fn a_series_that_flaps_does_not_end_an_outage() {
    let (city, _) = life(1);
    let mut rule = rule(&city);
    let (series, told) = outage(&city, &mut *rule);
    assert_eq!(told.iter().filter(|step| is_of_the_cause(step)).count(), 1, "{told:?}");
    let mut last = raised(&series[0], 0, 5);
    for minute in 40..240 {
        let mut events = Vec::new();
        if minute % 40 == 0 {
            events.push(said(cleared(&last, minute)));
        } else if minute % 40 == 30 {
            last = raised(&series[0], 0, minute);
            events.push(said(last.clone()));
        }
        let told = step(&mut *rule, minute as usize, &events);
        let over = told.iter().find(|step| is_of_the_cause(step) && step.phase == Phase::Cleared);
        assert_eq!(over, None, "at minute {minute}: the others never spoke");
        assert!(told.iter().all(|step| !is_of_the_cause(step)), "no more are silent than before: {told:?}");
    }
}

/// What is revised of an alarm that ended as part of a cause is not told for as long as its series may be judged anew, however slow it is.
#[test]
fn a_late_revision_of_a_part_is_told_of_no_order() {
    let (mut city, _) = life(1);
    let mut slow = (*city.topology).clone();
    for meter in slow.sites.iter_mut().flat_map(|site| &mut site.meters) {
        meter.allowed_lateness = Span::DAY.times(5);
    }
    city.topology = Arc::new(slow);
    let mut rule = rule(&city);
    let (series, _) = outage(&city, &mut *rule);
    let own = raised(&series[0], 0, 5);
    let ended: Vec<_> = series.iter().map(|series| said(cleared(&raised(series, 0, 5), 50))).collect();
    step(&mut *rule, 50, &ended);
    for minute in 51..200 {
        step(&mut *rule, minute, &[]);
    }
    step(&mut *rule, 3 * 24 * 60, &[]);
    let revised = Anomaly { phase: Phase::Revised, end: Some(at(45)), ..own };
    assert_eq!(step(&mut *rule, 4 * 24 * 60, &[said(revised)]), [], "it has no order of its own");
}

/// An upstream network fails that nobody named: as many causes as gateways, found in one pass and not each against all others.
#[test]
fn thousands_of_gateways_that_fall_silent_at_once_are_judged_in_one_pass() {
    const GATEWAYS: usize = 3_000;
    let metrics = ["a", "b", "c"];
    let meter = |metric: &&str| Meter {
        metric: (*metric).into(),
        period: Span::MINUTE,
        allowed_lateness: Span::ZERO,
        silent_after: Some(Span::from_secs(1500)),
        is_watched: false,
    };
    let site = |number: usize| Site {
        source: format!("logger-{number:05}").into(),
        meters: metrics.iter().map(meter).collect(),
        gateways: vec![format!("gw-{number:05}").into()],
        power: Some(format!("power-{}", number % 7).into()),
        region: "city".into(),
        ..Site::default()
    };
    let sites: Vec<Site> = (0..2 * GATEWAYS).map(site).collect();
    let silent: Vec<Series> = sites[..GATEWAYS]
        .iter()
        .flat_map(|site| metrics.map(|metric| Series::new(Arc::clone(&site.source), metric).unwrap()))
        .collect();
    let natures = [("silence".into(), Nature::Silence)].into();
    let mut rule = build_rule(&spec()).map_err(|faults| format!("{faults:?}")).unwrap();
    rule.learn(Arc::new(Topology::new(sites, BTreeMap::new(), natures)));
    let raised: Vec<_> = silent.iter().map(|series| said(raised(series, 0, 5))).collect();
    step(&mut *rule, 5, &raised);
    let told: Vec<Anomaly> = (6..40).flat_map(|minute| step(&mut *rule, minute, &[])).collect();
    let causes = told.iter().filter(|step| step.phase == Phase::Raised);
    let scopes: BTreeMap<&str, usize> = causes.fold(BTreeMap::new(), |mut count, cause| {
        *count.entry(&**cause.series.metric()).or_default() += 1;
        count
    });
    assert_eq!(scopes, [("station", GATEWAYS)].into());
    let parts = told.iter().filter(|step| step.into.is_some()).count();
    assert_eq!(parts, metrics.len() * GATEWAYS, "each silence is part of one");
}
