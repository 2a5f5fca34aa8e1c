use proptest::prelude::*;

use super::*;
use crate::planted::truth::Truth;

const SERIES: usize = 500;

fn life(days: u32) -> Life {
    Life { begin: BEGIN.parse().unwrap(), days }
}

fn city(plan: &str) -> City {
    let plan = Plan::parse(&format!("kind,target,begin,length,size\n{plan}")).unwrap();
    City::new(7, SERIES, life(30), &plan).map_err(|wrong| all_wrong("plan", &wrong)).unwrap()
}

/// All readings of a series from its `begin`-th period on, with what the signal alone would be and σ.
fn around(city: &City, name: &str, from: &str, readings: i64) -> Vec<Option<(f64, f64)>> {
    let (source, metric) = name.split_once('/').unwrap();
    let at = city.survey.find(source, metric).unwrap();
    let member = &city.survey.members[at];
    let begin = city.life.begin + from.parse::<Span>().unwrap();
    let begin = plant::first_reading(begin, member.period(), city.survey.place_of(member).phase);
    let moment = |reading: i64| begin + member.period().times(reading);
    let of = |at_time| {
        let (value, _) = city.say(at, at_time)?;
        let plain = member.base + member.sigma * city.signals.signal(&city.survey, member, at_time);
        Some((value, (value - plain) / member.sigma))
    };
    (0..readings).map(|reading| of(moment(reading))).collect()
}

/// How far readings are from their signal, in σ; those that were lost left out.
fn off(city: &City, name: &str, from: &str, readings: i64) -> Vec<f64> {
    around(city, name, from, readings).into_iter().flatten().map(|(_, off)| off).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn deviation(values: &[f64]) -> f64 {
    let mean = mean(values);
    libm::sqrt(values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / values.len() as f64)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
fn sigma_is_the_robust_noise_of_every_metric() {
    let city = city("");
    for recipe in &recipe::RECIPES {
        let place = city.survey.places.iter().find(|place| place.kind == recipe.station).unwrap();
        let mut off = off(
            &city,
            &format!("{}/{}", place.id, recipe.metric),
            "0s",
            4000.min(if is_daily(place.kind) { 30 } else { 4000 }),
        );
        let middle = median(&mut off.clone());
        off.iter_mut().for_each(|value| *value = (*value - middle).abs());
        let robust = 1.4826 * median(&mut off);
        let slack = if is_daily(place.kind) { 0.4 } else { 0.06 };
        assert!((robust - 1.0).abs() < slack, "{}: {robust}", recipe.metric);
    }
}

/// How far the readings of a city are from those of the same city without a plan, in σ; rounding included.
fn moved(city: &City, name: &str, from: &str, readings: i64) -> Vec<f64> {
    let (with, without) = (around(city, name, from, readings), around(&self::city(""), name, from, readings));
    let (source, metric) = name.split_once('/').unwrap();
    let sigma = sigma(city, source, metric);
    with.iter()
        .zip(&without)
        .filter_map(|(with, without)| Some((with.as_ref()?.0 - without.as_ref()?.0) / sigma))
        .collect()
}

fn all_about(values: &[f64], wanted: impl Fn(usize) -> f64) -> bool {
    values.iter().enumerate().all(|(at, value)| (value - wanted(at)).abs() < 0.2)
}

#[test]
fn every_fault_has_the_size_that_is_stated() {
    let city = city(
        "spike,air-0001/pm10,+8d,1,8\nshift,river-0001/do,+8d,30,3\ndrift,site-0001/site_power,+8d,200,0.05\n\
         noise,air-0002/pm2_5,+8d,60,3\nstuck,air-0003/o3,+8d,8,\ngap,air-0004/no2,+8d,5,\n\
         limit,air-0005/no2,+8d,6,1.1\nslip,project-0001/project_percent,+8d,5,10\n",
    );
    // A reading before and one behind are as they were.
    let inside = |size: f64, readings| move |at: usize| if (1..=readings).contains(&at) { size } else { 0.0 };
    let spike = moved(&city, "air-0001/pm10", "7d23h50m", 3);
    assert!(all_about(&spike, inside(8.0, 1)), "{spike:?}");
    let shift = moved(&city, "river-0001/do", "7d23h50m", 32);
    assert!(shift.len() >= 31 && all_about(&shift, inside(3.0, 30)), "{shift:?}");
    let drift = moved(&city, "site-0001/site_power", "8d", 200);
    assert!((drift[0] - 0.05).abs() < 0.03 && (drift.last().unwrap() - 10.0).abs() < 0.2, "{drift:?}");
    assert!((mean(&drift) - 0.05 * 100.5).abs() < 0.1, "{}", mean(&drift));
    let (loud, quiet) =
        (off(&city, "air-0002/pm2_5", "8d", 60), off(&self::city(""), "air-0002/pm2_5", "8d", 60));
    assert!(
        loud.iter().zip(&quiet).all(|(loud, quiet)| (loud - 3.0 * quiet).abs() < 0.2),
        "{loud:?} {quiet:?}"
    );
    let stuck: Vec<_> =
        around(&city, "air-0003/o3", "7d23h50m", 10).into_iter().flatten().map(|one| one.0).collect();
    assert!(stuck[1..9].iter().all(|value| *value == stuck[0]) && stuck[9] != stuck[0], "{stuck:?}");
    let gap = around(&city, "air-0004/no2", "7d23h50m", 7);
    assert_eq!(
        gap.iter().map(Option::is_some).collect::<Vec<_>>(),
        [true, false, false, false, false, false, true]
    );
    let limit: Vec<_> =
        around(&city, "air-0005/no2", "8d", 6).into_iter().flatten().map(|one| one.0).collect();
    assert!((mean(&limit) - 220.0).abs() < 3.0, "{limit:?}");
    let points = sigma(&city, "project-0001", "project_percent");
    let slip: Vec<f64> =
        moved(&city, "project-0001/project_percent", "7d", 10).iter().map(|off| off * points).collect();
    assert!((0..10).all(|day| (slip[day] + (2.0 * day as f64).min(10.0)).abs() < 0.11), "{slip:?}");
}

fn sigma(city: &City, source: &str, metric: &str) -> f64 {
    city.survey.members[city.survey.find(source, metric).unwrap()].sigma
}

#[test]
fn a_lost_season_takes_the_day_out_and_leaves_its_mean() {
    let (with, without) = (city("season,site-0002/site_noise,+8d,288,\n"), city(""));
    let day = |city: &City| {
        around(city, "site-0002/site_noise", "8d", 144).into_iter().flatten().map(|one| one.0).collect()
    };
    let (lost, usual): (Vec<f64>, Vec<f64>) = (day(&with), day(&without));
    assert!(deviation(&lost) < deviation(&usual) / 4.0, "{} {}", deviation(&lost), deviation(&usual));
    assert!((mean(&lost) - mean(&usual)).abs() < 0.3, "{} {}", mean(&lost), mean(&usual));
}

#[test]
fn a_front_moves_a_region_and_nothing_else() {
    let city = city("front,region-01,+9d,36,5\n");
    let shared: Vec<&Place> =
        city.survey.places.iter().filter(|place| place.kind == StationKind::Air).collect();
    for place in shared {
        let moved = mean(&off(&city, &format!("{}/pm2_5", place.id), "9d1h", 24));
        let wanted = if place.region == 1 { 5.0 } else { 0.0 };
        assert!((moved - wanted).abs() < 0.9, "{} {moved}", place.id);
    }
}

#[test]
fn a_station_with_two_gateways_is_heard_until_both_are_down() {
    let plain = city("");
    let pair = plain
        .survey
        .places
        .iter()
        .find(|place| place.gateways.len() == 2 && place.kind == StationKind::Air)
        .unwrap();
    let (first, second) = (catalogue::gateway(pair.gateways[0]), catalogue::gateway(pair.gateways[1]));
    let city = city(&format!("gateway,{first},+8d,18,\ngateway,{second},+8d1h,18,\n"));
    let truth = Truth::parse(&truth::of(&city).unwrap()).unwrap();
    let own: Vec<_> =
        truth.rows.iter().filter(|row| *row.source == *pair.id && row.metric == "no2").collect();
    assert_eq!(own.len(), 1);
    assert_eq!((own[0].target.as_str(), (own[0].end - own[0].begin)), (second.as_str(), Span::HOUR.times(2)));
    let alone = city.survey.places.iter().find(|place| place.gateways == [pair.gateways[0]]).unwrap();
    let rows = truth.rows.iter().filter(|row| *row.source == *alone.id);
    assert!(rows.clone().count() > 0 && rows.into_iter().all(|row| row.target == first));
    let heard = around(&city, &format!("{}/no2", pair.id), "8d", 24);
    assert_eq!(heard.iter().filter(|one| one.is_none()).count(), 12);
}

#[test]
fn what_happens_while_nothing_is_heard_is_no_truth() {
    let plain = city("");
    let alone =
        plain.survey.places.iter().find(|place| place.gateways.len() == 1 && place.region == 0).unwrap();
    let gateway = catalogue::gateway(alone.gateways[0]);
    let city = city(&format!("weather,region-00,+8d,36,8\ngateway,{gateway},+8d1h,18,\n"));
    let truth = Truth::parse(&truth::of(&city).unwrap()).unwrap();
    let own = truth.rows.iter().filter(|row| *row.source == *alone.id && row.metric == "no2");
    let spans: Vec<_> = own.map(|row| (row.kind, row.end - row.begin)).collect();
    let hours = |hours| Span::HOUR.times(hours);
    let wanted = [(Kind::Weather, hours(1)), (Kind::Weather, hours(2)), (Kind::Gateway, hours(3))];
    assert_eq!(spans, wanted);
}

#[test]
fn the_first_of_two_outages_is_the_cause_as_long_as_it_lasts() {
    let plain = city("");
    let alone = plain
        .survey
        .places
        .iter()
        .find(|place| place.gateways.len() == 1 && place.kind == StationKind::Air)
        .unwrap();
    let (gateway, power) = (catalogue::gateway(alone.gateways[0]), format!("power-{:03}", alone.power));
    let city = city(&format!("gateway,{gateway},+8d,18,\npower,{power},+8d1h,18,\n"));
    let truth = Truth::parse(&truth::of(&city).unwrap()).unwrap();
    let own: Vec<_> =
        truth.rows.iter().filter(|row| *row.source == *alone.id && row.metric == "no2").collect();
    let spans: Vec<_> = own.iter().map(|row| (row.target.as_str(), row.end - row.begin)).collect();
    assert_eq!(spans, [(gateway.as_str(), Span::HOUR.times(3)), (power.as_str(), Span::HOUR)]);
}

#[test]
fn the_least_delay_is_that_of_the_formula() {
    let city = city(
        "spike,air-0001/pm10,+8d,,\nshift,air-0002/pm10,+8d,,\ndrift,air-0003/pm10,+8d,,\nnoise,air-0004/pm10,+8d,,\n\
         gap,air-0005/no2,+8d,,\nlimit,air-0006/no2,+8d,,\n",
    );
    let truth = Truth::parse(&truth::of(&city).unwrap()).unwrap();
    let least: Vec<_> = truth.rows.iter().map(|row| (row.kind, row.least)).collect();
    // ln 720,000 = 13.49: one reading of 32 nats; 3 of 4.5; 32 with Σ (0.05 k)²/2 ≥ 13.49; 5 of 2.90; 3 of ln 500.
    let wanted = [
        (Kind::Spike, 0),
        (Kind::Shift, 2),
        (Kind::Drift, 31),
        (Kind::Noise, 4),
        (Kind::Gap, 2),
        (Kind::Limit, 6),
    ];
    assert_eq!(least, wanted);
}

#[test]
fn the_same_seed_is_the_same_city_and_another_is_another() {
    let text = |seed: u64, name: &str| {
        let folder = tempfile::tempdir().unwrap();
        let draw = draw::Options {
            seed,
            series: 200,
            begin: BEGIN.parse().unwrap(),
            days: 20,
            each: 2,
            factors: vec![1.0],
        };
        let plan = draw::faults(&draw).unwrap();
        let out = folder.path().to_owned();
        write(&Options { seed, series: 200, begin: draw.begin, days: 20, plan, detectors: None, out })
            .unwrap();
        std::fs::read(folder.path().join(name)).unwrap()
    };
    for name in ["readings.csv", "truth.csv", "plan.csv", "topology.csv", "catalogue/city.toml"] {
        assert!(text(1, name) == text(1, name), "{name} differs");
        assert!(text(1, name) != text(2, name), "{name} is the same");
    }
}

#[test]
fn the_catalogue_is_one() {
    let city = city("maintenance,air-0001/no2,+8d,12,\n");
    let detectors = "";
    let text = catalogue::city(&city);
    let read = yiwang_catalogue::Catalogue::parse(&[("city.toml", &text), ("detectors.toml", detectors)]);
    let read =
        read.map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")).unwrap();
    assert_eq!(read.series().count(), SERIES);
    assert_eq!(read.calibrations("air-0001", "no2").count(), 1);
    assert_eq!(catalogue::topology(&city.survey).lines().count(), city.survey.places.len() + 1);
}

#[test]
fn a_drawn_plan_has_what_it_promises() {
    let options = draw::Options {
        seed: 3,
        series: 1000,
        begin: BEGIN.parse().unwrap(),
        days: 30,
        each: 10,
        factors: vec![0.25, 4.0],
    };
    let plan = draw::faults(&options).unwrap();
    let count = |class: Class| plan.lines.iter().filter(|line| line.kind.class() == class).count();
    assert_eq!((count(Class::Fault), count(Class::Quiet)), (90, 90));
    for kind in Kind::all(Class::Fault) {
        let factors: Vec<f64> = plan
            .lines
            .iter()
            .filter(|line| line.kind == kind)
            .map(|line| kind.factor(line.readings, line.size))
            .collect();
        assert_eq!(factors.iter().filter(|factor| **factor == 0.25).count(), 5, "{kind:?} {factors:?}");
    }
    assert!(Kind::all(Class::Quiet).all(|kind| plan.lines.iter().any(|line| line.kind == kind)));
    let begin: Timestamp = options.begin;
    assert!(plan.lines.iter().all(|line| line.begin.at(begin) >= begin + WARM_UP));
    assert_eq!(Plan::parse(&plan.to_csv()).unwrap(), plan);
}

#[test]
fn drawn_causes_are_twenty_of_six_kinds_and_six_overlap() {
    let options = draw::Options {
        seed: 3,
        series: 2000,
        begin: BEGIN.parse().unwrap(),
        days: 10,
        each: 0,
        factors: vec![1.0],
    };
    let plan = draw::causes(&options).unwrap();
    let begin: Timestamp = options.begin;
    assert_eq!(plan.lines.len(), 20);
    let active = |at: Timestamp| {
        let on = |line: &&Line| {
            line.begin.at(begin) <= at
                && at < line.begin.at(begin) + survey::PERIOD.times(line.readings.into())
        };
        plan.lines.iter().filter(on).map(|line| line.kind).collect::<std::collections::BTreeSet<_>>().len()
    };
    assert_eq!(plan.lines.iter().map(|line| active(line.begin.at(begin))).max(), Some(6));
}

fn wrong(plan: &str) -> Vec<String> {
    let plan = match Plan::parse(&format!("kind,target,begin,length,size\n{plan}")) {
        Ok(plan) => plan,
        Err(wrong) => return wrong.iter().map(ToString::to_string).collect(),
    };
    match City::new(7, SERIES, life(30), &plan) {
        Ok(_) => Vec::new(),
        Err(wrong) => wrong.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn what_is_wrong_with_a_plan_is_told_by_line_with_what_would_be_right() {
    let told = wrong("flood,,soon,0,NaN\n");
    assert!(
        told[0].starts_with("line 2: kind \"flood\" is not known; wanted is one of spike, shift"),
        "{told:?}"
    );
    assert!(
        told[1].contains("target \"\"")
            && told[2].contains("begin \"soon\" is no moment; wanted is an offset"),
        "{told:?}"
    );
    assert!(told[3].contains("length \"0\"") && told[4].contains("size \"NaN\""), "{told:?}");
    for (plan, word) in [
        (
            "spike,air-9999/no2,+8d,1,8",
            "target \"air-9999/no2\" is no series of this city; wanted is source/metric",
        ),
        ("spike,air-0001/no2,+31d,1,8", "is not in the city's life; wanted is 2026-09-1"),
        ("spike,air-0001/no2,-1d,1,8", "begin \"-1d\" is no moment"),
        ("spike,air-0001/no2,+8d,1,8,9", "6 fields under 5 columns"),
        ("limit,air-0001/pm10,+8d,6,1.1", "wanted is no2, o3 or ph, from a full hour on"),
        ("limit,air-0001/no2,+8d10m,6,1.1", "wanted is no2, o3 or ph, from a full hour on"),
        ("season,river-0001/turbidity,+8d,,", "a daily rhythm"),
        ("slip,air-0001/no2,+8d,,", "wanted is project_percent"),
        ("holiday,site-0001/site_noise,+8d,,", "a day that the statutory calendar moves"),
        ("stuck,air-0001/no2,+8d,8,1", "a stuck has none; wanted is an empty field"),
        ("gateway,gw-999,+8d,,", "target \"gw-999\" is not there; wanted is gw-0 to gw-5"),
        ("front,air-0001,+8d,,", "wanted is region-0 to region-1"),
        ("plume,river-0001,+8d,,", "wanted is a station of air"),
        ("shift,air-0001/no2,+8d,30,3\nspike,air-0001/no2,+8d4h,1,8", "line 3: begin"),
    ] {
        let told = wrong(&format!("{plan}\n"));
        assert!(told.len() == 1 && told[0].contains(word), "{plan}: {told:?}");
    }
    assert_eq!(wrong("holiday,site-0001/site_noise,+17d,,\n"), Vec::<String>::new());
}

#[test]
fn the_catalogue_says_what_each_station_hangs_on() {
    let city = city("");
    let catalogue = yiwang_catalogue::Catalogue::parse(&[("city.toml", &catalogue::city(&city))]).unwrap();
    for place in &city.survey.places {
        let station = catalogue.station(&place.id).unwrap();
        let gateways = std::iter::once(&station.gateway).chain(&station.also);
        let wanted: Vec<String> = place.gateways.iter().map(|at| catalogue::gateway(*at)).collect();
        assert_eq!(gateways.map(|gateway| gateway.to_string()).collect::<Vec<_>>(), wanted);
        assert_eq!(station.power.as_deref(), Some(&*format!("power-{:03}", place.power)));
        assert_eq!(station.maker.as_deref(), Some(&*format!("maker-{}", place.maker)));
        for at in &place.gateways {
            let broker = catalogue.gateways[&*catalogue::gateway(*at)].broker.clone();
            assert_eq!(broker.as_deref(), Some(&*format!("broker-{}", city.survey.broker_of(*at))));
        }
    }
    assert!(city.survey.places.iter().any(|place| place.gateways.len() == 2));
}

proptest! {
    #[test]
    fn no_plan_makes_the_reader_panic(text in "[a-z0-9,./+\\-\n]{0,200}") {
        let _ = Plan::parse(&format!("kind,target,begin,length,size\n{text}"));
        let _ = Plan::parse(&text);
        let _ = Truth::parse(&text);
    }
}
