use yiwang_catalogue::registry::Kind as Entry;
use yiwang_catalogue::{Catalogue, Fault};
use yiwang_model::Quality;
use yiwang_proto::v1::Reason;

use super::*;
use crate::admit::{Admitted, Said, admit};
use crate::commit::Submission;
use crate::names::Limits;
use crate::testing::{Disk, MemoryLog};
use crate::tests_kit::{NOON, Start, values};
use crate::{Ingest, Options};

/// A city that keeps what it does not know, up to so many bytes.
async fn city(log: MemoryLog, quarantine_bytes: u64) -> Start {
    start(Arc::new(log), quarantine_bytes).await
}

async fn start(log: Arc<MemoryLog>, quarantine_bytes: u64) -> Start {
    let stop = CancellationToken::new();
    let limits = Limits { quarantined: 100, ..Limits::default() };
    let options = Options {
        clock: Some(crate::clock::ClockKind::Feed),
        limits,
        quarantine_bytes,
        ..Options::default()
    };
    let catalogue = Arc::new(Catalogue::demo());
    let (ingest, tasks) =
        Ingest::start(Arc::clone(&log) as _, catalogue, &options, stop.clone()).await.unwrap();
    Start { ingest, log, stop, tasks }
}

fn said(source: &str, value: f64) -> Said<'_> {
    let (quality, period_end) = (Quality::Good, None);
    Said {
        source,
        metric: "pm10",
        unit: None,
        time: NOON,
        value,
        quality,
        period_end,
        vintage: <_>::default(),
    }
}

fn take(ingest: &Ingest, source: &str, value: f64) -> Result<Admitted, crate::names::Refused> {
    admit(&ingest.names, ingest.plausible(), "g1", &said(source, value))
}

/// Sends one reading and waits until it is durable.
async fn send(ingest: &Ingest, source: &str, value: f64) {
    submit(ingest, source, value, false).await;
}

async fn submit(ingest: &Ingest, source: &str, value: f64, history: bool) {
    let rows = vec![take(ingest, source, value).unwrap()];
    let submission = Submission { rows, history, ..Submission::default() };
    ingest.committer.submit(submission).await.unwrap().await.unwrap();
}

async fn register(ingest: &Ingest, source: &'static str) {
    let change = move |catalogue: &Catalogue| -> Result<Catalogue, Vec<Fault>> {
        let mut registry = catalogue.registry().clone();
        let gateway = catalogue.gateways.keys().next().unwrap();
        let station = format!(
            "zh = '新'\nen = 'New'\nkind = 'air'\ndistrict = '510104'\ngateway = '{gateway}'\nmetrics = ['pm10']"
        );
        registry.put(Entry::Station, source, station.parse().unwrap());
        catalogue.with(&registry)
    };
    ingest.reviser.revise("desk", None, change).await.unwrap();
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let waited = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), waited).await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test]
async fn what_nobody_registered_is_kept_listed_and_let_go_once() {
    let Start { ingest, log, tasks: _tasks, .. } = city(MemoryLog::new(2), 1 << 20).await;
    send(&ingest, "new-1", 41.0).await;
    send(&ingest, "new-2", 42.0).await;
    send(&ingest, "510104-air-1", 43.0).await;
    assert_eq!(values(&log), [43.0], "nothing of them is in the city");
    until("both are listed", || ingest.quarantine.count() == (2, 2)).await;
    let unknown = ingest.quarantine.unknown(&ingest.names);
    let shown: Vec<_> =
        unknown.iter().map(|unknown| (unknown.series.source().as_ref(), unknown.value)).collect();
    assert_eq!(shown, [("new-1", 41.0), ("new-2", 42.0)]);
    register(&ingest, "new-1").await;
    until("one is let go", || ingest.quarantine.count() == (1, 1)).await;
    let mut all = values(&log);
    all.sort_by(f64::total_cmp);
    assert_eq!(all, [41.0, 43.0]);
    send(&ingest, "new-1", 44.0).await;
    assert_eq!(values(&log).len(), 3, "and goes on as any other");
    assert_eq!((ingest.counters.quarantined.get(), ingest.counters.released.get()), (2, 1));
}

#[tokio::test]
async fn what_was_let_go_is_not_let_go_again_by_the_next_start() {
    let log = Arc::new(MemoryLog::new(2));
    {
        let Start { ingest, tasks: _tasks, .. } = start(Arc::clone(&log), 1 << 20).await;
        send(&ingest, "new-1", 41.0).await;
        send(&ingest, "new-2", 42.0).await;
        register(&ingest, "new-1").await;
        until("it is let go", || ingest.counters.released.get() == 1).await;
        // A correction that an older value must not overwrite.
        send(&ingest, "new-1", 45.0).await;
    }
    let Start { ingest, tasks: _tasks, .. } = start(Arc::clone(&log), 1 << 20).await;
    assert_eq!(ingest.quarantine.count(), (1, 1), "known before the doors open");
    let mut all = values(&log);
    all.sort_by(f64::total_cmp);
    assert_eq!(all, [41.0, 45.0]);
    // Registered by a process that died before it let anything go.
    register(&ingest, "new-2").await;
    drop((ingest, _tasks));
    let Start { ingest, tasks: _tasks, .. } = start(Arc::clone(&log), 1 << 20).await;
    assert_eq!(ingest.quarantine.count(), (0, 0));
    assert_eq!(values(&log).iter().filter(|value| **value == 42.0).count(), 1);
}

#[tokio::test]
async fn a_full_quarantine_refuses_and_says_so() {
    let Start { ingest, tasks: _tasks, .. } = city(MemoryLog::new(2), 1).await;
    send(&ingest, "new-1", 41.0).await;
    until("it is full", || take(&ingest, "new-1", 42.0).is_err()).await;
    let (reason, message) = take(&ingest, "new-2", 42.0).unwrap_err();
    assert_eq!(reason, Reason::UnknownSource);
    assert!(message.contains("the quarantine is full"), "{message}");
    assert!(take(&ingest, "510104-air-1", 42.0).is_ok());
}

#[tokio::test]
async fn without_room_nothing_leaves_the_quarantine_and_nothing_is_lost() {
    let Start { ingest, log, tasks: _tasks, .. } = city(MemoryLog::new(2), 1 << 20).await;
    send(&ingest, "new-1", 41.0).await;
    until("it is listed", || ingest.quarantine.count() == (1, 1)).await;
    log.set(Disk::Full);
    let begun = log.begun_now();
    register(&ingest, "new-1").await;
    log.begun(begun + 2).await;
    assert_eq!((ingest.quarantine.count(), values(&log).len()), ((1, 1), 0), "tried twice, and still there");
    log.set(Disk::Free);
    until("it is let go", || ingest.quarantine.count() == (0, 0)).await;
    assert_eq!(values(&log), [41.0]);
}

#[tokio::test]
async fn the_past_leaves_the_quarantine_as_the_past() {
    use yiwang_proto::log::{ReadingsRecord, readings_record};
    let Start { ingest, log, tasks: _tasks, .. } = city(MemoryLog::new(2), 1 << 20).await;
    submit(&ingest, "new-1", 41.0, true).await;
    submit(&ingest, "new-1", 42.0, false).await;
    register(&ingest, "new-1").await;
    until("both are let go", || ingest.counters.released.get() == 2).await;
    let blocks = log.topic(topics::READINGS).into_iter().filter_map(|record| {
        match ReadingsRecord::decode(record).unwrap().kind {
            Some(readings_record::Kind::Block(block)) => Some((block.value[0], block.history)),
            _ => None,
        }
    });
    assert_eq!(blocks.collect::<Vec<_>>(), [(41.0, true), (42.0, false)]);
}
