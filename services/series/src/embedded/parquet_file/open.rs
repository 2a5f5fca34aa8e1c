//! An open Parquet file behind the door to the disk.

use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;
use yiwang_disk::{Disk, DiskFile};

use super::super::disk_io::{corrupt, parquet_read_failed, read_failed};
use super::super::manifest::FileEntry;
use crate::Error;

const SUM_BYTES: usize = 1 << 20;
const HEADER_BYTES: usize = 1 << 9;

/// A file whose whole content was found to be what was written, and what its footer says.
pub(in crate::embedded) struct Opened {
    pub(super) path: PathBuf,
    pub(super) reader: Arc<DiskReader>,
    pub(super) metadata: ParquetMetaData,
}

impl Opened {
    /// Opens a file, holds its length and checksum against its entry and reads its footer.
    pub(in crate::embedded) fn open(
        disk: &dyn Disk,
        folder: &Path,
        entry: &FileEntry,
    ) -> Result<Self, Error> {
        let path = folder.join(&entry.path);
        let file = disk.open(&path, false).map_err(|error| read_failed(&path, &error))?;
        let length = file.len().map_err(|error| read_failed(&path, &error))?;
        if length != entry.bytes {
            return Err(corrupt(&path, format!("has {length} bytes, not {}", entry.bytes)));
        }
        if sum(&*file, length).map_err(|error| read_failed(&path, &error))? != entry.crc32c {
            return Err(corrupt(&path, "has another content than its checksum in the manifest says"));
        }
        let reader = DiskReader { file: file.into(), length };
        let metadata = ParquetMetaDataReader::new()
            .with_page_index_policy(PageIndexPolicy::Skip)
            .with_offset_index_policy(PageIndexPolicy::Optional)
            .parse_and_finish(&reader)
            .map_err(|error| parquet_read_failed(&path, &error))?;
        let rows = metadata.file_metadata().num_rows();
        if u64::try_from(rows) != Ok(entry.rows) {
            return Err(corrupt(&path, format!("has {rows} rows, not {}", entry.rows)));
        }
        Ok(Self { path, reader: Arc::new(reader), metadata })
    }

    /// How many row groups it has.
    pub(in crate::embedded) fn groups(&self) -> usize {
        self.metadata.num_row_groups()
    }

    /// The rows of a row group.
    pub(super) fn rows(&self, group: usize) -> usize {
        usize::try_from(self.metadata.row_group(group).num_rows()).unwrap_or(0)
    }

    /// The pages of a column of a row group.
    pub(super) fn pages(
        &self,
        group: usize,
        column: usize,
    ) -> ParquetResult<SerializedPageReader<DiskReader>> {
        let chunk = self.metadata.row_group(group).column(column);
        let pages = self.metadata.offset_index().and_then(|index| index.get(group)?.get(column));
        let pages = pages.map(|index| index.page_locations.clone()).filter(|pages| !pages.is_empty());
        SerializedPageReader::new(Arc::clone(&self.reader), chunk, self.rows(group), pages)
    }
}

fn sum(file: &dyn DiskFile, length: u64) -> io::Result<u32> {
    let mut buffer = vec![0; usize::try_from(length).unwrap_or(SUM_BYTES).min(SUM_BYTES)];
    let (mut sum, mut at) = (0, 0);
    while at < length {
        let read = file.read_at(&mut buffer, at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        sum = crc32c::crc32c_append(sum, &buffer[..read]);
        at += read as u64;
    }
    Ok(sum)
}

/// The Parquet library's way to read, on a file of ours.
pub(in crate::embedded) struct DiskReader {
    file: Arc<dyn DiskFile>,
    length: u64,
}

impl Length for DiskReader {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for DiskReader {
    type T = BufReader<From>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(BufReader::with_capacity(HEADER_BYTES, From { file: Arc::clone(&self.file), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        if start.saturating_add(length as u64) > self.length {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let mut bytes = vec![0; length];
        let read = self.file.read_at(&mut bytes, start)?;
        if read < length {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(bytes.into())
    }
}

/// Reads on from a place.
pub(in crate::embedded) struct From {
    file: Arc<dyn DiskFile>,
    at: u64,
}

impl Read for From {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(into, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
