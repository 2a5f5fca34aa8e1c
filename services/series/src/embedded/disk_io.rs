//! What failures of the disk mean for the store, and how a file is written.

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use parquet::errors::ParquetError;
use yiwang_disk::{Disk, DiskFile};

use crate::Error;

/// A file that is not what was written.
pub(super) fn corrupt(file: &Path, why: impl ToString) -> Error {
    Error::Corrupt { file: file.display().to_string(), why: why.to_string() }
}

/// A read that failed. A file that should be there and is not, or is too short, is damaged.
pub(super) fn read_failed(file: &Path, error: &io::Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => corrupt(file, "is missing"),
        ErrorKind::UnexpectedEof | ErrorKind::InvalidData => corrupt(file, error),
        _ => failed(file, error),
    }
}

/// A write, open or rename that failed: out of room can be tried again, all else means stop.
pub(super) fn write_failed(file: &Path, error: &io::Error) -> Error {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Error::NoRoom { why: format!("{}: {error}", file.display()) }
        }
        _ => failed(file, error),
    }
}

/// A sync. When it fails nobody knows what is on disk, whatever the reason was.
pub(super) fn synced(file: &Path, result: io::Result<()>) -> Result<(), Error> {
    result.map_err(|error| failed(file, &error))
}

/// What the Parquet reader met: what it cannot make sense of is damage.
pub(super) fn parquet_read_failed(file: &Path, error: &ParquetError) -> Error {
    match io_cause(error) {
        Some(cause) => read_failed(file, cause),
        None => corrupt(file, error),
    }
}

fn failed(file: &Path, error: &io::Error) -> Error {
    Error::Failed { file: file.display().to_string(), why: error.to_string() }
}

fn io_cause(error: &ParquetError) -> Option<&io::Error> {
    match error {
        ParquetError::External(cause) => cause.downcast_ref(),
        _ => None,
    }
}

/// Puts `bytes` under `path`, whole or not at all, through a file beside it. Out of room leaves the old
/// content and may be tried again.
pub(super) fn replace(disk: &dyn Disk, folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let (path, beside) = (folder.join(name), folder.join(format!("{name}.new")));
    let wrong = |error: io::Error| write_failed(&path, &error);
    let file = disk.open(&beside, true).map_err(wrong)?;
    file.set_len(0).map_err(wrong)?;
    file.write_at(bytes, 0).map_err(wrong)?;
    synced(&path, file.sync_data())?;
    disk.rename(&beside, &path).map_err(wrong)?;
    synced(&path, disk.sync_dir(folder))
}

/// The first failed write of a file. The Parquet library gives some failures on as text only.
#[derive(Clone, Default)]
pub(super) struct Trouble(Arc<OnceLock<Error>>);

impl Trouble {
    fn note(&self, file: &Path, error: &io::Error) {
        self.0.get_or_init(|| write_failed(file, error));
    }

    /// What the Parquet writer met.
    pub(super) fn explain(&self, file: &Path, error: &ParquetError) -> Error {
        let other = || Error::Failed { file: file.display().to_string(), why: error.to_string() };
        self.0.get().cloned().unwrap_or_else(other)
    }
}

/// Writes a file from its beginning on and sums it up.
pub(super) struct SumWriter {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    trouble: Trouble,
    pub(super) bytes: u64,
    pub(super) crc32c: u32,
}

impl SumWriter {
    /// A new file under `path`; what an earlier try left there is gone.
    pub(super) fn create(disk: &dyn Disk, path: &Path) -> Result<Self, Error> {
        let wrong = |error: io::Error| write_failed(path, &error);
        let file = disk.open(path, true).map_err(wrong)?;
        file.set_len(0).map_err(wrong)?;
        Ok(Self { file, path: path.to_owned(), trouble: Trouble::default(), bytes: 0, crc32c: 0 })
    }

    /// Where the first failed write will stand.
    pub(super) fn trouble(&self) -> Trouble {
        self.trouble.clone()
    }

    /// Makes the bytes durable.
    pub(super) fn sync(&self) -> Result<(), Error> {
        synced(&self.path, self.file.sync_data())
    }
}

impl Write for SumWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(bytes, self.bytes).inspect_err(|error| self.trouble.note(&self.path, error))?;
        self.bytes += bytes.len() as u64;
        self.crc32c = crc32c::crc32c_append(self.crc32c, bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
