//! The doors: readings come in, and are acknowledged when, and only when, they are durable.
//!
//! [`grpc`], [`mqtt`], [`broker`] and [`hj212`] decode what comes, [`admit`] decides, [`commit`] makes it durable. Hand-off 1 of a
//! reading's journey lies in [`commit::Receipt`]: no door answers before it resolves. [`tick`] cuts the log into epochs.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use yiwang_catalogue::{Catalogue, Fault};
use yiwang_log::{Log, Offset};

mod accept;
pub mod admit;
pub mod body;
pub mod broker;
mod budget;
mod clients;
pub mod clock;
pub mod columns;
pub mod commit;
pub mod counters;
mod decimal;
pub mod described;
mod flow;
pub mod gate;
pub mod grpc;
pub mod hj212;
pub mod influx;
pub mod mqtt;
pub mod names;
pub mod quarantine;
pub mod refuse;
pub mod revise;
pub mod senml;
pub mod seq;
pub mod sparkplug;
pub mod start;
pub mod tick;
mod wrong_clocks;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests_kit;

use admit::Plausible;
use clock::{CityClock, ClockKind, wall_now};
use commit::{Committer, Parts, committer};
use counters::Counters;
use names::{Limits, Names};
use quarantine::{Keeper, Quarantine};
use refuse::Refusals;
use revise::Reviser;
use seq::Seqs;
use tick::Ticker;
use wrong_clocks::Listener;

/// How the doors are set.
#[derive(Clone, Debug)]
pub struct Options {
    /// The clock that a new log gets, and that an old one must have; `None` takes what the log has.
    pub clock: Option<ClockKind>,
    /// How many series there may be.
    pub limits: Limits,
    /// The most bytes that topic `rejected` may hold; beyond that refusals are only counted.
    pub max_rejected_bytes: u64,
    /// The most bytes that topic `quarantine` may hold; beyond that sources that are not in the catalogue are refused. Whether
    /// there is a quarantine at all is [`Limits::quarantined`].
    pub quarantine_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clock: None,
            limits: Limits::default(),
            max_rejected_bytes: 64 << 20,
            quarantine_bytes: 64 << 20,
        }
    }
}

/// What all doors share.
pub struct Ingest {
    /// Makes readings durable.
    pub committer: Committer,
    /// Names of series.
    pub names: Arc<Names>,
    /// The city's clock.
    pub clock: Arc<CityClock>,
    /// What is counted.
    pub counters: Arc<Counters>,
    /// The running numbers of gateways.
    pub seqs: Arc<Seqs>,
    /// The loggers of HJ 212 that are connected, and what they are told to do.
    pub desk: hj212::desk::Desk,
    /// Cancelled when the doors are to close.
    pub stop: CancellationToken,
    /// Puts another catalogue in force.
    pub reviser: Reviser,
    /// What is sent by sources that the catalogue does not have.
    pub quarantine: Arc<Quarantine>,
    /// The number of the last tick before the first of this process.
    pub ticks_before: u64,
}

/// The tasks behind the doors. Each ends with an error only when the log has failed.
pub struct Tasks {
    /// Committer and ticker.
    pub running: JoinSet<Result<(), yiwang_log::Error>>,
    /// Who keeps the quarantine, and who hears of wrong clocks: they end when the doors are to close, and must have before the last tick.
    pub keeping: JoinSet<Result<(), yiwang_log::Error>>,
    /// Cancelled when the city is to tick a last time: after the doors are closed, so that no reading comes behind that tick.
    pub last_tick: CancellationToken,
}

impl Ingest {
    /// Reads what the log knows, adds to the catalogue what was registered by API, appends it if it is new and the first tick
    /// with it, and starts committer and ticker. The doors may open when this returns: on a full disk not before there is room for
    /// that tick. `stop` closes the doors; the committer ends when they have let go of what this returns.
    ///
    /// # Errors
    /// When the log cannot be read or appended to, or has another clock than `options` asks for; when the files leave no place
    /// for what was registered.
    pub async fn start(
        log: Arc<dyn Log>,
        catalogue: Arc<Catalogue>,
        options: &Options,
        stop: CancellationToken,
    ) -> Result<(Arc<Self>, Tasks), Error> {
        let beginning = start::begin(&log, catalogue, options.clock).await?;
        let partitions = log.layout().topics[usize::from(yiwang_proto::topics::READINGS)].partitions;
        let in_force = beginning.in_force;
        let names = Arc::new(Names::new(Arc::clone(&in_force.catalogue), partitions, options.limits));
        beginning.names.iter().for_each(|series| names.restore(series));
        let clock = Arc::new(CityClock::new(beginning.clock, beginning.last_tick.city));
        let counters = Arc::new(Counters::default());
        let ticks_before = beginning.last_tick.number;
        let (wanted, revision) = watch::channel(in_force.revision);
        let (ticked, in_the_log) = watch::channel(0);
        let mut ticker = Ticker {
            log: Arc::clone(&log),
            clock: Arc::clone(&clock),
            counters: Arc::clone(&counters),
            revision,
            ticked,
            last: beginning.last_tick,
        };
        ticker.first(&stop).await?;
        let reviser = Reviser::new(Arc::clone(&log), Arc::clone(&names), in_force, wanted, in_the_log);
        let quarantine = Arc::<Quarantine>::default();
        let mut keeper = Keeper {
            log: Arc::clone(&log),
            names: Arc::clone(&names),
            clock: Arc::clone(&clock),
            counters: Arc::clone(&counters),
            quarantine: Arc::clone(&quarantine),
            max_bytes: options.quarantine_bytes,
            next: Offset(0),
        };
        keeper.see().await?;
        let mut listener = Listener::new(Arc::clone(&log), Arc::clone(&names));
        listener.catch_up().await?;
        let parts = Parts {
            log,
            names: Arc::clone(&names),
            clock: Arc::clone(&clock),
            counters: Arc::clone(&counters),
            max_rejected_bytes: options.max_rejected_bytes,
        };
        let (committer, committing) = committer(parts, stop.clone());
        let mut tasks =
            Tasks { running: JoinSet::new(), keeping: JoinSet::new(), last_tick: CancellationToken::new() };
        tasks.running.spawn(committing);
        tasks.keeping.spawn(keeper.run(stop.clone()));
        tasks.keeping.spawn(listener.run(stop.clone()));
        tasks.running.spawn(ticker.run(tasks.last_tick.clone()));
        let (seqs, desk) = (Arc::default(), hj212::desk::Desk::default());
        let shared =
            Self { committer, names, clock, counters, seqs, desk, stop, reviser, quarantine, ticks_before };
        Ok((Arc::new(shared), tasks))
    }

    /// The addresses of HTTP that take readings in; whoever serves them sees to it that nobody comes in who may not write, and
    /// says who it is by an extension [`yiwang_proto::authorization::Who`].
    pub fn router(self: &Arc<Self>) -> axum::Router {
        influx::router(Arc::clone(self)).merge(senml::router(Arc::clone(self)))
    }

    /// The addresses of HTTP that tell devices what to do; whoever serves them sees to it that nobody comes in who may not act,
    /// and says who it is as well.
    pub fn commands(self: &Arc<Self>) -> axum::Router {
        hj212::http::router(Arc::clone(self))
    }

    /// The event times that are plausible now.
    #[must_use]
    pub fn plausible(&self) -> Plausible {
        Plausible::around(self.clock.now(), self.clock.follows_feed())
    }

    /// The records for what a door refused; `sender` is the gateway or client.
    #[must_use]
    pub fn rejected(
        &self,
        door: &str,
        sender: &str,
        refusals: &Refusals,
    ) -> Vec<yiwang_proto::log::Rejected> {
        if refusals.is_empty() {
            return Vec::new();
        }
        refusals.records(door, sender, self.clock.now(), wall_now())
    }
}

/// Why the doors cannot open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The log cannot be read or appended to.
    #[error(transparent)]
    Log(#[from] yiwang_log::Error),
    /// The log's clock is another than the one asked for.
    #[error(
        "this log's clock is \"{found}\", and \"{wanted}\" is asked for: a log keeps its clock; \
         leave out clock and speed, or choose another data folder"
    )]
    OtherClock {
        /// What the log has, with its speed.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// What was registered by API and the catalogue's files cannot be one catalogue, and no entry that was registered is why.
    /// Whoever keeps the files must act.
    #[error(
        "the catalogue's files and what was registered by API cannot be one catalogue: {}",
        .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    )]
    Files(Vec<Fault>),
    /// A record of this topic cannot be decoded.
    #[error("topic \"{0}\" has a record that this release cannot read: start a newer release")]
    Unreadable(&'static str),
}
