//! A store that is closed in the middle of a merge.

use std::sync::{Arc, OnceLock, Weak};

use yiwang_disk::sim::SimDisk;
use yiwang_model::{Span, Timestamp};

use super::city::*;
use crate::embedded::{Clock, EmbeddedSeries, Options, Retention};
use crate::{Error, SeriesSink, SeriesStore};

/// A clock that stops the store when it is asked while a file is half written. Only merges ask it then.
fn stopping_clock(disk: &SimDisk, store: &Arc<OnceLock<Weak<EmbeddedSeries>>>) -> Clock {
    let (disk, store) = (disk.clone(), Arc::clone(store));
    Arc::new(move || {
        let half_written = |path: &std::path::PathBuf| path.extension().is_some_and(|end| end == "part");
        if disk.paths().iter().any(half_written)
            && let Some(store) = store.get().and_then(Weak::upgrade)
        {
            store.engine.stop();
        }
        Timestamp(0)
    })
}

fn write_in_many_files(store: &EmbeddedSeries, city: &City) {
    for batch in &city.batches {
        run(store.write(batch.clone())).unwrap();
        run(store.flush()).unwrap();
    }
}

#[test]
fn a_stop_in_the_middle_of_a_merge_discards_it() {
    let (disk, city, stopped) = (SimDisk::new(5), City::seeded(5, 30), Arc::default());
    let clock = stopping_clock(&disk, &stopped);
    let retention = Retention { readings: Some(Span::DAY), ..Retention::default() };
    let options = Options { retention, clock, memory_bytes: 1 << 20, ..options(&Arc::default()) };
    let store = open(&disk, options).unwrap();
    write_in_many_files(&store, &city);
    stopped.set(Arc::downgrade(&store)).unwrap();
    let (files, paths) = (store.stats().files, disk.paths());
    assert!(matches!(store.tidy(), Err(Error::Stopped)));
    assert_eq!(disk.paths(), paths, "the unfinished file is gone, the others are there");
    check(&store, &city.model(30));
    drop(store);
    let store = open_simple(&disk).unwrap();
    check(&store, &city.model(30));
    while store.tidy().unwrap() {}
    assert!(store.stats().files < files, "it is merged later");
    check(&store, &city.model(30));
}

#[test]
fn a_merge_of_records_is_given_up_too() {
    let (disk, mut city) = (SimDisk::new(8), City::seeded(8, 30));
    for batch in &mut city.batches {
        batch.names.clear();
        batch.rows.clear();
    }
    let store = open_simple(&disk).unwrap();
    write_in_many_files(&store, &city);
    let paths = disk.paths();
    store.engine.stop();
    assert!(matches!(store.merge_all(), Err(Error::Stopped)));
    assert_eq!(disk.paths(), paths);
    check(&store, &city.model(30));
}
