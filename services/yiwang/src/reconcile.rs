//! `yiwang reconcile`: balances the books of a data folder.
//!
//! Log, series store, order store and the senders' own files are each read for itself; no figure is had by subtracting others.
//! - Every acknowledged reading is in the log.
//! - Every key of the log up to the store's mark is in the store with its last value, and nothing else is.
//! - Each episode of topic `derived` has one order, and each order of the channel sensor one episode.
//!
//! What retention has dropped from the log cannot be balanced any more; it is counted and told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use prost::Message as _;
use yiwang_catalogue::Catalogue;
use yiwang_log::{Log, Offset, Position, Stored};
use yiwang_model::{Anomaly, AnomalyId, Row, Series, SeriesId, Timestamp, Vintage};
use yiwang_orders::OrderStore;
use yiwang_proto::log::{Derived, ReadingsRecord, SeriesName, readings_record::Kind};
use yiwang_proto::topics;
use yiwang_series::Mark;

use crate::city::{City, Rooms, Stop, folders};
use crate::cli::{Failed, catalogue, runtime};
use crate::config::{Config, Layers};

/// What to balance.
#[derive(Debug, Args)]
pub struct Options {
    /// The data folder; no process may hold it.
    #[arg(long)]
    data_dir: PathBuf,
    /// First run what is left in the log through judgement and stores.
    #[arg(long)]
    drain: bool,
    /// The catalogue to drain under, if not the demo city.
    #[arg(long)]
    catalogue: Option<PathBuf>,
    /// A sender's file of acknowledgements, lines of `source,metric,time,value[,vintage]`; may be given again.
    #[arg(long)]
    acked: Vec<PathBuf>,
}

/// How many differences of a kind are shown.
const SHOWN: usize = 10;
const READ_BYTES: usize = 8 << 20;

/// Balances; differences end with exit code 1.
///
/// # Errors
/// What cannot be read.
pub fn run(options: Options) -> Result<ExitCode, Failed> {
    if !options.data_dir.is_dir() {
        return Err(Failed::Usage(format!(
            "{} is not a folder: give a data folder",
            options.data_dir.display()
        )));
    }
    let mut layers = Layers::default();
    for key in ["grpc_listen", "mqtt_listen", "http_listen"] {
        layers.flag(key, Some("127.0.0.1:0"));
    }
    layers.flag("data_dir", options.data_dir.to_str());
    let config = layers.finish().map_err(Failed::Faults)?;
    let runtime = runtime()?;
    if options.drain {
        let catalogue = Arc::new(catalogue(options.catalogue.as_deref())?);
        runtime.block_on(drain(&config, catalogue))?;
    }
    let books = runtime.block_on(balance(&config, &options.acked))?;
    print!("{books}");
    Ok(if books.balanced() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Opens the city and closes it again, which runs everything through.
async fn drain(config: &Config, catalogue: Arc<Catalogue>) -> anyhow::Result<()> {
    City::start(config, catalogue).await?.close(Stop::patient()).await
}

async fn balance(config: &Config, acked: &[PathBuf]) -> anyhow::Result<Books> {
    let mut books = Books::default();
    let rooms = Rooms::open(config).await?;
    let log = LogBook::read(rooms.log.as_ref()).await?;
    for file in acked {
        books.acked(&log, file)?;
    }
    books.episodes(&log, rooms.orders.as_ref()).await?;
    rooms.close().await;
    let mut stored = BTreeMap::new();
    let folder = folders(config).series;
    let marked = yiwang_series::embedded::scan_folder(&yiwang_disk::RealDisk, &folder, &mut |_, row| {
        stored.insert(key(row), row.value.to_bits());
    });
    match marked {
        Ok(mark) => books.store(&log, &stored, &mark),
        Err(error) => books.store.differ(error),
    }
    books.dropped = log.dropped;
    Ok(books)
}

type Key = (SeriesId, Timestamp, Vintage);

fn key(row: &Row) -> Key {
    (row.series, row.time, row.vintage)
}

/// Where the log says a value of a key.
struct Said {
    partition: u16,
    offset: u64,
    bits: u64,
}

impl Said {
    fn is_before(&self, mark: &Mark) -> bool {
        mark.get(&format!("readings/{}", self.partition)).is_some_and(|next| self.offset < *next)
    }
}

/// What the log holds.
#[derive(Default)]
struct LogBook {
    names: BTreeMap<SeriesId, Series>,
    /// By key, in log order; mostly one.
    readings: BTreeMap<Key, Vec<Said>>,
    /// Episodes, as of the last step.
    found: BTreeMap<AnomalyId, Anomaly>,
    /// Records that retention dropped.
    dropped: u64,
}

impl LogBook {
    async fn read(log: &dyn Log) -> anyhow::Result<Self> {
        let mut book = Self::default();
        for extent in log.extents() {
            let mut next = extent.start;
            book.dropped += extent.start.0;
            while next < extent.end {
                let records = log.read(&[Position { partition: extent.partition, next }], READ_BYTES).await?;
                for stored in records {
                    next = Offset(stored.offset.0 + 1);
                    book.take(stored)?;
                }
            }
        }
        Ok(book)
    }

    fn take(&mut self, stored: Stored) -> anyhow::Result<()> {
        match stored.partition.topic.0 {
            topics::READINGS => self.readings(stored),
            topics::DERIVED => self.derived(stored),
            topics::NAMES => self.name(stored),
            _ => Ok(()),
        }
    }

    fn readings(&mut self, stored: Stored) -> anyhow::Result<()> {
        let Some(Kind::Block(block)) = ReadingsRecord::decode(stored.payload)?.kind else { return Ok(()) };
        for (_, row) in block.rows()? {
            let (partition, offset) = (stored.partition.index, stored.offset.0);
            let said = Said { partition, offset, bits: row.value.to_bits() };
            self.readings.entry(key(&row)).or_default().push(said);
        }
        Ok(())
    }

    fn derived(&mut self, stored: Stored) -> anyhow::Result<()> {
        for text in Derived::decode(stored.payload)?.anomalies {
            let anomaly: Anomaly = serde_json::from_str(&text)?;
            self.found.insert(anomaly.id, anomaly);
        }
        Ok(())
    }

    fn name(&mut self, stored: Stored) -> anyhow::Result<()> {
        let name = SeriesName::decode(stored.payload)?;
        let series = Series::new(name.source, name.metric)?;
        self.names.insert(series.id(), series);
        Ok(())
    }

    fn has(&self, (key, bits): &(Key, u64)) -> bool {
        self.readings.get(key).is_some_and(|said| said.iter().any(|said| said.bits == *bits))
    }

    fn show(&self, key: &Key) -> String {
        let (id, time, vintage) = key;
        let name = self.names.get(id).map_or_else(|| format!("{id:?}"), Series::to_string);
        let vintage = vintage.0.map(|vintage| format!(" published {vintage}")).unwrap_or_default();
        format!("{name} at {time}{vintage}")
    }
}

/// One comparison: what was looked at, and what differs.
#[derive(Debug, Default)]
struct Account {
    looked_at: u64,
    differences: u64,
    shown: Vec<String>,
}

impl Account {
    fn differ(&mut self, what: impl Display) {
        self.differences += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(what.to_string());
        }
    }
}

/// The comparisons.
#[derive(Debug, Default)]
struct Books {
    acked: Account,
    store: Account,
    episodes: Account,
    dropped: u64,
}

impl Books {
    fn acked(&mut self, log: &LogBook, file: &Path) -> anyhow::Result<()> {
        let name = file.display();
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
        // A sender that was killed may have left half a line.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for (line, text) in (1..).zip(whole.lines()) {
            self.acked.looked_at += 1;
            match acknowledged(text) {
                None => self.acked.differ(format!("{name}:{line}: \"{text:.200}\" is no acknowledgement")),
                Some(acked) if !log.has(&acked) => {
                    self.acked.differ(format!("{name}:{line}: {text} is not in the log"));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// The store against the log, and the log against the store.
    fn store(&mut self, log: &LogBook, stored: &BTreeMap<Key, u64>, mark: &Mark) {
        for (key, said) in &log.readings {
            let due = said.iter().rposition(|place| place.is_before(mark));
            let Some(due) = due else { continue };
            self.store.looked_at += 1;
            match stored.get(key) {
                None => self.store.differ(format!("{} is in the log and not in the store", log.show(key))),
                // What lies beyond the mark may be in the store already.
                Some(bits) if said[due..].iter().any(|place| place.bits == *bits) => {}
                Some(bits) => {
                    let (is, last) = (f64::from_bits(*bits), f64::from_bits(said[due].bits));
                    self.store
                        .differ(format!("{}: the store has {is}, the last value is {last}", log.show(key)));
                }
            }
        }
        for key in stored.keys().filter(|key| log.dropped == 0 && !log.readings.contains_key(key)) {
            self.store.differ(format!("{} is in the store and not in the log", log.show(key)));
        }
    }

    async fn episodes(&mut self, log: &LogBook, orders: &dyn OrderStore) -> anyhow::Result<()> {
        let mut ordered = BTreeSet::new();
        let mut after = None;
        loop {
            let page = orders.episodes(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.anomaly.id);
            for row in &page {
                self.episodes.looked_at += 1;
                ordered.insert(row.anomaly.id);
                if !log.found.contains_key(&row.anomaly.id) && log.dropped == 0 {
                    self.episodes.differ(format!(
                        "order {} is of episode {}, which is not in the log",
                        row.no, row.anomaly.id
                    ));
                }
            }
        }
        for (id, anomaly) in log.found.iter().filter(|(id, _)| !ordered.contains(id)) {
            let Anomaly { detector, series, begin, .. } = anomaly;
            self.episodes.differ(format!("episode {id} ({detector}, {series}, since {begin}) has no order"));
        }
        Ok(())
    }

    fn accounts(&self) -> [(&'static str, &Account); 3] {
        [
            ("acknowledged readings in the log", &self.acked),
            ("keys of the log in the store", &self.store),
            ("episodes and their orders", &self.episodes),
        ]
    }

    fn balanced(&self) -> bool {
        self.accounts().iter().all(|(_, account)| account.differences == 0)
    }
}

impl Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, account) in self.accounts() {
            writeln!(f, "{what}: {} looked at, {} differ", account.looked_at, account.differences)?;
            account.shown.iter().try_for_each(|shown| writeln!(f, "  {shown}"))?;
        }
        if self.dropped > 0 {
            writeln!(f, "{} records were dropped by retention and cannot be balanced", self.dropped)?;
        }
        writeln!(f, "{}", if self.balanced() { "balanced" } else { "NOT balanced" })
    }
}

/// How many orders are read at once.
const PAGE: u32 = 500;

/// A line `source,metric,time,value[,vintage]`: its key and the bits of its value.
fn acknowledged(line: &str) -> Option<(Key, u64)> {
    let mut fields = line.split(',');
    let series = Series::new(fields.next()?, fields.next()?).ok()?;
    let time = Timestamp(fields.next()?.parse().ok()?);
    let value: f64 = fields.next()?.parse().ok()?;
    let vintage = fields.next().map(str::parse).transpose().ok()?.map(Timestamp);
    Some(((series.id(), time, Vintage(vintage)), value.to_bits()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(values: &[(u64, f64)]) -> Vec<Said> {
        values
            .iter()
            .map(|(offset, value)| Said { partition: 0, offset: *offset, bits: value.to_bits() })
            .collect()
    }

    fn key(time: i64) -> Key {
        (SeriesId(1), Timestamp(time), Vintage(None))
    }

    fn differences(log: &[(i64, &[(u64, f64)])], store: &[(i64, f64)]) -> u64 {
        let log = LogBook {
            readings: log.iter().map(|(time, values)| (key(*time), said(values))).collect(),
            ..LogBook::default()
        };
        let store = store.iter().map(|(time, value)| (key(*time), value.to_bits())).collect();
        let mut books = Books::default();
        books.store(&log, &store, &Mark::from([("readings/0".to_owned(), 10)]));
        books.store.differences
    }

    #[test]
    fn the_store_must_have_the_last_value_up_to_its_mark_and_nothing_else() {
        assert_eq!(differences(&[(1, &[(3, 1.0)])], &[(1, 1.0)]), 0);
        assert_eq!(differences(&[(1, &[(3, 1.0)])], &[]), 1, "lost");
        assert_eq!(differences(&[], &[(1, 1.0)]), 1, "invented");
        assert_eq!(differences(&[(1, &[(3, 1.0), (4, 2.0)])], &[(1, 1.0)]), 1, "not corrected");
        assert_eq!(differences(&[(1, &[(3, 1.0), (4, 2.0)])], &[(1, 2.0)]), 0);
        assert_eq!(differences(&[(1, &[(30, 1.0)])], &[]), 0, "beyond the mark");
        assert_eq!(
            differences(&[(1, &[(3, 1.0), (30, 2.0)])], &[(1, 2.0)]),
            0,
            "beyond the mark, there already"
        );
    }

    #[test]
    fn a_line_that_is_no_acknowledgement_is_told() {
        assert!(acknowledged("a,b,1,2.5").is_some() && acknowledged("a,b,1,2.5,7").is_some());
        for line in ["", "a,b", "a,b,x,1", "a,b,1,x", "a b,c,1,1"] {
            assert!(acknowledged(line).is_none(), "{line}");
        }
    }
}
