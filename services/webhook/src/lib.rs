//! Webhooks: what happens to orders, told to receivers elsewhere, each at its own pace.
//!
//! | promises | does not promise |
//! |---|---|
//! | every event that is wanted is sent until the receiver has answered 2xx, or has refused that event | that it comes once: a receiver must know ids again |
//! | events come one after the other, in the order in which they happened | |
//! | the same event has the same id and the same body, whenever it is sent | |
//! | a receiver that is away costs nobody else anything | |
//!
//! A receiver follows [`OrderFeed`] with a cursor of its own, `webhook/NAME`, which moves when it has answered. So a kill at
//! any moment costs at most one repeat. A new receiver begins with what happens from then on.
//!
//! What is sent is a `POST` as [Standard Webhooks](https://www.standardwebhooks.com) has it: see [`message`] for the body, [`sign`]
//! for the headers. What an answer means stands in [`verdict`]. Each try has a connection of its own; redirects are not
//! followed, and of an answer's body at most [`send::MAX_READ_BYTES`] are read.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use yiwang_orders::OrderFeed;
use yiwang_orders::feed::{Happening, MAX_EVENTS, Wanted};

pub mod message;
mod pause;
pub mod progress;
pub mod send;
pub mod sign;
#[cfg(test)]
mod tests;
pub mod verdict;

use message::Message;
use pause::Pauses;
pub use progress::Progress;
pub use send::Url;
pub use sign::Secret;
use verdict::Verdict;

/// After so many events that nobody wanted the cursor is moved all the same.
const NOTE_EVERY: u64 = 1_000;
/// How long to wait for an order store that cannot be used now.
const STORE_PAUSE: Duration = Duration::from_millis(200);

/// A receiver.
#[derive(Clone, Debug)]
pub struct Target {
    /// What it is called here: in health, metrics and the cursor.
    pub name: String,
    /// Where it is.
    pub url: Url,
    /// With what is signed; more than one while one takes the place of another.
    pub secrets: Vec<Secret>,
    /// What it is told.
    pub wanted: Wanted,
    /// How long to wait for it.
    pub patience: Patience,
}

/// How long to wait for a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For a whole answer, the connection included.
    pub answer: Duration,
    /// Before the second try; then twice as long each time.
    pub first_pause: Duration,
    /// Between tries at most.
    pub longest_pause: Duration,
    /// The most that a receiver gets of what it asks for by `Retry-After`.
    pub longest_asked: Duration,
    /// How often an event is sent that is refused for itself.
    pub tries: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(15),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(300),
            longest_asked: Duration::from_secs(3_600),
            tries: 8,
        }
    }
}

/// An event that a receiver refused for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// Which receiver.
    pub webhook: String,
    /// The event's id.
    pub id: String,
    /// What the receiver said.
    pub why: String,
    /// The beginning of the body.
    pub excerpt: Vec<u8>,
}

/// Keeps what was set aside.
#[async_trait]
pub trait Aside: Send + Sync + 'static {
    /// Keeps it; when this returns the receiver goes on.
    async fn keep(&self, event: SetAside);
}

/// How a delivery ended.
enum Ended {
    /// With an answer: taken, or set aside.
    Answered,
    /// The receiver wants nothing more.
    Gone,
}

/// One receiver, told what happens.
pub struct Webhook {
    target: Target,
    feed: Arc<dyn OrderFeed>,
    aside: Arc<dyn Aside>,
    progress: Arc<Progress>,
    cursor: String,
}

impl Webhook {
    /// The receiver; it is not spoken to yet.
    #[must_use]
    pub fn new(target: Target, feed: Arc<dyn OrderFeed>, aside: Arc<dyn Aside>) -> Self {
        let cursor = format!("webhook/{}", target.name);
        Self { target, feed, aside, progress: Arc::default(), cursor }
    }

    /// How it goes.
    #[must_use]
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Tells the receiver what happens until stopped. A delivery that is under way then is given up, and made again at the
    /// next start.
    ///
    /// # Errors
    /// When the order store has failed.
    pub async fn run(self, stop: CancellationToken) -> Result<(), yiwang_orders::Error> {
        tokio::select! {
            // Nobody is told less by it: the cursor moves after the answer.
            () = stop.cancelled() => Ok(()),
            failed = self.follow() => Err(failed),
        }
    }

    async fn follow(&self) -> yiwang_orders::Error {
        let mut at = match self.begin().await {
            Ok(at) => at,
            Err(failed) => return failed,
        };
        let mut noted = at;
        loop {
            if let Err(failed) = self.page(&mut at, &mut noted).await {
                return failed;
            }
        }
    }

    /// The last event that the receiver has; for a new one the last that there is.
    async fn begin(&self) -> Result<u64, yiwang_orders::Error> {
        if let Some(at) = patiently(|| self.feed.cursor(&self.cursor)).await? {
            return Ok(at);
        }
        let last = patiently(|| self.feed.extent()).await?.last;
        self.note(last).await?;
        Ok(last)
    }

    /// Tells the next events.
    async fn page(&self, at: &mut u64, noted: &mut u64) -> Result<(), yiwang_orders::Error> {
        let events = patiently(|| self.feed.events(*at, MAX_EVENTS)).await?;
        for told in events {
            let wanted = self.target.wanted.fits(&told);
            if wanted && matches!(self.deliver(&told).await?, Ended::Gone) {
                // What it is not told is kept for it.
                std::future::pending::<()>().await;
            }
            *at = told.event.seq;
            if wanted || *at - *noted >= NOTE_EVERY {
                self.note(*at).await?;
                *noted = *at;
            }
        }
        self.look_behind(*at).await
    }

    async fn note(&self, seq: u64) -> Result<(), yiwang_orders::Error> {
        patiently(|| self.feed.move_cursor(&self.cursor, seq)).await
    }

    async fn look_behind(&self, at: u64) -> Result<(), yiwang_orders::Error> {
        let last = patiently(|| self.feed.extent()).await?.last;
        self.progress.set_behind(last.saturating_sub(at));
        Ok(())
    }

    /// Sends an event until there is an answer.
    async fn deliver(&self, told: &Happening) -> Result<Ended, yiwang_orders::Error> {
        let message = Message::of(told);
        let mut pauses = Pauses::new(&self.target.patience);
        let mut refused = 0;
        loop {
            let verdict = send::once(&self.target, &message).await;
            let (why, after) = match verdict {
                Verdict::Taken => {
                    self.progress.delivered();
                    return Ok(Ended::Answered);
                }
                Verdict::Gone => {
                    self.gone();
                    return Ok(Ended::Gone);
                }
                Verdict::Refused(why) if refused + 1 >= self.target.patience.tries => {
                    self.set_aside(message, why).await;
                    return Ok(Ended::Answered);
                }
                Verdict::Refused(why) => {
                    refused += 1;
                    (why, None)
                }
                Verdict::Later { why, after } => (why, after),
            };
            tracing::debug!(webhook = self.target.name, event = message.id, why, "trying again");
            self.progress.failed(why);
            self.look_behind(told.event.seq - 1).await?;
            tokio::time::sleep(pauses.next(after)).await;
        }
    }

    fn gone(&self) {
        tracing::warn!(
            webhook = self.target.name,
            "the receiver answered 410: not told anything until the next start"
        );
        self.progress
            .failed("answered 410, wants nothing more: not told anything until the next start".into());
    }

    async fn set_aside(&self, Message { id, body }: Message, why: String) {
        tracing::warn!(webhook = self.target.name, event = id, why, "refused for good, set aside");
        let webhook = self.target.name.clone();
        self.aside
            .keep(SetAside { webhook, id, why, excerpt: body.slice(..body.len().min(1024)).to_vec() })
            .await;
        self.progress.set_aside();
    }
}

/// Does it again and again while the order store cannot be used; told once.
async fn patiently<T, F>(mut act: impl FnMut() -> F) -> Result<T, yiwang_orders::Error>
where
    F: Future<Output = Result<T, yiwang_orders::Error>>,
{
    let mut told = false;
    loop {
        match act().await {
            Err(error @ yiwang_orders::Error::Outside(_)) => {
                if !told {
                    tracing::warn!(%error, "a webhook waits for the order store");
                }
                told = true;
                tokio::time::sleep(STORE_PAUSE).await;
            }
            done => return done,
        }
    }
}
