//! The catalogue in force, as the console changes it: through the doors' [`Reviser`](yiwang_ingest::revise::Reviser).

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use tokio::sync::watch;
use yiwang_catalogue::InForce;
use yiwang_ingest::Ingest;
use yiwang_ingest::names::Names;
use yiwang_ingest::quarantine::{Quarantine, Unknown};
use yiwang_ingest::revise::Error;
use yiwang_web::registry::{Change, UnknownSeries};
use yiwang_web::{Refusal, Registrar, Who};

/// Holds on to the names and the catalogue, which outlive the doors, and not to the doors, which must be able to close.
pub struct CityRegistrar {
    in_force: watch::Receiver<InForce>,
    names: Arc<Names>,
    quarantine: Arc<Quarantine>,
    ingest: Weak<Ingest>,
}

impl CityRegistrar {
    /// Of these doors.
    pub fn new(ingest: &Arc<Ingest>) -> Self {
        let (names, quarantine) = (Arc::clone(&ingest.names), Arc::clone(&ingest.quarantine));
        Self { in_force: ingest.reviser.in_force(), names, quarantine, ingest: Arc::downgrade(ingest) }
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
