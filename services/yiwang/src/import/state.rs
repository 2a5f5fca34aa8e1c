//! The state file: up to where each file is acknowledged.
//!
//! It is JSON, written beside and renamed, so that a crash leaves the old one or the new. It never says more than was
//! acknowledged. It belongs to one city and one mapping; for others the import begins anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use yiwang_disk::{RealDisk, read_whole, replace};
use yiwang_files::Mark;

/// The form of the file.
const FORMAT: u32 = 1;
/// The largest state file, in bytes.
const MAX_BYTES: u64 = 256 << 20;

/// What is known of all files.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    format: u32,
    /// A digest of city, mapping and options that change what is sent.
    pub(super) of: String,
    /// By absolute path.
    pub(super) files: BTreeMap<String, Known>,
}

/// What is known of a file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Known {
    /// Up to here it is acknowledged.
    pub(super) mark: Mark,
    /// Whether that was its end.
    pub(super) is_whole: bool,
    /// Its length and time of change when it was opened: as long as these stay, a whole file is not opened again.
    pub(super) looks: Looks,
    /// What was counted in it.
    pub(super) tally: Tally,
}

/// What can be told of a file without reading it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Looks {
    pub(super) bytes: u64,
    pub(super) modified_nanos: i64,
}

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tally {
    /// Rows, good and bad.
    pub(super) rows: u64,
    /// Readings that were sent and answered for.
    pub(super) readings: u64,
    /// Of these, those that are durable.
    pub(super) acked: u64,
    /// Places where the value is missing.
    pub(super) missing: u64,
    /// Rows that could not be read and readings that were refused, by reason.
    pub(super) refused: BTreeMap<String, u64>,
}

impl Tally {
    pub(super) fn add(&mut self, more: &Self) {
        self.rows += more.rows;
        self.readings += more.readings;
        self.acked += more.acked;
        self.missing += more.missing;
        for (reason, count) in &more.refused {
            self.refuse(reason, *count);
        }
    }

    pub(super) fn refuse(&mut self, reason: &str, count: u64) {
        match self.refused.get_mut(reason) {
            Some(known) => *known += count,
            None => drop(self.refused.insert(reason.to_owned(), count)),
        }
    }

    pub(super) fn refused_total(&self) -> u64 {
        self.refused.values().sum()
    }
}

impl State {
    /// Nothing is in yet.
    pub(super) fn new(of: String) -> Self {
        Self { format: FORMAT, of, files: BTreeMap::new() }
    }

    /// Reads a state, if there is one.
    pub(super) fn load(path: &Path) -> Result<Option<Self>, String> {
        let bytes = read_whole(&RealDisk, path, MAX_BYTES).map_err(|error| error.to_string())?;
        let Some(bytes) = bytes else { return Ok(None) };
        let state: Self = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        if state.format != FORMAT {
            return Err(format!("it has format {}; this release reads {FORMAT}", state.format));
        }
        Ok(Some(state))
    }

    /// Writes it; durable on return.
    pub(super) fn save(&self, path: &Path) -> anyhow::Result<()> {
        let bytes = serde_json::to_vec(self).context("a state is JSON")?;
        replace(&RealDisk, path, &bytes).with_context(|| format!("state file {}", path.display()))
    }

    /// All that was counted.
    pub(super) fn total(&self) -> Tally {
        self.files.values().fold(Tally::default(), |mut sum, known| {
            sum.add(&known.tally);
            sum
        })
    }
}

/// Where the state of an input stands if nobody says: beside it, with `.import` behind its name.
pub(super) fn beside(input: &Path) -> PathBuf {
    let absolute = std::fs::canonicalize(input).unwrap_or_else(|_| input.to_owned());
    let mut name = absolute.into_os_string();
    name.push(".import");
    name.into()
}
