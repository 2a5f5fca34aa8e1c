//! A disk that is watched: it sees checkpoints being put in place, and can refuse them alone.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use yiwang_disk::{Disk, DiskFile, Room, SimDisk};

use super::orders::ModelOrders;

/// A disk in memory whose checkpoints are watched.
pub(super) struct WatchedDisk {
    inner: SimDisk,
    orders: Arc<ModelOrders>,
    /// For each checkpoint that was put in place: its epoch, and what the order store had applied then.
    pub(super) placed: Mutex<Vec<(u64, u64)>>,
    /// Whether checkpoints find no room.
    pub(super) full: AtomicBool,
    /// Whether syncs of checkpoints fail.
    pub(super) broken: Arc<AtomicBool>,
    /// Syncs of checkpoints that were asked for.
    pub(super) syncs: Arc<AtomicU64>,
}

impl WatchedDisk {
    pub(super) fn new(inner: SimDisk, orders: Arc<ModelOrders>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            orders,
            placed: Mutex::default(),
            full: AtomicBool::default(),
            broken: Arc::default(),
            syncs: Arc::default(),
        })
    }
}

fn epoch(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_prefix("checkpoint-")?.trim_end_matches(".new").parse().ok()
}

impl Disk for WatchedDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.inner.list(folder)
    }

    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn DiskFile>> {
        let file = self.inner.open(path, create)?;
        if epoch(path).is_none() || !create {
            return Ok(file);
        }
        let full = self.full.load(Ordering::Relaxed);
        let (broken, syncs) = (Arc::clone(&self.broken), Arc::clone(&self.syncs));
        Ok(Box::new(Checkpoint { file, full, broken, syncs }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if let Some(epoch) = epoch(to) {
            self.placed.lock().unwrap().push((epoch, self.orders.last()));
        }
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }

    fn sync_dir(&self, folder: &Path) -> io::Result<()> {
        self.inner.sync_dir(folder)
    }

    fn room(&self, path: &Path) -> io::Result<Room> {
        self.inner.room(path)
    }
}

struct Checkpoint {
    file: Box<dyn DiskFile>,
    full: bool,
    broken: Arc<AtomicBool>,
    syncs: Arc<AtomicU64>,
}

impl DiskFile for Checkpoint {
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        self.file.read_at(into, at)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let fits = if self.full { bytes.len() / 2 } else { bytes.len() };
        self.file.write_at(&bytes[..fits], at)?;
        if self.full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        if self.broken.load(Ordering::Relaxed) {
            return Err(io::Error::other("the disk is broken"));
        }
        self.file.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
}
