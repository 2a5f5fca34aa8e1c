//! Families of stations: every source that begins with a prefix is known without an entry of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::station::Station;

/// Families by prefix.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Families {
    by_prefix: BTreeMap<Arc<str>, Station>,
    /// The lengths in bytes that prefixes have; a lookup asks for each, and a name has at most 128.
    lengths: BTreeSet<usize>,
}

impl Families {
    pub(crate) fn new(by_prefix: BTreeMap<Arc<str>, Station>) -> Self {
        let lengths = by_prefix.keys().map(|prefix| prefix.len()).collect();
        Self { by_prefix, lengths }
    }

    /// The family with the longest prefix that a source begins with.
    pub(crate) fn find(&self, source: &str) -> Option<&Station> {
        let prefixes = self.lengths.range(..=source.len()).rev().filter_map(|length| source.get(..*length));
        prefixes.filter_map(|prefix| self.by_prefix.get(prefix)).next()
    }

    /// All of them, by prefix.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Station> {
        self.by_prefix.values()
    }
}
