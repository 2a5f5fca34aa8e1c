//! `fault`: what is wrong with an instrument, by the form that its readings have: spike, shift, drift or noise.
//!
//! It is for a series that is calm but for faults, as what a station has apart from those around it. Each value is taken from its profile in spreads, z
//! (see [`crate::profile`]), cut at [`CUT`], and the last 64 of them are weighed by the bank of likelihood ratios in [`bank`], where formula and source stand.
//! Once the evidence for a form is beyond its bar and beyond that of the others, the series has a fault of that form. Entries
//! that differ in `form` only come to the same verdict, and each tells of its own form: so one fault is told once, under one name. A later verdict for drift or
//! noise is told as well, as either takes longer to be known than a shift; but only on more evidence than there ever was in this fault for what was told.
//!
//! |z| > `k` outside of a fault is a spike. A fault is over when the last 12 values are as before (mean below 0.9, mean square below 2); or after
//! `adapt` readings, when its level becomes the usual one, and its spread if it is noise. While there is half of the evidence for any form nothing is learnt.
//!
//! An episode begins as many periods ago as there were readings since the evidence is best, and ends with the reading at which the fault is over; that of a spike with the first of `calm`
//! readings within `k`, or with a verdict, of which it was the beginning. The extreme is the value furthest out, the limit `k` spreads from what was usual.
//!
//! Memory: 480 bytes and the profile's cells (none 10, day 542, week 1,550 bytes), and 100 more while an episode is open.
//!
//! Saved state: head 0x3a; profile; window (count, singles); forms told, readings since, most evidence and mean distance (singles), time at which
//! the last fault was over; then as every [`Watch`].

use std::mem::size_of;
use std::sync::Arc;

use yiwang_model::{Span, Timestamp};

use crate::episode::Sight;
use crate::monitor::ADAPT;
use crate::params::{
    CRITICAL_AT, Entry, Form as ParamForm, Grades, POSITIVE, Parameter, SERIOUS_AT, SOURCE, WORSEN_STEP,
    defaulted,
};
use crate::profile::{MEMORY, MIN_SCALE, PROFILE, Profile, Settings, UTC_OFFSET, Usual, WARM_UP};
use crate::registry::{Kind, Make};
use crate::robust::FURTHEST;
use crate::state::{Reader, put_byte, put_count, put_single, put_time};
use crate::watch::Watch;
use crate::{Detector, Error, Event, Input, Prototype, Sample, SeriesContext, Spec};

mod bank;

use bank::{Bars, Evidence, Form, LONGEST, weigh};

const NAME: &str = "fault";
const HEAD: u8 = 0x3a;
/// Spreads beyond which a reading weighs no more.
const CUT: f64 = 6.0;
/// More than any 64 cut readings are evidence for.
const MOST_NATS: f64 = 4_000.0;
/// A fault is over after so many readings as before.
const CALM: usize = 12;
const CALM_MEAN: f64 = 0.9;
const CALM_SQUARE: f64 = 2.0;
const _: () = assert!(size_of::<Fault>() <= 480);

pub(crate) const KIND: Kind = Kind {
    name: NAME,
    zh: "设备故障：按读数形态区分突变、平移、漂移与噪声",
    en: "a fault of the instrument, told by its form",
    unit: "the metric's unit",
    params: PARAMS,
    needs_limits: false,
    make: Make::Series(build),
};

const PARAMS: &[Parameter] = &[
    defaulted("form", ParamForm::Word(bank::WORDS), "spike", "the form of fault that this entry tells of"),
    defaulted("k", POSITIVE, "5", "spreads from which a single reading is a spike"),
    bank::SHIFT,
    bank::DRIFT,
    bank::NOISE,
    defaulted(
        "calm",
        ParamForm::Number { least: 1.0, most: 255.0 },
        "2",
        "readings in a row within k that end a spike",
    ),
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
    form: Form,
    k: f64,
    bars: Bars,
    calm: u8,
    adapt: u32,
    profile: Arc<Settings>,
    source: Arc<str>,
    grades: Grades,
}

impl Rules {
    fn sight(&self, value: f64, usual: Usual) -> Sight {
        let multiple = usual.distance(value).abs() / self.k;
        let bound = (self.k * usual.spread).copysign(value - usual.level);
        Sight {
            value,
            badness: multiple,
            limit: Some(usual.level + bound),
            edition: Arc::clone(&self.source),
            severity: self.grades.grade(|times| multiple >= times),
        }
    }
}

struct Prepared(Arc<Rules>);

impl Prototype for Prepared {
    fn make(&self, series: &SeriesContext) -> Box<dyn Detector> {
        Box::new(Fault {
            profile: Profile::new(&self.0.profile, series),
            rules: Arc::clone(&self.0),
            period: series.period,
            window: [0.0; LONGEST],
            filled: 0,
            told: 0,
            since: 0,
            peak: 0.0,
            mean: 0.0,
            over: Timestamp::MIN,
            watch: Watch::default(),
        })
    }
}

fn build(spec: &Spec) -> Result<Box<dyn Prototype>, Vec<Error>> {
    let mut entry = Entry::new(spec, PARAMS);
    let min_scale = entry.number("min_scale").unwrap_or_default();
    let mut nats = |key| entry.number(key).unwrap_or(f64::MAX);
    let bars = Bars { shift: nats("shift"), drift: nats("drift"), noise: nats("noise") };
    let rules = Rules {
        form: Form::of(entry.word("form")),
        k: entry.number("k").unwrap_or(f64::MAX),
        bars,
        calm: entry.small("calm"),
        // the form bounds it
        adapt: entry.count("adapt").unwrap_or(2) as u32,
        profile: Arc::new(Settings::read(&mut entry, min_scale)),
        source: entry.source(),
        grades: entry.grades(),
    };
    entry.finish(Box::new(Prepared(Arc::new(rules))))
}

struct Fault {
    rules: Arc<Rules>,
    profile: Profile,
    period: Span,
    /// The last distances from the profile, newest last.
    window: [f32; LONGEST],
    filled: u8,
    /// Bits of the forms that the fault was told to have; 0 while there is none. Readings since the first of them.
    told: u8,
    since: u32,
    /// The most evidence that there was for what was told, in nats.
    peak: f32,
    /// Mean distance, not cut, of about the last [`CALM`] readings of the fault.
    mean: f32,
    /// Until when the last fault went; no other begins before.
    over: Timestamp,
    watch: Watch,
}

impl Fault {
    fn reading(&mut self, Sample { time, value, .. }: Sample, out: &mut Vec<Event>) {
        let Some(usual) = self.profile.usual(time).map(Usual::steady) else {
            return self.profile.learn(time, value);
        };
        if !usual.is_known {
            return self.profile.learn(time, value);
        }
        let z = usual.distance(value);
        self.push(z.clamp(-CUT, CUT) as f32);
        let evidence = weigh(self.seen());
        if self.told == 0 {
            self.spike(time, value, z, usual, out);
        }
        if let Some((form, ago)) = evidence.verdict(&self.rules.bars)
            && (self.told == 0 || form != Form::Shift)
            && self.told & form.bit() == 0
            && evidence.of(form) > f64::from(self.peak)
        {
            if self.told == 0 {
                self.begin(time, z, out);
            }
            self.told |= form.bit();
            self.peak = evidence.of(form) as f32;
            if form == self.rules.form {
                let begin = (time - self.period.times(ago as i64)).max(self.over);
                self.watch.broken(begin, self.rules.sight(value, usual), WORSEN_STEP, out);
            }
        } else if self.told != 0 {
            self.grow(&evidence);
            self.go_on(time, value, z, usual, out);
        } else if !evidence.is_suspicious(&self.rules.bars) && z.abs() < self.rules.k {
            self.profile.learn(time, value);
        }
    }

    fn seen(&self) -> &[f32] {
        &self.window[..usize::from(self.filled)]
    }

    fn push(&mut self, z: f32) {
        if usize::from(self.filled) == LONGEST {
            self.window.copy_within(1.., 0);
            self.filled -= 1;
        }
        self.window[usize::from(self.filled)] = z;
        self.filled += 1;
    }

    fn spike(&mut self, time: Timestamp, value: f64, z: f64, usual: Usual, out: &mut Vec<Event>) {
        if self.rules.form != Form::Spike {
            return;
        }
        if z.abs() > self.rules.k {
            self.watch.broken(time, self.rules.sight(value, usual), WORSEN_STEP, out);
        } else {
            self.watch.kept(time, self.rules.calm, out);
        }
    }

    /// A fault is told; a spike that is open was its first reading.
    fn begin(&mut self, time: Timestamp, z: f64, out: &mut Vec<Event>) {
        self.mean = z as f32;
        self.watch.end(time, out);
    }

    /// Keeps the most evidence for what was told.
    fn grow(&mut self, evidence: &Evidence) {
        for form in [Form::Shift, Form::Drift, Form::Noise] {
            if self.told & form.bit() != 0 {
                self.peak = self.peak.max(evidence.of(form) as f32);
            }
        }
    }

    /// A fault goes on, or is over.
    fn go_on(&mut self, time: Timestamp, value: f64, z: f64, usual: Usual, out: &mut Vec<Event>) {
        self.since = self.since.saturating_add(1);
        self.mean += (z - f64::from(self.mean)) as f32 / CALM as f32;
        let last = &self.seen()[self.seen().len().saturating_sub(CALM)..];
        let count = last.len().max(1) as f64;
        let mean = last.iter().map(|z| f64::from(*z)).sum::<f64>() / count;
        let square = last.iter().map(|z| f64::from(*z) * f64::from(*z)).sum::<f64>() / count;
        let is_calm = self.since >= CALM as u32 && mean.abs() < CALM_MEAN && square < CALM_SQUARE;
        if !is_calm && self.since < self.rules.adapt {
            if self.watch.is_open() {
                self.watch.broken(time, self.rules.sight(value, usual), WORSEN_STEP, out);
            }
            return;
        }
        if !is_calm {
            self.adopt(square - mean * mean, usual);
        }
        (self.told, self.since, self.filled, self.over) = (0, 0, 0, time);
        (self.peak, self.mean) = (0.0, 0.0);
        self.watch.end(time, out);
    }

    /// What it became is the usual from here on.
    fn adopt(&mut self, variance: f64, usual: Usual) {
        self.profile.move_by(f64::from(self.mean) * usual.spread);
        if self.told & Form::Noise.bit() != 0 {
            self.profile.widen(variance.sqrt());
        }
    }

    /// Whether an episode can be open: one of its form, or a spike where no fault is told.
    fn fits(&self, told: u8) -> bool {
        if self.rules.form == Form::Spike { told == 0 } else { told & self.rules.form.bit() != 0 }
    }
}

impl Detector for Fault {
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
        put_count(out, self.seen().len());
        self.seen().iter().for_each(|z| put_single(out, *z));
        put_byte(out, self.told);
        put_count(out, self.since as usize);
        put_single(out, self.peak);
        put_single(out, self.mean);
        put_time(out, self.over);
        self.watch.put(out);
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        let mut from = Reader::new(NAME, HEAD, state)?;
        let profile = self.profile.read(&mut from)?;
        let (mut window, filled) = ([0.0; LONGEST], from.count(LONGEST)?);
        for z in &mut window[..filled] {
            *z = from.single(CUT)?;
        }
        let (told, since) = (from.byte()?, from.count(u32::MAX as usize)? as u32);
        let (peak, mean) = (from.single_to(MOST_NATS)?, from.single(FURTHEST)?);
        let (over, watch) = (from.time()?, Watch::read(&mut from)?);
        if watch.is_open() && !self.fits(told) {
            return Err(from.damaged("an episode is open of another form"));
        }
        from.end()?;
        self.mean = mean;
        (self.profile, self.window, self.over, self.watch) = (profile, window, over, watch);
        // at most as long as the window
        (self.filled, self.told, self.since, self.peak) = (filled as u8, told, since, peak);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use yiwang_model::{Phase, Quality};

    use super::*;
    use crate::cases::spec;
    use crate::noise::Noise;

    /// What an entry of this form says of noise that such a function bends from reading 300 on: phases and readings.
    fn told(form: &str, readings: i64, bend: impl Fn(f64) -> f64) -> Vec<(Phase, i64)> {
        let table: toml::Table =
            format!("params = {{ form = \"{form}\", profile = \"none\", warm_up = 100 }}").parse().unwrap();
        let spec = spec(NAME, &toml::Value::Table(table));
        let series = SeriesContext { period: Span::MINUTE, ..SeriesContext::default() };
        let mut detector = build(&spec).unwrap().make(&series);
        let (mut noise, mut said, mut out) = (Noise::new(11, 0.0), Vec::new(), Vec::new());
        for at in 0..readings {
            let value = if at < 300 { noise.next() } else { bend(noise.next()) };
            let time = Timestamp(0) + Span::MINUTE.times(at);
            detector.step(&Input::Reading(Sample { time, value, quality: Quality::Good }), &mut out);
            said.extend(out.drain(..).map(|event| match event {
                Event::Raised(_) => (Phase::Raised, at),
                Event::Worsened(_) => (Phase::Worsened, at),
                Event::Cleared(_) => (Phase::Cleared, at),
            }));
        }
        said.retain(|(phase, _)| *phase != Phase::Worsened);
        said
    }

    /// What does not go away is one episode, not one every `adapt` readings.
    #[test]
    fn what_lasts_becomes_the_usual_at_once_however_large_it_is() {
        for (form, bend) in [
            ("shift", (|z| z + 8.0) as fn(f64) -> f64),
            ("shift", |z| z + 30.0),
            ("shift", |z| z + 1e6),
            ("noise", |z| 4.0 * z),
        ] {
            let said = told(form, 3_000, bend);
            let raised = said.iter().filter(|(phase, _)| *phase == Phase::Raised).count();
            assert_eq!(raised, 1, "{form}: {said:?}");
            assert_eq!(said.last().map(|(phase, _)| *phase), Some(Phase::Cleared), "{form}: {said:?}");
        }
    }

    /// The first reading of a shift is a spike for as long as nobody knows better, and no longer.
    #[test]
    fn a_spike_ends_when_it_was_the_beginning_of_a_shift() {
        let shift = told("shift", 800, |z| z + 8.0);
        let (_, known) = shift[0];
        let spike = told("spike", 800, |z| z + 8.0);
        assert_eq!(spike[1], (Phase::Cleared, known), "{spike:?} {shift:?}");
    }
}
