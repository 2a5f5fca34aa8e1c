//! The real VictoriaMetrics of Debian, in a folder of its own, killed and started at will.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use tempfile::TempDir;

use crate::{http, wait};

/// A store that speaks as InfluxDB does.
#[derive(Debug)]
pub struct Victoria {
    folder: TempDir,
    at: SocketAddr,
    child: Option<Child>,
}

/// One point as it lies there: milliseconds and value.
pub type Point = (i64, f64);

impl Victoria {
    /// Starts it over an empty folder; none where the program is not there.
    pub fn start() -> Option<Self> {
        Command::new(PROGRAM).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
        // Another loopback block than that of the cities, so that nobody takes the port while it is dead.
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = (std::process::id() % 0x4000) * 0x100 + NEXT.fetch_add(1, Ordering::Relaxed);
        let at = SocketAddr::from((Ipv4Addr::from(0x7f80_0000 | number), 8428));
        let mut store = Self { folder: tempfile::tempdir().expect("a temporary folder"), at, child: None };
        store.run();
        Some(store)
    }

    /// Starts it again over the same folder, and waits until it answers.
    pub fn run(&mut self) {
        let said = File::options().create(true).append(true).open(self.folder.path().join("said.log"));
        let mut command = Command::new(PROGRAM);
        command.arg("-storageDataPath").arg(self.folder.path().join("data"));
        command.arg("-httpListenAddr").arg(self.at.to_string());
        command.args(["-retentionPeriod=100y", "-dedup.minScrapeInterval=1ms", "-search.latencyOffset=0s"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said.expect("a file"));
        self.child = Some(command.spawn().expect("the program starts"));
        wait::until("VictoriaMetrics answers", || matches!(http::get(self.at, "/health"), Ok((200, _))));
    }

    /// Kills it, as `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            child.wait().expect("a child can be waited for");
        }
    }

    /// Where it is.
    pub const fn at(&self) -> SocketAddr {
        self.at
    }

    /// All points of a metric, as (source, points).
    pub fn points(&self, metric: &str) -> Vec<(String, Vec<Point>)> {
        let path = format!("/api/v1/export?match[]={}", http::quoted(metric));
        let (status, text) = http::get(self.at, &path).expect("VictoriaMetrics answers");
        assert_eq!(status, 200, "{text}");
        text.lines().map(|line| series(&serde_json::from_str(line).expect("lines of JSON"))).collect()
    }
}

const PROGRAM: &str = "victoria-metrics";

fn series(line: &Value) -> (String, Vec<Point>) {
    let source = line["metric"]["source"].as_str().unwrap_or_default().to_owned();
    let numbers = |key: &str| line[key].as_array().cloned().unwrap_or_default();
    let times = numbers("timestamps").into_iter().map(|time| time.as_i64().expect("milliseconds"));
    let values = numbers("values").into_iter().map(|value| value.as_f64().expect("a number"));
    (source, times.zip(values).collect())
}

impl Drop for Victoria {
    fn drop(&mut self) {
        self.kill();
    }
}
