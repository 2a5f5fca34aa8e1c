//! The catalogue in force, as the console and SIGHUP change it: through the doors' [`Reviser`](yiwang_ingest::revise::Reviser).

use std::path::PathBuf;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use tokio::signal::unix::Signal;
use tokio::sync::watch;
use yiwang_catalogue::{Catalogue, InForce};
use yiwang_ingest::Ingest;
use yiwang_ingest::names::Names;
use yiwang_ingest::quarantine::{Quarantine, Unknown};
use yiwang_ingest::revise::Error;
use yiwang_web::registry::{Change, UnknownSeries};
use yiwang_web::{Live, LiveEvent, Refusal, Registrar, Who};

use crate::cli::read_catalogue;

/// Holds on to the names and the catalogue, which outlive the doors, and not to the doors, which must be able to close.
pub struct CityRegistrar {
    in_force: watch::Receiver<InForce>,
    names: Arc<Names>,
    quarantine: Arc<Quarantine>,
    ingest: Weak<Ingest>,
    /// The catalogue's file or folder; none for the demo city.
    files: Option<PathBuf>,
}

impl CityRegistrar {
    /// Of these doors, with the catalogue of these files.
    pub fn new(ingest: &Arc<Ingest>, files: Option<PathBuf>) -> Self {
        let (names, quarantine) = (Arc::clone(&ingest.names), Arc::clone(&ingest.quarantine));
        Self { in_force: ingest.reviser.in_force(), names, quarantine, ingest: Arc::downgrade(ingest), files }
    }

    /// Reads the files again whenever the process is told to, and says what came of it.
    pub async fn heed(self: Arc<Self>, mut hangup: Signal) {
        while hangup.recv().await.is_some() {
            match self.reload(&Who("SIGHUP".into())).await {
                Ok(revision) => tracing::info!(revision, "read the catalogue's files again"),
                Err(Refusal::Faults(faults)) => {
                    faults.iter().for_each(|fault| tracing::error!(%fault, "in the catalogue's files"));
                    tracing::error!(faults = faults.len(), "the catalogue before holds on");
                }
                Err(error) => tracing::error!(%error, "the catalogue before holds on"),
            }
        }
    }
}

/// Tells who looks on live of each other catalogue.
pub async fn tell(mut in_force: watch::Receiver<InForce>, live: Arc<Live>) {
    while in_force.changed().await.is_ok() {
        let held = in_force.borrow_and_update().clone();
        live.publish(LiveEvent::Catalogue(held));
    }
}

#[async_trait]
impl Registrar for CityRegistrar {
    fn in_force(&self) -> InForce {
        self.in_force.borrow().clone()
    }

    fn unknown(&self) -> Vec<UnknownSeries> {
        let shown = |unknown: Unknown| UnknownSeries {
            source: unknown.series.source().to_string(),
            metric: unknown.series.metric().to_string(),
            readings: unknown.readings,
            first: unknown.first.to_string(),
            last: unknown.last.to_string(),
            value: unknown.value,
        };
        self.quarantine.unknown(&self.names).into_iter().map(shown).collect()
    }

    async fn reload(&self, who: &Who) -> Result<u32, Refusal> {
        let files = self.files.clone();
        let change = move |before: &Catalogue| {
            let files = read_catalogue(files.as_deref()).map_err(Refusal::Faults)?;
            before.reloaded(&files).map_err(Refusal::Faults)
        };
        self.revise(who, None, Box::new(change)).await
    }

    async fn revise(&self, Who(who): &Who, seen: Option<u32>, change: Change) -> Result<u32, Refusal> {
        let ingest =
            self.ingest.upgrade().ok_or_else(|| Refusal::Unavailable("the city is stopping".into()))?;
        ingest.reviser.revise(who, seen, change).await.map_err(|error| match error {
            Error::Changed { wanted, found } => Refusal::Changed { wanted, found },
            Error::Refused(refusal) => refusal,
            other => Refusal::Unavailable(other.to_string()),
        })
    }
}
