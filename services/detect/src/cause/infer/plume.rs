//! Plumes of pollution: where one comes from, and one that lies in the weather of its region.
//!
//! Around a source that spreads evenly (Gaussian plume, averaged over the wind) ln(size) = a(metric) − b·away², with one b. The weather of
//! a region moves all series of a metric alike: ln(size) = c(metric). A plume in such weather is there when the two together leave so
//! much less than the weather alone that it is worth who belongs to which, ln 2 a series, and half of ln n for each number
//! that is fitted (BIC, Schwarz 1978). Who belongs to which is found by turns with the fit, from the larger half on (k-means of lines,
//! Späth 1979).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::value::{AIR, LEAST_SITES};
use super::{Known, Sights};

/// How far a plume may reach, km: the radii that are tried.
pub(super) const RADII_KM: [f64; 4] = [4.0, 7.0, 10.0, REACH_KM];
/// The largest of them.
pub(super) const REACH_KM: f64 = 14.0;
/// Turns of the fit; it mostly stands after three.
const TURNS: usize = 8;

/// How far the values of a series went.
struct Seen {
    site: usize,
    series: usize,
    metric: Arc<str>,
    /// ln of how far, in the metric's unit.
    size: f64,
    /// What it weighs in a fit.
    weight: f64,
}

/// The squares of the distances from a middle, by site.
type Away = BTreeMap<usize, f64>;

fn seen(known: &Known<'_>, taken: &[usize], sights: &Sights) -> Vec<Seen> {
    let of = |series: &usize| {
        let sight = sights.get(series)?;
        let (_, meter) = known.topology.series_of(sight.site).find(|(at, _)| at == series)?;
        let (site, metric) = (sight.site, Arc::clone(&meter.metric));
        (sight.size > 0.0).then(|| Seen {
            site,
            series: *series,
            metric,
            size: libm::log(sight.size),
            weight: 1.0,
        })
    };
    taken.iter().filter_map(of).collect()
}

fn away(known: &Known<'_>, middle: usize, most_km: f64) -> Away {
    let near = known.topology.around(middle, most_km);
    near.into_iter().map(|(away, site)| (site, away * away)).collect()
}

/// The station from which a plume comes: the one around which the sizes fall most nearly as the square of the distance does.
pub(super) fn middle(
    known: &Known<'_>,
    sites: impl Iterator<Item = usize>,
    taken: &[usize],
    sights: &Sights,
) -> Option<usize> {
    let mut seen = seen(known, taken, sights);
    weigh(&mut seen);
    let all: Vec<&Seen> = seen.iter().collect();
    let misfit = |middle: usize| Falling::fit(&all, &away(known, middle, 3.0 * REACH_KM)).left;
    sites.map(|site| (misfit(site), site)).min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, site)| site)
}

/// Noise of one deviation moves ln(size) by 1/size of it: each weighs by the square of its size, in units of the largest of its metric.
fn weigh(seen: &mut [Seen]) {
    let mut largest: BTreeMap<Arc<str>, f64> = BTreeMap::new();
    for one in seen.iter() {
        let of = largest.entry(Arc::clone(&one.metric)).or_insert(one.size);
        *of = of.max(one.size);
    }
    for one in seen {
        one.weight = libm::exp(2.0 * (one.size - largest[&one.metric]));
    }
}

/// A plume among series that the weather of a region seems to explain: its middle, and those of the series that are its, sorted.
pub(super) fn hidden(known: &Known<'_>, taken: &[usize], sights: &Sights) -> Option<(usize, Vec<usize>)> {
    let mut seen = seen(known, taken, sights);
    let is_air = |site: usize| *known.topology.sites[site].kind == *AIR;
    seen.retain(|one| is_air(one.site) && sights[&one.series].sign > 0);
    let sites: BTreeSet<usize> = seen.iter().map(|one| one.site).collect();
    let found = sites.into_iter().filter_map(|middle| part(&seen, &away(known, middle, REACH_KM), middle));
    let best = found.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))?;
    let mut own = best.2;
    own.sort_unstable();
    Some((best.1, own))
}

/// Parts what was seen into weather and a plume around a middle: what that is worth, the middle, and the series of the plume.
fn part(seen: &[Seen], away: &Away, middle: usize) -> Option<(f64, usize, Vec<usize>)> {
    let all: Vec<&Seen> = seen.iter().collect();
    let even = Even::fit(&all);
    let mut is_plume: Vec<bool> =
        seen.iter().map(|one| away.contains_key(&one.site) && one.size > even.level(one)).collect();
    for _ in 0..TURNS {
        let (plume, weather) = split(seen, &is_plume);
        let (falling, rest) = (Falling::fit(&plume, away), Even::fit(&weather));
        let nearer = |one: &Seen| falling.misses(one, away).is_some_and(|by| by < rest.misses(one));
        let next: Vec<bool> = seen.iter().map(nearer).collect();
        if next == is_plume {
            break;
        }
        is_plume = next;
    }
    let (plume, weather) = split(seen, &is_plume);
    let stations = |of: &[&Seen]| of.iter().map(|one| one.site).collect::<BTreeSet<_>>().len();
    if stations(&plume) < LEAST_SITES || stations(&weather) < LEAST_SITES {
        return None;
    }
    let falling = Falling::fit(&plume, away);
    let (before, after) = (even.left, falling.left + Even::fit(&weather).left);
    let count = seen.len() as f64;
    let fitted = (falling.levels.len() + 2) as f64;
    let worth = count / 2.0 * libm::log(before.max(LEAST) / after.max(LEAST))
        - count * std::f64::consts::LN_2
        - fitted / 2.0 * libm::log(count);
    (worth > 0.0 && falling.slope < 0.0)
        .then(|| (worth, middle, plume.iter().map(|one| one.series).collect()))
}

/// Below this nothing is left of a fit.
const LEAST: f64 = 1e-9;

fn split<'a>(seen: &'a [Seen], is_plume: &[bool]) -> (Vec<&'a Seen>, Vec<&'a Seen>) {
    let of = |wanted: bool| {
        let own = seen.iter().zip(is_plume).filter(move |(_, is)| **is == wanted);
        own.map(|(one, _)| one).collect()
    };
    (of(true), of(false))
}

/// Sizes of a metric that are all alike.
struct Even {
    levels: BTreeMap<Arc<str>, f64>,
    /// The sum of squares that it leaves.
    left: f64,
}

impl Even {
    fn fit(seen: &[&Seen]) -> Self {
        let mut sums: BTreeMap<Arc<str>, (f64, f64)> = BTreeMap::new();
        for one in seen {
            let sum = sums.entry(Arc::clone(&one.metric)).or_default();
            *sum = (sum.0 + one.size, sum.1 + 1.0);
        }
        let levels = sums.into_iter().map(|(metric, (sum, count))| (metric, sum / count)).collect();
        let mut fit = Self { levels, left: 0.0 };
        fit.left = seen.iter().map(|one| fit.misses(one)).sum();
        fit
    }

    fn level(&self, one: &Seen) -> f64 {
        self.levels.get(&one.metric).copied().unwrap_or(f64::INFINITY)
    }

    /// The square by which it misses.
    fn misses(&self, one: &Seen) -> f64 {
        let by = one.size - self.level(one);
        by * by
    }
}

/// Sizes that fall with the square of the distance.
struct Falling {
    /// What each metric has in the middle.
    levels: BTreeMap<Arc<str>, f64>,
    /// −b, not above 0.
    slope: f64,
    /// The sum of squares that it leaves.
    left: f64,
}

impl Falling {
    /// What is not near the middle is left out.
    fn fit(seen: &[&Seen], away: &Away) -> Self {
        let mut by_metric: BTreeMap<&Arc<str>, Vec<[f64; 3]>> = BTreeMap::new();
        for one in seen {
            if let Some(away) = away.get(&one.site) {
                by_metric.entry(&one.metric).or_default().push([*away, one.size, one.weight]);
            }
        }
        let mean = |points: &[[f64; 3]]| {
            let sums = points.iter().fold([0.0; 3], |[xs, ys, all], [x, y, weight]| {
                [xs + weight * x, ys + weight * y, all + weight]
            });
            (sums[0] / sums[2], sums[1] / sums[2])
        };
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        for points in by_metric.values() {
            let (x, y) = mean(points);
            for [away, size, weight] in points {
                let (dx, dy) = (away - x, size - y);
                (xx, xy, yy) = (xx + weight * dx * dx, xy + weight * dx * dy, yy + weight * dy * dy);
            }
        }
        let falls = xx > 0.0 && xy < 0.0;
        let (slope, left) = if falls { (xy / xx, yy - xy * xy / xx) } else { (0.0, yy) };
        let level = |(metric, points): (&Arc<str>, Vec<[f64; 3]>)| {
            let (x, y) = mean(&points);
            (Arc::clone(metric), y - slope * x)
        };
        Self { levels: by_metric.into_iter().map(level).collect(), slope, left }
    }

    /// The square by which it misses; `None` where it does not reach.
    fn misses(&self, one: &Seen, away: &Away) -> Option<f64> {
        let by = one.size - (self.levels.get(&one.metric)? + self.slope * away.get(&one.site)?);
        Some(by * by)
    }
}
