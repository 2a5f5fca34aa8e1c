//! For how long a city may take to stop.
//!
//! Its stages end one after the other, under one deadline. What has not ended by then is left where it is: all that was
//! acknowledged is in the log, and the next start goes on from there. A stage that is left says so.

use std::time::Duration;

use tokio::time::Instant;

/// How long all stages may take together; a second below what is promised, for the process to end.
pub const PATIENCE: Duration = Duration::from_secs(4);

/// A stop under way.
#[derive(Debug)]
pub struct Stop {
    deadline: Option<Instant>,
    left: Vec<&'static str>,
}

impl Stop {
    /// Begins now and ends within this.
    pub fn within(patience: Duration) -> Self {
        Self { deadline: Some(Instant::now() + patience), left: Vec::new() }
    }

    /// Begins now and ends when all has ended.
    pub fn patient() -> Self {
        Self { deadline: None, left: Vec::new() }
    }

    /// Waits for a stage to end. One that comes after the deadline may still do what it can do without waiting.
    ///
    /// # Errors
    /// That of the stage.
    pub async fn stage(
        &mut self,
        name: &'static str,
        ends: impl Future<Output = anyhow::Result<()>>,
    ) -> anyhow::Result<()> {
        let Some(deadline) = self.deadline else { return ends.await };
        if let Ok(ended) = tokio::time::timeout_at(deadline, ends).await {
            return ended;
        }
        tracing::warn!(stage = name, "did not end in time; the next start goes on from the log");
        self.left.push(name);
        Ok(())
    }

    /// The stages that were left before they had ended.
    pub fn left(self) -> Vec<&'static str> {
        self.left
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stage_that_never_ends_is_left_and_told() {
        let begin = Instant::now();
        let mut stop = Stop::within(PATIENCE);
        stop.stage("doors", ready(Ok(()))).await.expect("it ended");
        stop.stage("judgement", pending()).await.expect("it was left");
        let mut closed = false;
        let close = async {
            closed = true;
            Ok(())
        };
        stop.stage("orders", close).await.expect("it ended");
        assert!(closed, "what does not wait is done all the same");
        assert_eq!(stop.left(), ["judgement"]);
        assert_eq!(begin.elapsed(), PATIENCE, "by the clock of the test");
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_is_one_for_all_stages() {
        let begin = Instant::now();
        let mut stop = Stop::within(PATIENCE);
        let slow = || async {
            tokio::time::sleep(PATIENCE * 3 / 4).await;
            Ok(())
        };
        stop.stage("judgement", slow()).await.expect("it ended");
        stop.stage("stores", slow()).await.expect("it was left");
        assert_eq!((stop.left(), begin.elapsed()), (vec!["stores"], PATIENCE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stage_that_fails_ends_the_stop() {
        let mut stop = Stop::within(PATIENCE);
        let failed = stop.stage("stores", ready(Err(anyhow::anyhow!("no disk")))).await;
        assert_eq!(failed.expect_err("it failed").to_string(), "no disk");
    }
}
