//! Files that count, for as long as somebody reads them, and those of them that are open.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use yiwang_disk::Disk;

use super::manifest::FileEntry;
use super::parquet_file::Opened;
use crate::Error;

/// How many files stay open, with what their footers say in memory.
const OPEN_FILES: usize = 64;

/// A file that counts or did. Once [given up](LiveFile::give_up) it is removed when the last reader lets go.
pub(super) struct LiveFile {
    pub(super) entry: Arc<FileEntry>,
    disk: Arc<dyn Disk>,
    path: PathBuf,
    given_up: AtomicBool,
}

impl LiveFile {
    pub(super) fn new(disk: &Arc<dyn Disk>, folder: &Path, entry: Arc<FileEntry>) -> Arc<Self> {
        let path = folder.join(&entry.path);
        Arc::new(Self { entry, disk: Arc::clone(disk), path, given_up: AtomicBool::new(false) })
    }

    /// The manifest names it no longer.
    pub(super) fn give_up(&self) {
        self.given_up.store(true, Ordering::Release);
    }
}

impl Drop for LiveFile {
    fn drop(&mut self) {
        if self.given_up.load(Ordering::Acquire)
            && let Err(error) = self.disk.remove(&self.path)
        {
            tracing::warn!(file = %self.path.display(), %error, "file not removed, next start will");
        }
    }
}

/// The files that were read last.
pub(super) struct OpenFiles {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    /// By use, the last used behind.
    open: Mutex<VecDeque<(String, Arc<Opened>)>>,
}

impl OpenFiles {
    pub(super) fn new(disk: Arc<dyn Disk>, folder: PathBuf) -> Self {
        Self { disk, folder, open: Mutex::new(VecDeque::new()) }
    }

    /// The file, opened and found whole now or before.
    pub(super) fn get(&self, entry: &FileEntry) -> Result<Arc<Opened>, Error> {
        if let Some(file) = self.take(&entry.path) {
            return Ok(self.put(&entry.path, file));
        }
        let file = Arc::new(Opened::open(&*self.disk, &self.folder, entry)?);
        Ok(self.put(&entry.path, file))
    }

    /// Forgets a file.
    pub(super) fn take(&self, path: &str) -> Option<Arc<Opened>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let place = open.iter().position(|(found, _)| found == path)?;
        open.remove(place).map(|(_, file)| file)
    }

    fn put(&self, path: &str, file: Arc<Opened>) -> Arc<Opened> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() == OPEN_FILES {
            open.pop_front();
        }
        open.push_back((path.to_owned(), Arc::clone(&file)));
        file
    }
}
