mod faults;
mod migration;
mod plans;

use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::*;
use crate::conformance::model::{Action, NAMES, live};
use crate::conformance::sample::{MORNING, after, moment, open};
use crate::conformance::suite;

/// A folder with stores in it, gone with the value.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    async fn open(&self, name: &str) -> SqliteOrders {
        SqliteOrders::open(&self.path(name), "Asia/Shanghai").await.unwrap()
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keeps_all_promises_of_the_seam() {
    let folder = Folder::new();
    suite(|name| folder.open(name)).await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn lives_as_the_model_does(bytes in prop::collection::vec(any::<[u8; 3]>(), 1..60)) {
        let actions: Vec<Action> = bytes.into_iter().map(Action::of).collect();
        let folder = Folder::new();
        runtime().block_on(live(&|name| folder.open(name), NAMES[0], &actions));
    }
}

#[tokio::test]
async fn runs_as_its_documentation_says() {
    let folder = Folder::new();
    let store = folder.open(FILE).await;
    let pragma =
        async |pool: &SqlitePool, sql| sqlx::query_scalar::<_, String>(sql).fetch_one(pool).await.unwrap();
    let number =
        async |pool: &SqlitePool, sql| sqlx::query_scalar::<_, i64>(sql).fetch_one(pool).await.unwrap();
    assert_eq!(pragma(&store.writer, "PRAGMA journal_mode").await, "wal");
    assert_eq!(number(&store.writer, "PRAGMA synchronous").await, 2, "FULL");
    assert_eq!(number(&store.writer, "PRAGMA foreign_keys").await, 1);
    assert_eq!(number(&store.writer, "PRAGMA user_version").await, 6);
    assert_eq!(number(&store.writer, "PRAGMA application_id").await.to_be_bytes()[4..], *b"YWOR");
    assert_eq!(pragma(&store.readers, "PRAGMA journal_mode").await, "wal");
    assert_eq!(number(&store.readers, "PRAGMA query_only").await, 1);
}
