//! `yiwang backtest`: yesterday's readings under tomorrow's rules.
//!
//! What a log has is judged twice through the very dataflow of a city: once as it was, under the catalogues that were in force, and once
//! under another, with what was registered by API at each time. Out come the orders that would be added, removed and changed. The first run must be what the live city derived, step by
//! step and id by id, which topic `derived` tells; when it is not, the second cannot be believed either, and the exit code says so.
//!
//! All of the log is judged, from its beginning or from the first epoch that retention left whole; `--from` and `--to` choose by begin what
//! is compared. The log has what the doors admitted: what another catalogue would have admitted besides is not there.
//!
//! A file of readings, as `yiwang replay` takes it, is judged under two catalogues in the same way; there is no live city to compare with.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use yiwang_log::Log;
use yiwang_model::Timestamp;

use crate::city::{hold, open_log};
use crate::cli::{Failed, catalogue, runtime};
use crate::reconcile::of_folder;
use crate::replay;

mod differ;
mod instead;
mod judge;
mod show;

use differ::Report;
use instead::Instead;
use judge::Ran;

/// What to judge again.
#[derive(Debug, Args)]
pub struct Options {
    /// The catalogue to try: a TOML file or a folder of them.
    #[arg(long)]
    catalogue: PathBuf,
    /// The data folder of a city that has stopped, whose log is judged; nothing is changed in it.
    #[arg(long, required_unless_present = "input", conflicts_with = "input")]
    data_dir: Option<PathBuf>,
    /// A file of readings instead, as `yiwang replay` takes it.
    #[arg(long)]
    input: Option<PathBuf>,
    /// With a file: the catalogue that is in force, if not the demo city.
    #[arg(long, requires = "input")]
    old: Option<PathBuf>,
    /// Compare episodes that begin at this time or later, RFC 3339.
    #[arg(long)]
    from: Option<Timestamp>,
    /// Compare episodes that begin before this time.
    #[arg(long)]
    to: Option<Timestamp>,
    /// Threads of the judgement; the result is the same with any number.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
    /// One JSON document instead of text.
    #[arg(long)]
    json: bool,
}

/// Judges twice and compares; exit code 1 says that the first run is not what the live city derived.
///
/// # Errors
/// What cannot be read or judged.
pub fn run(options: &Options) -> Result<ExitCode, Failed> {
    let new = Arc::new(catalogue(Some(&options.catalogue))?);
    let (before, after, live) = match (&options.data_dir, &options.input) {
        (Some(folder), _) => {
            let config = of_folder(folder)?;
            let workers = usize::from(options.workers);
            runtime()?.block_on(async {
                let _lock = hold(&config.data_dir)?;
                let log: Arc<dyn Log> = open_log(&config)?;
                let before = judge::log(&log, None, workers).await?;
                let live = judge::live(log.as_ref(), &before).await?;
                let instead = Instead::of_log(log.as_ref(), &new).await?;
                instead.left_out().for_each(|left_out| eprintln!("{left_out}"));
                let after = judge::log(&log, Some(&instead), workers).await?;
                Ok::<_, Failed>((before, after, Some(live)))
            })?
        }
        (None, Some(file)) => {
            let old = Arc::new(catalogue(options.old.as_deref())?);
            let judged = |catalogue| {
                let lines = replay::read(file, catalogue)?;
                let (closed, directory) = replay::judged(catalogue, lines, options.workers)?;
                Ok::<_, Failed>(Ran::of(closed, &directory, 0))
            };
            (judged(&old)?, judged(&new)?, None)
        }
        (None, None) => return Err(Failed::Usage("give --data-dir or --input".into())),
    };
    let window = options.from.unwrap_or(Timestamp::MIN)..options.to.unwrap_or(Timestamp::MAX);
    let report = Report::of(before.within(&window), after.within(&window), live);
    if options.json {
        println!("{}", serde_json::to_string(&report).context("as JSON")?);
    } else {
        print!("{}", show::text(&report));
    }
    Ok(if report.is_believable() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
