//! Windows in which a source is calibrated or maintained: what it sends then is stored and not judged.
//!
//! A logger of HJ 212 says so itself, by the flags C and M; most other sources do not, and their plan stands here.

use std::sync::Arc;

use yiwang_model::{Quality, Timestamp};

use crate::entry::{Entry, Ids};
use crate::fault::quoted;
use crate::nearest::nearest;
use crate::station::Station;
use crate::value::{readable, word, words};

/// A window of one station.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// Its own name.
    pub id: Arc<str>,
    /// The station.
    pub station: Arc<str>,
    /// The metrics that it is for; empty for all.
    pub metrics: Vec<Arc<str>>,
    /// The first event time within it.
    pub from: Timestamp,
    /// The first event time behind it.
    pub to: Timestamp,
    /// What good readings become within it.
    pub quality: Quality,
    /// Who says so.
    pub source: Arc<str>,
}

const QUALITIES: [(Quality, &str); 3] = [
    (Quality::Calibration, "calibration"),
    (Quality::Maintenance, "maintenance"),
    (Quality::Stopped, "stopped"),
];

/// What a window is for.
struct What(Quality);

readable!(What, words(&QUALITIES), |value| word(value, &QUALITIES).map(What));

impl Calibration {
    pub(crate) fn read<'s>(
        entry: &Entry<'_>,
        ids: &mut Ids,
        stations: &Ids,
        station: impl Fn(&str) -> Option<&'s Station>,
    ) -> Option<Self> {
        let (id, name) = (entry.want_id("id", ids), entry.want::<Arc<str>>("station"));
        let metrics: Vec<Arc<str>> = entry.get("metrics").unwrap_or_default();
        let (from, to) = (entry.want::<Timestamp>("from"), entry.want::<Timestamp>("to"));
        let quality = entry.get::<What>("quality").map_or(Quality::Calibration, |what| what.0);
        let source = entry.want_text("source");
        entry.finish();
        let name = name?;
        match station(&name) {
            Some(found) => check_metrics(entry, &metrics, found),
            // A station that has faults of its own is not told twice.
            None if stations.contains_key(&name) => {}
            None => {
                let near = nearest(&name, stations.keys().map(AsRef::as_ref));
                let wanted = near.map_or("a station of this catalogue".into(), |near| {
                    format!("{near:?} or another station of this catalogue")
                });
                entry.wrong("station", format!("{}, which is not there", quoted(&name)), wanted);
            }
        }
        if let (Some(from), Some(to)) = (from, to)
            && to <= from
        {
            entry.wrong("to", to.to_string(), format!("a time after {from}"));
        }
        Some(Self { id: id?, station: name, metrics, from: from?, to: to?, quality, source: source? })
    }

    /// Whether it is for this metric of its station.
    #[must_use]
    pub fn is_for(&self, metric: &str) -> bool {
        self.metrics.is_empty() || self.metrics.iter().any(|own| **own == *metric)
    }
}

fn check_metrics(entry: &Entry<'_>, metrics: &[Arc<str>], station: &Station) {
    for strange in metrics.iter().filter(|metric| !station.metrics.contains(metric)) {
        let wanted = format!("metrics of its station: {}", station.metrics.join(", "));
        entry.wrong("metrics", quoted(strange), wanted);
    }
}
