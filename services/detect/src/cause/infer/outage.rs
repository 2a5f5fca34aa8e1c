//! Outages: which gateways, power areas, brokers and stations explain stations that fell silent.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use yiwang_model::{Span, Timestamp};

use super::{Known, Pick, Sight, Sights, prior, settle};
use crate::topology::{Cause, Scope, Topology};

/// ln(0.99 / 0.01): a station is silent because it is cut off, against by itself; and of one that speaks although it should be, the other way.
const HIT: f64 = 4.595;
/// The share of a station's series that must be silent for the station to be.
const SILENT_SHARE: f64 = 2.0 / 3.0;

/// How a station stands as evidence.
#[derive(Clone, Copy, PartialEq)]
enum Stand {
    /// All of it, or nearly.
    Silent,
    Speaks,
    /// Nothing of it would have been told yet, or it is explained.
    Neutral,
}

/// The outages that explain silences, with the series that each explains.
pub(in crate::cause) fn outages(known: &Known<'_>, sights: &Sights) -> Vec<Pick> {
    let mut search = Search::new(known, sights);
    let mut picks = Vec::new();
    while let Some(cause) = search.best() {
        let cut = search.pick(&cause);
        let taken = cut.iter().flat_map(|site| known.topology.series_of(*site)).map(|(series, _)| series);
        let taken = taken.filter(|series| sights.contains_key(series)).collect();
        let (moves, sites, others) = Default::default();
        picks.push(Pick { cause, moves, sites, begin: Timestamp::MIN, taken, others });
    }
    let places: BTreeMap<Cause, usize> = picks.iter().map(|pick| pick.cause.clone()).zip(0..).collect();
    let could = |_: &[Pick], _: usize, sight: &Sight| {
        let causes = known.topology.causes_of_outage(sight.site);
        let picked = causes.filter_map(|cause| places.get(&cause).copied());
        if search.is_cut(sight.site, None) { picked.collect() } else { Vec::new() }
    };
    let begin = |own: &[Sight]| {
        let went = went(own);
        (went, went)
    };
    let far = |onset, went: &Timestamp| behind(onset, *went).0 / known.grain.0.max(1);
    settle(sights, &mut picks, could, begin, far);
    picks
}

/// When a thing went down: after the last reading that came through it, by as much as the last readings of its stations lie apart on
/// average (the greatest of a sample, put right: Goodman 1952).
fn went(own: &[Sight]) -> Timestamp {
    let mut last: BTreeMap<usize, Timestamp> = BTreeMap::new();
    for sight in own {
        let of = last.entry(sight.site).or_insert(sight.onset);
        *of = sight.onset.max(*of);
    }
    let gaps = last.len() as i64 - 1;
    match (last.values().min(), last.values().max()) {
        (Some(first), Some(last)) if gaps > 0 => *last + Span((*last - *first).0 / gaps),
        (_, last) => last.copied().unwrap_or(Timestamp::MIN),
    }
}

/// A series is lost to the first outage after its last reading; an outage before that fits four times worse.
pub(in crate::cause) fn behind(onset: Timestamp, begin: Timestamp) -> Span {
    if begin >= onset { begin - onset } else { Span((onset - begin).0.saturating_mul(4)) }
}

/// What the stations say of a cause that hang on it and that nothing else explains.
#[derive(Clone, Copy, Default)]
struct Tally {
    /// How many more are silent than speak.
    silent: i64,
    /// Series of those that are silent.
    series: i64,
}

impl Tally {
    /// What the cause is worth, if that is anything: one series is its own cause.
    fn gain(self, scope: Scope) -> Option<Gain> {
        let gain = self.silent as f64 * HIT + prior(scope);
        (self.series >= 2 && gain > 0.0).then_some(Gain(gain))
    }
}

/// A worth above 0, which can be put in order.
#[derive(Clone, Copy, PartialEq)]
struct Gain(f64);

impl Eq for Gain {}

impl Ord for Gain {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Gain {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A greedy search. What each pick changes is reckoned for the stations that hang on it alone, so that thousands of picks cost
/// about as much as the stations that they explain.
struct Search<'a> {
    known: &'a Known<'a>,
    sights: &'a Sights,
    /// When the last of the silent series was heard last.
    last: Option<Timestamp>,
    stands: BTreeMap<usize, Stand>,
    /// Of each cause that is not picked.
    tallies: BTreeMap<Cause, Tally>,
    /// Those that are worth something, the best last: of equal ones the narrower, then the first by name.
    ranked: BTreeSet<(Gain, Reverse<Cause>)>,
    picked: BTreeSet<Cause>,
    claimed: BTreeSet<usize>,
}

impl<'a> Search<'a> {
    fn new(known: &'a Known<'a>, sights: &'a Sights) -> Self {
        let last = sights.values().map(|sight| sight.onset).max();
        let (stands, tallies, ranked) = Default::default();
        let (picked, claimed) = Default::default();
        let mut search = Self { known, sights, last, stands, tallies, ranked, picked, claimed };
        let silent: BTreeSet<usize> = sights.values().map(|sight| sight.site).collect();
        let silent = silent.into_iter().filter(|site| search.reckon(*site) == Stand::Silent);
        let causes: BTreeSet<Cause> = silent.flat_map(|site| known.topology.causes_of_outage(site)).collect();
        let sites: BTreeSet<usize> =
            causes.iter().flat_map(|cause| known.topology.members(cause)).copied().collect();
        search.stands = sites.iter().map(|site| (*site, search.reckon(*site))).collect();
        search.tallies = causes.into_iter().map(|cause| (cause, Tally::default())).collect();
        search.count(sites, 1);
        search
    }

    fn topology(&self) -> &'a Topology {
        self.known.topology
    }

    fn reckon(&self, site: usize) -> Stand {
        let (mut silent, mut all) = (0_usize, 0_usize);
        for (series, meter) in self.topology().series_of(site) {
            if self.known.explained.contains(&series) {
                return Stand::Neutral;
            }
            let is_silent = self.sights.contains_key(&series);
            silent += usize::from(is_silent);
            all +=
                usize::from(is_silent || meter.silent_after.is_some_and(|after| self.would_be_told(after)));
        }
        match all {
            0 => Stand::Neutral,
            _ if silent as f64 >= SILENT_SHARE * all as f64 => Stand::Silent,
            _ => Stand::Speaks,
        }
    }

    /// Whether a series that was last heard with the last of the silent ones would have been told of by now.
    fn would_be_told(&self, after: Span) -> bool {
        self.last.is_some_and(|last| self.known.now - last >= after)
    }

    fn stand(&self, site: usize) -> Stand {
        self.stands.get(&site).copied().unwrap_or(Stand::Neutral)
    }

    fn best(&self) -> Option<Cause> {
        self.ranked.last().map(|(_, Reverse(cause))| cause.clone())
    }

    /// Takes a cause for true; gives the silent stations that it cuts off and nothing before did.
    fn pick(&mut self, cause: &Cause) -> Vec<usize> {
        let sites = self.topology().members(cause);
        let is_new = |site: &usize| self.says(*site, cause).silent > 0;
        let cut: Vec<usize> = sites.iter().copied().filter(is_new).collect();
        self.count(sites.iter().copied(), -1);
        self.tallies.remove(cause);
        self.claimed.extend(&cut);
        self.picked.insert(cause.clone());
        self.count(sites.iter().copied(), 1);
        cut
    }

    /// Adds what sites say to the causes that they hang on, or takes it away.
    fn count(&mut self, sites: impl IntoIterator<Item = usize>, sign: i64) {
        for site in sites {
            for cause in self.topology().causes_of_outage(site) {
                let says = self.says(site, &cause);
                let Some(tally) = self.tallies.get_mut(&cause) else { continue };
                let (scope, place) = (cause.scope, Reverse(cause));
                let before = *tally;
                tally.silent += sign * says.silent;
                tally.series += sign * says.series;
                let (before, after) = (before.gain(scope), tally.gain(scope));
                if before == after && before.is_none() {
                    continue;
                }
                before.map(|gain| self.ranked.remove(&(gain, place.clone())));
                after.map(|gain| self.ranked.insert((gain, place)));
            }
        }
    }

    /// What a site says of a cause: nothing if it was cut off before, or would not be by this.
    fn says(&self, site: usize, cause: &Cause) -> Tally {
        let stand = self.stand(site);
        if stand == Stand::Neutral || self.claimed.contains(&site) || !self.is_cut(site, Some(cause)) {
            return Tally::default();
        }
        let series = self.topology().series_of(site).filter(|(at, _)| self.sights.contains_key(at));
        match stand {
            Stand::Silent => Tally { silent: 1, series: series.count() as i64 },
            Stand::Speaks | Stand::Neutral => Tally { silent: -1, series: 0 },
        }
    }

    fn is_cut(&self, site: usize, also: Option<&Cause>) -> bool {
        let is_down = |scope: Scope, name: &Arc<str>| {
            let cause = Cause { scope, name: Arc::clone(name) };
            also == Some(&cause) || self.picked.contains(&cause) || self.known.open.contains_key(&cause)
        };
        self.topology().is_cut(site, &is_down)
    }
}
