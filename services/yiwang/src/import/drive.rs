//! Runs an import: a thread reads, the door sends, and beside both the state is written and progress told.

use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sensors_sim::acked::AckedFile;
use sensors_sim::door::{self, Address, OnAck};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use yiwang_catalogue::Catalogue;
use yiwang_files::Mapping;

use super::batches::{Feeder, Pace, Read};
use super::books::Books;
use super::plan::Plan;
use super::progress::Progress;
use super::state::Tally;
use super::{INTERRUPTED, Options, REFUSED};

/// The most batches that are not acknowledged.
const INFLIGHT: usize = 16;
/// How often progress is looked at.
const EVERY: Duration = Duration::from_millis(200);
/// How often the state is written, at most; a large one less often.
const SAVE_EVERY: Duration = Duration::from_millis(250);
/// How long a stopped import waits for what is under way.
const GRACE: Duration = Duration::from_secs(5);

/// What an import tells at its end, as one line of JSON; counts are over all runs that the state remembers.
#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    tally: Tally,
    /// Whether everything was read and answered for.
    complete: bool,
    state: PathBuf,
    seconds: f64,
}

/// Imports what is planned.
pub(super) async fn run(
    options: &Options,
    mapping: Mapping,
    catalogue: Arc<Catalogue>,
    plan: Plan,
    mut books: Books,
    stop: CancellationToken,
) -> anyhow::Result<ExitCode> {
    books.name_columns(mapping.value_columns());
    let read = Arc::new(Read::default());
    let mut progress = Progress::new(plan.bytes, Arc::clone(&read));
    eprintln!(
        "{} files to read; what is in is remembered in {}",
        plan.files.len(),
        plan.state_file.display()
    );
    let books = Arc::new(Mutex::new(books));
    let witness = options.acked.as_deref().map(AckedFile::append).transpose()?;
    let open =
        door::open(door_of(options), on_ack(Arc::clone(&books), witness.clone()), CancellationToken::new());
    let feeder = Feeder {
        mapping,
        catalogue,
        sender: open.sender.clone(),
        books: Arc::clone(&books),
        read,
        pace: options.rate.map(|rate| Pace { began: Instant::now(), rate: f64::from(rate.get()) }),
        stop: stop.clone(),
        runtime: tokio::runtime::Handle::current(),
    };
    let files = plan.files;
    let reading = spawn_blocking(move || feeder.run(&files));
    let mut desk = Desk { books: &books, progress: &mut progress, saved: Instant::now(), pause: SAVE_EVERY };
    let ended = desk.during(reading).await??;
    let left = desk.during(finish(open, stop)).await?;
    witness.map_or(Ok(()), |file| file.flush())?;
    desk.save().await?;
    progress.finish();
    // What the door has against it is worth more than that reading ended.
    left?;
    let complete = ended.is_ok() && lock(&books).is_settled();
    let tally = lock(&books).total();
    tell(&lock(&books), &tally, complete);
    let code = code(&tally, complete);
    let report = Report { tally, complete, state: plan.state_file, seconds: progress.seconds() };
    println!("{}", serde_json::to_string(&report)?);
    Ok(ExitCode::from(code))
}

/// 0, or what is in the way of it.
fn code(tally: &Tally, complete: bool) -> u8 {
    match (complete, tally.refused_total()) {
        (false, _) => INTERRUPTED,
        (true, 0) => 0,
        (true, _) => REFUSED,
    }
}

fn door_of(options: &Options) -> door::Options {
    door::Options {
        address: Address::Grpc(options.grpc.clone()),
        gateway: options.gateway.clone(),
        stream_id: door::fresh_id(),
        credential: options.credential.clone(),
        inflight: INFLIGHT,
        rows: false,
        history: options.history,
    }
}

fn on_ack(books: Arc<Mutex<Books>>, witness: Option<AckedFile>) -> OnAck {
    Box::new(move |acked| {
        if let Some(witness) = &witness {
            witness.write(acked);
        }
        lock(&books).answered(acked);
    })
}

/// Is cancelled by Ctrl-C, or by a service manager; both are heard from now on.
pub(super) fn stopped_by_signals() -> anyhow::Result<CancellationToken> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        eprintln!("stopping; the same command goes on");
        told.cancel();
    });
    Ok(stop)
}

/// Waits until everything is answered for, or, once it is to stop, for a moment only.
async fn finish(open: door::Open, stop: CancellationToken) -> anyhow::Result<usize> {
    open.finish_unless(stop, GRACE).await
}

fn lock(books: &Mutex<Books>) -> MutexGuard<'_, Books> {
    books.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes the state and tells progress.
struct Desk<'a> {
    books: &'a Arc<Mutex<Books>>,
    progress: &'a mut Progress,
    saved: Instant,
    pause: Duration,
}

impl Desk<'_> {
    /// Does so while something else goes on.
    async fn during<T>(&mut self, other: impl Future<Output = T>) -> anyhow::Result<T> {
        let mut other = pin!(other);
        let mut every = tokio::time::interval(EVERY);
        loop {
            tokio::select! {
                ended = &mut other => return Ok(ended),
                _ = every.tick() => {}
            }
            if self.saved.elapsed() >= self.pause {
                self.save().await?;
            }
            let tally = lock(self.books).total();
            self.progress.show(&tally);
        }
    }

    async fn save(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        let (path, state) = lock(self.books).ready()?;
        spawn_blocking(move || state.save(&path)).await??;
        self.saved = Instant::now();
        self.pause = SAVE_EVERY.max(began.elapsed() * 20);
        Ok(())
    }
}

/// Tells people what became of it.
fn tell(books: &Books, tally: &Tally, complete: bool) {
    let Tally { rows, readings, acked, missing, refused } = tally;
    eprintln!("{rows} rows, {readings} readings sent, {acked} acknowledged, {missing} values missing");
    for (reason, count) in refused {
        eprintln!("  refused, {reason}: {count}");
    }
    for first in books.first_refusals() {
        eprintln!("  {first}");
    }
    if !complete {
        eprintln!("it is not complete: the same command goes on");
    }
    if refused.contains_key("too_late") {
        eprintln!(
            "what is too late for the city's clock can be stored, and is then not judged, with --history"
        );
    }
}
