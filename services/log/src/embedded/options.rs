//! How a log is kept.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use yiwang_disk::Disk;

use crate::Layout;

/// Gives the wall clock in milliseconds since 1970; asked once per commit and look at retention.
pub type ClockMs = Arc<dyn Fn() -> u64 + Send + Sync>;

/// How a log is kept; [`Options::new`] gives the defaults.
#[derive(Clone)]
pub struct Options {
    /// Topics and partitions; fixed when the log is made.
    pub layout: Layout,
    /// A segment takes no more commits from this length on; 64 MiB.
    pub segment_bytes: u64,
    /// Segments whose newest record is older may go; `None`: age is no reason.
    pub retention_age: Option<Duration>,
    /// Above so many bytes in `main/` the oldest segments may go; `None`: size is no reason.
    pub retention_bytes: Option<u64>,
    /// Free bytes below which intake is refused; `None`: 1 GiB or 5 % of the file system, whichever is less. What goes on
    /// within it are checkpoints, merges and orders, whose journal alone grows to 4 MiB: less than 16 MiB is too little.
    pub reserve_bytes: Option<u64>,
    /// About how many bytes of the newest records stay in memory; 32 MiB.
    pub tail_cache_bytes: usize,
    /// Bytes of appends that may wait for the disk, each counted with some 300 bytes more; 64 MiB. Callers beyond wait.
    pub queue_bytes: usize,
    /// After how long without appends retention is looked after all the same; 10 s.
    pub retention_idle: Duration,
    /// Cursors of class "must" that there will be: before their first commit they hold everything.
    pub must: Vec<String>,
    /// The wall clock, for retention by age and for how often the room on disk is asked for.
    pub clock_ms: ClockMs,
}

const DEFAULT_RESERVE_BYTES: u64 = 1 << 30;
const DEFAULT_RESERVE_PERCENT: u64 = 5;

impl Options {
    /// The defaults, with nothing ever dropped.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        Self {
            layout,
            segment_bytes: 64 << 20,
            retention_age: None,
            retention_bytes: None,
            reserve_bytes: None,
            tail_cache_bytes: 32 << 20,
            queue_bytes: 64 << 20,
            retention_idle: Duration::from_secs(10),
            must: Vec::new(),
            clock_ms: Arc::new(wall_clock_ms),
        }
    }

    pub(super) fn reserve(&self, disk: &dyn Disk, folder: &Path) -> u64 {
        let by_size = || {
            let total = disk.room(folder).map_or(u64::MAX, |room| room.total);
            DEFAULT_RESERVE_BYTES.min(total / 100 * DEFAULT_RESERVE_PERCENT)
        };
        self.reserve_bytes.unwrap_or_else(by_size)
    }
}

fn wall_clock_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
