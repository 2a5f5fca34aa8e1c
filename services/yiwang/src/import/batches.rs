//! Files become batches: the work of the reader's thread.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sensors_sim::door::{Batch, Sender};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use yiwang_catalogue::Catalogue;
use yiwang_files::gather::Item;
use yiwang_files::{Gather, Mapping, Mark, Reader};
use yiwang_proto::v1::SeriesKey;

use super::books::{Books, Cut};
use super::plan::Input;

/// The readings of a batch.
const BATCH: usize = 10_000;
/// The most series of a dictionary.
const MAX_SERIES: usize = 100_000;
/// The most pieces that wait for an acknowledgement; those that the door has under way, and those without readings between them.
const MAX_WAITING: usize = 64;
/// How often to look whether there are fewer.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A dictionary of more series than this is looked at for series that no longer come.
const SMALL: usize = 1_000;

/// Reads files and sends what is in them.
pub(super) struct Feeder {
    pub(super) mapping: Mapping,
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) sender: Sender,
    pub(super) books: Arc<Mutex<Books>>,
    pub(super) read: Arc<Read>,
    pub(super) pace: Option<Pace>,
    pub(super) stop: CancellationToken,
    pub(super) runtime: Handle,
}

/// So many rows a second, from a moment on.
pub(super) struct Pace {
    pub(super) began: Instant,
    pub(super) rate: f64,
}

impl Pace {
    /// How long to wait until so many may have been sent.
    fn wait(&self, rows: u64) -> Duration {
        let due = Duration::try_from_secs_f64(rows as f64 / self.rate).unwrap_or(Duration::MAX);
        due.saturating_sub(self.began.elapsed())
    }
}

/// How far reading is, for those who watch.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) bytes: AtomicU64,
    pub(super) rows: AtomicU64,
}

/// Why reading ended before the end.
pub(super) enum Left {
    /// It was told to.
    Stopped,
    /// The door takes no more; it says itself why.
    Closed,
}

impl Feeder {
    /// Reads all files. One that cannot be read further is told, and the next is read.
    pub(super) fn run(self, inputs: &[Input]) -> Result<(), Left> {
        let mut gather = Gather::new(Arc::clone(&self.catalogue));
        let mut dictionary = Shared::default();
        let mut before = 0;
        for input in inputs {
            self.file(input, before, &mut gather, &mut dictionary)?;
            before += input.looks.bytes;
            self.read.bytes.store(before, Ordering::Relaxed);
        }
        Ok(())
    }

    fn file(&self, input: &Input, before: u64, gather: &mut Gather, shared: &mut Shared) -> Result<(), Left> {
        let broken = |mark: Mark, why: String| {
            self.books().broken(&input.name, mark.lines + 1, &why);
            Ok(())
        };
        let told = |error| format!("{:#}", anyhow::Error::new(error));
        let mut reader = match Reader::open(&input.path, &self.mapping) {
            Ok(reader) => reader,
            Err(error) => return broken(Mark::default(), told(error)),
        };
        match reader.resume(input.from) {
            Ok(true) => {}
            _ if input.from == Mark::default() => {}
            Ok(false) => return broken(reader.mark(), "it was changed while it was imported".into()),
            Err(error) => return broken(reader.mark(), told(error)),
        }
        let taken = reader.taken();
        loop {
            gather.clear();
            let read = reader.read(BATCH, gather);
            self.send(input, reader.mark(), matches!(read, Ok(false)), gather, shared)?;
            self.read.bytes.store(before + taken.load(Ordering::Relaxed), Ordering::Relaxed);
            match read {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => return broken(reader.mark(), told(error)),
            }
        }
    }

    fn send(
        &self,
        input: &Input,
        mark: Mark,
        is_last: bool,
        gather: &mut Gather,
        shared: &mut Shared,
    ) -> Result<(), Left> {
        let batch = batch(&gather.items, shared.of(gather));
        let places = gather.items.iter().map(|item| (item.line, item.slot)).collect();
        let (rows, missing) = (gather.rows, gather.missing);
        let (file, faults) = (input.name.clone(), std::mem::take(&mut gather.faults));
        self.books().enter(Cut { file, mark, is_last, rows, missing, faults, places });
        let before = self.read.rows.fetch_add(rows, Ordering::Relaxed);
        self.keep_pace(before)?;
        if batch.is_empty() {
            return self.catch_up();
        }
        let sent = self.stop.run_until_cancelled(self.sender.send(batch, Instant::now()));
        match self.runtime.block_on(sent) {
            Some(Ok(())) => {}
            Some(Err(_)) => return Err(Left::Closed),
            None => return Err(Left::Stopped),
        }
        shared.renew(gather);
        Ok(())
    }

    /// Waits until more may be sent after so many rows.
    fn keep_pace(&self, rows: u64) -> Result<(), Left> {
        let wait = self.pace.as_ref().map_or(Duration::ZERO, |pace| pace.wait(rows));
        if !wait.is_zero() {
            self.runtime.block_on(self.stop.run_until_cancelled(tokio::time::sleep(wait)));
        }
        if self.stop.is_cancelled() { Err(Left::Stopped) } else { Ok(()) }
    }

    /// Waits while too many pieces wait: those without readings are not sent, so that nothing else would.
    fn catch_up(&self) -> Result<(), Left> {
        while self.books().waiting() > MAX_WAITING {
            let pause = self.stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY));
            self.runtime.block_on(pause).ok_or(Left::Stopped)?;
            if self.sender.is_closed() {
                return Err(Left::Closed);
            }
        }
        Ok(())
    }

    fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn batch(items: &[Item], series: &Arc<Vec<SeriesKey>>) -> Batch {
    let mut batch = Batch::of(series);
    batch.index.reserve(items.len());
    batch.time.reserve(items.len());
    batch.value.reserve(items.len());
    let some = |nanos: i64| Some(nanos).filter(|nanos| *nanos != 0);
    for item in items {
        let (end, vintage) = (some(item.period_end), some(item.vintage));
        batch.push_whole(item.series, item.time, item.value, item.quality, end, vintage);
    }
    batch
}

/// The dictionary as the door has it: the same one for as long as no series is added.
#[derive(Default)]
struct Shared(Arc<Vec<SeriesKey>>);

impl Shared {
    fn of(&mut self, gather: &Gather) -> &Arc<Vec<SeriesKey>> {
        if self.0.len() != gather.series.keys().len() {
            self.0 = Arc::new(gather.series.keys().to_vec());
        }
        &self.0
    }

    /// Begins a dictionary anew that is too large, or that grew while little of it was used, as in files that have one series
    /// after another: it is sent whole whenever it grows.
    fn renew(&mut self, gather: &mut Gather) {
        let size = gather.series.keys().len();
        if size > SMALL && (size > MAX_SERIES || used(&gather.items, size) < size / 16) {
            gather.series.clear();
            self.0 = Arc::default();
        }
    }
}

/// How many series of a dictionary the readings are of.
fn used(items: &[Item], size: usize) -> usize {
    let mut seen = vec![false; size];
    items.iter().filter(|item| !std::mem::replace(&mut seen[item.series as usize], true)).count()
}
