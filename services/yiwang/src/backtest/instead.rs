//! The other catalogue in the place of each that was in force: its files, and what was registered by API at that time.
//!
//! A city that began with those files would have had both, so a backtest has. As at a start, an entry that does not fit the files is left
//! out and told; as in a reload, one that the files have themselves is theirs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use prost::Message as _;
use yiwang_catalogue::registry::{Kind, LeftOut};
use yiwang_catalogue::{Catalogue, Fault, Registry};
use yiwang_log::Log;
use yiwang_proto::log::CatalogueRevision;
use yiwang_proto::topics;

use crate::cli::Failed;
use crate::reconcile::log_book::each;

/// For each revision of a log another catalogue.
#[derive(Debug, Default)]
pub struct Instead {
    catalogues: BTreeMap<u32, Arc<Catalogue>>,
    /// What was registered and does not fit, as of the last revision that had it.
    left_out: BTreeMap<(Kind, String), Fault>,
    /// What was registered in the last revision.
    registry: Registry,
}

/// An entry that was registered by API and is not in the other catalogue.
pub struct NotThere<'a> {
    kind: Kind,
    id: &'a str,
    fault: &'a Fault,
}

impl Instead {
    /// Those of all revisions that a log has.
    ///
    /// # Errors
    /// When the log cannot be read; all faults, when the files have no room for what was registered.
    pub async fn of_log(log: &dyn Log, files: &Arc<Catalogue>) -> Result<Self, Failed> {
        let mut revisions = Vec::new();
        let of = |topic| move |extent: &yiwang_log::Extent| extent.partition.topic.0 == topic;
        for extent in log.extents().into_iter().filter(of(topics::CATALOGUE)) {
            each(log, extent, |stored| {
                revisions.push(CatalogueRevision::decode(stored.payload)?);
                Ok(())
            })
            .await?;
        }
        let mut instead = Self::default();
        for CatalogueRevision { revision, text, .. } in revisions {
            instead.take(revision, Registry::of(&text), files).map_err(Failed::Faults)?;
        }
        Ok(instead)
    }

    /// Takes the next revision. Where nothing else was registered, its catalogue is that of the one before.
    fn take(&mut self, revision: u32, registry: Registry, files: &Arc<Catalogue>) -> Result<(), Vec<Fault>> {
        let before = self.catalogues.values().next_back().filter(|_| registry == self.registry);
        let catalogue = match before {
            Some(before) => Arc::clone(before),
            None => self.with(registry.clone(), files)?,
        };
        self.catalogues.insert(revision, catalogue);
        self.registry = registry;
        Ok(())
    }

    fn with(&mut self, registry: Registry, files: &Arc<Catalogue>) -> Result<Arc<Catalogue>, Vec<Fault>> {
        let registry = registry.less(files);
        if registry.is_empty() {
            return Ok(Arc::clone(files));
        }
        let (catalogue, left_out) = files.with_what_fits(registry)?;
        let named = left_out.into_iter().map(|LeftOut { kind, id, fault }| ((kind, id), fault));
        self.left_out.extend(named);
        Ok(Arc::new(catalogue))
    }

    /// The catalogues by revision.
    pub fn catalogues(&self) -> impl Iterator<Item = (u32, &Arc<Catalogue>)> {
        self.catalogues.iter().map(|(revision, catalogue)| (*revision, catalogue))
    }

    /// What was registered and is not in them, each once.
    pub fn left_out(&self) -> impl Iterator<Item = NotThere<'_>> {
        self.left_out.iter().map(|((kind, id), fault)| NotThere { kind: *kind, id, fault })
    }
}

impl fmt::Display for NotThere<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, id, fault } = self;
        write!(f, "{kind} {id:?} was registered by API and does not fit the other catalogue: {fault}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATION: &str =
        "zh = '站'\nen = 'Station'\nkind = 'air'\ndistrict = '510104'\ngateway = 'g-1'\nmetrics = ['pm10']";

    fn gateway() -> Registry {
        let mut registry = Registry::default();
        registry.put(Kind::Gateway, "g-1", "zh = '网关'\nen = 'One'".parse().unwrap());
        registry
    }

    fn with_station() -> Registry {
        let mut registry = gateway();
        registry.put(Kind::Station, "s-1", STATION.parse().unwrap());
        registry
    }

    /// What of it has a station `s-1`, by revision.
    fn stations(instead: &Instead) -> Vec<(u32, bool)> {
        let has = |catalogue: &Catalogue| catalogue.stations.contains_key("s-1");
        instead.catalogues().map(|(revision, catalogue)| (revision, has(catalogue))).collect()
    }

    fn of(registries: &[Registry], files: &Arc<Catalogue>) -> Instead {
        let mut instead = Instead::default();
        for (revision, registry) in (1..).zip(registries) {
            instead.take(revision, registry.clone(), files).unwrap();
        }
        instead
    }

    #[test]
    fn what_was_registered_by_api_was_dropped() {
        let files = Arc::new(Catalogue::demo());
        let live = [Registry::default(), gateway(), with_station(), with_station(), gateway()];
        let instead = of(&live, &files);
        assert_eq!(stations(&instead), [(1, false), (2, false), (3, true), (4, true), (5, false)]);
        let hashes: Vec<_> = instead.catalogues().map(|(_, catalogue)| catalogue.hash()).collect();
        let wanted: Vec<_> = live.iter().map(|registry| files.with(registry).unwrap().hash()).collect();
        assert_eq!(hashes, wanted, "the files in force make the very catalogues that were in force");
        assert_eq!(instead.left_out().count(), 0);
    }

    #[test]
    fn what_the_files_have_is_theirs_and_what_does_not_fit_is_told_once() {
        let own = "[[gateway]]\nid = 'g-1'\nzh = '自家'\nen = 'Own'\n";
        let demo = yiwang_catalogue::demo_text().replace("\"510104\"", "\"510199\"");
        let files = Arc::new(Catalogue::parse(&[("demo.toml", &demo), ("own.toml", own)]).unwrap());
        let instead = of(&[gateway(), with_station(), with_station()], &files);
        assert_eq!(stations(&instead), [(1, false), (2, false), (3, false)]);
        let (_, last) = instead.catalogues().last().unwrap();
        assert_eq!(&*last.gateways["g-1"].title.en, "Own");
        let told: Vec<String> = instead.left_out().map(|of| of.to_string()).collect();
        assert!(
            told[0].contains("station \"s-1\" was registered by API") && told[0].contains("district"),
            "{told:?}"
        );
        assert_eq!(told.len(), 1);
    }
}
