//! A store elsewhere that speaks as InfluxDB does, filled from the log: InfluxDB 1, 2 and 3, VictoriaMetrics, and others.
//!
//! Batches become line protocol in nanoseconds and go out one body after another, in log order: of two values under one
//! key the last in the log is written last. A body is done with when the store answered for it (`verdict` is the table of
//! answers); the mark moves behind the last body of a batch. Until then it is tried again, with pauses that grow to a
//! bound, and the consumer of the log waits: an hour without the store costs an hour of lag. A crash in between writes a
//! batch again, under the same keys. After a break in the connection what was written shortly before it is written again,
//! because some stores say yes to what they have in memory only (`settling`).
//!
//! # Measurements
//!
//! The key of a point is measurement, tags and time; the same key written twice is there once, with its last fields.
//!
//! | measurement | tags | time | fields |
//! |---|---|---|---|
//! | `readings` | `metric`, `source` | event time | `value` (float, in the catalogue's unit), `quality` (integer, 0 good, as in HJ 212: see [`yiwang_model::Quality`]), `period_end` (integer, ns, where there is one) |
//! | `figures` | `metric`, `source`, `vintage` (when it was published, RFC 3339) | beginning of the period | as of `readings` |
//! | `anomalies` | `detector`, `metric`, `source`, `phase` (raised, worsened, cleared, revised, withdrawn) | beginning of the episode, at every step | `id` (text), `severity` (integer, 1 notice to 4 critical), `extreme`, `limit` (floats, in the detector's unit; a rule without a number has no limit), `end` (integer, ns, once cleared), `because_time` (integer, ns), `because`, `was` (floats, in the metric's unit): the late or corrected reading that changed it, `into` (text, the id of the one that a withdrawn one is part of), `edition` (text) |
//! | `order_events` | `department`, `kind` (opened, moved, worsened, cleared, revised, withdrawn, restored), `state` | city time of the step, plus `seq` modulo 1,000,000 ns | `no` (text: the order), `seq` (integer: place among all events), `step` (integer: place in the order), `at` (integer, ns: the city time itself), `anomaly`, `who`, `note` (texts) |
//!
//! - A figure with a vintage has a measurement of its own, because a revision must not overwrite what it revises. There are as
//!   many vintages as publications: few.
//! - An episode is worsened more than once; the last of it holds, which is the furthest out. It is revised and withdrawn more than
//!   once, too. A revision may move its beginning, and its point with it: what is one episode has one `id`.
//! - All orders that open in a tick have one city time; `seq` moves them apart by less than a millisecond.
//! - Order numbers, ids and texts are fields: as tags they would make a series each.
//!
//! VictoriaMetrics keeps numbers only, each field as a metric `measurement_field`, and milliseconds: texts are not there, and
//! events of one tick fall together. It keeps repeats until told to merge them (`-dedup.minScrapeInterval=1ms`), and does not
//! know which of several values of one millisecond came last: it keeps the largest, in older releases (1.79) any of them. What
//! was corrected may be seen uncorrected there.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{Batch, Error, Mark, SeriesSink};

mod lines;
mod pause;
mod settling;
pub mod target;
mod verdict;
mod wire;

use lines::{Body, Lines};
use pause::Pauses;
use settling::Settling;
pub use target::{Patience, Place, Target, Token, Url};
use verdict::{Again, Verdict};
use wire::Wire;

/// The most of a body that was set aside that is kept, in bytes.
const MAX_EXCERPT_BYTES: usize = 1024;

/// Lines that a store will never take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// The store.
    pub store: String,
    /// What it said.
    pub why: String,
    /// How many lines.
    pub points: u64,
    /// The first of them, up to 1 KiB.
    pub excerpt: Vec<u8>,
}

/// Where lines go that a store will never take. It keeps what it has room for; they are counted already.
#[async_trait]
pub trait Aside: Send + Sync + 'static {
    /// Keeps them.
    async fn keep(&self, lines: SetAside);
}

/// How it goes with a store.
#[derive(Debug, Default)]
pub struct Progress {
    written: AtomicU64,
    refused: AtomicU64,
    set_aside: AtomicU64,
    unsaid: AtomicU64,
    retries: AtomicU64,
    wrong: Mutex<Option<String>>,
}

/// What [`Progress`] counts, in points but for retries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Points that the store has taken.
    pub written: u64,
    /// Points that it refused while it took the others of their body.
    pub refused: u64,
    /// Points set aside because it refused their whole body.
    pub set_aside: u64,
    /// Points that the protocol cannot say, as a value that is no number.
    pub unsaid: u64,
    /// Bodies that were sent again.
    pub retries: u64,
}

impl Progress {
    /// The counts.
    #[must_use]
    pub fn counted(&self) -> Counted {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counted {
            written: get(&self.written),
            refused: get(&self.refused),
            set_aside: get(&self.set_aside),
            unsaid: get(&self.unsaid),
            retries: get(&self.retries),
        }
    }

    /// What was wrong with the last answer; none when it was well.
    #[must_use]
    pub fn wrong(&self) -> Option<String> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(count: &AtomicU64, more: u64) {
        count.fetch_add(more, Ordering::Relaxed);
    }
}

/// A store elsewhere.
pub struct Influx {
    target: Target,
    wire: Wire,
    lines: Arc<Mutex<Lines>>,
    marks: Mutex<Settling>,
    /// The store was out of reach since the last batch that it took.
    broke: AtomicBool,
    aside: Arc<dyn Aside>,
    stop: CancellationToken,
    progress: Arc<Progress>,
}

impl Influx {
    /// The store, filled up to this mark. It is not spoken to yet. Once `stop` is cancelled, what it does not take at
    /// once is left for another time.
    ///
    /// # Errors
    /// [`Error::Unspeakable`] when no client can be made for it.
    pub fn new(
        target: Target,
        filled: Mark,
        aside: Arc<dyn Aside>,
        stop: CancellationToken,
    ) -> Result<Self, Error> {
        let wire =
            Wire::new(&target).map_err(|why| Error::Unspeakable { store: target.name.clone(), why })?;
        let marks = Mutex::new(Settling::new(target.settle, filled));
        let (lines, broke, progress) = (Arc::default(), AtomicBool::new(false), Arc::default());
        Ok(Self { target, wire, lines, marks, broke, aside, stop, progress })
    }

    /// How it goes.
    #[must_use]
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    fn marks(&self) -> MutexGuard<'_, Settling> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bodies of a batch.
    async fn bodies(&self, batch: Batch) -> Result<Vec<Body>, Error> {
        let lines = Arc::clone(&self.lines);
        let write = move || lines.lock().unwrap_or_else(PoisonError::into_inner).write(&batch);
        let written = self.beside(write).await??;
        if written.unsaid > 0 {
            Progress::add(&self.progress.unsaid, written.unsaid);
            tracing::warn!(store = self.target.name, points = written.unsaid, "points cannot be said");
        }
        Ok(written.bodies)
    }

    /// Sends a body, in pieces if the store wants them smaller, until there is an answer for every line.
    async fn deliver(&self, body: Body) -> Result<(), Error> {
        let mut waiting = vec![body];
        while let Some(body) = waiting.pop() {
            match self.answered(&body).await? {
                Verdict::Written => self.written(body.lines),
                Verdict::Partly { refused, why } => self.partly(&body, refused, &why),
                Verdict::Refused { why } => self.set_aside(&body, why).await,
                Verdict::TooLarge { why } => match body.halves() {
                    Some((first, second)) => waiting.extend([second, first]),
                    None => self.set_aside(&body, why).await,
                },
            }
        }
        Ok(())
    }

    /// Sends a body until there is an answer other than to try again.
    async fn answered(&self, body: &Body) -> Result<Verdict, Error> {
        let (text, gzip) = (body.text.clone(), self.target.gzip);
        let packed = self.beside(move || wire::packed(&text, gzip)).await?;
        let mut pauses = Pauses::new(&self.target.patience);
        loop {
            let again = match self.sent(packed.clone()).await? {
                Ok(verdict) => return Ok(verdict),
                Err(again) => again,
            };
            self.goes_wrong(again.why);
            tokio::select! {
                () = self.stop.cancelled() => return Err(Error::Stopped),
                () = tokio::time::sleep(pauses.next(again.after)) => {}
            }
            Progress::add(&self.progress.retries, 1);
        }
    }

    /// Sends a body once. A city that is closing waits for the answer only a little.
    async fn sent(&self, packed: Bytes) -> Result<Result<Verdict, Again>, Error> {
        let out_of_time = async {
            self.stop.cancelled().await;
            tokio::time::sleep(self.target.patience.last).await;
        };
        tokio::select! {
            answer = self.wire.send(packed) => Ok(match answer {
                Ok(answer) => Verdict::of(&answer),
                Err(unanswered) => {
                    self.broke.fetch_or(unanswered.gone, Ordering::Relaxed);
                    Err(Again { why: unanswered.why, after: None })
                }
            }),
            () = out_of_time => Err(Error::Stopped),
        }
    }

    fn written(&self, points: u64) {
        Progress::add(&self.progress.written, points);
        if self.progress.lock().take().is_some() {
            tracing::info!(store = self.target.name, "going on");
        }
    }

    fn partly(&self, body: &Body, refused: u64, why: &str) {
        let refused = refused.min(body.lines);
        self.written(body.lines - refused);
        Progress::add(&self.progress.refused, refused);
        tracing::warn!(
            store = self.target.name,
            points = refused,
            error = why,
            "points refused by the store"
        );
    }

    async fn set_aside(&self, body: &Body, why: String) {
        Progress::add(&self.progress.set_aside, body.lines);
        tracing::error!(store = self.target.name, points = body.lines, error = why, "points set aside");
        *self.progress.lock() = Some(format!("{} points were set aside: {why}", body.lines));
        let excerpt = body.text.as_bytes()[..body.text.len().min(MAX_EXCERPT_BYTES)].to_vec();
        let store = self.target.name.clone();
        self.aside.keep(SetAside { store, why, points: body.lines, excerpt }).await;
    }

    /// Told in the log when it begins, in health as long as it lasts.
    fn goes_wrong(&self, why: String) {
        let before = self.progress.lock().replace(why.clone());
        if before.is_none() {
            tracing::warn!(store = self.target.name, error = why, "store takes nothing in, trying again");
        }
    }

    /// Does work that takes a while on a thread that may.
    async fn beside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let failed = |error: tokio::task::JoinError| Error::Failed {
            file: format!("the writer of \"{}\"", self.target.name),
            why: error.to_string(),
        };
        spawn_blocking(work).await.map_err(failed)
    }
}

#[async_trait]
impl SeriesSink for Influx {
    async fn write(&self, batch: Batch) -> Result<(), Error> {
        let mark = batch.mark.clone();
        for body in self.bodies(batch).await? {
            self.deliver(body).await?;
        }
        if self.broke.swap(false, Ordering::Relaxed) && self.marks().broke(Instant::now()) {
            tracing::info!(store = self.target.name, "writing again what it may have lost");
            return Err(Error::WriteAgain);
        }
        self.marks().add(mark, Instant::now());
        Ok(())
    }

    /// What was written was answered for.
    async fn flush(&self) -> Result<(), Error> {
        Ok(())
    }

    fn persisted(&self) -> Mark {
        self.marks().settled(Instant::now()).clone()
    }
}

#[cfg(test)]
mod tests;
