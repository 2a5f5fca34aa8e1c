//! Stations of which several metrics moved, when nothing wider explains that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use yiwang_model::Timestamp;

use super::value::{HIT, MISS};
use super::{Known, Pick, Sights, prior};
use crate::topology::{Cause, Scope};

/// What is left of the sights, by station: of so many of its series that it is no chance.
pub(super) fn places(known: &Known<'_>, left: &Sights, gone: &BTreeSet<usize>) -> Vec<Pick> {
    let mut by_site: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    left.iter().for_each(|(series, sight)| by_site.entry(sight.site).or_default().push(*series));
    let is_one =
        |(site, taken): &(usize, Vec<usize>)| taken.len() >= 2 && gain(known, *site, left, gone) > 0.0;
    by_site.into_iter().filter(is_one).map(|(site, taken)| place(known, site, taken, left)).collect()
}

fn gain(known: &Known<'_>, site: usize, left: &Sights, gone: &BTreeSet<usize>) -> f64 {
    let open = known.topology.series_of(site).filter(|(series, _)| !gone.contains(series));
    let worth = |(series, is_watched)| match (left.contains_key(&series), is_watched) {
        (true, _) => HIT,
        (false, true) => MISS,
        (false, false) => 0.0,
    };
    prior(Scope::Place) + open.map(|(series, meter)| worth((series, meter.is_watched))).sum::<f64>()
}

fn place(known: &Known<'_>, site: usize, taken: Vec<usize>, left: &Sights) -> Pick {
    let own = known.topology.series_of(site);
    let sign = |series| left.get(&series).map_or(0, |sight| sight.sign);
    let (its, others): (Vec<_>, Vec<_>) = own.partition(|(series, _)| left.contains_key(series));
    Pick {
        cause: Cause { scope: Scope::Place, name: Arc::clone(&known.topology.sites[site].source) },
        moves: its.iter().map(|(series, meter)| (Arc::clone(&meter.metric), sign(*series))).collect(),
        sites: vec![site],
        begin: Timestamp::MIN,
        taken,
        others: others.into_iter().map(|(series, _)| series).collect(),
    }
}
