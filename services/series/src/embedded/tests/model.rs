//! Random writes, flushes, merges and restarts against the model.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use proptest::prelude::*;
use yiwang_disk::sim::SimDisk;
use yiwang_model::{Quality, Row, Span, Timestamp, Vintage};

use super::city::*;
use crate::embedded::{Options, Retention};
use crate::{AsOf, Batch, Error, Range, SeriesSink, SeriesStore};

#[derive(Clone, Copy, Debug)]
enum Step {
    Write,
    Flush,
    Tidy,
    MergeAll,
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => Just(Step::Write),
        4 => Just(Step::Flush),
        2 => Just(Step::Tidy),
        1 => Just(Step::MergeAll),
        1 => Just(Step::Restart)
    ];
    prop::collection::vec(step, 1..50)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn the_last_of_each_key_is_there_once_whatever_happens_between(seed: u64, steps in steps()) {
        let disk = SimDisk::new(seed);
        let city = City::seeded(seed, steps.len());
        let mut store = open_simple(&disk).unwrap();
        let mut written = 0;
        for step in steps {
            match step {
                Step::Write => {
                    run(store.write(city.batches[written].clone())).unwrap();
                    written += 1;
                }
                Step::Flush => run(store.flush()).unwrap(),
                Step::Tidy => drop(store.tidy().unwrap()),
                Step::MergeAll => store.merge_all().unwrap(),
                Step::Restart => {
                    drop(store);
                    store = open_simple(&disk).unwrap();
                    written = mark_of(&store.persisted());
                }
            }
            check(&store, &city.model(written));
        }
        run(store.flush()).unwrap();
        prop_assert_eq!(mark_of(&store.persisted()), written);
        prop_assert_eq!(scanned(&disk).rows, city.model(written).rows);
        while store.tidy().unwrap() {}
        prop_assert_eq!(scanned(&disk).rows, city.model(written).rows);
        check(&store, &city.model(written));
    }
}

pub(super) fn sensor(time: Timestamp, value: f64) -> Batch {
    let series = series(0);
    let row = Row {
        series: series.id(),
        time,
        value,
        quality: Quality::Good,
        period_end: None,
        vintage: Vintage(None),
    };
    Batch { names: vec![(series.id(), series)], rows: vec![row], ..Batch::default() }
}

fn ask(from: i64, to: i64, limit: usize) -> Range {
    let (from, to) = (Timestamp::from_secs(from), Timestamp::from_secs(to));
    Range { series: series(0), from, to, as_of: AsOf::Latest, limit }
}

#[test]
fn a_range_gives_the_newest_of_what_is_asked_without_its_end() {
    let store = open_simple(&SimDisk::new(0)).unwrap();
    for second in 0..100 {
        run(store.write(sensor(Timestamp::from_secs(second), 0.5))).unwrap();
        if second % 9 == 0 {
            run(store.flush()).unwrap();
        }
    }
    let seconds = |range| -> Vec<i64> {
        run(store.range(&range)).unwrap().iter().map(|row: &Row| row.time.secs()).collect()
    };
    assert_eq!(seconds(ask(10, 50, 3)), [47, 48, 49]);
    assert_eq!(seconds(ask(10, 50, 1000)), (10..50).collect::<Vec<_>>());
    assert_eq!(seconds(ask(50, 10, 10)), [0; 0]);
    assert_eq!(run(store.latest(&["b".into()])).unwrap().len(), 1);
    assert_eq!(run(store.latest(&["c".into()])).unwrap().len(), 0);
}

#[test]
fn a_series_without_a_name_is_refused_with_the_whole_batch() {
    let store = open_simple(&SimDisk::new(0)).unwrap();
    let mut batch = sensor(Timestamp::from_secs(1), 1.0);
    batch.rows.push(Row { series: series(1).id(), ..batch.rows[0] });
    assert!(matches!(run(store.write(batch)), Err(Error::UnknownSeries(id)) if id == series(1).id()));
    assert_eq!(run(store.range(&ask(0, 9, 9))).unwrap(), []);
    assert_eq!(store.stats().buffered_rows, 0);
}

#[test]
fn what_is_older_than_its_retention_goes_and_its_files_go_too() {
    let (disk, now) = (SimDisk::new(0), Arc::new(AtomicI64::new(0)));
    let retention = Retention { readings: Some(Span::DAY), ..Retention::default() };
    let store = open(&disk, Options { retention, ..options(&now) }).unwrap();
    let day = 86_400;
    for time in [0, day / 2, day, 3 * day] {
        run(store.write(sensor(Timestamp::from_secs(time), 1.0))).unwrap();
        run(store.flush()).unwrap();
    }
    let left = || {
        run(store.range(&ask(0, 9 * day, 9))).unwrap().iter().map(|row| row.time.secs()).collect::<Vec<_>>()
    };
    now.store(2 * day - 10, Ordering::SeqCst);
    while store.tidy().unwrap() {}
    assert_eq!(left(), [day, 3 * day]);
    now.store(9 * day, Ordering::SeqCst);
    while store.tidy().unwrap() {}
    assert_eq!(left(), [0; 0]);
    assert_eq!(run(store.latest(&[])).unwrap(), []);
    assert_eq!(store.stats().files, 0);
    assert!(disk.paths().iter().all(|path| !path.starts_with(Path::new(FOLDER).join("readings"))));
}

#[test]
fn figures_outlive_sensors_of_the_same_files() {
    let (disk, now) = (SimDisk::new(0), Arc::new(AtomicI64::new(0)));
    let day = 86_400;
    let retention =
        Retention { readings: Some(Span::DAY), figures: Some(Span::DAY.times(5)), ..Retention::default() };
    let open = || open(&disk, Options { retention: retention.clone(), ..options(&now) }).unwrap();
    let store = open();
    let figure = |time| {
        let mut batch = sensor(time, 2.0);
        batch.names = vec![(series(1).id(), series(1))];
        (batch.rows[0].series, batch.rows[0].vintage) = (series(1).id(), Vintage(Some(time)));
        batch
    };
    for second in [0, 10, day / 2, 2 * day] {
        let time = Timestamp::from_secs(second);
        run(store.write(sensor(time, 1.0))).unwrap();
        run(store.write(figure(time))).unwrap();
    }
    run(store.flush()).unwrap();
    let both = || {
        [series(0), series(1)]
            .map(|series| run(store.range(&Range { series, ..ask(0, 9 * day, 9) })).unwrap().len())
    };
    let scanned_rows = || scanned(&disk).rows.len();
    assert_eq!((both(), scanned_rows()), ([4, 4], 8));
    now.store(2 * day, Ordering::SeqCst);
    assert_eq!(both(), [1, 4], "what is too old is not answered, wherever it is");
    now.store(4 * day, Ordering::SeqCst);
    while store.tidy().unwrap() {}
    assert_eq!((both(), scanned_rows()), ([0, 4], 4), "its room is given back");
    assert_eq!(run(store.latest(&[])).unwrap().len(), 1);
    now.store(6 * day, Ordering::SeqCst);
    assert_eq!(both(), [0, 1]);
    now.store(8 * day, Ordering::SeqCst);
    while store.tidy().unwrap() {}
    assert_eq!((both(), store.stats().files), ([0, 0], 0));
    drop(store);
    assert_eq!(run(open().latest(&[])).unwrap(), []);
}

#[test]
fn three_years_of_figures_make_few_files() {
    let store = open_simple(&SimDisk::new(0)).unwrap();
    for month in 0..36 {
        let batch = sensor(Timestamp::from_secs(1_700_000_000 + month * 2_592_000), 1.0);
        run(store.write(batch)).unwrap();
    }
    run(store.flush()).unwrap();
    assert!(store.stats().files <= 4, "{:?}", store.stats());
}

#[test]
fn a_query_that_began_before_a_merge_reads_on_after_it() {
    let (disk, city) = (SimDisk::new(3), City::seeded(3, 40));
    let store = open_simple(&disk).unwrap();
    for batch in &city.batches {
        run(store.write(batch.clone())).unwrap();
        run(store.flush()).unwrap();
    }
    let before = Arc::clone(&store.engine.state.lock().unwrap().files);
    store.merge_all().unwrap();
    for file in before.iter() {
        assert!(store.engine.open_files.get(&file.entry).is_ok(), "{}", file.entry.path);
    }
    let paths: Vec<_> = before.iter().map(|file| Path::new(FOLDER).join(&file.entry.path)).collect();
    drop(before);
    assert!(paths.iter().all(|path| disk.bytes(path).is_none()), "nobody reads them any more");
    check(&store, &city.model(40));
}

#[test]
fn threads_flush_and_merge_while_writers_and_readers_go_on() {
    let (disk, city) = (SimDisk::new(4), City::seeded(4, 400));
    let store =
        open(&disk, Options { background: true, flush_rows: 20, ..options(&Arc::default()) }).unwrap();
    run(async {
        for (place, batch) in city.batches.iter().enumerate() {
            store.write(batch.clone()).await.unwrap();
            if place % 40 == 0 {
                check(&store, &city.model(place + 1));
            }
        }
        store.flush().await.unwrap();
    });
    check(&store, &city.model(400));
    drop(store);
    check(&open_simple(&disk).unwrap(), &city.model(400));
}
