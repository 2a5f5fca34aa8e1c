//! What the log's numbers stand for: names of series, catalogues by revision.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

use prost::Message;
use yiwang_catalogue::Catalogue;
use yiwang_log::{Log, Offset, Partition, Position, TopicId};
use yiwang_model::{Series, SeriesId};
use yiwang_proto::log::{CatalogueRevision, SeriesName};
use yiwang_proto::topics;

use crate::Error;

/// A map by series number. The number is a hash already.
pub type BySeries<T> = HashMap<SeriesId, T, BuildHasherDefault<Identity>>;

/// The hash of a number that is one.
#[derive(Debug, Default)]
pub struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// The directory. Shared by the reader of the log, which fills it, and the workers.
#[derive(Debug, Default)]
pub struct Directory {
    names: RwLock<BySeries<Series>>,
    catalogues: RwLock<BTreeMap<u32, Arc<Catalogue>>>,
}

impl Directory {
    /// The name of a series.
    #[must_use]
    pub fn series(&self, id: SeriesId) -> Option<Series> {
        self.names.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// The catalogue of a revision.
    #[must_use]
    pub fn catalogue(&self, revision: u32) -> Option<Arc<Catalogue>> {
        self.catalogues.read().unwrap_or_else(PoisonError::into_inner).get(&revision).cloned()
    }

    /// Enters a name.
    pub fn name(&self, series: Series) {
        self.names.write().unwrap_or_else(PoisonError::into_inner).insert(series.id(), series);
    }

    /// Enters a catalogue.
    pub fn revise(&self, revision: u32, catalogue: Arc<Catalogue>) {
        self.catalogues.write().unwrap_or_else(PoisonError::into_inner).insert(revision, catalogue);
    }

    /// Forgets the catalogues before this revision: no epoch that is still to be finished was judged by one.
    pub fn forget_before(&self, revision: u32) {
        let is_first =
            |catalogues: &BTreeMap<u32, _>| catalogues.keys().next().is_none_or(|first| *first >= revision);
        if is_first(&self.catalogues.read().unwrap_or_else(PoisonError::into_inner)) {
            return;
        }
        let mut catalogues = self.catalogues.write().unwrap_or_else(PoisonError::into_inner);
        *catalogues = catalogues.split_off(&revision);
    }

    /// Whether all of these series have names here.
    #[must_use]
    pub fn knows(&self, ids: &[u64]) -> bool {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        ids.iter().all(|id| names.contains_key(&SeriesId(*id)))
    }
}

/// Follows the kept topics of a log into a directory.
pub struct Follower {
    log: Arc<dyn Log>,
    directory: Arc<Directory>,
    names: Offset,
    catalogues: Offset,
    /// The names of metrics, held once each; those of a source mostly come one after another.
    metrics: BTreeSet<Arc<str>>,
}

/// The name as it is held.
fn held(names: &mut BTreeSet<Arc<str>>, name: &str) -> Arc<str> {
    if let Some(held) = names.get(name) {
        return Arc::clone(held);
    }
    let held: Arc<str> = name.into();
    names.insert(Arc::clone(&held));
    held
}

const READ_BYTES: usize = 4 << 20;

impl Follower {
    /// Has read nothing yet.
    #[must_use]
    pub fn new(log: Arc<dyn Log>, directory: Arc<Directory>) -> Self {
        Self { log, directory, names: Offset(0), catalogues: Offset(0), metrics: BTreeSet::new() }
    }

    /// Reads all names that the log has now.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn want_all(&mut self) -> Result<(), Error> {
        let fresh = self.read_names().await?;
        fresh.into_iter().for_each(|series| self.directory.name(series));
        Ok(())
    }

    /// Reads names until all these series have one; gives those that were read now.
    ///
    /// # Errors
    /// [`Error::NoName`] when the log has a reading of a series that it does not name.
    pub async fn want_names(&mut self, ids: &[u64]) -> Result<Vec<Series>, Error> {
        if self.directory.knows(ids) {
            return Ok(Vec::new());
        }
        let fresh = self.read_names().await?;
        fresh.iter().for_each(|series| self.directory.name(series.clone()));
        match ids.iter().find(|id| !self.directory.knows(&[**id])) {
            None => Ok(fresh),
            Some(id) => Err(Error::NoName(SeriesId(*id))),
        }
    }

    async fn read_names(&mut self) -> Result<Vec<Series>, Error> {
        let mut fresh: Vec<Series> = Vec::new();
        let metrics = &mut self.metrics;
        each(self.log.as_ref(), topics::NAMES, &mut self.names, |payload| {
            let name = SeriesName::decode(payload).map_err(|_| Error::Unreadable("names"))?;
            let before = fresh.last().map(Series::source).filter(|source| ***source == *name.source);
            let source = before.cloned().unwrap_or_else(|| name.source.into());
            fresh.push(
                Series::new(source, held(metrics, &name.metric)).map_err(|_| Error::Unreadable("names"))?,
            );
            Ok(())
        })
        .await?;
        Ok(fresh)
    }

    /// Reads catalogues until there is one of this revision; those before it are not asked for any more.
    ///
    /// # Errors
    /// [`Error::NoCatalogue`] when the log has a tick with a revision that it does not hold, or one that this release
    /// cannot read.
    pub async fn want_catalogue(&mut self, revision: u32) -> Result<(), Error> {
        if self.directory.catalogue(revision).is_some() {
            return Ok(());
        }
        let directory = &self.directory;
        each(self.log.as_ref(), topics::CATALOGUE, &mut self.catalogues, |payload| {
            let found = CatalogueRevision::decode(payload).map_err(|_| Error::Unreadable("catalogue"))?;
            if found.revision < revision {
                return Ok(());
            }
            let name = format!("revision {}", found.revision);
            match Catalogue::parse(&[(name.as_str(), found.text.as_str())]) {
                Ok(catalogue) => directory.revise(found.revision, Arc::new(catalogue)),
                Err(faults) => {
                    tracing::error!(revision = found.revision, fault = %faults[0], "unreadable catalogue")
                }
            }
            Ok(())
        })
        .await?;
        self.directory.catalogue(revision).map(|_| ()).ok_or(Error::NoCatalogue(revision))
    }
}

/// Takes each payload of a topic of one partition from `next` to its end, which becomes `next`.
async fn each(
    log: &dyn Log,
    topic: u8,
    next: &mut Offset,
    mut take: impl FnMut(bytes::Bytes) -> Result<(), Error>,
) -> Result<(), Error> {
    let partition = Partition { topic: TopicId(topic), index: 0 };
    let extents = log.extents();
    let end =
        extents.iter().find(|extent| extent.partition == partition).map_or(Offset(0), |extent| extent.end);
    while *next < end {
        for stored in log.read(&[Position { partition, next: *next }], READ_BYTES).await? {
            *next = Offset(stored.offset.0 + 1);
            take(stored.payload)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catalogues_that_nobody_goes_by_any_more_are_forgotten() {
        let directory = Directory::default();
        let catalogue = Arc::new(Catalogue::demo());
        (1..=3).for_each(|revision| directory.revise(revision, Arc::clone(&catalogue)));
        directory.forget_before(3);
        let held = |revision| directory.catalogue(revision).is_some();
        assert_eq!((held(1), held(2), held(3)), (false, false, true));
        directory.forget_before(2);
        assert!(held(3), "what was forgotten stays so, and nothing else goes");
    }
}
