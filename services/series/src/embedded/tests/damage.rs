//! Damaged, missing and foreign files are named; nothing is read past them.

use std::path::{Path, PathBuf};

use yiwang_disk::sim::SimDisk;

use super::city::*;
use crate::embedded::scan_folder;
use crate::{Error, SeriesSink, SeriesStore};

fn stored() -> SimDisk {
    let (disk, city) = (SimDisk::new(5), City::seeded(5, 30));
    let store = open_simple(&disk).unwrap();
    for batch in &city.batches {
        run(store.write(batch.clone())).unwrap();
    }
    run(store.flush()).unwrap();
    disk
}

fn readings(disk: &SimDisk) -> PathBuf {
    let folder = Path::new(FOLDER).join("readings");
    let files = disk.paths().into_iter().filter(|path| path.starts_with(&folder));
    files.max_by_key(|path| disk.bytes(path).unwrap().len()).unwrap()
}

fn scan_error(disk: &SimDisk) -> Error {
    scan_folder(disk, Path::new(FOLDER), &mut |_, _| {}).unwrap_err()
}

#[test]
fn a_flipped_bit_is_found_and_the_file_is_named() {
    let disk = stored();
    let path = readings(&disk);
    let length = disk.bytes(&path).unwrap().len() as u64;
    for at in (0..length).step_by(17) {
        assert!(disk.corrupt(&path, at, 0x10));
        let error = scan_error(&disk);
        assert!(
            matches!(&error, Error::Corrupt { file, .. } if *file == path.display().to_string()),
            "{error}"
        );
        assert!(disk.corrupt(&path, at, 0x10));
    }
    assert!(scan_folder(&disk, Path::new(FOLDER), &mut |_, _| {}).is_ok());
}

#[test]
fn a_cut_or_missing_file_is_found_when_the_store_is_opened() {
    for bytes in [Some(10), Some(0), None] {
        for path in stored().paths() {
            let disk = stored();
            let content = disk.bytes(&path).unwrap();
            match bytes {
                Some(length) => disk.put(&path, &content[..length]),
                None => yiwang_disk::Disk::remove(&disk, &path).unwrap(),
            }
            let error = open_simple(&disk).err().unwrap_or_else(|| panic!("{} to {bytes:?}", path.display()));
            assert!(
                matches!(&error, Error::Corrupt { file, .. } if *file == path.display().to_string()),
                "{error}"
            );
        }
    }
}

#[test]
fn a_row_group_that_was_taken_out_is_found_by_a_scan() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let disk = stored();
    let path = readings(&disk);
    let reader = SerializedFileReader::new(bytes::Bytes::from(disk.bytes(&path).unwrap())).unwrap();
    let metadata = reader.metadata().clone();
    assert!(metadata.num_row_groups() > 1);
    let mut shorter = metadata.clone().into_builder();
    let mut groups = shorter.take_row_groups();
    groups.pop();
    for group in groups {
        shorter = shorter.add_row_group(group);
    }
    let mut bytes = disk.bytes(&path).unwrap();
    parquet::file::metadata::ParquetMetaDataWriter::new(&mut bytes, &shorter.build()).finish().unwrap();
    disk.put(&path, &bytes);
    let error = scan_error(&disk);
    assert!(matches!(&error, Error::Corrupt { file, .. } if *file == path.display().to_string()), "{error}");
}

#[test]
fn the_folder_is_read_by_the_parquet_library_as_it_is() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let disk = stored();
    let mut rows = 0;
    for path in disk.paths().iter().filter(|path| path.starts_with(Path::new(FOLDER).join("readings"))) {
        let reader = SerializedFileReader::new(bytes::Bytes::from(disk.bytes(path).unwrap())).unwrap();
        for row in reader.get_row_iter(None).unwrap() {
            let columns: Vec<String> = row.unwrap().get_column_iter().map(|(name, _)| name.clone()).collect();
            assert_eq!(columns, ["source", "metric", "time", "value", "quality", "period_end", "vintage"]);
            rows += 1;
        }
    }
    let records =
        disk.paths().iter().filter(|path| path.starts_with(Path::new(FOLDER).join("records"))).count();
    assert!(records > 0 && rows > 100, "{records} files of records, {rows} readings");
    assert!(rows < open_simple(&disk).unwrap().stats().file_rows);
}

#[test]
fn a_manifest_of_a_newer_release_is_not_touched() {
    let disk = stored();
    let path = Path::new(FOLDER).join("MANIFEST");
    let text = String::from_utf8(disk.bytes(&path).unwrap()).unwrap().replace("manifest 1", "manifest 7");
    disk.put(&path, text.as_bytes());
    assert!(matches!(open_simple(&disk), Err(Error::Newer { found: 7, .. })));
    assert_eq!(disk.bytes(&path).unwrap(), text.as_bytes());
}

#[test]
fn leftovers_are_removed_when_the_store_is_opened() {
    let disk = stored();
    let leftover = Path::new(FOLDER).join("readings/2026-00000099.parquet");
    disk.put(&leftover, b"half a file");
    open_simple(&disk).unwrap();
    assert!(disk.bytes(&leftover).is_none());
}
