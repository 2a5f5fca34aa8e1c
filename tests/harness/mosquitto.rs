//! The real Mosquitto of Debian, in a folder of its own, killed and started at will, and set so that it loses as little as
//! it can.

use std::fs::File;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use crate::wait;

/// The settings that do not lose messages, as the README has them.
pub const KEEPING: &str =
    "persistence true\nautosave_on_changes true\nautosave_interval 1\nmax_queued_messages 0\n";

/// The file of users.
const PASSWORDS: &str = "passwords";

/// A broker.
#[derive(Debug)]
pub struct Mosquitto {
    folder: TempDir,
    at: SocketAddr,
    child: Option<Child>,
}

impl Mosquitto {
    /// Starts it over an empty folder with these lines of its configuration besides; none where the program is not there.
    pub fn start(lines: &str) -> Option<Self> {
        let mut broker = Self::stopped(lines)?;
        broker.run();
        Some(broker)
    }

    /// The same, not started yet. `PASSWORDS` in the lines is the file of [`Mosquitto::password`].
    pub fn stopped(lines: &str) -> Option<Self> {
        program()?;
        // Another loopback block than those of cities and stores, so that nobody takes the port while it is dead.
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = (std::process::id() % 0x2000) * 0x100 + NEXT.fetch_add(1, Ordering::Relaxed);
        let at = SocketAddr::from((Ipv4Addr::from(0x7fc0_0000 | number), 1883));
        // It saves all it has after each message: in memory that is quick, and a kill loses no more of it than of a disk.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let broker = Self { folder: folder.expect("a temporary folder"), at, child: None };
        let mut config = File::create(broker.config()).expect("a file");
        let folder = broker.folder.path().display();
        writeln!(config, "listener {} {}\npersistence_location {folder}/", at.port(), at.ip())
            .expect("a file");
        let lines = lines.replace("PASSWORDS", &broker.beside(PASSWORDS).display().to_string());
        writeln!(config, "{KEEPING}{lines}").expect("a file");
        if rustix::process::geteuid().is_root() {
            writeln!(config, "user root").expect("a file");
        }
        Some(broker)
    }

    /// A path beside its configuration.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> PathBuf {
        self.beside("mosquitto.conf")
    }

    /// From the next start on this user has this password.
    pub fn password(&self, user: &str, password: &str) {
        let file = self.beside(PASSWORDS);
        let file = File::options().create(true).append(true).open(&file).map(|_| file).expect("a file");
        let done = Command::new("mosquitto_passwd").arg("-b").arg(file).args([user, password]).status();
        assert!(done.expect("mosquitto_passwd runs").success());
    }

    /// Starts it, again over the same folder, and waits until it listens.
    pub fn run(&mut self) {
        let said = File::options().create(true).append(true).open(self.beside("said.log")).expect("a file");
        let mut command = program().expect("it was there");
        command.arg("-c").arg(self.config()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
        self.child = Some(command.spawn().expect("the program starts"));
        wait::until("Mosquitto listens", || TcpStream::connect(self.at).is_ok());
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

    /// Whether these bytes are in what it has saved.
    pub fn has_saved(&self, bytes: &[u8]) -> bool {
        let saved = std::fs::read(self.beside("mosquitto.db")).unwrap_or_default();
        saved.windows(bytes.len()).any(|part| part == bytes)
    }

    /// What it said, over all starts.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.beside("said.log")).unwrap_or_default()
    }
}

/// The broker; Debian keeps it where only root looks.
fn program() -> Option<Command> {
    let places = ["mosquitto", "/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"];
    let there = |place: &&&str| {
        Command::new(place).arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    };
    places.iter().find(there).map(Command::new)
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("what Mosquitto said:\n{}", self.said());
        }
    }
}
