//! Writes and reads files of records.

use std::path::PathBuf;
use std::sync::Arc;

use parquet::column::reader::{get_column_reader, get_typed_column_reader};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use yiwang_disk::Disk;

use super::readings_write::Written;
use super::{Opened, RECORDS, Tuning};
use crate::Error;
use crate::embedded::disk_io::{SumWriter, Trouble, parquet_read_failed};

/// A row group has about so many bytes at most.
const GROUP_BYTES: usize = 4 << 20;

/// A record of a known measurement; its time is in nanoseconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::embedded) struct RecordRow {
    pub(in crate::embedded) time: i64,
    pub(in crate::embedded) key: String,
    pub(in crate::embedded) body: String,
}

/// Takes records by time and key upwards and writes them to a new file.
pub(in crate::embedded) struct RecordsWriter {
    path: PathBuf,
    trouble: Trouble,
    parquet: SerializedFileWriter<SumWriter>,
    time: Vec<i64>,
    key: Vec<ByteArray>,
    body: Vec<ByteArray>,
    group_rows: usize,
    group_bytes: usize,
    written: Written,
}

impl RecordsWriter {
    pub(in crate::embedded) fn create(
        disk: &Arc<dyn Disk>,
        path: PathBuf,
        tuning: Tuning,
    ) -> Result<Self, Error> {
        let file = SumWriter::create(disk, &path)?;
        let trouble = file.trouble();
        let parquet = SerializedFileWriter::new(file, Arc::clone(&RECORDS), tuning.properties(&[0, 1]))
            .map_err(|error| trouble.explain(&path, &error))?;
        let (time, key, body) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self {
            path,
            trouble,
            parquet,
            time,
            key,
            body,
            group_rows: tuning.group_rows,
            group_bytes: 0,
            written: Written::nothing(),
        })
    }

    /// Appends a record, which comes behind all that were appended before.
    pub(in crate::embedded) fn append(&mut self, time: i64, key: &str, body: &str) -> Result<(), Error> {
        self.written.rows += 1;
        self.written.min_time_ns = self.written.min_time_ns.min(time);
        self.written.max_time_ns = self.written.max_time_ns.max(time);
        self.time.push(time);
        self.key.push(key.into());
        self.body.push(body.into());
        self.group_bytes += key.len() + body.len();
        if self.time.len() >= self.group_rows || self.group_bytes >= GROUP_BYTES {
            self.write_group()?;
        }
        Ok(())
    }

    /// Writes the footer and makes the file's bytes durable; its name is there and not durable yet.
    pub(in crate::embedded) fn finish(mut self) -> Result<Written, Error> {
        self.write_group()?;
        let path = self.path;
        let mut file = self.parquet.into_inner().map_err(|error| self.trouble.explain(&path, &error))?;
        file.finish()?;
        Ok(Written { bytes: file.bytes, crc32c: file.crc32c, ..self.written })
    }

    fn write_group(&mut self) -> Result<(), Error> {
        if self.time.is_empty() {
            return Ok(());
        }
        self.write_columns().map_err(|error| self.trouble.explain(&self.path, &error))?;
        self.time.clear();
        self.key.clear();
        self.body.clear();
        self.group_bytes = 0;
        Ok(())
    }

    fn write_columns(&mut self) -> ParquetResult<()> {
        let mut to = self.parquet.next_row_group()?;
        write_column::<Int64Type>(&mut to, &self.time)?;
        write_column::<ByteArrayType>(&mut to, &self.key)?;
        write_column::<ByteArrayType>(&mut to, &self.body)?;
        to.close()?;
        Ok(())
    }
}

fn write_column<T: DataType>(
    to: &mut SerializedRowGroupWriter<'_, SumWriter>,
    values: &[T::T],
) -> ParquetResult<()> {
    let mut column = to.next_column()?.expect("the schema has this column");
    column.typed::<T>().write_batch(values, None, None)?;
    column.close()
}

/// The row groups of a file of records. Times rise over them.
pub(in crate::embedded) struct RecordGroups(pub(in crate::embedded) Arc<Opened>);

impl RecordGroups {
    /// The earliest and the latest time of a row group.
    pub(in crate::embedded) fn times(&self, group: usize) -> (i64, i64) {
        match self.0.metadata.row_group(group).column(0).statistics() {
            Some(Statistics::Int64(times)) => {
                (times.min_opt().copied().unwrap_or(i64::MIN), times.max_opt().copied().unwrap_or(i64::MAX))
            }
            _ => (i64::MIN, i64::MAX),
        }
    }

    /// The records of a row group.
    pub(in crate::embedded) fn read(&self, group: usize) -> Result<Vec<RecordRow>, Error> {
        let rows = || -> ParquetResult<Vec<RecordRow>> {
            let time = self.values::<Int64Type>(group, 0)?;
            let key = self.values::<ByteArrayType>(group, 1)?;
            let body = self.values::<ByteArrayType>(group, 2)?;
            let row = |((time, key), body): ((i64, ByteArray), ByteArray)| {
                Ok(RecordRow { time, key: text(&key)?, body: text(&body)? })
            };
            time.into_iter().zip(key).zip(body).map(row).collect()
        };
        rows().map_err(|error| parquet_read_failed(&self.0.path, &error))
    }

    fn values<T: DataType>(&self, group: usize, column: usize) -> ParquetResult<Vec<T::T>> {
        let described = self.0.metadata.row_group(group).column(column).column_descr_ptr();
        let pages = Box::new(self.0.pages(group, column)?);
        let mut values = Vec::new();
        get_typed_column_reader::<T>(get_column_reader(described, pages)).read_records(
            self.0.rows(group),
            None,
            None,
            &mut values,
        )?;
        if values.len() == self.0.rows(group) {
            return Ok(values);
        }
        Err(ParquetError::General(format!("has {} of {} rows in a column", values.len(), self.0.rows(group))))
    }
}

fn text(bytes: &ByteArray) -> ParquetResult<String> {
    Ok(bytes.as_utf8()?.to_owned())
}
