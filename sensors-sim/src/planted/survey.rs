//! Who lives in a planted city: stations with places, gateways, brokers, power areas and makers; rivers that flow through them.
//!
//! Everything follows from the seed and the number of series. Of 50 series, 20 are air (5 stations), 15 water (3), 12 building
//! sites (4) and 3 projects. There is a region for about 250 series, with a river, three gateways and four power areas, its
//! quarters; a station sends through one gateway of its region, one in ten through two, of which one is enough. Gateways are dealt to
//! brokers in turn, so that a region hangs on several. Makers are dealt by dice.

use std::sync::Arc;

use yiwang_catalogue::StationKind;
use yiwang_model::Span;

use super::recipe::{self, Recipe};
use crate::city::noise::{Noise, key_of};

/// What 50 series are, in stations.
const BLOCK: [(StationKind, usize); 4] = [
    (StationKind::Air, 5),
    (StationKind::Water, 3),
    (StationKind::ConstructionSite, 4),
    (StationKind::Project, 3),
];
const SERIES_OF_REGION: usize = 250;
const GATEWAYS_OF_REGION: usize = 3;
/// How many brokers there are.
const BROKERS: usize = 3;
/// How many makers there are.
pub(super) const MAKERS: usize = 6;
/// One station in so many has a second gateway.
const SECOND_GATEWAY: u64 = 10;
/// The middle of the city, longitude and latitude in degrees.
const CENTRE: (f64, f64) = (104.06, 30.66);
/// How far apart regions are, degrees.
const REGION_STEP: f64 = 0.24;
/// How far a station is from the middle of its region at most, degrees.
const REGION_REACH: f64 = 0.07;
/// How long water takes from one section to the next.
pub(super) const FLOW: Span = Span::MINUTE.times(30);

/// A station.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The source of its series.
    pub id: Arc<str>,
    /// What sort of station.
    pub kind: StationKind,
    /// Which region, from 0.
    pub region: usize,
    /// Longitude and latitude in degrees.
    pub point: (f64, f64),
    /// Through which gateways it is heard, each enough: one, or two.
    pub gateways: Vec<usize>,
    /// From which area it has its power.
    pub power: usize,
    /// Who made its instruments.
    pub maker: usize,
    /// The next section up its river.
    pub upstream: Option<Arc<str>>,
    /// How long its water takes from the head of the river.
    pub lag: Span,
    /// When in its period it measures.
    pub phase: Span,
}

/// A series.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// Which station.
    pub(super) place: usize,
    pub(super) recipe: &'static Recipe,
    /// Its own key for dice.
    pub(super) key: u64,
    /// σ: the standard deviation of its noise, in the metric's unit.
    pub(super) sigma: f64,
    /// Its ordinary value.
    pub(super) base: f64,
}

impl Member {
    /// How far apart its readings are.
    pub(super) fn period(&self) -> Span {
        if self.recipe.station == StationKind::Project { Span::DAY } else { PERIOD }
    }
}

/// How far apart the readings of sensors are.
pub(super) const PERIOD: Span = Span::MINUTE.times(10);

/// All of the city's stations and series.
#[derive(Clone, Debug)]
pub struct Survey {
    /// Which city.
    pub seed: u64,
    /// The stations, as they were founded.
    pub places: Vec<Place>,
    pub(super) members: Vec<Member>,
    /// How many regions.
    pub regions: usize,
    /// How many gateways.
    pub gateways: usize,
}

impl Survey {
    /// The city of a seed with so many series.
    #[must_use]
    pub fn of(seed: u64, series: usize) -> Self {
        let regions = (series / SERIES_OF_REGION).max(2);
        let gateways = regions * GATEWAYS_OF_REGION;
        let mut survey = Self { seed, places: Vec::new(), members: Vec::new(), regions, gateways };
        let dice = Noise::new(seed);
        let kinds = BLOCK.iter().flat_map(|(kind, count)| std::iter::repeat_n(*kind, *count)).cycle();
        let mut founded = [0; BLOCK.len()];
        for kind in kinds {
            let left = series - survey.members.len();
            if left == 0 {
                break;
            }
            let ordinal = BLOCK.iter().position(|(own, _)| *own == kind).expect("a block has its kinds");
            survey.found(dice, kind, founded[ordinal], left);
            founded[ordinal] += 1;
        }
        survey
    }

    /// Adds the so-many-th station of a kind, with at most `left` series.
    fn found(&mut self, dice: Noise, kind: StationKind, ordinal: usize, left: usize) {
        let place = self.place(dice, kind, ordinal);
        for recipe in recipe::of(kind).take(left) {
            let key = key_of(&format!("{}/{}", place.id, recipe.metric));
            let spread = |slot| 1.0 + 0.2 * dice.signed(key, slot);
            let (sigma, base) = (recipe.noise * spread(1), recipe.base * (1.0 + 0.05 * dice.signed(key, 2)));
            self.members.push(Member { place: self.places.len(), recipe, key, sigma, base });
        }
        self.places.push(place);
    }

    fn place(&self, dice: Noise, kind: StationKind, ordinal: usize) -> Place {
        let region = ordinal % self.regions;
        let name = |ordinal: usize| -> Arc<str> { format!("{}-{ordinal:04}", short(kind)).into() };
        let id = name(ordinal);
        let key = key_of(&id);
        let section = ordinal / self.regions;
        let river = kind == StationKind::Water;
        let offset = (dice.signed(key, 1), dice.signed(key, 2));
        let quarter = usize::from(offset.0 > 0.0) + 2 * usize::from(offset.1 > 0.0);
        let phase = if kind == StationKind::Project {
            Span::ZERO
        } else {
            Span::MINUTE.times(chance(dice, key, 3, 10) as i64)
        };
        Place {
            kind,
            region,
            point: point(region, offset),
            gateways: gateways(dice, key, region),
            power: 4 * region + quarter,
            maker: chance(dice, key, 4, MAKERS),
            upstream: (river && section > 0).then(|| name(ordinal - self.regions)),
            lag: if river { FLOW.times(section as i64) } else { Span::ZERO },
            phase,
            id,
        }
    }

    /// The place of a member.
    pub(super) fn place_of(&self, member: &Member) -> &Place {
        &self.places[member.place]
    }

    /// The series of a name.
    pub(super) fn find(&self, source: &str, metric: &str) -> Option<usize> {
        self.members
            .iter()
            .position(|member| member.recipe.metric == metric && *self.place_of(member).id == *source)
    }

    /// How many brokers.
    #[must_use]
    pub fn brokers(&self) -> usize {
        BROKERS.min(self.gateways)
    }

    /// The broker that a gateway sends to.
    #[must_use]
    pub fn broker_of(&self, gateway: usize) -> usize {
        gateway % self.brokers()
    }
}

fn gateways(dice: Noise, key: u64, region: usize) -> Vec<usize> {
    let first = chance(dice, key, 5, GATEWAYS_OF_REGION);
    let mut own = vec![GATEWAYS_OF_REGION * region + first];
    if dice.bits(key, 6).is_multiple_of(SECOND_GATEWAY) {
        own.push(GATEWAYS_OF_REGION * region + (first + 1) % GATEWAYS_OF_REGION);
    }
    own
}

/// Even below `below`.
fn chance(dice: Noise, key: u64, slot: i64, below: usize) -> usize {
    // the remainder is below a usize
    (dice.bits(key, slot) % below as u64) as usize
}

/// Regions lie on a square around the middle of the city.
fn point(region: usize, offset: (f64, f64)) -> (f64, f64) {
    let (column, row) = (region % 8, region / 8);
    let middle = (CENTRE.0 + REGION_STEP * (column as f64 - 3.5), CENTRE.1 + REGION_STEP * row as f64);
    let exact = |degrees: f64| (degrees * 1e4).round() / 1e4;
    (exact(middle.0 + REGION_REACH * offset.0), exact(middle.1 + REGION_REACH * offset.1))
}

fn short(kind: StationKind) -> &'static str {
    match kind {
        StationKind::Air => "air",
        StationKind::Water => "river",
        StationKind::ConstructionSite => "site",
        _ => "project",
    }
}

/// How far apart two points are, km.
pub(super) fn distance_km(a: (f64, f64), b: (f64, f64)) -> f64 {
    let east = (a.0 - b.0) * 111.2 * libm::cos(((a.1 + b.1) / 2.0).to_radians());
    let north = (a.1 - b.1) * 111.2;
    libm::sqrt(east * east + north * north)
}
