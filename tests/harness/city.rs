//! A city: a real process, its folder, its doors.

use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::{books, http, programs, wait};

/// Where the doors are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// gRPC.
    pub grpc: SocketAddr,
    /// MQTT.
    pub mqtt: SocketAddr,
    /// HTTP.
    pub http: SocketAddr,
    /// HJ 212, if that door is open.
    pub hj212: Option<SocketAddr>,
}

/// A city that can be started, stopped and killed, again and again, over the same data folder.
#[derive(Debug)]
pub struct City {
    folder: TempDir,
    data: PathBuf,
    catalogue: Option<PathBuf>,
    config: String,
    flags: Vec<String>,
    wrapped: Vec<String>,
    home: Ipv4Addr,
    addresses: Option<Addresses>,
    child: Option<Child>,
}

impl City {
    /// A city of the demo catalogue with the wall's clock; it is not started yet.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        Self {
            folder,
            data,
            catalogue: None,
            config: String::new(),
            flags: Vec::new(),
            wrapped: Vec::new(),
            home: home(),
            addresses: None,
            child: None,
        }
    }

    /// A city of `tests/catalogue/story.toml`: few detectors, whose episodes do not hang on when readings arrive.
    pub fn story() -> Self {
        let mut city = Self::new();
        city.catalogue(&story_catalogue());
        city
    }

    /// From the next start on this catalogue.
    pub fn catalogue(&mut self, file: &Path) -> &mut Self {
        self.catalogue = Some(file.to_owned());
        self
    }

    /// From the next start on this flag and value.
    pub fn flag(&mut self, name: &str, value: &str) -> &mut Self {
        self.flags.extend([name.to_owned(), value.to_owned()]);
        self
    }

    /// From the next start on this flag, which has no value.
    pub fn switch(&mut self, name: &str) -> &mut Self {
        self.flags.push(name.to_owned());
        self
    }

    /// City time follows the newest reading.
    pub fn fed(&mut self) -> &mut Self {
        self.flag("--clock", "feed")
    }

    /// From the next start on this line of the configuration file.
    pub fn config(&mut self, line: &str) -> &mut Self {
        self.config.push_str(line);
        self.config.push('\n');
        self
    }

    /// From the next start on this data folder.
    pub fn keep_in(&mut self, data: &Path) -> &mut Self {
        self.data = data.to_owned();
        self
    }

    /// From the next start on under another program, as a tracer.
    pub fn under(&mut self, program: &[&str]) -> &mut Self {
        self.wrapped = program.iter().map(|part| (*part).to_owned()).collect();
        self
    }

    /// A path for whatever the story wants to lay beside the data folder.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The loopback address that no other city of this test run has.
    pub fn home(&self) -> Ipv4Addr {
        self.home
    }

    /// The catalogue's file, if it is not the demo.
    pub fn catalogue_file(&self) -> Option<&Path> {
        self.catalogue.as_deref()
    }

    /// Starts it and waits until all doors are open. The ports stay the same from the first start on.
    ///
    /// # Panics
    /// When it ends instead; what it said is shown.
    pub fn start(&mut self) -> &mut Self {
        self.launch();
        let ready = self.ready_file();
        let text = wait::until_some("the doors are open", || {
            if let Some(status) = self.ended() {
                panic!("the city ended with {status} instead of opening:\n{}", self.said());
            }
            std::fs::read_to_string(&ready).ok()
        });
        self.addresses = Some(addresses(&text));
        self
    }

    /// Starts it and does not wait.
    pub fn launch(&mut self) {
        assert!(self.child.is_none(), "the city runs already");
        let ready = self.ready_file();
        let _ = std::fs::remove_file(&ready);
        let config = self.beside("yiwang.toml");
        std::fs::write(&config, &self.config).expect("a configuration file");
        let log = File::options().create(true).append(true).open(self.beside("said.log")).expect("a file");
        let mut command = self.command();
        command.arg("up").arg("--config").arg(config).arg("--data-dir").arg(&self.data);
        command.arg("--ready-file").arg(ready).args(&self.flags);
        if let Some(catalogue) = &self.catalogue {
            command.arg("--catalogue").arg(catalogue);
        }
        for (flag, address) in self.listens() {
            command.arg(flag).arg(address.to_string());
        }
        let greeting = File::create(self.beside("greeting.txt")).expect("a file");
        command.stdin(Stdio::null()).stdout(greeting).stderr(log);
        self.child = Some(command.spawn().expect("the program starts"));
    }

    fn command(&self) -> Command {
        let program = programs::yiwang();
        let Some((wrapper, arguments)) = self.wrapped.split_first() else { return program };
        let mut command = Command::new(wrapper);
        command.args(arguments).arg(program.get_program());
        for (key, value) in program.get_envs() {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        command
    }

    fn listens(&self) -> Vec<(&'static str, SocketAddr)> {
        let free = SocketAddr::from((self.home, 0));
        // Who asks for credentials opens the door for loggers only with their passwords.
        let loggers = !self.config.contains("[[credential]]") || self.config.contains("hj212_passwords");
        let Addresses { grpc, mqtt, http, hj212 } = self.addresses.unwrap_or(Addresses {
            grpc: free,
            mqtt: free,
            http: free,
            hj212: loggers.then_some(free),
        });
        let three = [("--grpc-listen", grpc), ("--mqtt-listen", mqtt), ("--http-listen", http)];
        three.into_iter().chain(hj212.map(|at| ("--hj212-listen", at))).collect()
    }

    fn ready_file(&self) -> PathBuf {
        self.beside("ready.json")
    }

    /// Where the doors are, or were.
    pub fn at(&self) -> Addresses {
        self.addresses.expect("the city was started")
    }

    /// Kills it, as `kill -9` does, and waits until it is gone.
    pub fn kill(&mut self) -> &mut Self {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            child.wait().expect("a child can be waited for");
        }
        self
    }

    /// Asks it to stop, as a service manager does, and waits until it has.
    ///
    /// # Panics
    /// When it ends with an error.
    pub fn stop(&mut self) -> &mut Self {
        self.tell_to_stop();
        self.stopped()
    }

    /// Presses Ctrl-C, and waits until it has stopped.
    ///
    /// # Panics
    /// When it ends with an error.
    pub fn interrupt(&mut self) -> &mut Self {
        kill_process(self.pid(), Signal::INT).expect("the city runs");
        self.stopped()
    }

    fn stopped(&mut self) -> &mut Self {
        let status = wait::until_some("the city has stopped", || self.ended());
        assert!(status.success(), "the city stopped with {status}:\n{}", self.said());
        self
    }

    /// Sends SIGHUP, after which it reads its catalogue again.
    pub fn hang_up(&self) {
        kill_process(self.pid(), Signal::HUP).expect("the city runs");
    }

    /// Asks it to stop and does not wait.
    pub fn tell_to_stop(&self) {
        kill_process(self.pid(), Signal::TERM).expect("the city runs");
    }

    /// How it ended, once it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let ended = self.child.as_mut()?.try_wait().expect("a child can be asked");
        if ended.is_some() {
            self.child = None;
        }
        ended
    }

    /// Its process.
    pub fn pid(&self) -> Pid {
        Pid::from_child(self.child.as_ref().expect("the city runs"))
    }

    /// What it said on the standard error, over all starts.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.beside("said.log")).unwrap_or_default()
    }

    /// What it printed on the standard output since the last start.
    pub fn greeting(&self) -> String {
        std::fs::read_to_string(self.beside("greeting.txt")).unwrap_or_default()
    }

    /// Asks the HTTP door; an answer other than 200 is a failure of the story.
    pub fn get(&self, path: &str) -> String {
        let (status, body) =
            http::get(self.at().http, path).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// The same, as JSON.
    pub fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.get(path)).expect("the city answers in JSON")
    }

    /// Whether it answers its probe.
    pub fn lives(&self) -> bool {
        matches!(http::get(self.at().http, "/healthz"), Ok((200, _)))
    }

    /// A sample of `/metrics`; the name with its labels, as it stands there. 0 when it is not there.
    pub fn metric(&self, name: &str) -> f64 {
        sample(&self.get("/metrics"), name)
    }

    /// Whether the city is ready as far as this item goes, whether the item is well, and what it says.
    ///
    /// # Panics
    /// When there is no such item, or the answer as a whole is not what follows from its items.
    pub fn readiness(&self, item: &str) -> (bool, bool, String) {
        let (status, body) = http::get(self.at().http, "/readyz").expect("the city answers");
        let answer: Value = serde_json::from_str(&body).expect("the city answers in JSON");
        let items = answer["items"].as_array().expect("items");
        let found = items.iter().find(|found| found["name"] == item);
        let found = found.unwrap_or_else(|| panic!("no item {item}: {body}"));
        let ready = |item: &Value| item["ok"] == true || item["needed"] == false;
        assert_eq!(status == 200, items.iter().all(ready), "{body}");
        let detail = found["detail"].as_str().expect("a text").to_owned();
        (ready(found), found["ok"] == true, detail)
    }

    /// How many readings were refused for this reason.
    pub fn refused(&self, reason: &str) -> u64 {
        // a count
        self.metric(&format!("yiwang_readings_refused_total{{reason=\"REASON_{reason}\"}}")) as u64
    }

    /// Waits until everything admitted so far is judged, and its orders are there.
    pub fn settle(&self) {
        // The next tick but one closes an epoch that holds everything admitted before now; and one more, since what one scrape says of
        // ticks and lag need not be of one moment.
        let wanted = self.metric("yiwang_ticks_total") + 3.0;
        wait::until("the judgement has caught up", || {
            let scrape = self.get("/metrics");
            sample(&scrape, "yiwang_ticks_total") - sample(&scrape, "yiwang_lag_ticks") >= wanted
        });
    }

    /// Balances the books, in a folder that no process holds.
    pub fn reconcile(&self, drain: bool, acked: &[&Path]) -> books::Books {
        assert!(self.child.is_none(), "the city still runs");
        books::reconcile(&self.data, drain, acked)
    }
}

impl Default for City {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for City {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let said = self.said();
            let tail: Vec<&str> = said.lines().rev().take(30).collect();
            let mut out = std::io::stderr().lock();
            let _ = writeln!(out, "---- the city said at last:");
            for line in tail.iter().rev() {
                let _ = writeln!(out, "{line:.400}");
            }
        }
    }
}

/// A loopback address that no other city of this test run has.
fn home() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = (std::process::id() % 0x4000) * 0x100 + NEXT.fetch_add(1, Ordering::Relaxed) % 0xfe + 1;
    Ipv4Addr::from(0x7f40_0000 | number)
}

fn addresses(ready: &str) -> Addresses {
    let ready: Value = serde_json::from_str(ready).expect("a ready file is JSON");
    let at = |door: &str| ready[door].as_str().and_then(|text| text.parse().ok()).expect("an address");
    let hj212 = ready["hj212"].as_str().and_then(|text| text.parse().ok());
    Addresses { grpc: at("grpc"), mqtt: at("mqtt"), http: at("http"), hj212 }
}

/// The catalogue of most stories.
pub fn story_catalogue() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("catalogue/story.toml")
}

/// A sample of a scrape; the name with its labels, as it stands there. 0 when it is not there.
fn sample(scrape: &str, name: &str) -> f64 {
    let line = scrape.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().expect("a number"))
}
