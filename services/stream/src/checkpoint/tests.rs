use proptest::prelude::*;

use yiwang_disk::SimDisk;
use yiwang_disk::sim::{Operation, Trouble};

use super::*;

fn state(epoch: u64) -> State {
    State {
        epoch,
        since: None,
        revision: 3,
        city: Some(Timestamp(42)),
        next: vec![epoch, 7, 9],
        rule: vec![1, 2, 3],
        series: (0..5_u8).map(|n| Pack::from(vec![n; usize::from(n) * 10].as_slice())).collect(),
        quiet: vec![4, 5],
    }
}

fn folder() -> &'static Path {
    Path::new("/city/checkpoints")
}

#[test]
fn the_newest_whole_checkpoint_is_taken() {
    let disk = yiwang_disk::sim::SimDisk::new(1);
    let (mut checkpoints, none) =
        Checkpoints::open(Arc::new(disk.clone()), folder()).expect("an empty folder");
    assert_eq!(none, None);
    for epoch in 1..=4 {
        checkpoints.write(&state(epoch)).expect("room");
    }
    assert_eq!(
        checkpoints.needed(),
        Some([3, 7, 9].as_slice()),
        "the one before the newest is still held for"
    );
    let (_, newest) = Checkpoints::open(Arc::new(disk.clone()), folder()).expect("whole files");
    assert_eq!(newest, Some(state(4)));
    assert!(disk.corrupt(&checkpoints.path(4), 40, 0x01), "there is such a byte");
    let (_, newest) = Checkpoints::open(Arc::new(disk), folder()).expect("one whole file");
    assert_eq!(newest, Some(state(3)), "a damaged one is passed over");
}

#[test]
fn one_of_a_newer_release_is_not_passed_over() {
    let mut bytes = encode(&state(1)).flatten().collect::<Vec<u8>>();
    bytes[6] = 5;
    assert_eq!(decode(&bytes), Err(Unread::Newer(5)));
}

/// A base at an epoch, or an increment on the epoch before; each has one pack of its own.
fn link(epoch: u64, is_base: bool) -> State {
    let since = (!is_base).then(|| epoch - 1);
    State { since, series: vec![Pack::from([epoch as u8].as_slice())], ..state(epoch) }
}

/// Bases at 1, 4 and 7, two increments behind each.
fn chains(disk: &SimDisk) -> Checkpoints {
    let (mut checkpoints, _) = Checkpoints::open(Arc::new(disk.clone()), folder()).expect("an empty folder");
    for epoch in 1..=9 {
        checkpoints.write(&link(epoch, epoch % 3 == 1)).expect("room");
    }
    checkpoints
}

/// The epoch of the state that a start would take, and the packs in it.
fn taken(disk: &SimDisk) -> Option<(u64, Vec<u8>)> {
    let (_, state) = Checkpoints::open(Arc::new(disk.clone()), folder()).expect("files that can be read");
    state.map(|state| (state.epoch, state.series.iter().flat_map(|pack| pack.as_ref().to_vec()).collect()))
}

fn files(disk: &SimDisk) -> Vec<u64> {
    let name = |path: std::path::PathBuf| path.file_name()?.to_str()?.strip_prefix(PREFIX)?.parse().ok();
    disk.paths().into_iter().filter_map(name).collect()
}

#[test]
fn a_chain_is_its_base_and_what_changed_since() {
    let disk = SimDisk::new(1);
    let checkpoints = chains(&disk);
    assert_eq!(files(&disk), [4, 5, 6, 7, 8, 9], "this chain and the one before");
    assert_eq!(
        checkpoints.needed(),
        Some([6, 7, 9].as_slice()),
        "the end of the chain before is still held for"
    );
    assert_eq!(taken(&disk), Some((9, vec![7, 8, 9])));
}

#[test]
fn a_damaged_file_costs_what_follows_it_and_no_more() {
    for (damaged, wanted, left) in [
        (9, (8, vec![7, 8]), vec![4, 5, 6, 7, 8]),
        (8, (7, vec![7]), vec![4, 5, 6, 7]),
        (7, (6, vec![4, 5, 6]), vec![4, 5, 6]),
        (5, (9, vec![7, 8, 9]), vec![4, 5, 6, 7, 8, 9]),
    ] {
        let disk = SimDisk::new(1);
        let path = chains(&disk).path(damaged);
        assert!(disk.corrupt(&path, 40, 0x01), "there is such a byte");
        assert_eq!(taken(&disk), Some(wanted), "{damaged} is damaged");
        assert_eq!(files(&disk), left, "{damaged} is damaged");
    }
}

#[test]
fn a_chain_is_heavy_once_what_changed_weighs_as_much_as_all() {
    let packs = |count| vec![Pack::from([7; 10].as_slice()); count];
    let disk = SimDisk::new(1);
    let (mut checkpoints, _) = Checkpoints::open(Arc::new(disk.clone()), folder()).expect("an empty folder");
    assert!(!checkpoints.is_heavy());
    for (epoch, count, wanted) in [(1, 5, false), (2, 2, false), (3, 3, true), (4, 1, true)] {
        checkpoints.write(&State { series: packs(count), ..link(epoch, epoch == 1) }).expect("room");
        assert_eq!(checkpoints.is_heavy(), wanted, "{epoch}");
    }
    checkpoints.write(&State { series: packs(5), ..link(5, true) }).expect("room");
    assert!(!checkpoints.is_heavy());
}

#[test]
fn nothing_follows_what_was_not_written() {
    let disk = SimDisk::new(1);
    let mut checkpoints = chains(&disk);
    let orphan = State { since: Some(10), ..link(11, false) };
    assert!(matches!(checkpoints.write(&orphan), Err(Error::NoBase { since: 10 })));
    assert_eq!(taken(&disk), Some((9, vec![7, 8, 9])));
}

#[test]
fn a_torn_increment_is_passed_over() {
    let disk = SimDisk::new(1);
    let path = chains(&disk).path(9);
    let whole = disk.bytes(&path).expect("it was written");
    for length in 0..whole.len() {
        let disk = SimDisk::new(1);
        chains(&disk);
        disk.put(&path, &whole[..length]);
        assert_eq!(taken(&disk), Some((8, vec![7, 8])), "{length} bytes are left of it");
    }
}

/// Without room for an increment the chain so far stands, what would follow the increment is refused, and a base goes on.
#[test]
fn without_room_for_an_increment_the_chain_before_it_stands() {
    let disk = SimDisk::new(1);
    let mut checkpoints = chains(&disk);
    disk.fail(Operation::Write, 1, Trouble::NoSpace);
    let full = checkpoints.write(&link(10, false));
    assert!(matches!(full, Err(Error::NoRoom { .. })), "{full:?}");
    assert!(matches!(checkpoints.write(&link(11, false)), Err(Error::NoBase { since: 10 })));
    assert_eq!(taken(&disk), Some((9, vec![7, 8, 9])));
    checkpoints.write(&link(12, true)).expect("room");
    assert_eq!(taken(&disk), Some((12, vec![12])));
    assert_eq!(checkpoints.needed(), Some([9, 7, 9].as_slice()));
}

#[test]
fn after_a_failed_write_or_sync_a_start_finds_the_chain_before() {
    for operation in [Operation::Write, Operation::SyncData, Operation::Rename] {
        for is_base in [false, true] {
            let disk = SimDisk::new(1);
            let mut checkpoints = chains(&disk);
            disk.fail(operation, 1, Trouble::Io);
            let broken = checkpoints.write(&link(10, is_base));
            assert!(matches!(broken, Err(Error::Disk { .. })), "{operation:?}: {broken:?}");
            assert_eq!(taken(&disk.power_cut()), Some((9, vec![7, 8, 9])), "{operation:?}");
        }
    }
}

/// A sector that the disk does not give is no damage: what follows the file is lost, the file stays.
#[test]
fn what_the_disk_does_not_give_is_passed_over_and_stays() {
    for (nth, wanted) in
        [(1, (9, vec![7, 8, 9])), (4, (6, vec![4, 5, 6])), (5, (7, vec![7])), (6, (8, vec![7, 8]))]
    {
        let disk = SimDisk::new(1);
        chains(&disk);
        disk.fail(Operation::Open, nth, Trouble::Io);
        assert_eq!(taken(&disk), Some(wanted), "file {nth} of 4 to 9");
        let stays = nth + 3;
        assert!(files(&disk).contains(&stays), "{stays} of {:?}", files(&disk));
    }
}

#[test]
fn a_refused_chain_stands_aside_and_the_one_before_goes_on() {
    let disk = SimDisk::new(1);
    chains(&disk);
    disk.put(&folder().join(format!("{REFUSED}{PREFIX}{:020}", 2)), b"of another time");
    let (mut checkpoints, _) = Checkpoints::open(Arc::new(disk.clone()), folder()).expect("whole files");
    let before = checkpoints.before().expect("whole files").expect("a chain before");
    assert_eq!((before.epoch, before.series.len()), (6, 3));
    assert_eq!(checkpoints.needed(), Some([4, 7, 9].as_slice()), "all that is left");
    assert_eq!(files(&disk), [4, 5, 6, 7, 8, 9], "so far all is as it was");
    checkpoints.set_refused_aside().expect("a disk");
    assert_eq!(files(&disk), [4, 5, 6]);
    let aside = disk.paths().into_iter().filter(|path| path.to_string_lossy().contains(REFUSED)).count();
    assert_eq!(aside, 3, "one chain is kept to be looked at");
    checkpoints.write(&link(7, true)).expect("room");
    assert_eq!(taken(&disk), Some((7, vec![7])));
    assert_eq!(files(&disk), [4, 5, 6, 7], "the chain before still stands");
    assert_eq!(checkpoints.needed(), Some([6, 7, 9].as_slice()));
}

#[test]
fn when_every_chain_is_refused_there_is_none_before() {
    let disk = SimDisk::new(1);
    chains(&disk);
    let (mut checkpoints, _) = Checkpoints::open(Arc::new(disk.clone()), folder()).expect("whole files");
    assert!(checkpoints.before().expect("whole files").is_some());
    assert_eq!(checkpoints.before().expect("whole files"), None);
    checkpoints.set_refused_aside().expect("a disk");
    assert_eq!((files(&disk), taken(&disk)), (vec![], None));
}

#[test]
fn a_power_cut_while_refused_ones_stand_aside_leaves_a_chain() {
    let operations = |disk: &SimDisk| {
        let (mut checkpoints, _) = Checkpoints::open(Arc::new(disk.clone()), folder()).expect("whole files");
        checkpoints.before().expect("whole files");
        let begin = disk.operations();
        (begin, checkpoints)
    };
    let disk = SimDisk::new(1);
    chains(&disk);
    let (begin, mut checkpoints) = operations(&disk);
    checkpoints.set_refused_aside().expect("a disk");
    for at in begin..disk.operations() {
        let disk = SimDisk::new(at);
        chains(&disk);
        let (_, mut checkpoints) = operations(&disk);
        disk.cut_at(at);
        assert!(checkpoints.set_refused_aside().is_err(), "cut at {at}");
        let (epoch, packs) = taken(&disk.power_cut()).expect("a chain");
        let base = if epoch > 6 { 7 } else { 4 };
        assert_eq!(packs, (base..=epoch).map(|epoch| epoch as u8).collect::<Vec<u8>>(), "cut at {at}");
    }
}

#[test]
fn one_of_the_release_before_is_a_base_and_an_older_one_stays_unread() {
    for (version, wanted) in [(3, Some((1, vec![1]))), (2, None)] {
        let disk = SimDisk::new(1);
        let mut bytes = encode(&link(1, true)).flatten().collect::<Vec<u8>>();
        bytes[6] = version;
        disk.put(&folder().join(format!("{PREFIX}{:020}", 1)), &bytes);
        assert_eq!((taken(&disk), files(&disk)), (wanted, vec![1]), "version {version}");
    }
}

/// The power goes at each operation of the disk in turn: what a start takes is a whole chain, never older than what was written.
#[test]
fn a_power_cut_anywhere_leaves_a_whole_chain() {
    let disk = SimDisk::new(1);
    chains(&disk);
    for at in 0..disk.operations() {
        let disk = SimDisk::new(at);
        disk.cut_at(at);
        let mut written = 0;
        if let Ok((mut checkpoints, _)) = Checkpoints::open(Arc::new(disk.clone()), folder()) {
            let all = (1..=9).map(|epoch| link(epoch, epoch % 3 == 1));
            written = all.take_while(|state| checkpoints.write(state).is_ok()).count() as u64;
        }
        let (epoch, packs) = taken(&disk.power_cut()).unwrap_or_default();
        assert!((written..=written + 1).contains(&epoch), "cut at {at}: {written} written, {epoch} found");
        let base = if epoch == 0 { 1 } else { (epoch - 1) / 3 * 3 + 1 };
        assert_eq!(packs, (base..=epoch).map(|epoch| epoch as u8).collect::<Vec<u8>>(), "cut at {at}");
    }
}

proptest! {
    #[test]
    fn any_flipped_byte_is_noticed(at in 0..200_usize, bit in 0..8_u8) {
        let mut bytes = encode(&state(1)).flatten().collect::<Vec<u8>>();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        prop_assert!(decode(&bytes).is_err());
    }

    #[test]
    fn arbitrary_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(&bytes).is_err());
    }
}
