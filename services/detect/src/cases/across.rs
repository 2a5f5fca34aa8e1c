//! Cases of rules across series: silences of single series, by their own detector, go through the rule.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use yiwang_model::{Anomaly, Quality, Series, Span, Timestamp};

use super::{at, lines, restored, spec, tick, told};
use crate::gateway::subject;
use crate::registry::{build, build_rule};
use crate::rule::{Epoch, Heard, Rule, SeriesEvent, sort};
use crate::topology::{Meter, Nature, Site, Topology};
use crate::{Detector, Event, Input, Prototype, Sample, SeriesContext, Spec};

/// A small city: its series, each with a silence detector.
pub(crate) struct City {
    silence: Box<dyn Prototype>,
    detectors: BTreeMap<(String, String), Box<dyn Detector>>,
    heard: BTreeMap<String, BTreeSet<Timestamp>>,
    events: Vec<SeriesEvent>,
}

pub(super) fn run(kind: &str, case: &toml::Value, saved: bool) -> Vec<String> {
    let rule_spec = spec(kind, case);
    let mut rule = build_rule(&rule_spec).map_err(|faults| format!("{faults:?}")).unwrap();
    let topology = topology(case);
    rule.learn(Arc::clone(&topology));
    let mut city = City::new(spec("silence", &case["silence"]));
    let mut out = Vec::new();
    for line in lines(case, "input") {
        match *line.split_whitespace().collect::<Vec<_>>() {
            ["tick", now] => {
                let (heard, events) = city.close(at(now));
                rule.step(&Epoch { city: at(now), heard: &heard, events: &events }, &mut out);
                if saved {
                    rule = restored_rule(&*rule, &rule_spec);
                    rule.learn(Arc::clone(&topology));
                    city.save_and_restore();
                }
            }
            [name, time] => city.reading(name, at(time)),
            _ => panic!("{line:?} is no input"),
        }
    }
    let name = |of: &Anomaly| match of.detector.as_ref() {
        "case" if of.series.metric().as_ref() == "gateway" => format!("{} ", of.series.source()),
        "case" => format!("{}/{} ", of.series.metric(), of.series.source()),
        _ => format!("{} ", of.series.source().replace(':', "/")),
    };
    out.iter().map(|anomaly| told(anomaly, &name(anomaly), false)).collect()
}

/// The stations that speak in a case, each with one series and the gateway that its name begins with.
fn topology(case: &toml::Value) -> Arc<Topology> {
    let names = lines(case, "input").filter_map(|line| line.split_once(' ')?.0.split_once('/'));
    let names: BTreeSet<(&str, &str)> = names.collect();
    let silent_after = case["silence"]["params"]["after"].as_str().unwrap().parse().ok();
    let site = |(gateway, series): (&str, &str)| {
        let meter = Meter {
            metric: "m".into(),
            period: Span::ZERO,
            allowed_lateness: Span::ZERO,
            silent_after,
            is_watched: false,
        };
        let (source, gateways) = (format!("{gateway}:{series}").into(), vec![gateway.into()]);
        Site { source, gateways, meters: vec![meter], region: "city".into(), ..Site::default() }
    };
    let natures = [("silence".into(), Nature::Silence)].into();
    Arc::new(Topology::new(names.into_iter().map(site).collect(), BTreeMap::new(), natures))
}

/// A fresh rule that took over the state of `rule`.
pub(crate) fn restored_rule(rule: &dyn Rule, spec: &Spec) -> Box<dyn Rule> {
    let mut state = Vec::new();
    rule.snapshot(&mut state);
    let mut fresh = build_rule(spec).map_err(|faults| format!("{faults:?}")).unwrap();
    fresh.restore(&state).unwrap();
    let mut again = Vec::new();
    fresh.snapshot(&mut again);
    assert_eq!(again, state);
    fresh
}

impl City {
    pub(crate) fn new(silence: Spec) -> Self {
        let silence = build(&silence).map_err(|faults| format!("{faults:?}")).unwrap();
        Self { silence, detectors: BTreeMap::new(), heard: BTreeMap::new(), events: Vec::new() }
    }

    /// A reading of `GATEWAY/SERIES`.
    pub(crate) fn reading(&mut self, name: &str, time: Timestamp) {
        let (gateway, series) = name.split_once('/').unwrap();
        self.heard.entry(gateway.to_owned()).or_default().insert(time);
        let sample = Sample { time, value: 0.0, quality: Quality::Good };
        let key = (gateway.to_owned(), series.to_owned());
        self.detectors.entry(key.clone()).or_insert_with(|| self.silence.make(&SeriesContext::default()));
        self.tick(&key, time - Span(1));
        let mut said = Vec::new();
        self.detectors.get_mut(&key).unwrap().step(&Input::Reading(sample), &mut said);
        self.said(&key, said);
    }

    fn tick(&mut self, key: &(String, String), until: Timestamp) {
        let mut said = Vec::new();
        tick(&mut **self.detectors.get_mut(key).unwrap(), until, &mut said);
        self.said(key, said);
    }

    fn said(&mut self, (gateway, series): &(String, String), said: Vec<Event>) {
        let series = Series::new(format!("{gateway}:{series}"), "m").unwrap();
        let gateway = subject(gateway.as_str()).unwrap();
        self.events.extend(said.into_iter().map(|event| SeriesEvent {
            gateway: gateway.clone(),
            anomaly: event.of(&"silence".into(), &series),
        }));
    }

    /// Closes an epoch with the tick `now`: who was heard in it, and what was said of single series.
    pub(crate) fn close(&mut self, now: Timestamp) -> (Vec<Heard>, Vec<SeriesEvent>) {
        for key in self.detectors.keys().cloned().collect::<Vec<_>>() {
            self.tick(&key, now);
        }
        let mut events = std::mem::take(&mut self.events);
        sort(&mut events);
        let heard = std::mem::take(&mut self.heard).into_iter().map(|(gateway, times)| Heard {
            gateway: subject(gateway).unwrap(),
            oldest: *times.first().unwrap(),
            newest: *times.last().unwrap(),
        });
        (heard.collect(), events)
    }

    fn save_and_restore(&mut self) {
        for detector in self.detectors.values_mut() {
            *detector = restored(&**detector, self.silence.make(&SeriesContext::default()));
        }
    }
}
