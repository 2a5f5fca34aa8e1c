//! What the tests of the doors begin with: a started city over a log in memory.
use std::sync::Arc;

use prost::Message;
use tokio_util::sync::CancellationToken;
use yiwang_catalogue::Catalogue;
use yiwang_model::{Quality, Reading, Series, Timestamp, Unit, Vintage};
use yiwang_proto::log::{ReadingsRecord, readings_record::Kind};
use yiwang_proto::topics;

use crate::clock::ClockKind;
use crate::names::Limits;
use crate::testing::MemoryLog;
use crate::{Ingest, Options, Tasks};

/// A city whose feed moves the clock, so that tests need no wall clock.
pub(crate) struct Start {
    pub(crate) ingest: Arc<Ingest>,
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: Tasks,
}

pub(crate) async fn city(log: MemoryLog, limits: Limits) -> Start {
    city_of(log, limits, Catalogue::demo()).await
}

pub(crate) async fn city_of(log: MemoryLog, limits: Limits, catalogue: Catalogue) -> Start {
    let log = Arc::new(log);
    let stop = CancellationToken::new();
    let options = Options { clock: Some(ClockKind::Feed), limits, ..Options::default() };
    let catalogue = Arc::new(catalogue);
    let (ingest, tasks) =
        Ingest::start(Arc::clone(&log) as _, catalogue, &options, stop.clone()).await.unwrap();
    Start { ingest, log, stop, tasks }
}

/// The values of all readings in the log, in order within a partition.
pub(crate) fn values(log: &MemoryLog) -> Vec<f64> {
    let mut values = Vec::new();
    for payload in log.topic(topics::READINGS) {
        if let Some(Kind::Block(block)) = ReadingsRecord::decode(payload).unwrap().kind {
            values.extend(block.rows().unwrap().map(|(_, row)| row.value));
        }
    }
    values
}

/// The event time of the tests' readings.
pub(crate) const NOON: Timestamp = Timestamp::from_secs(1_772_417_700);

/// A reading of station 510104-air-1 at [`NOON`].
pub(crate) fn reading(metric: &str, value: f64) -> Reading {
    Reading {
        series: Series::new("510104-air-1", metric).unwrap(),
        time: NOON,
        value,
        unit: Unit::new("µg/m³"),
        quality: Quality::Good,
        period_end: None,
        vintage: Vintage::default(),
    }
}
