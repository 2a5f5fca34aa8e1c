//! Writes a file of readings, a row group at a time.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::data_type::{DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::ColumnPath;
use yiwang_disk::Disk;
use yiwang_model::{Series, Timestamp};

use super::names_column::{self, NameRun};
use super::{READINGS, column};
use crate::Error;
use crate::embedded::columns::Run;
use crate::embedded::disk_io::{SumWriter, Trouble};

/// What rows of readings rise by.
const SORTED_BY: [usize; 4] = [column::SOURCE, column::METRIC, column::TIME, column::VINTAGE];

/// How a file is written.
#[derive(Clone, Copy, Debug)]
pub(in crate::embedded) struct Tuning {
    /// Level of zstd.
    pub(in crate::embedded) zstd_level: i32,
    /// Rows in a row group.
    pub(in crate::embedded) group_rows: usize,
    /// Rows in a page, the least that a query decodes.
    pub(in crate::embedded) page_rows: usize,
}

impl Tuning {
    /// For files that a flush writes: fast.
    pub(in crate::embedded) const fn fresh(group_rows: usize) -> Self {
        Self { zstd_level: 1, group_rows, page_rows: group_rows.div_ceil(8) }
    }

    /// For files that a merge writes: small.
    pub(in crate::embedded) const fn merged(group_rows: usize) -> Self {
        Self { zstd_level: 3, group_rows, page_rows: group_rows.div_ceil(8) }
    }

    /// How the library is to write; `sorted_by` are the places of the columns that rows rise by.
    pub(super) fn properties(self, sorted_by: &[usize]) -> WriterPropertiesPtr {
        let level = ZstdLevel::try_new(self.zstd_level).unwrap_or_default();
        let plain = |name: &str| ColumnPath::from(name);
        let sorted_by = sorted_by.iter().map(|place| rising(*place)).collect();
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_created_by(concat!("yiwang version ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_sorting_columns(Some(sorted_by))
            .set_data_page_row_count_limit(self.page_rows)
            .set_write_batch_size(self.page_rows)
            .set_dictionary_page_size_limit(1 << 19)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_column_encoding(plain("value"), Encoding::BYTE_STREAM_SPLIT);
        for name in ["time", "quality", "period_end", "vintage"] {
            properties = properties
                .set_column_encoding(plain(name), Encoding::DELTA_BINARY_PACKED)
                .set_column_dictionary_enabled(plain(name), false);
        }
        Arc::new(properties.build())
    }
}

/// Rows rise by this column; where there is no value comes first.
fn rising(place: usize) -> SortingColumn {
    let column_idx = i32::try_from(place).expect("there are few columns");
    SortingColumn { column_idx, descending: false, nulls_first: true }
}

/// What the manifest must know of a file that was written.
pub(in crate::embedded) struct Written {
    pub(in crate::embedded) rows: u64,
    pub(in crate::embedded) bytes: u64,
    pub(in crate::embedded) crc32c: u32,
    pub(in crate::embedded) min_time_ns: i64,
    pub(in crate::embedded) max_time_ns: i64,
    pub(in crate::embedded) sensors: bool,
    pub(in crate::embedded) figures: bool,
    pub(in crate::embedded) first: (Arc<str>, Arc<str>),
    pub(in crate::embedded) last: (Arc<str>, Arc<str>),
}

impl Written {
    /// Of a file without rows.
    pub(super) fn nothing() -> Self {
        let [first, last] = Default::default();
        Self {
            rows: 0,
            bytes: 0,
            crc32c: 0,
            min_time_ns: i64::MAX,
            max_time_ns: i64::MIN,
            sensors: false,
            figures: false,
            first,
            last,
        }
    }
}

/// Takes rows by series and key upwards and writes them to a new file.
pub(in crate::embedded) struct ReadingsWriter {
    path: PathBuf,
    trouble: Trouble,
    parquet: SerializedFileWriter<SumWriter>,
    group_rows: usize,
    group: Group,
    written: Written,
}

/// The rows of a row group, column by column.
#[derive(Default)]
struct Group {
    sources: Vec<NameRun>,
    metrics: Vec<NameRun>,
    time: Vec<i64>,
    value: Vec<f64>,
    quality: Vec<i32>,
    period_end: Nullable,
    vintage: Nullable,
}

/// A column of times, of which most are null.
#[derive(Default)]
struct Nullable {
    times: Vec<i64>,
    levels: Vec<i16>,
}

impl ReadingsWriter {
    pub(in crate::embedded) fn create(
        disk: &Arc<dyn Disk>,
        path: PathBuf,
        tuning: Tuning,
    ) -> Result<Self, Error> {
        let file = SumWriter::create(disk, &path)?;
        let trouble = file.trouble();
        let parquet = SerializedFileWriter::new(file, Arc::clone(&READINGS), tuning.properties(&SORTED_BY))
            .map_err(|error| trouble.explain(&path, &error))?;
        Ok(Self {
            path,
            trouble,
            parquet,
            group_rows: tuning.group_rows.max(1),
            group: Group::default(),
            written: Written::nothing(),
        })
    }

    /// Appends some rows of a run. They come behind all that was appended before.
    pub(in crate::embedded) fn append(
        &mut self,
        series: &Series,
        run: &Run,
        rows: Range<usize>,
    ) -> Result<(), Error> {
        if rows.is_empty() {
            return Ok(());
        }
        self.note(series, run, &rows);
        let mut rest = rows;
        while !rest.is_empty() {
            let room = self.group_rows.saturating_sub(self.group.time.len()).max(1);
            let part = rest.start..rest.end.min(rest.start + room);
            rest.start = part.end;
            self.group.extend(series, run, part);
            if self.group.time.len() >= self.group_rows {
                self.write_group()?;
            }
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

    fn note(&mut self, series: &Series, run: &Run, rows: &Range<usize>) {
        let written = &mut self.written;
        let names = || (Arc::clone(series.source()), Arc::clone(series.metric()));
        if written.rows == 0 {
            written.first = names();
        }
        written.last = names();
        written.rows += rows.len() as u64;
        let figures = run.figures.get(rows.clone()).unwrap_or_default();
        written.figures |= figures.iter().any(|figure| figure.vintage.0.is_some());
        written.sensors |= figures.is_empty() || figures.iter().any(|figure| figure.vintage.0.is_none());
        written.min_time_ns = written.min_time_ns.min(run.time[rows.start]);
        written.max_time_ns = written.max_time_ns.max(run.time[rows.end - 1]);
    }

    fn write_group(&mut self) -> Result<(), Error> {
        if self.group.time.is_empty() {
            return Ok(());
        }
        write_group(&mut self.parquet, &self.group)
            .map_err(|error| self.trouble.explain(&self.path, &error))?;
        self.group.clear();
        Ok(())
    }
}

fn write_group(parquet: &mut SerializedFileWriter<SumWriter>, group: &Group) -> ParquetResult<()> {
    let columns = parquet.schema_descr().columns().to_vec();
    let mut to = parquet.next_row_group()?;
    for (place, names) in [(column::SOURCE, &group.sources), (column::METRIC, &group.metrics)] {
        let (bytes, close) = names_column::encode(Arc::clone(&columns[place]), names)?;
        to.append_column(&bytes, close)?;
    }
    write_column::<Int64Type>(&mut to, &group.time, None)?;
    write_column::<DoubleType>(&mut to, &group.value, None)?;
    write_column::<Int32Type>(&mut to, &group.quality, None)?;
    for column in [&group.period_end, &group.vintage] {
        write_column::<Int64Type>(&mut to, &column.times, Some(&column.levels))?;
    }
    to.close()?;
    Ok(())
}

fn write_column<T: DataType>(
    to: &mut SerializedRowGroupWriter<'_, SumWriter>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> ParquetResult<()> {
    let mut column = to.next_column()?.expect("the schema has this column");
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}

impl Group {
    fn extend(&mut self, series: &Series, run: &Run, rows: Range<usize>) {
        let count = u32::try_from(rows.len()).expect("a row group has fewer rows than u32");
        extend_names(&mut self.sources, series.source(), count);
        extend_names(&mut self.metrics, series.metric(), count);
        self.time.extend_from_slice(&run.time[rows.clone()]);
        self.value.extend_from_slice(&run.value[rows.clone()]);
        self.quality.extend(run.quality[rows.clone()].iter().map(|quality| *quality as i32));
        if run.figures.is_empty() {
            self.period_end.extend_null(rows.len());
            self.vintage.extend_null(rows.len());
        } else {
            for figure in &run.figures[rows] {
                self.period_end.push(figure.period_end);
                self.vintage.push(figure.vintage.0);
            }
        }
    }

    fn clear(&mut self) {
        self.sources.clear();
        self.metrics.clear();
        self.time.clear();
        self.value.clear();
        self.quality.clear();
        for column in [&mut self.period_end, &mut self.vintage] {
            column.times.clear();
            column.levels.clear();
        }
    }
}

fn extend_names(runs: &mut Vec<NameRun>, name: &Arc<str>, rows: u32) {
    match runs.last_mut() {
        Some((last, count)) if last == name => *count += rows,
        _ => runs.push((Arc::clone(name), rows)),
    }
}

impl Nullable {
    fn push(&mut self, time: Option<Timestamp>) {
        self.levels.push(i16::from(time.is_some()));
        self.times.extend(time.map(Timestamp::nanos));
    }

    fn extend_null(&mut self, rows: usize) {
        self.levels.resize(self.levels.len() + rows, 0);
    }
}
