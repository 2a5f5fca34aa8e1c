//! The Parquet files: readings and records, as any other program reads them too.
//!
//! # Readings
//! Sorted by source, metric, time, vintage; a key once in a file.
//!
//! | column | type | what |
//! |---|---|---|
//! | `source`, `metric` | string | the series |
//! | `time` | timestamp, ns, UTC | event time |
//! | `value` | double | in the unit that the catalogue has for the metric |
//! | `quality` | int 8 | the number of [`yiwang_model::Quality`] |
//! | `period_end` | timestamp, ns, UTC, or null | end of the period, for figures of a period |
//! | `vintage` | timestamp, ns, UTC, or null | when the figure was published |
//!
//! # Records
//! Sorted by time, key: `time` (timestamp, ns, UTC), `key` (string), `body` (string, a JSON object).
//!
//! # Names and the last value
//! `<span>-<sequence>-<number>.parquet`, of records `<measurement>-<span>-<sequence>-<number>.parquet`. Until
//! they are merged, several files may have the same key. Of these the one with the highest sequence is the
//! newest; where two have the same, one is merged from the other. While it is written a file has `.part`
//! behind its name.
//!
//! For people with other programs this stands in the crate's `README.md`, with views for DuckDB.

mod names_column;
mod open;
mod readings_read;
mod readings_write;
mod records;

pub(super) use open::Opened;
pub(super) use readings_read::{Pieces, read_series};
pub(super) use readings_write::{ReadingsWriter, Tuning, Written};
pub(super) use records::{RecordGroups, RecordRow, RecordsWriter};

use std::sync::{Arc, LazyLock};

use parquet::schema::parser::parse_message_type;
use parquet::schema::types::TypePtr;

/// The columns of a file of readings, by place.
mod column {
    pub(super) const SOURCE: usize = 0;
    pub(super) const METRIC: usize = 1;
    pub(super) const TIME: usize = 2;
    pub(super) const VALUE: usize = 3;
    pub(super) const QUALITY: usize = 4;
    pub(super) const PERIOD_END: usize = 5;
    pub(super) const VINTAGE: usize = 6;
}

static READINGS: LazyLock<TypePtr> = LazyLock::new(|| {
    schema(
        "message reading {
            required binary source (STRING);
            required binary metric (STRING);
            required int64 time (TIMESTAMP(NANOS,true));
            required double value;
            required int32 quality (INTEGER(8,true));
            optional int64 period_end (TIMESTAMP(NANOS,true));
            optional int64 vintage (TIMESTAMP(NANOS,true));
        }",
    )
});

static RECORDS: LazyLock<TypePtr> = LazyLock::new(|| {
    schema(
        "message record {
            required int64 time (TIMESTAMP(NANOS,true));
            required binary key (STRING);
            required binary body (STRING);
        }",
    )
});

fn schema(text: &str) -> TypePtr {
    Arc::new(parse_message_type(text).expect("a schema that was tested"))
}
