use std::collections::BTreeSet;

use super::*;
use crate::fake::{self, Manner, Seen};

fn options(address: Address) -> Options {
    Options {
        address,
        series: 30,
        rate: 0.0,
        lasts: Duration::from_millis(150),
        rows: false,
        acked: None,
        gateway: "bench".into(),
        batch: Some(8),
        connections: 2,
        inflight: None,
        credential: None,
        values: Values::Sensor,
        catalogue: Arc::new(Catalogue::demo()),
        wait: Duration::from_secs(30),
    }
}

/// The keys and values that came, and how many came in all.
fn came(seen: &Seen) -> (BTreeSet<String>, usize) {
    let lines: Vec<String> = seen
        .all()
        .into_iter()
        .flat_map(|got| got.readings)
        .map(|(source, metric, time, value, _)| format!("{source},{metric},{time},{value}"))
        .collect();
    (lines.iter().cloned().collect(), lines.len())
}

async fn acked_is_what_came(address: Address, seen: &Seen, rate: f64) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acked");
    let options = Options { acked: Some(path.clone()), rate, ..options(address) };
    let report = run(options, CancellationToken::new()).await.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: BTreeSet<String> = text.lines().map(ToOwned::to_owned).collect();
    assert_eq!(lines.len(), text.lines().count(), "no line twice");
    assert_eq!(lines, came(seen).0, "a line for each reading, with the value that was sent");
    assert_eq!((report.sent, report.acked), (lines.len() as u64, lines.len() as u64));
    assert_eq!((report.refused, report.unacknowledged), (0, 0));
    let keys: BTreeSet<&str> =
        lines.iter().filter_map(|line| line.rsplit_once(',')).map(|(key, _)| key).collect();
    assert_eq!(keys.len(), lines.len(), "a key is never used twice");
    assert!(report.sent > 0 && report.readings_per_second > 0.0 && report.cpu_seconds > 0.0);
    report
}

#[tokio::test]
async fn columns_are_answered() {
    let seen = Seen::new();
    let address = Address::Grpc(fake::grpc(&seen, |_| Manner::default()).await);
    acked_is_what_came(address, &seen, 0.0).await;
    let sources: BTreeSet<String> =
        seen.all().iter().flat_map(|got| got.readings.iter().map(|r| r.0.clone())).collect();
    assert_eq!(sources.len(), 30);
    assert!(sources.contains("bench-000001") && sources.contains("bench-000030"));
    assert_eq!(seen.all().iter().filter(|got| got.dictionary > 0).count(), 2, "once a stream");
}

#[tokio::test]
async fn a_broken_connection_changes_nothing() {
    let breaks = |connection| Manner {
        dies_after: (connection < 5).then_some(4),
        acks_only: (connection < 5).then_some(2),
        ..Manner::default()
    };
    let seen = Seen::new();
    let address = Address::Grpc(fake::grpc(&seen, breaks).await);
    acked_is_what_came(address, &seen, 4000.0).await;
    let (different, all) = came(&seen);
    assert!(all > different.len(), "some came twice");
    let seen = Seen::new();
    let address = Address::Mqtt(fake::mqtt(&seen, breaks).await);
    acked_is_what_came(address, &seen, 4000.0).await;
}

#[tokio::test]
async fn a_rate_is_a_schedule() {
    let seen = Seen::new();
    let address = Address::Grpc(fake::grpc(&seen, |_| Manner::default()).await);
    let report = acked_is_what_came(address, &seen, 1600.0).await;
    // 150 ms at 1600/s in batches of 8 over two connections: batches at 0, 10, …, 140 ms on each.
    assert_eq!(report.sent, 15 * 8 * 2);
}

#[tokio::test]
async fn refusals_are_counted() {
    let seen = Seen::new();
    let address =
        Address::Grpc(fake::grpc(&seen, |_| Manner { refuses: Some(0), ..Manner::default() }).await);
    let report = run(options(address), CancellationToken::new()).await.unwrap();
    assert_eq!(report.refused * 8, report.sent);
    assert_eq!(report.acked + report.refused, report.sent);
}

#[tokio::test]
async fn what_is_never_answered_is_told() {
    let seen = Seen::new();
    let address =
        Address::Grpc(fake::grpc(&seen, |_| Manner { acks_only: Some(1), ..Manner::default() }).await);
    let options =
        Options { wait: Duration::from_millis(100), rate: 1600.0, inflight: Some(100), ..options(address) };
    let report = run(options, CancellationToken::new()).await.unwrap();
    assert_eq!(report.acked + report.unacknowledged, report.sent);
    assert_eq!(report.acked, 16);
}

#[test]
fn both_sorts_of_values_are_possible_ones() {
    let catalogue = Catalogue::demo();
    let metric = catalogue.metric("pm2_5").unwrap();
    for values in [Values::Sensor, Values::Random] {
        assert!(values::table(values, metric).iter().all(|value| metric.is_possible(*value)));
    }
    assert!(values::table(Values::Sensor, metric).iter().all(|value| *value < 40.0), "below every limit");
}

#[tokio::test]
async fn options_that_make_no_sense_are_refused() {
    let address = Address::Grpc("127.0.0.1:1".into());
    for wrong in [
        Options { series: 0, ..options(address.clone()) },
        Options { rate: f64::NAN, ..options(address.clone()) },
        Options { rate: -1.0, ..options(address) },
    ] {
        assert!(run(wrong, CancellationToken::new()).await.is_err());
    }
}
