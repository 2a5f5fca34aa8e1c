//! Ranks of stations among their peers.

use std::sync::Arc;

use super::read::{Reckoned, sources, want_of};
use super::{Known, MAX_PEERS, MAX_RANKED, Rule};
use crate::entry::Entry;
use crate::value::{readable, word, words};

/// Which value is the first of all.
#[derive(Clone, Copy)]
struct Best {
    smallest: bool,
}

const BEST: [(bool, &str); 2] = [(false, "largest"), (true, "smallest")];

readable!(Best, words(&BEST), |value| word(value, &BEST).map(|smallest| Best { smallest }));

/// For each of `stations` its rank among `peers`, or all that have the metric.
pub(super) fn ranks(entry: &Entry<'_>, known: &Known<'_>) -> Vec<Reckoned> {
    let (of, stations) = (want_of(entry, known), entry.want_refs("stations", known.station_names));
    let named = if entry.has("peers") { entry.want_refs("peers", known.station_names) } else { None };
    let least = entry.want::<f64>("least");
    let smallest = entry.get("best").is_some_and(|best: Best| best.smallest);
    entry.know("peers");
    let (Some(of), Some(stations), Some(least)) = (of, stations, least) else { return Vec::new() };
    let has = |id: &Arc<str>| known.stations.get(id).is_none_or(|station| station.metrics.contains(&of));
    for (key, ids) in [("stations", Some(&stations)), ("peers", named.as_ref())] {
        if let Some(without) = ids.and_then(|ids| ids.iter().find(|id| !has(id))) {
            entry.wrong(key, format!("{without:?}, which has no {of:?}"), "stations that have it".into());
            return Vec::new();
        }
    }
    let with_metric = known.stations.values().filter(|station| station.metrics.contains(&of));
    let peers = named.unwrap_or_else(|| with_metric.map(|station| station.id.clone()).collect());
    if !fits(entry, stations.len(), peers.len(), least) {
        return Vec::new();
    }
    let rule = Rule::Rank { least: least as usize, smallest };
    let of_one = |id: &Arc<str>| {
        let others = peers.iter().filter(|peer| *peer != id);
        (id.clone(), rule.clone(), sources(std::iter::once(id).chain(others), &of))
    };
    stations.iter().map(of_one).collect()
}

fn fits(entry: &Entry<'_>, stations: usize, peers: usize, least: f64) -> bool {
    let most = MAX_PEERS.min(peers.saturating_sub(1)) as f64;
    let is_count = least.fract() == 0.0 && (1.0..=most).contains(&least);
    if !is_count {
        entry.wrong(
            "least",
            least.to_string(),
            format!("a whole number from 1 to {most}, the peers that there are"),
        );
    }
    if stations > MAX_RANKED {
        entry.wrong("stations", format!("{stations} of them"), format!("at most {MAX_RANKED}"));
    }
    if peers > MAX_PEERS {
        entry.wrong("peers", format!("{peers} of them"), format!("at most {MAX_PEERS}, named"));
    }
    is_count && stations <= MAX_RANKED && peers <= MAX_PEERS
}
