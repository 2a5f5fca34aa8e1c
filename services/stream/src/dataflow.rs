//! The timely dataflow: from records of the log to closed epochs.
//!
//! ```text
//! inlet ─► source ─┬─ items ─► exchange by series ─► judge ─┬──────────────────────────────┬─► exchange to worker 0 ─► close ─► outlet
//! (a worker each)  │                                        └─► exchange by series ─► derive ┘                            │
//!                  └─ ends ──► broadcast ───────────────────┴──────────────────────────┴─────────────────────────────────┘
//! ```
//!
//! Derive reckons series from others and judges them as judge does, see [`crate::derive`].
//!
//! Timely's time is the epoch. A source holds the least epoch of its partitions; an epoch is closed when its tick was read
//! in all of them, on all workers: that is the frontier. Judge and close work on whole epochs only, and sort what they
//! get, so that nothing depends on the order in which timely brings it.
//!
//! Bounds: an inlet holds [`INLET_RECORDS`] records; a source waits while more than [`MAX_ROWS_AHEAD`] of its readings lie in
//! epochs that were read and are not done; the reader goes on in those partitions first that are behind. What must
//! be held is one epoch, however large.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::Thread;
use std::time::Duration;

use timely::communication::Pull;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::core::UnorderedInput;
use timely::dataflow::operators::core::{Concat, OkErr};
use timely::dataflow::operators::generic::{InputHandleCore, OutputBuilderSession};
use timely::dataflow::operators::probe::{Handle as ProbeHandle, Probe};
use timely::dataflow::operators::vec::Broadcast;
use timely::dataflow::operators::{Capability, Operator};
use timely::progress::frontier::MutableAntichain;
use timely::worker::Worker;
use tokio::sync::mpsc;
use yiwang_model::SeriesId;
use yiwang_proto::log::{Block, Tick};

use crate::Error;
use crate::closer::{Closed, Closer, State};
use crate::derive::{Deriver, Fed};
use crate::directory::Directory;
use crate::item::{End, Item, Judged, Part, Save};
use crate::judge::Judge;
use crate::source::{Probes, Pumped, Source, Unfinished};

/// The most records that wait before a worker.
pub const INLET_RECORDS: usize = 64;
/// The most readings of a source in closed epochs that are not done.
pub const MAX_ROWS_AHEAD: usize = 1_000_000;

/// A record of topic `readings`, decoded.
#[derive(Debug)]
pub enum Message {
    /// Readings.
    Block {
        /// The partition.
        partition: u16,
        /// The record.
        offset: u64,
        /// Its content; its series are in the directory.
        block: Block,
    },
    /// A tick; its catalogue is in the directory.
    Tick {
        /// The partition.
        partition: u16,
        /// The record.
        offset: u64,
        /// Its content.
        tick: Tick,
        /// Whether the state at the end of its epoch is to be saved.
        save: Save,
    },
}

impl Message {
    /// The partition that it is of.
    #[must_use]
    pub fn partition(&self) -> u16 {
        match self {
            Self::Block { partition, .. } | Self::Tick { partition, .. } => *partition,
        }
    }
}

/// The way into a worker. Closed when dropped: the worker then ends its part.
pub struct Inlet {
    /// `None` only while being dropped.
    sender: Option<mpsc::Sender<Message>>,
    worker: Arc<OnceLock<Thread>>,
}

impl Inlet {
    /// Hands a record over; waits while too many wait. False when the worker is gone.
    pub async fn send(&self, message: Message) -> bool {
        let Some(sender) = &self.sender else { return false };
        let sent = sender.send(message).await.is_ok();
        self.wake();
        sent
    }

    fn wake(&self) {
        self.worker.get().into_iter().for_each(Thread::unpark);
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        self.sender = None;
        self.wake();
    }
}

/// The worker's end of an inlet.
struct Outlet {
    receiver: mpsc::Receiver<Message>,
    worker: Arc<OnceLock<Thread>>,
}

fn inlet() -> (Inlet, Outlet) {
    let (sender, receiver) = mpsc::channel(INLET_RECORDS);
    let worker = Arc::default();
    (Inlet { sender: Some(sender), worker: Arc::clone(&worker) }, Outlet { receiver, worker })
}

/// What the dataflow begins with.
#[derive(Clone)]
pub struct Beginning {
    /// Names and catalogues; filled at least with what `state` needs.
    pub directory: Arc<Directory>,
    /// The number of partitions of topic `readings`.
    pub partitions: u16,
    /// The state to go on from.
    pub state: Arc<State>,
}

/// The running dataflow.
pub struct Running {
    /// One a worker; records of partition p go to inlet p modulo their number.
    pub inlets: Vec<Inlet>,
    /// Closed epochs, in order. Ends when the inlets are closed and all is done.
    pub closed: mpsc::Receiver<Closed>,
    /// Ends with the workers; an error when one of them panicked.
    pub workers: std::thread::JoinHandle<Result<(), String>>,
}

/// Starts the workers. They end when all inlets are closed and everything is done.
///
/// # Errors
/// [`Error::State`]: what does not fit in the state to go on from; [`Error::Worker`]: what the system says about threads.
pub fn start(workers: usize, beginning: Beginning) -> Result<Running, Error> {
    let judges = restored(&beginning, workers).map_err(Error::State)?;
    let Beginning { directory, partitions, state } = beginning;
    let first = state.epoch + 1;
    let closer =
        Closer::new(directory, usize::from(partitions), 2 * workers, &state).map_err(Error::State)?;
    // All that is in it is with the judges now.
    drop(state);
    let (inlets, outlets): (Vec<_>, Vec<_>) = (0..workers).map(|_| inlet()).unzip();
    let (results, closed) = mpsc::channel(INLET_RECORDS);
    // Each worker takes its own once.
    let own =
        |(outlet, (judge, deriver))| Mutex::new(Some(Own { outlet, judge, deriver, first, partitions }));
    let owned: Vec<_> = outlets.into_iter().zip(judges).map(own).collect();
    let results = Mutex::new(Some((closer, results)));
    let unfinished = Unfinished::default();
    let work = move |worker: &mut Worker| {
        let own = owned.get(worker.index()).and_then(|own| own.lock().ok()?.take());
        let own = own.expect("each worker takes its own once");
        let results =
            if worker.index() == 0 { results.lock().ok().and_then(|mut own| own.take()) } else { None };
        run(worker, own, results, &unfinished);
    };
    let guards = timely::execute(timely::Config::process(workers), work).map_err(Error::Worker)?;
    let join = move || guards.join().into_iter().try_for_each(|ended| ended);
    let workers = std::thread::Builder::new().name("timely-join".into()).spawn(join);
    Ok(Running { inlets, closed, workers: workers.map_err(|error| Error::Worker(error.to_string()))? })
}

/// What a worker begins with.
struct Own {
    outlet: Outlet,
    judge: Judge,
    deriver: Deriver,
    /// The first epoch.
    first: u64,
    /// The number of partitions of topic `readings`.
    partitions: u16,
}

/// The judges of each worker, with the saved states of the series that it owns, however many workers there were before. They are made
/// here, where an error can still be told, each in a thread of its own.
fn restored(beginning: &Beginning, workers: usize) -> Result<Vec<(Judge, Deriver)>, String> {
    let Beginning { directory, state, .. } = beginning;
    let make = |index| {
        let mut judge = Judge::new(Arc::clone(directory), state.revision, state.city);
        let mut deriver = Deriver::new(Arc::clone(directory), state.revision, state.city);
        restore(&mut judge, &mut deriver, state, (index, workers))?;
        Ok((judge, deriver))
    };
    std::thread::scope(|scope| {
        let making: Vec<_> = (0..workers).map(|index| scope.spawn(move || make(index))).collect();
        let made = making.into_iter().map(|made| made.join());
        made.map(|made| made.unwrap_or_else(|_| Err("restoring it panicked".into()))).collect()
    })
}

/// Gives the judges of a worker the saved states of the series that it owns.
fn restore(
    judge: &mut Judge,
    deriver: &mut Deriver,
    state: &State,
    (index, peers): (usize, usize),
) -> Result<(), String> {
    let is_own = |id: u64| id % peers as u64 == index as u64;
    // The last that has a series says how it is: from there backwards.
    for pack in state.series.iter().rev() {
        for saved in pack.plain()?.states() {
            let saved = saved?;
            if !is_own(saved.id) || judge.has(SeriesId(saved.id)) || deriver.has(SeriesId(saved.id)) {
                continue;
            }
            let saved = saved.decode()?;
            match saved.reckoned {
                None => judge.restore(&saved)?,
                Some(_) => deriver.restore(&saved)?,
            }
        }
    }
    Ok(())
}

/// How long a worker sleeps at most when nothing comes.
const NAP: Duration = Duration::from_millis(50);

type Results = Option<(Closer, mpsc::Sender<Closed>)>;

fn run(worker: &mut Worker, own: Own, results: Results, unfinished: &Unfinished) {
    let _ = own.outlet.worker.set(std::thread::current());
    let (mut source, probes) = build(worker, own, results, unfinished);
    while !probes.done.done() {
        let nap = match source.pump(&probes) {
            Pumped::Some => Duration::ZERO,
            Pumped::Nothing => NAP,
            Pumped::Ahead => Duration::from_millis(1),
        };
        worker.step_or_park(Some(nap));
    }
}

fn build(worker: &mut Worker, own: Own, mut results: Results, unfinished: &Unfinished) -> (Source, Probes) {
    let (index, peers) = (worker.index(), worker.peers());
    let Own { outlet: Outlet { receiver, .. }, mut judge, mut deriver, first, partitions } = own;
    let partitions = (0..partitions).filter(|partition| usize::from(*partition) % peers == index);
    worker.dataflow::<u64, _, _>(|scope| {
        let ((items, items_capability), item_stream) = scope.new_unordered_input();
        let ((ends, ends_capability), end_stream) = scope.new_unordered_input();
        let probes = Probes { read: ProbeHandle::new(), done: ProbeHandle::new() };
        let end_stream = end_stream.broadcast().probe_with(&probes.read);
        let (said, fed) = item_stream
            .binary_frontier(
                end_stream.clone(),
                Exchange::new(|item: &Item| item.series.0),
                Pipeline,
                "judge",
                |_, _| {
                    let mut gathered = Gathered::new(unfinished.clone());
                    move |items, ends, output| {
                        gathered.step(items, ends, output, |items, ends, out| {
                            judge_epoch(&mut judge, items, ends, out)
                        });
                    }
                },
            )
            .ok_err(|judged| if let Judged::Fed(fed) = judged { Err(fed) } else { Ok(judged) });
        let derived = fed.binary_frontier(
            end_stream.clone(),
            Exchange::new(|fed: &Fed| fed.to),
            Pipeline,
            "derive",
            |_, _| {
                let mut gathered = Gathered::new(unfinished.clone());
                move |fed, ends, output| {
                    gathered
                        .step(fed, ends, output, |fed, ends, out| derive_epoch(&mut deriver, fed, ends, out));
                }
            },
        );
        said.concat(derived)
            .binary_frontier(end_stream, Exchange::new(|_: &Judged| 0), Pipeline, "close", |_, _| {
                let mut gathered = Gathered::<Judged>::new(unfinished.clone());
                move |judged, ends, output: &mut Output<'_, ()>| {
                    gathered.step(judged, ends, output, |judged, ends, _| {
                        close_epoch(&mut results, judged, ends)
                    });
                }
            })
            .probe_with(&probes.done);
        let capabilities = (items_capability, ends_capability);
        let outputs = (items, ends);
        (Source::new(receiver, outputs, capabilities, partitions, first, unfinished.clone()), probes)
    })
}

fn judge_epoch(judge: &mut Judge, items: &mut [Item], ends: &[End], out: &mut Vec<Judged>) {
    let Some(end) = ends.first() else { return };
    judge.epoch(items, end, out);
    judge.save(end.epoch, Save::asked(ends), out);
}

/// Reckoned series are few: they are saved whole, and at once.
fn derive_epoch(deriver: &mut Deriver, fed: &mut [Fed], ends: &[End], out: &mut Vec<Judged>) {
    let Some(end) = ends.first() else { return };
    deriver.epoch(fed, end, out);
    if Save::asked(ends) > Save::No {
        let part = |pack| Judged::State(Part { epoch: end.epoch, pack });
        out.extend(deriver.save().map(Some).chain([None]).map(part));
    }
}

fn close_epoch(closer: &mut Results, judged: &mut Vec<Judged>, ends: &[End]) {
    let Some((closer, results)) = closer else { return };
    if let Some(closed) = closer.close(std::mem::take(judged), ends) {
        // Whoever took the results is gone only when the city stops; what is lost here is in the log.
        let _ = results.blocking_send(closed);
    }
}

/// What waits for its epoch to be closed.
struct Waiting<A> {
    inputs: Vec<A>,
    ends: Vec<End>,
    capability: Option<Capability<u64>>,
}

impl<A> Default for Waiting<A> {
    fn default() -> Self {
        Self { inputs: Vec::new(), ends: Vec::new(), capability: None }
    }
}

type Handle<'a, D, P> = (&'a mut InputHandleCore<u64, Vec<D>, P>, &'a MutableAntichain<u64>);
type Output<'a, D> = OutputBuilderSession<'a, u64, CapacityContainerBuilder<Vec<D>>>;
type Sent<D> = timely::dataflow::channels::Message<u64, Vec<D>>;

/// Inputs and ticks by epoch, as far as those epochs are not closed.
struct Gathered<A> {
    epochs: BTreeMap<u64, Waiting<A>>,
    unfinished: Unfinished,
}

impl<A: 'static> Gathered<A> {
    fn new(unfinished: Unfinished) -> Self {
        Self { epochs: BTreeMap::new(), unfinished }
    }

    /// Gathers what came, and acts once on each epoch that is closed now, in order. One whose tick was not read in all
    /// partitions is not closed: it is at the end of what was read, and will be read again.
    fn step<B: 'static>(
        &mut self,
        (inputs, inputs_frontier): Handle<'_, A, impl Pull<Sent<A>>>,
        (ends, ends_frontier): Handle<'_, End, impl Pull<Sent<End>>>,
        output: &mut Output<'_, B>,
        mut act: impl FnMut(&mut Vec<A>, &[End], &mut Vec<B>),
    ) {
        inputs.for_each(|capability, inputs| {
            capability.retain_least(0).into_iter().for_each(|own| self.at(own).inputs.append(inputs));
        });
        ends.for_each(|capability, ends| {
            capability.retain_least(0).into_iter().for_each(|own| self.at(own).ends.append(ends));
        });
        while let Some(first) = self.epochs.first_entry() {
            if inputs_frontier.less_equal(first.key()) || ends_frontier.less_equal(first.key()) {
                break;
            }
            let (epoch, Waiting { mut inputs, mut ends, capability }) = first.remove_entry();
            if self.unfinished.has(epoch) {
                continue;
            }
            ends.sort_unstable_by_key(|end| end.partition);
            let mut out = Vec::new();
            act(&mut inputs, &ends, &mut out);
            if let Some(capability) = capability {
                output.session(&capability).give_iterator(out.into_iter());
            }
        }
    }

    fn at(&mut self, capability: Capability<u64>) -> &mut Waiting<A> {
        let waiting = self.epochs.entry(*capability.time()).or_default();
        waiting.capability.get_or_insert(capability);
        waiting
    }
}
