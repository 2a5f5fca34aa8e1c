//! What other systems report, in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{QueryBuilder, Sqlite, SqliteConnection, SqlitePool};
use yiwang_model::{AlertKey, AnomalyId, OrderNo};

use super::apply::{ROWS, known_order, over, write};
use super::fault::judge;
use super::pool;
use super::rows::get;
use crate::alert::{Alert, Desk, Last, Outcome, Taken};
use crate::number::Days;
use crate::plan::Known;
use crate::{Error, Moment, check_transition};

/// Takes reports; what changes nothing writes nothing.
pub(super) async fn take(
    writer: &SqlitePool,
    days: &Days,
    who: &str,
    at: Moment,
    alerts: &[Alert],
) -> Result<Vec<Taken>, Error> {
    check_transition(who, "")?;
    let mut tx = pool::write(writer).await?;
    let (last, orders) = known(&mut tx, alerts).await?;
    let received = alerts.iter().map(|alert| alert.draft.received);
    let mut desk = Desk::new(over(&mut tx, days, at, received, orders).await?, last, who, at);
    let taken: Vec<Taken> = alerts.iter().map(|alert| desk.take(alert)).collect();
    if desk.plan.lines.is_empty() {
        tx.rollback().await.map_err(judge)?;
        return Ok(taken);
    }
    write(&mut tx, &desk.plan).await?;
    let opened = alerts.iter().zip(&taken).filter(|(_, taken)| taken.outcome == Outcome::Opened);
    for key in opened.map(|(alert, _)| alert.key).collect::<BTreeSet<_>>() {
        point(&mut tx, key, &desk).await?;
    }
    tx.commit().await.map_err(judge)?;
    Ok(taken)
}

/// Points an alert at its last order.
async fn point(conn: &mut SqliteConnection, key: AlertKey, desk: &Desk<'_>) -> Result<(), Error> {
    let known = desk.last.get(&key).and_then(|last| desk.plan.known.get(&last.id));
    let known = known.expect("an alert that opened an order has a last one");
    let sql = "INSERT INTO alerts (key, order_seq) VALUES (?, ?)
               ON CONFLICT (key) DO UPDATE SET order_seq = excluded.order_seq";
    sqlx::query(sql).bind(key.to_string()).bind(known.seq).execute(conn).await.map(drop).map_err(judge)
}

type KnownOrders = (BTreeMap<AlertKey, Last>, BTreeMap<AnomalyId, Known>);

/// The last orders of these alerts.
async fn known(conn: &mut SqliteConnection, alerts: &[Alert]) -> Result<KnownOrders, Error> {
    let keys: BTreeMap<String, AlertKey> =
        alerts.iter().map(|alert| (alert.key.to_string(), alert.key)).collect();
    let (mut last, mut orders) = KnownOrders::default();
    for some in keys.keys().collect::<Vec<_>>().chunks(ROWS) {
        let mut sql = QueryBuilder::<Sqlite>::new(
            "SELECT alerts.key, orders.* FROM alerts JOIN orders ON orders.seq = alerts.order_seq
             WHERE alerts.key IN (",
        );
        let mut list = sql.separated(", ");
        for key in some {
            list.push_bind(key.as_str());
        }
        sql.push(")");
        for row in sql.build().persistent(false).fetch_all(&mut *conn).await.map_err(judge)? {
            let order = known_order(&row)?;
            let no = OrderNo(get(&row, "no")?);
            let key = keys.get(get::<&str>(&row, "key")?);
            last.extend(key.map(|key| (*key, Last { no, id: order.anomaly.id })));
            orders.insert(order.anomaly.id, order);
        }
    }
    Ok((last, orders))
}
