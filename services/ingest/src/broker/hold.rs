//! When what gathered is handed over.
//!
//! A broker whose senders are many sends message by message, and a commit for every few of them would cost more than the messages
//! do. So they gather for [`LONGEST`], which nobody misses: who sent them was answered by the broker. They do not when the broker
//! waits for us: it sends no more than so many messages that are not acknowledged, 20 as Mosquitto comes, and then waiting
//! would be all that is done. How many is learnt: when as many are unacknowledged as ever were on this connection, they are
//! handed over at once.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// The longest that a message gathers.
const LONGEST: Duration = Duration::from_millis(5);

/// Holds messages back for a moment.
#[derive(Default)]
pub(super) struct Hold {
    /// The most messages that were unacknowledged at once.
    most: usize,
    timer: Option<Pin<Box<Sleep>>>,
    holding: bool,
}

impl Hold {
    /// Ready when what gathered is to be handed over, with so many messages that the broker waits for.
    pub(super) fn poll_due(&mut self, unanswered: usize, cx: &mut Context<'_>) -> Poll<()> {
        let waits = unanswered >= self.most;
        self.most = self.most.max(unanswered);
        if waits {
            self.holding = false;
            return Poll::Ready(());
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(LONGEST)));
        if !self.holding {
            timer.as_mut().reset(Instant::now() + LONGEST);
            self.holding = true;
        }
        let due = timer.as_mut().poll(cx);
        self.holding = due.is_pending();
        due
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures::poll;

    use super::*;

    async fn is_due(hold: &mut Hold, unanswered: usize) -> bool {
        poll!(poll_fn(|cx| hold.poll_due(unanswered, cx))).is_ready()
    }

    #[tokio::test(start_paused = true)]
    async fn a_broker_that_waits_is_not_kept_waiting() {
        let mut hold = Hold::default();
        for unanswered in [1, 2, 5, 20, 20, 20] {
            assert!(is_due(&mut hold, unanswered).await, "{unanswered}");
        }
        assert!(!is_due(&mut hold, 19).await);
        assert!(is_due(&mut hold, 20).await);
    }

    #[tokio::test(start_paused = true)]
    async fn others_gather_for_a_moment_each_time() {
        let mut hold = Hold::default();
        assert!(is_due(&mut hold, 20).await);
        for _ in 0..3 {
            assert!(!is_due(&mut hold, 3).await);
            tokio::time::advance(LONGEST - Duration::from_millis(2)).await;
            assert!(!is_due(&mut hold, 4).await, "the moment began anew");
            tokio::time::advance(Duration::from_millis(3)).await;
            assert!(is_due(&mut hold, 5).await);
        }
    }
}
