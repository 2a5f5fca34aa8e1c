//! What the intents of an epoch come to, given what the store knows: reckoned without IO, the same for every engine.
//!
//! An engine reads what is known of the episodes and days that the intents speak of, lets [`Plan::take`] judge
//! one intent after the other, and writes what the plan then holds: new orders, changed orders, new steps (each
//! of which also goes to the outbox), and the counts of the days.

mod news;

use std::collections::{BTreeMap, BTreeSet};

use yiwang_model::order::{Channel, OrderDraft, Step, StepKind};
use yiwang_model::{Anomaly, AnomalyId, OrderIntent, OrderNo, OrderState, Phase, Timestamp};

use self::news::News;
use crate::Applied;
use crate::number::{Days, order_no};

/// Who stands in the history when the judgement acts.
pub(crate) const JUDGEMENT: &str = "yiwang";

/// An order of the store, as far as the intents of an epoch can change it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// Its place in the store, from 1.
    pub(crate) seq: i64,
    /// Its number.
    pub(crate) no: OrderNo,
    /// Its state; an intent changes it only while nobody has touched it.
    pub(crate) state: OrderState,
    /// Whether people have moved it.
    pub(crate) touched: bool,
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
    /// All episodes that have an order and that the intents name, new ones too.
    pub(crate) known: BTreeMap<AnomalyId, Known>,
    /// The orders that are new.
    pub(crate) opened: Vec<Numbered<'a>>,
    /// The episodes, of orders that were there, of which something was noted.
    pub(crate) changed: BTreeSet<AnomalyId>,
    /// The new steps, in the order in which they happened.
    pub(crate) lines: Vec<Line>,
    /// What is part of another now, as it was said, or of none.
    pub(crate) parts: BTreeMap<AnomalyId, Option<&'a Anomaly>>,
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
            parts: BTreeMap::new(),
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
            OrderIntent::Note { anomaly, at } => {
                self.part(anomaly);
                self.note(anomaly, *at);
            }
        }
    }

    /// A withdrawn episode is part of what it says; any other of none.
    fn part(&mut self, anomaly: &'a Anomaly) {
        if anomaly.phase == Phase::Withdrawn {
            self.parts.insert(anomaly.id, anomaly.into.is_some().then_some(anomaly));
        }
    }

    pub(crate) fn open(&mut self, draft: &'a OrderDraft) {
        let anomaly = &draft.evidence.anomaly;
        self.parts.insert(anomaly.id, None);
        if let Some(known) = self.known.get(&anomaly.id) {
            return self.change(anomaly.id, news::restored(known, anomaly, self.channel), draft.received);
        }
        self.last_seq += 1;
        let no = self.number(draft.received);
        let known = Known {
            seq: self.last_seq,
            no: no.clone(),
            touched: false,
            state: OrderState::Opened,
            department: draft.department.clone(),
            steps: 0,
            unit: draft.evidence.unit.clone(),
            anomaly: anomaly.clone(),
        };
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
        let Some(known) = self.known.get(&anomaly.id) else {
            tracing::debug!(anomaly = %anomaly.id, detector = %anomaly.detector, "note for an episode without order");
            self.applied.repeated += 1;
            return;
        };
        let news = news::noted(known, anomaly, anomaly.into.map(|into| self.name(into)), self.channel);
        self.change(anomaly.id, news, at);
    }

    /// The number of an episode's order, or the episode's id where no order is known.
    fn name(&self, id: AnomalyId) -> String {
        self.known.get(&id).map_or_else(|| id.to_string(), |known| known.no.to_string())
    }

    fn change(&mut self, id: AnomalyId, news: Option<News>, at: Timestamp) {
        let Some(News { kind, note, state, anomaly }) = news else {
            self.applied.repeated += 1;
            return;
        };
        let known = self.known.get_mut(&id).expect("what is news is of an order that is known");
        (known.state, known.anomaly) = (state, anomaly);
        self.line(id, kind, note, at);
        self.changed.insert(id);
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
