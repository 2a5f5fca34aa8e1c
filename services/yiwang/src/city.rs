//! The city: its rooms put together, opened in order, closed in order.
//!
//! Open: lock the folder, log, stores, judgement, doors. Close: doors first, then what is under way is made durable and the
//! city ticks a last time, the judgement drains and saves, the stores are filled and flushed. A room that fails ends the
//! process: better no answer than a wrong one. A city that is told to stop does not wait for ever, see [`Stop`].

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::broadcast;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use yiwang_catalogue::Catalogue;
use yiwang_ingest::Ingest;
use yiwang_ingest::clock::{CityClock, ClockKind, wall_now};
use yiwang_ingest::hj212::{AnyPassword, Passwords};
use yiwang_ingest::names::Limits;
use yiwang_stream::Stream;
use yiwang_web::{Live, LiveEvent};

use crate::config::{Clock, Config};
use crate::gate::Gate;
use crate::health::CityHealth;
use crate::simulate::Simulation;

mod hooks;
mod reasons;
mod registrar;
mod rooms;
mod servers;
mod stop;
mod stores;

pub use hooks::Told;
use registrar::CityRegistrar;
pub use rooms::{Rooms, ZONE, folders, hold, open_log, open_orders};
use servers::Doors;
pub use stop::Stop;
pub use stores::Watched;

/// Where the doors are.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Addresses {
    /// gRPC.
    pub grpc: SocketAddr,
    /// MQTT.
    pub mqtt: SocketAddr,
    /// HTTP.
    pub http: SocketAddr,
    /// HJ 212; none in a city that has credentials and no passwords of loggers.
    pub hj212: Option<SocketAddr>,
}

/// A running city.
pub struct City {
    rooms: Rooms,
    stream: Stream,
    ingest: Arc<Ingest>,
    clock: Arc<CityClock>,
    tasks: yiwang_ingest::Tasks,
    /// None in a city that only runs through what is in the log.
    doors: Option<(Doors, Addresses)>,
    /// The consumers behind the judgement: store and outbox.
    consumers: JoinSet<Result<(), yiwang_stream::Error>>,
    stop_consumers: CancellationToken,
    live: Arc<Live>,
    told: JoinSet<()>,
}

impl City {
    /// Opens the city: when this returns, all doors are open.
    ///
    /// # Errors
    /// What could not be opened, and what to do about it.
    pub async fn start(config: &Config, catalogue: Arc<Catalogue>) -> anyhow::Result<Self> {
        let listeners = Listeners::bind(config).await?;
        Self::open(config, catalogue, Some(listeners)).await
    }

    /// Opens the city without its doors: nothing comes in, what is in the log is run through.
    ///
    /// # Errors
    /// As [`City::start`].
    pub async fn without_doors(config: &Config, catalogue: Arc<Catalogue>) -> anyhow::Result<Self> {
        Self::open(config, catalogue, None).await
    }

    async fn open(
        config: &Config,
        catalogue: Arc<Catalogue>,
        listeners: Option<Listeners>,
    ) -> anyhow::Result<Self> {
        // From here on SIGHUP ends nothing.
        let hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
        let rooms = Rooms::open(config).await?;
        let stop = CancellationToken::new();
        let options = yiwang_ingest::Options {
            clock: clock_wanted(config),
            max_rejected_bytes: config.rejected_bytes,
            quarantine_bytes: config.quarantine_bytes,
            limits: Limits {
                quarantined: if config.quarantine_bytes > 0 { MAX_QUARANTINED } else { 0 },
                ..Limits::default()
            },
        };
        let (ingest, tasks) =
            Ingest::start(Arc::clone(&rooms.log), catalogue, &options, stop.clone()).await?;
        rooms.clock.set(Arc::clone(&ingest.clock));
        let stream =
            Stream::start(rooms.stream_parts(), &folders(config).checkpoints, config.workers).await?;
        let stop_consumers = CancellationToken::new();
        let live = Arc::new(Live::default());
        let (happened, happening) = broadcast::channel(LIVE_EVENTS);
        let mut consumers = rooms.consumers(&stream.progress, happened, &stop_consumers);
        let told_elsewhere = hooks::start(config, &rooms.feed(), &rooms.log, &mut consumers, &stop_consumers);
        let mut told = JoinSet::new();
        told.spawn(tell(stream.live.subscribe(), Arc::clone(&live), LiveEvent::Anomaly));
        told.spawn(tell(happening, Arc::clone(&live), LiveEvent::Order));
        let (watched, brokers) = match listeners {
            Some(_) => servers::brokers(config, &ingest).into_iter().unzip(),
            None => (Vec::new(), Vec::new()),
        };
        let health =
            CityHealth::new(&rooms, &ingest, &stream, (watched, told_elsewhere), closed_to_loggers(config));
        let registrar = Arc::new(CityRegistrar::new(&ingest, config.catalogue.clone()));
        told.spawn(Arc::clone(&registrar).heed(hangup));
        told.spawn(registrar::tell(ingest.reviser.in_force(), Arc::clone(&live)));
        let clock = Arc::clone(&ingest.clock);
        let now = Arc::clone(&clock);
        let gate = Arc::new(Gate::new(config.credentials.clone()));
        let parts = yiwang_web::Parts {
            catalogue: registrar,
            series: rooms.series.clone(),
            orders: rooms.orders.clone(),
            feed: rooms.feed(),
            alerts: rooms.alerts(),
            reasons: Arc::new(reasons::Judgement),
            quiet: quiet(&stream.progress),
            city_now: Arc::new(move || now.now()),
            health: Arc::new(health),
            gate: gate.clone(),
            live: Arc::clone(&live),
        };
        let open = |listeners: Listeners| {
            let addresses = listeners.addresses()?;
            let mut doors = Doors::open(listeners, &ingest, parts, passwords(config), gate, stop);
            doors.connect(brokers);
            anyhow::Ok((doors, addresses))
        };
        let doors = listeners.map(open).transpose()?;
        Ok(Self { rooms, stream, ingest, clock, tasks, doors, consumers, stop_consumers, live, told })
    }

    /// Where the doors are.
    ///
    /// # Panics
    /// In a city without doors.
    pub fn addresses(&self) -> Addresses {
        self.doors.as_ref().expect("who asks opened it with doors").1
    }

    /// The clock that a simulation in this process goes by.
    pub fn simulated_clock(&self) -> sensors_sim::city::CityClock {
        let speed = match self.clock.kind() {
            ClockKind::Speed { speed, .. } => speed,
            ClockKind::Wall | ClockKind::Feed => 1.0,
        };
        sensors_sim::city::CityClock::new(self.clock.now().unwrap_or_else(wall_now), speed)
    }

    /// What is printed once the city is open.
    pub fn greeting(&self, config: &Config) -> String {
        let Addresses { grpc, mqtt, http, hj212 } = self.addresses();
        let hj212 = hj212.map_or("closed: there is no hj212_passwords".into(), |at| at.to_string());
        format!(
            "Yiwang 一网 is open.\n  console  http://{http}/\n  gRPC     {grpc}\n  MQTT     {mqtt}\n  HTTP     {http}\n  HJ 212   {hj212}\n  \
             data     {}\nCtrl-C stops it.",
            config.data_dir.display()
        )
    }

    /// Writes the addresses beside the file and renames it, so that whoever sees the file sees all of it.
    ///
    /// # Errors
    /// What the system says.
    pub fn write_ready(&self, file: &Path) -> anyhow::Result<()> {
        let mut beside = file.as_os_str().to_owned();
        beside.push(".new");
        let text = serde_json::to_string(&self.addresses())?;
        std::fs::write(&beside, text + "\n")
            .and_then(|()| std::fs::rename(&beside, file))
            .with_context(|| format!("cannot write the ready file {}", file.display()))
    }

    /// Runs until it is told to stop, then closes in order.
    ///
    /// # Errors
    /// The room that failed; the process is then to end at once.
    pub async fn run(mut self, mut simulation: Option<Simulation>) -> anyhow::Result<()> {
        tokio::select! {
            () = told_to_stop() => tracing::info!("stopping"),
            error = self.stream.failed() => return Err(error.into()),
            ended = self.tasks.running.join_next() => return Err(ended_early("ingest", ended)),
            ended = self.tasks.keeping.join_next() => return Err(ended_early("the quarantine", ended)),
            ended = self.consumers.join_next() => return Err(ended_early("a consumer of the log", ended)),
            ended = closed_early(&mut self.doors) => return Err(ended),
            error = failed(&mut simulation) => return Err(error),
        }
        let stop = Stop::within(stop::PATIENCE);
        if let Some(simulation) = simulation {
            simulation.stop.cancel();
            // Its readings are in the log or will be sent again; its own end is of no account.
            let _ = tokio::time::timeout(Duration::from_secs(1), simulation.task).await;
        }
        self.close(stop).await
    }

    /// Closes in order.
    ///
    /// # Errors
    /// The room that failed.
    pub async fn close(self, mut stop: Stop) -> anyhow::Result<()> {
        let Self {
            rooms, stream, ingest, mut tasks, doors, mut consumers, stop_consumers, live, told, ..
        } = self;
        let lock = Arc::clone(&rooms.lock);
        live.close();
        if let Some((doors, _)) = doors {
            doors.close().await;
        }
        // A city without doors has nobody else who says so.
        ingest.stop.cancel();
        drop(ingest);
        stop.stage("quarantine", all(&mut tasks.keeping)).await?;
        tasks.last_tick.cancel();
        stop.stage("ingest", all(&mut tasks.running)).await?;
        stop.stage("judgement", async { Ok(stream.drain().await?) }).await?;
        drop(told);
        stop_consumers.cancel();
        stop.stage("stores", all(&mut consumers)).await?;
        let orders = async {
            rooms.close().await;
            Ok(())
        };
        stop.stage("orders", orders).await?;
        match stop.left().as_slice() {
            [] => tracing::info!("stopped; everything is on disk"),
            left => {
                tracing::warn!(?left, "stopped in time; all that was acknowledged is in the log");
                // Who was left may still write: the folder is free when the process has ended, not before.
                std::mem::forget(lock);
            }
        }
        Ok(())
    }
}

/// What the console is told of episodes that silences keep quiet.
fn quiet(progress: &Arc<yiwang_stream::finish::Progress>) -> yiwang_web::QuietNow {
    let progress = Arc::clone(progress);
    Arc::new(move || {
        let yiwang_stream::quiet::Quiet { count, episodes } = progress.quiet();
        yiwang_web::Quiet { count, episodes }
    })
}

/// Resolves when a door has closed by itself.
async fn closed_early(doors: &mut Option<(Doors, Addresses)>) -> anyhow::Error {
    match doors {
        Some((doors, _)) => doors.failed().await,
        None => std::future::pending().await,
    }
}

/// Waits until all tasks have ended.
async fn all<E>(tasks: &mut JoinSet<Result<(), E>>) -> anyhow::Result<()>
where
    E: std::error::Error + Send + Sync + 'static,
{
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

/// Listeners that are bound, before anything is opened: a port in use costs nothing then.
pub struct Listeners {
    grpc: TcpListener,
    mqtt: TcpListener,
    http: TcpListener,
    hj212: Option<TcpListener>,
}

impl Listeners {
    async fn bind(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            grpc: bind("grpc_listen", config.grpc_listen).await?,
            mqtt: bind("mqtt_listen", config.mqtt_listen).await?,
            http: bind("http_listen", config.http_listen).await?,
            hj212: match closed_to_loggers(config) {
                false => Some(bind("hj212_listen", config.hj212_listen).await?),
                true => None,
            },
        })
    }

    fn addresses(&self) -> anyhow::Result<Addresses> {
        Ok(Addresses {
            grpc: self.grpc.local_addr()?,
            mqtt: self.mqtt.local_addr()?,
            http: self.http.local_addr()?,
            hj212: self.hj212.as_ref().map(TcpListener::local_addr).transpose()?,
        })
    }
}

/// A city that asks everybody who he is does not open a door at which nobody is asked.
fn closed_to_loggers(config: &Config) -> bool {
    !config.credentials.is_empty() && config.logger_passwords.is_none()
}

fn passwords(config: &Config) -> Arc<dyn Passwords> {
    match &config.logger_passwords {
        Some(passwords) => Arc::new(passwords.clone()),
        None => Arc::new(AnyPassword),
    }
}

async fn bind(key: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        anyhow!(
            "cannot listen on {address}: {error}; set {key} to another address, or to port 0 for a free one"
        )
    })
}

fn clock_wanted(config: &Config) -> Option<ClockKind> {
    let wall_begin = wall_now();
    match config.clock {
        Some(Clock::Feed) => Some(ClockKind::Feed),
        _ if config.speed != 1.0 => {
            Some(ClockKind::Speed { speed: config.speed, city_begin: wall_begin, wall_begin })
        }
        Some(Clock::Wall) => Some(ClockKind::Wall),
        None => None,
    }
}

/// How many series of sources that are not in the catalogue are kept, where they are kept at all.
const MAX_QUARANTINED: usize = 10_000;

/// How many events may wait for the console.
const LIVE_EVENTS: usize = 1024;

/// Hands what happens on to the console's live clients.
async fn tell<T: Clone>(mut happening: broadcast::Receiver<T>, live: Arc<Live>, event: fn(T) -> LiveEvent) {
    use broadcast::error::RecvError;
    loop {
        match happening.recv().await {
            Ok(happened) => live.publish(event(happened)),
            Err(RecvError::Lagged(missed)) => tracing::debug!(missed, "live events not shown"),
            Err(RecvError::Closed) => return,
        }
    }
}

async fn told_to_stop() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

/// The error of a simulation that ended with one; waits for ever on one that did not.
async fn failed(simulation: &mut Option<Simulation>) -> anyhow::Error {
    if let Some(simulation) = simulation {
        match (&mut simulation.task).await {
            Ok(Err(error)) => return error.context("the simulated city failed"),
            Err(panic) => return anyhow!("the simulated city failed: {panic}"),
            Ok(Ok(())) => {}
        }
    }
    std::future::pending().await
}

type Ended<E> = Option<Result<Result<(), E>, tokio::task::JoinError>>;

fn ended_early<E: std::error::Error + Send + Sync + 'static>(what: &str, ended: Ended<E>) -> anyhow::Error {
    match ended {
        Some(Ok(Err(error))) => anyhow::Error::new(error).context(format!("{what} failed")),
        Some(Err(panic)) => anyhow!("{what} failed: {panic}"),
        Some(Ok(Ok(()))) | None => anyhow!("{what} ended early"),
    }
}
