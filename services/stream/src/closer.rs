//! The end of an epoch: what all workers said is put into one order, and the rule across series has its word.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use yiwang_catalogue::{Catalogue, GatewayRule};
use yiwang_detect::gateway::subject;
use yiwang_detect::rule::{self, Epoch, Heard, Homes, Rule, SeriesEvent};
use yiwang_model::{Anomaly, AnomalyId, Series, Timestamp};

use crate::directory::Directory;
use crate::item::{Counts, End, Found, HeardOf, Judged, Kept, Marked, Part, Save};
use crate::pack::Pack;
use crate::quiet::{Hush, Now, Quiet};

/// How many series the evidence of a silent gateway names.
const NAMED_SERIES: usize = 50;

/// A closed epoch.
#[derive(Clone, Debug)]
pub struct Closed {
    /// Its number.
    pub epoch: u64,
    /// City time at its end, if the city has one.
    pub city: Option<Timestamp>,
    /// The catalogue in force in it.
    pub revision: u32,
    /// What was found, sorted by series, detector; of one detector of one series as it happened.
    pub found: Vec<Found>,
    /// What the episodes that were raised or revised follow from, sorted by episode; of one as it happened.
    pub capsules: Vec<Kept>,
    /// The minutes that readings came too late for, sorted by series and time.
    pub marked: Vec<Marked>,
    /// What was counted.
    pub counts: Counts,
    /// A state that is to be saved and is whole now: that at the end of an epoch before, or of this one.
    pub state: Option<State>,
    /// The episodes that silences keep quiet, when that has changed.
    pub quiet: Option<Quiet>,
}

/// The whole state of the judgement at the end of an epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The last epoch that is in it.
    pub epoch: u64,
    /// The epoch of the state before, of which it has the series that changed; `None` when it has all.
    pub since: Option<u64>,
    /// The catalogue in force after it.
    pub revision: u32,
    /// City time at its end, if the city has one.
    pub city: Option<Timestamp>,
    /// For each partition of topic `readings`, the offset after the tick that closed the epoch.
    pub next: Vec<u64>,
    /// The state of the rule across series; empty for none.
    pub rule: Vec<u8>,
    /// The states of its series; of several of one the last.
    pub series: Vec<Pack>,
    /// The episodes that silences keep quiet; empty for none.
    pub quiet: Vec<u8>,
}

/// Closes epochs, in order.
pub struct Closer {
    directory: Arc<Directory>,
    partitions: usize,
    /// How many judges and derivers there are.
    judges: usize,
    revision: u32,
    rule: Option<OwnRule>,
    /// States of which parts are still to come, by epoch, each with how many judges and derivers have said all.
    gathered: BTreeMap<u64, (State, usize)>,
    hush: Hush,
}

/// The rule across series, and what the catalogue says of it.
type OwnRule = (GatewayRule, Box<dyn Rule>);

impl Closer {
    /// Begins with a saved state: under its revision of the catalogue, 0 for none.
    ///
    /// # Errors
    /// What does not fit in the saved state.
    pub fn new(
        directory: Arc<Directory>,
        partitions: usize,
        judges: usize,
        state: &State,
    ) -> Result<Self, String> {
        let mut rule = fresh_rule(&directory, state.revision);
        if let Some((_, rule)) = rule.as_mut().filter(|_| !state.rule.is_empty()) {
            rule.restore(&state.rule).map_err(|error| error.to_string())?;
        }
        let hush = Hush::restore(&state.quiet)?;
        let gathered = BTreeMap::new();
        Ok(Self { directory, partitions, judges, revision: state.revision, rule, gathered, hush })
    }

    /// Closes an epoch: what the workers said in it, in any order, and the ticks that closed it, at least one.
    pub fn close(&mut self, judged: Vec<Judged>, ends: &[End]) -> Option<Closed> {
        let end = ends.first()?;
        let mut said = Said::sort(judged);
        if self.revision == 0 {
            self.switch(end, &mut said.found);
        }
        if let Some(city) = end.city {
            self.across(Timestamp(city), &mut said);
        }
        let revision = self.revision;
        self.switch(end, &mut said.found);
        self.silence(revision, end.city, &mut said);
        said.found.sort_by(|a, b| {
            let key = |found: &Found| (found.anomaly.series.clone(), Arc::clone(&found.anomaly.detector));
            key(a).cmp(&key(b))
        });
        said.capsules.sort_by_key(|kept| kept.anomaly);
        if let Some(state) = self.state(end, ends) {
            self.gathered.insert(state.epoch, (state, 0));
        }
        let state = self.gather(said.parts);
        let city = end.city.map(Timestamp);
        let Said { found, capsules, marked, counts, .. } = said;
        let marked = marked.into_iter().collect();
        let quiet = self.hush.news();
        Some(Closed { epoch: end.epoch, city, revision, found, capsules, marked, counts, state, quiet })
    }

    /// Keeps quiet what silences of the catalogue that judged the epoch match.
    fn silence(&mut self, revision: u32, city: Option<i64>, said: &mut Said) {
        let (Some(city), Some(catalogue)) = (city.map(Timestamp), self.directory.catalogue(revision)) else {
            return;
        };
        let now = Now { revision, catalogue: &catalogue, city };
        said.counts.silenced += self.hush.sift(now, &mut said.found);
    }

    fn across(&mut self, city: Timestamp, said: &mut Said) {
        let catalogue = self.directory.catalogue(self.revision);
        let Some((_, rule)) = &mut self.rule else {
            let silences = std::mem::take(&mut said.silences);
            return said.found.extend(silences.into_iter().map(|(found, _)| found));
        };
        let (wanted, found) = std::mem::take(&mut said.found)
            .into_iter()
            .partition(|found| rule.wants(&found.anomaly.detector));
        said.found = found;
        let heard: Vec<Heard> =
            said.heard.iter().filter_map(|(gateway, span)| heard(gateway, *span)).collect();
        let mut events: Vec<SeriesEvent> =
            said.silences.iter().filter_map(|(found, gateway)| series_event(found, gateway)).collect();
        let gateway_of = |found: &Found| {
            let station = catalogue.as_ref()?.station(found.anomaly.series.source())?;
            series_event(found, &station.gateway)
        };
        let mut as_it_was = AsItWas::default();
        for found in wanted {
            match gateway_of(&found) {
                Some(event) => {
                    events.push(event);
                    as_it_was.put(found);
                }
                None => said.found.push(found),
            }
        }
        rule::sort(&mut events);
        let mut passed = Vec::new();
        rule.step(&Epoch { city, heard: &heard, events: &events }, &mut passed);
        let found: Vec<Found> = passed
            .into_iter()
            .map(|passed| as_it_was.take(&passed).unwrap_or_else(|| self.found(passed)))
            .collect();
        said.found.extend(found);
    }

    /// A step that the rule held and let pass, or its own: then with the series to look at.
    fn found(&self, anomaly: Anomaly) -> Found {
        let own = self.rule.as_ref().filter(|(entry, _)| entry.name == anomaly.detector);
        let named = own.map(|(_, rule)| rule.evidence(&anomaly.series)).unwrap_or_default();
        let catalogue = self.directory.catalogue(self.revision).filter(|_| own.is_some());
        if let Some(catalogue) = catalogue.as_ref().filter(|_| !named.is_empty()) {
            let series = named.iter().map(|series| sent(catalogue, series).clone()).collect();
            return Found { anomaly, points: Vec::new(), series };
        }
        let named = catalogue.map(|catalogue| {
            let all = catalogue.series_of(anomaly.series.source()).iter();
            all.take(NAMED_SERIES).cloned().collect::<Vec<Series>>()
        });
        let named = named.unwrap_or_else(|| vec![anomaly.series.clone()]);
        Found { anomaly, points: Vec::new(), series: named }
    }

    /// From here on another catalogue is in force. A rule that both have keeps its state; one that is gone ends its
    /// episodes, and what it held back surfaces.
    fn switch(&mut self, end: &End, found: &mut Vec<Found>) {
        if self.revision == end.revision {
            return;
        }
        self.revision = end.revision;
        let before = std::mem::replace(&mut self.rule, fresh_rule(&self.directory, end.revision));
        let Some((entry, mut rule)) = before else { return };
        let city = end.city.map(Timestamp).unwrap_or_default();
        let mut last = Vec::new();
        let heir = self.rule.as_mut().filter(|(heir, _)| heir.name == entry.name).map(|(_, heir)| heir);
        let heir = heir.and_then(|heir| inherit(rule.as_ref(), heir.as_mut()).then_some(heir));
        match (heir, self.directory.catalogue(end.revision)) {
            (Some(heir), Some(catalogue)) => heir.rehome(city, &Stations(&catalogue), &mut last),
            _ => rule.retire(city, &mut last),
        }
        found.extend(last.into_iter().map(|anomaly| {
            let series = vec![anomaly.series.clone()];
            Found { anomaly, points: Vec::new(), series }
        }));
    }

    /// Adds parts to the states that are under way; gives the newest that is whole now. Those before it are of no use then.
    fn gather(&mut self, parts: Vec<Part>) -> Option<State> {
        for Part { epoch, pack } in parts {
            let Some((state, done)) = self.gathered.get_mut(&epoch) else { continue };
            *done += usize::from(pack.is_none());
            state.series.extend(pack);
        }
        let is_whole = |(_, (_, done)): &(&u64, &(State, usize))| *done == self.judges;
        let newest = *self.gathered.iter().rev().find(is_whole)?.0;
        let later = self.gathered.split_off(&(newest + 1));
        let mut before = std::mem::replace(&mut self.gathered, later);
        before.remove(&newest).map(|(state, _)| state)
    }

    /// The state at the end of an epoch without its series, if it is to be saved.
    fn state(&self, end: &End, ends: &[End]) -> Option<State> {
        let save = Save::asked(ends);
        let next: Vec<u64> = (0..self.partitions)
            .filter_map(|partition| ends.iter().find(|end| usize::from(end.partition) == partition))
            .map(|end| end.next)
            .collect();
        if save == Save::No || next.len() != self.partitions {
            return None;
        }
        let mut rule = Vec::new();
        if let Some((_, own)) = &self.rule {
            own.snapshot(&mut rule);
        }
        Some(State {
            epoch: end.epoch,
            since: if let Save::Changes { since } = save { Some(since) } else { None },
            revision: self.revision,
            city: end.city.map(Timestamp),
            next,
            rule,
            series: Vec::new(),
            quiet: self.hush.save(),
        })
    }
}

/// The rule of a revision of the catalogue, if it has one, with nothing seen yet.
fn fresh_rule(directory: &Directory, revision: u32) -> Option<OwnRule> {
    let catalogue = directory.catalogue(revision)?;
    let entry = catalogue.gateway_rule()?.clone();
    let mut rule = entry.build().ok()?;
    rule.learn(Arc::new(catalogue.topology()));
    Some((entry, rule))
}

fn inherit(from: &dyn Rule, heir: &mut dyn Rule) -> bool {
    let mut state = Vec::new();
    from.snapshot(&mut state);
    heir.restore(&state).is_ok()
}

/// The series whose readings show it: its own, or those that it is reckoned from first, for what is reckoned is stored nowhere.
fn sent<'a>(catalogue: &'a Catalogue, series: &'a Series) -> &'a Series {
    let how = catalogue.derived().of(series);
    how.and_then(|how| how.sources.first()).map_or(series, |source| &source.series)
}

/// What was found in the epoch, for what the rule lets pass at once.
#[derive(Default)]
struct AsItWas(BTreeMap<AnomalyId, Vec<Found>>);

impl AsItWas {
    fn put(&mut self, found: Found) {
        self.0.entry(found.anomaly.id).or_default().push(found);
    }

    fn take(&mut self, passed: &Anomaly) -> Option<Found> {
        let steps = self.0.get_mut(&passed.id)?;
        let place = steps.iter().position(|found| found.anomaly == *passed)?;
        Some(steps.remove(place))
    }
}

/// The gateways of a catalogue.
struct Stations<'a>(&'a Catalogue);

impl Homes for Stations<'_> {
    fn has(&self, gateway: &Series) -> bool {
        self.0.gateways.contains_key(gateway.source())
    }

    fn of(&self, series: &Series) -> Option<Series> {
        subject(Arc::clone(&self.0.station(series.source())?.gateway)).ok()
    }
}

/// What was said in an epoch, by kind.
#[derive(Default)]
struct Said {
    heard: BTreeMap<String, (i64, i64)>,
    found: Vec<Found>,
    silences: Vec<(Found, String)>,
    capsules: Vec<Kept>,
    marked: BTreeSet<Marked>,
    counts: Counts,
    parts: Vec<Part>,
}

impl Said {
    fn sort(judged: Vec<Judged>) -> Self {
        let mut said = Self::default();
        for judged in judged {
            match judged {
                Judged::Heard(heard) => said.hear(heard),
                Judged::Found(found) => said.found.push(*found),
                Judged::Silence(found, gateway) => said.silences.push((*found, gateway)),
                Judged::Capsule(kept) => said.capsules.push(*kept),
                Judged::Marked(marked) => _ = said.marked.insert(marked),
                Judged::Counts(counts) => said.counts.add(&counts),
                Judged::State(part) => said.parts.push(part),
                Judged::Fed(_) => {} // went its own way
            }
        }
        said
    }

    fn hear(&mut self, of: HeardOf) {
        let span = self.heard.entry(of.gateway).or_insert((of.oldest, of.newest));
        *span = (span.0.min(of.oldest), span.1.max(of.newest));
    }
}

fn heard(gateway: &str, (oldest, newest): (i64, i64)) -> Option<Heard> {
    let gateway = subject(gateway).ok()?;
    Some(Heard { gateway, oldest: Timestamp(oldest), newest: Timestamp(newest) })
}

fn series_event(found: &Found, gateway: &str) -> Option<SeriesEvent> {
    Some(SeriesEvent { gateway: subject(gateway).ok()?, anomaly: found.anomaly.clone() })
}
