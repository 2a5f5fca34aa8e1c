//! Which stations have values that moved at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use yiwang_model::Series;

use crate::topology::{Cause, Scope, Topology};

/// Value alarms of so many other stations of a region or maker make one wait.
const COMPANY: usize = 3;

/// Stations with values that moved, by region and by maker.
#[derive(Default)]
pub(super) struct Company(BTreeMap<Cause, BTreeSet<usize>>);

impl Company {
    fn of(topology: &Topology, site: usize) -> impl Iterator<Item = Cause> {
        let site = &topology.sites[site];
        let region = Some(Cause { scope: Scope::Region, name: Arc::clone(&site.region) });
        let maker = site.maker.as_ref().map(|name| Cause { scope: Scope::Maker, name: Arc::clone(name) });
        region.into_iter().chain(maker)
    }

    pub(super) fn add(&mut self, topology: &Topology, series: &Series) {
        let Some((site, _)) = topology.find(series) else { return };
        for cause in Self::of(topology, site) {
            self.0.entry(cause).or_default().insert(site);
        }
    }

    pub(super) fn has(&self, topology: &Topology, series: &Series) -> bool {
        let Some((site, _)) = topology.find(series) else { return false };
        Self::of(topology, site)
            .filter_map(|cause| self.0.get(&cause))
            .any(|sites| sites.len() - usize::from(sites.contains(&site)) >= COMPANY)
    }
}
