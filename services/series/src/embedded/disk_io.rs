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

/// Writes a file from its beginning on and sums it up. Until it is finished it has `.part` behind its name, so
/// that who reads the folder meets whole files only. One that is dropped before leaves nothing, for its room
/// may be what is wanted.
pub(super) struct SumWriter {
    disk: Arc<dyn Disk>,
    file: Box<dyn DiskFile>,
    path: PathBuf,
    finished: bool,
    trouble: Trouble,
    pub(super) bytes: u64,
    pub(super) crc32c: u32,
}

impl SumWriter {
    /// A new file under `path`; what an earlier try left there is gone.
    pub(super) fn create(disk: &Arc<dyn Disk>, path: &Path) -> Result<Self, Error> {
        let wrong = |error: io::Error| write_failed(path, &error);
        let file = disk.open(&part(path), true).map_err(wrong)?;
        file.set_len(0).map_err(wrong)?;
        let (disk, path) = (Arc::clone(disk), path.to_owned());
        Ok(Self { disk, file, path, finished: false, trouble: Trouble::default(), bytes: 0, crc32c: 0 })
    }

    /// Where the first failed write will stand.
    pub(super) fn trouble(&self) -> Trouble {
        self.trouble.clone()
    }

    /// Makes the bytes durable and gives the file its name, which is not durable yet.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        synced(&self.path, self.file.sync_data())?;
        let renamed = self.disk.rename(&part(&self.path), &self.path);
        renamed.map_err(|error| write_failed(&self.path, &error))?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for SumWriter {
    fn drop(&mut self) {
        if !self.finished {
            let _ = self.disk.remove(&part(&self.path)); // if it stays, the next start removes it
        }
    }
}

fn part(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
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

#[cfg(test)]
mod tests {
    use yiwang_disk::SimDisk;

    use super::*;

    #[test]
    fn a_file_has_its_name_once_it_is_whole_and_leaves_nothing_when_it_is_given_up() {
        let sim = SimDisk::new(1);
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        disk.create_dir(Path::new("f")).expect("a folder");
        let path = Path::new("f/a.parquet");
        let mut writer = SumWriter::create(&disk, path).expect("a file");
        writer.write_all(b"half").expect("room");
        assert_eq!(sim.paths(), [Path::new("f/a.parquet.part")]);
        drop(writer);
        assert!(sim.paths().is_empty());
        let mut writer = SumWriter::create(&disk, path).expect("a file");
        writer.write_all(b"whole").expect("room");
        writer.finish().expect("finished");
        drop(writer);
        assert_eq!(sim.paths(), [path]);
    }
}
