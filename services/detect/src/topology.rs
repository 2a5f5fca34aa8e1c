//! What hangs on what: stations on gateways, gateways on brokers, both on power; who made the instruments; where they stand.
//!
//! A rule across series is told it with every catalogue. Sites are numbered in the order of their sources, series by site
//! and metric; the numbers hold for one topology only and are never saved.
//!
//! Memory: about 120 bytes a station, 2 a series, and 4 for each group that a station is in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use yiwang_model::{Series, Span};

/// What a detector's alarm is evidence of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// Nothing is heard of the series.
    Silence,
    /// A limit of a standard is exceeded: told at once, whatever its cause.
    Limit,
    /// The values moved.
    Value,
}

impl Nature {
    /// What alarms of a kind of detector are evidence of; `None` of kinds that tell of an instrument of its own.
    #[must_use]
    pub fn of(kind: &str) -> Option<Self> {
        match kind {
            "silence" => Some(Self::Silence),
            "limit" => Some(Self::Limit),
            "spike" | "rate" | "shift" | "drift" | "changepoint" | "seasonal" | "ensemble" => {
                Some(Self::Value)
            }
            _ => None,
        }
    }
}

/// One series of a station, and what would be told of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Meter {
    /// What it measures.
    pub metric: Arc<str>,
    /// How far apart its readings are.
    pub period: Span,
    /// How late a reading may be and still change what was judged.
    pub allowed_lateness: Span,
    /// How long it may be silent before that is told; `None` where it never is.
    pub silent_after: Option<Span>,
    /// Whether it would be told that its values moved.
    pub is_watched: bool,
}

/// A station and what it hangs on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Site {
    /// The source of its series.
    pub source: Arc<str>,
    /// What sort of station.
    pub kind: Arc<str>,
    /// What it measures.
    pub meters: Vec<Meter>,
    /// The gateways that it can be heard through; one is enough.
    pub gateways: Vec<Arc<str>>,
    /// The area that it has its power from.
    pub power: Option<Arc<str>>,
    /// Who made its instruments.
    pub maker: Option<Arc<str>>,
    /// The region whose weather it feels.
    pub region: Arc<str>,
    /// Longitude and latitude in degrees.
    pub point: Option<(f64, f64)>,
}

/// What sort of thing a cause is; from the narrowest to the widest of those that make silences, then of those that move values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Scope {
    /// All series of a station.
    Station = 0,
    /// A gateway.
    Gateway = 1,
    /// A power area.
    Power = 2,
    /// A broker.
    Broker = 3,
    /// Pollution around a station.
    Plume = 4,
    /// The weather of a region.
    Region = 5,
    /// The instruments of one maker.
    Maker = 6,
    /// Several metrics of one station, whatever moved them.
    Place = 7,
}

impl Scope {
    pub(crate) const ALL: [Self; 8] = [
        Self::Station,
        Self::Gateway,
        Self::Power,
        Self::Broker,
        Self::Plume,
        Self::Region,
        Self::Maker,
        Self::Place,
    ];

    /// The word for it, which stands for a metric in the subject of its episodes.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Station => "station",
            Self::Gateway => "gateway",
            Self::Power => "power",
            Self::Broker => "broker",
            Self::Plume => "plume",
            Self::Region => "weather",
            Self::Maker => "maker",
            Self::Place => "place",
        }
    }

    /// Whether it makes silences; else it moves values.
    #[must_use]
    pub const fn is_outage(self) -> bool {
        matches!(self, Self::Station | Self::Gateway | Self::Power | Self::Broker)
    }
}

/// What may have made many alarms at once: a kind of thing and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cause {
    /// What sort of thing.
    pub scope: Scope,
    /// Which of them; of a plume the nearest station.
    pub name: Arc<str>,
}

impl Cause {
    /// The group that it touches; of a plume its middle.
    pub(crate) fn group(&self) -> Self {
        let is_one = matches!(self.scope, Scope::Plume | Scope::Place);
        let scope = if is_one { Scope::Station } else { self.scope };
        Self { scope, name: Arc::clone(&self.name) }
    }

    /// What it is called where a series is wanted: (name, word of its scope).
    ///
    /// # Errors
    /// [`yiwang_model::Error::Name`] when the name is not one that a series may have.
    pub fn subject(&self) -> Result<Series, yiwang_model::Error> {
        Series::new(Arc::clone(&self.name), self.scope.word())
    }
}

/// A city as rules across series see it.
#[derive(Clone, Debug, Default)]
pub struct Topology {
    pub(crate) sites: Vec<Site>,
    by_source: BTreeMap<Arc<str>, usize>,
    /// The number of the first series of each site.
    first: Vec<usize>,
    brokers: BTreeMap<Arc<str>, Arc<str>>,
    natures: BTreeMap<Arc<str>, Nature>,
    /// The sites that a cause can touch.
    groups: BTreeMap<Cause, Vec<usize>>,
    /// The sites with a place, from south to north.
    by_latitude: Vec<usize>,
}

impl Topology {
    /// From its stations, the broker of each gateway that has one, and what each detector's alarms are evidence of.
    #[must_use]
    pub fn new(
        mut sites: Vec<Site>,
        brokers: BTreeMap<Arc<str>, Arc<str>>,
        natures: BTreeMap<Arc<str>, Nature>,
    ) -> Self {
        sites.sort_by(|a, b| a.source.cmp(&b.source));
        let mut topology = Self { brokers, natures, ..Self::default() };
        let mut series = 0;
        for (at, site) in sites.iter().enumerate() {
            topology.by_source.insert(Arc::clone(&site.source), at);
            topology.first.push(series);
            series += site.meters.len();
            for cause in topology.causes_of(site) {
                topology.groups.entry(cause).or_default().push(at);
            }
        }
        topology.first.push(series);
        topology.by_latitude = (0..sites.len()).filter(|at| sites[*at].point.is_some()).collect();
        let latitude = |at: &usize| sites[*at].point.map_or(0.0, |(_, latitude)| latitude);
        topology.by_latitude.sort_by(|a, b| latitude(a).total_cmp(&latitude(b)));
        topology.sites = sites;
        topology
    }

    /// What can touch a site, but for plumes.
    pub(crate) fn causes_of(&self, site: &Site) -> BTreeSet<Cause> {
        let cause = |scope, name: &Arc<str>| Cause { scope, name: Arc::clone(name) };
        let gateways = site.gateways.iter().map(|name| cause(Scope::Gateway, name));
        let brokers = site.gateways.iter().filter_map(|name| self.brokers.get(name));
        let mut causes: BTreeSet<Cause> = gateways.collect();
        causes.extend(brokers.map(|name| cause(Scope::Broker, name)));
        causes.extend(site.power.iter().map(|name| cause(Scope::Power, name)));
        causes.extend(site.maker.iter().map(|name| cause(Scope::Maker, name)));
        causes.insert(cause(Scope::Region, &site.region));
        causes.insert(cause(Scope::Station, &site.source));
        causes
    }

    /// The outages that can touch a site.
    pub(crate) fn causes_of_outage(&self, site: usize) -> impl Iterator<Item = Cause> {
        self.causes_of(&self.sites[site]).into_iter().filter(|cause| cause.scope.is_outage())
    }

    /// The number of a site.
    pub(crate) fn site(&self, source: &str) -> Option<usize> {
        self.by_source.get(source).copied()
    }

    /// What a detector's alarms are evidence of; `None` of what no cause is looked for.
    #[must_use]
    pub fn nature(&self, detector: &str) -> Option<Nature> {
        self.natures.get(detector).copied()
    }

    /// The number of a site and of its series; `None` when the city does not name it.
    pub(crate) fn find(&self, series: &Series) -> Option<(usize, usize)> {
        let site = *self.by_source.get(series.source())?;
        let metric = self.sites[site].meters.iter().position(|meter| meter.metric == *series.metric())?;
        Some((site, self.first[site] + metric))
    }

    /// What the city says of a series.
    pub(crate) fn meter(&self, series: &Series) -> Option<&Meter> {
        let meters = &self.sites[*self.by_source.get(series.source())?].meters;
        meters.iter().find(|meter| meter.metric == *series.metric())
    }

    /// The series of a site, with their numbers.
    pub(crate) fn series_of(&self, site: usize) -> impl Iterator<Item = (usize, &Meter)> {
        let numbered = self.sites[site].meters.iter().enumerate();
        numbered.map(move |(at, meter)| (self.first[site] + at, meter))
    }

    /// The sites that a cause can touch; of plumes see [`Topology::around`].
    pub(crate) fn members(&self, cause: &Cause) -> &[usize] {
        self.groups.get(cause).map_or(&[], Vec::as_slice)
    }

    /// Whether a site is cut off while these are down: it has no power, or no gateway that is up.
    pub(crate) fn is_cut(&self, site: usize, is_down: &dyn Fn(Scope, &Arc<str>) -> bool) -> bool {
        let site = &self.sites[site];
        let gone = |gateway: &Arc<str>| {
            is_down(Scope::Gateway, gateway)
                || self.brokers.get(gateway).is_some_and(|broker| is_down(Scope::Broker, broker))
        };
        is_down(Scope::Station, &site.source)
            || site.power.as_ref().is_some_and(|power| is_down(Scope::Power, power))
            || (!site.gateways.is_empty() && site.gateways.iter().all(gone))
    }

    /// Whether a cause has to do with a site; of plumes see [`Topology::around`].
    pub(crate) fn touches(&self, cause: &Cause, site: usize) -> bool {
        self.members(&cause.group()).binary_search(&site).is_ok()
    }

    /// The sites of one kind within so many kilometres of one, with how far they are, the nearest first.
    pub(crate) fn around(&self, middle: usize, most_km: f64) -> Vec<(f64, usize)> {
        let Some((longitude, latitude)) = self.sites[middle].point else { return Vec::new() };
        let degrees = most_km / KM_A_DEGREE;
        let of = |at: &usize| self.sites[*at].point.map_or(0.0, |point| point.1);
        let from = self.by_latitude.partition_point(|at| of(at) < latitude - degrees);
        let near = self.by_latitude[from..].iter().take_while(|at| of(at) <= latitude + degrees);
        let same = near.filter(|at| self.sites[**at].kind == self.sites[middle].kind);
        let mut found: Vec<(f64, usize)> = same
            .filter_map(|at| Some((distance_km((longitude, latitude), self.sites[*at].point?), *at)))
            .filter(|(away, _)| *away <= most_km)
            .collect();
        found.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        found
    }
}

/// Along a meridian of a sphere of 6371 km.
const KM_A_DEGREE: f64 = 111.2;

/// How far apart two points are on a plane that touches the earth between them; good to a hundredth within 100 km.
fn distance_km(a: (f64, f64), b: (f64, f64)) -> f64 {
    let east = (a.0 - b.0) * KM_A_DEGREE * libm::cos(((a.1 + b.1) / 2.0).to_radians());
    let north = (a.1 - b.1) * KM_A_DEGREE;
    libm::sqrt(east * east + north * north)
}
