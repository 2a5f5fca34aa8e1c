//! A full disk and a failing one.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use yiwang_disk::sim::{Operation, SimDisk, Trouble};
use yiwang_model::{Span, Timestamp, Vintage};

use super::city::*;
use super::model::sensor;
use crate::embedded::{EmbeddedSeries, Options, Retention};
use crate::{Error, SeriesSink, SeriesStore, Stats};

#[test]
fn a_full_disk_makes_writers_wait_and_loses_nothing() {
    let mut refused = 0;
    for seed in 0..40 {
        let (disk, city) = (SimDisk::new(seed), City::seeded(seed, 30));
        let store = open_simple(&disk).unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for (place, batch) in city.batches.iter().enumerate() {
            if random.random_bool(0.3) {
                disk.set_capacity(Some(disk.used() + random.random_range(0..6000)));
            }
            if random.random_bool(0.3) {
                // Whatever is written then, a merge too, which else begins only when there is room for it.
                disk.fail(Operation::Write, random.random_range(1..30), Trouble::NoSpace);
            }
            while let Err(error) =
                run(store.write(batch.clone())).and_then(|()| run(store.flush())).and_then(|()| store.tidy())
            {
                assert!(matches!(error, Error::NoRoom { .. }), "seed {seed}: {error}");
                refused += 1;
                disk.set_capacity(None);
            }
            check(&store, &city.model(place + 1));
        }
        disk.set_capacity(None);
        run(store.flush()).unwrap();
        assert_eq!(scanned(&disk).rows, city.model(30).rows, "seed {seed}");
    }
    assert!(refused > 40, "the disk was full {refused} times only");
}

#[test]
fn what_found_no_room_holds_none() {
    let (disk, city) = (SimDisk::new(7), City::seeded(7, 30));
    let store = open(&disk, Options { memory_bytes: 1 << 20, ..options(&Arc::default()) }).unwrap();
    for batch in &city.batches {
        run(store.write(batch.clone())).unwrap();
    }
    let before = disk.paths();
    for bytes in [100, 1000, 2000] {
        disk.set_capacity(Some(disk.used() + bytes));
        assert!(matches!(run(store.flush()), Err(Error::NoRoom { .. })), "{bytes} bytes");
        assert_eq!(disk.paths(), before, "{bytes} bytes");
    }
    disk.set_capacity(None);
    run(store.flush()).unwrap();
    check(&store, &city.model(30));
}

#[test]
fn a_merge_does_not_take_the_room_that_others_need() {
    let (disk, city) = (SimDisk::new(3), City::seeded(3, 30));
    let store = open_simple(&disk).unwrap();
    for batch in &city.batches {
        run(store.write(batch.clone())).unwrap();
        run(store.flush()).unwrap();
    }
    let (files, used) = (disk.paths(), disk.used());
    disk.set_capacity(Some(used + 1000));
    let error = store.tidy().unwrap_err();
    assert!(matches!(&error, Error::NoRoom { why } if why.contains("to merge")), "{error}");
    assert_eq!((disk.paths(), disk.used()), (files, used), "nothing was begun");
    disk.set_capacity(None);
    while store.tidy().unwrap() {}
    check(&store, &city.model(30));
}

/// The large merge is of 2024; the small one is of the same year or of the next.
#[test]
fn a_merge_that_finds_no_room_holds_up_no_other() {
    for small_year in [2024, 2025] {
        let disk = SimDisk::new(6);
        let options = Options { memory_bytes: 1 << 20, part_rows: 1_000, ..options(&Arc::default()) };
        let store = open(&disk, options).unwrap();
        let flush = |year: i64, rows: i64| {
            let begin = Timestamp::from_secs((year - 1970) * 31_557_600 + 86_400);
            for row in 0..rows {
                let time = begin + Span::SECOND.times(row + 1_000 * store.stats().file_rows as i64);
                run(store.write(sensor(time, row as f64 * 0.618))).unwrap();
            }
            run(store.flush()).unwrap();
        };
        (0..9).for_each(|_| flush(2024, 30));
        (0..3).for_each(|_| assert!(store.tidy().unwrap()));
        (0..3).for_each(|_| flush(small_year, 1));
        let sizes = || -> Vec<u64> {
            let files = Arc::clone(&store.engine.state.lock().unwrap().files);
            files.iter().filter(|file| file.entry.level == 0).map(|file| file.entry.bytes).collect()
        };
        assert_eq!((sizes().len(), store.stats().files), (3, 6), "{small_year}");
        disk.set_capacity(Some(disk.used() + 2 * sizes().iter().sum::<u64>()));
        assert!(store.tidy().unwrap(), "{small_year}: the small one is made");
        assert_eq!((sizes().len(), store.stats().files), (0, 4), "{small_year}");
        let error = store.tidy().unwrap_err();
        assert!(matches!(&error, Error::NoRoom { why } if why.contains("to merge 3 files")), "{error}");
        disk.set_capacity(None);
        while store.tidy().unwrap() {}
        assert_eq!(scanned(&disk).rows.len(), 9 * 30 + 3, "{small_year}");
    }
}

#[test]
fn retention_frees_room_with_little_room() {
    let (disk, now) = (SimDisk::new(2), Arc::new(AtomicI64::new(0)));
    let retention = Retention { readings: Some(Span::DAY), ..Retention::default() };
    let options = Options { retention, memory_bytes: 1 << 20, part_rows: 1_000, ..options(&now) };
    let store = open(&disk, options).unwrap();
    for second in 0..400 {
        let mut batch = sensor(Timestamp::from_secs(second), second as f64 * 0.618);
        batch.rows[0].vintage = Vintage((second == 7).then_some(Timestamp(9)));
        run(store.write(batch)).unwrap();
    }
    run(store.flush()).unwrap();
    now.store(3 * 86_400, Ordering::SeqCst);
    let bytes = store.stats().file_bytes;
    disk.set_capacity(Some(disk.used() + bytes - 1));
    let error = store.tidy().unwrap_err();
    assert!(matches!(&error, Error::NoRoom { why } if why.contains("to thin a file")), "{error}");
    disk.set_capacity(Some(disk.used() + bytes));
    assert!(store.tidy().unwrap());
    assert!(store.stats().file_bytes < bytes);
    assert_eq!(scanned(&disk).rows.len(), 1, "the figure");
}

#[test]
fn what_is_put_off_is_told_until_there_is_room() {
    let (disk, city) = (SimDisk::new(4), City::seeded(4, 30));
    let options =
        Options { background: true, memory_bytes: 1 << 20, flush_rows: 1, ..options(&Arc::default()) };
    let store = open(&disk, options).unwrap();
    let waits = |put_off: fn(&Stats) -> bool| until(|| put_off(&store.stats()));
    disk.set_capacity(Some(disk.used()));
    for batch in &city.batches {
        run(store.write(batch.clone())).unwrap();
    }
    waits(|stats| stats.flush_put_off.as_ref().is_some_and(|why| why.contains("make some on its disk")));
    disk.set_capacity(None);
    waits(|stats| stats.flush_put_off.is_none() && stats.files > 0);
}

#[test]
fn writers_go_on_when_there_is_room_again() {
    let (disk, city) = (SimDisk::new(9), City::seeded(9, 200));
    let store = open(&disk, Options { background: true, ..options(&Arc::default()) }).unwrap();
    disk.set_capacity(Some(disk.used() + 100));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let writer = runtime.spawn({
        let (store, batches) = (Arc::clone(&store), city.batches.clone());
        async move {
            for batch in batches {
                store.write(batch).await.unwrap();
            }
        }
    });
    until(|| matches!(run(store.flush()), Err(Error::NoRoom { .. })));
    assert!(!writer.is_finished(), "memory is bounded");
    disk.set_capacity(None);
    runtime.block_on(writer).unwrap();
    run(store.flush()).unwrap();
    check(&store, &city.model(200));
}

#[test]
fn after_a_failed_write_or_sync_nothing_is_written_any_more() {
    let mut stopped = 0;
    for seed in 0..100 {
        let (disk, city) = (SimDisk::new(seed), City::seeded(seed, 30));
        let store = open_simple(&disk).unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let operations = [Operation::Write, Operation::SyncData, Operation::SyncDir, Operation::Rename];
        disk.fail(operations[random.random_range(0..4)], random.random_range(1..60), Trouble::Io);
        if let Err(error) = write_all(&store, &city) {
            assert!(matches!(error, Error::Failed { .. }), "seed {seed}: {error}");
            stopped += 1;
            let before = disk.operations();
            assert!(run(store.flush()).is_err() && run(store.write(city.batches[0].clone())).is_err());
            assert!(store.tidy().is_err());
            assert_eq!(disk.operations(), before, "seed {seed}: nothing is tried again");
        }
        let promised = mark_of(&store.persisted());
        drop(store);
        let disk = disk.power_cut();
        let store = open_simple(&disk).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let found = mark_of(&store.persisted());
        assert!(found >= promised, "seed {seed}");
        check(&store, &city.model(found));
    }
    assert!(stopped > 60, "{stopped}");
}

#[test]
fn a_sync_that_finds_no_room_is_a_failure_too() {
    let (disk, city) = (SimDisk::new(1), City::seeded(1, 30));
    let store = open_simple(&disk).unwrap();
    disk.fail(Operation::SyncData, 2, Trouble::NoSpace);
    assert!(matches!(write_all(&store, &city), Err(Error::Failed { .. })));
}

fn write_all(store: &EmbeddedSeries, city: &City) -> Result<(), Error> {
    for batch in &city.batches {
        run(store.write(batch.clone()))?;
        run(store.flush())?;
        store.tidy()?;
    }
    Ok(())
}

fn until(done: impl Fn() -> bool) {
    let patience = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < patience, "it was never done");
        std::thread::yield_now();
    }
}
