//! Cities with twenty causes that overlap, as alarms: how many orders they end in, of what, and whether the causes are named.
//!
//! A city is dealt by dice: of 50 series 20 are of air, 15 of water, 12 of building sites and 3 of projects; a region for every 250
//! series, with three gateways and four power areas; one station in ten has a second gateway; four brokers, six makers. Readings come
//! every 10 minutes, at a minute of the station's own. A silence is told 25 minutes after the last reading. A
//! value that moved is told in 19 of 20 cases, up to three readings late. The plan is a gateway, power area, broker,
//! weather, maker and plume within an hour, the plume in the region of the gateway; both gateways of one station, half an hour apart;
//! and others, twenty in all, at any time of two days. Beside them stands a true event under the first gateway.
//! Seeds 1 to 99 are for tuning, those from 101 on are reported.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use yiwang_model::{Anomaly, AnomalyId, Phase, Series, Severity, Span, Timestamp};

use crate::registry::build_rule;
use crate::rule::{Epoch, Rule, SeriesEvent, sort};
use crate::topology::{Cause, Meter, Nature, Scope, Site, Topology};
use crate::{Event, Finding, Spec};

const PERIOD: i64 = 10;
const SILENT_AFTER: i64 = 25;
const MINUTES: i64 = 2 * 24 * 60;
/// How far a plume is told of, km.
const PLUME_KM: f64 = 13.0;

/// Dice: SplitMix64 (Steele, Lea, Flood 2014).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    pub(super) fn below(&mut self, below: usize) -> usize {
        (self.bits() % below as u64) as usize
    }

    fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

const KINDS: [(&str, usize, &[&str]); 4] = [
    ("air", 5, &["pm2_5", "pm10", "no2", "o3"]),
    ("water", 3, &["water_level", "ph", "do", "turbidity", "conductivity"]),
    ("construction_site", 4, &["site_noise", "site_power", "site_vehicles"]),
    ("project", 3, &["project_percent"]),
];

/// Which way a metric goes in bad weather.
fn feels(metric: &str) -> i8 {
    match metric {
        "pm2_5" | "pm10" | "no2" | "water_level" | "turbidity" => 1,
        "o3" | "conductivity" | "site_vehicles" => -1,
        _ => 0,
    }
}

fn name(what: &str, number: usize) -> Arc<str> {
    format!("{what}-{number:03}").into()
}

/// A city, and the minute of its own at which each of its stations measures.
pub(super) struct City {
    pub(super) topology: Arc<Topology>,
    sites: Vec<Site>,
    brokers: BTreeMap<Arc<str>, Arc<str>>,
    phases: Vec<i64>,
    regions: usize,
}

impl City {
    pub(super) fn of(dice: &mut Dice, series: usize) -> Self {
        let regions = (series / 250).max(2);
        let (mut sites, mut count) = (Vec::new(), 0);
        while count < series {
            for (kind, stations, metrics) in KINDS {
                for _ in 0..stations {
                    let number = sites.len();
                    sites.push(site(dice, kind, number, regions, metrics));
                    count += metrics.len();
                }
            }
        }
        sites.sort_by(|a: &Site, b| a.source.cmp(&b.source));
        let brokers: BTreeMap<_, _> =
            (0..3 * regions).map(|at| (name("gw", at), name("broker", at % 4))).collect();
        let natures = [("silence", Nature::Silence), ("shift", Nature::Value), ("limit", Nature::Limit)];
        let natures = natures.map(|(detector, nature)| (detector.into(), nature)).into();
        let topology = Arc::new(Topology::new(sites.clone(), brokers.clone(), natures));
        let phases = sites.iter().map(|_| dice.below(PERIOD as usize) as i64).collect();
        Self { topology, sites, brokers, phases, regions }
    }
}

fn site(dice: &mut Dice, kind: &str, number: usize, regions: usize, metrics: &[&str]) -> Site {
    let region = number % regions;
    let (x, y) = (2.0 * dice.unit() - 1.0, 2.0 * dice.unit() - 1.0);
    let quarter = usize::from(x > 0.0) + 2 * usize::from(y > 0.0);
    let first = dice.below(3);
    let mut gateways = vec![name("gw", 3 * region + first)];
    if dice.below(10) == 0 {
        gateways.push(name("gw", 3 * region + (first + 1) % 3));
    }
    let is_project = kind == "project";
    let meter = |metric: &&str| Meter {
        metric: (*metric).into(),
        period: Span::MINUTE.times(PERIOD),
        silent_after: (!is_project).then(|| Span::MINUTE.times(SILENT_AFTER)),
        is_watched: !is_project,
    };
    Site {
        source: format!("{kind}-{number:05}").into(),
        kind: kind.into(),
        meters: metrics.iter().map(meter).collect(),
        gateways,
        power: Some(name("power", 4 * region + quarter)),
        maker: Some(name("maker", dice.below(6))),
        region: name("region", region),
        point: Some((
            104.0 + 0.24 * (region % 8) as f64 + 0.07 * x,
            30.0 + 0.24 * (region / 8) as f64 + 0.07 * y,
        )),
    }
}

/// Something that is wrong for a while, in minutes.
#[derive(Clone, Debug)]
struct Planted {
    cause: Cause,
    begin: i64,
    end: i64,
}

fn plan(dice: &mut Dice, city: &City) -> Vec<Planted> {
    let paired: Vec<&Site> = city.sites.iter().filter(|site| site.gateways.len() == 2).collect();
    let pair = paired[dice.below(paired.len())];
    let mut plan = Vec::new();
    let storm = moment(dice);
    let counts = [
        (Scope::Gateway, 6),
        (Scope::Power, 4),
        (Scope::Broker, 2),
        (Scope::Region, 3),
        (Scope::Maker, 2),
        (Scope::Plume, 3),
    ];
    for (scope, _) in counts {
        let begin = storm + PERIOD * dice.below(6) as i64;
        let name = match scope {
            Scope::Gateway => Arc::clone(&pair.gateways[0]),
            Scope::Plume => air(dice, city, Some(&pair.region)),
            _ => anywhere(dice, city, scope),
        };
        plan.push(planted(scope, name, begin));
    }
    let later = moment(dice);
    for (at, gateway) in pair.gateways.iter().enumerate() {
        plan.push(planted(Scope::Gateway, Arc::clone(gateway), later + 30 * at as i64));
    }
    for (scope, count) in counts {
        while plan.iter().filter(|one| one.cause.scope == scope).count() < count {
            // the same again within hours would be the same cause
            let one = planted(scope, anywhere(dice, city, scope), moment(dice));
            if plan.iter().any(|other| other.cause == one.cause) {
                continue;
            }
            plan.push(one);
        }
    }
    plan
}

fn moment(dice: &mut Dice) -> i64 {
    PERIOD * (12 + dice.below((MINUTES / PERIOD) as usize - 80) as i64)
}

fn planted(scope: Scope, name: Arc<str>, begin: i64) -> Planted {
    let lasts = match scope {
        Scope::Region | Scope::Maker => 36,
        Scope::Plume => 24,
        _ => 18,
    };
    Planted { cause: Cause { scope, name }, begin, end: begin + PERIOD * lasts }
}

fn anywhere(dice: &mut Dice, city: &City, scope: Scope) -> Arc<str> {
    match scope {
        Scope::Gateway => name("gw", dice.below(3 * city.regions)),
        Scope::Power => name("power", dice.below(4 * city.regions)),
        Scope::Broker => name("broker", dice.below(4)),
        Scope::Region => name("region", dice.below(city.regions)),
        Scope::Maker => name("maker", dice.below(6)),
        _ => air(dice, city, None),
    }
}

fn air(dice: &mut Dice, city: &City, region: Option<&Arc<str>>) -> Arc<str> {
    let fits = |site: &&Site| &*site.kind == "air" && region.is_none_or(|region| site.region == *region);
    let air: Vec<&Site> = city.sites.iter().filter(fits).collect();
    Arc::clone(&air[dice.below(air.len())].source)
}

/// An alarm and what truly made it.
struct Truth {
    told: i64,
    cleared: i64,
    anomaly: Anomaly,
    by: usize,
}

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_secs(minutes * 60)
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
                out.extend(
                    site.meters.iter().map(|meter| alarm("silence", site, &meter.metric, span, seen, by)),
                );
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
            for meter in &site.meters {
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

/// What became of the alarms of a city.
#[derive(Debug)]
pub(super) struct Measured {
    alarms: usize,
    most: usize,
    orders: usize,
    purity: f64,
    causes: usize,
    named: usize,
    /// Those that are not named, with what their alarms went to.
    unnamed: Vec<String>,
    lone_event: bool,
}

fn rule() -> Box<dyn Rule> {
    build_rule(&spec()).map_err(|faults| format!("{faults:?}")).unwrap()
}

pub(super) fn spec() -> Spec {
    Spec {
        name: "cause".into(),
        kind: "cause".into(),
        severity: Severity::Warning,
        params: BTreeMap::new(),
        limits: [].into(),
    }
}

/// The alarms of a city of so many series, and what is planted in it; the event under the broken gateway comes last.
fn alarms(seed: u64, series: usize, which: fn(Scope) -> bool) -> (City, Vec<Planted>, Vec<Truth>) {
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

/// Plays the alarms, a minute an epoch.
fn play(city: &City, truths: &[Truth]) -> Vec<(i64, Anomaly)> {
    let mut by_minute: BTreeMap<i64, Vec<SeriesEvent>> = BTreeMap::new();
    let gateway = crate::gateway::subject("any").unwrap();
    for truth in truths {
        let event = |anomaly| SeriesEvent { gateway: gateway.clone(), anomaly };
        by_minute.entry(truth.told).or_default().push(event(truth.anomaly.clone()));
        let cleared =
            Anomaly { phase: Phase::Cleared, end: Some(at(truth.cleared)), ..truth.anomaly.clone() };
        by_minute.entry(truth.cleared).or_default().push(event(cleared));
    }
    let mut rule = rule();
    rule.learn(Arc::clone(&city.topology));
    let mut said = Vec::new();
    for minute in 0..MINUTES + 600 {
        let mut events = by_minute.remove(&minute).unwrap_or_default();
        sort(&mut events);
        let mut out = Vec::new();
        rule.step(&Epoch { city: at(minute), heard: &[], events: &events }, &mut out);
        said.extend(out.into_iter().map(|anomaly| (minute, anomaly)));
    }
    said
}

pub(super) fn measure(seed: u64, series: usize, which: fn(Scope) -> bool) -> Measured {
    let (city, plan, truths) = alarms(seed, series, which);
    let said = play(&city, &truths);
    let truth: BTreeMap<AnomalyId, usize> = truths.iter().map(|truth| (truth.anomaly.id, truth.by)).collect();
    let (mut orders, mut into) =
        (BTreeMap::<AnomalyId, Series>::new(), BTreeMap::<AnomalyId, AnomalyId>::new());
    let mut lone_event = false;
    for (minute, step) in &said {
        match step.phase {
            Phase::Raised => {
                orders.insert(step.id, step.series.clone());
                into.remove(&step.id);
                lone_event |= truth.get(&step.id) == Some(&plan.len()) && at(*minute) == step.begin;
            }
            Phase::Withdrawn => {
                orders.remove(&step.id);
                into.extend(step.into.map(|parent| (step.id, parent)));
                lone_event &= truth.get(&step.id) != Some(&plan.len());
            }
            _ => {}
        }
    }
    let mut members: BTreeMap<AnomalyId, BTreeMap<usize, usize>> = BTreeMap::new();
    for (id, by) in &truth {
        *members.entry(into.get(id).copied().unwrap_or(*id)).or_default().entry(*by).or_default() += 1;
    }
    let main = |of: &BTreeMap<usize, usize>| {
        of.iter().max_by_key(|(by, count)| (**count, **by)).map(|(by, count)| (*by, *count))
    };
    let pure: usize = members.values().filter_map(main).map(|(_, count)| count).sum();
    let mut found: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for (id, of) in &members {
        let (Some((by, count)), Some(subject)) = (main(of), orders.get(id)) else { continue };
        found.entry(by).or_default().push(format!("{subject} ({count})"));
    }
    let causes: BTreeSet<usize> = truth.values().copied().filter(|by| *by < plan.len()).collect();
    let is_named = |by: &usize| {
        let subject = plan[*by].cause.subject().unwrap().to_string();
        found
            .get(by)
            .is_some_and(|orders| orders.iter().any(|order| order.starts_with(&format!("{subject} "))))
    };
    let unnamed =
        causes.iter().filter(|by| !is_named(by)).map(|by| format!("{:?} is {:?}", plan[*by], found.get(by)));
    let mut load = vec![0_usize; (MINUTES + 700) as usize];
    for truth in &truths {
        (truth.told..truth.cleared.min(MINUTES + 600)).for_each(|minute| load[minute as usize] += 1);
    }
    Measured {
        alarms: truths.len(),
        most: load.into_iter().max().unwrap_or_default(),
        orders: orders.len(),
        purity: pure as f64 / truth.len() as f64,
        causes: causes.len(),
        named: causes.iter().filter(|by| is_named(by)).count(),
        unnamed: unnamed.collect(),
        lone_event,
    }
}

fn print(seed: u64, series: usize, of: &Measured) {
    println!(
        "| {seed} | {series} | {} | {} | {} | {:.4} | {} of {} | {} |",
        of.alarms, of.most, of.orders, of.purity, of.named, of.causes, of.lone_event
    );
}

/// The figures of DETECTION.md: `cargo test -p yiwang-detect twenty_causes -- --nocapture`.
#[test]
fn outages_among_twenty_causes_are_few_orders() {
    for seed in 101..=110 {
        let of = measure(seed, 2_000, Scope::is_outage);
        print(seed, 2_000, &of);
        let bounds = of.orders <= 25 && of.purity >= 0.99 && of.named == of.causes && of.lone_event;
        assert!(bounds, "seed {seed}: {of:#?}");
    }
}

/// All six kinds; the bounds are those that are wanted, 25 orders and a purity of 0.99.
#[test]
#[ignore = "values do not reach the bounds on every seed; DETECTION.md has what they reach"]
fn twenty_causes_are_few_orders() {
    let measured: Vec<(u64, Measured)> =
        (101..=110).map(|seed| (seed, measure(seed, 2_000, |_| true))).collect();
    measured.iter().for_each(|(seed, of)| print(*seed, 2_000, of));
    for (seed, of) in measured {
        let bounds = of.orders <= 25 && of.purity >= 0.99 && of.named == of.causes && of.lone_event;
        assert!(bounds, "seed {seed}: {of:#?}");
    }
}

#[test]
#[ignore = "for tuning"]
fn tuning() {
    for which in [Scope::is_outage, |_| true] {
        for seed in 1..=20 {
            let of = measure(seed, 2_000, which);
            print(seed, 2_000, &of);
            of.unnamed.iter().for_each(|one| println!("    {one}"));
        }
    }
}
