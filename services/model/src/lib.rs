//! The words of the city: what a reading, a series, an anomaly and a work order are.
//!
//! Every other crate speaks in these types. There is no IO here, no async, no clock: time is a value that
//! somebody hands in.
//!
//! The key of a reading is (series, event time, vintage); see [`reading`]. The identity of an anomaly is
//! derived from what it says about the world and from nothing else; see [`anomaly::AnomalyId`].

pub mod alert;
mod anomaly;
pub mod order;
pub mod quality;
pub mod reading;
pub mod series;
pub mod time;
pub mod unit;

pub use alert::AlertKey;
pub use anomaly::{Anomaly, AnomalyId, Because, Phase, Severity};
pub use order::{OrderIntent, OrderNo, OrderState, Priority, WorkOrder};
pub use quality::Quality;
pub use reading::{Reading, Row, Vintage};
pub use series::{Series, SeriesId};
pub use time::{Span, Timestamp};
pub use unit::Unit;

/// What is wrong with a value that was to become one of the types here.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A name is empty, too long or has a character that names may not have.
    #[error("{what} \"{name}\" {why}")]
    Name {
        /// What the name was for: "source", "metric", …
        what: &'static str,
        /// The name as it came, cut to 64 characters.
        name: String,
        /// The rule that it breaks.
        why: &'static str,
    },
    /// A text is not a time.
    #[error("\"{text}\" is not a time: RFC 3339 with an offset is wanted, as 2026-03-02T10:15:00+08:00")]
    Time {
        /// The text as it came, cut to 64 characters.
        text: String,
    },
    /// A text is not one of the words that a type knows.
    #[error("{what} \"{found}\" is not known; known are {known}")]
    Word {
        /// The type that was wanted.
        what: &'static str,
        /// The text as it came, cut to 64 characters.
        found: String,
        /// The words that would have been right, with commas.
        known: &'static str,
    },
}

/// The beginning of a text from outside, at most 64 characters, fit to stand in an error.
pub(crate) fn excerpt(text: &str) -> String {
    text.chars().take(64).collect()
}
