//! What waits for the writer: bounded, and in the order in which it was first asked for.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::frame::FRAME_HEAD_BYTES;
use super::slots::Slot;
use crate::{Class, Error, Offset};

/// What a request costs beyond its records; so the bound in bytes bounds their number, too.
const REQUEST_BYTES: usize = 256;

pub(super) type Answer = Result<Vec<Offset>, Error>;

/// One append on its way to the disk.
pub(super) struct Request {
    pub(super) class: Class,
    pub(super) records: Vec<(Slot, Bytes)>,
    pub(super) bytes: usize,
    pub(super) answer: oneshot::Sender<Answer>,
    /// Its part of the bound, given back when it is answered.
    _room: OwnedSemaphorePermit,
}

pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    filled: Condvar,
    room: Arc<Semaphore>,
    most_bytes: usize,
    /// Held from asking for room until the request stands in the queue: whoever asks first, stands first.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Waiting {
    requests: VecDeque<Request>,
    closed: bool,
    /// Nobody takes requests any more.
    ended: bool,
}

/// Ends the queue when the writer goes, however it goes: nobody waits for an answer that will not come.
pub(super) struct EndOnDrop<'a>(pub(super) &'a Queue);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting();
        waiting.ended = true;
        let unanswered = std::mem::take(&mut waiting.requests);
        drop(waiting);
        drop(unanswered);
    }
}

impl Queue {
    pub(super) fn new(most_bytes: usize) -> Self {
        let most_bytes = most_bytes.clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self {
            waiting: Mutex::default(),
            filled: Condvar::new(),
            room: Arc::new(Semaphore::new(most_bytes)),
            most_bytes,
            turn: tokio::sync::Mutex::new(()),
        }
    }

    /// Puts a request into the queue, at the first poll if there is room, and gives the way to its answer.
    pub(super) async fn push(&self, class: Class, records: Vec<(Slot, Bytes)>) -> oneshot::Receiver<Answer> {
        let bytes: usize = records.iter().map(|(_, payload)| payload.len() + FRAME_HEAD_BYTES).sum();
        let cost = (bytes + REQUEST_BYTES).min(self.most_bytes);
        let cost = u32::try_from(cost).expect("the bound was checked to be a u32");
        let _turn = self.turn.lock().await;
        let room =
            Arc::clone(&self.room).acquire_many_owned(cost).await.expect("the semaphore is never closed");
        let (answer, answered) = oneshot::channel();
        let request = Request { class, records, bytes, answer, _room: room };
        let mut waiting = self.waiting();
        if !waiting.ended {
            waiting.requests.push_back(request);
            self.filled.notify_one();
        }
        answered
    }

    /// Waits for requests and takes all, up to about `most_bytes`; none when none came for `patience`. `None` once the
    /// queue is closed and empty.
    pub(super) fn take(&self, most_bytes: usize, patience: Duration) -> Option<Vec<Request>> {
        let empty = |waiting: &mut Waiting| waiting.requests.is_empty() && !waiting.closed;
        let (mut waiting, _) = self
            .filled
            .wait_timeout_while(self.waiting(), patience, empty)
            .unwrap_or_else(PoisonError::into_inner);
        let mut bytes = 0;
        let fits = |request: &&Request| {
            let first = bytes == 0;
            bytes += request.bytes;
            first || bytes <= most_bytes
        };
        let count = waiting.requests.iter().take_while(fits).count();
        let taken: Vec<_> = waiting.requests.drain(..count).collect();
        (!taken.is_empty() || !waiting.closed).then_some(taken)
    }

    /// Lets the writer end when it has taken what still waits.
    pub(super) fn close(&self) {
        self.waiting().closed = true;
        self.filled.notify_one();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
