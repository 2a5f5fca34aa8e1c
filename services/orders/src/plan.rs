//! What the intents of an epoch come to, given what the store knows: reckoned without IO, the same for every engine.
//!
//! An engine reads what is known of the episodes and days that the intents speak of, lets [`Plan::take`] judge
//! one intent after the other, and writes what the plan then holds: new orders, changed orders, new steps (each
//! of which also goes to the outbox), and the counts of the days.

use std::collections::{BTreeMap, BTreeSet};

use yiwang_model::order::{Channel, OrderDraft, Step, StepKind};
use yiwang_model::{Anomaly, AnomalyId, OrderIntent, OrderNo, OrderState, Phase, Timestamp};

use crate::Applied;
use crate::number::{Days, order_no};

/// Who stands in the history when the judgement acts.
pub(crate) const JUDGEMENT: &str = "yiwang";

/// An order of the store, as far as the intents of an epoch can change it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// Its place in the store, from 1.
    pub(crate) seq: i64,
    /// Its state; no intent changes it.
    pub(crate) state: OrderState,
    /// The department that owns it.
    pub(crate) department: String,
    /// How many steps its history has.
    pub(crate) steps: u32,
    /// The unit of the extreme.
    pub(crate) unit: String,
    /// The episode as of its last step.
    pub(crate) anomaly: Anomaly,
}

/// A new order with its number.
#[derive(Clone, Debug)]
pub(crate) struct Numbered<'a> {
    pub(crate) seq: i64,
    pub(crate) no: OrderNo,
    pub(crate) draft: &'a OrderDraft,
}

/// A new line in the history of an order.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// The order's place in the store.
    pub(crate) order: i64,
    /// The department that owns it now.
    pub(crate) department: String,
    pub(crate) step: Step,
}

/// What an epoch changes.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    days: &'a Days,
    wall: Timestamp,
    last_seq: i64,
    /// Who stands in the history.
    who: &'a str,
    /// How the new orders came in.
    pub(crate) channel: Channel,
    /// The last count given on each day that the intents speak of.
    pub(crate) counts: BTreeMap<String, i64>,
    /// All episodes that have an order, new ones too.
    pub(crate) known: BTreeMap<AnomalyId, Known>,
    /// The orders that are new.
    pub(crate) opened: Vec<Numbered<'a>>,
    /// The episodes, of orders that were there, of which something was noted.
    pub(crate) changed: BTreeSet<AnomalyId>,
    /// The new steps, in the order in which they happened.
    pub(crate) lines: Vec<Line>,
    /// What came of the intents so far.
    pub(crate) applied: Applied,
}

impl<'a> Plan<'a> {
    /// A plan over a store that holds the `known` orders and has given `last_seq` as its last place.
    pub(crate) fn new(
        days: &'a Days,
        wall: Timestamp,
        last_seq: i64,
        counts: BTreeMap<String, i64>,
        known: BTreeMap<AnomalyId, Known>,
    ) -> Self {
        Self {
            days,
            wall,
            last_seq,
            who: JUDGEMENT,
            channel: Channel::Sensor,
            counts,
            known,
            opened: Vec::new(),
            changed: BTreeSet::new(),
            lines: Vec::new(),
            applied: Applied::default(),
        }
    }

    /// The same plan for what comes in through another channel, in this name.
    pub(crate) fn of_channel(self, channel: Channel, who: &'a str) -> Self {
        Self { channel, who, ..self }
    }

    /// Judges one intent; the order of the calls decides the numbers.
    pub(crate) fn take(&mut self, intent: &'a OrderIntent) {
        match intent {
            OrderIntent::Open(draft) => self.open(draft),
            OrderIntent::Note { anomaly, at } => self.note(anomaly, *at),
        }
    }

    pub(crate) fn open(&mut self, draft: &'a OrderDraft) {
        let anomaly = &draft.evidence.anomaly;
        if self.known.contains_key(&anomaly.id) {
            self.applied.repeated += 1;
            return;
        }
        self.last_seq += 1;
        let known = Known {
            seq: self.last_seq,
            state: OrderState::Opened,
            department: draft.department.clone(),
            steps: 0,
            unit: draft.evidence.unit.clone(),
            anomaly: anomaly.clone(),
        };
        let no = self.number(draft.received);
        self.opened.push(Numbered { seq: known.seq, no, draft });
        self.known.insert(anomaly.id, known);
        self.line(anomaly.id, StepKind::Opened, String::new(), draft.received);
        self.applied.opened += 1;
    }

    fn number(&mut self, received: Timestamp) -> OrderNo {
        let day = self.days.day(received);
        let count = self.counts.get(&day).map_or(1, |last| last + 1);
        let no = order_no(&day, count);
        self.counts.insert(day, count);
        no
    }

    pub(crate) fn note(&mut self, anomaly: &Anomaly, at: Timestamp) {
        let Some(known) = self.known.get_mut(&anomaly.id) else {
            tracing::debug!(anomaly = %anomaly.id, detector = %anomaly.detector, "note for an episode without order");
            self.applied.repeated += 1;
            return;
        };
        let Some((kind, says)) = news(known, anomaly, self.channel) else {
            self.applied.repeated += 1;
            return;
        };
        known.anomaly = anomaly.clone();
        self.line(anomaly.id, kind, says, at);
        self.changed.insert(anomaly.id);
        self.applied.noted += 1;
    }

    fn line(&mut self, id: AnomalyId, kind: StepKind, note: String, at: Timestamp) {
        let known = self.known.get_mut(&id).expect("a line is added to an order that is known");
        known.steps += 1;
        let step = Step {
            seq: known.steps,
            kind,
            state: known.state,
            who: self.who.into(),
            note,
            at,
            wall: self.wall,
        };
        self.lines.push(Line { order: known.seq, department: known.department.clone(), step });
    }
}

/// What the step of an episode adds to what is known of it, and the words for it: numbers and times, which need
/// no translation.
fn news(known: &Known, anomaly: &Anomaly, channel: Channel) -> Option<(StepKind, String)> {
    if same(&known.anomaly, anomaly) {
        return None;
    }
    match anomaly.phase {
        Phase::Raised => None,
        Phase::Worsened if channel == Channel::Alert => {
            Some((StepKind::Worsened, anomaly.severity.to_string()))
        }
        Phase::Worsened => Some((StepKind::Worsened, format!("{} {}", anomaly.extreme, known.unit))),
        Phase::Cleared => {
            Some((StepKind::Cleared, anomaly.end.map(|end| end.to_string()).unwrap_or_default()))
        }
    }
}

/// Whether two steps of one episode say the same; a number that is none equals itself here.
fn same(a: &Anomaly, b: &Anomaly) -> bool {
    let number = |a: f64, b: f64| a == b || a.is_nan() && b.is_nan();
    let limit = match (a.limit, b.limit) {
        (Some(a), Some(b)) => number(a, b),
        (a, b) => a.is_none() && b.is_none(),
    };
    limit
        && number(a.extreme, b.extreme)
        && (a.phase, a.begin, a.end, a.severity) == (b.phase, b.begin, b.end, b.severity)
        && a.edition == b.edition
}

/// Whether an episode that is in this phase goes on.
pub(crate) fn is_active(phase: Phase) -> bool {
    phase != Phase::Cleared
}
