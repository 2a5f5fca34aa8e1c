use crate::influx::verdict::{Answer, Verdict};
use std::time::Duration;

fn of(status: u16, text: &str) -> Answer {
    Answer { status, text: text.into(), retry_after: None }
}

/// How many lines an answer says were refused.
fn partly(status: u16, text: &str) -> u64 {
    match Verdict::of(&of(status, text)) {
        Ok(Verdict::Partly { refused, .. }) => refused,
        other => panic!("{text}: {other:?}"),
    }
}

/// As InfluxDB 1.8, 2.7 and 3 Core say it.
#[test]
fn a_partial_write_is_read_from_the_answer() {
    let one = r#"{"error":"partial write: field type conflict: input field \"value\" on measurement \"readings\" is type float, already exists as type integer dropped=3"}"#;
    assert_eq!(partly(400, one), 3);
    let one = r#"{"error":"partial write: unable to parse 'a b': invalid field format\nunable to parse 'c': missing fields dropped=0"}"#;
    assert_eq!(partly(400, one), 1, "at least one");
    let one = r#"{"error":"partial write: unable to parse 'a b': invalid field format\nunable to parse 'c': missing fields"}"#;
    assert_eq!(partly(400, one), 2);
    let two = r#"{"code":"unprocessable entity","message":"failure writing points to database: partial write: points beyond retention policy dropped=12"}"#;
    assert_eq!(partly(422, two), 12);
    let three = r#"{"error":"partial write of line protocol occurred","data":[{"original_line":"a","line_number":1,"error_message":"x"},{"original_line":"b","line_number":4,"error_message":"y"}]}"#;
    assert_eq!(partly(400, three), 2);
    assert_eq!(partly(400, "Partial write dropped=99999999999999999999999"), 1, "a number beyond sense");
}

#[test]
fn lines_are_set_aside_only_when_they_are_at_fault() {
    let whole = r#"{"code":"invalid","message":"unable to parse 'a': missing fields"}"#;
    assert!(
        matches!(Verdict::of(&of(400, whole)), Ok(Verdict::Refused { why }) if why.contains("missing fields"))
    );
    for status in [402, 406, 409, 410, 411, 414, 418, 431, 499] {
        assert!(matches!(Verdict::of(&of(status, "")), Ok(Verdict::Refused { .. })), "{status}");
    }
    let again = [
        100, 200, 202, 206, 301, 302, 307, 401, 403, 404, 405, 407, 408, 415, 425, 429, 500, 502, 503, 504,
        599, 999,
    ];
    for status in again {
        assert!(Verdict::of(&of(status, "partial write dropped=1")).is_err(), "{status}");
    }
    assert_eq!(Verdict::of(&of(204, "")), Ok(Verdict::Written));
    assert!(matches!(Verdict::of(&of(413, "")), Ok(Verdict::TooLarge { .. })));
}

#[test]
fn an_answer_is_told_short_and_on_one_line() {
    let long = format!("a\r\n\u{1b}[31m{}", "长".repeat(10_000));
    let why = Verdict::of(&of(500, &long)).unwrap_err().why;
    assert!(why.chars().count() < 220 && !why.contains(char::is_control), "{why}");
}

#[test]
fn what_a_store_asks_for_is_kept() {
    let answer = Answer { retry_after: Some(Duration::from_secs(7)), ..of(503, "") };
    assert_eq!(Verdict::of(&answer).unwrap_err().after, Some(Duration::from_secs(7)));
}
