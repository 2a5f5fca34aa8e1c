//! What is written parses back, by a parser that is not ours.

use std::collections::BTreeMap;

use influxdb_line_protocol::{FieldValue, ParsedLine, parse_lines};
use proptest::prelude::*;
use serde_json::json;
use yiwang_model::{Quality, Row, Series, Timestamp, Vintage};

use crate::influx::lines::{Body, Lines};
use crate::{Batch, Error, Record};

pub(super) fn row(series: &Series, nanos: i64, value: f64) -> Row {
    Row {
        series: series.id(),
        time: Timestamp(nanos),
        value,
        quality: Quality::Good,
        period_end: None,
        vintage: Vintage(None),
    }
}

pub(super) fn batch(series: &[Series], rows: Vec<Row>) -> Batch {
    let names = series.iter().map(|series| (series.id(), series.clone())).collect();
    Batch { names, rows, ..Batch::default() }
}

fn written(batch: &Batch) -> (String, u64) {
    let written = Lines::default().write(batch).unwrap();
    (written.bodies.iter().map(|body| body.text.as_str()).collect(), written.unsaid)
}

/// Measurement, tags, fields but texts as they are, time.
type Point = (String, BTreeMap<String, String>, BTreeMap<String, String>, i64);

fn point(line: &ParsedLine<'_>) -> Point {
    let tags = line.series.tag_set.iter().flatten();
    let tags = tags.map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let fields = line.field_set.iter().map(|(key, value)| (key.to_string(), shown(value))).collect();
    (line.series.measurement.to_string(), tags, fields, line.timestamp.unwrap())
}

fn shown(value: &FieldValue<'_>) -> String {
    match value {
        FieldValue::I64(number) => format!("{number}i"),
        FieldValue::F64(number) => format!("{:x}", number.to_bits()),
        FieldValue::String(text) => text.to_string(),
        other => panic!("{other:?}"),
    }
}

fn points(text: &str) -> Vec<Point> {
    parse_lines(text).map(|line| point(&line.unwrap_or_else(|error| panic!("{error}: {text}")))).collect()
}

fn series(source: &str, metric: &str) -> Series {
    Series::new(source, metric).unwrap()
}

#[test]
fn a_reading_and_a_figure_of_two_vintages_are_three_keys() {
    let gdp = series("stats", "gdp");
    let mut first = row(&gdp, 5, 1.5);
    first.vintage = Vintage(Some(Timestamp::from_secs(10)));
    first.period_end = Some(Timestamp(9));
    let mut second = first;
    (second.vintage, second.value) = (Vintage(Some(Timestamp::from_secs(20))), 1.75);
    let mut plain = row(&gdp, 5, -0.25);
    plain.quality = Quality::Manual;
    let (text, _) = written(&batch(std::slice::from_ref(&gdp), vec![plain, first, second]));
    assert_eq!(
        text,
        "readings,metric=gdp,source=stats value=-0.25,quality=6i 5\n\
         figures,metric=gdp,source=stats,vintage=1970-01-01T00:00:10Z value=1.5,quality=0i,period_end=9i 5\n\
         figures,metric=gdp,source=stats,vintage=1970-01-01T00:00:20Z value=1.75,quality=0i,period_end=9i 5\n"
    );
}

#[test]
fn what_is_no_number_and_what_nobody_can_read_is_counted() {
    let one = series("a", "b");
    let mut batch =
        batch(std::slice::from_ref(&one), vec![row(&one, 1, f64::NAN), row(&one, 2, f64::INFINITY)]);
    batch.rows.push(row(&one, 3, 3.0));
    let record = |measurement: &str| Record {
        measurement: measurement.into(),
        key: String::new(),
        time: Timestamp(0),
        body: "{}".into(),
    };
    batch.records.extend([record("anomalies"), record("order_events")]);
    assert_eq!(written(&batch), ("readings,metric=b,source=a value=3.0,quality=0i 3\n".to_owned(), 4));
    batch.names.clear();
    assert!(matches!(Lines::default().write(&batch), Err(Error::UnknownSeries(_))));
}

fn event(seq: u64, no: &str, note: &str, department: &str) -> Record {
    let at = Timestamp::from_secs(1_000);
    let step = json!({"seq": 1, "kind": "opened", "state": "opened", "who": "yiwang", "note": note, "at": at, "wall": at});
    let body = json!({"seq": seq, "no": no, "anomaly": null, "department": department, "step": step});
    Record { measurement: "order_events".into(), key: String::new(), time: at, body: body.to_string() }
}

#[test]
fn orders_that_open_in_one_tick_do_not_overwrite_each_other() {
    let records: Vec<_> = (1..=500).map(|seq| event(seq, &format!("YW-{seq}"), "", "water")).collect();
    let (text, _) = written(&Batch { records, ..Batch::default() });
    let keys: std::collections::BTreeSet<_> =
        points(&text).into_iter().map(|(measurement, tags, _, time)| (measurement, tags, time)).collect();
    assert_eq!(keys.len(), 500);
    let again = written(&Batch { records: vec![event(7, "YW-7", "", "water")], ..Batch::default() }).0;
    assert!(text.contains(&again), "the same event has the same key: {again}");
}

#[test]
fn the_steps_of_an_episode_are_keys_of_their_own() {
    let body = |phase: &str, end: Option<Timestamp>| {
        json!({"id": "0ad8147d521b365a804ed3aef306652f", "detector": "a b", "series": {"source": "s", "metric": "m"},
            "phase": phase, "begin": Timestamp(40), "end": end, "extreme": 80.5, "limit": 75.0,
            "edition": "GB 3095-2026 \"x\"", "severity": "serious"})
    };
    let record = |phase: &str, end| Record {
        measurement: "anomalies".into(),
        key: String::new(),
        time: Timestamp(0),
        body: body(phase, end).to_string(),
    };
    let records = vec![record("raised", None), record("cleared", Some(Timestamp(50)))];
    let (text, unsaid) = written(&Batch { records, ..Batch::default() });
    assert_eq!(unsaid, 0);
    assert_eq!(
        text,
        "anomalies,detector=a\\ b,metric=m,phase=raised,source=s id=\"0ad8147d521b365a804ed3aef306652f\",severity=3i,extreme=80.5,limit=75.0,edition=\"GB 3095-2026 \\\"x\\\"\" 40\n\
         anomalies,detector=a\\ b,metric=m,phase=cleared,source=s id=\"0ad8147d521b365a804ed3aef306652f\",severity=3i,extreme=80.5,limit=75.0,end=50i,edition=\"GB 3095-2026 \\\"x\\\"\" 40\n"
    );
}

#[test]
fn what_changed_an_episode_is_told() {
    let body = json!({"id": "0ad8147d521b365a804ed3aef306652f", "detector": "d", "series": {"source": "s", "metric": "m"},
        "phase": "withdrawn", "begin": Timestamp(40), "end": null, "extreme": 80.5, "limit": null, "edition": "e",
        "severity": "serious", "because": {"time": Timestamp(45), "value": 12.5, "was": 99.0},
        "into": "1ad8147d521b365a804ed3aef306652f", "silenced": "road-7"});
    let record = Record {
        measurement: "anomalies".into(),
        key: String::new(),
        time: Timestamp(0),
        body: body.to_string(),
    };
    let (text, unsaid) = written(&Batch { records: vec![record], ..Batch::default() });
    assert_eq!(unsaid, 0);
    assert_eq!(
        text,
        "anomalies,detector=d,metric=m,phase=withdrawn,source=s id=\"0ad8147d521b365a804ed3aef306652f\",severity=3i,extreme=80.5,\
         because_time=45i,because=12.5,was=99.0,into=\"1ad8147d521b365a804ed3aef306652f\",silenced=\"road-7\",edition=\"e\" 40\n"
    );
}

#[test]
fn a_body_is_cut_between_lines() {
    let body = |lines: u64| Body { text: (0..lines).map(|line| format!("{line}\n")).collect(), lines };
    assert_eq!(body(1).halves(), None);
    let (first, second) = body(5).halves().unwrap();
    assert_eq!((first.text.as_str(), first.lines), ("0\n1\n", 2));
    assert_eq!((second.text.as_str(), second.lines), ("2\n3\n4\n", 3));
}

#[test]
fn many_lines_are_several_bodies_of_about_a_mebibyte() {
    let one = series("510104-air-1", "pm2_5");
    let rows: Vec<_> = (0..50_000).map(|at| row(&one, at, 1.0)).collect();
    let bodies = Lines::default().write(&batch(&[one], rows)).unwrap().bodies;
    assert!(bodies.len() > 1 && bodies.iter().all(|body| body.text.len() < (1 << 20) + 200));
    assert_eq!(bodies.iter().map(|body| body.lines).sum::<u64>(), 50_000);
}

/// What can stand in a tag of a text.
fn as_tag(text: &str) -> String {
    text.chars().map(|c| if c == '\\' || c.is_control() { '_' } else { c }).collect()
}

proptest! {
    #[test]
    fn every_reading_parses_back(source in "[\\p{L}\\p{N}_./:-]{1,40}", metric in "[a-z0-9_]{1,20}", nanos: i64, bits: u64) {
        let value = f64::from_bits(bits);
        prop_assume!(value.is_finite());
        let Ok(series) = Series::new(source.as_str(), metric.as_str()) else { return Ok(()) };
        let (text, _) = written(&batch(std::slice::from_ref(&series), vec![row(&series, nanos, value)]));
        let tags = [("metric".to_owned(), metric), ("source".to_owned(), source)].into();
        let fields = [("value".to_owned(), format!("{bits:x}")), ("quality".to_owned(), "0i".to_owned())].into();
        prop_assert_eq!(points(&text), vec![("readings".to_owned(), tags, fields, nanos)]);
    }

    #[test]
    fn every_text_of_an_order_parses_back(department: String, note: String, no: String) {
        let records = vec![event(3, &no, &note, &department), event(4, "next", "", "d")];
        let (text, unsaid) = written(&Batch { records, ..Batch::default() });
        prop_assert_eq!((unsaid, text.lines().count()), (0, 2));
        let found = points(&text);
        prop_assert_eq!(found.len(), 2);
        let (_, tags, fields, _) = &found[0];
        let blank = |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
        let expected = if department.is_empty() { None } else { Some(as_tag(&department)) };
        prop_assert_eq!(tags.get("department"), expected.as_ref());
        prop_assert_eq!((&fields["note"], &fields["no"]), (&blank(&note), &blank(&no)));
    }
}
