//! The manifest: which files count, and up to where in the log they go.
//!
//! # `MANIFEST`
//! A line `yiwang-series-manifest 1 xxxxxxxx`: the format version and, in eight hexadecimal digits, the
//! CRC-32C of all that follows. Then a JSON object with the fields of [`Manifest`]. The file is replaced as
//! a whole (written beside, synced, renamed, folder synced) after all that it names is durable. So files and
//! mark move together: what the manifest names is there, and a file that it does not name is a leftover of a
//! power cut and is removed when the store is opened.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use yiwang_disk::Disk;

use super::calendar::CalendarSpan;
use super::disk_io::{corrupt, read_failed, replace};
use super::names::NamesExtent;
use crate::{Error, Mark};

/// The name of the file in the store's folder.
pub(super) const MANIFEST: &str = "MANIFEST";
const MAGIC: &str = "yiwang-series-manifest ";
const VERSION: u32 = 1;
const MOST_BYTES: u64 = 1 << 30;

/// All that is durable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// Up to where in the log the files go.
    pub(super) mark: Mark,
    /// The number of the last flush.
    pub(super) sequence: u64,
    /// No file has this number or a higher one in its name.
    pub(super) next_file: u64,
    /// How much of the file of names counts.
    pub(super) names: NamesExtent,
    /// Spans that new rows no longer go to, because finer ones took their place.
    pub(super) parted: BTreeSet<(Table, CalendarSpan)>,
    /// The newest row of each series up to the sequence of this file.
    pub(super) latest: Option<FileEntry>,
    /// The files, in no order.
    pub(super) files: Vec<Arc<FileEntry>>,
}

/// What kind of rows a file has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Table {
    /// Readings.
    Readings,
    /// Records of this measurement.
    Records(Arc<str>),
}

/// A file that counts. It never changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct FileEntry {
    /// Below the store's folder, with `/`.
    pub(super) path: String,
    /// What it holds.
    pub(super) table: Table,
    /// Its rows' times lie in this span.
    pub(super) span: CalendarSpan,
    /// How often its rows were merged.
    pub(super) level: u8,
    /// The last flush whose rows it has. Of two files of a span, the one with the higher number is newer.
    pub(super) sequence: u64,
    /// Rows.
    pub(super) rows: u64,
    /// Its length.
    pub(super) bytes: u64,
    /// CRC-32C of the whole file.
    pub(super) crc32c: u32,
    /// The earliest time in it, in nanoseconds since 1970.
    pub(super) min_time_ns: i64,
    /// The latest time in it, in nanoseconds since 1970.
    pub(super) max_time_ns: i64,
    /// Of readings: whether some have no vintage. Taken for granted of files written before this was noted.
    #[serde(default = "yes")]
    pub(super) sensors: bool,
    /// Of readings: whether some have a vintage.
    #[serde(default = "yes")]
    pub(super) figures: bool,
    /// Of readings: the first series by name, as source and metric.
    pub(super) first: (Arc<str>, Arc<str>),
    /// Of readings: the last series by name.
    pub(super) last: (Arc<str>, Arc<str>),
}

fn yes() -> bool {
    true
}

impl Manifest {
    /// Reads the manifest of a folder; `None` when there is none.
    pub(super) fn read(disk: &dyn Disk, folder: &Path) -> Result<Option<Self>, Error> {
        let path = folder.join(MANIFEST);
        let bytes =
            yiwang_disk::read_whole(disk, &path, MOST_BYTES).map_err(|error| read_failed(&path, &error))?;
        bytes.map(|bytes| Self::parse(&path, &bytes)).transpose()
    }

    /// Puts this in the place of the manifest; durable on return.
    pub(super) fn write(&self, disk: &dyn Disk, folder: &Path) -> Result<(), Error> {
        replace(disk, folder, MANIFEST, self.text().as_bytes())
    }

    fn text(&self) -> String {
        let body = serde_json::to_string(self).expect("a manifest has only texts and numbers");
        format!("{MAGIC}{VERSION} {:08x}\n{body}", crc32c::crc32c(body.as_bytes()))
    }

    pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Self, Error> {
        let text = std::str::from_utf8(bytes).map_err(|error| corrupt(path, error))?;
        let (head, body) = text.split_once('\n').ok_or_else(|| corrupt(path, "has no first line"))?;
        let head = head.strip_prefix(MAGIC).ok_or_else(|| corrupt(path, "does not begin as a manifest"))?;
        let (version, sum) = head.split_once(' ').ok_or_else(|| corrupt(path, "has no checksum"))?;
        let version: u32 = version.parse().map_err(|error| corrupt(path, error))?;
        if version > VERSION {
            return Err(Error::Newer { file: path.display().to_string(), found: version, known: VERSION });
        }
        if version != VERSION {
            return Err(corrupt(path, format!("has format version {version}, which never was")));
        }
        if sum != format!("{:08x}", crc32c::crc32c(body.as_bytes())) {
            return Err(corrupt(path, "has another content than its checksum says"));
        }
        serde_json::from_str(body).map_err(|error| corrupt(path, error))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use yiwang_model::Timestamp;

    use super::*;

    fn manifest() -> Manifest {
        let entry = FileEntry {
            path: "readings/2026-03-02-7.parquet".into(),
            table: Table::Records("anomalies".into()),
            span: CalendarSpan::day_of(Timestamp::from_secs(1_772_417_700)),
            level: 1,
            sequence: 9,
            rows: 3,
            bytes: 4,
            crc32c: 5,
            min_time_ns: i64::MIN,
            max_time_ns: i64::MAX,
            sensors: true,
            figures: false,
            first: ("锦江-空气-1".into(), "pm2_5".into()),
            last: Default::default(),
        };
        Manifest {
            mark: [("readings/0".to_owned(), u64::MAX)].into(),
            parted: [(Table::Readings, CalendarSpan::year_of(Timestamp(0)))].into(),
            files: vec![Arc::new(entry)],
            ..Manifest::default()
        }
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written() {
        let path = Path::new("MANIFEST");
        assert_eq!(Manifest::parse(path, manifest().text().as_bytes()).expect("a manifest"), manifest());
    }

    #[test]
    fn one_from_before_kinds_were_noted_may_have_both() {
        let text = manifest().text().replace(",\"sensors\":true,\"figures\":false", "");
        let (_, body) = text.split_once('\n').expect("a line");
        let read: Manifest = serde_json::from_str(body).expect("a manifest");
        assert!(!body.contains("figures") && read.files[0].sensors && read.files[0].figures);
    }

    #[test]
    fn one_from_a_newer_release_says_so() {
        let text = manifest().text().replace("manifest 1", "manifest 2");
        let error = Manifest::parse(Path::new("M"), text.as_bytes()).expect_err("newer");
        assert!(matches!(error, Error::Newer { found: 2, known: 1, .. }), "{error}");
    }

    proptest! {
        #[test]
        fn a_flipped_bit_or_a_cut_is_found(at in 0_usize..1000, bit in 0..8, cut: bool) {
            let mut bytes = manifest().text().into_bytes();
            let at = at % bytes.len();
            if cut { bytes.truncate(at) } else { bytes[at] ^= 1_u8 << bit }
            prop_assert!(Manifest::parse(Path::new("M"), &bytes).is_err());
        }

        #[test]
        fn arbitrary_bytes_are_an_error(bytes: Vec<u8>, headed: bool) {
            let mut text = if headed { format!("{MAGIC}1 {:08x}\n", crc32c::crc32c(&bytes)).into_bytes() } else { vec![] };
            text.extend(&bytes);
            prop_assert!(Manifest::parse(Path::new("M"), &text).is_err());
        }
    }
}
