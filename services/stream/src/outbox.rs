//! Carries what happened to orders from the outbox of the order store to the log's topic `events`.
//!
//! At least once: an event that was appended and not yet taken out when the process died is appended again, with the same
//! content.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use yiwang_log::{Class, Log};
use yiwang_orders::{OrderEvent, OrderStore};
use yiwang_proto::log::OrderEvents;
use yiwang_proto::topics;

use crate::finish::{Progress, no_room, outside};
use crate::waits::{LOG, ORDERS};
use crate::{Error, append};

/// How many events make a record at most.
const EVENTS: u32 = 500;
/// How often to look.
const EVERY: Duration = Duration::from_millis(200);

/// Carries until stopped, then what is left; those who look on `live` hear of each event, and miss some if they lag. Who
/// waits is told in `progress`.
///
/// # Errors
/// When the log or the order store has failed.
pub async fn carry(
    log: Arc<dyn Log>,
    orders: Arc<dyn OrderStore>,
    progress: Arc<Progress>,
    live: broadcast::Sender<OrderEvent>,
    stop: CancellationToken,
) -> Result<(), Error> {
    let waits = &progress.waits;
    loop {
        let stopping = stop.is_cancelled();
        let events = waits.patiently(ORDERS, || orders.outbox(EVENTS), outside).await?;
        if let Some(last) = events.last() {
            let record = append(topics::EVENTS, &record(&events)?);
            waits.patiently(LOG, || log.append(Class::Inner, vec![record.clone()]), no_room).await?;
            waits.patiently(ORDERS, || orders.outbox_taken(last.seq), outside).await?;
            for event in events {
                // Nobody may be looking on.
                let _ = live.send(event);
            }
        } else if stopping {
            return Ok(());
        } else {
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }
}

fn record(events: &[OrderEvent]) -> Result<OrderEvents, Error> {
    let texts = events.iter().map(serde_json::to_string).collect::<Result<_, _>>();
    Ok(OrderEvents { events: texts.map_err(|_| Error::Unreadable("events"))? })
}
