//! Where a start goes on: from the newest state that the judgement takes, with the log behind it.
//!
//! A checkpoint can be whole and yet be refused: written by another release, or with a fault of a detector in it. Then the chain before is taken, which the log is held
//! for, and in the end the beginning of the log, if it still has it. What was judged since is judged again, which changes nothing. Only once a start succeeded are
//! the refused files set aside: an older release that takes none of them leaves all as it was.

use std::sync::Arc;

use yiwang_log::{Layout, Log};

use crate::checkpoint::Checkpoints;
use crate::closer::State;
use crate::dataflow::{self, Beginning, Running};
use crate::directory::{Directory, Follower};
use crate::{Error, reader};

/// The judgement, begun.
pub(crate) struct Begun {
    pub(crate) directory: Arc<Directory>,
    pub(crate) follower: Follower,
    /// Where the reader goes on in each partition.
    pub(crate) next: Vec<u64>,
    pub(crate) running: Running,
}

/// Begins with the newest state, or with an older one where that is refused.
///
/// # Errors
/// [`Error::State`] when none is taken: why the newest was not; [`Error::Cut`]; what log and disk say.
pub(crate) async fn newest_that_fits(
    log: &Arc<dyn Log>,
    (mut checkpoints, mut saved): (Checkpoints, Option<State>),
    workers: usize,
) -> Result<(Checkpoints, Begun), Error> {
    let mut refusal = None;
    loop {
        let (epoch, is_first) = (saved.as_ref().map(|state| state.epoch), refusal.is_none());
        let why = match try_from(log, saved, workers).await {
            Ok(begun) => {
                checkpoints.set_refused_aside()?;
                return Ok((checkpoints, begun));
            }
            Err(Error::State(why)) => why,
            Err(error) if is_first => return Err(error),
            Err(error) => error.to_string(),
        };
        let Some(epoch) = epoch else { return Err(Error::State(refusal.unwrap_or(why))) };
        tracing::error!(epoch, why, "a checkpoint is refused, taking the one before");
        saved = checkpoints.before()?;
        refusal.get_or_insert(why);
    }
}

async fn try_from(log: &Arc<dyn Log>, saved: Option<State>, workers: usize) -> Result<Begun, Error> {
    let state = begin(log.as_ref(), saved)?;
    let directory = Arc::new(Directory::default());
    let mut follower = Follower::new(Arc::clone(log), Arc::clone(&directory));
    follower.want_all().await?;
    if state.revision > 0 {
        follower.want_catalogue(state.revision).await?;
    }
    let Layout { topics, .. } = log.layout();
    let partitions = topics[usize::from(yiwang_proto::topics::READINGS)].partitions;
    let (epoch, next) = (state.epoch, state.next.clone());
    let beginning = Beginning { directory: Arc::clone(&directory), partitions, state: Arc::new(state) };
    let running = dataflow::start(workers, beginning)?;
    tracing::info!(epoch, workers, "judgement begins");
    Ok(Begun { directory, follower, next, running })
}

/// The state to go on from: the saved one, or the beginning of the log.
fn begin(log: &dyn Log, saved: Option<State>) -> Result<State, Error> {
    let starts: Vec<u64> = reader::readings(log).map(|extent| extent.start.0).collect();
    let state = saved.unwrap_or_else(|| State { next: vec![0; starts.len()], ..State::default() });
    if state.next.len() != starts.len() {
        return Err(Error::State("it is of a log with another number of partitions".into()));
    }
    match starts.iter().zip(&state.next).find(|(start, next)| start > next) {
        Some((start, next)) => Err(Error::Cut { wanted: *next, start: *start }),
        None => Ok(state),
    }
}
