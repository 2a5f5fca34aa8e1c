//! What a plan means in a city: which series, from when to when, how much; and what that does to a reading.

use yiwang_catalogue::StationKind;
use yiwang_model::Timestamp;

use super::{Kind, Line, Plan, Wrong, share};
use crate::city::census::{Census, Member, Nature};
use crate::city::noise::Noise;

/// How far a plume reaches from its middle, km.
const PLUME_KM: f64 = 12.0;
/// How much of a plume its middle and its neighbours get.
const PLUME_SHARES: [f64; 3] = [1.0, 0.9, 0.8];

/// A fault of one series.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::city) struct Injected {
    /// Which fault of the plan, from 1.
    pub(in crate::city) number: usize,
    pub(in crate::city) kind: Kind,
    /// Which member of the census.
    pub(in crate::city) member: usize,
    pub(in crate::city) begin: Timestamp,
    /// The first moment at which it is over.
    pub(in crate::city) end: Timestamp,
    pub(in crate::city) size: f64,
}

impl Injected {
    pub(in crate::city) fn is_active(&self, at: Timestamp) -> bool {
        self.begin <= at && at < self.end
    }

    /// What becomes of a value, in the metric's unit.
    pub(in crate::city) fn bend(&self, member: &Member, noise: Noise, at: Timestamp, value: f64) -> f64 {
        let gone = share(self.begin, self.end, at);
        if self.kind == Kind::Slip && at >= self.begin {
            return self.behind(member, at, value, gone);
        }
        if !self.is_active(at) {
            return value;
        }
        match self.kind {
            Kind::Stuck => member.value(noise, self.begin),
            Kind::Spike => value + self.size,
            Kind::Drift => value + self.size * gone,
            Kind::Plume => value + self.size * (10.0 * gone.min(1.0 - gone)).min(1.0),
            Kind::Loud => value.max(self.size + 0.8 * noise.bell(member.series.id().0 ^ 1, at.millis())),
            _ => value,
        }
    }

    /// From its own course to `size` behind its plan, and no further.
    fn behind(&self, member: &Member, at: Timestamp, value: f64, gone: f64) -> f64 {
        let Nature::Project(course) = &member.nature else { return value };
        value + (course.planned(at) - self.size - value) * gone
    }
}

/// What a plan means for each series, sorted by member; or all that it names and the city does not have.
pub(in crate::city) fn resolve(
    plan: &Plan,
    census: &Census,
    began: Timestamp,
) -> Result<Vec<Injected>, Vec<Wrong>> {
    let (mut faults, mut wrong) = (Vec::new(), Vec::new());
    for (number, line) in plan.lines.iter().enumerate() {
        let (begin, end) = (line.begin.at(began), line.end.at(began));
        let found = if end > begin {
            find(census, line)
        } else {
            Err(format!("end {end} is not after begin {begin}"))
        };
        match found {
            Ok(members) => faults.extend(members.into_iter().map(|(member, size)| Injected {
                number: number + 1,
                kind: line.kind,
                member,
                begin,
                end,
                size,
            })),
            Err(what) => wrong.push(Wrong { line: line.line, what }),
        }
    }
    faults.sort_by_key(|fault| (fault.member, fault.number));
    if wrong.is_empty() { Ok(faults) } else { Err(wrong) }
}

/// The members that a fault is about, each with its size.
fn find(census: &Census, line: &Line) -> Result<Vec<(usize, f64)>, String> {
    let found = if line.kind == Kind::GatewaySilence {
        let gateway = gateway(census, &line.target)?;
        select(census, |member| *member.gateway == gateway).map(|member| (member, line.size)).collect()
    } else {
        let (source, metric) = source(census, &line.target)?;
        if line.kind == Kind::Plume {
            plume(census, &source, metric.as_deref().unwrap_or("pm2_5"), line.size)
        } else {
            let of = |member: &Member| fits(line.kind, member, &source, metric.as_deref());
            select(census, of).map(|member| (member, line.size)).collect::<Vec<_>>()
        }
    };
    if found.is_empty() {
        return Err(format!(
            "target {:?} has no series that {} could be about",
            line.target,
            line.kind.word()
        ));
    }
    Ok(found)
}

fn select(census: &Census, of: impl Fn(&Member) -> bool) -> impl Iterator<Item = usize> {
    census.members.iter().enumerate().filter(move |(_, member)| of(member)).map(|(at, _)| at)
}

fn fits(kind: Kind, member: &Member, source: &str, metric: Option<&str>) -> bool {
    let usual = match kind {
        Kind::Loud => member.unit == "dB(A)",
        Kind::Slip => matches!(member.nature, Nature::Project(_)) && member.unit == "%",
        _ => true,
    };
    **member.series.source() == *source && metric.map_or(usual, |metric| **member.series.metric() == *metric)
}

/// The station and its two nearest neighbours of the same kind, with what each gets.
fn plume(census: &Census, middle: &str, metric: &str, size: f64) -> Vec<(usize, f64)> {
    let Some(first) = census.members.iter().find(|member| **member.series.source() == *middle) else {
        return Vec::new();
    };
    let mut near: Vec<(f64, _)> = census
        .stations(first.kind)
        .into_iter()
        .filter_map(|(station, point)| {
            let far = if *station == *middle { Some(0.0) } else { Some(kilometres(first.point?, point?)) };
            far.filter(|far| *far <= PLUME_KM).map(|far| (far, station))
        })
        .collect();
    near.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
    let of = |(share, (_, station)): (&f64, &(f64, std::sync::Arc<str>))| {
        let member =
            select(census, |member| member.series.source() == station && **member.series.metric() == *metric)
                .next()?;
        Some((member, share * size))
    };
    PLUME_SHARES.iter().zip(&near).filter_map(of).collect()
}

fn kilometres(a: (f64, f64), b: (f64, f64)) -> f64 {
    let east = (a.0 - b.0) * 111.3 * libm::cos((a.1 + b.1) / 2.0 * std::f64::consts::PI / 180.0);
    libm::hypot(east, (a.1 - b.1) * 110.9)
}

fn gateway(census: &Census, target: &str) -> Result<String, String> {
    let gateways = census.gateways();
    let chosen = match target.strip_prefix("@gateway:") {
        Some(place) => place.parse().ok().and_then(|place: usize| gateways.get(place)),
        None => gateways.iter().find(|gateway| ***gateway == *target),
    };
    let known = || gateways.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(", ");
    chosen
        .map(ToString::to_string)
        .ok_or_else(|| format!("target {target:?} is no gateway; known are {}", known()))
}

/// The source, and the metric if one is named.
fn source(census: &Census, target: &str) -> Result<(String, Option<String>), String> {
    let is_source = |name: &str| census.members.iter().any(|member| **member.series.source() == *name);
    if is_source(target) {
        return Ok((target.to_owned(), None));
    }
    let (name, metric) =
        target.rsplit_once('/').map_or((target, None), |(name, metric)| (name, Some(metric)));
    let name = name.strip_prefix('@').map_or_else(|| Some(name.to_owned()), |place| by_place(census, place));
    name.filter(|name| is_source(name)).map(|name| (name, metric.map(ToOwned::to_owned))).ok_or_else(|| {
        format!("target {target:?} is no source of this city, nor the n-th of a kind as @air:0")
    })
}

/// The n-th station of a kind, as `air:2`.
fn by_place(census: &Census, place: &str) -> Option<String> {
    const KINDS: [StationKind; 5] = [
        StationKind::Air,
        StationKind::ConstructionSite,
        StationKind::Water,
        StationKind::Project,
        StationKind::StatisticsOffice,
    ];
    let (word, place) = place.split_once(':')?;
    let kind = KINDS.into_iter().find(|kind| kind.word() == word)?;
    let place: usize = place.parse().ok()?;
    census.stations(kind).get(place).map(|(station, _)| station.to_string())
}
