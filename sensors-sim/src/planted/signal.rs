//! What a series of a planted city says when nothing is wrong.
//!
//! value(t) = base + σ · (signal(t) + noise(t)), rounded to the instrument's decimals. The *signal* is everything but the noise: the
//! rhythm of the day and of working days by the statutory calendar, the weather of the city, what the region or the river share,
//! slow changes of the station's own. The *noise* is Gaussian with deviation 1 and independent from reading to reading. Both are pure
//! functions of (seed, series, event time), so that σ is exact: 1.4826 times the median absolute deviation of value − signal, in
//! the metric's unit, is σ up to rounding and chance.

use std::f64::consts::PI;

use jiff::civil::Date;
use yiwang_catalogue::{Calendar, StationKind};
use yiwang_model::{Span, Timestamp};

use super::recipe::Rhythm;
use super::survey::{Member, Survey};
use crate::city::hours;
use crate::city::noise::{Noise, key_of};
use crate::city::weather::run_off;

const CITY: u64 = 0x4349_5459;
/// One reading in so many is lost on its way.
pub(super) const LOST: u64 = 500;
/// How long a project is planned to take.
const PROJECT: Span = Span::DAY.times(300);

/// The city as a function, without faults.
pub(super) struct Signals {
    noise: Noise,
    /// The first day and whether it and those after it are working days.
    first_day: i64,
    working: Vec<bool>,
    begin: Timestamp,
}

impl Signals {
    /// The city of this seed between two moments.
    pub(super) fn new(seed: u64, begin: Timestamp, days: u32) -> Self {
        let calendar = Calendar::shipped();
        let first_day = day_of(begin) - 1;
        let working =
            (0..i64::from(days) + 3).map(|day| calendar.working_day(date(first_day + day)).0).collect();
        Self { noise: Noise::new(seed), first_day, working, begin }
    }

    /// Whether the statutory calendar says that people work on the day of this moment.
    pub(super) fn is_working(&self, at: Timestamp) -> bool {
        let day = usize::try_from(day_of(at) - self.first_day).ok();
        day.and_then(|day| self.working.get(day)).copied().unwrap_or(true)
    }

    /// Whether the calendar makes an ordinary working day a holiday, or a weekend a working day.
    pub(super) fn is_odd(&self, at: Timestamp) -> bool {
        self.is_working(at) == hours::is_weekend(at)
    }

    /// All but the noise, in σ above the ordinary; for a project in points of its progress.
    pub(super) fn signal(&self, survey: &Survey, member: &Member, at: Timestamp) -> f64 {
        let (recipe, place) = (member.recipe, survey.place_of(member));
        if recipe.station == StationKind::Project {
            return self.progress(&place.id, at) / member.sigma;
        }
        let there = at - place.lag;
        let rain = if recipe.rain == 0.0 { 0.0 } else { recipe.rain * run_off(self.noise, there).min(4.0) };
        self.rhythm(member, at)
            + recipe.city * self.city(recipe.city, at)
            + recipe.region * self.region(member, place.region, there)
            + rain
            + recipe.own * self.noise.rough(member.key, at, Span::HOUR.times(16))
    }

    /// The rhythm of the day, σ.
    pub(super) fn rhythm(&self, member: &Member, at: Timestamp) -> f64 {
        let height = match member.recipe.rhythm {
            Rhythm::None => return 0.0,
            Rhythm::Sun => hours::sun(at),
            Rhythm::Traffic => hours::traffic_on(self.is_working(at), at),
            Rhythm::Work => hours::work_on(self.is_working(at), at),
        };
        member.recipe.day * height
    }

    /// The mean of the rhythm over the day of a moment, σ.
    pub(super) fn level_of_day(&self, member: &Member, at: Timestamp) -> f64 {
        let midnight = Timestamp(day_of(at) * Span::DAY.0) - hours::OFFSET;
        (0..48).map(|half| self.rhythm(member, midnight + Span::MINUTE.times(30 * half))).sum::<f64>() / 48.0
    }

    fn city(&self, gain: f64, at: Timestamp) -> f64 {
        if gain == 0.0 {
            return 0.0;
        }
        0.6 * self.noise.smooth(CITY, at, Span::HOUR.times(40))
            + 0.4 * self.noise.rough(!CITY, at, Span::HOUR.times(9))
    }

    fn region(&self, member: &Member, region: usize, at: Timestamp) -> f64 {
        if member.recipe.region == 0.0 {
            return 0.0;
        }
        // Particles go together, all else goes its own way.
        let theme = if member.recipe.metric == "pm10" { "pm2_5" } else { member.recipe.metric };
        let key = key_of(theme) ^ (region as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.noise.rough(key, at, Span::HOUR.times(12))
    }

    /// Noise of a reading: Gaussian (Box and Muller, 1958), deviation 1.
    pub(super) fn noise(&self, member: &Member, at: Timestamp) -> f64 {
        let slot = at.secs();
        let (radius, turn) =
            (1.0 - self.noise.even(member.key ^ 1, slot), self.noise.even(member.key ^ 2, slot));
        libm::sqrt(-2.0 * libm::log(radius)) * libm::cos(2.0 * PI * turn)
    }

    /// Whether a reading is lost on its way, as one in [`LOST`] is; reports of projects never are.
    pub(super) fn is_lost(&self, member: &Member, at: Timestamp) -> bool {
        member.recipe.station != StationKind::Project
            && self.noise.bits(member.key ^ 3, at.secs()).is_multiple_of(LOST)
    }

    /// What a project has done, %: its plan, up to five days late.
    fn progress(&self, project: &str, at: Timestamp) -> f64 {
        planned(
            self.noise,
            self.begin,
            project,
            at - Span((5.0 * self.noise.even(key_of(project), 8) * Span::DAY.0 as f64) as i64),
        )
    }

    /// The plan of a project: a point each month.
    pub(super) fn plan(&self, project: &str) -> Vec<(Date, f64)> {
        let start = start_of(self.noise, self.begin, project);
        let point = |month: i64| {
            let at = start + Span::DAY.times(30 * month);
            (date(day_of(at)), planned(self.noise, self.begin, project, at))
        };
        (0..=10).map(point).collect()
    }
}

/// The midnight on which a project began: 60 to 150 days before the city.
fn start_of(noise: Noise, begin: Timestamp, project: &str) -> Timestamp {
    let before = 60 + (90.0 * noise.even(key_of(project), 7)) as i64;
    Timestamp((day_of(begin) - before) * Span::DAY.0) - hours::OFFSET
}

fn planned(noise: Noise, begin: Timestamp, project: &str, at: Timestamp) -> f64 {
    let share = (at - start_of(noise, begin, project)).as_secs_f64() / PROJECT.as_secs_f64();
    100.0 * share.clamp(0.0, 1.0)
}

/// Days since 1970 by the city's clock.
pub(super) fn day_of(at: Timestamp) -> i64 {
    (at + hours::OFFSET).nanos().div_euclid(Span::DAY.0)
}

fn date(day: i64) -> Date {
    let epoch = jiff::civil::date(1970, 1, 1);
    epoch.saturating_add(jiff::Span::new().try_days(day).unwrap_or_default())
}
