//! Stores of earlier schemas.

use sqlx::{Connection, SqliteConnection};
use yiwang_model::{Anomaly, Phase};

use super::*;
use crate::conformance::sample::{episode, note, nth, worse};
use crate::feed::OrderFeed;

/// Version 1 took a step out of its outbox once the log had it.
#[tokio::test]
async fn every_step_of_version_1_gets_a_place() {
    let folder = Folder::new();
    let store = folder.open("old").await;
    let intents = [open("a", MORNING), open("b", MORNING), note(worse("a", MORNING, 99.0), after(1))];
    store.apply(1, moment(after(1)), &intents).await.unwrap();
    store.transition(&nth(2), OrderState::Accepted, "li", "x", moment(after(2))).await.unwrap();
    let events = store.events(0, 9).await.unwrap();
    store.close().await;
    to_version_1(&folder.path("old"), 2).await;

    let store = folder.open("old").await;
    let told = |events: &[crate::feed::Happening]| {
        let mut told: Vec<_> = events.iter().map(|e| (e.event.no.clone(), e.event.step.seq)).collect();
        // Steps of one moment have no order among themselves.
        told[..3].sort();
        told
    };
    let found = store.events(0, 9).await.unwrap();
    assert_eq!(told(&found), told(&events));
    let outbox: Vec<u64> = store.outbox(9).await.unwrap().iter().map(|event| event.seq).collect();
    assert_eq!(outbox, [3, 4], "what was not carried is carried, under the same places");
    store.transition(&nth(2), OrderState::Dispatched, "li", "", moment(after(3))).await.unwrap();
    assert_eq!(store.events(4, 9).await.unwrap()[0].event.seq, 5);
}

/// Before version 4 only people moved orders, and no episode was withdrawn.
#[tokio::test]
async fn orders_that_version_3_saw_moved_are_closed_by_people() {
    let folder = Folder::new();
    let store = folder.open("old").await;
    store.apply(1, moment(after(1)), &[open("a", MORNING), open("b", MORNING)]).await.unwrap();
    store.transition(&nth(2), OrderState::Accepted, "li", "x", moment(after(2))).await.unwrap();
    store.close().await;
    let path = folder.path("old");
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    let sql = format!("{NOT_IN_3}; PRAGMA user_version = 3");
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();

    let store = folder.open("old").await;
    let gone = |station| Anomaly { phase: Phase::Withdrawn, ..episode(station, MORNING) };
    let intents = ["a", "b"].map(|station| note(gone(station), after(3)));
    store.apply(2, moment(after(3)), &intents).await.unwrap();
    let state = async |count| store.get(&nth(count)).await.unwrap().unwrap().state;
    assert_eq!((state(1).await, state(2).await), (OrderState::Closed, OrderState::Accepted));
}

/// Takes away what versions 4 to 6 added.
const NOT_IN_3: &str =
    "DROP TABLE members; DROP TABLE capsules; ALTER TABLE orders DROP COLUMN touched; ALTER TABLE orders DROP COLUMN because;
    ALTER TABLE orders DROP COLUMN part_of";

/// Makes of a store what version 1 would have made, of which the log has the first `carried` events.
async fn to_version_1(path: &std::path::Path, carried: i64) {
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    let sql = format!(
        "CREATE TABLE outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, order_seq INTEGER NOT NULL,
             step_seq INTEGER NOT NULL, department TEXT NOT NULL,
             FOREIGN KEY (order_seq, step_seq) REFERENCES steps (order_seq, seq)) STRICT;
         INSERT INTO outbox SELECT * FROM events;
         DELETE FROM outbox WHERE seq <= {carried};
         DROP TABLE events; DROP TABLE cursors; DROP TABLE store; DROP TABLE alerts;
         {NOT_IN_3};
         PRAGMA user_version = 1"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
