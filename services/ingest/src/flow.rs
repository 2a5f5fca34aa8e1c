//! The messages of one sender on their way to the disk: gathered, handed over one submission after the other, waited for in
//! order.
//!
//! While one submission is on its way to the committer the next gathers. What became durable comes out in the order in which
//! it was gathered, and nothing comes out before.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::future::BoxFuture;

use crate::commit::{Committer, Receipt, Stopping, Submission};
use crate::mqtt::take::Verdict;

/// The messages of one submission, and what to answer once it is durable.
#[derive(Default)]
pub(crate) struct Load {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
    pub(crate) answers: Vec<(u16, Option<Box<Verdict>>)>,
}

/// All messages of a sender that are under way.
pub(crate) struct Flow {
    committer: Committer,
    gathered: (Submission, Load),
    submitting: Option<(BoxFuture<'static, Result<Receipt, Stopping>>, Load)>,
    waiting: VecDeque<(Receipt, Load)>,
    messages: usize,
    bytes: usize,
}

impl Flow {
    pub(crate) fn new(committer: Committer) -> Self {
        Self {
            committer,
            gathered: Default::default(),
            submitting: None,
            waiting: VecDeque::new(),
            messages: 0,
            bytes: 0,
        }
    }

    /// Gathers a message of so many bytes. `take` lays what it says into the submission; who gave an `id` is answered with
    /// the verdict.
    pub(crate) fn gather(
        &mut self,
        id: Option<u16>,
        bytes: usize,
        take: impl FnOnce(&mut Submission) -> Option<Box<Verdict>>,
    ) {
        let (submission, load) = &mut self.gathered;
        let verdict = take(submission);
        load.answers.extend(id.map(|id| (id, verdict)));
        load.messages += 1;
        load.bytes += bytes;
        self.messages += 1;
        self.bytes += bytes;
    }

    /// Messages that are not durable yet.
    pub(crate) fn messages(&self) -> usize {
        self.messages
    }

    /// Bytes of their payload.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Messages that are not handed over yet.
    pub(crate) fn gathered(&self) -> usize {
        self.gathered.1.messages
    }

    /// Messages under way that are to be answered.
    pub(crate) fn unanswered(&self) -> usize {
        let under_way = self.waiting.iter().map(|(_, load)| load);
        let handed_over = self.submitting.iter().map(|(_, load)| load);
        under_way.chain(handed_over).chain([&self.gathered.1]).map(|load| load.answers.len()).sum()
    }

    /// Whether all is handed over.
    pub(crate) fn is_handed_over(&self) -> bool {
        self.gathered() == 0 && self.submitting.is_none()
    }

    /// Hands over what gathered; whether anything moved.
    ///
    /// # Errors
    /// [`Stopping`]; what was to be handed over is then given up.
    pub(crate) fn poll_submit(&mut self, cx: &mut Context<'_>) -> Result<bool, Stopping> {
        let mut moved = false;
        loop {
            if self.submitting.is_none() && self.gathered() > 0 {
                let (submission, load) = std::mem::take(&mut self.gathered);
                let committer = self.committer.clone();
                self.submitting = Some((Box::pin(async move { committer.submit(submission).await }), load));
            }
            let Some((submitting, _)) = &mut self.submitting else { return Ok(moved) };
            let Poll::Ready(handed_over) = submitting.as_mut().poll(cx) else { return Ok(moved) };
            let load = self.submitting.take().map(|(_, load)| load).unwrap_or_default();
            moved = true;
            self.waiting.push_back((handed_over?, load));
        }
    }

    /// The next that became durable. Pending also while nothing is waited for.
    ///
    /// # Errors
    /// [`Stopping`] when it will not become durable in this process.
    pub(crate) fn poll_durable(&mut self, cx: &mut Context<'_>) -> Poll<Result<Load, Stopping>> {
        let Some((receipt, _)) = self.waiting.front_mut() else { return Poll::Pending };
        let durable = ready!(Pin::new(receipt).poll(cx));
        let load = self.waiting.pop_front().map(|(_, load)| load).unwrap_or_default();
        self.messages -= load.messages;
        self.bytes -= load.bytes;
        Poll::Ready(durable.map(|()| load).map_err(|_| Stopping))
    }

    /// Whether nothing is waited for.
    pub(crate) fn is_answered(&self) -> bool {
        self.is_handed_over() && self.waiting.is_empty()
    }
}
