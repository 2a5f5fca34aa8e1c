//! `slip`: a project whose progress is behind its plan.
//!
//! The plan is a curve of (event time, planned value), straight between its points, level before the first and
//! after the last. An episode opens at the event time of the first figure that is more than `points` behind,
//! worsens by tenths of `points`, and ends at the event time of the first figure that is no more than `points`
//! less `hysteresis` behind. The extreme is the largest distance behind, in percentage points. Without a plan it never judges.
//!
//! Memory: 56 bytes a series, and 100 more while an episode is open; the plan is shared.
//!
//! Saved state: head 0x61; then as every [`Watch`].

use std::mem::size_of;
use std::sync::Arc;

use yiwang_model::Timestamp;

use crate::episode::Sight;
use crate::params::{
    CRITICAL_AT, Entry, Grades, NOT_NEGATIVE, POSITIVE, Parameter, SERIOUS_AT, SOURCE, WORSEN_STEP,
    defaulted, required,
};
use crate::registry::{Kind, Make};
use crate::state::{Reader, put_byte};
use crate::watch::Watch;
use crate::{Detector, Error, Event, Input, Prototype, Sample, SeriesContext, Spec};

const NAME: &str = "slip";
const HEAD: u8 = 0x61;
const _: () = assert!(size_of::<Slip>() <= 56);

pub(crate) const KIND: Kind = Kind {
    name: NAME,
    zh: "进度滞后：实际进度落后于计划",
    en: "progress is behind the plan",
    unit: "percentage points",
    params: PARAMS,
    needs_limits: false,
    make: Make::Series(build),
};

const PARAMS: &[Parameter] = &[
    required("points", POSITIVE, "how far progress may be behind the plan, in percentage points"),
    defaulted("hysteresis", NOT_NEGATIVE, "0", "how much closer it must come to end an episode, in points"),
    SOURCE,
    SERIOUS_AT,
    CRITICAL_AT,
];

struct Rules {
    points: f64,
    hysteresis: f64,
    source: Arc<str>,
    grades: Grades,
}

impl Rules {
    fn sight(&self, behind: f64) -> Sight {
        Sight {
            value: behind,
            badness: behind,
            limit: Some(self.points),
            edition: Arc::clone(&self.source),
            severity: self.grades.grade(|times| behind >= self.points * times),
        }
    }
}

struct Prepared(Arc<Rules>);

impl Prototype for Prepared {
    fn make(&self, series: &SeriesContext) -> Box<dyn Detector> {
        let plan = series.plan.clone().filter(|plan| !plan.is_empty());
        Box::new(Slip { rules: Arc::clone(&self.0), plan, watch: Watch::default() })
    }
}

fn build(spec: &Spec) -> Result<Box<dyn Prototype>, Vec<Error>> {
    let mut entry = Entry::new(spec, PARAMS);
    let points = entry.number("points").unwrap_or(1.0);
    let hysteresis = entry.number("hysteresis").unwrap_or_default();
    if hysteresis > points {
        entry.fault("hysteresis", format!("is {hysteresis}; at most {points}, the points, is wanted"));
    }
    let rules = Rules { points, hysteresis, source: entry.source(), grades: entry.grades() };
    entry.finish(Box::new(Prepared(Arc::new(rules))))
}

struct Slip {
    rules: Arc<Rules>,
    plan: Option<Arc<[(Timestamp, f64)]>>,
    watch: Watch,
}

impl Slip {
    fn figure(&mut self, sample: &Sample, out: &mut Vec<Event>) {
        let Some(plan) = &self.plan else { return };
        let behind = planned(plan, sample.time) - sample.value;
        if !behind.is_finite() {
            return;
        }
        if behind > self.rules.points {
            self.watch.broken(sample.time, self.rules.sight(behind), WORSEN_STEP * self.rules.points, out);
        } else if behind <= self.rules.points - self.rules.hysteresis {
            self.watch.kept(sample.time, 1, out);
        }
    }
}

/// What the plan says for a time.
fn planned(plan: &[(Timestamp, f64)], at: Timestamp) -> f64 {
    let next = plan.partition_point(|(time, _)| *time <= at);
    match (next.checked_sub(1).map(|last| plan[last]), plan.get(next)) {
        (Some((t0, v0)), Some((t1, v1))) => {
            v0 + (v1 - v0) * ((at - t0).as_secs_f64() / (*t1 - t0).as_secs_f64())
        }
        (Some((_, value)), None) => value,
        (None, Some((_, value))) => *value,
        (None, None) => f64::NAN,
    }
}

impl Detector for Slip {
    fn step(&mut self, input: &Input, out: &mut Vec<Event>) {
        if let Input::Reading(sample) = input
            && sample.is_judged()
        {
            self.figure(sample, out);
        }
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        put_byte(out, HEAD);
        self.watch.put(out);
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        let mut from = Reader::new(NAME, HEAD, state)?;
        let watch = Watch::read(&mut from)?;
        from.end()?;
        self.watch = watch;
        Ok(())
    }
}
