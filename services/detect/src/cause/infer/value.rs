//! Causes that move values: the weather of a region, the calibration of a maker, a plume of pollution.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use yiwang_model::{Span, Timestamp};

use super::{Known, Pick, Sight, Sights, better, prior, settle};
use crate::topology::{Cause, Meter, Scope, Topology};

/// ln(0.8 / 0.01): a series is told of because the cause moves it, against by chance.
const HIT: f64 = 4.382;
/// ln(0.2 / 0.99): it is not told of although the cause moves its metric.
const MISS: f64 = -1.599;
/// What each further metric costs: ln(0.02).
const METRIC: f64 = -3.912;
/// How many stations must be touched.
const LEAST_SITES: usize = 3;
/// The share of the series of a metric that must be told of.
const LEAST_SHARE: f64 = 0.5;
/// How far a plume may reach, km: the radii that are tried.
const RADII_KM: [f64; 4] = [4.0, 7.0, 10.0, 14.0];
/// The kind of station that feels a plume.
const AIR: &str = "air";

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
    let mut weighed: BTreeMap<Cause, Option<Weighed>> = BTreeMap::new();
    loop {
        let done: BTreeSet<&Cause> = picked.iter().collect();
        for cause in causes.iter().filter(|cause| !done.contains(cause)) {
            weighed.entry(cause.clone()).or_insert_with(|| weigh(known, cause, &left, &gone));
        }
        let mut best: Option<(f64, &Cause)> = None;
        for (cause, found) in &weighed {
            let Some(found) = found else { continue };
            let this = (found.gain, cause);
            if best.as_ref().is_none_or(|best| better(&this, best)) {
                best = Some(this);
            }
        }
        let Some(cause) = best.map(|(_, cause)| cause.clone()) else { break };
        let Some(Some(found)) = weighed.remove(&cause) else { break };
        for series in &found.taken {
            left.remove(series);
            gone.insert(*series);
        }
        let touched: BTreeSet<usize> =
            found.taken.iter().filter_map(|at| sights.get(at)).map(|of| of.site).collect();
        let stands = |other: &Weighed| !other.sites.iter().any(|site| touched.contains(site));
        weighed.retain(|_, other| other.as_ref().is_some_and(stands));
        picked.push(cause.clone());
        picks.push(pick(known, cause, found, sights));
    }
    let could = |pick: &Pick, series: usize, sight: &Sight| explains(known, pick, series, sight);
    let middle = |onsets: Vec<Timestamp>| onsets.get(onsets.len() / 2).copied().unwrap_or(Timestamp::MIN);
    settle(known.grain, sights, &mut picks, could, middle, |onset, begin| {
        Span((onset - begin).0.saturating_abs())
    });
    picks
}

/// Whether a site lies where a cause moves values.
pub(in crate::cause) fn reaches(topology: &Topology, cause: &Cause, site: usize) -> bool {
    if cause.scope != Scope::Plume {
        return topology.touches(cause, site);
    }
    let middle = topology.site(&cause.name);
    middle.is_some_and(|middle| {
        topology.around(middle, RADII_KM[RADII_KM.len() - 1]).iter().any(|(_, near)| *near == site)
    })
}

/// Whether a cause that was picked moves this series that way.
fn explains(known: &Known<'_>, pick: &Pick, series: usize, sight: &Sight) -> bool {
    let mut meters = known.topology.series_of(sight.site).filter(|(at, _)| *at == series);
    pick.sites.binary_search(&sight.site).is_ok()
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
    let near = known.topology.around(middle, RADII_KM[RADII_KM.len() - 1]);
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
    let moved = tallies.into_iter().filter_map(|(metric, tally)| tally.moved(cause.scope, metric));
    let (mut gain, mut moves) = (prior(cause.scope), Vec::new());
    for (metric, sign, worth) in moved {
        gain += worth;
        moves.push((Arc::clone(metric), sign));
    }
    let taken = taken(known, sites, left, &moves);
    let is_wide = is_wide(known, cause.scope, sites, &taken);
    (gain > 0.0 && is_wide).then(|| Weighed {
        gain,
        moves,
        sites: sites.to_vec(),
        taken: taken.into_iter().map(|(_, series)| series).collect(),
    })
}

impl Tally {
    /// Which way the metric moved, and what that is worth; `None` when that says nothing.
    fn moved<'a>(&self, scope: Scope, metric: &'a Arc<str>) -> Option<(&'a Arc<str>, i8, f64)> {
        let is_up = self.up >= self.down;
        let hits = self.any + self.up.max(self.down);
        let worth = hits as f64 * HIT + (self.all - hits) as f64 * MISS + METRIC;
        let enough = hits >= 2 && hits as f64 >= LEAST_SHARE * self.all as f64;
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

fn pick(known: &Known<'_>, cause: Cause, found: Weighed, sights: &Sights) -> Pick {
    let Weighed { moves, mut sites, taken, .. } = found;
    let mut cause = cause;
    if cause.scope == Scope::Plume {
        let near = known.topology.site(&cause.name).into_iter();
        let near = near.flat_map(|site| known.topology.around(site, RADII_KM[RADII_KM.len() - 1]));
        let middle = middle(known, near.map(|(_, site)| site), &taken, sights);
        if let Some(middle) = middle {
            cause.name = Arc::clone(&known.topology.sites[middle].source);
            let reach = known.topology.around(middle, RADII_KM[RADII_KM.len() - 1]);
            sites.extend(reach.into_iter().map(|(_, site)| site));
            sites.sort_unstable();
            sites.dedup();
        }
    }
    Pick { cause, moves, sites, begin: Timestamp::MIN, taken }
}

/// The station from which a plume comes: the one around which ln(size) falls most nearly as the square of the distance does,
/// as behind a source that spreads evenly (Gaussian plume, averaged over the wind).
fn middle(
    known: &Known<'_>,
    sites: impl Iterator<Item = usize>,
    taken: &[usize],
    sights: &Sights,
) -> Option<usize> {
    let seen: Vec<(usize, Arc<str>, f64)> = taken
        .iter()
        .filter_map(|series| {
            let sight = sights.get(series)?;
            let (_, meter) = known.topology.series_of(sight.site).find(|(at, _)| at == series)?;
            (sight.size > 0.0).then(|| (sight.site, Arc::clone(&meter.metric), libm::log(sight.size)))
        })
        .collect();
    let misfit = |middle: usize| -> f64 {
        let away: BTreeMap<usize, f64> = known
            .topology
            .around(middle, 3.0 * RADII_KM[RADII_KM.len() - 1])
            .into_iter()
            .map(|(away, site)| (site, away * away))
            .collect();
        residual(&seen, &away)
    };
    sites.map(|site| (misfit(site), site)).min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, site)| site)
}

/// The sum of squares that a line ln(size) = a(metric) − b·away² leaves, with one b not below 0.
fn residual(seen: &[(usize, Arc<str>, f64)], away: &BTreeMap<usize, f64>) -> f64 {
    let mut by_metric: BTreeMap<&Arc<str>, Vec<(f64, f64)>> = BTreeMap::new();
    for (site, metric, size) in seen {
        if let Some(away) = away.get(site) {
            by_metric.entry(metric).or_default().push((*away, *size));
        }
    }
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for points in by_metric.values() {
        let count = points.len() as f64;
        let (x, y) = points.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
        for point in points {
            let (dx, dy) = (point.0 - x / count, point.1 - y / count);
            (xx, xy, yy) = (xx + dx * dx, xy + dx * dy, yy + dy * dy);
        }
    }
    if xx > 0.0 && xy < 0.0 { yy - xy * xy / xx } else { yy }
}
