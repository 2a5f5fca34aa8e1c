//! Real packets, broken in every way that a line, a device or an enemy breaks them, and cut anywhere.
//!
//! Whatever comes: nothing panics, little is held, a whole packet behind it is found, and how the bytes were cut does not show. The
//! number of cases is proptest's (`PROPTEST_CASES`); with `YIWANG_FUZZ_SECONDS` it goes on with new seeds for that long.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

use super::frame::MAX_HELD_BYTES;
use super::tests::{VECTORS, field};
use super::*;

/// One way to break a packet; places are in thousandths of its length.
#[derive(Clone, Debug)]
enum Break {
    Flip(usize, u8),
    Set(usize, u8),
    Cut(usize, usize),
    Double(usize, usize),
    Insert(usize, Vec<u8>),
    Length(usize),
    End(usize),
}

/// What hostile bytes are made of, beside any.
const SHARDS: [&[u8]; 17] = [
    b"#",
    b"##",
    b"###",
    b"##0",
    b"##0000",
    b"##0087",
    b"##4096",
    b"##9999",
    b"&&",
    b"CP=&&",
    b"&&&&0000",
    b"\r\n",
    b"\0",
    b";",
    b",",
    b"=",
    b"\xB3\xAC\xB1\xEA",
];

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let shard = prop::sample::select(&SHARDS[..]).prop_map(<[u8]>::to_vec);
    let any = prop::collection::vec(any::<u8>(), 0..40);
    prop::collection::vec(prop_oneof![3 => shard, 1 => any], 0..8).prop_map(|parts| parts.concat())
}

fn a_break() -> impl Strategy<Value = Break> {
    let at = || 0usize..1000;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, bits)| Break::Flip(at, bits)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Break::Set(at, byte)),
        (at(), 1usize..50).prop_map(|(at, bytes)| Break::Cut(at, bytes)),
        (at(), 1usize..50).prop_map(|(at, bytes)| Break::Double(at, bytes)),
        (at(), bytes()).prop_map(|(at, bytes)| Break::Insert(at, bytes)),
        (0usize..10_000).prop_map(Break::Length),
        at().prop_map(Break::End),
    ]
}

impl Break {
    fn apply(&self, packet: &mut Vec<u8>) {
        let length = packet.len();
        let place = |at: &usize| at * length / 1000;
        match self {
            _ if packet.is_empty() => {}
            Self::Flip(at, bits) => packet[place(at)] ^= bits,
            Self::Set(at, byte) => packet[place(at)] = *byte,
            Self::Cut(at, bytes) => drop(packet.drain(place(at)..length.min(place(at) + bytes))),
            Self::Double(at, bytes) => {
                let again = packet[place(at)..length.min(place(at) + bytes)].to_vec();
                packet.splice(place(at)..place(at), again);
            }
            Self::Insert(at, bytes) => drop(packet.splice(place(at)..place(at), bytes.iter().copied())),
            Self::Length(declared) => {
                let end = length.min(6);
                packet.splice(end.min(2)..end, format!("{declared:04}").into_bytes());
            }
            Self::End(at) => packet.truncate(place(at)),
        }
    }
}

/// Packets of the field, if they are there, and of the standards.
fn packets() -> Vec<Vec<u8>> {
    let standards = VECTORS.iter().map(|line| line.as_bytes().to_vec());
    let samples =
        ["samples.txt", "invalid.txt"].map(|name| field(name).and_then(|path| std::fs::read(path).ok()));
    let samples = samples.into_iter().flatten();
    let lines =
        samples.flat_map(|text| text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>());
    standards.chain(lines.filter(|line| !line.is_empty())).collect()
}

/// A stream of broken packets with litter in between.
fn stream(packets: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let broken = (prop::sample::select(packets), prop::collection::vec(a_break(), 0..4)).prop_map(
        |(mut packet, breaks)| {
            packet.extend_from_slice(b"\r\n");
            breaks.iter().for_each(|a_break| a_break.apply(&mut packet));
            packet
        },
    );
    prop::collection::vec(prop_oneof![4 => broken, 1 => bytes()], 0..6).prop_map(|parts| parts.concat())
}

/// What came of a stream, as far as the cuts may not show: packets, faults but for junk, and how much junk.
#[derive(Debug, Default, PartialEq)]
struct Came {
    packets: Vec<(Vec<u8>, Leniencies)>,
    faults: Vec<Fault>,
    junk: usize,
}

/// Feeds a stream in pieces, and reads all that comes of it as deep as it goes.
fn feed(stream: &[u8], cuts: &[usize]) -> Result<Came, TestCaseError> {
    let (mut decoder, mut came, mut rest) = (Decoder::default(), Came::default(), stream);
    for cut in cuts.iter().cycle() {
        let (piece, later) = rest.split_at(rest.len().min(*cut));
        decoder.feed(piece, |frame| match frame {
            Ok(frame) => {
                read_deep(&frame);
                came.packets.push((frame.segment.to_vec(), frame.leniencies));
            }
            Err((Fault::Junk { bytes }, _)) => came.junk += bytes,
            Err((fault, _)) => came.faults.push(fault),
        });
        prop_assert!(decoder.held() <= MAX_HELD_BYTES);
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    Ok(came)
}

fn read_deep(frame: &Frame<'_>) {
    let (text, leniencies) = packet::text(frame);
    for mode in [Mode::Lenient, Mode::Strict] {
        let Ok(packet) = Packet::read(&text, leniencies, mode) else { continue };
        let Ok(content) = Content::read(packet.content) else { continue };
        let _ = content.named("DataTime").and_then(time::read);
        assert!(content.factors.len() <= content::MAX_FACTORS);
    }
}

/// Runs a property for the configured number of cases, then for as long as is asked for, each round with a new seed.
fn check<S: Strategy>(strategy: &S, property: impl Fn(S::Value) -> Result<(), TestCaseError>)
where
    S::Value: std::fmt::Debug,
{
    let seconds = std::env::var("YIWANG_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let (began, lasts) = (Instant::now(), Duration::from_secs(seconds));
    loop {
        let failed = TestRunner::new(Config { failure_persistence: None, ..Config::default() })
            .run(strategy, &property);
        if let Err(TestError::Fail(why, input)) = failed {
            panic!("{why}: {input:?}");
        }
        if began.elapsed() >= lasts {
            return;
        }
    }
}

#[test]
fn a_whole_packet_behind_anything_is_found() {
    let behind = (stream(packets()), 0..VECTORS.len(), any::<bool>(), cuts());
    check(&behind, |(mut stream, which, ended, cuts)| {
        let good = VECTORS[which].as_bytes();
        stream.extend_from_slice(good);
        if ended {
            stream.extend_from_slice(b"\r\n");
        }
        let came = feed(&stream, &cuts)?;
        let segment = &good[6..good.len() - 4];
        let last = came.packets.last().map(|(segment, _)| segment.as_slice());
        prop_assert_eq!(last, Some(segment));
        Ok(())
    });
}

#[test]
fn how_a_stream_is_cut_does_not_show() {
    check(&(stream(packets()), cuts()), |(stream, cuts)| {
        let (whole, cut) = (feed(&stream, &[usize::MAX])?, feed(&stream, &cuts)?);
        prop_assert_eq!(whole, cut);
        Ok(())
    });
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![1usize..8, 1usize..400], 1..20)
}

/// Found by the first: the search went on behind the first two, and so lost the packet.
#[test]
fn a_hash_too_many_before_a_packet_does_not_hide_it() {
    for litter in ["#", "##", "###", "##0001#", "##1#"] {
        let came = feed(format!("{litter}{}", VECTORS[0]).as_bytes(), &[usize::MAX]).unwrap();
        assert_eq!(came.packets.len(), 1, "{litter}");
    }
}
