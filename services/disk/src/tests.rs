//! The machine's disk and its twin answer alike.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::sim::SimDisk;

#[derive(Clone, Debug)]
enum Action {
    Open(u8, bool),
    Write(u8, Vec<u8>, u16),
    SetLen(u8, u16),
    Read(u8, u16, u16),
    Sync(u8),
    Rename(u8, u8),
    Remove(u8),
    CreateDir(u8),
    List(u8),
    Replace(u8, Vec<u8>),
}

fn action() -> impl Strategy<Value = Action> {
    let file = 0u8..6;
    let bytes = proptest::collection::vec(any::<u8>(), 0..700);
    prop_oneof![
        (file.clone(), any::<bool>()).prop_map(|(file, create)| Action::Open(file, create)),
        (file.clone(), bytes.clone(), 0u16..1500)
            .prop_map(|(file, bytes, at)| Action::Write(file, bytes, at)),
        (file.clone(), 0u16..2000).prop_map(|(file, length)| Action::SetLen(file, length)),
        (file.clone(), 0u16..2000, 0u16..2000).prop_map(|(file, length, at)| Action::Read(file, length, at)),
        file.clone().prop_map(Action::Sync),
        (file.clone(), file.clone()).prop_map(|(from, to)| Action::Rename(from, to)),
        file.clone().prop_map(Action::Remove),
        (0u8..3).prop_map(Action::CreateDir),
        (0u8..3).prop_map(Action::List),
        (file, bytes).prop_map(|(file, bytes)| Action::Replace(file, bytes)),
    ]
}

fn folder(root: &Path, number: u8) -> PathBuf {
    match number {
        0 => root.to_owned(),
        1 => root.join("one"),
        _ => root.join("one").join("two"),
    }
}

fn file(root: &Path, number: u8) -> PathBuf {
    folder(root, number % 3).join(if number < 3 { "a" } else { "b" })
}

/// What an action answers, in a form that two disks can be compared by.
fn answer(disk: &dyn Disk, root: &Path, action: &Action) -> io::Result<String> {
    let open = |number: &u8| disk.open(&file(root, *number), false);
    let answer = match action {
        Action::Open(number, create) => disk.open(&file(root, *number), *create)?.len()?.to_string(),
        Action::Write(number, bytes, at) => format!("{:?}", open(number)?.write_at(bytes, u64::from(*at))?),
        Action::SetLen(number, length) => format!("{:?}", open(number)?.set_len(u64::from(*length))?),
        Action::Read(number, length, at) => {
            let mut into = vec![0; usize::from(*length)];
            let read = open(number)?.read_at(&mut into, u64::from(*at))?;
            format!("{:?}", &into[..read])
        }
        Action::Sync(number) => format!("{:?}", open(number)?.sync_data()?),
        Action::Rename(from, to) => format!("{:?}", disk.rename(&file(root, *from), &file(root, *to))?),
        Action::Remove(number) => format!("{:?}", disk.remove(&file(root, *number))?),
        Action::CreateDir(number) => format!("{:?}", disk.create_dir(&folder(root, *number))?),
        Action::List(number) => disk.list(&folder(root, *number))?.join(" "),
        Action::Replace(number, bytes) => format!("{:?}", replace(disk, &file(root, *number), bytes)?),
    };
    Ok(answer)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn both_disks_answer_alike(actions in proptest::collection::vec(action(), 1..60)) {
        let real_root = tempfile::tempdir().unwrap();
        let sim_root = Path::new("/city");
        let sim = SimDisk::new(0);
        sim.create_dir(sim_root).unwrap();
        for action in &actions {
            let on_real = answer(&RealDisk, real_root.path(), action).map_err(|error| error.kind());
            let on_sim = answer(&sim, sim_root, action).map_err(|error| error.kind());
            prop_assert_eq!(on_real, on_sim, "{:?}", action);
        }
    }
}

#[test]
fn the_machine_has_room_and_paths_without_folder_are_here() {
    let room = RealDisk.room(Path::new(".")).unwrap();
    assert!(room.free <= room.total && room.total > 0, "{room:?}");
    RealDisk.create_dir(Path::new("")).unwrap();
    RealDisk.sync_dir(Path::new("")).unwrap();
}

#[test]
fn a_file_larger_than_expected_is_not_read() {
    let disk = SimDisk::new(0);
    disk.put(Path::new("/a"), &[0; 11]);
    assert_eq!(read_whole(&disk, Path::new("/a"), 11).unwrap().unwrap().len(), 11);
    assert_eq!(read_whole(&disk, Path::new("/a"), 10).unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert!(read_whole(&disk, Path::new("/b"), 10).unwrap().is_none());
}
