//! Who is not heard, and why: gateways, brokers and power areas that are down.
//!
//! A station is heard while it has power and one of its gateways, with its broker, is up. When several causes would silence it, the
//! one that did first is its cause for as long as it lasts; where two gateways serve a station, the cause is that of the later one.

use yiwang_model::{Span, Timestamp};

use super::kind::Kind;
use super::plan::{Line, Plan};
use super::plant::{Life, Planted, first_reading, numbered};
use super::survey::{PERIOD, Place, Survey};

/// Something that is down for a while.
struct Down {
    number: usize,
    kind: Kind,
    which: usize,
    begin: Timestamp,
    end: Timestamp,
}

/// Whether the row names what there is.
pub(super) fn check(survey: &Survey, line: &Line) -> Result<(), String> {
    which(survey, line).map(drop)
}

fn which(survey: &Survey, line: &Line) -> Result<usize, String> {
    let (what, count) = match line.kind {
        Kind::Gateway => ("gw", survey.gateways),
        Kind::Power => ("power", 4 * survey.regions),
        _ => ("broker", survey.brokers()),
    };
    numbered(what, &line.target, count)
}

/// What the outages of a plan do to each series.
pub(super) fn planted(plan: &Plan, survey: &Survey, life: Life) -> Vec<Planted> {
    let downs = downs(plan, survey, life);
    let (Some(from), Some(to)) =
        (downs.iter().map(|down| down.begin).min(), downs.iter().map(|down| down.end).max())
    else {
        return Vec::new();
    };
    let mut planted = Vec::new();
    for (at, member) in survey.members.iter().enumerate() {
        let place = survey.place_of(member);
        for (down, begin, end) in silences(&downs, survey, place, (from, to.min(life.end())), member.period())
        {
            let line = &plan.lines[down.number - 1];
            let (kind, target) = (down.kind, line.target.clone());
            planted.push(Planted {
                number: down.number,
                kind,
                target,
                member: at,
                begin,
                end,
                size: 0.0,
                factor: 1.0,
            });
        }
    }
    planted
}

fn downs(plan: &Plan, survey: &Survey, life: Life) -> Vec<Down> {
    let of = |(at, line): (usize, &Line)| {
        if !matches!(line.kind, Kind::Gateway | Kind::Power | Kind::Broker) {
            return None;
        }
        let begin = line.begin.at(life.begin);
        let end = begin + PERIOD.times(line.readings.into());
        Some(Down { number: at + 1, kind: line.kind, which: which(survey, line).ok()?, begin, end })
    };
    plan.lines.iter().enumerate().filter_map(of).collect()
}

/// The spans in which a station is not heard: by what, the first reading that is missing, the first that comes again.
fn silences<'a>(
    downs: &'a [Down],
    survey: &Survey,
    place: &Place,
    (from, to): (Timestamp, Timestamp),
    period: Span,
) -> Vec<(&'a Down, Timestamp, Timestamp)> {
    let own: Vec<&Down> = downs.iter().filter(|down| concerns(down, survey, place)).collect();
    let mut found: Vec<(&Down, Timestamp, Timestamp)> = Vec::new();
    if own.is_empty() {
        return found;
    }
    let mut at = first_reading(from, period, place.phase);
    let mut cause: Option<&Down> = None;
    while at < to {
        let silencing = silenced(&own, survey, place, at);
        cause = cause.filter(|down| silencing.is_some() && is_down(down, at)).or(silencing);
        match (cause, found.last_mut()) {
            (Some(down), Some(last)) if last.0.number == down.number && last.2 == at => last.2 = at + period,
            (Some(down), _) => found.push((down, at, at + period)),
            (None, _) => {}
        }
        at = at + period;
    }
    found
}

fn concerns(down: &Down, survey: &Survey, place: &Place) -> bool {
    match down.kind {
        Kind::Power => place.power == down.which,
        Kind::Gateway => place.gateways.contains(&down.which),
        _ => place.gateways.iter().any(|gateway| survey.broker_of(*gateway) == down.which),
    }
}

fn is_down(down: &Down, at: Timestamp) -> bool {
    down.begin <= at && at < down.end
}

/// What silences a station at a moment.
fn silenced<'a>(own: &[&'a Down], survey: &Survey, place: &Place, at: Timestamp) -> Option<&'a Down> {
    let now = || own.iter().copied().filter(|down| is_down(down, at));
    if let Some(power) = now().find(|down| down.kind == Kind::Power) {
        return Some(power);
    }
    let of_gateway = |gateway: &usize| {
        let broker = survey.broker_of(*gateway);
        let hit = |down: &&Down| match down.kind {
            Kind::Gateway => down.which == *gateway,
            Kind::Broker => down.which == broker,
            _ => false,
        };
        now().filter(hit).min_by_key(|down| (down.begin, down.number))
    };
    let all: Option<Vec<&Down>> = place.gateways.iter().map(of_gateway).collect();
    all?.into_iter().max_by_key(|down| (down.begin, down.number))
}
