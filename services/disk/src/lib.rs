//! The one door to the disk for everything whose loss would be a lie: log, checkpoint, manifests, stored files.
//!
//! [`Disk`] says little, so that a twin can say it too: [`real::RealDisk`] is the machine's file system,
//! [`sim::SimDisk`] a model of one that forgets at a power cut what was not synced (bytes, lengths, names,
//! renames), tears sectors, and answers `ENOSPC` and `EIO` on request.
//!
//! What is durable when: bytes and length of a file after [`DiskFile::sync_data`]; a new, renamed or removed
//! name after [`Disk::sync_dir`] of its folder. Nothing else.

use std::io;
use std::path::Path;

pub mod real;
pub mod sim;
#[cfg(test)]
mod tests;

pub use real::RealDisk;
pub use sim::SimDisk;

/// A file system, as far as durable parts need one.
pub trait Disk: Send + Sync + 'static {
    /// Makes a folder and the folders above it; one that is there is left as it is. Durable on return.
    ///
    /// # Errors
    /// What the system says.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// The names of the files in a folder, sorted; folders are left out.
    ///
    /// # Errors
    /// What the system says, `NotFound` for one.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// Opens a file to read and write; makes an empty one if `create` and there is none.
    ///
    /// # Errors
    /// What the system says; `NotFound` when there is none and `create` is false.
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn DiskFile>>;

    /// Gives a file another name in the same file system, over whatever has that name.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes names in a folder durable. After an error the state of the folder is unknown; never call again.
    ///
    /// # Errors
    /// What the system says.
    fn sync_dir(&self, folder: &Path) -> io::Result<()>;

    /// Room on the file system that holds `path`.
    ///
    /// # Errors
    /// What the system says.
    fn room(&self, path: &Path) -> io::Result<Room>;
}

/// An open file.
#[expect(
    clippy::len_without_is_empty,
    reason = "asking a file system whether a file is empty is asking its length"
)]
pub trait DiskFile: Send + Sync {
    /// Reads into the whole of `into` or up to the end of the file; says how many bytes.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize>;

    /// Writes all the bytes. After an error any part of them may be there.
    ///
    /// # Errors
    /// What the system says; `StorageFull` when there is no room.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;

    /// Cuts or grows the file.
    ///
    /// # Errors
    /// What the system says.
    fn set_len(&self, bytes: u64) -> io::Result<()>;

    /// Makes bytes and length durable. After an error what is on disk is unknown; never call again.
    ///
    /// # Errors
    /// What the system says.
    fn sync_data(&self) -> io::Result<()>;

    /// Length in bytes.
    ///
    /// # Errors
    /// What the system says.
    fn len(&self) -> io::Result<u64>;
}

/// Whether a write failed for want of room alone, of the disk or of what a quota grants: then nothing is lost, and it may
/// be tried again when there is room.
#[must_use]
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Room on a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Free for us.
    pub free: u64,
    /// In all.
    pub total: u64,
}

/// Puts `bytes` under `path` so that after a power cut either the old content is there or the new, whole:
/// written beside (`path` with `.new` added), synced, renamed, folder synced.
///
/// # Errors
/// What the system says; the old content then still stands.
pub fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_in_parts(disk, path, std::iter::once(bytes))
}

/// As [`replace`], with the content in parts, written one after another: for what is too large to be held twice.
///
/// # Errors
/// As [`replace`].
pub fn replace_in_parts(
    disk: &dyn Disk,
    path: &Path,
    parts: impl Iterator<Item = impl AsRef<[u8]>>,
) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = Path::new(&beside);
    let file = disk.open(beside, true)?;
    file.set_len(0)?;
    let mut at = 0;
    for part in parts {
        file.write_at(part.as_ref(), at)?;
        at += part.as_ref().len() as u64;
    }
    file.sync_data()?;
    disk.rename(beside, path)?;
    disk.sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// The whole content of a file, or `None` if there is none.
///
/// # Errors
/// What the system says; `InvalidData` above `most` bytes.
pub fn read_whole(disk: &dyn Disk, path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open(path, false) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = file.len()?;
    if length > most {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{length} bytes, at most {most} are expected"),
        ));
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(Some(bytes))
}
