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
//! nearest. The middle of a plume is the station around which ln(size) falls most nearly as the square of the distance does.
//!
//! # What waits
//! A silence waits for half of what its series may be silent (a series should be allowed two of its periods), at most `hold`. An
//! exceeded limit is told at once, and so is a value that moved while fewer than three other stations of its region or maker have; else it
//! waits for `spread`. When the time is over the causes are looked for among the alarms whose begins lie near, within `hold` for
//! silences, which count from the last reading, and `spread` for values. What none explains surfaces. What was told before its cause
//! was found is withdrawn into it, and so is each alarm that it explains; none of them has an order of its own.
//!
//! # The life of a cause
//! Its begin is that of its earliest alarm, its extreme the number of alarms that it explained. Late alarms that fit join it
//! while it is open. It worsens when they double, and when it becomes graver: one step with `many` alarms, one after `long`. It
//! is over when half of its silences, or nearly all of its values, have ended and none joined for as long as they were held, so that a
//! flapping gateway is one episode. What then is left of its alarms is
//! held by another open cause that fits, or surfaces after as long again; the order that they had part in stays the first.
//!
//! # Invariants
//! What comes out depends on epochs and topology only. Of any alarm what surfaces is in order. Alarms of stations that the city
//! does not name, members of families, pass.
//!
//! Memory: 152 bytes an alarm that waits, was told within `spread`, or is part of a cause, and 208 for each of its steps, at most two,
//! names shared; 160 a cause that is open, and 24 a metric that it moves. At most one alarm for each series and detector.
//!
//! # Saved state
//! Head 0xa9; number of causes; for each scope, name, episode (16 bytes), begin, since, end (option), ending (option), calm in ns,
//! alarms ever, still open, said, severity, number of metrics moved, each with its sign as a whole number; number of alarms; for each
//! source, metric, detector, episode (16 bytes), finding, ended finding (option), and 0 new, 1 waiting and until when, 2 told, to be
//! looked at and when, 3 told and until when it is remembered, 4 and the cause by scope and name, or 5 left and until when.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::size_of;
use std::sync::Arc;

use yiwang_model::{Anomaly, AnomalyId, Phase, Series, Severity, Span, Timestamp};

use crate::params::{Entry, Form, Parameter, SOURCE, defaulted};
use crate::registry::{Kind, Make};
use crate::rule::{Epoch, Homes, Rule, SeriesEvent};
use crate::topology::{Cause, Nature, Scope, Topology};
use crate::{Error, Spec};

mod alarm;
mod infer;
mod parent;
mod saved;

use alarm::{Alarm, Stage};
use infer::{Known, Pick, Sights};
use parent::Parent;

const NAME: &str = "cause";
const HEAD: u8 = 0xa9;
/// Value alarms of so many other stations of a region or maker make one wait.
const COMPANY: usize = 3;
const _: () = assert!(size_of::<(Key, Alarm)>() <= 152);
const _: () = assert!(size_of::<(Cause, Parent)>() <= 160);
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
    entry.finish(Box::new(Causes { rules, topology, alarms: BTreeMap::new(), parents: BTreeMap::new() }))
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
}

impl Rule for Causes {
    fn step(&mut self, epoch: &Epoch<'_>, out: &mut Vec<Anomaly>) {
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
    }

    fn learn(&mut self, topology: Arc<Topology>) {
        self.topology = topology;
    }

    fn wants(&self, detector: &str) -> bool {
        self.topology.nature(detector).is_some()
    }

    fn evidence(&self, subject: &Series) -> Vec<Series> {
        let is_of = |alarm: &Alarm| {
            matches!(&alarm.stage, Stage::Child(cause)
                if cause.name == *subject.source() && cause.scope.word() == &**subject.metric())
        };
        let mut series: Vec<Series> = self
            .alarms
            .iter()
            .filter(|(_, alarm)| is_of(alarm))
            .map(|((series, _), _)| series.clone())
            .collect();
        series.dedup();
        series
    }

    fn retire(&mut self, city: Timestamp, out: &mut Vec<Anomaly>) {
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
        (self.parents, self.alarms) = saved::read(state)?;
        Ok(())
    }
}

impl Causes {
    /// Takes what a detector said.
    fn hear(&mut self, said: &SeriesEvent, out: &mut Vec<Anomaly>) {
        let anomaly = &said.anomaly;
        let known = self.topology.nature(&anomaly.detector).is_some()
            && self.topology.find(&anomaly.series).is_some();
        let key = (anomaly.series.clone(), Arc::clone(&anomaly.detector));
        if anomaly.phase == Phase::Raised && known {
            let alarm = Alarm::new(anomaly);
            if let Some(earlier) = self.alarms.insert(key, alarm) {
                self.supersede(earlier, out);
            }
            return;
        }
        match self.alarms.get_mut(&key).filter(|alarm| alarm.raised.id == anomaly.id) {
            None => out.push(anomaly.clone()),
            Some(alarm) => {
                let was_open = alarm.cleared.is_none();
                let is_gone = alarm.hear(anomaly, out);
                let ends = was_open && (is_gone || alarm.cleared.is_some());
                if let Stage::Child(cause) = &alarm.stage
                    && ends
                    && let Some(parent) = self.parents.get_mut(cause)
                {
                    parent.child_ends(alarm.cleared.as_deref());
                }
                if is_gone || alarm.is_withdrawn() && alarm.cleared.is_some() {
                    self.alarms.remove(&key);
                }
            }
        }
    }

    /// An alarm of the same detector and series comes after this one.
    fn supersede(&mut self, earlier: Alarm, out: &mut Vec<Anomaly>) {
        match &earlier.stage {
            Stage::Child(cause) => {
                if let Some(parent) = self.parents.get_mut(cause) {
                    parent.lose(&earlier);
                }
            }
            Stage::New | Stage::Held(_) => earlier.surface(out),
            Stage::Told(_) | Stage::Shown(_) | Stage::Left(_) => {}
        }
    }

    /// Finds out for each new alarm whether it joins an open cause, waits, or is told at once.
    fn place_new(&mut self, city: Timestamp, out: &mut Vec<Anomaly>) {
        let new: Vec<Key> = self
            .alarms
            .iter()
            .filter(|(_, alarm)| alarm.stage == Stage::New)
            .map(|(key, _)| key.clone())
            .collect();
        let company = if new.is_empty() { Company::default() } else { self.company(city) };
        for key in new {
            if let Some(cause) = self.joins(&key) {
                self.join(&key, &cause, out);
                continue;
            }
            let nature = self.topology.nature(&key.1);
            let Some(alarm) = self.alarms.get_mut(&key) else { continue };
            let hold = alarm.hold(nature, &self.rules);
            let waits = match nature {
                Some(Nature::Silence) => true,
                Some(Nature::Value) => company.has(&self.topology, &key.0),
                Some(Nature::Limit) | None => false,
            };
            if waits {
                alarm.stage = Stage::Held(city + hold);
            } else {
                alarm.show(city + hold, out);
                alarm.stage = Stage::Told(city + hold);
            }
        }
    }

    /// How many stations of each region and maker have values that moved and that nothing explains.
    fn company(&self, city: Timestamp) -> Company {
        let mut company = Company::default();
        for ((series, detector), alarm) in &self.alarms {
            let moved = matches!(self.topology.nature(detector), Some(Nature::Value | Nature::Limit));
            let is_near = alarm.raised.begin >= city - self.rules.spread;
            if moved && is_near && !matches!(alarm.stage, Stage::Child(_)) {
                company.add(&self.topology, series);
            }
        }
        company
    }

    /// The open cause that an alarm is part of.
    fn joins(&self, key: &Key) -> Option<Cause> {
        let (site, _) = self.topology.find(&key.0)?;
        let alarm = self.alarms.get(key)?;
        let nature = self.topology.nature(&key.1)?;
        let onset = alarm.onset(nature);
        if nature == Nature::Silence {
            return self.joins_outage(site, onset);
        }
        let same =
            self.alarms.range((key.0.clone(), "".into())..).take_while(|((series, _), _)| *series == key.0);
        let sibling = same.filter_map(|(_, alarm)| match &alarm.stage {
            Stage::Child(cause) if !cause.scope.is_outage() && self.parents.contains_key(cause) => {
                Some(cause.clone())
            }
            _ => None,
        });
        let fits = |(cause, parent): &(&Cause, &Parent)| {
            !cause.scope.is_outage()
                && parent.moves(key.0.metric(), alarm.sign())
                && Span((onset - parent.since).0.saturating_abs()) <= self.rules.spread
                && infer::reaches(&self.topology, cause, site)
        };
        let near = |(_, parent): &(&Cause, &Parent)| (onset - parent.since).0.saturating_abs();
        let fitting = self.parents.iter().filter(fits).min_by_key(near).map(|(cause, _)| cause.clone());
        sibling.min().or(fitting)
    }

    fn joins_outage(&self, site: usize, onset: Timestamp) -> Option<Cause> {
        let down =
            |scope, name: &Arc<str>| self.parents.contains_key(&Cause { scope, name: Arc::clone(name) });
        if !self.topology.is_cut(site, &down) {
            return None;
        }
        let open =
            self.topology.causes_of_outage(site).filter_map(|cause| self.parents.get_key_value(&cause));
        open.min_by_key(|(cause, parent)| (infer::behind(onset, parent.since), *cause))
            .map(|(cause, _)| cause.clone())
    }

    /// Makes an alarm part of an open cause.
    fn join(&mut self, key: &Key, cause: &Cause, out: &mut Vec<Anomaly>) {
        let nature = self.topology.nature(&key.1);
        if let (Some(alarm), Some(parent)) = (self.alarms.get_mut(key), self.parents.get_mut(cause)) {
            if !alarm.is_withdrawn() {
                out.push(alarm.withdrawn(parent.id));
            }
            parent.child_joins(alarm, alarm.hold(nature, &self.rules));
            alarm.stage = Stage::Child(cause.clone());
            if alarm.cleared.is_some() {
                self.alarms.remove(key);
            }
        }
    }

    /// The onset of the first alarm of its sort whose time is over.
    fn due(&self, is_silence: bool, city: Timestamp) -> Option<Timestamp> {
        let due = self.alarms.iter().filter(|(_, alarm)| alarm.is_due(city));
        let due = due.filter(|(key, _)| self.topology.find(&key.0).is_some());
        due.filter_map(|((_, detector), alarm)| {
            let nature = self.topology.nature(detector).unwrap_or(Nature::Limit);
            ((nature == Nature::Silence) == is_silence).then(|| alarm.onset(nature))
        })
        .min()
    }

    /// Looks for the causes of the alarms around a moment; those whose time is over and that none explains are told.
    fn explain(&mut self, is_silence: bool, anchor: Timestamp, city: Timestamp, out: &mut Vec<Anomaly>) {
        let (sights, near) = self.sights(is_silence, anchor);
        if sights.len() > 1 {
            let topology = Arc::clone(&self.topology);
            let grain = Span(self.rules.hold.0 / 5);
            let explained = self.explained(is_silence, &sights);
            let down = self.parents.keys().filter(|cause| cause.scope.is_outage()).cloned().collect();
            let known = Known { topology: &topology, explained: &explained, down: &down, now: city, grain };
            let picks =
                if is_silence { infer::outages(&known, &sights) } else { infer::values(&known, &sights) };
            let is_due = |key: &Key| self.alarms.get(key).is_some_and(|alarm| alarm.is_due(city));
            let is_ripe =
                |pick: &Pick| pick.taken.iter().filter_map(|series| near.get(series)).flatten().any(is_due);
            // of the others more may be to come
            let ripe: Vec<Pick> = picks.into_iter().filter(is_ripe).collect();
            let found = !ripe.is_empty();
            for pick in ripe {
                self.open(pick, &near, out);
            }
            if found {
                self.adopt(is_silence, out);
            }
        }
        for key in near.into_values().flatten() {
            if let Some(alarm) = self.alarms.get_mut(&key).filter(|alarm| alarm.is_due(city)) {
                alarm.show(city + self.rules.spread, out);
            }
        }
    }

    /// What nothing explains yet around a moment, and which alarms that is, by the number of the series.
    fn sights(&self, is_silence: bool, anchor: Timestamp) -> (Sights, BTreeMap<usize, Vec<Key>>) {
        let (mut sights, mut near) = (Sights::new(), BTreeMap::<usize, Vec<Key>>::new());
        let window = if is_silence { self.rules.hold } else { self.rules.spread };
        for (key, alarm) in &self.alarms {
            let nature = self.topology.nature(&key.1).unwrap_or(Nature::Limit);
            let is_far = Span((alarm.onset(nature) - anchor).0.saturating_abs()) > window;
            if (nature == Nature::Silence) != is_silence || matches!(alarm.stage, Stage::Child(_)) || is_far {
                continue;
            }
            let Some((site, series)) = self.topology.find(&key.0) else { continue };
            near.entry(series).or_default().push(key.clone());
            let sight = alarm.sight(site, nature);
            sights.entry(series).and_modify(|of| of.merge(&sight)).or_insert(sight);
        }
        (sights, near)
    }

    /// The series that speak for no cause: their alarms of the sort are part of one, or began at another time and go on; and of a
    /// silent series nobody knows whether its values move.
    fn explained(&self, is_silence: bool, sights: &Sights) -> BTreeSet<usize> {
        let of_sort = |(_, detector): &Key| {
            self.topology.nature(detector).is_some_and(|nature| nature == Nature::Silence || !is_silence)
        };
        let open = self.alarms.iter().filter(|(key, alarm)| alarm.cleared.is_none() && of_sort(key));
        let series = open.filter_map(|((series, _), alarm)| Some((self.topology.find(series)?.1, alarm)));
        let is_child = |alarm: &Alarm| matches!(alarm.stage, Stage::Child(_));
        series.filter(|(at, alarm)| is_child(alarm) || !sights.contains_key(at)).map(|(at, _)| at).collect()
    }

    /// Makes what surfaced before part of the causes that now are known.
    fn adopt(&mut self, is_silence: bool, out: &mut Vec<Anomaly>) {
        let of_sort = |(_, detector): &Key| {
            self.topology.nature(detector).is_some_and(|nature| (nature == Nature::Silence) == is_silence)
        };
        let free = self.alarms.iter().filter(|(key, alarm)| {
            alarm.cleared.is_none() && of_sort(key) && !matches!(alarm.stage, Stage::Child(_))
        });
        let fits: Vec<(Key, Cause)> =
            free.filter_map(|(key, _)| Some((key.clone(), self.joins(key)?))).collect();
        fits.iter().for_each(|(key, cause)| self.join(key, cause, out));
    }

    /// Opens a cause that was found, or goes on with it, and makes its alarms part of it.
    fn open(&mut self, pick: Pick, near: &BTreeMap<usize, Vec<Key>>, out: &mut Vec<Anomaly>) {
        let keys: Vec<&Key> = pick.taken.iter().filter_map(|series| near.get(series)).flatten().collect();
        let begin = keys.iter().filter_map(|key| self.alarms.get(key)).map(|alarm| alarm.raised.begin).min();
        let (Some(begin), Ok(subject)) = (begin, pick.cause.subject()) else { return };
        let id = AnomalyId::of(&self.rules.detector, &subject, begin);
        let fresh = Parent::new(id, begin, pick.begin, self.rules.severity);
        let is_new = !self.parents.contains_key(&pick.cause);
        let parent = self.parents.entry(pick.cause.clone()).or_insert(fresh);
        parent.also_moves(pick.moves);
        for key in keys {
            self.join(key, &pick.cause, out);
        }
        if let Some(parent) = self.parents.get_mut(&pick.cause).filter(|_| is_new) {
            out.extend(parent.raised(&pick.cause, &self.rules));
        }
    }

    /// Says what became of open causes, and ends those that are over.
    fn tend(&mut self, city: Timestamp, out: &mut Vec<Anomaly>) {
        let mut over = Vec::new();
        for (cause, parent) in &mut self.parents {
            out.extend(parent.worsened(cause, city, &self.rules));
            if parent.is_over(cause.scope, city) {
                over.push(cause.clone());
            }
        }
        for cause in over {
            let Some(parent) = self.parents.remove(&cause) else { continue };
            out.extend(parent.cleared(&cause, city, &self.rules));
            self.release(&cause, city + parent.calm, out);
        }
    }

    /// What is left of the alarms of a cause that is over is held by another one, which did not begin it; or it surfaces at `then`.
    fn release(&mut self, cause: &Cause, then: Timestamp, out: &mut Vec<Anomaly>) {
        let is_left = |alarm: &Alarm| matches!(&alarm.stage, Stage::Child(of) if of == cause);
        let left: Vec<Key> =
            self.alarms.iter().filter(|(_, alarm)| is_left(alarm)).map(|(key, _)| key.clone()).collect();
        for key in left {
            let heir = self.joins(&key).filter(|heir| heir != cause);
            match heir {
                Some(heir) => self.join(&key, &heir, out),
                None => {
                    if let Some(alarm) = self.alarms.get_mut(&key) {
                        alarm.stage = Stage::Left(then);
                    }
                }
            }
        }
    }
}

/// Stations with values that moved, by region and by maker.
#[derive(Default)]
struct Company(BTreeMap<Cause, BTreeSet<usize>>);

impl Company {
    fn of(topology: &Topology, site: usize) -> impl Iterator<Item = Cause> {
        let site = &topology.sites[site];
        let region = Some(Cause { scope: Scope::Region, name: Arc::clone(&site.region) });
        let maker = site.maker.as_ref().map(|name| Cause { scope: Scope::Maker, name: Arc::clone(name) });
        region.into_iter().chain(maker)
    }

    fn add(&mut self, topology: &Topology, series: &Series) {
        let Some((site, _)) = topology.find(series) else { return };
        for cause in Self::of(topology, site) {
            self.0.entry(cause).or_default().insert(site);
        }
    }

    fn has(&self, topology: &Topology, series: &Series) -> bool {
        let Some((site, _)) = topology.find(series) else { return false };
        Self::of(topology, site)
            .filter_map(|cause| self.0.get(&cause))
            .any(|sites| sites.len() - usize::from(sites.contains(&site)) >= COMPANY)
    }
}

#[cfg(test)]
mod cities;
#[cfg(test)]
mod tests;
