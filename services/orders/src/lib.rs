//! Seam 3, the order store: the life of a work order.
//!
//! | promises | does not promise |
//! |---|---|
//! | one order per anomaly; every step with who and when | that a notification is sent exactly once |
//!
//! The intents of an epoch and the epoch itself are applied in one transaction: applying an epoch again, or
//! an earlier one, changes nothing. What happened to orders also stands in an outbox, in the same transaction,
//! from which a carrier takes it to the log. It is kept for others who follow what happens, see [`feed`].
//!
//! An order is numbered by the day it was received and a count within that day, taken in the transaction that
//! opens it: the same intents in the same order give the same numbers. The history of an order is added to,
//! never changed, and its places are without holes. When an episode clears, its order stays open: people close.
//!
//! Late and corrected readings change what was said of an episode. A revision is noted in its order, whatever the order's state.
//! When an episode is withdrawn and nobody has moved its order yet, the order closes, naming the reading that did it; once
//! somebody has, the withdrawal is a line of its history and people decide. An episode that comes back has the same order: one
//! that the judgement closed is reopened. Whether somebody has moved an order is stored, see [`OrderStore::transition`].
//! What such lines say is described in [`note`].
//!
//! An episode may be part of another, as an alarm is of the cause that many have: then it is withdrawn into that, and the store knows
//! its members, of which most never had orders of their own.
//!
//! Orders also open for alerts that other systems make, in a transaction of their own, see [`mod@alert`].
//!
//! [`sqlite`] keeps one file; [`conformance`] is the suite that every engine must pass.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use yiwang_model::order::{Channel, Step, WorkOrder};
use yiwang_model::{Anomaly, AnomalyId, OrderIntent, OrderNo, OrderState, Series, Severity, Timestamp};

pub mod alert;
pub mod conformance;
pub mod feed;
pub mod note;
mod number;
mod plan;
pub mod sqlite;
mod token;

pub use alert::{Alert, AlertDesk, AlertKey};
pub use feed::OrderFeed;
pub use sqlite::SqliteOrders;

/// The longest name of somebody who acts, in characters.
pub const MAX_WHO_CHARS: usize = 128;
/// The longest note of a transition, in characters.
pub const MAX_NOTE_CHARS: usize = 4_000;
/// The longest text to look for, in characters.
pub const MAX_TEXT_CHARS: usize = 128;
/// The most orders of a page, and the most events taken from the outbox at once.
pub const MAX_PAGE: u32 = 500;
/// The most rows of [`OrderStore::episodes`].
pub const MAX_EPISODES: u32 = 10_000;
/// How many of its last steps an order is given with; earlier ones stay in the store.
pub const MAX_STEPS: u32 = 1_000;
/// The same for the orders of a page.
pub const MAX_STEPS_IN_PAGE: u32 = 100;

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
    /// With this text in number, title, station or district name; at most [`MAX_TEXT_CHARS`], no wildcards.
    pub text: Option<String>,
}

/// A page of orders, newest received first, then by number downwards.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The orders, each with the last [`MAX_STEPS_IN_PAGE`] steps of its timeline.
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

/// An episode and its order, as an audit reads them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpisodeRow {
    /// The order.
    pub no: OrderNo,
    /// How it came in: what another system's alert opened has no episode in the log.
    pub channel: Channel,
    /// The department that owns it.
    pub department: String,
    /// Its state.
    pub state: OrderState,
    /// Whether the episode still goes on.
    pub active: bool,
    /// The episode as of its last step: id, series, begin, end, extreme, severity.
    pub anomaly: Anomaly,
}

/// An episode that is part of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The episode.
    pub anomaly: AnomalyId,
    /// What found it.
    pub detector: Arc<str>,
    /// Whose it is.
    pub series: Series,
    /// When it began.
    pub begin: Timestamp,
    /// When it ended, where it had when it became part of the other.
    pub end: Option<Timestamp>,
    /// How grave it was by itself.
    pub severity: Severity,
}

/// The episodes that are part of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// How many there are.
    pub all: u64,
    /// The first of them, by series, detector and begin.
    pub first: Vec<Member>,
}

/// The order store, as everybody but its engine sees it.
#[async_trait]
pub trait OrderStore: Send + Sync + 'static {
    /// Applies what the judgement asks for at the end of an epoch, all or nothing, durable on return. Epochs at or
    /// below the last applied change nothing and count as repeated, and so do an intent to open for an episode
    /// that has an order and is not withdrawn, a note for an episode that has none, and a note that says what is noted
    /// already. An intent to open for an episode that is withdrawn counts as noted. What episodes are part of is kept all the same.
    ///
    /// Dropping the future half way leaves all or nothing of the epoch behind.
    ///
    /// # Errors
    /// [`Error::Outside`] when the store cannot take it now: retry. [`Error::Corrupt`] when it is damaged,
    /// [`Error::NotDurable`] when the disk failed to keep it: stop.
    async fn apply(&self, epoch: u64, at: Moment, intents: &[OrderIntent]) -> Result<Applied, Error>;

    /// The last applied epoch.
    ///
    /// # Errors
    /// As [`OrderStore::apply`].
    async fn applied(&self) -> Result<Option<u64>, Error>;

    /// One order, with the last [`MAX_STEPS`] steps of its timeline.
    ///
    /// # Errors
    /// As [`OrderStore::apply`].
    async fn get(&self, no: &OrderNo) -> Result<Option<WorkOrder>, Error>;

    /// The order that an episode opened, with the last [`MAX_STEPS`] steps of its timeline.
    ///
    /// # Errors
    /// As [`OrderStore::apply`].
    async fn of_anomaly(&self, id: AnomalyId) -> Result<Option<WorkOrder>, Error>;

    /// Keeps what episodes follow from, all or nothing, durable on return. Of an episode that comes again the last is kept. An episode
    /// need not have an order.
    ///
    /// # Errors
    /// As [`OrderStore::apply`].
    async fn keep(&self, capsules: &[(AnomalyId, Vec<u8>)]) -> Result<(), Error>;

    /// What an episode follows from, as it was kept; the stores look at no byte of it.
    ///
    /// # Errors
    /// As [`OrderStore::apply`].
    async fn capsule(&self, id: AnomalyId) -> Result<Option<Vec<u8>>, Error>;

    /// The episodes that are part of this one, whether or not they have orders: how many, and the first `limit` of them, taken as the
    /// nearest of 1 to [`MAX_PAGE`]. An episode is part of what was said last: of another, or of none.
    ///
    /// # Errors
    /// As [`OrderStore::apply`].
    async fn members(&self, id: AnomalyId, limit: u32) -> Result<Members, Error>;

    /// A page of at most `limit` orders, taken as the nearest of 1 to [`MAX_PAGE`]; `after` is the `next` of the
    /// page before. Orders opened meanwhile never push others from page to page.
    ///
    /// # Errors
    /// [`Error::Token`] when `after` is not one that a page gave, [`Error::TooLong`] for the text to look for;
    /// else as [`OrderStore::apply`].
    async fn find(&self, filter: &Filter, limit: u32, after: Option<&str>) -> Result<Page, Error>;

    /// How many orders there are, `now` in city time.
    ///
    /// # Errors
    /// As [`OrderStore::apply`].
    async fn counts(&self, now: Timestamp) -> Result<Counts, Error>;

    /// Every episode that has an order, sorted by the episode's id, so that an audit can walk beside it: at most
    /// `limit` of them (the nearest of 1 to [`MAX_EPISODES`]) whose id is above `after`; fewer at the end.
    ///
    /// # Errors
    /// As [`OrderStore::apply`].
    async fn episodes(&self, after: Option<AnomalyId>, limit: u32) -> Result<Vec<EpisodeRow>, Error>;

    /// Moves an order to another state, durable on return. Of two at once one comes first; the other is judged
    /// by the state that it left. From then on the judgement never changes the order's state.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] when the state may not follow, [`Error::NoSuchOrder`], [`Error::TooLong`] for `who`
    /// above [`MAX_WHO_CHARS`] or `note` above [`MAX_NOTE_CHARS`], [`Error::Missing`] when nobody acts or an order
    /// is returned without a reason; else as [`OrderStore::apply`].
    async fn transition(
        &self,
        no: &OrderNo,
        to: OrderState,
        who: &str,
        note: &str,
        at: Moment,
    ) -> Result<WorkOrder, Error>;

    /// The oldest events still in the outbox, at most `limit`, taken as the nearest of 1 to [`MAX_PAGE`].
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
    #[error("the order store cannot be used now: see that its disk has room and no other program holds it")]
    Outside(#[source] sqlx::Error),
    /// The disk refused to make written bytes durable; what it holds is unknown. We must stop and read again.
    #[error("the disk did not make the order store durable: stop, check the disk, start again")]
    NotDurable(#[source] sqlx::Error),
    /// The stored form is damaged. A person must act.
    #[error("the order store is damaged: {0}")]
    Corrupt(String),
    /// Written by a newer release.
    #[error(
        "the order store has schema version {found}; this release knows up to {known}: start a newer release"
    )]
    Newer {
        /// Its version.
        found: i64,
        /// The newest version that we know.
        known: i64,
    },
    /// Written by an older release, and opened for reading alone.
    #[error("the order store has schema version {found}, not {known}: start the city once with this release")]
    Older {
        /// Its version.
        found: i64,
        /// The version that can be read.
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
    /// A text from outside is too long. The sender must act.
    #[error("{what} is too long: at most {most} characters are taken")]
    TooLong {
        /// Which text.
        what: &'static str,
        /// The most characters that it may have.
        most: usize,
    },
    /// Something that a change must say is empty. The sender must act.
    #[error("{what} is missing")]
    Missing {
        /// What is missing.
        what: &'static str,
    },
    /// No time zone has this name. The configuration must change.
    #[error("\"{0}\" is not the name of a time zone, as Asia/Shanghai is")]
    Zone(String),
    /// A page token that no page gave.
    #[error("\"{0}\" is not a page token: take the one that the page before gave")]
    Token(String),
}

fn words(states: &[OrderState]) -> String {
    states.iter().map(|state| state.word()).collect::<Vec<_>>().join(", ")
}

/// The beginning of a text from outside, fit to stand in an error.
fn excerpt(text: &str) -> String {
    text.chars().take(64).collect()
}

/// Refuses a text with more than `most` characters.
fn check_chars(what: &'static str, text: &str, most: usize) -> Result<(), Error> {
    let fits = text.len() <= most || text.chars().nth(most).is_none();
    if fits { Ok(()) } else { Err(Error::TooLong { what, most }) }
}

/// What must hold of a transition whatever the order's state.
fn check_transition(who: &str, note: &str) -> Result<(), Error> {
    check_chars("the name of who acts", who, MAX_WHO_CHARS)?;
    check_chars("the note", note, MAX_NOTE_CHARS)?;
    if who.trim().is_empty() {
        return Err(Error::Missing { what: "the name of who acts" });
    }
    Ok(())
}

/// Refuses a step that the life of an order does not have, or that needs a reason and has none.
fn check_step(no: &OrderNo, from: OrderState, to: OrderState, note: &str) -> Result<(), Error> {
    let allowed = from.allowed();
    if !allowed.contains(&to) {
        return Err(Error::NotAllowed { no: no.clone(), from, to, allowed });
    }
    if to == OrderState::Returned && note.trim().is_empty() {
        return Err(Error::Missing { what: "the reason for returning the order, in the note," });
    }
    Ok(())
}
