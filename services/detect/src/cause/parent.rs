//! A cause that is open: how many alarms it explains, and what is said of it.

use std::sync::Arc;

use yiwang_model::{Anomaly, AnomalyId, Series, Severity, Span, Timestamp};

use super::{Rules, alarm::Alarm};
use crate::topology::{Cause, Scope};
use crate::{Event, Finding};

/// The share of the alarms of an outage that may still be open when it is over.
const OUTAGE_LEFT: usize = 2;
/// The same of a cause that moves values.
const VALUES_LEFT: usize = 50;

/// The episode of a cause.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parent {
    pub(super) id: AnomalyId,
    /// The begin of its earliest alarm.
    pub(super) begin: Timestamp,
    /// When the cause itself began, as near as its alarms say.
    pub(super) since: Timestamp,
    /// When the last of its alarms ended.
    pub(super) end: Option<Timestamp>,
    /// City time at which it is over, unless it goes on.
    pub(super) ending: Option<Timestamp>,
    /// For how long it must be calm before it is over.
    pub(super) calm: Span,
    /// How many alarms it explained.
    pub(super) all: usize,
    /// How many of them are open, and the most that were at once: one that comes and goes is one.
    pub(super) open: usize,
    pub(super) most: usize,
    /// How many were open at once when it was last spoken of.
    pub(super) said: usize,
    pub(super) severity: Severity,
    /// The metrics that it moves, and which way.
    pub(super) moves: Vec<(Arc<str>, i8)>,
    /// The series that show it best.
    pub(super) shown: Box<[Series]>,
}

impl Parent {
    pub(super) fn new(id: AnomalyId, begin: Timestamp, since: Timestamp, severity: Severity) -> Self {
        let (end, ending, calm) = (None, None, Span::ZERO);
        let (moves, shown) = Default::default();
        Self {
            id,
            begin,
            since,
            end,
            ending,
            calm,
            all: 0,
            open: 0,
            most: 0,
            said: 0,
            severity,
            moves,
            shown,
        }
    }

    pub(super) fn also_moves(&mut self, moves: Vec<(Arc<str>, i8)>) {
        self.moves.extend(moves);
        self.moves.sort();
        self.moves.dedup();
    }

    /// Whether it moves this metric that way.
    pub(super) fn moves(&self, metric: &Arc<str>, sign: i8) -> bool {
        self.moves.iter().any(|(own, way)| own == metric && (sign == 0 || sign == *way))
    }

    pub(super) fn child_joins(&mut self, alarm: &Alarm, hold: Span) {
        self.all += 1;
        self.calm = self.calm.max(hold);
        self.ending = None;
        match &alarm.cleared {
            None => {
                self.open += 1;
                self.most = self.most.max(self.open);
            }
            Some(cleared) => self.end = self.end.max(cleared.end),
        }
    }

    /// One of its alarms ended, or is gone.
    pub(super) fn child_ends(&mut self, cleared: Option<&Anomaly>) {
        self.open = self.open.saturating_sub(1);
        if self.ending.is_none() {
            self.end = self.end.max(cleared.and_then(|cleared| cleared.end));
        }
    }

    /// One of its alarms is gone without an end.
    pub(super) fn lose(&mut self, alarm: &Alarm) {
        if alarm.cleared.is_none() {
            self.child_ends(None);
        }
    }

    /// Whether it is over now: enough of its alarms ended, and for long enough.
    pub(super) fn is_over(&mut self, scope: Scope, city: Timestamp) -> bool {
        let left = if scope.is_outage() { OUTAGE_LEFT } else { VALUES_LEFT };
        if self.open.saturating_mul(left) > self.most {
            self.ending = None;
            return false;
        }
        *self.ending.get_or_insert(city + self.calm) <= city
    }

    pub(super) fn raised(&mut self, cause: &Cause, rules: &Rules) -> Option<Anomaly> {
        self.said = self.most;
        self.severity = self.grade(None, rules);
        self.tell(cause, Event::Raised(self.finding(None, rules)), rules)
    }

    pub(super) fn worsened(&mut self, cause: &Cause, city: Timestamp, rules: &Rules) -> Option<Anomaly> {
        let severity = self.grade(Some(city), rules);
        if severity <= self.severity && self.most < self.said.saturating_mul(2) {
            return None;
        }
        (self.said, self.severity) = (self.most, severity.max(self.severity));
        self.tell(cause, Event::Worsened(self.finding(None, rules)), rules)
    }

    pub(super) fn cleared(&self, cause: &Cause, city: Timestamp, rules: &Rules) -> Option<Anomaly> {
        let end = self.end.unwrap_or(city).max(self.begin);
        self.tell(cause, Event::Cleared(self.finding(Some(end), rules)), rules)
    }

    /// One step graver with many alarms, one when it lasts long.
    fn grade(&self, city: Option<Timestamp>, rules: &Rules) -> Severity {
        let is_long = self.ending.is_none() && city.is_some_and(|city| city - self.begin >= rules.long);
        let steps = usize::from(self.most >= rules.many) + usize::from(is_long);
        (0..steps).fold(rules.severity, |severity, _| graver(severity))
    }

    fn finding(&self, end: Option<Timestamp>, rules: &Rules) -> Finding {
        Finding {
            begin: self.begin,
            end,
            extreme: self.all as f64,
            limit: None,
            edition: Arc::clone(&rules.source),
            severity: self.severity,
        }
    }

    fn tell(&self, cause: &Cause, event: Event, rules: &Rules) -> Option<Anomaly> {
        let subject = cause.subject().ok()?;
        Some(Anomaly { id: self.id, ..event.of(&rules.detector, &subject) })
    }
}

fn graver(severity: Severity) -> Severity {
    match severity {
        Severity::Notice => Severity::Warning,
        Severity::Warning => Severity::Serious,
        Severity::Serious | Severity::Critical => Severity::Critical,
    }
}
