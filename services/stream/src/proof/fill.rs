//! The series store filled from the log, with power cuts of the store's disk: in the end it holds what the log says, once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio_util::sync::CancellationToken;
use yiwang_disk::SimDisk;
use yiwang_log::embedded::EmbeddedLog;
use yiwang_log::{Append, CursorClass, Log};
use yiwang_model::{Quality, Row, Series, Timestamp, Vintage};
use yiwang_orders::{OrderEvent, OrderStore};
use yiwang_proto::log::{Derived, LateMark, OrderEvents};
use yiwang_proto::topics;
use yiwang_series::embedded::{EmbeddedSeries, Options};
use yiwang_series::{LATE_MINUTES, Record, SeriesSink, SeriesStore};

use super::city::{self, Arrival, readings};
use super::orders::ModelOrders;
use super::script::{Cuts, Writer, append};
use super::world::{block_on, fill, judge, log_of, wall};
use crate::route;
use crate::store::{Filler, marked};

const STORE: &str = "/city/series";
const CURSOR: &str = "series";
const RUNS: u64 = 100;

/// A stored value, by what may not be there twice.
type Rows = BTreeMap<Key, Value>;
type Key = (Series, Timestamp, Vintage);
type Value = (u64, Quality, Option<Timestamp>);

fn key_value(series: &Series, row: &Row) -> (Key, Value) {
    ((series.clone(), row.time, row.vintage), (row.value.to_bits(), row.quality, row.period_end))
}

/// What the store must hold.
struct Wanted {
    rows: Rows,
    anomalies: BTreeSet<String>,
    late_minutes: BTreeSet<String>,
    events: BTreeSet<String>,
}

/// A log with readings, and with what is derived from them said twice over, as after a restart.
async fn full_log(arrivals: &[Arrival]) -> (Arc<EmbeddedLog>, Wanted) {
    let mut writer = Writer::new(city::TEXT);
    writer.play(arrivals, Cuts { batch: 9, tick: (5, 30) }, &mut ChaCha8Rng::seed_from_u64(1));
    let log = log_of(&writer.commits).await;
    let verdict = judge(&log, 1, 1 << 20).await;
    let found: Vec<_> = verdict.steps.iter().filter(|step| !step.3.is_empty()).collect();
    let anomalies =
        found.iter().flat_map(|step| &step.3).map(|step| serde_json::to_string(step).unwrap()).collect();
    let mut derived = found.iter().map(|step| derived(step.0, &step.3)).collect::<Vec<_>>();
    let (mark, late_minutes) = late_mark();
    derived.push(append(topics::DERIVED, 0, &mark));
    let events = events(&verdict).await;
    for _ in 0..2 {
        fill(log.as_ref(), &derived.iter().map(|record| vec![record.clone()]).collect::<Vec<_>>()).await;
        let record = OrderEvents { events: events.iter().cloned().collect() };
        fill(log.as_ref(), &[vec![append(topics::EVENTS, 0, &record)]]).await;
    }
    let rows = arrivals.iter().map(|arrival| key_value(&arrival.series, &arrival.row)).collect();
    (log, Wanted { rows, anomalies, late_minutes, events })
}

/// Two minutes of a series that readings came too late for, and what the store must say of them.
fn late_mark() -> (Derived, BTreeSet<String>) {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let minutes = ["2026-03-02T08:59:00Z", "2026-03-02T09:00:00Z"];
    let minutes_nanos = minutes.iter().map(|minute| at(minute).nanos()).collect();
    let mark = LateMark { source: "e-1".into(), metric: "dust".into(), minutes_nanos };
    let city_nanos = at("2026-03-02T12:00:00Z").nanos();
    let body = |minute: &str, hour: &str| {
        serde_json::json!({ "source": "e-1", "metric": "dust", "minute": at(minute), "hour": at(hour), "marked_at": Timestamp(city_nanos) })
            .to_string()
    };
    let bodies = [body(minutes[0], "2026-03-02T08:00:00Z"), body(minutes[1], "2026-03-02T09:00:00Z")];
    (Derived { epoch: 7, city_nanos, marks: vec![mark], ..Derived::default() }, bodies.into())
}

fn derived(epoch: u64, anomalies: &[yiwang_model::Anomaly]) -> Append {
    let anomalies = anomalies.iter().map(|anomaly| serde_json::to_string(anomaly).unwrap()).collect();
    append(topics::DERIVED, 0, &Derived { epoch, city_nanos: 1, anomalies, ..Derived::default() })
}

/// The events of the orders of a verdict.
async fn events(verdict: &super::world::Verdict) -> BTreeSet<String> {
    let orders = ModelOrders::default();
    let catalogue = city::catalogue();
    for (epoch, city, _, anomalies) in &verdict.steps {
        let city = city.unwrap();
        let found = |anomaly: &yiwang_model::Anomaly| {
            let found =
                crate::item::Found { anomaly: anomaly.clone(), points: Vec::new(), series: Vec::new() };
            route::intent(&catalogue, &found, city)
        };
        let intents: Vec<_> = anomalies.iter().filter_map(found).collect();
        orders.apply(*epoch, yiwang_orders::Moment { city, wall: wall() }, &intents).await.unwrap();
    }
    let events = orders.outbox(u32::MAX).await.unwrap();
    events.iter().map(|event: &OrderEvent| serde_json::to_string(event).unwrap()).collect()
}

fn open(disk: &SimDisk) -> Result<Arc<EmbeddedSeries>, yiwang_series::Error> {
    let options = Options {
        flush_rows: 400,
        memory_bytes: 400 * 64,
        row_group_rows: 256,
        merge_files: 3,
        background: false,
        ..Options::new(Arc::new(|| city::moment(4_000)))
    };
    EmbeddedSeries::open(Arc::new(disk.clone()), Path::new(STORE), options)
}

/// Fills up to the end, or until the power goes. What the log was told must be on disk, whenever the power goes.
async fn life(log: &Arc<EmbeddedLog>, disk: &SimDisk) -> Option<()> {
    let store = open(disk).ok()?;
    let log: Arc<dyn Log> = log.clone();
    let on_disk = marked(log.as_ref(), &store.persisted());
    for told in log.cursor(CURSOR) {
        let kept = on_disk.iter().find(|position| position.partition == told.partition).unwrap();
        assert!(told.next <= kept.next, "the log was told {told:?}, on disk is {kept:?}");
    }
    let stop = CancellationToken::new();
    stop.cancel();
    Filler::new(log, store, CURSOR, CursorClass::Must).run(stop).await.ok()
}

async fn assert_holds(disk: &SimDisk, log: &Arc<EmbeddedLog>, wanted: &Wanted, what: &str) {
    let store = open(disk).unwrap();
    let mut rows = Rows::new();
    store
        .scan(&mut |series, row| {
            let (key, value) = key_value(series, row);
            assert!(rows.insert(key, value).is_none(), "{what}: {series} at {} is there twice", row.time);
        })
        .unwrap();
    assert!(rows == wanted.rows, "{what}: {} rows, {} are wanted", rows.len(), wanted.rows.len());
    assert_eq!(bodies(&store, "anomalies").await, wanted.anomalies, "{what}");
    assert_eq!(bodies(&store, LATE_MINUTES).await, wanted.late_minutes, "{what}");
    assert_eq!(bodies(&store, "order_events").await, wanted.events, "{what}");
    let ends: Vec<_> = marked(log.as_ref(), &store.persisted());
    let all = log.extents().into_iter().filter(|extent| extent.partition.topic.0 <= topics::EVENTS);
    for extent in all.filter(|extent| extent.partition.topic.0 != topics::REJECTED) {
        let mark = ends.iter().find(|position| position.partition == extent.partition).unwrap();
        assert_eq!(mark.next, extent.end, "{what}: {:?}", extent.partition);
    }
}

async fn bodies(store: &EmbeddedSeries, measurement: &str) -> BTreeSet<String> {
    let all: Vec<Record> =
        store.records(measurement, Timestamp::MIN, Timestamp(i64::MAX), 100_000).await.unwrap();
    let bodies: BTreeSet<_> = all.iter().map(|record| record.body.clone()).collect();
    assert_eq!(bodies.len(), all.len(), "{measurement}: each is there once");
    bodies
}

#[test]
fn a_store_that_loses_power_ends_up_with_what_the_log_says_once() {
    let arrivals = readings(7, 1_500);
    block_on(async {
        let (log, wanted) = full_log(&arrivals).await;
        assert!(wanted.anomalies.len() > 20 && wanted.events.len() > 20);
        let calm = SimDisk::new(0);
        life(&log, &calm).await.expect("no power cut");
        assert_holds(&calm, &log, &wanted, "calm").await;
        for seed in 0..RUNS {
            let (log, wanted) = (log_like(&log).await, &wanted);
            let mut dice = ChaCha8Rng::seed_from_u64(seed);
            let mut disk = SimDisk::new(seed);
            for _ in 0..dice.random_range(1..4) {
                disk.cut_at(disk.operations() + dice.random_range(0..calm.operations()));
                let _ = life(&log, &disk).await;
                disk = disk.power_cut();
            }
            life(&log, &disk).await.expect("the power stays on");
            assert_holds(&disk, &log, wanted, &format!("seed {seed}")).await;
        }
    });
}

/// Of what is taken in and not on disk yet the log is not told: it would let go of it.
#[test]
fn the_log_is_told_of_what_is_on_disk_and_of_no_more() {
    block_on(async {
        let (log, _) = full_log(&readings(7, 600)).await;
        let log: Arc<dyn Log> = log;
        let told = || log.cursor(CURSOR).iter().map(|position| position.next.0).sum::<u64>();
        let store = open(&SimDisk::new(0)).unwrap();
        let mut filler = Filler::new(Arc::clone(&log), store.clone(), CURSOR, CursorClass::Must);
        let records = log.read(&marked(log.as_ref(), &store.persisted()), 1 << 10).await.unwrap();
        let taken = records.len() as u64;
        assert!(taken > 1);
        filler.fill(records).await.unwrap();
        filler.note().await.unwrap();
        assert_eq!(told(), 0, "nothing is on disk");
        store.flush().await.unwrap();
        filler.note().await.unwrap();
        assert_eq!(told(), taken);
    });
}

/// The same records in a log of its own, whose cursor was never moved.
async fn log_like(log: &EmbeddedLog) -> Arc<EmbeddedLog> {
    let copy = log_of(&[]).await;
    for extent in log.extents().iter().filter(|extent| extent.end > extent.start) {
        let mut next = extent.start;
        while next < extent.end {
            let position = yiwang_log::Position { partition: extent.partition, next };
            let read = log.read(&[position], 1 << 20).await.unwrap();
            next = yiwang_log::Offset(read.last().unwrap().offset.0 + 1);
            let to = extent.partition;
            let records = read.into_iter().map(|stored| Append { to, payload: stored.payload }).collect();
            fill(copy.as_ref(), &[records]).await;
        }
    }
    copy
}
