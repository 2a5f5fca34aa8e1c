//! The columns `source` and `metric`, a run of equal names at a time.
//!
//! Rows of a series stand together, so a column of names is a few runs. The general writer would hash the
//! name of each row; here the pages are made run by run: a dictionary page of the distinct names (PLAIN),
//! then one data page of dictionary indices as RLE runs. Reading takes the same way and gives the runs back.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, PageType};
use parquet::column::page::{CompressedPage, Page, PageReader, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, PageEncodingStats};
use parquet::file::page_index::offset_index::{OffsetIndexMetaData, PageLocation};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

/// A name, and how many rows in a row have it.
pub(super) type NameRun = (Arc<str>, u32);

/// A column chunk of these runs, and what the row group must know of it.
pub(super) fn encode(column: ColumnDescPtr, runs: &[NameRun]) -> Result<(Bytes, ColumnCloseResult)> {
    let mut places: HashMap<&str, u32> = HashMap::new();
    let (mut dictionary, mut indices) = (Vec::new(), Vec::with_capacity(runs.len()));
    for (name, _) in runs {
        let next = u32::try_from(places.len()).expect("a row group has fewer names than u32");
        let place = *places.entry(name).or_insert_with(|| {
            dictionary.extend(u32::try_from(name.len()).expect("a name is short").to_le_bytes());
            dictionary.extend(name.as_bytes());
            next
        });
        indices.push(place);
    }
    let rows: u32 = runs.iter().map(|(_, rows)| rows).sum();
    let names = u32::try_from(places.len()).expect("a row group has fewer names than u32");
    let min_max = (places.keys().min(), places.keys().max());
    let statistics = Statistics::byte_array(
        min_max.0.map(|name| ByteArray::from(*name)),
        min_max.1.map(|name| ByteArray::from(*name)),
        None,
        Some(0),
        false,
    );
    let dictionary = Page::DictionaryPage {
        buf: dictionary.into(),
        num_values: names,
        encoding: Encoding::PLAIN,
        is_sorted: false,
    };
    let indices = Page::DataPage {
        buf: index_page(&indices, runs, names).into(),
        num_values: rows,
        encoding: Encoding::RLE_DICTIONARY,
        def_level_encoding: Encoding::RLE,
        rep_level_encoding: Encoding::RLE,
        statistics: None,
    };
    chunk(column, [dictionary, indices], rows, statistics)
}

fn chunk(
    column: ColumnDescPtr,
    pages: [Page; 2],
    rows: u32,
    statistics: Statistics,
) -> Result<(Bytes, ColumnCloseResult)> {
    let mut sink = TrackedWrite::new(Vec::new());
    let mut writer = SerializedPageWriter::new(&mut sink);
    let (mut bytes, mut last) = (0, None);
    for page in pages {
        let length = page.buffer().len();
        let written = writer.write_page(CompressedPage::new(page, length))?;
        bytes += signed(written.bytes_written)?;
        let compressed_page_size = i32::try_from(written.bytes_written).map_err(general)?;
        last =
            Some(PageLocation { offset: signed(written.offset)?, compressed_page_size, first_row_index: 0 });
    }
    let page = last.expect("there are two pages");
    writer.close()?;
    let stats = |page_type, encoding| PageEncodingStats { page_type, encoding, count: 1 };
    let metadata = ColumnChunkMetaData::builder(column)
        .set_compression(Compression::UNCOMPRESSED)
        .set_encodings(vec![Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY])
        .set_num_values(i64::from(rows))
        .set_total_compressed_size(bytes)
        .set_total_uncompressed_size(bytes)
        .set_dictionary_page_offset(Some(0))
        .set_data_page_offset(page.offset)
        .set_page_encoding_stats(vec![
            stats(PageType::DICTIONARY_PAGE, Encoding::PLAIN),
            stats(PageType::DATA_PAGE, Encoding::RLE_DICTIONARY),
        ])
        .set_statistics(statistics)
        .build()?;
    let close = ColumnCloseResult {
        bytes_written: bytes.unsigned_abs(),
        rows_written: u64::from(rows),
        metadata,
        bloom_filter: None,
        column_index: None,
        offset_index: Some(OffsetIndexMetaData {
            page_locations: vec![page],
            unencoded_byte_array_data_bytes: None,
        }),
    };
    Ok((sink.into_inner()?.into(), close))
}

fn signed(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(general)
}

fn general(error: impl ToString) -> ParquetError {
    ParquetError::General(error.to_string())
}

/// The width of an index in bits, then RLE runs: twice the length as a varint, the index in whole bytes.
fn index_page(indices: &[u32], runs: &[NameRun], names: u32) -> Vec<u8> {
    let bits = (u32::BITS - names.saturating_sub(1).leading_zeros()).max(1);
    let index_bytes = bits.div_ceil(8) as usize;
    let mut page = vec![u8::try_from(bits).expect("at most 32 bits")];
    for (index, (_, rows)) in indices.iter().zip(runs) {
        let mut head = u64::from(*rows) << 1;
        while head >= 0x80 {
            page.push(u8::try_from(head & 0x7f).expect("seven bits") | 0x80);
            head >>= 7;
        }
        page.push(u8::try_from(head).expect("below 0x80"));
        page.extend(&index.to_le_bytes()[..index_bytes]);
    }
    page
}

/// The runs of a column chunk that [`encode`] made.
pub(super) fn decode(mut pages: impl PageReader) -> Result<Vec<NameRun>> {
    let dictionary = match pages.get_next_page()? {
        Some(Page::DictionaryPage { buf, num_values, .. }) => read_dictionary(&buf, num_values)?,
        _ => return Err(unexpected("no dictionary of names")),
    };
    match pages.get_next_page()? {
        Some(Page::DataPage { buf, num_values, encoding: Encoding::RLE_DICTIONARY, .. }) => {
            read_runs(&buf, num_values, &dictionary)
        }
        _ => Err(unexpected("no page of names")),
    }
}

fn read_dictionary(mut bytes: &[u8], names: u32) -> Result<Vec<Arc<str>>> {
    let mut dictionary = Vec::new();
    for _ in 0..names {
        let (length, rest) = bytes.split_first_chunk().ok_or_else(|| unexpected("a cut dictionary"))?;
        let length = u32::from_le_bytes(*length) as usize;
        let (name, rest) = rest.split_at_checked(length).ok_or_else(|| unexpected("a cut dictionary"))?;
        dictionary.push(std::str::from_utf8(name).map_err(|_| unexpected("a name that is no text"))?.into());
        bytes = rest;
    }
    Ok(dictionary)
}

fn read_runs(bytes: &[u8], rows: u32, dictionary: &[Arc<str>]) -> Result<Vec<NameRun>> {
    let cut = || unexpected("a cut run of names");
    let (bits, mut rest) = bytes.split_first().ok_or_else(cut)?;
    let index_bytes = usize::from(bits.div_ceil(8)).min(4);
    let (mut runs, mut found) = (Vec::<NameRun>::new(), 0_u32);
    while found < rows {
        let (head, after) = varint(rest).ok_or_else(cut)?;
        let (index, after) = after.split_at_checked(index_bytes).ok_or_else(cut)?;
        let index = index.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte));
        let name = dictionary.get(index).ok_or_else(|| unexpected("a name outside its dictionary"))?;
        let length =
            u32::try_from(head >> 1).ok().filter(|length| head & 1 == 0 && *length > 0).ok_or_else(cut)?;
        found = found.checked_add(length).filter(|found| *found <= rows).ok_or_else(cut)?;
        runs.push((Arc::clone(name), length));
        rest = after;
    }
    Ok(runs)
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let length = bytes.iter().take(9).position(|byte| byte & 0x80 == 0)? + 1;
    let (number, rest) = bytes.split_at(length);
    Some((number.iter().rev().fold(0, |number, byte| number << 7 | u64::from(byte & 0x7f)), rest))
}

fn unexpected(what: &str) -> ParquetError {
    ParquetError::General(format!("has {what}"))
}
