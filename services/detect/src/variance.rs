//! `variance`: the noise of a series changed by a factor.
//!
//! Noise is y = √|x − x′|, the root of the distance from the reading before: of normal noise it is nearly normal itself, with a mean
//! of 2.36 standard deviations (Hawkins 1981), and its usual level and spread are learnt, so that it need not be normal. A factor f
//! moves y by (√f − 1)·level up or (1 − 1/√f)·level down. Both are watched by the two sums of [`crate::monitor`], in which formula
//! and sources stand. With the defaults a noise three times as large is told after about 15 to 35 readings. Readings that are equal to
//! the one before are left out of what is quieter: a value that stands still is for `flat`. A series that mostly stands still has no noise
//! and is not judged, nor is a reading more than three periods after the one before.
//!
//! The episode begins with the reading at which the sum left 0, and ends at the first of `calm` readings in a row whose distance is as
//! before; or after `adapt` readings, when the new noise is the usual one. The extreme is the mean noise since the alarm as a multiple
//! of the usual; the limit is `factor`, or one over it.
//!
//! Memory: 288 bytes and the profile's cells (none 10, day 542, week 1,550 bytes), and 100 more while an episode is open.
//!
//! Saved state: head 0xa1; last reading (option: time, value); monitor; then as every [`Watch`].

use std::mem::size_of;
use std::sync::Arc;

use yiwang_model::{Span, Timestamp};

use crate::episode::Sight;
use crate::innovation::follows;
use crate::monitor::{ADAPT, BETWEEN, Change, Monitor, Side, Sizes, Tuning, Verdict};
use crate::params::{
    CRITICAL_AT, Entry, Form, Grades, Parameter, SERIOUS_AT, SOURCE, WORSEN_STEP, defaulted,
};
use crate::profile::{MEMORY, PROFILE, UTC_OFFSET, Usual, WARM_UP};
use crate::registry::{Kind, Make};
use crate::state::{Reader, put_byte, put_number, put_option, put_time};
use crate::watch::Watch;
use crate::{Detector, Error, Event, Input, Prototype, Sample, SeriesContext, Spec};

const NAME: &str = "variance";
const HEAD: u8 = 0xa1;
const _: () = assert!(size_of::<Variance>() <= 288);

pub(crate) const KIND: Kind = Kind {
    name: NAME,
    zh: "噪声变化：读数的波动明显变大或变小",
    en: "the noise of the series changed by a factor",
    unit: "times the usual noise",
    params: PARAMS,
    needs_limits: false,
    make: Make::Series(build),
};

const PARAMS: &[Parameter] = &[
    defaulted(
        "factor",
        Form::Number { least: 1.2, most: 1000.0 },
        "3",
        "times the usual noise, or one over it",
    ),
    defaulted("direction", Form::Word(&["both", "louder", "quieter"]), "both", "which change is looked for"),
    defaulted(
        "calm",
        Form::Number { least: 1.0, most: 255.0 },
        "10",
        "readings in a row with noise as before that end an episode",
    ),
    BETWEEN,
    ADAPT,
    PROFILE,
    MEMORY,
    WARM_UP,
    UTC_OFFSET,
    SOURCE,
    SERIOUS_AT,
    CRITICAL_AT,
];

/// The least and the most spreads of y that a factor is taken to be.
const LEAST_SIZE: f64 = 0.5;
const MOST_SIZE: f64 = 4.0;

struct Rules {
    factor: f64,
    louder: bool,
    quieter: bool,
    calm: u8,
    tuning: Tuning,
    source: Arc<str>,
    grades: Grades,
}

impl Rules {
    /// How far y moves with the factor, in its spreads; nothing where it has no level to speak of.
    fn sizes(&self, usual: Usual, is_equal: bool) -> Sizes {
        let Usual { level, spread, .. } = usual;
        let root = self.factor.sqrt();
        let size = |wanted: bool, moves: f64| {
            let judged = wanted && level > spread;
            if judged { (moves * level / spread).clamp(LEAST_SIZE, MOST_SIZE) } else { f64::INFINITY }
        };
        Sizes { up: size(self.louder, root - 1.0), down: size(self.quieter && !is_equal, 1.0 - 1.0 / root) }
    }

    fn sight(&self, usual: Usual, change: Change) -> Sight {
        let root = ((usual.level + change.mean * usual.spread) / usual.level.max(usual.spread)).max(0.0);
        let times = (root * root).min(f64::MAX);
        let (multiple, limit) = match change.side {
            Side::Up => (times / self.factor, self.factor),
            Side::Down => ((1.0 / times.max(1e-9)) / self.factor, 1.0 / self.factor),
        };
        Sight {
            value: times,
            badness: multiple,
            limit: Some(limit),
            edition: Arc::clone(&self.source),
            severity: self.grades.grade(|times| multiple >= times),
        }
    }
}

struct Prepared(Arc<Rules>);

impl Prototype for Prepared {
    fn make(&self, series: &SeriesContext) -> Box<dyn Detector> {
        let monitor = Monitor::new(&self.0.tuning, series);
        let (rules, period) = (Arc::clone(&self.0), series.period);
        Box::new(Variance { rules, period, last: None, monitor, watch: Watch::default() })
    }
}

fn build(spec: &Spec) -> Result<Box<dyn Prototype>, Vec<Error>> {
    let mut entry = Entry::new(spec, PARAMS);
    let direction = entry.word("direction").unwrap_or("both");
    let rules = Rules {
        factor: entry.number("factor").unwrap_or(3.0),
        louder: direction != "quieter",
        quieter: direction != "louder",
        calm: entry.small("calm"),
        tuning: Tuning::read(&mut entry, 0.0),
        source: entry.source(),
        grades: entry.grades(),
    };
    entry.finish(Box::new(Prepared(Arc::new(rules))))
}

struct Variance {
    rules: Arc<Rules>,
    period: Span,
    last: Option<(Timestamp, f64)>,
    monitor: Monitor,
    watch: Watch,
}

impl Variance {
    fn reading(&mut self, Sample { time, value, .. }: Sample, out: &mut Vec<Event>) {
        let Self { rules, period, last, monitor, watch } = self;
        let before = last.replace((time, value)).filter(|(last, _)| follows(*last, time, *period));
        let Some((_, before)) = before else { return };
        let noise = (value - before).abs().min(f64::MAX).sqrt();
        let usual = monitor.usual(time);
        let sizes = usual.map_or(NEITHER, |usual| rules.sizes(usual, value == before));
        match (monitor.step(time, noise, usual, sizes, &rules.tuning, *period), usual) {
            (Verdict::Changed(change), Some(usual)) => {
                watch.broken(change.since, rules.sight(usual, change), WORSEN_STEP, out);
            }
            (Verdict::Back, _) => {
                watch.kept(time, rules.calm, out);
                if !watch.is_open() {
                    monitor.forget();
                }
            }
            (Verdict::Settled, _) => watch.end(time, out),
            _ => {}
        }
    }
}

const NEITHER: Sizes = Sizes { up: f64::INFINITY, down: f64::INFINITY };

impl Detector for Variance {
    fn step(&mut self, input: &Input, out: &mut Vec<Event>) {
        if let Input::Reading(sample) = input
            && sample.is_judged()
        {
            self.reading(*sample, out);
        }
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        put_byte(out, HEAD);
        put_option(out, self.last, |out, (time, value)| {
            put_time(out, time);
            put_number(out, value);
        });
        self.monitor.put(out);
        self.watch.put(out);
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        let mut from = Reader::new(NAME, HEAD, state)?;
        let last = from.option(|from| Ok((from.time()?, from.number()?)))?;
        let monitor = self.monitor.read(&mut from)?;
        let watch = Watch::read(&mut from)?;
        from.end()?;
        (self.last, self.monitor, self.watch) = (last, monitor, watch);
        Ok(())
    }
}
