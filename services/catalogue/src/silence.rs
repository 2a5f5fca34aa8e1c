//! Silences: for some time, episodes of some places and rules open no orders.
//!
//! Somebody knows what is wrong, or that nothing is: a bridge is being built, a meter is being replaced. A silence says who says so,
//! why, and until when; one without an end, or longer than [`MAX_SPAN`], is refused. Nothing is judged otherwise: episodes are
//! found, recorded and counted as ever, and those that still go on when the silence ends open their orders then.
//!
//! | key | matches |
//! |---|---|
//! | `stations` | series of these stations |
//! | `metrics` | series of these metrics |
//! | `detectors` | episodes of these detectors |
//! | `districts` | series of the stations there |
//! | `gateways` | series that come through these gateways, and the gateways themselves |
//!
//! Of several keys each must match, of a key's names any one. At least one key is there.

use std::collections::BTreeMap;
use std::sync::Arc;

use yiwang_model::{Anomaly, Span, Timestamp};

use crate::Catalogue;
use crate::entry::{Entry, Ids};
use crate::fault::quoted;
use crate::nearest::nearest;
use crate::station::Station;

/// The longest that a silence may last: 30 days. Who needs longer says so again.
pub const MAX_SPAN: Span = Span(30 * Span::DAY.0);

/// A silence.
#[derive(Clone, Debug, PartialEq)]
pub struct Silence {
    /// Its own name.
    pub id: Arc<str>,
    /// Who says so.
    pub who: Arc<str>,
    /// Why.
    pub why: Arc<str>,
    /// The first moment of city time at which it holds.
    pub from: Timestamp,
    /// The first at which it no longer does.
    pub to: Timestamp,
    /// The stations that it is for; empty for all.
    pub stations: Vec<Arc<str>>,
    /// The metrics that it is for; empty for all.
    pub metrics: Vec<Arc<str>>,
    /// The detectors that it is for; empty for all.
    pub detectors: Vec<Arc<str>>,
    /// The districts that it is for; empty for all.
    pub districts: Vec<Arc<str>>,
    /// The gateways that it is for; empty for all.
    pub gateways: Vec<Arc<str>>,
}

/// What a silence may refer to.
pub(crate) struct Known<'a> {
    pub(crate) stations: &'a Ids,
    /// The station or family that a source is of.
    pub(crate) station: &'a dyn Fn(&str) -> bool,
    pub(crate) metrics: &'a Ids,
    pub(crate) detectors: &'a Ids,
    pub(crate) districts: &'a Ids,
    pub(crate) gateways: &'a Ids,
}

/// The keys that say what a silence is for.
const MATCHERS: [&str; 5] = ["stations", "metrics", "detectors", "districts", "gateways"];

impl Silence {
    pub(crate) fn read(entry: &Entry<'_>, ids: &mut Ids, known: &Known<'_>) -> Option<Self> {
        let id = entry.want_id("id", ids);
        let (who, why) = (entry.want_text("who"), entry.want_text("why"));
        let (from, to) = (entry.want::<Timestamp>("from"), entry.want::<Timestamp>("to"));
        let refs = |key, ids| if entry.has(key) { entry.want_refs(key, ids) } else { Some(Vec::new()) };
        let stations = read_stations(entry, known);
        let (metrics, detectors) = (refs("metrics", known.metrics), refs("detectors", known.detectors));
        let (districts, gateways) = (refs("districts", known.districts), refs("gateways", known.gateways));
        MATCHERS.into_iter().for_each(|key| entry.know(key));
        entry.finish();
        if MATCHERS.iter().all(|key| !entry.has(key)) {
            let wanted = format!("one of {}: a silence is not for all the city", MATCHERS.join(", "));
            entry.wrong("id", "a silence that says not what it is for".into(), wanted);
        }
        let (from, to) = (from?, to?);
        check_span(entry, from, to);
        Some(Self {
            id: id?,
            who: who?,
            why: why?,
            from,
            to,
            stations,
            metrics: metrics?,
            detectors: detectors?,
            districts: districts?,
            gateways: gateways?,
        })
    }

    /// Whether it holds at a moment of city time.
    #[must_use]
    pub fn holds(&self, city: Timestamp) -> bool {
        self.from <= city && city < self.to
    }

    /// Whether an episode opens no order for it at this moment of city time: while it goes on as long as the silence holds, and
    /// for good if it was over before the silence was.
    fn keeps_quiet(&self, anomaly: &Anomaly, city: Timestamp) -> bool {
        self.holds(city) || anomaly.end.is_some_and(|end| self.from <= end && end <= self.to)
    }

    fn is_for(&self, anomaly: &Anomaly, station: Option<&Station>) -> bool {
        let any = |names: &[Arc<str>], found: &[&Arc<str>]| {
            names.is_empty() || found.iter().any(|found| names.contains(found))
        };
        let subject = anomaly.series.source();
        let districts: Vec<_> =
            station.map(|station| &station.district).into_iter().chain([subject]).collect();
        let gateways = station.map(|station| std::iter::once(&station.gateway).chain(&station.also));
        let gateways: Vec<_> = gateways.into_iter().flatten().chain([subject]).collect();
        any(&self.stations, &[subject])
            && any(&self.metrics, &[anomaly.series.metric()])
            && any(&self.detectors, &[&anomaly.detector])
            && any(&self.districts, &districts)
            && any(&self.gateways, &gateways)
    }
}

/// Stations may be members of families, which have no names here.
fn read_stations(entry: &Entry<'_>, known: &Known<'_>) -> Vec<Arc<str>> {
    let names: Vec<Arc<str>> = entry.get("stations").unwrap_or_default();
    if entry.has("stations") && names.is_empty() {
        entry.wrong("stations", "an empty list".into(), "at least one name".into());
    }
    let is_strange = |name: &&Arc<str>| !known.stations.contains_key(*name) && !(known.station)(name);
    for strange in names.iter().filter(is_strange) {
        let near = nearest(strange, known.stations.keys().map(AsRef::as_ref));
        let wanted = near.map_or("a station of this catalogue".into(), |near| {
            format!("{near:?} or another station of this catalogue")
        });
        entry.wrong("stations", format!("{}, which is not there", quoted(strange)), wanted);
    }
    names
}

fn check_span(entry: &Entry<'_>, from: Timestamp, to: Timestamp) {
    if to <= from {
        entry.wrong("to", to.to_string(), format!("a time after {from}"));
    } else if to - from > MAX_SPAN {
        let wanted = format!("at most {} after {from}, {MAX_SPAN} later", from + MAX_SPAN);
        entry.wrong("to", to.to_string(), wanted);
    }
}

impl Catalogue {
    /// The silence for which an episode, as it stands, opens no order at this moment of city time; of several the one that ends last.
    #[must_use]
    pub fn silence(&self, anomaly: &Anomaly, city: Timestamp) -> Option<&Silence> {
        if self.silences.is_empty() {
            return None;
        }
        let station = self.station(anomaly.series.source());
        let quiet = self.silences.values().filter(|of| of.keeps_quiet(anomaly, city));
        quiet.filter(|of| of.is_for(anomaly, station)).max_by_key(|of| of.to)
    }

    /// The first moment of city time after this one at which a silence ends.
    #[must_use]
    pub fn next_end_of_silence(&self, city: Timestamp) -> Option<Timestamp> {
        self.silences.values().map(|of| of.to).filter(|to| *to > city).min()
    }
}

/// Silences by their names.
pub(crate) type Silences = BTreeMap<Arc<str>, Silence>;

#[cfg(test)]
mod tests;
