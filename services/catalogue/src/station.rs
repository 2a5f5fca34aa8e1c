//! Stations: who measures, where, through which gateway; and what a project planned.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use yiwang_model::order::Text;
use yiwang_model::{Series, Span, Timestamp, Unit};

use crate::city::midnight;
use crate::entry::{Entry, Ids};
use crate::fault::quoted;
use crate::limit::Units;
use crate::logger::{UnitMap, decimal_shift, refuse_unit};
use crate::metric::want_period;
use crate::place::get_name;
use crate::value::{readable, word, words};

/// What sort of source a station is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StationKind {
    /// Ambient air: `air`.
    Air,
    /// Noise and dust at the boundary of a construction site: `construction_site`.
    ConstructionSite,
    /// A section of a river: `water`.
    Water,
    /// A project that reports its progress: `project`.
    Project,
    /// An office that publishes figures: `statistics_office`.
    StatisticsOffice,
}

impl StationKind {
    const WORDS: [(Self, &'static str); 5] = [
        (Self::Air, "air"),
        (Self::ConstructionSite, "construction_site"),
        (Self::Water, "water"),
        (Self::Project, "project"),
        (Self::StatisticsOffice, "statistics_office"),
    ];

    /// The word for it, as in catalogues and APIs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Air => "air",
            Self::ConstructionSite => "construction_site",
            Self::Water => "water",
            Self::Project => "project",
            Self::StatisticsOffice => "statistics_office",
        }
    }
}

readable!(StationKind, words(&StationKind::WORDS), |value| word(value, &StationKind::WORDS));

/// A station: one source of readings. Of a family it is what all its members share, and `id` is the prefix.
#[derive(Clone, Debug, PartialEq)]
pub struct Station {
    /// The source of its series.
    pub id: Arc<str>,
    /// The name for people.
    pub title: Text,
    /// What sort of source it is.
    pub kind: StationKind,
    /// Where it is, by the key of a district.
    pub district: Arc<str>,
    /// Longitude and latitude in degrees, WGS-84.
    pub point: Option<(f64, f64)>,
    /// The gateway that it sends through.
    pub gateway: Arc<str>,
    /// Further gateways that it can be heard through: one of all is enough.
    pub also: Vec<Arc<str>>,
    /// The area that it has its power from.
    pub power: Option<Arc<str>>,
    /// Who made its instruments.
    pub maker: Option<Arc<str>>,
    /// How far apart its readings are, where that is not the metric's period.
    pub period: Option<Span>,
    /// What it measures.
    pub metrics: Vec<Arc<str>>,
    /// Who owns it and answers for its meters.
    pub owner: Option<Arc<str>>,
    /// Metrics that it sends in another unit than the metric's, with that unit and by how many places the decimal point moves
    /// to the right.
    pub units: BTreeMap<Arc<str>, (Unit, i8)>,
    /// The planned progress of a project: the plan of the first of its metrics that has one. All plans are
    /// found by [`crate::Catalogue::plan`].
    pub plan: Option<Plan>,
}

impl Station {
    /// A `[[station]]`, named by `id`, or a `[[station_family]]`, named by `prefix`.
    pub(crate) fn read(
        entry: &Entry<'_>,
        key: &'static str,
        ids: &mut Ids,
        known: &Known<'_>,
    ) -> Option<Self> {
        let (id, title, kind) = (entry.want_id(key, ids), entry.want_title(), entry.want("kind"));
        let district = entry.want_ref("district", known.districts);
        let gateway = entry.want_ref("gateway", known.gateways);
        let also = read_also(entry, gateway.as_ref(), known.gateways);
        let (power, maker) = (get_name(entry, "power"), get_name(entry, "maker"));
        let metrics = entry.want_refs("metrics", known.metrics);
        let (point, period) = (read_point(entry), want_period(entry, "period", false));
        let (owner, units) = (entry.get_text("owner"), entry.get::<UnitMap>("units"));
        entry.finish();
        let metrics = metrics?;
        let units = units.map_or_else(BTreeMap::new, |units| read_units(entry, units, &metrics, known.units));
        Some(Self {
            id: id?,
            title: title?,
            kind: kind?,
            district: district?,
            point,
            gateway: gateway?,
            also,
            power,
            maker,
            period,
            metrics,
            owner,
            units,
            plan: None,
        })
    }

    /// The series of this station; of a family there are none to name.
    pub fn series(&self) -> impl Iterator<Item = Series> {
        self.metrics.iter().filter_map(|metric| Series::new(self.id.clone(), metric.clone()).ok())
    }
}

/// The names that a station may refer to.
pub(crate) struct Known<'a> {
    pub(crate) districts: &'a Ids,
    pub(crate) gateways: &'a Ids,
    pub(crate) metrics: &'a Ids,
    pub(crate) units: &'a Units,
}

/// The gateways besides the first.
fn read_also(entry: &Entry<'_>, first: Option<&Arc<str>>, gateways: &Ids) -> Vec<Arc<str>> {
    if !entry.has("also") {
        return Vec::new();
    }
    let also = entry.want_refs("also", gateways).unwrap_or_default();
    if let Some(first) = first.filter(|first| also.contains(first)) {
        entry.wrong("also", quoted(first), "gateways besides the key gateway".into());
    }
    also
}

fn read_units(
    entry: &Entry<'_>,
    UnitMap(map): UnitMap,
    metrics: &[Arc<str>],
    own: &Units,
) -> BTreeMap<Arc<str>, (Unit, i8)> {
    let mut units = BTreeMap::new();
    for (metric, unit) in map {
        let (true, Some(own)) = (metrics.contains(&metric), own.get(&metric)) else {
            let wanted = format!("metrics of the station: {}", metrics.join(", "));
            entry.wrong("units", quoted(&metric), wanted);
            continue;
        };
        match decimal_shift(&unit, own) {
            Some(shift) => drop(units.insert(metric, (unit, shift))),
            None => refuse_unit(entry, &metric, &unit, (&metric, own)),
        }
    }
    units
}

fn read_point(entry: &Entry<'_>) -> Option<(f64, f64)> {
    let (longitude, latitude): (f64, f64) = entry.get("point")?;
    if !(-180.0..=180.0).contains(&longitude) || !(-90.0..=90.0).contains(&latitude) {
        let found = format!("[{longitude}, {latitude}]");
        entry.wrong("point", found, "[longitude, latitude] in degrees, WGS-84".into());
    }
    Some((longitude, latitude))
}

/// What was planned for one metric of a project: a curve through points of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The station.
    pub station: Arc<str>,
    /// The metric.
    pub metric: Arc<str>,
    /// Event time and planned value in the metric's unit, sorted by time.
    pub points: Arc<[(Timestamp, f64)]>,
    /// Where the plan comes from.
    pub source: Arc<str>,
}

impl Plan {
    /// A `[[plan]]` and the unit that it states; days are midnights in the city.
    pub(crate) fn read(entry: &Entry<'_>, stations: &Ids, metrics: &Ids) -> Option<(Self, Unit)> {
        let (station, metric) = (entry.want_ref("station", stations), entry.want_ref("metric", metrics));
        let (unit, source) = (entry.want("unit"), entry.want_text("source"));
        let points: Option<Vec<(Date, f64)>> = entry.want("points");
        entry.finish();
        let points = points?;
        if points.len() < 2 || points.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
            entry.wrong(
                "points",
                "days that do not rise".into(),
                "at least two points, each later than the last".into(),
            );
        }
        let points = points.into_iter().map(|(date, value)| (midnight(date), value)).collect();
        Some((Self { station: station?, metric: metric?, points, source: source? }, unit?))
    }

    /// The planned value at a time, on the straight line between the points; before the first and after the
    /// last point theirs.
    #[must_use]
    pub fn at(&self, time: Timestamp) -> f64 {
        let next = self.points.partition_point(|(at, _)| *at <= time);
        match (next.checked_sub(1).and_then(|last| self.points.get(last)), self.points.get(next)) {
            (Some(a), Some(b)) => {
                let share = (time - a.0).as_secs_f64() / (b.0 - a.0).as_secs_f64();
                a.1 + (b.1 - a.1) * share
            }
            (Some(only), None) | (None, Some(only)) => only.1,
            (None, None) => 0.0,
        }
    }
}
