//! Seam 3, the order store: the life of a work order.
//!
//! | promises | does not promise |
//! |---|---|
//! | one order per anomaly; every step with who and when | that a notification is sent exactly once |
//!
//! The intents of an epoch and the epoch itself are applied in one transaction: applying an epoch again, or
//! an earlier one, changes nothing. What happened to orders also stands in an outbox, in the same transaction,
//! from which a carrier takes it to the log.
//!
//! [`sqlite`] keeps one file; [`conformance`] is the suite that every engine must pass.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use yiwang_model::order::{Step, WorkOrder};
use yiwang_model::{AnomalyId, OrderIntent, OrderNo, OrderState, Timestamp};

pub mod conformance;
pub mod sqlite;

/// The moment of a change: city time decides, wall time stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// City time.
    pub city: Timestamp,
    /// Wall time.
    pub wall: Timestamp,
}

/// What came of applying an epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Orders opened.
    pub opened: u64,
    /// Steps noted in orders that were there.
    pub noted: u64,
    /// Intents that changed nothing: the epoch or the episode had been applied before.
    pub repeated: u64,
}

/// Which orders are asked for; everything that is `None` is not asked about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// In one of these states; empty for all.
    pub states: Vec<OrderState>,
    /// Of this department.
    pub department: Option<String>,
    /// Of this district.
    pub district: Option<String>,
    /// Of this category.
    pub category: Option<String>,
    /// Opened by a reading of this source.
    pub source: Option<String>,
    /// Opened by this detector.
    pub detector: Option<String>,
    /// Whether the episode still goes on.
    pub active: Option<bool>,
    /// Not closed and due before this city time.
    pub overdue_at: Option<Timestamp>,
    /// With this text in number, title, station or district name.
    pub text: Option<String>,
}

/// A page of orders, newest received first, then by number downwards.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The orders; their timelines are filled in.
    pub orders: Vec<WorkOrder>,
    /// What to hand in for the next page; `None` at the end.
    pub next: Option<String>,
}

/// How many orders there are, by what people ask first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// By state, in the order of an order's life, every state present.
    pub by_state: Vec<(OrderState, u64)>,
    /// Not closed, by department key.
    pub open_by_department: Vec<(String, u64)>,
    /// Not closed and past due.
    pub overdue: u64,
    /// Whose episode still goes on.
    pub active: u64,
}

/// Something that happened to an order, on its way to the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderEvent {
    /// Its place in the outbox, from 1, rising.
    pub seq: u64,
    /// The order.
    pub no: OrderNo,
    /// The episode that opened it.
    pub anomaly: Option<AnomalyId>,
    /// The department that owned the order then.
    pub department: String,
    /// The line that was added to its timeline.
    pub step: Step,
}

/// The order store, as everybody but its engine sees it.
#[async_trait]
pub trait OrderStore: Send + Sync + 'static {
    /// Applies what the judgement asks for at the end of an epoch, all or nothing, durable on return. Epochs at or
    /// below the last applied change nothing and count as repeated.
    ///
    /// # Errors
    /// [`Error::Outside`] when the store cannot take it now: retry. [`Error::Corrupt`] when it is damaged.
    async fn apply(&self, epoch: u64, at: Moment, intents: &[OrderIntent]) -> Result<Applied, Error>;

    /// The last applied epoch.
    ///
    /// # Errors
    /// As [`OrderStore::apply`].
    async fn applied(&self) -> Result<Option<u64>, Error>;

    /// One order.
    ///
    /// # Errors
    /// As [`OrderStore::apply`].
    async fn get(&self, no: &OrderNo) -> Result<Option<WorkOrder>, Error>;

    /// The order that an episode opened.
    ///
    /// # Errors
    /// As [`OrderStore::apply`].
    async fn of_anomaly(&self, id: AnomalyId) -> Result<Option<WorkOrder>, Error>;

    /// A page of at most `limit` (1 to 500) orders; `after` is the `next` of the page before.
    ///
    /// # Errors
    /// [`Error::Token`] when `after` is not one that a page gave; else as [`OrderStore::apply`].
    async fn find(&self, filter: &Filter, limit: u32, after: Option<&str>) -> Result<Page, Error>;

    /// How many orders there are, `now` in city time.
    ///
    /// # Errors
    /// As [`OrderStore::apply`].
    async fn counts(&self, now: Timestamp) -> Result<Counts, Error>;

    /// Moves an order to another state, durable on return.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] when the state may not follow, [`Error::NoSuchOrder`]; else as [`OrderStore::apply`].
    async fn transition(
        &self,
        no: &OrderNo,
        to: OrderState,
        who: &str,
        note: &str,
        at: Moment,
    ) -> Result<WorkOrder, Error>;

    /// The oldest events still in the outbox, at most `limit`.
    ///
    /// # Errors
    /// As [`OrderStore::apply`].
    async fn outbox(&self, limit: u32) -> Result<Vec<OrderEvent>, Error>;

    /// Takes events up to and with `seq` out of the outbox, once they are durable elsewhere.
    ///
    /// # Errors
    /// As [`OrderStore::apply`].
    async fn outbox_taken(&self, seq: u64) -> Result<(), Error>;
}

/// What can go wrong with an order store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The engine cannot do it now: no room, locked, out of reach. Outside must act; retry with backoff.
    #[error("the order store cannot be used now")]
    Outside(#[source] sqlx::Error),
    /// The stored form is damaged. A person must act.
    #[error("the order store is damaged: {0}")]
    Corrupt(String),
    /// Written by a newer release.
    #[error("the order store has schema version {found}; this release knows up to {known}: start a newer release")]
    Newer {
        /// Its version.
        found: i64,
        /// The newest version that we know.
        known: i64,
    },
    /// No such order.
    #[error("there is no order {0}")]
    NoSuchOrder(OrderNo),
    /// A step that an order's life does not have.
    #[error("order {no} is {from} and cannot become {to}; allowed: {}", words(allowed))]
    NotAllowed {
        /// The order.
        no: OrderNo,
        /// Its state.
        from: OrderState,
        /// What was asked for.
        to: OrderState,
        /// What may follow.
        allowed: &'static [OrderState],
    },
    /// A page token that no page gave.
    #[error("\"{0}\" is not a page token: take the one that the page before gave")]
    Token(String),
}

fn words(states: &[OrderState]) -> String {
    states.iter().map(|state| state.word()).collect::<Vec<_>>().join(", ")
}
