//! The payload of an MQTT message: one reading, or an array of them, as JSON.

use anyhow::Context;
use serde::Serialize;
use yiwang_model::{Quality, Timestamp};

use super::{Batch, Item};

#[derive(Serialize)]
struct Wire<'a> {
    metric: &'a str,
    time: Timestamp,
    value: f64,
    unit: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    quality: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    period_end: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vintage: Option<Timestamp>,
}

impl<'a> From<Item<'a>> for Wire<'a> {
    fn from(item: Item<'a>) -> Self {
        let quality = Quality::from_number(item.quality).filter(|quality| *quality != Quality::Good);
        Self {
            metric: &item.key.metric,
            time: Timestamp(item.time),
            value: item.value,
            unit: &item.key.unit,
            quality: quality.map(Quality::word),
            period_end: item.period_end.map(Timestamp),
            vintage: item.vintage.map(Timestamp),
        }
    }
}

/// The payload of a batch: an object for one reading, an array for more.
pub(super) fn payload(batch: &Batch) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(128 * batch.len());
    let mut items = batch.items().map(Wire::from);
    if batch.len() == 1 {
        serde_json::to_writer(
            &mut bytes,
            &items.next().context("a batch whose index is outside its dictionary")?,
        )?;
    } else {
        serde_json::to_writer(&mut bytes, &items.collect::<Vec<_>>())?;
    }
    Ok(bytes)
}
