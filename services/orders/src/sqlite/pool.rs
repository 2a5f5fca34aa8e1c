//! Connections and transactions.

use std::path::Path;
use std::time::Duration;

use sqlx::pool::PoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, Sqlite, SqliteConnection, SqlitePool, Transaction};

use super::fault::judge;
use crate::Error;

/// How long a call waits for a lock that another process holds.
pub(super) const BUSY: Duration = Duration::from_secs(5);
/// How long a call waits for a connection that other calls hold.
const ACQUIRE: Duration = Duration::from_secs(30);
const READERS: u32 = 4;
/// The WAL is cut back to this many bytes when it has been written back.
const WAL_BYTES: &str = "67108864";

/// The one connection that writes; makes the file where there is none.
pub(super) async fn writer(path: &Path, busy: Duration) -> Result<SqlitePool, Error> {
    let options = options(path, busy)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .pragma("journal_size_limit", WAL_BYTES);
    pool(1).connect_with(options).await.map_err(judge)
}

/// The connections that read; opened when they are needed.
pub(super) fn readers(path: &Path, busy: Duration) -> SqlitePool {
    let options = options(path, busy).create_if_missing(false).pragma("query_only", "on");
    pool(READERS).connect_lazy_with(options)
}

fn options(path: &Path, busy: Duration) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).busy_timeout(busy)
}

fn pool(connections: u32) -> PoolOptions<Sqlite> {
    PoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .before_acquire(|connection, _| Box::pin(async { Ok(is_usable(connection)) }))
}

/// SQLite itself ends a transaction that met an IO error or, at times, a full disk; the driver then still counts
/// it as open and would begin no other on that connection. Such a connection is not used again.
fn is_usable(connection: &SqliteConnection) -> bool {
    !connection.is_in_transaction()
}

/// Begins a transaction that writes; dropped before its commit, it has changed nothing.
pub(super) async fn write(pool: &SqlitePool) -> Result<Transaction<'static, Sqlite>, Error> {
    pool.begin_with("BEGIN IMMEDIATE").await.map_err(judge)
}

/// Begins a transaction that sees one moment of the store.
pub(super) async fn read(pool: &SqlitePool) -> Result<Transaction<'static, Sqlite>, Error> {
    pool.begin_with("BEGIN DEFERRED").await.map_err(judge)
}
