//! Real input through the doors, in the order of event time.
//!
//! Inputs are CSV, JSON lines or the UCI data of Beijing, plain or gzipped; see [`read`]. They are merged by event time and
//! sent window by window. With both doors the sources take turns, sorted by name, and no door begins a window before the
//! other's last reading of the window before is acknowledged; so they are never further apart than a window, 6 hours if
//! nothing else is asked for. That matters when the city's clock follows its input and refuses what is a day old.

pub mod read;
mod send;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use yiwang_catalogue::Catalogue;
use yiwang_model::Span;

use crate::acked::AckedFile;
use crate::door::{Address, Credential};
use read::Input;

/// The longest window: doors may not drift apart by more.
pub const MAX_WINDOW: Span = Span::HOUR.times(12);

/// What to replay.
#[derive(Clone, Debug)]
pub struct Options {
    /// Files.
    pub inputs: Vec<PathBuf>,
    /// Where to: one door of each kind at most.
    pub doors: Vec<Address>,
    /// Event seconds a second; 0 as fast as acknowledgements allow.
    pub speed: f64,
    /// How often all of it is sent.
    pub times: u32,
    /// How much event time is sent before waiting for the other door.
    pub window: Span,
    /// Where to write acknowledgements.
    pub acked: Option<PathBuf>,
    /// The name of the gateway.
    pub gateway: String,
    /// Who it is.
    pub credential: Option<Credential>,
    /// The units of metrics, for inputs without.
    pub catalogue: Arc<Catalogue>,
    /// How long to wait at the end for what is not acknowledged.
    pub wait: Duration,
}

/// What a replay tells at its end, as one line of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Readings of the inputs.
    pub readings: u64,
    /// Places of the inputs where a value is missing.
    pub missing: u64,
    /// Readings sent, over all times.
    pub sent: u64,
    /// Acknowledged and not refused.
    pub acked: u64,
    /// Refused.
    pub refused: u64,
    /// Not answered in time.
    pub unacknowledged: u64,
    /// From the first to the last.
    pub seconds: f64,
}

/// Reads, merges, sends.
///
/// # Errors
/// Inputs that cannot be read, with file and line; options that make no sense; a door that refuses for good.
pub async fn run(options: Options, stop: CancellationToken) -> anyhow::Result<Report> {
    check(&options)?;
    let catalogue = options.catalogue.clone();
    let inputs = options.inputs.clone();
    let input = tokio::task::spawn_blocking(move || read::files(&inputs, &catalogue)).await??;
    let acked = options.acked.as_deref().map(AckedFile::append).transpose()?;
    let flusher = acked.clone().map(|file| tokio::spawn(file.keep_flushed()));
    let report = send::all(&options, &input, acked.clone(), stop).await;
    if let Some(flusher) = flusher {
        flusher.abort();
    }
    acked.map_or(Ok(()), |file| file.flush())?;
    report
}

fn check(options: &Options) -> anyhow::Result<()> {
    if options.inputs.is_empty() || options.doors.is_empty() {
        bail!("a replay needs an input and a door");
    }
    if options.window <= Span::ZERO || options.window > MAX_WINDOW {
        bail!("--window is {}; above 0s and up to {MAX_WINDOW} is wanted", options.window);
    }
    if !options.speed.is_finite() || options.speed < 0.0 {
        bail!("--speed is {}; event seconds a second, or 0, are wanted", options.speed);
    }
    Ok(())
}

/// The readings of one window, as places in [`Input::records`].
fn windows(input: &Input, window: Span) -> impl Iterator<Item = std::ops::Range<usize>> {
    let records = &input.records;
    let of = move |at: usize| records[at].time.div_euclid(window.0);
    let mut begin = 0;
    std::iter::from_fn(move || {
        let first = (begin < records.len()).then(|| of(begin))?;
        let end =
            begin + records[begin..].partition_point(|record| record.time.div_euclid(window.0) == first);
        Some(std::mem::replace(&mut begin, end)..end)
    })
}

#[cfg(test)]
mod tests;
