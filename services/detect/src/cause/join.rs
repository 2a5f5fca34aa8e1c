//! Which open cause an alarm is part of, and how it becomes so.

use std::sync::Arc;

use yiwang_model::{Anomaly, Series, Span, Timestamp};

use super::alarm::{Alarm, Stage};
use super::parent::Parent;
use super::{Causes, Key, infer};
use crate::topology::{Cause, Nature, Scope};

impl Causes {
    /// The open cause that an alarm is part of: one that another alarm of its series is part of, or that began when it did.
    pub(super) fn joins(&self, key: &Key) -> Option<Cause> {
        let (site, _) = self.topology.find(&key.0)?;
        let alarm = self.alarms.get(key)?;
        let nature = self.topology.nature(&key.1)?;
        let onset = alarm.onset(nature);
        if nature == Nature::Silence {
            return self.joins_outage(site, onset);
        }
        let (metric, sign, spread) = (key.0.metric(), alarm.sign(), self.rules.spread);
        let is_begun = |parent: &Parent| {
            parent.moves(metric, sign) && Span((onset - parent.since).0.saturating_abs()) <= spread
        };
        // a limit that is exceeded stays an order of its own in its place
        let may = |cause: &Cause| nature != Nature::Limit || cause.scope != Scope::Place;
        let sibling = self.sibling(&key.0, sign).filter(may);
        sibling.or_else(|| self.moving(site, onset, is_begun).filter(may))
    }

    /// The open cause whose values go back with an alarm that nothing else explains: it moved them the other way before.
    pub(super) fn goes_back(&self, key: &Key) -> Option<Cause> {
        let (site, _) = self.topology.find(&key.0)?;
        let alarm = self.alarms.get(key)?;
        if self.topology.nature(&key.1)? != Nature::Value || alarm.sign() == 0 {
            return None;
        }
        let onset = alarm.onset(Nature::Value);
        let moved = |parent: &Parent| {
            parent.moves(key.0.metric(), -alarm.sign()) && onset - parent.since > self.rules.spread
        };
        self.moving(site, onset, moved)
    }

    /// Of the open causes that move values at a site and fit the one that began nearest.
    fn moving(&self, site: usize, onset: Timestamp, fits: impl Fn(&Parent) -> bool) -> Option<Cause> {
        let moving = self.parents.iter().filter(|(cause, parent)| {
            !cause.scope.is_outage() && fits(parent) && infer::reaches(&self.topology, cause, site)
        });
        let near = |(_, parent): &(&Cause, &Parent)| (onset - parent.since).0.saturating_abs();
        moving.min_by_key(near).map(|(cause, _)| cause.clone())
    }

    /// The open cause that another alarm of a series, which moved the same way, is part of.
    fn sibling(&self, series: &Series, sign: i8) -> Option<Cause> {
        let same =
            self.alarms.range((series.clone(), "".into())..).take_while(|((other, _), _)| other == series);
        let agrees = |other: &Alarm| other.sign() * sign >= 0;
        let cause = |alarm: &Alarm| match &alarm.stage {
            Stage::Child(cause) if !cause.scope.is_outage() && self.parents.contains_key(cause) => {
                Some(cause.clone())
            }
            _ => None,
        };
        same.filter(|(_, other)| agrees(other)).filter_map(|(_, other)| cause(other)).min()
    }

    pub(super) fn joins_outage(&self, site: usize, onset: Timestamp) -> Option<Cause> {
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
    pub(super) fn join(&mut self, key: &Key, cause: &Cause, out: &mut Vec<Anomaly>) {
        let nature = self.topology.nature(&key.1);
        if let (Some(alarm), Some(parent)) = (self.alarms.get_mut(key), self.parents.get_mut(cause)) {
            if !alarm.is_withdrawn() {
                out.push(alarm.withdrawn(parent.id));
            }
            parent.child_joins(alarm, alarm.hold(nature, &self.rules));
            alarm.stage = Stage::Child(cause.clone());
            if alarm.cleared.is_some() {
                self.leave(key);
            }
        }
    }

    /// Makes what surfaced before part of the causes that now are known.
    pub(super) fn adopt(&mut self, is_silence: bool, out: &mut Vec<Anomaly>) {
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
}
