//! `rate`: a value that moves faster than it should, from one reading to the next.
//!
//! The rate is the difference of two consecutive judged readings by the time between them. An episode opens at
//! the time of the reading that came too fast, worsens by tenths of the limit, and ends at the time of the
//! first of `calm` readings in a row that did not. The extreme is the fastest rate with its sign, per hour.
//! Differences up to `min_change` never count, so that a coarse meter is not blamed for its steps; readings
//! further apart than `max_gap` are not compared.
//!
//! Memory: 32 bytes a series, and 100 more while an episode is open.
//!
//! Saved state: head 0x31; last time and value (option); calm readings in a row; time of the first of them
//! (option); episode (option).

use std::mem::size_of;
use std::sync::Arc;

use yiwang_model::{Span, Timestamp};

use crate::episode::Sight;
use crate::params::{
    CRITICAL_AT, Entry, Form, Grades, NOT_NEGATIVE, POSITIVE, Parameter, SERIOUS_AT, SOURCE, WORSEN_STEP,
    defaulted, required,
};
use crate::registry::{Kind, Make};
use crate::state::{Reader, put_byte, put_number, put_option, put_time};
use crate::watch::Watch;
use crate::{Detector, Error, Event, Input, Prototype, Sample, SeriesContext, Spec};

const NAME: &str = "rate";
const HEAD: u8 = 0x31;
const _: () = assert!(size_of::<Rate>() <= 32);

pub(crate) const KIND: Kind = Kind {
    name: NAME,
    zh: "突变：相邻读数变化过快",
    en: "the value moves too fast from one reading to the next",
    unit: "the metric's unit per hour",
    params: PARAMS,
    needs_limits: false,
    make: Make::Series(build),
};

const PARAMS: &[Parameter] = &[
    required("max_per_hour", POSITIVE, "the fastest that is allowed, in the metric's unit per hour"),
    defaulted("direction", Form::Word(&["both", "up", "down"]), "both", "which way is judged"),
    defaulted("min_change", NOT_NEGATIVE, "0", "differences up to this never count, in the metric's unit"),
    defaulted("max_gap", Form::Span, "24h", "readings further apart are not compared"),
    defaulted(
        "calm",
        Form::Number { least: 1.0, most: 255.0 },
        "3",
        "slow readings in a row that end an episode",
    ),
    SOURCE,
    SERIOUS_AT,
    CRITICAL_AT,
];

struct Rules {
    max_per_hour: f64,
    up: bool,
    down: bool,
    min_change: f64,
    max_gap: Span,
    calm: u8,
    source: Arc<str>,
    grades: Grades,
}

impl Rules {
    /// The rate per hour, where it is too fast.
    fn too_fast(&self, change: f64, over: Span) -> Option<f64> {
        let counts = change.abs() > self.min_change && if change > 0.0 { self.up } else { self.down };
        let per_hour = change / (over.as_secs_f64() / 3600.0);
        (counts && per_hour.abs() > self.max_per_hour).then_some(per_hour.clamp(f64::MIN, f64::MAX))
    }

    fn sight(&self, per_hour: f64) -> Sight {
        let multiple = (per_hour.abs() / self.max_per_hour).min(f64::MAX);
        Sight {
            value: per_hour,
            badness: multiple,
            limit: Some(self.max_per_hour.copysign(per_hour)),
            edition: Arc::clone(&self.source),
            severity: self.grades.grade(|times| multiple >= times),
        }
    }
}

struct Prepared(Arc<Rules>);

impl Prototype for Prepared {
    fn make(&self, _: &SeriesContext) -> Box<dyn Detector> {
        Box::new(Rate { rules: Arc::clone(&self.0), last: NOTHING, watch: Watch::default() })
    }
}

fn build(spec: &Spec) -> Result<Box<dyn Prototype>, Vec<Error>> {
    let mut entry = Entry::new(spec, PARAMS);
    let direction = entry.word("direction").unwrap_or("both");
    let rules = Rules {
        max_per_hour: entry.number("max_per_hour").unwrap_or(f64::MAX),
        up: direction != "down",
        down: direction != "up",
        min_change: entry.number("min_change").unwrap_or_default(),
        max_gap: entry.span("max_gap").unwrap_or_default(),
        calm: entry.small("calm"),
        source: entry.source(),
        grades: entry.grades(),
    };
    entry.finish(Box::new(Prepared(Arc::new(rules))))
}

struct Rate {
    rules: Arc<Rules>,
    /// The reading before; not a number while there was none.
    last: (Timestamp, f64),
    watch: Watch,
}

const NOTHING: (Timestamp, f64) = (Timestamp::MIN, f64::NAN);

impl Rate {
    fn reading(&mut self, sample: &Sample, out: &mut Vec<Event>) {
        let (time, value) = std::mem::replace(&mut self.last, (sample.time, sample.value));
        let over = sample.time - time;
        if value.is_nan() || over > self.rules.max_gap {
            return;
        }
        match self.rules.too_fast(sample.value - value, over) {
            Some(per_hour) => self.watch.broken(sample.time, self.rules.sight(per_hour), WORSEN_STEP, out),
            None => self.watch.kept(sample.time, self.rules.calm, out),
        }
    }
}

impl Detector for Rate {
    fn step(&mut self, input: &Input, out: &mut Vec<Event>) {
        if let Input::Reading(sample) = input
            && sample.is_judged()
        {
            self.reading(sample, out);
        }
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        put_byte(out, HEAD);
        let last = Some(self.last).filter(|(_, value)| !value.is_nan());
        put_option(out, last, |out, (time, value)| {
            put_time(out, time);
            put_number(out, value);
        });
        self.watch.put(out);
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        let mut from = Reader::new(NAME, HEAD, state)?;
        let last = from.option(|from| Ok((from.time()?, from.number()?)))?;
        let watch = Watch::read(&mut from)?;
        from.end()?;
        (self.last, self.watch) = (last.unwrap_or(NOTHING), watch);
        Ok(())
    }
}
