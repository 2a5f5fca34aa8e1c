//! Alerts that other systems make, and the orders that they open: reckoned without IO, the same for every engine.
//!
//! A sender reports an alert again and again, from several machines, and not always in the order of what happened. So an
//! order is of an occurrence, the stretch from `begin` to `end`, and a report changes something only where it says more
//! than is known of the alert's last occurrence:
//!
//! | the last occurrence | firing since `begin` | resolved |
//! |---|---|---|
//! | none | opens an order | unknown |
//! | goes on, order open | worsens it, if the severity rose | clears it, if `end` is not before its begin |
//! | goes on, order closed by people | opens an order, if `begin` is later; else as above | the same |
//! | has cleared | opens an order, if `begin` is after its end | repeated |
//!
//! A resolved report of an occurrence that begins after the last one's end is of one that was never reported as firing:
//! unknown. That an alert clears closes no order: people close.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::Serialize;
use yiwang_model::order::{Channel, OrderDraft};
use yiwang_model::{Anomaly, OrderNo, OrderState, Phase, Timestamp};

pub use yiwang_model::AlertKey;

use crate::plan::{Known, Plan};
use crate::{Error, Moment};

/// What a sender reports of one alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Which alert.
    pub key: AlertKey,
    /// The order that it opens, if it does, with the occurrence in the place of an episode: its id is
    /// [`AlertKey::occurrence`], its `end` is there when the alert is resolved, and then not before its `begin`.
    pub draft: OrderDraft,
}

/// What came of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// An order was opened.
    Opened,
    /// That it worsened was noted in its order.
    Worsened,
    /// That it cleared was noted in its order.
    Cleared,
    /// It says nothing new.
    Repeated,
    /// It is resolved and was never reported as firing.
    Unknown,
}

/// What came of a report, and of which order that is; of none when the alert is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What came of it.
    pub outcome: Outcome,
    /// The order of the alert's last occurrence.
    pub order: Option<OrderNo>,
}

/// Where the alerts of other systems come in.
#[async_trait]
pub trait AlertDesk: Send + Sync + 'static {
    /// Takes what `who` reports, all or nothing, durable on return; what came of each, in the same order.
    ///
    /// # Errors
    /// As [`crate::OrderStore::apply`].
    async fn take(&self, who: &str, at: Moment, alerts: &[Alert]) -> Result<Vec<Taken>, Error>;
}

/// The last occurrence of an alert.
#[derive(Clone, Debug)]
pub(crate) struct Last {
    pub(crate) no: OrderNo,
    pub(crate) id: yiwang_model::AnomalyId,
}

/// A plan, and the last occurrences of the alerts that it is for.
pub(crate) struct Desk<'a> {
    pub(crate) plan: Plan<'a>,
    pub(crate) last: BTreeMap<AlertKey, Last>,
    at: Timestamp,
}

impl<'a> Desk<'a> {
    /// The desk over what is known of the alerts; the plan knows their orders.
    pub(crate) fn new(plan: Plan<'a>, last: BTreeMap<AlertKey, Last>, who: &'a str, at: Moment) -> Self {
        Self { plan: plan.of_channel(Channel::Alert, who), last, at: at.city }
    }

    /// Judges one report.
    pub(crate) fn take(&mut self, alert: &'a Alert) -> Taken {
        let said = &alert.draft.evidence.anomaly;
        let known = self.last.get(&alert.key).and_then(|last| self.plan.known.get(&last.id));
        let outcome = judge(known, said);
        let now = |phase, known: &Known| Anomaly { phase, ..known.anomaly.clone() };
        match (outcome, known) {
            (Outcome::Opened, _) => self.open(alert),
            (Outcome::Worsened, Some(known)) => {
                let Anomaly { severity, extreme, .. } = *said;
                let worse = Anomaly { severity, extreme, ..now(Phase::Worsened, known) };
                self.plan.note(&worse, self.at);
            }
            (Outcome::Cleared, Some(known)) => {
                let over = Anomaly { end: said.end, ..now(Phase::Cleared, known) };
                self.plan.note(&over, self.at);
            }
            _ => {}
        }
        Taken { outcome, order: self.last.get(&alert.key).map(|last| last.no.clone()) }
    }

    fn open(&mut self, alert: &'a Alert) {
        self.plan.open(&alert.draft);
        let opened = self.plan.opened.last().expect("a begin after all before names a new occurrence");
        let last = Last { no: opened.no.clone(), id: alert.draft.evidence.anomaly.id };
        self.last.insert(alert.key, last);
    }
}

/// What a report comes to, given the alert's last occurrence.
fn judge(known: Option<&Known>, said: &Anomaly) -> Outcome {
    let fresh = if said.end.is_some() { Outcome::Unknown } else { Outcome::Opened };
    let Some(known) = known else { return fresh };
    let last = &known.anomaly;
    match (last.end, said.end) {
        (None, Some(end)) if end >= last.begin => Outcome::Cleared,
        (None, Some(_)) => Outcome::Repeated,
        (None, None) if known.state == OrderState::Closed && said.begin > last.begin => Outcome::Opened,
        (None, None) if said.severity > last.severity => Outcome::Worsened,
        (Some(end), _) if said.begin > end => fresh,
        _ => Outcome::Repeated,
    }
}
