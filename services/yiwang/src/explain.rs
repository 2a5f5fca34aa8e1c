//! `yiwang explain`: why an episode was found, derived again from its capsule alone.
//!
//! The capsule is taken from the order store of a data folder, on which a city may run, or from a city elsewhere by its HTTP API. The
//! judgement of it needs nothing else: see `yiwang_stream::explain`. Then, where no process holds the folder, log and series store are asked whether they
//! still say the same. A reading that was corrected since differs there, and the capsule still holds: it has what was known when the
//! episode was opened.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Args;
use hyper::{Method, StatusCode};
use sensors_sim::door::Credential;
use serde::Serialize;
use yiwang_model::AnomalyId;
use yiwang_orders::{OrderStore, SqliteOrders};
use yiwang_stream::explain::{Explanation, explain};

use crate::ask::{CITY_WITHIN, City, reason};
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
    #[arg(long, required_unless_present = "http", conflicts_with = "http")]
    data_dir: Option<PathBuf>,
    /// host:port of a city's HTTP door, which gives the capsule; nothing else is asked then.
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
    /// Who asks: a credential that may read.
    #[arg(long, value_name = "NAME:SECRET_FILE", requires = "http")]
    credential: Option<Credential>,
    /// One JSON document instead of text.
    #[arg(long)]
    json: bool,
}

/// The largest answer of a city, in bytes: a capsule of a mebibyte in digits.
const MAX_ANSWER_BYTES: usize = 4 << 20;

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
    let told = match (&options.data_dir, &options.http) {
        (Some(folder), _) => {
            let config = of_folder(folder)?;
            runtime()?.block_on(async {
                let (capsule, order) = kept(&folders(&config).orders, options.anomaly).await?;
                let explanation = explained(&capsule, options.anomaly)?;
                let compared = compare::compare(&config, &explanation).await?;
                anyhow::Ok(Told { explanation, order, compared })
            })?
        }
        (None, Some(http)) => runtime()?.block_on(async {
            let capsule = fetched(http, options).await?;
            let explanation = explained(&capsule, options.anomaly)?;
            let compared = Compared::Held(format!("the capsule came from {http}"));
            anyhow::Ok(Told { explanation, order: None, compared })
        })?,
        (None, None) => return Err(Failed::Usage("give --data-dir or --http".into())),
    };
    if options.json {
        println!("{}", serde_json::to_string(&told).context("as JSON")?);
    } else {
        print!("{}", show::text(&told));
    }
    Ok(if told.explanation.differs.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Explains a capsule, which must be of this episode.
fn explained(capsule: &[u8], id: AnomalyId) -> anyhow::Result<Explanation> {
    let explanation = explain(capsule).map_err(|why| anyhow!("the capsule of {id} does not hold: {why}"))?;
    match explanation.anomaly {
        of if of == id => Ok(explanation),
        of => Err(anyhow!("the capsule of {id} does not hold: it is of {of}")),
    }
}

/// The capsule of an episode, as a running city has it.
async fn fetched(http: &str, options: &Options) -> anyhow::Result<Vec<u8>> {
    let city = City { http, credential: options.credential.as_ref(), max_bytes: MAX_ANSWER_BYTES };
    let path = format!("/api/v1/anomalies/{}/capsule", options.anomaly);
    let (status, told) = city.ask(Method::GET, &path, None, CITY_WITHIN).await?;
    if status != StatusCode::OK {
        return Err(anyhow!("{}", reason(&told)));
    }
    let digits = told["capsule"].as_str().unwrap_or_default();
    unhex(digits).context("the city's answer has no capsule")
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let whole = digits.len().is_multiple_of(2) && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if whole && !digits.is_empty() { digits.as_bytes().chunks(2).map(pair).collect() } else { None }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capsule_comes_in_digits_or_not_at_all() {
        assert_eq!(unhex("00ff10"), Some(vec![0, 255, 16]));
        for wrong in ["", "0", "0g", "+1", "zz", "0é"] {
            assert_eq!(unhex(wrong), None, "{wrong:?}");
        }
    }
}
