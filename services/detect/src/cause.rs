//! `cause`: many alarms of one cause are one episode, the cause's.
//!
//! # The model
//! Alarms are evidence of two sorts. *Silences* have outages as causes: a station, a gateway, a power area, a broker. A station is
//! cut off when its power or all of its gateways are, a gateway is when its broker is. *Values* that moved (spikes, shifts, limits
//! exceeded, …) have the weather of a region, the calibration of a maker, or a plume of pollution around a station as causes. The one
//! never explains the other: a true event under a broken gateway stays an event.
//!
//! A candidate is weighed by ln of a likelihood ratio: of its members, so many alarm within the window and so many do not,
//! if it is the cause against if each alarms by chance, plus a prior for its kind (wider things fail more rarely). For outages the
//! members are stations that would be cut off, of which nearly all would be silent (0.99 against 0.01); a station is silent
//! when two thirds of its series are. For values they are series, metric by metric and sign by sign (0.8 against 0.01); a
//! metric counts when it speaks for the cause, and costs ln 0.02, so that nobody must say which metrics feel the weather. Weather must
//! be felt by two kinds of stations, a maker's fault in two regions, a plume is of air and only rises. The candidate that explains most is
//! taken, what it explains is taken out, and so on while any is worth more than nothing: greedy set cover (Chvatal 1979) over likelihoods.
//! Of equals the narrower wins. An alarm that several of the found causes could have made is given to the one whose
//! begin fits: of outages the first after its last reading, so that a station with two gateways is the later one's; of values the
//! one under which its begin is likeliest, begins being normal around the middle of those that are the cause's alone. The middle of a
//! plume, and one in the weather of its region, are found from sizes (`infer`).
//!
//! Of a silent series nobody knows whether its values move, nor of what is reckoned from it: it speaks neither for a cause of values nor
//! against it, unless it told before it fell silent. What is left of a station when all causes are found, if it is several of its
//! metrics, is one episode of that place. A limit that is exceeded is never part of one.
//!
//! # What waits
//! A silence waits for half of what its series may be silent (a series should be allowed two of its periods), at most `hold`. An
//! exceeded limit is told at once, and so is a value that moved while fewer than three other stations of its region or maker have; else it
//! waits for `spread`. When the time is over the causes are looked for among the alarms whose begins lie near, within `hold` for
//! silences, which count from the last reading, and `spread` for values. A value that none explains, and that moves the other way than an open
//! cause moved its metric there before, is its way back and joins it. What is left surfaces. What was told before its cause
//! was found is withdrawn into it, and so is each alarm that it explains; none of them has an order of its own.
//!
//! # The life of a cause
//! Its begin is that of its earliest alarm, its extreme the number of alarms that it explained. Late alarms that fit join it
//! while it is open. It worsens when they double, and when it becomes graver: one step with `many` alarms, one after `long`. It
//! is over when half of its silences, or nearly all of its values, have ended and none joined for as long as they were held, so that a
//! flapping gateway is one episode. What then is left of its alarms is
//! held by another open cause that fits, or surfaces after as long again; the order that they had part in stays the first.
//! What is said of an alarm that was part of a cause and ended is told no more for two days, unless it is withdrawn as what never was, or
//! raised again.
//!
//! # Invariants
//! What comes out depends on epochs and topology only. Of any alarm what surfaces is in order. Alarms of stations that the city
//! does not name, members of families, pass.
//!
//! Memory: 152 bytes an alarm that waits, was told within `spread`, or is part of a cause, and 208 for each of its steps, at most two,
//! names shared; 176 a cause that is open, 24 a metric that it moves, and 32 each of the eight series that show it. At most one alarm for each series and detector. 24 an alarm that
//! ended as part of a cause within two days, or twice what its metric allows a reading to be late.
//!
//! # Saved state
//! Head 0xab; number of causes; for each scope, name, episode (16 bytes), begin, since, end (option), ending (option), calm in ns,
//! alarms ever, still open, the most open at once, said, severity, number of metrics moved, each with its sign as a whole number, number of series that show it, each by
//! source and metric; number of alarms; for each
//! source, metric, detector, episode (16 bytes), finding, ended finding (option), and 0 new, 1 waiting and until when, 2 told, to be
//! looked at and when, 3 told and until when it is remembered, 4 and the cause by scope and name, or 5 left and until when; number of
//! alarms that were part of one, each by episode and until when.

use std::collections::BTreeMap;
use std::mem::size_of;
use std::sync::Arc;

use yiwang_model::{Anomaly, AnomalyId, Series, Severity, Span, Timestamp};

use crate::params::{Entry, Form, Parameter, SOURCE, defaulted};
use crate::registry::{Kind, Make};
use crate::rule::{Epoch, Homes, Rule};
use crate::topology::{Cause, Topology};
use crate::{Error, Spec};

mod alarm;
mod arrive;
mod company;
mod infer;
mod join;
mod parent;
mod saved;
mod search;
mod shown;
mod tend;

use alarm::{Alarm, Stage};
use parent::Parent;

const NAME: &str = "cause";
const HEAD: u8 = 0xab;
/// For how long steps of an alarm that ended as part of a cause are not told, at least: its series may be judged anew for so long as its metric allows.
const PAST: Span = Span::DAY.times(2);
const _: () = assert!(size_of::<(Key, Alarm)>() <= 152);
const _: () = assert!(size_of::<(Cause, Parent)>() <= 176);
const _: () = assert!(size_of::<Anomaly>() <= 208);

pub(crate) const KIND: Kind = Kind {
    name: NAME,
    zh: "同因归并：同一原因引起的大量告警合为一件",
    en: "many alarms of one cause are one episode",
    unit: "1",
    params: PARAMS,
    needs_limits: false,
    make: Make::Across(build),
};

const PARAMS: &[Parameter] = &[
    defaulted(
        "hold",
        Form::Span,
        "15m",
        "how long a silence may wait for its cause to be found; at most half of what its series may be silent",
    ),
    defaulted(
        "spread",
        Form::Span,
        "1h",
        "how far apart the begins of values may lie that one cause moved, and how long they wait for it in company",
    ),
    defaulted(
        "many",
        Form::Number { least: 2.0, most: 1e6 },
        "100",
        "alarms from which a cause is one step graver",
    ),
    defaulted("long", Form::Span, "4h", "how long a cause lasts until it is one step graver"),
    SOURCE,
];

/// Names an alarm: a detector has one open in a series at a time.
type Key = (Series, Arc<str>);

fn build(spec: &Spec) -> Result<Box<dyn Rule>, Vec<Error>> {
    let mut entry = Entry::new(spec, PARAMS);
    let rules = Rules {
        hold: entry.span("hold").unwrap_or_default(),
        spread: entry.span("spread").unwrap_or_default(),
        // from 2 to 1e6
        many: entry.number("many").unwrap_or_default() as usize,
        long: entry.span("long").unwrap_or_default(),
        detector: Arc::clone(&spec.name),
        source: entry.source(),
        severity: spec.severity,
    };
    let topology = Arc::default();
    entry.finish(Box::new(Causes {
        rules,
        topology,
        alarms: BTreeMap::new(),
        parents: BTreeMap::new(),
        past: BTreeMap::new(),
        city: Timestamp::MIN,
    }))
}

/// What the catalogue says of the rule.
struct Rules {
    hold: Span,
    spread: Span,
    many: usize,
    long: Span,
    detector: Arc<str>,
    source: Arc<str>,
    severity: Severity,
}

struct Causes {
    rules: Rules,
    topology: Arc<Topology>,
    alarms: BTreeMap<Key, Alarm>,
    parents: BTreeMap<Cause, Parent>,
    /// Alarms that were part of a cause and are followed no more, and until when their steps are not told.
    past: BTreeMap<AnomalyId, Timestamp>,
    /// City time of the epoch; no part of the state.
    city: Timestamp,
}

impl Rule for Causes {
    fn step(&mut self, epoch: &Epoch<'_>, out: &mut Vec<Anomaly>) {
        self.city = epoch.city;
        for said in epoch.events {
            self.hear(said, out);
        }
        self.place_new(epoch.city, out);
        for is_silence in [true, false] {
            while let Some(anchor) = self.due(is_silence, epoch.city) {
                self.explain(is_silence, anchor, epoch.city, out);
            }
        }
        self.tend(epoch.city, out);
        self.alarms.retain(|_, alarm| !alarm.is_forgotten(epoch.city));
        self.past.retain(|_, until| *until > epoch.city);
    }

    fn learn(&mut self, topology: Arc<Topology>) {
        self.topology = topology;
    }

    fn wants(&self, detector: &str) -> bool {
        self.topology.nature(detector).is_some()
    }

    fn evidence(&self, subject: &Series) -> Vec<Series> {
        let is_of =
            |cause: &Cause| cause.name == *subject.source() && cause.scope.word() == &**subject.metric();
        let own = self.parents.iter().find(|(cause, _)| is_of(cause));
        own.map_or_else(Vec::new, |(_, parent)| parent.shown.to_vec())
    }

    fn retire(&mut self, city: Timestamp, out: &mut Vec<Anomaly>) {
        self.past.clear();
        for (cause, parent) in std::mem::take(&mut self.parents) {
            out.extend(parent.cleared(&cause, city, &self.rules));
        }
        std::mem::take(&mut self.alarms).into_values().for_each(|alarm| alarm.surface(out));
    }

    fn rehome(&mut self, city: Timestamp, _: &dyn Homes, out: &mut Vec<Anomaly>) {
        let topology = Arc::clone(&self.topology);
        let there = |cause: &Cause| !topology.members(&cause.group()).is_empty();
        for (cause, parent) in self.parents.extract_if(.., |cause, _| !there(cause)) {
            out.extend(parent.cleared(&cause, city, &self.rules));
        }
        for (_, alarm) in self.alarms.extract_if(.., |key, _| topology.find(&key.0).is_none()) {
            if let Stage::Child(cause) = &alarm.stage
                && let Some(parent) = self.parents.get_mut(cause)
            {
                parent.lose(&alarm);
            }
        }
        for alarm in self.alarms.values_mut() {
            if matches!(&alarm.stage, Stage::Child(cause) if !self.parents.contains_key(cause)) {
                alarm.show(city + self.rules.spread, out);
            }
        }
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        saved::put(self, out);
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        (self.parents, self.alarms, self.past) = saved::read(state)?;
        Ok(())
    }
}

#[cfg(test)]
mod cities;
#[cfg(test)]
mod tests;
