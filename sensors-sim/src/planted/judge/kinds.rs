//! Which detector stands for which kinds: a TOML file.
//!
//! ```toml
//! [kinds]
//! sensor-silent = ["gap"]
//! "*-spike" = ["spike"]
//!
//! [metrics]
//! "*_apart" = "*"
//! ```
//!
//! A key is the name of a detector, in which one `*` stands for anything. What no key fits names nothing. `[metrics]`, which may be
//! missing, says whose faults are found in a reckoned metric: there too `*` stands for anything, the same on both sides.

use std::collections::BTreeMap;

use anyhow::{Context, anyhow};
use serde::Deserialize;

use crate::planted::kind::Kind;

/// The table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kinds {
    detectors: Vec<(String, Vec<Kind>)>,
    metrics: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    kinds: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    metrics: BTreeMap<String, String>,
}

impl Kinds {
    /// Reads a table.
    ///
    /// # Errors
    /// What is no such table, and words that are no kinds.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let file: File =
            toml::from_str(text).context("a table [kinds] is wanted, of lists of kinds by detector")?;
        let read = |(detector, words): (String, Vec<String>)| {
            let each = |word: &String| Kind::of(word).map_err(|known| unknown(&detector, word, &known));
            let kinds = words.iter().map(each).collect::<anyhow::Result<Vec<Kind>>>()?;
            Ok((detector, kinds))
        };
        let detectors = file.kinds.into_iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self { detectors, metrics: file.metrics })
    }

    /// Whether a detector stands for a kind.
    #[must_use]
    pub fn names(&self, detector: &str, kind: Kind) -> bool {
        self.detectors
            .iter()
            .any(|(pattern, kinds)| fits(pattern, detector).is_some() && kinds.contains(&kind))
    }

    /// The metric whose faults are found in this one: mostly itself.
    #[must_use]
    pub fn metric_of(&self, metric: &str) -> String {
        let found =
            self.metrics.iter().find_map(|(pattern, of)| Some(of.replace('*', fits(pattern, metric)?)));
        found.unwrap_or_else(|| metric.to_owned())
    }
}

fn unknown(detector: &str, word: &str, known: &str) -> anyhow::Error {
    anyhow!("kinds.{detector} has {word:?}; wanted is one of {known}")
}

/// What stands in a name where its pattern has `*`, if it fits.
fn fits<'a>(pattern: &str, name: &'a str) -> Option<&'a str> {
    match pattern.split_once('*') {
        Some((head, tail)) => name.strip_prefix(head)?.strip_suffix(tail),
        None => (pattern == name).then_some(""),
    }
}
