//! One alarm of a series on its way: waiting, told, or part of a cause.

use yiwang_model::{Anomaly, AnomalyId, Phase, Span, Timestamp};

use super::Rules;
use super::infer::Sight;
use crate::topology::{Cause, Nature};

/// An episode of one series.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Alarm {
    /// As it would be raised now.
    pub(super) raised: Box<Anomaly>,
    pub(super) cleared: Option<Box<Anomaly>>,
    pub(super) stage: Stage,
}

/// Where it is on its way.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stage {
    /// It came in this epoch.
    New,
    /// Nobody has heard of it; its cause is looked for then.
    Held(Timestamp),
    /// It was told; its cause is looked for then.
    Told(Timestamp),
    /// It was told, and is remembered until then, or for as long as it lasts.
    Shown(Timestamp),
    /// It is part of this.
    Child(Cause),
    /// It was part of a cause that is over; it is told then, unless another cause holds it.
    Left(Timestamp),
}

impl Alarm {
    pub(super) fn new(said: &Anomaly) -> Self {
        let raised = Anomaly { phase: Phase::Raised, end: None, because: None, ..said.clone() };
        Self { raised: Box::new(raised), cleared: None, stage: Stage::New }
    }

    /// Takes a later step of it; true when it is withdrawn and nothing is left of it.
    pub(super) fn hear(&mut self, said: &Anomaly, out: &mut Vec<Anomaly>) -> bool {
        let never_was = said.phase == Phase::Withdrawn && self.is_withdrawn();
        if matches!(self.stage, Stage::Told(_) | Stage::Shown(_)) || never_was {
            out.push(said.clone());
        }
        if said.phase == Phase::Withdrawn {
            return true;
        }
        let step = |phase, end| Box::new(Anomaly { phase, end, because: None, ..said.clone() });
        self.raised = step(Phase::Raised, None);
        self.cleared = said.end.map(|end| step(Phase::Cleared, Some(end)));
        false
    }

    /// When what it tells of began: of a silence, when the series was last heard.
    pub(super) fn onset(&self, nature: Nature) -> Timestamp {
        match nature {
            Nature::Silence => self.raised.begin - self.allowed(),
            Nature::Limit | Nature::Value => self.raised.begin,
        }
    }

    /// How long the series may be silent.
    fn allowed(&self) -> Span {
        // `as` takes the nearest that there is
        Span((self.raised.limit.unwrap_or_default().max(0.0) * 1e9) as i64)
    }

    /// How long it may wait for its cause.
    pub(super) fn hold(&self, nature: Option<Nature>, rules: &Rules) -> Span {
        match nature {
            Some(Nature::Silence) => Span(self.allowed().0 / 2).min(rules.hold),
            _ => rules.spread,
        }
    }

    /// Which way its values moved; 0 where it does not say.
    pub(super) fn sign(&self) -> i8 {
        match self.raised.limit.map(|limit| self.raised.extreme - limit) {
            Some(beyond) if beyond > 0.0 => 1,
            Some(beyond) if beyond < 0.0 => -1,
            _ => 0,
        }
    }

    pub(super) fn sight(&self, site: usize, nature: Nature) -> Sight {
        let size = self.raised.limit.map_or(0.0, |limit| (self.raised.extreme - limit).abs());
        Sight { site, onset: self.onset(nature), sign: self.sign(), size }
    }

    pub(super) fn is_due(&self, city: Timestamp) -> bool {
        matches!(self.stage, Stage::Held(then) | Stage::Told(then) | Stage::Left(then) if then <= city)
    }

    pub(super) fn is_forgotten(&self, city: Timestamp) -> bool {
        self.cleared.is_some() && matches!(self.stage, Stage::Shown(until) if until <= city)
    }

    /// Tells of it, unless that was done.
    pub(super) fn show(&mut self, until: Timestamp, out: &mut Vec<Anomaly>) {
        if !matches!(self.stage, Stage::Told(_) | Stage::Shown(_)) {
            out.push((*self.raised).clone());
            out.extend(self.cleared.as_deref().cloned());
        }
        self.stage = Stage::Shown(until);
    }

    /// Whether it is or was part of a cause, and so is withdrawn.
    pub(super) fn is_withdrawn(&self) -> bool {
        matches!(self.stage, Stage::Child(_) | Stage::Left(_))
    }

    /// Tells of it for the last time, unless that was done.
    pub(super) fn surface(mut self, out: &mut Vec<Anomaly>) {
        if self.cleared.is_none() || !self.is_withdrawn() {
            self.show(Timestamp::MAX, out);
        }
    }

    /// That it is part of another episode.
    pub(super) fn withdrawn(&self, into: AnomalyId) -> Anomaly {
        let is = self.cleared.as_deref().unwrap_or(&self.raised);
        Anomaly { phase: Phase::Withdrawn, because: None, into: Some(into), ..is.clone() }
    }
}

impl Sight {
    /// Takes what another detector saw of the same series: the earlier begin, the way and size that is surer.
    pub(super) fn merge(&mut self, other: &Self) {
        self.onset = self.onset.min(other.onset);
        if other.size > self.size {
            (self.sign, self.size) = (other.sign, other.size);
        }
    }
}
