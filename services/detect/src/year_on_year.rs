//! `year_on_year`: an economic figure that is not what a year before and the changes since let expect.
//!
//! A figure x of a month or quarter is compared with that of the same part of the year before, y: c = 100·(x / y − 1) in percent, or c = x − y. The
//! forecast of c is the median m of the changes of the last year, three at least; its errors e = c − m so far have a spread s = 1.4826·median |e| (Hampel
//! 1974), so that one bad year does not widen it. The interval of the forecast is m ± `k`·max(s, `min_scale`), and the episode is a figure
//! outside: at least eight errors are wanted. Where the catalogue says what change is `usual`, the first change is judged already: until there are three
//! changes and eight errors, the missing ones are taken to be `usual` and foreseen. So the figures of a few years are
//! judged by what is ordinary for such series, and one wrong figure among them hides no other. A seasonal naive forecast with drift is what such figures are measured by (Hyndman and
//! Athanasopoulos 2021, 5.2); augurs' ETS fits a stored series and asks for more years than a city's figures have.
//!
//! A figure is seen once, as it was published: revisions are replays, and nothing of a later vintage is known to it. The first figure of a part of a
//! year counts. A wrong figure is told again a year later, when the next is compared with it. An episode begins with a figure outside and ends with the first one inside. The extreme is the figure furthest
//! out, the limit the end of its interval, both in the metric's unit.
//!
//! Memory: 120 bytes, 16 for each of `seasons` (192), 4 for each of as many changes and of 40 errors (208), and 100 more while an episode is
//! open.
//!
//! Saved state: head 0x19; newest part's number; figures (count, each: part's number, value); changes, errors (count, each), oldest first; then as
//! every [`Watch`].

use std::mem::size_of;
use std::sync::Arc;

use yiwang_model::Span;

use crate::episode::Sight;
use crate::params::{
    CRITICAL_AT, Entry, Form, Grades, NOT_NEGATIVE, POSITIVE, Parameter, SERIOUS_AT, SOURCE, WORSEN_STEP,
    defaulted, optional,
};
use crate::profile::UTC_OFFSET;
use crate::registry::{Kind, Make};
use crate::robust::{FURTHEST, median, spread_about};
use crate::state::{Reader, put_byte, put_count, put_number, put_single, put_whole};
use crate::watch::Watch;
use crate::years::{SEASONS, part_of_year, read_seasons};
use crate::{Detector, Error, Event, Input, Prototype, Sample, SeriesContext, Spec};

const NAME: &str = "year_on_year";
const HEAD: u8 = 0x19;
const _: () = assert!(size_of::<YearOnYear>() <= 120);

/// Errors that are kept, and those that are wanted.
const MOST_ERRORS: usize = 40;
const LEAST_ERRORS: usize = 8;
/// Changes of which one alone does not rule.
const LEAST_CHANGES: usize = 3;

pub(crate) const KIND: Kind = Kind {
    name: NAME,
    zh: "同比异常：与上年同期相比超出预测区间",
    en: "a figure outside the forecast from the year before",
    unit: "the metric's unit",
    params: PARAMS,
    needs_limits: false,
    make: Make::Series(build),
};

const PARAMS: &[Parameter] = &[
    SEASONS,
    defaulted(
        "change",
        Form::Word(&["percent", "difference"]),
        "percent",
        "how a figure is compared with the year before",
    ),
    defaulted("k", POSITIVE, "4", "spreads of the errors of forecasts that a change may be off"),
    defaulted(
        "min_scale",
        NOT_NEGATIVE,
        "0.5",
        "least such spread, in percentage points or in the metric's unit",
    ),
    optional(
        "usual",
        Form::Number { least: -FURTHEST, most: FURTHEST },
        "change that is expected of such series, in percent or in the metric's unit; with it the first change is judged",
    ),
    UTC_OFFSET,
    SOURCE,
    SERIOUS_AT,
    CRITICAL_AT,
];

struct Rules {
    seasons: usize,
    percent: bool,
    usual: Option<f64>,
    k: f64,
    min_scale: f64,
    offset: Span,
    source: Arc<str>,
    grades: Grades,
}

impl Rules {
    /// How many changes are kept: those of a year, and so many that one alone does not rule.
    fn changes(&self) -> usize {
        self.seasons.max(LEAST_CHANGES)
    }

    fn change(&self, before: f64, value: f64) -> Option<f64> {
        let change = if self.percent { 100.0 * (value / before - 1.0) } else { value - before };
        let is_one = change.is_finite() && (!self.percent || before > 0.0);
        is_one.then(|| change.clamp(-FURTHEST, FURTHEST))
    }

    /// The figure of which this is the change.
    fn figure(&self, before: f64, change: f64) -> f64 {
        let figure = if self.percent { before * (1.0 + change / 100.0) } else { before + change };
        figure.clamp(f64::MIN, f64::MAX)
    }
}

struct Prepared(Arc<Rules>);

impl Prototype for Prepared {
    fn make(&self, _: &SeriesContext) -> Box<dyn Detector> {
        Box::new(YearOnYear {
            rules: Arc::clone(&self.0),
            newest: i64::MIN,
            figures: Vec::new(),
            changes: Vec::new(),
            errors: Vec::new(),
            watch: Watch::default(),
        })
    }
}

fn build(spec: &Spec) -> Result<Box<dyn Prototype>, Vec<Error>> {
    let mut entry = Entry::new(spec, PARAMS);
    let rules = Rules {
        seasons: read_seasons(&mut entry),
        percent: entry.word("change") == Some("percent"),
        usual: entry.number("usual"),
        k: entry.number("k").unwrap_or(f64::MAX),
        min_scale: entry.number("min_scale").unwrap_or(f64::MAX),
        offset: Span((entry.number("utc_offset").unwrap_or_default() * Span::HOUR.0 as f64) as i64),
        source: entry.source(),
        grades: entry.grades(),
    };
    entry.finish(Box::new(Prepared(Arc::new(rules))))
}

struct YearOnYear {
    rules: Arc<Rules>,
    newest: i64,
    /// The last ones, with the numbers of their parts of years, oldest first.
    figures: Vec<(i64, f64)>,
    changes: Vec<f32>,
    errors: Vec<f32>,
    watch: Watch,
}

/// Keeps the newest.
fn push<T>(all: &mut Vec<T>, most: usize, new: T) {
    if all.len() >= most {
        all.remove(0);
    }
    all.push(new);
}

/// At least so many numbers, with this one for those that are missing.
fn filled(numbers: &[f32], least: usize, missing: Option<f64>) -> Vec<f64> {
    let mut filled: Vec<f64> = numbers.iter().map(|number| f64::from(*number)).collect();
    if let Some(missing) = missing {
        filled.resize(filled.len().max(least), missing);
    }
    filled
}

impl YearOnYear {
    fn figure(&mut self, sample: Sample, out: &mut Vec<Event>) {
        let seasons = self.rules.seasons;
        let part = part_of_year(sample.time, self.rules.offset, seasons);
        if part <= self.newest {
            return;
        }
        self.newest = part;
        let year_before = part - seasons as i64;
        let before = self.figures.iter().find(|(part, _)| *part == year_before).map(|(_, value)| *value);
        push(&mut self.figures, seasons, (part, sample.value));
        let Some(before) = before else { return };
        let Some(change) = self.rules.change(before, sample.value) else { return };
        self.judge(sample, before, change, out);
        if let Some(forecast) = self.forecast() {
            push(&mut self.errors, MOST_ERRORS, (change - forecast).clamp(-FURTHEST, FURTHEST) as f32);
        }
        push(&mut self.changes, self.rules.changes(), change as f32);
    }

    /// The change that is expected.
    fn forecast(&self) -> Option<f64> {
        median(&mut filled(&self.changes, LEAST_CHANGES, self.rules.usual))
    }

    /// The spread of the errors of forecasts; `None` while there are too few.
    fn spread(&self) -> Option<f64> {
        let errors = filled(&self.errors, LEAST_ERRORS, self.rules.usual.map(|_| 0.0));
        let spread = || spread_about(0.0, &errors).max(self.rules.min_scale).max(f64::MIN_POSITIVE);
        (errors.len() >= LEAST_ERRORS).then(spread)
    }

    fn judge(&mut self, Sample { time, value, .. }: Sample, before: f64, change: f64, out: &mut Vec<Event>) {
        let Some((forecast, spread)) = self.forecast().zip(self.spread()) else { return };
        let bound = (self.rules.k * spread).min(FURTHEST);
        let multiple = (change - forecast).abs() / bound;
        if multiple <= 1.0 {
            return self.watch.kept(time, 1, out);
        }
        let limit = self.rules.figure(before, forecast + bound.copysign(change - forecast));
        let sight = Sight {
            value,
            badness: multiple.min(f64::MAX),
            limit: Some(limit),
            edition: Arc::clone(&self.rules.source),
            severity: self.rules.grades.grade(|times| multiple >= times),
        };
        self.watch.broken(time, sight, WORSEN_STEP, out);
    }
}

impl Detector for YearOnYear {
    fn step(&mut self, input: &Input, out: &mut Vec<Event>) {
        if let Input::Reading(sample) = input
            && sample.is_judged()
        {
            self.figure(*sample, out);
        }
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        put_byte(out, HEAD);
        put_whole(out, self.newest);
        put_count(out, self.figures.len());
        for (part, value) in &self.figures {
            put_whole(out, *part);
            put_number(out, *value);
        }
        for numbers in [&self.changes, &self.errors] {
            put_count(out, numbers.len());
            numbers.iter().for_each(|number| put_single(out, *number));
        }
        self.watch.put(out);
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        let mut from = Reader::new(NAME, HEAD, state)?;
        let newest = from.whole()?;
        let count = from.count(self.rules.seasons)?;
        let figure = |from: &mut Reader<'_>| Ok((from.whole()?, from.number()?));
        let figures = (0..count).map(|_| figure(&mut from)).collect::<Result<_, Error>>()?;
        let numbers = |from: &mut Reader<'_>, most| {
            let count = from.count(most)?;
            (0..count).map(|_| from.single(FURTHEST)).collect::<Result<Vec<f32>, Error>>()
        };
        let changes = numbers(&mut from, self.rules.changes())?;
        let errors = numbers(&mut from, MOST_ERRORS)?;
        let watch = Watch::read(&mut from)?;
        from.end()?;
        (self.newest, self.figures, self.changes, self.errors) = (newest, figures, changes, errors);
        self.watch = watch;
        Ok(())
    }
}
