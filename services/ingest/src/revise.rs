//! Another catalogue while the city runs.
//!
//! A new catalogue is a record of the log before anything goes by it. The tick that names it ends the epoch that is still
//! judged by the old one; only behind that tick do the doors admit by the new, so that a source that is registered is known
//! to the judgement before its first reading. A change that has begun is brought to its end, whoever asked for it leaves.

use std::sync::Arc;

use tokio::sync::{Mutex, watch};
use yiwang_catalogue::{Catalogue, InForce};
use yiwang_log::Log;

use crate::names::Names;
use crate::start;

/// Changes the catalogue in force, one change after the other.
pub struct Reviser {
    log: Arc<dyn Log>,
    names: Arc<Names>,
    changing: Arc<Mutex<Changing>>,
    now: watch::Receiver<InForce>,
    /// The revision of the last tick in the log.
    ticked: watch::Receiver<u32>,
}

/// What a change moves on.
struct Changing {
    /// The revision that the next tick is to name.
    wanted: watch::Sender<u32>,
    /// What holds at the doors.
    in_force: watch::Sender<InForce>,
}

/// Why the catalogue stays as it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error<E> {
    /// Somebody else has changed it since it was looked at. The caller must look again.
    #[error("the catalogue is at revision {found}, not {wanted}: look at it again")]
    Changed {
        /// What the caller had seen.
        wanted: u32,
        /// What holds.
        found: u32,
    },
    /// The change is refused. The caller must act.
    #[error(transparent)]
    Refused(E),
    /// The log did not take it. It may be tried again.
    #[error("the catalogue could not be made durable: {0}")]
    Log(#[from] yiwang_log::Error),
    /// The city stops.
    #[error("the city is stopping")]
    Stopping,
}

impl Reviser {
    pub(crate) fn new(
        log: Arc<dyn Log>,
        names: Arc<Names>,
        in_force: InForce,
        wanted: watch::Sender<u32>,
        ticked: watch::Receiver<u32>,
    ) -> Self {
        let (in_force, now) = watch::channel(in_force);
        let changing = Arc::new(Mutex::new(Changing { wanted, in_force }));
        Self { log, names, changing, now, ticked }
    }

    /// The catalogue in force at the doors, with its revision; goes on to tell it when the doors are closed.
    #[must_use]
    pub fn in_force(&self) -> watch::Receiver<InForce> {
        self.now.clone()
    }

    /// Makes another catalogue of the one in force, if that is `seen`; `None` takes any. Returns its revision when it is
    /// durable and in force at the doors; one that is the same as before needs no other. `who` asked for it.
    ///
    /// # Errors
    /// [`Error`]; then nothing has changed, unless the city stops meanwhile: the next start tells.
    pub async fn revise<E: Send + 'static>(
        &self,
        who: &str,
        seen: Option<u32>,
        change: impl FnOnce(&Catalogue) -> Result<Catalogue, E> + Send + 'static,
    ) -> Result<u32, Error<E>> {
        let changing = Arc::clone(&self.changing).lock_owned().await;
        let found = *changing.wanted.borrow();
        if let Some(seen) = seen.filter(|seen| *seen != found) {
            return Err(Error::Changed { wanted: seen, found });
        }
        let (log, names, mut ticked) = (Arc::clone(&self.log), Arc::clone(&self.names), self.ticked.clone());
        let who = who.to_owned();
        let change = tokio::spawn(async move {
            let before = names.catalogue();
            // A large catalogue takes a while to check.
            let next = tokio::task::spawn_blocking(move || change(&before)).await;
            let next = Arc::new(next.map_err(|_| Error::Stopping)?.map_err(Error::Refused)?);
            if next.hash() == names.catalogue().hash() {
                return Ok(found);
            }
            let in_force = start::append_revision(log.as_ref(), found, &next, &who).await?;
            let revision = in_force.revision;
            changing.wanted.send_replace(revision);
            ticked.wait_for(|ticked| *ticked == revision).await.map_err(|_| Error::Stopping)?;
            // A large city takes a while to forget what it had looked up.
            let revised = tokio::task::spawn_blocking(move || names.revise(next));
            revised.await.map_err(|_| Error::Stopping)?;
            changing.in_force.send_replace(in_force);
            Ok(revision)
        });
        change.await.map_err(|_| Error::Stopping)?
    }
}

#[cfg(test)]
mod tests;
