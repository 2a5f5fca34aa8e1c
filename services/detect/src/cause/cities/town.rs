//! A city: stations of four kinds, what they hang on, and the dice that deal it.

use std::collections::BTreeMap;
use std::sync::Arc;

use yiwang_model::Span;

use super::{PERIOD, SILENT_AFTER};
use crate::topology::{Meter, Nature, Site, Topology};

/// Dice: SplitMix64 (Steele, Lea, Flood 2014).
pub(in super::super) struct Dice(u64);

impl Dice {
    pub(in super::super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    pub(in super::super) fn below(&mut self, below: usize) -> usize {
        (self.bits() % below as u64) as usize
    }

    pub(super) fn unit(&mut self) -> f64 {
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
pub(super) fn feels(metric: &str) -> i8 {
    match metric {
        "pm2_5" | "pm10" | "no2" | "water_level" | "turbidity" => 1,
        "o3" | "conductivity" | "site_vehicles" => -1,
        _ => 0,
    }
}

pub(super) fn name(what: &str, number: usize) -> Arc<str> {
    format!("{what}-{number:03}").into()
}

/// A city, and the minute of its own at which each of its stations measures.
pub(in super::super) struct City {
    pub(in super::super) topology: Arc<Topology>,
    pub(super) sites: Vec<Site>,
    pub(super) brokers: BTreeMap<Arc<str>, Arc<str>>,
    pub(super) phases: Vec<i64>,
    pub(super) regions: usize,
}

impl City {
    pub(in super::super) fn of(dice: &mut Dice, series: usize) -> Self {
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
        let natures = [
            ("silence", Nature::Silence),
            ("shift", Nature::Value),
            ("step", Nature::Value),
            ("limit", Nature::Limit),
        ];
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
        allowed_lateness: Span::ZERO,
        silent_after: (!is_project).then(|| Span::MINUTE.times(SILENT_AFTER)),
        is_watched: !is_project,
    };
    // nobody sends it, and nobody tells that it is silent
    let reckoned =
        (kind == "air").then(|| Meter { silent_after: None, is_watched: false, ..meter(&"pm2_5_apart") });
    Site {
        source: format!("{kind}-{number:05}").into(),
        kind: kind.into(),
        meters: metrics.iter().map(meter).chain(reckoned).collect(),
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
