//! `finish`: a project that will not be finished when its plan says, foreseen from its figures.
//!
//! Each figure of progress is turned into earned schedule, the time at which the plan wanted it (Lipke 2003). Over the last `figures` the speed
//! of earned schedule by time is the median of the slopes of all pairs (Theil 1950), with an interval of `confidence` from Kendall's
//! S (Sen 1968): of N slopes in order those with places (N ∓ z·√(n(n−1)(2n+5)/18)) / 2. The forecast is
//!
//! > finish = now + (planned finish − earned schedule) / speed
//!
//! An episode opens when even the fast end of the interval is more than `late` behind the planned finish, four figures at least; it worsens by tenths
//! of `late`, and ends with the first figure whose forecast itself is no more than `late` behind. The extreme is the most days
//! that the forecast was late, the limit `late` in days. Beyond 3,650 days, or with no speed at all, it is 3,650. Without a plan, or with one that
//! does not rise, it never judges; nor is a project before its plan's beginning or after its end value judged.
//!
//! linregress and augurs fit one line through stored points; the median of at most 276 slopes needs none and forgives a
//! wrong figure.
//!
//! Memory: 80 bytes and 16 for each of `figures` (192 for 12), and 100 more while an episode is open; the plan is shared.
//!
//! Saved state: head 0x09; figures (count, each: time, earned schedule as nanoseconds); then as every [`Watch`].

use std::mem::size_of;
use std::sync::Arc;

use yiwang_model::{Span, Timestamp};

use crate::episode::Sight;
use crate::params::{
    CRITICAL_AT, Entry, Form, Grades, Parameter, SERIOUS_AT, SOURCE, WORSEN_STEP, defaulted,
};
use crate::registry::{Kind, Make};
use crate::robust::median;
use crate::state::{Reader, put_byte, put_count, put_time};
use crate::watch::Watch;
use crate::{Detector, Error, Event, Input, Prototype, Sample, SeriesContext, Spec};

const NAME: &str = "finish";
const HEAD: u8 = 0x09;
const _: () = assert!(size_of::<Finish>() <= 80);

/// Figures without which there is no forecast.
const LEAST: usize = 4;
/// No forecast is later, in days.
const MOST_DAYS: f64 = 3_650.0;

pub(crate) const KIND: Kind = Kind {
    name: NAME,
    zh: "预计逾期：按进展推算将晚于计划完工",
    en: "the forecast finish is later than planned",
    unit: "days",
    params: PARAMS,
    needs_limits: false,
    make: Make::Series(build),
};

const PARAMS: &[Parameter] = &[
    defaulted("late", Form::Span, "30d", "how much later than planned the finish may be forecast"),
    defaulted("figures", Form::Number { least: 4.0, most: 24.0 }, "12", "last figures whose speed counts"),
    defaulted("confidence", Form::Word(&["80%", "90%", "95%", "99%"]), "95%", "of the interval of the speed"),
    SOURCE,
    SERIOUS_AT,
    CRITICAL_AT,
];

type Plan = Arc<[(Timestamp, f64)]>;

struct Rules {
    late: f64,
    figures: usize,
    /// Standard deviations on each side of the interval.
    z: f64,
    source: Arc<str>,
    grades: Grades,
}

impl Rules {
    fn sight(&self, days: f64) -> Sight {
        Sight {
            value: days,
            badness: days,
            limit: Some(self.late),
            edition: Arc::clone(&self.source),
            severity: self.grades.grade(|times| days >= times * self.late),
        }
    }
}

struct Prepared(Arc<Rules>);

impl Prototype for Prepared {
    fn make(&self, series: &SeriesContext) -> Box<dyn Detector> {
        let plan = series.plan.clone().filter(rises);
        Box::new(Finish { rules: Arc::clone(&self.0), plan, figures: Vec::new(), watch: Watch::default() })
    }
}

fn build(spec: &Spec) -> Result<Box<dyn Prototype>, Vec<Error>> {
    let mut entry = Entry::new(spec, PARAMS);
    let z = match entry.word("confidence") {
        Some("80%") => 1.2816,
        Some("95%") => 1.96,
        Some("99%") => 2.5758,
        _ => 1.6449,
    };
    let late = entry.span("late").unwrap_or(Span::DAY);
    if late <= Span::ZERO {
        entry.fault("late", "is 0; a span above zero is wanted");
    }
    let rules = Rules {
        late: days(late),
        figures: entry.count("figures").unwrap_or(LEAST),
        z,
        source: entry.source(),
        grades: entry.grades(),
    };
    entry.finish(Box::new(Prepared(Arc::new(rules))))
}

fn days(span: Span) -> f64 {
    span.0 as f64 / Span::DAY.0 as f64
}

fn rises(plan: &Plan) -> bool {
    let ends = plan.first().zip(plan.last());
    ends.is_some_and(|(first, last)| first.1 < last.1) && plan.iter().all(|(_, value)| value.is_finite())
}

/// When the plan first wanted a value, straight between its points.
fn earned(plan: &Plan, value: f64) -> Timestamp {
    let Some(next) = plan.iter().position(|(_, planned)| *planned >= value) else {
        return plan.last().map_or(Timestamp(0), |last| last.0);
    };
    let (to, above) = plan[next];
    let Some((from, below)) = next.checked_sub(1).map(|last| plan[last]) else { return to };
    let share = (value - below) / (above - below);
    from + Span(((to - from).0 as f64 * share) as i64)
}

/// When the plan is done: the first point with its largest value.
fn planned_finish(plan: &Plan) -> Timestamp {
    let most = plan.iter().map(|(_, value)| *value).fold(f64::NEG_INFINITY, f64::max);
    earned(plan, most)
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Figure {
    time: Timestamp,
    earned: Timestamp,
}

struct Finish {
    rules: Arc<Rules>,
    plan: Option<Plan>,
    /// Oldest first.
    figures: Vec<Figure>,
    watch: Watch,
}

impl Finish {
    fn figure(&mut self, Sample { time, value, .. }: Sample, out: &mut Vec<Event>) {
        let Some(plan) = &self.plan else { return };
        let (begin, finish) = (plan[0].0, planned_finish(plan));
        if time < begin {
            return;
        }
        if self.figures.len() == self.rules.figures {
            self.figures.remove(0);
        }
        let earned = earned(plan, value);
        self.figures.push(Figure { time, earned });
        if earned >= finish {
            return self.watch.kept(time, 1, out);
        }
        let Some(speeds) = self.speeds() else { return };
        let [late, least_late] = speeds.map(|speed| days_late(time, earned, finish, speed));
        if least_late > self.rules.late {
            self.watch.broken(time, self.rules.sight(late), WORSEN_STEP * self.rules.late, out);
        } else if late <= self.rules.late {
            self.watch.kept(time, 1, out);
        }
    }

    /// The speed, and the fast end of its interval, in planned time by time.
    fn speeds(&self) -> Option<[f64; 2]> {
        let count = self.figures.len();
        if count < LEAST {
            return None;
        }
        let pairs = self
            .figures
            .iter()
            .enumerate()
            .flat_map(|(at, later)| self.figures[..at].iter().map(move |earlier| (*earlier, *later)));
        let speed = |(a, b): (Figure, Figure)| {
            (b.time > a.time).then(|| (b.earned - a.earned).0 as f64 / (b.time - a.time).0 as f64)
        };
        let mut speeds: Vec<f64> = pairs.filter_map(speed).collect();
        let middle = median(&mut speeds)?;
        let figures = count as f64;
        let score = self.rules.z * (figures * (figures - 1.0) * (2.0 * figures + 5.0) / 18.0).sqrt();
        let place = ((speeds.len() as f64 + score) / 2.0).round().max(0.0) as usize;
        Some([middle, speeds[place.min(speeds.len() - 1)]])
    }
}

/// How many days after its planned finish a project is done that goes on at this speed.
fn days_late(now: Timestamp, earned: Timestamp, finish: Timestamp, speed: f64) -> f64 {
    let left = days(finish - earned);
    let takes = if speed > 0.0 { left / speed } else { f64::INFINITY };
    (days(now - finish) + takes).min(MOST_DAYS)
}

impl Detector for Finish {
    fn step(&mut self, input: &Input, out: &mut Vec<Event>) {
        if let Input::Reading(sample) = input
            && sample.is_judged()
        {
            self.figure(*sample, out);
        }
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        put_byte(out, HEAD);
        put_count(out, self.figures.len());
        for figure in &self.figures {
            put_time(out, figure.time);
            put_time(out, figure.earned);
        }
        self.watch.put(out);
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        let mut from = Reader::new(NAME, HEAD, state)?;
        let count = from.count(self.rules.figures)?;
        let figure = |from: &mut Reader<'_>| Ok(Figure { time: from.time()?, earned: from.time()? });
        let figures = (0..count).map(|_| figure(&mut from)).collect::<Result<_, Error>>()?;
        let watch = Watch::read(&mut from)?;
        from.end()?;
        (self.figures, self.watch) = (figures, watch);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earned_schedule_is_where_the_plan_had_the_value() {
        let day = |day| Timestamp(0) + Span::DAY.times(day);
        let plan: Plan = [(day(0), 0.0), (day(10), 20.0), (day(20), 20.0), (day(40), 100.0)].into();
        for (value, expected) in
            [(-5.0, 0), (0.0, 0), (10.0, 5), (20.0, 10), (60.0, 30), (100.0, 40), (120.0, 40)]
        {
            assert_eq!(earned(&plan, value), day(expected), "{value}");
        }
        assert_eq!(planned_finish(&plan), day(40));
        assert!((days_late(day(20), day(10), day(40), 0.5) - 40.0).abs() < 1e-9);
        assert_eq!(days_late(day(20), day(10), day(40), 0.0), MOST_DAYS);
    }
}
