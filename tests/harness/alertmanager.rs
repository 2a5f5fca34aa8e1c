//! The real Alertmanager of Debian, in a folder of its own, which sends all it has to one address, again and again.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use tempfile::TempDir;

use crate::{http, wait};

/// An Alertmanager; killed when dropped.
#[derive(Debug)]
pub struct Alertmanager {
    _folder: TempDir,
    at: SocketAddr,
    child: Child,
}

const PROGRAM: &str = "prometheus-alertmanager";

impl Alertmanager {
    /// Starts it; it sends to this address of HTTP. None where the program is not there.
    pub fn start(to: SocketAddr) -> Option<Self> {
        Command::new(PROGRAM).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = (std::process::id() % 0x1000) * 0x100 + NEXT.fetch_add(1, Ordering::Relaxed);
        let at = SocketAddr::from((Ipv4Addr::from(0x7fe0_0000 | number), 9093));
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = folder.path().join("alertmanager.yml");
        std::fs::write(&config, configuration(to)).expect("a file");
        let said = File::create(folder.path().join("said.log")).expect("a file");
        let mut command = Command::new(PROGRAM);
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.path={}", folder.path().join("data").display()));
        command.arg(format!("--web.listen-address={at}")).arg("--cluster.listen-address=");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).spawn();
        let it = Self { _folder: folder, at, child: child.expect("the program starts") };
        wait::until("Alertmanager is ready", || matches!(http::get(at, "/-/ready"), Ok((200, _))));
        Some(it)
    }

    /// Tells it of alerts, as Prometheus does.
    pub fn tell(&self, alerts: &Value) {
        let (status, body) =
            http::post(self.at, "/api/v2/alerts", &alerts.to_string()).expect("Alertmanager answers");
        assert_eq!(status, 200, "{body}");
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(to: SocketAddr) -> String {
    format!(
        "route: {{receiver: city, group_wait: 10ms, group_interval: 100ms, repeat_interval: 200ms}}\n\
         receivers:\n- name: city\n  webhook_configs:\n  - url: http://{to}/api/v1/alerts\n    max_alerts: 1000\n"
    )
}
