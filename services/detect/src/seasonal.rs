//! `seasonal`: a value that is unusual for its hour, and a day's cycle that is lost.
//!
//! The hour-of-week profile is that of [`crate::profile`]: robust, learnt online, shrunk to hours of the day, with holidays as Sundays.
//!
//! *A value far from its profile*: |z| = |value − level| / spread > `k` for `readings` readings in a row. *The season is lost*: over the last
//! `lost_for`, in six parts, the values are regressed on their profile,
//!
//! > β = Σ (x − x̄)(p − p̄) / Σ (p − p̄)²
//!
//! which is 1 while the day goes as it used to and 0 when its cycle is gone. It is lost when β < `share` and lies more than 3.5
//! spreads below the β of this series so far (their running mean and spread), three quarters of the readings are there, and
//! the profile itself varies by at least `strength` spreads (standard deviation). It is back when β > (1 + `share`) / 2. The profile goes on learning
//! all the while, cut at 3 spreads: a new habit becomes the usual one within `memory`. The regression on one's own season as a test that it is there follows
//! Canova and Hansen (1995) in spirit, with the profile for their dummies. augurs (MSTL, ETS) decomposes a stored series in one go and
//! is right for reports; here a state of fixed size must learn reading by reading.
//!
//! An episode begins with the first of the far values in a row, or with the reading at which the season is found lost, and ends at the first of `calm`
//! readings in a row that are not far while the season is there. The extreme is the value furthest out, the limit what it may be
//! at that hour; the edition says which of the two it is.
//!
//! Memory: 368 bytes and the profile's cells (day 542, week 1,550 bytes), and 100 more while an episode is open: less than half of 4 KiB.
//!
//! Saved state: head 0xc1; profile; parts (count, each: number, then sums of x, p, x·p, p², spread); part's number; mean and spread of β, count; far values in a
//! row; time of the first (option); whether the season is lost; then as every [`Watch`].

use std::mem::size_of;
use std::sync::Arc;

use yiwang_model::{Span, Timestamp};

use crate::episode::Sight;
use crate::params::{
    CRITICAL_AT, Entry, Form, Grades, POSITIVE, Parameter, SERIOUS_AT, SOURCE, WORSEN_STEP, defaulted,
};
use crate::profile::{MEMORY, MIN_SCALE, PROFILE_OF_WEEK, Profile, Settings, UTC_OFFSET, Usual, WARM_UP};
use crate::registry::{Kind, Make};
use crate::state::{Reader, put_byte, put_option, put_time};
use crate::watch::Watch;
use crate::{Detector, Error, Event, Input, Prototype, Sample, SeriesContext, Spec};

mod cycle;

use cycle::Cycle;

const NAME: &str = "seasonal";
const HEAD: u8 = 0xc1;
const _: () = assert!(size_of::<Seasonal>() <= 368);

pub(crate) const KIND: Kind = Kind {
    name: NAME,
    zh: "违反规律：读数与该时段不符，或昼夜规律消失",
    en: "a value unusual for its hour, or a day's cycle that is lost",
    unit: "the metric's unit",
    params: PARAMS,
    needs_limits: false,
    make: Make::Series(build),
};

const TIMES: Form = Form::Number { least: 1.0, most: 255.0 };
const SHARE: Form = Form::Number { least: 0.0, most: 1.0 };

const PARAMS: &[Parameter] = &[
    defaulted("k", POSITIVE, "5", "how many spreads from its profile a value may be"),
    defaulted("readings", TIMES, "3", "far values in a row that begin an episode"),
    defaulted("calm", TIMES, "6", "values in a row that are not far that end an episode"),
    defaulted("lost_for", Form::Span, "36h", "the time over which the cycle is looked for"),
    defaulted("share", SHARE, "0.4", "share of the cycle below which it is lost"),
    defaulted(
        "strength",
        POSITIVE,
        "1",
        "least standard deviation of the profile for a cycle to lose, in spreads",
    ),
    PROFILE_OF_WEEK,
    MEMORY,
    WARM_UP,
    MIN_SCALE,
    UTC_OFFSET,
    SOURCE,
    SERIOUS_AT,
    CRITICAL_AT,
];

struct Rules {
    k: f64,
    readings: u8,
    calm: u8,
    lost_for: Span,
    share: f64,
    strength: f64,
    profile: Arc<Settings>,
    /// As an order quotes a far value, and a season that is lost.
    sources: [Arc<str>; 2],
    grades: Grades,
}

impl Rules {
    fn far(&self, value: f64, usual: Usual) -> Option<Sight> {
        let multiple = usual.distance(value).abs() / self.k;
        let bound = (self.k * usual.spread).copysign(value - usual.level);
        (multiple > 1.0).then(|| Sight {
            value,
            badness: multiple,
            limit: Some(usual.level + bound),
            edition: Arc::clone(&self.sources[0]),
            severity: self.grades.grade(|times| multiple >= times),
        })
    }

    fn lost(&self, value: f64, usual: Usual) -> Sight {
        Sight {
            value,
            badness: 1.0,
            limit: Some(usual.level),
            edition: Arc::clone(&self.sources[1]),
            severity: self.grades.grade(|times| times <= 1.0),
        }
    }
}

struct Prepared(Arc<Rules>);

impl Prototype for Prepared {
    fn make(&self, series: &SeriesContext) -> Box<dyn Detector> {
        Box::new(Seasonal {
            profile: Profile::new(&self.0.profile, series),
            rules: Arc::clone(&self.0),
            period: series.period,
            cycle: Cycle::default(),
            row: 0,
            since: None,
            watch: Watch::default(),
        })
    }
}

fn build(spec: &Spec) -> Result<Box<dyn Prototype>, Vec<Error>> {
    let mut entry = Entry::new(spec, PARAMS);
    let lost_for = entry.span("lost_for").unwrap_or(Span::DAY);
    if lost_for < Span::DAY {
        entry.fault("lost_for", format!("is {lost_for}; a day or more is wanted, which has all hours"));
    }
    let min_scale = entry.number("min_scale").unwrap_or_default();
    let source = entry.source();
    let rules = Rules {
        k: entry.number("k").unwrap_or(f64::MAX),
        readings: entry.small("readings"),
        calm: entry.small("calm"),
        lost_for,
        share: entry.number("share").unwrap_or_default(),
        strength: entry.number("strength").unwrap_or(f64::MAX),
        profile: Arc::new(Settings::read(&mut entry, min_scale)),
        sources: [format!("{source}: hour").into(), format!("{source}: cycle lost").into()],
        grades: entry.grades(),
    };
    entry.finish(Box::new(Prepared(Arc::new(rules))))
}

struct Seasonal {
    rules: Arc<Rules>,
    profile: Profile,
    period: Span,
    cycle: Cycle,
    /// Far values in a row, up to as many as matter, and the first of them.
    row: u8,
    since: Option<Timestamp>,
    watch: Watch,
}

impl Seasonal {
    fn reading(&mut self, Sample { time, value, .. }: Sample, out: &mut Vec<Event>) {
        let usual = self.profile.usual(time);
        self.profile.learn(time, value);
        let Some(usual) = usual.filter(|usual| usual.is_known) else { return };
        self.cycle.see(time, value, usual, &self.rules, self.period);
        let far = self.rules.far(value, usual);
        if far.is_none() {
            (self.row, self.since) = (0, None);
        }
        if let Some(sight) = far {
            let since = *self.since.get_or_insert(time);
            self.row = self.row.saturating_add(1);
            if self.row >= self.rules.readings || self.watch.is_open() {
                self.watch.broken(since, sight, WORSEN_STEP, out);
            }
        } else if self.cycle.is_lost() {
            self.watch.broken(time, self.rules.lost(value, usual), WORSEN_STEP, out);
        } else {
            self.watch.kept(time, self.rules.calm, out);
        }
    }
}

impl Detector for Seasonal {
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
        self.cycle.put(out);
        put_byte(out, self.row);
        put_option(out, self.since, put_time);
        self.watch.put(out);
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        let mut from = Reader::new(NAME, HEAD, state)?;
        let profile = self.profile.read(&mut from)?;
        let cycle = Cycle::read(&mut from)?;
        let (row, since) = (from.byte()?, from.option(Reader::time)?);
        let watch = Watch::read(&mut from)?;
        from.end()?;
        (self.profile, self.cycle, self.row, self.since, self.watch) = (profile, cycle, row, since, watch);
        Ok(())
    }
}
