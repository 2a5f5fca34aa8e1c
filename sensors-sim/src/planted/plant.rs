//! What a plan means in a city: which series, from which reading to which, how much; and what that does to a reading.

use yiwang_catalogue::StationKind;
use yiwang_model::{Quality, Span, Timestamp};

use super::kind::{Class, Kind};
use super::outage;
use super::plan::{Line, Plan};
use super::signal::Signals;
use super::survey::{Member, PERIOD, Survey, distance_km};
use crate::city::fault::Wrong;

/// How long what comes by air takes to rise and to fall.
const RAMP: Span = Span::HOUR;
/// How far an event reaches, and a plume, km: there it is 1/e of what it is in its middle.
const REACH_KM: [f64; 2] = [6.0, 12.0];
/// A plume needs so long for a kilometre.
const PLUME_PACE: Span = Span::MINUTE.times(3);
/// What of an event is less than this share of it is none.
const LEAST_SHARE: f64 = 0.3;

/// Something that is planted in one series.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Planted {
    /// Which row of the plan, from 1.
    pub(super) number: usize,
    pub(super) kind: Kind,
    pub(super) target: String,
    pub(super) member: usize,
    /// The event time of the first reading that it bends.
    pub(super) begin: Timestamp,
    /// The first moment at which it is over.
    pub(super) end: Timestamp,
    pub(super) size: f64,
    /// How many times the usual the row is.
    pub(super) factor: f64,
}

/// The time in which a city is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    pub(super) begin: Timestamp,
    pub(super) days: u32,
}

impl Life {
    pub(super) fn end(self) -> Timestamp {
        self.begin + Span::DAY.times(self.days.into())
    }
}

impl Line {
    fn begin(&self, life: Life) -> Timestamp {
        self.begin.at(life.begin)
    }
}

/// What a plan means for each series, sorted by member and begin; or all that does not fit the city.
pub(super) fn resolve(
    plan: &Plan,
    survey: &Survey,
    signals: &Signals,
    life: Life,
) -> Result<Vec<Planted>, Vec<Wrong>> {
    let (mut planted, mut wrong) = (Vec::new(), Vec::new());
    for (at, line) in plan.lines.iter().enumerate() {
        match find(survey, signals, life, line) {
            Ok(shares) => {
                planted.extend(shares.into_iter().map(|share| share.plant(at + 1, line, survey, life)))
            }
            Err(what) => wrong.push(Wrong { line: line.line, what }),
        }
    }
    planted.extend(outage::planted(plan, survey, life));
    planted.sort_by_key(|one: &Planted| (one.member, one.begin, one.number));
    wrong.extend(overlaps(plan, survey, &planted));
    if wrong.is_empty() { Ok(planted) } else { Err(wrong) }
}

/// What of a row one series gets.
struct Share {
    member: usize,
    share: f64,
    later: Span,
}

impl Share {
    fn plant(self, number: usize, line: &Line, survey: &Survey, life: Life) -> Planted {
        let member = &survey.members[self.member];
        let (phase, period) = (survey.place_of(member).phase, own_period(line.kind, member));
        let begin = first_reading(line.begin(life) + self.later, member.period(), phase);
        Planted {
            number,
            kind: line.kind,
            target: line.target.clone(),
            member: self.member,
            begin,
            end: begin + period.times(line.readings.into()),
            size: line.size * self.share,
            factor: line.kind.factor(line.readings, line.size),
        }
    }
}

/// What the length of a row counts: readings of its series, or of sensors where it is about an area.
fn own_period(kind: Kind, member: &Member) -> Span {
    if is_of_series(kind) { member.period() } else { PERIOD }
}

/// Whether rows of this kind are about one series.
pub(super) fn is_of_series(kind: Kind) -> bool {
    kind.class() == Class::Fault || matches!(kind, Kind::Holiday | Kind::Calibration | Kind::Maintenance)
}

/// The first event time at or after a moment at which a series has a reading.
pub(super) fn first_reading(at: Timestamp, period: Span, phase: Span) -> Timestamp {
    // Midnight in the city is a multiple of ten minutes of UTC, not of a day.
    let since = (at + crate::city::hours::OFFSET - phase).nanos();
    let slot = since.div_euclid(period.0) + i64::from(since.rem_euclid(period.0) != 0);
    Timestamp(slot * period.0) + phase - crate::city::hours::OFFSET
}

fn find(survey: &Survey, signals: &Signals, life: Life, line: &Line) -> Result<Vec<Share>, String> {
    let begin = line.begin(life);
    if begin < life.begin || begin >= life.end() {
        return Err(format!(
            "begin {begin} is not in the city's life; wanted is {} to {}",
            life.begin,
            life.end()
        ));
    }
    if is_of_series(line.kind) {
        let member = of_series(survey, line)?;
        fits(signals, &survey.members[member], line, begin)?;
        return Ok(vec![Share { member, share: 1.0, later: Span::ZERO }]);
    }
    match line.kind {
        Kind::Front | Kind::Weather => in_region(survey, line),
        Kind::Event | Kind::Plume => around(survey, line),
        Kind::Maker => of_maker(survey, line),
        _ => outage::check(survey, line).map(|()| Vec::new()),
    }
}

fn of_series(survey: &Survey, line: &Line) -> Result<usize, String> {
    let found = line.target.split_once('/').and_then(|(source, metric)| survey.find(source, metric));
    found.ok_or_else(|| {
        format!(
            "target {:?} is no series of this city; wanted is source/metric, as air-0003/no2",
            line.target
        )
    })
}

fn fits(signals: &Signals, member: &Member, line: &Line, begin: Timestamp) -> Result<(), String> {
    let recipe = member.recipe;
    let is_project = recipe.station == StationKind::Project;
    let (fits, wanted) = match line.kind {
        Kind::Limit => (
            recipe.limit.is_some() && begin.nanos() % Span::HOUR.0 == 0,
            "no2, o3 or ph, from a full hour on",
        ),
        Kind::Season => (recipe.day >= 4.0, "a metric with a daily rhythm of 4 σ or more"),
        Kind::Slip => (is_project, "project_percent"),
        Kind::Holiday => (
            recipe.rhythm.has_weeks() && signals.is_odd(begin),
            "a metric with a weekly rhythm, on a day that the statutory calendar moves",
        ),
        _ => (!is_project, "a series that is not of a project"),
    };
    if fits {
        return Ok(());
    }
    Err(format!(
        "target {:?} from {begin} on cannot have a {}; wanted is {wanted}",
        line.target,
        line.kind.word()
    ))
}

/// The number of a named thing, as 3 of `region-03`.
pub(super) fn numbered(what: &str, target: &str, count: usize) -> Result<usize, String> {
    let found = target
        .strip_prefix(what)
        .and_then(|rest| rest.strip_prefix('-'))
        .and_then(|number| number.parse().ok());
    found.filter(|number| *number < count).ok_or_else(|| {
        format!("target {target:?} is not there; wanted is {what}-0 to {what}-{}", count.saturating_sub(1))
    })
}

fn select(survey: &Survey, share: impl Fn(&Member) -> Option<(f64, Span)>) -> Vec<Share> {
    let each = survey.members.iter().enumerate();
    each.filter_map(|(member, own)| share(own).map(|(share, later)| Share { member, share, later })).collect()
}

/// All that feels the weather, the way that it feels it.
fn in_region(survey: &Survey, line: &Line) -> Result<Vec<Share>, String> {
    let region = numbered("region", &line.target, survey.regions)?;
    Ok(select(survey, |member| {
        let feels = member.recipe.city + member.recipe.rain;
        (survey.place_of(member).region == region && feels != 0.0).then_some((feels.signum(), Span::ZERO))
    }))
}

/// The air around a station.
fn around(survey: &Survey, line: &Line) -> Result<Vec<Share>, String> {
    let air = survey.places.iter().find(|place| *place.id == *line.target && place.kind == StationKind::Air);
    let middle = air.ok_or_else(|| {
        format!("target {:?} is not there; wanted is a station of air, as air-0003", line.target)
    })?;
    let plume = line.kind == Kind::Plume;
    Ok(select(survey, |member| {
        let away = distance_km(middle.point, survey.place_of(member).point) / REACH_KM[usize::from(plume)];
        let share = libm::exp(-away * away);
        let minutes = away * REACH_KM[1] * PLUME_PACE.as_secs_f64() / 60.0;
        // some minutes
        let later = if plume { Span::MINUTE.times(minutes as i64) } else { Span::ZERO };
        let air = matches!(member.recipe.metric, "pm2_5" | "pm10" | "no2");
        (air && share >= LEAST_SHARE).then_some((share, later))
    }))
}

fn of_maker(survey: &Survey, line: &Line) -> Result<Vec<Share>, String> {
    let maker = numbered("maker", &line.target, super::survey::MAKERS)?;
    Ok(select(survey, |member| {
        let place = survey.place_of(member);
        (place.maker == maker && place.kind != StationKind::Project).then_some((1.0, Span::ZERO))
    }))
}

/// Rows about one series that stand in one another's way.
fn overlaps(plan: &Plan, survey: &Survey, planted: &[Planted]) -> Vec<Wrong> {
    let own: Vec<&Planted> = planted.iter().filter(|one| is_of_series(one.kind)).collect();
    let pairs = own.windows(2).filter(|pair| pair[0].member == pair[1].member && pair[1].begin < pair[0].end);
    let tell = |pair: &[&Planted]| {
        let (first, second) = (&plan.lines[pair[0].number - 1], &plan.lines[pair[1].number - 1]);
        let member = &survey.members[pair[1].member];
        let what = format!(
            "begin {} lies in the {} of line {} of the same series {}/{}; wanted is {} or later",
            pair[1].begin,
            first.kind.word(),
            first.line,
            survey.place_of(member).id,
            member.recipe.metric,
            pair[0].end
        );
        Wrong { line: second.line, what }
    };
    pairs.map(tell).collect()
}

impl Planted {
    pub(super) fn is_active(&self, at: Timestamp) -> bool {
        self.begin <= at && at < self.end
    }

    /// Whether it shows in a reading: a slip is not made good.
    pub(super) fn shows(&self, at: Timestamp) -> bool {
        self.is_active(at) || (self.kind == Kind::Slip && at >= self.end)
    }

    /// How far it has come, 0 to 1.
    fn gone(&self, period: Span, at: Timestamp) -> f64 {
        let (done, all) = ((at - self.begin).0 / period.0 + 1, (self.end - self.begin).0 / period.0);
        // a life has few readings
        (done as f64 / all as f64).clamp(0.0, 1.0)
    }

    /// How high what comes by air stands, 0 to 1.
    fn height(&self, at: Timestamp) -> f64 {
        let edge = (at - self.begin).0.min((self.end - at).0);
        (edge as f64 / RAMP.0 as f64).clamp(0.0, 1.0)
    }
}

/// A reading while it is made: in σ around the ordinary value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Making {
    pub(super) signal: f64,
    pub(super) noise: f64,
    pub(super) quality: Quality,
    /// Set where the instrument shows something of its own, in the metric's unit.
    pub(super) shown: Option<f64>,
}

/// What one planted thing makes of a reading; `None` when there is none.
pub(super) fn bend(
    one: &Planted,
    signals: &Signals,
    member: &Member,
    at: Timestamp,
    mut making: Making,
) -> Option<Making> {
    let period = member.period();
    match one.kind {
        Kind::Gap | Kind::Gateway | Kind::Power | Kind::Broker => return None,
        Kind::Spike | Kind::Shift | Kind::Maker => making.signal += one.size,
        Kind::Drift => making.signal += one.size * ((at - one.begin).0 / period.0 + 1) as f64,
        Kind::Noise => making.noise *= one.size,
        Kind::Slip => making.signal -= one.size * one.gone(period, at) / member.sigma,
        Kind::Season => making.signal += signals.level_of_day(member, at) - signals.rhythm(member, at),
        Kind::Front | Kind::Weather | Kind::Event | Kind::Plume => making.signal += one.size * one.height(at),
        Kind::Limit => {
            let (limit, _) = member.recipe.limit?;
            making.signal = (one.size * limit - member.base) / member.sigma;
        }
        Kind::Calibration => {
            // Zero gas, then span gas.
            making.shown = Some(if one.gone(period, at) <= 0.5 { 0.0 } else { 2.0 * member.base });
            making.quality = Quality::Calibration;
        }
        Kind::Maintenance => making.shown = Some(member.base * (1.0 + 0.3 * making.noise)),
        Kind::Stuck | Kind::Holiday => {}
    }
    Some(making)
}
