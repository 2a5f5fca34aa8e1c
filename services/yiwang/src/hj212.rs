//! `yiwang hj212 send`: tells a logger of a running city what to do, and what the logger said to that.
//!
//! It goes by the city's HTTP API, which hands it to the open connection of the logger. Exit code 0 says that the logger did it,
//! 1 why not, 64 that it cannot be sent.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use hyper::{Method, StatusCode};
use sensors_sim::door::Credential;
use serde_json::{Value, json};
use yiwang_proto::hj212::command::{request_word, result_word};

use crate::ask::{CITY_WITHIN, City, reason};
use crate::cli::{Failed, runtime};

/// What is done with loggers.
#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Tell a logger what to do: 1011 and 1012 time, 1061 and 1062 interval, 2011 and 2012 begin and stop real-time data.
    Send(Send),
}

#[derive(Debug, Args)]
struct Send {
    /// host:port of the city's HTTP door.
    #[arg(long, value_name = "ADDR")]
    http: String,
    /// Who asks: a credential that may act.
    #[arg(long, value_name = "NAME:SECRET_FILE")]
    credential: Option<Credential>,
    /// The logger.
    #[arg(long)]
    mn: String,
    /// Seconds until a request without an answer is repeated, 1 to 60.
    #[arg(long, value_name = "S", default_value_t = 10)]
    over_time: u64,
    /// How often it is repeated, 0 to 10.
    #[arg(long, value_name = "N", default_value_t = 3)]
    re_count: u64,
    /// Seconds that what was accepted may take, 1 to 300.
    #[arg(long, value_name = "S", default_value_t = 60)]
    run_time: u64,
    /// The number of the command.
    cn: u16,
    /// SystemTime=yyyyMMddHHmmss for 1012 (now, if not given), RtdInterval=30…3600 for 1062.
    #[arg(value_name = "NAME=VALUE", value_parser = value)]
    values: Vec<(String, String)>,
}

fn value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE is wanted")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Runs the command.
///
/// # Errors
/// What cannot be sent, and why a logger did not do it.
pub fn run(options: Options) -> Result<ExitCode, Failed> {
    let What::Send(send) = options.what;
    let (status, told) = runtime()?.block_on(send.ask())?;
    let error = reason(&told);
    match status {
        StatusCode::OK => println!("{}", said(&told)),
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => return Err(Failed::Usage(error)),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Err(anyhow!("{error}: give a --credential of the city that may act").into());
        }
        _ => return Err(anyhow!("{error}").into()),
    }
    Ok(ExitCode::SUCCESS)
}

/// The largest answer, in bytes.
const MAX_ANSWER_BYTES: usize = 64 << 10;

impl Send {
    /// Asks the city, and waits for as long as the logger may take.
    async fn ask(&self) -> anyhow::Result<(StatusCode, Value)> {
        let bound =
            self.over_time.saturating_mul(self.re_count.saturating_add(1)).saturating_add(self.run_time);
        let bound = CITY_WITHIN + Duration::from_secs(bound.min(3600));
        let values: BTreeMap<_, _> = self.values.iter().cloned().collect();
        let asked = json!({
            "cn": self.cn, "values": values,
            "over_time": self.over_time, "re_count": self.re_count, "run_time": self.run_time,
        });
        let city =
            City { http: &self.http, credential: self.credential.as_ref(), max_bytes: MAX_ANSWER_BYTES };
        city.ask(Method::POST, &self.path()?, Some(&asked), bound).await
    }

    fn path(&self) -> anyhow::Result<String> {
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:".contains(&byte);
        if self.mn.is_empty() || !self.mn.bytes().all(named) {
            bail!("{:?} is no MN", self.mn);
        }
        Ok(format!("/api/v1/hj212/{}/commands", self.mn.replace('/', "%2F")))
    }
}

/// What the logger said, a line each.
fn said(told: &Value) -> String {
    let code = |name: &str, word: fn(u16) -> &'static str| {
        let code = told[name].as_u64()?;
        Some(format!("{name}={code} {}", word(u16::try_from(code).unwrap_or(u16::MAX))))
    };
    let values = told["values"].as_object().into_iter().flatten();
    let values = values.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()));
    let noted = (told["noted"] == true).then(|| "noted".to_owned());
    let lines =
        code("QnRtn", request_word).into_iter().chain(values).chain(code("ExeRtn", result_word)).chain(noted);
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_logger_said_is_shown_in_its_order() {
        let told = json!({ "QnRtn": 1, "ExeRtn": 1, "values": { "RtdInterval": "60" } });
        assert_eq!(said(&told), "QnRtn=1 ready\nRtdInterval=60\nExeRtn=1 done");
        assert_eq!(said(&json!({ "noted": true })), "noted");
        assert!(value("RtdInterval").is_err());
    }
}
