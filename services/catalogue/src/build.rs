//! From files to a catalogue: every entry is read, every reference followed, every fault told.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use yiwang_model::{Series, Unit};

use crate::alert::AlertSubjects;
use crate::calendar::Calendar;
use crate::calibration::Calibration;
use crate::deadline::{Clock, Deadline, OfficeHours, check_rivals};
use crate::derived::bounds::{Sent, TooLong};
use crate::derived::{self, Derived, gate_metric};
use crate::detector::{self, DetectorEntry, GatewayRule};
use crate::entry::{Document, Entry, Ids, check_tops, document, entries};
use crate::family::Families;
use crate::fault::{Fault, Faults};
use crate::limit::{Limit, Units, check_unit};
use crate::line::LineFields;
use crate::logger::{self, Factor, Logger};
use crate::metric::Metric;
use crate::place::{Category, District, Gateway, Named};
use crate::registry::Registry;
use crate::route::{self, Routes};
use crate::silence::{self, Silence, Silences};
use crate::source::{Source, join};
use crate::sparkplug::SparkplugMetrics;
use crate::station::{self, Plan, Station};
use crate::{Catalogue, Plans};

/// The kinds of entries that there are.
const TOPS: [&str; 23] = [
    "metric",
    "category",
    "district",
    "department",
    "gateway",
    "station",
    "station_family",
    "factor",
    "logger",
    "plan",
    "limit",
    "detector",
    "route",
    "deadline",
    "office_hours",
    "calendar_year",
    "calendar_day",
    "line_field",
    "sparkplug_metric",
    "calibration",
    "silence",
    "alert",
    "derived",
];

/// Builds a catalogue from its files.
///
/// # Errors
/// So many faults at most, by file and line.
pub(crate) fn build(sources: &[Source], most_faults: usize) -> Result<Catalogue, Vec<Fault>> {
    let faults = Faults::of_at_most(most_faults);
    let documents: Vec<Document<'_>> = sources.iter().map(|source| document(source, &faults)).collect();
    check_tops(&documents, &TOPS, &faults);
    let catalogue = Builder { documents: &documents, faults: &faults, sources }.build();
    match catalogue {
        Some(catalogue) if faults.is_empty() => Ok(catalogue),
        _ => Err(faults.into_sorted()),
    }
}

type ByName<T> = BTreeMap<Arc<str>, T>;

struct Builder<'a> {
    documents: &'a [Document<'a>],
    faults: &'a Faults,
    sources: &'a [Source],
}

/// The names of everything that is referred to.
#[derive(Default)]
struct Names {
    metrics: Ids,
    categories: Ids,
    districts: Ids,
    departments: Ids,
    gateways: Ids,
    stations: Ids,
    detectors: Ids,
}

impl<'a> Builder<'a> {
    fn entries(&self, what: &'static str) -> Vec<Entry<'a>> {
        entries(self.documents, what, self.faults)
    }

    fn build(&self) -> Option<Catalogue> {
        let mut names = Names::default();
        let metrics = self.read_map("metric", &mut names.metrics, Metric::read, |metric| &metric.name);
        let units = self.read_units();
        let categories =
            self.read_map("category", &mut names.categories, Category::read, |category| &category.key);
        let districts =
            self.read_map("district", &mut names.districts, District::read, |district| &district.key);
        let departments =
            self.read_map("department", &mut names.departments, Named::read, |named| &named.key);
        let gateways = self.read_map("gateway", &mut names.gateways, Gateway::read, |gateway| &gateway.id);
        let (mut stations, families) = self.read_stations(&mut names, &units);
        let plans = self.read_plans(&names, &units);
        take_plans(&mut stations, &plans);
        let factors = self.read_factors(&names);
        let loggers = self.read_loggers(&names, &units, &factors, (&stations, &families));
        let (limits, whole) = self.read_limits(&names, &units);
        let (detectors, gateway_rule) = self.read_detectors(&mut names, &limits, whole);
        let derived = self.read_derived(&names, (&metrics, &stations, &families), &detectors);
        let (routes, calendar) = (self.read_routes(&names), self.read_calendar());
        let (deadlines, office_hours) = self.read_deadlines(&names);
        let calibrations = self.read_calibrations(&names, (&stations, &families));
        let silences = self.read_silences(&names, (&stations, &families));
        let line_fields = LineFields::read(&self.entries("line_field"), &names.metrics, &units);
        let sparkplug_metrics =
            SparkplugMetrics::read(&self.entries("sparkplug_metric"), &names.metrics, &units);
        let alerts = self.read_alerts(&names);
        let text = join(self.sources);
        let hash = Sha256::digest(text.as_bytes()).into();
        let (by_metric, by_gateway) = (by_metric(&detectors), by_gateway(&stations));
        let (by_calibrated, registry) = (by_calibrated(&calibrations), Registry::of(&text));
        Some(Catalogue {
            metrics,
            categories,
            districts,
            departments,
            gateways,
            stations,
            families,
            factors,
            loggers,
            plans,
            limits,
            detectors,
            gateway_rule,
            derived,
            routes,
            deadlines,
            office_hours,
            days: Arc::new(calendar.days()),
            calendar,
            line_fields,
            sparkplug_metrics,
            alerts,
            calibrations,
            silences,
            registry,
            text,
            hash,
            by_metric,
            by_gateway,
            by_calibrated,
        })
    }

    fn read_units(&self) -> Units {
        let unit = |entry: Entry<'_>| Some((entry.peek("name")?, entry.peek::<Unit>("unit")?));
        self.entries("metric").into_iter().filter_map(unit).collect()
    }

    fn read_map<T>(
        &self,
        what: &'static str,
        ids: &mut Ids,
        read: impl Fn(&Entry<'_>, &mut Ids) -> Option<T>,
        key: impl Fn(&T) -> &Arc<str>,
    ) -> BTreeMap<Arc<str>, T> {
        let entries = self.entries(what);
        let things = entries.iter().filter_map(|entry| read(entry, ids));
        things.map(|thing| (key(&thing).clone(), thing)).collect()
    }

    fn read_stations(&self, names: &mut Names, units: &Units) -> (BTreeMap<Arc<str>, Station>, Families) {
        let known = station::Known {
            districts: &names.districts,
            gateways: &names.gateways,
            metrics: &names.metrics,
            units,
        };
        let read = |entry: &Entry<'_>, ids: &mut Ids| Station::read(entry, "id", ids, &known);
        let stations = self.read_map("station", &mut names.stations, read, |station| &station.id);
        let read = |entry: &Entry<'_>, ids: &mut Ids| Station::read(entry, "prefix", ids, &known);
        let families = self.read_map("station_family", &mut Ids::new(), read, |station| &station.id);
        (stations, Families::new(families))
    }

    fn read_factors(&self, names: &Names) -> BTreeMap<Arc<str>, Arc<Factor>> {
        let (mut codes, mut by_code) = (Ids::new(), BTreeMap::new());
        for entry in self.entries("factor") {
            let Some(factor) = Factor::read(&entry, &mut codes, &names.metrics).map(Arc::new) else {
                continue;
            };
            by_code.extend(factor.also.iter().map(|code| (Arc::clone(code), Arc::clone(&factor))));
            by_code.insert(Arc::clone(&factor.code), factor);
        }
        by_code
    }

    fn read_loggers(
        &self,
        names: &Names,
        units: &Units,
        factors: &BTreeMap<Arc<str>, Arc<Factor>>,
        (stations, families): (&BTreeMap<Arc<str>, Station>, &Families),
    ) -> BTreeMap<Arc<str>, Logger> {
        let station = |id: &str| stations.get(id).or_else(|| families.find(id));
        let known = logger::Known { factors, units, station: &station, stations: &names.stations };
        let read = |entry: &Entry<'_>, ids: &mut Ids| Logger::read(entry, ids, &known);
        self.read_map("logger", &mut Ids::new(), read, |logger| &logger.mn)
    }

    fn read_calibrations(
        &self,
        names: &Names,
        (stations, families): (&BTreeMap<Arc<str>, Station>, &Families),
    ) -> BTreeMap<Arc<str>, Calibration> {
        let station = |id: &str| stations.get(id).or_else(|| families.find(id));
        let read = |entry: &Entry<'_>, ids: &mut Ids| Calibration::read(entry, ids, &names.stations, station);
        self.read_map("calibration", &mut Ids::new(), read, |window| &window.id)
    }

    fn read_silences(
        &self,
        names: &Names,
        (stations, families): (&BTreeMap<Arc<str>, Station>, &Families),
    ) -> Silences {
        let known = silence::Known {
            stations: &names.stations,
            station: &|id| stations.contains_key(id) || families.find(id).is_some(),
            metrics: &names.metrics,
            detectors: &names.detectors,
            districts: &names.districts,
            gateways: &names.gateways,
        };
        let read = |entry: &Entry<'_>, ids: &mut Ids| Silence::read(entry, ids, &known);
        self.read_map("silence", &mut Ids::new(), read, |silence| &silence.id)
    }

    fn read_plans(&self, names: &Names, units: &Units) -> Plans {
        let mut plans = Plans::new();
        for entry in self.entries("plan") {
            let Some((plan, unit)) = Plan::read(&entry, &names.stations, &names.metrics) else { continue };
            check_unit(&entry, &unit, &plan.metric, units);
            let of_station = plans.entry(plan.station.clone()).or_default();
            if let Some(plan) = of_station.insert(plan.metric.clone(), plan) {
                let found = format!("a second plan of {:?} for {:?}", plan.metric, plan.station);
                entry.wrong("station", found, "one plan for each station and metric".into());
            }
        }
        plans
    }

    fn read_limits(&self, names: &Names, units: &Units) -> (Vec<Limit>, bool) {
        let (mut ids, entries) = (Ids::new(), self.entries("limit"));
        let read = entries.iter().filter_map(|entry| Limit::read(entry, &mut ids, &names.metrics, units));
        let limits: Vec<Limit> = read.collect();
        let whole = limits.len() == entries.len();
        (limits, whole)
    }

    fn read_detectors(
        &self,
        names: &mut Names,
        limits: &[Limit],
        whole: bool,
    ) -> (Vec<Arc<DetectorEntry>>, Option<GatewayRule>) {
        let mut of_metric = detector::LimitsOf::new();
        limits.iter().for_each(|limit| of_metric.entry(&limit.metric).or_default().push(limit));
        let known = detector::Known {
            metrics: &names.metrics,
            categories: &names.categories,
            limits: &of_metric,
            limits_are_whole: whole,
        };
        let (mut detectors, mut rule) = (Vec::new(), None);
        let ids = &mut names.detectors;
        for entry in self.entries("detector") {
            if !GatewayRule::is(&entry) {
                detectors.extend(DetectorEntry::read(&entry, ids, &known).map(Arc::new));
                continue;
            }
            if rule.is_some() {
                entry.wrong("kind", "a second rule for whole gateways".into(), "one in the catalogue".into());
            }
            rule = rule.or(GatewayRule::read(&entry, ids, &names.categories));
        }
        (detectors, rule)
    }

    fn read_derived(
        &self,
        names: &Names,
        (metrics, stations, families): (&ByName<Metric>, &ByName<Station>, &Families),
        detectors: &[Arc<DetectorEntry>],
    ) -> Derived {
        let entries = self.entries("derived");
        let known = derived::Known {
            metric_names: &names.metrics,
            station_names: &names.stations,
            metrics,
            stations,
            sent: stations.values().chain(families.iter()).flat_map(|station| &station.metrics).collect(),
            derived: entries.iter().filter_map(|entry| entry.peek("metric")).collect(),
            detectors,
        };
        let mut derived = Derived::default();
        entries.iter().for_each(|entry| derived.read(entry, &known));
        self.read_gates(&mut derived, detectors, metrics, stations);
        self.check_bounds(&derived, &Sent { metrics, stations, detectors });
        derived
    }

    /// So much is held of each reckoned series and no more.
    fn check_bounds(&self, derived: &Derived, sent: &Sent<'_>) {
        let too_long = sent.too_long(derived);
        let tell = |entry: &Entry<'_>, key, metric: &str| {
            if let Some(TooLong { found, wanted }) = too_long.get(metric) {
                entry.wrong(key, found.clone(), wanted.clone());
            }
        };
        for entry in self.entries("derived") {
            entry.peek::<Arc<str>>("metric").iter().for_each(|metric| tell(&entry, "metric", metric));
        }
        let gated: Vec<_> =
            self.entries("detector").into_iter().filter(|entry| entry.has("unless")).collect();
        for entry in gated {
            let Some(name) = entry.peek::<Arc<str>>("name") else { continue };
            let Some(detector) = sent.detectors.iter().find(|detector| detector.name == name) else {
                continue;
            };
            let metrics = detector.metrics.iter().map(|metric| gate_metric(&name, metric));
            metrics.for_each(|metric| tell(&entry, "unless", &metric));
        }
    }

    /// What detectors with `unless` watch.
    fn read_gates(
        &self,
        derived: &mut Derived,
        detectors: &[Arc<DetectorEntry>],
        metrics: &ByName<Metric>,
        stations: &ByName<Station>,
    ) {
        for entry in self.entries("detector") {
            let Some(name) = entry.peek::<Arc<str>>("name").filter(|_| entry.has("unless")) else { continue };
            let Some(detector) = detectors.iter().find(|detector| detector.name == name) else { continue };
            let metrics = detector.metrics.iter().filter_map(|metric| metrics.get(metric));
            let gates: Vec<bool> =
                metrics.map(|metric| derived.gate(detector, metric, stations.values())).collect();
            if !gates.contains(&true) {
                let wanted =
                    "metrics that some station has together with what the detector watches".to_owned();
                entry.wrong("unless", "a condition that no station can say anything of".into(), wanted);
            }
        }
    }

    fn read_routes(&self, names: &Names) -> Routes {
        let known = route::Known {
            categories: &names.categories,
            districts: &names.districts,
            departments: &names.departments,
        };
        let mut routes = Routes::default();
        let entries = self.entries("route");
        entries.iter().for_each(|entry| routes.read(entry, &known));
        if entries.iter().all(|entry| has_any(entry, &["category", "district"])) {
            self.missing("route", "a [[route]] with a department and without category and district");
        }
        routes
    }

    fn read_alerts(&self, names: &Names) -> AlertSubjects {
        let mut alerts = AlertSubjects::default();
        let entries = self.entries("alert");
        entries.iter().for_each(|entry| alerts.read(entry, &names.categories, &names.districts));
        alerts
    }

    fn read_calendar(&self) -> Calendar {
        let (mut calendar, mut seen) = (Calendar::shipped(), BTreeMap::new());
        self.entries("calendar_year").iter().for_each(|entry| calendar.read_year(entry, &mut seen));
        self.entries("calendar_day").iter().for_each(|entry| calendar.read_day(entry));
        calendar
    }

    fn read_deadlines(&self, names: &Names) -> (Vec<Deadline>, OfficeHours) {
        let mut hours = OfficeHours::default();
        self.entries("office_hours").iter().for_each(|entry| hours.read(entry));
        let mut ids = Ids::new();
        let (mut read, mut has_default) = (Vec::new(), false);
        for entry in self.entries("deadline") {
            has_default |= !has_any(&entry, &["category", "priority", "valid_from", "valid_to"]);
            let deadline = Deadline::read(&entry, &mut ids, &names.categories);
            if deadline.as_ref().is_some_and(|deadline| needs_hours(deadline) && hours.is_empty()) {
                entry.wrong(
                    "clock",
                    "\"working_hour\" without office hours".into(),
                    "[[office_hours]] beside it".into(),
                );
            }
            read.extend(deadline.map(|deadline| (deadline, entry)));
        }
        check_rivals(&read);
        if !has_default {
            self.missing("deadline", "a [[deadline]] without category, priority and validity");
        }
        (read.into_iter().map(|(deadline, _)| deadline).collect(), hours)
    }

    /// Tells that an entry is missing which every catalogue must have.
    fn missing(&self, key: &str, wanted: &str) {
        let file = self.sources.first().map_or_else(String::new, |source| source.name.clone());
        let found = "no entry for all else".to_owned();
        self.faults.add(Fault { file, line: 0, key: key.to_owned(), found, wanted: wanted.to_owned() });
    }
}

fn has_any(entry: &Entry<'_>, keys: &[&str]) -> bool {
    keys.iter().any(|key| entry.has(key))
}

fn needs_hours(deadline: &Deadline) -> bool {
    matches!(deadline.clock, Clock::WorkingHour(_))
}

/// Gives each station the plan of the first of its metrics that has one.
fn take_plans(stations: &mut BTreeMap<Arc<str>, Station>, plans: &Plans) {
    for (id, plans) in plans {
        if let Some(station) = stations.get_mut(id) {
            station.plan = station.metrics.iter().find_map(|metric| plans.get(metric)).cloned();
        }
    }
}

/// The series of all named stations, by the gateway that they come through.
fn by_gateway(stations: &BTreeMap<Arc<str>, Station>) -> BTreeMap<Arc<str>, Vec<Series>> {
    let mut index: BTreeMap<Arc<str>, Vec<Series>> = BTreeMap::new();
    for station in stations.values() {
        index.entry(station.gateway.clone()).or_default().extend(station.series());
    }
    index
}

fn by_metric(detectors: &[Arc<DetectorEntry>]) -> BTreeMap<Arc<str>, Vec<Arc<DetectorEntry>>> {
    let mut index: BTreeMap<Arc<str>, Vec<Arc<DetectorEntry>>> = BTreeMap::new();
    for detector in detectors {
        for metric in &detector.metrics {
            index.entry(metric.clone()).or_default().push(detector.clone());
            if detector.unless.is_some() {
                index.insert(gate_metric(&detector.name, metric), vec![detector.clone()]);
            }
        }
    }
    index
}

fn by_calibrated(windows: &BTreeMap<Arc<str>, Calibration>) -> BTreeMap<Arc<str>, Vec<Arc<str>>> {
    let mut index: BTreeMap<Arc<str>, Vec<Arc<str>>> = BTreeMap::new();
    for window in windows.values() {
        index.entry(window.station.clone()).or_default().push(window.id.clone());
    }
    index
}
