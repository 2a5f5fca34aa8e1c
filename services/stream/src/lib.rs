//! The judgement: from the log to anomalies and orders, by timely dataflow; and the consumer that fills series stores.
//!
//! [`reader`] reads on from a checkpoint, [`dataflow`] deals readings out to the workers that own their series, [`judge`] steps the
//! detectors of each series in log order, [`closer`] closes epochs and steps the rule across series, [`finish`] makes
//! orders, records and checkpoints of what was found. Kill it anywhere: it reads on from the checkpoint, finds the same,
//! and nobody can tell.

use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;
use yiwang_disk::Disk;
use yiwang_log::{Append, Log, Partition, TopicId};
use yiwang_model::{Anomaly, SeriesId, Timestamp};
use yiwang_orders::OrderStore;

mod begin;
pub mod capsule;
pub mod checkpoint;
pub mod closer;
pub mod dataflow;
pub mod derive;
pub mod directory;
pub mod explain;
pub mod finish;
mod groups;
pub mod history;
pub mod item;
pub mod judge;
mod mixer;
pub mod outbox;
mod outlet;
pub mod pack;
#[cfg(test)]
mod proof;
pub mod quiet;
pub mod reader;
pub mod route;
mod saving;
pub mod set_aside;
mod slot;
mod source;
pub mod store;
mod tale;
pub mod waits;
mod watched;
pub mod what_if;

use begin::Begun;
use checkpoint::Checkpoints;
use dataflow::Running;
use finish::{Finisher, Progress};
use reader::{Reader, Saves, Wish};

/// What the judgement works with.
pub struct Parts {
    /// What it reads, and where what it derives goes.
    pub log: Arc<dyn Log>,
    /// Where orders go.
    pub orders: Arc<dyn OrderStore>,
    /// Where checkpoints go.
    pub disk: Arc<dyn Disk>,
    /// Wall time, for the histories.
    pub wall: fn() -> Timestamp,
}

/// The running judgement.
pub struct Stream {
    /// How far it is.
    pub progress: Arc<Progress>,
    /// Anomalies as they are found; who lags misses some.
    pub live: broadcast::Sender<Anomaly>,
    wish: watch::Sender<Wish>,
    tasks: JoinSet<Result<(), Error>>,
}

/// How many anomalies may wait for one who looks on.
const LIVE: usize = 1024;

impl Stream {
    /// Goes on from the newest checkpoint in `folder` that fits, or from the beginning of the log, with so many workers.
    ///
    /// # Errors
    /// [`Error::State`] when no checkpoint fits, [`Error::Cut`] when there is none and the log has been cut; what
    /// log and disk say.
    pub async fn start(parts: Parts, folder: &Path, workers: usize) -> Result<Self, Error> {
        Self::start_saving(parts, folder, workers, Saves::default()).await
    }

    #[cfg(test)]
    async fn start_saving_often(parts: Parts, folder: &Path, workers: usize) -> Result<Self, Error> {
        Self::start_saving(parts, folder, workers, Saves::at_every_tick()).await
    }

    async fn start_saving(parts: Parts, folder: &Path, workers: usize, saves: Saves) -> Result<Self, Error> {
        let Parts { log, orders, disk, wall } = parts;
        let (checkpoints, state) = Checkpoints::open(disk, folder)?;
        let (checkpoints, begun) = begin::newest_that_fits(&log, (checkpoints, state), workers).await?;
        let Begun { directory, follower, next, running } = begun;
        let Running { inlets, closed, workers } = running;
        let (wish, wishes) = watch::channel(Wish::Follow);
        let (live, _) = broadcast::channel(LIVE);
        let progress = Arc::clone(&saves.progress);
        let reader = Reader::new(Arc::clone(&log), follower, next, inlets, wishes, saves);
        let checkpoints = Arc::new(Mutex::new(checkpoints));
        let finisher = Finisher {
            log,
            orders,
            checkpoints,
            directory,
            progress: Arc::clone(&progress),
            live: live.clone(),
            wall,
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(reader.run());
        tasks.spawn(finisher.run(closed));
        tasks.spawn_blocking(move || match workers.join() {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(Error::Worker(why)),
            Err(_) => Err(Error::Worker("the thread that waits for the workers panicked".into())),
        });
        Ok(Self { progress, live, wish, tasks })
    }

    /// Resolves when a part has failed, which is when the process must end. Never resolves before.
    pub async fn failed(&mut self) -> Error {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(error))) => return error,
                Some(Err(panic)) => return Error::Worker(panic.to_string()),
                None => return std::future::pending().await,
            }
        }
    }

    /// Judges up to the end that the log has now, finishes and saves it, and ends.
    ///
    /// # Errors
    /// What went wrong first.
    pub async fn drain(mut self) -> Result<(), Error> {
        self.wish.send_replace(Wish::Drain);
        while let Some(ended) = self.tasks.join_next().await {
            ended.map_err(|panic| Error::Worker(panic.to_string()))??;
        }
        Ok(())
    }
}

/// An append to the one partition of a topic.
pub(crate) fn append(topic: u8, message: &impl prost::Message) -> Append {
    Append { to: Partition { topic: TopicId(topic), index: 0 }, payload: message.encode_to_vec().into() }
}

/// What can go wrong with the judgement.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The log has failed.
    #[error(transparent)]
    Log(#[from] yiwang_log::Error),
    /// The order store has failed.
    #[error(transparent)]
    Orders(#[from] yiwang_orders::Error),
    /// The series store has failed.
    #[error(transparent)]
    Series(#[from] yiwang_series::Error),
    /// A record of this topic cannot be decoded.
    #[error("topic \"{0}\" has a record that this release cannot read: start a newer release")]
    Unreadable(&'static str),
    /// A reading of a series without a name.
    #[error("the log has a reading of series {0:?} and no name for it")]
    NoName(SeriesId),
    /// A tick of a catalogue that is not there.
    #[error(
        "the log has a tick under revision {0} of the catalogue, which it does not hold or this release cannot read"
    )]
    NoCatalogue(u32),
    /// A saved state does not fit.
    #[error("the saved state of the judgement does not fit: {0}")]
    State(String),
    /// The log was cut behind the saved state.
    #[error(
        "the judgement goes on at offset {wanted}, and the log begins at {start}: its checkpoints are lost"
    )]
    Cut {
        /// Where it goes on.
        wanted: u64,
        /// The oldest that the log has.
        start: u64,
    },
    /// A part of it died.
    #[error("a part of the judgement died: {0}")]
    Worker(String),
    /// No room for a checkpoint.
    #[error("there is no room for {file}, make some on its disk: {why}")]
    NoRoom {
        /// The file.
        file: String,
        /// What the system said.
        why: String,
    },
    /// The disk failed at a checkpoint.
    #[error("{file}: {why}")]
    Disk {
        /// The file.
        file: String,
        /// What the system said.
        why: String,
    },
    /// What changed cannot be written where that since which it changed is not.
    #[error("the checkpoint of epoch {since} is not the newest")]
    NoBase {
        /// That epoch.
        since: u64,
    },
    /// Written by a newer release.
    #[error("{file} has format version {found}; this release reads up to {known}: start a newer release")]
    Newer {
        /// The file.
        file: String,
        /// Its version.
        found: u16,
        /// The newest version that we know.
        known: u16,
    },
}

impl Error {
    fn disk(file: &Path, error: &std::io::Error) -> Self {
        let (file, why) = (file.display().to_string(), error.to_string());
        if yiwang_disk::is_full(error) { Self::NoRoom { file, why } } else { Self::Disk { file, why } }
    }
}
