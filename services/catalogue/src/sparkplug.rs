//! What metrics of Sparkplug B mean: which metric of the city, in which unit.
//!
//! A metric whose name is that of a metric of the city needs no entry: its values are in the unit in which its station is
//! known to send, else in the metric's own. An entry of a group goes before one of all groups, and both before the name.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use yiwang_model::Unit;

use crate::entry::{Entry, Ids};
use crate::limit::{Units, check_unit};

/// A metric of Sparkplug B that is a metric of the city.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SparkplugMetric {
    /// The group whose nodes call it so; none for those of all groups.
    pub group: Option<Arc<str>>,
    /// The metric that its values are of, in the metric's unit.
    pub metric: Arc<str>,
}

/// All of them, by the name that Sparkplug B has for them.
#[derive(Clone, Debug, Default)]
pub(crate) struct SparkplugMetrics(HashMap<Arc<str>, Vec<SparkplugMetric>>);

impl SparkplugMetrics {
    /// Reads all `[[sparkplug_metric]]`.
    pub(crate) fn read(entries: &[Entry<'_>], metrics: &Ids, units: &Units) -> Self {
        let (mut mapped, mut seen) = (Self::default(), BTreeMap::new());
        for entry in entries {
            let Some((name, metric, unit)) = SparkplugMetric::read(entry, metrics) else { continue };
            check_unit(entry, &unit, &metric.metric, units);
            let place = seen.insert((name.clone(), metric.group.clone()), entry.place());
            if let Some(place) = place {
                let wanted = "one entry for each name in a group".into();
                entry.wrong("name", format!("{name:?} again, as in {place}"), wanted);
            }
            mapped.0.entry(name).or_default().push(metric);
        }
        mapped
    }

    /// What a name means in a group; nothing when it is not mapped.
    pub(crate) fn find(&self, group: &str, name: &str) -> Option<&SparkplugMetric> {
        let of_name = self.0.get(name)?;
        let own = of_name.iter().find(|metric| metric.group.as_deref() == Some(group));
        own.or_else(|| of_name.iter().find(|metric| metric.group.is_none()))
    }
}

impl SparkplugMetric {
    fn read(entry: &Entry<'_>, metrics: &Ids) -> Option<(Arc<str>, Self, Unit)> {
        let (name, metric) = (entry.want_text("name"), entry.want_ref("metric", metrics));
        let (unit, group) = (entry.want("unit"), entry.get_text("group"));
        entry.finish();
        Some((name?, Self { group, metric: metric? }, unit?))
    }
}
