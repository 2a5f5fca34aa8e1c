//! `yiwang explain`: why an episode was found, derived again from its capsule alone.
//!
//! The capsule is taken from the order store, which may be that of a running city, or from a file. The judgement of it needs nothing
//! else: see `yiwang_stream::explain`. Then, where no process holds the folder, log and series store are asked whether they
//! still say the same. A reading that was corrected since differs there, and the capsule still holds: it has what was known when the
//! episode was opened.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Args;
use serde::Serialize;
use yiwang_model::AnomalyId;
use yiwang_orders::{OrderStore, SqliteOrders};
use yiwang_stream::explain::{Explanation, explain};

use crate::city::{ZONE, folders};
use crate::cli::{Failed, runtime};
use crate::reconcile::of_folder;

mod compare;
mod show;

use compare::Compared;

/// What to explain.
#[derive(Debug, Args)]
pub struct Options {
    /// The episode, as the API and the order's page name it: 32 hexadecimal digits.
    #[arg(value_parser = id)]
    anomaly: AnomalyId,
    /// The data folder; a city may run on it, then log and series store are not asked.
    #[arg(long)]
    data_dir: PathBuf,
    /// One JSON document instead of text.
    #[arg(long)]
    json: bool,
}

fn id(text: &str) -> Result<AnomalyId, String> {
    text.parse().map_err(|error: yiwang_model::Error| error.to_string())
}

/// What is told of an episode.
#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    explanation: Explanation,
    /// What the order store says of it, if it has an order.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<compare::Ordered>,
    compared: Compared,
}

/// Explains; exit code 0 says that the capsule holds, 1 that it does not.
///
/// # Errors
/// When there is no capsule, or it was altered.
pub fn run(options: &Options) -> Result<ExitCode, Failed> {
    let config = of_folder(&options.data_dir)?;
    let told = runtime()?.block_on(async {
        let (capsule, order) = kept(&folders(&config).orders, options.anomaly).await?;
        let explanation = explain(&capsule)
            .map_err(|why| anyhow!("the capsule of {} does not hold: {why}", options.anomaly))?;
        if explanation.anomaly != options.anomaly {
            let of = explanation.anomaly;
            return Err(anyhow!("the capsule of {} does not hold: it is of {of}", options.anomaly));
        }
        let compared = compare::compare(&config, &explanation).await?;
        anyhow::Ok(Told { explanation, order, compared })
    })?;
    if options.json {
        println!("{}", serde_json::to_string(&told).context("as JSON")?);
    } else {
        print!("{}", show::text(&told));
    }
    Ok(if told.explanation.differs.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The capsule of an episode, and what its order says.
async fn kept(file: &Path, id: AnomalyId) -> anyhow::Result<(Vec<u8>, Option<compare::Ordered>)> {
    if !file.is_file() {
        return Err(anyhow!("{} is not there: give the data folder of a city", file.display()));
    }
    let orders = SqliteOrders::open_to_read(file, ZONE).await.context("cannot open the order store")?;
    let (capsule, order) = (orders.capsule(id).await?, orders.of_anomaly(id).await?);
    orders.close().await;
    let capsule = capsule.ok_or_else(|| match order {
        Some(_) => anyhow!(
            "{id} has an order and no capsule: it is of a rule across series, of a metric with an allowed lateness of \
             zero, or of an older release; topic `derived` of the log has its steps"
        ),
        None => anyhow!("the order store has nothing of {id}"),
    })?;
    Ok((capsule, order.map(|order| compare::Ordered::of(&order))))
}
