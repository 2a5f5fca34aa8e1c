//! Pages of orders.
//!
//! A page is a range of (received, seq) downwards. Each state that is asked for is searched for itself along an
//! index that has its orders in that sequence, and only the first of each are merged; so a page costs what it
//! shows, not what the store holds. Only a text to look for, which no index knows, is looked for order by order.

use std::collections::BTreeSet;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, SqlitePool};
use yiwang_model::{OrderState, WorkOrder};

use super::fault::judge;
use super::rows::{self, get};
use super::{pool, query};
use crate::token::Token;
use crate::{Error, Filter, MAX_PAGE, MAX_STEPS_IN_PAGE, MAX_TEXT_CHARS, Page, check_chars};

/// A page of orders.
pub(super) async fn find(
    readers: &SqlitePool,
    filter: &Filter,
    limit: u32,
    after: Option<&str>,
) -> Result<Page, Error> {
    check_chars("the text to look for", filter.text.as_deref().unwrap_or_default(), MAX_TEXT_CHARS)?;
    let after = after.map(Token::read).transpose()?;
    let limit = limit.clamp(1, MAX_PAGE);
    let mut tx = pool::read(readers).await?;
    let mut found = statement(filter, limit + 1, after).build().fetch_all(&mut *tx).await.map_err(judge)?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let orders = filled(&mut tx, &found).await?;
    tx.commit().await.map_err(judge)?;
    let next = if more { found.last().map(token).transpose()? } else { None };
    Ok(Page { orders, next: next.map(Token::text) })
}

fn token(row: &SqliteRow) -> Result<Token, Error> {
    Ok(Token { received: yiwang_model::Timestamp(get(row, "received")?), seq: get(row, "seq")? })
}

async fn filled(conn: &mut SqliteConnection, found: &[SqliteRow]) -> Result<Vec<WorkOrder>, Error> {
    let seqs: Vec<i64> = found.iter().map(|row| get(row, "seq")).collect::<Result<_, _>>()?;
    let steps = query::timelines(conn, &seqs, MAX_STEPS_IN_PAGE).await?;
    let timeline = |seq: i64| {
        let from = steps.partition_point(|(order, _)| *order < seq);
        steps[from..].iter().take_while(move |(order, _)| *order == seq).map(|(_, step)| step.clone())
    };
    let order = |(row, seq): (&SqliteRow, &i64)| {
        let mut order = rows::order(row)?;
        order.timeline = timeline(*seq).collect();
        Ok(order)
    };
    found.iter().zip(&seqs).map(order).collect()
}

/// The statement that finds the first `most` orders after `after`, whole.
pub(super) fn statement(filter: &Filter, most: u32, after: Option<Token>) -> QueryBuilder<Sqlite> {
    let states: BTreeSet<OrderState> = filter.states.iter().copied().collect();
    let mut sql = QueryBuilder::new("SELECT * FROM orders WHERE seq IN (SELECT seq FROM (");
    if states.is_empty() {
        arm(&mut sql, None, filter, most, after);
    }
    for (place, state) in states.into_iter().enumerate() {
        sql.push(if place == 0 { "" } else { " UNION ALL " });
        arm(&mut sql, Some(state), filter, most, after);
    }
    sql.push(") AS arms").push(NEWEST_FIRST).push(" LIMIT ").push_bind(most);
    sql.push(")").push(NEWEST_FIRST);
    sql
}

const NEWEST_FIRST: &str = " ORDER BY received DESC, seq DESC";

/// The orders of one state, or of all.
fn arm(
    sql: &mut QueryBuilder<Sqlite>,
    state: Option<OrderState>,
    filter: &Filter,
    most: u32,
    after: Option<Token>,
) {
    sql.push("SELECT * FROM (SELECT seq, received FROM orders WHERE 1 = 1");
    if let Some(state) = state {
        sql.push(" AND state = ").push_bind(state.word());
    }
    conditions(sql, filter);
    if let Some(Token { received, seq }) = after {
        sql.push(" AND (received, seq) < (").push_bind(received.nanos()).push(", ").push_bind(seq).push(")");
    }
    sql.push(NEWEST_FIRST).push(" LIMIT ").push_bind(most).push(") AS arm");
}

fn conditions(sql: &mut QueryBuilder<Sqlite>, filter: &Filter) {
    let equal = [
        (" AND department = ", &filter.department),
        (" AND district = ", &filter.district),
        (" AND category = ", &filter.category),
        (" AND source = ", &filter.source),
        (" AND detector = ", &filter.detector),
    ];
    for (condition, wanted) in equal {
        if let Some(wanted) = wanted {
            sql.push(condition).push_bind(wanted.clone());
        }
    }
    if let Some(active) = filter.active {
        // in the text, because the index of the active ones is a partial one
        sql.push(if active { " AND active = 1" } else { " AND active = 0" });
    }
    if let Some(at) = filter.overdue_at {
        sql.push(" AND state <> 'closed' AND due < ").push_bind(at.nanos());
    }
    if let Some(text) = filter.text.as_deref().filter(|text| !text.is_empty()) {
        containing(sql, text);
    }
}

fn containing(sql: &mut QueryBuilder<Sqlite>, text: &str) {
    let pattern = pattern(text);
    sql.push(" AND (");
    for (place, column) in TEXTS.into_iter().enumerate() {
        sql.push(if place == 0 { "" } else { " OR " }).push(column).push(" LIKE ");
        sql.push_bind(pattern.clone()).push(" ESCAPE '\\'");
    }
    sql.push(")");
}

const TEXTS: [&str; 8] =
    ["no", "title_zh", "title_en", "station", "station_zh", "station_en", "district_zh", "district_en"];

/// The pattern of texts that contain this one; its own wildcards stand for themselves.
fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern + "%"
}
