//! Fast senders, slow consumer: senders are slowed, nothing is dropped, every refusal is counted, memory stays bounded.
//!
//! Pain 4: every loss has a counter and a reason. Pain 8: nothing grows without a bound. Pain 25: what happens when too much
//! comes is known: the sender waits.

use yiwang_proto::v1::Reading;
use yiwang_tests::city::City;
use yiwang_tests::feed::this_minute;
use yiwang_tests::gateway::{Gateway, pm2_5};
use yiwang_tests::mqtt::Client;
use yiwang_tests::sim::{Door, Sim, number};
use yiwang_tests::wait;

/// The most memory that the process may ever have resident, in KiB. Measured: 950 MB, after a flood of 4 s as after one of
/// 16 s.
const MOST_KIB: u64 = 1280 << 10;
/// So many readings are sent; if each left its 72 bytes behind, the bound would be broken.
const ENOUGH: u64 = 12_000_000;
const SERIES: &str = "5000";

#[test]
fn pain_08_25_a_flood_slows_the_senders_and_memory_stays_bounded() {
    let mut city = City::story();
    // One worker for all: in this profile far slower than what comes.
    city.flag("--workers", "1").start();
    let mut sent = 0;
    while sent < ENOUGH {
        sent += flood(&city);
    }
    // below 2^53
    let sent = sent as f64;
    assert_eq!(city.metric("yiwang_readings_admitted_total"), sent);
    // Both loads have the same series: what one sent at the very moment of the other is a repeat or a correction.
    let of = |name: &str| city.metric(&format!("yiwang_{name}_total"));
    let seen = || of("judged") + of("repeats") + of("corrections") + of("too_late");
    eprintln!("flood: {sent} readings sent, {} judged when the last was acknowledged", seen());
    wait::until("everything is seen", || seen() >= sent);
    assert_eq!((seen(), of("unknown")), (sent, 0.0));
    let most = resident_most_kib(&city);
    eprintln!("flood: at most {most} KiB resident");
    assert!(most < MOST_KIB, "{most} KiB were resident; the bound is {MOST_KIB}");
}

/// As fast as it can, through all doors; how many readings that were.
fn flood(city: &City) -> u64 {
    let full = ["--series", SERIES, "--seconds", "4", "--wait", "100"];
    let grpc = ["load", "--connections", "8", "--gateway", "flood"];
    let mqtt = ["load", "--connections", "2", "--gateway", "flood-m"];
    let influx = ["load", "--connections", "4", "--gateway", "flood-i"];
    let influx = Sim::run(city, Door::Influx, &[&influx[..], &full].concat());
    let grpc = Sim::run(city, Door::Grpc, &[&grpc[..], &full].concat());
    let mqtt = Sim::run(city, Door::Mqtt, &[&mqtt[..], &full].concat());
    let mut sent = 0;
    for report in [grpc.report(), mqtt.report(), influx.report()] {
        assert_eq!((number(&report, "refused"), number(&report, "unacknowledged")), (0, 0), "{report}");
        assert_eq!(number(&report, "sent"), number(&report, "acked"), "{report}");
        sent += number(&report, "sent");
    }
    sent
}

/// Pain 4: each refusal has a reason and is counted under it, whichever door it came to; nothing else is.
#[test]
fn pain_04_every_refusal_is_counted_with_its_reason() {
    let mut city = City::story();
    city.start();
    let mut gateway = Gateway::open(city.at().grpc, "story");
    let now = this_minute();
    let strange = |metric: &str, unit: &str, value: f64| Reading {
        metric: metric.into(),
        unit: unit.into(),
        ..pm2_5("story-01", now, value)
    };
    let batch = vec![
        strange("pm2_5", "µg/m³", 1.0),
        strange("smell", "µg/m³", 1.0),
        strange("pm2_5", "mg/m³", 1.0),
        strange("pm2_5", "mg/m³", 2.0),
        strange("pm2_5", "µg/m³", -1.0),
    ];
    let reply = gateway.rows(batch).unwrap();
    assert_eq!(reply.refused_total, 4);
    let mut client = Client::connect(city.at().mqtt, 5, "m");
    let payload = format!(r#"{{"metric":"smell","time":"{now}","value":1,"unit":"1"}}"#);
    assert_eq!(client.publish_and_wait(1, "yw/v1/story-01", payload.as_bytes()), Some(0x99));
    let counted = ["UNKNOWN_METRIC", "WRONG_UNIT", "IMPOSSIBLE_VALUE"].map(|reason| city.refused(reason));
    assert_eq!(counted, [2, 2, 1]);
    assert_eq!(city.metric("yiwang_readings_admitted_total"), 1.0);
    let all: f64 = city
        .get("/metrics")
        .lines()
        .filter(|line| line.starts_with("yiwang_readings_refused_total{"))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum();
    assert_eq!(all, 5.0);
}

/// What the process had resident at most.
fn resident_most_kib(city: &City) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", city.pid().as_raw_nonzero())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
