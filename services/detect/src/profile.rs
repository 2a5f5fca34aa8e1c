//! The profile of a series: what is usual in a part of a day or week, learnt online, and how far values are from it.
//!
//! A day has 24 slots of an hour, fewer where readings are further apart. Cells are a tree: all times, the slot of the
//! day, that slot on worked days or on days off, that slot on its day of the week. Each cell has a running level of weight
//! max(1 / n, 1 / memory) of its n readings, cut at 3 spreads (see [`crate::robust`]). A cell is trusted as far as it was seen:
//! its level counts n parts, what its parent says k = 2 visits (shrinkage as of James and Stein 1961, with a fixed k). The spread
//! around what was expected is learnt for each slot of the day, shrunk to that of all slots by 4 visits, and shown wider by 1 / n after n visits. Days are those of [`Days`]: holidays are Sundays.
//!
//! The first 16 values give the beginning: their median and median absolute deviation. Levels are kept as distances from a
//! centre, so that single precision is enough. Values that do not move have a spread of half of the smallest step that was seen.
//!
//! Memory: 128 bytes; then 6 for each cell and 4 for each spread: none 10 bytes, day 542, week 1,550 with 24 slots, all asserted; and 128 until the
//! first values are there.
//!
//! Saved state: first values (count, each), or centre, step, begin, readings, and for each cell level and count, for each spread itself.

use std::sync::Arc;

use yiwang_model::{Span, Timestamp};

use crate::days::{Days, local};
use crate::params::{Entry, Form, NOT_NEGATIVE, Parameter, defaulted};
use crate::robust::{CLIP, FURTHEST, learn_spread, median_and_spread};
use crate::state::{Reader, put_byte, put_count, put_number, put_single, put_time};
use crate::{Error, SeriesContext};

/// How many values give the beginning.
const FIRST: usize = 16;
/// Visits of a cell that its parent's word is worth.
const TRUST: f64 = 2.0;
/// Visits of a slot that the spread of all slots is worth.
const SPREAD_TRUST: f64 = 4.0;
/// The least number of readings over which a cell fades.
const LEAST_MEMORY: f64 = 12.0;
/// The longest time that must pass before values are judged against a profile of days.
const DAYS_FIRST: Span = Span(2 * Span::DAY.0);

const WORDS: &[&str] = &["none", "day", "week"];
const PROFILE_MEANING: &str = "what the series is compared with: all times, the hour on worked days and days off, or the hour of the week";
/// `profile` of kinds that compare with the hour of the day.
pub(crate) const PROFILE: Parameter = defaulted("profile", Form::Word(WORDS), "day", PROFILE_MEANING);
/// `profile` of kinds that are about the profile itself.
pub(crate) const PROFILE_OF_WEEK: Parameter = defaulted(
    "profile",
    Form::Word(&["day", "week"]),
    "week",
    "what the series is compared with: the hour on worked days and days off, or the hour of the week",
);
pub(crate) const MEMORY: Parameter =
    defaulted("memory", Form::Span, "28d", "time over which what is usual fades to a third");
pub(crate) const WARM_UP: Parameter = defaulted(
    "warm_up",
    Form::Number { least: 16.0, most: 1e6 },
    "100",
    "readings that are learnt before any is judged; with a profile two days as well",
);
pub(crate) const MIN_SCALE: Parameter =
    defaulted("min_scale", NOT_NEGATIVE, "0", "least spread that is assumed, in the metric's unit");
pub(crate) const UTC_OFFSET: Parameter = defaulted(
    "utc_offset",
    Form::Number { least: -12.0, most: 14.0 },
    "8",
    "hours that the city's clock is ahead of UTC",
);

/// What an entry says of its profile.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    detail: Detail,
    memory: Span,
    warm_up: u32,
    min_scale: f64,
    offset: Span,
}

/// Which times are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Detail {
    None,
    Day,
    Week,
}

impl Settings {
    /// Reads the keys of this module but [`MIN_SCALE`], which not every kind has.
    pub(crate) fn read(entry: &mut Entry<'_>, min_scale: f64) -> Self {
        let detail = match entry.word("profile") {
            Some("day") => Detail::Day,
            Some("week") => Detail::Week,
            _ => Detail::None,
        };
        Self {
            detail,
            memory: entry.span("memory").unwrap_or(Span::DAY),
            // the form bounds it
            warm_up: entry.count("warm_up").unwrap_or(FIRST) as u32,
            min_scale,
            offset: Span((entry.number("utc_offset").unwrap_or_default() * Span::HOUR.0 as f64) as i64),
        }
    }
}

/// What is usual at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Usual {
    /// In the metric's unit.
    pub(crate) level: f64,
    /// In the metric's unit, above 0.
    pub(crate) spread: f64,
    /// Level and spread of all times.
    pub(crate) all: (f64, f64),
    /// The spread around what is expected, of all hours together: for a series whose hours do not differ in it. In the metric's unit, above 0.
    pub(crate) steady: f64,
    /// Whether enough was learnt to judge.
    pub(crate) is_known: bool,
}

impl Usual {
    /// With the spread of all hours.
    pub(crate) fn steady(self) -> Self {
        Self { spread: self.steady, ..self }
    }

    /// How many spreads a value is above the level.
    pub(crate) fn distance(&self, value: f64) -> f64 {
        ((value - self.level) / self.spread).clamp(-FURTHEST, FURTHEST)
    }
}

/// The profile of one series.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    settings: Arc<Settings>,
    days: Option<Arc<Days>>,
    shape: Shape,
    /// The first values, until they are enough.
    first: Vec<f64>,
    centre: f64,
    /// The smallest step between two values, 0 while there was none.
    step: f32,
    last: f32,
    begin: Timestamp,
    readings: u32,
    levels: Box<[f32]>,
    counts: Box<[u16]>,
    spreads: Box<[f32]>,
}

/// How a series' days are cut.
#[derive(Clone, Copy, Debug)]
struct Shape {
    detail: Detail,
    /// Slots of a day.
    slots: u16,
    /// Readings of one visit of a slot.
    visit: f32,
    /// Visits of all times over which they fade.
    memory_visits: f32,
}

impl Shape {
    fn new(settings: &Settings, period: Span) -> Self {
        let period = if period.0 > 0 { period } else { Span::MINUTE.times(5) };
        let detail = if period >= Span::DAY { Detail::None } else { settings.detail };
        // at most 24, at least 1
        let slots = if detail == Detail::None { 1 } else { (Span::DAY.0 / period.0).clamp(1, 24) as u16 };
        let slot = Span::DAY.0 as f64 / f64::from(slots);
        let visit = if detail == Detail::None { 1.0 } else { (slot / period.0 as f64).max(1.0) };
        let memory_visits = settings.memory.0 as f64 / period.0 as f64 / visit;
        Self { detail, slots, visit: visit as f32, memory_visits: memory_visits as f32 }
    }

    fn cells(&self) -> usize {
        let slots = usize::from(self.slots);
        match self.detail {
            Detail::None => 1,
            Detail::Day => 1 + 3 * slots,
            Detail::Week => 1 + 10 * slots,
        }
    }

    fn spreads(&self) -> usize {
        if self.detail == Detail::None { 1 } else { 2 + usize::from(self.slots) }
    }

    /// Readings over which a cell fades that is visited in one slot of `share`.
    fn memory(&self, share: f64) -> f64 {
        let most = f64::from(u16::MAX);
        (f64::from(self.memory_visits) * f64::from(self.visit) / share).clamp(LEAST_MEMORY, most)
    }

    fn trust(&self) -> f64 {
        TRUST * f64::from(self.visit)
    }
}

/// The cells of a time, from all times down: place, and of how many slots one is its.
type Chain = [(usize, f64); 4];

impl Profile {
    pub(crate) fn new(settings: &Arc<Settings>, series: &SeriesContext) -> Self {
        let shape = Shape::new(settings, series.period);
        let days = series.days.clone().filter(|_| shape.detail > Detail::None);
        Self {
            settings: Arc::clone(settings),
            days,
            shape,
            first: Vec::new(),
            centre: 0.0,
            step: 0.0,
            last: 0.0,
            begin: Timestamp::MIN,
            readings: 0,
            levels: vec![0.0; shape.cells()].into(),
            counts: vec![0; shape.cells()].into(),
            spreads: vec![0.0; shape.spreads()].into(),
        }
    }

    fn chain(&self, time: Timestamp) -> (Chain, usize) {
        let Shape { detail, slots, .. } = self.shape;
        let mut chain = [(0, 1.0); 4];
        if detail == Detail::None {
            return (chain, 1);
        }
        let (habit, within) = local(time, self.settings.offset, self.days.as_deref());
        let slots = usize::from(slots);
        // below the number of slots
        let slot = (i128::from(within.0) * slots as i128 / i128::from(Span::DAY.0)) as usize;
        let share = slots as f64;
        chain[1] = (1 + slot, share);
        let (block, part) = if habit.is_worked() { (1, 5.0 / 7.0) } else { (2, 2.0 / 7.0) };
        chain[2] = (1 + block * slots + slot, share / part);
        chain[3] = (1 + (3 + usize::from(habit.0)) * slots + slot, share * 7.0);
        (chain, if detail == Detail::Week { 4 } else { 3 })
    }

    /// What is usual at `time`; `None` until the first values came.
    pub(crate) fn usual(&self, time: Timestamp) -> Option<Usual> {
        if self.readings < FIRST as u32 {
            return None;
        }
        let (chain, depth) = self.chain(time);
        let old = self.shape.detail == Detail::None || time - self.begin >= DAYS_FIRST;
        Some(Usual {
            level: self.centre + self.offset(&chain[..depth]),
            spread: self.spread(&chain),
            all: (self.centre + f64::from(self.levels[0]), f64::from(self.spreads[0]).max(self.least())),
            steady: self.steady(&chain),
            is_known: old && self.readings >= self.settings.warm_up,
        })
    }

    /// The level of the deepest cell, as far as each is trusted, from the centre.
    fn offset(&self, chain: &[(usize, f64)]) -> f64 {
        let trust = self.shape.trust();
        chain[1..].iter().fold(f64::from(self.levels[0]), |parent, (cell, _)| {
            let count = f64::from(self.counts[*cell]);
            (count * f64::from(self.levels[*cell]) + trust * parent) / (count + trust)
        })
    }

    /// That of the slot of the day, as far as it is trusted, else that of all of them; wider while few days were seen.
    fn spread(&self, chain: &Chain) -> f64 {
        let [all, pooled, own] = self.spreads_of(chain).map(|place| f64::from(self.spreads[place]));
        if self.shape.detail == Detail::None {
            return all.max(self.least());
        }
        let (count, visit) = (f64::from(self.counts[chain[1].0]), f64::from(self.shape.visit));
        let trust = SPREAD_TRUST * visit;
        let known = (count * own + trust * pooled) / (count + trust);
        let shown = if count < visit { all } else { known * (1.0 + visit / count) };
        shown.max(self.least())
    }

    /// That of all slots, wider by how little the level of the slot is known: its error is a reading's by √n.
    fn steady(&self, chain: &Chain) -> f64 {
        let pooled = f64::from(self.spreads[self.spreads_of(chain)[1]]);
        let known = f64::from(self.counts[chain[1].0]) + self.shape.trust();
        (pooled * (1.0 + 1.0 / known).sqrt()).max(self.least())
    }

    /// Places of the spread around the level of all times, around what is expected at any time, and in this slot of the day.
    fn spreads_of(&self, chain: &Chain) -> [usize; 3] {
        if self.shape.detail == Detail::None { [0; 3] } else { [0, 1, 1 + chain[1].0] }
    }

    /// The least spread that there can be.
    fn least(&self) -> f64 {
        let resolved = self.settings.min_scale.max(f64::from(self.step) / 2.0);
        resolved.max(self.centre.abs() * 1e-9).max(1e-18)
    }

    /// Takes a value into what is usual.
    pub(crate) fn learn(&mut self, time: Timestamp, value: f64) {
        let value = value.clamp(-FURTHEST, FURTHEST);
        if self.readings < FIRST as u32 {
            return self.begin_with(time, value);
        }
        let from_centre = (value - self.centre).clamp(-FURTHEST, FURTHEST);
        self.learn_step(from_centre);
        self.readings = self.readings.saturating_add(1);
        let (chain, depth) = self.chain(time);
        let spread = self.spread(&chain);
        let deviation = from_centre - self.offset(&chain[..depth]);
        self.learn_spreads(&chain, from_centre, deviation);
        for (cell, share) in &chain[..depth] {
            let fresh = f64::from(self.counts[*cell]) < self.shape.trust();
            let most = CLIP * if fresh { spread.max(f64::from(self.spreads[0])) } else { spread };
            self.learn_level(*cell, *share, from_centre, most);
        }
    }

    fn learn_step(&mut self, from_centre: f64) {
        let from_centre = from_centre.clamp(-FURTHEST, FURTHEST) as f32;
        let step = (from_centre - self.last).abs().min(FURTHEST as f32);
        self.last = from_centre;
        if step > 0.0 && (self.step == 0.0 || step < self.step) {
            self.step = step;
        }
    }

    fn learn_level(&mut self, cell: usize, share: f64, from_centre: f64, most: f64) {
        let (level, memory) = (f64::from(self.levels[cell]), self.shape.memory(share));
        let weight = 1.0 / (f64::from(self.counts[cell]) + 1.0).min(memory);
        self.levels[cell] = (level + weight * (from_centre - level).clamp(-most, most)) as f32;
        self.counts[cell] = self.counts[cell].saturating_add(1);
    }

    /// The spread of all times is around their level, that of a slot around what was expected in it. What came first, when little
    /// was known to expect, counts least.
    fn learn_spreads(&mut self, chain: &Chain, from_centre: f64, deviation: f64) {
        let around_all = from_centre - f64::from(self.levels[0]);
        let least = self.least();
        let places = if self.shape.detail == Detail::None { 1 } else { 3 };
        let [all, pooled, own] = self.spreads_of(chain);
        let learns = [(all, around_all, 0), (pooled, deviation, 0), (own, deviation, 1)];
        for (place, deviation, cell) in learns.into_iter().take(places) {
            let (counted, share) = chain[cell];
            let count = f64::from(self.counts[counted]);
            let weight = 2.0 / (count + 2.0).min(2.0 * self.shape.memory(share));
            let spread = f64::from(self.spreads[place]);
            self.spreads[place] = learn_spread(spread, least, deviation, weight) as f32;
        }
    }

    fn begin_with(&mut self, time: Timestamp, value: f64) {
        if self.first.is_empty() {
            self.begin = time;
        }
        self.first.push(value);
        self.readings += 1;
        if self.first.len() < FIRST {
            return;
        }
        let values = std::mem::take(&mut self.first);
        let (middle, spread) = median_and_spread(&mut values.clone()).expect("there are 16 values");
        self.centre = middle;
        values.iter().for_each(|value| self.learn_step(value - middle));
        self.spreads.fill(spread.min(FURTHEST) as f32);
        self.counts[0] = FIRST as u16;
    }

    /// Makes a new level the usual one, at all times.
    pub(crate) fn move_by(&mut self, by: f64) {
        self.centre = (self.centre + by).clamp(-FURTHEST, FURTHEST);
    }

    /// Makes spreads so many times as wide the usual ones, at all times; never narrower.
    pub(crate) fn widen(&mut self, times: f64) {
        let times = times.max(1.0);
        self.spreads
            .iter_mut()
            .for_each(|spread| *spread = (f64::from(*spread) * times).min(FURTHEST) as f32);
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_count(out, self.first.len());
        self.first.iter().for_each(|value| put_number(out, *value));
        put_count(out, self.readings as usize);
        put_time(out, self.begin);
        put_number(out, self.centre);
        put_single(out, self.step);
        put_single(out, self.last);
        self.levels.iter().for_each(|level| put_single(out, *level));
        for count in &self.counts {
            count.to_le_bytes().into_iter().for_each(|byte| put_byte(out, byte));
        }
        self.spreads.iter().for_each(|spread| put_single(out, *spread));
    }

    /// Reads what [`Profile::put`] saved of a profile of the same shape.
    pub(crate) fn read(&self, from: &mut Reader<'_>) -> Result<Self, Error> {
        let mut read = Self { first: Vec::new(), ..self.clone() };
        for _ in 0..from.count(FIRST - 1)? {
            read.first.push(from.within(FURTHEST)?);
        }
        read.readings = from.count(u32::MAX as usize)? as u32;
        if read.readings < FIRST as u32 && read.readings as usize != read.first.len() {
            return Err(from.damaged("the first values are not as many as it says"));
        }
        (read.begin, read.centre) = (from.time()?, from.within(FURTHEST)?);
        (read.step, read.last) = (from.single_to(FURTHEST)?, from.single(FURTHEST)?);
        for level in &mut read.levels {
            *level = from.single(FURTHEST)?;
        }
        for count in &mut read.counts {
            *count = u16::from_le_bytes([from.byte()?, from.byte()?]);
        }
        for spread in &mut read.spreads {
            *spread = from.single_to(FURTHEST)?;
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
