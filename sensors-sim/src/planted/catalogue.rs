//! The catalogue that describes a planted city, without detectors; and what hangs on what, for others to read.
//!
//! `catalogue/city.toml` has metrics, subjects of orders, regions as districts, gateways with their brokers, stations with what they
//! hang on, the plans of projects, limits, and the announced maintenance. `topology.csv` has a line for each station: `source,kind,region,longitude,latitude,gateways,brokers,
//! power,maker,upstream`; where two gateways serve a station they stand with a semicolon between, and so do their brokers.

use std::fmt::Write;

use yiwang_catalogue::{MetricKind, StationKind};
use yiwang_model::Span;

use super::City;
use super::kind::Kind;
use super::recipe::{self, RECIPES, Recipe};
use super::survey::{FLOW, Place, Survey};

/// What does not depend on the city.
const OFFICES: &str = include_str!("offices.toml");

/// How far away a neighbour may be, and how many count.
const NEAR_KM: u32 = 25;
const NEIGHBOURS: usize = 8;
/// What is common knowledge of which quantities move together, and which the other way: what comes by air is particles and exhaust, and rain
/// makes a river high, muddy and thin.
const TOGETHER: [(&str, &[&str], &[&str]); 6] = [
    ("pm2_5", &["pm10", "no2"], &[]),
    ("pm10", &["pm2_5", "no2"], &[]),
    ("no2", &["pm2_5", "pm10"], &[]),
    ("water_level", &["turbidity"], &["conductivity"]),
    ("turbidity", &["water_level"], &["conductivity"]),
    ("conductivity", &[], &["water_level", "turbidity"]),
];

/// The name of a gateway.
pub(super) fn gateway(at: usize) -> String {
    format!("gw-{at:03}")
}

/// The stations with what they hang on.
pub(super) fn topology(survey: &Survey) -> String {
    let mut text = "source,kind,region,longitude,latitude,gateways,brokers,power,maker,upstream\n".to_owned();
    for place in &survey.places {
        let brokers = place.gateways.iter().map(|gateway| broker(survey, *gateway));
        let fields = [
            place.id.to_string(),
            place.kind.word().to_owned(),
            region(place),
            place.point.0.to_string(),
            place.point.1.to_string(),
            joined(place.gateways.iter().map(|at| gateway(*at))),
            joined(brokers),
            format!("power-{:03}", place.power),
            format!("maker-{}", place.maker),
            place.upstream.as_deref().unwrap_or("").to_owned(),
        ];
        text.push_str(&fields.join(","));
        text.push('\n');
    }
    text
}

fn joined(names: impl Iterator<Item = String>) -> String {
    names.collect::<Vec<_>>().join(";")
}

fn broker(survey: &Survey, gateway: usize) -> String {
    format!("broker-{}", survey.broker_of(gateway))
}

fn region(place: &Place) -> String {
    format!("region-{:02}", place.region)
}

/// The catalogue.
pub(super) fn city(city: &City) -> String {
    let mut text = format!(
        "# A planted city: seed {}, {} series.\n\n{OFFICES}",
        city.survey.seed,
        city.survey.members.len()
    );
    RECIPES.iter().for_each(|recipe| add(&mut text, metric(recipe)));
    for at in 0..city.survey.regions {
        add(
            &mut text,
            format!(
                "[[district]]\nkey = \"region-{at:02}\"\nzh = \"{at} 区\"\nen = \"Region {at}\"\nkind = \"zone\"\n"
            ),
        );
    }
    for at in 0..city.survey.gateways {
        let (id, broker) = (gateway(at), broker(&city.survey, at));
        add(
            &mut text,
            format!(
                "[[gateway]]\nid = \"{id}\"\nzh = \"网关 {at}\"\nen = \"Gateway {at}\"\nbroker = \"{broker}\"\n"
            ),
        );
    }
    let mut members = city.survey.members.iter().peekable();
    for (at, place) in city.survey.places.iter().enumerate() {
        let own = std::iter::from_fn(|| members.next_if(|member| member.place == at));
        let metrics: Vec<String> = own.map(|member| format!("\"{}\"", member.recipe.metric)).collect();
        add(&mut text, station(place, &metrics.join(", ")));
        if place.kind == StationKind::Project {
            add(&mut text, plan(&city.signals.plan(&place.id), place));
        }
    }
    add_maintenance(&mut text, city);
    add_apart(&mut text, city);
    text
}

/// What each series has apart from those around it: `no2_apart` for `no2`. Stations of air and building sites are held against their
/// neighbours, sections of a river against those that had the same water.
fn add_apart(text: &mut String, city: &City) {
    for recipe in RECIPES.iter().filter(|recipe| recipe.kind != MetricKind::Project) {
        add(text, apart(recipe, "10m"));
        if recipe.station == StationKind::Water {
            (0..city.survey.regions).for_each(|region| add(text, along_river(recipe, &city.survey, region)));
        } else {
            add(text, among_neighbours(recipe, NEAR_KM));
        }
    }
}

fn apart(recipe: &Recipe, period: &str) -> String {
    let Recipe { metric, zh, en, unit, range: (_, max), decimals, .. } = recipe;
    let kind = if recipe.kind == MetricKind::Water { "water" } else { "environment" };
    format!(
        "[[metric]]\nname = \"{metric}_apart\"\nzh = \"{zh}与周边之差\"\nen = \"{en} less that around\"\nkind = \"{kind}\"\n\
         unit = \"{unit}\"\nmin = -{max}\nmax = {max}\nperiod = \"{period}\"\ndecimals = {decimals}\nsource = \"the planted city\"\n"
    )
}

fn among_neighbours(recipe: &Recipe, near_km: u32) -> String {
    let metric = recipe.metric;
    format!(
        "[[derived]]\nmetric = \"{metric}_apart\"\nrule = \"neighbours\"\nof = \"{metric}\"\nradius_km = {near_km}\n\
         most = {NEIGHBOURS}\n{}source = \"the planted city\"\n",
        usual(metric)
    )
}

fn along_river(recipe: &Recipe, survey: &Survey, region: usize) -> String {
    let metric = recipe.metric;
    // what rain does not touch comes down the river only: nothing below need be waited for
    let around = if recipe.rain == 0.0 { "around = \"above\"\n" } else { "" };
    let own = survey.places.iter().filter(|place| place.kind == StationKind::Water && place.region == region);
    let sections: Vec<String> = own.map(|place| format!("\"{}\"", place.id)).collect();
    format!(
        "[[derived]]\nmetric = \"{metric}_apart\"\nrule = \"sections\"\nof = \"{metric}\"\nlag = \"{}m\"\n\
         stations = [{}]\n{around}{}source = \"the planted city\"\n",
        FLOW.0 / Span::MINUTE.0,
        sections.join(", "),
        usual(metric)
    )
}

/// Over which time the usual is learnt, and the companions of a metric.
fn usual(metric: &str) -> String {
    let mut text = "usual = \"28d\"\n".to_owned();
    let named =
        |names: &[&str]| names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    if let Some((_, with, against)) = TOGETHER.iter().find(|(own, ..)| *own == metric) {
        for (key, names) in
            [("with", with), ("against", against)].iter().filter(|(_, names)| !names.is_empty())
        {
            writeln!(text, "{key} = [{}]", named(names)).expect("a text takes all");
        }
    }
    text
}

/// The twelve stations of Beijing: longitude and latitude, to about a hundredth of a degree, which is enough to say who is near.
const BEIJING: [(&str, f64, f64); 12] = [
    ("Aotizhongxin", 116.40, 39.98),
    ("Changping", 116.23, 40.22),
    ("Dingling", 116.22, 40.29),
    ("Dongsi", 116.42, 39.93),
    ("Guanyuan", 116.34, 39.93),
    ("Gucheng", 116.18, 39.91),
    ("Huairou", 116.63, 40.33),
    ("Nongzhanguan", 116.46, 39.94),
    ("Shunyi", 116.66, 40.13),
    ("Tiantan", 116.41, 39.89),
    ("Wanliu", 116.29, 39.99),
    ("Wanshouxigong", 116.35, 39.88),
];
/// How far away a neighbour may be there.
const NEAR_IN_BEIJING_KM: u32 = 60;

/// The catalogue of some stations of Beijing that send once an hour.
pub(super) fn beijing(sources: &[&str]) -> String {
    let mut text = format!("# Stations of Beijing with faults planted.\n\n{OFFICES}");
    recipe::of(StationKind::Air).for_each(|recipe| add(&mut text, metric(recipe)));
    let (key, gateway) = ("beijing", gateway(0));
    add(
        &mut text,
        format!("[[district]]\nkey = \"{key}\"\nzh = \"北京\"\nen = \"Beijing\"\nkind = \"elsewhere\"\n"),
    );
    add(&mut text, format!("[[gateway]]\nid = \"{gateway}\"\nzh = \"网关\"\nen = \"Gateway\"\n"));
    let metrics: Vec<String> =
        recipe::of(StationKind::Air).map(|recipe| format!("\"{}\"", recipe.metric)).collect();
    for id in sources {
        add(
            &mut text,
            format!(
                "[[station]]\nid = \"{id}\"\nzh = \"{id}\"\nen = \"{id}\"\nkind = \"air\"\ndistrict = \"{key}\"\n{}\
                 gateway = \"{gateway}\"\nperiod = \"1h\"\nmetrics = [{}]\n",
                point(id),
                metrics.join(", ")
            ),
        );
    }
    for recipe in recipe::of(StationKind::Air) {
        add(&mut text, apart(recipe, "1h"));
        add(&mut text, among_neighbours(recipe, NEAR_IN_BEIJING_KM));
    }
    text
}

fn point(id: &str) -> String {
    let known = BEIJING.iter().find(|(name, ..)| *name == id);
    known.map_or_else(String::new, |(_, longitude, latitude)| format!("point = [{longitude}, {latitude}]\n"))
}

fn add(text: &mut String, entry: String) {
    text.push('\n');
    text.push_str(&entry);
}

fn metric(recipe: &Recipe) -> String {
    let Recipe { metric, zh, en, unit, range: (min, max), decimals, .. } = recipe;
    let kind = match recipe.kind {
        MetricKind::Water => "water",
        MetricKind::Project => "project",
        _ => "environment",
    };
    let period = if recipe.kind == MetricKind::Project { "1d" } else { "10m" };
    let mut text = format!(
        "[[metric]]\nname = \"{metric}\"\nzh = \"{zh}\"\nen = \"{en}\"\nkind = \"{kind}\"\nunit = \"{unit}\"\nmin = {min}\nmax = {max}\n\
         period = \"{period}\"\ndecimals = {decimals}\nsource = \"the planted city\"\n"
    );
    if let Some((value, source)) = recipe.limit {
        write!(
            text,
            "\n[[limit]]\nid = \"{metric}-hour\"\nmetric = \"{metric}\"\nvalue = {value}\nunit = \"{unit}\"\nwindow = \"hour mean\"\n\
             valid_from = 2013-01-01\nstandard = \"planted\"\nedition = \"1\"\nsource = \"{source}\"\n"
        )
        .expect("a text takes all");
    }
    text
}

fn station(place: &Place, metrics: &str) -> String {
    let (id, kind, district, gateway) =
        (&place.id, place.kind.word(), region(place), gateway(place.gateways[0]));
    let (longitude, latitude) = place.point;
    let also = place.gateways[1..].iter().map(|at| format!("also = [\"{}\"]\n", self::gateway(*at)));
    let also: String = also.collect();
    format!(
        "[[station]]\nid = \"{id}\"\nzh = \"{id}\"\nen = \"{id}\"\nkind = \"{kind}\"\ndistrict = \"{district}\"\n\
         point = [{longitude:.4}, {latitude:.4}]\ngateway = \"{gateway}\"\n{also}power = \"power-{:03}\"\n\
         maker = \"maker-{}\"\nmetrics = [{metrics}]\nowner = \"maker-{}\"\n",
        place.power, place.maker, place.maker
    )
}

fn plan(points: &[(jiff::civil::Date, f64)], place: &Place) -> String {
    let points: Vec<String> = points.iter().map(|(day, value)| format!("[{day}, {value:.3}]")).collect();
    format!(
        "[[plan]]\nstation = \"{}\"\nmetric = \"project_percent\"\nunit = \"%\"\nsource = \"the planted city\"\npoints = [{}]\n",
        place.id,
        points.join(", ")
    )
}

/// What the city knows beforehand.
fn add_maintenance(text: &mut String, city: &City) {
    for one in city.planted.iter().filter(|one| one.kind == Kind::Maintenance) {
        let member = &city.survey.members[one.member];
        add(
            text,
            format!(
                "[[calibration]]\nid = \"maintenance-{}\"\nstation = \"{}\"\nmetrics = [\"{}\"]\nfrom = {:?}\nto = {:?}\n\
                 quality = \"maintenance\"\nsource = \"the planted city\"\n",
                one.number,
                city.survey.place_of(member).id,
                member.recipe.metric,
                one.begin.to_string(),
                one.end.to_string()
            ),
        );
    }
}
