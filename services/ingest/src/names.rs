//! Names of series, and the dense numbers by which the doors speak of them.
//!
//! A series gets its number when it is first admitted. Its name is in the log's topic `names` in or before the commit
//! that has its first reading; after a restart the topic gives the numbers back.
//!
//! Bounded: a gateway brings at most [`Limits::series_per_gateway`] new series, all together [`Limits::series`].

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, RwLock, RwLockReadGuard};

use yiwang_catalogue::{Catalogue, Metric};
use yiwang_model::{Series, SeriesId};
use yiwang_proto::v1::Reason;

/// How many series there may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// That one gateway may bring while the process lives.
    pub series_per_gateway: usize,
    /// In all.
    pub series: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { series_per_gateway: 200_000, series: 2_000_000 }
    }
}

/// A series that is known: what admission needs of it.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its number at the doors, from 0.
    pub dense: u32,
    /// Its number in the log.
    pub id: SeriesId,
    /// Its partition of topic `readings`.
    pub partition: u16,
    /// What the catalogue says of its metric.
    pub metric: Arc<Metric>,
}

/// Why a name is not taken in.
pub type Refused = (Reason, String);

/// All series that were admitted.
#[derive(Debug)]
pub struct Names {
    catalogue: Arc<Catalogue>,
    /// The metrics of the catalogue, shared by all their series.
    metrics: BTreeMap<Arc<str>, Arc<Metric>>,
    partitions: u16,
    limits: Limits,
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By source; of one, a metric each, so that a look-up needs no new string.
    by_name: HashMap<Arc<str>, Vec<Known>>,
    /// By dense number.
    series: Vec<Series>,
    by_id: HashMap<SeriesId, u32>,
    brought: HashMap<Arc<str>, usize>,
}

impl Names {
    /// No series yet.
    #[must_use]
    pub fn new(catalogue: Arc<Catalogue>, partitions: u16, limits: Limits) -> Self {
        let metrics = catalogue.metrics.iter();
        let metrics = metrics.map(|(name, metric)| (Arc::clone(name), Arc::new(metric.clone()))).collect();
        Self { catalogue, metrics, partitions, limits, inner: RwLock::default() }
    }

    /// The known series of this name; made known if the catalogue has it.
    ///
    /// # Errors
    /// The reason and the sentence with which to refuse its readings.
    pub fn resolve(&self, gateway: &str, source: &str, metric: &str) -> Result<Known, Refused> {
        if let Some(known) = self.read().find(source, metric) {
            return Ok(known.clone());
        }
        let series = Series::new(source, metric).map_err(|error| (Reason::BadName, error.to_string()))?;
        let metric = self.look_up(&series)?;
        self.insert(Some(gateway), series, metric)
    }

    /// Takes back a series that an earlier process had announced; one that the catalogue no longer has is left out.
    pub fn restore(&self, series: Series) {
        if let Ok(metric) = self.look_up(&series) {
            let _ = self.insert(None, series, metric);
        }
    }

    /// The name of the series with this dense number.
    #[must_use]
    pub fn series(&self, dense: u32) -> Option<Series> {
        self.read().series.get(dense as usize).cloned()
    }

    /// The catalogue in force at the doors.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// How many series are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read().series.len()
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn look_up(&self, series: &Series) -> Result<Arc<Metric>, Refused> {
        let (source, metric) = (series.source(), series.metric());
        let station = self.catalogue.station(source).ok_or_else(|| {
            (
                Reason::UnknownSource,
                format!("source \"{source}\" is not in the catalogue: add a station of this id"),
            )
        })?;
        let known = self
            .metrics
            .get(metric)
            .ok_or_else(|| (Reason::UnknownMetric, format!("metric \"{metric}\" is not in the catalogue")))?;
        if station.metrics.iter().any(|own| own == metric) {
            Ok(Arc::clone(known))
        } else {
            let own = station.metrics.join(", ");
            Err((
                Reason::UnknownMetric,
                format!("source \"{source}\" has no metric \"{metric}\"; it has {own}"),
            ))
        }
    }

    fn insert(&self, gateway: Option<&str>, series: Series, metric: Arc<Metric>) -> Result<Known, Refused> {
        let id = series.id();
        let partition = series.partition(self.partitions);
        let mut inner = self.inner.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(known) = inner.find(series.source(), series.metric()) {
            return Ok(known.clone());
        }
        if inner.by_id.contains_key(&id) {
            let message =
                format!("series {series} has the number {id:?} of another series: give it another name");
            return Err((Reason::BadName, message));
        }
        inner.count(gateway, self.limits)?;
        let dense = u32::try_from(inner.series.len()).unwrap_or(u32::MAX);
        let known = Known { dense, id, partition, metric };
        inner.by_name.entry(Arc::clone(series.source())).or_default().push(known.clone());
        inner.by_id.insert(id, dense);
        inner.series.push(series);
        Ok(known)
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Inner {
    fn find(&self, source: &str, metric: &str) -> Option<&Known> {
        self.by_name.get(source)?.iter().find(|known| *known.metric.name == *metric)
    }

    fn count(&mut self, gateway: Option<&str>, limits: Limits) -> Result<(), Refused> {
        if self.series.len() >= limits.series {
            let message = format!("the city has {} series, the most that are allowed", limits.series);
            return Err((Reason::TooManySeries, message));
        }
        let Some(gateway) = gateway else { return Ok(()) };
        if !self.brought.contains_key(gateway) {
            self.brought.insert(gateway.into(), 0);
        }
        match self.brought.get_mut(gateway) {
            Some(brought) if *brought < limits.series_per_gateway => *brought += 1,
            _ => {
                let most = limits.series_per_gateway;
                let message =
                    format!("gateway \"{gateway}\" has brought {most} series, the most that one may");
                return Err((Reason::TooManySeries, message));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
