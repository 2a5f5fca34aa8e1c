//! That filters go along indexes, and what the schema itself refuses.

use sqlx::{AssertSqlSafe, Row};
use yiwang_model::OrderState;

use super::*;
use crate::sqlite::search::statement;
use crate::token::Token;

/// How SQLite would run this statement.
async fn plan(store: &SqliteOrders, sql: &str) -> String {
    let sql = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
    let rows = sqlx::raw_sql(sql).fetch_all(&store.readers).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>("detail")).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn pages_go_along_an_index_in_their_order() {
    let folder = Folder::new();
    let store = folder.open("plans").await;
    let after = Some(Token { received: MORNING, seq: 9 });
    let one = || Some("x".to_string());
    let all = Filter::default();
    let cases = [
        ("orders_received", all.clone()),
        ("orders_state", Filter { states: vec![OrderState::Opened], ..all.clone() }),
        ("orders_state", Filter { states: OrderState::ALL.to_vec(), ..all.clone() }),
        ("orders_department", Filter { department: one(), ..all.clone() }),
        ("orders_district", Filter { district: one(), ..all.clone() }),
        ("orders_category", Filter { category: one(), ..all.clone() }),
        ("orders_source", Filter { source: one(), ..all.clone() }),
        ("orders_detector", Filter { detector: one(), ..all.clone() }),
        ("orders_active", Filter { active: Some(true), ..all.clone() }),
    ];
    for (index, filter) in cases {
        for after in [None, after] {
            let sql = statement(&filter, 11, after);
            let plan = plan(&store, sql.sql().as_str()).await;
            assert!(plan.contains(index), "{index} is not used:\n{plan}");
            let sorts = plan.lines().filter(|line| line.contains("TEMP B-TREE")).count();
            let most = if filter.states.len() > 1 { 2 } else { 1 };
            assert!(sorts <= most, "{index}: more than a page is sorted:\n{plan}");
            let page_only =
                |line: &&str| line.starts_with("SCAN") && !line.contains("INDEX") && !line.contains("arm");
            assert_eq!(plan.lines().find(page_only), None, "{plan}");
        }
    }
}

#[tokio::test]
async fn single_orders_and_counts_go_along_an_index() {
    let folder = Folder::new();
    let store = folder.open("plans").await;
    for (sql, uses) in [
        ("SELECT * FROM orders WHERE no = ''", "SEARCH orders USING INDEX"),
        ("SELECT * FROM orders WHERE anomaly IN ('', 'x')", "SEARCH orders USING INDEX"),
        (crate::sqlite::query::EPISODES, "SEARCH orders USING INDEX"),
        (crate::sqlite::members::FIRST, "SEARCH members USING INDEX members_of"),
        (crate::sqlite::feed::EVENTS, "SEARCH events USING INTEGER PRIMARY KEY"),
        ("SELECT count(*) FROM orders WHERE state <> 'closed' AND due < 1", "COVERING INDEX orders_due"),
        ("SELECT count(*) FROM orders WHERE active = 1", "COVERING INDEX orders_active"),
        ("SELECT state, count(*) FROM orders GROUP BY state", "COVERING INDEX orders_state"),
        (
            "SELECT department, count(*) FROM orders WHERE state <> 'closed' GROUP BY department ORDER BY department",
            "COVERING INDEX orders_open",
        ),
    ] {
        let plan = plan(&store, sql).await;
        assert!(plan.contains(uses) && !plan.contains("TEMP B-TREE"), "{sql}:\n{plan}");
    }
}

#[tokio::test]
async fn the_schema_refuses_what_must_never_be() {
    let folder = Folder::new();
    let store = folder.open("schema").await;
    store.apply(1, moment(MORNING), &[open("a", MORNING)]).await.unwrap();
    let columns = "channel, anomaly, category, title_zh, title_en, text_zh, text_en, district, district_zh,
        district_en, station, station_zh, station_en, longitude, latitude, priority, department, department_zh,
        department_en, received, due, due_policy, due_provisional, state, steps, detector, source, metric, phase,
        begins, ends, extreme, bound, edition, severity, active, unit, evidence";
    let second =
        format!("INSERT INTO orders (seq, no, {columns}) SELECT 2, 'another', {columns} FROM orders");
    for (sql, why) in [
        ("UPDATE steps SET note = 'x'", "never changed"),
        ("DELETE FROM steps", "never deleted"),
        ("INSERT INTO steps SELECT order_seq, 3, kind, state, who, note, at, wall FROM steps", "no holes"),
        ("INSERT OR REPLACE INTO steps SELECT * FROM steps", "no holes"),
        ("DELETE FROM orders", "FOREIGN KEY"),
        ("INSERT INTO events (order_seq, step_seq, department) VALUES (1, 2, 'x')", "FOREIGN KEY"),
        ("UPDATE events SET department = 'x'", "never changed"),
        ("DELETE FROM events", "never deleted"),
        ("INSERT INTO applied VALUES (2, 3, 0, 0)", "CHECK"),
        (&second, "UNIQUE constraint failed: orders.anomaly"),
    ] {
        let error = sqlx::raw_sql(AssertSqlSafe(sql.to_string())).execute(&store.writer).await.unwrap_err();
        assert!(error.to_string().contains(why), "{sql}: {error}");
    }
    let order = store.get(&crate::conformance::sample::nth(1)).await.unwrap().unwrap();
    assert_eq!(order.timeline.len(), 1);
}
