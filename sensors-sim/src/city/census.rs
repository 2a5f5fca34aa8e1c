//! Who lives in the city: every series of the catalogue's own stations, by gateway and door.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use yiwang_catalogue::place::DistrictKind;
use yiwang_catalogue::{Catalogue, MetricKind, Station, StationKind};
use yiwang_model::{Series, Span, Timestamp};
use yiwang_proto::v1::SeriesKey;

use super::economy::Figure;
use super::hours;
use super::noise::{Noise, key_of};
use super::project::Course;
use super::{economy, project, sensors};

/// The most that a station is above or below the ordinary, as a share.
const SCALE: f64 = 0.08;

/// What a place adds to a series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site {
    /// The series' own key for noise.
    pub(super) key: u64,
    /// The district's.
    pub(super) district: u64,
    /// How much this station is above or below the ordinary: about 1.
    pub(super) scale: f64,
}

/// What a series is.
#[derive(Clone, Debug)]
pub(super) enum Nature {
    /// A reading each period.
    Sensor,
    /// A report a day.
    Project(Course),
    /// A figure of a month or a quarter, published and revised.
    Figure(Figure),
}

/// A series of the city.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) series: Series,
    pub(super) kind: StationKind,
    pub(super) gateway: Arc<str>,
    /// Longitude and latitude, degrees.
    pub(super) point: Option<(f64, f64)>,
    pub(super) unit: String,
    pub(super) period: Span,
    /// How much later than a multiple of the period it measures.
    pub(super) phase: Span,
    /// How far behind city time the city takes readings.
    pub(super) back: Span,
    /// Least and greatest possible value.
    pub(super) range: (f64, f64),
    /// Decimals that it sends.
    pub(super) decimals: u8,
    pub(super) nature: Nature,
    site: Site,
}

impl Member {
    /// The value at an event time, without faults: a pure function of seed, series and time.
    pub(super) fn value(&self, noise: Noise, at: Timestamp) -> f64 {
        let value = match &self.nature {
            Nature::Sensor => sensors::value(noise, &self.site, self.series.metric(), at)
                .unwrap_or_else(|| sensors::unknown(noise, &self.site, at, self.range.0, self.range.1)),
            Nature::Project(course) => course.value(at),
            Nature::Figure(figure) => figure.value(noise, at, true),
        };
        self.shown(value)
    }

    /// The value as the instrument shows it: within its range, with its decimals.
    pub(super) fn shown(&self, value: f64) -> f64 {
        let scale = 10f64.powi(i32::from(self.decimals));
        ((value.clamp(self.range.0, self.range.1) * scale).round() / scale).clamp(self.range.0, self.range.1)
    }

    /// The event time of a slot.
    pub(super) fn time_of(&self, slot: i64) -> Timestamp {
        Timestamp(slot.saturating_mul(self.period.0)) + self.phase
    }

    /// The first slot at or after a time.
    pub(super) fn slot_from(&self, at: Timestamp) -> i64 {
        let since = (at - self.phase).nanos();
        since.div_euclid(self.period.0) + i64::from(since.rem_euclid(self.period.0) != 0)
    }

    /// The series as it stands in a dictionary. A number without a dimension has the unit `1` on the wire.
    pub(super) fn wire_key(&self) -> SeriesKey {
        let unit = if self.unit.is_empty() { "1" } else { &self.unit };
        SeriesKey {
            source: self.series.source().to_string(),
            metric: self.series.metric().to_string(),
            unit: unit.to_owned(),
        }
    }
}

/// A station and its longitude and latitude in degrees.
pub(super) type Place = (Arc<str>, Option<(f64, f64)>);

/// All series of the city, sorted by source, then as the catalogue lists the metrics.
#[derive(Clone, Debug)]
pub(super) struct Census {
    pub(super) members: Vec<Member>,
}

impl Census {
    /// Takes in every named station that is not elsewhere.
    pub(super) fn of(catalogue: &Catalogue, noise: Noise) -> Self {
        let here = |station: &&Station| {
            catalogue
                .districts
                .get(&station.district)
                .is_none_or(|district| district.kind != DistrictKind::Elsewhere)
        };
        let members = catalogue.stations.values().filter(here);
        Self { members: members.flat_map(|station| members_of(catalogue, station, noise)).collect() }
    }

    /// The gateways, sorted by name.
    pub(super) fn gateways(&self) -> Vec<Arc<str>> {
        let names: BTreeSet<&Arc<str>> = self.members.iter().map(|member| &member.gateway).collect();
        names.into_iter().cloned().collect()
    }

    /// The stations of a kind with their points, sorted by name.
    pub(super) fn stations(&self, kind: StationKind) -> Vec<Place> {
        let of = self.members.iter().filter(|member| member.kind == kind);
        let stations: BTreeMap<_, _> =
            of.map(|member| (member.series.source().clone(), member.point)).collect();
        stations.into_iter().collect()
    }
}

fn members_of(catalogue: &Catalogue, station: &Station, noise: Noise) -> Vec<Member> {
    station.series().filter_map(|series| member(catalogue, station, series, noise)).collect()
}

fn member(catalogue: &Catalogue, station: &Station, series: Series, noise: Noise) -> Option<Member> {
    let metric = catalogue.metric(series.metric())?;
    let period = station.period.unwrap_or(metric.period);
    let key = series.id().0;
    let nature = match metric.kind {
        MetricKind::Environment | MetricKind::Water => Nature::Sensor,
        MetricKind::Project => Nature::Project(project::Course::of(catalogue, station, metric, noise)),
        MetricKind::Economy => Nature::Figure(economy::Figure::of(station, metric)),
    };
    let scale = 1.0 + SCALE * noise.signed(key_of(&station.id), 0);
    let site = Site { key, district: key_of(&station.district), scale };
    Some(Member {
        kind: station.kind,
        gateway: station.gateway.clone(),
        point: station.point,
        unit: metric.unit.to_string(),
        period,
        phase: phase(key, period),
        back: metric.back,
        range: (metric.min, metric.max),
        decimals: metric.decimals.saturating_add(1).min(6),
        nature,
        site,
        series,
    })
}

/// Quick sensors measure at a second of their own, slow ones on the city's full hour or midnight.
fn phase(key: u64, period: Span) -> Span {
    if period >= Span::HOUR {
        return Span((-hours::OFFSET.0).rem_euclid(period.0));
    }
    let seconds = (period.0 / Span::SECOND.0).cast_unsigned().max(1);
    Span::from_secs((key % seconds).cast_signed())
}
