//! Hand-off 3: what was found in a closed epoch becomes orders, then records of the log, then, now and then, a checkpoint.
//!
//! The order matters. Orders first, in one transaction with the epoch; then topic `derived`; then what episodes follow from (see
//! [`crate::capsule`]), there and in the order store, and the minutes that readings came too late for; then the checkpoint, which so never leads. After a crash epochs come again: the order store knows those that it has, and `derived` gets the
//! same content once more.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use prost::Message;
use tokio::sync::{broadcast, mpsc};
use tokio::task::{JoinError, JoinHandle};
use yiwang_log::{Class, CursorClass, Log, Offset, Partition, Position, TopicId};
use yiwang_model::{Anomaly, OrderIntent, SeriesId, Timestamp};
use yiwang_orders::{Moment, OrderStore};
use yiwang_proto::log::{Derived, LateMark};
use yiwang_proto::topics;

use crate::checkpoint::Checkpoints;
use crate::closer::{Closed, State};
use crate::directory::Directory;
use crate::item::{Counts, Marked};
use crate::quiet::Quiet;
use crate::waits::{CHECKPOINTS, LOG, ORDERS, Waits};
use crate::{Error, append, route};

/// The cursor of class "must" that holds the log for the judgement.
pub const CURSOR: &str = "stream";

/// How far the judgement is, for health and metrics.
#[derive(Debug, Default)]
pub struct Progress {
    /// The last epoch whose orders are durable.
    pub epoch: AtomicU64,
    /// The last epoch that is in a checkpoint.
    pub saved: AtomicU64,
    /// The last epoch that was to be in one, and is, or could not be.
    pub tried: AtomicU64,
    /// Whether one was not written, so that what changed since it is not enough.
    pub lost: AtomicBool,
    /// Whether the checkpoints behind the newest base weigh as much as it.
    pub heavy: AtomicBool,
    /// Orders opened since the process began.
    pub opened: AtomicU64,
    /// Minutes of series, marked because a reading came too late, since the process began.
    pub marked: AtomicU64,
    /// What was counted since the process began.
    pub counts: Mutex<Counts>,
    /// What waits for something outside just now.
    pub waits: Waits,
    /// The episodes that silences keep quiet.
    pub quiet: Mutex<Quiet>,
}

impl Progress {
    /// What was counted since the process began.
    #[must_use]
    pub fn counted(&self) -> Counts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The episodes that silences keep quiet, as of the last epoch.
    #[must_use]
    pub fn quiet(&self) -> Quiet {
        self.quiet.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Finishes closed epochs.
pub struct Finisher {
    /// Where `derived` goes.
    pub log: Arc<dyn Log>,
    /// Where orders go.
    pub orders: Arc<dyn OrderStore>,
    /// Where states go.
    pub checkpoints: Arc<Mutex<Checkpoints>>,
    /// Catalogues, for words and routes.
    pub directory: Arc<Directory>,
    /// What is told of it.
    pub progress: Arc<Progress>,
    /// Who looks on live; those who lag miss some.
    pub live: broadcast::Sender<Anomaly>,
    /// Wall time.
    pub wall: fn() -> Timestamp,
}

/// A checkpoint that is being written, and its epoch.
type Writing = JoinHandle<(u64, Result<(), Error>)>;

impl Finisher {
    /// Finishes epochs until there are no more.
    ///
    /// # Errors
    /// When the log, the order store or the disk has failed; what was not finished comes again at the next start.
    pub async fn run(mut self, mut closed: mpsc::Receiver<Closed>) -> Result<(), Error> {
        self.hold().await?;
        let mut writing: Option<Writing> = None;
        loop {
            let written = async {
                match &mut writing {
                    Some(writing) => writing.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                written = written => {
                    writing = None;
                    self.written(written).await?;
                }
                closed = closed.recv() => {
                    let Some(closed) = closed else { break };
                    if let Some(state) = self.finish(closed).await? {
                        if let Some(before) = writing.take() {
                            self.written(before.await).await?;
                        }
                        writing = Some(self.write(state));
                    }
                }
            }
        }
        match writing {
            Some(writing) => self.written(writing.await).await,
            None => Ok(()),
        }
    }

    /// Finishes an epoch; gives the state that is to be saved then.
    async fn finish(&mut self, closed: Closed) -> Result<Option<State>, Error> {
        self.count(&closed.counts);
        if !closed.found.is_empty() {
            self.orders(&closed).await?;
            self.derive(&closed).await?;
            for found in &closed.found {
                // Nobody may be looking on.
                let _ = self.live.send(found.anomaly.clone());
            }
        }
        if !closed.capsules.is_empty() {
            self.keep(&closed).await?;
        }
        if !closed.marked.is_empty() {
            self.mark(&closed).await?;
        }
        if let Some(quiet) = &closed.quiet {
            quiet.clone_into(&mut self.progress.quiet.lock().unwrap_or_else(PoisonError::into_inner));
        }
        self.directory.forget_before(closed.revision);
        self.progress.epoch.store(closed.epoch, Ordering::Release);
        Ok(closed.state)
    }

    async fn orders(&self, closed: &Closed) -> Result<(), Error> {
        let catalogue =
            self.directory.catalogue(closed.revision).ok_or(Error::NoCatalogue(closed.revision))?;
        let city = closed.city.unwrap_or_default();
        let intents: Vec<OrderIntent> =
            closed.found.iter().filter_map(|found| route::intent(&catalogue, found, city)).collect();
        let at = Moment { city, wall: (self.wall)() };
        let apply = || self.orders.apply(closed.epoch, at, &intents);
        let applied = self.progress.waits.patiently(ORDERS, apply, outside).await?;
        self.progress.opened.fetch_add(applied.opened, Ordering::Relaxed);
        for intent in intents.iter().take(MAX_TOLD) {
            let anomaly = intent.anomaly();
            tracing::info!(anomaly = %anomaly.id, detector = %anomaly.detector, series = %anomaly.series, phase = ?anomaly.phase, "anomaly");
        }
        Ok(())
    }

    /// Puts the steps of an epoch into the log, in records of about four mebibytes: a city may fall silent at once.
    async fn derive(&self, closed: &Closed) -> Result<(), Error> {
        let texts = closed.found.iter().map(|found| serde_json::to_string(&found.anomaly));
        let texts: Vec<String> = texts.collect::<Result<_, _>>().map_err(|_| Error::Unreadable("derived"))?;
        for some in pieces(&texts, STEPS_BYTES, String::len) {
            self.say(closed, Derived { anomalies: some.to_vec(), ..Derived::default() }).await?;
        }
        Ok(())
    }

    /// Puts capsules into the log, in records of at most about a mebibyte, and into the order store.
    async fn keep(&self, closed: &Closed) -> Result<(), Error> {
        for some in pieces(&closed.capsules, CAPSULE_BYTES, |kept| kept.capsule.len()) {
            let capsules = some.iter().map(|kept| kept.capsule.clone()).collect();
            self.say(closed, Derived { capsules, ..Derived::default() }).await?;
        }
        let kept: Vec<_> = closed.capsules.iter().map(|kept| (kept.anomaly, kept.capsule.clone())).collect();
        let keep = || self.orders.keep(&kept);
        self.progress.waits.patiently(ORDERS, keep, outside).await?;
        Ok(())
    }

    /// Puts the minutes that readings came too late for into the log, in records of about a mebibyte.
    async fn mark(&self, closed: &Closed) -> Result<(), Error> {
        let of_one = |marked: &[Marked]| {
            let series = self.directory.series(SeriesId(marked.first()?.series))?;
            let (source, metric) = (series.source().to_string(), series.metric().to_string());
            let minutes_nanos = marked.iter().map(|marked| marked.minute).collect();
            Some(LateMark { source, metric, minutes_nanos })
        };
        let marks: Vec<LateMark> =
            closed.marked.chunk_by(|a, b| a.series == b.series).filter_map(of_one).collect();
        for some in pieces(&marks, MARKS_BYTES, Message::encoded_len) {
            self.say(closed, Derived { marks: some.to_vec(), ..Derived::default() }).await?;
        }
        self.progress.marked.fetch_add(closed.marked.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Appends a record of topic `derived` of an epoch.
    async fn say(&self, closed: &Closed, derived: Derived) -> Result<(), Error> {
        let city_nanos = closed.city.unwrap_or_default().nanos();
        let record = append(topics::DERIVED, &Derived { epoch: closed.epoch, city_nanos, ..derived });
        let write = || self.log.append(Class::Inner, vec![record.clone()]);
        self.progress.waits.patiently(LOG, write, no_room).await?;
        Ok(())
    }

    /// Writes a checkpoint beside all else.
    fn write(&self, state: State) -> Writing {
        let (checkpoints, progress) = (Arc::clone(&self.checkpoints), Arc::clone(&self.progress));
        tokio::task::spawn_blocking(move || {
            let mut checkpoints = checkpoints.lock().unwrap_or_else(PoisonError::into_inner);
            let written = checkpoints.write(&state);
            progress.heavy.store(checkpoints.is_heavy(), Ordering::Release);
            (state.epoch, written)
        })
    }

    /// Takes note of what became of a checkpoint.
    async fn written(&self, written: Result<(u64, Result<(), Error>), JoinError>) -> Result<(), Error> {
        let (epoch, written) = written.map_err(|error| Error::Worker(error.to_string()))?;
        if written.is_err() {
            self.progress.lost.store(true, Ordering::Release);
        }
        self.progress.tried.store(epoch, Ordering::Release);
        match written {
            Ok(()) => {
                self.progress.waits.end(CHECKPOINTS);
                self.progress.saved.store(epoch, Ordering::Release);
                self.hold().await
            }
            Err(error @ Error::NoRoom { .. }) => {
                self.progress.waits.begin(CHECKPOINTS, &error);
                tracing::warn!(%error, epoch, "no checkpoint: the one before still stands");
                Ok(())
            }
            Err(Error::NoBase { since }) => {
                tracing::warn!(since, epoch, "no checkpoint: the one that it follows was not written");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Lets the log go of what no checkpoint needs any more.
    async fn hold(&self) -> Result<(), Error> {
        let count = self.log.layout().topics[usize::from(topics::READINGS)].partitions;
        let from_start = vec![0; usize::from(count)];
        let needed =
            self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner).needed().map(<[u64]>::to_vec);
        let positions: Vec<Position> = (0..)
            .zip(needed.unwrap_or(from_start))
            .map(|(index, next)| Position {
                partition: Partition { topic: TopicId(topics::READINGS), index },
                next: Offset(next),
            })
            .collect();
        let commit = || self.log.commit_cursor(CURSOR, CursorClass::Must, &positions);
        self.progress.waits.patiently(LOG, commit, no_room).await?;
        Ok(())
    }

    fn count(&self, counts: &Counts) {
        self.progress.counts.lock().unwrap_or_else(PoisonError::into_inner).add(counts);
    }
}

/// About how many bytes of capsules, of marks and of steps a record of topic `derived` has; the log takes up to 16 MiB.
const CAPSULE_BYTES: usize = 1 << 20;
const MARKS_BYTES: usize = 1 << 20;
const STEPS_BYTES: usize = 4 << 20;

/// How many steps of one epoch are told one by one.
const MAX_TOLD: usize = 20;

pub(crate) fn outside(error: &yiwang_orders::Error) -> bool {
    matches!(error, yiwang_orders::Error::Outside(_))
}

pub(crate) fn no_room(error: &yiwang_log::Error) -> bool {
    matches!(error, yiwang_log::Error::NoRoom { .. })
}

/// Cuts a row into pieces: a new one whenever the sum of lengths enters another `bytes`.
fn pieces<'a, T>(
    row: &'a [T],
    bytes: usize,
    length: impl Fn(&T) -> usize + 'a,
) -> impl Iterator<Item = &'a [T]> {
    let mut sum = 0;
    row.chunk_by(move |before, _| {
        let from = sum / bytes;
        sum += length(before);
        from == sum / bytes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A city of a hundred thousand series that falls silent in one epoch.
    #[test]
    fn no_piece_is_much_longer_than_it_may_be_and_nothing_is_lost() {
        let row = vec!["x".repeat(400); 100_000];
        let pieces: Vec<_> = pieces(&row, STEPS_BYTES, String::len).collect();
        assert!(pieces.len() > 9 && pieces.iter().all(|piece| piece.len() * 400 <= STEPS_BYTES + 400));
        assert_eq!(pieces.concat(), row);
        assert_eq!(super::pieces(&[] as &[String], 9, String::len).count(), 0);
    }
}
