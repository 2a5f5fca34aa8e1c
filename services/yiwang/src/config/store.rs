//! Stores elsewhere: `[[store]]` entries.
//!
//! | key | what |
//! |---|---|
//! | `name` | what it is called in health, metrics and the log; with another name it begins anew |
//! | `url` | `http://HOST:PORT`; for a database a path may follow |
//! | `org`, `bucket` | where the points go in InfluxDB 2 and 3 and what speaks like them |
//! | `database` | where they go in InfluxDB 1 and what speaks like it; instead of `org` and `bucket` |
//! | `token_file` | a file with the token, or `user:password` for InfluxDB 1; without it none is sent |
//! | `gzip` | whether bodies are compressed; true |
//! | `settle` | how long it may hold in memory only what it said yes to, which is written again after a break; 10s. 0s for a store that answers when it has it on disk, as InfluxDB |
//! | `max_lag_bytes` | how much of the log is kept for it beyond the log's own limits; 4 GiB |

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use toml::de::{DeTable, DeValue};
use yiwang_catalogue::Fault;
use yiwang_model::Span;
use yiwang_model::series::check_name;
use yiwang_series::influx::{Patience, Place, Target, Token, Url, target};

use super::{line_of, plain};

/// A store elsewhere, and how far it may lag.
#[derive(Clone, Debug, PartialEq)]
pub struct Store {
    /// Which store.
    pub target: Target,
    /// Beyond so many bytes of payload it is cut off.
    pub max_lag_bytes: u64,
}

const KEYS: [&str; 9] =
    ["name", "url", "org", "bucket", "database", "token_file", "gzip", "settle", "max_lag_bytes"];
const SETTLE: Span = Span::from_secs(10);
const MAX_SETTLE: Span = Span::HOUR;
const MAX_LAG_BYTES: u64 = 4 << 30;
const MAX_TOKEN_FILE_BYTES: u64 = 8192;
const MAX_STORES: usize = 16;
const MAX_PLACE_CHARS: usize = 256;

impl Store {
    pub(super) fn to_toml(&self) -> String {
        let Target { name, url, place, token, gzip, settle, .. } = &self.target;
        let settle = Span(i64::try_from(settle.as_nanos()).unwrap_or(MAX_SETTLE.0));
        let place = match place {
            Place::Bucket { org, bucket } => format!("org = {org:?}\nbucket = {bucket:?}\n"),
            Place::Database { database } => format!("database = {database:?}\n"),
        };
        let token = if token.is_some() { "token_file = \"***\"\n" } else { "" };
        format!(
            "[[store]]\nname = {name:?}\nurl = {:?}\n{place}{token}gzip = {gzip}\nsettle = \"{settle}\"\nmax_lag_bytes = {}\n\n",
            url.as_str(),
            self.max_lag_bytes
        )
    }
}

/// Reads `[[store]]` entries; what is wrong is told, what is right is given. `token_file` is relative to the folder of the
/// configuration file.
pub(super) fn read_stores(
    file: &str,
    text: &str,
    base: &Path,
    value: &DeValue<'_>,
    faults: &mut Vec<Fault>,
) -> Vec<Store> {
    let mut entry = Entry { file, text, faults, line: 0 };
    let DeValue::Array(entries) = value else {
        entry.fault("store", "no list of entries", "[[store]] entries");
        return Vec::new();
    };
    let (mut found, mut names) = (Vec::new(), BTreeSet::new());
    for value in entries {
        entry.line = line_of(text, value.span().start);
        let DeValue::Table(table) = value.get_ref() else {
            entry.fault("store", "no entry", "[[store]] with name, url, and org and bucket, or database");
            continue;
        };
        found.extend(entry.read(base, table, &mut names));
        if found.len() > MAX_STORES {
            entry.fault("store", "another entry", &format!("at most {MAX_STORES} stores"));
            break;
        }
    }
    found
}

struct Entry<'a> {
    file: &'a str,
    text: &'a str,
    faults: &'a mut Vec<Fault>,
    line: usize,
}

impl Entry<'_> {
    fn read(&mut self, base: &Path, table: &DeTable<'_>, names: &mut BTreeSet<String>) -> Option<Store> {
        let begins = self.line;
        for key in table.keys().filter(|key| !KEYS.contains(&key.get_ref().as_ref())) {
            self.line = line_of(self.text, key.span().start);
            self.fault(key.get_ref(), "an unknown key", &format!("one of {}", KEYS.join(", ")));
        }
        self.line = begins;
        let name = self.name(table, names);
        let place = self.place(table);
        let url = self.url(table, place.as_ref());
        let token = self.token(base, table);
        let gzip = self.gzip(table);
        let settle = self.settle(table);
        let max_lag_bytes = self.max_lag(table);
        let (name, place, url, token) = (name?, place?, url?, token?);
        let (gzip, settle, patience) = (gzip?, settle?, Patience::default());
        let target = Target { name, url, place, token, gzip, settle, patience };
        Some(Store { target, max_lag_bytes: max_lag_bytes? })
    }

    fn name(&mut self, table: &DeTable<'_>, names: &mut BTreeSet<String>) -> Option<String> {
        let name = self.needed(table, "name", "a name")?;
        if let Err(error) = check_name("name", &name) {
            self.at(table, "name", &error.to_string(), "letters, digits and _ - . / :");
            return None;
        }
        if !names.insert(name.clone()) {
            self.at(table, "name", &format!("{name:?} twice"), "a name of its own");
            return None;
        }
        Some(name)
    }

    fn place(&mut self, table: &DeTable<'_>) -> Option<Place> {
        let wanted = "org and bucket, or database alone";
        let [org, bucket, database] = ["org", "bucket", "database"].map(|key| self.text(table, key, wanted));
        match (org?, bucket?, database?) {
            (Some(org), Some(bucket), None) => Some(Place::Bucket { org, bucket }),
            (None, None, Some(database)) => Some(Place::Database { database }),
            (None, None, None) => self.none("bucket", "nothing", wanted),
            (_, _, None) => self.none("bucket", "org or bucket without the other", wanted),
            (_, _, Some(_)) => self.none("database", "a database beside org or bucket", wanted),
        }
    }

    fn url(&mut self, table: &DeTable<'_>, place: Option<&Place>) -> Option<Url> {
        let text = self.needed(table, "url", "an address, as http://127.0.0.1:8086")?;
        // Which of the two decides only whether a path may follow.
        let database = Place::Database { database: String::new() };
        match target::url(&text, place.unwrap_or(&database)) {
            Ok(url) => Some(url),
            Err(why) => {
                self.at(table, "url", &format!("{text:.200} {why}"), "an address, as http://127.0.0.1:8086");
                None
            }
        }
    }

    /// The token, if there is to be one.
    #[expect(clippy::option_option, reason = "no token is not a fault")]
    fn token(&mut self, base: &Path, table: &DeTable<'_>) -> Option<Option<Token>> {
        let wanted = "a readable file with a token of visible ASCII, at most 4096 bytes";
        let Some(path) = self.text(table, "token_file", wanted)? else { return Some(None) };
        match read_token(&base.join(&path)) {
            Ok(token) => Some(Some(token)),
            Err(why) => {
                self.at(table, "token_file", &format!("{path:.200}: {why}"), wanted);
                None
            }
        }
    }

    fn gzip(&mut self, table: &DeTable<'_>) -> Option<bool> {
        match table.get("gzip").map(|value| value.get_ref()) {
            None => Some(true),
            Some(DeValue::Boolean(gzip)) => Some(*gzip),
            Some(other) => {
                self.at(table, "gzip", &plain(other), "true or false");
                None
            }
        }
    }

    fn settle(&mut self, table: &DeTable<'_>) -> Option<Duration> {
        let wanted = "a time from 0s to 1h, as 10s";
        let text = self.text(table, "settle", wanted)?;
        let Some(span) = text.map_or(Ok(SETTLE), |text| text.parse::<Span>()).ok() else {
            self.at(table, "settle", "no time", wanted);
            return None;
        };
        let nanos = u64::try_from(span.0).ok().filter(|_| span <= MAX_SETTLE);
        if nanos.is_none() {
            self.at(table, "settle", &span.to_string(), wanted);
        }
        nanos.map(Duration::from_nanos)
    }

    fn max_lag(&mut self, table: &DeTable<'_>) -> Option<u64> {
        let Some(value) = table.get("max_lag_bytes") else { return Some(MAX_LAG_BYTES) };
        let found = plain(value.get_ref());
        let number = found.parse().ok().filter(|_| matches!(value.get_ref(), DeValue::Integer(_)));
        if number.is_none() {
            self.at(table, "max_lag_bytes", &found, "a number of bytes, 0 or more");
        }
        number
    }

    fn needed(&mut self, table: &DeTable<'_>, key: &str, wanted: &str) -> Option<String> {
        let found = self.text(table, key, wanted)?;
        if found.is_none() {
            self.fault(key, "nothing", wanted);
        }
        found
    }

    /// A text that may be missing; none when it is something else, which is told.
    #[expect(clippy::option_option, reason = "what is missing is not yet a fault")]
    fn text(&mut self, table: &DeTable<'_>, key: &str, wanted: &str) -> Option<Option<String>> {
        let Some(value) = table.get(key) else { return Some(None) };
        let text = value.get_ref().as_str().map(str::trim);
        match text.filter(|text| !text.is_empty() && text.chars().count() <= MAX_PLACE_CHARS) {
            Some(text) => Some(Some(text.to_owned())),
            None => {
                self.at(table, key, &format!("{:.100?}", plain(value.get_ref())), wanted);
                None
            }
        }
    }

    fn none<T>(&mut self, key: &str, found: &str, wanted: &str) -> Option<T> {
        self.fault(key, found, wanted);
        None
    }

    /// A fault of the value of this key, at its line.
    fn at(&mut self, table: &DeTable<'_>, key: &str, found: &str, wanted: &str) {
        let begins = self.line;
        if let Some(value) = table.get(key) {
            self.line = line_of(self.text, value.span().start);
        }
        self.fault(key, found, wanted);
        self.line = begins;
    }

    fn fault(&mut self, key: &str, found: &str, wanted: &str) {
        let key = if key == "store" { key.to_owned() } else { format!("store.{key:.64}") };
        let (file, line) = (self.file.to_owned(), self.line);
        self.faults.push(Fault { file, line, key, found: found.to_owned(), wanted: wanted.to_owned() });
    }
}

fn read_token(path: &Path) -> Result<Token, String> {
    let length = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > MAX_TOKEN_FILE_BYTES {
        return Err(format!("{length} bytes"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    Token::new(&text).ok_or_else(|| "no token".to_owned())
}
