//! What waits for something outside just now, as for room on a disk: told once in the log, shown as health until it goes on.

use std::collections::BTreeMap;
use std::error::Error;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The order store.
pub const ORDERS: &str = "order store";
/// Checkpoints.
pub const CHECKPOINTS: &str = "checkpoints";
/// The log, for what the city itself appends.
pub const LOG: &str = "log";

/// How long to wait before asking something outside again that said no.
const PAUSE: Duration = Duration::from_millis(200);

/// Who waits, and why.
#[derive(Debug, Default)]
pub struct Waits(Mutex<BTreeMap<&'static str, String>>);

impl Waits {
    /// Why this waits; `None` when it does not.
    #[must_use]
    pub fn why(&self, whom: &str) -> Option<String> {
        self.lock().get(whom).cloned()
    }

    pub(crate) fn begin(&self, whom: &'static str, error: &dyn Error) {
        self.lock().insert(whom, with_causes(error));
    }

    pub(crate) fn end(&self, whom: &'static str) {
        self.lock().remove(whom);
    }

    /// Does it again and again while what went wrong can be mended outside; told once.
    pub(crate) async fn patiently<T, E, F>(
        &self,
        whom: &'static str,
        mut act: impl FnMut() -> F,
        can_wait: impl Fn(&E) -> bool,
    ) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
        E: Error,
    {
        let mut waited = false;
        loop {
            match act().await {
                Err(error) if can_wait(&error) => {
                    if !waited {
                        tracing::warn!(error = with_causes(&error), whom, "waiting, trying again");
                    }
                    waited = true;
                    self.begin(whom, &error);
                    tokio::time::sleep(PAUSE).await;
                }
                done => {
                    if waited {
                        self.end(whom);
                        if done.is_ok() {
                            tracing::info!(whom, "going on");
                        }
                    }
                    return done;
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let why = error.to_string();
        // Some tell their cause themselves.
        if !text.ends_with(&why) {
            text.push_str(": ");
            text.push_str(&why);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("code 13")]
    struct Code;

    /// An error of a foreign library that tells its cause itself.
    #[derive(Debug, thiserror::Error)]
    #[error("full: {0}")]
    struct Full(#[source] Code);

    #[derive(Debug, thiserror::Error)]
    #[error("the order store cannot be used now")]
    struct Outside(#[source] Full);

    #[tokio::test(start_paused = true)]
    async fn who_waits_says_why_until_it_goes_on() {
        let waits = Waits::default();
        let mut tries = 0;
        let act = || {
            tries += 1;
            let why = waits.why(ORDERS);
            let again = tries < 3;
            async move { if again { Err(Outside(Full(Code))) } else { Ok(why) } }
        };
        let why = waits.patiently(ORDERS, act, |_| true).await.expect("the third goes well");
        assert_eq!(why.as_deref(), Some("the order store cannot be used now: full: code 13"));
        assert_eq!(waits.why(ORDERS), None);
    }
}
