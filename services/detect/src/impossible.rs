//! `impossible`: a value that the device or physics cannot give.
//!
//! Admission refuses what the metric cannot be. This is for the narrower range of one kind of device: a value x with x < `least`
//! or x > `most`, `readings` times in a row, says that the device is broken, not the city. The episode begins with the first of them and ends at
//! the first of `calm` possible values in a row. The extreme is the value furthest outside, the limit the end of the range it is beyond.
//! There is no statistic in it and so no source but that of the range.
//!
//! Memory: 64 bytes a series, and 100 more while an episode is open.
//!
//! Saved state: head 0xe1; impossible values in a row; time of the first of them (option); then as every [`Watch`].

use std::mem::size_of;
use std::sync::Arc;

use yiwang_model::{Severity, Timestamp};

use crate::episode::Sight;
use crate::params::{Entry, Form, Parameter, SOURCE, WORSEN_STEP, defaulted, optional};
use crate::registry::{Kind, Make};
use crate::state::{Reader, put_byte, put_option, put_time};
use crate::watch::Watch;
use crate::{Detector, Error, Event, Input, Prototype, Sample, SeriesContext, Spec};

const NAME: &str = "impossible";
const HEAD: u8 = 0xe1;
const _: () = assert!(size_of::<Impossible>() <= 64);

pub(crate) const KIND: Kind = Kind {
    name: NAME,
    zh: "不可能值：读数超出设备或物理所能给出的范围",
    en: "a value that the device or physics cannot give",
    unit: "the metric's unit",
    params: PARAMS,
    needs_limits: false,
    make: Make::Series(build),
};

const ANY: Form = Form::Number { least: f64::MIN, most: f64::MAX };
const TIMES: Form = Form::Number { least: 1.0, most: 255.0 };

const PARAMS: &[Parameter] = &[
    optional("least", ANY, "the smallest value that there can be, in the metric's unit"),
    optional("most", ANY, "the largest value that there can be, in the metric's unit"),
    defaulted("readings", TIMES, "1", "impossible values in a row that begin an episode"),
    defaulted("calm", TIMES, "3", "possible values in a row that end an episode"),
    SOURCE,
];

struct Rules {
    least: f64,
    most: f64,
    readings: u8,
    calm: u8,
    source: Arc<str>,
    severity: Severity,
}

impl Rules {
    fn sight(&self, value: f64) -> Option<Sight> {
        let limit = if value < self.least { self.least } else { self.most };
        (value < self.least || value > self.most).then(|| Sight {
            value,
            badness: (value - limit).abs().min(f64::MAX),
            limit: Some(limit),
            edition: Arc::clone(&self.source),
            severity: self.severity,
        })
    }

    /// How much further outside is said again: a share of the range, if it has two ends, else of its end.
    fn step(&self) -> f64 {
        let range = self.most - self.least;
        let end = if self.least.is_finite() { self.least } else { self.most };
        WORSEN_STEP * if range.is_finite() { range } else { end.abs() }
    }
}

struct Prepared(Arc<Rules>);

impl Prototype for Prepared {
    fn make(&self, _: &SeriesContext) -> Box<dyn Detector> {
        Box::new(Impossible { rules: Arc::clone(&self.0), row: 0, since: None, watch: Watch::default() })
    }
}

fn build(spec: &Spec) -> Result<Box<dyn Prototype>, Vec<Error>> {
    let mut entry = Entry::new(spec, PARAMS);
    let (least, most) = (entry.number("least"), entry.number("most"));
    match (least, most) {
        (None, None) => entry.fault("least", "is missing, and most as well: one of them is wanted"),
        (Some(least), Some(most)) if least >= most => {
            entry.fault("least", format!("is {least}; a number below {most}, the most, is wanted"));
        }
        _ => {}
    }
    let rules = Rules {
        least: least.unwrap_or(f64::NEG_INFINITY),
        most: most.unwrap_or(f64::INFINITY),
        readings: entry.small("readings"),
        calm: entry.small("calm"),
        source: entry.source(),
        severity: spec.severity,
    };
    entry.finish(Box::new(Prepared(Arc::new(rules))))
}

struct Impossible {
    rules: Arc<Rules>,
    /// Impossible values in a row, up to as many as matter.
    row: u8,
    since: Option<Timestamp>,
    watch: Watch,
}

impl Impossible {
    fn reading(&mut self, sample: &Sample, out: &mut Vec<Event>) {
        let Some(sight) = self.rules.sight(sample.value) else {
            (self.row, self.since) = (0, None);
            return self.watch.kept(sample.time, self.rules.calm, out);
        };
        let since = *self.since.get_or_insert(sample.time);
        self.row = self.row.saturating_add(1);
        if self.row >= self.rules.readings || self.watch.is_open() {
            self.watch.broken(since, sight, self.rules.step(), out);
        }
    }
}

impl Detector for Impossible {
    fn step(&mut self, input: &Input, out: &mut Vec<Event>) {
        if let Input::Reading(sample) = input
            && sample.is_judged()
        {
            self.reading(sample, out);
        }
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        put_byte(out, HEAD);
        put_byte(out, self.row);
        put_option(out, self.since, put_time);
        self.watch.put(out);
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        let mut from = Reader::new(NAME, HEAD, state)?;
        let (row, since) = (from.byte()?, from.option(Reader::time)?);
        let watch = Watch::read(&mut from)?;
        from.end()?;
        (self.row, self.since, self.watch) = (row, since, watch);
        Ok(())
    }
}
