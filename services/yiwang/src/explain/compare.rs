//! What log, series store and order store say of an episode, beside its capsule.

use std::collections::BTreeMap;

use prost::Message as _;
use serde::Serialize;
use yiwang_disk::RealDisk;
use yiwang_log::{Log, Stored};
use yiwang_model::{Series, Timestamp, WorkOrder};
use yiwang_proto::log::{Derived, ReadingsRecord, readings_record::Kind};
use yiwang_proto::topics;
use yiwang_stream::capsule;
use yiwang_stream::explain::{Explanation, Reading};

use crate::city::{folders, hold, open_log};
use crate::config::Config;
use crate::reconcile::log_book::each;

/// How many differences are told one by one.
const TOLD: usize = 5;

/// What was compared, or why nothing was.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Compared {
    /// The folder is held by another process.
    Held(String),
    /// What each says.
    With {
        /// The readings in the log.
        log: Answer,
        /// The readings in the series store.
        store: Answer,
        /// Whether topic `derived` has the same capsule; `None` when it has none of the episode any more.
        derived: Option<bool>,
    },
}

/// What one of them says of the readings of a capsule.
#[derive(Debug, Default, Serialize, PartialEq)]
pub struct Answer {
    /// So many it has with the same value.
    agrees: usize,
    /// So many it no longer has.
    gone: usize,
    /// So many it has with another value.
    differs: usize,
    /// The first of those.
    first: Vec<Difference>,
    /// Why it could not be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<String>,
}

/// A reading that has another value.
#[derive(Debug, Serialize, PartialEq)]
pub struct Difference {
    /// Its event time.
    time: Timestamp,
    /// The value in the capsule.
    capsule: f64,
    /// The value here.
    here: f64,
}

/// What the order says.
#[derive(Debug, Serialize)]
pub struct Ordered {
    /// Its number.
    pub no: String,
    /// Its state.
    pub state: &'static str,
    /// When the episode began, as of its last step.
    pub begin: Timestamp,
    /// When it ended.
    pub end: Option<Timestamp>,
    /// Its extreme, as of its last step.
    pub extreme: f64,
    /// The unit of the extreme.
    pub unit: String,
}

impl Ordered {
    /// What an order says.
    pub fn of(order: &WorkOrder) -> Self {
        let evidence = &order.draft.evidence;
        let anomaly = &evidence.anomaly;
        Self {
            no: order.no.to_string(),
            state: order.state.word(),
            begin: anomaly.begin,
            end: anomaly.end,
            extreme: anomaly.extreme,
            unit: evidence.unit.clone(),
        }
    }
}

/// Values by event time, bit by bit; several where corrections or vintages were.
type Values = BTreeMap<Timestamp, Vec<f64>>;

/// Asks log and series store, if nobody holds the folder.
///
/// # Errors
/// When the folder cannot be held for another reason than that somebody does.
pub async fn compare(config: &Config, explanation: &Explanation) -> anyhow::Result<Compared> {
    let _lock = match hold(&config.data_dir) {
        Ok(lock) => lock,
        Err(error) => return Ok(Compared::Held(format!("{error:#}"))),
    };
    let (log, derived) = match open_log(config) {
        Ok(log) => asked(log.as_ref(), explanation).await.unwrap_or_else(|why| (unreadable(&why), None)),
        Err(error) => (unreadable(&error), None),
    };
    let store = match stored(config, explanation) {
        Ok(values) => answer(&explanation.readings, &values),
        Err(error) => unreadable(&error.into()),
    };
    Ok(Compared::With { log, store, derived })
}

fn unreadable(why: &anyhow::Error) -> Answer {
    Answer { unreadable: Some(format!("{why:#}")), ..Answer::default() }
}

async fn asked(log: &dyn Log, explanation: &Explanation) -> anyhow::Result<(Answer, Option<bool>)> {
    let mut values = Values::new();
    let mut derived = None;
    let wanted = explanation.series.partition(partitions(log));
    for extent in log.extents() {
        match extent.partition.topic.0 {
            topics::READINGS if extent.partition.index == wanted => {
                each(log, extent, |stored| gather(stored, explanation, &mut values)).await?;
            }
            topics::DERIVED => {
                each(log, extent, |stored| {
                    for bytes in Derived::decode(stored.payload)?.capsules {
                        let opened = capsule::open(&bytes).ok();
                        let own = opened.filter(|opened| opened.anomaly() == Some(explanation.anomaly));
                        derived = own.map(|own| capsule::hex(&own.hash) == explanation.hash).or(derived);
                    }
                    Ok(())
                })
                .await?;
            }
            _ => {}
        }
    }
    Ok((answer(&explanation.readings, &values), derived))
}

fn partitions(log: &dyn Log) -> u16 {
    log.layout().topics[usize::from(topics::READINGS)].partitions
}

fn gather(stored: Stored, of: &Explanation, values: &mut Values) -> anyhow::Result<()> {
    let Some(Kind::Block(block)) = ReadingsRecord::decode(stored.payload)?.kind else { return Ok(()) };
    if !block.series.contains(&of.series.id().0) {
        return Ok(());
    }
    for (_, row) in block.rows()? {
        if row.series == of.series.id() && (of.mark..=of.raised).contains(&row.time) {
            values.entry(row.time).or_default().push(row.value);
        }
    }
    Ok(())
}

fn stored(config: &Config, of: &Explanation) -> Result<Values, yiwang_series::Error> {
    let mut values = Values::new();
    let mut take = |series: &Series, row: &yiwang_model::Row| {
        if *series == of.series && (of.mark..=of.raised).contains(&row.time) {
            values.entry(row.time).or_default().push(row.value);
        }
    };
    yiwang_series::embedded::scan_folder(&RealDisk, &folders(config).series, &mut take)?;
    Ok(values)
}

/// Holds the readings of a capsule against values.
fn answer(readings: &[Reading], values: &Values) -> Answer {
    let mut answer = Answer::default();
    for reading in readings {
        let held = values.get(&reading.time).map(Vec::as_slice).unwrap_or_default();
        match held.last() {
            None => answer.gone += 1,
            Some(_) if held.iter().any(|value| value.to_bits() == reading.value.to_bits()) => {
                answer.agrees += 1;
            }
            Some(here) => {
                answer.differs += 1;
                let difference = Difference { time: reading.time, capsule: reading.value, here: *here };
                answer.first.extend(Some(difference).filter(|_| answer.first.len() < TOLD));
            }
        }
    }
    answer
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(why) = &self.unreadable {
            return write!(f, "cannot be asked: {why}");
        }
        let Self { agrees, gone, differs, first, .. } = self;
        let all = agrees + gone + differs;
        match (agrees, gone, differs) {
            (_, 0, 0) => write!(f, "agrees, {agrees} readings"),
            (0, _, 0) => write!(f, "no longer held"),
            (_, _, 0) => write!(f, "agrees in {agrees} of {all} readings, the others are no longer held"),
            _ => {
                write!(f, "differs in {differs} of {all} readings")?;
                first.iter().try_for_each(|Difference { time, capsule, here }| {
                    write!(f, "\n    at {time}: {here}, and in the capsule {capsule}")
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use yiwang_model::Quality;

    use super::*;

    #[test]
    fn what_agrees_differs_and_is_gone_is_told_apart() {
        let time = |at: i64| Timestamp::from_secs(at);
        let reading = |at, value| Reading { time: time(at), value, quality: Quality::Good };
        let readings = [reading(1, 0.5), reading(2, 1.5), reading(3, 2.5)];
        let all: Values = readings.iter().map(|of| (of.time, vec![of.value])).collect();
        assert_eq!(answer(&readings, &all).to_string(), "agrees, 3 readings");
        assert_eq!(answer(&readings, &Values::new()).to_string(), "no longer held");
        let corrected: Values = [(time(1), vec![0.5, 9.0]), (time(2), vec![1.25])].into();
        let found = answer(&readings, &corrected);
        assert_eq!((found.agrees, found.gone, found.differs), (1, 1, 1));
        assert!(
            found.to_string().ends_with("at 1970-01-01T00:00:02Z: 1.25, and in the capsule 1.5"),
            "{found}"
        );
        assert!(answer(&readings, &[(time(3), vec![2.5])].into()).to_string().contains("1 of 3"));
    }
}
