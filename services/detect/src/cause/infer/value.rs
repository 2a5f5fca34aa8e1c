//! Causes that move values: the weather of a region, the calibration of a maker, a plume of pollution.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use yiwang_model::{Span, Timestamp};

use super::place;
use super::plume::{self, RADII_KM, REACH_KM};
use super::{Known, Pick, Sight, Sights, better, prior, settle};
use crate::topology::{Cause, Meter, Scope, Topology};

/// ln(0.8 / 0.01): a series is told of because the cause moves it, against by chance.
pub(super) const HIT: f64 = 4.382;
/// ln(0.2 / 0.99): it is not told of although the cause moves its metric.
pub(super) const MISS: f64 = -1.599;
/// What each further metric costs: ln(0.02).
const METRIC: f64 = -3.912;
/// How many stations must be touched.
pub(super) const LEAST_SITES: usize = 3;
/// The share of the series of a metric that must be told of.
const LEAST_SHARE: f64 = 0.5;
/// The same of further metrics, once one has that share: not all instruments show what moves them.
const FURTHER_SHARE: f64 = 0.3;
/// The kind of station that feels a plume.
pub(super) const AIR: &str = "air";

/// What a cause would explain.
struct Weighed {
    gain: f64,
    moves: Vec<(Arc<str>, i8)>,
    sites: Vec<usize>,
    taken: Vec<usize>,
}

/// One metric among the sites of a cause.
#[derive(Default)]
struct Tally {
    all: usize,
    up: usize,
    down: usize,
    any: usize,
}

/// The causes that explain values that moved.
pub(in crate::cause) fn values(known: &Known<'_>, sights: &Sights) -> Vec<Pick> {
    let mut left = sights.clone();
    let mut gone = known.explained.clone();
    let (mut picks, mut picked) = (Vec::new(), Vec::new());
    let causes = candidates(known, sights);
    // with the sites that it could touch
    let mut weighed: BTreeMap<Cause, (Vec<usize>, Option<Weighed>)> = BTreeMap::new();
    loop {
        let done: BTreeSet<&Cause> = picked.iter().collect();
        for cause in causes.iter().filter(|cause| !done.contains(cause)) {
            let weigh = || (within_reach(known.topology, cause), weigh(known, cause, &left, &gone));
            weighed.entry(cause.clone()).or_insert_with(weigh);
        }
        let mut best: Option<(f64, &Cause)> = None;
        for (cause, (_, found)) in &weighed {
            let Some(found) = found else { continue };
            let this = (found.gain, cause);
            if best.as_ref().is_none_or(|best| better(&this, best)) {
                best = Some(this);
            }
        }
        let Some(cause) = best.map(|(_, cause)| cause.clone()) else { break };
        let Some((_, Some(found))) = weighed.remove(&cause) else { break };
        for series in &found.taken {
            left.remove(series);
            gone.insert(*series);
        }
        let touched: BTreeSet<usize> =
            found.taken.iter().filter_map(|at| sights.get(at)).map(|of| of.site).collect();
        let stands = |sites: &[usize]| !sites.iter().any(|site| touched.contains(site));
        weighed.retain(|_, (sites, other)| stands(other.as_ref().map_or(sites, |other| &other.sites)));
        picked.push(cause.clone());
        picks.extend(picks_of(known, cause, found, sights));
    }
    picks.extend(place::places(known, &left, &gone));
    let could = |picks: &[Pick], series: usize, sight: &Sight| {
        (0..picks.len()).filter(|at| explains(known, &picks[*at], series, sight)).collect()
    };
    let begin = |own: &[Sight]| {
        let begins = Begins::of(own, known.grain);
        (begins.middle, begins)
    };
    settle(sights, &mut picks, could, begin, |onset, begins: &Begins| begins.unlikeliness(onset));
    picks
}

/// When the values that a cause moved began to be strange: normal around the middle of those that are its alone.
struct Begins {
    middle: Timestamp,
    /// 1.4826 times the median distance from the middle.
    spread: f64,
}

impl Begins {
    /// Of sights in the order of their onsets; the spread is no less than `grain`.
    fn of(own: &[Sight], grain: Span) -> Self {
        let middle = own.get(own.len() / 2).map_or(Timestamp::MIN, |sight| sight.onset);
        let mut apart: Vec<i64> = own.iter().map(|sight| (sight.onset - middle).0.saturating_abs()).collect();
        apart.sort_unstable();
        let median = apart.get(apart.len() / 2).copied().unwrap_or_default();
        Self { middle, spread: (1.4826 * median as f64).max(grain.0.max(1) as f64) }
    }

    /// In thousandths: ln s + (x − m)² / 2s², but for what is the same for all.
    fn unlikeliness(&self, onset: Timestamp) -> i64 {
        let apart = (onset - self.middle).0 as f64 / self.spread;
        // `as` takes the nearest that there is
        (1e3 * (libm::log(self.spread) + apart * apart / 2.0)) as i64
    }
}

/// The sites where a cause could move values.
fn within_reach(topology: &Topology, cause: &Cause) -> Vec<usize> {
    if cause.scope != Scope::Plume {
        return topology.members(cause).to_vec();
    }
    let near = topology.site(&cause.name).map(|middle| topology.around(middle, REACH_KM));
    near.into_iter().flatten().map(|(_, site)| site).collect()
}

/// Whether a site lies where a cause moves values.
pub(in crate::cause) fn reaches(topology: &Topology, cause: &Cause, site: usize) -> bool {
    if cause.scope != Scope::Plume {
        return topology.touches(cause, site);
    }
    let middle = topology.site(&cause.name);
    middle.is_some_and(|middle| topology.around(middle, REACH_KM).iter().any(|(_, near)| *near == site))
}

/// Whether a cause that was picked moves this series that way.
fn explains(known: &Known<'_>, pick: &Pick, series: usize, sight: &Sight) -> bool {
    let mut meters = known.topology.series_of(sight.site).filter(|(at, _)| *at == series);
    pick.sites.binary_search(&sight.site).is_ok()
        && pick.others.binary_search(&series).is_err()
        && meters.any(|(_, meter)| {
            pick.moves
                .iter()
                .any(|(metric, sign)| *metric == meter.metric && (sight.sign == 0 || sight.sign == *sign))
        })
}

fn candidates(known: &Known<'_>, sights: &Sights) -> BTreeSet<Cause> {
    let touched: BTreeSet<usize> = sights.values().map(|sight| sight.site).collect();
    let mut causes = BTreeSet::new();
    for site in touched {
        let of = &known.topology.sites[site];
        causes.insert(Cause { scope: Scope::Region, name: Arc::clone(&of.region) });
        causes.extend(of.maker.iter().map(|maker| Cause { scope: Scope::Maker, name: Arc::clone(maker) }));
        if *of.kind == *AIR && of.point.is_some() {
            causes.insert(Cause { scope: Scope::Plume, name: Arc::clone(&of.source) });
        }
    }
    causes
}

fn weigh(known: &Known<'_>, cause: &Cause, left: &Sights, gone: &BTreeSet<usize>) -> Option<Weighed> {
    if cause.scope != Scope::Plume {
        return weigh_sites(known, cause, known.topology.members(cause), left, gone);
    }
    let middle = known.topology.site(&cause.name)?;
    let near = known.topology.around(middle, REACH_KM);
    let within = |radius: f64| -> Vec<usize> {
        let mut sites: Vec<usize> =
            near.iter().filter(|(away, _)| *away <= radius).map(|(_, site)| *site).collect();
        sites.sort_unstable();
        sites
    };
    let tried = RADII_KM.iter().filter_map(|radius| weigh_sites(known, cause, &within(*radius), left, gone));
    tried.reduce(|best, other| if other.gain > best.gain { other } else { best })
}

fn weigh_sites(
    known: &Known<'_>,
    cause: &Cause,
    sites: &[usize],
    left: &Sights,
    gone: &BTreeSet<usize>,
) -> Option<Weighed> {
    let mut tallies: BTreeMap<&Arc<str>, Tally> = BTreeMap::new();
    for (_, series, meter) in meters(known, sites).filter(|(_, series, _)| !gone.contains(series)) {
        let tally = tallies.entry(&meter.metric).or_default();
        let sign = left.get(&series).map(|sight| sight.sign);
        tally.all += usize::from(meter.is_watched || sign.is_some());
        match sign {
            Some(1..) => tally.up += 1,
            Some(0) => tally.any += 1,
            Some(_) => tally.down += 1,
            None => {}
        }
    }
    let moved =
        |least| tallies.iter().filter_map(move |(metric, tally)| tally.moved(cause.scope, metric, least));
    let least = if moved(LEAST_SHARE).next().is_some() { FURTHER_SHARE } else { LEAST_SHARE };
    // what is known to go on may move a further metric
    let open = known.open.get(cause);
    let is_contrary =
        |metric: &Arc<str>, sign: i8| open.is_some_and(|moves| moves.contains(&(Arc::clone(metric), -sign)));
    let (mut gain, mut moves) = (if open.is_some() { 0.0 } else { prior(cause.scope) }, Vec::new());
    for (metric, sign, worth) in moved(least).filter(|(metric, sign, _)| !is_contrary(metric, *sign)) {
        gain += worth;
        moves.push((Arc::clone(metric), sign));
    }
    let taken = taken(known, sites, left, &moves);
    let is_wide = open.is_some() || is_wide(known, cause.scope, sites, &taken);
    (gain > 0.0 && is_wide).then(|| Weighed {
        gain,
        moves,
        sites: sites.to_vec(),
        taken: taken.into_iter().map(|(_, series)| series).collect(),
    })
}

impl Tally {
    /// Which way the metric moved, and what that is worth; `None` when that says nothing.
    fn moved<'a>(&self, scope: Scope, metric: &'a Arc<str>, least: f64) -> Option<(&'a Arc<str>, i8, f64)> {
        let is_up = self.up >= self.down;
        let hits = self.any + self.up.max(self.down);
        let worth = hits as f64 * HIT + (self.all - hits) as f64 * MISS + METRIC;
        let enough = hits >= 2 && hits as f64 >= least * self.all as f64;
        (worth > 0.0 && enough && (is_up || scope != Scope::Plume)).then_some((
            metric,
            if is_up { 1 } else { -1 },
            worth,
        ))
    }
}

fn meters<'a>(known: &'a Known<'_>, sites: &'a [usize]) -> impl Iterator<Item = (usize, usize, &'a Meter)> {
    sites
        .iter()
        .flat_map(|site| known.topology.series_of(*site).map(|(series, meter)| (*site, series, meter)))
}

/// The site and series of what was told of and moved that way.
fn taken(known: &Known<'_>, sites: &[usize], left: &Sights, moves: &[(Arc<str>, i8)]) -> Vec<(usize, usize)> {
    let fits = |meter: &Meter, sight: &Sight| {
        moves.iter().any(|(metric, sign)| *metric == meter.metric && (sight.sign == 0 || sight.sign == *sign))
    };
    let moved = meters(known, sites)
        .filter(|(_, series, meter)| left.get(series).is_some_and(|sight| fits(meter, sight)));
    moved.map(|(site, series, _)| (site, series)).collect()
}

/// Whether what was told of is spread as the cause would spread it: weather moves more than one kind of station where there
/// are several, a maker's instruments stand in several regions.
fn is_wide(known: &Known<'_>, scope: Scope, sites: &[usize], taken: &[(usize, usize)]) -> bool {
    let of = |site: &usize| &known.topology.sites[*site];
    let touched: BTreeSet<usize> = taken.iter().map(|(site, _)| *site).collect();
    let kinds = |sites: &mut dyn Iterator<Item = &usize>| {
        let watched = |site: &&usize| of(site).meters.iter().any(|meter| meter.is_watched);
        sites.filter(watched).map(|site| &of(site).kind).collect::<BTreeSet<_>>().len()
    };
    let spread = match scope {
        Scope::Region => kinds(&mut touched.iter()) >= kinds(&mut sites.iter()).min(2),
        Scope::Maker => touched.iter().map(|site| &of(site).region).collect::<BTreeSet<_>>().len() >= 2,
        _ => true,
    };
    touched.len() >= LEAST_SITES && spread
}

/// What was found, and a plume that may lie in weather.
fn picks_of(known: &Known<'_>, cause: Cause, mut found: Weighed, sights: &Sights) -> Vec<Pick> {
    let hidden = if cause.scope == Scope::Region { plume::hidden(known, &found.taken, sights) } else { None };
    let Some((middle, own)) = hidden else { return vec![pick(known, cause, found, sights)] };
    found.taken.retain(|series| !own.contains(series));
    let moves = found.moves.iter().filter(|(_, sign)| *sign > 0).cloned().collect();
    let weather = Pick { others: own.clone(), ..pick(known, cause, found, sights) };
    let near = known.topology.around(middle, REACH_KM).into_iter();
    let mut sites: Vec<usize> = near.map(|(_, site)| site).collect();
    sites.sort_unstable();
    let cause = Cause { scope: Scope::Plume, name: Arc::clone(&known.topology.sites[middle].source) };
    let others = weather.taken.clone();
    let plume = Pick { cause, moves, sites, begin: Timestamp::MIN, taken: own, others };
    vec![weather, plume]
}

fn pick(known: &Known<'_>, cause: Cause, found: Weighed, sights: &Sights) -> Pick {
    let Weighed { moves, mut sites, taken, .. } = found;
    let mut cause = cause;
    if cause.scope == Scope::Plume {
        let near = known.topology.site(&cause.name).into_iter();
        let near = near.flat_map(|site| known.topology.around(site, REACH_KM));
        let middle = plume::middle(known, near.map(|(_, site)| site), &taken, sights);
        if let Some(middle) = middle {
            cause.name = Arc::clone(&known.topology.sites[middle].source);
            let reach = known.topology.around(middle, REACH_KM);
            sites.extend(reach.into_iter().map(|(_, site)| site));
            sites.sort_unstable();
            sites.dedup();
        }
    }
    Pick { cause, moves, sites, begin: Timestamp::MIN, taken, others: Vec::new() }
}
