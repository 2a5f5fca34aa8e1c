//! Opens a store: reads the manifest, holds the folder against it, removes leftovers.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use yiwang_disk::Disk;

use super::Options;
use super::disk_io::{corrupt, read_failed, write_failed};
use super::engine::{Engine, LATEST, READINGS, RECORDS, State, lock};
use super::files::LiveFile;
use super::latest::LatestRows;
use super::manifest::{FileEntry, MANIFEST, Manifest, Table};
use super::memtable::Memtable;
use super::names::{self, Names};
use super::parquet_file::{Opened, Pieces};
use crate::Error;

const FOLDERS: [&str; 3] = [READINGS, RECORDS, LATEST];

pub(super) fn open(disk: Arc<dyn Disk>, folder: &Path, options: Options) -> Result<Engine, Error> {
    for path in FOLDERS.map(|name| folder.join(name)) {
        disk.create_dir(&path).map_err(|error| write_failed(&path, &error))?;
    }
    let manifest = match Manifest::read(&*disk, folder)? {
        Some(manifest) => manifest,
        None => begin(&*disk, folder)?,
    };
    check_files(&*disk, folder, &manifest)?;
    remove_leftovers(&*disk, folder, &manifest)?;
    let names = names::read(&*disk, folder, manifest.names)?;
    let latest = read_latest(&*disk, folder, &manifest, &names)?;
    let files = manifest.files.iter().map(|entry| LiveFile::new(&disk, folder, Arc::clone(entry)));
    let state = State {
        memtable: Memtable::default(),
        flushing: None,
        latest: latest.clone(),
        files: Arc::new(files.collect()),
        mark: manifest.mark.clone(),
        persisted: manifest.mark.clone(),
        persisted_names: names.len(),
        failed: None,
        indices: Vec::new(),
        names,
    };
    let engine = Engine::new(disk, folder.to_owned(), options, manifest, state);
    *lock(&engine.flushed) = latest;
    Ok(engine)
}

/// The manifest of a new store, durable before there is any file, so that a lost one is not taken for new.
fn begin(disk: &dyn Disk, folder: &Path) -> Result<Manifest, Error> {
    for path in FOLDERS.map(|name| folder.join(name)) {
        if !disk.list(&path).map_err(|error| read_failed(&path, &error))?.is_empty() {
            return Err(corrupt(
                &folder.join(MANIFEST),
                "is missing, but there are files that it should name",
            ));
        }
    }
    let manifest = Manifest::default();
    manifest.write(disk, folder)?;
    Ok(manifest)
}

/// Each file that counts is there and has its length. Its content is checked before it is read.
pub(super) fn check_files(disk: &dyn Disk, folder: &Path, manifest: &Manifest) -> Result<(), Error> {
    for entry in manifest.files.iter().map(|entry| &**entry).chain(&manifest.latest) {
        let path = folder.join(&entry.path);
        let file = disk.open(&path, false).map_err(|error| read_failed(&path, &error))?;
        let length = file.len().map_err(|error| read_failed(&path, &error))?;
        if length != entry.bytes {
            return Err(corrupt(&path, format!("has {length} bytes, not {}", entry.bytes)));
        }
    }
    Ok(())
}

fn remove_leftovers(disk: &dyn Disk, folder: &Path, manifest: &Manifest) -> Result<(), Error> {
    let files = manifest.files.iter().map(|entry| &**entry).chain(&manifest.latest);
    let counted: HashSet<&str> = files.map(|entry| entry.path.as_str()).collect();
    for below in FOLDERS {
        let path = folder.join(below);
        for name in disk.list(&path).map_err(|error| read_failed(&path, &error))? {
            if !counted.contains(format!("{below}/{name}").as_str()) {
                let leftover = path.join(name);
                disk.remove(&leftover).map_err(|error| write_failed(&leftover, &error))?;
                tracing::info!(file = %leftover.display(), "leftover removed");
            }
        }
    }
    Ok(())
}

/// The newest rows: those of the last file of newest rows, then those of the files after it, oldest first.
fn read_latest(
    disk: &dyn Disk,
    folder: &Path,
    manifest: &Manifest,
    names: &Names,
) -> Result<LatestRows, Error> {
    let mut rows = LatestRows::default();
    let known = manifest.latest.as_ref().map_or(0, |entry| entry.sequence);
    let mut files: Vec<&FileEntry> = manifest.files.iter().map(|entry| &**entry).collect();
    files.retain(|entry| entry.table == Table::Readings && entry.sequence > known);
    files.sort_by_key(|entry| entry.sequence);
    for entry in manifest.latest.iter().chain(files) {
        let file = Arc::new(Opened::open(disk, folder, entry)?);
        let mut pieces = Pieces::new(file, i64::MIN..=i64::MAX);
        while let Some((series, run)) = pieces.next()? {
            let id = series.id();
            let index = names.index(id).ok_or_else(|| {
                corrupt(&folder.join(&entry.path), format!("has the series {series}, which has no name"))
            })?;
            rows.offer(index, &run.row(id, run.len() - 1));
        }
    }
    Ok(rows)
}
