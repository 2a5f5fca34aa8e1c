//! The test twin: a file system in memory that forgets, at a power cut, what was not synced.
//!
//! The rules, each as hard as a real disk may be:
//! - Of unsynced writes any subset of their 512-byte sectors is found after the cut, and one sector may be torn.
//! - An unsynced length is the old one, the new one, or one between.
//! - Each unsynced name, rename and removal has happened or not, whatever became of the others; a rename is one
//!   step. Folders are durable at once, as [`Disk::create_dir`] says.
//! - What was synced is there.
//! - A failed sync forgets that anything was unsynced, as Linux does: what the readers still see may never reach the
//!   disk, and the next sync succeeds without bringing it there.
//! - A write that fails has written some first part.
//! - After the cut the old handles answer `EIO`.
//!
//! Everything random comes from the seed, so a run can be had again. [`SimDisk::cut_at`] cuts in the middle of the
//! n-th operation, [`SimDisk::fail`] makes one fail, [`SimDisk::set_capacity`] makes the disk small.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Disk, DiskFile, Room};

mod fault;
mod inode;
mod names;
mod state;
#[cfg(test)]
mod tests;

pub use fault::{Operation, Trouble};
use inode::InodeId;
use state::State;

/// A disk in memory. Clones are handles of the same disk.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

impl SimDisk {
    /// An empty disk without a limit on its size.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::holding(State::new(seed))
    }

    /// Cuts the power and gives the disk as it is found afterwards; this one answers `EIO` from now on. Faults that
    /// were asked for are forgotten, the capacity stays.
    #[must_use]
    pub fn power_cut(&self) -> Self {
        Self::holding(self.state().after_cut())
    }

    /// Cuts the power in the middle of the `operation`-th operation, counted as [`SimDisk::operations`] does: it may
    /// have happened or not, it and all later ones answer `EIO`. [`SimDisk::power_cut`] then gives what is found.
    pub fn cut_at(&self, operation: u64) {
        self.state().cut_at = Some(operation);
    }

    /// Whether the power is gone.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.state().dead
    }

    /// Stands still until what this gives is dropped: whoever wants something of the disk waits.
    #[must_use]
    pub fn hold(&self) -> impl Drop + '_ {
        self.state()
    }

    /// How many operations, of whatever kind, were asked for.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Makes the `nth` operation of this kind from now on fail, 1 being the next. Others go on.
    pub fn fail(&self, operation: Operation, nth: u64, trouble: Trouble) {
        self.state().faults.arm(operation, nth, trouble);
    }

    /// Limits all files together to so many bytes: above it `StorageFull` is answered.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// Bytes in all named files.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.state().used()
    }

    /// All files, sorted.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        self.state().names.paths()
    }

    /// What a reader sees in a file now.
    #[must_use]
    pub fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        Some(state.inode(state.names.get(path)?).now().to_vec())
    }

    /// Puts a file there, durable, past all faults.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        self.state().put(path, bytes);
    }

    /// Flips the bits of `mask` in one byte, on the disk and for readers. Says whether there was such a byte.
    pub fn corrupt(&self, path: &Path, at: u64, mask: u8) -> bool {
        self.state().corrupt(path, at, mask)
    }

    fn holding(state: State) -> Self {
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk for SimDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.state().create_dir(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.state().list(folder)
    }

    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn DiskFile>> {
        let inode = self.state().open(path, create)?;
        Ok(Box::new(SimFile { disk: self.clone(), inode }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.state().rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.state().remove(path)
    }

    fn sync_dir(&self, folder: &Path) -> io::Result<()> {
        self.state().sync_dir(folder)
    }

    fn room(&self, _path: &Path) -> io::Result<Room> {
        self.state().room()
    }
}

struct SimFile {
    disk: SimDisk,
    inode: InodeId,
}

impl DiskFile for SimFile {
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        self.disk.state().read_at(self.inode, into, at)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.disk.state().write_at(self.inode, bytes, at)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.disk.state().set_len(self.inode, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.state().sync_data(self.inode)
    }

    fn len(&self) -> io::Result<u64> {
        self.disk.state().len(self.inode)
    }
}
