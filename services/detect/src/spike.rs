//! `spike`: a value far from the running median, measured by the spread around it (Hampel's identifier).
//!
//! The last `readings` judged values, without the one in question, have a median and a median absolute
//! deviation (MAD). A value further than `k` · max(1.4826 · MAD, `min_scale`) from the median is a spike; the
//! factor makes the MAD of normally spread values their standard deviation (Hampel 1974). Nothing is judged
//! before that many values were seen. Every value, spike or not, then joins the window, so that a new level
//! becomes the usual one. An episode opens at the first spike, worsens by tenths of the bound, and ends at the
//! first of `calm` values in a row that are none. The extreme is the value furthest out for its bound; the
//! limit is the bound that it passed.
//!
//! Memory: 40 bytes and 9 for each of `readings` (319 for 31) a series, and 100 more while an episode is open.
//!
//! Saved state: head 0x21; number of values and the values, oldest first; then as every
//! [`Watch`].

use std::mem::size_of;
use std::sync::Arc;

use crate::episode::Sight;
use crate::params::{
    CRITICAL_AT, Entry, Form, Grades, POSITIVE, Parameter, SERIOUS_AT, SOURCE, WORSEN_STEP, defaulted,
    required,
};
use crate::registry::{Kind, Make};
use crate::state::{Reader, put_byte, put_count, put_number};
use crate::watch::Watch;
use crate::{Detector, Error, Event, Input, Prototype, Sample, SeriesContext, Spec};

const NAME: &str = "spike";
const HEAD: u8 = 0x21;
/// Standard deviations of a normal distribution in its median absolute deviation.
const DEVIATIONS_PER_MAD: f64 = 1.4826;
const _: () = assert!(size_of::<Spike>() <= 40);

pub(crate) const KIND: Kind = Kind {
    name: NAME,
    zh: "尖峰：读数远离近期中位数",
    en: "a value far from the median of the last ones",
    unit: "the metric's unit",
    params: PARAMS,
    needs_limits: false,
    make: Make::Series(build),
};

const PARAMS: &[Parameter] = &[
    required("min_scale", POSITIVE, "least spread that is assumed, in the metric's unit"),
    defaulted("k", POSITIVE, "5", "how many spreads from the median a value may be"),
    defaulted(
        "readings",
        Form::Number { least: 3.0, most: 255.0 },
        "31",
        "values in the window, an odd number",
    ),
    defaulted(
        "calm",
        Form::Number { least: 1.0, most: 255.0 },
        "3",
        "usual values in a row that end an episode",
    ),
    SOURCE,
    SERIOUS_AT,
    CRITICAL_AT,
];

struct Rules {
    k: f64,
    min_scale: f64,
    readings: usize,
    calm: u8,
    source: Arc<str>,
    grades: Grades,
}

struct Prepared(Arc<Rules>);

impl Prototype for Prepared {
    fn make(&self, _: &SeriesContext) -> Box<dyn Detector> {
        let recent = Recent::new(self.0.readings);
        Box::new(Spike { rules: Arc::clone(&self.0), recent, watch: Watch::default() })
    }
}

fn build(spec: &Spec) -> Result<Box<dyn Prototype>, Vec<Error>> {
    let mut entry = Entry::new(spec, PARAMS);
    let readings = entry.count("readings").unwrap_or(3);
    if readings.is_multiple_of(2) {
        entry.fault(
            "readings",
            format!("is {readings}; an odd number is wanted, so that one value is the median"),
        );
    }
    let rules = Rules {
        k: entry.number("k").unwrap_or(f64::MAX),
        min_scale: entry.number("min_scale").unwrap_or(f64::MAX),
        readings,
        calm: entry.small("calm"),
        source: entry.source(),
        grades: entry.grades(),
    };
    entry.finish(Box::new(Prepared(Arc::new(rules))))
}

/// The last values, in the order in which they came and in order of size.
struct Recent {
    cells: Box<[Cell]>,
    filled: u8,
    /// Where in the ring the oldest stands once it is full.
    oldest: u8,
}

/// Two columns side by side: 9 bytes.
#[derive(Clone, Copy)]
#[repr(C, packed)]
struct Cell {
    /// Of a ring in the order of arrival.
    value: f64,
    /// A place in the ring, by the size of the value there.
    by_size: u8,
}

impl Recent {
    fn new(readings: usize) -> Self {
        Self { cells: vec![Cell { value: 0.0, by_size: 0 }; readings].into(), filled: 0, oldest: 0 }
    }

    fn size(&self) -> usize {
        self.cells.len()
    }

    /// The value that has so many smaller ones.
    fn ranked(&self, rank: usize) -> f64 {
        self.cells[usize::from(self.cells[rank].by_size)].value
    }

    /// Oldest first.
    fn by_age(&self) -> impl Iterator<Item = f64> {
        let (new, old) = self.cells[..usize::from(self.filled)].split_at(usize::from(self.oldest));
        old.iter().chain(new).map(|cell| cell.value)
    }

    fn is_full(&self) -> bool {
        usize::from(self.filled) == self.size()
    }

    fn push(&mut self, value: f64) {
        let filled = usize::from(self.filled);
        let ranks = &self.cells[..filled];
        let (place, free) = if self.is_full() {
            let oldest = ranks.iter().position(|cell| cell.by_size == self.oldest);
            (self.oldest, oldest.expect("each place has a rank"))
        } else {
            (self.filled, filled)
        };
        let to = ranks.partition_point(|cell| self.cells[usize::from(cell.by_size)].value < value);
        self.cells[usize::from(place)].value = value;
        self.rerank(place, free, to);
        if filled == self.size() {
            self.oldest = if usize::from(place) + 1 == filled { 0 } else { place + 1 };
        } else {
            self.filled += 1;
        }
    }

    /// Gives a place the rank `to` among those before, one of which goes: the rank `free`.
    fn rerank(&mut self, place: u8, free: usize, to: usize) {
        let last = if to > free { to - 1 } else { to };
        (free..last).for_each(|rank| self.cells[rank].by_size = self.cells[rank + 1].by_size);
        (last..free).rev().for_each(|rank| self.cells[rank + 1].by_size = self.cells[rank].by_size);
        self.cells[last].by_size = place;
    }

    fn median(&self) -> f64 {
        self.ranked(self.size() / 2)
    }

    /// The median of the distances from the median: as many steps outwards from the middle, to the nearer side
    /// each time, as there are values on one side.
    fn mad(&self) -> f64 {
        let half = self.size() / 2;
        let median = self.ranked(half);
        let (mut below, mut above, mut distance) = (half, half, 0.0);
        for _ in 0..half {
            let down = below.checked_sub(1).map_or(f64::INFINITY, |rank| median - self.ranked(rank));
            let up = if above + 1 < self.size() { self.ranked(above + 1) - median } else { f64::INFINITY };
            if down <= up {
                below -= 1;
                distance = down;
            } else {
                above += 1;
                distance = up;
            }
        }
        distance
    }
}

struct Spike {
    rules: Arc<Rules>,
    recent: Recent,
    watch: Watch,
}

impl Spike {
    fn reading(&mut self, sample: &Sample, out: &mut Vec<Event>) {
        if self.recent.is_full() {
            match self.sight(sample.value) {
                Some(sight) => self.watch.broken(sample.time, sight, WORSEN_STEP, out),
                None => self.watch.kept(sample.time, self.rules.calm, out),
            }
        }
        self.recent.push(sample.value);
    }

    fn sight(&self, value: f64) -> Option<Sight> {
        let Rules { k, min_scale, .. } = *self.rules;
        let median = self.recent.median();
        let distance = (value - median).abs();
        if distance <= k * min_scale {
            return None;
        }
        let bound = k * min_scale.max(DEVIATIONS_PER_MAD * self.recent.mad());
        (distance > bound).then(|| {
            let multiple = (distance / bound).min(f64::MAX);
            let limit = (median + bound.copysign(value - median)).clamp(f64::MIN, f64::MAX);
            Sight {
                value,
                badness: multiple,
                limit: Some(limit),
                edition: Arc::clone(&self.rules.source),
                severity: self.rules.grades.grade(|times| multiple >= times),
            }
        })
    }
}

impl Detector for Spike {
    fn step(&mut self, input: &Input, out: &mut Vec<Event>) {
        if let Input::Reading(sample) = input
            && sample.is_judged()
        {
            self.reading(sample, out);
        }
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        put_byte(out, HEAD);
        put_count(out, self.recent.filled.into());
        self.recent.by_age().for_each(|value| put_number(out, value));
        self.watch.put(out);
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        let mut from = Reader::new(NAME, HEAD, state)?;
        let mut recent = Recent::new(self.rules.readings);
        for _ in 0..from.count(self.rules.readings)? {
            recent.push(from.number()?);
        }
        let watch = Watch::read(&mut from)?;
        from.end()?;
        (self.recent, self.watch) = (recent, watch);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn median_and_mad_are_those_of_the_definition(values in prop::collection::vec(-9_i32..9, 7..40)) {
            let mut recent = Recent::new(7);
            values.iter().for_each(|value| recent.push(f64::from(*value)));
            let mut last: Vec<_> = values[values.len() - 7..].iter().map(|value| f64::from(*value)).collect();
            prop_assert_eq!(recent.by_age().collect::<Vec<_>>(), last.clone());
            last.sort_by(f64::total_cmp);
            prop_assert_eq!((0..7).map(|rank| recent.ranked(rank)).collect::<Vec<_>>(), last.clone());
            let mut distances: Vec<_> = last.iter().map(|value| (value - last[3]).abs()).collect();
            distances.sort_by(f64::total_cmp);
            prop_assert_eq!((recent.median(), recent.mad()), (last[3], distances[3]));
        }
    }
}
