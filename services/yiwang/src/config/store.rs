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

use std::path::Path;
use std::time::Duration;

use toml::de::DeValue;
use yiwang_catalogue::Fault;
use yiwang_model::Span;
use yiwang_series::influx::{Patience, Place, Target, Token, Url, target};

use super::entry::{Entry, Kind, Source, read_entries, read_small};

/// A store elsewhere, and how far it may lag.
#[derive(Clone, Debug, PartialEq)]
pub struct Store {
    /// Which store.
    pub target: Target,
    /// Beyond so many bytes of payload it is cut off.
    pub max_lag_bytes: u64,
}

const KIND: Kind = Kind {
    name: "store",
    keys: &["name", "url", "org", "bucket", "database", "token_file", "gzip", "settle", "max_lag_bytes"],
    wanted: "name, url, and org and bucket, or database",
    most: Some(16),
};
const SETTLE: Span = Span::from_secs(10);
const MAX_SETTLE: Span = Span::HOUR;
const MAX_LAG_BYTES: u64 = 4 << 30;
const MAX_TOKEN_FILE_BYTES: u64 = 8192;

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
pub(super) fn read_stores(source: Source<'_>, value: &DeValue<'_>, faults: &mut Vec<Fault>) -> Vec<Store> {
    read_entries(&KIND, source, value, faults, read)
}

fn read(entry: &mut Entry<'_>) -> Option<Store> {
    let name = entry.name();
    let place = place(entry);
    let url = url(entry, place.as_ref());
    let wanted = "a readable file with a token of visible ASCII, at most 4096 bytes";
    let token = entry.file("token_file", wanted, read_token);
    let gzip = entry.flag("gzip", true);
    let settle = entry.span("settle", SETTLE, [Span(0), MAX_SETTLE], "a time from 0s to 1h, as 10s");
    let wanted = "a number of bytes, 0 or more";
    let max_lag_bytes = entry.number("max_lag_bytes", MAX_LAG_BYTES, [0, u64::MAX], wanted);
    let (name, place, url, token) = (name?, place?, url?, token?);
    let settle = Duration::from_nanos(settle?.0.unsigned_abs());
    let (gzip, patience) = (gzip?, Patience::default());
    let target = Target { name, url, place, token, gzip, settle, patience };
    Some(Store { target, max_lag_bytes: max_lag_bytes? })
}

fn place(entry: &mut Entry<'_>) -> Option<Place> {
    let wanted = "org and bucket, or database alone";
    let [org, bucket, database] = ["org", "bucket", "database"].map(|key| entry.text(key, wanted));
    let (key, found) = match (org?, bucket?, database?) {
        (Some(org), Some(bucket), None) => return Some(Place::Bucket { org, bucket }),
        (None, None, Some(database)) => return Some(Place::Database { database }),
        (None, None, None) => ("bucket", "nothing"),
        (_, _, None) => ("bucket", "org or bucket without the other"),
        (_, _, Some(_)) => ("database", "a database beside org or bucket"),
    };
    entry.fault(key, found, wanted);
    None
}

fn url(entry: &mut Entry<'_>, place: Option<&Place>) -> Option<Url> {
    let wanted = "an address, as http://127.0.0.1:8086";
    let text = entry.needed("url", wanted)?;
    // Which of the two decides only whether a path may follow.
    let database = Place::Database { database: String::new() };
    match target::url(&text, place.unwrap_or(&database)) {
        Ok(url) => Some(url),
        Err(why) => entry.wrong("url", &format!("{text:.200} {why}"), wanted),
    }
}

fn read_token(path: &Path) -> Result<Token, String> {
    let text = String::from_utf8(read_small(path, MAX_TOKEN_FILE_BYTES)?).map_err(|_| "no text")?;
    Token::new(&text).ok_or_else(|| "no token".to_owned())
}
