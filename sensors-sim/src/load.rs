//! A generator for benches and kill tests: as many series as asked for, on a fixed schedule or as fast as it is answered.
//!
//! The sources are `bench-000001`, `bench-000002`, … of the catalogue's family `bench-`, each with the family's first
//! metric. Event times are near now, rise by at least a microsecond from one reading of a series to its next, and so are
//! never used twice. With a rate, batch k is due at k times its share of a second after the start whatever happened before,
//! and latency counts from then. What a broken connection left unacknowledged is sent again with the same times and values.

mod lane;
mod report;
mod values;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use yiwang_catalogue::{Catalogue, Metric};

use crate::acked::AckedFile;
use crate::door::{self, Address, Credential, Open, Speaks};
use lane::Lane;
pub use report::{Latency, Report};
use report::{Tally, cpu_seconds};
pub use values::Values;

/// The family of sources in the catalogue.
pub const PREFIX: &str = "bench-";
/// The most series of one generator.
const MAX_SERIES: usize = 10_000_000;
/// The most readings of a batch: what the wire allows.
const MAX_BATCH: usize = 1_000_000;
/// With a rate, at least so many batches a second and connection.
const BATCHES_A_SECOND: f64 = 100.0;

/// What to send.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to.
    pub address: Address,
    /// How many series.
    pub series: usize,
    /// Readings a second over all connections; 0 as fast as acknowledgements allow.
    pub rate: f64,
    /// How long.
    pub lasts: Duration,
    /// Rows instead of columns (gRPC only).
    pub rows: bool,
    /// Where to write acknowledgements.
    pub acked: Option<PathBuf>,
    /// The name of the gateway; further connections have a number behind it.
    pub gateway: String,
    /// Readings of a batch; for MQTT of one message, and then all of one source.
    pub batch: Option<usize>,
    /// How many connections; the series are shared out.
    /// Over HJ 212 each is a logger with all that it measures, whatever `series` and `batch` say.
    pub connections: usize,
    /// The most batches of a connection that are not acknowledged.
    pub inflight: Option<usize>,
    /// Who it is.
    pub credential: Option<Credential>,
    /// What sort of values.
    pub values: Values,
    /// Where the family stands.
    pub catalogue: Arc<Catalogue>,
    /// How long to wait at the end for what is not acknowledged.
    pub wait: Duration,
}

impl Options {
    fn batch(&self) -> usize {
        let usual = match (&self.address, self.rows) {
            (Address::Mqtt(_), _) => 1,
            (Address::Hj212(..), _) => return MAX_BATCH,
            (Address::Grpc(_), true) => 500,
            (Address::Grpc(_) | Address::Influx(_), _) => 5_000,
        };
        // not negative, and clamped
        let by_rate = match self.rate {
            rate if rate > 0.0 => ((rate / self.lanes() as f64 / BATCHES_A_SECOND) as usize).clamp(1, usual),
            _ => usual,
        };
        self.batch.unwrap_or(by_rate).clamp(1, MAX_BATCH)
    }

    fn lanes(&self) -> usize {
        match self.address {
            Address::Hj212(..) => self.connections.max(1),
            _ => self.connections.clamp(1, self.series.max(1)),
        }
    }

    fn inflight(&self) -> usize {
        let usual = match self.address {
            Address::Mqtt(_) | Address::Hj212(..) => 1_000,
            Address::Grpc(_) | Address::Influx(_) => 16,
        };
        self.inflight.unwrap_or(usual)
    }

    /// Where a connection goes: over HJ 212 each is a logger of its own.
    fn address(&self, lane: usize) -> anyhow::Result<Address> {
        let Address::Hj212(at, _) = &self.address else { return Ok(self.address.clone()) };
        let station = lane::source(lane);
        let speaks = Speaks::of(&self.catalogue, &station);
        let speaks =
            speaks.with_context(|| format!("the catalogue has no [[logger]] of station {station:?}"))?;
        Ok(Address::Hj212(at.clone(), Arc::new(speaks)))
    }

    fn door(&self, address: Address, lane: usize) -> door::Options {
        let gateway = if lane == 0 { self.gateway.clone() } else { format!("{}-{lane}", self.gateway) };
        door::Options {
            address,
            gateway,
            stream_id: door::fresh_id(),
            credential: self.credential.clone(),
            inflight: self.inflight(),
            rows: self.rows,
            history: false,
        }
    }
}

/// Sends, waits for the rest, and tells how it went.
///
/// # Errors
/// Options that make no sense; a catalogue without the family; a door that refuses for good; the file cannot be written.
pub async fn run(options: Options, stop: CancellationToken) -> anyhow::Result<Report> {
    let metric = metric(&options)?;
    let acked = options.acked.as_deref().map(AckedFile::append).transpose()?;
    let tally = Tally::new(acked.clone());
    let mut background = JoinSet::new();
    if let Some(file) = acked.clone() {
        background.spawn(file.keep_flushed());
    }
    let start = Instant::now();
    let mut lanes = JoinSet::new();
    for lane in 0..options.lanes() {
        let address = options.address(lane)?;
        let of_lane = Lane::new(lane, &options, &address, metric, start, &tally);
        let open = door::open(options.door(address, lane), tally.on_ack(), CancellationToken::new());
        lanes.spawn(drive(of_lane, open, options.wait, stop.clone()));
    }
    let mut unacknowledged = 0;
    while let Some(left) = lanes.join_next().await {
        unacknowledged += left??;
    }
    if let Some(file) = acked {
        file.flush()?;
    }
    Ok(tally.report(start, unacknowledged, cpu_seconds()))
}

/// One connection from its first reading to its last acknowledgement; answers how many readings have none.
async fn drive(mut lane: Lane, open: Open, wait: Duration, stop: CancellationToken) -> anyhow::Result<usize> {
    let door = open.sender.clone();
    // When the door takes no more, it says why below.
    let _ = stop.run_until_cancelled(lane.send_all(&door)).await;
    drop(door);
    open.finish_within(wait).await
}

fn metric(options: &Options) -> anyhow::Result<&Metric> {
    if options.series == 0 || options.series > MAX_SERIES {
        bail!("--series is {}; 1 to {MAX_SERIES} are possible", options.series);
    }
    if !options.rate.is_finite() || options.rate < 0.0 {
        bail!("--rate is {}; readings a second, or 0, are wanted", options.rate);
    }
    let family = options.catalogue.station(PREFIX);
    let family =
        family.with_context(|| format!("the catalogue has no station_family with prefix {PREFIX:?}"))?;
    let name = family.metrics.first().with_context(|| format!("family {PREFIX:?} measures nothing"))?;
    options.catalogue.metric(name).with_context(|| format!("metric {name:?} is not in the catalogue"))
}

#[cfg(test)]
mod tests;
