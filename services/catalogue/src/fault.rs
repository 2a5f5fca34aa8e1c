//! What is wrong with a catalogue, in words that say where and what would be right.

use std::cell::RefCell;
use std::fmt;

/// The most faults that are kept of one catalogue. A text that has more is not a catalogue.
pub const MAX_FAULTS: usize = 1_000;

/// The key of faults of the TOML itself.
pub(crate) const TOML: &str = "toml";

/// One thing that is wrong with a catalogue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub struct Fault {
    /// The file, by the name that it was given under.
    pub file: String,
    /// The line in that file, from 1; 0 when the fault is not of one line.
    pub line: usize,
    /// The key or the entry that is wrong, such as `limit.unit`.
    pub key: String,
    /// What stands there.
    pub found: String,
    /// What would be right.
    pub wanted: String,
}

/// `air.toml:12: limit.unit: found "mg/m³"; "µg/m³", the unit of metric "pm10", would be right`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}: found {}; {} would be right", self.key, self.found, self.wanted)
    }
}

/// The faults found so far: parsing goes on after each, so that all are told at once.
#[derive(Debug, Default)]
pub(crate) struct Faults(RefCell<Vec<Fault>>);

impl Faults {
    /// Takes a fault down, up to [`MAX_FAULTS`].
    ///
    /// Of a line that is no TOML nothing more is said.
    pub(crate) fn add(&self, fault: Fault) {
        let mut faults = self.0.borrow_mut();
        let echo =
            |other: &Fault| other.key == TOML && (&other.file, other.line) == (&fault.file, fault.line);
        if faults.len() < MAX_FAULTS && !faults.iter().any(echo) {
            faults.push(fault);
        }
    }

    /// Whether there is no room for another: then nobody need look for words.
    pub(crate) fn is_full(&self) -> bool {
        self.0.borrow().len() >= MAX_FAULTS
    }

    /// Whether nothing was wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// All of them, by file and line, each once.
    pub(crate) fn into_sorted(self) -> Vec<Fault> {
        let mut faults = self.0.into_inner();
        faults.sort();
        faults.dedup();
        faults
    }
}

/// The beginning of a text from outside, quoted, fit to stand in a fault.
pub(crate) fn quoted(text: &str) -> String {
    let short: String = text.chars().take(64).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("{:?}", short + more)
}
