//! `yiwang reconcile`: balances the books of a data folder.
//!
//! Log, series store, order store and the senders' own files are each read for itself; no figure is had by subtracting others.
//! - Every acknowledged reading is in the log.
//! - Every key of the log up to the store's mark is in the store with its last value, and nothing else is.
//! - Each episode of topic `derived` has one order, and each order of the channel sensor one episode, and both say the same of it:
//!   that it goes on, is over, or was withdrawn.
//! - Orders of the channel alert have no episode there and do not contradict themselves.
//!
//! What retention has dropped from the log cannot be balanced any more; it is counted and told. What cannot be read is a difference of
//! its account, and the other accounts are balanced all the same.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use yiwang_catalogue::Catalogue;
use yiwang_disk::RealDisk;
use yiwang_log::embedded::EmbeddedLog;
use yiwang_proto::topics;

use crate::city::{City, Stop, folders, hold, open_log, open_orders};
use crate::cli::{Failed, runtime};
use crate::config::{Config, Layers};

mod books;
pub mod log_book;

use books::{Books, Stored};
use log_book::{LogBook, key, last_catalogue};

/// What to balance.
#[derive(Debug, Args)]
pub struct Options {
    /// The data folder; no process may hold it.
    #[arg(long)]
    data_dir: PathBuf,
    /// First run what is left in the log through judgement and stores.
    #[arg(long)]
    drain: bool,
    /// A sender's file of acknowledgements, lines of `source,metric,time,value[,vintage]`; may be given again.
    #[arg(long)]
    acked: Vec<PathBuf>,
}

/// Balances; differences end with exit code 1.
///
/// # Errors
/// What cannot be read.
pub fn run(options: Options) -> Result<ExitCode, Failed> {
    let config = of_folder(&options.data_dir)?;
    let runtime = runtime()?;
    if options.drain {
        runtime.block_on(drain(&config))?;
    }
    let books = runtime.block_on(balance(&config, &options.acked))?;
    print!("{books}");
    Ok(if books.balanced() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A data folder as it is: with the partitions that its log has, and nothing dropped while it is looked at.
///
/// # Errors
/// When there is no such folder.
pub fn of_folder(data_dir: &Path) -> Result<Config, Failed> {
    if !data_dir.is_dir() {
        return Err(Failed::Usage(format!("{} is not a folder: give a data folder", data_dir.display())));
    }
    let mut layers = Layers::default();
    layers.flag("data_dir", data_dir.to_str());
    for key in ["log_max_age", "log_max_bytes"] {
        layers.flag(key, Some("none"));
    }
    let mut config = layers.finish().map_err(Failed::Faults)?;
    // A layout that cannot be read is told when the log is opened.
    if let Ok(Some(layout)) = EmbeddedLog::layout_of(&RealDisk, &folders(&config).log) {
        let readings = layout.topics.get(usize::from(topics::READINGS));
        config.partitions = readings.map_or(config.partitions, |topic| topic.partitions);
    }
    Ok(config)
}

/// Opens the city, without its doors, and closes it again, which runs everything through.
async fn drain(config: &Config) -> anyhow::Result<()> {
    let catalogue = in_force(config).await?;
    City::without_doors(config, Arc::new(catalogue)).await?.close(Stop::patient()).await
}

/// The catalogue that is in force in a folder, so that nothing is judged by another.
async fn in_force(config: &Config) -> anyhow::Result<Catalogue> {
    let _lock = hold(&config.data_dir)?;
    let log = open_log(config)?;
    let Some(last) = last_catalogue(log.as_ref()).await? else { return Ok(Catalogue::demo()) };
    let name = format!("revision {} of the catalogue", last.revision);
    Catalogue::parse(&[(name.as_str(), last.text.as_str())])
        .map_err(|faults| anyhow::anyhow!("{}: start a newer release", faults[0]))
}

async fn balance(config: &Config, acked: &[PathBuf]) -> anyhow::Result<Books> {
    let mut books = Books::default();
    let _lock = hold(&config.data_dir)?;
    let log = match open_log(config) {
        Ok(log) => LogBook::read(log.as_ref()).await,
        Err(error) => LogBook::closed(format!("{error:#}")),
    };
    books.log(&log);
    match open_orders(config).await {
        Ok(orders) => {
            books.episodes(&log, orders.as_ref()).await?;
            orders.close().await;
        }
        Err(error) => books.no_orders(format!("{error:#}")),
    }
    let mut stored = Stored::new();
    let folder = folders(config).series;
    let marked = yiwang_series::embedded::scan_folder(&RealDisk, &folder, &mut |_, row| {
        stored.insert(key(row), row.value.to_bits());
    });
    match marked {
        Ok(mark) => books.store(&log, &stored, &mark),
        Err(error) => books.no_store(error),
    }
    for file in acked {
        books.acked(&log, &stored, file)?;
    }
    Ok(books)
}
