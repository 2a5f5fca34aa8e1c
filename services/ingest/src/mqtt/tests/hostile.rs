//! Bytes that are not what MQTT allows.

use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use std::sync::Arc;

use super::super::Options;
use super::client::{Client, TOPIC, connect, house, house_with, packet, publish, reading, text};
use crate::gate::Open;
use crate::names::Limits;
use crate::testing::Disk;
use crate::tests_kit::values;

#[tokio::test]
async fn a_message_may_come_byte_by_byte() {
    let house = house().await;
    for version in [4, 5] {
        let mut client = Client::raw(&house).await;
        let bytes =
            [connect(version, "g1", 2, &[], 0), publish(version, 1, 5, TOPIC, &reading(1.0))].concat();
        for byte in bytes {
            client.send(&[byte]).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(client.read().await.unwrap().0, 0x20);
        let (kind, body) = client.read().await.unwrap();
        assert_eq!((kind, &body[..2]), (0x40, &[0, 5][..]));
    }
}

#[tokio::test]
async fn a_cut_message_is_none() {
    let house = house().await;
    let whole = publish(4, 1, 5, TOPIC, &reading(1.0));
    for cut in [1, 2, 5, whole.len() - 1] {
        let mut client = Client::connected(&house, 4, "g1").await;
        client.send(&whole[..cut]).await;
        client.socket.shutdown().await.unwrap();
        assert_eq!(client.read().await, None);
    }
    assert_eq!((house.closed("lost"), house.ingest.counters.mqtt_messages.get()), (4, 0));
    assert!(values(&house.log).is_empty());
}

#[tokio::test]
async fn a_packet_above_a_mebibyte_is_refused_by_its_length() {
    let house = house().await;
    let claim = [0x32, 0xff, 0xff, 0xff, 0x7f];
    let mut client = Client::raw(&house).await;
    client.send(&[0x10, 0xff, 0xff, 0xff, 0x7f]).await;
    assert_eq!(client.read().await, None);
    let mut client = Client::connected(&house, 4, "g4").await;
    client.send(&claim).await;
    assert_eq!(client.read().await, None);
    let mut client = Client::connected(&house, 5, "g5").await;
    client.send(&claim).await;
    client.disconnected(0x95).await;
    assert_eq!(house.closed("too_large"), 3);
}

#[tokio::test]
async fn the_largest_packet_is_taken() {
    let house = house().await;
    let mut client = Client::connected(&house, 4, "g4").await;
    let spare = super::super::MAX_PACKET_BYTES as usize - 4 - text(TOPIC).len() - 2 - reading(1.0).len();
    client.send(&publish(4, 1, 1, TOPIC, &(reading(1.0) + &" ".repeat(spare)))).await;
    assert_eq!(client.puback().await, (1, 0));
    client.send(&publish(4, 1, 1, TOPIC, &(reading(1.0) + &" ".repeat(spare + 1)))).await;
    assert_eq!(client.read().await, None);
}

#[tokio::test]
async fn what_mqtt_does_not_allow_ends_the_connection_with_its_code() {
    let house = house().await;
    let again = connect(5, "g5", 2, &[], 0);
    let bad_utf8 = packet(0x32, &[0, 2, 0xff, 0xfe, 0, 1, 0]);
    for (bytes, code) in [
        (vec![0x00, 0], 0x81),
        (vec![0x36, 5, 0, 1, b'a', 0, 1], 0x81),
        (vec![0x32, 0xff, 0xff, 0xff, 0xff, 0xff], 0x81),
        (vec![0x20, 2, 0, 0], 0x82),
        (again, 0x82),
        (bad_utf8, 0x81),
        (publish(5, 1, 0, TOPIC, ""), 0x81),
        (vec![0xd0, 0], 0x82),
    ] {
        let mut client = Client::connected(&house, 5, "g5").await;
        client.send(&bytes).await;
        client.disconnected(code).await;
    }
    let mut client = Client::raw(&house).await;
    client.send(&publish(4, 1, 1, TOPIC, &reading(1.0))).await;
    assert_eq!(client.read().await, None);
    assert!(values(&house.log).is_empty());
}

#[tokio::test]
async fn more_than_was_granted_ends_a_connection_of_version_5() {
    let house = house().await;
    let mut client = Client::connected(&house, 5, "g5").await;
    house.disk(Disk::Held);
    let all: Vec<u8> = (1..=5000).flat_map(|id| publish(5, 1, id, TOPIC, "")).collect();
    client.send(&all).await;
    client.disconnected(0x93).await;
}

#[tokio::test]
async fn all_together_are_in_the_midst_of_so_much_and_no_more() {
    let options = Options { max_held_bytes: 300 << 10, ..Options::default() };
    let house = house_with(Arc::new(Open), options, Limits::default()).await;
    let packet = publish(5, 1, 1, TOPIC, &(reading(1.0) + &" ".repeat(250 << 10)));
    let mut first = Client::connected(&house, 5, "g1").await;
    let mut second = Client::connected(&house, 5, "g2").await;
    first.send(&packet[..200 << 10]).await;
    second.send(&packet[..200 << 10]).await;
    let (ended, mut other) = tokio::select! {
        said = first.read() => (said, second),
        said = second.read() => (said, first),
    };
    assert_eq!(ended.map(|(kind, body)| (kind, body[0])), Some((0xe0, 0x97)));
    other.send(&packet[200 << 10..]).await;
    assert_eq!(other.puback().await, (1, 0));
    assert_eq!(house.closed("quota"), 1);
}

#[tokio::test]
async fn all_together_wait_with_so_much_and_no_more() {
    let options = Options { max_held_bytes: 100 << 10, ..Options::default() };
    let house = house_with(Arc::new(Open), options, Limits::default()).await;
    house.disk(Disk::Held);
    let all: Vec<u8> = (1..=4000).flat_map(|id| publish(4, 1, id, TOPIC, &reading(1.0))).collect();
    let mut clients = Vec::new();
    for number in 0..5 {
        let client = Client::connected(&house, 4, &format!("g{number}")).await;
        let (read, mut write) = client.socket.into_split();
        let all = all.clone();
        clients.push((read, tokio::spawn(async move { write.write_all(&all).await.map(|()| write) })));
    }
    let most = ((100 << 10) + 6 * (64 << 10)) / (all.len() / 4000);
    while house.ingest.counters.mqtt_messages.get() < 1000 {
        tokio::task::yield_now().await;
    }
    for _ in 0..2000 {
        tokio::task::yield_now().await;
    }
    let taken = house.ingest.counters.mqtt_messages.get();
    assert!(taken <= most as u64, "{taken} messages wait, at most {most} may");
    house.disk(Disk::Free);
    for (read, sending) in clients {
        let mut client = Client::of(read.reunite(sending.await.unwrap().unwrap()).unwrap());
        for id in 1..=4000 {
            assert_eq!(client.puback().await, (id, 0));
        }
    }
}

/// What may come after CONNECT: noise, good packets, and good packets damaged.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let good = (0_u8..3, any::<u16>(), 0_usize..6, any::<bool>()).prop_map(|(qos, id, what, known)| {
        let topic = if known { TOPIC } else { "home/lamp" };
        match what {
            0 => vec![0xc0, 0],
            1 => packet(0x82, &[&id.to_be_bytes()[..], &[0], &text("a"), &[0]].concat()),
            2 => vec![0xe0, 0],
            _ => publish(4 + u8::from(what == 3), qos, id, topic, &reading(f64::from(id))),
        }
    });
    let noise = proptest::collection::vec(any::<u8>(), 0..40);
    let damaged =
        (good.clone(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut bytes, at, byte)| {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes
        });
    let parts = prop_oneof![4 => good, 1 => noise, 2 => damaged];
    proptest::collection::vec(parts, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_bytes_hurt_the_door(sent in proptest::collection::vec((any::<bool>(), any_bytes()), 1..6)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let house = house().await;
            for (number, (five, bytes)) in sent.iter().enumerate() {
                let mut client = Client::connected(&house, if *five { 5 } else { 4 }, &format!("g{number}")).await;
                let _ = client.socket.write_all(bytes).await;
                let _ = client.socket.shutdown().await;
                while client.read().await.is_some() {}
            }
            let ingest = house.shut().await;
            let closed: u64 = ingest.counters.mqtt_closings().map(|(_, count)| count).sum();
            assert_eq!(closed, sent.len() as u64, "a connection that panicked is not counted");
        });
    }
}
