//! What comes in an epoch: each alarm joins an open cause, waits for one to be found, or is told at once.

use std::sync::Arc;

use yiwang_model::{Anomaly, Phase, Span, Timestamp};

use super::alarm::{Alarm, Stage};
use super::company::Company;
use super::{Causes, Key, PAST};
use crate::rule::SeriesEvent;
use crate::topology::Nature;

impl Causes {
    /// Takes what a detector said.
    pub(super) fn hear(&mut self, said: &SeriesEvent, out: &mut Vec<Anomaly>) {
        let anomaly = &said.anomaly;
        let known = self.topology.nature(&anomaly.detector).is_some()
            && self.topology.find(&anomaly.series).is_some();
        let key = (anomaly.series.clone(), Arc::clone(&anomaly.detector));
        if anomaly.phase == Phase::Raised && known {
            self.past.remove(&anomaly.id);
            if let Some(earlier) = self.alarms.insert(key, Alarm::new(anomaly)) {
                self.supersede(earlier, out);
            }
            return;
        }
        match self.alarms.get_mut(&key).filter(|alarm| alarm.raised.id == anomaly.id) {
            None => self.hear_of_past(anomaly, key, out),
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
                if is_gone {
                    self.alarms.remove(&key);
                } else if alarm.is_withdrawn() && alarm.cleared.is_some() {
                    self.leave(&key);
                }
            }
        }
    }

    /// Takes a step of an alarm that is followed no more. One that was part of a cause has no order, or one that is withdrawn: only that it
    /// never was is told of it, and that it goes on after all makes it new.
    fn hear_of_past(&mut self, anomaly: &Anomaly, key: Key, out: &mut Vec<Anomaly>) {
        if !self.past.contains_key(&anomaly.id) {
            return out.push(anomaly.clone());
        }
        let goes_on = anomaly.phase == Phase::Revised && anomaly.end.is_none();
        if anomaly.phase == Phase::Withdrawn {
            self.past.remove(&anomaly.id);
            out.push(anomaly.clone());
        } else if goes_on && !self.alarms.contains_key(&key) {
            self.past.remove(&anomaly.id);
            self.alarms.insert(key, Alarm::new(anomaly));
        }
    }

    /// Follows an alarm that ended as part of a cause no more.
    pub(super) fn leave(&mut self, key: &Key) {
        if let Some(alarm) = self.alarms.remove(key) {
            self.remember(&alarm);
        }
    }

    fn remember(&mut self, alarm: &Alarm) {
        let allowed =
            self.topology.meter(&alarm.raised.series).map_or(Span::ZERO, |meter| meter.allowed_lateness);
        self.past.insert(alarm.raised.id, self.city + PAST.max(allowed.times(2)));
    }

    /// An alarm of the same detector and series comes after this one.
    pub(super) fn supersede(&mut self, earlier: Alarm, out: &mut Vec<Anomaly>) {
        match &earlier.stage {
            Stage::Child(cause) => {
                if let Some(parent) = self.parents.get_mut(cause) {
                    parent.lose(&earlier);
                }
                self.remember(&earlier);
            }
            Stage::Left(_) => self.remember(&earlier),
            Stage::New | Stage::Held(_) => earlier.surface(out),
            Stage::Told(_) | Stage::Shown(_) => {}
        }
    }

    /// Finds out for each new alarm whether it joins an open cause, waits, or is told at once.
    pub(super) fn place_new(&mut self, city: Timestamp, out: &mut Vec<Anomaly>) {
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
    pub(super) fn company(&self, city: Timestamp) -> Company {
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
}
