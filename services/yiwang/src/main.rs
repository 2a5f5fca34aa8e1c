//! `yiwang`: the whole city in one process, or one role of it.
//!
//! Nothing clever is here: configuration, the parts put together, start and drain. Bad usage or configuration exits 64,
//! failure 1.

#![expect(unreachable_pub, reason = "in a program `pub` says what a module gives to its neighbours")]

mod ask;
mod backtest;
mod city;
mod cli;
mod config;
mod explain;
mod gate;
mod health;
mod hj212;
mod import;
mod reconcile;
mod reload;
mod replay;
mod score;
mod simulate;
#[cfg(test)]
mod testing;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("YIWANG_LOG")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info")),
        )
        .init();
    match cli::Cli::try_parse() {
        Ok(cli) => cli::run(cli),
        Err(error) => cli::misused(&error),
    }
}
