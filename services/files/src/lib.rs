//! Files of readings: CSV, JSON lines, line protocol, plain or gzipped; in whatever columns, by a [`Mapping`].
//!
//! A file of any size streams through bounded memory: a line of more than [`lines::MAX_LINE_BYTES`] is passed over. A row that
//! cannot be read is a [`gather::Fault`] with its line, and the next row is read; only what says that the whole file is not what
//! the mapping takes it for ends the reading. After each row there is a [`Mark`], from which a later reading may go on.

mod cells;
pub mod find;
pub mod gather;
mod influx;
mod json;
pub mod lines;
pub mod mapping;
mod reader;
mod row;
pub mod series;
mod time;

pub use gather::Gather;
pub use lines::Mark;
pub use mapping::Mapping;
pub use reader::Reader;

/// Why files cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system's, or gzip's.
    #[error("{file} cannot be read")]
    Read {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The mapping is wrong.
    #[error("mapping {file}: {why}")]
    Mapping {
        /// The mapping's file.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// The header is not what the mapping takes it for.
    #[error("{file}: header: {why}")]
    Header {
        /// The file.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// The name does not say what is in it.
    #[error(
        "{file}: a name that ends in .csv, .tsv, .jsonl, .ndjson or .lp is wanted, and .gz behind it if it is gzipped"
    )]
    Format {
        /// The file.
        file: String,
    },
    /// A folder has no file that could be read.
    #[error(
        "{folder} has no file whose name ends in .csv, .tsv, .jsonl, .ndjson or .lp, with or without .gz"
    )]
    Nothing {
        /// The folder.
        folder: String,
    },
    /// A folder has too many files.
    #[error("{folder} has more than {} files", find::MAX_FILES)]
    TooMany {
        /// The folder.
        folder: String,
    },
}
