//! Which files there are, and what is in them by their names.
//!
//! | a name ends in | format |
//! |---|---|
//! | `.csv` | CSV with a header |
//! | `.tsv` | the same with tabs |
//! | `.jsonl`, `.ndjson` | JSON lines |
//! | `.lp` | line protocol of InfluxDB |
//!
//! A name that ends further in `.gz` is gzipped.

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::Error;

/// The most files of a folder.
pub const MAX_FILES: usize = 100_000;
/// How deep folders may lie in one another.
const MAX_DEPTH: usize = 64;

/// What is in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// With this between cells, unless the mapping says otherwise.
    Csv(u8),
    Json,
    Influx,
}

/// What is in a file, and whether it is gzipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) kind: Kind,
    pub(crate) is_packed: bool,
}

pub(crate) fn format_of(path: &Path) -> Option<Format> {
    let name = path.file_name()?.to_str()?;
    let bare = name.strip_suffix(".gz");
    let kind = match bare.unwrap_or(name).rsplit_once('.')?.1 {
        "csv" => Kind::Csv(b','),
        "tsv" => Kind::Csv(b'\t'),
        "jsonl" | "ndjson" => Kind::Json,
        "lp" => Kind::Influx,
        _ => return None,
    };
    Some(Format { kind, is_packed: bare.is_some() })
}

/// The files that are meant by paths: files as they are; of folders, and the folders in them, all whose names end as above,
/// sorted. Links to folders are followed, but not in a circle.
///
/// # Errors
/// A path that is not there; a file of another kind; a folder without such files; too many.
pub fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for path in paths {
        let meta = std::fs::metadata(path);
        let meta = meta.map_err(|source| Error::Read { file: path.display().to_string(), source })?;
        if meta.is_dir() {
            folder(path, &mut found)?;
        } else if format_of(path).is_some() {
            found.push(path.clone());
        } else {
            return Err(Error::Format { file: path.display().to_string() });
        }
    }
    Ok(found)
}

fn folder(path: &Path, found: &mut Vec<PathBuf>) -> Result<(), Error> {
    let before = found.len();
    for entry in WalkDir::new(path).follow_links(true).max_depth(MAX_DEPTH).sort_by_file_name() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if error.loop_ancestor().is_some() => continue,
            Err(error) => {
                let file = error.path().unwrap_or(path).display().to_string();
                return Err(Error::Read { file, source: error.into() });
            }
        };
        if entry.file_type().is_file() && format_of(entry.path()).is_some() {
            found.push(entry.into_path());
        }
        if found.len() > MAX_FILES {
            return Err(Error::TooMany { folder: path.display().to_string() });
        }
    }
    if found.len() == before {
        return Err(Error::Nothing { folder: path.display().to_string() });
    }
    Ok(())
}
