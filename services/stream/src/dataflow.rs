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
use yiwang_proto::log::{Block, Tick};

use crate::closer::{Closed, Closer, State};
use crate::derive::{Deriver, Fed};
use crate::directory::Directory;
use crate::item::{End, Item, Judged};
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
        /// Whether the state at the end of its epoch is to be saved; the same in all partitions.
        save: bool,
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
/// What does not fit in the state to go on from, or what the system says about threads.
pub fn start(workers: usize, beginning: Beginning) -> Result<Running, String> {
    check(&beginning)?;
    let (inlets, outlets): (Vec<_>, Vec<_>) = (0..workers).map(|_| inlet()).unzip();
    let (results, closed) = mpsc::channel(INLET_RECORDS);
    // Each worker takes its own once, so that the state that was gone on from is let go of.
    let own = |outlet| Mutex::new(Some((outlet, beginning.clone())));
    let owned: Vec<_> = outlets.into_iter().map(own).collect();
    drop(beginning);
    let results = Mutex::new(Some(results));
    let unfinished = Unfinished::default();
    let work = move |worker: &mut Worker| {
        let own = owned.get(worker.index()).and_then(|own| own.lock().ok()?.take());
        let (outlet, beginning) = own.expect("each worker takes its own once");
        let results =
            if worker.index() == 0 { results.lock().ok().and_then(|mut own| own.take()) } else { None };
        run(worker, outlet, results, beginning, &unfinished);
    };
    let guards = timely::execute(timely::Config::process(workers), work)?;
    let join = move || guards.join().into_iter().try_for_each(|ended| ended);
    let workers = std::thread::Builder::new().name("timely-join".into()).spawn(join);
    Ok(Running { inlets, closed, workers: workers.map_err(|error| error.to_string())? })
}

/// Tries a state before the workers do, where an error can still be told.
fn check(beginning: &Beginning) -> Result<(), String> {
    let Beginning { directory, partitions, state } = beginning;
    Closer::new(Arc::clone(directory), usize::from(*partitions), state)?;
    let mut judge = Judge::new(Arc::clone(directory), state.revision, state.city);
    restore(&mut judge, &mut Deriver::new(Arc::clone(directory), state.revision, state.city), state, (0, 1))
}

/// Gives the judges of a worker the saved states of the series that it owns.
fn restore(
    judge: &mut Judge,
    deriver: &mut Deriver,
    state: &State,
    (index, peers): (usize, usize),
) -> Result<(), String> {
    for pack in &state.series {
        let own = pack.states()?.into_iter().filter(|saved| saved.id % peers as u64 == index as u64);
        own.into_iter().try_for_each(|saved| match saved.reckoned {
            None => judge.restore(&saved),
            Some(_) => deriver.restore(&saved),
        })?;
    }
    Ok(())
}

/// How long a worker sleeps at most when nothing comes.
const NAP: Duration = Duration::from_millis(50);

fn run(
    worker: &mut Worker,
    outlet: Outlet,
    results: Option<mpsc::Sender<Closed>>,
    beginning: Beginning,
    unfinished: &Unfinished,
) {
    let _ = outlet.worker.set(std::thread::current());
    let (mut source, probes) = build(worker, outlet.receiver, results, &beginning, unfinished);
    drop(beginning);
    while !probes.done.done() {
        let nap = match source.pump(&probes) {
            Pumped::Some => Duration::ZERO,
            Pumped::Nothing => NAP,
            Pumped::Ahead => Duration::from_millis(1),
        };
        worker.step_or_park(Some(nap));
    }
}

fn build(
    worker: &mut Worker,
    receiver: mpsc::Receiver<Message>,
    results: Option<mpsc::Sender<Closed>>,
    beginning: &Beginning,
    unfinished: &Unfinished,
) -> (Source, Probes) {
    let (index, peers) = (worker.index(), worker.peers());
    let state = Arc::clone(&beginning.state);
    let mut judge = Judge::new(Arc::clone(&beginning.directory), state.revision, state.city);
    let mut deriver = Deriver::new(Arc::clone(&beginning.directory), state.revision, state.city);
    restore(&mut judge, &mut deriver, &state, (index, peers)).expect("the state was tried before");
    let mut closer = results.map(|results| {
        let directory = Arc::clone(&beginning.directory);
        let closer = Closer::new(directory, usize::from(beginning.partitions), &state);
        (closer.expect("the state was tried before"), results)
    });
    let first = state.epoch + 1;
    let partitions = (0..beginning.partitions).filter(|partition| usize::from(*partition) % peers == index);
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
                    gathered
                        .step(judged, ends, output, |judged, ends, _| close_epoch(&mut closer, judged, ends));
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
    if ends.iter().any(|end| end.save) {
        out.extend(judge.save().map(Judged::State));
    }
}

fn derive_epoch(deriver: &mut Deriver, fed: &mut [Fed], ends: &[End], out: &mut Vec<Judged>) {
    let Some(end) = ends.first() else { return };
    deriver.epoch(fed, end, out);
    if ends.iter().any(|end| end.save) {
        out.extend(deriver.save().map(Judged::State));
    }
}

fn close_epoch(closer: &mut Option<(Closer, mpsc::Sender<Closed>)>, judged: &mut Vec<Judged>, ends: &[End]) {
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
