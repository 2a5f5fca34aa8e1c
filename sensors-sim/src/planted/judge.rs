//! Holds episodes against the truth. The rule of matching, which `docs/planted.md` states too:
//!
//! 1. An episode *opens* when it is first said (`opened`; where that is missing, its begin). What opened before judging begins, or
//!    after it ends, does not count; it is told.
//! 2. It belongs to a fault of its own series when it opens from the fault's begin on and before the fault's end plus the tolerance,
//!    in periods of the series; of several such faults to the one that began last.
//! 3. The first episode of a fault finds it. All others of the same fault are repeats, neither true nor false.
//! 4. The fault is *named* rightly when its gravest episode is of a detector that the table of kinds gives that kind: the one that an
//!    order would show. Of equally grave ones it is that which lasts longest within the window, then that which opened first.
//! 5. Every other episode is false, in a look-alike or outside, unless it belongs to a cause, which is judged elsewhere; or its
//!    detector is one that, by the table, tells of this very kind of look-alike.
//!
//! Recall = found / planted. Precision = found / (found + false). Delay = readings from the fault's begin to the opening, less the
//! least delay of that fault; the median is over faults that were found.

mod episodes;
mod kinds;
mod orders;
mod table;

use std::collections::BTreeMap;

use yiwang_model::{Severity, Span, Timestamp};

use super::kind::{Class, Kind};
use super::truth::{Row, Truth};
pub use episodes::Episode;
pub use kinds::Kinds;
pub use orders::{Grouping, Member, Order, group};
pub use table::{OVERALL, by_size, details, overall, sizes};

/// How one kind of fault fared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// How many there were.
    pub planted: usize,
    /// How many were found.
    pub found: usize,
    /// How many of these were named rightly.
    pub named: usize,
    /// Further episodes of those.
    pub repeats: usize,
    /// Of those that were found: delay less the least, in readings, sorted.
    pub delays: Vec<i64>,
    /// By how many times the usual, in hundredths: planted and found.
    pub by_factor: BTreeMap<i64, (usize, usize)>,
}

/// How a judge fared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// By kind of fault.
    pub faults: BTreeMap<Kind, Tally>,
    /// False episodes in look-alikes, by kind, and how many look-alikes there were, by series.
    pub quiet: BTreeMap<Kind, (usize, usize)>,
    /// False episodes elsewhere.
    pub elsewhere: usize,
    /// False episodes by detector.
    pub by_detector: BTreeMap<String, usize>,
    /// Episodes of causes.
    pub of_causes: usize,
    /// Episodes before judging began or after it ended.
    pub uncounted: usize,
    /// Series times days that were judged.
    pub series_days: f64,
}

impl Outcome {
    /// Everything that was false.
    #[must_use]
    pub fn wrong(&self) -> usize {
        self.elsewhere + self.quiet.values().map(|(wrong, _)| wrong).sum::<usize>()
    }

    /// All kinds of faults together.
    #[must_use]
    pub fn all(&self) -> Tally {
        let mut all = Tally::default();
        self.faults.values().for_each(|tally| all.add(tally));
        all
    }

    /// Adds how the same judge fared in another city.
    pub fn add(&mut self, other: Self) {
        other.faults.iter().for_each(|(kind, tally)| self.faults.entry(*kind).or_default().add(tally));
        for (kind, (wrong, rows)) in other.quiet {
            let sum = self.quiet.entry(kind).or_default();
            *sum = (sum.0 + wrong, sum.1 + rows);
        }
        for (detector, wrong) in other.by_detector {
            *self.by_detector.entry(detector).or_default() += wrong;
        }
        self.elsewhere += other.elsewhere;
        self.of_causes += other.of_causes;
        self.uncounted += other.uncounted;
        self.series_days += other.series_days;
    }
}

/// The rows of a series, sorted by begin.
type BySeries<'a> = BTreeMap<(&'a str, &'a str), Vec<usize>>;

/// What a row was given.
#[derive(Clone, Debug, Default)]
struct Given {
    /// When the first episode opened.
    opened: Option<Timestamp>,
    episodes: usize,
    /// Of the episode that stands for it: how grave, how long within the window, and whether it names the kind.
    face: Option<(Severity, Span, bool)>,
}

/// Judges. `tolerance` is in readings of each series.
#[must_use]
pub fn judge(truth: &Truth, mut episodes: Vec<Episode>, kinds: &Kinds, tolerance: u32) -> Outcome {
    episodes.sort_by(|a, b| (a.opened(), &a.detector, &a.id).cmp(&(b.opened(), &b.detector, &b.id)));
    let by_series = by_series(truth);
    let mut given = vec![Given::default(); truth.rows.len()];
    let days = (truth.to - truth.from).as_secs_f64() / 86_400.0;
    let mut outcome = Outcome { series_days: truth.series as f64 * days, ..Outcome::default() };
    for episode in &episodes {
        if !(truth.from..truth.to).contains(&episode.opened()) {
            outcome.uncounted += 1;
            continue;
        }
        let metric = kinds.metric_of(&episode.metric);
        let own = by_series.get(&(episode.source.as_str(), metric.as_str()));
        let open_in = |class: Class| newest(truth, own, class, episode.opened(), tolerance);
        if let Some(at) = open_in(Class::Fault) {
            given[at].take(&truth.rows[at], episode, kinds, tolerance);
        } else if open_in(Class::Cause).is_some() {
            outcome.of_causes += 1;
        } else {
            outcome.count_false(open_in(Class::Quiet).map(|at| truth.rows[at].kind), episode, kinds);
        }
    }
    outcome.count_rows(truth, &given);
    outcome
}

fn by_series(truth: &Truth) -> BySeries<'_> {
    let mut by_series = BySeries::new();
    for (at, row) in truth.rows.iter().enumerate() {
        by_series.entry((row.source.as_str(), row.metric.as_str())).or_default().push(at);
    }
    by_series.values_mut().for_each(|rows| rows.sort_by_key(|at| truth.rows[*at].begin));
    by_series
}

/// The row of a class that began last of those in which something may open at a moment.
fn newest(
    truth: &Truth,
    own: Option<&Vec<usize>>,
    class: Class,
    at: Timestamp,
    tolerance: u32,
) -> Option<usize> {
    let fits = |row: &Row| row.class == class && row.begin <= at && at < until(row, tolerance);
    own?.iter().rev().copied().find(|row| fits(&truth.rows[*row]))
}

fn until(row: &Row, tolerance: u32) -> Timestamp {
    row.end + row.period.times(tolerance.into())
}

impl Given {
    fn take(&mut self, row: &Row, episode: &Episode, kinds: &Kinds, tolerance: u32) {
        self.opened.get_or_insert(episode.opened());
        self.episodes += 1;
        let end = until(row, tolerance);
        let overlap = episode.end.unwrap_or(end).min(end) - episode.begin.max(row.begin);
        let own = (episode.severity, overlap);
        if self.face.is_none_or(|(severity, longest, _)| own > (severity, longest)) {
            self.face = Some((own.0, own.1, kinds.names(&episode.detector, row.kind)));
        }
    }
}

impl Outcome {
    fn count_false(&mut self, quiet: Option<Kind>, episode: &Episode, kinds: &Kinds) {
        if quiet.is_some_and(|kind| kinds.names(&episode.detector, kind)) {
            return;
        }
        match quiet {
            Some(kind) => self.quiet.entry(kind).or_default().0 += 1,
            None => self.elsewhere += 1,
        }
        *self.by_detector.entry(episode.detector.clone()).or_default() += 1;
    }

    fn count_rows(&mut self, truth: &Truth, given: &[Given]) {
        let counted =
            truth.rows.iter().zip(given).filter(|(row, _)| row.begin >= truth.from && row.begin < truth.to);
        for (row, given) in counted {
            match row.class {
                Class::Fault => self.faults.entry(row.kind).or_default().count(row, given),
                Class::Quiet => self.quiet.entry(row.kind).or_default().1 += 1,
                Class::Cause => {}
            }
        }
        self.faults.values_mut().for_each(|tally| tally.delays.sort_unstable());
    }
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.planted += other.planted;
        self.found += other.found;
        self.named += other.named;
        self.repeats += other.repeats;
        self.delays.extend(&other.delays);
        self.delays.sort_unstable();
        for (factor, (planted, found)) in &other.by_factor {
            let sum = self.by_factor.entry(*factor).or_default();
            *sum = (sum.0 + planted, sum.1 + found);
        }
    }

    fn count(&mut self, row: &Row, given: &Given) {
        self.planted += 1;
        // hundredths of a small number
        let factor = self.by_factor.entry((row.factor * 100.0).round() as i64).or_default();
        factor.0 += 1;
        let Some(opened) = given.opened else { return };
        factor.1 += 1;
        self.found += 1;
        self.repeats += given.episodes - 1;
        self.named += usize::from(given.face.is_some_and(|(_, _, named)| named));
        self.delays.push((opened - row.begin).0.div_euclid(row.period.0) - i64::from(row.least));
    }

    /// The median of the delays; of an even number the lower one.
    #[must_use]
    pub fn median_delay(&self) -> Option<i64> {
        self.delays.get(self.delays.len().checked_sub(1)? / 2).copied()
    }
}

#[cfg(test)]
mod tests;
