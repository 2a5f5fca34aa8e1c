//! The files that `yiwang replay` reads: those of an import, without a mapping.

use std::path::Path;
use std::sync::Arc;

use yiwang_catalogue::Catalogue;
use yiwang_files::gather::Fault;
use yiwang_files::{Gather, Mapping, Reader};
use yiwang_model::{Quality, Timestamp, Unit, Vintage};
use yiwang_proto::v1::Reason;

use crate::cli::Failed;

/// A reading of the file.
pub(super) struct Line {
    /// Its line, from 1.
    pub(super) number: u64,
    pub(super) source: String,
    pub(super) metric: String,
    pub(super) unit: Unit,
    pub(super) time: Timestamp,
    pub(super) value: f64,
    pub(super) quality: Quality,
    pub(super) period_end: Option<Timestamp>,
    pub(super) vintage: Vintage,
}

/// What a file has.
#[derive(Default)]
pub struct Lines {
    pub(super) readings: Vec<Line>,
    /// What no city would take: line and why.
    pub(super) refused: Vec<(u64, String)>,
}

/// The readings that are read at a time.
const AT_ONCE: usize = 10_000;

/// Reads a file whole; all its readings are held in memory, some 200 bytes each. A row that cannot be understood ends it.
pub fn read(path: &Path, catalogue: &Arc<Catalogue>) -> Result<Lines, Failed> {
    let usage = |error| Failed::Usage(format!("{:#}", anyhow::Error::new(error)));
    let mapping = Mapping::plain();
    let mut reader = Reader::open(path, &mapping).map_err(usage)?;
    let (mut gather, mut lines) = (Gather::new(Arc::clone(catalogue)), Lines::default());
    loop {
        let more = reader.read(AT_ONCE, &mut gather).map_err(usage)?;
        for fault in &gather.faults {
            lines.refuse(fault).map_err(|why| Failed::Usage(format!("{}: {why}", path.display())))?;
        }
        lines.take(&gather);
        gather.clear();
        if !more {
            return Ok(lines);
        }
    }
}

impl Lines {
    fn take(&mut self, gather: &Gather) {
        let some = |nanos: i64| Some(Timestamp(nanos)).filter(|time| time.nanos() != 0);
        self.readings.extend(gather.items.iter().map(|item| {
            let key = &gather.series.keys()[item.series as usize];
            Line {
                number: item.line,
                source: key.source.clone(),
                metric: key.metric.clone(),
                unit: Unit::new(&key.unit),
                time: Timestamp(item.time),
                value: item.value,
                quality: Quality::from_number(item.quality).unwrap_or_default(),
                period_end: some(item.period_end),
                vintage: Vintage(some(item.vintage)),
            }
        }));
    }

    /// Notes what a city would refuse; what is no reading at all is an error.
    fn refuse(&mut self, fault: &Fault) -> Result<(), String> {
        let Fault { line, column, text, reason, message } = fault;
        if matches!(reason, Reason::UnknownMetric | Reason::BadName | Reason::ImpossibleValue) {
            self.refused.push((*line, message.clone()));
            return Ok(());
        }
        Err(format!("line {line}: {column} {text:?}: {message}"))
    }
}

#[cfg(test)]
mod tests;
