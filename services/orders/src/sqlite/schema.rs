//! The schema and how older files are brought up to it.
//!
//! Version n + 1 is what `MIGRATIONS[n]` makes of version n; a migration that was released is never changed.
//! The statements keep to what PostgreSQL has too, but for `STRICT`, `AUTOINCREMENT` and the triggers' wording.

use sqlx::{AssertSqlSafe, Sqlite, SqlitePool, Transaction};

use super::fault::judge;
use super::pool;
use crate::Error;

/// `YWOR`: tells an order store from other SQLite files.
const APPLICATION_ID: i64 = 0x5957_4f52;
const MIGRATIONS: [&str; 6] = [
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
    include_str!("schema/5.sql"),
    include_str!("schema/6.sql"),
];

/// Brings the file to the newest version, all or nothing.
pub(super) async fn migrate(writer: &SqlitePool) -> Result<(), Error> {
    let mut tx = pool::write(writer).await?;
    let version = check(&mut tx).await?;
    if version == MIGRATIONS.len() {
        return tx.rollback().await.map_err(judge);
    }
    for migration in &MIGRATIONS[version..] {
        sqlx::raw_sql(*migration).execute(&mut *tx).await.map_err(judge)?;
    }
    set(&mut tx, "application_id", APPLICATION_ID).await?;
    set(&mut tx, "user_version", MIGRATIONS.len() as i64).await?;
    tx.commit().await.map_err(judge)
}

/// Whether a file that is only read has the newest version.
pub(super) async fn check_newest(readers: &SqlitePool) -> Result<(), Error> {
    let mut tx = pool::read(readers).await?;
    let found = check(&mut tx).await?;
    tx.rollback().await.map_err(judge)?;
    if found < MIGRATIONS.len() {
        return Err(Error::Older { found: found as i64, known: MIGRATIONS.len() as i64 });
    }
    Ok(())
}

/// The version of the file; an empty file has version 0.
async fn check(tx: &mut Transaction<'static, Sqlite>) -> Result<usize, Error> {
    let application = number(tx, "PRAGMA application_id").await?;
    let found = number(tx, "PRAGMA user_version").await?;
    let tables = number(tx, "SELECT count(*) FROM sqlite_schema").await?;
    if application != APPLICATION_ID && (application, found, tables) != (0, 0, 0) {
        return Err(Error::Corrupt("the file is an SQLite database, but not an order store".into()));
    }
    let known = MIGRATIONS.len();
    match usize::try_from(found) {
        Ok(version) if version <= known => Ok(version),
        _ if found < 0 => Err(Error::Corrupt(format!("the schema version is {found}"))),
        _ => Err(Error::Newer { found, known: known as i64 }),
    }
}

async fn number(tx: &mut Transaction<'static, Sqlite>, sql: &'static str) -> Result<i64, Error> {
    sqlx::query_scalar(sql).fetch_one(&mut **tx).await.map_err(judge)
}

/// A pragma takes no binds; name and number are ours.
async fn set(tx: &mut Transaction<'static, Sqlite>, pragma: &str, value: i64) -> Result<(), Error> {
    let sql = AssertSqlSafe(format!("PRAGMA {pragma} = {value}"));
    sqlx::query(sql).execute(&mut **tx).await.map(drop).map_err(judge)
}
