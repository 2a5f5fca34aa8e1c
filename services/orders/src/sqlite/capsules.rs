//! What episodes follow from, by episode.

use sqlx::SqlitePool;
use yiwang_model::AnomalyId;

use super::fault::judge;
use super::pool;
use crate::Error;

/// Keeps capsules, in one transaction; the last word on an episode holds.
pub(super) async fn keep(writer: &SqlitePool, capsules: &[(AnomalyId, Vec<u8>)]) -> Result<(), Error> {
    let mut tx = pool::write(writer).await?;
    let sql = "INSERT INTO capsules (anomaly, capsule) VALUES (?, ?)
               ON CONFLICT (anomaly) DO UPDATE SET capsule = excluded.capsule";
    for (id, capsule) in capsules {
        sqlx::query(sql)
            .bind(id.to_string())
            .bind(capsule.as_slice())
            .execute(&mut *tx)
            .await
            .map_err(judge)?;
    }
    tx.commit().await.map_err(judge)
}

/// The capsule of an episode.
pub(super) async fn of(readers: &SqlitePool, id: AnomalyId) -> Result<Option<Vec<u8>>, Error> {
    let sql = "SELECT capsule FROM capsules WHERE anomaly = ?";
    sqlx::query_scalar(sql).bind(id.to_string()).fetch_optional(readers).await.map_err(judge)
}
