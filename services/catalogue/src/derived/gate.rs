//! What detectors with `unless` watch: a series of its own, with the readings of another but where the expression says yes.

use std::sync::Arc;

use yiwang_model::{Series, Span};

use super::{Derivation, Derived, Rule, Source};
use crate::detector::DetectorEntry;
use crate::metric::Metric;
use crate::station::Station;

impl Derived {
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
