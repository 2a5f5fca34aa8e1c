use yiwang_catalogue::Catalogue;
use yiwang_proto::v1::Reason;

use super::*;
use crate::admit::{Plausible, admit};
use crate::clock::ClockKind;
use crate::names::Limits;
use crate::refuse::Refusals;
use crate::testing::{Disk, MemoryLog};
use crate::tests_kit::{NOON, reading, values};

struct Room {
    log: Arc<MemoryLog>,
    names: Arc<Names>,
    clock: Arc<CityClock>,
    counters: Arc<Counters>,
    committer: Committer,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<Result<(), yiwang_log::Error>>,
}

fn room(max_rejected_bytes: u64) -> Room {
    let log = Arc::new(MemoryLog::new(4));
    let names = Arc::new(Names::new(Arc::new(Catalogue::demo()), 4, Limits::default()));
    let clock = Arc::new(CityClock::new(ClockKind::Feed, None));
    let counters = Arc::new(Counters::default());
    let parts = Parts {
        log: Arc::clone(&log) as _,
        names: Arc::clone(&names),
        clock: Arc::clone(&clock),
        counters: Arc::clone(&counters),
        max_rejected_bytes,
    };
    let stop = CancellationToken::new();
    let (committer, run) = committer(parts, stop.clone());
    Room { log, names, clock, counters, committer, stop, running: tokio::spawn(run) }
}

impl Room {
    fn submission(&self, metric: &str, values: &[f64]) -> Submission {
        let admitted = |value: &f64| {
            admit(&self.names, Plausible::around(None, true), "g1", &(&reading(metric, *value)).into())
                .unwrap()
        };
        Submission { rows: values.iter().map(admitted).collect(), ..Submission::default() }
    }

    async fn submit(&self, submission: Submission) -> Receipt {
        self.committer.submit(submission).await.unwrap()
    }
}

fn refused(message: &str) -> Submission {
    let mut refusals = Refusals::default();
    refusals.add(0, Reason::TooLate, || message.to_owned());
    Submission { rejected: refusals.records("mqtt", "g1", None, NOON), ..Submission::default() }
}

/// The topics of the log's records, in the order in which they became durable.
fn topics_of(log: &MemoryLog) -> Vec<u8> {
    log.records().iter().map(|stored| stored.partition.topic.0).collect()
}

#[tokio::test]
async fn what_waits_while_the_disk_is_at_work_is_one_commit() {
    let room = room(1 << 20);
    room.log.set(Disk::Held);
    let mut receipts = vec![room.submit(room.submission("pm2_5", &[1.0])).await];
    room.log.begun(1).await;
    for value in 2..=50 {
        receipts.push(room.submit(room.submission("pm2_5", &[f64::from(value)])).await);
    }
    assert!(receipts.iter_mut().all(|receipt| receipt.try_recv().is_err()));
    room.log.set(Disk::Free);
    for receipt in receipts {
        receipt.await.unwrap();
    }
    assert_eq!(room.log.commits().len(), 2);
    assert_eq!(values(&room.log), (1..=50).map(f64::from).collect::<Vec<_>>());
    assert_eq!(room.counters.admitted.get(), 50);
}

#[tokio::test]
async fn the_name_of_a_series_is_in_or_before_the_commit_of_its_first_reading() {
    let room = room(1 << 20);
    room.submit(room.submission("pm2_5", &[1.0, 2.0])).await.await.unwrap();
    room.submit(room.submission("pm10", &[3.0])).await.await.unwrap();
    room.submit(room.submission("pm2_5", &[4.0])).await.await.unwrap();
    let metrics: Vec<String> = room
        .log
        .topic(topics::NAMES)
        .into_iter()
        .map(|payload| SeriesName::decode(payload).unwrap().metric)
        .collect();
    assert_eq!(metrics, ["pm2_5", "pm10"]);
    assert_eq!(room.log.commits(), [2, 2, 1], "a block and a name, a block and a name, a block");
}

#[tokio::test]
async fn a_name_is_announced_by_its_first_reading_not_by_being_known() {
    let room = room(1 << 20);
    let all = ["so2", "pm10", "no2", "co", "o3", "pm2_5"];
    for metric in all {
        room.names.resolve("g1", "510104-air-1", metric).unwrap();
    }
    for metric in ["pm10", "so2"] {
        room.submit(room.submission(metric, &[1.0])).await.await.unwrap();
    }
    let announced: Vec<String> = room
        .log
        .topic(topics::NAMES)
        .into_iter()
        .map(|payload| SeriesName::decode(payload).unwrap().metric)
        .collect();
    assert_eq!(announced, ["pm10", "so2"]);
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_acknowledges_nothing_and_goes_on_when_there_is_room() {
    let room = room(1 << 20);
    room.log.set(Disk::Full);
    let mut receipt = room.submit(room.submission("pm2_5", &[1.0])).await;
    room.log.begun(3).await;
    assert!(receipt.try_recv().is_err());
    assert!(room.counters.no_room.get() >= 2 && topics_of(&room.log).is_empty());
    room.log.set(Disk::Free);
    receipt.await.unwrap();
    assert_eq!(values(&room.log), [1.0]);
    assert_eq!(room.log.topic(topics::NAMES).len(), 1, "once, however often it was tried");
}

#[tokio::test(start_paused = true)]
async fn a_city_that_stops_while_the_disk_is_full_acknowledges_nothing() {
    let room = room(1 << 20);
    room.log.set(Disk::Full);
    let receipt = room.submit(room.submission("pm2_5", &[1.0])).await;
    room.log.begun(1).await;
    room.stop.cancel();
    assert!(receipt.await.is_err());
    assert!(room.running.await.unwrap().is_ok());
}

#[tokio::test]
async fn a_log_that_failed_ends_the_committer_and_acknowledges_nothing() {
    let room = room(1 << 20);
    room.log.set(Disk::Broken);
    let receipt = room.submit(room.submission("pm2_5", &[1.0])).await;
    assert!(receipt.await.is_err());
    assert!(room.running.await.unwrap().is_err());
    assert_eq!(room.committer.submit(Submission::default()).await.unwrap_err(), Stopping);
}

#[tokio::test]
async fn a_refusal_is_acknowledged_once_it_is_recorded() {
    let room = room(1 << 20);
    room.log.set(Disk::Held);
    let mut receipt = room.submit(refused("late")).await;
    room.log.begun(1).await;
    assert!(receipt.try_recv().is_err());
    room.log.set(Disk::Free);
    receipt.await.unwrap();
    assert_eq!(room.log.topic(topics::REJECTED).len(), 1);
    assert_eq!(room.counters.refused_by_reason[Reason::TooLate as usize].get(), 1);
}

#[tokio::test]
async fn beyond_their_room_refusals_are_only_counted() {
    let room = room(150);
    for _ in 0..5 {
        room.submit(refused(&"x".repeat(60))).await.await.unwrap();
    }
    let kept = room.log.topic(topics::REJECTED);
    let bytes: usize = kept.iter().map(bytes::Bytes::len).sum();
    assert!(bytes <= 150 && !kept.is_empty() && kept.len() < 5, "{} records of {bytes} bytes", kept.len());
    assert_eq!(room.counters.refused_by_reason[Reason::TooLate as usize].get(), 5);
    assert_eq!(room.counters.rejected_not_kept.get(), 5 - kept.len() as u64);
}

#[tokio::test]
async fn what_is_admitted_moves_the_clock_of_a_feed() {
    let room = room(1 << 20);
    room.submit(room.submission("pm2_5", &[1.0])).await.await.unwrap();
    assert_eq!(room.clock.now(), Some(NOON));
}

#[tokio::test]
async fn when_all_doors_are_closed_the_committer_ends() {
    let Room { committer, running, log, .. } = room(1 << 20);
    drop(committer);
    assert!(running.await.unwrap().is_ok());
    assert!(log.records().is_empty());
}

#[tokio::test]
async fn many_readings_of_a_partition_are_cut_into_blocks() {
    let room = room(1 << 20);
    let one = room.submission("pm2_5", &[1.0]).rows[0];
    let rows = vec![one; MAX_BLOCK_ROWS + 1];
    room.submit(Submission { rows, ..Submission::default() }).await.await.unwrap();
    assert_eq!(room.log.topic(topics::READINGS).len(), 2);
    assert_eq!(room.log.commits(), [3], "two blocks and a name, at once");
}

#[tokio::test]
async fn the_past_stands_in_blocks_of_its_own_and_moves_no_clock() {
    let room = room(u64::MAX);
    let history = Submission { history: true, ..room.submission("pm2_5", &[1.0]) };
    room.submit(history).await.await.unwrap();
    assert_eq!(room.clock.now(), None);
    room.submit(room.submission("pm2_5", &[2.0])).await.await.unwrap();
    assert_eq!(room.clock.now(), Some(NOON));
}
