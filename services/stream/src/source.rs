//! A worker's source: records of its partitions in, readings and ticks by epoch out.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::ActivateCapability;
use timely::dataflow::operators::core::UnorderedHandle;
use timely::dataflow::operators::probe::Handle as ProbeHandle;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;
use yiwang_proto::log::{Block, Tick};

use crate::dataflow::{MAX_ROWS_AHEAD, Message};
use crate::item::{End, Item, Save};

pub(crate) type Items = UnorderedHandle<u64, CapacityContainerBuilder<Vec<Item>>>;
pub(crate) type Ends = UnorderedHandle<u64, CapacityContainerBuilder<Vec<End>>>;
type Capabilities = (ActivateCapability<u64>, ActivateCapability<u64>);

/// The most records that are taken between two steps of the worker.
const RECORDS_A_STEP: usize = 16;

/// A worker's source. While it holds capabilities for an epoch, no worker closes it.
pub(crate) struct Source {
    receiver: mpsc::Receiver<Message>,
    items: Items,
    ends: Ends,
    /// For the least epoch of the partitions; gone when the inlet is closed.
    capabilities: Option<Capabilities>,
    /// The epoch that each partition is in.
    epochs: BTreeMap<u16, u64>,
    /// Readings sent, by epoch, as far as those epochs are not done.
    sent: VecDeque<(u64, usize)>,
    unfinished: Unfinished,
}

/// The least epoch that some partition was still in when its inlet was closed. It and later ones must not be judged,
/// though nothing more will come of them: what was read of them is a part, and they will be read again.
#[derive(Clone, Debug)]
pub(crate) struct Unfinished(Arc<AtomicU64>);

impl Default for Unfinished {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(u64::MAX)))
    }
}

impl Unfinished {
    /// Whether an epoch is among them; to be asked of epochs that the frontier has passed.
    pub(crate) fn has(&self, epoch: u64) -> bool {
        epoch >= self.0.load(Ordering::Acquire)
    }

    fn add(&self, epoch: u64) {
        self.0.fetch_min(epoch, Ordering::AcqRel);
    }
}

/// How far the dataflow is, as a source sees it.
pub(crate) struct Probes {
    /// Epochs whose ticks all workers have read.
    pub(crate) read: ProbeHandle<u64>,
    /// Epochs that are done.
    pub(crate) done: ProbeHandle<u64>,
}

/// What came of a look at the inlet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pumped {
    /// There was something, or the end.
    Some,
    /// There was nothing.
    Nothing,
    /// Too much is under way already.
    Ahead,
}

impl Source {
    /// A source for these partitions, all of them in epoch `first`.
    pub(crate) fn new(
        receiver: mpsc::Receiver<Message>,
        (items, ends): (Items, Ends),
        capabilities: Capabilities,
        partitions: impl Iterator<Item = u16>,
        first: u64,
        unfinished: Unfinished,
    ) -> Self {
        let epochs: BTreeMap<_, _> = partitions.map(|partition| (partition, first)).collect();
        let capabilities = Some(capabilities);
        let mut source =
            Self { receiver, items, ends, capabilities, epochs, sent: VecDeque::new(), unfinished };
        source.advance();
        source
    }

    /// Takes what waits, a few records at most.
    pub(crate) fn pump(&mut self, probes: &Probes) -> Pumped {
        if self.capabilities.is_none() {
            return Pumped::Nothing;
        }
        if self.is_ahead(probes) {
            return Pumped::Ahead;
        }
        for taken in 0..RECORDS_A_STEP {
            match self.receiver.try_recv() {
                Ok(message) => self.take(message),
                Err(TryRecvError::Disconnected) => {
                    self.end();
                    return Pumped::Some;
                }
                Err(TryRecvError::Empty) if taken == 0 => return Pumped::Nothing,
                Err(TryRecvError::Empty) => break,
            }
        }
        self.advance();
        Pumped::Some
    }

    /// Whether too many readings lie in epochs that all workers have read and that are not done. Those of epochs that
    /// another worker has not read are not counted: waiting for that one could be waiting for ever, since one reader
    /// serves both.
    fn is_ahead(&mut self, probes: &Probes) -> bool {
        while self.sent.front().is_some_and(|(epoch, _)| !probes.done.less_equal(epoch)) {
            self.sent.pop_front();
        }
        let read = self.sent.iter().take_while(|(epoch, _)| !probes.read.less_equal(epoch));
        read.map(|(_, rows)| rows).sum::<usize>() > MAX_ROWS_AHEAD
    }

    /// Nothing more will come. What is unfinished must be known before the capabilities go.
    fn end(&mut self) {
        self.epochs.values().min().into_iter().for_each(|least| self.unfinished.add(*least));
        self.capabilities = None;
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Block { partition, offset, block } => self.block(partition, offset, &block),
            Message::Tick { partition, offset, tick, save } => self.tick(partition, offset, &tick, save),
        }
    }

    /// Readings of the past are the store's alone.
    fn block(&mut self, partition: u16, offset: u64, block: &Block) {
        let (Some((capability, _)), Some(epoch)) = (&self.capabilities, self.epochs.get(&partition)) else {
            return;
        };
        if block.history {
            return;
        }
        let capability = capability.delayed(epoch);
        // The reader has checked that the columns fit together.
        let Ok(rows) = block.rows() else { return };
        let mut output = self.items.activate();
        let mut session = output.session(&capability);
        (0..).zip(rows).for_each(|(at, (_, row))| session.give(Item::new(partition, offset, at, &row)));
        match self.sent.iter_mut().find(|(sent, _)| sent == epoch) {
            Some((_, count)) => *count += block.index.len(),
            None => self.sent.push_back((*epoch, block.index.len())),
        }
    }

    fn tick(&mut self, partition: u16, offset: u64, tick: &Tick, save: Save) {
        let Some(epoch) = self.epochs.get_mut(&partition).filter(|epoch| tick.number >= **epoch) else {
            return;
        };
        let Some((_, capability)) = &self.capabilities else { return };
        let end = End {
            epoch: tick.number,
            partition,
            next: offset + 1,
            city: tick.city_nanos,
            revision: tick.catalogue_revision,
            save,
        };
        let capability = capability.delayed(&tick.number);
        self.ends.activate().session(&capability).give(end);
        *epoch = tick.number + 1;
    }

    /// Lets go of epochs that all partitions have left. A source without partitions holds none.
    fn advance(&mut self) {
        match (self.epochs.values().min(), &mut self.capabilities) {
            (Some(least), Some((items, ends))) => {
                items.downgrade(least);
                ends.downgrade(least);
            }
            (None, capabilities) => *capabilities = None,
            (_, None) => {}
        }
    }
}
