use std::fmt::Write as _;

use proptest::prelude::*;
use yiwang_catalogue::demo_text;
use yiwang_proto::log::Rejected;

use super::*;
use crate::names::Limits;
use crate::testing::MemoryLog;
use crate::tests_kit::{NOON, Start, city, city_of};

const DOUBLE: Option<u32> = Some(10);
const INT32: Option<u32> = Some(3);
const STRING: Option<u32> = Some(12);

/// Metrics for the stations of two groups, of which one sends in another unit what it calls as the city does.
const PLANT: &str = r#"
[[metric]]
name = "offset"
zh = "偏移"
en = "Offset"
kind = "environment"
unit = "1"
min = -1000
max = 1000
period = "60s"
source = "the tests"

[[sparkplug_metric]]
name = "Air/Fine"
metric = "pm2_5"
unit = "µg/m³"

[[sparkplug_metric]]
name = "Air/Fine"
group = "plant-2"
metric = "offset"
unit = "1"
"#;

/// A host in a city with that catalogue.
struct Here {
    start: Start,
    host: Host,
}

/// What came of a message.
struct Came {
    rows: Vec<(String, f64)>,
    rejected: Vec<Rejected>,
    said: Vec<Say>,
}

impl Came {
    fn values(&self) -> Vec<f64> {
        self.rows.iter().map(|(_, value)| *value).collect()
    }

    fn reasons(&self) -> Vec<(u32, u64)> {
        self.rejected.iter().map(|record| (record.reason, record.count)).collect()
    }
}

impl Here {
    async fn new() -> Self {
        let start = city(MemoryLog::new(1), Limits::default()).await;
        let mut text = PLANT.to_owned();
        for (prefix, units) in [("plant/", "{ pm2_5 = \"mg/m³\" }"), ("plant-2/", "{}")] {
            let family = "zh = \"厂\"\nen = \"Plant\"\nkind = \"air\"\ndistrict = \"510104\"\ngateway = \"air-north\"\n\
                          metrics = [\"pm2_5\", \"offset\"]\n";
            let family = format!("{family}units = {units}\n");
            writeln!(text, "[[station_family]]\nprefix = \"{prefix}\"\n{family}").unwrap();
        }
        let catalogue = Catalogue::parse(&[("demo.toml", demo_text()), ("plant.toml", &text)]).unwrap();
        start.ingest.names.revise(Arc::new(catalogue));
        Self { start, host: Host::new("city") }
    }

    fn take(&mut self, topic: &str, payload: &[u8]) -> Came {
        self.take_as(topic, payload, false)
    }

    fn take_as(&mut self, topic: &str, payload: &[u8], retained: bool) -> Came {
        let message = Message { broker: "main", topic, payload, retained, again: false, shared: false };
        let (mut into, mut said) = (Submission::default(), Vec::new());
        let ingest = &self.start.ingest;
        self.host.take(ingest, ingest.plausible(), &message, &mut into, &mut said);
        let name = |row: &Admitted| (ingest.names.series(row.dense).unwrap().to_string(), row.row.value);
        Came { rows: into.rows.iter().map(name).collect(), rejected: into.rejected, said }
    }

    fn born(&mut self) {
        self.take("spBv1.0/plant/NBIRTH/n", &payload(0, &[metric(payload::BD_SEQ, None, Some(8), 0)]));
        let fine = Metric { alias: Some(1), ..metric("Air/Fine", Some(20.5), DOUBLE, 0) };
        let offset = Metric { alias: Some(2), ..metric("offset", None, INT32, -3) };
        let came = self.take("spBv1.0/plant/DBIRTH/n/d", &payload(1, &[fine, offset]));
        let wanted = [("plant/n/d pm2_5".to_owned(), 20.5), ("plant/n/d offset".to_owned(), -3.0)];
        assert_eq!(came.rows, wanted);
        assert!(came.said.is_empty() && came.rejected.is_empty());
    }
}

/// A metric of this value, or of this whole number.
fn metric(name: &str, value: Option<f64>, datatype: Option<u32>, whole: i32) -> Metric {
    let value = value.map_or(Value::IntValue(whole.cast_unsigned()), Value::DoubleValue);
    Metric { name: Some(name.into()), datatype, value: Some(value), ..Metric::default() }
}

fn aliased(alias: u64, value: f64) -> Metric {
    Metric { alias: Some(alias), value: Some(Value::DoubleValue(value)), ..Metric::default() }
}

fn payload(seq: u64, metrics: &[Metric]) -> Vec<u8> {
    let noon = NOON.nanos().unsigned_abs() / 1_000_000;
    let metrics = metrics.iter().map(Metric::encode_to_vec).collect();
    Wire { timestamp: Some(noon), seq: Some(seq), metrics, ..Wire::default() }.encode_to_vec()
}

fn number_of(reason: Reason) -> u32 {
    u32::try_from(reason as i32).unwrap()
}

#[tokio::test]
async fn aliases_of_a_birth_name_the_values_that_follow() {
    let mut here = Here::new().await;
    here.born();
    let whole = Metric { value: Some(Value::IntValue(u32::MAX)), ..aliased(2, 0.0) };
    let came = here.take("spBv1.0/plant/DDATA/n/d", &payload(2, &[aliased(1, 30.5), whole]));
    assert_eq!((came.values(), came.rejected.len(), came.said.len()), (vec![30.5, -1.0], 0, 0));
    // Another city's order, and a command, are not for us.
    assert!(here.take("spBv1.0/plant/NCMD/n", b"x").rejected.is_empty());
}

#[tokio::test]
async fn after_a_gap_names_are_taken_aliases_refused_and_one_rebirth_is_asked_for() {
    let mut here = Here::new().await;
    here.born();
    let metrics =
        [aliased(1, 30.5), metric("Air/Fine", Some(31.5), None, 0), metric("offset", None, None, 5)];
    let came = here.take("spBv1.0/plant/DDATA/n/d", &payload(9, &metrics));
    assert_eq!(came.values(), [31.5]);
    assert_eq!(came.reasons(), [(number_of(Reason::UnknownMetric), 2)]);
    assert!(came.rejected[0].message.contains("alias 1 of \"plant/n/d\" is not known"));
    let [asked] = came.said.as_slice() else { panic!("{:?}", came.said) };
    assert_eq!(
        (asked.topic.as_str(), asked.retain, asked.acknowledged),
        ("spBv1.0/plant/NCMD/n", false, false)
    );
    let wire = Wire::decode(asked.payload.clone()).unwrap();
    let command = Metric::decode(wire.metrics[0].as_slice()).unwrap();
    assert_eq!((wire.seq, wire.timestamp.is_some()), (None, true));
    assert_eq!(command.name.as_deref(), Some("Node Control/Rebirth"));
    assert_eq!((command.datatype, command.value), (Some(11), Some(Value::BooleanValue(true))));
    assert!(here.take("spBv1.0/plant/DDATA/n/d", &payload(10, &[aliased(1, 1.0)])).said.is_empty());
    here.born();
    assert_eq!(here.take("spBv1.0/plant/DDATA/n/d", &payload(2, &[aliased(1, 1.5)])).values(), [1.5]);
    let counts = here.host.counts();
    assert_eq!((counts.gaps.get(), counts.rebirths_asked.get(), counts.unresolved.get()), (1, 1, 3));
}

#[tokio::test]
async fn a_lost_connection_forgets_births() {
    let mut here = Here::new().await;
    here.born();
    here.host.lost();
    let came = here.take("spBv1.0/plant/DDATA/n/d", &payload(2, &[aliased(1, 30.5)]));
    assert_eq!((came.values().len(), came.said.len(), here.host.counts().gaps.get()), (0, 1, 0));
}

#[tokio::test]
async fn what_is_no_reading_is_counted_and_what_is_unknown_is_recorded_once() {
    let mut here = Here::new().await;
    here.born();
    let control = metric("Node Control/Rebirth", None, Some(11), 0);
    let text =
        Metric { value: Some(Value::StringValue(b"high".to_vec())), ..metric("Air/Fine", None, STRING, 0) };
    let null = Metric { is_null: Some(true), value: None, ..metric("Air/Fine", None, DOUBLE, 0) };
    let strange = metric("Properties/Maker", Some(1.0), DOUBLE, 0);
    let late = Metric { timestamp: Some(u64::MAX), ..metric("Air/Fine", Some(1.0), DOUBLE, 0) };
    let metrics = [control, text, null, strange, late];
    let came = here.take("spBv1.0/plant/DDATA/n/d", &payload(2, &metrics));
    let (malformed, unknown) = (number_of(Reason::Malformed), number_of(Reason::UnknownMetric));
    assert_eq!((came.values().len(), came.reasons()), (0, vec![(malformed, 2), (unknown, 1)]));
    assert!(came.rejected[0].message.contains("no number, in metric \"Air/Fine\""));
    let came = here.take("spBv1.0/plant/DDATA/n/d", &payload(3, &metrics));
    assert_eq!(came.reasons(), [(malformed, 2)]);
    let counts = here.host.counts();
    assert_eq!((counts.unmapped.get(), counts.nulls.get()), (2, 2));
}

#[tokio::test]
async fn the_catalogue_says_what_a_name_is_in_a_group() {
    let mut here = Here::new().await;
    let fine = metric("Air/Fine", Some(7.5), DOUBLE, 0);
    let of = |here: &mut Here, group: &str| {
        here.take(&format!("spBv1.0/{group}/NBIRTH/n"), &payload(0, std::slice::from_ref(&fine)))
    };
    assert_eq!(of(&mut here, "plant").rows, [("plant/n pm2_5".to_owned(), 7.5)]);
    // Its own name for it: the station is known to send that in mg/m³.
    let city_name = payload(0, &[metric("pm2_5", Some(0.5), DOUBLE, 0)]);
    assert_eq!(here.take("spBv1.0/plant/NBIRTH/n", &city_name).values(), [500.0]);
    assert_eq!(of(&mut here, "plant-2").rows, [("plant-2/n offset".to_owned(), 7.5)]);
    assert_eq!(of(&mut here, "nowhere").reasons(), [(number_of(Reason::UnknownSource), 1)]);
}

#[tokio::test]
async fn the_state_is_said_and_an_earlier_death_contradicted() {
    let mut here = Here::new().await;
    let will = here.host.will().unwrap();
    let birth = here.host.connected().pop().unwrap();
    let state = |say: &Say| serde_json::from_slice::<serde_json::Value>(&say.payload).unwrap();
    assert_eq!((will.topic.as_str(), will.retain, will.acknowledged), ("spBv1.0/STATE/city", true, true));
    assert_eq!((&state(&will)["online"], &state(&birth)["online"]), (&false.into(), &true.into()));
    assert_eq!(state(&will)["timestamp"], state(&birth)["timestamp"]);
    assert!(state(&birth)["timestamp"].as_i64().unwrap() > 1_700_000_000_000);
    assert_eq!(here.take("spBv1.0/STATE/city", &will.payload).said, std::slice::from_ref(&birth));
    assert_eq!(here.host.leaving(), std::slice::from_ref(&will));
    for (topic, payload) in [
        ("spBv1.0/STATE/city", birth.payload.as_ref()),
        ("spBv1.0/STATE/other", will.payload.as_ref()),
        ("spBv1.0/STATE/city", b"OFFLINE"),
    ] {
        let came = here.take(topic, payload);
        assert!(came.said.is_empty() && came.rejected.is_empty());
    }
    assert!(here.take_as("spBv1.0/STATE/city", &will.payload, true).said.is_empty());
}

#[tokio::test]
async fn hostile_messages_are_refused_with_a_reason_and_others_left_to_readings() {
    let mut here = Here::new().await;
    let (name, malformed) = (number_of(Reason::BadName), number_of(Reason::Malformed));
    let large = vec![0; MAX_PAYLOAD_BYTES + 1];
    let long = format!("spBv1.0/{}/NDATA/n", "g".repeat(200));
    for (topic, payload, reason) in [
        ("spBv1.0/", &b""[..], name),
        ("spBv1.0/g/NDATA", b"", name),
        ("spBv1.0/g/DDATA/n", b"", name),
        ("spBv1.0/g/NDATA/n/d", b"", name),
        ("spBv1.0/g/WHAT/n", b"", name),
        ("spBv1.0/g/DDATA/n/d/e", b"", name),
        ("spBv1.0//NDATA/n", b"", name),
        ("spBv1.0/g/NDATA/a b", b"", name),
        (&long, b"", name),
        ("spBv1.0/g/NDATA/n", b"nonsense", malformed),
        ("spBv1.0/g/NBIRTH/n", &large, malformed),
        ("yw/v1/510104-air-1", b"{", malformed),
        ("elsewhere", b"{", name),
    ] {
        let came = here.take(topic, payload);
        assert_eq!((came.reasons(), came.rows.len()), (vec![(reason, 1)], 0), "{topic:.40}");
    }
    let came = here.take_as("spBv1.0/plant/NBIRTH/n", &payload(0, &[]), true);
    assert_eq!(came.reasons(), [(malformed, 1)]);
    assert_eq!(here.host.counts().tally(), Tally::default());
}

#[tokio::test]
async fn any_sequence_of_any_messages_is_taken_or_refused() {
    let here = std::cell::RefCell::new(Here::new().await);
    let kinds = ["NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH", "NCMD"];
    let mut runner = proptest::test_runner::TestRunner::default();
    let step =
        (0..7_usize, 0..300_u64, any::<u64>(), prop::option::of(0..40_u32), any::<bool>(), any::<u16>());
    runner
        .run(&prop::collection::vec(step, 1..20), |steps| {
            for (kind, seq, value, datatype, is_named, cut) in steps {
                let topic = format!(
                    "spBv1.0/plant/{}/n{}",
                    kinds[kind],
                    if (3..6).contains(&kind) { "/d" } else { "" }
                );
                let metric = Metric {
                    name: is_named.then(|| "Air/Fine".to_owned()),
                    alias: Some(value % 4),
                    timestamp: (!is_named).then_some(value),
                    datatype,
                    value: Some(Value::LongValue(value)),
                    ..Metric::default()
                };
                let bytes = payload(seq, &[metric]);
                let end = bytes.len().min(usize::from(cut));
                here.borrow_mut().take(&topic, &bytes[..end]);
            }
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn a_value_in_nobody_knows_what_unit_was_let_go_as_in_the_metrics_own() {
    let mut here = Here::new().await;
    let limits = Limits { quarantined: 10, ..Limits::default() };
    let catalogue = here.start.ingest.names.catalogue();
    here.start = city_of(MemoryLog::new(1), limits, catalogue.as_ref().clone()).await;
    let metrics = [metric("pm2_5", Some(0.5), DOUBLE, 0), metric("Air/Fine", Some(7.5), DOUBLE, 0)];
    let came = here.take("spBv1.0/nowhere/NBIRTH/n", &payload(0, &metrics));
    assert_eq!(came.rows, [("nowhere/n pm2_5".to_owned(), 7.5)], "its mapping says what unit that is in");
    assert_eq!(came.reasons(), [(number_of(Reason::UnknownSource), 1)]);
}
