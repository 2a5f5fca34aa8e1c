//! What was read: readings, and what could not be one.

use std::sync::Arc;

use yiwang_catalogue::Catalogue;
use yiwang_proto::v1::Reason;

use crate::series::Dictionary;

/// A reading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Item {
    /// Its line, from 1.
    pub line: u64,
    /// Its column of values, by its place in the mapping.
    pub slot: u16,
    /// The number of its quality.
    pub quality: u8,
    /// Its series in [`Gather::series`].
    pub series: u32,
    /// Event time, nanoseconds since 1970.
    pub time: i64,
    /// In the unit of its series.
    pub value: f64,
    /// Nanoseconds since 1970, 0 for none.
    pub period_end: i64,
    /// Nanoseconds since 1970, 0 for none.
    pub vintage: i64,
}

/// Something that is no reading.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Its line, from 1.
    pub line: u64,
    /// Its column, at most [`MAX_EXCERPT`] bytes of it; empty when it is the whole row.
    pub column: String,
    /// What stands there, at most [`MAX_EXCERPT`] bytes of it.
    pub text: String,
    /// Why, for programs.
    pub reason: Reason,
    /// Why, for people.
    pub message: String,
}

/// The most bytes of a text that a fault shows.
pub const MAX_EXCERPT: usize = 120;
/// The most bytes of a fault's message: those of libraries quote what they could not read, however long it is.
pub const MAX_MESSAGE: usize = 1024;

/// A reason for programs and for people.
pub(crate) struct Why(pub(crate) Reason, pub(crate) String);

/// What was read since it was last emptied.
pub struct Gather {
    /// The series of the readings.
    pub series: Dictionary,
    /// Readings, in the order of the file.
    pub items: Vec<Item>,
    /// What is no reading, in the order of the file.
    pub faults: Vec<Fault>,
    /// Rows that were read, good or bad.
    pub rows: u64,
    /// Places where the value is missing.
    pub missing: u64,
}

impl Gather {
    /// Nothing yet.
    #[must_use]
    pub fn new(catalogue: Arc<Catalogue>) -> Self {
        let series = Dictionary::new(catalogue);
        Self { series, items: Vec::new(), faults: Vec::new(), rows: 0, missing: 0 }
    }

    /// Empties it; the series stay.
    pub fn clear(&mut self) {
        self.items.clear();
        self.faults.clear();
        (self.rows, self.missing) = (0, 0);
    }

    pub(crate) fn fault(&mut self, line: u64, column: &str, text: &[u8], Why(reason, mut message): Why) {
        message.truncate(message.floor_char_boundary(MAX_MESSAGE));
        message.shrink_to_fit();
        let (column, text) = (excerpt(column.as_bytes()), excerpt(text));
        self.faults.push(Fault { line, column, text, reason, message });
    }
}

/// The beginning of what stands somewhere, printable.
fn excerpt(text: &[u8]) -> String {
    let shown = String::from_utf8_lossy(&text[..text.len().min(MAX_EXCERPT)]);
    shown.trim_end().chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
