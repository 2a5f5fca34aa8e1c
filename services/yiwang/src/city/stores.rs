//! Stores elsewhere, one for each `[[store]]`: each filled by a consumer of its own. A dead one stops nobody.

use std::sync::Arc;

use anyhow::Context;
use tokio_util::sync::CancellationToken;
use yiwang_ingest::clock::wall_now;
use yiwang_log::{CursorClass, Log, Offset, Position};
use yiwang_series::influx::{Influx, Progress};
use yiwang_stream::set_aside::ToLog;
use yiwang_stream::store::{Filler, reached};

use crate::config::{Config, Store};

/// A store elsewhere.
pub struct Elsewhere {
    /// What it is called.
    pub name: String,
    /// How it goes.
    pub progress: Arc<Progress>,
    log: Arc<dyn Log>,
    cursor: String,
    class: CursorClass,
    store: Arc<Influx>,
}

impl Elsewhere {
    /// All that are configured. Once `stop` is cancelled they take what they take at once, and leave the rest.
    ///
    /// # Errors
    /// When no client can be made for one.
    pub fn all(config: &Config, log: &Arc<dyn Log>, stop: &CancellationToken) -> anyhow::Result<Vec<Self>> {
        let aside =
            Arc::new(ToLog { log: Arc::clone(log), max_bytes: config.rejected_bytes, wall: wall_now });
        config.stores.iter().map(|store| Self::new(store, log, Arc::clone(&aside), stop)).collect()
    }

    fn new(
        store: &Store,
        log: &Arc<dyn Log>,
        aside: Arc<ToLog>,
        stop: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let name = store.target.name.clone();
        // Another name than any that the city itself uses.
        let cursor = format!("store/{name}");
        let filled = reached(log.as_ref(), &cursor);
        let influx = Influx::new(store.target.clone(), filled, aside, stop.clone());
        let influx = Arc::new(influx.context("cannot make a client for a store")?);
        let class = CursorClass::MayLag { max_lag_bytes: store.max_lag_bytes };
        Ok(Self { name, progress: influx.progress(), log: Arc::clone(log), cursor, class, store: influx })
    }

    /// Who fills it.
    pub fn filler(&self) -> Filler {
        Filler::new(Arc::clone(&self.log), self.store.clone(), self.cursor.clone(), self.class)
    }

    /// How to look at it.
    pub fn watched(&self) -> Watched {
        Watched {
            name: self.name.clone(),
            progress: Arc::clone(&self.progress),
            log: Arc::clone(&self.log),
            cursor: self.cursor.clone(),
        }
    }
}

/// A store elsewhere, as health sees it.
pub struct Watched {
    /// What it is called.
    pub name: String,
    /// How it goes.
    pub progress: Arc<Progress>,
    log: Arc<dyn Log>,
    cursor: String,
}

impl Watched {
    /// Records of the log that it has not got, as of the cursor, which is moved every two seconds.
    pub fn lag_records(&self) -> u64 {
        self.lag().iter().map(|(records, _)| records).sum()
    }

    /// About how many bytes of payload they have.
    pub fn lag_bytes(&self) -> u64 {
        self.lag().iter().map(|(_, bytes)| bytes).sum()
    }

    /// Records that it missed because it lagged too far.
    pub fn gap(&self) -> u64 {
        self.log.gap(&self.cursor)
    }

    /// Records and bytes, by partition.
    fn lag(&self) -> Vec<(u64, u64)> {
        let extents = self.log.extents();
        let behind = |Position { partition, next }: Position| {
            let extent = extents.iter().find(|extent| extent.partition == partition)?;
            let Offset(next) = next.max(extent.start);
            let (records, held) = (extent.end.0.saturating_sub(next), extent.end.0 - extent.start.0);
            let bytes = u128::from(extent.bytes) * u128::from(records) / u128::from(held.max(1));
            Some((records, u64::try_from(bytes).unwrap_or(u64::MAX)))
        };
        self.log.cursor(&self.cursor).into_iter().filter_map(behind).collect()
    }
}
