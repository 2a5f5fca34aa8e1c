//! Looks for the causes of alarms whose time is over, and opens those that it finds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use yiwang_model::{Anomaly, AnomalyId, Span, Timestamp};

use super::alarm::Stage;
use super::infer::{self, Known, Pick, Sights};
use super::parent::Parent;
use super::{Causes, Key};
use crate::topology::{Cause, Nature, Scope};

impl Causes {
    /// The onset of the first alarm of its sort whose time is over.
    pub(super) fn due(&self, is_silence: bool, city: Timestamp) -> Option<Timestamp> {
        let due = self.alarms.iter().filter(|(_, alarm)| alarm.is_due(city));
        let due = due.filter(|(key, _)| self.topology.find(&key.0).is_some());
        due.filter_map(|((_, detector), alarm)| {
            let nature = self.topology.nature(detector).unwrap_or(Nature::Limit);
            ((nature == Nature::Silence) == is_silence).then(|| alarm.onset(nature))
        })
        .min()
    }

    /// Looks for the causes of the alarms around a moment; those whose time is over and that none explains are told.
    pub(super) fn explain(
        &mut self,
        is_silence: bool,
        anchor: Timestamp,
        city: Timestamp,
        out: &mut Vec<Anomaly>,
    ) {
        let (sights, near) = self.sights(is_silence, anchor);
        if sights.len() > 1 {
            let topology = Arc::clone(&self.topology);
            let grain = Span(self.rules.hold.0 / 5);
            let explained = self.explained(is_silence, &sights);
            let open = self.open_near(anchor);
            let known = Known { topology: &topology, explained: &explained, open: &open, now: city, grain };
            let picks =
                if is_silence { infer::outages(&known, &sights) } else { infer::values(&known, &sights) };
            let own = picks.into_iter().filter_map(|pick| self.own(pick, &near));
            let ripe: Vec<Pick> = own.filter(|pick| self.is_ripe(pick, &near, city)).collect();
            let found = !ripe.is_empty();
            for pick in ripe {
                self.open(pick, &near, out);
            }
            if found {
                self.adopt(is_silence, out);
            }
        }
        for key in near.into_values().flatten() {
            if self.alarms.get(&key).is_none_or(|alarm| !alarm.is_due(city)) {
                continue;
            }
            if let Some(cause) = self.goes_back(&key) {
                self.join(&key, &cause, out);
            } else if let Some(alarm) = self.alarms.get_mut(&key) {
                alarm.show(city + self.rules.spread, out);
            }
        }
    }

    /// What of a cause is its own: a limit that is exceeded stays an order of its own, unless something wider than its station did it.
    fn own(&self, mut pick: Pick, near: &BTreeMap<usize, Vec<Key>>) -> Option<Pick> {
        let is_limit = |key: &Key| self.topology.nature(&key.1) == Some(Nature::Limit);
        let has_limit = |series: &usize| near.get(series).is_some_and(|keys| keys.iter().any(is_limit));
        if pick.cause.scope == Scope::Place {
            pick.taken.retain(|series| !has_limit(series));
        }
        (pick.cause.scope != Scope::Place || pick.taken.len() > 1).then_some(pick)
    }

    /// Whether a cause is told now: the time of one of its alarms is over, of the others more may be to come.
    fn is_ripe(&self, pick: &Pick, near: &BTreeMap<usize, Vec<Key>>, city: Timestamp) -> bool {
        let is_due = |key: &Key| self.alarms.get(key).is_some_and(|alarm| alarm.is_due(city));
        pick.taken.iter().filter_map(|series| near.get(series)).flatten().any(is_due)
    }

    /// What nothing explains yet around a moment, and which alarms that is, by the number of the series.
    pub(super) fn sights(&self, is_silence: bool, anchor: Timestamp) -> (Sights, BTreeMap<usize, Vec<Key>>) {
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
    /// silent series nobody knows whether its values move, unless it told of that before.
    pub(super) fn explained(&self, is_silence: bool, sights: &Sights) -> BTreeSet<usize> {
        let mut explained = BTreeSet::new();
        for ((series, detector), alarm) in self.alarms.iter().filter(|(_, alarm)| alarm.cleared.is_none()) {
            let is_mute = self.topology.nature(detector) == Some(Nature::Silence);
            let Some((site, at)) = self.topology.find(series).filter(|_| is_mute || !is_silence) else {
                continue;
            };
            if is_mute == is_silence && matches!(alarm.stage, Stage::Child(_)) {
                explained.insert(at);
            }
            let of_site = self.topology.series_of(site);
            // what is reckoned falls silent with its station, and nobody tells of that
            let muted = of_site
                .filter(|(other, meter)| {
                    *other == at || (!is_silence && meter.silent_after.is_none() && is_mute)
                })
                .map(|(other, _)| other);
            explained.extend(muted.filter(|other| !sights.contains_key(other)));
        }
        explained
    }

    /// The causes that are open; of those that move values the ones that began near.
    pub(super) fn open_near(&self, anchor: Timestamp) -> BTreeMap<Cause, Vec<(Arc<str>, i8)>> {
        let is_near = |(cause, parent): &(&Cause, &Parent)| {
            let apart = Span((parent.since - anchor).0.saturating_abs());
            cause.scope.is_outage() || apart <= self.rules.spread
        };
        self.parents
            .iter()
            .filter(is_near)
            .map(|(cause, parent)| (cause.clone(), parent.moves.clone()))
            .collect()
    }

    /// Opens a cause that was found, or goes on with it, and makes its alarms part of it.
    pub(super) fn open(&mut self, pick: Pick, near: &BTreeMap<usize, Vec<Key>>, out: &mut Vec<Anomaly>) {
        let keys: Vec<&Key> = pick.taken.iter().filter_map(|series| near.get(series)).flatten().collect();
        let begin = keys.iter().filter_map(|key| self.alarms.get(key)).map(|alarm| alarm.raised.begin).min();
        let (Some(begin), Ok(subject)) = (begin, pick.cause.subject()) else { return };
        let id = AnomalyId::of(&self.rules.detector, &subject, begin);
        let fresh = Parent::new(id, begin, pick.begin, self.rules.severity);
        let is_new = !self.parents.contains_key(&pick.cause);
        let shown = if is_new { self.shown(&keys) } else { Box::default() };
        let parent = self.parents.entry(pick.cause.clone()).or_insert(Parent { shown, ..fresh });
        parent.also_moves(pick.moves);
        for key in keys {
            self.join(key, &pick.cause, out);
        }
        if let Some(parent) = self.parents.get_mut(&pick.cause).filter(|_| is_new) {
            out.extend(parent.raised(&pick.cause, &self.rules));
        }
    }
}
