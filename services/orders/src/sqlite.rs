//! The order store in one SQLite file.
//!
//! The file is `orders.sqlite` with, while it is open, `-wal` and `-shm` beside it. Its `application_id` is
//! `YWOR`, its `user_version` the version of the schema (`sqlite/schema/` has every version's statements). It runs in
//! WAL mode with `synchronous=FULL`: what a call has answered survives `kill -9` and power loss.
//!
//! One connection writes, at most four read. A write is one `BEGIN IMMEDIATE` transaction; a read of several
//! statements is one transaction too, so that it sees one moment. Times are nanoseconds since 1970 in UTC,
//! states and other words as in APIs, anomaly ids 32 hexadecimal digits, booleans 0 and 1.
//!
//! | table | a row is |
//! |---|---|
//! | `orders` | an order with its content, its state, and its episode as of the last step |
//! | `steps` | a line of an order's history; triggers refuse changes, deletions and holes |
//! | `events` | a step by its place among all steps of all orders, with the department of that time; never changed |
//! | `cursors` | the last event that a follower has; `log` is the outbox |
//! | `store` | the store's own id; one row |
//! | `days` | the last count given in the order numbers of a day |
//! | `alerts` | an alert that another system made, with its last order |
//! | `capsules` | what an episode follows from, sealed, whether or not it has an order |
//! | `members` | an episode that is part of another, whether or not it has an order |
//! | `applied` | the last applied epoch; one row at most |

mod alerts;
mod apply;
mod capsules;
mod fault;
mod feed;
mod members;
mod outbox;
mod pool;
mod query;
mod rows;
mod schema;
mod search;
#[cfg(test)]
mod tests;
mod transition;
mod words;

use std::path::Path;

use async_trait::async_trait;
use sqlx::SqlitePool;
use tokio::sync::watch;
use yiwang_model::{AnomalyId, OrderIntent, OrderNo, OrderState, Timestamp, WorkOrder};

use crate::alert::{Alert, AlertDesk, Taken};
use crate::feed::{Extent, Happening, OrderFeed};
use crate::number::Days;
use crate::{Applied, Counts, EpisodeRow, Error, Filter, Members, Moment, OrderEvent, OrderStore, Page};

/// The name that the file has in a data folder.
pub const FILE: &str = "orders.sqlite";

/// The order store in one SQLite file. Clones are the same store.
#[derive(Clone, Debug)]
pub struct SqliteOrders {
    writer: SqlitePool,
    readers: SqlitePool,
    days: Days,
    /// Told after each write, for those who wait for an event.
    written: watch::Sender<()>,
}

impl SqliteOrders {
    /// Opens the file at `path`, makes it where there is none, and brings an older schema up to date. `zone` is
    /// the city's time zone by its IANA name, as `Asia/Shanghai`; the day in order numbers is a day there.
    ///
    /// # Errors
    /// [`Error::Zone`] for an unknown zone, [`Error::Newer`] for a file of a newer release, [`Error::Corrupt`]
    /// for a file that is no order store, [`Error::Outside`] when the file cannot be used now.
    pub async fn open(path: &Path, zone: &str) -> Result<Self, Error> {
        Self::open_with(path, zone, pool::BUSY).await
    }

    async fn open_with(path: &Path, zone: &str, busy: std::time::Duration) -> Result<Self, Error> {
        let days = Days::of(zone)?;
        let writer = pool::writer(path, busy).await?;
        schema::migrate(&writer).await?;
        Ok(Self { writer, readers: pool::readers(path, busy), days, written: watch::Sender::default() })
    }

    /// Opens the file at `path` for reading alone, also while another process has it; what would write then fails.
    ///
    /// # Errors
    /// As [`SqliteOrders::open`], and [`Error::Older`] for a file that is still to be brought up to date.
    pub async fn open_to_read(path: &Path, zone: &str) -> Result<Self, Error> {
        let days = Days::of(zone)?;
        let readers = pool::readers(path, pool::BUSY);
        schema::check_newest(&readers).await?;
        Ok(Self { writer: readers.clone(), readers, days, written: watch::Sender::default() })
    }

    /// Waits for what is under way, writes the WAL back into the file and closes it. Calls after that fail.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

#[async_trait]
impl OrderStore for SqliteOrders {
    async fn apply(&self, epoch: u64, at: Moment, intents: &[OrderIntent]) -> Result<Applied, Error> {
        let applied = apply::apply(&self.writer, &self.days, epoch, at, intents).await;
        self.written.send_replace(());
        applied
    }

    async fn applied(&self) -> Result<Option<u64>, Error> {
        let mut conn = self.readers.acquire().await.map_err(fault::judge)?;
        apply::applied(&mut conn).await
    }

    async fn get(&self, no: &OrderNo) -> Result<Option<WorkOrder>, Error> {
        query::by_number(&self.readers, no).await
    }

    async fn of_anomaly(&self, id: AnomalyId) -> Result<Option<WorkOrder>, Error> {
        query::by_anomaly(&self.readers, id).await
    }

    async fn keep(&self, capsules: &[(AnomalyId, Vec<u8>)]) -> Result<(), Error> {
        capsules::keep(&self.writer, capsules).await
    }

    async fn capsule(&self, id: AnomalyId) -> Result<Option<Vec<u8>>, Error> {
        capsules::of(&self.readers, id).await
    }

    async fn members(&self, id: AnomalyId, limit: u32) -> Result<Members, Error> {
        members::of(&self.readers, id, limit).await
    }

    async fn find(&self, filter: &Filter, limit: u32, after: Option<&str>) -> Result<Page, Error> {
        search::find(&self.readers, filter, limit, after).await
    }

    async fn counts(&self, now: Timestamp) -> Result<Counts, Error> {
        query::counts(&self.readers, now).await
    }

    async fn episodes(&self, after: Option<AnomalyId>, limit: u32) -> Result<Vec<EpisodeRow>, Error> {
        query::episodes(&self.readers, after, limit).await
    }

    async fn transition(
        &self,
        no: &OrderNo,
        to: OrderState,
        who: &str,
        note: &str,
        at: Moment,
    ) -> Result<WorkOrder, Error> {
        let moved = transition::transition(&self.writer, no, to, transition::Said { who, note, at }).await;
        self.written.send_replace(());
        moved
    }

    async fn outbox(&self, limit: u32) -> Result<Vec<OrderEvent>, Error> {
        outbox::oldest(&self.readers, limit).await
    }

    async fn outbox_taken(&self, seq: u64) -> Result<(), Error> {
        feed::move_cursor(&self.writer, outbox::LOG, seq).await
    }
}

#[async_trait]
impl AlertDesk for SqliteOrders {
    async fn take(&self, who: &str, at: Moment, alerts: &[Alert]) -> Result<Vec<Taken>, Error> {
        let taken = alerts::take(&self.writer, &self.days, who, at, alerts).await;
        self.written.send_replace(());
        taken
    }
}

#[async_trait]
impl OrderFeed for SqliteOrders {
    async fn extent(&self) -> Result<Extent, Error> {
        feed::extent(&self.readers).await
    }

    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Happening>, Error> {
        feed::events(&self.readers, self.written.subscribe(), after, limit).await
    }

    async fn cursor(&self, name: &str) -> Result<Option<u64>, Error> {
        feed::cursor(&self.readers, name).await
    }

    async fn move_cursor(&self, name: &str, seq: u64) -> Result<(), Error> {
        feed::move_cursor(&self.writer, name, seq).await
    }
}
