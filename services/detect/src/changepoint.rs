//! `changepoint`: the series became another one, in level or in spread, at a moment that can be named.
//!
//! Bayesian online detection (Adams and MacKay 2007). What is judged are innovations of the distance from the profile, as in
//! [`crate::monitor`]'s formula u = (z − φ·z′) / s, for readings that follow from each other are no sample. How long the
//! present regime lasts, its run length r, has the probabilities
//!
//! > P(r + 1) ∝ P(r)·π(u | r)·(1 − 1/`run`), P(0) ∝ Σ P(r)·π(u | r) / `run`
//!
//! with a regime's mean and variance under a normal-inverse-gamma prior (μ 0, κ 0.1, α 1, β 1), so that π is Student's t with 2α
//! degrees of freedom at μ, of variance β(κ + 1)/(ακ) (Murphy 2007). |u| is cut at 4, so that one reading is not worth a regime.
//! The 24 likeliest run lengths are kept and the others dropped, as Adams and MacKay advise.
//!
//! An episode opens when the regimes that began after the previous one was settled, and have at least `readings` readings, are together
//! more probable than `sure`. It begins with the first reading of the likeliest of them, and ends when the likeliest regime, this
//! or a later one, has lasted `settle` readings: then it is the usual one. The extreme is the value furthest from the profile, the limit the level of the profile. The profile learns all
//! the while, slowly. changepoint and augurs-changepoint have this detector with all run lengths in memory, which grow for ever; neither
//! can be saved and restored.
//!
//! Memory: 248 bytes, room for 32 run lengths of 24 bytes (768), and the profile's cells (none 10, day 542, week 1,550 bytes), and 100 more while an
//! episode is open.
//!
//! Saved state: head 0xd1; profile; innovations; runs (count, each: readings, begin, log probability, mean, β);
//! whether there was a settled regime; then as every [`Watch`].

use std::mem::size_of;
use std::sync::Arc;

use yiwang_model::{Severity, Span, Timestamp};

use crate::episode::Sight;
use crate::innovation::Innovations;
use crate::params::{Entry, Form, Parameter, SOURCE, defaulted};
use crate::profile::{MEMORY, MIN_SCALE, PROFILE, Profile, Settings, UTC_OFFSET, Usual, WARM_UP};
use crate::registry::{Kind, Make};
use crate::state::{Reader, put_byte};
use crate::watch::Watch;
use crate::{Detector, Error, Event, Input, Prototype, Sample, SeriesContext, Spec};

mod runs;

use runs::Runs;

const NAME: &str = "changepoint";
const HEAD: u8 = 0xd1;
const _: () = assert!(size_of::<Changepoint>() - size_of::<Profile>() + runs::BYTES <= 1024);

/// Innovations beyond are taken as if they were there.
const MOST: f64 = 4.0;
/// How many spreads further out is said again.
const STEP: f64 = 1.0;

pub(crate) const KIND: Kind = Kind {
    name: NAME,
    zh: "变点：序列的水平或波动从某一时刻起改变",
    en: "the series became another one at a moment",
    unit: "the metric's unit",
    params: PARAMS,
    needs_limits: false,
    make: Make::Series(build),
};

const READINGS: Form = Form::Number { least: 2.0, most: 1e6 };

const PARAMS: &[Parameter] = &[
    defaulted(
        "run",
        Form::Number { least: 2.0, most: 1e12 },
        "1e6",
        "readings that a regime lasts, before anything is known",
    ),
    defaulted("readings", READINGS, "5", "least readings of a new regime"),
    defaulted(
        "sure",
        Form::Number { least: 0.5, most: 1.0 },
        "0.99",
        "probability beyond which there is a new regime",
    ),
    defaulted("settle", READINGS, "60", "readings after which a new regime is the usual one"),
    PROFILE,
    MEMORY,
    WARM_UP,
    MIN_SCALE,
    UTC_OFFSET,
    SOURCE,
];

struct Rules {
    run: f64,
    readings: u32,
    sure: f64,
    settle: u32,
    profile: Arc<Settings>,
    source: Arc<str>,
    severity: Severity,
}

impl Rules {
    fn sight(&self, value: f64, usual: Usual) -> Sight {
        Sight {
            value,
            badness: usual.distance(value).abs(),
            limit: Some(usual.level),
            edition: Arc::clone(&self.source),
            severity: self.severity,
        }
    }
}

struct Prepared(Arc<Rules>);

impl Prototype for Prepared {
    fn make(&self, series: &SeriesContext) -> Box<dyn Detector> {
        Box::new(Changepoint {
            profile: Profile::new(&self.0.profile, series),
            rules: Arc::clone(&self.0),
            period: series.period,
            innovations: Innovations::default(),
            runs: Runs::default(),
            is_settled: false,
            watch: Watch::default(),
        })
    }
}

fn build(spec: &Spec) -> Result<Box<dyn Prototype>, Vec<Error>> {
    let mut entry = Entry::new(spec, PARAMS);
    // the form bounds them
    let mut count = |key| entry.count(key).unwrap_or(2) as u32;
    let (readings, settle) = (count("readings"), count("settle"));
    if settle <= readings {
        entry.fault("settle", format!("is {settle}; more than {readings}, the readings, is wanted"));
    }
    let min_scale = entry.number("min_scale").unwrap_or_default();
    let rules = Rules {
        run: entry.number("run").unwrap_or(1e6),
        readings,
        sure: entry.number("sure").unwrap_or(1.0),
        settle,
        profile: Arc::new(Settings::read(&mut entry, min_scale)),
        source: entry.source(),
        severity: spec.severity,
    };
    entry.finish(Box::new(Prepared(Arc::new(rules))))
}

struct Changepoint {
    rules: Arc<Rules>,
    period: Span,
    profile: Profile,
    innovations: Innovations,
    runs: Runs,
    /// Whether there was a regime long enough to change from.
    is_settled: bool,
    watch: Watch,
}

impl Changepoint {
    fn reading(&mut self, Sample { time, value, .. }: Sample, out: &mut Vec<Event>) {
        let usual = self.profile.usual(time);
        self.profile.learn(time, value);
        let Some(usual) = usual else { return };
        let z = usual.distance(value);
        let before = self.innovations.next(time, z, self.period);
        let correlation = self.innovations.correlation();
        let innovation = self.innovations.of(z, before, correlation);
        self.innovations.learn(z, before, correlation);
        if usual.is_known {
            self.runs.see(time, innovation.clamp(-MOST, MOST), self.rules.run);
            self.judge(time, value, usual, out);
        }
    }

    fn judge(&mut self, time: Timestamp, value: f64, usual: Usual, out: &mut Vec<Event>) {
        let Rules { readings, sure, settle, .. } = *self.rules;
        let oldest = self.runs.likeliest();
        self.is_settled |= oldest >= settle;
        if self.watch.is_open() {
            self.watch.broken(time, self.rules.sight(value, usual), STEP, out);
            if oldest >= settle {
                self.watch.end(time, out);
                self.runs.settle(settle);
            }
        } else if self.is_settled
            && let Some(begin) = self.runs.changed(readings..settle, sure)
        {
            self.watch.broken(begin, self.rules.sight(value, usual), STEP, out);
        }
    }
}

impl Detector for Changepoint {
    fn step(&mut self, input: &Input, out: &mut Vec<Event>) {
        if let Input::Reading(sample) = input
            && sample.is_judged()
        {
            self.reading(*sample, out);
        }
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        put_byte(out, HEAD);
        self.profile.put(out);
        self.innovations.put(out);
        self.runs.put(out);
        put_byte(out, self.is_settled.into());
        self.watch.put(out);
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        let mut from = Reader::new(NAME, HEAD, state)?;
        let profile = self.profile.read(&mut from)?;
        let innovations = Innovations::read(&mut from)?;
        let runs = Runs::read(&mut from)?;
        let is_settled = from.byte()? != 0;
        let watch = Watch::read(&mut from)?;
        from.end()?;
        (self.profile, self.innovations, self.runs) = (profile, innovations, runs);
        (self.is_settled, self.watch) = (is_settled, watch);
        Ok(())
    }
}
