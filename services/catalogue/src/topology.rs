//! What hangs on what, as rules across series see it: from stations, gateways and detectors.

use std::collections::BTreeMap;
use std::sync::Arc;

use yiwang_detect::Param;
use yiwang_detect::topology::{Meter, Nature, Site, Topology};
use yiwang_model::Span;

use crate::detector::DetectorEntry;
use crate::metric::ALLOWED_PERIODS;
use crate::station::Station;
use crate::{Catalogue, Metric};

impl Catalogue {
    /// What hangs on what. A station's reckoned series are its own, as those are that it sends. Members of families are not named, and
    /// not in it.
    #[must_use]
    pub fn topology(&self) -> Topology {
        let mut reckoned: BTreeMap<&Arc<str>, Vec<&Arc<str>>> = BTreeMap::new();
        for series in self.derived().series() {
            reckoned.entry(series.source()).or_default().push(series.metric());
        }
        let of = |station: &Station| reckoned.get(&station.id).map_or(&[][..], Vec::as_slice);
        let sites = self.stations.values().map(|station| self.site(station, of(station))).collect();
        let broker = |gateway: &crate::Gateway| Some((Arc::clone(&gateway.id), gateway.broker.clone()?));
        let brokers = self.gateways.values().filter_map(broker).collect();
        let nature = |entry: &Arc<DetectorEntry>| Some((Arc::clone(&entry.name), Nature::of(&entry.kind)?));
        Topology::new(sites, brokers, self.detectors.iter().filter_map(nature).collect())
    }

    fn site(&self, station: &Station, reckoned: &[&Arc<str>]) -> Site {
        let first = std::iter::once(&station.gateway);
        let names = station.metrics.iter().chain(reckoned.iter().copied());
        let metrics = names.filter_map(|metric| self.metric(metric));
        Site {
            source: Arc::clone(&station.id),
            kind: station.kind.word().into(),
            meters: metrics.map(|metric| self.meter(metric, station.period)).collect(),
            gateways: first.chain(&station.also).cloned().collect(),
            power: station.power.clone(),
            maker: station.maker.clone(),
            region: Arc::clone(&station.district),
            point: station.point,
        }
    }

    fn meter(&self, metric: &Metric, period: Option<Span>) -> Meter {
        let period = period.unwrap_or(metric.period);
        let entries = self.detectors_for(&metric.name).iter();
        let silent_after = entries.clone().filter_map(|entry| silent_after(entry, period)).min();
        let is_watched = entries.clone().any(|entry| Nature::of(&entry.kind) == Some(Nature::Value));
        let allowed_lateness = metric.allowed_lateness.unwrap_or_else(|| period.times(ALLOWED_PERIODS));
        Meter { metric: Arc::clone(&metric.name), period, allowed_lateness, silent_after, is_watched }
    }
}

/// How long a series of this period may be silent, where the entry tells of silences.
fn silent_after(entry: &DetectorEntry, period: Span) -> Option<Span> {
    if Nature::of(&entry.kind) != Some(Nature::Silence) {
        return None;
    }
    match (entry.params.get("after"), entry.params.get("periods")) {
        (Some(Param::Text(after)), _) => after.parse().ok(),
        // a span is not that exact
        (_, Some(Param::Number(periods))) => Some(Span((period.0 as f64 * periods) as i64)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::Catalogue;

    const SMALL: &str = include_str!("tests/small.toml");

    fn parse(keys: &str) -> Result<Catalogue, String> {
        let station = "gateway = \"north\"\nmetrics = [\"pm2_5\"]";
        assert!(SMALL.contains(station));
        let text = SMALL.replace(station, &format!("gateway = \"north\"\n{keys}\nmetrics = [\"pm2_5\"]"));
        Catalogue::parse(&[("small.toml", &text)]).map_err(|faults| format!("{faults:?}"))
    }

    #[test]
    fn what_a_station_hangs_on_is_read_and_checked() {
        let catalogue = parse("also = [\"bench\"]\npower = \"p-7\"\nmaker = \"acme\"").unwrap();
        let station = &catalogue.stations["air-1"];
        assert_eq!(station.also, ["bench".into()]);
        assert_eq!((station.power.as_deref(), station.maker.as_deref()), (Some("p-7"), Some("acme")));
        assert!(parse("also = [\"bench-2\"]").unwrap_err().contains("bench-2"));
        assert!(parse("also = [\"north\"]").unwrap_err().contains("gateways besides the key gateway"));
        assert!(parse("power = \"a b\"").unwrap_err().contains("a name of letters"));
    }
}
