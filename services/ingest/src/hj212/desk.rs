//! Where loggers are told what to do: from a request to all that the logger said, or why nothing came of it.
//!
//! A request is written with bit 0 of Flag, by the connection of its logger, in the edition, with the ST and PW that the
//! logger's own packets have. The logger answers 9011 (`QnRtn`), what it was asked for, and 9012 (`ExeRtn`), or 9013 to a
//! notice, all with the QN of the request. Without a 9011 the same request is written again, as the standard has it:
//! after OverTime, ReCount times.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;
use yiwang_catalogue::Catalogue;
use yiwang_proto::hj212::command;

use super::line::{Call, Line, MAX_CALLS, NoCall, Told};
use super::request::Request;
use crate::clients::Clients;

/// The most requests to all loggers together that are open at once.
const MAX_OPEN: usize = 256;

/// How long to wait for a logger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// OverTime: how long until a request that has no 9011 is written again. Default 10 s, as on mobile links.
    pub over_time: Duration,
    /// ReCount: how often it is written again. Default 3.
    pub re_count: u32,
    /// How long what was accepted may take. Default 60 s.
    pub run_time: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { over_time: Duration::from_secs(10), re_count: 3, run_time: Duration::from_secs(60) }
    }
}

/// The loggers that are connected, and the requests to them.
pub struct Desk {
    pub(super) lines: Arc<Clients<Arc<Line>>>,
    room: Semaphore,
}

impl Default for Desk {
    fn default() -> Self {
        Self { lines: Arc::default(), room: Semaphore::new(MAX_OPEN) }
    }
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The QN under which it went; none when it did not.
    pub qn: Option<Arc<str>>,
    /// What the logger said until then.
    pub told: Told,
    /// Why it is not done.
    pub outcome: Result<(), NotDone>,
}

/// Why a logger did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotDone {
    /// Its MN is not in the catalogue.
    #[error("it is not in the catalogue: add a [[logger]] of this MN")]
    Unknown,
    /// It is in the catalogue and has no connection, or none that has said who it is.
    #[error("it is not connected")]
    NotConnected,
    /// Too many requests are open already.
    #[error(
        "too many requests are open, {MAX_CALLS} to one logger or {MAX_OPEN} to all: wait for their answers"
    )]
    TooMany,
    /// The connection ended before the answer.
    #[error("its connection ended before it had answered")]
    Left,
    /// No 9011 came.
    #[error("it did not answer")]
    Unanswered,
    /// 9011 says no.
    #[error("it refused: QnRtn={0}, {word}", word = command::request_word(*.0))]
    Refused(u16),
    /// No 9012 came.
    #[error("it accepted and did not say how it ended")]
    NoResult,
    /// 9012 says no.
    #[error("it could not do it: ExeRtn={0}, {word}", word = command::result_word(*.0))]
    Failed(u16),
}

impl NotDone {
    /// The names of all outcomes in metrics, beginning with that of what is done, in the order of their counters.
    pub const WORDS: [&str; 9] = [
        "done",
        "unknown",
        "not_connected",
        "too_many",
        "left",
        "unanswered",
        "refused",
        "no_result",
        "failed",
    ];

    /// The place of an outcome in [`NotDone::WORDS`].
    #[must_use]
    pub const fn number(outcome: Result<(), Self>) -> usize {
        match outcome {
            Ok(()) => 0,
            Err(Self::Unknown) => 1,
            Err(Self::NotConnected) => 2,
            Err(Self::TooMany) => 3,
            Err(Self::Left) => 4,
            Err(Self::Unanswered) => 5,
            Err(Self::Refused(_)) => 6,
            Err(Self::NoResult) => 7,
            Err(Self::Failed(_)) => 8,
        }
    }
}

impl Desk {
    /// Sends a request to a logger and waits for all that it says to it.
    pub async fn send(&self, catalogue: &Catalogue, mn: &str, request: Request, patience: Patience) -> Ended {
        let (mut call, _room) = match self.call(catalogue, mn, request) {
            Ok(call) => call,
            Err(why) => return Ended { qn: None, told: Told::default(), outcome: Err(why) },
        };
        let outcome = follow(&mut call, patience).await;
        let told = call.told.borrow().clone();
        Ended { qn: Some(Arc::clone(&call.qn)), told, outcome }
    }

    fn call(
        &self,
        catalogue: &Catalogue,
        mn: &str,
        request: Request,
    ) -> Result<(Call, tokio::sync::SemaphorePermit<'_>), NotDone> {
        if !catalogue.loggers.contains_key(mn) {
            return Err(NotDone::Unknown);
        }
        let line = self.lines.find(mn).ok_or(NotDone::NotConnected)?;
        let room = self.room.try_acquire().map_err(|_| NotDone::TooMany)?;
        let call = line.call(request).map_err(|why| match why {
            NoCall::TooMany => NotDone::TooMany,
            NoCall::HungUp => NotDone::NotConnected,
        })?;
        Ok((call, room))
    }
}

/// Waits for all that a logger says to a request.
async fn follow(call: &mut Call, patience: Patience) -> Result<(), NotDone> {
    accepted(call, patience).await?;
    let ended = timeout(patience.run_time, call.told.wait_for(Told::has_ended));
    let told = ended.await.map_err(|_| NotDone::NoResult)?.map_err(|_| NotDone::Left)?;
    match (told.exe_rtn, told.qn_rtn) {
        (Some(command::DONE), _) => Ok(()),
        (Some(code), _) => Err(NotDone::Failed(code)),
        (None, Some(code)) if code != command::READY => Err(NotDone::Refused(code)),
        (None, _) => Ok(()),
    }
}

/// Waits for its first answer, and repeats the request until there is one.
async fn accepted(call: &mut Call, patience: Patience) -> Result<(), NotDone> {
    for left in (0..=patience.re_count).rev() {
        if let Ok(answered) = timeout(patience.over_time, call.told.wait_for(Told::is_answered)).await {
            return answered.map(drop).map_err(|_| NotDone::Left);
        }
        if left > 0 {
            call.repeat();
        }
    }
    Err(NotDone::Unanswered)
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("free", &self.room.available_permits()).finish_non_exhaustive()
    }
}
