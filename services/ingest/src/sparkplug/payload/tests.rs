use proptest::prelude::*;

use super::*;

fn metric(value: Value) -> Metric {
    Metric { value: Some(value), ..Metric::default() }
}

#[test]
fn the_type_decides_the_sign() {
    for (bits, datatype, wanted) in [
        (0xff, 1, Some(-1.0)),
        (0xffff_ffff, 1, Some(-1.0)),
        (u64::MAX, 1, Some(-1.0)),
        (0x80, 1, Some(-128.0)),
        (0x7f, 1, Some(127.0)),
        (0x100, 1, None),
        (0xffff, 1, None),
        (0x8000, 2, Some(-32_768.0)),
        (0xffff_fffd, 3, Some(-3.0)),
        (u64::MAX - 2, 3, Some(-3.0)),
        (0x1_0000_0000, 3, None),
        (u64::MAX, 4, Some(-1.0)),
        (1 << 63, 4, Some(-9_223_372_036_854_775_808.0)),
        (255, 5, Some(255.0)),
        (256, 5, None),
        (65_535, 6, Some(65_535.0)),
        (0xffff_ffff, 7, Some(4_294_967_295.0)),
        (0x1_0000_0000, 7, None),
        (u64::MAX, 8, Some(18_446_744_073_709_551_615.0)),
        (1, 11, Some(1.0)),
        (2, 11, None),
        (1, 9, None),
        (1, 12, None),
        (1, 13, None),
        (1, 0, None),
    ] {
        let long = number(&metric(Value::LongValue(bits)), Some(datatype)).ok();
        assert_eq!(long, wanted, "{bits:#x} of type {datatype}");
        if let Ok(bits) = u32::try_from(bits) {
            assert_eq!(number(&metric(Value::IntValue(bits)), Some(datatype)).ok(), wanted);
        }
    }
    assert_eq!(number(&metric(Value::BooleanValue(true)), None), Ok(1.0));
    assert_eq!(number(&metric(Value::FloatValue(0.5)), None), Ok(0.5));
    assert!(number(&metric(Value::IntValue(1)), None).unwrap_err().contains("not known"));
    assert!(number(&metric(Value::StringValue(b"on".to_vec())), Some(12)).unwrap_err().contains("no number"));
    assert!(number(&Metric::default(), Some(10)).unwrap_err().contains("no value"));
}

fn encoded(seq: Option<u64>, uuid: Option<&str>, metrics: Vec<Vec<u8>>) -> Vec<u8> {
    Wire { seq, uuid: uuid.map(Into::into), metrics, ..Wire::default() }.encode_to_vec()
}

#[test]
fn a_payload_beyond_its_bounds_is_refused_with_the_bound() {
    for (payload, wanted) in [
        (vec![0; MAX_PAYLOAD_BYTES + 1], "at most 1048576"),
        (encoded(None, None, vec![vec![]; MAX_METRICS + 1]), "at most 10000"),
        (encoded(Some(256), None, vec![]), "0 to 255"),
        (encoded(None, Some(COMPRESSED), vec![]), "compressed"),
        (b"no protobuf".to_vec(), "none of Sparkplug B"),
        (encoded(None, None, vec![vec![0xff; 20]]), "none of Sparkplug B"),
        // a length beyond the end
        (vec![0x12, 0xff, 0xff, 0xff, 0xff, 0x0f], "none of Sparkplug B"),
        // groups within groups
        (vec![0x0b; 10_000], "none of Sparkplug B"),
    ] {
        let why = read(&payload).unwrap_err();
        assert!(why.contains(wanted) && why.len() < 400, "{why}");
    }
    assert_eq!(read(&[]), Ok(Payload::default()));
    assert_eq!(read(&encoded(None, None, vec![vec![]; MAX_METRICS])).unwrap().metrics.len(), MAX_METRICS);
}

proptest! {
    /// Whatever bytes come, and whatever was done to good ones: an answer.
    #[test]
    fn any_bytes_are_read_or_refused(
        noise in prop::collection::vec(any::<u8>(), 0..200),
        value in any::<u64>(), datatype in prop::option::of(0..40_u32), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let _ = read(&noise);
        let good = Metric { name: Some("a".into()), alias: Some(value), datatype, value: Some(Value::LongValue(value)), ..Metric::default() };
        let mut bytes = encoded(Some(value % 256), None, vec![good.encode_to_vec()]);
        let payload = read(&bytes).unwrap();
        prop_assert_eq!(&payload.metrics, &[good]);
        let _ = number(&payload.metrics[0], datatype);
        let at = at.index(bytes.len());
        let _ = read(&bytes[..at]);
        bytes[at] = byte;
        if let Ok(payload) = read(&bytes) {
            payload.metrics.iter().for_each(|metric| drop(number(metric, metric.datatype)));
        }
    }
}
