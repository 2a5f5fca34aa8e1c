//! Readings and ticks as records of a log, in the form in which ingest writes them.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use yiwang_log::{Append, Partition, TopicId};
use yiwang_model::{Row, Series, SeriesId, Timestamp};
use yiwang_proto::block::Builder;
use yiwang_proto::log::{CatalogueRevision, ReadingsRecord, SeriesName, Tick, readings_record::Kind};
use yiwang_proto::topics;

use super::city::{Arrival, PARTITIONS, moment};

/// One append: either all of it is there or, after a crash, a first part.
pub(super) type Commit = Vec<Append>;

/// Where readings are cut into appends and ticks.
#[derive(Clone, Copy)]
pub(super) struct Cuts {
    /// The most seconds of one append.
    pub(super) batch: i64,
    /// The least and most seconds between two ticks.
    pub(super) tick: (i64, i64),
}

/// Writes a script.
#[derive(Default)]
pub(super) struct Writer {
    named: BTreeSet<SeriesId>,
    dense: BTreeMap<SeriesId, u32>,
    pub(super) tick: u64,
    pub(super) revision: u32,
    pub(super) commits: Vec<Commit>,
}

impl Writer {
    /// A writer that has put a catalogue in force.
    pub(super) fn new(text: &str) -> Self {
        let mut writer = Self::default();
        writer.catalogue(text);
        writer
    }

    /// From the next tick on this catalogue holds.
    pub(super) fn catalogue(&mut self, text: &str) {
        self.revision += 1;
        let record = CatalogueRevision {
            revision: self.revision,
            text: text.to_owned(),
            ..CatalogueRevision::default()
        };
        self.commits.push(vec![append(topics::CATALOGUE, 0, &record)]);
    }

    /// Readings, in one append: a block for each partition, names first seen beside them.
    pub(super) fn rows(&mut self, arrivals: &[Arrival]) {
        let mut builders: BTreeMap<u16, Builder> = BTreeMap::new();
        let mut commit = Vec::new();
        for Arrival { series, row, .. } in arrivals {
            let fresh = u32::try_from(self.dense.len()).unwrap();
            let dense = *self.dense.entry(row.series).or_insert(fresh);
            builders.entry(series.partition(PARTITIONS)).or_default().push(dense, row);
            if self.named.insert(row.series) {
                commit.push(name(series));
            }
        }
        let blocks = builders.into_iter().map(|(partition, mut builder)| {
            append(topics::READINGS, partition, &ReadingsRecord { kind: Some(Kind::Block(builder.take())) })
        });
        let blocks: Vec<_> = blocks.collect();
        self.commits.push(blocks.into_iter().chain(commit).collect());
    }

    /// One reading by itself.
    pub(super) fn row(&mut self, series: &Series, second: i64, value: f64) {
        let row = Row {
            series: series.id(),
            time: moment(second),
            value,
            quality: yiwang_model::Quality::Good,
            period_end: None,
            vintage: yiwang_model::Vintage(None),
        };
        self.rows(&[Arrival { at: second, series: series.clone(), row }]);
    }

    /// The next tick, in all partitions.
    pub(super) fn tick(&mut self, city: Timestamp) {
        self.tick += 1;
        self.commits.push(tick(self.tick, city, self.revision));
    }

    /// Readings cut by these dice.
    pub(super) fn play(&mut self, arrivals: &[Arrival], cuts: Cuts, dice: &mut ChaCha8Rng) {
        let Some(last) = arrivals.last() else { return };
        let mut next_tick = 0;
        let mut from = 0;
        let mut second = arrivals[0].at;
        while from < arrivals.len() || next_tick <= last.at {
            second += dice.random_range(1..=cuts.batch);
            let batch = second.min(next_tick.max(arrivals.get(from).map_or(0, |first| first.at)));
            let end = from + arrivals[from..].partition_point(|arrival| arrival.at <= batch);
            if end > from {
                self.rows(&arrivals[from..end]);
                from = end;
            }
            if batch >= next_tick {
                self.tick(moment(batch));
                next_tick = batch + dice.random_range(cuts.tick.0..=cuts.tick.1);
            }
            second = batch;
        }
        self.tick(moment(last.at + 1));
    }
}

/// A tick in all partitions.
pub(super) fn tick(number: u64, city: Timestamp, revision: u32) -> Commit {
    everywhere(Tick {
        number,
        city_nanos: Some(city.nanos()),
        catalogue_revision: revision,
        wall_nanos: city.nanos(),
        last: false,
    })
}

/// This tick in all partitions.
pub(super) fn everywhere(tick: Tick) -> Commit {
    let record = ReadingsRecord { kind: Some(Kind::Tick(tick)) };
    (0..PARTITIONS).map(|index| append(topics::READINGS, index, &record)).collect()
}

fn name(series: &Series) -> Append {
    let record = SeriesName {
        id: series.id().0,
        source: series.source().to_string(),
        metric: series.metric().to_string(),
    };
    append(topics::NAMES, 0, &record)
}

pub(super) fn append(topic: u8, index: u16, record: &impl Message) -> Append {
    Append { to: Partition { topic: TopicId(topic), index }, payload: record.encode_to_vec().into() }
}
