//! Reads all that is stored, for audits: each key once, with its last value.

use std::path::Path;
use std::sync::Arc;

use yiwang_disk::Disk;
use yiwang_model::{Row, Series};

use super::disk_io::corrupt;
use super::engine::{Engine, lock};
use super::kept::Kept;
use super::manifest::{FileEntry, MANIFEST, Manifest, Table};
use super::merge::merge;
use super::names;
use super::open::check_files;
use super::parquet_file::{Opened, Pieces};
use crate::{Error, Mark};

/// Gives every reading that the folder of an embedded store holds durably, each key once with its last value,
/// by series and key upwards, and answers up to where in the log the folder goes. Nothing is written; no
/// process may hold the folder meanwhile. Opens all files; holds a row group of each in memory.
///
/// # Errors
/// [`Error::Corrupt`] naming a file that is missing or is not what the manifest says, [`Error::Newer`],
/// [`Error::Failed`] when reading fails.
pub fn scan_folder(
    disk: &dyn Disk,
    folder: &Path,
    give: &mut dyn FnMut(&Series, &Row),
) -> Result<Mark, Error> {
    let missing = || corrupt(&folder.join(MANIFEST), "is missing");
    let manifest = Manifest::read(disk, folder)?.ok_or_else(missing)?;
    check_files(disk, folder, &manifest)?;
    names::read(disk, folder, manifest.names)?;
    scan(&manifest.files, Kept::ALL, give, |entry| Opened::open(disk, folder, entry).map(Arc::new))?;
    Ok(manifest.mark)
}

impl Engine {
    pub(super) fn scan(&self, give: &mut dyn FnMut(&Series, &Row)) -> Result<(), Error> {
        self.flush()?;
        let files = Arc::clone(&lock(&self.state).files);
        let entries: Vec<_> = files.iter().map(|file| Arc::clone(&file.entry)).collect();
        scan(&entries, self.kept(), give, |entry| self.open_files.get(entry))
    }
}

fn scan(
    files: &[Arc<FileEntry>],
    kept: Kept,
    give: &mut dyn FnMut(&Series, &Row),
    open: impl Fn(&FileEntry) -> Result<Arc<Opened>, Error>,
) -> Result<(), Error> {
    let mut files: Vec<_> = files.iter().filter(|entry| entry.table == Table::Readings).collect();
    files.sort_by_key(|entry| entry.sequence);
    let mut pieces = Vec::with_capacity(files.len());
    for entry in files {
        pieces.push(Pieces::new(open(entry)?, kept.since()..=i64::MAX));
    }
    merge(pieces, &mut |series, run| {
        let id = series.id();
        kept.stretches(run).into_iter().flatten().for_each(|at| give(series, &run.row(id, at)));
        Ok(())
    })?;
    Ok(())
}
