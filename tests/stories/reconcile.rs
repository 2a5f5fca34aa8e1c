//! `yiwang reconcile` finds losses that were planted; a witness that finds nothing proves nothing.

use std::path::{Path, PathBuf};

use yiwang_tests::city::City;
use yiwang_tests::feed::{Feed, this_minute};
use yiwang_tests::sim::{Door, Sim, number};
use yiwang_tests::{programs, skip};

#[test]
fn a_record_cut_from_the_log_is_found() {
    let (city, acked) = stopped_city();
    let files = [acked.as_path()];
    city.reconcile(false, &files).must_balance();
    let segment = newest(&city.data().join("log/main"), ".seg");
    cut_last_block(&segment);
    city.reconcile(false, &files).must_differ("is not in the log");
}

/// What comes behind it is whole; the log does not open, and the other books are balanced all the same.
#[test]
fn a_record_cut_from_the_middle_of_the_log_is_found() {
    let (city, acked) = stopped_city();
    let segment = newest(&city.data().join("log/main"), ".seg");
    let frames = frames(&std::fs::read(&segment).unwrap());
    let (from, to) = frames[frames.len() / 2];
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes.drain(from..to);
    std::fs::write(&segment, bytes).unwrap();
    let books = city.reconcile(false, &[&acked]);
    books.must_differ("the log cannot be read");
    books.must_differ("episodes and their orders: ");
}

#[test]
fn a_row_group_deleted_from_the_store_is_found() {
    let Some(python) = programs::python() else {
        return skip("a deleted row group", "tests/.venv is not there; tests/install.sh makes it");
    };
    let (city, acked) = stopped_city();
    let file = largest(&city.data().join("series/readings"), ".parquet");
    // A whole file, with all but its last row group; or, of one that has only one, with half of its rows.
    let script = "import sys, pyarrow.parquet as pq\n\
         read = pq.ParquetFile(sys.argv[1])\n\
         groups = read.num_row_groups\n\
         left = read.read_row_groups(range(groups - 1)) if groups > 1 else read.read().slice(0, read.metadata.num_rows // 2)\n\
         pq.write_table(left, sys.argv[1])";
    let status = std::process::Command::new(python).arg("-c").arg(script).arg(&file).status().unwrap();
    assert!(status.success());
    city.reconcile(false, &[&acked]).must_differ(&file.file_name().unwrap().to_string_lossy());
}

/// Whoever audits has no say in what is judged, and need not know how the city was configured.
#[test]
fn what_is_drained_is_judged_as_the_city_would_have() {
    let mut city = City::story();
    city.config("partitions = 8").fed().start();
    let input = city.beside("story.csv");
    Feed::rhythm(4, this_minute(), yiwang_model::Span::HOUR.times(3)).write(&input);
    let report = Sim::replay(&city, Door::Both, &[&input], &[]).report();
    assert_eq!(number(&report, "acked"), number(&report, "readings"), "{report}");
    city.kill();
    city.reconcile(true, &[]).must_balance();
    city.start();
    let changes = city.said().matches("new catalogue").count();
    assert_eq!(changes, 1, "that of the first start is in force:\n{}", city.said());
}

#[test]
fn a_file_deleted_from_the_store_is_found() {
    let (city, acked) = stopped_city();
    let file = largest(&city.data().join("series/readings"), ".parquet");
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    std::fs::remove_file(file).unwrap();
    let books = city.reconcile(false, &[&acked]);
    books.must_differ(&name);
    books.must_differ("is missing");
}

#[test]
fn a_point_missing_in_the_store_is_found() {
    let (city, acked) = stopped_city();
    // As if the store had never got them: it is emptied, and its own word of how far it is stays.
    let lost = city.beside("lost");
    std::fs::rename(city.data().join("series"), &lost).unwrap();
    let (other, _) = stopped_city_of(1);
    copy(&other.data().join("series"), &city.data().join("series"));
    city.reconcile(false, &[&acked]).must_differ("in the log and not in the store");
}

#[test]
fn an_order_deleted_is_found() {
    let (city, acked) = stopped_city();
    delete_an_order(&city.data().join("orders.sqlite"));
    city.reconcile(false, &[&acked]).must_differ("has no order");
}

#[test]
fn an_acknowledgement_without_its_append_is_found() {
    let (city, acked) = stopped_city();
    let mut text = std::fs::read_to_string(&acked).unwrap();
    text.push_str("story-01,pm2_5,1700000000000000000,42\n");
    std::fs::write(&acked, text).unwrap();
    city.reconcile(false, &[&acked]).must_differ("story-01,pm2_5,1700000000000000000,42 is not in the log");
}

fn stopped_city() -> (City, PathBuf) {
    stopped_city_of(4)
}

/// A city with readings and orders that was stopped, and the file of its acknowledgements.
fn stopped_city_of(stations: u32) -> (City, PathBuf) {
    let mut city = City::story();
    city.fed().start();
    let (input, acked) = (city.beside("story.csv"), city.beside("story.acked"));
    Feed::rhythm(stations, this_minute(), yiwang_model::Span::HOUR.times(3)).write(&input);
    let report = Sim::replay(&city, Door::Both, &[&input], &["--acked", acked.to_str().unwrap()]).report();
    assert_eq!(number(&report, "acked"), number(&report, "readings"), "{report}");
    city.settle();
    city.stop();
    (city, acked)
}

/// All files below a folder with this ending.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "{} has no {ending}", folder.display());
    found
}

fn newest(folder: &Path, ending: &str) -> PathBuf {
    files(folder, ending).pop().unwrap()
}

fn largest(folder: &Path, ending: &str) -> PathBuf {
    files(folder, ending).into_iter().max_by_key(|file| file.metadata().unwrap().len()).unwrap()
}

fn copy(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}

/// Ends a segment before its last record that is larger than a tick: a block of readings and all behind it are gone, and
/// what is left is whole. The format stands in `services/log/src/embedded.rs`.
fn cut_last_block(segment: &Path) {
    let bytes = std::fs::read(segment).unwrap();
    let (block, _) = frames(&bytes).pop().expect("a block of readings");
    std::fs::write(segment, &bytes[..block]).unwrap();
}

/// From where to where the records of a segment go that are larger than a tick: blocks of readings.
fn frames(bytes: &[u8]) -> Vec<(usize, usize)> {
    const FRAME_HEAD: usize = 28;
    const TICK: usize = 64;
    let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let partitions = u32_at(35);
    let (mut at, mut blocks) = (43 + 8 * partitions, Vec::new());
    while at + FRAME_HEAD <= bytes.len() {
        let (payload, topic) = (u32_at(at), bytes[at + 26]);
        let end = at + FRAME_HEAD + payload;
        if topic == 0 && payload > TICK {
            blocks.push((at, end));
        }
        at = end;
    }
    blocks
}

fn delete_an_order(store: &Path) {
    let script = "import sqlite3, sys\n\
         db = sqlite3.connect(sys.argv[1])\n\
         tables = [name for (name,) in db.execute(\"select name from sqlite_master where type = 'table'\")]\n\
         no = db.execute('select no from orders limit 1').fetchone()[0]\n\
         [db.execute(f'delete from {table} where no = ?', (no,)) for table in tables\n\
          if any(column[1] == 'no' for column in db.execute(f'pragma table_info({table})'))]\n\
         db.commit()";
    let status = std::process::Command::new("python3").arg("-c").arg(script).arg(store).status();
    assert!(status.expect("python3 is there").success());
}
