//! New lines of histories, each an event too, and the outbox: the events that the log has not got.

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, SqlitePool};
use yiwang_model::OrderNo;

use super::apply::ROWS;
use super::fault::judge;
use super::rows::{self, get};
use crate::plan::Line;
use crate::{Error, MAX_PAGE, OrderEvent};

/// Adds lines to histories and events: every line that is in the one was put into the other.
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
    let mut sql = QueryBuilder::<Sqlite>::new("INSERT INTO events (order_seq, step_seq, department) ");
    sql.push_values(lines, |mut row, Line { order, department, step }| {
        row.push_bind(*order).push_bind(step.seq).push_bind(&**department);
    });
    sql.build().persistent(lines.len() == ROWS).execute(conn).await.map(drop).map_err(judge)
}

/// The oldest events.
pub(super) async fn oldest(readers: &SqlitePool, limit: u32) -> Result<Vec<OrderEvent>, Error> {
    let sql = "SELECT events.seq AS place, events.department, orders.no, orders.anomaly, steps.*
        FROM events
        JOIN orders ON orders.seq = events.order_seq
        JOIN steps ON steps.order_seq = events.order_seq AND steps.seq = events.step_seq
        WHERE events.seq > coalesce((SELECT seq FROM cursors WHERE name = ?), 0)
        ORDER BY events.seq LIMIT ?";
    let query = sqlx::query(sql).bind(LOG).bind(limit.clamp(1, MAX_PAGE));
    query.fetch_all(readers).await.map_err(judge)?.iter().map(event).collect()
}

/// An event, of a row with its `place`, its department, the order's `no` and `anomaly`, and the step.
pub(super) fn event(row: &SqliteRow) -> Result<OrderEvent, Error> {
    let anomaly: Option<&str> = get(row, "anomaly")?;
    Ok(OrderEvent {
        seq: rows::count(get(row, "place")?)?,
        no: OrderNo(get(row, "no")?),
        anomaly: anomaly.map(|_| rows::parsed(row, "anomaly")).transpose()?,
        department: get(row, "department")?,
        step: rows::step(row)?,
    })
}

/// The follower that carries events to the log.
pub(super) const LOG: &str = "log";
