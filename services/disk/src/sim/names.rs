//! Names of files: as readers see them, as the disk has them, and what lies between.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::inode::InodeId;

#[derive(Debug, Default)]
pub(super) struct Names {
    now: BTreeMap<PathBuf, InodeId>,
    durable: BTreeMap<PathBuf, InodeId>,
    unsynced: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Create(PathBuf, InodeId),
    Rename(PathBuf, PathBuf, InodeId),
    Remove(PathBuf),
}

impl Names {
    pub(super) fn holding(names: BTreeMap<PathBuf, InodeId>) -> Self {
        Self { now: names.clone(), durable: names, unsynced: Vec::new() }
    }

    pub(super) fn get(&self, path: &Path) -> Option<InodeId> {
        self.now.get(path).copied()
    }

    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.now.keys().cloned().collect()
    }

    pub(super) fn inodes(&self) -> impl Iterator<Item = InodeId> {
        self.now.values().copied()
    }

    pub(super) fn create(&mut self, path: &Path, inode: InodeId) {
        self.change(Change::Create(path.to_owned(), inode));
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path, inode: InodeId) {
        self.change(Change::Rename(from.to_owned(), to.to_owned(), inode));
    }

    pub(super) fn remove(&mut self, path: &Path) {
        self.change(Change::Remove(path.to_owned()));
    }

    /// Everything that happened in a folder reaches the disk.
    pub(super) fn sync(&mut self, folder: &Path) {
        for change in self.take_unsynced(folder) {
            change.apply(&mut self.durable);
        }
    }

    /// Some of it reaches the disk, and the rest is taken for written.
    pub(super) fn fail_sync(&mut self, folder: &Path, random: &mut ChaCha8Rng) {
        for change in self.take_unsynced(folder) {
            if random.random_bool(0.5) {
                change.apply(&mut self.durable);
            }
        }
    }

    /// One of the many states that a power cut may leave.
    pub(super) fn found_after_cut(&self, random: &mut ChaCha8Rng) -> BTreeMap<PathBuf, InodeId> {
        let mut found = self.durable.clone();
        for change in &self.unsynced {
            if random.random_bool(0.5) {
                change.apply(&mut found);
            }
        }
        found
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.now);
        self.unsynced.push(change);
    }

    fn take_unsynced(&mut self, folder: &Path) -> Vec<Change> {
        let (here, elsewhere) = self.unsynced.drain(..).partition(|change| change.folder() == Some(folder));
        self.unsynced = elsewhere;
        here
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<PathBuf, InodeId>) {
        match self {
            Self::Create(path, inode) => {
                names.insert(path.clone(), *inode);
            }
            Self::Rename(from, to, inode) => {
                if names.get(from) == Some(inode) {
                    names.remove(from);
                }
                names.insert(to.clone(), *inode);
            }
            Self::Remove(path) => {
                names.remove(path);
            }
        }
    }

    /// The folder whose sync makes it durable; of a rename the one into which it goes.
    fn folder(&self) -> Option<&Path> {
        match self {
            Self::Create(path, _) | Self::Rename(_, path, _) | Self::Remove(path) => path.parent(),
        }
    }
}
