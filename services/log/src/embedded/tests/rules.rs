//! One rule, one test.

use std::time::{Duration, Instant};

use super::*;
use crate::{Extent, TopicSpec};

fn extent(log: &EmbeddedLog, partition: Partition) -> Extent {
    log.extents().into_iter().find(|extent| extent.partition == partition).unwrap()
}

#[test]
fn after_a_failed_sync_we_stop_and_never_retry_it() {
    for trouble in [Trouble::Io, Trouble::NoSpace] {
        let disk = SimDisk::new(1);
        let log = open(&disk);
        run(async {
            log.put(readings(0), "first").await.unwrap();
            disk.fail(Operation::SyncData, 1, trouble);
            let failed = log.put(readings(0), "lost").await.unwrap_err();
            assert!(matches!(failed, Error::Failed { .. }), "{failed}");
            let operations = disk.operations();
            for _ in 0..3 {
                let again = log.put(readings(0), "later").await.unwrap_err();
                assert_eq!(again.to_string(), failed.to_string());
                log.commit_cursor("must", CursorClass::Must, &[]).await.unwrap_err();
            }
            assert_eq!(disk.operations(), operations, "the disk is left alone");
            assert_eq!(log.all(readings(0)).await.unwrap(), ["first"]);
        });
    }
}

#[test]
fn what_a_failed_sync_left_in_memory_is_written_again_before_it_is_believed() {
    let mut believed = 0;
    for seed in 0..200 {
        let disk = SimDisk::new(seed);
        let log = open(&disk);
        disk.fail(Operation::SyncData, 2, Trouble::Io);
        run(log.put(readings(0), vec![1; 1500])).unwrap_err();
        drop(log);
        let log = open(&disk);
        let seen = run(log.all(readings(0))).unwrap();
        drop(log);
        let log = open(&disk.power_cut());
        assert_eq!(run(log.all(readings(0))).unwrap(), seen, "seed {seed}");
        believed += seen.len();
    }
    assert!(believed > 100, "{believed}");
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_room() {
    let disk = SimDisk::new(2);
    let log = open(&disk);
    run(async {
        log.put(readings(0), "first").await.unwrap();
        log.put(NAMES, "name").await.unwrap();
        disk.set_capacity(Some(disk.used() + 100));
        let both = vec![record(NAMES, "refused"), record(readings(0), vec![0; 200])];
        let refused = log.append(Class::Inner, both).await.unwrap_err();
        assert!(matches!(refused, Error::NoRoom { reserve: 0, .. }), "{refused}");
        assert_eq!(disk.room(folder()).unwrap().free, 100, "both streams were cut back");
        log.put(readings(0), "small").await.unwrap();
        disk.set_capacity(None);
        log.put(NAMES, "later").await.unwrap();
    });
    drop(log);
    let log = open(&disk.power_cut());
    assert_eq!(log.repairs(), []);
    assert_eq!(run(log.all(readings(0))).unwrap(), ["first", "small"]);
    assert_eq!(run(log.all(NAMES)).unwrap(), ["name", "later"]);
}

#[test]
fn a_full_quota_is_a_full_disk() {
    for trouble in [Trouble::NoSpace, Trouble::Quota] {
        let disk = SimDisk::new(6);
        let log = open(&disk);
        run(async {
            log.put(readings(0), "first").await.unwrap();
            disk.fail(Operation::Write, 1, trouble);
            let refused = log.put(readings(0), "refused").await.unwrap_err();
            assert!(matches!(refused, Error::NoRoom { .. }), "{refused}");
            log.put(readings(0), "second").await.unwrap();
            assert_eq!(log.all(readings(0)).await.unwrap(), ["first", "second"]);
        });
    }
}

#[test]
fn a_cut_back_that_fails_stops_the_log() {
    let disk = SimDisk::new(3);
    let log = open(&disk);
    run(async {
        log.put(readings(0), "first").await.unwrap();
        disk.fail(Operation::Write, 1, Trouble::NoSpace);
        disk.fail(Operation::SetLen, 1, Trouble::Io);
        let failed = log.put(readings(0), "lost").await.unwrap_err();
        assert!(matches!(failed, Error::Failed { .. }), "{failed}");
    });
}

#[test]
fn the_reserve_refuses_intake_alone() {
    let disk = SimDisk::new(4);
    disk.set_capacity(Some(100_000));
    let log = open_with(&disk, Options { reserve_bytes: Some(99_950), ..options() }).unwrap();
    run(async {
        let refused = log.append(Class::Intake, vec![record(readings(0), "in")]).await.unwrap_err();
        assert!(matches!(refused, Error::NoRoom { reserve: 99_950, .. }), "{refused}");
        log.append(Class::Inner, vec![record(readings(0), "inner")]).await.unwrap();
        assert_eq!(log.all(readings(0)).await.unwrap(), ["inner"]);
    });
}

#[test]
fn retention_keeps_what_must_be_read_and_what_is_kept() {
    let disk = SimDisk::new(5);
    let retained = Options { retention_bytes: Some(5_000), must: vec!["store".to_owned()], ..options() };
    let log = open_with(&disk, retained.clone()).unwrap();
    run(async {
        for _ in 0..30 {
            log.put(readings(0), vec![0; 500]).await.unwrap();
            log.put(NAMES, vec![0; 500]).await.unwrap();
        }
        assert_eq!(extent(&log, readings(0)).start.0, 0, "nobody has read");
        log.commit_cursor("store", CursorClass::Must, &[at(readings(0), 17)]).await.unwrap();
        log.put(readings(1), "x").await.unwrap();
        let start = extent(&log, readings(0)).start.0;
        assert!((10..=17).contains(&start), "{start}");
        assert_eq!(extent(&log, NAMES).start.0, 0);
        assert_eq!(log.all_from(readings(0), 17).await.unwrap().len(), 13);
        let gone = log.read(&[at(readings(0), start - 1)], 100).await.unwrap_err();
        assert!(matches!(gone, Error::Gone { start: found, .. } if found == start), "{gone}");
        log.commit_cursor("store", CursorClass::Must, &[at(readings(0), 30)]).await.unwrap();
        log.put(readings(1), "x").await.unwrap();
        let bytes: usize = segments(&disk, "main").iter().map(|path| disk.bytes(path).unwrap().len()).sum();
        assert!(bytes <= 5_000, "{bytes}");
    });
    let before = log.extents();
    drop(log);
    let log = open_with(&disk.power_cut(), retained).unwrap();
    assert_eq!(log.extents(), before);
    assert_eq!(run(log.put(readings(0), "next")).unwrap(), Offset(30), "offsets continue");
}

#[test]
fn retention_by_age_looks_at_the_newest_record_of_a_segment() {
    let clock = Arc::new(AtomicU64::new(0));
    let disk = SimDisk::new(6);
    let now = Arc::clone(&clock);
    let retention_age = Some(Duration::from_secs(10));
    let clock_ms: ClockMs = Arc::new(move || now.load(Ordering::Relaxed));
    let log = open_with(&disk, Options { retention_age, clock_ms, ..options() }).unwrap();
    run(async {
        for _ in 0..10 {
            log.put(readings(0), vec![0; 900]).await.unwrap();
        }
        clock.store(10_000, Ordering::Relaxed);
        log.put(readings(0), "x").await.unwrap();
        assert_eq!(extent(&log, readings(0)).start.0, 0);
        clock.store(10_001, Ordering::Relaxed);
        log.put(readings(0), "x").await.unwrap();
        assert!(extent(&log, readings(0)).start.0 >= 7);
        assert_eq!(log.all(readings(0)).await.unwrap().last().unwrap(), "x");
    });
}

/// Nobody appends, and the readings grow too old: they go all the same, also once a cursor has let go of them.
#[test]
fn an_idle_log_looks_after_retention() {
    let clock = Arc::new(AtomicU64::new(0));
    let disk = SimDisk::new(8);
    let now = Arc::clone(&clock);
    let retained = Options {
        retention_age: Some(Duration::from_secs(10)),
        retention_idle: Duration::from_millis(1),
        clock_ms: Arc::new(move || now.load(Ordering::Relaxed)),
        must: vec!["store".to_owned()],
        ..options()
    };
    let log = open_with(&disk, retained).unwrap();
    run(async {
        for _ in 0..10 {
            log.put(readings(0), vec![0; 900]).await.unwrap();
        }
        clock.store(10_001, Ordering::Relaxed);
        log.commit_cursor("store", CursorClass::Must, &[at(readings(0), 5)]).await.unwrap();
        until(|| extent(&log, readings(0)).start.0 >= 3);
        assert!(extent(&log, readings(0)).start.0 <= 5, "what must be read stays");
        log.commit_cursor("store", CursorClass::Must, &[at(readings(0), 10)]).await.unwrap();
        until(|| extent(&log, readings(0)).start.0 >= 7);
    });
}

/// Waits for what another thread is to do, and gives up when it does not.
fn until(done: impl Fn() -> bool) {
    let patience = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < patience, "it was never done");
        std::thread::yield_now();
    }
}

#[test]
fn a_cursor_that_may_lag_is_moved_on_and_its_gap_counted() {
    let disk = SimDisk::new(7);
    let retained = Options { retention_bytes: Some(4_000), ..options() };
    let log = open_with(&disk, retained.clone()).unwrap();
    run(async {
        let class = CursorClass::MayLag { max_lag_bytes: 10_000 };
        log.commit_cursor("pages", class, &[at(readings(0), 0)]).await.unwrap();
        for _ in 0..18 {
            log.put(readings(0), vec![0; 500]).await.unwrap();
        }
        assert_eq!((extent(&log, readings(0)).start.0, log.gap("pages")), (0, 0), "it may lag so far");
        for _ in 0..10 {
            log.put(readings(0), vec![0; 500]).await.unwrap();
        }
        let gap = log.gap("pages");
        assert!(gap >= 4, "{gap}");
        assert_eq!(log.cursor("pages"), [at(readings(0), gap)]);
        assert_eq!(extent(&log, readings(0)).start.0, gap);
    });
    let gap = log.gap("pages");
    drop(log);
    assert_eq!(open_with(&disk.power_cut(), retained).unwrap().gap("pages"), gap, "the gap is durable");
}

#[test]
fn a_layout_cannot_be_changed_or_be_nonsense() {
    let disk = SimDisk::new(8);
    drop(open(&disk));
    let mut other = layout();
    other.topics[0].partitions = 4;
    let refused = open_with(&disk, Options { layout: other, ..options() }).err().unwrap();
    assert_eq!(
        refused.to_string(),
        "the log was made with readings×3 events×1 names×1 (kept), and readings×4 events×1 names×1 (kept) is \
         wanted: a layout cannot be changed"
    );
    for (name, partitions) in [("", 1), ("Upper", 1), ("fine", 0)] {
        let topics = vec![TopicSpec { name: name.to_owned(), partitions, kept: false }];
        let refused = open_with(&disk, Options { layout: Layout { topics }, ..options() }).err().unwrap();
        assert!(matches!(refused, Error::BadLayout { .. }), "{refused}");
    }
}

#[test]
fn closed_segments_are_opened_by_their_index_and_without_it() {
    let disk = SimDisk::new(9);
    let log = open(&disk);
    run(async {
        for number in 0..40_u8 {
            log.put(readings(u16::from(number % 3)), vec![number; 300]).await.unwrap();
        }
    });
    let before = (log.extents(), run(log.all(readings(1))).unwrap());
    drop(log);
    let indexes = disk.paths().into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "idx"));
    let indexes: Vec<_> = indexes.collect();
    assert!(indexes.len() > 3, "{indexes:?}");
    disk.remove(&indexes[0]).unwrap();
    assert!(disk.corrupt(&indexes[1], 60, 4));
    let stale = disk.bytes(&indexes[3]).unwrap();
    disk.put(&indexes[2], &stale);
    let log = open(&disk);
    assert_eq!((log.extents(), run(log.all(readings(1))).unwrap()), before);
    assert!(disk.bytes(&indexes[0]).is_some(), "it was made anew");
}

#[test]
fn callers_stand_in_the_order_of_their_first_poll_though_the_queue_is_full() {
    let disk = SimDisk::new(10);
    let log = open_with(&disk, Options { queue_bytes: 700, ..options() }).unwrap();
    run(async {
        let appends = (0..200_u64).map(|number| {
            log.append(Class::Intake, vec![record(readings(0), number.to_le_bytes().to_vec())])
        });
        let offsets = futures::future::join_all(appends).await;
        let offsets: Vec<u64> = offsets.into_iter().map(|offsets| offsets.unwrap()[0].0).collect();
        assert_eq!(offsets, (0..200).collect::<Vec<_>>());
    });
}

#[test]
fn a_commit_takes_all_that_waits() {
    let disk = SimDisk::new(11);
    let log = open_with(&disk, Options { segment_bytes: 1 << 20, ..options() }).unwrap();
    run(async {
        log.put(readings(0), "first").await.unwrap();
        let before = disk.operations();
        let append = |_| {
            let appended = log.append(Class::Intake, vec![record(readings(0), "x")]);
            // tokio would have it wait for its next turn after a hundred.
            Box::pin(tokio::task::unconstrained(appended))
        };
        let mut appends: Vec<_> = (0..500).map(append).collect();
        let held = disk.hold();
        for append in &mut appends {
            assert!(futures::poll!(append).is_pending());
        }
        drop(held);
        futures::future::join_all(appends).await;
        // Two commits: of what the writer had taken when the disk stood still, and of all the others.
        let operations = disk.operations() - before;
        assert!(operations < 50, "{operations} operations for 500 appends");
    });
}
