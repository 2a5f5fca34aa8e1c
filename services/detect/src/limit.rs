//! `limit`: a value, or the mean of a window, beyond a limit.
//!
//! # Windows
//! | `window` | what is judged | valid with | stamp |
//! |---|---|---|---|
//! | `instant` | each reading | | its time |
//! | `20 min mean` | clock third of an hour | 15 min covered | its begin |
//! | `hour mean` | clock hour | 45 min covered (GB 3095) | its begin |
//! | `8 h mean` | at each full hour the last 8 hourly values | 6 of them (GB 3095) | its end |
//! | `24 h mean` | at each full hour the last 24 hourly values | 20 of them (GB 3095) | its end |
//! | `day mean` | calendar day of hourly values | 20 of them (GB 3095) | its begin |
//!
//! Where the readings of a series are at least an hour apart (20 minutes for that window), or how far apart is
//! not known, each *is* the value of the hour in which it begins. Otherwise the hour's value is the mean of its
//! readings, valid when they cover three quarters of it: their number times the series' period. GB 12523
//! judges the equivalent level over 20 minutes: `mean = "energy"` forms it as 10·lg of the mean of 10^(L/10);
//! without it the mean is arithmetic, for levels that the meter itself already forms over the 20 minutes.
//! Only readings of a judged quality count. Hours and days are those of `utc_offset`, a fixed number of hours:
//! right for China since 1992; its summer time of 1986 to 1991 is out of scope.
//!
//! # Episodes
//! One opens at the stamp of the first window beyond the limit, and ends at the stamp of the first window that
//! is at it or inside (less `hysteresis`). So an episode of days ends at the begin of the first day kept, and
//! the end is exclusive. A window without a valid mean neither opens, continues nor ends one. The extreme is
//! the furthest mean. It worsens when the extreme moves by a tenth of the limit since it was last said, or when
//! the severity rises. With `min_duration` it is said only once it has lasted so long; its begin is the same.
//!
//! The limit is the row in force at the last nanosecond of the window, of a `day mean` at its first, of
//! `instant` at the reading. Where none is in force, an open episode ends at the `valid_to` that was passed.
//!
//! # When a window is judged
//! As soon as the series' newest event time plus its period reaches the window's end: a day that has its 23:00
//! value is judged at once. When the series is silent, once the lateness that is usual for it has passed since the window's end.
//!
//! # Exactness
//! A mean of windows of hourly values is 0.0 + v₀ + v₁ + … in time order, divided by their number, formed anew
//! each time. Readings inside an hour are summed exactly, in units of 2⁻⁶⁴, so that their order never shows.
//!
//! # Memory
//! 16 bytes for `instant`. For windows 152 bytes, and for each cell of a window (1, 8 or 24) 8 bytes where a
//! reading is an hour's value, else 20; so at most 632 bytes a series. 100 more while an episode is open.
//!
//! # Saved state
//! Head 0x11; what is judged (option: cell in ns, cells, stride, cells by sums or not); then for `instant` nothing, for windows the number of the next window's end (option) and for each
//! filled cell its place and value, or sum and count; then the judge: 0 calm, 1 beyond but not said, 2 open
//! with the time since when it is kept (option); for 1 and 2 the episode.

mod cells;
mod instant;
mod judge;
mod windowed;

use std::sync::Arc;

use yiwang_model::{Span, Timestamp};

use crate::params::{CRITICAL_AT, Distance, Entry, Form, Grades, Parameter, SERIOUS_AT, defaulted, required};
use crate::registry::{Kind, Make};
use crate::{Detector, Error, LimitRow, Prototype, SeriesContext, Spec};

use instant::Instant;
use windowed::Windowed;

const NAME: &str = "limit";
const HEAD: u8 = 0x11;

pub(crate) const KIND: Kind = Kind {
    name: NAME,
    zh: "超标：读数或时段均值越过限值",
    en: "a reading, or the mean of a window, is beyond its limit",
    unit: "the metric's unit",
    params: PARAMS,
    needs_limits: true,
    make: Make::Series(build),
};

const WINDOWS: &[&str] = &["instant", "20 min mean", "hour mean", "8 h mean", "24 h mean", "day mean"];

const PARAMS: &[Parameter] = &[
    required("window", Form::Word(WINDOWS), "what is judged, as the limit rows say"),
    defaulted("direction", Form::Word(&["above", "below"]), "above", "on which side of the limit is too far"),
    defaulted(
        "hysteresis",
        Form::Distance,
        "0",
        "how far inside the limit a value must come to end an episode",
    ),
    defaulted("min_duration", Form::Span, "0s", "how long the limit must be broken before it is said"),
    defaulted("hold", Form::Span, "0s", "how long the limit must be kept before an episode ends"),
    defaulted("mean", Form::Word(&["arithmetic", "energy"]), "arithmetic", "how readings become a mean"),
    defaulted(
        "utc_offset",
        Form::Number { least: -12.0, most: 14.0 },
        "8",
        "hours by which local time leads UTC",
    ),
    SERIOUS_AT,
    CRITICAL_AT,
];

/// What every detector of one entry judges by.
#[derive(Debug)]
struct Rules {
    limits: Arc<[LimitRow]>,
    above: bool,
    hysteresis: Distance,
    min_duration: Span,
    hold: Span,
    grades: Grades,
    energy: bool,
    /// `None` for `instant`.
    shape: Option<Shape>,
}

/// How windows lie in time. They are counted in cells: hours, or thirds of one.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Shape {
    /// Length of a cell, in ns.
    cell: i64,
    /// By how much local time leads UTC, in ns.
    offset: i64,
    /// Cells in a window.
    width: i64,
    /// Cells from one window to the next.
    stride: i64,
    /// Valid cells that a window needs.
    need: usize,
    /// Whether a window is known by its end rather than its begin.
    stamped_at_end: bool,
}

impl Shape {
    fn new(window: &str, offset: i64) -> Option<Self> {
        let hours = |width, stride, need, stamped_at_end| {
            Some(Self { cell: Span::HOUR.0, offset, width, stride, need, stamped_at_end })
        };
        match window {
            "20 min mean" => Some(Self { cell: Span::MINUTE.times(20).0, ..hours(1, 1, 1, false)? }),
            "hour mean" => hours(1, 1, 1, false),
            "8 h mean" => hours(8, 1, 6, true),
            "24 h mean" => hours(24, 1, 20, true),
            "day mean" => hours(24, 24, 20, false),
            _ => None,
        }
    }

    /// The cell that holds a time.
    fn cell_of(&self, time: Timestamp) -> i64 {
        time.0.saturating_add(self.offset).div_euclid(self.cell)
    }

    /// When a cell begins.
    fn begin_of(&self, cell: i64) -> Timestamp {
        Timestamp(cell.saturating_mul(self.cell).saturating_sub(self.offset))
    }

    /// The end of the first window that ends after the begin of `cell`.
    fn end_after(&self, cell: i64) -> i64 {
        (cell.div_euclid(self.stride) + 1) * self.stride
    }
}

impl Rules {
    /// The row in force at an event time.
    fn in_force(&self, at: Timestamp) -> Option<&LimitRow> {
        let holds = |row: &&LimitRow| row.valid_from <= at && row.valid_to.is_none_or(|to| at < to);
        self.limits.iter().rev().find(holds)
    }

    /// When the last limit before `at` ceased to hold.
    fn lapsed_before(&self, at: Timestamp) -> Option<Timestamp> {
        self.limits.iter().filter_map(|row| row.valid_to).filter(|to| *to <= at).max()
    }

    /// Whether `value` is on the wrong side of `limit`.
    fn beyond(&self, value: f64, limit: f64) -> bool {
        if self.above { value > limit } else { value < limit }
    }
}

struct Limit(Arc<Rules>);

impl Prototype for Limit {
    fn make(&self, series: &SeriesContext) -> Box<dyn Detector> {
        let rules = Arc::clone(&self.0);
        match rules.shape {
            None => Box::new(Instant::new(rules)),
            Some(shape) => Box::new(Windowed::new(rules, shape, series)),
        }
    }
}

fn build(spec: &Spec) -> Result<Box<dyn Prototype>, Vec<Error>> {
    let mut entry = Entry::new(spec, PARAMS);
    let window = entry.word("window").unwrap_or("instant");
    let rules = Rules {
        limits: Arc::clone(&spec.limits),
        above: entry.word("direction") != Some("below"),
        hysteresis: entry.distance("hysteresis").unwrap_or(Distance::Absolute(0.0)),
        min_duration: entry.span("min_duration").unwrap_or_default(),
        hold: entry.span("hold").unwrap_or_default(),
        energy: entry.word("mean") == Some("energy"),
        shape: Shape::new(window, offset(&mut entry)),
        grades: entry.grades(),
    };
    check_mean(&mut entry, window, rules.energy);
    check_limits(&mut entry, &spec.limits);
    entry.finish(Box::new(Limit(Arc::new(rules))))
}

fn offset(entry: &mut Entry<'_>) -> i64 {
    let hours = entry.number("utc_offset").unwrap_or_default();
    // at most 14 hours
    Span::MINUTE.times((hours * 60.0).round() as i64).0
}

fn check_mean(entry: &mut Entry<'_>, window: &str, energy: bool) {
    if energy && !["20 min mean", "hour mean"].contains(&window) {
        entry.fault(
            "mean",
            format!("is \"energy\", which \"20 min mean\" and \"hour mean\" know, not \"{window}\""),
        );
    }
}

fn check_limits(entry: &mut Entry<'_>, limits: &[LimitRow]) {
    if limits.is_empty() {
        entry.fault("limits", "are missing: no limit row has this metric and window");
    }
    if let Some(row) = limits.iter().find(|row| !row.value.is_finite()) {
        entry.fault(
            "limits",
            format!("have the value {} in \"{}\"; a number is wanted", row.value, row.edition),
        );
    }
    if let Some(row) = limits.iter().find(|row| row.valid_to.is_some_and(|to| to <= row.valid_from)) {
        entry.fault("limits", format!("end before they begin in \"{}\"", row.edition));
    }
    let overlap = |pair: &&[LimitRow]| pair[0].valid_to.is_none_or(|to| pair[1].valid_from < to);
    if let Some([one, other]) = limits.windows(2).find(overlap) {
        let why = format!(
            "\"{}\" and \"{}\" hold at the same time, or are not in order",
            one.edition, other.edition
        );
        entry.fault("limits", why);
    }
}

#[cfg(test)]
mod tests;
