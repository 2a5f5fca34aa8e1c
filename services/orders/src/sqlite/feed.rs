//! Events and those who follow them.

use std::time::Duration;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};
use tokio::sync::watch;
use yiwang_model::Timestamp;

use super::fault::judge;
use super::outbox::event;
use super::pool;
use super::rows::{self, get, parsed, text};
use crate::Error;
use crate::feed::{Extent, Facts, Happening, MAX_EVENTS};

/// How often who waits for an event looks by himself: a write whose caller went away wakes nobody.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Which store it is, and what it has.
pub(super) async fn extent(readers: &SqlitePool) -> Result<Extent, Error> {
    let sql = "SELECT (SELECT id FROM store), (SELECT min(seq) FROM events), (SELECT max(seq) FROM events)";
    let row = sqlx::query(sql).fetch_one(readers).await.map_err(judge)?;
    let id: &str = row.try_get(0).map_err(judge)?;
    let store = u64::from_str_radix(id, 16)
        .map_err(|_| Error::Corrupt(format!("the id of the store is \"{id:.64}\"")))?;
    let place = |column| row.try_get::<Option<i64>, _>(column).map_err(judge)?.map(rows::count).transpose();
    let (oldest, newest) = (place(1)?, place(2)?);
    Ok(Extent { store, before: oldest.unwrap_or(1).saturating_sub(1), last: newest.unwrap_or_default() })
}

/// The events behind a place, as soon as there is one.
pub(super) async fn events(
    readers: &SqlitePool,
    mut written: watch::Receiver<()>,
    after: u64,
    limit: u32,
) -> Result<Vec<Happening>, Error> {
    loop {
        written.mark_unchanged();
        let found = there(readers, after, limit).await?;
        if !found.is_empty() {
            return Ok(found);
        }
        // The sender lives as long as the store; without it there is the clock.
        let _ = tokio::time::timeout(LOOK_EVERY, written.changed()).await;
    }
}

async fn there(readers: &SqlitePool, after: u64, limit: u32) -> Result<Vec<Happening>, Error> {
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let query = sqlx::query(EVENTS).bind(after).bind(limit.clamp(1, MAX_EVENTS));
    query.fetch_all(readers).await.map_err(judge)?.iter().map(happening).collect()
}

pub(super) const EVENTS: &str = "SELECT events.seq AS place, events.department, orders.no, orders.anomaly,
    category, title_zh, title_en, text_zh, text_en, district, station, priority, received, due, detector, source,
    metric, steps.*
    FROM events
    JOIN orders ON orders.seq = events.order_seq
    JOIN steps ON steps.order_seq = events.order_seq AND steps.seq = events.step_seq
    WHERE events.seq > ? ORDER BY events.seq LIMIT ?";

fn happening(row: &SqliteRow) -> Result<Happening, Error> {
    let facts = Facts {
        category: get(row, "category")?,
        title: text(row, "title_zh", "title_en")?,
        text: text(row, "text_zh", "text_en")?,
        district: get(row, "district")?,
        station: get(row, "station")?,
        priority: parsed(row, "priority")?,
        received: Timestamp(get(row, "received")?),
        due: Timestamp(get(row, "due")?),
        detector: get(row, "detector")?,
        source: get(row, "source")?,
        metric: get(row, "metric")?,
    };
    Ok(Happening { event: event(row)?, facts })
}

/// Where a follower is.
pub(super) async fn cursor(readers: &SqlitePool, name: &str) -> Result<Option<u64>, Error> {
    let sql = "SELECT seq FROM cursors WHERE name = ?";
    let seq: Option<i64> = sqlx::query_scalar(sql).bind(name).fetch_optional(readers).await.map_err(judge)?;
    seq.map(rows::count).transpose()
}

/// Moves a follower; never beyond the last event.
pub(super) async fn move_cursor(writer: &SqlitePool, name: &str, seq: u64) -> Result<(), Error> {
    let seq = i64::try_from(seq).unwrap_or(i64::MAX);
    let mut tx = pool::write(writer).await?;
    let sql = "INSERT INTO cursors (name, seq) VALUES (?, min(?, (SELECT coalesce(max(seq), 0) FROM events)))
               ON CONFLICT (name) DO UPDATE SET seq = excluded.seq";
    sqlx::query(sql).bind(name).bind(seq).execute(&mut *tx).await.map_err(judge)?;
    tx.commit().await.map_err(judge)
}
