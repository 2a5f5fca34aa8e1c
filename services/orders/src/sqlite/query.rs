//! One order, how many orders, all episodes.

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, SqlitePool};
use yiwang_model::order::Step;
use yiwang_model::{AnomalyId, OrderNo, OrderState, Timestamp, WorkOrder};

use super::fault::judge;
use super::pool;
use super::rows::{self, get, parsed};
use crate::{Counts, EpisodeRow, Error, MAX_EPISODES, MAX_STEPS};

/// The order with this number.
pub(super) async fn by_number(readers: &SqlitePool, no: &OrderNo) -> Result<Option<WorkOrder>, Error> {
    let mut tx = pool::read(readers).await?;
    let order = in_transaction(&mut tx, no).await?;
    tx.commit().await.map_err(judge)?;
    Ok(order)
}

/// The order with this number, as the transaction sees it.
pub(super) async fn in_transaction(
    conn: &mut SqliteConnection,
    no: &OrderNo,
) -> Result<Option<WorkOrder>, Error> {
    let sql = "SELECT * FROM orders WHERE no = ?";
    let row = sqlx::query(sql).bind(&no.0).fetch_optional(&mut *conn).await.map_err(judge)?;
    with_timeline(conn, row).await
}

/// The order that this episode opened.
pub(super) async fn by_anomaly(readers: &SqlitePool, id: AnomalyId) -> Result<Option<WorkOrder>, Error> {
    let mut tx = pool::read(readers).await?;
    let sql = "SELECT * FROM orders WHERE anomaly = ?";
    let row = sqlx::query(sql).bind(id.to_string()).fetch_optional(&mut *tx).await.map_err(judge)?;
    let order = with_timeline(&mut tx, row).await?;
    tx.commit().await.map_err(judge)?;
    Ok(order)
}

async fn with_timeline(
    conn: &mut SqliteConnection,
    row: Option<SqliteRow>,
) -> Result<Option<WorkOrder>, Error> {
    let Some(row) = row else { return Ok(None) };
    let mut order = rows::order(&row)?;
    let seq = get(&row, "seq")?;
    order.timeline = timelines(conn, &[seq], MAX_STEPS).await?.into_iter().map(|(_, step)| step).collect();
    Ok(Some(order))
}

/// The last `most` steps of each of these orders, with the order's place; by place, then oldest first.
pub(super) async fn timelines(
    conn: &mut SqliteConnection,
    orders: &[i64],
    most: u32,
) -> Result<Vec<(i64, Step)>, Error> {
    let mut sql = QueryBuilder::<Sqlite>::new(
        "SELECT steps.* FROM orders JOIN steps ON steps.order_seq = orders.seq WHERE orders.seq IN (",
    );
    let mut list = sql.separated(", ");
    for seq in orders {
        list.push_bind(*seq);
    }
    sql.push(") AND steps.seq > orders.steps - ").push_bind(most);
    sql.push(" ORDER BY steps.order_seq, steps.seq");
    let found = sql.build().persistent(orders.len() == 1).fetch_all(conn).await.map_err(judge)?;
    found.iter().map(|row| Ok((get(row, "order_seq")?, rows::step(row)?))).collect()
}

/// How many orders there are.
pub(super) async fn counts(readers: &SqlitePool, now: Timestamp) -> Result<Counts, Error> {
    let mut tx = pool::read(readers).await?;
    let counts = Counts {
        by_state: by_state(&mut tx).await?,
        open_by_department: open_by_department(&mut tx).await?,
        overdue: count(&mut tx, OVERDUE, Some(now)).await?,
        active: count(&mut tx, ACTIVE, None).await?,
    };
    tx.commit().await.map_err(judge)?;
    Ok(counts)
}

const OVERDUE: &str = "SELECT count(*) FROM orders WHERE state <> 'closed' AND due < ?";
const ACTIVE: &str = "SELECT count(*) FROM orders WHERE active = 1";

async fn by_state(conn: &mut SqliteConnection) -> Result<Vec<(OrderState, u64)>, Error> {
    let sql = "SELECT state, count(*) AS orders FROM orders GROUP BY state";
    let mut counted = Vec::new();
    for row in sqlx::query(sql).fetch_all(conn).await.map_err(judge)? {
        counted.push((parsed::<OrderState>(&row, "state")?, rows::count(get(&row, "orders")?)?));
    }
    let of = |state| counted.iter().find(|(s, _)| *s == state).map_or(0, |(_, orders)| *orders);
    Ok(OrderState::ALL.into_iter().map(|state| (state, of(state))).collect())
}

async fn open_by_department(conn: &mut SqliteConnection) -> Result<Vec<(String, u64)>, Error> {
    let sql = "SELECT department, count(*) AS orders FROM orders WHERE state <> 'closed'
               GROUP BY department ORDER BY department";
    let found = sqlx::query(sql).fetch_all(conn).await.map_err(judge)?;
    found.iter().map(|row| Ok((get(row, "department")?, rows::count(get(row, "orders")?)?))).collect()
}

async fn count(conn: &mut SqliteConnection, sql: &'static str, at: Option<Timestamp>) -> Result<u64, Error> {
    let query = sqlx::query_scalar::<_, i64>(sql);
    let query = match at {
        Some(at) => query.bind(at.nanos()),
        None => query,
    };
    rows::count(query.fetch_one(conn).await.map_err(judge)?)
}

/// Episodes by id, above `after`.
pub(super) async fn episodes(
    readers: &SqlitePool,
    after: Option<AnomalyId>,
    limit: u32,
) -> Result<Vec<EpisodeRow>, Error> {
    let after = after.map(|id| id.to_string()).unwrap_or_default();
    let found = sqlx::query(EPISODES)
        .bind(after)
        .bind(limit.clamp(1, MAX_EPISODES))
        .fetch_all(readers)
        .await
        .map_err(judge)?;
    found.iter().map(episode).collect()
}

/// Every id is above the empty text.
pub(super) const EPISODES: &str =
    "SELECT no, channel, department, state, active, anomaly, detector, source, metric, phase,
    begins, ends, extreme, bound, edition, severity, because, part_of FROM orders WHERE anomaly > ? ORDER BY anomaly LIMIT ?";

fn episode(row: &SqliteRow) -> Result<EpisodeRow, Error> {
    Ok(EpisodeRow {
        no: OrderNo(get(row, "no")?),
        channel: rows::word(row, "channel")?,
        department: get(row, "department")?,
        state: parsed(row, "state")?,
        active: get(row, "active")?,
        anomaly: rows::anomaly(row)?,
    })
}
