use proptest::prelude::*;
use yiwang_model::Vintage;

use super::*;

const GOOD: &str = r#"{"metric":"pm2_5","time":"2026-03-02T10:15:00+08:00","value":41.0,"unit":"µg/m³"}"#;

fn all(payload: &[u8]) -> Result<Vec<Result<Said<'_>, Refused>>, String> {
    let mut said = Vec::new();
    read(payload, |one| said.push(one)).map(|()| said)
}

fn one(payload: &str) -> Result<Said<'_>, Refused> {
    all(payload.as_bytes()).expect("it is JSON").pop().expect("it has a reading")
}

/// The good reading with fields replaced or added.
fn with(fields: &str) -> String {
    GOOD.replace('}', &format!(",{fields}}}"))
}

fn refusal(payload: &str) -> String {
    one(payload).expect_err(payload).1
}

#[test]
fn a_reading_and_an_array_of_readings_are_read() {
    let said = one(GOOD).unwrap();
    assert_eq!((said.metric.as_ref(), said.value, said.unit.as_ref()), ("pm2_5", 41.0, "µg/m³"));
    assert_eq!((said.time, said.quality), ("2026-03-02T02:15:00Z".parse().unwrap(), Quality::Good));
    assert!(matches!(said.metric, Cow::Borrowed(_)));
    assert_eq!(all(format!(" [{GOOD} , {GOOD}] ").as_bytes()).unwrap().len(), 2);
    assert_eq!(all(b"[]").unwrap().len(), 0);
}

#[test]
fn all_fields_are_read() {
    let said = with(r#""quality":"manual","period_end":1767225600,"vintage":1769000000,"time_unit":"s""#);
    let said = one(&said).unwrap();
    assert_eq!(said.quality, Quality::Manual);
    assert_eq!(said.period_end, Some(Timestamp::from_secs(1_767_225_600)));
    assert_eq!(said.vintage, Vintage(Some(Timestamp::from_secs(1_769_000_000))));
}

#[test]
fn a_gateway_may_number_what_it_sends() {
    let said = |fields: &str| one(&with(fields)).map(|said| (said.gateway.map(Cow::into_owned), said.seq));
    assert_eq!(said(r#""seq":7,"gateway":"g1""#).unwrap(), (Some("g1".to_owned()), Some(7)));
    assert_eq!(said(r#""seq":null,"gateway":null"#).unwrap(), (None, None));
    for (fields, why) in [
        (r#""seq":-1"#, "counts from 0"),
        (r#""seq":1.5"#, "a whole number belongs there"),
        (r#""seq":"7""#, "a whole number belongs there"),
        (r#""seq":1,"seq":2"#, "twice"),
        (r#""gateway":7"#, "text belongs there"),
        (r#""gateway":"a b""#, "other than letters"),
    ] {
        let told = refusal(&with(fields));
        assert!(told.contains(why), "{fields}: {told}");
    }
}

#[test]
fn a_number_is_a_time_only_with_its_unit() {
    let numbered = |number: &str, unit: &str| {
        format!(r#"{{"metric":"m","time":{number},"value":1,"unit":"","time_unit":"{unit}"}}"#)
    };
    for (number, unit) in [
        ("1772417700", "s"),
        ("1772417700000", "ms"),
        ("1772417700000000", "us"),
        ("1772417700000000000", "ns"),
    ] {
        assert_eq!(one(&numbered(number, unit)).unwrap().time, Timestamp::from_secs(1_772_417_700), "{unit}");
    }
    let bare = r#"{"metric":"m","time":1772417700,"value":1,"unit":""}"#;
    assert!(refusal(bare).contains("add \"time_unit\""), "{}", refusal(bare));
    assert!(refusal(&numbered("1772417700", "min")).contains("known are s, ms, us and ns"));
    assert!(refusal(&numbered("1772417700000", "s")).contains("check \"time_unit\""));
    assert!(refusal(&numbered("1772417700.5", "s")).contains("whole number"));
}

#[test]
fn each_fault_in_form_is_named() {
    let replaced = |from: &str, to: &str| GOOD.replace(from, to);
    for (payload, named) in [
        (replaced(r#""metric":"pm2_5","#, ""), "\"metric\" is missing"),
        (replaced(r#","unit":"µg/m³""#, ""), "\"unit\" is missing"),
        (replaced("41.0", "\"41\""), "\"value\" is text, and a number"),
        (replaced("41.0", "null"), "\"value\" is null"),
        (replaced("41.0", "[1,[2]]"), "\"value\" is an array"),
        (replaced("\"pm2_5\"", "{\"a\":{}}"), "\"metric\" is an object"),
        (replaced("\"pm2_5\"", "true"), "\"metric\" is true or false"),
        (replaced("10:15:00+08:00", "10:15:00"), "\"time\": "),
        (with("\"sensor\":1"), "no field \"sensor\""),
        (with("\"value\":2"), "\"value\" stands there twice"),
        (with("\"quality\":\"great\""), "great"),
    ] {
        let found = refusal(&payload);
        assert!(found.contains(named), "{payload}: {found}");
    }
    assert_eq!(one(&with("\"quality\":\"great\"")).unwrap_err().0, Reason::BadQuality);
}

#[test]
fn a_fault_in_form_refuses_one_element_only() {
    let payload = format!(r#"[{GOOD},1,-1,1.5,"x",null,true,[{GOOD}],{{}},{GOOD}]"#);
    let said = all(payload.as_bytes()).unwrap();
    let good: Vec<bool> = said.iter().map(Result::is_ok).collect();
    assert_eq!(good, [true, false, false, false, false, false, false, false, false, true]);
}

#[test]
fn what_is_not_json_is_refused_as_a_whole() {
    let deep = "[".repeat(100_000);
    let cut = &GOOD[..GOOD.len() - 1];
    for payload in ["", "nonsense", "1", "\"x\"", cut, &format!("{GOOD}{GOOD}"), &format!("[{GOOD},"), &deep]
    {
        assert!(all(payload.as_bytes()).is_err(), "{payload:.50}");
    }
    assert!(all(b"\xff\xfe").unwrap_err().contains("not UTF-8"));
    assert!(all(GOOD.replace("41.0", "1e999").as_bytes()).is_err());
    assert!(all(GOOD.replace("41.0", "NaN").as_bytes()).is_err());
}

#[test]
fn an_array_has_a_largest_length() {
    let array = |length: usize| format!("[{}]", vec!["{}"; length].join(","));
    assert_eq!(all(array(MAX_READINGS).as_bytes()).unwrap().len(), MAX_READINGS);
    assert!(all(array(MAX_READINGS + 1).as_bytes()).unwrap_err().contains("at most 10000 readings"));
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        metric in "\\PC{0,20}", unit in any::<String>(), value in any::<f64>().prop_filter("JSON", |v| v.is_finite()),
        nanos in any::<i64>(), end in proptest::option::of(any::<i64>()), quality in 0_u8..8,
    ) {
        let quality = Quality::from_number(quality).unwrap();
        let payload = serde_json::json!({
            "metric": metric, "unit": unit, "value": value, "time": nanos, "period_end": end, "time_unit": "ns",
            "quality": quality,
        }).to_string();
        let said = one(&payload).unwrap();
        prop_assert_eq!((said.metric.as_ref(), said.unit.as_ref()), (metric.as_str(), unit.as_str()));
        prop_assert_eq!(said.value.to_bits(), value.to_bits());
        prop_assert_eq!((said.time, said.period_end), (Timestamp(nanos), end.map(Timestamp)));
        prop_assert_eq!(said.quality, quality);
    }

    #[test]
    fn arbitrary_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = all(&bytes);
    }

    #[test]
    fn a_damaged_reading_is_read_or_refused(at in 0..GOOD.len(), byte in any::<u8>(), cut in 0..GOOD.len()) {
        let mut bytes = GOOD.as_bytes().to_vec();
        bytes[at] = byte;
        let _ = all(&bytes);
        let _ = all(&bytes[..cut]);
    }
}
