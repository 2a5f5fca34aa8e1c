//! `sensors-sim`: a simulated city, a load generator and a replay of real input, all over the open doors.

mod options;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use options::{Arguments, Command};

#[tokio::main]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    let colour = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colour).init();
    match run(Arguments::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "failed");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    let stop = stop_at_signal();
    match command {
        Command::City(city) => match city.meant()? {
            options::CityMeant::Live(live) => sensors_sim::city::run(*live, stop).await,
            options::CityMeant::Planted(planted) => sensors_sim::planted::write(&planted),
        },
        Command::Plan(plan) => plan.write(),
        Command::Real(real) => real.write(),
        Command::Baseline(baseline) => baseline.write(),
        Command::Judge(judge) => judge.print(),
        Command::Load(load) => tell(&sensors_sim::load::run(load.meant()?, stop).await?),
        Command::Replay(replay) => tell(&sensors_sim::replay::run(replay.meant()?, stop).await?),
    }
}

fn tell(report: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(report)?);
    Ok(())
}

/// Cancelled by the first SIGINT or SIGTERM; the second ends the process as usual.
fn stop_at_signal() -> CancellationToken {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = CancellationToken::new();
    let cancel = stop.clone();
    tokio::spawn(async move {
        let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        cancel.cancel();
        let _ = tokio::signal::ctrl_c().await;
        std::process::exit(1);
    });
    stop
}
