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
use crate::{Ingest, Options, Tasks};

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
    until("it is let go", || ingest.quarantine.count() == (0, 0)).await;
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

/// A keeper beside the city's own, which does what it does only when it is told to.
fn keeper(ingest: &Ingest, log: &Arc<MemoryLog>) -> Keeper {
    Keeper {
        log: Arc::clone(log) as _,
        names: Arc::clone(&ingest.names),
        clock: Arc::clone(&ingest.clock),
        counters: Arc::clone(&ingest.counters),
        quarantine: Arc::default(),
        max_bytes: 1 << 20,
        next: Offset(0),
    }
}

#[tokio::test]
async fn what_is_taken_out_of_the_registry_during_its_release_is_lost() {
    let Start { ingest, log, tasks, .. } = city(MemoryLog::new(2), 1 << 20).await;
    let Tasks { mut keeping, running: _running, last_tick: _last_tick } = tasks;
    keeping.shutdown().await;
    send(&ingest, "new-1", 41.0).await;
    register(&ingest, "new-1").await;
    let mut keeper = keeper(&ingest, &log);
    keeper.read(keeper.extent().unwrap()).await.unwrap();
    let first = keeper.quarantine.due(&ingest.names).unwrap();
    ingest.names.revise(Arc::new(Catalogue::demo()));
    keeper.release(first).await.unwrap();
    assert_eq!((keeper.quarantine.count(), values(&log).len()), ((1, 1), 0), "nobody may say it was let go");
    register(&ingest, "new-1").await;
    keeper.look(&CancellationToken::new()).await.unwrap();
    assert_eq!((keeper.quarantine.count(), values(&log)), ((0, 0), vec![41.0]));
}

/// A city in which `new-1` has sent so many readings, one a record, is registered, and nothing of it was let go.
async fn due(readings: u32) -> (Start, Keeper) {
    let mut start = city(MemoryLog::new(2), 1 << 20).await;
    start.tasks.keeping.shutdown().await;
    for nth in 0..readings {
        send(&start.ingest, "new-1", f64::from(nth)).await;
    }
    register(&start.ingest, "new-1").await;
    let mut keeper = keeper(&start.ingest, &start.log);
    keeper.read(keeper.extent().unwrap()).await.unwrap();
    (start, keeper)
}

#[tokio::test]
async fn each_record_took_a_commit_of_its_own() {
    let (Start { log, tasks: _tasks, .. }, mut keeper) = due(5).await;
    let before = log.commits().len();
    keeper.look(&CancellationToken::new()).await.unwrap();
    assert_eq!((keeper.quarantine.count(), values(&log).len()), ((0, 0), 5));
    assert_eq!(log.commits().len() - before, 1);
}

#[tokio::test]
async fn what_retention_took_during_its_release_ended_the_city() {
    let (Start { log, tasks: _tasks, .. }, mut keeper) = due(3).await;
    log.drop_before(PARTITION, 1);
    assert!(keeper.release(0).await.unwrap());
    keeper.look(&CancellationToken::new()).await.unwrap();
    assert_eq!((keeper.quarantine.count(), values(&log)), ((0, 0), vec![1.0, 2.0]));
}

#[tokio::test]
async fn the_doors_waited_for_a_release() {
    let log = Arc::new(MemoryLog::new(2));
    {
        let Start { ingest, tasks: _tasks, .. } = start(Arc::clone(&log), 1 << 20).await;
        send(&ingest, "new-1", 41.0).await;
        log.set(Disk::Full);
        register(&ingest, "new-1").await;
    }
    log.set(Disk::Held);
    let begun = log.begun_now();
    let Start { ingest, tasks: _tasks, .. } = tokio::select! {
        biased;
        started = start(Arc::clone(&log), 1 << 20) => started,
        () = log.begun(begun + 1) => panic!("the release has begun and the doors are shut"),
    };
    assert_eq!(ingest.quarantine.count(), (1, 1), "known before the doors open");
    log.set(Disk::Free);
    until("it is let go", || ingest.quarantine.count() == (0, 0)).await;
    assert_eq!(values(&log), [41.0]);
}

#[tokio::test]
async fn a_release_did_not_hear_that_the_city_stops() {
    let (Start { log, stop, tasks: _tasks, .. }, mut keeper) = due(2).await;
    stop.cancel();
    keeper.look(&stop).await.unwrap();
    assert_eq!((keeper.quarantine.count(), values(&log).len()), ((1, 2), 0));
}
