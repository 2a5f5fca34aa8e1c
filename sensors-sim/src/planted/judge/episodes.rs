//! Episodes as `yiwang replay` prints them: a JSON object a line.

use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use yiwang_model::{Severity, Timestamp};

/// An episode; what else stands in its line is not looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// Its name.
    #[serde(default)]
    pub id: String,
    /// Which detector.
    pub detector: String,
    /// The station.
    pub source: String,
    /// The metric.
    pub metric: String,
    /// When the rule began to be broken.
    pub begin: Timestamp,
    /// When it was kept again; nothing if it goes on.
    pub end: Option<Timestamp>,
    /// When it was first said.
    #[serde(default)]
    pub opened: Option<Timestamp>,
    /// How grave it is.
    #[serde(default = "least_grave")]
    pub severity: Severity,
}

/// What an episode is that does not say.
const fn least_grave() -> Severity {
    Severity::Notice
}

impl Episode {
    /// When it was first said, as far as that is known.
    #[must_use]
    pub fn opened(&self) -> Timestamp {
        self.opened.unwrap_or(self.begin)
    }

    /// Reads a file of them.
    ///
    /// # Errors
    /// What is no episode, with its line.
    pub fn read(path: &Path) -> anyhow::Result<Vec<Self>> {
        let name = path.display().to_string();
        let file = BufReader::new(std::fs::File::open(path).with_context(|| name.clone())?);
        let each = |(at, line): (usize, std::io::Result<String>)| {
            serde_json::from_str(&line?).with_context(|| format!("{name}, line {}", at + 1))
        };
        file.lines().enumerate().map(each).collect()
    }
}
