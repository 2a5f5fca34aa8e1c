//! Faults on request: a plan as CSV, and what it means in a city.
//!
//! Columns `kind,target,begin,end,size`, in any order, with a header; lines that begin with `#` are comments.
//!
//! | kind | what happens from begin to end | size | if empty |
//! |---|---|---|---|
//! | `plume` | added to a station and its two nearest neighbours within 12 km, less with distance; rises and falls | in the metric's unit | 75 |
//! | `stuck` | the value of the beginning stays | | |
//! | `spike` | added to every reading | in the metric's unit | 300 |
//! | `drift` | added, from nothing to all of it | in the metric's unit | 20 |
//! | `loud` | at least about this loud | dB(A) | 78 |
//! | `slip` | falls behind its plan, and stays behind after the end | points of the metric's unit | 12 |
//! | `silence` | nothing is sent of a series, nor later | | |
//! | `gateway_silence` | nothing is sent of a gateway, nor later | | |
//! | `clock_skew` | event times are wrong by this | seconds, ahead when positive | 120 |
//! | `duplicate` | every reading is sent twice | | |
//! | `burst` | readings are held back and sent at the end, all at once | | |
//!
//! `target` is a source, `source/metric`, or a gateway for `gateway_silence`. `@air:2` is the third air station of the
//! catalogue by name, likewise `@construction_site`, `@water`, `@project`, `@statistics_office` and `@gateway`; `/metric`
//! may follow. Without a metric a plume is of `pm2_5`, `loud` of what is in dB(A), `slip` of what is in %, and all else
//! of every series of the source.
//!
//! `begin` and `end` are RFC 3339, or offsets from the first start of the city, as `+30s` or `-20h`; the end is the first
//! moment at which the fault is over.

mod plan;
mod resolve;

use std::fmt;

use yiwang_model::{Span, Timestamp};

pub use plan::{Line, Plan, When};
pub(crate) use plan::{check_columns, keep, records};
pub(super) use resolve::{Injected, resolve};

/// The plan of `yiwang up --simulate`.
pub const DEFAULT_PLAN: &str = include_str!("default-faults.csv");

/// What goes wrong; see the table above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the table above says it")]
pub enum Kind {
    Plume,
    Stuck,
    Spike,
    Drift,
    Loud,
    Slip,
    Silence,
    GatewaySilence,
    ClockSkew,
    Duplicate,
    Burst,
}

impl Kind {
    const WORDS: [(Self, &'static str); 11] = [
        (Self::Plume, "plume"),
        (Self::Stuck, "stuck"),
        (Self::Spike, "spike"),
        (Self::Drift, "drift"),
        (Self::Loud, "loud"),
        (Self::Slip, "slip"),
        (Self::Silence, "silence"),
        (Self::GatewaySilence, "gateway_silence"),
        (Self::ClockSkew, "clock_skew"),
        (Self::Duplicate, "duplicate"),
        (Self::Burst, "burst"),
    ];

    /// The word for it, as in plans.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(kind, _)| *kind == self).map_or("", |(_, word)| word)
    }

    fn of(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(_, own)| *own == word).map(|(kind, _)| *kind)
    }

    fn default_size(self) -> f64 {
        match self {
            Self::Plume => 75.0,
            Self::Spike => 300.0,
            Self::Drift => 20.0,
            Self::Loud => 78.0,
            Self::Slip => 12.0,
            Self::ClockSkew => 120.0,
            _ => 0.0,
        }
    }
}

/// Something that is wrong with a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong and what would be right.
    pub what: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// All that is wrong with a plan, as one error with a line for each.
#[must_use]
pub fn all_wrong(name: &str, wrong: &[Wrong]) -> anyhow::Error {
    let lines: Vec<String> = wrong.iter().map(|wrong| format!("{name}, {wrong}")).collect();
    anyhow::anyhow!("{}", lines.join("\n"))
}

impl When {
    /// The moment, when the city began at `began`.
    #[must_use]
    pub fn at(self, began: Timestamp) -> Timestamp {
        match self {
            Self::After(span) => began + span,
            Self::At(at) => at,
        }
    }
}

/// How far something from `begin` to `end` has gone: 0 before, 1 after.
fn share(begin: Timestamp, end: Timestamp, at: Timestamp) -> f64 {
    let whole = (end - begin).max(Span(1)).as_secs_f64();
    ((at - begin).as_secs_f64() / whole).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests;
