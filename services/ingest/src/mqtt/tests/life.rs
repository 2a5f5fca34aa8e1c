//! How connections begin and end: credentials, take-over, keep alive, stop.

use std::sync::Arc;

use super::super::Options;
use super::client::{Client, TOPIC, connect, house, house_with, publish, reading, text};
use crate::gate::{Denied, Gate};
use crate::names::Limits;
use crate::testing::Disk;
use crate::tests_kit::values;

struct Sesame;

impl Gate for Sesame {
    fn write(&self, name: Option<&str>, secret: Option<&[u8]>) -> Result<(), Denied> {
        match (name, secret) {
            (Some("writer"), Some(b"sesame")) => Ok(()),
            (Some("reader"), Some(b"sesame")) => Err(Denied::NotAllowed),
            _ => Err(Denied::Unknown),
        }
    }
}

#[tokio::test]
async fn credentials_are_asked_for() {
    let house = house_with(Arc::new(Sesame), Options::default(), Limits::default()).await;
    for (name, secret, code_3, code_5) in [
        ("writer", "sesame", 0, 0),
        ("writer", "wrong", 4, 0x86),
        ("nobody", "sesame", 4, 0x86),
        ("reader", "sesame", 5, 0x87),
    ] {
        for (version, code) in [(4, code_3), (5, code_5)] {
            let mut client = Client::raw(&house).await;
            let rest = [text(name), text(secret)].concat();
            client.send(&connect(version, "g1", 0xc2, &rest, 0)).await;
            assert_eq!(client.read().await.unwrap().1[1], code, "{name} {secret} {version}");
            if code != 0 {
                assert_eq!(client.read().await, None);
            }
        }
    }
    let mut client = Client::raw(&house).await;
    client.send(&connect(4, "g1", 2, &[], 0)).await;
    assert_eq!(client.read().await.unwrap().1[1], 4);
    assert_eq!(client.read().await, None);
    assert_eq!(house.closed("denied"), 7);
}

#[tokio::test]
async fn nobody_publishes_before_being_let_in() {
    let house = house_with(Arc::new(Sesame), Options::default(), Limits::default()).await;
    let mut client = Client::raw(&house).await;
    let bytes = [connect(4, "g1", 2, &[], 0), publish(4, 0, 0, TOPIC, &reading(1.0))].concat();
    client.send(&bytes).await;
    assert_eq!(client.read().await.unwrap().1[1], 4);
    assert_eq!(client.read().await, None);
    assert_eq!(house.ingest.counters.mqtt_messages.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_same_client_again_takes_over_at_once() {
    let house = house().await;
    let began = tokio::time::Instant::now();
    let mut older = Client::connected(&house, 5, "g1").await;
    let mut old = Client::connected(&house, 4, "g2").await;
    let mut newer = Client::connected(&house, 4, "g1").await;
    older.disconnected(0x8e).await;
    let mut new = Client::connected(&house, 4, "g2").await;
    assert_eq!(old.read().await, None);
    newer.only_pong().await;
    new.only_pong().await;
    assert!(began.elapsed().as_secs() < 5, "{:?} of the runtime's own time", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_is_silent_too_long_is_disconnected() {
    for (version, id) in [(4, "g4"), (5, "g5")] {
        let house = house().await;
        let mut client = Client::raw(&house).await;
        client.send(&connect(version, id, 2, &[], 10)).await;
        client.read().await.unwrap();
        for _ in 0..3 {
            tokio::time::advance(std::time::Duration::from_secs(14)).await;
            client.only_pong().await;
        }
        let began = tokio::time::Instant::now();
        if version == 5 {
            client.disconnected(0x8d).await;
        } else {
            assert_eq!(client.read().await, None);
        }
        assert!(began.elapsed().as_millis() >= 14_999, "{:?}", began.elapsed());
        assert_eq!(house.closed("silent"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_disk_is_not_silent() {
    let house = house().await;
    let mut client = Client::raw(&house).await;
    client.send(&connect(4, "g1", 2, &[], 10)).await;
    client.read().await.unwrap();
    house.disk(Disk::Held);
    let messages = super::super::RECEIVE_MAXIMUM + 1;
    let all: Vec<u8> = (1..=messages).flat_map(|id| publish(4, 1, id, TOPIC, &reading(1.0))).collect();
    client.send(&all).await;
    while house.ingest.counters.mqtt_messages.get() < u64::from(messages) {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(std::time::Duration::from_secs(100)).await;
    house.disk(Disk::Free);
    for id in 1..=messages {
        assert_eq!(client.puback().await, (id, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn who_never_says_connect_is_disconnected() {
    let house = house().await;
    let mut client = Client::raw(&house).await;
    client.send(&[0x10, 50, 0]).await;
    assert_eq!(client.read().await, None);
    assert_eq!(house.closed("no_connect"), 1);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_answers_is_read_no_more_and_then_disconnected() {
    let house = house().await;
    let client = Client::connected(&house, 4, "g1").await;
    let (_read, mut write) = client.socket.into_split();
    let pings = [0xc0, 0].repeat(32 << 10);
    while tokio::io::AsyncWriteExt::write_all(&mut write, &pings).await.is_ok() {}
    assert_eq!(house.closed("slow"), 1);
}

#[tokio::test]
async fn stop_answers_what_was_taken_and_takes_no_more() {
    let house = house().await;
    let mut five = Client::connected(&house, 5, "g5").await;
    let mut three = Client::connected(&house, 4, "g4").await;
    let mut idle = Client::connected(&house, 5, "idle").await;
    house.disk(Disk::Held);
    five.publish(1, &reading(1.0)).await;
    house.log.begun(1).await;
    three.publish(2, &reading(2.0)).await;
    three.only_pong().await;
    house.stop.cancel();
    idle.disconnected(0x8b).await;
    five.publish(3, &reading(3.0)).await;
    assert!(!house.serving.is_finished());
    house.disk(Disk::Free);
    assert_eq!(five.puback().await, (1, 0));
    five.disconnected(0x8b).await;
    assert_eq!(three.puback().await, (2, 0));
    assert_eq!(three.read().await, None);
    house.serving.await.unwrap();
    let mut kept = values(&house.log);
    kept.sort_by(f64::total_cmp);
    assert_eq!(kept, [1.0, 2.0]);
}

#[tokio::test]
async fn a_log_that_failed_acknowledges_nothing() {
    let mut house = house().await;
    let mut client = Client::connected(&house, 5, "g5").await;
    house.disk(Disk::Broken);
    client.publish(1, &reading(1.0)).await;
    client.disconnected(0x8b).await;
    assert!(house.city.tasks.running.join_next().await.unwrap().unwrap().is_err());
}

#[tokio::test]
async fn there_are_at_most_so_many_connections() {
    let options = Options { max_connections: 1, ..Options::default() };
    let house = house_with(Arc::new(crate::gate::Open), options, Limits::default()).await;
    let first = Client::connected(&house, 4, "g1").await;
    assert_eq!(Client::raw(&house).await.read().await, None);
    assert_eq!(house.closed("too_many"), 1);
    drop(first);
    while house.closed("lost") == 0 {
        tokio::task::yield_now().await;
    }
    Client::connected(&house, 4, "g2").await.only_pong().await;
}
