//! Bad input at the real doors: a clear answer, what was good in it is kept, what was refused is counted, the city lives.

use std::fmt::Write as _;

use tonic::Code;
use yiwang_model::{Span, Timestamp};
use yiwang_proto::v1::push_request::Batch;
use yiwang_proto::v1::{Columns, PushRequest, Reading, Reason, SeriesKey};
use yiwang_tests::city::City;
use yiwang_tests::feed::this_minute;
use yiwang_tests::gateway::{Gateway, pm2_5};
use yiwang_tests::mqtt::{Client, packet, text};
use yiwang_tests::{http, wait};

/// How many series one gateway may bring.
const SERIES_OF_A_GATEWAY: usize = 200_000;

type Change = fn(&mut Reading, Timestamp);

/// One bad reading between two good ones: it is refused with its reason, the good ones are kept.
#[test]
fn a_bad_reading_is_refused_and_its_neighbours_are_kept() {
    let mut city = City::story();
    city.start();
    let now = this_minute();
    let cases: [(&str, Reason, &str, Change); 12] = [
        ("unknown metric", Reason::UnknownMetric, "\"smell\"", |bad, _| bad.metric = "smell".into()),
        ("unknown source", Reason::UnknownSource, "\"nowhere\"", |bad, _| bad.source = "nowhere".into()),
        ("bad name", Reason::BadName, "source", |bad, _| bad.source = "a b".into()),
        ("wrong unit", Reason::WrongUnit, "\"mg/m³\"", |bad, _| bad.unit = "mg/m³".into()),
        ("no unit", Reason::WrongUnit, "µg/m³", |bad, _| bad.unit.clear()),
        ("not a number", Reason::ImpossibleValue, "NaN", |bad, _| bad.value = f64::NAN),
        ("infinity", Reason::ImpossibleValue, "inf", |bad, _| bad.value = f64::INFINITY),
        ("minus infinity", Reason::ImpossibleValue, "-inf", |bad, _| bad.value = f64::NEG_INFINITY),
        ("1970", Reason::TooLate, "1970-01-01", |bad, _| bad.time_unix_nanos = 7),
        ("an hour ahead", Reason::TooEarly, "ahead", |bad, now| {
            bad.time_unix_nanos = (now + Span::HOUR).nanos()
        }),
        ("unknown quality", Reason::BadQuality, "99", |bad, _| bad.quality = 99),
        ("period that ends before", Reason::BadPeriod, "ends", |bad, _| bad.period_end_unix_nanos = Some(8)),
    ];
    let mut gateway = Gateway::open(city.at().grpc, "story");
    for (number, (what, reason, says, change)) in (0_i64..).zip(cases) {
        let at = now - Span::MINUTE.times(number);
        let mut batch =
            vec![pm2_5("story-01", at, 11.0), pm2_5("story-02", at, 1.0), pm2_5("story-03", at, 33.0)];
        change(&mut batch[1], now);
        let reply = gateway.rows(batch).unwrap_or_else(|status| panic!("{what}: {status}"));
        assert_eq!((reply.refused_total, reply.refused.len()), (1, 1), "{what}");
        let refusal = &reply.refused[0];
        assert_eq!((refusal.index, refusal.reason()), (1, reason), "{what}: {}", refusal.message);
        assert!(refusal.message.contains(says), "{what} is told as: {}", refusal.message);
        assert!(
            city.refused(reason.as_str_name().trim_start_matches("REASON_")) > 0,
            "{what} is not counted"
        );
    }
    for station in [1, 3] {
        kept(&city, station, now, cases.len());
    }
    city.stop().reconcile(false, &[]).must_balance();
}

/// Requests that cannot be understood end their stream with a status that says why; an empty batch is nothing bad.
#[test]
fn a_bad_request_ends_its_stream_and_no_other() {
    let mut city = City::story();
    city.start();
    let mut neighbour = Gateway::open(city.at().grpc, "neighbour");
    neighbour.rows(vec![pm2_5("story-01", this_minute(), 11.0)]).unwrap();
    let request = |sequence: u64, batch: Option<Batch>| PushRequest {
        gateway: "bad".into(),
        stream_id: 1,
        sequence,
        batch,
        history: false,
    };
    let columns = |columns: Columns| request(2, Some(Batch::Columns(columns)));
    let nanos = this_minute().nanos();
    let series =
        vec![SeriesKey { source: "story-01".into(), metric: "pm2_5".into(), unit: "µg/m³".into() }];
    let one = Columns {
        series,
        index: vec![0],
        time_unix_nanos: vec![nanos],
        value: vec![1.0],
        ..Columns::default()
    };
    let heavy = vec![0; 100 << 20];
    let cases = [
        (
            "index out of range",
            columns(Columns { index: vec![1], ..one.clone() }),
            Code::InvalidArgument,
            "outside the dictionary",
        ),
        (
            "unequal arrays",
            columns(Columns { value: vec![], ..one.clone() }),
            Code::InvalidArgument,
            "value has 0 entries",
        ),
        (
            "too many qualities",
            columns(Columns { quality: vec![0, 0].into(), ..one.clone() }),
            Code::InvalidArgument,
            "quality has 2",
        ),
        ("gap in the sequence", request(3, None), Code::InvalidArgument, "sequence 3 came where 2 was due"),
        ("100 MB", columns(Columns { quality: heavy.into(), ..one.clone() }), Code::OutOfRange, "33554432"),
        (
            "another gateway",
            PushRequest { gateway: "else".into(), ..request(2, None) },
            Code::InvalidArgument,
            "gateway \"bad\"",
        ),
    ];
    for (what, bad, code, says) in cases {
        let mut gateway = Gateway::open(city.at().grpc, "bad");
        assert_eq!(gateway.send(request(1, None)).unwrap().durable_sequence, 1, "an empty batch");
        let status = gateway.send(bad).expect_err(what);
        assert_eq!(status.code(), code, "{what}: {status}");
        assert!(status.message().contains(says), "{what} is told as: {}", status.message());
        neighbour
            .rows(vec![pm2_5("story-01", this_minute(), 11.0)])
            .unwrap_or_else(|status| panic!("after {what}: {status}"));
    }
    assert!(city.lives());
}

/// One gateway brings a million series: so many are taken, the others refused; other gateways are not concerned.
#[test]
fn a_gateway_with_a_million_series_gets_its_share() {
    let mut city = City::story();
    city.start();
    let mut gateway = Gateway::open(city.at().grpc, "greedy");
    let now = this_minute().nanos();
    let (mut refused, mut taken) = (0, 0);
    for batch in 0..20_u32 {
        let key = |number: u32| SeriesKey {
            source: format!("bench-{number:07}"),
            metric: "pm2_5".into(),
            unit: "µg/m³".into(),
        };
        let count = 50_000;
        let columns = Columns {
            series: (batch * count..(batch + 1) * count).map(key).collect(),
            index: (0..count).collect(),
            time_unix_nanos: vec![now; count as usize],
            value: vec![20.0; count as usize],
            ..Columns::default()
        };
        let reply = gateway.columns(columns).unwrap();
        refused += reply.refused_total;
        taken += u64::from(count) - reply.refused_total;
        assert!(reply.refused.iter().all(|refusal| refusal.reason() == Reason::TooManySeries));
    }
    assert_eq!((taken, refused), (SERIES_OF_A_GATEWAY as u64, 1_000_000 - SERIES_OF_A_GATEWAY as u64));
    assert_eq!(city.refused("TOO_MANY_SERIES"), refused);
    let reply =
        Gateway::open(city.at().grpc, "modest").rows(vec![pm2_5("story-01", this_minute(), 1.0)]).unwrap();
    assert_eq!(reply.refused_total, 0);
}

/// What is wrong in a message gets its reason code in version 5, a plain PUBACK in 3.1.1; the good part is kept.
#[test]
fn a_bad_message_is_answered() {
    let mut city = City::story();
    city.start();
    let now = this_minute();
    let good = |seconds: i64| reading(now - Span::SECOND.times(seconds), "pm2_5", "11", "µg/m³");
    let cases: [(&str, Vec<u8>, u8, &str); 9] = [
        ("broken JSON", b"{\"metric\":".to_vec(), 0x99, "MALFORMED"),
        ("no JSON", b"hello".to_vec(), 0x99, "MALFORMED"),
        ("invalid UTF-8", b"{\"metric\":\"\xff\xfe\"}".to_vec(), 0x99, "MALFORMED"),
        ("NaN", reading(now, "pm2_5", "NaN", "µg/m³").into_bytes(), 0x99, "MALFORMED"),
        ("a number out of range", reading(now, "pm2_5", "1e999", "µg/m³").into_bytes(), 0x99, "MALFORMED"),
        ("unknown metric", reading(now, "smell", "1", "1").into_bytes(), 0x99, "UNKNOWN_METRIC"),
        ("wrong unit", reading(now, "pm2_5", "1", "mg/m³").into_bytes(), 0x99, "WRONG_UNIT"),
        ("an hour ahead", reading(now + Span::HOUR, "pm2_5", "1", "µg/m³").into_bytes(), 0x99, "TOO_EARLY"),
        (
            "one of three",
            format!("[{},{},{}]", good(1), reading(now, "pm2_5", "-1", "µg/m³"), good(2)).into_bytes(),
            0x99,
            "IMPOSSIBLE_VALUE",
        ),
    ];
    let mut five = Client::connect(city.at().mqtt, 5, "five");
    let mut four = Client::connect(city.at().mqtt, 4, "four");
    for (id, (what, payload, code, reason)) in (1..).zip(cases) {
        let before = city.refused(reason);
        assert_eq!(five.publish_and_wait(id, "yw/v1/story-01", &payload), Some(code), "{what}");
        assert_eq!(city.refused(reason), before + 1, "{what}: counted once");
        assert_eq!(
            four.publish_and_wait(id, "yw/v1/story-02", &payload),
            Some(0),
            "{what}: 3.1.1 has no other answer"
        );
        assert_eq!(city.refused(reason), before + 2, "{what}: and counted");
    }
    assert_eq!(five.publish_and_wait(100, "yw/v1/story-01", good(0).as_bytes()), Some(0));
    assert_eq!(four.publish_and_wait(100, "yw/v1/story-02", good(0).as_bytes()), Some(0));
    for station in [1, 2] {
        kept(&city, station, now + Span::SECOND, 3);
    }
}

/// Packets that are no MQTT, cut ones, ones that are too large: the connection ends, is counted, and nobody else notices.
#[test]
fn a_bad_packet_ends_its_connection() {
    let mut city = City::story();
    city.start();
    let mut neighbour = Client::connect(city.at().mqtt, 4, "neighbour");
    let mut topic = Vec::new();
    text(&mut topic, b"yw/v1/\xff\xfe");
    let invalid_topic = packet(0x32, &[&topic[..], &[0, 1], b"{}"].concat());
    let qos_2 = packet(0x34, &[0, 1, b'a', 0, 1]);
    let cases: [(&str, Vec<u8>, &str); 7] = [
        ("a length of five bytes", vec![0x32, 0xff, 0xff, 0xff, 0xff, 0x7f], "malformed"),
        ("an unknown packet", vec![0xf0, 0], "malformed"),
        ("a packet of 2 MiB", packet(0x32, &vec![0; 2 << 20]), "too_large"),
        ("a topic that is no text", invalid_topic, "malformed"),
        ("a PUBLISH without an id", packet(0x32, &[0, 1, b'a']), "malformed"),
        (
            "a second CONNECT",
            packet(0x10, &[0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 1, b'x']),
            "malformed",
        ),
        ("QoS 2", qos_2, "qos_not_supported"),
    ];
    for version in [4, 5] {
        for (what, bytes, why) in &cases {
            let closed = || city.metric(&format!("yiwang_mqtt_closed_total{{why=\"{why}\"}}"));
            let before = closed();
            let mut client = Client::connect(city.at().mqtt, version, "bad");
            client.send(bytes);
            client.closed();
            wait::until(&format!("{what} is counted as {why}, version {version}"), || closed() > before);
        }
    }
    // Cut in the midst of a packet, and garbage from the first byte on.
    let closed = |why: &str| city.metric(&format!("yiwang_mqtt_closed_total{{why=\"{why}\"}}"));
    let (lost, malformed) = (closed("lost"), closed("malformed"));
    let whole = packet(0x32, &[0; 200]);
    for end in [1, 2, 50] {
        let mut client = Client::connect(city.at().mqtt, 5, "cut");
        client.send(&whole[..end]);
        client.cut();
        client.closed();
    }
    let mut garbage = Client::silent(city.at().mqtt, 4);
    garbage.send(&b"GET / HTTP/1.1\r\nHost: somewhere else\r\n".repeat(10));
    garbage.closed();
    wait::until("the cut ones are counted", || closed("lost") >= lost + 3.0);
    wait::until("the garbage is counted", || closed("malformed") > malformed);
    let payload = reading(this_minute(), "pm2_5", "11", "µg/m³");
    assert_eq!(neighbour.publish_and_wait(1, "yw/v1/story-01", payload.as_bytes()), Some(0));
    assert_eq!(city.metric("yiwang_readings_admitted_total"), 1.0);
    assert!(city.lives());
}

/// Questions that make no sense, at the HTTP door.
#[test]
fn a_bad_question_is_answered() {
    let mut city = City::new();
    city.start();
    let at = city.at().http;
    for path in [
        "/api/v1/orders?state=sleeping",
        "/api/v1/orders?limit=0",
        "/api/v1/orders?after=nonsense",
        "/api/v1/orders?colour=red",
        "/api/v1/query?source=a",
        "/api/v1/query?source=a&metric=b&from=yesterday",
        "/api/v1/query?source=%ff&metric=b",
        "/api/v1/orders/YW20260101-999999",
        "/api/v1/nothing",
    ] {
        let (status, body) = http::get(at, path).unwrap();
        assert!((400..500).contains(&status), "{path}: {status} {body}");
        assert!(body.len() > 20, "{path} is answered with \"{body}\"");
    }
    let (status, body) = http::post(at, "/api/v1/orders/YW20260101-999999/transitions", "{\"to\":").unwrap();
    assert!((400..500).contains(&status), "{status} {body}");
    assert!(city.lives());
}

fn reading(time: Timestamp, metric: &str, value: &str, unit: &str) -> String {
    format!(r#"{{"metric":"{metric}","time":"{time}","value":{value},"unit":"{unit}"}}"#)
}

/// Waits until a station has so many points in the store.
fn kept(city: &City, station: u32, to: Timestamp, points: usize) {
    let (from, to) = (to - Span::HOUR, to + Span::MINUTE);
    let mut path = format!("/api/v1/query?source=story-{station:02}&metric=pm2_5");
    let _ = write!(path, "&from={}&to={}", http::quoted(&from.to_string()), http::quoted(&to.to_string()));
    let found = || city.json(&path)["points"].as_array().map_or(0, Vec::len);
    wait::until(&format!("station {station} has {points} points"), || found() >= points);
    assert_eq!(found(), points);
}
