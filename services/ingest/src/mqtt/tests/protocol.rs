//! What the protocol asks for, in both versions.

use super::client::{Client, TOPIC, connect, house, packet, publish, reading, text};
use crate::tests_kit::values;

#[tokio::test]
async fn version_5_is_told_what_is_granted() {
    let house = house().await;
    let mut client = Client::raw(&house).await;
    client.send(&connect(5, "g1", 0, &[], 0)).await;
    let (kind, body) = client.read().await.unwrap();
    assert_eq!((kind, body[0], body[1]), (0x20, 0, 0));
    let granted = &body[3..];
    let has = |property: &[u8]| granted.windows(property.len()).any(|window| window == property);
    assert!(has(&[0x21, 0x10, 0x00]), "receive maximum 4096: {granted:x?}");
    assert!(has(&[0x24, 1]), "maximum QoS 1");
    assert!(has(&[0x27, 0, 0x10, 0, 0]), "maximum packet size 1 MiB");
    assert!(has(&[0x11, 0, 0, 0, 0]), "no session");
}

#[tokio::test]
async fn qos_2_is_refused() {
    let house = house().await;
    let mut client = Client::connected(&house, 5, "g5").await;
    client.send(&publish(5, 2, 1, TOPIC, &reading(1.0))).await;
    client.disconnected(0x9b).await;
    let mut client = Client::connected(&house, 4, "g4").await;
    client.send(&publish(4, 2, 1, TOPIC, &reading(1.0))).await;
    assert_eq!(client.read().await, None);
    assert_eq!(house.closed("qos_not_supported"), 2);
    assert!(values(&house.log).is_empty());
}

#[tokio::test]
async fn a_will_is_accepted_up_to_qos_1() {
    let house = house().await;
    for (version, flags, taken) in [(4, 0x06, true), (4, 0x2e, true), (5, 0x2e, true), (5, 0x16, false)] {
        let mut client = Client::raw(&house).await;
        let mut rest = if version == 5 { vec![0] } else { vec![] };
        rest.extend(text("a/will"));
        rest.extend(text("gone"));
        client.send(&connect(version, "g1", flags, &rest, 0)).await;
        let (_, body) = client.read().await.unwrap();
        assert_eq!(body[1], if taken { 0 } else { 0x9b }, "{version} {flags:x}");
    }
}

#[tokio::test]
async fn subscribing_is_refused_for_every_filter() {
    let house = house().await;
    let mut client = Client::connected(&house, 4, "g4").await;
    let two = [text("a/#"), vec![1], text("b"), vec![0]].concat();
    client.send(&packet(0x82, &[&[0, 9][..], &two].concat())).await;
    assert_eq!(client.read().await, Some((0x90, vec![0, 9, 0x80, 0x80])));
    client.send(&packet(0xa2, &[&[0, 9][..], &text("a/#")].concat())).await;
    assert_eq!(client.read().await, Some((0xb0, vec![0, 9])));
    let mut client = Client::connected(&house, 5, "g5").await;
    client.send(&packet(0x82, &[&[0, 9, 0][..], &two].concat())).await;
    assert_eq!(client.read().await, Some((0x90, vec![0, 9, 0, 0x87, 0x87])));
    client.send(&packet(0xa2, &[&[0, 9, 0][..], &text("a/#")].concat())).await;
    assert_eq!(client.read().await, Some((0xb0, vec![0, 9, 0, 0x11])));
}

#[tokio::test]
async fn a_topic_may_be_shortened_to_a_number() {
    let house = house().await;
    let mut client = Client::connected(&house, 5, "g5").await;
    let said = |topic: &str, alias: u8, value: f64| {
        let body = [text(topic), vec![0, 1, 3, 0x23, 0, alias], reading(value).into_bytes()].concat();
        packet(0x32, &body)
    };
    client.send(&said(TOPIC, 3, 1.0)).await;
    client.send(&said("", 3, 2.0)).await;
    assert_eq!((client.puback().await, client.puback().await), ((1, 0), (1, 0)));
    assert_eq!(values(&house.log), [1.0, 2.0]);
    client.send(&said(TOPIC, 17, 3.0)).await;
    client.disconnected(0x94).await;
}

#[tokio::test]
async fn a_client_without_an_id_gets_one() {
    let house = house().await;
    let mut client = Client::raw(&house).await;
    client.send(&connect(5, "", 0, &[], 0)).await;
    let (_, body) = client.read().await.unwrap();
    assert!(body.windows(9).any(|window| window == b"unnamed-1"));
    let mut client = Client::raw(&house).await;
    client.send(&connect(4, "", 2, &[], 0)).await;
    assert_eq!(client.read().await, Some((0x20, vec![0, 0])));
    let mut client = Client::raw(&house).await;
    client.send(&connect(4, "", 0, &[], 0)).await;
    assert_eq!(client.read().await, Some((0x20, vec![0, 2])));
    assert_eq!(client.read().await, None);
}

#[tokio::test]
async fn an_id_that_is_no_name_is_refused() {
    let house = house().await;
    for (version, code) in [(4, 2), (5, 0x85)] {
        let mut client = Client::raw(&house).await;
        client.send(&connect(version, "a b", 2, &[], 0)).await;
        assert_eq!(client.read().await.unwrap().1[1], code);
        assert_eq!(client.read().await, None);
    }
}

#[tokio::test]
async fn other_versions_are_told_so() {
    let house = house().await;
    for body in [&b"\0\x06MQIsdp\x03\x02\0\0\0\x01a"[..], b"\0\x04MQTT\x06\x02\0\0\0\x01a"] {
        let mut client = Client::raw(&house).await;
        client.send(&packet(0x10, body)).await;
        assert_eq!(client.read().await, Some((0x20, vec![0, 1])));
        assert_eq!(client.read().await, None);
    }
    assert_eq!(house.closed("bad_connect"), 2);
}

#[tokio::test]
async fn who_wants_no_reasons_gets_codes_only() {
    let house = house().await;
    let mut client = Client::raw(&house).await;
    let body = [text("MQTT"), vec![5, 2, 0, 0, 2, 0x17, 0], text("g1")].concat();
    client.send(&packet(0x10, &body)).await;
    client.read().await.unwrap();
    client.send(&publish(5, 1, 1, TOPIC, "{")).await;
    assert_eq!(client.read().await, Some((0x40, vec![0, 1, 0x99])));
}

#[tokio::test]
async fn a_small_client_gets_no_reason_that_it_cannot_take() {
    let house = house().await;
    let mut client = Client::raw(&house).await;
    let body = [text("MQTT"), vec![5, 2, 0, 0, 5, 0x27, 0, 0, 0, 60], text("g1")].concat();
    client.send(&packet(0x10, &body)).await;
    client.read().await.unwrap();
    client.send(&publish(5, 1, 1, TOPIC, "{")).await;
    assert_eq!(client.read().await, Some((0x40, vec![0, 1, 0x99])));
}
