//! `shift`: the level moved and stays moved.
//!
//! The value itself is watched by a two-sided CUSUM of its innovations against its profile; formula and sources stand in
//! [`crate::monitor`]. With the defaults a move of 3 spreads in noise without memory is told after 4 to 8 readings, and one spike is none.
//! The episode begins with the reading at which the sum left 0. It ends at the first of `calm` readings in a row within half of `size`
//! of what was usual; or after `adapt` readings, when the new level becomes the usual one. The extreme is the value that was
//! furthest out; the limit is half of `size` from what was usual then.
//!
//! Memory: 264 bytes and the profile's cells (none 10, day 542, week 1,550 bytes), and 100 more while an episode is open.
//!
//! Saved state: head 0x91; monitor; then as every [`Watch`].

use std::mem::size_of;
use std::sync::Arc;

use yiwang_model::Span;

use crate::episode::Sight;
use crate::monitor::{ADAPT, BETWEEN, Monitor, Sizes, Tuning, Verdict};
use crate::params::{
    CRITICAL_AT, Entry, Form, Grades, POSITIVE, Parameter, SERIOUS_AT, SOURCE, WORSEN_STEP, defaulted,
};
use crate::profile::{MEMORY, MIN_SCALE, PROFILE, UTC_OFFSET, Usual, WARM_UP};
use crate::registry::{Kind, Make};
use crate::state::{Reader, put_byte};
use crate::watch::Watch;
use crate::{Detector, Error, Event, Input, Prototype, Sample, SeriesContext, Spec};

const NAME: &str = "shift";
const HEAD: u8 = 0x91;
const _: () = assert!(size_of::<Shift>() <= 264);

pub(crate) const KIND: Kind = Kind {
    name: NAME,
    zh: "水平突移：读数水平移动后保持不变",
    en: "the level moved and stays moved",
    unit: "the metric's unit",
    params: PARAMS,
    needs_limits: false,
    make: Make::Series(build),
};

const PARAMS: &[Parameter] = &[
    defaulted("size", POSITIVE, "3", "the move that is looked for, in spreads of the series"),
    defaulted(
        "calm",
        Form::Number { least: 1.0, most: 255.0 },
        "5",
        "readings in a row back where they were that end an episode",
    ),
    BETWEEN,
    ADAPT,
    PROFILE,
    MEMORY,
    WARM_UP,
    MIN_SCALE,
    UTC_OFFSET,
    SOURCE,
    SERIOUS_AT,
    CRITICAL_AT,
];

struct Rules {
    size: f64,
    calm: u8,
    tuning: Tuning,
    source: Arc<str>,
    grades: Grades,
}

impl Rules {
    fn sight(&self, value: f64, usual: Usual, sign: f64) -> Sight {
        let multiple = usual.distance(value).abs() / self.size;
        Sight {
            value,
            badness: multiple,
            limit: Some(usual.level + sign * self.size / 2.0 * usual.spread),
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
        Box::new(Shift { rules, period, monitor, watch: Watch::default() })
    }
}

fn build(spec: &Spec) -> Result<Box<dyn Prototype>, Vec<Error>> {
    let mut entry = Entry::new(spec, PARAMS);
    let min_scale = entry.number("min_scale").unwrap_or_default();
    let rules = Rules {
        size: entry.number("size").unwrap_or(3.0),
        calm: entry.small("calm"),
        tuning: Tuning::read(&mut entry, min_scale),
        source: entry.source(),
        grades: entry.grades(),
    };
    entry.finish(Box::new(Prepared(Arc::new(rules))))
}

struct Shift {
    rules: Arc<Rules>,
    period: Span,
    monitor: Monitor,
    watch: Watch,
}

impl Shift {
    fn reading(&mut self, Sample { time, value, .. }: Sample, out: &mut Vec<Event>) {
        let Self { rules, period, monitor, watch } = self;
        let usual = monitor.usual(time);
        let sizes = Sizes { up: rules.size, down: rules.size };
        match (monitor.step(time, value, usual, sizes, &rules.tuning, *period), usual) {
            (Verdict::Changed(change), Some(usual)) => {
                watch.broken(change.since, rules.sight(value, usual, change.side.sign()), WORSEN_STEP, out);
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

impl Detector for Shift {
    fn step(&mut self, input: &Input, out: &mut Vec<Event>) {
        if let Input::Reading(sample) = input
            && sample.is_judged()
        {
            self.reading(*sample, out);
        }
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        put_byte(out, HEAD);
        self.monitor.put(out);
        self.watch.put(out);
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        let mut from = Reader::new(NAME, HEAD, state)?;
        let monitor = self.monitor.read(&mut from)?;
        let watch = Watch::read(&mut from)?;
        from.end()?;
        (self.monitor, self.watch) = (monitor, watch);
        Ok(())
    }
}
