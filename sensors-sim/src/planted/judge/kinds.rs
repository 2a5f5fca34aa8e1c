//! Which detector stands for which kinds: a TOML file.
//!
//! ```toml
//! [kinds]
//! sensor-silent = ["gap"]
//! "*-spike" = ["spike"]
//! ```
//!
//! A key is the name of a detector, in which one `*` stands for anything. What no key fits names nothing.

use std::collections::BTreeMap;

use anyhow::{Context, anyhow};
use serde::Deserialize;

use crate::planted::kind::Kind;

/// The table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kinds(Vec<(String, Vec<Kind>)>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    kinds: BTreeMap<String, Vec<String>>,
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
        file.kinds.into_iter().map(read).collect::<anyhow::Result<Vec<_>>>().map(Self)
    }

    /// Whether a detector stands for a kind.
    #[must_use]
    pub fn names(&self, detector: &str, kind: Kind) -> bool {
        self.0.iter().any(|(pattern, kinds)| fits(pattern, detector) && kinds.contains(&kind))
    }
}

fn unknown(detector: &str, word: &str, known: &str) -> anyhow::Error {
    anyhow!("kinds.{detector} has {word:?}; wanted is one of {known}")
}

fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        Some((head, tail)) => {
            name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail)
        }
        None => pattern == name,
    }
}
