//! Devices whose clocks are wrong, so that what they send is marked from the moment that this is found.
//!
//! The judgement finds them (rule `clock` of `[[derived]]`: the median of by how much readings come after their event time) and says so in
//! topic `derived`. Here that topic is read: while an episode of a reckoned clock goes on at a source, its good readings are admitted as
//! [`Quality::ClockOff`](yiwang_model::Quality::ClockOff). They are judged like good ones, since their values are right. The mark stands in the log, so that every store
//! has it, and has it again when it is filled anew. What came before it was found has none.
//!
//! After a restart the topic is read from its beginning before the doors open. An episode that opened before that, since the log keeps `derived` for
//! a time only, is not known then until its next step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use yiwang_log::{Log, Offset, Partition, Position, Stored, TopicId};
use yiwang_model::{Anomaly, AnomalyId};
use yiwang_proto::log::Derived;
use yiwang_proto::topics;

use crate::Error;
use crate::names::Names;

/// How often it is looked whether something was said.
const EVERY: Duration = Duration::from_millis(250);
/// The most that is read at once, in bytes.
const READ_BYTES: usize = 4 << 20;
const PARTITION: Partition = Partition { topic: TopicId(topics::DERIVED), index: 0 };

/// Reads what the judgement says of clocks.
pub(crate) struct Listener {
    log: Arc<dyn Log>,
    names: Arc<Names>,
    next: Offset,
    /// By source, the episodes that go on.
    open: BTreeMap<Arc<str>, BTreeSet<AnomalyId>>,
}

impl Listener {
    /// Has read nothing yet.
    pub(crate) fn new(log: Arc<dyn Log>, names: Arc<Names>) -> Self {
        Self { log, names, next: Offset(0), open: BTreeMap::new() }
    }

    /// Reads on until the doors are to close.
    ///
    /// # Errors
    /// When the log has failed.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), yiwang_log::Error> {
        let mut beats = tokio::time::interval(EVERY);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = beats.tick() => {}
            }
            match self.catch_up().await {
                Ok(()) => {}
                Err(Error::Log(error)) => return Err(error),
                Err(error) => tracing::error!(%error, "what is said of clocks cannot be read"),
            }
        }
    }

    /// Reads all that is there now.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) async fn catch_up(&mut self) -> Result<(), Error> {
        let extents = self.log.extents();
        let Some(extent) = extents.iter().find(|extent| extent.partition == PARTITION) else { return Ok(()) };
        self.next = self.next.max(extent.start);
        while self.next < extent.end {
            let position = Position { partition: PARTITION, next: self.next };
            match self.log.read(&[position], READ_BYTES).await {
                Ok(read) if read.is_empty() => break,
                Ok(read) => read.into_iter().try_for_each(|stored| self.take(stored))?,
                // retention was faster
                Err(yiwang_log::Error::Gone { .. }) => break,
                Err(error) => return Err(error.into()),
            }
        }
        self.names.mark_clocks(self.open.keys().cloned().collect());
        Ok(())
    }

    fn take(&mut self, stored: Stored) -> Result<(), Error> {
        let unreadable = || Error::Unreadable("derived");
        self.next = Offset(stored.offset.0 + 1);
        let catalogue = self.names.catalogue();
        let derived = Derived::decode(stored.payload).map_err(|_| unreadable())?;
        // without a clock in the catalogue none of them is of one, and there may be very many
        for body in derived.anomalies.iter().filter(|_| catalogue.derived().has_clocks()) {
            let anomaly: Anomaly = serde_json::from_str(body).map_err(|_| unreadable())?;
            if catalogue.derived().is_clock(&anomaly.series) {
                self.hear_of(&anomaly);
            }
        }
        Ok(())
    }

    fn hear_of(&mut self, anomaly: &Anomaly) {
        let source = anomaly.series.source();
        let goes_on = anomaly.is_active();
        let open = self.open.entry(Arc::clone(source)).or_default();
        let has_changed = if goes_on { open.insert(anomaly.id) } else { open.remove(&anomaly.id) };
        if open.is_empty() {
            self.open.remove(source);
        }
        if has_changed {
            tracing::info!(%source, anomaly = %anomaly.id, wrong = goes_on, "clock of a device");
        }
    }
}

#[cfg(test)]
mod tests;
