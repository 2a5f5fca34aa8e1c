//! Configuration: defaults, then one TOML file, then `YIWANG_…` variables, then flags. The later wins.
//!
//! [`KEYS`] is the one table of what can be set: name, default, meaning, and how a text becomes a value. File, environment,
//! flags, `yiwang config` and the errors all go by it. Every fault is told, not only the first.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::{DeTable, DeValue};
use yiwang_catalogue::Fault;
use yiwang_model::Span;

mod broker;
mod credential;
mod entry;
mod keys;
mod passwords;
mod store;
mod webhook;

pub use broker::Broker;
use broker::read_brokers;
pub use credential::Credential;
use credential::read_credentials;
use entry::Source;
use keys::KEYS;
pub use passwords::LoggerPasswords;
pub use store::Store;
use store::read_stores;
pub use webhook::Webhook;
use webhook::read_webhooks;

/// What moves the city's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The wall clock.
    Wall,
    /// The largest event time admitted.
    Feed,
}

impl Clock {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Wall => "wall",
            Self::Feed => "feed",
        }
    }
}

/// What holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// The catalogue's file or folder; none for the demo city.
    pub catalogue: Option<PathBuf>,
    /// Threads of the judgement.
    pub workers: usize,
    /// Partitions of topic `readings` of a log that is made.
    pub partitions: u16,
    /// Where gRPC listens.
    pub grpc_listen: SocketAddr,
    /// Where MQTT listens.
    pub mqtt_listen: SocketAddr,
    /// Where HTTP listens.
    pub http_listen: SocketAddr,
    /// Where loggers of HJ 212 come in.
    pub hj212_listen: SocketAddr,
    /// The file of the loggers' passwords.
    pub hj212_passwords: Option<PathBuf>,
    /// What stands in it.
    pub logger_passwords: Option<LoggerPasswords>,
    /// The clock of a log that is made; none for what the log has, or the wall.
    pub clock: Option<Clock>,
    /// City seconds a wall second; other than 1 it is a clock of its own, and `clock` is none.
    pub speed: f64,
    /// Bytes of a segment of the log.
    pub segment_bytes: u64,
    /// Above so many bytes old segments of the log may go.
    pub log_max_bytes: Option<u64>,
    /// Segments of the log older than this may go.
    pub log_max_age: Option<Duration>,
    /// Free bytes below which nothing is acknowledged; none for 1 GiB or 5 %.
    pub reserve_bytes: Option<u64>,
    /// The most bytes that topic `rejected` may hold.
    pub rejected_bytes: u64,
    /// The most bytes of readings of unknown sources that are kept; 0 refuses them.
    pub quarantine_bytes: u64,
    /// How long the series store keeps readings of sensors.
    pub readings_kept: Option<Span>,
    /// How long the series store keeps published figures.
    pub figures_kept: Option<Span>,
    /// Who may do what; when empty, the doors listen on loopback only.
    pub credentials: Vec<Credential>,
    /// Stores elsewhere that are filled.
    pub stores: Vec<Store>,
    /// Brokers elsewhere whose messages are taken.
    pub brokers: Vec<Broker>,
    /// Receivers that are told what happens to orders.
    pub webhooks: Vec<Webhook>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("yiwang-data"),
            catalogue: None,
            workers: 1,
            partitions: 4,
            grpc_listen: SocketAddr::from(([127, 0, 0, 1], 50051)),
            mqtt_listen: SocketAddr::from(([127, 0, 0, 1], 1883)),
            http_listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            hj212_listen: SocketAddr::from(([127, 0, 0, 1], 2120)),
            hj212_passwords: None,
            logger_passwords: None,
            clock: None,
            speed: 1.0,
            segment_bytes: 64 << 20,
            log_max_bytes: Some(32 << 30),
            log_max_age: Some(Duration::from_secs(7 * 86_400)),
            reserve_bytes: None,
            rejected_bytes: 64 << 20,
            quarantine_bytes: 0,
            readings_kept: None,
            figures_kept: None,
            credentials: Vec::new(),
            stores: Vec::new(),
            brokers: Vec::new(),
            webhooks: Vec::new(),
        }
    }
}

/// The largest configuration file, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Gathers the layers.
#[derive(Debug, Default)]
pub struct Layers {
    config: Config,
    faults: Vec<Fault>,
    /// Whether any layer named a speed: 1 that is asked for is more than 1 by default.
    speed_said: bool,
    /// Whether any layer named an address for loggers: who does wants that door open.
    hj212_said: bool,
}

impl Layers {
    /// Lays a TOML file over what holds so far.
    pub fn file(&mut self, path: &Path) {
        let name = path.display().to_string();
        match read(path) {
            Ok(text) => self.text(&name, &text),
            Err(why) => self.fault(&name, 0, "file", &why, "a readable TOML file of at most 1 MiB"),
        }
    }

    fn text(&mut self, file: &str, text: &str) {
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let line = error.span().map_or(0, |span| line_of(text, span.start));
            self.fault(file, line, "syntax", error.message().trim(), "TOML");
        }
        let base = Path::new(file).parent().unwrap_or(Path::new("."));
        let source = Source { file, text, base };
        for (key, value) in table.get_ref() {
            let line = line_of(text, key.span().start);
            let (config, faults) = (&mut self.config, &mut self.faults);
            match key.get_ref().as_ref() {
                "credential" => {
                    config.credentials.extend(read_credentials(source, value.get_ref(), faults));
                }
                "store" => config.stores.extend(read_stores(source, value.get_ref(), faults)),
                "broker" => config.brokers.extend(read_brokers(source, value.get_ref(), faults)),
                "webhook" => config.webhooks.extend(read_webhooks(source, value.get_ref(), faults)),
                key => self.set(file, line, key, &plain(value.get_ref())),
            }
        }
    }

    /// Lays the variables whose names begin with `YIWANG_` over what holds so far.
    pub fn environment(&mut self, variables: impl Iterator<Item = (String, String)>) {
        for (name, value) in variables {
            if let Some(key) = name.strip_prefix("YIWANG_") {
                self.set(&name, 0, &key.to_lowercase(), &value);
            }
        }
    }

    /// Lays a flag over what holds so far, if it was given.
    pub fn flag(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.set(&format!("--{}", key.replace('_', "-")), 0, key, value);
        }
    }

    fn set(&mut self, file: &str, line: usize, key: &str, value: &str) {
        let Some(known) = KEYS.iter().find(|known| known.name == key) else {
            let tables = ["[[credential]]", "[[store]]", "[[broker]]", "[[webhook]]"];
            let names: Vec<_> = KEYS.iter().map(|known| known.name).chain(tables).collect();
            return self.fault(file, line, key, "an unknown key", &format!("one of {}", names.join(", ")));
        };
        if (known.set)(&mut self.config, value).is_err() {
            self.fault(file, line, key, &format!("{value:.100?}"), known.wanted);
        }
        self.speed_said |= key == "speed";
        self.hj212_said |= key == "hj212_listen";
    }

    fn fault(&mut self, file: &str, line: usize, key: &str, found: &str, wanted: &str) {
        let (file, key) = (file.to_owned(), key.chars().take(64).collect());
        self.faults.push(Fault { file, line, key, found: found.to_owned(), wanted: wanted.to_owned() });
    }

    /// The catalogue as far as the layers go, so that its faults can be told beside theirs.
    #[must_use]
    pub fn catalogue(&self) -> Option<&Path> {
        self.config.catalogue.as_deref()
    }

    /// What holds.
    ///
    /// # Errors
    /// All faults.
    pub fn finish(mut self) -> Result<Config, Vec<Fault>> {
        self.check_clock();
        self.check_listen();
        self.read_passwords();
        if self.faults.is_empty() { Ok(self.config) } else { Err(self.faults) }
    }

    /// A speed other than 1 is a clock of its own; a speed of 1 that somebody asked for is the wall's.
    fn check_clock(&mut self) {
        let Config { clock, speed, .. } = self.config;
        match clock {
            None if self.speed_said && speed == 1.0 => self.config.clock = Some(Clock::Wall),
            Some(clock) if speed != 1.0 => {
                let wanted =
                    "speed without clock, for a city at so many times the wall; or clock without speed";
                let found = format!("{speed} beside clock \"{}\"", clock.word());
                self.fault("configuration", 0, "speed", &found, wanted);
            }
            _ => {}
        }
    }

    /// Reads the loggers' passwords. A city with credentials that is told where loggers come in must have them.
    fn read_passwords(&mut self) {
        let file = self.config.hj212_passwords.clone();
        match file.as_deref().map(LoggerPasswords::read) {
            Some(Ok(passwords)) => self.config.logger_passwords = Some(passwords),
            Some(Err((line, found))) => {
                let name = file.unwrap_or_default().display().to_string();
                self.fault(&name, line, "hj212_passwords", &found, passwords::WANTED);
            }
            None if self.hj212_said && !self.config.credentials.is_empty() => {
                let wanted = "hj212_passwords beside it, a file with a line \"MN PASSWORD\" for each logger";
                self.fault(
                    "configuration",
                    0,
                    "hj212_listen",
                    "credentials and no passwords of loggers",
                    wanted,
                );
            }
            None => {}
        }
    }

    /// Without credentials nobody but this machine may come in.
    fn check_listen(&mut self) {
        if !self.config.credentials.is_empty() {
            return;
        }
        let Config { grpc_listen, mqtt_listen, http_listen, hj212_listen, .. } = self.config;
        let doors = [
            ("grpc_listen", grpc_listen),
            ("mqtt_listen", mqtt_listen),
            ("http_listen", http_listen),
            ("hj212_listen", hj212_listen),
        ];
        for (key, address) in doors.into_iter().filter(|(_, address)| !address.ip().is_loopback()) {
            let wanted = "a loopback address, as 127.0.0.1; or, for any other, at least one entry \
                          [[credential]] with name, secret_file and may in the configuration file";
            self.fault("configuration", 0, key, &format!("{address} and no credential"), wanted);
        }
    }
}

fn read(path: &Path) -> Result<String, String> {
    let length = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > MAX_FILE_BYTES {
        return Err(format!("{length} bytes"));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

/// A value as it would be typed on a command line; what is no single value is shown as what it is.
fn plain(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(at) => at.to_string(),
        DeValue::Array(_) => "[…]".into(),
        DeValue::Table(_) => "{…}".into(),
    }
}

impl Config {
    /// What holds, as a configuration file that would say it, each key with its meaning. Secrets are starred.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        for key in KEYS {
            text.push_str(&format!("# {}\n", key.meaning));
            match (key.get)(self) {
                Some(value) => text.push_str(&format!("{} = {value}\n\n", key.name)),
                None => text.push_str(&format!("# {} = \n\n", key.name)),
            }
        }
        self.credentials.iter().for_each(|credential| text.push_str(&credential.to_toml()));
        self.stores.iter().for_each(|store| text.push_str(&store.to_toml()));
        self.brokers.iter().for_each(|known| text.push_str(&broker::to_toml(known)));
        self.webhooks.iter().for_each(|webhook| text.push_str(&webhook.to_toml()));
        text
    }
}

#[cfg(test)]
mod tests;
