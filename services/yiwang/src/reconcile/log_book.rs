//! What the log of a data folder holds, read for itself.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use yiwang_log::{Extent, Log, Offset, Position, Stored};
use yiwang_model::{Anomaly, AnomalyId, Phase, Row, Series, SeriesId, Timestamp, Vintage};
use yiwang_proto::log::{
    CatalogueRevision, Derived, QuarantineRecord, ReadingsRecord, SeriesName, quarantine_record,
    readings_record::Kind,
};
use yiwang_proto::topics;
use yiwang_series::Mark;

const READ_BYTES: usize = 8 << 20;

/// Series, event time, vintage.
pub type Key = (SeriesId, Timestamp, Vintage);

/// The key of a row.
pub fn key(row: &Row) -> Key {
    (row.series, row.time, row.vintage)
}

/// Where the log says a value of a key.
pub struct Said {
    /// The partition of topic `readings`.
    pub partition: u16,
    /// The record.
    pub offset: u64,
    /// The value, bit by bit.
    pub bits: u64,
}

impl Said {
    /// Whether a store that is this far has it.
    pub fn is_before(&self, mark: &Mark) -> bool {
        mark.get(&format!("readings/{}", self.partition)).is_some_and(|next| self.offset < *next)
    }
}

/// What the log holds.
#[derive(Default)]
pub struct LogBook {
    /// What series are called.
    pub names: BTreeMap<SeriesId, Series>,
    /// By key, in log order; mostly one.
    pub readings: BTreeMap<Key, Vec<Said>>,
    /// Values of keys that are or were in quarantine.
    pub quarantine: BTreeMap<Key, Vec<u64>>,
    /// Episodes, as of the last step.
    pub found: BTreeMap<AnomalyId, Anomaly>,
    /// The episodes of which more was said than that they are withdrawn.
    pub told: BTreeSet<AnomalyId>,
    /// Records that retention dropped.
    pub dropped: u64,
    /// Records that were read.
    pub records: u64,
    /// Why it was not read to its end.
    pub damage: Option<String>,
}

impl LogBook {
    /// Reads all that a log has, up to the first damage.
    pub async fn read(log: &dyn Log) -> Self {
        let mut book = Self::default();
        for extent in log.extents() {
            book.dropped += extent.start.0;
            if let Err(error) = each(log, extent, |stored| book.take(stored)).await {
                book.damage.get_or_insert(format!("{error:#}"));
            }
        }
        book
    }

    /// A log that cannot be opened.
    pub fn closed(why: String) -> Self {
        Self { damage: Some(why), ..Self::default() }
    }

    /// Whether an episode became part of another before it was told, and so needs no order of its own; be it that it then never was.
    pub fn is_untold(&self, anomaly: &Anomaly) -> bool {
        anomaly.phase == Phase::Withdrawn && !self.told.contains(&anomaly.id)
    }

    fn take(&mut self, stored: Stored) -> anyhow::Result<()> {
        self.records += 1;
        match stored.partition.topic.0 {
            topics::READINGS => self.readings(stored),
            topics::QUARANTINE => self.quarantined(stored),
            topics::DERIVED => self.derived(stored),
            topics::NAMES => self.name(stored),
            _ => Ok(()),
        }
    }

    fn readings(&mut self, stored: Stored) -> anyhow::Result<()> {
        let Some(Kind::Block(block)) = ReadingsRecord::decode(stored.payload)?.kind else { return Ok(()) };
        for (_, row) in block.rows()? {
            let (partition, offset) = (stored.partition.index, stored.offset.0);
            let said = Said { partition, offset, bits: row.value.to_bits() };
            self.readings.entry(key(&row)).or_default().push(said);
        }
        Ok(())
    }

    fn quarantined(&mut self, stored: Stored) -> anyhow::Result<()> {
        let Some(quarantine_record::Kind::Block(block)) = QuarantineRecord::decode(stored.payload)?.kind
        else {
            return Ok(());
        };
        for (_, row) in block.rows()? {
            self.quarantine.entry(key(&row)).or_default().push(row.value.to_bits());
        }
        Ok(())
    }

    fn derived(&mut self, stored: Stored) -> anyhow::Result<()> {
        for text in Derived::decode(stored.payload)?.anomalies {
            let anomaly: Anomaly = serde_json::from_str(&text)?;
            // What a silence keeps quiet has no order that it could be held against.
            if anomaly.silenced.is_some() {
                continue;
            }
            if anomaly.phase != Phase::Withdrawn {
                self.told.insert(anomaly.id);
            }
            self.found.insert(anomaly.id, anomaly);
        }
        Ok(())
    }

    fn name(&mut self, stored: Stored) -> anyhow::Result<()> {
        let name = SeriesName::decode(stored.payload)?;
        let series = Series::new(name.source, name.metric)?;
        self.names.insert(series.id(), series);
        Ok(())
    }

    /// Whether it has this value of this key, be it in quarantine.
    pub fn has(&self, (key, bits): &(Key, u64)) -> bool {
        self.readings.get(key).is_some_and(|said| said.iter().any(|said| said.bits == *bits))
            || self.quarantine.get(key).is_some_and(|held| held.contains(bits))
    }

    /// A key in words.
    pub fn show(&self, key: &Key) -> String {
        let (id, time, vintage) = key;
        let name = self.names.get(id).map_or_else(|| format!("{id:?}"), Series::to_string);
        let vintage = vintage.0.map(|vintage| format!(" published {vintage}")).unwrap_or_default();
        format!("{name} at {time}{vintage}")
    }
}

/// Takes each record of a partition, in order.
///
/// # Errors
/// When the log cannot be read, and what `take` says.
pub async fn each(
    log: &dyn Log,
    extent: Extent,
    mut take: impl FnMut(Stored) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut next = extent.start;
    while next < extent.end {
        for stored in log.read(&[Position { partition: extent.partition, next }], READ_BYTES).await? {
            next = Offset(stored.offset.0 + 1);
            take(stored)?;
        }
    }
    Ok(())
}

/// The catalogue that was in force last.
///
/// # Errors
/// When the log cannot be read.
pub async fn last_catalogue(log: &dyn Log) -> anyhow::Result<Option<CatalogueRevision>> {
    let mut last = None;
    for extent in log.extents().into_iter().filter(|extent| extent.partition.topic.0 == topics::CATALOGUE) {
        each(log, extent, |stored| {
            last = Some(CatalogueRevision::decode(stored.payload)?);
            Ok(())
        })
        .await?;
    }
    Ok(last)
}
