//! The keys of the configuration, one entry each.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use yiwang_model::Span;

use super::{Clock, Config};

/// One key.
pub(super) struct Key {
    /// In files; upper-cased behind `YIWANG_` in the environment; with dashes as a flag.
    pub(super) name: &'static str,
    /// What it is, with unit and default, and why one would change it.
    pub(super) meaning: &'static str,
    /// What would be right, for errors.
    pub(super) wanted: &'static str,
    /// Sets it from a text.
    pub(super) set: fn(&mut Config, &str) -> Result<(), ()>,
    /// Its value as TOML; `None` when it is not set.
    pub(super) get: fn(&Config) -> Option<String>,
}

/// Makes the entry of a key whose value reads and shows itself.
macro_rules! key {
    ($field:ident, $meaning:expr, $wanted:expr, $read:expr, $show:expr) => {
        Key {
            name: stringify!($field),
            meaning: $meaning,
            wanted: $wanted,
            set: |config, text| $read(text).map(|value| config.$field = value),
            get: |config| $show(&config.$field),
        }
    };
}

pub(super) const KEYS: &[Key] = &[
    key!(
        data_dir,
        "Where log, stores, orders and checkpoints are kept. One process at a time. Default: yiwang-data.",
        "a folder",
        path,
        shown
    ),
    key!(
        catalogue,
        "The catalogue: a TOML file or a folder of them. Default: the demo city that the program carries.",
        "a file or a folder",
        |text| path(text).map(Some),
        |value: &Option<PathBuf>| value.as_deref().and_then(shown)
    ),
    key!(
        workers,
        "Threads of the judgement. Default: 1. More when one core does not keep up; the results are the same.",
        "a number from 1 to 64",
        |text| within(text, 1, 64),
        number
    ),
    key!(
        partitions,
        "Partitions of the readings in a log that is made; fixed from then on. Default: 4. At least as many as workers.",
        "a number from 1 to 256",
        |text| within(text, 1, 256),
        number
    ),
    key!(
        grpc_listen,
        "Where gateways and programs come in by gRPC. Default: 127.0.0.1:50051; port 0 takes a free one.",
        ADDRESS,
        parsed,
        quoted
    ),
    key!(
        mqtt_listen,
        "Where gateways come in by MQTT 3.1.1 and 5. Default: 127.0.0.1:1883; port 0 takes a free one.",
        ADDRESS,
        parsed,
        quoted
    ),
    key!(
        http_listen,
        "Where console, API, health and metrics are. Default: 127.0.0.1:8080; port 0 takes a free one.",
        ADDRESS,
        parsed,
        quoted
    ),
    key!(
        hj212_listen,
        "Where loggers of pollution sources come in by HJ 212. Default: 127.0.0.1:2120; port 0 takes a free one. With credentials it needs hj212_passwords.",
        ADDRESS,
        parsed,
        quoted
    ),
    key!(
        hj212_passwords,
        "A file with a line \"MN PASSWORD\" for each logger of HJ 212. Default: none; then a city without credentials takes any password, and one with credentials does not open that door.",
        "a file",
        |text| path(text).map(Some),
        |value: &Option<PathBuf>| value.as_deref().and_then(shown)
    ),
    key!(
        clock,
        "What moves the clock of a city that is made: wall, or feed for a replayed one. Default: what its log has, or wall.",
        "\"wall\" or \"feed\"",
        |text| clock(text).map(Some),
        |value: &Option<Clock>| value.map(|clock| format!("\"{}\"", clock.word()))
    ),
    Key {
        name: "speed",
        meaning: "City seconds a wall second, for a simulated city that is made: a clock of its own, so not beside clock. Default: what its log has, or 1.",
        wanted: "a number above 0 and up to 100000",
        set: |config, text| within(text, f64::MIN_POSITIVE, 100_000.0).map(|speed| config.speed = speed),
        // A speed of 1 that nobody asked for takes what the log has, and is not to be read as asked for.
        get: |config| (config.speed != 1.0 || config.clock.is_some()).then(|| config.speed.to_string()),
    },
    key!(
        segment_bytes,
        "Bytes of a segment of the log; the log is dropped by whole segments. Default: 67108864 (64 MiB).",
        "a number of bytes from 65536 to 1073741824",
        |text| within(text, 1 << 16, 1 << 30),
        number
    ),
    key!(
        log_max_bytes,
        "Above so many bytes the oldest segments of the log may go, as far as all who must read them have. Default: 34359738368 (32 GiB); \"none\" for no bound.",
        "a number of bytes of at least 1048576, or \"none\"",
        |text| optional(text, |text| within(text, 1 << 20, u64::MAX)),
        |value: &Option<u64>| Some(value.map_or("\"none\"".into(), |bytes| bytes.to_string()))
    ),
    key!(
        log_max_age,
        "Segments of the log older than this may go, as far as all who must read them have. Default: 7d; \"none\" for no bound.",
        "a span of at least 1m, as 7d, or \"none\"",
        |text| optional(text, age),
        |value: &Option<Duration>| Some(value.map_or("\"none\"".into(), |age| format!("\"{}\"", span(age))))
    ),
    key!(
        reserve_bytes,
        "Free bytes below which no reading is acknowledged, so that orders and checkpoints can go on. Default: 1 GiB or 5 % of the file system, whichever is less.",
        "a number of bytes",
        |text| parsed(text).map(Some),
        |value: &Option<u64>| value.map(|bytes| bytes.to_string())
    ),
    key!(
        rejected_bytes,
        "The most bytes of refused readings that are kept; beyond, they are only counted. Default: 67108864 (64 MiB).",
        "a number of bytes",
        parsed,
        number
    ),
    key!(
        quarantine_bytes,
        "The most bytes of readings whose source is not in the catalogue that are kept until somebody registers it. Default: 0, which refuses them.",
        "a number of bytes",
        parsed,
        number
    ),
    key!(
        readings_kept,
        "How long the series store keeps readings of sensors, from their event time. Default: for ever (\"none\"). 400d keeps a year to compare with.",
        KEPT,
        |text| optional(text, kept),
        shown_kept
    ),
    key!(
        figures_kept,
        "How long the series store keeps readings that were published as figures of a period, which come months back. Default: for ever (\"none\"); 3653d is ten years.",
        KEPT,
        |text| optional(text, kept),
        shown_kept
    ),
];

const ADDRESS: &str = "an address and a port, as 127.0.0.1:8080 or [::1]:0";

const KEPT: &str = "a span of at least 1d, as 400d, or \"none\"";

fn parsed<T: FromStr>(text: &str) -> Result<T, ()> {
    text.trim().parse().map_err(drop)
}

fn within<T: FromStr + PartialOrd>(text: &str, least: T, most: T) -> Result<T, ()> {
    parsed(text).and_then(|value: T| if value >= least && value <= most { Ok(value) } else { Err(()) })
}

fn path(text: &str) -> Result<PathBuf, ()> {
    if text.is_empty() { Err(()) } else { Ok(PathBuf::from(text)) }
}

fn clock(text: &str) -> Result<Clock, ()> {
    match text {
        "wall" => Ok(Clock::Wall),
        "feed" => Ok(Clock::Feed),
        _ => Err(()),
    }
}

fn optional<T>(text: &str, read: impl Fn(&str) -> Result<T, ()>) -> Result<Option<T>, ()> {
    if text == "none" { Ok(None) } else { read(text).map(Some) }
}

fn age(text: &str) -> Result<Duration, ()> {
    let span: Span = parsed(text)?;
    let nanos = u64::try_from(span.0).map_err(drop)?;
    if span >= Span::MINUTE { Ok(Duration::from_nanos(nanos)) } else { Err(()) }
}

fn kept(text: &str) -> Result<Span, ()> {
    parsed(text).and_then(|span: Span| if span >= Span::DAY { Ok(span) } else { Err(()) })
}

// the form that `Key::get` has
fn shown_kept(value: &Option<Span>) -> Option<String> {
    Some(value.map_or("\"none\"".into(), |span| format!("\"{span}\"")))
}

fn span(age: Duration) -> Span {
    Span(i64::try_from(age.as_nanos()).unwrap_or(i64::MAX))
}

// the form that `Key::get` has
fn number(value: &impl ToString) -> Option<String> {
    Some(value.to_string())
}

// the form that `Key::get` has
fn quoted(value: &impl ToString) -> Option<String> {
    Some(format!("\"{}\"", value.to_string()))
}

// the form that `Key::get` has
fn shown(value: &Path) -> Option<String> {
    Some(format!("{:?}", value.display().to_string()))
}
