//! `yiwang reload`: a running city reads the files of its catalogue again.
//!
//! It goes by the city's HTTP API and the way that registrations go. SIGHUP to `yiwang up` does the same, and says in the log what
//! came of it. Exit code 64 says that the files have faults; the catalogue before then holds on.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use hyper::{Method, StatusCode};
use sensors_sim::door::Credential;
use serde_json::Value;

use crate::ask::{City, reason};
use crate::cli::{Failed, runtime};

/// Which city.
#[derive(Debug, Args)]
pub struct Options {
    /// host:port of the city's HTTP door.
    #[arg(long, value_name = "ADDR")]
    http: String,
    /// Who asks: a credential that may manage.
    #[arg(long, value_name = "NAME:SECRET_FILE")]
    credential: Option<Credential>,
}

/// How long a city may take to check a large catalogue and to put it in force.
const WITHIN: Duration = Duration::from_secs(120);
/// The largest answer, in bytes: a thousand faults.
const MAX_ANSWER_BYTES: usize = 8 << 20;

/// Runs the command.
///
/// # Errors
/// Why the catalogue stays as it is.
pub fn run(options: &Options) -> Result<ExitCode, Failed> {
    let Options { http, credential } = options;
    let city = City { http, credential: credential.as_ref(), max_bytes: MAX_ANSWER_BYTES };
    let asked = city.ask(Method::POST, "/api/v1/catalogue/reload", None, WITHIN);
    let (status, told) = runtime()?.block_on(asked)?;
    match status {
        StatusCode::OK => println!("{}", said(&told)),
        StatusCode::UNPROCESSABLE_ENTITY => return Err(Failed::Usage(faults(&told))),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let error = reason(&told);
            return Err(anyhow!("{error}: give a --credential of the city that may manage").into());
        }
        _ => return Err(anyhow!("{}", reason(&told)).into()),
    }
    Ok(ExitCode::SUCCESS)
}

fn said(told: &Value) -> String {
    let revision = &told["revision"];
    if told["changed"] == true {
        format!("catalogue revision {revision} is in force")
    } else {
        format!("the files say what they said before: catalogue revision {revision} is in force")
    }
}

/// Each fault as `yiwang check` tells it.
fn faults(told: &Value) -> String {
    let mut out = String::new();
    for fault in told["faults"].as_array().into_iter().flatten() {
        let text = |key: &str| fault[key].as_str().unwrap_or_default().to_owned();
        let fault = yiwang_catalogue::Fault {
            file: text("file"),
            line: fault["line"].as_u64().and_then(|line| usize::try_from(line).ok()).unwrap_or_default(),
            key: text("key"),
            found: text("found"),
            wanted: text("wanted"),
        };
        // writing into a text cannot fail
        let _ = writeln!(out, "{fault}");
    }
    out + "the catalogue before holds on"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn faults_are_told_as_a_check_tells_them() {
        let fault = yiwang_catalogue::Fault {
            file: "limits.toml".into(),
            line: 7,
            key: "limit.value".into(),
            found: "\"75\"".into(),
            wanted: "a finite number".into(),
        };
        let told = json!({"faults": [{"file": "limits.toml", "line": 7, "key": "limit.value",
            "found": "\"75\"", "wanted": "a finite number"}]});
        assert_eq!(faults(&told), format!("{fault}\nthe catalogue before holds on"));
        assert!(said(&json!({"revision": 3, "changed": false})).contains("what they said before"));
    }
}
