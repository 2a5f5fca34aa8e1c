//! `ensemble`: strange values of any kind, by six witnesses that know nothing of the unit.
//!
//! | witness | what it measures |
//! |---|---|
//! | range | how far the value lies beyond all so far, as a share of their range |
//! | forecast | mean error of the last `error_readings` against hour of the day and the last values, in standard deviations of such means |
//! | level | mean of the last `level_readings`, in standard deviations of such means |
//! | rank | the same over `rank_readings`, of the value's rank among 64 of the past |
//! | roughness | the same over `rough_readings`, of the logarithm of the mean step: too still, or too rough |
//! | jump | distance from the last values, in typical distances |
//!
//! A measure is divided by that witness' bar, and the largest quotient q speaks: the score is q / (1 + q), so that 0.5 is the
//! alarm. The bars are those of the entry; with `false_per_day` each is the measure that this series, as far as it is known, exceeds so often
//! a day, shared out evenly among the witnesses: the common scale of [`Tail`], on which measures of all witnesses can be compared and a
//! threshold has its price. Until a witness' tail is known its bar is that of the entry. Means are compared only with means that ended before they began. After an alarm the series rests for `rest` readings, in
//! which all is learnt and nothing is said, and the entry's bars rise by `fatigue`, which fades over `fade` readings: a noisy series
//! quietens itself. An episode opens at the first alarm, worsens by tenths of the bar, and ends at the first of `calm` readings in a row
//! that raise none. The extreme is the value that was furthest out; the edition names the witness. Readings older than the last are left
//! out, corrections too.
//!
//! The set of witnesses was chosen on the Numenta Anomaly Benchmark, as DETECTION.md says with its figures. Ranks and rests after
//! an alarm are as old as alarms are; likelihoods of errors of a forecast by Ahmad et al. (Neurocomputing 262, 2017), range and rest
//! by the same benchmark's leaders.
//!
//! Memory: at most 4 KiB a series with the defaults.
//!
//! Saved state: head 0x82; newest time (option); score; readings to rest; fatigue; the witnesses; their tails; then as every [`Watch`].

use std::sync::Arc;

use yiwang_model::{Span, Timestamp};

use crate::episode::Sight;
use crate::params::{
    CRITICAL_AT, Entry, Form, Grades, POSITIVE, Parameter, SERIOUS_AT, SOURCE, WORSEN_STEP, defaulted,
    optional,
};
use crate::registry::{Kind, Make};
use crate::state::{Reader, put_byte, put_count, put_number, put_option, put_time};
use crate::tail::Tail;
use crate::watch::Watch;
use crate::{Detector, Error, Event, Input, Prototype, Sample, SeriesContext, Spec, Witness};

mod history;
mod witness;

use witness::{COUNT, NAMES, Witnesses};

const NAME: &str = "ensemble";
const HEAD: u8 = 0x82;
/// Values further out are taken as if they were there: their squares are still numbers.
const FURTHEST: f64 = 1e100;
/// A bar that a tail sets is not below: what never moved has a tail without width.
const LEAST_BAR: f64 = 1e-6;
/// Bars are raised to no more than so many times themselves.
const MOST_FATIGUE: f64 = 1e3;

pub(crate) const KIND: Kind = Kind {
    name: NAME,
    zh: "综合异常：六个见证中最强的一个",
    en: "anything strange, by the loudest of six witnesses",
    unit: "the metric's unit",
    params: PARAMS,
    needs_limits: false,
    make: Make::Series(build),
};

/// A number of readings that are kept.
const WINDOW: Form = Form::Number { least: 2.0, most: 255.0 };
/// A weight of the newest.
const WEIGHT: Form = Form::Number { least: f64::MIN_POSITIVE, most: 1.0 };
/// A number of readings that are counted.
const READINGS: Form = Form::Number { least: 1.0, most: 1e9 };

const PARAMS: &[Parameter] = &[
    defaulted("warm_up", READINGS, "180", "readings that are learnt before any is judged"),
    defaulted("range_bar", POSITIVE, "0.026", "share of the range"),
    defaulted("forecast_bar", POSITIVE, "8.5", "standard deviations"),
    defaulted("level_bar", POSITIVE, "2.6", "standard deviations"),
    defaulted("rank_bar", POSITIVE, "3.4", "standard deviations"),
    defaulted("roughness_bar", POSITIVE, "3.3", "standard deviations"),
    defaulted("jump_bar", POSITIVE, "84", "typical distances"),
    optional("false_per_day", POSITIVE, "false alarms a day that one series may cost; it sets the bars"),
    defaulted("rest", READINGS, "33", "readings after an alarm in which nothing is said"),
    defaulted(
        "fatigue",
        Form::Number { least: 0.0, most: 10.0 },
        "0.15",
        "share by which an alarm raises the bars of the entry",
    ),
    defaulted("fade", READINGS, "5700", "readings over which fatigue fades to a third"),
    defaulted(
        "calm",
        Form::Number { least: 1.0, most: 255.0 },
        "33",
        "readings without an alarm that end an episode",
    ),
    defaulted("error_readings", WINDOW, "14", "readings of a mean error"),
    defaulted("level_readings", WINDOW, "24", "readings of a level"),
    defaulted("rank_readings", WINDOW, "55", "readings of a mean rank"),
    defaulted("rough_readings", WINDOW, "50", "readings of a mean step"),
    defaulted("keep_every", READINGS, "8", "of so many readings one is kept to rank others"),
    defaulted("memory", READINGS, "23000", "readings over which histories fade to a third"),
    defaulted("slow", WEIGHT, "0.034", "least weight of a reading in its hour of the day"),
    defaulted("quick", WEIGHT, "0.028", "weight of a reading in what the last had beyond their hours"),
    defaulted("quick_jump", WEIGHT, "0.049", "weight of a reading in where the last were"),
    defaulted("jump_clip", POSITIVE, "16", "typical distances beyond which none is learnt"),
    SOURCE,
    SERIOUS_AT,
    CRITICAL_AT,
];

/// What an entry says, as the witnesses need it.
struct Rules {
    warm_up: u64,
    bars: [f64; COUNT],
    /// Of each witness.
    false_per_day: Option<f64>,
    rest: u64,
    fatigue: f64,
    fade: f64,
    calm: u8,
    error_readings: usize,
    level_readings: usize,
    rank_readings: usize,
    rough_readings: usize,
    keep_every: u64,
    memory: f64,
    slow: f64,
    quick: f64,
    quick_jump: f64,
    jump_clip: f64,
    /// By witness, as an order quotes it.
    sources: [Arc<str>; COUNT],
    grades: Grades,
}

struct Prepared(Arc<Rules>);

impl Prototype for Prepared {
    fn make(&self, series: &SeriesContext) -> Box<dyn Detector> {
        Box::new(Ensemble {
            a_day: Span::DAY.0 as f64 / series.period.0.max(1) as f64,
            tails: [Tail::default(); COUNT],
            newest: None,
            score: 0.0,
            resting: 0,
            fatigue: 0.0,
            witnesses: Witnesses::new(&self.0),
            watch: Watch::default(),
            said: [[0.0, 1.0]; COUNT],
            rules: Arc::clone(&self.0),
        })
    }
}

fn build(spec: &Spec) -> Result<Box<dyn Prototype>, Vec<Error>> {
    let mut entry = Entry::new(spec, PARAMS);
    let source = entry.source();
    let false_per_day = entry.number("false_per_day").map(|times| times / COUNT as f64);
    let mut number = |key: &str| entry.number(key).unwrap_or(1.0);
    let whole = |number: f64| number.round() as u64;
    let bars = ["range_bar", "forecast_bar", "level_bar", "rank_bar", "roughness_bar", "jump_bar"];
    let mut rules = Rules {
        warm_up: whole(number("warm_up")),
        bars: bars.map(&mut number),
        false_per_day,
        rest: whole(number("rest")),
        fatigue: number("fatigue"),
        fade: number("fade"),
        keep_every: whole(number("keep_every")),
        memory: number("memory"),
        slow: number("slow"),
        quick: number("quick"),
        quick_jump: number("quick_jump"),
        jump_clip: number("jump_clip"),
        calm: 1,
        error_readings: 2,
        level_readings: 2,
        rank_readings: 2,
        rough_readings: 2,
        sources: NAMES.map(|witness| format!("{source}: {witness}").into()),
        grades: entry.grades(),
    };
    rules.calm = entry.small("calm");
    for (key, readings) in [
        ("error_readings", &mut rules.error_readings),
        ("level_readings", &mut rules.level_readings),
        ("rank_readings", &mut rules.rank_readings),
        ("rough_readings", &mut rules.rough_readings),
    ] {
        *readings = entry.count(key).unwrap_or(2);
    }
    entry.finish(Box::new(Prepared(Arc::new(rules))))
}

struct Ensemble {
    /// Readings of a day.
    a_day: f64,
    /// How often each witness measures how much.
    tails: [Tail; COUNT],
    newest: Option<Timestamp>,
    /// Of the last reading.
    score: f64,
    /// Readings for which it still rests.
    resting: u64,
    /// By how much the bars are raised, as a share of them.
    fatigue: f64,
    witnesses: Witnesses,
    watch: Watch,
    /// What each witness measured of the last reading that could be an alarm, and its bar; for explanations, and not saved.
    said: [[f32; 2]; COUNT],
    rules: Arc<Rules>,
}

impl Ensemble {
    /// What each witness has to measure for an alarm to cost what is asked for, of those whose tails are known.
    fn priced(&self) -> [Option<f64>; COUNT] {
        let Some(times) = self.rules.false_per_day else { return [None; COUNT] };
        let bar = |at: usize| self.tails[at].costing(times, self.a_day).map(|bar| bar.max(LEAST_BAR));
        std::array::from_fn(bar)
    }

    /// What each witness has to measure now for an alarm.
    fn bars(&self, priced: &[Option<f64>; COUNT]) -> [f64; COUNT] {
        let tired = self.rules.bars.map(|bar| bar * (1.0 + self.fatigue));
        std::array::from_fn(|at| priced[at].unwrap_or(tired[at]))
    }

    fn reading(&mut self, sample: &Sample, out: &mut Vec<Event>) {
        self.score = 0.0;
        if self.newest > Some(sample.time) {
            return;
        }
        self.newest = Some(sample.time);
        match self.alarm(sample) {
            Some(sight) => self.watch.broken(sample.time, sight, WORSEN_STEP, out),
            None => self.watch.kept(sample.time, self.rules.calm, out),
        }
    }

    /// Scores a reading; what is seen of it when that is an alarm.
    fn alarm(&mut self, sample: &Sample) -> Option<Sight> {
        let rules = &self.rules;
        let value = sample.value.clamp(-FURTHEST, FURTHEST);
        let measures = self.witnesses.see(sample.time, value, rules);
        self.fatigue -= self.fatigue / rules.fade;
        if self.witnesses.seen() <= rules.warm_up {
            return None;
        }
        let priced = self.priced();
        let bars = self.bars(&priced);
        self.tails.iter_mut().zip(&measures).for_each(|(tail, measure)| tail.see(*measure, rules.rest));
        if self.resting > 0 {
            self.resting -= 1;
            return None;
        }
        let (loudest, quotient) = loudest(&measures, &bars);
        for (said, (measure, bar)) in self.said.iter_mut().zip(measures.iter().zip(&bars)) {
            *said = [*measure as f32, *bar as f32];
        }
        self.score = quotient / (1.0 + quotient);
        if quotient < 1.0 {
            return None;
        }
        self.resting = rules.rest;
        // A bar that says what it costs is not raised, nor are others for its sake.
        if priced[loudest].is_none() {
            self.fatigue = (self.fatigue + rules.fatigue * (1.0 + self.fatigue)).min(MOST_FATIGUE);
        }
        Some(Sight {
            value: sample.value,
            badness: quotient,
            limit: None,
            edition: Arc::clone(&rules.sources[loudest]),
            severity: rules.grades.grade(|times| quotient >= times),
        })
    }
}

/// The witness with the largest share of its bar, the first of equals, and that share.
fn loudest(measures: &[f64; COUNT], bars: &[f64; COUNT]) -> (usize, f64) {
    let share = |(measure, bar): (&f64, &f64)| (measure / bar).min(f64::MAX);
    let quotients = measures.iter().zip(bars).map(share).enumerate();
    quotients.fold((0, 0.0), |most, quotient| if quotient.1 > most.1 { quotient } else { most })
}

impl Detector for Ensemble {
    fn step(&mut self, input: &Input, out: &mut Vec<Event>) {
        if let Input::Reading(sample) = input
            && sample.is_judged()
        {
            self.reading(sample, out);
        }
    }

    fn score(&self) -> Option<f64> {
        Some(self.score)
    }

    fn witnesses(&self) -> Vec<Witness> {
        let witness = |at: usize| {
            let [measure, bar] = self.said[at].map(f64::from);
            let a_day = self.tails[at].times(measure, self.a_day);
            Witness { name: NAMES[at], share: measure / bar, a_day }
        };
        (0..COUNT).map(witness).collect()
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        put_byte(out, HEAD);
        put_option(out, self.newest, put_time);
        put_number(out, self.score);
        put_count(out, usize::try_from(self.resting).unwrap_or(usize::MAX));
        put_number(out, self.fatigue);
        self.witnesses.put(out);
        self.tails.iter().for_each(|tail| tail.put(out));
        self.watch.put(out);
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        let mut from = Reader::new(NAME, HEAD, state)?;
        let newest = from.option(Reader::time)?;
        let score = from.number()?;
        let resting = from.count(usize::MAX >> 1)? as u64;
        let fatigue = from.number()?.clamp(0.0, MOST_FATIGUE);
        let witnesses = Witnesses::read(&mut from, &self.rules)?;
        let mut tails = [Tail::default(); COUNT];
        for tail in &mut tails {
            *tail = Tail::read(&mut from)?;
        }
        let watch = Watch::read(&mut from)?;
        from.end()?;
        (self.newest, self.score, self.resting, self.fatigue) = (newest, score, resting, fatigue);
        (self.witnesses, self.tails, self.watch) = (witnesses, tails, watch);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use yiwang_model::{Quality, Severity, Span};

    use super::*;

    /// What a series remembers is all in what it saves; empty boxes and counts add less than what is left here.
    #[test]
    fn a_series_remembers_less_than_4_kib() {
        let spec = Spec {
            name: NAME.into(),
            kind: NAME.to_owned(),
            severity: Severity::Warning,
            params: Default::default(),
            limits: [].into(),
        };
        let mut detector = build(&spec).unwrap().make(&SeriesContext::default());
        let mut said = Vec::new();
        for at in 0..2_000_i64 {
            let (time, value) = (Timestamp(0) + Span::MINUTE.times(at), f64::from((at * at % 97) as i32));
            detector.step(&Input::Reading(Sample { time, value, quality: Quality::Good }), &mut said);
        }
        let mut state = Vec::new();
        detector.snapshot(&mut state);
        assert!((3_000..3_800).contains(&state.len()), "{} bytes", state.len());
    }

    fn spec_of(params: &str) -> Spec {
        let table: toml::Table = format!("params = {params}").parse().unwrap();
        crate::cases::spec(NAME, &toml::Value::Table(table))
    }

    /// How many readings of white noise, a minute apart, are an alarm.
    fn alarms_of_noise(detector: &mut dyn Detector, readings: i64) -> usize {
        let (mut noise, mut said) = (crate::noise::Noise::new(5, 0.0), Vec::new());
        let mut is_alarm = |at: i64| {
            let time = Timestamp(0) + Span::MINUTE.times(at);
            let sample = Sample { time, value: noise.next(), quality: Quality::Good };
            detector.step(&Input::Reading(sample), &mut said);
            detector.score() >= Some(0.5)
        };
        (0..readings).filter(|at| is_alarm(*at)).count()
    }

    /// Tired without end the bars would grow past all numbers, and the state would be refused at the next start.
    #[test]
    fn a_series_of_many_alarms_is_not_tired_beyond_measure() {
        let spec = spec_of("{ fatigue = 10, fade = 1e9, warm_up = 20, rest = 1, false_per_day = 1400 }");
        let mut detector =
            build(&spec).unwrap().make(&SeriesContext { period: Span::MINUTE, ..SeriesContext::default() });
        assert!(alarms_of_noise(&mut *detector, 60_000) > 320);
        let mut state = Vec::new();
        detector.snapshot(&mut state);
        let mut again = build(&spec).unwrap().make(&SeriesContext::default());
        again.restore(&state).expect("its own state");
    }
}
