use proptest::prelude::*;

use super::*;

fn state(epoch: u64) -> State {
    State {
        epoch,
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
    bytes[6] = 4;
    assert_eq!(decode(&bytes), Err(Unread::Newer(4)));
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
