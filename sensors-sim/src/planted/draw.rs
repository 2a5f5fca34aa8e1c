//! Plans by dice: ChaCha8 from a seed, the same plan on every machine.
//!
//! [`faults`] draws so many faults of each kind, and as many look-alikes as faults. Nothing begins in the warm-up, and what is planted
//! in one series keeps half a day from the next. [`causes()`] draws twenty causes of six kinds: six overlap in time, one of each kind; two
//! take down both gateways of one station; and the plume of the six passes through the region of its gateway.

mod causes;

use anyhow::{anyhow, bail};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use yiwang_catalogue::StationKind;
use yiwang_model::{Span, Timestamp};

use super::WARM_UP;
use super::kind::{Class, Kind};
use super::plan::{Line, Plan};
use super::plant::{Life, is_of_series, resolve};
use super::signal::Signals;
use super::survey::{PERIOD, Survey};
use crate::city::fault::When;

/// How much of a plan is drawn.
#[derive(Clone, Debug)]
pub struct Options {
    /// Of which city, and which plan of it.
    pub seed: u64,
    /// How many series the city has.
    pub series: usize,
    /// Midnight of its first day.
    pub begin: Timestamp,
    /// How many days.
    pub days: u32,
    /// How many faults of each kind.
    pub each: usize,
    /// How many times the usual the faults are: each takes one of these, evenly.
    pub factors: Vec<f64>,
}

/// What lies between two things in one series.
const APART: Span = Span::HOUR.times(12);
/// How often a place is looked for.
const TRIES: usize = 20_000;
/// Of so many look-alikes one is a front, and one a regional event; the others are of one series.
const AREAS: usize = 20;

/// Draws faults and look-alikes.
///
/// # Errors
/// The city is too small or too short for them.
pub fn faults(options: &Options) -> anyhow::Result<Plan> {
    let mut drawing = Drawing::new(options)?;
    let total = options.each * Kind::all(Class::Fault).count();
    let areas = total / AREAS;
    let odd = drawing.odd_days();
    let each = (total - 2 * areas) / if odd.is_empty() { 2 } else { 3 };
    (0..areas).try_for_each(|_| drawing.area(Kind::Front).and_then(|()| drawing.area(Kind::Event)))?;
    if !odd.is_empty() {
        (0..each).try_for_each(|_| drawing.series(Kind::Holiday, 1.0))?;
    }
    for at in 0..options.each {
        let factor = options.factors[at % options.factors.len()];
        Kind::all(Class::Fault).try_for_each(|kind| drawing.series(kind, factor))?;
    }
    (0..each).try_for_each(|_| drawing.series(Kind::Calibration, 1.0))?;
    while drawing.quiet() < total {
        drawing.series(Kind::Maintenance, 1.0)?;
    }
    Ok(drawing.finish())
}

pub use causes::causes;

struct Drawing<'a> {
    options: &'a Options,
    dice: ChaCha8Rng,
    survey: Survey,
    signals: Signals,
    life: Life,
    plan: Plan,
    /// What is taken of each series.
    taken: Vec<Vec<(Timestamp, Timestamp)>>,
}

impl<'a> Drawing<'a> {
    fn new(options: &'a Options) -> anyhow::Result<Self> {
        let life = Life { begin: options.begin, days: options.days };
        if life.begin + WARM_UP + Span::DAY >= life.end() {
            bail!("--days is {}; wanted are at least 9, of which the first 7 have no faults", options.days);
        }
        if options.factors.is_empty() || options.factors.iter().any(|factor| !(0.01..=100.0).contains(factor))
        {
            bail!("--factor is {:?}; wanted are numbers from 0.01 to 100", options.factors);
        }
        let survey = Survey::of(options.seed, options.series);
        let signals = Signals::new(options.seed, life.begin, life.days);
        let taken = vec![Vec::new(); survey.members.len()];
        let dice = ChaCha8Rng::seed_from_u64(options.seed);
        Ok(Self { options, dice, survey, signals, life, plan: Plan::default(), taken })
    }

    fn quiet(&self) -> usize {
        self.plan.lines.iter().filter(|line| line.kind.class() == Class::Quiet).count()
    }

    /// By begin, so that a plan reads as the city lives.
    fn finish(mut self) -> Plan {
        self.plan.lines.sort_by_key(|line| line.begin.at(self.life.begin));
        (2..).zip(&mut self.plan.lines).for_each(|(at, line)| line.line = at);
        self.plan
    }

    /// Days behind the warm-up that the statutory calendar moves.
    fn odd_days(&self) -> Vec<Span> {
        let days = (WARM_UP.0 / Span::DAY.0..self.options.days.into()).map(|day| Span::DAY.times(day));
        days.filter(|day| self.signals.is_odd(self.life.begin + *day)).collect()
    }

    /// Something in one series that suits it, at a time when it is free.
    fn series(&mut self, kind: Kind, factor: f64) -> anyhow::Result<()> {
        let odd = self.odd_days();
        let (readings, size) = kind.scaled(factor);
        for _ in 0..TRIES {
            let at = self.dice.random_range(0..self.survey.members.len());
            let member = &self.survey.members[at];
            let target = format!("{}/{}", self.survey.place_of(member).id, member.recipe.metric);
            let lasts = member.period().times(readings.into());
            let Some(begin) = self.begin(kind, lasts, &odd) else { continue };
            if self.put(Line { line: 0, kind, target, begin: When::After(begin), readings, size }) {
                return Ok(());
            }
        }
        Err(anyhow!(
            "no place was found for a {}; wanted are more series, more days or fewer faults",
            kind.word()
        ))
    }

    /// A front or an event somewhere.
    fn area(&mut self, kind: Kind) -> anyhow::Result<()> {
        for _ in 0..TRIES {
            let target = self.somewhere(kind)?;
            let Some(begin) = self.begin(kind, PERIOD.times(kind.readings().into()), &[]) else { continue };
            let (readings, size) = kind.scaled(1.0);
            if self.put(Line { line: 0, kind, target, begin: When::After(begin), readings, size }) {
                return Ok(());
            }
        }
        Err(anyhow!(
            "no place was found for a {}; wanted are more series, more days or fewer faults",
            kind.word()
        ))
    }

    fn somewhere(&mut self, kind: Kind) -> anyhow::Result<String> {
        if kind != Kind::Event && kind != Kind::Plume {
            return Ok(format!("region-{:02}", self.dice.random_range(0..self.survey.regions)));
        }
        let air: Vec<_> = self.survey.places.iter().filter(|place| place.kind == StationKind::Air).collect();
        let place = air.choose(&mut self.dice).ok_or_else(|| anyhow!("the city has no air"))?;
        Ok(place.id.to_string())
    }

    /// A begin behind the warm-up that leaves room before the end.
    fn begin(&mut self, kind: Kind, lasts: Span, odd: &[Span]) -> Option<Span> {
        if kind == Kind::Holiday {
            return odd.choose(&mut self.dice).copied();
        }
        let step = if kind == Kind::Limit { Span::HOUR } else { PERIOD };
        let last = Span::DAY.times(self.options.days.into()).0 - lasts.0 - APART.0;
        (last > WARM_UP.0).then(|| Span(step.0 * self.dice.random_range(WARM_UP.0 / step.0..=last / step.0)))
    }

    /// Takes a row in, if it suits the city and all its series are free.
    fn put(&mut self, line: Line) -> bool {
        let alone = Plan { lines: vec![line.clone()] };
        let Ok(planted) = resolve(&alone, &self.survey, &self.signals, self.life) else { return false };
        let spans: Vec<_> =
            planted.iter().map(|one| (one.member, one.begin - APART, self.over(one.kind, one.end))).collect();
        let free = |(member, begin, end): &(usize, Timestamp, Timestamp)| {
            self.taken[*member].iter().all(|(from, to)| end <= from || to <= begin)
        };
        if spans.is_empty()
            || (is_of_series(line.kind) && planted[0].end > self.life.end())
            || !spans.iter().all(free)
        {
            return false;
        }
        spans.into_iter().for_each(|(member, begin, end)| self.taken[member].push((begin, end)));
        self.plan.lines.push(line);
        true
    }

    /// From when on a series is free again; never after a slip, which is not made good.
    fn over(&self, kind: Kind, end: Timestamp) -> Timestamp {
        if kind == Kind::Slip { self.life.end() } else { end + APART }
    }
}
