//! Bytes that are not what was written.

use proptest::prelude::*;

use super::*;
use crate::embedded::segment::SegmentHeader;

/// A log of several segments in both streams, closed, and what was put into it.
fn written() -> (SimDisk, Vec<Bytes>, Vec<Bytes>) {
    let disk = SimDisk::new(1);
    let log = open(&disk);
    let payload = |number: u8| Bytes::from(vec![number; 100 + usize::from(number)]);
    let (mut sent, mut names) = (Vec::new(), Vec::new());
    run(async {
        for number in 0..40 {
            log.put(readings(0), payload(number)).await.unwrap();
            sent.push(payload(number));
        }
        for number in 0..40 {
            log.put(NAMES, payload(number)).await.unwrap();
            names.push(payload(number));
        }
        log.commit_cursor("must", CursorClass::Must, &[at(readings(0), 5)]).await.unwrap();
    });
    (disk, sent, names)
}

fn length(disk: &SimDisk, path: &Path) -> u64 {
    disk.bytes(path).unwrap().len() as u64
}

#[test]
fn a_flipped_byte_in_the_last_segment_cuts_it_back_and_says_so() {
    let (disk, sent, _) = written();
    let last = segments(&disk, "main").pop().unwrap();
    let before = length(&disk, &last);
    assert!(disk.corrupt(&last, before - 3, 0x10));
    let log = open(&disk);
    let repair = log.repairs()[0].clone();
    assert_eq!((&repair.file, repair.at + repair.cut_bytes), (&last, before));
    assert_eq!(repair.why, "the checksum does not fit");
    assert_eq!(run(log.all(readings(0))).unwrap(), sent[..39]);
    assert_eq!(run(log.put(readings(0), "next")).unwrap(), Offset(39));
    drop(log);
    assert_eq!(open(&disk.power_cut()).repairs(), [], "it was mended for good");
}

#[test]
fn a_torn_tail_is_cut_back_to_the_last_whole_record() {
    let (disk, sent, _) = written();
    let last = segments(&disk, "main").pop().unwrap();
    let whole = disk.bytes(&last).unwrap();
    for cut in 1..167 {
        disk.put(&last, &whole[..whole.len() - cut]);
        let log = open(&disk);
        assert_eq!(log.repairs().len(), usize::from(cut != 167), "{cut}");
        assert_eq!(run(log.all(readings(0))).unwrap(), sent[..39], "{cut}");
    }
}

#[test]
fn a_flipped_byte_in_an_older_segment_is_an_error_with_file_and_place() {
    let (disk, sent, _) = written();
    let oldest = segments(&disk, "main").remove(0);
    let header = SegmentHeader::bytes(5);
    assert!(disk.corrupt(&oldest, header + 28 + 100 + 40, 1));
    let damaged_at = header + 28 + 100;
    let log = open(&disk);
    let found = run(log.read(&[at(readings(0), 1)], 100)).unwrap_err();
    let expected = format!("{} is damaged at byte {damaged_at}: the checksum does not fit", oldest.display());
    assert_eq!(found.to_string(), expected, "found when it is read");
    assert_eq!(run(log.all_from(readings(0), 20)).unwrap(), sent[20..], "the rest is there");
    drop(log);
    disk.remove(&oldest.with_extension("idx")).unwrap();
    assert_eq!(open_with(&disk, options()).err().unwrap().to_string(), expected, "found when it is opened");
}

#[test]
fn a_missing_segment_is_an_error() {
    for place in 0..2 {
        let (disk, ..) = written();
        let missing = segments(&disk, "kept").remove(place);
        let after = segments(&disk, "kept").remove(place + 1);
        disk.remove(&missing).unwrap();
        let found = open_with(&disk, options()).err().unwrap();
        let expected =
            format!("{} is damaged at byte 0: records before this segment are missing", after.display());
        assert_eq!(found.to_string(), expected);
    }
    let (disk, ..) = written();
    disk.remove(&folder().join("layout")).unwrap();
    assert!(matches!(open_with(&disk, options()), Err(Error::Corrupt { .. })));
}

#[test]
fn a_record_cut_out_of_a_segment_is_an_error() {
    let (disk, ..) = written();
    for path in segments(&disk, "main") {
        let whole = disk.bytes(&path).unwrap();
        let header = usize::try_from(SegmentHeader::bytes(5)).unwrap();
        let length = 28 + u32::from_le_bytes(whole[header..header + 4].try_into().unwrap()) as usize;
        disk.put(&path, &[&whole[..header], &whole[header + length..]].concat());
        let found = open_with(&disk, options()).err().unwrap();
        assert!(matches!(&found, Error::Corrupt { file, .. } if *file == shown(&path)), "{found}");
        disk.put(&path, &whole);
    }
}

#[test]
fn a_segment_whose_creation_was_cut_short_is_removed_and_said() {
    let (disk, sent, _) = written();
    let torn = folder().join("main/00000000000000000040.seg");
    for content in [&b""[..], b"YWLOGSEG", &[0; 83]] {
        disk.put(&torn, content);
        let log = open(&disk);
        assert_eq!((&log.repairs()[0].file, log.repairs()[0].at), (&torn, 0));
        assert!(disk.bytes(&torn).is_none());
        assert_eq!(run(log.all(readings(0))).unwrap(), sent);
    }
}

#[test]
fn files_of_a_newer_release_are_refused() {
    let (disk, ..) = written();
    let segment = segments(&disk, "main").pop().unwrap();
    for path in [folder().join("layout"), folder().join("cursors"), segment] {
        let whole = disk.bytes(&path).unwrap();
        let mut newer = whole.clone();
        newer[8] = 2;
        disk.put(&path, &newer);
        let refused = open_with(&disk, options()).err().unwrap();
        assert!(matches!(refused, Error::Newer { found: 2, known: 1, .. }), "{refused}");
        disk.put(&path, &whole);
    }
}

/// What can be read is a first part of what was written, in each partition, or a clear error.
fn nothing_wrong_is_read(disk: &SimDisk, sent: &[Bytes], names: &[Bytes]) -> Result<(), TestCaseError> {
    let log = match open_with(disk, options()) {
        Err(Error::Corrupt { .. } | Error::Newer { .. } | Error::OtherLayout { .. }) => return Ok(()),
        Err(other) => return Err(TestCaseError::fail(other.to_string())),
        Ok(log) => log,
    };
    for (partition, expected) in [(readings(0), sent), (NAMES, names)] {
        for next in 0..log.extents().iter().find(|extent| extent.partition == partition).unwrap().end.0 {
            match run(log.read(&[at(partition, next)], 0)) {
                Ok(records) => {
                    prop_assert_eq!(&records[0].payload, &expected[usize::try_from(next).unwrap()])
                }
                Err(Error::Corrupt { .. }) => {}
                Err(other) => return Err(TestCaseError::fail(other.to_string())),
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_flipped_byte_anywhere_never_gives_wrong_bytes(file in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), mask in 1u8..) {
        let (disk, sent, names) = written();
        let paths = disk.paths();
        let path = file.get(&paths);
        let at = place.index(disk.bytes(path).unwrap().len()) as u64;
        prop_assert!(disk.corrupt(path, at, mask));
        nothing_wrong_is_read(&disk, &sent, &names)?;
    }

    #[test]
    fn any_bytes_as_a_file_are_an_error_or_cut_off(
        file in any::<prop::sample::Index>(),
        keep in 0usize..200,
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let (disk, sent, names) = written();
        let paths = disk.paths();
        let path = file.get(&paths);
        let mut content = disk.bytes(path).unwrap();
        content.truncate(keep);
        content.extend(bytes);
        disk.put(path, &content);
        nothing_wrong_is_read(&disk, &sent, &names)?;
    }
}
