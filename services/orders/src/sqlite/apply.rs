//! The intents of an epoch and the epoch itself, in one transaction.
//!
//! What is known is read first, a [`Plan`] judges the intents, and what it holds is written with statements of
//! [`ROWS`] rows each.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, SqlitePool};
use yiwang_model::{Anomaly, AnomalyId, OrderIntent, OrderNo, Timestamp};

use super::fault::judge;
use super::outbox::write_lines;
use super::rows::{self, get, parsed, shown};
use super::words::Word;
use super::{members, pool};
use crate::note::Reading;
use crate::number::Days;
use crate::plan::{Known, Numbered, Plan};
use crate::{Applied, Error, Moment};

/// Rows of a statement; a new order has 42 binds, SQLite takes 32,766.
pub(super) const ROWS: usize = 64;

/// Applies an epoch, or finds that it is applied.
pub(super) async fn apply(
    writer: &SqlitePool,
    days: &Days,
    epoch: u64,
    at: Moment,
    intents: &[OrderIntent],
) -> Result<Applied, Error> {
    let mut tx = pool::write(writer).await?;
    if applied(&mut tx).await? >= Some(epoch) {
        tx.rollback().await.map_err(judge)?;
        return Ok(Applied { repeated: intents.len() as u64, ..Applied::default() });
    }
    let mut plan = known(&mut tx, days, at, intents).await?;
    intents.iter().for_each(|intent| plan.take(intent));
    write(&mut tx, &plan).await?;
    mark(&mut tx, epoch, at).await?;
    tx.commit().await.map_err(judge)?;
    Ok(plan.applied)
}

/// The last applied epoch.
pub(super) async fn applied(conn: &mut SqliteConnection) -> Result<Option<u64>, Error> {
    let sql = "SELECT epoch FROM applied";
    let epoch: Option<i64> = sqlx::query_scalar(sql).fetch_optional(conn).await.map_err(judge)?;
    epoch.map(rows::count).transpose()
}

async fn mark(conn: &mut SqliteConnection, epoch: u64, at: Moment) -> Result<(), Error> {
    let epoch = i64::try_from(epoch)
        .map_err(|_| Error::Corrupt(format!("epoch {epoch} is beyond all epochs that a log can cut")))?;
    let sql = "INSERT INTO applied (one, epoch, city, wall) VALUES (1, ?, ?, ?) ON CONFLICT (one) DO UPDATE
               SET epoch = excluded.epoch, city = excluded.city, wall = excluded.wall";
    let query = sqlx::query(sql).bind(epoch).bind(at.city.nanos()).bind(at.wall.nanos());
    query.execute(conn).await.map(drop).map_err(judge)
}

/// A plan that knows what the store has of the episodes and days that the intents speak of.
async fn known<'a>(
    conn: &mut SqliteConnection,
    days: &'a Days,
    at: Moment,
    intents: &'a [OrderIntent],
) -> Result<Plan<'a>, Error> {
    let ids = intents.iter().map(OrderIntent::anomaly).flat_map(|anomaly| [Some(anomaly.id), anomaly.into]);
    let ids: BTreeSet<AnomalyId> = ids.flatten().collect();
    let orders = known_orders(conn, ids).await?;
    let received = intents.iter().filter_map(|intent| match intent {
        OrderIntent::Open(draft) => Some(draft.received),
        OrderIntent::Note { .. } => None,
    });
    over(conn, days, at, received, orders).await
}

/// A plan over these orders, that can number what was received at these times.
pub(super) async fn over<'a>(
    conn: &mut SqliteConnection,
    days: &'a Days,
    at: Moment,
    received: impl Iterator<Item = Timestamp>,
    orders: BTreeMap<AnomalyId, Known>,
) -> Result<Plan<'a>, Error> {
    let counts = known_counts(conn, days, received).await?;
    let sql = "SELECT coalesce(max(seq), 0) FROM orders";
    let last_seq: i64 = sqlx::query_scalar(sql).fetch_one(conn).await.map_err(judge)?;
    Ok(Plan::new(days, at.wall, last_seq, counts, orders))
}

async fn known_orders(
    conn: &mut SqliteConnection,
    ids: BTreeSet<AnomalyId>,
) -> Result<BTreeMap<AnomalyId, Known>, Error> {
    let mut orders = BTreeMap::new();
    for some in ids.into_iter().collect::<Vec<_>>().chunks(ROWS) {
        let mut sql = QueryBuilder::<Sqlite>::new("SELECT * FROM orders WHERE anomaly IN (");
        let mut list = sql.separated(", ");
        for id in some {
            list.push_bind(id.to_string());
        }
        sql.push(")");
        let query = sql.build().persistent(some.len() == ROWS);
        for row in query.fetch_all(&mut *conn).await.map_err(judge)? {
            let known = known_order(&row)?;
            orders.insert(known.anomaly.id, known);
        }
    }
    Ok(orders)
}

pub(super) fn known_order(row: &SqliteRow) -> Result<Known, Error> {
    Ok(Known {
        seq: get(row, "seq")?,
        no: OrderNo(get(row, "no")?),
        touched: get(row, "touched")?,
        state: parsed(row, "state")?,
        department: get(row, "department")?,
        steps: get(row, "steps")?,
        unit: get(row, "unit")?,
        anomaly: rows::anomaly(row)?,
    })
}

async fn known_counts(
    conn: &mut SqliteConnection,
    days: &Days,
    received: impl Iterator<Item = Timestamp>,
) -> Result<BTreeMap<String, i64>, Error> {
    let mut counts = BTreeMap::new();
    for day in received.map(|at| days.day(at)).collect::<BTreeSet<_>>() {
        let query = sqlx::query_scalar("SELECT last FROM days WHERE day = ?").bind(&day);
        let last: Option<i64> = query.fetch_optional(&mut *conn).await.map_err(judge)?;
        counts.insert(day, last.unwrap_or(0));
    }
    Ok(counts)
}

/// Writes what a plan holds.
pub(super) async fn write(conn: &mut SqliteConnection, plan: &Plan<'_>) -> Result<(), Error> {
    for some in plan.opened.chunks(ROWS) {
        insert_orders(conn, plan, some).await?;
    }
    let changed: Vec<&Known> = plan.changed.iter().map(|id| of(plan, *id)).collect();
    for some in changed.chunks(ROWS) {
        update_orders(conn, some).await?;
    }
    write_lines(conn, &plan.lines).await?;
    members::write(conn, plan).await?;
    for (day, last) in &plan.counts {
        let sql = "INSERT INTO days (day, last) VALUES (?, ?)
                   ON CONFLICT (day) DO UPDATE SET last = excluded.last";
        sqlx::query(sql).bind(day).bind(last).execute(&mut *conn).await.map_err(judge)?;
    }
    Ok(())
}

fn of<'p>(plan: &'p Plan<'_>, id: AnomalyId) -> &'p Known {
    plan.known.get(&id).expect("a plan knows every episode that it opened or changed")
}

async fn insert_orders(
    conn: &mut SqliteConnection,
    plan: &Plan<'_>,
    orders: &[Numbered<'_>],
) -> Result<(), Error> {
    let mut sql = QueryBuilder::<Sqlite>::new(
        "INSERT INTO orders (seq, no, channel, anomaly, category, title_zh, title_en, text_zh, text_en,
         district, district_zh, district_en, station, station_zh, station_en, longitude, latitude, priority,
         department, department_zh, department_en, received, due, due_policy, due_provisional, state, steps,
         detector, source, metric, phase, begins, ends, extreme, bound, edition, severity, active, unit,
         evidence, because, part_of) ",
    );
    sql.push_values(orders, |mut row, Numbered { seq, no, draft }| {
        let (place, due) = (&draft.place, &draft.due);
        let Known { state, steps, anomaly, .. } = of(plan, draft.evidence.anomaly.id);
        row.push_bind(*seq).push_bind(&*no.0).push_bind(plan.channel.word());
        row.push_bind(anomaly.id.to_string()).push_bind(&*draft.category);
        row.push_bind(&*draft.title.zh).push_bind(&*draft.title.en);
        row.push_bind(&*draft.text.zh).push_bind(&*draft.text.en);
        row.push_bind(&*place.district);
        row.push_bind(&*place.district_name.zh).push_bind(&*place.district_name.en);
        row.push_bind(&*place.station);
        row.push_bind(&*place.station_name.zh).push_bind(&*place.station_name.en);
        row.push_bind(place.point.map(|p| p.0)).push_bind(place.point.map(|p| p.1));
        row.push_bind(draft.priority.word()).push_bind(&*draft.department);
        row.push_bind(&*draft.department_name.zh).push_bind(&*draft.department_name.en);
        row.push_bind(draft.received.nanos()).push_bind(due.at.nanos());
        row.push_bind(&*due.policy).push_bind(due.provisional);
        row.push_bind(state.word()).push_bind(*steps).push_bind(&*anomaly.detector);
        row.push_bind(&**anomaly.series.source()).push_bind(&**anomaly.series.metric());
        row.push_bind(Word::word(anomaly.phase)).push_bind(anomaly.begin.nanos());
        row.push_bind(anomaly.end.map(|end| end.nanos()));
        row.push_bind(anomaly.extreme).push_bind(anomaly.limit);
        row.push_bind(&*anomaly.edition).push_bind(anomaly.severity.word());
        row.push_bind(anomaly.is_active()).push_bind(&*draft.evidence.unit);
        row.push_bind(shown(&draft.evidence));
        row.push_bind(because(anomaly)).push_bind(anomaly.into.map(|into| into.to_string()));
    });
    sql.build().persistent(orders.len() == ROWS).execute(conn).await.map(drop).map_err(judge)
}

/// The reading that changed an episode, as it is stored.
fn because(anomaly: &Anomaly) -> Option<String> {
    anomaly.because.map(|because| Reading(because).to_string())
}

/// The parts of an order and its episode that a step can change.
async fn update_orders(conn: &mut SqliteConnection, orders: &[&Known]) -> Result<(), Error> {
    let mut sql = QueryBuilder::<Sqlite>::new(
        "WITH now (seq, steps, state, phase, begins, ends, extreme, bound, edition, severity, active, because,
          part_of) AS (",
    );
    sql.push_values(orders, |mut row, Known { seq, steps, state, anomaly, .. }| {
        row.push_bind(*seq).push_bind(*steps).push_bind(state.word()).push_bind(Word::word(anomaly.phase));
        row.push_bind(anomaly.begin.nanos()).push_bind(anomaly.end.map(|end| end.nanos()));
        row.push_bind(anomaly.extreme).push_bind(anomaly.limit).push_bind(&*anomaly.edition);
        row.push_bind(anomaly.severity.word()).push_bind(anomaly.is_active());
        row.push_bind(because(anomaly)).push_bind(anomaly.into.map(|into| into.to_string()));
    });
    sql.push(
        ") UPDATE orders SET steps = now.steps, state = now.state, phase = now.phase, begins = now.begins,
           ends = now.ends, extreme = now.extreme, bound = now.bound, edition = now.edition,
           severity = now.severity, active = now.active, because = now.because, part_of = now.part_of FROM now WHERE orders.seq = now.seq",
    );
    sql.build().persistent(orders.len() == ROWS).execute(conn).await.map(drop).map_err(judge)
}
