//! Full disks, locks, foreign and damaged files, calls that are given up half way.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sqlx::AssertSqlSafe;

use super::*;
use crate::conformance::sample::{note, nth, worse};

const EMPTY: Applied = Applied { opened: 0, noted: 0, repeated: 0 };

/// An epoch of `orders` orders, each of which gets a note.
fn epoch(orders: i64) -> Vec<OrderIntent> {
    let station = |n| format!("s{n}");
    let opened = (0..orders).map(|n| open(&station(n), after(n)));
    opened.chain((0..orders).map(|n| note(worse(&station(n), after(n), 99.0), after(n)))).collect()
}

/// Orders, steps, events, days and epochs that the store holds.
async fn rows(store: &SqliteOrders) -> [i64; 5] {
    let mut counts = [0; 5];
    for (count, table) in counts.iter_mut().zip(["orders", "steps", "events", "days", "applied"]) {
        let sql = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        *count = sqlx::query_scalar(sql).fetch_one(&store.readers).await.unwrap();
    }
    counts
}

#[tokio::test]
async fn a_full_disk_keeps_nothing_of_an_epoch_and_goes_on_when_there_is_room() {
    let folder = Folder::new();
    let store = folder.open("full").await;
    store.apply(1, moment(MORNING), &[open("first", MORNING)]).await.unwrap();
    let before = rows(&store).await;
    let intents = epoch(500);
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&store.writer).await.unwrap();
    let room = async |pages| {
        let sql = AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
        sqlx::raw_sql(sql).execute(&store.writer).await.unwrap();
    };
    for more in (0..100).step_by(7) {
        room(pages + more).await;
        let error = store.apply(2, moment(MORNING), &intents).await.unwrap_err();
        assert!(matches!(&error, Error::Outside(source) if source.to_string().contains("full")), "{error:?}");
        assert_eq!(rows(&store).await, before);
        assert_eq!(store.applied().await.unwrap(), Some(1));
    }
    room(1_000_000).await;
    let applied = store.apply(2, moment(MORNING), &intents).await.unwrap();
    assert_eq!(applied, Applied { opened: 500, noted: 500, repeated: 0 });
    assert_eq!(store.counts(MORNING).await.unwrap().active, 501);
}

#[tokio::test]
async fn a_connection_whose_transaction_sqlite_ended_is_replaced() {
    let folder = Folder::new();
    let store = folder.open("ended").await;
    for pool in [&store.writer, &store.readers] {
        let mut tx = pool.begin().await.unwrap();
        sqlx::raw_sql("ROLLBACK").execute(&mut *tx).await.unwrap();
        drop(tx);
    }
    assert_eq!(store.apply(1, moment(MORNING), &epoch(3)).await.unwrap().opened, 3);
    assert_eq!(store.counts(MORNING).await.unwrap().active, 3);
}

#[tokio::test]
async fn a_lock_that_another_holds_is_answered_and_waited_for_by_the_caller() {
    let folder = Folder::new();
    let path = folder.path("locked");
    let busy = Duration::from_millis(10);
    let store = SqliteOrders::open_with(&path, "Asia/Shanghai", busy).await.unwrap();
    let other = SqliteOrders::open_with(&path, "Asia/Shanghai", busy).await.unwrap();
    let held = pool::write(&other.writer).await.unwrap();
    for _ in 0..3 {
        let error = store.apply(1, moment(MORNING), &epoch(3)).await.unwrap_err();
        assert!(matches!(error, Error::Outside(_)), "{error:?}");
    }
    assert_eq!(store.applied().await.unwrap(), None, "a reader does not wait for a writer");
    held.rollback().await.unwrap();
    assert_eq!(store.apply(1, moment(MORNING), &epoch(3)).await.unwrap().opened, 3);
}

#[tokio::test]
async fn a_call_given_up_half_way_leaves_all_or_nothing() {
    let mut random = SmallRng::seed_from_u64(20_260_302);
    let folder = Folder::new();
    let intents = epoch(100);
    let (nothing, all) = ([0, 0, 0, 0, 0], [100, 200, 200, 1, 1]);
    let mut seen = [0, 0];
    for run in 0..200 {
        let name = format!("given-up-{run}");
        let store = folder.open(&name).await;
        give_up(&store, &intents, random.random_range(1..40)).await;
        store.close().await;
        let store = folder.open(&name).await;
        let found = rows(&store).await;
        assert!(found == nothing || found == all, "run {run}: {found:?}");
        seen[usize::from(found == all)] += 1;
        let again = store.apply(1, moment(MORNING), &intents).await.unwrap();
        let wanted = if found == all {
            Applied { repeated: 200, ..EMPTY }
        } else {
            Applied { opened: 100, noted: 100, ..EMPTY }
        };
        assert_eq!(again, wanted, "run {run}");
        assert_eq!(rows(&store).await, all, "run {run}");
        store.close().await;
    }
    assert!(seen.iter().all(|runs| *runs > 0), "never given up before or never after the commit: {seen:?}");
}

#[tokio::test]
async fn a_transition_given_up_half_way_is_whole_or_not_there() {
    let folder = Folder::new();
    let mut seen = [0, 0];
    for polls in 1..40 {
        let name = format!("moved-{polls}");
        let store = folder.open(&name).await;
        store.apply(1, moment(MORNING), &[open("a", MORNING)]).await.unwrap();
        let no = nth(1);
        let moved = store.transition(&no, OrderState::Accepted, "li", "", moment(MORNING));
        poll_at_most(polls, moved).await;
        store.close().await;
        let store = folder.open(&name).await;
        let order = store.get(&nth(1)).await.unwrap().unwrap();
        let there = order.state == OrderState::Accepted;
        let lines = if there { 2 } else { 1 };
        assert_eq!(rows(&store).await, [1, lines, lines, 1, 1], "{polls} polls");
        assert_eq!(order.timeline.len() as i64, lines);
        seen[usize::from(there)] += 1;
    }
    assert!(seen.iter().all(|runs| *runs > 0), "never given up before or never after the commit: {seen:?}");
}

/// Applies the epoch and drops the call after it was polled so many times.
async fn give_up(store: &SqliteOrders, intents: &[OrderIntent], polls: u32) {
    poll_at_most(polls, store.apply(1, moment(MORNING), intents)).await;
}

async fn poll_at_most(polls: u32, call: impl Future) {
    let mut call = pin!(call);
    let mut polled = 0;
    poll_fn(|context| {
        polled += 1;
        if polled > polls {
            return Poll::Ready(());
        }
        call.as_mut().poll(context).map(drop)
    })
    .await;
}

#[tokio::test]
async fn the_store_goes_on_after_calls_that_were_given_up() {
    let folder = Folder::new();
    let store = folder.open("goes-on").await;
    for polls in 1..30 {
        give_up(&store, &epoch(100), polls).await;
    }
    store.apply(1, moment(MORNING), &epoch(100)).await.unwrap();
    assert_eq!(rows(&store).await, [100, 200, 200, 1, 1]);
}

#[tokio::test]
async fn files_of_others_are_refused_with_the_reason() {
    let folder = Folder::new();
    let open = async |name: &str| {
        SqliteOrders::open(&folder.path(name), "Asia/Shanghai").await.map(drop).unwrap_err()
    };
    let store = folder.open("newer").await;
    sqlx::raw_sql("PRAGMA user_version = 7").execute(&store.writer).await.unwrap();
    store.close().await;
    assert!(matches!(open("newer").await, Error::Newer { found: 7, known: 6 }));

    let store = folder.open("foreign").await;
    sqlx::raw_sql("PRAGMA application_id = 7").execute(&store.writer).await.unwrap();
    store.close().await;
    let error = open("foreign").await.to_string();
    assert!(error.contains("not an order store"), "{error}");

    std::fs::write(folder.path("text"), "once upon a time ".repeat(1_000)).unwrap();
    assert!(matches!(open("text").await, Error::Corrupt(_)));
    assert!(matches!(open("no/such/folder").await, Error::Outside(_)));
    let error = SqliteOrders::open(&folder.path("zone"), "Moon/Base").await.unwrap_err();
    assert!(matches!(error, Error::Zone(zone) if zone == "Moon/Base"));
}

#[tokio::test]
async fn damage_is_told_from_what_passes() {
    let folder = Folder::new();
    let store = folder.open("damaged").await;
    store.apply(1, moment(MORNING), &epoch(1)).await.unwrap();
    for (column, value) in [
        ("state", "'gone'"),
        ("evidence", "'{'"),
        ("source", "''"),
        ("phase", "'?'"),
        ("because", "'today 3'"),
        ("part_of", "'another'"),
    ] {
        let was: Option<String> = sqlx::query_scalar(AssertSqlSafe(format!("SELECT {column} FROM orders")))
            .fetch_one(&store.writer)
            .await
            .unwrap();
        let set = |value: &str| AssertSqlSafe(format!("UPDATE orders SET {column} = {value}"));
        sqlx::raw_sql(set(value)).execute(&store.writer).await.unwrap();
        let error = store.get(&nth(1)).await.unwrap_err();
        assert!(matches!(error, Error::Corrupt(_)), "{column}: {error:?}");
        sqlx::raw_sql(set(&was.map_or("NULL".into(), |was| format!("'{was}'"))))
            .execute(&store.writer)
            .await
            .unwrap();
        store.get(&nth(1)).await.unwrap().unwrap();
    }
}
