//! A small city of seeded batches, what a store must know after each, and the comparison.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use yiwang_disk::sim::SimDisk;
use yiwang_model::{Quality, Row, Series, Span, Timestamp, Vintage};

use crate::embedded::{EmbeddedSeries, Options, Retention, scan_folder};
use crate::{AsOf, Batch, Error, Mark, Range, Record, SeriesStore};

pub(super) const FOLDER: &str = "series";
pub(super) const PARTITION: &str = "readings/0";
/// 2026-03-01T23:00:00Z: an hour before a day ends, in the second month of a year that is not the only one.
const BEGIN: Timestamp = Timestamp::from_secs(1_772_406_000);

/// What was said in log order; the mark of batch n is n + 1.
pub(super) struct City {
    pub(super) batches: Vec<Batch>,
}

/// The last of each key.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Model {
    pub(super) rows: BTreeMap<(Series, Timestamp, Vintage), Row>,
    pub(super) records: BTreeMap<(Arc<str>, Timestamp, String), String>,
}

impl City {
    pub(super) fn seeded(seed: u64, batches: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        Self { batches: (0..batches).map(|place| batch(&mut random, place)).collect() }
    }

    /// What a store knows whose mark is `mark`.
    pub(super) fn model(&self, mark: usize) -> Model {
        let mut model = Model::default();
        let mut names = BTreeMap::new();
        for batch in &self.batches[..mark] {
            names.extend(batch.names.iter().cloned());
            for row in &batch.rows {
                model.rows.insert((names[&row.series].clone(), row.time, row.vintage), *row);
            }
            for record in &batch.records {
                let key = (record.measurement.clone(), record.time, record.key.clone());
                model.records.insert(key, record.body.clone());
            }
        }
        model
    }
}

fn batch(random: &mut ChaCha8Rng, place: usize) -> Batch {
    let mut batch = Batch { mark: [(PARTITION.to_owned(), place as u64 + 1)].into(), ..Batch::default() };
    for _ in 0..random.random_range(0..12) {
        let series = series(random.random_range(0..7));
        batch.names.push((series.id(), series.clone()));
        batch.rows.push(row(random, series.id()));
    }
    for _ in 0..random.random_range(0..3) {
        batch.records.push(Record {
            measurement: ["anomalies", "order/events"][random.random_range(0..2)].into(),
            key: format!("k{}", random.random_range(0..3)),
            time: time(random),
            body: format!("{{\"step\":{}}}", random.random_range(0..1000)),
        });
    }
    batch
}

pub(super) fn series(number: usize) -> Series {
    let names = [("b", "x"), ("b", "y"), ("a", "x"), ("锦江", "y"), ("ab", "x"), ("b-1", "x"), ("a", "gdp")];
    Series::new(names[number].0, names[number].1).unwrap()
}

fn time(random: &mut ChaCha8Rng) -> Timestamp {
    let steps = match random.random_range(0..20) {
        0 => -random.random_range(0..36_i64) * 24 * 60 * 30, // months back
        1 => -random.random_range(0..3_i64) * 24 * 60,       // days back
        _ => random.random_range(0..90_i64),
    };
    BEGIN + Span::MINUTE.times(steps)
}

fn row(random: &mut ChaCha8Rng, series: yiwang_model::SeriesId) -> Row {
    let time = time(random);
    let published = |random: &mut ChaCha8Rng| BEGIN + Span::DAY.times(random.random_range(0..3));
    let figure = random.random_bool(0.15);
    Row {
        series,
        time,
        value: f64::from(random.random_range(-50..50)) / 10.0,
        quality: Quality::ALL[random.random_range(0..Quality::ALL.len())],
        period_end: (figure && random.random_bool(0.7)).then(|| time + Span::DAY),
        vintage: Vintage((figure && random.random_bool(0.7)).then(|| published(random))),
    }
}

/// Small enough for everything to happen in a few batches. The clock stands at `now`, seconds after 1970.
pub(super) fn options(now: &Arc<AtomicI64>) -> Options {
    let now = Arc::clone(now);
    Options {
        memory_bytes: 1500,
        row_group_rows: 7,
        merge_files: 3,
        full_rows: 300,
        part_rows: 15,
        settle_flushes: 6,
        retention: Retention::default(),
        background: false,
        ..Options::new(Arc::new(move || Timestamp::from_secs(now.load(Ordering::SeqCst))))
    }
}

pub(super) fn open(disk: &SimDisk, options: Options) -> Result<Arc<EmbeddedSeries>, Error> {
    EmbeddedSeries::open(Arc::new(disk.clone()), Path::new(FOLDER), options)
}

pub(super) fn open_simple(disk: &SimDisk) -> Result<Arc<EmbeddedSeries>, Error> {
    open(disk, options(&Arc::default()))
}

pub(super) fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

pub(super) fn mark_of(mark: &Mark) -> usize {
    usize::try_from(mark.get(PARTITION).copied().unwrap_or(0)).unwrap()
}

/// All that a store says, by the ways that a console asks.
pub(super) fn asked(store: &EmbeddedSeries) -> Model {
    let mut model = Model::default();
    let all = (Timestamp::MIN, Timestamp(i64::MAX));
    for series in store.series() {
        for published in (0..3).map(|day| BEGIN + Span::DAY.times(day)) {
            let as_of = AsOf::Published(published);
            let range = Range { series: series.clone(), from: all.0, to: all.1, as_of, limit: 100_000 };
            for row in store.engine.range(&range).unwrap() {
                model.rows.insert((series.clone(), row.time, row.vintage), row);
            }
        }
    }
    for measurement in ["anomalies", "order/events", "none"] {
        for record in store.engine.records(&measurement.into(), all.0, all.1, usize::MAX).unwrap() {
            model.records.insert((record.measurement, record.time, record.key), record.body);
        }
    }
    model
}

/// What [`asked`] finds in a store that is right: of the vintages of a time the latest as of each day.
pub(super) fn visible(model: &Model) -> Model {
    let mut visible = Model { records: model.records.clone(), ..Model::default() };
    for published in (0..3).map(|day| BEGIN + Span::DAY.times(day)) {
        let mut of_day = BTreeMap::new();
        for ((series, time, vintage), row) in &model.rows {
            if vintage.0.is_none_or(|at| at <= published) {
                of_day.insert((series.clone(), *time), *row);
            }
        }
        let rows = of_day.into_iter().map(|((series, time), row)| ((series, time, row.vintage), row));
        visible.rows.extend(rows);
    }
    visible
}

/// All readings in files.
pub(super) fn scanned(disk: &SimDisk) -> Model {
    let mut model = Model::default();
    let mut last = None;
    scan_folder(disk, Path::new(FOLDER), &mut |series, row| {
        let key = (series.clone(), row.time, row.vintage);
        assert!(last.as_ref().is_none_or(|last| *last < key), "keys rise");
        last = Some(key.clone());
        model.rows.insert(key, *row);
    })
    .unwrap();
    model
}

/// Holds everything that a store says against the model.
pub(super) fn check(store: &EmbeddedSeries, model: &Model) {
    assert_eq!(asked(store), visible(model));
    let mut newest = BTreeMap::new();
    for ((series, ..), row) in &model.rows {
        newest.insert(series.clone(), *row);
    }
    let latest = store.engine.latest(&[]);
    assert_eq!(
        latest.into_iter().map(|latest| (latest.series, latest.row)).collect::<BTreeMap<_, _>>(),
        newest
    );
}
