//! New lines of histories, and the outbox that carries them to the log.

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, SqlitePool};
use yiwang_model::OrderNo;

use super::apply::ROWS;
use super::fault::judge;
use super::pool;
use super::rows::{self, get};
use super::words::Word;
use crate::plan::Line;
use crate::{Error, MAX_PAGE, OrderEvent};

/// Adds lines to histories and to the outbox: every line that is in the one was put into the other.
pub(super) async fn write_lines(conn: &mut SqliteConnection, lines: &[Line]) -> Result<(), Error> {
    for some in lines.chunks(ROWS) {
        insert_steps(conn, some).await?;
        insert_events(conn, some).await?;
    }
    Ok(())
}

async fn insert_steps(conn: &mut SqliteConnection, lines: &[Line]) -> Result<(), Error> {
    let mut sql =
        QueryBuilder::<Sqlite>::new("INSERT INTO steps (order_seq, seq, kind, state, who, note, at, wall) ");
    sql.push_values(lines, |mut row, Line { order, step, .. }| {
        row.push_bind(*order).push_bind(step.seq).push_bind(step.kind.word()).push_bind(step.state.word());
        row.push_bind(&*step.who).push_bind(&*step.note);
        row.push_bind(step.at.nanos()).push_bind(step.wall.nanos());
    });
    sql.build().persistent(lines.len() == ROWS).execute(conn).await.map(drop).map_err(judge)
}

async fn insert_events(conn: &mut SqliteConnection, lines: &[Line]) -> Result<(), Error> {
    let mut sql = QueryBuilder::<Sqlite>::new("INSERT INTO outbox (order_seq, step_seq, department) ");
    sql.push_values(lines, |mut row, Line { order, department, step }| {
        row.push_bind(*order).push_bind(step.seq).push_bind(&**department);
    });
    sql.build().persistent(lines.len() == ROWS).execute(conn).await.map(drop).map_err(judge)
}

/// The oldest events.
pub(super) async fn oldest(readers: &SqlitePool, limit: u32) -> Result<Vec<OrderEvent>, Error> {
    let sql = "SELECT outbox.seq AS place, outbox.department, orders.no, orders.anomaly, steps.*
        FROM outbox
        JOIN orders ON orders.seq = outbox.order_seq
        JOIN steps ON steps.order_seq = outbox.order_seq AND steps.seq = outbox.step_seq
        ORDER BY outbox.seq LIMIT ?";
    let query = sqlx::query(sql).bind(limit.clamp(1, MAX_PAGE));
    query.fetch_all(readers).await.map_err(judge)?.iter().map(event).collect()
}

fn event(row: &SqliteRow) -> Result<OrderEvent, Error> {
    let anomaly: Option<&str> = get(row, "anomaly")?;
    Ok(OrderEvent {
        seq: rows::count(get(row, "place")?)?,
        no: OrderNo(get(row, "no")?),
        anomaly: anomaly.map(|_| rows::parsed(row, "anomaly")).transpose()?,
        department: get(row, "department")?,
        step: rows::step(row)?,
    })
}

/// Takes events out, up to and with `seq`.
pub(super) async fn taken(writer: &SqlitePool, seq: u64) -> Result<(), Error> {
    let seq = i64::try_from(seq).unwrap_or(i64::MAX);
    let mut tx = pool::write(writer).await?;
    let query = sqlx::query("DELETE FROM outbox WHERE seq <= ?").bind(seq);
    query.execute(&mut *tx).await.map_err(judge)?;
    tx.commit().await.map_err(judge)
}
