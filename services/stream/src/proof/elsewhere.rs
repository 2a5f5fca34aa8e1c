//! A store elsewhere, which may lag: cut off, out of reach, dead for a moment. What the log still has, it has in the end.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use prost::Message as _;
use tokio_util::sync::CancellationToken;
use yiwang_disk::SimDisk;
use yiwang_log::embedded::{EmbeddedLog, Options};
use yiwang_log::{CursorClass, Log, Offset};
use yiwang_model::order::{Step, StepKind};
use yiwang_model::{OrderNo, OrderState, Timestamp};
use yiwang_orders::OrderEvent;
use yiwang_proto::log::{OrderEvents, Rejected};
use yiwang_proto::topics;
use yiwang_series::influx::{Aside, SetAside};
use yiwang_series::{Batch, Error, Mark, SeriesSink};

use super::script::append;
use super::world::{block_on, fill, layout, records, wall};
use crate::set_aside::ToLog;
use crate::store::{Filler, reached};

const CURSOR: &str = "store/far";

/// Keeps what it is given, and fails as its script says.
#[derive(Default)]
struct Far {
    script: Mutex<VecDeque<Result<(), Error>>>,
    settled: Mutex<Mark>,
    /// Whether what was written settles.
    settles: bool,
    /// Places of the events in the outbox, as they came.
    seen: Mutex<Vec<u64>>,
}

#[async_trait]
impl SeriesSink for Far {
    async fn write(&self, batch: Batch) -> Result<(), Error> {
        self.script.lock().unwrap().pop_front().unwrap_or(Ok(()))?;
        let seq = |body: &String| serde_json::from_str::<OrderEvent>(body).unwrap().seq;
        self.seen.lock().unwrap().extend(batch.records.iter().map(|record| seq(&record.body)));
        if self.settles {
            self.settled.lock().unwrap().extend(batch.mark);
        }
        Ok(())
    }

    async fn flush(&self) -> Result<(), Error> {
        Ok(())
    }

    fn persisted(&self) -> Mark {
        self.settled.lock().unwrap().clone()
    }
}

/// A log that keeps little.
fn log() -> Arc<EmbeddedLog> {
    let options = Options {
        reserve_bytes: Some(0),
        segment_bytes: 1 << 20,
        retention_bytes: Some(4 << 20),
        ..Options::new(layout())
    };
    EmbeddedLog::open(Arc::new(SimDisk::new(1)), Path::new("/city/log"), options).unwrap()
}

/// An event of some 400 KiB, so that a read holds few.
async fn event(log: &dyn Log, seq: u64) {
    let at = Timestamp::from_secs(1);
    let (kind, state) = (StepKind::Opened, OrderState::Opened);
    let step = Step { seq: 1, kind, state, who: "yiwang".into(), note: "n".repeat(400 << 10), at, wall: at };
    let event = OrderEvent { seq, no: OrderNo("YW-1".into()), anomaly: None, department: "d".into(), step };
    let events = vec![serde_json::to_string(&event).unwrap()];
    fill(log, &[vec![append(topics::EVENTS, 0, &OrderEvents { events })]]).await;
}

async fn run(log: &Arc<EmbeddedLog>, far: &Arc<Far>, max_lag_bytes: u64) {
    let stop = CancellationToken::new();
    stop.cancel();
    filler(log, far, max_lag_bytes).run(stop).await.unwrap();
}

fn filler(log: &Arc<EmbeddedLog>, far: &Arc<Far>, max_lag_bytes: u64) -> Filler {
    Filler::new(log.clone(), far.clone(), CURSOR, CursorClass::MayLag { max_lag_bytes })
}

fn cursor(log: &dyn Log) -> u64 {
    log.cursor(CURSOR).iter().map(|position| position.next.0).sum()
}

fn extent(log: &dyn Log) -> (u64, u64) {
    let all = log.extents();
    let Offset(start) = all.iter().find(|extent| extent.partition.topic.0 == topics::EVENTS).unwrap().start;
    let Offset(end) = all.iter().find(|extent| extent.partition.topic.0 == topics::EVENTS).unwrap().end;
    (start, end)
}

#[test]
fn after_a_break_all_that_has_not_settled_is_written_again() {
    block_on(async {
        let log = log();
        for seq in 0..8 {
            event(log.as_ref(), seq).await;
        }
        let script = Mutex::new([Ok(()), Ok(()), Err(Error::WriteAgain)].into());
        let far = Arc::new(Far { script, ..Far::default() });
        run(&log, &far, u64::MAX).await;
        let seen = far.seen.lock().unwrap().clone();
        let again = seen.iter().skip(1).position(|seq| *seq == 0).expect("it begins again") + 1;
        assert!(again > 2 && seen[..again].is_sorted(), "{seen:?}");
        assert_eq!(seen[again..], (0..8).collect::<Vec<_>>()[..]);
        assert_eq!(cursor(log.as_ref()), 0, "nothing has settled");
    });
}

#[test]
fn a_store_out_of_reach_does_not_keep_a_city_from_closing_and_goes_on_where_it_was() {
    block_on(async {
        let log = log();
        for seq in 0..8 {
            event(log.as_ref(), seq).await;
        }
        let script = Mutex::new([Ok(()), Err(Error::Stopped)].into());
        let far = Arc::new(Far { script, settles: true, ..Far::default() });
        run(&log, &far, u64::MAX).await;
        let taken = far.seen.lock().unwrap().len() as u64;
        assert!(0 < taken && taken < 8, "{taken}");
        assert_eq!(cursor(log.as_ref()), taken);
        let settled = Mutex::new(reached(log.as_ref(), CURSOR));
        let next = Arc::new(Far { settled, settles: true, ..Far::default() });
        run(&log, &next, u64::MAX).await;
        assert_eq!(*next.seen.lock().unwrap(), (taken..8).collect::<Vec<_>>());
        assert_eq!(cursor(log.as_ref()), 8);
    });
}

#[test]
fn what_is_set_aside_is_kept_as_long_as_there_is_room() {
    block_on(async {
        let log = log();
        let lines =
            SetAside { store: "far".into(), why: "HTTP 400".into(), points: 7, excerpt: vec![b'x'; 1024] };
        let aside = ToLog { log: log.clone(), max_bytes: 3_000, wall };
        for _ in 0..5 {
            aside.keep(lines.clone()).await;
        }
        let kept = records(log.as_ref(), topics::REJECTED).await;
        let kept: Vec<_> = kept.into_iter().map(|record| Rejected::decode(record).unwrap()).collect();
        assert_eq!(kept.len(), 2, "two of about a kilobyte have room");
        let Rejected { door, sender, message, count, excerpt, .. } = &kept[0];
        assert_eq!(
            (door.as_str(), sender.as_str(), message.as_str(), *count),
            ("store", "far", "HTTP 400", 7)
        );
        assert_eq!(excerpt, &lines.excerpt);
    });
}

/// Beyond its lag the log goes on without it, and says how much it missed.
#[test]
fn a_store_that_lags_too_far_is_cut_off_with_a_gap_that_is_counted() {
    block_on(async {
        let log = log();
        event(log.as_ref(), 0).await;
        let far = Arc::new(Far { settles: true, ..Far::default() });
        let mut lagging = filler(&log, &far, 1 << 20);
        lagging.note().await.unwrap();
        for seq in 1..60 {
            event(log.as_ref(), seq).await;
        }
        let (start, end) = extent(log.as_ref());
        assert!(start > 0, "retention went by it");
        let stop = CancellationToken::new();
        stop.cancel();
        lagging.run(stop).await.unwrap();
        assert_eq!(*far.seen.lock().unwrap(), (start..end).collect::<Vec<_>>());
        assert_eq!((log.gap(CURSOR), cursor(log.as_ref())), (start, end));
    });
}

/// Within its lag the log keeps for it what its own limits would let go.
#[test]
fn a_store_that_may_lag_finds_all_that_it_may_miss() {
    block_on(async {
        let log = log();
        event(log.as_ref(), 0).await;
        let far = Arc::new(Far { settles: true, ..Far::default() });
        let mut lagging = filler(&log, &far, 1 << 30);
        lagging.note().await.unwrap();
        for seq in 1..60 {
            event(log.as_ref(), seq).await;
        }
        let stop = CancellationToken::new();
        stop.cancel();
        lagging.run(stop).await.unwrap();
        assert_eq!(*far.seen.lock().unwrap(), (0..60).collect::<Vec<_>>());
        assert_eq!(log.gap(CURSOR), 0);
    });
}
