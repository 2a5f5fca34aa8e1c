//! Stations and river sections that are held against those around them.

use std::sync::Arc;

use yiwang_model::{Series, Span};

use super::companions::companions;
use super::read::{Reckoned, count, sources, want_of};
use super::{Apart, Group, Known, Rule, Source};
use crate::entry::Entry;
use crate::station::Station;
use crate::value::{readable, word, words};

/// How many sections up and down the river a section is held against.
const REACH: usize = 2;
/// How many there should be.
const LEAST_AROUND: usize = 3;

/// Whether a section is held against those above it only.
#[derive(Clone, Copy)]
struct Above(bool);

const AROUND: [(bool, &str); 2] = [(false, "both"), (true, "above")];

readable!(Above, words(&AROUND), |value| word(value, &AROUND).map(Above));

pub(super) fn neighbours(entry: &Entry<'_>, known: &Known<'_>) -> Vec<Reckoned> {
    let (of, radius) = (want_of(entry, known), entry.want::<f64>("radius_km"));
    let least = count(entry, "least", 3);
    let most = count(entry, "most", 8);
    if least > most {
        entry.wrong("least", least.to_string(), format!("at most {most}, which is most"));
    }
    if let Some(radius) = radius.filter(|radius| *radius <= 0.0) {
        entry.wrong("radius_km", radius.to_string(), "a distance above zero".into());
    }
    let (Some(of), Some(radius)) = (of, radius) else { return Vec::new() };
    let own: Vec<(&Station, (f64, f64))> = known
        .stations
        .values()
        .filter(|station| station.metrics.contains(&of))
        .filter_map(|station| Some((station, station.point?)))
        .collect();
    let around = |(station, point): &(&Station, (f64, f64))| {
        let mut near: Vec<(f64, &Arc<str>)> = own
            .iter()
            .filter(|(other, _)| other.id != station.id)
            .map(|(other, place)| (kilometres(*point, *place), &other.id))
            .filter(|(distance, _)| *distance <= radius)
            .collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(b.1)));
        near.truncate(most);
        let named = std::iter::once(&station.id).chain(near.iter().map(|(_, id)| *id));
        (near.len() >= least).then(|| (station.id.clone(), Rule::Neighbours { least }, sources(named, &of)))
    };
    own.iter().filter_map(around).collect()
}

pub(super) fn sections_of(entry: &Entry<'_>, known: &Known<'_>) -> Vec<Reckoned> {
    let (of, stations) = (want_of(entry, known), entry.want_refs("stations", known.station_names));
    let (lag, least) = (entry.want::<Span>("lag"), count(entry, "least", 2));
    let (Some(of), Some(stations), Some(lag)) = (of, stations, lag) else { return Vec::new() };
    let has = |id: &Arc<str>| known.stations.get(id).is_none_or(|station| station.metrics.contains(&of));
    if let Some(without) = stations.iter().find(|id| !has(id)) {
        entry.wrong("stations", format!("{without:?}, which has no {of:?}"), "stations that have it".into());
        return Vec::new();
    }
    let Above(above) = entry.get("around").unwrap_or(Above(false));
    let around = |at: usize| {
        let above = above && at >= LEAST_AROUND;
        // at the ends of a river further on one side, so that one of them alone cannot move the median
        let reach = (REACH..stations.len()).find(|reach| others(at, *reach, stations.len()) >= LEAST_AROUND);
        let reach = if above { 2 * REACH } else { reach.unwrap_or(REACH) };
        let last = if above { at } else { (at + reach).min(stations.len() - 1) };
        let others = (at.saturating_sub(reach)..=last).filter(|other| *other != at);
        let source = |place: usize| {
            let series = Series::new(Arc::clone(&stations[place]), Arc::clone(&of)).ok()?;
            Some(Source { series, lag: lag.times((last - place) as i64) })
        };
        let sources: Vec<Source> = std::iter::once(at).chain(others).filter_map(source).collect();
        (sources.len() > least).then(|| (stations[at].clone(), Rule::Neighbours { least }, sources))
    };
    (0..stations.len()).filter_map(around).collect()
}

/// How many of so many sections are within reach of one.
fn others(at: usize, reach: usize, sections: usize) -> usize {
    (at + reach).min(sections - 1) - at.saturating_sub(reach)
}

/// With `usual`, the same stations each held against what is usual, and against companions of the same station.
pub(super) fn apart(entry: &Entry<'_>, known: &Known<'_>, reckoned: Vec<Reckoned>) -> Vec<Reckoned> {
    let memory = entry.get::<Span>("usual");
    let [with, against] = companions(entry, known);
    if memory.is_none() && !(with.is_empty() && against.is_empty()) {
        entry.wrong("with", "companions without usual".into(), "usual, as \"28d\", beside them".into());
    }
    let Some(memory) = memory else { return reckoned };
    if memory < Span::DAY {
        entry.wrong("usual", memory.to_string(), "a day or more".into());
    }
    let companions: Vec<_> =
        with.iter().map(|of| (of, false)).chain(against.iter().map(|of| (of, true))).collect();
    let widened = |(station, rule, mut sources): Reckoned| {
        let Rule::Neighbours { least } = rule else { return (station, rule, sources) };
        let mut groups = vec![Group { sources: sources.len(), turned: false }];
        let own = sources.clone();
        for (metric, turned) in &companions {
            let group = companion(&own, metric, known);
            if group.len() > least {
                groups.push(Group { sources: group.len(), turned: *turned });
                sources.extend(group);
            }
        }
        (station, Rule::Apart(Arc::new(Apart { least, memory, groups })), sources)
    };
    reckoned.into_iter().map(widened).collect()
}

/// The same stations with another metric, as far as they have it; nothing if the first has not.
fn companion(own: &[Source], metric: &Arc<str>, known: &Known<'_>) -> Vec<Source> {
    let of = |source: &Source| {
        let station = known.stations.get(source.series.source())?;
        let has = station.metrics.contains(metric);
        let series = Series::new(station.id.clone(), Arc::clone(metric)).ok().filter(|_| has)?;
        Some(Source { series, lag: source.lag })
    };
    match own.split_first().and_then(|(first, rest)| Some((of(first)?, rest))) {
        Some((first, rest)) => std::iter::once(first).chain(rest.iter().filter_map(of)).collect(),
        None => Vec::new(),
    }
}

/// The distance on a sphere of the Earth's mean radius, 6,371 km (haversine formula).
fn kilometres((lon1, lat1): (f64, f64), (lon2, lat2): (f64, f64)) -> f64 {
    let half = |from: f64, to: f64| ((to - from).to_radians() / 2.0).sin().powi(2);
    let a = half(lat1, lat2) + lat1.to_radians().cos() * lat2.to_radians().cos() * half(lon1, lon2);
    2.0 * 6_371.0 * a.sqrt().min(1.0).asin()
}
