//! The command line, and which exit code an end has.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use yiwang_catalogue::{Catalogue, Fault};

use crate::config::{Config, Layers};
use crate::{backtest, city, explain, hj212, import, reconcile, reload, replay, score, simulate};

/// Yiwang (一网): sensors in, work orders out.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole city in this process.
    Up(Up),
    /// Run only the doors; needs a log that other processes can reach.
    Ingest(Common),
    /// Run only the judgement; needs a log and an order store that other processes can reach.
    Stream(Common),
    /// Run only the console; needs stores that other processes can reach.
    Web(Common),
    /// Check configuration and catalogue, and tell all faults.
    Check(Common),
    /// Have a running city read the files of its catalogue again, as SIGHUP does.
    Reload(reload::Options),
    /// Show the configuration that holds, secrets starred.
    Config(Common),
    /// Balance the books of a data folder: log, series store, order store, the senders' own files.
    Reconcile(reconcile::Options),
    /// Judge a file of readings, without a city; the episodes go to the standard output, one JSON a line.
    Replay(replay::Options),
    /// Judge what a city has in its log once more, under its own catalogues and under another, and tell what orders differ.
    Backtest(backtest::Options),
    /// Say why an episode was found, derived again from what was kept of it alone.
    Explain(explain::Options),
    /// Say of each row of a series how strange it is, from 0 to 1.
    Score(score::Options),
    /// Loggers of HJ 212.
    Hj212(hj212::Options),
    /// Import files of readings into a running city, with a mapping of columns if need be; what was interrupted goes on.
    Import(import::Options),
}

/// What all roles take.
#[derive(Debug, Default, Args)]
pub struct Common {
    /// A TOML file; what it says is overridden by YIWANG_… variables, and these by flags.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Where everything is kept.
    #[arg(long)]
    data_dir: Option<String>,
    /// The catalogue: a TOML file or a folder of them.
    #[arg(long)]
    catalogue: Option<String>,
    /// Threads of the judgement.
    #[arg(long)]
    workers: Option<String>,
    /// Where gRPC listens; port 0 takes a free one.
    #[arg(long)]
    grpc_listen: Option<String>,
    /// Where MQTT listens.
    #[arg(long)]
    mqtt_listen: Option<String>,
    /// Where HTTP listens.
    #[arg(long)]
    http_listen: Option<String>,
    /// Where loggers of HJ 212 come in.
    #[arg(long)]
    hj212_listen: Option<String>,
    /// What moves the clock of a city that is made: wall or feed.
    #[arg(long)]
    clock: Option<String>,
    /// City seconds a wall second, for a city that is made.
    #[arg(long)]
    speed: Option<String>,
}

#[derive(Debug, Args)]
struct Up {
    #[command(flatten)]
    common: Common,
    /// Add a simulated city that sends through the open doors.
    #[arg(long)]
    simulate: bool,
    /// Once all doors are open, write their addresses here, as JSON.
    #[arg(long)]
    ready_file: Option<PathBuf>,
}

/// Bad usage or configuration (`EX_USAGE` of sysexits).
const USAGE: u8 = 64;

/// Says what a command line lacks; help and version, which were asked for, are no misuse.
pub fn misused(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    ExitCode::from(code(error))
}

fn code(error: &clap::Error) -> u8 {
    if error.use_stderr() { USAGE } else { 0 }
}

/// Why a command ends early.
pub enum Failed {
    /// Something is wrong with what was configured.
    Faults(Vec<Fault>),
    /// A sentence for whoever configured it.
    Usage(String),
    /// Something failed.
    Failure(anyhow::Error),
}

impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Self {
        Self::Failure(error)
    }
}

/// Runs a command.
pub fn run(cli: Cli) -> ExitCode {
    let ended = match cli.command {
        Command::Up(up) => start(&up),
        Command::Ingest(common) => role(&common, "ingest", "the log", "NATS JetStream"),
        Command::Stream(common) => role(&common, "stream", "the log", "NATS JetStream"),
        Command::Web(common) => role(&common, "web", "the order store", "PostgreSQL"),
        Command::Check(common) => check(&common),
        Command::Reload(options) => reload::run(&options),
        Command::Config(common) => show(&common),
        Command::Reconcile(options) => reconcile::run(options),
        Command::Replay(options) => replay::run(&options),
        Command::Backtest(options) => backtest::run(&options),
        Command::Explain(options) => explain::run(&options),
        Command::Score(options) => score::run(&options),
        Command::Hj212(options) => hj212::run(options),
        Command::Import(options) => import::run(&options),
    };
    match ended {
        Ok(code) => code,
        Err(failed) => tell(failed),
    }
}

fn tell(failed: Failed) -> ExitCode {
    match failed {
        Failed::Faults(faults) => {
            faults.iter().for_each(|fault| eprintln!("{fault}"));
            ExitCode::from(USAGE)
        }
        Failed::Usage(why) => {
            eprintln!("{why}");
            ExitCode::from(USAGE)
        }
        Failed::Failure(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Common {
    fn layers(&self) -> Layers {
        let mut layers = Layers::default();
        if let Some(file) = &self.config {
            layers.file(file);
        }
        layers.environment(std::env::vars().filter(|(name, _)| !NOT_KEYS.contains(&name.as_str())));
        let flags = [
            ("data_dir", &self.data_dir),
            ("catalogue", &self.catalogue),
            ("workers", &self.workers),
            ("grpc_listen", &self.grpc_listen),
            ("mqtt_listen", &self.mqtt_listen),
            ("http_listen", &self.http_listen),
            ("hj212_listen", &self.hj212_listen),
            ("clock", &self.clock),
            ("speed", &self.speed),
        ];
        flags.iter().for_each(|(key, value)| layers.flag(key, value.as_deref()));
        layers
    }

    /// Configuration and catalogue; of both, all faults.
    fn load(&self) -> Result<(Config, Catalogue), Failed> {
        let layers = self.layers();
        let catalogue = read_catalogue(layers.catalogue());
        match (layers.finish(), catalogue) {
            (Ok(config), Ok(catalogue)) => Ok((config, catalogue)),
            (config, catalogue) => {
                let faults = [config.err(), catalogue.err()];
                Err(Failed::Faults(faults.into_iter().flatten().flatten().collect()))
            }
        }
    }
}

/// Variables that are no keys of the configuration.
const NOT_KEYS: [&str; 1] = ["YIWANG_LOG"];

/// The catalogue of a file or folder, or the demo city.
pub fn catalogue(path: Option<&Path>) -> Result<Catalogue, Failed> {
    read_catalogue(path).map_err(Failed::Faults)
}

/// The same, with its faults.
pub fn read_catalogue(path: Option<&Path>) -> Result<Catalogue, Vec<Fault>> {
    path.map_or_else(|| Ok(Catalogue::demo()), Catalogue::load)
}

fn start(up: &Up) -> Result<ExitCode, Failed> {
    let (mut config, catalogue) = up.common.load()?;
    let credential = if up.simulate { simulate::credential(&mut config)? } else { None };
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        let catalogue = Arc::new(catalogue);
        let running = city::City::start(&config, Arc::clone(&catalogue)).await.map_err(not_started)?;
        println!("{}", running.greeting(&config));
        let _ = std::io::stdout().flush();
        if let Some(file) = &up.ready_file {
            running.write_ready(file)?;
        }
        let simulated = up.simulate.then(|| simulate::start(&running, &config, catalogue, credential));
        running.run(simulated).await?;
        Ok(ExitCode::SUCCESS)
    });
    // A stage that was left may still be at work on a thread of its own.
    runtime.shutdown_timeout(LEAVING);
    ended
}

/// Why a city did not start: what it was told does not fit what it has, or something failed.
fn not_started(error: anyhow::Error) -> Failed {
    use yiwang_ingest::Error::{Files, OtherClock};
    match error.downcast_ref() {
        Some(OtherClock { .. } | Files(_)) => Failed::Usage(error.to_string()),
        _ => Failed::Failure(error),
    }
}

/// How long threads at work may take to end, once the city has stopped.
const LEAVING: Duration = Duration::from_millis(500);

/// The runtime of all rooms that touch the world.
pub fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

fn role(common: &Common, role: &str, seam: &str, engine: &str) -> Result<ExitCode, Failed> {
    common.load()?;
    Err(Failed::Usage(format!(
        "role \"{role}\" needs {seam} on {engine}, which this release does not have yet; {seam} is embedded, and \
         \"yiwang up\" runs all roles on it in one process"
    )))
}

fn check(common: &Common) -> Result<ExitCode, Failed> {
    let (_, catalogue) = common.load()?;
    println!(
        "configuration and catalogue are right: {} metrics, {} stations, {} limits, {} detectors",
        catalogue.metrics.len(),
        catalogue.stations.len(),
        catalogue.limits.len(),
        catalogue.detectors.len()
    );
    Ok(ExitCode::SUCCESS)
}

fn show(common: &Common) -> Result<ExitCode, Failed> {
    let config = common.layers().finish().map_err(Failed::Faults)?;
    print!("{}", config.to_toml());
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests;
