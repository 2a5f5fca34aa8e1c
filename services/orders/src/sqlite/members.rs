//! The episodes that are part of another.

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, SqlitePool};
use yiwang_model::{Anomaly, AnomalyId, Severity};

use super::apply::ROWS;
use super::fault::judge;
use super::pool;
use super::rows::{self, get, name, parsed, series, time};
use crate::plan::Plan;
use crate::{Error, MAX_PAGE, Member, Members};

/// Writes what a plan says of parts: each episode is part of one other, or of none.
pub(super) async fn write(conn: &mut SqliteConnection, plan: &Plan<'_>) -> Result<(), Error> {
    let moved: Vec<(&AnomalyId, &Option<&Anomaly>)> = plan.parts.iter().collect();
    for some in moved.chunks(ROWS) {
        remove(conn, some.iter().map(|(id, _)| **id)).await?;
        let there: Vec<&Anomaly> = some.iter().filter_map(|(_, part)| **part).collect();
        if !there.is_empty() {
            insert(conn, &there).await?;
        }
    }
    Ok(())
}

async fn remove(conn: &mut SqliteConnection, ids: impl Iterator<Item = AnomalyId>) -> Result<(), Error> {
    let mut sql = QueryBuilder::<Sqlite>::new("DELETE FROM members WHERE anomaly IN (");
    let mut list = sql.separated(", ");
    ids.for_each(|id| {
        list.push_bind(id.to_string());
    });
    sql.push(")");
    sql.build().persistent(false).execute(conn).await.map(drop).map_err(judge)
}

async fn insert(conn: &mut SqliteConnection, parts: &[&Anomaly]) -> Result<(), Error> {
    let mut sql = QueryBuilder::<Sqlite>::new(
        "INSERT INTO members (anomaly, part_of, detector, source, metric, begins, ends, severity) ",
    );
    sql.push_values(parts, |mut row, part| {
        row.push_bind(part.id.to_string()).push_bind(part.into.map(|into| into.to_string()));
        row.push_bind(&*part.detector);
        row.push_bind(&**part.series.source()).push_bind(&**part.series.metric());
        row.push_bind(part.begin.nanos()).push_bind(part.end.map(|end| end.nanos()));
        row.push_bind(part.severity.word());
    });
    sql.build().persistent(parts.len() == ROWS).execute(conn).await.map(drop).map_err(judge)
}

/// How many episodes are part of one, and the first of them.
pub(super) async fn of(readers: &SqlitePool, id: AnomalyId, limit: u32) -> Result<Members, Error> {
    let mut tx = pool::read(readers).await?;
    let sql = "SELECT count(*) FROM members WHERE part_of = ?";
    let all = sqlx::query_scalar(sql).bind(id.to_string()).fetch_one(&mut *tx).await.map_err(judge)?;
    let found = sqlx::query(FIRST)
        .bind(id.to_string())
        .bind(limit.clamp(1, MAX_PAGE))
        .fetch_all(&mut *tx)
        .await
        .map_err(judge)?;
    tx.commit().await.map_err(judge)?;
    Ok(Members { all: rows::count(all)?, first: found.iter().map(member).collect::<Result<_, _>>()? })
}

/// The first members of an episode.
pub(super) const FIRST: &str = "SELECT * FROM members WHERE part_of = ?
    ORDER BY source, metric, detector, begins LIMIT ?";

fn member(row: &SqliteRow) -> Result<Member, Error> {
    Ok(Member {
        anomaly: parsed(row, "anomaly")?,
        detector: name(row, "detector")?,
        series: series(name(row, "source")?, name(row, "metric")?)?,
        begin: time(row, "begins")?,
        end: get::<Option<i64>>(row, "ends")?.map(yiwang_model::Timestamp),
        severity: rows::word::<Severity>(row, "severity")?,
    })
}
