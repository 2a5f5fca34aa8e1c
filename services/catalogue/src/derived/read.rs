//! An entry `[[derived]]` as it is read: which series it makes, and what of it cannot be.

use std::sync::Arc;

use yiwang_model::{Series, Span};

use super::around::{apart, neighbours, sections_of};
use super::formula::expression;
use super::peers::ranks;
use super::{Derivation, Derived, Known, MAX_NEIGHBOURS, Rule, Source};
use crate::entry::Entry;
use crate::metric::Metric;
use crate::value::{readable, word, words};

#[derive(Clone, Copy)]
enum Kind {
    Neighbours,
    Balance,
    Sections,
    Rank,
    Expression,
    Clock,
}

const KINDS: [(Kind, &str); 6] = [
    (Kind::Neighbours, "neighbours"),
    (Kind::Balance, "balance"),
    (Kind::Sections, "sections"),
    (Kind::Rank, "rank"),
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
            Some(Kind::Rank) => ranks(entry, known),
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
        let (frame, patience) = match rule {
            // its frames are event times, not stretches of time
            Rule::Rank { .. } => (Span(1), Span(metric.period.0.saturating_add(metric.lateness.0))),
            _ => (metric.period, metric.lateness),
        };
        let derivation = Derivation { rule, sources, frame, patience };
        if self.by_series.insert(series, Arc::new(derivation)).is_some() {
            let found = format!("a second way to reckon {:?} of {station:?}", metric.name);
            entry.wrong("metric", found, "one for each metric and station".into());
        }
    }
}

/// A station, how its frames are reckoned, and from what.
pub(super) type Reckoned = (Arc<str>, Rule, Vec<Source>);

pub(super) fn want_of(entry: &Entry<'_>, known: &Known<'_>) -> Option<Arc<str>> {
    let of = entry.want_ref("of", known.metric_names)?;
    if known.derived.contains(&of) {
        entry.wrong("of", format!("{of:?}, which is reckoned itself"), "a metric that stations send".into());
    }
    Some(of)
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

fn clocks(entry: &Entry<'_>, known: &Known<'_>) -> Vec<Reckoned> {
    let Some(of) = want_of(entry, known) else { return Vec::new() };
    let own = known.stations.values().filter(|station| station.metrics.contains(&of));
    own.map(|station| (station.id.clone(), Rule::Clock, sources([&station.id].into_iter(), &of))).collect()
}

pub(super) fn count(entry: &Entry<'_>, key: &'static str, usual: usize) -> usize {
    let count = entry.get::<f64>(key).unwrap_or(usual as f64);
    let possible = count.fract() == 0.0 && (1.0..=MAX_NEIGHBOURS as f64).contains(&count);
    if !possible {
        entry.wrong(key, count.to_string(), format!("a whole number from 1 to {MAX_NEIGHBOURS}"));
        return usual;
    }
    count as usize
}

pub(super) fn sources<'a>(stations: impl Iterator<Item = &'a Arc<str>>, metric: &Arc<str>) -> Vec<Source> {
    let series = stations.filter_map(|station| Series::new(Arc::clone(station), Arc::clone(metric)).ok());
    series.map(|series| Source { series, lag: Span::ZERO }).collect()
}
