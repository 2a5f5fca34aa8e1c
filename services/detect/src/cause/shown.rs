//! Which series show a cause best.

use std::collections::BTreeMap;
use std::sync::Arc;

use yiwang_model::Series;

use super::{Causes, Key};
use crate::topology::Nature;

/// How many series are named with a cause.
pub(super) const SHOWN: usize = 8;

impl Causes {
    /// Of the alarms of a cause the series of the metric that most are of, so that they fit on one axis: those first that went furthest,
    /// then those that began first.
    pub(super) fn shown(&self, keys: &[&Key]) -> Box<[Series]> {
        let mut counts: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        keys.iter().for_each(|(series, _)| *counts.entry(series.metric()).or_default() += 1);
        let most = counts.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0)));
        let Some((metric, _)) = most else { return Box::default() };
        let of_metric = keys.iter().filter(|(series, _)| series.metric() == *metric);
        let mut sights: Vec<_> = of_metric
            .filter_map(|key| Some((self.alarms.get(*key)?.sight(0, Nature::Value), &key.0)))
            .collect();
        sights.sort_by(|(a, one), (b, other)| {
            b.size.total_cmp(&a.size).then(a.onset.cmp(&b.onset)).then(one.cmp(other))
        });
        let mut shown: Vec<Series> = Vec::new();
        for (_, series) in sights {
            if shown.len() < SHOWN && !shown.contains(series) {
                shown.push(series.clone());
            }
        }
        shown.into()
    }
}
