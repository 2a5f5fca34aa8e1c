//! The alarms that a plan makes in a city, each with what truly made it.

use std::collections::BTreeMap;
use std::sync::Arc;

use yiwang_model::{Anomaly, Series, Severity};

use super::plan::{Planted, plan};
use super::town::{City, Dice, feels};
use super::{MINUTES, PERIOD, SILENT_AFTER, at};
use crate::topology::{Meter, Scope, Site};
use crate::{Event, Finding};

/// How far a plume is told of, km.
const PLUME_KM: f64 = 13.0;

/// An alarm and what truly made it.
pub(super) struct Truth {
    pub(super) told: i64,
    pub(super) cleared: i64,
    pub(super) anomaly: Anomaly,
    pub(super) by: usize,
}

/// Extreme and limit of an alarm.
type Seen = (f64, f64);

fn alarm(
    detector: &str,
    site: &Site,
    metric: &Arc<str>,
    (begin, told, cleared): (i64, i64, i64),
    (extreme, limit): Seen,
    by: usize,
) -> Truth {
    let series = Series::new(Arc::clone(&site.source), Arc::clone(metric)).unwrap();
    let severity = Severity::Warning;
    let finding =
        Finding { begin: at(begin), end: None, extreme, limit: Some(limit), edition: "".into(), severity };
    let anomaly = Event::Raised(finding).of(&detector.into(), &series);
    Truth { told, cleared: cleared.max(told + 1), anomaly, by }
}

/// Which planted outages cut a station off at a minute: the one that did last of those that were needed.
fn cut(city: &City, plan: &[Planted], site: &Site, minute: i64) -> Option<usize> {
    let down = |scope: Scope, name: &Arc<str>| {
        let is = |one: &&Planted| {
            one.cause.scope == scope && one.cause.name == *name && one.begin <= minute && minute < one.end
        };
        let mut by = plan.iter().enumerate().filter(|(_, one)| is(one)).map(|(at, one)| (one.begin, at));
        by.next()
    };
    let power = site.power.as_ref().and_then(|power| down(Scope::Power, power));
    let of_gateway = |gateway: &Arc<str>| {
        let broker = city.brokers.get(gateway).and_then(|broker| down(Scope::Broker, broker));
        [down(Scope::Gateway, gateway), broker].into_iter().flatten().min()
    };
    let gateways: Option<Vec<_>> = site.gateways.iter().map(of_gateway).collect();
    let gateways = gateways.and_then(|all| all.into_iter().max());
    [power, gateways].into_iter().flatten().min().map(|(_, by)| by)
}

/// What a station sends; of what is reckoned nothing is told here.
fn sent(site: &Site) -> impl Iterator<Item = &Meter> {
    site.meters.iter().filter(|meter| meter.silent_after.is_some())
}

fn silences(city: &City, plan: &[Planted], out: &mut Vec<Truth>) {
    for (at, site) in city.sites.iter().enumerate().filter(|(_, site)| &*site.kind != "project") {
        let (mut last, mut gone) = (None, None);
        for reading in (0..MINUTES / PERIOD).map(|slot| slot * PERIOD + city.phases[at]) {
            if let Some(by) = cut(city, plan, site, reading) {
                gone = gone.or(Some(by));
                continue;
            }
            if let (Some(last), Some(by)) = (last, gone.take())
                && reading - last > SILENT_AFTER
            {
                let span = (last + SILENT_AFTER, last + SILENT_AFTER, reading);
                let seen = (SILENT_AFTER as f64 * 60.0, SILENT_AFTER as f64 * 60.0);
                let alarms = sent(site).map(|meter| alarm("silence", site, &meter.metric, span, seen, by));
                out.extend(alarms);
            }
            last = Some(reading);
        }
    }
}

/// How a planted cause moves a series: which way and how far, and how many minutes later.
fn moves(city: &City, one: &Planted, site: &Site, metric: &str, dice: &mut Dice) -> Option<(f64, i64)> {
    match one.cause.scope {
        Scope::Region => {
            let is_in = site.region == one.cause.name && feels(metric) != 0;
            is_in.then(|| (8.0 * f64::from(feels(metric)), 10 + dice.below(40) as i64))
        }
        Scope::Maker => (site.maker.as_ref() == Some(&one.cause.name)).then_some((8.0, 0)),
        Scope::Plume => {
            let middle = city.topology.site(&one.cause.name).unwrap();
            let own = city.topology.site(&site.source).unwrap();
            let near = city.topology.around(middle, PLUME_KM);
            let (away, _) = *near.iter().find(|(_, site)| *site == own)?;
            let share = libm::exp(-(away / 12.0) * (away / 12.0));
            matches!(metric, "pm2_5" | "pm10" | "no2").then_some((16.0 * share, (3.0 * away) as i64))
        }
        _ => None,
    }
}

fn moved(city: &City, plan: &[Planted], dice: &mut Dice, out: &mut Vec<Truth>) {
    let mut busy: BTreeMap<Series, i64> = BTreeMap::new();
    let mut order: Vec<usize> = (0..plan.len()).collect();
    order.sort_by_key(|one| plan[*one].begin);
    for by in order.into_iter().filter(|by| !plan[*by].cause.scope.is_outage()) {
        let one = &plan[by];
        for (at, site) in city.sites.iter().enumerate().filter(|(_, site)| &*site.kind != "project") {
            for meter in sent(site) {
                let Some((size, later)) = moves(city, one, site, &meter.metric, dice) else { continue };
                let series = Series::new(Arc::clone(&site.source), Arc::clone(&meter.metric)).unwrap();
                let begin = (one.begin + later + PERIOD - 1 - city.phases[at]).div_euclid(PERIOD) * PERIOD
                    + city.phases[at];
                let told = begin + PERIOD * dice.below(4) as i64;
                let cleared = one.end + PERIOD * dice.below(6) as i64;
                let is_missed = dice.below(20) == 0 || cut(city, plan, site, begin).is_some();
                if is_missed || busy.get(&series).is_some_and(|until| *until >= begin) {
                    continue;
                }
                busy.insert(series, cleared);
                let extreme = size * (1.0 + 0.1 * (dice.unit() - 0.5));
                out.push(alarm(
                    "shift",
                    site,
                    &meter.metric,
                    (begin, told, cleared),
                    (extreme, 1.5 * size.signum()),
                    by,
                ));
            }
        }
    }
}

/// The alarms of a city of so many series, and what is planted in it; the event under the broken gateway comes last.
pub(super) fn alarms(seed: u64, series: usize, which: fn(Scope) -> bool) -> (City, Vec<Planted>, Vec<Truth>) {
    let mut dice = Dice::new(seed);
    let city = City::of(&mut dice, series);
    let mut plan = plan(&mut dice, &city);
    plan.retain(|one| which(one.cause.scope));
    let mut truths = Vec::new();
    silences(&city, &plan, &mut truths);
    moved(&city, &plan, &mut dice, &mut truths);
    // its maker has no fault, and the weather does not raise ozone: nothing else would raise it
    let is_faulty =
        |maker: &Arc<str>| plan.iter().any(|one| one.cause.scope == Scope::Maker && one.cause.name == *maker);
    let lone = |site: &&Site| {
        site.gateways[0] == plan[0].cause.name && &*site.kind == "air" && !site.maker.iter().any(is_faulty)
    };
    let site = city.sites.iter().find(lone);
    let begin = plan[0].begin - 20;
    let span = (begin, begin, plan[0].end + 60);
    truths.push(alarm("limit", site.unwrap(), &"o3".into(), span, (220.0, 200.0), plan.len()));
    (city, plan, truths)
}
