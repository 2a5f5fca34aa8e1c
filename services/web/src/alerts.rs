//! Alerts that Grafana and Alertmanager send: read, worded as orders, counted.
//!
//! Both send one document: Alertmanager's webhook, version 4, to which Grafana adds fields. Each of its alerts is read for
//! itself, so that a bad one does not keep the others out. What an occurrence of an alert is, and what a repeat is, the
//! order store decides, see [`yiwang_orders::alert`].
//!
//! Invariants: a document has at most [`MAX_ALERTS_BYTES`] and [`MAX_ALERTS`] alerts; every text that reaches an order is
//! bounded and has no control characters; an address is kept only if it is of http or https.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use yiwang_orders::alert::{Outcome, Taken};

use crate::health::Sample;

pub(crate) mod draft;
pub(crate) mod report;

/// The most bytes of a document.
pub const MAX_ALERTS_BYTES: usize = 1 << 20;
/// The most alerts of a document.
pub const MAX_ALERTS: usize = 1_000;

/// A text on one line, of at most so many characters.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let mut line: String =
        text.trim().chars().take(most).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.trim().chars().nth(most).is_some() {
        line.push('…');
    }
    line
}

/// What came of all alerts so far.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    opened: AtomicU64,
    worsened: AtomicU64,
    cleared: AtomicU64,
    repeated: AtomicU64,
    unknown: AtomicU64,
    refused: AtomicU64,
    /// Those that the sender left out.
    truncated: AtomicU64,
}

impl Counts {
    /// Counts what a document came to.
    pub(crate) fn add(&self, taken: &[Taken], refused: usize, truncated: u64) {
        for Taken { outcome, .. } in taken {
            self.of(*outcome).fetch_add(1, Ordering::Relaxed);
        }
        self.refused.fetch_add(refused as u64, Ordering::Relaxed);
        self.truncated.fetch_add(truncated, Ordering::Relaxed);
    }

    const fn of(&self, outcome: Outcome) -> &AtomicU64 {
        match outcome {
            Outcome::Opened => &self.opened,
            Outcome::Worsened => &self.worsened,
            Outcome::Cleared => &self.cleared,
            Outcome::Repeated => &self.repeated,
            Outcome::Unknown => &self.unknown,
        }
    }

    // counts far below 2^53
    pub(crate) fn samples(&self) -> Vec<Sample> {
        let counts: BTreeMap<&str, &AtomicU64> = BTreeMap::from([
            ("opened", &self.opened),
            ("worsened", &self.worsened),
            ("cleared", &self.cleared),
            ("repeated", &self.repeated),
            ("unknown", &self.unknown),
            ("refused", &self.refused),
            ("truncated", &self.truncated),
        ]);
        let help = "Alerts of other systems, by what came of them.";
        let sample = |(came, count): (&str, &AtomicU64)| {
            let count = count.load(Ordering::Relaxed) as f64;
            Sample::counter("yiwang_alerts_total", help, count).with("came", came)
        };
        counts.into_iter().map(sample).collect()
    }
}
