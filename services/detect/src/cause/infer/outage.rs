//! Outages: which gateways, power areas, brokers and stations explain stations that fell silent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use yiwang_model::{Span, Timestamp};

use super::{Known, Pick, Sight, Sights, better, prior, settle};
use crate::topology::{Cause, Scope, Topology};

/// ln(0.99 / 0.01): a station is silent because it is cut off, against by itself.
const HIT: f64 = 4.595;
/// The same of a station that speaks although it should be cut off.
const MISS: f64 = -HIT;
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
    let mut search = Search { known, sights, picked: BTreeSet::new(), claimed: BTreeSet::new() };
    let silent: BTreeSet<usize> = sights.values().map(|sight| sight.site).collect();
    let silent: Vec<usize> = silent.into_iter().filter(|site| search.stand(*site) == Stand::Silent).collect();
    let causes: BTreeSet<Cause> =
        silent.iter().flat_map(|site| known.topology.causes_of_outage(*site)).collect();
    let mut picks = Vec::new();
    while let Some(cause) = search.best(&causes) {
        let cut: Vec<usize> = search.newly_cut(&cause).filter(|site| silent.contains(site)).collect();
        let taken = cut.iter().flat_map(|site| known.topology.series_of(*site)).map(|(series, _)| series);
        let taken = taken.filter(|series| sights.contains_key(series)).collect();
        search.claimed.extend(cut);
        search.picked.insert(cause.clone());
        let (moves, sites, others) = Default::default();
        picks.push(Pick { cause, moves, sites, begin: Timestamp::MIN, taken, others });
    }
    let could = |pick: &Pick, _: usize, sight: &Sight| {
        known.topology.touches(&pick.cause, sight.site) && search.is_cut(sight.site, None)
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

struct Search<'a> {
    known: &'a Known<'a>,
    sights: &'a Sights,
    picked: BTreeSet<Cause>,
    claimed: BTreeSet<usize>,
}

impl Search<'_> {
    fn topology(&self) -> &Topology {
        self.known.topology
    }

    fn stand(&self, site: usize) -> Stand {
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
        let last = self.sights.values().map(|sight| sight.onset).max();
        last.is_some_and(|last| self.known.now - last >= after)
    }

    fn best(&self, causes: &BTreeSet<Cause>) -> Option<Cause> {
        let mut best: Option<(f64, &Cause)> = None;
        for cause in causes.iter().filter(|cause| !self.picked.contains(cause)) {
            let weighed = (self.gain(cause), cause);
            if weighed.0 > 0.0 && best.as_ref().is_none_or(|best| better(&weighed, best)) {
                best = Some(weighed);
            }
        }
        best.map(|(_, cause)| cause.clone())
    }

    fn gain(&self, cause: &Cause) -> f64 {
        let (mut gain, mut series) = (0.0, 0);
        for site in self.newly_cut(cause) {
            match self.stand(site) {
                Stand::Silent => {
                    gain += HIT;
                    series += self
                        .topology()
                        .series_of(site)
                        .filter(|(at, _)| self.sights.contains_key(at))
                        .count();
                }
                Stand::Speaks => gain += MISS,
                Stand::Neutral => {}
            }
        }
        // one series is its own cause
        if series < 2 { f64::NEG_INFINITY } else { gain + prior(cause.scope) }
    }

    /// The sites that are cut off once this is down too.
    fn newly_cut<'b>(&'b self, cause: &'b Cause) -> impl Iterator<Item = usize> + 'b {
        let sites = self.topology().members(cause).iter().copied();
        sites.filter(|site| !self.claimed.contains(site) && self.is_cut(*site, Some(cause)))
    }

    fn is_cut(&self, site: usize, also: Option<&Cause>) -> bool {
        let is_down = |scope: Scope, name: &Arc<str>| {
            let cause = Cause { scope, name: Arc::clone(name) };
            also == Some(&cause) || self.picked.contains(&cause) || self.known.open.contains_key(&cause)
        };
        self.topology().is_cut(site, &is_down)
    }
}
