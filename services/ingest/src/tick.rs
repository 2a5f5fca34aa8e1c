//! The ticker: appends `Tick n` to every partition of topic `readings`, and so cuts the epochs.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use yiwang_log::{Append, Class, CursorClass, Log, Offset, Partition, Position, TopicId};
use yiwang_model::Timestamp;
use yiwang_proto::log::{ReadingsRecord, Tick, readings_record::Kind};
use yiwang_proto::topics;

use crate::clock::{CityClock, wall_now};
use crate::commit::to;
use crate::counters::Counters;
use crate::start::{LastTick, TICKS_CURSOR};

/// How often the city ticks.
pub const EVERY: Duration = Duration::from_millis(100);

/// How long the first tick waits before it asks a full disk again.
const NO_ROOM_PAUSE: Duration = Duration::from_secs(1);

/// After how many ticks the place of the last one is noted, so that a start need not look further back.
const NOTE_EVERY: u64 = 100;

/// The ticker's parts.
pub struct Ticker {
    /// Where ticks go.
    pub log: Arc<dyn Log>,
    /// What tells city time.
    pub clock: Arc<CityClock>,
    /// What is counted.
    pub counters: Arc<Counters>,
    /// The revision of the catalogue that is in force from the next tick on.
    pub revision: watch::Receiver<u32>,
    /// Told the revision of each tick that is in the log.
    pub ticked: watch::Sender<u32>,
    /// The tick before the first.
    pub last: LastTick,
}

impl Ticker {
    /// Ticks until the city stops, then once more, so that the last epoch is closed.
    ///
    /// # Errors
    /// When the log has failed.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), yiwang_log::Error> {
        let mut interval = tokio::time::interval(EVERY);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stopping = false;
        while !stopping {
            tokio::select! {
                () = stop.cancelled() => stopping = true,
                _ = interval.tick() => {}
            }
            self.tick(stopping).await?;
        }
        Ok(())
    }

    /// Appends the first tick; while the disk is full, again and again, until the city stops.
    ///
    /// # Errors
    /// When the log has failed.
    pub async fn first(&mut self, stop: &CancellationToken) -> Result<(), yiwang_log::Error> {
        while !self.tick(false).await? {
            tracing::warn!("the disk is full: the doors stay shut until a tick names the catalogue");
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(NO_ROOM_PAUSE) => {}
            }
        }
        Ok(())
    }

    /// Appends the next tick, the last one before the city stops or not; says whether it is in the log. A full disk skips it:
    /// the same number is tried again at the next beat.
    ///
    /// # Errors
    /// When the log has failed.
    pub async fn tick(&mut self, last: bool) -> Result<bool, yiwang_log::Error> {
        let number = self.last.number + 1;
        let city = self.clock.now();
        let revision = *self.revision.borrow();
        let tick = Tick {
            number,
            city_nanos: city.map(Timestamp::nanos),
            catalogue_revision: revision,
            wall_nanos: wall_now().nanos(),
            last,
        };
        match self.log.append(Class::Inner, self.records(tick)).await {
            Ok(offsets) => {
                self.counters.ticks_wait.store(false, Ordering::Relaxed);
                self.last = LastTick { number, city };
                self.counters.ticks.add(1);
                self.ticked.send_if_modified(|ticked| std::mem::replace(ticked, revision) != revision);
                self.note(&offsets).await?;
                Ok(true)
            }
            Err(yiwang_log::Error::NoRoom { .. }) => {
                self.counters.ticks_wait.store(true, Ordering::Relaxed);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn records(&self, tick: Tick) -> Vec<Append> {
        let record = ReadingsRecord { kind: Some(Kind::Tick(tick)) };
        (0..self.partitions()).map(|index| to(topics::READINGS, index, &record)).collect()
    }

    async fn note(&self, offsets: &[Offset]) -> Result<(), yiwang_log::Error> {
        if !self.last.number.is_multiple_of(NOTE_EVERY) {
            return Ok(());
        }
        let position = |(index, next): (u16, &Offset)| Position {
            partition: Partition { topic: TopicId(topics::READINGS), index },
            next: *next,
        };
        let positions: Vec<_> = (0..).zip(offsets).map(position).collect();
        let class = CursorClass::MayLag { max_lag_bytes: u64::MAX };
        match self.log.commit_cursor(TICKS_CURSOR, class, &positions).await {
            Err(yiwang_log::Error::NoRoom { .. }) => Ok(()),
            other => other,
        }
    }

    fn partitions(&self) -> u16 {
        self.log.layout().topics[usize::from(topics::READINGS)].partitions
    }
}
