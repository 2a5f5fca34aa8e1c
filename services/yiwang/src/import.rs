//! `yiwang import`: files of readings into a running city, through its gRPC door.
//!
//! There is no other way in: what is imported is admitted, refused, acknowledged and judged as what any gateway sends. With
//! `--history` it may be as old as it is; then it is stored and not judged, because nobody can act on an order about last year.
//!
//! - Acknowledged means durable. Up to where each file is acknowledged stands in a state file; the next run goes on there, in
//!   whatever way this one ended. Rows may be sent twice, which changes nothing; none is passed over.
//! - A row that cannot be read, and a reading that the city refuses, is counted by its reason and told with file and line; the
//!   others go in.
//! - Files of any size stream through bounded memory.
//!
//! The exit code is 0 when everything is in, [`REFUSED`] when something was refused, [`INTERRUPTED`] when the import was
//! stopped and the same command goes on, 64 for bad usage, 1 for a failure.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use sensors_sim::door::Credential;
use yiwang_files::{Mapping, find};

use crate::cli::{Failed, catalogue, runtime};

mod batches;
mod books;
mod drive;
mod plan;
mod progress;
mod refused;
mod state;

use books::Books;
use plan::Plan;

/// What to import, and where to.
#[derive(Debug, Args)]
pub struct Options {
    /// Files, or folders of them: .csv, .tsv, .jsonl, .ndjson, .lp (line protocol), each with or without .gz.
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// host:port of the gRPC door of a running city.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:50051")]
    grpc: String,
    /// Who sends.
    #[arg(long, value_name = "NAME:SECRET_FILE")]
    credential: Option<Credential>,
    /// What the columns mean, as TOML; without it they are source, metric, time, value and, if need be, unit, quality, vintage,
    /// period_end.
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// The catalogue of the city, which gives units where files do not, and the meaning of line protocol; the demo city's if not given.
    #[arg(long, value_name = "PATH")]
    catalogue: Option<PathBuf>,
    /// These readings are of the past: store them however old they are, and do not judge them.
    #[arg(long)]
    history: bool,
    /// Send no more than so many rows a second, so that gateways are not crowded out.
    #[arg(long, value_name = "ROWS")]
    rate: Option<NonZeroU32>,
    /// What the times of line protocol count: ns, us, ms or s.
    #[arg(long, default_value = "ns", value_parser = precision)]
    precision: i64,
    /// Where to remember what is in; beside the first input if not given.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Forget what is in and begin anew.
    #[arg(long)]
    from_start: bool,
    /// Where to write each row that was refused, as CSV.
    #[arg(long, value_name = "FILE")]
    refused: Option<PathBuf>,
    /// Where to append a line for each acknowledged reading, for `yiwang reconcile --acked`.
    #[arg(long, value_name = "FILE")]
    acked: Option<PathBuf>,
    /// The name under which the city sees this import.
    #[arg(long, value_name = "NAME", default_value = "import")]
    gateway: String,
}

/// The exit code when something was refused (`EX_DATAERR` of sysexits).
pub const REFUSED: u8 = 65;
/// The exit code when the import was stopped before its end (`EX_TEMPFAIL`).
pub const INTERRUPTED: u8 = 75;

/// Imports.
///
/// # Errors
/// Inputs, a mapping or a state that cannot be read; a city that will not have it.
pub fn run(options: &Options) -> Result<ExitCode, Failed> {
    let catalogue = Arc::new(catalogue(options.catalogue.as_deref())?);
    let mapping = match &options.mapping {
        Some(path) => Mapping::load(path).map_err(|error| Failed::Usage(error.to_string()))?,
        None => Mapping::plain(),
    };
    let mapping = mapping.with_precision(options.precision);
    let files = find::files(&options.inputs).map_err(usage)?;
    let plan = Plan::make(options, &mapping, &catalogue, files)?;
    runtime()?.block_on(async {
        // From here on the state says that an import has begun: Ctrl-C is heard before.
        let stop = drive::stopped_by_signals()?;
        let books = Books::open(options, &plan)?;
        Ok(drive::run(options, mapping, catalogue, plan, books, stop).await?)
    })
}

/// A fault of the files, with its cause.
fn usage(error: yiwang_files::Error) -> Failed {
    Failed::Usage(format!("{:#}", anyhow::Error::new(error)))
}

fn precision(text: &str) -> Result<i64, String> {
    match text {
        "ns" => Ok(1),
        "us" => Ok(1_000),
        "ms" => Ok(1_000_000),
        "s" => Ok(1_000_000_000),
        _ => Err("ns, us, ms or s is wanted".into()),
    }
}

#[cfg(test)]
mod tests;
