//! Names of series, and the dense numbers by which the doors speak of them.
//!
//! A series gets its number when it is first admitted. Its name is in the log's topic `names` in or before the commit
//! that has its first reading; after a restart the topic gives the numbers back.
//!
//! The catalogue may change while the city runs: [`Names::revise`]. A series keeps its number whatever the catalogue says of
//! it, and [`Names::edition`] tells whoever keeps a [`Known`] to look it up again.
//!
//! Bounded: a gateway brings at most [`Limits::series_per_gateway`] new series, all together [`Limits::series`]. A series whose
//! source is not in the catalogue needs one of [`Limits::quarantined`] seats. It keeps its seat until all that the quarantine
//! holds of it is let go or expired, whatever the catalogue becomes meanwhile. If nothing of it was ever held, it keeps the seat until
//! it is registered or the city starts again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use yiwang_catalogue::{Catalogue, Metric};
use yiwang_model::{Series, SeriesId};
use yiwang_proto::v1::Reason;

mod known;

use known::own;
pub use known::{Known, Own, check_unit};

/// How many series there may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// That one gateway may bring while the process lives.
    pub series_per_gateway: usize,
    /// In all.
    pub series: usize,
    /// Of sources that are not in the catalogue and whose readings are kept in quarantine; 0 refuses them.
    pub quarantined: usize,
}

/// The partition of a series whose source is not in the catalogue: none of topic `readings`, but topic `quarantine`.
pub const QUARANTINED: u16 = u16::MAX;

impl Default for Limits {
    fn default() -> Self {
        Self { series_per_gateway: 200_000, series: 2_000_000, quarantined: 0 }
    }
}

/// Why a name is not taken in.
pub type Refused = (Reason, String);

/// All series that were admitted.
#[derive(Debug)]
pub struct Names {
    /// How often the catalogue has changed.
    edition: AtomicU64,
    inner: RwLock<Inner>,
}

#[derive(Debug)]
struct Inner {
    catalogue: Arc<Catalogue>,
    partitions: u16,
    limits: Limits,
    /// The sources whose clocks are known to be wrong.
    wrong_clocks: HashSet<Arc<str>>,
    /// The seats of the quarantine, and whether it was seen to hold something of each.
    seats: HashMap<SeriesId, bool>,
    /// Whether the quarantine takes no more.
    is_full: bool,
    /// The metrics of the catalogue, shared by all their series.
    metrics: BTreeMap<Arc<str>, Arc<Metric>>,
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
        let inner = RwLock::new(Inner::new(catalogue, partitions, limits));
        Self { edition: AtomicU64::new(0), inner }
    }

    /// The known series of this name; made known if the catalogue has it.
    ///
    /// # Errors
    /// The reason and the sentence with which to refuse its readings.
    pub fn resolve(&self, gateway: &str, source: &str, metric: &str) -> Result<Known, Refused> {
        let inner = self.read();
        if let Some(known) = inner.find(source, metric).filter(|known| inner.may_go_on(known)) {
            return Ok(known.clone());
        }
        let series = Series::new(source, metric).map_err(|error| (Reason::BadName, error.to_string()))?;
        // What is refused never waits for a writer.
        inner.look_up(&series)?;
        drop(inner);
        self.insert(Some(gateway), series)
    }

    /// Takes back the number of a series that an earlier process had announced, whatever the catalogue says of it now.
    pub fn restore(&self, series: &Series) {
        let mut inner = self.write();
        if let Ok(None) = inner.number(series) {
            let _ = inner.announce(None, series);
        }
    }

    /// From now on this catalogue is in force at the doors. Series that it does not have are refused; their numbers are
    /// theirs for when they come back.
    pub fn revise(&self, catalogue: Arc<Catalogue>) {
        let metrics = shared(&catalogue);
        let mut inner = self.write();
        inner.metrics = metrics;
        inner.catalogue = catalogue;
        inner.leave_unused_seats();
        // Each is looked up again when it is next sent.
        let before = std::mem::take(&mut inner.by_name);
        self.edition.fetch_add(1, Ordering::Release);
        drop(inner);
        drop(before);
    }

    /// Says which sources have clocks that are known to be wrong now.
    pub(crate) fn mark_clocks(&self, wrong: HashSet<Arc<str>>) {
        if self.read().wrong_clocks == wrong {
            return;
        }
        let mut inner = self.write();
        let before = std::mem::replace(&mut inner.wrong_clocks, wrong);
        let changed: Vec<_> = before.symmetric_difference(&inner.wrong_clocks).cloned().collect();
        // Each is looked up again when it is next sent.
        changed.iter().for_each(|source| _ = inner.by_name.remove(source));
        self.edition.fetch_add(1, Ordering::Release);
    }

    /// Says whether the quarantine has room; without it sources that are not in the catalogue are refused.
    pub(crate) fn fill_quarantine(&self, is_full: bool) {
        if self.read().is_full != is_full {
            self.write().is_full = is_full;
            self.edition.fetch_add(1, Ordering::Release);
        }
    }

    /// Says of which series the quarantine holds readings now: they have seats, and those that left have none.
    pub(crate) fn seat(&self, held: &HashSet<SeriesId>) {
        let inner = self.read();
        let is_seen = |(id, was_held): (&SeriesId, &bool)| *was_held == held.contains(id);
        if inner.seats.iter().all(is_seen) && held.iter().all(|id| inner.seats.contains_key(id)) {
            return;
        }
        drop(inner);
        let mut inner = self.write();
        let before = inner.seats.len();
        inner.seats.retain(|id, was_held| !*was_held || held.contains(id));
        if inner.seats.len() < before {
            // Whoever keeps one without a seat asks for it again, and so does whoever was refused.
            self.edition.fetch_add(1, Ordering::Release);
        }
        inner.seats.extend(held.iter().map(|id| (*id, true)));
    }

    /// The series with this number in the log, if the catalogue in force has it.
    #[must_use]
    pub fn known(&self, id: SeriesId) -> Option<Known> {
        let series = self.name(id)?;
        let inner = self.read();
        inner.catalogue.station(series.source())?;
        if let Some(known) = inner.find(series.source(), series.metric()) {
            return Some(known.clone());
        }
        inner.look_up(&series).ok()?;
        drop(inner);
        self.insert(None, series).ok().filter(|known| known.partition != QUARANTINED)
    }

    /// What the series with this number in the log is called.
    #[must_use]
    pub fn name(&self, id: SeriesId) -> Option<Series> {
        let inner = self.read();
        inner.series.get(*inner.by_id.get(&id)? as usize).cloned()
    }

    /// Differs from what it was before when the catalogue has changed.
    #[must_use]
    pub fn edition(&self) -> u64 {
        self.edition.load(Ordering::Acquire)
    }

    /// The name of the series with this dense number.
    #[must_use]
    pub fn series(&self, dense: u32) -> Option<Series> {
        self.read().series.get(dense as usize).cloned()
    }

    /// The catalogue in force at the doors.
    #[must_use]
    pub fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.read().catalogue)
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

    fn insert(&self, gateway: Option<&str>, series: Series) -> Result<Known, Refused> {
        let mut inner = self.write();
        if let Some(known) = inner.find(series.source(), series.metric()).cloned() {
            if known.partition == QUARANTINED {
                inner.take_seat(&series)?;
            }
            return Ok(known);
        }
        let Found { metric, own, partition } = inner.look_up(&series)?;
        let dense = match inner.number(&series)? {
            Some(dense) => dense,
            None => inner.announce(gateway, &series)?,
        };
        if partition == QUARANTINED {
            inner.take_seat(&series)?;
        }
        let known = Known { dense, id: series.id(), partition, metric, own };
        inner.by_name.entry(Arc::clone(series.source())).or_default().push(known.clone());
        Ok(known)
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the catalogue says of a series.
struct Found {
    metric: Arc<Metric>,
    own: Option<Arc<Own>>,
    partition: u16,
}

impl Inner {
    fn new(catalogue: Arc<Catalogue>, partitions: u16, limits: Limits) -> Self {
        let metrics = shared(&catalogue);
        let (by_name, by_id, brought) = (HashMap::new(), HashMap::new(), HashMap::new());
        let (series, wrong_clocks) = (Vec::new(), HashSet::new());
        let (seats, is_full) = (HashMap::new(), false);
        Self {
            catalogue,
            partitions,
            limits,
            wrong_clocks,
            seats,
            is_full,
            metrics,
            by_name,
            series,
            by_id,
            brought,
        }
    }

    fn find(&self, source: &str, metric: &str) -> Option<&Known> {
        self.by_name.get(source)?.iter().find(|known| *known.metric.name == *metric)
    }

    fn look_up(&self, series: &Series) -> Result<Found, Refused> {
        let (source, metric) = (series.source(), series.metric());
        let station = self.catalogue.station(source);
        if station.is_none() {
            self.may_be_quarantined(series)?;
        }
        let known =
            self.metrics.get(metric).map(Arc::clone).ok_or_else(|| {
                (Reason::UnknownMetric, format!("metric \"{metric}\" is not in the catalogue"))
            })?;
        let Some(station) = station else {
            return Ok(Found { metric: known, own: None, partition: QUARANTINED });
        };
        if station.metrics.iter().any(|own| own == metric) {
            let own = own(&self.catalogue, station, series, self.wrong_clocks.contains(source));
            return Ok(Found { metric: known, own, partition: series.partition(self.partitions) });
        }
        let own = station.metrics.join(", ");
        Err((Reason::UnknownMetric, format!("source \"{source}\" has no metric \"{metric}\"; it has {own}")))
    }

    /// Refuses a series whose source is not in the catalogue, unless there is a quarantine with room for it.
    fn may_be_quarantined(&self, series: &Series) -> Result<(), Refused> {
        let source = series.source();
        let message = match self.limits.quarantined {
            0 => format!("source \"{source}\" is not in the catalogue: add a station of this id"),
            _ if !self.has_room(series.id()) => {
                format!(
                    "source \"{source}\" is not in the catalogue, and the quarantine is full: add a station of this id"
                )
            }
            _ => return Ok(()),
        };
        Err((Reason::UnknownSource, message))
    }

    fn has_room(&self, id: SeriesId) -> bool {
        !self.is_full && (self.seats.contains_key(&id) || self.seats.len() < self.limits.quarantined)
    }

    /// Whether a series that was looked up before can be admitted without another look.
    fn may_go_on(&self, known: &Known) -> bool {
        known.partition != QUARANTINED || (!self.is_full && self.seats.contains_key(&known.id))
    }

    fn take_seat(&mut self, series: &Series) -> Result<(), Refused> {
        self.may_be_quarantined(series)?;
        self.seats.entry(series.id()).or_insert(false);
        Ok(())
    }

    /// Series that are registered and of which nothing is in quarantine need no seat.
    fn leave_unused_seats(&mut self) {
        let mut seats = std::mem::take(&mut self.seats);
        seats.retain(|id, is_held| {
            let series = self.by_id.get(id).and_then(|dense| self.series.get(*dense as usize));
            *is_held || series.is_some_and(|series| self.catalogue.station(series.source()).is_none())
        });
        self.seats = seats;
    }

    /// The number that this series has already.
    fn number(&self, series: &Series) -> Result<Option<u32>, Refused> {
        let Some(dense) = self.by_id.get(&series.id()) else { return Ok(None) };
        if self.series.get(*dense as usize) == Some(series) {
            return Ok(Some(*dense));
        }
        let id = series.id();
        let message =
            format!("series {series} has the number {id:?} of another series: give it another name");
        Err((Reason::BadName, message))
    }

    /// A new number for a series.
    fn announce(&mut self, gateway: Option<&str>, series: &Series) -> Result<u32, Refused> {
        self.count(gateway)?;
        let dense = u32::try_from(self.series.len()).unwrap_or(u32::MAX);
        self.by_id.insert(series.id(), dense);
        self.series.push(series.clone());
        Ok(dense)
    }

    fn count(&mut self, gateway: Option<&str>) -> Result<(), Refused> {
        let limits = self.limits;
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

fn shared(catalogue: &Catalogue) -> BTreeMap<Arc<str>, Arc<Metric>> {
    let metrics = catalogue.metrics.iter();
    metrics.map(|(name, metric)| (Arc::clone(name), Arc::new(metric.clone()))).collect()
}

#[cfg(test)]
mod tests;
