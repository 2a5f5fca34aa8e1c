//! The packets of the standards and of the field, and streams that are cut and littered.

use std::io::Read;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::frame::MAX_HELD_BYTES;
use super::*;

/// The valid packets of the facts: A to F, I and J.
pub(super) const VECTORS: &[&str] = &[
    "##0288QN=20260302101500123;ST=22;CN=2011;PW=123456;MN=510107A8900016F000169DC0;Flag=5;CP=&&DataTime=20260302101500;a34004-Rtd=41.0,a34004-Flag=N;a34002-Rtd=78.0,a34002-Flag=N;a21026-Rtd=9.0,a21026-Flag=N;a21004-Rtd=38.0,a21004-Flag=N;a21005-Rtd=0.7,a21005-Flag=N;a05024-Rtd=64.0,a05024-Flag=N&&2640",
    "##0087QN=20260302101500123;ST=91;CN=9014;PW=123456;MN=510107A8900016F000169DC0;Flag=4;CP=&&&&0F00",
    "##0216QN=20260302102000001;ST=39;CN=2051;PW=123456;MN=510107B1000000D100000039;Flag=4;CP=&&DataTime=20260302101000;a34002-Min=96.0,a34002-Avg=141.5,a34002-Max=203.0,a34002-Flag=N;Leq-Data=68.4;LMx-Data=83.1;LMn-Data=55.0&&2080",
    "##0324QN=20260302110000001;ST=32;CN=2061;PW=123456;MN=510104C2000000E200000032;Flag=5;CP=&&DataTime=20260302100000;w00000-Cou=63.0,w00000-Min=16.4,w00000-Avg=17.5,w00000-Max=20.1,w00000-Flag=N;w01018-Cou=2.9,w01018-Min=41.0,w01018-Avg=46.2,w01018-Max=58.8,w01018-Flag=D;w21003-Min=0.8,w21003-Avg=1.1,w21003-Max=1.6,w21003-Flag=N&&3B80",
    "##0182QN=20260302110001534;ST=32;CN=2061;PW=123456;MN=510104C2000000E200000032;Flag=7;PNUM=2;PNO=1;CP=&&DataTime=20260302100000;w01001-Min=7.1,w01001-Avg=7.5,w01001-Max=7.8,w01001-Flag=N&&C901",
    "##0185QN=20260302110001535;ST=32;CN=2061;PW=123456;MN=510104C2000000E200000032;Flag=7;PNUM=2;PNO=2;CP=&&DataTime=20260302100000;w21011-Min=0.10,w21011-Avg=0.12,w21011-Max=0.15,w21011-Flag=N&&0CC0",
    "##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&1C80",
    "##0094QN=20160801085857223;ST=91;CN=9011;PW=100000;MN=010000A8900016F000169DC0;Flag=4;CP=&&QnRtn=1&&E101",
    "##0095QN=20160801085857223;ST=91;CN=9012;PW=100000;MN=010000A8900016F000169DC0;Flag=4;CP=&&ExeRtn=1&&21C0",
    "##0087QN=20240601085857223;ST=32;CN=1011;PW=123456;MN=010000A8900016F000169DC0;Flag=9;CP=&&&&2200",
    "##0087QN=20260302101600000;ST=91;CN=9015;PW=123456;MN=510107A8900016F000169DC0;Flag=9;CP=&&&&EA41",
];

/// What a stream gives: segments with the names of their leniencies, and the names of faults.
fn decode(decoder: &mut Decoder, bytes: &[u8]) -> Vec<Result<String, &'static str>> {
    let mut found = Vec::new();
    decoder.feed(bytes, |frame| {
        found.push(match frame {
            Ok(frame) => Ok(String::from_utf8_lossy(frame.segment).into_owned()),
            Err((fault, _)) => Err(fault.word()),
        });
    });
    found
}

/// Reads one line as a packet with its data area: the words of its leniencies, or of why it is refused.
fn read(line: &str, mode: Mode) -> Result<Vec<&'static str>, Fault> {
    let mut read = None;
    Decoder::default().feed(format!("{line}\r\n").as_bytes(), |frame| {
        let this = frame.map_err(|(fault, _)| fault).and_then(|frame| {
            let (text, leniencies) = packet::text(&frame);
            let packet = Packet::read(&text, leniencies, mode)?;
            let content = Content::read(packet.content)?;
            Ok(packet.leniencies.iter().chain(content.leniencies.iter()).map(Leniency::word).collect())
        });
        read.get_or_insert(this);
    });
    read.expect("a packet or a fault")
}

#[test]
fn the_packets_of_the_standards_are_held_to_nothing_they_do_not_keep() {
    for line in VECTORS {
        assert_eq!(read(line, Mode::Strict), Ok(vec![]), "{line}");
    }
}

#[test]
fn a_packet_is_what_it_says() {
    let mut seen = 0;
    Decoder::default().feed(VECTORS[4].as_bytes(), |frame| {
        let (text, leniencies) = packet::text(&frame.unwrap());
        let packet = Packet::read(&text, leniencies, Mode::Strict).unwrap();
        assert_eq!((packet.qn, packet.st, packet.cn), (Some("20260302110001534"), "32", 2061));
        assert_eq!(packet.part, Some(Part { of: 2, number: 1 }));
        assert_eq!(packet.flag.map(|flag| (flag.edition(), flag.of_answer().0)), Some((Edition::Of2017, 4)));
        let content = Content::read(packet.content).unwrap();
        assert_eq!(
            content.named("DataTime").and_then(time::read).unwrap().to_string(),
            "2026-03-02T02:00:00Z"
        );
        let ph = &content.factors[0];
        assert_eq!((ph.code, ph.get(Kind::Avg), ph.get(Kind::Flag)), ("w01001", Some("7.5"), Some("N")));
        assert_eq!(ph.get(Kind::Rtd), None);
        seen += 1;
    });
    assert_eq!(seen, 1);
}

#[test]
fn each_habit_has_its_name_and_is_no_habit_of_the_strict() {
    let sealed = |segment: &str, sum: u16| format!("##{:04}{segment}{sum:04X}", segment.len());
    let good = "QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&";
    let with = |from: &str, to: &str| {
        let segment = good.replace(from, to);
        sealed(&segment, crc::standard(segment.as_bytes()))
    };
    let crc_of = crc::standard(good.as_bytes());
    for (line, word) in [
        (sealed(good, crc::modbus(good.as_bytes())), "modbus_crc"),
        (sealed(good, crc::modbus(good.as_bytes()).swap_bytes()), "modbus_crc_swapped"),
        (sealed(good, crc_of.swap_bytes()), "swapped_crc"),
        (sealed(good, crc_of).replace("1C80", "1c80"), "lower_case_crc"),
        (with("30&&", &format!("30;Text={}&&", "x".repeat(1000))), "oversize"),
        (with("QN=20160801085857223;", ""), "missing_qn"),
        (with("20160801085857223", "1617936069734"), "odd_qn"),
        (with("Flag=5;", ""), "missing_flag"),
        (with("PW=100000;", ""), "missing_password"),
        (with("010000A8900016F000169DC0", "DM000001"), "odd_mn"),
        (with("Flag=5", "Flag=13"), "newer_edition"),
        (with("Flag=5", "Flag=7"), "part_bit"),
        (with("ST=32;CN=1062", "CN=1062;ST=32"), "field_order"),
        (with("ST=32", "XX=1;ST=32"), "unknown_field"),
        (with("30&&", "30;&&"), "empty_item"),
        (with("30&&", "30; A=1&&"), "blanks"),
        (with("30&&", "30;a-Rtd=1,b-Rtd=2&&"), "mixed_item"),
        (with("30&&", "30;a-Rtd=1;a-Flag=N&&"), "torn_item"),
        (with("30&&", "30;DataTime=20160824003817000&&"), "millis_data_time"),
    ] {
        assert_eq!(read(&line, Mode::Lenient), Ok(vec![word]), "{line}");
        let of_content = ["empty_item", "mixed_item", "torn_item", "blanks", "millis_data_time"];
        if !of_content.contains(&word) {
            assert!(matches!(read(&line, Mode::Strict), Err(Fault::Strict(_))), "{line}");
        }
    }
}

#[test]
fn each_fault_has_its_name() {
    let sealed =
        |segment: &str| format!("##{:04}{segment}{:04X}", segment.len(), crc::standard(segment.as_bytes()));
    let whole = |fields: &str, area: &str| sealed(&format!("{fields}CP=&&{area}&&"));
    let head = "ST=32;CN=2011;PW=1;MN=M1;";
    let many: String = (0..300).map(|n| format!("a{n}-Rtd=1;")).collect();
    for (line, word) in [
        ("QN=1;ST=32".to_owned(), "junk"),
        ("##12x4".to_owned(), "no_length"),
        ("##9999".to_owned(), "too_long"),
        ("##0050ST=32;CN=2011;CP=&&&&0000".to_owned(), "bad_length"),
        ("##0004ST=32;CN=2011;CP=&&&&0000".to_owned(), "bad_length"),
        ("##0023ST=32;CN=2011;MN=M1;CP=&&&&0000".replace("##0023", "##0027"), "bad_crc"),
        (sealed("ST=32;CN=2011;MN=M1&&"), "no_content"),
        (sealed("ST=32;CN=2011;MN=M1;CP=&&"), "no_content"),
        (whole("CN=2011;MN=M1;", ""), "missing_field"),
        (whole("ST=32;MN=M1;", ""), "missing_field"),
        (whole("ST=32;CN=2011;", ""), "missing_field"),
        (whole("ST=32;CN=2011;MN=M1;PNO=1;", ""), "missing_field"),
        (whole("ST=32:CN=2011;CN=2011;MN=M1;", ""), "bad_field"),
        (whole("ST=32;CN=20x1;MN=M1;", ""), "bad_field"),
        (whole("ST=32;CN=2011;MN=M 1;", ""), "bad_field"),
        (whole("ST=32;CN=2011;MN=M1;Flag=256;", ""), "bad_field"),
        (whole("ST=32;CN=2011;MN=M1;PNUM=2;PNO=3;", ""), "bad_field"),
        (whole("ST=32;ST=32;CN=2011;MN=M1;", ""), "twice"),
        (whole(head, "a-Rtd=1,a-Rtd=2"), "twice"),
        (whole(head, "DataTime=1;DataTime=2"), "twice"),
        (whole(head, "a-Rtd"), "bad_item"),
        (whole(head, "-Rtd=1"), "bad_item"),
        (whole(head, "a-Rtd=1&&;CP=&&b-Rtd=2;c-Rtd=3"), "bad_item"),
        (whole(head, &many), "too_many_factors"),
    ] {
        assert_eq!(read(&line, Mode::Lenient).map_err(|fault| fault.word()), Err(word), "{line}");
    }
}

#[test]
fn a_password_that_cannot_be_read_is_not_told() {
    for field in ["PW:s3cret", "pw s3cret", " PW-s3cret"] {
        let segment = format!("ST=32;CN=2011;{field};MN=M1;CP=&&&&");
        let line = format!("##{:04}{segment}{:04X}", segment.len(), crc::standard(segment.as_bytes()));
        let fault = read(&line, Mode::Lenient).unwrap_err().to_string();
        assert!(fault.contains("PW***") && !fault.contains("s3cret"), "{fault}");
    }
}

#[test]
fn times_are_chinas_and_must_exist() {
    let at = |text: &str| time::read(text).map(|time| time.to_string());
    assert_eq!(at("20260302101500").as_deref(), Some("2026-03-02T02:15:00Z"));
    assert_eq!(at("20260302000000").as_deref(), Some("2026-03-01T16:00:00Z"), "a day begins there");
    assert_eq!(at("20260302235959999").as_deref(), Some("2026-03-02T15:59:59.999Z"));
    assert_eq!(at("20260302240000"), None, "and this one has no such hour");
    assert_eq!(at("20160824003817250").as_deref(), Some("2016-08-23T16:38:17.25Z"));
    for wrong in [
        "",
        "2026030210150",
        "20260230101500",
        "20260302251500",
        "2026030210150x",
        "+2026030210150",
        "2024112320423050",
    ] {
        assert_eq!(at(wrong), None, "{wrong}");
    }
    let time = time::read("20260302101500123").unwrap();
    assert_eq!(
        (time::to_second(time), time::to_milli(time)),
        ("20260302101500".into(), "20260302101500123".into())
    );
}

/// The packets of the field, beside the repository; `None` with a word on why when they are not there.
pub(super) fn field(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/hj212").join(name);
    if !path.exists() {
        eprintln!("not tested: {} is not there", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn the_valid_packets_of_the_field_are_read() {
    let Some(path) = field("samples.txt") else { return };
    for line in std::fs::read_to_string(path).unwrap().lines() {
        assert!(read(line, Mode::Lenient).is_ok(), "{line}: {:?}", read(line, Mode::Lenient));
    }
}

#[test]
fn the_invalid_packets_of_the_field_are_refused_or_their_habit_is_named() {
    let Some(path) = field("invalid.txt") else { return };
    let told = std::fs::read_to_string(path).unwrap();
    let told: Vec<_> =
        told.lines().map(|line| read(line, Mode::Lenient).map_err(|fault| fault.word())).collect();
    assert_eq!(
        told,
        [
            Ok(vec!["modbus_crc", "lower_case_crc", "odd_mn", "empty_item"]),
            Ok(vec!["modbus_crc_swapped", "missing_qn", "missing_flag", "odd_mn"]),
            Err("bad_length"),
            Err("bad_crc"),
            Err("bad_crc"),
            Err("bad_crc"),
            Err("bad_crc"),
            Err("bad_crc"),
            Ok(vec!["modbus_crc_swapped", "oversize", "missing_qn", "missing_flag", "odd_mn"]),
        ]
    );
}

#[test]
fn a_simulators_stream_of_days_is_read_to_the_last_packet() {
    let Some(path) = field("simulator-stream.txt.gz") else { return };
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    let (mut decoder, mut read) = (Decoder::default(), 0);
    for piece in text.as_bytes().chunks(1009) {
        for found in decode(&mut decoder, piece) {
            let segment = found.unwrap();
            let packet = Packet::read(&segment, Leniencies::default(), Mode::Lenient).unwrap();
            Content::read(packet.content).unwrap();
            read += 1;
        }
    }
    assert_eq!(read, text.lines().count());
    assert_eq!(read, 4494);
}

/// Bytes that may stand between packets: anything but what begins one.
fn litter() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>().prop_filter("no packet", |byte| *byte != b'#'), 0..30)
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        qn in "[0-9]{17}", st in "[0-9]{2}", cn in 1000u16..9999, pw in "[0-9a-zA-Z]{0,6}", mn in "[0-9A-F]{24}",
        flag in 0u8..12, of in 1u16..99, values in prop::collection::btree_map("[aw][0-9]{5}", -1e6f64..1e6, 0..20),
    ) {
        let area: Vec<_> = values.iter().map(|(code, value)| format!("{code}-Rtd={value},{code}-Flag=N")).collect();
        let flag = Flag(flag);
        let part = flag.has_parts().then_some(Part { of, number: of });
        let sent = Outgoing { qn: Some(&qn), st: &st, cn, pw: &pw, mn: &mn, flag: Some(flag), part, content: &area.join(";") };
        let bytes = sent.to_bytes();
        let mut read = 0;
        Decoder::default().feed(&bytes, |frame| {
            let frame = frame.expect("what was written is a packet");
            let (text, leniencies) = packet::text(&frame);
            let packet = Packet::read(&text, leniencies, Mode::Strict).expect("and strictly one");
            assert_eq!((packet.qn, packet.st, packet.cn, packet.pw, packet.mn), (Some(&*qn), &*st, cn, &*pw, &*mn));
            assert_eq!((packet.flag, packet.part), (Some(flag), part));
            let content = Content::read(packet.content).expect("a data area");
            let back: Vec<_> = content.factors.iter().map(|f| (f.code, f.get(Kind::Rtd).unwrap().parse::<f64>().unwrap())).collect();
            assert!(back.iter().copied().eq(values.iter().map(|(code, value)| (code.as_str(), *value))));
            read += 1;
        });
        prop_assert_eq!(read, 1);
    }

    #[test]
    fn cuts_and_litter_hide_no_packet(
        between in prop::collection::vec((0..VECTORS.len(), litter(), any::<bool>()), 1..12),
        cuts in prop::collection::vec(1usize..200, 1..40),
    ) {
        let (mut stream, mut wanted) = (Vec::new(), Vec::new());
        for (which, litter, ended) in &between {
            let line = VECTORS[*which];
            stream.extend_from_slice(litter);
            stream.extend_from_slice(line.as_bytes());
            if *ended {
                stream.extend_from_slice(b"\r\n");
            }
            wanted.push(line[6..line.len() - 4].to_owned());
        }
        let (mut decoder, mut found, mut at) = (Decoder::default(), Vec::new(), 0);
        for cut in cuts.iter().cycle() {
            let end = stream.len().min(at + cut);
            found.extend(decode(&mut decoder, &stream[at..end]).into_iter().flatten());
            at = end;
            if at == stream.len() { break; }
        }
        prop_assert_eq!(found, wanted);
        prop_assert_eq!(decoder.held(), 0);
    }

    #[test]
    fn a_wrong_length_hides_no_later_packet(declared in 0usize..9999, which in 0..VECTORS.len()) {
        let broken = format!("##{declared:04}ST=32;CN=2011;MN=M1;CP=&&a-Rtd=1&&0000");
        let stream = format!("{broken}{}\r\n", VECTORS[which]);
        let found = decode(&mut Decoder::default(), stream.as_bytes());
        let line = VECTORS[which];
        prop_assert!(found.contains(&Ok(line[6..line.len() - 4].to_owned())), "{:?}", found);
    }

    #[test]
    fn no_bytes_make_it_panic_or_hold_more_than_it_may(
        pieces in prop::collection::vec(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..2000),
            "(##[0-9]{4}[ -~]{0,60}&&[0-9A-F]{4}){1,20}".prop_map(String::into_bytes),
            "##[0-9]{4}ST=[0-9]{2};CN=[0-9]{4};MN=M;CP=&&[a-c=,;-]{0,60}&&".prop_map(String::into_bytes),
        ], 0..12),
    ) {
        let mut decoder = Decoder::default();
        for piece in pieces {
            decoder.feed(&piece, |_| {});
            prop_assert!(decoder.held() <= MAX_HELD_BYTES);
            let text = String::from_utf8_lossy(&piece);
            let _ = Packet::read(&text, Leniencies::default(), Mode::Lenient);
            let _ = Content::read(&text);
        }
    }
}
