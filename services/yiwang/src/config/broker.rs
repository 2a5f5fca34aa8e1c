//! Brokers elsewhere: `[[broker]]` entries.
//!
//! | key | what |
//! |---|---|
//! | `name` | what it is called in health, metrics and topic `rejected` |
//! | `address` | `HOST:PORT` |
//! | `client_id` | under which the broker keeps the session; `yiwang-` and the name |
//! | `user`, `secret_file` | as whom, and a file with the password; without them nobody |
//! | `topics` | filters to subscribe to; `["yw/v1/#", "senml/#"]` |
//! | `version` | `"3.1.1"` or `"5"`; 5 |
//! | `group` | a shared subscription, `$share/GROUP/FILTER`; version 5 only |
//! | `keep_alive` | how long the connection may be silent before we ping; 30s |
//! | `max_packet_bytes` | a larger message is refused; 1 MiB |
//! | `sparkplug_host` | the id of the host of Sparkplug B that the city is there; without it none |

use std::path::Path;
use std::time::Duration;

use toml::de::DeValue;
use yiwang_catalogue::Fault;
use yiwang_ingest::broker::{Login, MAX_READ_BYTES, Target, Version, is_filter};
use yiwang_ingest::{mqtt, senml};
use yiwang_model::Span;
use yiwang_model::series::check_name;

use super::entry::{Entry, Kind, Source, read_entries, read_small};

/// A broker, as it is configured.
pub type Broker = Target;

const KIND: Kind = Kind {
    name: "broker",
    keys: &[
        "name",
        "address",
        "client_id",
        "user",
        "secret_file",
        "topics",
        "version",
        "group",
        "keep_alive",
        "max_packet_bytes",
        "sparkplug_host",
    ],
    wanted: "name and address",
    most: Some(16),
};
const KEEP_ALIVE: Span = Span::from_secs(30);
/// What the library takes at least, and the protocol at most.
const KEEP_ALIVES: [Span; 2] = [Span::from_secs(5), Span::from_secs(65_535)];
const MAX_PACKET_BYTES: u64 = 1 << 20;
const MAX_SECRET_BYTES: u64 = 4096;
const MAX_TOPICS: usize = 64;

/// What stands for it in a configuration file; the password is starred.
pub(super) fn to_toml(broker: &Broker) -> String {
    let Target { name, host, port, client_id, login, topics, version, group, .. } = broker;
    let login = login.as_ref().map(|login| format!("user = {:?}\nsecret_file = \"***\"\n", login.user));
    let group = group.as_ref().map(|group| format!("group = {group:?}\n"));
    let sparkplug = broker.sparkplug_host.as_ref().map(|id| format!("sparkplug_host = {id:?}\n"));
    let keep_alive = Span::from_secs(i64::try_from(broker.keep_alive.as_secs()).unwrap_or(i64::MAX));
    format!(
        "[[broker]]\nname = {name:?}\naddress = \"{host}:{port}\"\nclient_id = {client_id:?}\n{}topics = {topics:?}\n\
         version = \"{}\"\n{}keep_alive = \"{keep_alive}\"\nmax_packet_bytes = {}\n{}\n",
        login.unwrap_or_default(),
        version.word(),
        group.unwrap_or_default(),
        broker.max_packet_bytes,
        sparkplug.unwrap_or_default(),
    )
}

/// Reads `[[broker]]` entries; what is wrong is told, what is right is given. `secret_file` is relative to the folder of
/// the configuration file.
pub(super) fn read_brokers(source: Source<'_>, value: &DeValue<'_>, faults: &mut Vec<Fault>) -> Vec<Broker> {
    read_entries(&KIND, source, value, faults, read)
}

fn read(entry: &mut Entry<'_>) -> Option<Broker> {
    let name = entry.name();
    let address = address(entry);
    let client_id = entry.text("client_id", "a client id of its own in that broker");
    let login = login(entry);
    let topics = topics(entry);
    let version = version(entry);
    let group = group(entry, version);
    let wanted = "a time of whole seconds from 5s to 65535s, as 30s";
    let keep_alive = entry.span("keep_alive", KEEP_ALIVE, KEEP_ALIVES, wanted);
    let wanted = format!("a number of bytes from 1024 to {MAX_READ_BYTES}");
    let bounds = [1024, u64::from(MAX_READ_BYTES)];
    let bytes = entry.number("max_packet_bytes", MAX_PACKET_BYTES, bounds, &wanted);
    let sparkplug_host = sparkplug_host(entry);
    let (name, (host, port), client_id, topics) = (name?, address?, client_id?, topics?);
    Some(Target {
        client_id: client_id.unwrap_or_else(|| format!("yiwang-{name}")),
        name,
        host,
        port,
        login: login?,
        topics,
        version: version?,
        group: group?,
        keep_alive: Duration::from_secs(keep_alive?.0.unsigned_abs() / 1_000_000_000),
        max_packet_bytes: u32::try_from(bytes?).unwrap_or(MAX_READ_BYTES),
        sparkplug_host: sparkplug_host?,
    })
}

fn address(entry: &mut Entry<'_>) -> Option<(String, u16)> {
    let wanted = "a host and a port, as broker.city.example:1883 or [::1]:1883";
    let text = entry.needed("address", wanted)?;
    let split = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    match split {
        Some((host, port)) if !host.is_empty() && !host.contains('/') && port > 0 => {
            Some((host.to_owned(), port))
        }
        _ => entry.wrong("address", &format!("{text:.100}"), wanted),
    }
}

#[expect(clippy::option_option, reason = "nobody is not a fault")]
fn login(entry: &mut Entry<'_>) -> Option<Option<Login>> {
    let wanted = "a user, and beside it secret_file, a readable file with a password of at most 4096 bytes";
    let user = entry.text("user", wanted);
    let secret = entry.file("secret_file", wanted, read_secret);
    match (user?, secret?) {
        (Some(user), Some(secret)) => Some(Some(Login { user, secret })),
        (None, None) => Some(None),
        (Some(_), None) => entry.wrong("user", "a user without secret_file", wanted),
        (None, Some(_)) => entry.wrong("secret_file", "a password without user", wanted),
    }
}

fn read_secret(path: &Path) -> Result<String, String> {
    let text = String::from_utf8(read_small(path, MAX_SECRET_BYTES)?).map_err(|_| "no text")?;
    let secret = text.trim();
    if secret.is_empty() { Err("no password".to_owned()) } else { Ok(secret.to_owned()) }
}

fn topics(entry: &mut Entry<'_>) -> Option<Vec<String>> {
    let wanted = "a list of at most 64 filters, as \"yw/v1/#\"";
    let found = entry.list("topics", wanted)?;
    if found.is_empty() && entry.value("topics").is_none() {
        return Some([mqtt::PREFIX, senml::TOPIC].map(|prefix| format!("{prefix}#")).into());
    }
    if found.is_empty() || found.len() > MAX_TOPICS {
        return entry.wrong("topics", &format!("{} filters", found.len()), wanted);
    }
    let mut topics = Vec::new();
    for (at, filter) in found {
        if !is_filter(&filter) {
            return entry.wrong_at(at, "topics", &format!("{filter:.100?}"), wanted);
        }
        topics.push(filter);
    }
    Some(topics)
}

fn version(entry: &mut Entry<'_>) -> Option<Version> {
    let wanted = "\"3.1.1\" or \"5\"";
    match entry.text("version", wanted)?.as_deref() {
        None | Some("5") => Some(Version::V5),
        Some("3.1.1") => Some(Version::V3),
        Some(other) => entry.wrong("version", &format!("{other:.100?}"), wanted),
    }
}

#[expect(clippy::option_option, reason = "no group is not a fault")]
fn group(entry: &mut Entry<'_>, version: Option<Version>) -> Option<Option<String>> {
    let wanted = "a name of letters, digits and _ - . :, under version \"5\"";
    let Some(group) = entry.text("group", wanted)? else { return Some(None) };
    if check_name("group", &group).is_err() || group.contains('/') {
        return entry.wrong("group", &format!("{group:.100?}"), wanted);
    }
    if version == Some(Version::V3) {
        return entry.wrong("group", "a group under version \"3.1.1\"", wanted);
    }
    Some(Some(group))
}

#[expect(clippy::option_option, reason = "no host is not a fault")]
fn sparkplug_host(entry: &mut Entry<'_>) -> Option<Option<String>> {
    let wanted = "the id of a host, of letters, digits and _ - . :";
    let Some(id) = entry.text("sparkplug_host", wanted)? else { return Some(None) };
    if check_name("sparkplug_host", &id).is_err() || id.contains('/') {
        return entry.wrong("sparkplug_host", &format!("{id:.100?}"), wanted);
    }
    Some(Some(id))
}
