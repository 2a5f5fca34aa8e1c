//! Which readings are kept: those of sensors and published figures have retentions of their own.
//!
//! A reading with a vintage is a figure. The vintage is part of the key, so all versions of a key go together.

use std::ops::Range;

use yiwang_model::Vintage;

use super::columns::Run;
use super::manifest::FileEntry;

/// Event times from which on readings are kept, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) sensors: i64,
    pub(super) figures: i64,
}

/// What retention means for a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Stays,
    /// One kind of its readings is wholly too old and the other is not.
    IsThinned,
    Goes,
}

impl Kept {
    /// Everything is.
    pub(super) const ALL: Self = Self { sensors: i64::MIN, figures: i64::MIN };

    /// Nothing before this is kept.
    pub(super) fn since(self) -> i64 {
        self.sensors.min(self.figures)
    }

    /// Whether a reading is kept.
    pub(super) fn has(self, time: i64, vintage: Vintage) -> bool {
        time >= if vintage.0.is_some() { self.figures } else { self.sensors }
    }

    /// The rows of a settled run that are kept, in stretches.
    pub(super) fn stretches(self, run: &Run) -> Vec<Range<usize>> {
        if run.figures.is_empty() {
            return vec![run.between(self.sensors, i64::MAX)];
        }
        let rows: Vec<usize> =
            (0..run.len()).filter(|at| self.has(run.time[*at], run.figure(*at).vintage)).collect();
        rows.chunk_by(|a, b| a + 1 == *b).map(|rows| rows[0]..rows[rows.len() - 1] + 1).collect()
    }

    /// A settled run without what is not kept.
    pub(super) fn of(self, run: Run) -> Run {
        match self.stretches(&run).as_slice() {
            [all] if *all == (0..run.len()) => run,
            stretches => {
                let mut kept = Run::default();
                stretches.iter().for_each(|rows| kept.extend(&run, rows.clone()));
                kept
            }
        }
    }

    /// What becomes of a file of readings.
    pub(super) fn fate(self, file: &FileEntry) -> Fate {
        let gone = |cutoff| file.max_time_ns < cutoff;
        match (file.sensors, file.figures) {
            (true, true) if gone(self.sensors) != gone(self.figures) => Fate::IsThinned,
            (true, _) if gone(self.sensors) => Fate::Goes,
            (false, _) if gone(self.figures) => Fate::Goes,
            _ => Fate::Stays,
        }
    }
}
