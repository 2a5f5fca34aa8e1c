//! Reads topic `readings` on from a state and deals its records out to the workers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use prost::Message as _;
use tokio::sync::watch;
use yiwang_log::{Extent, Log, Offset, Partition, Position, Stored, TopicId};
use yiwang_proto::log::{Block, ReadingsRecord, Tick, readings_record::Kind};
use yiwang_proto::topics;

use crate::Error;
use crate::dataflow::{Inlet, Message};
use crate::directory::Follower;
use crate::finish::Progress;
use crate::item::Save;

/// The most that is read from the log at once, in bytes.
const READ_BYTES: usize = 4 << 20;
/// After how many readings a state is saved, so that a start has at most about that many to read again.
const SAVE_AFTER_ROWS: u64 = 1_000_000;
/// After how long a state is saved when fewer came.
const SAVE_AFTER: Duration = Duration::from_secs(15);

/// After so many saves of what changed all is saved again, so that a start has few files to read; and as soon as what changed weighs as much as all.
const CHANGES: u32 = 9;
/// A save of which nothing was heard for so long will not come: of its tick only a part was in the log.
const GIVEN_UP: Duration = SAVE_AFTER.saturating_mul(20);

/// What the rest of the city asks of the reader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// Read on, and wait for more at the end.
    #[default]
    Follow,
    /// Read up to the end that the log has now, then stop.
    Drain,
}

/// The reader.
pub struct Reader {
    /// The log.
    pub log: Arc<dyn Log>,
    /// Fills the directory before records go out.
    pub follower: Follower,
    /// The offset that comes next, by partition.
    pub next: Vec<u64>,
    /// The epoch that each partition is in, 0 while no tick was read.
    pub epochs: Vec<u64>,
    /// The ways into the workers.
    pub inlets: Vec<Inlet>,
    /// What is asked of it.
    pub wish: watch::Receiver<Wish>,
    /// When to save.
    pub saves: Saves,
    /// How much is read at once, in bytes.
    pub read_bytes: usize,
}

impl Reader {
    /// A reader that follows a log on from these offsets.
    #[must_use]
    pub fn new(
        log: Arc<dyn Log>,
        follower: Follower,
        next: Vec<u64>,
        inlets: Vec<Inlet>,
        wish: watch::Receiver<Wish>,
        saves: Saves,
    ) -> Self {
        let epochs = vec![0; next.len()];
        Self { log, follower, next, epochs, inlets, wish, saves, read_bytes: READ_BYTES }
    }

    /// Reads until it is told to drain and has, or until the workers are gone.
    ///
    /// # Errors
    /// When the log cannot be read, or has a record that does not fit.
    pub async fn run(mut self) -> Result<(), Error> {
        loop {
            let wish = self.wish.borrow_and_update().clone();
            if wish == Wish::Drain && self.is_at_end() {
                return Ok(());
            }
            let log = Arc::clone(&self.log);
            let positions = self.positions();
            let records = tokio::select! {
                records = log.read(&positions, self.read_bytes) => records?,
                changed = self.wish.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return Ok(()),
                },
            };
            for record in records {
                if !self.deal(record).await? {
                    return Ok(());
                }
            }
        }
    }

    async fn deal(&mut self, stored: Stored) -> Result<bool, Error> {
        let (partition, offset) = (stored.partition.index, stored.offset.0);
        if let Some(next) = self.next.get_mut(usize::from(partition)) {
            *next = offset + 1;
        }
        let record = ReadingsRecord::decode(stored.payload).map_err(|_| Error::Unreadable("readings"))?;
        let message = match record.kind {
            Some(Kind::Block(block)) => self.block(partition, offset, block).await?,
            Some(Kind::Tick(tick)) => self.tick(partition, offset, tick).await?,
            None => return Err(Error::Unreadable("readings")),
        };
        let inlet = usize::from(partition) % self.inlets.len();
        Ok(self.inlets[inlet].send(message).await)
    }

    async fn block(&mut self, partition: u16, offset: u64, block: Block) -> Result<Message, Error> {
        // Columns that do not fit together were never written by us.
        block.rows().map(drop).map_err(|_| Error::Unreadable("readings"))?;
        self.follower.want_names(&block.series).await?;
        self.saves.rows += block.index.len() as u64;
        Ok(Message::Block { partition, offset, block })
    }

    async fn tick(&mut self, partition: u16, offset: u64, tick: Tick) -> Result<Message, Error> {
        self.follower.want_catalogue(tick.catalogue_revision).await?;
        if let Some(epoch) = self.epochs.get_mut(usize::from(partition)) {
            *epoch = tick.number + 1;
        }
        let at = self.saves.at(tick.number, tick.catalogue_revision);
        let save = if tick.last && self.ends(partition, offset) { Save::Last } else { at };
        Ok(Message::Tick { partition, offset, tick, save })
    }

    /// Where to read on: in the partitions that are furthest behind, by epochs, of those that have something. So what is
    /// read of later epochs is at most what one poll brings, however uneven partitions are. At the end of the log: in all.
    fn positions(&self) -> Vec<Position> {
        let has_more: Vec<bool> = self.extents().map(|(next, extent)| next < extent.end.0).collect();
        let waiting = || (0_u16..).zip(&has_more).filter(|(_, more)| **more).map(|(index, _)| index);
        let epoch = |index: u16| self.epochs.get(usize::from(index)).copied().unwrap_or_default();
        let least = waiting().map(epoch).min();
        (0..)
            .zip(&self.next)
            .filter(|(index, _)| {
                least.is_none_or(|least| has_more[usize::from(*index)] && epoch(*index) == least)
            })
            .map(|(index, next)| Position { partition: partition(index), next: Offset(*next) })
            .collect()
    }

    /// Whether the record is the newest of its partition.
    fn ends(&self, partition: u16, offset: u64) -> bool {
        self.extents().nth(usize::from(partition)).is_some_and(|(_, extent)| offset + 1 == extent.end.0)
    }

    fn is_at_end(&self) -> bool {
        self.extents().all(|(next, extent)| next >= extent.end.0)
    }

    /// Where we are in each partition, and what it holds.
    fn extents(&self) -> impl Iterator<Item = (u64, Extent)> {
        self.next.iter().copied().zip(readings(self.log.as_ref()))
    }
}

fn partition(index: u16) -> Partition {
    Partition { topic: TopicId(topics::READINGS), index }
}

/// What the partitions of topic `readings` hold.
pub(crate) fn readings(log: &dyn Log) -> impl Iterator<Item = Extent> {
    log.extents().into_iter().filter(|extent| extent.partition.topic == TopicId(topics::READINGS))
}

/// Decides at which epochs the state is saved: once for each number, so that all partitions say the same. Never while the
/// state before waits to be written, so that no more than one is held, beside that of a last tick.
#[derive(Debug)]
pub struct Saves {
    /// How far what was to be saved is.
    pub progress: Arc<Progress>,
    rows: u64,
    since: Instant,
    /// At every tick; for tests.
    always: bool,
    /// The newest number that was decided, and the newest at which to save, and what.
    decided: u64,
    save: u64,
    what: Save,
    /// How many saves of what changed there were since all was saved, and the catalogue under which that was.
    changes: u32,
    revision: u32,
}

impl Default for Saves {
    fn default() -> Self {
        Self {
            progress: Arc::default(),
            rows: 0,
            since: Instant::now(),
            always: false,
            decided: 0,
            save: 0,
            what: Save::No,
            changes: 0,
            revision: 0,
        }
    }
}

impl Saves {
    #[cfg(test)]
    pub(crate) fn at_every_tick() -> Self {
        Self { always: true, ..Self::default() }
    }

    fn at(&mut self, number: u64, revision: u32) -> Save {
        if number > self.decided {
            self.decided = number;
            if self.is_time() {
                self.what = self.choose(revision);
                self.save = number;
                self.rows = 0;
                self.since = Instant::now();
            }
        }
        if number == self.save { self.what } else { Save::No }
    }

    /// What changed since the save before; all where there was none in this life, where that was not written, or now and then. And when
    /// there is another catalogue, under which series may be forgotten and all begin anew.
    fn choose(&mut self, revision: u32) -> Save {
        let is_lost = self.progress.lost.swap(false, Ordering::AcqRel) || self.waits();
        let is_first = self.what == Save::No;
        let is_much = self.changes >= CHANGES || self.progress.heavy.load(Ordering::Acquire);
        if is_first || is_lost || is_much || revision != self.revision {
            (self.changes, self.revision) = (0, revision);
            return Save::Whole;
        }
        self.changes += 1;
        Save::Changes { since: self.save }
    }

    /// Whether the save before is still under way.
    fn waits(&self) -> bool {
        !self.always && self.save > self.progress.tried.load(Ordering::Acquire)
    }

    fn is_time(&self) -> bool {
        let since = self.since.elapsed();
        let due = self.rows >= SAVE_AFTER_ROWS || since >= SAVE_AFTER;
        self.always || (due && (!self.waits() || since >= GIVEN_UP))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_state_is_asked_for_while_the_one_before_waits_to_be_written() {
        let mut saves = Saves { rows: SAVE_AFTER_ROWS, ..Saves::default() };
        assert_eq!((saves.at(7, 1), saves.at(7, 1)), (Save::Whole, Save::Whole), "in each partition");
        saves.rows = SAVE_AFTER_ROWS;
        assert_eq!(saves.at(8, 1), Save::No);
        saves.progress.tried.store(7, Ordering::Release);
        assert_eq!(saves.at(8, 1), Save::No, "what was said of a number holds");
        assert_eq!(saves.at(9, 1), Save::Changes { since: 7 });
    }

    /// A power cut leaves a tick in some partitions only: no state comes of its epoch.
    #[test]
    fn a_save_that_never_comes_is_given_up_and_all_is_saved() {
        let mut saves = Saves { rows: SAVE_AFTER_ROWS, ..Saves::default() };
        saves.progress.tried.store(7, Ordering::Release);
        assert_eq!(saves.at(8, 1), Save::Whole);
        saves.progress.tried.store(8, Ordering::Release);
        saves.rows = SAVE_AFTER_ROWS;
        assert_eq!(saves.at(9, 1), Save::Changes { since: 8 });
        saves.rows = SAVE_AFTER_ROWS;
        assert_eq!(saves.at(10, 1), Save::No, "it may still come");
        saves.since = Instant::now().checked_sub(GIVEN_UP).expect("a machine that was on for so long");
        assert_eq!(saves.at(11, 1), Save::Whole);
    }

    #[test]
    fn all_is_saved_once_what_changed_weighs_as_much() {
        let mut saves = Saves { always: true, ..Saves::default() };
        assert_eq!(saves.at(1, 1), Save::Whole);
        assert_eq!(saves.at(2, 1), Save::Changes { since: 1 });
        saves.progress.heavy.store(true, Ordering::Release);
        assert_eq!(saves.at(3, 1), Save::Whole);
    }

    #[test]
    fn all_is_saved_where_what_changed_would_not_do() {
        let mut saves = Saves { always: true, ..Saves::default() };
        let mut all = Vec::new();
        for number in 1..=30 {
            let revision = if number < 16 { 1 } else { 2 };
            saves.progress.lost.store(number == 14, Ordering::Release);
            match saves.at(number, revision) {
                Save::Whole => all.push(number),
                what => assert_eq!(what, Save::Changes { since: number - 1 }),
            }
        }
        assert_eq!(
            all,
            [1, 11, 14, 16, 26],
            "first, after nine, one was lost, another catalogue, after nine"
        );
    }
}
