//! What is wrong with a catalogue, in words that say where and what would be right.

use std::cell::RefCell;
use std::collections::BTreeSet;
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
#[derive(Debug)]
pub(crate) struct Faults {
    most: usize,
    found: RefCell<Vec<Fault>>,
    /// Files and lines that are no TOML.
    unread: RefCell<BTreeSet<(String, usize)>>,
}

impl Faults {
    /// None so far, and so many in the end.
    pub(crate) fn of_at_most(most: usize) -> Self {
        Self { most, found: RefCell::default(), unread: RefCell::default() }
    }

    /// Takes a fault down, if there is room.
    ///
    /// Of a line that is no TOML nothing more is said.
    pub(crate) fn add(&self, fault: Fault) {
        let mut unread = self.unread.borrow_mut();
        let at = (fault.file.clone(), fault.line);
        if self.is_full() || unread.contains(&at) {
            return;
        }
        if fault.key == TOML {
            unread.insert(at);
        }
        self.found.borrow_mut().push(fault);
    }

    /// Whether there is no room for another: then nobody need look for words.
    pub(crate) fn is_full(&self) -> bool {
        self.found.borrow().len() >= self.most
    }

    /// Whether nothing was wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// All of them, by file and line, each once.
    pub(crate) fn into_sorted(self) -> Vec<Fault> {
        let mut faults = self.found.into_inner();
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
