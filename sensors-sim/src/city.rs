//! A seeded, repeatable city behind gateways, over the public doors.
//!
//! Every value is a pure function of (seed, series, event time): any stretch of time can be made alone, in any order, and
//! a restart goes on with the same city. Faults are given by a plan ([`fault`]) and bend values or their sending.
//!
//! Each gateway has one connection: sorted by name, they go by gRPC and MQTT in turn. A gateway first sends the past,
//! oldest first (figures of 36 months, each project from its beginning, then 24 hours of sensors), and then lives: every
//! reading when city time has come to it. When the city is slow the gateway waits; nothing is dropped.

mod census;
mod clock;
mod economy;
pub mod fault;
mod gateway;
pub(crate) mod hours;
pub mod noise;
mod project;
mod sensors;
mod state;
mod truth;
pub mod weather;
mod world;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use yiwang_catalogue::Catalogue;
use yiwang_model::Span;

use crate::door::{self, Address, Credential};
pub use clock::CityClock;
use gateway::Gateway;
use world::World;

/// What a city is.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where gRPC is listened for, `host:port`.
    pub grpc: Option<String>,
    /// Where MQTT is listened for, `host:port`.
    pub mqtt: Option<String>,
    /// Which city; the same seed is the same city.
    pub seed: u64,
    /// Its stations and metrics.
    pub catalogue: Arc<Catalogue>,
    /// What goes wrong.
    pub faults: fault::Plan,
    /// Where to write what went wrong: CSV, a line for each fault and series.
    pub truth: Option<PathBuf>,
    /// City time.
    pub clock: CityClock,
    /// How much of the past of sensors is sent first.
    pub backfill: Span,
    /// Of the past, except its last hour, a sensor sends one reading in so many.
    pub backfill_every: u32,
    /// How long it lives, in wall time; for ever when `None`.
    pub lives: Option<Duration>,
    /// Remembers when the city first began, so that the faults of a plan keep their times over a restart.
    pub state: Option<PathBuf>,
    /// Who the gateways are.
    pub credential: Option<Credential>,
}

impl Options {
    /// The demo city with its faults, in wall time from now on.
    #[must_use]
    pub fn demo(grpc: Option<String>, mqtt: Option<String>, seed: u64) -> Self {
        Self {
            grpc,
            mqtt,
            seed,
            catalogue: Arc::new(Catalogue::demo()),
            faults: default_faults(),
            truth: None,
            clock: CityClock::wall(),
            backfill: Span::DAY,
            backfill_every: 2,
            lives: None,
            state: None,
            credential: None,
        }
    }
}

/// The faults of `yiwang up --simulate`.
///
/// # Panics
/// Never: a test reads them.
#[must_use]
pub fn default_faults() -> fault::Plan {
    fault::Plan::parse(fault::DEFAULT_PLAN).expect("the default plan has no faults of its own")
}

/// How long a city that ends waits for what is not acknowledged.
const DRAIN: Duration = Duration::from_secs(10);
/// The same when it is told to stop: the doors may be closing as well.
const DRAIN_AT_STOP: Duration = Duration::from_millis(500);
/// How many batches of a gateway may be under way.
const INFLIGHT: usize = 64;

/// The most readings of a batch over gRPC, and over MQTT, where a batch is one message.
const BATCH: (usize, usize) = (5_000, 400);

/// Runs a city until it has lived or is stopped.
///
/// # Errors
/// No door is given; the plan names what the city does not have; the files cannot be written; a door refuses for good.
pub async fn run(options: Options, stop: CancellationToken) -> anyhow::Result<()> {
    let began = state::began(options.state.as_deref(), options.clock.start())?;
    let world = World::new(&options, began).map_err(|wrong| fault::all_wrong("fault plan", &wrong))?;
    if let Some(path) = &options.truth {
        truth::write(path, &world).with_context(|| format!("truth file {}", path.display()))?;
    }
    let gateways = Gateway::all(&Arc::new(world), &options, &doors(&options)?);
    tracing::info!(gateways = gateways.len(), seed = options.seed, %began, "city begins");
    let end = stop.child_token();
    let mut running: JoinSet<anyhow::Result<()>> =
        gateways.into_iter().map(|gateway| gateway.run(end.clone(), stop.clone())).collect();
    let mut outcome = Ok(());
    let lives = tokio::time::sleep(options.lives.unwrap_or(Duration::from_secs(u64::from(u32::MAX))));
    tokio::pin!(lives);
    while !running.is_empty() {
        tokio::select! {
            () = &mut lives, if !end.is_cancelled() => end.cancel(),
            Some(ended) = running.join_next() => {
                let ended = ended.map_err(anyhow::Error::from).and_then(|ended| ended);
                if ended.is_err() {
                    end.cancel();
                    outcome = outcome.and(ended);
                }
            }
        }
    }
    outcome
}

fn doors(options: &Options) -> anyhow::Result<Vec<Address>> {
    let grpc = options.grpc.clone().map(Address::Grpc);
    let doors: Vec<Address> = grpc.into_iter().chain(options.mqtt.clone().map(Address::Mqtt)).collect();
    if doors.is_empty() {
        bail!("a city needs a door: the address of gRPC, of MQTT, or of both");
    }
    Ok(doors)
}

/// The door of a gateway.
fn door_of(address: &Address, gateway: &str, options: &Options) -> door::Options {
    door::Options {
        address: address.clone(),
        gateway: gateway.to_owned(),
        stream_id: door::fresh_id(),
        credential: options.credential.clone(),
        inflight: INFLIGHT,
        rows: false,
        history: false,
    }
}

#[cfg(test)]
mod tests;
