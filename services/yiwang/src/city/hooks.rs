//! Webhooks, one for each `[[webhook]]`: each told by a follower of its own. A dead receiver stops nobody.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use yiwang_ingest::clock::wall_now;
use yiwang_log::Log;
use yiwang_orders::OrderFeed;
use yiwang_stream::set_aside::{Beside, ToLog};
use yiwang_webhook::{Aside, Progress, SetAside, Webhook};

use crate::config::Config;

/// What stands in a record of topic `rejected` as the door.
const DOOR: &str = "webhook";

/// Keeps what receivers refuse for good in topic `rejected`.
struct Rejected(ToLog);

#[async_trait]
impl Aside for Rejected {
    async fn keep(&self, event: SetAside) {
        let SetAside { webhook, id, why, excerpt } = event;
        let message = format!("event {id}: {why}");
        self.0.put(Beside { door: DOOR, sender: webhook, why: message, excerpt, count: 1 }).await;
    }
}

/// How it goes with a receiver, by its name.
#[derive(Clone)]
pub struct Told {
    /// What it is called.
    pub name: String,
    /// How it goes.
    pub progress: Arc<Progress>,
}

/// Starts them all; each ends when stopped, or when the order store has failed.
pub fn start(
    config: &Config,
    feed: &Arc<dyn OrderFeed>,
    log: &Arc<dyn Log>,
    tasks: &mut JoinSet<Result<(), yiwang_stream::Error>>,
    stop: &CancellationToken,
) -> Vec<Told> {
    let log = ToLog { log: Arc::clone(log), max_bytes: config.rejected_bytes, wall: wall_now };
    let aside: Arc<dyn Aside> = Arc::new(Rejected(log));
    let mut told = Vec::new();
    for crate::config::Webhook(target) in &config.webhooks {
        let webhook = Webhook::new(target.clone(), Arc::clone(feed), Arc::clone(&aside));
        told.push(Told { name: target.name.clone(), progress: webhook.progress() });
        let stop = stop.clone();
        tasks.spawn(async move { Ok(webhook.run(stop).await?) });
    }
    told
}
