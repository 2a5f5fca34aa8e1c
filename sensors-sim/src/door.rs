//! The way into the city: one connection, a bounded buffer of what is not acknowledged, and reconnection.
//!
//! [`open`] starts a task that owns the connection. Batches go in through a [`Sender`], which waits while the buffer is
//! full. A batch leaves the buffer when the city acknowledged it, and then the [`OnAck`] is called with it, once. When
//! a connection breaks, everything in the buffer is sent again over the next one, in order.

mod credential;
mod grpc;
mod hj212;
mod influx;
mod json;
mod mqtt;
mod unacked;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use yiwang_proto::v1::{Reason, SeriesKey};

pub use credential::Credential;
pub use hj212::Speaks;
pub use unacked::Unacked;

/// Where a door is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `IngestService` at this `host:port`.
    Grpc(String),
    /// MQTT 3.1.1 at this `host:port`.
    Mqtt(String),
    /// InfluxDB's line protocol over HTTP at this `host:port`.
    Influx(String),
    /// HJ 212 at this `host:port`, as this logger.
    Hj212(String, Arc<Speaks>),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grpc(at) => write!(f, "grpc {at}"),
            Self::Mqtt(at) => write!(f, "mqtt {at}"),
            Self::Influx(at) => write!(f, "influx {at}"),
            Self::Hj212(at, speaks) => write!(f, "hj212 {at} as {}", speaks.mn),
        }
    }
}

/// How to send through a door.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it is.
    pub address: Address,
    /// The gateway's name; for MQTT the beginning of the client identifier.
    pub gateway: String,
    /// Random at each start of the gateway.
    pub stream_id: u64,
    /// What to say when asked who is there.
    pub credential: Option<Credential>,
    /// The most batches that are not acknowledged, 1 to 60,000. Memory is bounded by this times the size of a batch.
    pub inflight: usize,
    /// Rows instead of columns (gRPC only).
    pub rows: bool,
    /// The readings are of the past: to be stored however old they are, and not judged (gRPC only).
    pub history: bool,
}

/// The most batches that may be under way: MQTT has 65,535 packet identifiers.
pub const MAX_INFLIGHT: usize = 60_000;
/// How many batches wait for a door beside those under way.
const QUEUE: usize = 16;

/// Readings that are sent and acknowledged together, as columns. For MQTT all of them are of one source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The series that `index` points into; the same [`Arc`] as last time costs nothing on the wire.
    pub series: Arc<Vec<SeriesKey>>,
    /// Which series, one entry a reading.
    pub index: Vec<u32>,
    /// Event times, nanoseconds since the epoch, one entry a reading.
    pub time: Vec<i64>,
    /// Values, each in the unit of its series.
    pub value: Vec<f64>,
    /// Numbers of qualities, one a reading; empty when all are good.
    pub quality: Vec<u8>,
    /// Ends of periods, nanoseconds since the epoch, 0 for none; empty when there is none at all.
    pub period_end: Vec<i64>,
    /// Vintages, nanoseconds since the epoch, 0 for none; empty when there is none at all.
    pub vintage: Vec<i64>,
}

/// One reading of a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Item<'a> {
    /// Source, metric and unit.
    pub key: &'a SeriesKey,
    /// Event time, nanoseconds since the epoch.
    pub time: i64,
    /// In the unit of `key`.
    pub value: f64,
    /// The number of its quality.
    pub quality: u8,
    /// The end of the period, nanoseconds since the epoch.
    pub period_end: Option<i64>,
    /// When it was published, nanoseconds since the epoch.
    pub vintage: Option<i64>,
}

impl Batch {
    /// A batch of this dictionary without readings yet.
    #[must_use]
    pub fn of(series: &Arc<Vec<SeriesKey>>) -> Self {
        Self { series: series.clone(), ..Self::default() }
    }

    /// How many readings it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Adds a good reading of a sensor; `time` in nanoseconds since the epoch.
    pub fn push(&mut self, series: u32, time: i64, value: f64) {
        self.push_whole(series, time, value, 0, None, None);
    }

    /// Adds a reading with all that it can have; times in nanoseconds since the epoch.
    pub fn push_whole(
        &mut self,
        series: u32,
        time: i64,
        value: f64,
        quality: u8,
        end: Option<i64>,
        vintage: Option<i64>,
    ) {
        let before = self.len();
        self.index.push(series);
        self.time.push(time);
        self.value.push(value);
        extend_optional(&mut self.quality, before, quality);
        extend_optional(&mut self.period_end, before, end.unwrap_or(0));
        extend_optional(&mut self.vintage, before, vintage.unwrap_or(0));
    }

    /// The readings, in order. An index outside the dictionary ends them; senders here make none.
    pub fn items(&self) -> impl Iterator<Item = Item<'_>> {
        (0..self.len()).map_while(|at| self.item(at))
    }

    fn item(&self, at: usize) -> Option<Item<'_>> {
        let some = |column: &[i64]| column.get(at).copied().filter(|nanos| *nanos != 0);
        Some(Item {
            key: self.series.get(usize::try_from(*self.index.get(at)?).ok()?)?,
            time: *self.time.get(at)?,
            value: *self.value.get(at)?,
            quality: self.quality.get(at).copied().unwrap_or(0),
            period_end: some(&self.period_end),
            vintage: some(&self.vintage),
        })
    }
}

/// Adds to a column that is left empty while everything in it is the default.
fn extend_optional<T: Default + Clone + PartialEq>(column: &mut Vec<T>, before: usize, value: T) {
    if column.is_empty() && value == T::default() {
        return;
    }
    column.resize(before, T::default());
    column.push(value);
}

/// A reading that the city refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its place in the batch.
    pub index: u32,
    /// Why, for programs.
    pub reason: Reason,
    /// Why, for people.
    pub why: String,
}

/// A batch that the city answered for.
#[derive(Debug)]
pub struct Acked<'a> {
    /// The batch.
    pub batch: &'a Batch,
    /// When it should have been sent, by the sender's schedule.
    pub due: Instant,
    /// The readings that were refused, as far as the city named them; MQTT 3.1.1 names none.
    pub refused: &'a [Refused],
    /// How many more were refused without being named, here or in a later batch of the same reply.
    pub unnamed: u64,
    /// Whether readings of this batch may be among the unnamed of some reply.
    pub unsure: bool,
}

/// What is called for each batch when its acknowledgement arrives, once.
pub type OnAck = Box<dyn FnMut(&Acked<'_>) + Send>;

/// Takes batches for a door.
#[derive(Clone, Debug)]
pub struct Sender(mpsc::Sender<(Batch, Instant)>);

impl Sender {
    /// Hands a batch over as soon as there is room; `due` is when it should have gone by the schedule.
    ///
    /// # Errors
    /// When the door was given up or stopped; [`Open::finish`] says why.
    pub async fn send(&self, batch: Batch, due: Instant) -> anyhow::Result<()> {
        self.0.send((batch, due)).await.map_err(|_| anyhow!("the door takes no more"))
    }

    /// Whether the door was given up or stopped.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

/// A door at work.
#[derive(Debug)]
pub struct Open {
    /// Takes batches. The door ends when this and all its clones are dropped and everything is acknowledged.
    pub sender: Sender,
    task: JoinHandle<anyhow::Result<usize>>,
    stop: CancellationToken,
}

impl Open {
    /// Sends no more, waits until everything is acknowledged, and answers how many readings are not because the door
    /// was stopped.
    ///
    /// # Errors
    /// What the city refuses for good: credentials, or a request that it does not understand.
    pub async fn finish(self) -> anyhow::Result<usize> {
        drop(self.sender);
        self.task.await?
    }

    /// As [`Open::finish`], but gives up after `bound`.
    ///
    /// # Errors
    /// As [`Open::finish`].
    pub async fn finish_within(self, bound: Duration) -> anyhow::Result<usize> {
        drop(self.sender);
        let mut task = self.task;
        if let Ok(ended) = tokio::time::timeout(bound, &mut task).await {
            return ended?;
        }
        self.stop.cancel();
        task.await?
    }

    /// As [`Open::finish`], but once it is told to stop, it gives up after `grace`.
    ///
    /// # Errors
    /// As [`Open::finish`].
    pub async fn finish_unless(self, told: CancellationToken, grace: Duration) -> anyhow::Result<usize> {
        drop(self.sender);
        let mut task = self.task;
        if let Some(ended) = told.run_until_cancelled(&mut task).await {
            return ended?;
        }
        if let Ok(ended) = tokio::time::timeout(grace, &mut task).await {
            return ended?;
        }
        self.stop.cancel();
        task.await?
    }
}

/// Random enough to tell one start of a gateway from another.
#[must_use]
pub fn fresh_id() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}

/// Starts sending through a door. `stop` gives up what is not acknowledged.
#[must_use]
pub fn open(options: Options, on_ack: OnAck, stop: CancellationToken) -> Open {
    let (sender, queue) = mpsc::channel(QUEUE);
    let outbox = Outbox {
        queue,
        open: true,
        unacked: Unacked::default(),
        inflight: options.inflight.clamp(1, MAX_INFLIGHT),
        on_ack,
        progress: false,
    };
    let stop = stop.child_token();
    let task = tokio::spawn(run(options, outbox, stop.clone()));
    Open { sender: Sender(sender), task, stop }
}

/// What both kinds of door have: the queue, the buffer, and whom to tell.
struct Outbox {
    queue: mpsc::Receiver<(Batch, Instant)>,
    open: bool,
    unacked: Unacked,
    inflight: usize,
    on_ack: OnAck,
    /// Whether the connection has acknowledged anything.
    progress: bool,
}

impl Outbox {
    fn wants_more(&self) -> bool {
        self.open && self.unacked.len() < self.inflight
    }

    fn is_done(&self) -> bool {
        !self.open && self.unacked.is_empty()
    }

    fn take(&mut self, received: Option<(Batch, Instant)>) {
        match received {
            Some((batch, due)) => drop(self.unacked.push(batch, due)),
            None => self.open = false,
        }
    }
}

/// How a connection ended.
enum Ended {
    /// Everything is acknowledged and nothing more will come.
    Done,
    /// It broke; the next one may do.
    Broken(anyhow::Error),
    /// The city will not have it; trying again is no use.
    Refused(anyhow::Error),
}

const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

async fn run(options: Options, mut outbox: Outbox, stop: CancellationToken) -> anyhow::Result<usize> {
    let mut wait = FIRST_WAIT;
    while let Some(ended) = stop.run_until_cancelled(session(&options, &mut outbox)).await {
        let error = match ended {
            Ended::Done => break,
            Ended::Refused(error) => return Err(error.context(options.address.to_string())),
            Ended::Broken(error) => error,
        };
        if std::mem::take(&mut outbox.progress) {
            wait = FIRST_WAIT;
        }
        tracing::warn!(door = %options.address, gateway = options.gateway, %error, ?wait, "connection lost");
        if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            break;
        }
        wait = (wait * 2).min(LONGEST_WAIT);
    }
    Ok(outbox.unacked.readings())
}

async fn session(options: &Options, outbox: &mut Outbox) -> Ended {
    let ended = match &options.address {
        Address::Grpc(at) => grpc::session(at, options, outbox).await,
        Address::Mqtt(at) => mqtt::session(at, options, outbox).await,
        Address::Influx(at) => influx::session(at, options, outbox).await,
        Address::Hj212(at, speaks) => hj212::session(at, speaks, options, outbox).await,
    };
    ended.unwrap_or_else(Ended::Broken)
}

#[cfg(test)]
mod tests;
