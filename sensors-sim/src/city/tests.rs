use std::collections::BTreeMap;

use super::census::Member;
use super::fault::Kind;
use super::world::World;
use super::*;
use crate::fake::{self, Got, Manner, Seen};
use yiwang_model::Timestamp;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn began() -> Timestamp {
    at("2026-11-20T10:00:00+08:00")
}

fn options(seed: u64, plan: &str) -> Options {
    let mut options = Options::demo(None, None, seed);
    options.faults = fault::Plan::parse(&format!("kind,target,begin,end,size\n{plan}")).unwrap();
    options.clock = CityClock::new(began(), 1.0);
    options
}

fn world(seed: u64, plan: &str) -> World {
    World::new(&options(seed, plan), began()).unwrap()
}

fn place(world: &World, source: &str, metric: &str) -> usize {
    let is = |member: &Member| &**member.series.source() == source && &**member.series.metric() == metric;
    world.members().iter().position(is).unwrap()
}

fn course(world: &World, member: usize, from: Timestamp, span: Span, step: Span) -> Vec<f64> {
    let steps = span.0 / step.0;
    (0..steps).filter_map(|number| Some(world.say(member, from + step.times(number))?.value)).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn the_demo_city_has_all_kinds_and_nobody_from_elsewhere() {
    let world = world(1, "");
    let sources: Vec<&str> = world.members().iter().map(|member| member.series.source().as_ref()).collect();
    assert!(sources.contains(&"510104-air-1") && sources.contains(&"gaoxin-statistics"));
    assert!(!sources.contains(&"Aotizhongxin"));
    assert_eq!(world.census().gateways().len(), 7);
}

#[test]
fn a_seed_is_a_city() {
    let (one, same, other) = (world(1, ""), world(1, ""), world(2, ""));
    let mut differ = 0;
    for member in 0..one.members().len() {
        let time = one.members()[member].time_of(one.members()[member].slot_from(began()));
        assert_eq!(one.say(member, time), same.say(member, time));
        differ += usize::from(one.say(member, time) != other.say(member, time));
    }
    assert!(differ * 2 > one.members().len(), "only {differ} differ");
}

/// Which statistic a limit is on: the length of its window.
fn window_of(limit: &yiwang_catalogue::Limit) -> Option<Span> {
    match &*limit.window {
        "day mean" | "24 h mean" => Some(Span::DAY),
        "8 h mean" => Some(Span::HOUR.times(8)),
        "hour mean" => Some(Span::HOUR),
        "20 min mean" => Some(Span::MINUTE.times(20)),
        "instant" => Some(Span::SECOND),
        _ => None,
    }
}

#[test]
fn a_city_without_faults_is_possible_and_keeps_the_limits() {
    let catalogue = Catalogue::demo();
    for (seed, from) in
        [(1, "2026-01-12T00:00:00+08:00"), (2, "2026-07-06T00:00:00+08:00"), (3, "2026-11-02T00:00:00+08:00")]
    {
        let (world, from) = (world(seed, ""), at(from));
        for (number, member) in world.members().iter().enumerate() {
            if !matches!(member.nature, census::Nature::Sensor) {
                continue;
            }
            let step = Span::MINUTE.times(10);
            let values = course(&world, number, from, Span::DAY.times(7), step);
            assert!(values.iter().all(|value| (member.range.0..=member.range.1).contains(value)));
            let own = catalogue.limits.iter().filter(|limit| limit.metric == *member.series.metric());
            for limit in own.filter(|limit| limit.validity_contains(from)) {
                let length = usize::try_from((window_of(limit).unwrap().0 / step.0).max(1)).unwrap();
                for window in values.chunks_exact(length) {
                    let value = mean(window);
                    let kept = match limit.direction {
                        yiwang_catalogue::Direction::Above => value <= limit.value,
                        yiwang_catalogue::Direction::Below => value >= limit.value,
                    };
                    assert!(kept, "{:?}: {value} breaks {} (seed {seed})", member.series, limit.id);
                }
            }
        }
    }
}

trait Valid {
    fn validity_contains(&self, at: Timestamp) -> bool;
}

impl Valid for yiwang_catalogue::Limit {
    fn validity_contains(&self, at: Timestamp) -> bool {
        self.valid_from <= at && self.valid_to.is_none_or(|to| at < to)
    }
}

#[test]
fn neighbours_go_together_and_hours_differ() {
    let world = world(4, "");
    let day = |source, metric| {
        course(
            &world,
            place(&world, source, metric),
            at("2026-03-02T00:00:00+08:00"),
            Span::DAY.times(4),
            Span::HOUR,
        )
    };
    let (a, b) = (day("510104-air-1", "pm2_5"), day("510104-air-2", "pm2_5"));
    let (am, bm) = (mean(&a), mean(&b));
    let product: f64 = a.iter().zip(&b).map(|(x, y)| (x - am) * (y - bm)).sum();
    let size = |of: &[f64], mean: f64| of.iter().map(|x| (x - mean).powi(2)).sum::<f64>().sqrt();
    let correlation = product / size(&a, am) / size(&b, bm);
    assert!(correlation > 0.8, "{correlation}");
    let of_hour = |values: &[f64], hour: usize| {
        mean(&values.iter().skip(hour).step_by(24).copied().collect::<Vec<_>>())
    };
    let (ozone, exhaust, noise) =
        (day("510104-air-1", "o3"), day("510104-air-1", "no2"), day("510104-site-1", "site_noise"));
    assert!(of_hour(&ozone, 14) > of_hour(&ozone, 4) + 20.0);
    assert!(of_hour(&exhaust, 8) > 1.3 * of_hour(&exhaust, 3));
    assert!(of_hour(&noise, 10) > of_hour(&noise, 2) + 8.0);
}

#[test]
fn the_default_plan_does_what_it_says() {
    let mut options = options(1, "");
    options.faults = default_faults();
    let world = World::new(&options, began()).unwrap();
    let limit_24h = 60.0;
    let smoky = world.faults().iter().filter(|fault| fault.kind == Kind::Plume).map(|fault| fault.member);
    let means: Vec<f64> = smoky
        .map(|member| mean(&course(&world, member, began() - Span::DAY, Span::DAY, Span::MINUTE.times(5))))
        .collect();
    assert_eq!(means.len(), 3);
    assert!(means.iter().all(|mean| *mean > limit_24h && *mean < 130.0), "{means:?}");
    let loud = place(&world, "510104-site-1", "site_noise");
    let before =
        course(&world, loud, began() - Span::MINUTE.times(20), Span::MINUTE.times(20), Span::from_secs(10));
    assert!(before.iter().all(|value| *value > 72.0));
    let slow = place(&world, "510104-p01-metro", "project_percent");
    let census::Nature::Project(plan) = &world.members()[slow].nature else { panic!("a project") };
    let behind = plan.planned(began()) - world.say(slow, began()).unwrap().value;
    assert!((behind - 12.0).abs() < 0.1, "{behind}");
    let past = course(&world, slow, began() - Span::DAY.times(600), Span::DAY.times(700), Span::DAY);
    assert!(past.is_sorted(), "progress never goes back");
    let flat = world.faults().iter().find(|fault| fault.kind == Kind::Stuck).unwrap();
    let values = course(&world, flat.member, flat.begin, flat.end - flat.begin, Span::MINUTE);
    assert!(values.iter().all(|value| value.to_bits() == values[0].to_bits()));
    let spike = world.faults().iter().find(|fault| fault.kind == Kind::Spike).unwrap();
    let own = &world.members()[spike.member];
    let slots = own.slot_from(spike.begin)..own.slot_from(spike.end);
    assert_eq!(slots.clone().count(), 1, "a spike is one reading");
    assert!(world.say(spike.member, own.time_of(slots.start)).unwrap().value > 400.0);
    let gateways = world.faults().iter().filter(|fault| fault.kind == Kind::GatewaySilence);
    assert_eq!(gateways.count(), 42, "seven sections of six metrics");
}

#[test]
fn sending_can_be_wrong_as_well() {
    let target = "510104-air-1/pm2_5";
    let plan = format!(
        "clock_skew,{target},-1h,-50m,90\nduplicate,{target},-50m,-40m,\nsilence,{target},-40m,-30m,\ndrift,{target},-30m,-20m,50\nburst,{target},-20m,-10m,\n"
    );
    let world = world(1, &plan);
    let member = place(&world, "510104-air-1", "pm2_5");
    let ago = |minutes| began() - Span::MINUTE.times(minutes);
    assert_eq!(world.say(member, ago(55)).unwrap().time, ago(55) + Span::from_secs(90));
    assert_eq!(world.say(member, ago(45)).unwrap().times, 2);
    assert_eq!(world.say(member, ago(35)), None);
    assert!(
        world.say(member, ago(21)).unwrap().value
            > world.say(member, ago(31) - Span::HOUR).unwrap().value + 15.0
    );
    assert!(world.is_held(member, ago(15), ago(11)) && !world.is_held(member, ago(15), ago(10)));
}

#[test]
fn targets_that_do_not_exist_are_all_told() {
    let options = options(
        1,
        "spike,nobody,+0s,+1s,\nspike,@air:99,+0s,+1s,\ngateway_silence,@gateway:99,+0s,+1s,\nloud,510104-air-1,+0s,+1s,\nspike,@air:0,2026-01-01T00:00:00Z,2025-01-01T00:00:00Z,\n",
    );
    let wrong = World::new(&options, began()).unwrap_err();
    assert_eq!(wrong.iter().map(|wrong| wrong.line).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
}

#[test]
fn the_truth_names_every_series() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("truth.csv");
    truth::write(&path, &world(1, "plume,@air:0,-2h,+1h,70\nspike,@air:3/o3,+5s,+65s,9\n")).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "fault,kind,source,metric,begin,end,size");
    assert_eq!(lines.len(), 5, "{text}");
    assert!(
        lines.contains(&"1,plume,510104-air-1,pm2_5,2026-11-20T00:00:00Z,2026-11-20T03:00:00Z,70"),
        "{text}"
    );
}

#[test]
fn a_city_remembers_when_it_began() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let (first, later) = (began(), began() + Span::HOUR);
    assert_eq!(state::began(Some(&path), first).unwrap(), first);
    assert_eq!(state::began(Some(&path), later).unwrap(), first);
    std::fs::write(&path, "yesterday").unwrap();
    assert!(state::began(Some(&path), later).is_err());
}

/// By door, source and metric: the event times, as they came.
fn by_series(got: &[Got]) -> BTreeMap<(&'static str, String, String), Vec<i64>> {
    let mut series: BTreeMap<_, Vec<i64>> = BTreeMap::new();
    for got in got {
        for (source, metric, time, ..) in &got.readings {
            series.entry((got.door, source.clone(), metric.clone())).or_default().push(*time);
        }
    }
    series
}

#[tokio::test]
async fn the_whole_city_goes_through_both_doors_oldest_first() {
    let seen = Seen::new();
    let mut options = options(1, "");
    options.grpc = Some(fake::grpc(&seen, |_| Manner::default()).await);
    options.mqtt = Some(fake::mqtt(&seen, |_| Manner::default()).await);
    options.backfill = Span::HOUR.times(2);
    let wanted = World::new(&options, began()).unwrap().members().len();
    let stop = CancellationToken::new();
    let city = tokio::spawn(run(options, stop.clone()));
    while by_series(&seen.all()).len() < wanted {
        let now = seen.all().len();
        seen.wait_for(now + 1).await;
    }
    stop.cancel();
    city.await.unwrap().unwrap();
    let got = seen.all();
    let series = by_series(&got);
    assert_eq!(series.len(), wanted, "each series goes through one door");
    let through = |door| got.iter().filter(|got| got.door == door).flat_map(|got| &got.readings).count();
    assert!(through("grpc") > 1000 && through("mqtt") > 1000);
    for ((_, source, metric), times) in &series {
        if !source.contains("statistics") {
            assert!(times.is_sorted_by(|a, b| a < b), "{source} {metric} is not in the order of time");
        }
    }
    let months = &series[&("grpc", "510104-statistics".to_owned(), "retail_sales".to_owned())];
    assert!(months.len() > 60, "36 months, printed and revised");
    assert!(got.iter().flat_map(|got| &got.readings).all(|reading| !reading.4.is_empty()), "each has a unit");
}

#[tokio::test]
async fn a_city_without_a_door_or_a_welcome_says_so() {
    assert!(run(options(1, ""), CancellationToken::new()).await.is_err());
    let seen = Seen::new();
    let mut options = options(1, "");
    options.grpc = Some(fake::grpc(&seen, |_| Manner { locked: true, ..Manner::default() }).await);
    let error = run(options, CancellationToken::new()).await.unwrap_err();
    assert!(format!("{error:#}").contains("Unauthenticated"), "{error:#}");
}
