//! `trend`: a rise or fall over years, as of water that gets better or worse.
//!
//! The mean of each month (of `seasons` a year) is kept for the last `years`. With each month that is over, the seasonal Mann-Kendall test (Hirsch,
//! Slack and Smith 1982) compares every month with the same months of other years only:
//!
//! > S = Σ_g Σ_{i<j} sgn(x_jg − x_ig), Z = (S − sgn S) / √Var S, p = 2·(1 − Φ(|Z|)),
//! > Var S_g = (n(n−1)(2n+5) − Σ t(t−1)(2t+5)) / 18 with ties t
//!
//! and, with `covariance`, adds to Var S = Σ Var S_g twice the covariance of months (Hirsch and Slack 1984; Dietz and Killeen 1981)
//!
//! > σ_gh = (K_gh + 4·Σ_j R_jg·R_jh − n(n_g+1)(n_h+1)) / 3, K_gh = Σ_{i<j} sgn((x_jg − x_ig)(x_jh − x_ih))
//!
//! so that a wet year does not count twelve times; R are ranks within a month, middle ranks where a value is missing. The slope is the
//! median of all (x_jg − x_ig) / (j − i) (Sen 1968; Hirsch, Slack and Smith 1982). An episode opens when p < `p` and the slope is steeper than `least`
//! spreads a year, with the spread of what month and slope do not explain (1.4826 median absolute deviations); five years at least
//! are wanted. It begins with the month that is then over and ends with the first month's end at which that is no longer so. The extreme is the slope,
//! the limit the bound, both in the metric's unit a year.
//!
//! No crate that is kept has the seasonal test; statrs would bring Φ, for which libm's erfc is enough.
//!
//! Memory: 88 bytes and 8 for each month of `years` (960 for 10), and 100 more while an episode is open.
//!
//! Saved state: head 0xf1; month's number; sum and count of its readings; time of its first; values, oldest first (option each); then as every [`Watch`].

use std::mem::size_of;
use std::sync::Arc;

use yiwang_model::{Severity, Span, Timestamp};

use crate::episode::Sight;
use crate::params::{Entry, Form, NOT_NEGATIVE, Parameter, SOURCE, WORSEN_STEP, defaulted};
use crate::profile::UTC_OFFSET;
use crate::registry::{Kind, Make};
use crate::robust::FURTHEST;
use crate::state::{Reader, put_byte, put_count, put_number, put_option, put_single, put_time, put_whole};
use crate::watch::Watch;
use crate::years::{SEASONS, part_of_year, read_seasons};
use crate::{Detector, Error, Event, Input, Prototype, Sample, SeriesContext, Spec};

mod kendall;

use kendall::{Table, Trend};

const NAME: &str = "trend";
const HEAD: u8 = 0xf1;
const _: () = assert!(size_of::<Line>() <= 88);

pub(crate) const KIND: Kind = Kind {
    name: NAME,
    zh: "长期趋势：多年来显著上升或下降",
    en: "a significant rise or fall over years",
    unit: "the metric's unit a year",
    params: PARAMS,
    needs_limits: false,
    make: Make::Series(build),
};

const PARAMS: &[Parameter] = &[
    SEASONS,
    defaulted("years", Form::Number { least: 5.0, most: 20.0 }, "10", "years that are looked at"),
    defaulted(
        "p",
        Form::Number { least: 1e-9, most: 0.5 },
        "0.01",
        "probability by chance below which a trend is one, both sides together",
    ),
    defaulted("least", NOT_NEGATIVE, "0.1", "slope that is told, in spreads of the series a year"),
    defaulted("direction", Form::Word(&["both", "rising", "falling"]), "both", "which trend is told"),
    defaulted("covariance", Form::Flag, "true", "whether months of a year are taken to go together"),
    UTC_OFFSET,
    SOURCE,
];

struct Rules {
    seasons: usize,
    years: usize,
    p: f64,
    least: f64,
    rising: bool,
    falling: bool,
    covariance: bool,
    offset: Span,
    source: Arc<str>,
    severity: Severity,
}

impl Rules {
    fn sight(&self, trend: Trend) -> Option<Sight> {
        let Trend { p, slope, spread } = trend;
        let told = if slope > 0.0 { self.rising } else { self.falling };
        let bound = self.least * spread;
        (told && p < self.p && slope.abs() > bound).then(|| Sight {
            value: slope,
            badness: slope.abs(),
            limit: Some(bound.copysign(slope)),
            edition: Arc::clone(&self.source),
            severity: self.severity,
        })
    }
}

struct Prepared(Arc<Rules>);

impl Prototype for Prepared {
    fn make(&self, _: &SeriesContext) -> Box<dyn Detector> {
        Box::new(Line {
            rules: Arc::clone(&self.0),
            month: i64::MIN,
            begin: Timestamp(0),
            sum: 0.0,
            readings: 0,
            values: vec![None; self.0.seasons * self.0.years].into(),
            watch: Watch::default(),
        })
    }
}

fn build(spec: &Spec) -> Result<Box<dyn Prototype>, Vec<Error>> {
    let mut entry = Entry::new(spec, PARAMS);
    let direction = entry.word("direction").unwrap_or("both");
    let rules = Rules {
        seasons: read_seasons(&mut entry),
        years: entry.count("years").unwrap_or(5),
        p: entry.number("p").unwrap_or_default(),
        least: entry.number("least").unwrap_or(f64::MAX),
        rising: direction != "falling",
        falling: direction != "rising",
        covariance: entry.flag("covariance"),
        offset: Span((entry.number("utc_offset").unwrap_or_default() * Span::HOUR.0 as f64) as i64),
        source: entry.source(),
        severity: spec.severity,
    };
    entry.finish(Box::new(Prepared(Arc::new(rules))))
}

struct Line {
    rules: Arc<Rules>,
    /// The month that is read; none before the first reading.
    month: i64,
    begin: Timestamp,
    sum: f64,
    readings: u32,
    /// Of the months before, the newest last.
    values: Box<[Option<f32>]>,
    watch: Watch,
}

impl Line {
    fn reading(&mut self, Sample { time, value, .. }: Sample, out: &mut Vec<Event>) {
        let month = part_of_year(time, self.rules.offset, self.rules.seasons);
        if month != self.month {
            self.close(month, time, out);
        }
        self.sum = (self.sum + value).clamp(f64::MIN, f64::MAX);
        self.readings = self.readings.saturating_add(1);
    }

    /// The month is over: it joins those before, and the trend is looked at.
    fn close(&mut self, month: i64, time: Timestamp, out: &mut Vec<Event>) {
        if self.readings > 0 {
            let mean = (self.sum / f64::from(self.readings)).clamp(-FURTHEST, FURTHEST);
            self.push(Some(mean as f32));
            self.judge(out);
            let skipped = month.saturating_sub(self.month).saturating_sub(1);
            (0..skipped.clamp(0, self.values.len() as i64)).for_each(|_| self.push(None));
        }
        (self.month, self.begin, self.sum, self.readings) = (month, time, 0.0, 0);
    }

    fn push(&mut self, value: Option<f32>) {
        self.values.rotate_left(1);
        *self.values.last_mut().expect("there are five years or more") = value;
    }

    fn judge(&mut self, out: &mut Vec<Event>) {
        let Rules { seasons, years, covariance, .. } = *self.rules;
        let values: Vec<Option<f64>> = self.values.iter().map(|value| value.map(f64::from)).collect();
        let trend = Table { values: &values, seasons, years }.trend(covariance);
        match trend.and_then(|trend| self.rules.sight(trend)) {
            Some(sight) => {
                let step = WORSEN_STEP * sight.badness;
                self.watch.broken(self.begin, sight, step, out);
            }
            None => self.watch.kept(self.begin, 1, out),
        }
    }
}

impl Detector for Line {
    fn step(&mut self, input: &Input, out: &mut Vec<Event>) {
        if let Input::Reading(sample) = input
            && sample.is_judged()
        {
            self.reading(*sample, out);
        }
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        put_byte(out, HEAD);
        put_whole(out, self.month);
        put_number(out, self.sum);
        put_count(out, self.readings as usize);
        put_time(out, self.begin);
        self.values.iter().for_each(|value| put_option(out, *value, put_single));
        self.watch.put(out);
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        let mut from = Reader::new(NAME, HEAD, state)?;
        let (month, sum) = (from.whole()?, from.number()?);
        let readings = from.count(u32::MAX as usize)? as u32;
        let begin = from.time()?;
        let mut values = self.values.clone();
        for value in &mut values {
            *value = from.option(|from| from.single(FURTHEST))?;
        }
        let watch = Watch::read(&mut from)?;
        from.end()?;
        (self.month, self.sum, self.readings, self.begin) = (month, sum, readings, begin);
        (self.values, self.watch) = (values, watch);
        Ok(())
    }
}
