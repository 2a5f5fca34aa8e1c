//! What people do with an order.

use sqlx::{SqliteConnection, SqlitePool};
use yiwang_model::order::{Step, StepKind};
use yiwang_model::{OrderNo, OrderState, WorkOrder};

use super::fault::judge;
use super::outbox::write_lines;
use super::rows::{get, parsed};
use super::{pool, query};
use crate::plan::Line;
use crate::{Error, Moment, check_step, check_transition, excerpt};

/// Who moves an order, what they say, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said<'a> {
    pub(super) who: &'a str,
    pub(super) note: &'a str,
    pub(super) at: Moment,
}

/// Moves an order. Its state is read under the write lock: of two at once the second sees what the first left.
pub(super) async fn transition(
    writer: &SqlitePool,
    no: &OrderNo,
    to: OrderState,
    said: Said<'_>,
) -> Result<WorkOrder, Error> {
    check_transition(said.who, said.note)?;
    let mut tx = pool::write(writer).await?;
    let line = line(&mut tx, no, to, said).await?;
    write_lines(&mut tx, std::slice::from_ref(&line)).await?;
    let sql = "UPDATE orders SET state = ?, steps = ?, touched = 1 WHERE seq = ?";
    let query = sqlx::query(sql).bind(to.word()).bind(line.step.seq).bind(line.order);
    query.execute(&mut *tx).await.map_err(judge)?;
    let order = query::in_transaction(&mut tx, no).await?.ok_or_else(|| unknown(no))?;
    tx.commit().await.map_err(judge)?;
    Ok(order)
}

/// The line that the history gets, if the order may be moved so.
async fn line(
    conn: &mut SqliteConnection,
    no: &OrderNo,
    to: OrderState,
    said: Said<'_>,
) -> Result<Line, Error> {
    let sql = "SELECT seq, state, steps, department FROM orders WHERE no = ?";
    let row = sqlx::query(sql).bind(&no.0).fetch_optional(conn).await.map_err(judge)?;
    let row = row.ok_or_else(|| unknown(no))?;
    check_step(no, parsed(&row, "state")?, to, said.note)?;
    let step = Step {
        seq: get::<u32>(&row, "steps")? + 1,
        kind: StepKind::Moved,
        state: to,
        who: said.who.into(),
        note: said.note.into(),
        at: said.at.city,
        wall: said.at.wall,
    };
    Ok(Line { order: get(&row, "seq")?, department: get(&row, "department")?, step })
}

fn unknown(no: &OrderNo) -> Error {
    Error::NoSuchOrder(OrderNo(excerpt(&no.0)))
}
