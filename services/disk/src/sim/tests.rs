use std::collections::BTreeSet;

use super::*;
use crate::{read_whole, replace};

fn seeds() -> impl Iterator<Item = u64> {
    0..1_000
}

fn folder() -> &'static Path {
    Path::new("/city")
}

fn path() -> PathBuf {
    folder().join("a")
}

/// A disk with one folder and, in it, a durable file `a`.
fn disk(seed: u64, content: &[u8]) -> SimDisk {
    let disk = SimDisk::new(seed);
    disk.create_dir(folder()).unwrap();
    disk.put(&path(), content);
    disk
}

/// What is found in `a` after a cut, over all seeds.
fn found(work: impl Fn(&SimDisk)) -> BTreeSet<Option<Vec<u8>>> {
    let after = |seed| {
        let disk = disk(seed, b"old");
        work(&disk);
        disk.power_cut().bytes(&path())
    };
    seeds().map(after).collect()
}

fn some(bytes: &[u8]) -> Option<Vec<u8>> {
    Some(bytes.to_vec())
}

#[test]
fn synced_bytes_and_lengths_are_there_after_a_cut() {
    let found = found(|disk| {
        let file = disk.open(&path(), false).unwrap();
        file.write_at(b"newer", 0).unwrap();
        file.set_len(4).unwrap();
        file.sync_data().unwrap();
    });
    assert_eq!(found, BTreeSet::from([some(b"newe")]));
}

#[test]
fn unsynced_bytes_may_be_lost_kept_or_torn_and_lengths_too() {
    let found = found(|disk| disk.open(&path(), false).unwrap().write_at(b"newer", 0).unwrap());
    for possible in [&b"old"[..], b"newer", b"new", b"old\0\0"] {
        assert!(found.contains(&some(possible)), "{possible:?} in {found:?}");
    }
    assert!(found.contains(&some(b"ned")), "a torn sector: {found:?}");
}

#[test]
fn sectors_of_one_write_are_lost_each_for_itself() {
    let later_without_earlier = seeds().filter(|seed| {
        let disk = disk(*seed, &[]);
        disk.open(&path(), false).unwrap().write_at(&[1; 2048], 0).unwrap();
        let found = disk.power_cut().bytes(&path()).unwrap();
        found.len() == 2048 && found[..512] == [0; 512] && found[1536..] == [1; 512]
    });
    assert!(later_without_earlier.count() > 10);
}

#[test]
fn a_cut_back_that_was_not_synced_may_not_have_happened() {
    let found = found(|disk| disk.open(&path(), false).unwrap().set_len(1).unwrap());
    assert_eq!(found, BTreeSet::from([some(b"o"), some(b"old"), some(b"o\0\0")]));
}

#[test]
fn a_new_name_needs_its_folder_synced() {
    let name = folder().join("b");
    let survives = |seed, sync: bool| {
        let disk = disk(seed, b"old");
        let file = disk.open(&name, true).unwrap();
        file.write_at(b"b", 0).unwrap();
        file.sync_data().unwrap();
        if sync {
            disk.sync_dir(folder()).unwrap();
        }
        disk.power_cut().bytes(&name) == some(b"b")
    };
    assert!(seeds().all(|seed| survives(seed, true)));
    let lucky = seeds().filter(|seed| survives(*seed, false)).count();
    assert!((1..1_000).contains(&lucky), "{lucky}");
}

#[test]
fn a_removal_needs_its_folder_synced() {
    let unsynced = found(|disk| disk.remove(&path()).unwrap());
    assert_eq!(unsynced, BTreeSet::from([None, some(b"old")]));
    let synced = found(|disk| {
        disk.remove(&path()).unwrap();
        disk.sync_dir(folder()).unwrap();
    });
    assert_eq!(synced, BTreeSet::from([None]));
}

#[test]
fn a_rename_is_old_or_new_and_brings_unsynced_bytes_no_further() {
    let found = found(|disk| {
        let beside = folder().join("a.new");
        let file = disk.open(&beside, true).unwrap();
        file.write_at(b"new", 0).unwrap();
        disk.rename(&beside, &path()).unwrap();
        disk.sync_dir(folder()).unwrap();
    });
    assert!(found.contains(&some(b"new")) && found.contains(&some(b"")), "{found:?}");
    assert!(!found.contains(&some(b"old")) && !found.contains(&None), "{found:?}");
}

#[test]
fn replace_is_old_or_new_whenever_the_power_goes() {
    let mut seen = BTreeSet::new();
    for seed in seeds() {
        let disk = disk(seed, b"old");
        disk.cut_at(disk.operations() + 1 + seed % 8);
        let done = replace(&disk, &path(), b"new content").is_ok();
        let found = disk.power_cut().bytes(&path());
        assert!(found == some(b"new content") || (!done && found == some(b"old")), "seed {seed}: {found:?}");
        seen.insert((done, found));
    }
    assert_eq!(seen.len(), 3, "done, not done but found, not done and not found: {seen:?}");
}

#[test]
fn after_a_failed_sync_the_next_one_succeeds_and_brings_nothing() {
    let found = found(|disk| {
        let file = disk.open(&path(), false).unwrap();
        file.write_at(b"new", 0).unwrap();
        disk.fail(Operation::SyncData, 1, Trouble::Io);
        file.sync_data().unwrap_err();
        file.sync_data().unwrap();
        assert_eq!(disk.bytes(&path()), some(b"new"), "readers see it still");
    });
    assert!(found.contains(&some(b"old")), "{found:?}");
}

#[test]
fn after_a_failed_sync_of_a_folder_the_next_one_brings_nothing() {
    let found = found(|disk| {
        disk.remove(&path()).unwrap();
        disk.fail(Operation::SyncDir, 1, Trouble::Io);
        disk.sync_dir(folder()).unwrap_err();
        disk.sync_dir(folder()).unwrap();
    });
    assert!(found.contains(&some(b"old")), "{found:?}");
}

#[test]
fn a_full_disk_takes_a_part_and_says_so() {
    let disk = disk(1, b"old");
    disk.set_capacity(Some(5));
    let file = disk.open(&path(), false).unwrap();
    let refused = file.write_at(b"newer bytes", 0).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
    assert_eq!(disk.bytes(&path()), some(b"newer"));
    assert_eq!(disk.room(folder()).unwrap(), Room { free: 0, total: 5 });
    file.set_len(2).unwrap();
    assert_eq!(disk.room(folder()).unwrap(), Room { free: 3, total: 5 });
}

#[test]
fn each_operation_fails_on_request_and_only_then() {
    let disk = disk(2, b"old");
    disk.fail(Operation::Rename, 2, Trouble::NoSpace);
    disk.rename(&path(), &folder().join("b")).unwrap();
    let refused = disk.rename(&folder().join("b"), &path()).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
    disk.rename(&folder().join("b"), &path()).unwrap();
}

#[test]
fn old_handles_answer_eio_after_a_cut() {
    let disk = disk(3, b"old");
    let file = disk.open(&path(), false).unwrap();
    let after = disk.power_cut();
    assert_eq!(file.read_at(&mut [0], 0).unwrap_err().raw_os_error(), Some(5));
    assert_eq!(disk.open(&path(), false).err().unwrap().raw_os_error(), Some(5));
    assert_eq!(read_whole(&after, &path(), 9).unwrap(), some(b"old"));
}

#[test]
fn a_flipped_byte_is_flipped_for_readers_and_after_the_cut() {
    let disk = disk(4, b"old");
    assert!(disk.corrupt(&path(), 1, 1));
    assert!(!disk.corrupt(&path(), 3, 1));
    assert_eq!(disk.bytes(&path()), some(b"omd"));
    assert_eq!(disk.power_cut().bytes(&path()), some(b"omd"));
}
