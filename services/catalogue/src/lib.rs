//! What a city tunes: metrics, stations, limits, detectors, routes, deadlines, the calendar.
//!
//! A catalogue is TOML in one file or in several, each a row of entries `[[metric]]`, `[[station]]` and so on; the
//! order of entries and files means nothing. It is checked as a whole: a [`Catalogue`] that exists has no unknown
//! key, no reference to what is not there, no number without its unit and source, a department and a deadline for
//! every order, and only detectors that can be made. Everything that is wrong is told at once, each [`Fault`] with
//! file, line, key, what was found and what would be right.
//!
//! A catalogue never changes; what is registered while the city runs makes another of it, see [`registry`]. [`Catalogue::text`] is the one text that it came from and [`Catalogue::hash`] names
//! it; the text goes into the log as a record and parses to the same catalogue. The shipped holiday notices are
//! part of the program and not of the text; see [`calendar`].
//!
//! | entry | keys (those in brackets may be missing) |
//! |---|---|
//! | `metric` | `name zh en kind unit min max period source [ahead back lateness allowed_lateness decimals]` |
//! | `category` | `key zh en [work_hours to]`; `to = "owner"` sends its orders to the owner of the station |
//! | `department` | `key zh en` |
//! | `gateway` | `id zh en` |
//! | `district` | `key zh en kind`: a `division` by its code, a `zone` or `elsewhere` by a name |
//! | `station` | `id zh en kind district gateway metrics [point period owner units]` |
//! | `station_family` | as `station`, with `prefix` in place of `id`: every source that begins with it |
//! | `factor` | `code source [also metric minute_metric hour_metric day_metric values]`; see [`logger`] |
//! | `logger` | `mn station units [mode]`; see [`logger`] |
//! | `plan` | `station metric unit points source`; `points` is a list of `[day, value]` |
//! | `limit` | `id metric value unit window valid_from standard edition source [source_zh direction grade valid_to]` |
//! | `detector` | `name zh en kind metrics category severity source [source_zh grade on_change rises unless]` and the parameters of its kind |
//! | `derived` | `metric rule source` and what the rule wants; see [`derived`] |
//! | `route` | `department [category district]` |
//! | `deadline` | `id clock amount start source [category priority valid_from valid_to]`; see [`deadline`] |
//! | `office_hours` | `from to source` |
//! | `calendar_year` | `year off working source`; see [`calendar`] |
//! | `calendar_day` | `date working source` |
//! | `line_field` | `measurement field metric unit source_tag [source_prefix]`; see [`mod@line`] |
//! | `sparkplug_metric` | `name metric unit [group]`; see [`sparkplug`] |
//! | `alert` | `category [label value district]`; see [`mod@alert`] |
//! | `calibration` | `id station from to source [metrics quality]`; see [`calibration`] |
//! | `silence` | `id who why from to` and what it is for; see [`silence`] |
//!
//! Days are those of Asia/Shanghai. `valid_from` and `valid_to` are both days on which the entry holds.

pub mod alert;
mod build;
pub mod calendar;
pub mod calibration;
mod city;
pub mod deadline;
mod demo;
pub mod derived;
pub mod detector;
mod entry;
pub mod expression;
mod family;
pub mod fault;
pub mod limit;
pub mod line;
pub mod logger;
pub mod metric;
mod nearest;
pub mod place;
pub mod registry;
pub mod route;
pub mod silence;
mod source;
pub mod sparkplug;
pub mod station;
mod topology;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use yiwang_detect::{Days, SeriesContext};
use yiwang_model::order::{Due, Text};
use yiwang_model::{Anomaly, Priority, Series, Span, Timestamp};

pub use alert::AlertSubject;
pub use calendar::Calendar;
pub use calibration::Calibration;
pub use deadline::{Clock, Deadline, OfficeHours, Start};
pub use demo::demo_text;
pub use derived::{Derivation, Derived, Rule};
pub use detector::{DetectorEntry, GatewayRule, OnChange};
pub use fault::Fault;
pub use limit::{Direction, Limit};
pub use line::LineField;
pub use logger::{Averaging, Factor, Logger};
pub use metric::{Metric, MetricKind};
pub use place::{Category, District, DistrictKind, Gateway, Named};
pub use registry::Registry;
pub use route::Route;
pub use silence::Silence;
pub use source::{MAX_BYTES, MAX_FILES};
pub use sparkplug::SparkplugMetric;
pub use station::{Plan, Station, StationKind};

use alert::AlertSubjects;
use derived::bounds::Sent;
use family::Families;
use line::LineFields;
use route::Routes;
use sparkplug::SparkplugMetrics;

/// Plans by station and metric.
type Plans = BTreeMap<Arc<str>, BTreeMap<Arc<str>, Plan>>;

/// What a city tunes, checked as a whole.
#[derive(Clone)]
pub struct Catalogue {
    /// What can be measured, by name.
    pub metrics: BTreeMap<Arc<str>, Metric>,
    /// The subjects of orders, by key.
    pub categories: BTreeMap<Arc<str>, Category>,
    /// Districts and zones, by key.
    pub districts: BTreeMap<Arc<str>, District>,
    /// Who acts, by key.
    pub departments: BTreeMap<Arc<str>, Named>,
    /// Through what readings come, by id.
    pub gateways: BTreeMap<Arc<str>, Gateway>,
    /// All limits, in the order of the text.
    pub limits: Vec<Limit>,
    /// All detectors of single series, in the order of the text.
    pub detectors: Vec<Arc<DetectorEntry>>,
    /// The stations that are named, by source; members of families are not among them.
    pub stations: BTreeMap<Arc<str>, Station>,
    /// Factors of HJ 212, by each of their codes.
    pub factors: BTreeMap<Arc<str>, Arc<Factor>>,
    /// Loggers of HJ 212, by MN.
    pub loggers: BTreeMap<Arc<str>, Logger>,
    /// Windows in which a station is not judged, by their own names.
    pub calibrations: BTreeMap<Arc<str>, Calibration>,
    /// Times in which some episodes open no orders, by their own names.
    pub silences: BTreeMap<Arc<str>, Silence>,
    families: Families,
    plans: Plans,
    gateway_rule: Option<GatewayRule>,
    derived: Derived,
    routes: Routes,
    deadlines: Vec<Deadline>,
    office_hours: OfficeHours,
    calendar: Calendar,
    /// What of the calendar detectors are told.
    days: Arc<Days>,
    line_fields: LineFields,
    sparkplug_metrics: SparkplugMetrics,
    alerts: AlertSubjects,
    registry: Registry,
    text: String,
    hash: [u8; 32],
    by_metric: BTreeMap<Arc<str>, Vec<Arc<DetectorEntry>>>,
    by_gateway: BTreeMap<Arc<str>, Vec<Series>>,
    by_calibrated: BTreeMap<Arc<str>, Vec<Arc<str>>>,
}

/// The catalogue in force, with its revision: whoever changes the one says which of the other he has seen.
#[derive(Clone, Debug)]
pub struct InForce {
    /// Its number among all catalogues of the log.
    pub revision: u32,
    /// The catalogue.
    pub catalogue: Arc<Catalogue>,
    /// Who changed it; nobody at a start.
    pub who: Arc<str>,
    /// When it was written, by the wall.
    pub since: Timestamp,
}

impl Catalogue {
    /// The demo city that the program carries: Chengdu, and twelve stations of Beijing to replay.
    ///
    /// # Panics
    /// Never: a test parses it.
    #[must_use]
    pub fn demo() -> Self {
        Self::parse(&[("demo.toml", demo_text())]).unwrap_or_else(|faults| {
            panic!(
                "the demo city has no faults: {}",
                faults.first().map_or_else(String::new, Fault::to_string)
            )
        })
    }

    /// Parses and checks files, given as (name, text).
    ///
    /// # Errors
    /// All faults, sorted by file and line.
    pub fn parse(files: &[(&str, &str)]) -> Result<Self, Vec<Fault>> {
        build::build(&source::split(files)?, fault::MAX_FAULTS)
    }

    /// Reads, parses and checks a file, or all `*.toml` of a folder.
    ///
    /// # Errors
    /// All faults, those of reading first.
    pub fn load(path: &Path) -> Result<Self, Vec<Fault>> {
        let files = source::read(path)?;
        let files: Vec<(&str, &str)> =
            files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        Self::parse(&files)
    }

    /// The one text that stands for this catalogue: it parses to the same.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The SHA-256 of [`Self::text`].
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// The metric of this name.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<&Metric> {
        self.metrics.get(name).or_else(|| self.metrics.get(derived::behind_gate(name)?))
    }

    /// The families of stations; `id` is the prefix.
    pub fn families(&self) -> impl Iterator<Item = &Station> {
        self.families.iter()
    }

    /// The station that a source is: the one of this name, else the family with the longest prefix that it begins
    /// with.
    #[must_use]
    pub fn station(&self, source: &str) -> Option<&Station> {
        self.stations.get(source).or_else(|| self.families.find(source))
    }

    /// The plan of one metric of one station.
    #[must_use]
    pub fn plan(&self, source: &str, metric: &str) -> Option<&Plan> {
        self.plans.get(source)?.get(metric)
    }

    /// The series of the named stations behind a gateway, sorted by source.
    #[must_use]
    pub fn series_of(&self, gateway: &str) -> &[Series] {
        self.by_gateway.get(gateway).map_or(&[], Vec::as_slice)
    }

    /// All series of the named stations, sorted by source.
    pub fn series(&self) -> impl Iterator<Item = Series> {
        self.stations.values().flat_map(Station::series)
    }

    /// What detectors may know of a series: the station's period, else the metric's, its plan, and the calendar.
    #[must_use]
    pub fn series_context(&self, series: &Series) -> SeriesContext {
        let series = self.derived.told_as(series);
        let station = self.station(series.source()).filter(|_| self.derived.of(series).is_none());
        let own = station.and_then(|station| station.period);
        let period = own.or_else(|| self.metric(series.metric()).map(|metric| metric.period));
        let plan = self.plan(series.source(), series.metric()).map(|plan| plan.points.clone());
        let lateness = self.metric(series.metric()).map(|metric| metric.lateness).unwrap_or_default();
        let days = Some(Arc::clone(&self.days));
        SeriesContext { period: period.unwrap_or_default(), lateness, plan, days }
    }

    /// By how much a reading of a series may come after a newer one and still change what was judged; of a reckoned series, what it is
    /// reckoned from.
    #[must_use]
    pub fn allowed_lateness(&self, series: &Series) -> Span {
        if let Some(how) = self.derived.of(series) {
            let Self { metrics, stations, detectors, .. } = self;
            return Sent { metrics, stations, detectors }.allowed(series, how);
        }
        let period = self.series_context(series).period;
        self.metric(series.metric()).map_or(Span::ZERO, |metric| metric.allowed(period))
    }

    /// The series that are reckoned from others.
    #[must_use]
    pub fn derived(&self) -> &Derived {
        &self.derived
    }

    /// What the fields of a measurement of line protocol mean; nothing of one that is not mapped.
    #[must_use]
    pub fn line_fields(&self, measurement: &str) -> &[LineField] {
        self.line_fields.of(measurement)
    }

    /// What a metric of Sparkplug B of this group means, if the catalogue maps it.
    #[must_use]
    pub fn sparkplug_metric(&self, group: &str, name: &str) -> Option<&SparkplugMetric> {
        self.sparkplug_metrics.find(group, name)
    }

    /// What an alert of another system with these labels is about; nothing where the catalogue does not say.
    #[must_use]
    pub fn alert_subject(&self, labels: &BTreeMap<String, String>) -> Option<&AlertSubject> {
        self.alerts.find(labels)
    }

    /// The windows in which a metric of a station is not judged, by name.
    pub fn calibrations(&self, station: &str, metric: &str) -> impl Iterator<Item = &Calibration> {
        let windows = self.by_calibrated.get(station).into_iter().flatten();
        windows.filter_map(|id| self.calibrations.get(id)).filter(move |window| window.is_for(metric))
    }

    /// The detectors that watch a metric, in the order of the text.
    #[must_use]
    pub fn detectors_for(&self, metric: &str) -> &[Arc<DetectorEntry>] {
        self.by_metric.get(metric).map_or(&[], Vec::as_slice)
    }

    /// The rule that a whole gateway fell silent, if the city wants it.
    #[must_use]
    pub fn gateway_rule(&self) -> Option<&GatewayRule> {
        self.gateway_rule.as_ref()
    }

    /// What an episode was judged by, for readers of either language: the English side is [`Anomaly::edition`], and so is
    /// the Chinese one where this catalogue has no Chinese words for it, as for an episode of an older one.
    #[must_use]
    pub fn basis(&self, anomaly: &Anomaly) -> Text {
        let (detector, metric, edition) = (&anomaly.detector, anomaly.series.metric(), &anomaly.edition);
        let rule = self.gateway_rule().filter(|rule| rule.name == *detector && rule.source == *edition);
        let entry = self.detectors.iter().find(|entry| entry.name == *detector);
        let zh = match entry {
            Some(entry) => entry.basis_zh(metric, edition),
            None => rule.and_then(|rule| rule.source_zh.as_ref()),
        };
        limit::basis(edition, zh)
    }

    /// Which department must act: by category and district, else by category, else the default.
    #[must_use]
    pub fn route(&self, category: &str, district: &str) -> Route {
        let route = self.routes.find(category, district).cloned();
        route.expect("a catalogue without a default route is refused")
    }

    /// Which department must act on an order about a source: where its category says so, the one that the station's `owner` names, by
    /// its key or its name; else as [`Self::route`] says.
    #[must_use]
    pub fn route_of(&self, category: &str, district: &str, source: &str) -> Route {
        let to_owner = self.categories.get(category).is_some_and(|category| category.to_owner);
        let owner = self.station(source).filter(|_| to_owner).and_then(|station| station.owner.as_deref());
        let is_owner =
            |owner: &str, of: &Named| *of.key == *owner || of.title.zh == owner || of.title.en == owner;
        let named = owner.and_then(|owner| self.departments.values().find(|of| is_owner(owner, of)));
        named.map_or_else(|| self.route(category, district), |of| Route { department: of.key.clone() })
    }

    /// When an order is due that was received at `received`; see [`deadline`] for how it is counted.
    #[must_use]
    pub fn due(&self, category: &str, priority: Priority, received: Timestamp) -> Due {
        let deadline = Deadline::choose(&self.deadlines, category, priority, received);
        let deadline = deadline.expect("a catalogue without a default deadline is refused");
        deadline.due(received, &self.calendar, &self.office_hours)
    }

    /// All deadlines, in the order of the text.
    #[must_use]
    pub fn deadlines(&self) -> &[Deadline] {
        &self.deadlines
    }

    /// Whether a day is a working day, and whether that is provisional; see [`calendar`].
    #[must_use]
    pub fn working_day(&self, date: jiff::civil::Date) -> (bool, bool) {
        self.calendar.working_day(date)
    }
}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash: String = self.hash.iter().map(|byte| format!("{byte:02x}")).collect();
        f.debug_struct("Catalogue")
            .field("hash", &hash)
            .field("metrics", &self.metrics.len())
            .field("stations", &self.stations.len())
            .field("detectors", &self.detectors.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
