//! Series that nobody sends: each is reckoned from readings of others, and judged by detectors like any other.
//!
//! So whatever looks across series is said once, here, and every kind of detector can watch it: a station against those around it, what
//! comes down a river against what went in, and what the people of the city put together themselves.
//!
//! | `rule` | value of a frame | keys (those in brackets may be missing) |
//! |---|---|---|
//! | `neighbours` | the station's value less the median of its neighbours' | `of radius_km [least most usual with against]` |
//! | `balance` | the value downstream less the one upstream `lag` before; with `as = "ratio"` divided by it | `of upstream downstream [lag as]` |
//! | `sections` | the section's value less the median of those around it on the river, when the same water was there | `of stations lag [least usual with against]` |
//! | `expression` | what it gives; yes is 1, no is 0 | `expression [kind]`; see [`crate::expression`] |
//! | `clock` | by how many seconds the readings of `of` come after their event time, the median of the last [`CLOCK_FRAMES`] frames | `of` |
//!
//! `metric` names the metric of the reckoned series, which is in the catalogue like any other and which nobody sends. A frame is
//! one period of it; the value of a series in a frame is that of its newest judged reading in it. A frame is reckoned once all its series have
//! spoken, at the latest when the usual lateness of `metric` has passed since its end, and again when one of them changes. For
//! `neighbours` and `sections` there must be `least` of them then, for the others all that are named. Windows of an expression are made
//! of the frames before.
//!
//! `neighbours` is for every station that has `of` and a point, and at least `least` (3) others within `radius_km`, of which the
//! nearest `most` (8) count. `sections` is for each of `stations`, which stand as the water passes them, `lag` from one to the next:
//! it is held against the two above and the two below, at an end of the river against three, at least `least` (2), and waits until its water is at the last of them. What all
//! sections feel at once falls out as well, if it is not too sudden, since half of the others felt it earlier and half later.
//!
//! With `usual`, a span of a day or more, each series is first taken from its own usual level in its own scale, both learnt over that time; there
//! is no value on the first day. `with` names companions, other metrics of the same stations: what they have apart as well is taken away, since a device fails
//! alone. Those in `against` go the other way.
//!
//! `expression` is for every station that has all metrics that it names, of this `kind` if one is given. Members of
//! families have none. `clock` is for every station that has `of`. A device whose clock is slow has a median far above the usual
//! lateness, one whose clock is fast one below zero; what is late by the way it takes is late by turns.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use yiwang_model::{Series, Span};

use crate::detector::DetectorEntry;
use crate::entry::{Entry, Ids};
use crate::expression::{Expression, MAX_WINDOW_FRAMES};
use crate::metric::Metric;
use crate::station::{Station, StationKind};
use crate::value::{readable, word, words};

/// The most neighbours of a station that count.
pub const MAX_NEIGHBOURS: usize = 16;

/// How many frames the median of a clock is of.
pub const CLOCK_FRAMES: i64 = 31;
/// How many sections up and down the river a section is held against.
const REACH: usize = 2;
/// How many there should be.
const LEAST_AROUND: usize = 3;

/// How the value of a frame comes about.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// The first series less the median of the others, of which there must be so many.
    Neighbours {
        /// At least.
        least: usize,
    },
    /// The same, each of them from what is usual for it; and less what other metrics of the station have as well.
    Apart(Arc<Apart>),
    /// The first series less the second, or divided by it.
    Balance {
        /// Whether it is divided.
        ratio: bool,
    },
    /// The median of the last frames, whose values are by how many seconds readings of the series came after their event time.
    Clock,
    /// What an expression gives, for a station: its id, district and kind.
    Expression(Arc<Expression>, [Arc<str>; 3]),
    /// The last series, where the expression, which the others are for, does not say yes: what a detector with `unless` watches.
    Gate(Arc<Expression>, [Arc<str>; 3]),
}

/// How what a station has apart is found. The sources stand by groups: in each the station's own series, then those of the others.
#[derive(Clone, Debug, PartialEq)]
pub struct Apart {
    /// So many others must have spoken.
    pub least: usize,
    /// Time over which what is usual fades to a third.
    pub memory: Span,
    /// The metric itself, then its companions.
    pub groups: Vec<Group>,
}

/// The series of one metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// How many.
    pub sources: usize,
    /// Whether what moves the metric itself moves this one the other way.
    pub turned: bool,
}

/// A series that a frame is reckoned from.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Which.
    pub series: Series,
    /// By how much its readings are moved to later frames.
    pub lag: Span,
}

/// How one series is reckoned from others.
#[derive(Clone, Debug, PartialEq)]
pub struct Derivation {
    /// How.
    pub rule: Rule,
    /// From which, in the order in which the rule wants them.
    pub sources: Vec<Source>,
    /// How long a frame is.
    pub frame: Span,
    /// How long after its end it waits for those that did not speak.
    pub patience: Span,
}

/// The reckoned series that are told of something, each with the place of that among what it is told.
type Told = Vec<(Series, usize)>;
/// A detector and a station.
type At = (Arc<str>, Arc<str>);

/// All reckoned series of a catalogue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Derived {
    by_series: BTreeMap<Series, Arc<Derivation>>,
    /// For each series, those that are reckoned from it, and its place among their sources.
    fed: BTreeMap<Series, Told>,
    /// For each series, those that are reckoned from when its readings come.
    timed: BTreeMap<Series, Told>,
    /// The series that detectors with `unless` watch, each with the one whose readings it has.
    gates: BTreeMap<Series, Series>,
    /// For each detector and station, those whose expression asks about it, and its place there.
    asked: BTreeMap<At, Told>,
}

/// What an entry may refer to.
pub(crate) struct Known<'a> {
    pub(crate) metric_names: &'a Ids,
    pub(crate) station_names: &'a Ids,
    pub(crate) metrics: &'a BTreeMap<Arc<str>, Metric>,
    pub(crate) stations: &'a BTreeMap<Arc<str>, Station>,
    /// The metrics that stations send.
    pub(crate) sent: BTreeSet<&'a Arc<str>>,
    /// The metrics that are reckoned.
    pub(crate) derived: BTreeSet<Arc<str>>,
    pub(crate) detectors: &'a [Arc<DetectorEntry>],
}

#[derive(Clone, Copy)]
enum Kind {
    Neighbours,
    Balance,
    Sections,
    Expression,
    Clock,
}

const KINDS: [(Kind, &str); 5] = [
    (Kind::Neighbours, "neighbours"),
    (Kind::Balance, "balance"),
    (Kind::Sections, "sections"),
    (Kind::Expression, "expression"),
    (Kind::Clock, "clock"),
];

readable!(Kind, words(&KINDS), |value| word(value, &KINDS));

/// How a balance is struck.
#[derive(Clone, Copy)]
struct As(bool);

const AS: [(bool, &str); 2] = [(false, "difference"), (true, "ratio")];

readable!(As, words(&AS), |value| word(value, &AS).map(As));

impl Derived {
    /// How a series is reckoned; nothing for one that is sent.
    #[must_use]
    pub fn of(&self, series: &Series) -> Option<&Arc<Derivation>> {
        self.by_series.get(series)
    }

    /// The series that are reckoned from this one, and its place among their sources.
    #[must_use]
    pub fn fed_by(&self, series: &Series) -> &[(Series, usize)] {
        self.fed.get(series).map_or(&[], Vec::as_slice)
    }

    /// The series that are reckoned from when readings of this one come, and its place among their sources.
    #[must_use]
    pub fn timed_by(&self, series: &Series) -> &[(Series, usize)] {
        self.timed.get(series).map_or(&[], Vec::as_slice)
    }

    /// The series that ask whether a detector has an open episode at a station, and its place among what they ask.
    #[must_use]
    pub fn asking(&self, detector: &Arc<str>, station: &Arc<str>) -> &[(Series, usize)] {
        self.asked.get(&(Arc::clone(detector), Arc::clone(station))).map_or(&[], Vec::as_slice)
    }

    /// Whether a detector watches, in place of this series, one that has its readings but where the detector's `unless` says yes.
    #[must_use]
    pub fn is_gated(&self, detector: &DetectorEntry, series: &Series) -> bool {
        detector.unless.is_some()
            && gate_of(&detector.name, series).is_some_and(|gate| self.gates.contains_key(&gate))
    }

    /// What people are told of: for a series that a detector with `unless` watches the one whose readings it has; else itself.
    #[must_use]
    pub fn told_as<'a>(&'a self, series: &'a Series) -> &'a Series {
        self.gates.get(series).unwrap_or(series)
    }

    /// What a detector with `unless` watches in place of a metric of these stations: of those that have all that its expression
    /// names. False when none has.
    pub(crate) fn gate<'s>(
        &mut self,
        detector: &DetectorEntry,
        metric: &Metric,
        stations: impl Iterator<Item = &'s Station>,
    ) -> bool {
        let Some(unless) = &detector.unless else { return true };
        let has = |station: &Station, name: &Arc<str>| station.metrics.contains(name);
        let fits =
            |station: &&Station| unless.metrics.iter().chain([&metric.name]).all(|name| has(station, name));
        let before = self.gates.len();
        for station in stations.filter(fits) {
            let names = unless.metrics.iter().chain([&metric.name]);
            let own = names.filter_map(|name| Series::new(station.id.clone(), Arc::clone(name)).ok());
            let sources: Vec<Source> = own.map(|series| Source { series, lag: Span::ZERO }).collect();
            let Some(base) = sources.last().map(|source| source.series.clone()) else { continue };
            let Some(gate) = gate_of(&detector.name, &base) else { continue };
            for (place, source) in sources.iter().enumerate() {
                self.fed.entry(source.series.clone()).or_default().push((gate.clone(), place));
            }
            let words = [station.id.clone(), station.district.clone(), station.kind.word().into()];
            let rule = Rule::Gate(Arc::clone(unless), words);
            let frame = station.period.unwrap_or(metric.period);
            let how = Derivation { rule, sources, frame, patience: metric.lateness };
            self.by_series.insert(gate.clone(), Arc::new(how));
            self.gates.insert(gate, base);
        }
        self.gates.len() > before
    }

    /// All of them.
    pub fn series(&self) -> impl Iterator<Item = &Series> {
        self.by_series.keys()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_series.is_empty()
    }

    pub(crate) fn read(&mut self, entry: &Entry<'_>, known: &Known<'_>) {
        let (metric, kind) = (entry.want_ref("metric", known.metric_names), entry.want::<Kind>("rule"));
        let _ = entry.want_text("source");
        if let Some(metric) = metric.as_ref().filter(|metric| known.sent.contains(metric)) {
            let found = format!("{metric:?}, which stations send");
            entry.wrong("metric", found, "a metric that no station has".into());
        }
        let reckoned = match kind {
            Some(Kind::Neighbours) => apart(entry, known, neighbours(entry, known)),
            Some(Kind::Balance) => balance(entry, known).into_iter().collect(),
            Some(Kind::Sections) => apart(entry, known, sections_of(entry, known)),
            Some(Kind::Expression) => expression(entry, metric.as_ref(), known),
            Some(Kind::Clock) => clocks(entry, known),
            None => return,
        };
        entry.finish();
        let Some(metric) = metric.and_then(|metric| known.metrics.get(&metric)) else { return };
        for (station, rule, sources) in reckoned {
            self.add(entry, (metric, &station), rule, sources);
        }
    }

    fn add(
        &mut self,
        entry: &Entry<'_>,
        (metric, station): (&Metric, &Arc<str>),
        rule: Rule,
        sources: Vec<Source>,
    ) {
        let Ok(series) = Series::new(Arc::clone(station), Arc::clone(&metric.name)) else { return };
        let fed = if rule == Rule::Clock { &mut self.timed } else { &mut self.fed };
        for (place, source) in sources.iter().enumerate() {
            fed.entry(source.series.clone()).or_default().push((series.clone(), place));
        }
        if let Rule::Expression(expression, _) = &rule {
            for (place, detector) in expression.detectors.iter().enumerate() {
                let key = (Arc::clone(detector), Arc::clone(station));
                self.asked.entry(key).or_default().push((series.clone(), place));
            }
        }
        let derivation = Derivation { rule, sources, frame: metric.period, patience: metric.lateness };
        if self.by_series.insert(series, Arc::new(derivation)).is_some() {
            let found = format!("a second way to reckon {:?} of {station:?}", metric.name);
            entry.wrong("metric", found, "one for each metric and station".into());
        }
    }
}

/// What stands between a metric and a detector in the name of what that watches.
const UNLESS: &str = ":unless:";

/// The series that a detector watches in place of another; none where the names are too long together.
fn gate_of(detector: &str, series: &Series) -> Option<Series> {
    Series::new(Arc::clone(series.source()), gate_metric(detector, series.metric())).ok()
}

/// The metric of such a series.
pub(crate) fn gate_metric(detector: &str, metric: &str) -> Arc<str> {
    format!("{metric}{UNLESS}{detector}").into()
}

/// The metric that such a metric is in place of.
pub(crate) fn behind_gate(metric: &str) -> Option<&str> {
    metric.split_once(UNLESS).map(|(metric, _)| metric)
}

/// A station, how its frames are reckoned, and from what.
type Reckoned = (Arc<str>, Rule, Vec<Source>);

fn want_of(entry: &Entry<'_>, known: &Known<'_>) -> Option<Arc<str>> {
    let of = entry.want_ref("of", known.metric_names)?;
    if known.derived.contains(&of) {
        entry.wrong("of", format!("{of:?}, which is reckoned itself"), "a metric that stations send".into());
    }
    Some(of)
}

fn neighbours(entry: &Entry<'_>, known: &Known<'_>) -> Vec<Reckoned> {
    let (of, radius) = (want_of(entry, known), entry.want::<f64>("radius_km"));
    let least = count(entry, "least", 3);
    let most = count(entry, "most", 8);
    if least > most {
        entry.wrong("least", least.to_string(), format!("at most {most}, which is most"));
    }
    if let Some(radius) = radius.filter(|radius| *radius <= 0.0) {
        entry.wrong("radius_km", radius.to_string(), "a distance above zero".into());
    }
    let (Some(of), Some(radius)) = (of, radius) else { return Vec::new() };
    let own: Vec<(&Station, (f64, f64))> = known
        .stations
        .values()
        .filter(|station| station.metrics.contains(&of))
        .filter_map(|station| Some((station, station.point?)))
        .collect();
    let around = |(station, point): &(&Station, (f64, f64))| {
        let mut near: Vec<(f64, &Arc<str>)> = own
            .iter()
            .filter(|(other, _)| other.id != station.id)
            .map(|(other, place)| (kilometres(*point, *place), &other.id))
            .filter(|(distance, _)| *distance <= radius)
            .collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(b.1)));
        near.truncate(most);
        let named = std::iter::once(&station.id).chain(near.iter().map(|(_, id)| *id));
        (near.len() >= least).then(|| (station.id.clone(), Rule::Neighbours { least }, sources(named, &of)))
    };
    own.iter().filter_map(around).collect()
}

/// With `usual`, the same stations each held against what is usual, and against companions of the same station.
fn apart(entry: &Entry<'_>, known: &Known<'_>, reckoned: Vec<Reckoned>) -> Vec<Reckoned> {
    let memory = entry.get::<Span>("usual");
    let named = |key| if entry.has(key) { entry.want_refs(key, known.metric_names) } else { None };
    let (with, against) = (named("with").unwrap_or_default(), named("against").unwrap_or_default());
    if memory.is_none() && !(with.is_empty() && against.is_empty()) {
        entry.wrong("with", "companions without usual".into(), "usual, as \"28d\", beside them".into());
    }
    let Some(memory) = memory else { return reckoned };
    if memory < Span::DAY {
        entry.wrong("usual", memory.to_string(), "a day or more".into());
    }
    let companions: Vec<_> =
        with.iter().map(|of| (of, false)).chain(against.iter().map(|of| (of, true))).collect();
    let widened = |(station, rule, mut sources): Reckoned| {
        let Rule::Neighbours { least } = rule else { return (station, rule, sources) };
        let mut groups = vec![Group { sources: sources.len(), turned: false }];
        let own = sources.clone();
        for (metric, turned) in &companions {
            let group = companion(&own, metric, known);
            if group.len() > least {
                groups.push(Group { sources: group.len(), turned: *turned });
                sources.extend(group);
            }
        }
        (station, Rule::Apart(Arc::new(Apart { least, memory, groups })), sources)
    };
    reckoned.into_iter().map(widened).collect()
}

/// The same stations with another metric, as far as they have it; nothing if the first has not.
fn companion(own: &[Source], metric: &Arc<str>, known: &Known<'_>) -> Vec<Source> {
    let of = |source: &Source| {
        let station = known.stations.get(source.series.source())?;
        let has = station.metrics.contains(metric);
        let series = Series::new(station.id.clone(), Arc::clone(metric)).ok().filter(|_| has)?;
        Some(Source { series, lag: source.lag })
    };
    match own.split_first().and_then(|(first, rest)| Some((of(first)?, rest))) {
        Some((first, rest)) => std::iter::once(first).chain(rest.iter().filter_map(of)).collect(),
        None => Vec::new(),
    }
}

fn clocks(entry: &Entry<'_>, known: &Known<'_>) -> Vec<Reckoned> {
    let Some(of) = want_of(entry, known) else { return Vec::new() };
    let own = known.stations.values().filter(|station| station.metrics.contains(&of));
    own.map(|station| (station.id.clone(), Rule::Clock, sources([&station.id].into_iter(), &of))).collect()
}

fn count(entry: &Entry<'_>, key: &'static str, usual: usize) -> usize {
    let count = entry.get::<f64>(key).unwrap_or(usual as f64);
    let possible = count.fract() == 0.0 && (1.0..=MAX_NEIGHBOURS as f64).contains(&count);
    if !possible {
        entry.wrong(key, count.to_string(), format!("a whole number from 1 to {MAX_NEIGHBOURS}"));
        return usual;
    }
    count as usize
}

fn sources<'a>(stations: impl Iterator<Item = &'a Arc<str>>, metric: &Arc<str>) -> Vec<Source> {
    let series = stations.filter_map(|station| Series::new(Arc::clone(station), Arc::clone(metric)).ok());
    series.map(|series| Source { series, lag: Span::ZERO }).collect()
}

fn sections_of(entry: &Entry<'_>, known: &Known<'_>) -> Vec<Reckoned> {
    let (of, stations) = (want_of(entry, known), entry.want_refs("stations", known.station_names));
    let (lag, least) = (entry.want::<Span>("lag"), count(entry, "least", 2));
    let (Some(of), Some(stations), Some(lag)) = (of, stations, lag) else { return Vec::new() };
    let has = |id: &Arc<str>| known.stations.get(id).is_none_or(|station| station.metrics.contains(&of));
    if let Some(without) = stations.iter().find(|id| !has(id)) {
        entry.wrong("stations", format!("{without:?}, which has no {of:?}"), "stations that have it".into());
        return Vec::new();
    }
    let around = |at: usize| {
        // at the ends of a river further on one side, so that one of them alone cannot move the median
        let reach = (REACH..stations.len()).find(|reach| others(at, *reach, stations.len()) >= LEAST_AROUND);
        let reach = reach.unwrap_or(REACH);
        let last = (at + reach).min(stations.len() - 1);
        let others = (at.saturating_sub(reach)..=last).filter(|other| *other != at);
        let source = |place: usize| {
            let series = Series::new(Arc::clone(&stations[place]), Arc::clone(&of)).ok()?;
            Some(Source { series, lag: lag.times((last - place) as i64) })
        };
        let sources: Vec<Source> = std::iter::once(at).chain(others).filter_map(source).collect();
        (sources.len() > least).then(|| (stations[at].clone(), Rule::Neighbours { least }, sources))
    };
    (0..stations.len()).filter_map(around).collect()
}

/// How many of so many sections are within reach of one.
fn others(at: usize, reach: usize, sections: usize) -> usize {
    (at + reach).min(sections - 1) - at.saturating_sub(reach)
}

fn balance(entry: &Entry<'_>, known: &Known<'_>) -> Option<Reckoned> {
    let of = want_of(entry, known);
    let (up, down) =
        (want_station(entry, "upstream", &of, known), want_station(entry, "downstream", &of, known));
    let lag = entry.get::<Span>("lag").unwrap_or_default();
    let As(ratio) = entry.get("as").unwrap_or(As(false));
    let (of, up, down) = (of?, up?, down?);
    if up == down {
        entry.wrong("upstream", format!("{up:?}, which is downstream too"), "another station".into());
    }
    let mut sources = sources([&down, &up].into_iter(), &of);
    sources.get_mut(1)?.lag = lag;
    Some((down, Rule::Balance { ratio }, sources))
}

fn want_station(
    entry: &Entry<'_>,
    key: &'static str,
    of: &Option<Arc<str>>,
    known: &Known<'_>,
) -> Option<Arc<str>> {
    let id = entry.want_ref(key, known.station_names)?;
    let station = known.stations.get(&id)?;
    if let Some(of) = of.as_ref().filter(|of| !station.metrics.contains(of)) {
        entry.wrong(key, format!("{id:?}, which has no {of:?}"), "a station that has it".into());
    }
    Some(id)
}

fn expression(entry: &Entry<'_>, metric: Option<&Arc<str>>, known: &Known<'_>) -> Vec<Reckoned> {
    let (text, kind) = (entry.want_text("expression"), entry.get::<StationKind>("kind"));
    let Some(text) = text else { return Vec::new() };
    let expression = match Expression::parse(&text) {
        Ok(expression) => Arc::new(expression),
        Err(why) => {
            entry.wrong(
                "expression",
                format!("an expression that {why}"),
                "one as docs/reckoned.md has them".into(),
            );
            return Vec::new();
        }
    };
    check(entry, &expression, metric, known);
    let fits = |station: &&Station| {
        kind.is_none_or(|kind| kind == station.kind)
            && expression.metrics.iter().all(|metric| station.metrics.contains(metric))
    };
    let of = |station: &Station| {
        let words = [station.id.clone(), station.district.clone(), station.kind.word().into()];
        let source = |metric| Series::new(station.id.clone(), Arc::clone(metric)).ok();
        let sources = expression.metrics.iter().filter_map(source);
        let sources = sources.map(|series| Source { series, lag: Span::ZERO }).collect();
        (station.id.clone(), Rule::Expression(Arc::clone(&expression), words), sources)
    };
    known.stations.values().filter(fits).map(of).collect()
}

/// What an expression names must be there, and its windows must be short enough.
fn check(entry: &Entry<'_>, of: &Expression, metric: Option<&Arc<str>>, known: &Known<'_>) {
    for name in of.metrics.iter().filter(|name| !known.sent.contains(name)) {
        let wanted = "metrics that stations send".to_owned();
        entry.wrong("expression", format!("{name:?}, which no station sends"), wanted);
    }
    for name in &of.detectors {
        let found = known.detectors.iter().find(|detector| detector.name == *name);
        let watches = |detector: &Arc<DetectorEntry>| {
            detector.metrics.iter().any(|metric| known.derived.contains(&**metric))
        };
        match found {
            Some(found) if found.unless.is_some() => {
                let wanted = "a detector without \"unless\"".to_owned();
                entry.wrong("expression", format!("{name:?}, which is gated itself"), wanted);
            }
            None => entry.wrong(
                "expression",
                format!("detector {name:?}, which is not there"),
                "one of this catalogue".into(),
            ),
            Some(found) if watches(found) => {
                let wanted = "a detector of metrics that stations send".to_owned();
                entry.wrong("expression", format!("{name:?}, which watches a reckoned metric"), wanted);
            }
            Some(_) => {}
        }
    }
    let frame = metric.and_then(|metric| known.metrics.get(metric)).map(|metric| metric.period);
    let most = frame.map_or(Span::ZERO, |frame| frame.times(MAX_WINDOW_FRAMES));
    if let Some(long) = of.windows.iter().find(|window| frame.is_some() && window.span > most) {
        let wanted = format!("at most {most}, {MAX_WINDOW_FRAMES} periods of the metric");
        entry.wrong("expression", format!("a window of {}", long.span), wanted);
    }
}

/// The distance on a sphere of the Earth's mean radius, 6,371 km (haversine formula).
fn kilometres((lon1, lat1): (f64, f64), (lon2, lat2): (f64, f64)) -> f64 {
    let half = |from: f64, to: f64| ((to - from).to_radians() / 2.0).sin().powi(2);
    let a = half(lat1, lat2) + lat1.to_radians().cos() * lat2.to_radians().cos() * half(lon1, lon2);
    2.0 * 6_371.0 * a.sqrt().min(1.0).asin()
}

#[cfg(test)]
mod tests;
