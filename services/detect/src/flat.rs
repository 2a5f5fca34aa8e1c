//! `flat`: a value that does not move for too long, as of a meter that hangs.
//!
//! A run is judged readings in a row that are within `tolerance` of its first. It becomes an episode once it
//! spans `duration` and has `readings` readings; the episode begins where the run began and ends at the first
//! reading that differs. The extreme is the value that stands still. Values in `ignore` (0 for rain) form no
//! run.
//!
//! Memory: 48 bytes a series, and 100 more while an episode is open.
//!
//! Saved state: head 0x41; run (option: begin, value, newest time, readings); episode (option).

use std::mem::size_of;
use std::num::NonZeroU32;
use std::sync::Arc;

use yiwang_model::{Severity, Span, Timestamp};

use crate::episode::{Episode, Sight, put_open, read_open};
use crate::params::{Entry, Form, NOT_NEGATIVE, Parameter, SOURCE, defaulted, optional, required};
use crate::registry::{Kind, Make};
use crate::state::{Reader, put_byte, put_number, put_option, put_time, put_whole};
use crate::{Detector, Error, Event, Input, Prototype, Sample, SeriesContext, Spec};

const NAME: &str = "flat";
const HEAD: u8 = 0x41;
const _: () = assert!(size_of::<Flat>() <= 48);

pub(crate) const KIND: Kind = Kind {
    name: NAME,
    zh: "恒值：读数长时间不变",
    en: "the value does not move for too long",
    unit: "the metric's unit",
    params: PARAMS,
    needs_limits: false,
    make: Make::Series(build),
};

const PARAMS: &[Parameter] = &[
    required("duration", Form::Span, "how long the value may stand still"),
    defaulted("readings", Form::Number { least: 2.0, most: 1e6 }, "6", "least number of readings in a run"),
    defaulted(
        "tolerance",
        NOT_NEGATIVE,
        "0",
        "how far values of a run may be from its first, in the metric's unit",
    ),
    optional("ignore", Form::Numbers, "values that may stand still, in the metric's unit"),
    SOURCE,
];

struct Rules {
    duration: Span,
    readings: u32,
    tolerance: f64,
    ignore: Box<[f64]>,
    source: Arc<str>,
    severity: Severity,
}

struct Prepared(Arc<Rules>);

impl Prototype for Prepared {
    fn make(&self, _: &SeriesContext) -> Box<dyn Detector> {
        Box::new(Flat { rules: Arc::clone(&self.0), run: None, open: None })
    }
}

fn build(spec: &Spec) -> Result<Box<dyn Prototype>, Vec<Error>> {
    let mut entry = Entry::new(spec, PARAMS);
    let rules = Rules {
        duration: entry.span("duration").unwrap_or_default(),
        readings: entry.count("readings").and_then(|count| count.try_into().ok()).unwrap_or(2),
        tolerance: entry.number("tolerance").unwrap_or_default(),
        ignore: entry.numbers("ignore"),
        source: entry.source(),
        severity: spec.severity,
    };
    entry.finish(Box::new(Prepared(Arc::new(rules))))
}

#[derive(Clone, Copy)]
struct Run {
    begin: Timestamp,
    value: f64,
    newest: Timestamp,
    readings: NonZeroU32,
}

struct Flat {
    rules: Arc<Rules>,
    run: Option<Run>,
    open: Option<Box<Episode>>,
}

impl Flat {
    fn reading(&mut self, sample: &Sample, out: &mut Vec<Event>) {
        match &mut self.run {
            Some(run) if (sample.value - run.value).abs() <= self.rules.tolerance => {
                run.newest = sample.time;
                run.readings = run.readings.saturating_add(1);
            }
            _ => self.turn(sample, out),
        }
        self.judge(out);
    }

    /// The value moved: ends an episode, begins a run.
    fn turn(&mut self, sample: &Sample, out: &mut Vec<Event>) {
        if let Some(episode) = self.open.take() {
            out.push(episode.cleared(sample.time));
        }
        let Sample { time, value, .. } = *sample;
        self.run = Some(Run { begin: time, value, newest: time, readings: NonZeroU32::MIN });
    }

    fn judge(&mut self, out: &mut Vec<Event>) {
        let Some(run) = self.run.filter(|_| self.open.is_none()) else { return };
        let long = run.newest - run.begin >= self.rules.duration && run.readings.get() >= self.rules.readings;
        if long && !self.rules.ignore.contains(&run.value) {
            let mut episode = Episode::new(run.begin, self.sight(run.value));
            out.push(episode.raised());
            self.open = Some(episode);
        }
    }

    fn sight(&self, value: f64) -> Sight {
        let Rules { source, severity, .. } = &*self.rules;
        Sight { value, badness: 0.0, limit: None, edition: Arc::clone(source), severity: *severity }
    }
}

impl Detector for Flat {
    fn step(&mut self, input: &Input, out: &mut Vec<Event>) {
        if let Input::Reading(sample) = input
            && sample.is_judged()
        {
            self.reading(sample, out);
        }
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        put_byte(out, HEAD);
        put_option(out, self.run, |out, run| {
            put_time(out, run.begin);
            put_number(out, run.value);
            put_time(out, run.newest);
            put_whole(out, run.readings.get().into());
        });
        put_open(out, self.open.as_deref());
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        let mut from = Reader::new(NAME, HEAD, state)?;
        let run = from.option(read_run)?;
        let open = read_open(&mut from)?;
        from.end()?;
        (self.run, self.open) = (run, open);
        Ok(())
    }
}

fn read_run(from: &mut Reader<'_>) -> Result<Run, Error> {
    let (begin, value, newest) = (from.time()?, from.number()?, from.time()?);
    let readings = u32::try_from(from.count(u32::MAX as usize)?).ok().and_then(NonZeroU32::new);
    let readings = readings.ok_or_else(|| from.damaged("a run has no reading"))?;
    Ok(Run { begin, value, newest, readings })
}
