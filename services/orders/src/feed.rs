//! What happens to orders, for those who follow it: each step of each order, in the order in which they became durable.
//!
//! An event has a place, from 1 and without holes; it is given in the transaction that writes the step, and kept as long as
//! the step. So a follower that knows the last place that it has misses nothing and gets nothing twice, whatever dies. The
//! topic `events` of the log would serve worse: it has an event again after a crash, is behind the store, and is cut by age.
//!
//! A [`Place`] handed out names the store too: a place of another store, as of one restored from a copy, is no place here.
//!
//! An event says what of an order never changes, and the step: the same event is the same bytes whenever it is told.

use async_trait::async_trait;
use serde::Serialize;
use yiwang_model::order::{StepKind, Text};
use yiwang_model::{OrderState, Priority, Timestamp};

use crate::{Error, OrderEvent};

/// The most events of [`OrderFeed::events`].
pub const MAX_EVENTS: u32 = 100;

/// What happens to orders, for those who follow it.
#[async_trait]
pub trait OrderFeed: Send + Sync + 'static {
    /// Which store it is, and what it has.
    ///
    /// # Errors
    /// As [`crate::OrderStore::apply`].
    async fn extent(&self) -> Result<Extent, Error>;

    /// The events behind this place, at least one and at most `limit`, taken as the nearest of 1 to [`MAX_EVENTS`]; waits
    /// while there is none. Dropping the future loses nothing.
    ///
    /// # Errors
    /// As [`crate::OrderStore::apply`].
    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Happening>, Error>;

    /// The last event that this follower has; none when it was never said.
    ///
    /// # Errors
    /// As [`crate::OrderStore::apply`].
    async fn cursor(&self, name: &str) -> Result<Option<u64>, Error>;

    /// Says, durable on return, that this follower has all events up to and with `seq`.
    ///
    /// # Errors
    /// As [`crate::OrderStore::apply`].
    async fn move_cursor(&self, name: &str, seq: u64) -> Result<(), Error>;
}

/// Which events a store has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Which store.
    pub store: u64,
    /// The place before the oldest event that is kept.
    pub before: u64,
    /// The place of the newest; that before the oldest when there is none.
    pub last: u64,
}

/// The place of an event in a store, fit to be handed out. As a text `01`, then 16 hexadecimal digits each of store and place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which store.
    pub store: u64,
    /// The event's place.
    pub seq: u64,
}

const VERSION: &str = "01";
const DIGITS: usize = 34;

impl Place {
    /// The place as it is handed out.
    #[must_use]
    pub fn text(self) -> String {
        format!("{VERSION}{:016x}{:016x}", self.store, self.seq)
    }

    /// Reads what [`Place::text`] gives and nothing else.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let rest = text.strip_prefix(VERSION)?;
        if text.len() != DIGITS || !rest.bytes().all(lower) {
            return None;
        }
        let (store, seq) = rest.split_at_checked(16)?;
        let number = |hex| u64::from_str_radix(hex, 16).ok();
        Some(Self { store: number(store)?, seq: number(seq)? })
    }
}

/// An event, and the order that it happened to.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    /// What happened.
    pub event: OrderEvent,
    /// To which order.
    pub facts: Facts,
}

/// What never changes of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// Key of the subject.
    pub category: String,
    /// What it is about.
    pub title: Text,
    /// What is asked for.
    pub text: Text,
    /// Key of the district.
    pub district: String,
    /// Id of the station.
    pub station: String,
    /// How soon it is to be taken up.
    pub priority: Priority,
    /// City time.
    pub received: Timestamp,
    /// City time.
    pub due: Timestamp,
    /// The detector that opened it.
    pub detector: String,
    /// The source whose reading opened it.
    pub source: String,
    /// What that measures.
    pub metric: String,
}

/// Which events are wanted; what is empty is not asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Of one of these kinds.
    pub kinds: Vec<StepKind>,
    /// After which the order is in one of these states.
    pub states: Vec<OrderState>,
    /// Of orders of one of these departments, at that time.
    pub departments: Vec<String>,
    /// In one of these districts.
    pub districts: Vec<String>,
    /// Of one of these categories.
    pub categories: Vec<String>,
    /// Opened by a reading of one of these sources.
    pub sources: Vec<String>,
}

impl Wanted {
    /// Whether this event is.
    #[must_use]
    pub fn fits(&self, Happening { event, facts }: &Happening) -> bool {
        one_of(&self.kinds, &event.step.kind)
            && one_of(&self.states, &event.step.state)
            && one_of(&self.departments, &event.department)
            && one_of(&self.districts, &facts.district)
            && one_of(&self.categories, &facts.category)
            && one_of(&self.sources, &facts.source)
    }
}

fn one_of<T: PartialEq>(wanted: &[T], found: &T) -> bool {
    wanted.is_empty() || wanted.contains(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_place_is_read_as_it_was_given(store: u64, seq: u64) {
            let place = Place { store, seq };
            prop_assert_eq!(Place::read(&place.text()), Some(place));
        }

        #[test]
        fn whatever_is_read_is_what_would_be_given(text in "(01)?[0-9a-fA-F+ -]{30,34}|.{0,40}") {
            if let Some(place) = Place::read(&text) {
                prop_assert_eq!(place.text(), text);
            }
        }
    }
}
