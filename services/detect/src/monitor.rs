//! A change of the mean of a standardised quantity that lasts: what `shift` and `variance` have in common.
//!
//! A quantity y is compared with its [`Profile`]: z = (y − level) / spread. Readings follow from each other, and sums of such numbers
//! wander; so the sums are of innovations u (see [`crate::innovation`]), whose correlation is φ. A change of `size` in z is δ = `size`·√((1 − φ) / (1 + φ)) in u. Two sums (Page 1954; Hawkins and Olwell 1998)
//!
//! > S⁺ = max(0, S⁺ + u − k), S⁻ = max(0, S⁻ − u − k), k = δ / 2 within 0.25 to 1.5, |u| cut at 3
//!
//! speak beyond h = ln(2·k²·`between`) / (2·k) − 1.166, with which normal noise is `between` readings from one false alarm to the
//! next (Siegmund 1985, corrected for discrete time). As a single u adds at most 3 − k and the next one gives back, one spike is not
//! enough. Above h / 2 nothing is learnt: what is suspected must not become usual.
//!
//! After an alarm the profile waits for `adapt` readings. Should the quantity come back, it did; else what it became is the usual
//! from then on, and the sums begin anew. The time of the change is the reading at which the sum left 0.
//!
//! No library: those of change points (augurs-changepoint, for one) need all values at once, or keep as many as come.
//!
//! Memory: 88 bytes and the profile. Saved state: profile; innovations; the sums, each as size and time; readings since the alarm, mean of z since then, direction.

use std::mem::size_of;
use std::sync::Arc;

use yiwang_model::{Span, Timestamp};

use crate::innovation::Innovations;
use crate::params::{Entry, Form, Parameter, defaulted};
use crate::profile::{Profile, Settings, Usual};
use crate::robust::{CLIP, FURTHEST};
use crate::state::{Reader, put_byte, put_count, put_option, put_single, put_time};
use crate::{Error, SeriesContext};

const _: () = assert!(size_of::<Monitor>() <= size_of::<Profile>() + 88);

/// Siegmund's correction.
const OVERSHOOT: f64 = 1.166;

pub(crate) const BETWEEN: Parameter = defaulted(
    "between",
    Form::Number { least: 100.0, most: 1e12 },
    "1e8",
    "readings from one false alarm to the next in normal noise",
);
pub(crate) const ADAPT: Parameter = defaulted(
    "adapt",
    Form::Number { least: 2.0, most: 1e6 },
    "200",
    "readings after which what it became is the usual",
);

/// What an entry says of its monitor.
#[derive(Clone, Debug)]
pub(crate) struct Tuning {
    profile: Arc<Settings>,
    between: f64,
    adapt: u32,
}

impl Tuning {
    pub(crate) fn read(entry: &mut Entry<'_>, min_scale: f64) -> Self {
        Self {
            profile: Arc::new(Settings::read(entry, min_scale)),
            between: entry.number("between").unwrap_or(1e8),
            // the form bounds it
            adapt: entry.count("adapt").unwrap_or(2) as u32,
        }
    }

    /// The bar of sums with this slack: at least [`least_bar`].
    fn bar(&self, slack: f64) -> f64 {
        let bar = libm::log((2.0 * slack * slack * self.between).max(2.0)) / (2.0 * slack) - OVERSHOOT;
        bar.max(least_bar(slack))
    }
}

/// Two innovations reach no bar.
fn least_bar(slack: f64) -> f64 {
    2.0 * (CLIP - slack)
}

/// Where it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Above what was usual.
    Up,
    /// Below.
    Down,
}

impl Side {
    /// 1 or −1.
    pub(crate) fn sign(self) -> f64 {
        if self == Self::Up { 1.0 } else { -1.0 }
    }
}

/// The change that an alarm was about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Change {
    /// The reading from which on.
    pub(crate) since: Timestamp,
    pub(crate) side: Side,
    /// Mean of z since the alarm.
    pub(crate) mean: f64,
}

/// What a reading says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Nothing is known yet, or nothing happened.
    Usual,
    /// It changed, or is still changed.
    Changed(Change),
    /// After a change: it is as it was before.
    Back,
    /// What it became is the usual now.
    Settled,
}

/// How large a change is looked for, in spreads; infinite for a side that does not matter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sizes {
    pub(crate) up: f64,
    pub(crate) down: f64,
}

#[derive(Clone, Debug)]
pub(crate) struct Monitor {
    profile: Profile,
    innovations: Innovations,
    sums: [Sum; 2],
    changed: Option<Changed>,
}

/// A sum, and the reading at which it left 0.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sum {
    size: f32,
    since: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Changed {
    readings: u32,
    mean: f32,
    side: Side,
}

const NO_SUM: Sum = Sum { size: 0.0, since: Timestamp(0) };

impl Sum {
    fn add(&mut self, by: f64, time: Timestamp) {
        if self.size == 0.0 {
            self.since = time;
        }
        self.size = (f64::from(self.size) + by).max(0.0) as f32;
    }
}

impl Monitor {
    pub(crate) fn new(tuning: &Tuning, series: &SeriesContext) -> Self {
        Self {
            profile: Profile::new(&tuning.profile, series),
            innovations: Innovations::default(),
            sums: [NO_SUM; 2],
            changed: None,
        }
    }

    /// What was usual at a time before anything changed.
    pub(crate) fn usual(&self, time: Timestamp) -> Option<Usual> {
        self.profile.usual(time)
    }

    /// Judges a quantity against what is `usual`, and then learns it.
    pub(crate) fn step(
        &mut self,
        time: Timestamp,
        value: f64,
        usual: Option<Usual>,
        sizes: Sizes,
        tuning: &Tuning,
        period: Span,
    ) -> Verdict {
        let Some(usual) = usual else {
            self.profile.learn(time, value);
            return Verdict::Usual;
        };
        let z = usual.distance(value);
        if self.changed.is_some() {
            return self.after_a_change(time, z, usual, sizes, tuning);
        }
        let before = self.innovations.next(time, z, period);
        let correlation = self.innovations.correlation();
        let innovation = self.innovations.of(z, before, correlation);
        let learn = |own: &mut Self| {
            own.profile.learn(time, value);
            own.innovations.learn(z, before, correlation);
        };
        if !usual.is_known {
            learn(self);
            return Verdict::Usual;
        }
        match self.alarm(time, innovation, correlation, sizes, tuning) {
            Ok(change) => {
                self.changed = Some(Changed { readings: 0, mean: z as f32, side: change.side });
                Verdict::Changed(Change { mean: z, ..change })
            }
            Err(suspected) => {
                if !suspected {
                    learn(self);
                }
                Verdict::Usual
            }
        }
    }

    /// The change, or whether one is suspected.
    fn alarm(
        &mut self,
        time: Timestamp,
        innovation: f64,
        correlation: f64,
        sizes: Sizes,
        tuning: &Tuning,
    ) -> Result<Change, bool> {
        let shrinks = ((1.0 - correlation) / (1.0 + correlation)).sqrt();
        let mut suspected = false;
        for (side, size, sum) in [(Side::Up, sizes.up, 0), (Side::Down, sizes.down, 1)] {
            if size.is_infinite() {
                continue;
            }
            let slack = (size * shrinks / 2.0).clamp(0.25, 1.5);
            let sum = &mut self.sums[sum];
            sum.add((side.sign() * innovation).clamp(-CLIP, CLIP) - slack, time);
            if f64::from(sum.size) <= least_bar(slack) / 2.0 {
                // a logarithm is spared most readings
                continue;
            }
            let bar = tuning.bar(slack);
            if f64::from(sum.size) > bar {
                let since = sum.since;
                self.sums = [NO_SUM; 2];
                return Ok(Change { since, side, mean: 0.0 });
            }
            suspected |= f64::from(sum.size) > bar / 2.0;
        }
        Err(suspected)
    }

    fn after_a_change(
        &mut self,
        time: Timestamp,
        z: f64,
        usual: Usual,
        sizes: Sizes,
        tuning: &Tuning,
    ) -> Verdict {
        let Some(changed) = &mut self.changed else { return Verdict::Usual };
        changed.readings += 1;
        let count = f64::from(changed.readings) + 1.0;
        let from = (z - f64::from(changed.mean)).clamp(-CLIP, CLIP);
        changed.mean = (f64::from(changed.mean) + from / count).clamp(-FURTHEST, FURTHEST) as f32;
        let Changed { readings, mean, side } = *changed;
        let mean = f64::from(mean);
        if readings >= tuning.adapt {
            self.profile.move_by(mean * usual.spread);
            self.forget();
            return Verdict::Settled;
        }
        let size = if side == Side::Up { sizes.up } else { sizes.down };
        if side.sign() * z > size / 2.0 {
            Verdict::Changed(Change { since: time, side, mean })
        } else {
            Verdict::Back
        }
    }

    /// The change is over: the sums begin anew.
    pub(crate) fn forget(&mut self) {
        (self.changed, self.sums) = (None, [NO_SUM; 2]);
        self.innovations.break_off();
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        self.profile.put(out);
        self.innovations.put(out);
        for sum in &self.sums {
            put_single(out, sum.size);
            put_time(out, sum.since);
        }
        put_option(out, self.changed, |out, changed| {
            put_count(out, changed.readings as usize);
            put_single(out, changed.mean);
            put_byte(out, (changed.side == Side::Up).into());
        });
    }

    pub(crate) fn read(&self, from: &mut Reader<'_>) -> Result<Self, Error> {
        let sum = |from: &mut Reader<'_>| {
            Ok::<_, Error>(Sum { size: from.single_to(FURTHEST)?, since: from.time()? })
        };
        Ok(Self {
            profile: self.profile.read(from)?,
            innovations: Innovations::read(from)?,
            sums: [sum(from)?, sum(from)?],
            changed: from.option(|from| {
                let readings = from.count(u32::MAX as usize - 1)? as u32;
                let mean = from.single(FURTHEST)?;
                let side = if from.byte()? == 0 { Side::Down } else { Side::Up };
                Ok(Changed { readings, mean, side })
            })?,
        })
    }
}
