//! Plays the alarms of a city to the rule, and holds what comes of them against the truth.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use yiwang_model::{Anomaly, AnomalyId, Phase, Series};

use super::alarms::{Truth, alarms};
use super::town::City;
use super::{MINUTES, at, rule};
use crate::rule::{Epoch, SeriesEvent, sort};
use crate::topology::Scope;

/// What became of the alarms of a city.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) alarms: usize,
    pub(super) most: usize,
    pub(super) orders: usize,
    pub(super) purity: f64,
    pub(super) causes: usize,
    pub(super) named: usize,
    /// Those that are not named, with what their alarms went to.
    pub(super) unnamed: Vec<String>,
    pub(super) lone_event: bool,
}

/// Plays the alarms, a minute an epoch.
fn play(city: &City, truths: &[Truth]) -> Vec<(i64, Anomaly)> {
    let mut by_minute: BTreeMap<i64, Vec<SeriesEvent>> = BTreeMap::new();
    let gateway = crate::gateway::subject("any").unwrap();
    for truth in truths {
        let event = |anomaly| SeriesEvent { gateway: gateway.clone(), anomaly };
        by_minute.entry(truth.told).or_default().push(event(truth.anomaly.clone()));
        let cleared =
            Anomaly { phase: Phase::Cleared, end: Some(at(truth.cleared)), ..truth.anomaly.clone() };
        by_minute.entry(truth.cleared).or_default().push(event(cleared));
    }
    let mut rule = rule();
    rule.learn(Arc::clone(&city.topology));
    let mut said = Vec::new();
    for minute in 0..MINUTES + 600 {
        let mut events = by_minute.remove(&minute).unwrap_or_default();
        sort(&mut events);
        let mut out = Vec::new();
        rule.step(&Epoch { city: at(minute), heard: &[], events: &events }, &mut out);
        said.extend(out.into_iter().map(|anomaly| (minute, anomaly)));
    }
    said
}

/// What is left of what was said: the orders, and what each alarm is part of.
#[derive(Default)]
struct Left {
    orders: BTreeMap<AnomalyId, Series>,
    into: BTreeMap<AnomalyId, AnomalyId>,
}

impl Left {
    fn of(said: &[(i64, Anomaly)]) -> Self {
        let mut left = Self::default();
        for (_, step) in said {
            match step.phase {
                Phase::Raised => {
                    left.orders.insert(step.id, step.series.clone());
                    left.into.remove(&step.id);
                }
                Phase::Withdrawn => {
                    left.orders.remove(&step.id);
                    left.into.extend(step.into.map(|parent| (step.id, parent)));
                }
                _ => {}
            }
        }
        left
    }

    /// How many alarms of which planted cause each order has.
    fn members(&self, truth: &BTreeMap<AnomalyId, usize>) -> BTreeMap<AnomalyId, BTreeMap<usize, usize>> {
        let mut members: BTreeMap<AnomalyId, BTreeMap<usize, usize>> = BTreeMap::new();
        for (id, by) in truth {
            let order = self.into.get(id).copied().unwrap_or(*id);
            *members.entry(order).or_default().entry(*by).or_default() += 1;
        }
        members
    }
}

/// Whether the event under the broken gateway was told in the minute of its begin, and stands.
fn stands(said: &[(i64, Anomaly)], id: AnomalyId) -> bool {
    let own = || said.iter().filter(|(_, step)| step.id == id);
    own().any(|(minute, step)| step.phase == Phase::Raised && at(*minute) == step.begin)
        && own().all(|(_, step)| step.phase != Phase::Withdrawn)
}

/// How many alarms are open at a time, at most.
fn most(truths: &[Truth]) -> usize {
    let mut load = vec![0_usize; (MINUTES + 700) as usize];
    for truth in truths {
        (truth.told..truth.cleared.min(MINUTES + 600)).for_each(|minute| load[minute as usize] += 1);
    }
    load.into_iter().max().unwrap_or_default()
}

pub(super) fn measure(seed: u64, series: usize, which: fn(Scope) -> bool) -> Measured {
    let (city, plan, truths) = alarms(seed, series, which);
    let said = play(&city, &truths);
    let truth: BTreeMap<AnomalyId, usize> = truths.iter().map(|truth| (truth.anomaly.id, truth.by)).collect();
    let left = Left::of(&said);
    let members = left.members(&truth);
    let main = |of: &BTreeMap<usize, usize>| of.iter().map(|(by, count)| (*count, *by)).max();
    let pure: usize = members.values().filter_map(main).map(|(count, _)| count).sum();
    let mut found: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for (id, of) in &members {
        let (Some((_, by)), Some(subject)) = (main(of), left.orders.get(id)) else { continue };
        found.entry(by).or_default().insert(subject.to_string());
    }
    let causes: BTreeSet<usize> = truth.values().copied().filter(|by| *by < plan.len()).collect();
    let is_named = |by: &usize| {
        let subject = plan[*by].cause.subject().unwrap().to_string();
        found.get(by).is_some_and(|orders| orders.contains(&subject))
    };
    let went = |by: &usize| {
        let of = |(id, of): (&AnomalyId, &BTreeMap<usize, usize>)| {
            Some((left.orders.get(id)?.to_string(), *of.get(by)?))
        };
        members.iter().filter_map(of).collect::<BTreeMap<String, usize>>()
    };
    let unnamed: Vec<String> = causes
        .iter()
        .filter(|by| !is_named(by))
        .map(|by| format!("{:?} went to {:?}", plan[*by], went(by)))
        .collect();
    Measured {
        alarms: truths.len(),
        most: most(&truths),
        orders: left.orders.len(),
        purity: pure as f64 / truth.len() as f64,
        causes: causes.len(),
        named: causes.len() - unnamed.len(),
        unnamed,
        lone_event: stands(&said, truths.last().unwrap().anomaly.id),
    }
}
