pub(crate) mod client;
mod foreign;
mod hostile;
mod life;
mod protocol;

use client::{Client, TOPIC, house, publish, reading};
use yiwang_proto::topics;

use crate::testing::Disk;
use crate::tests_kit::values;

#[tokio::test]
async fn nothing_is_acknowledged_before_it_is_durable() {
    for version in [4, 5] {
        let house = house().await;
        let mut client = Client::connected(&house, version, "g1").await;
        house.disk(Disk::Held);
        client.publish(7, &reading(1.0)).await;
        house.log.begun(1).await;
        client.only_pong().await;
        assert!(values(&house.log).is_empty());
        house.disk(Disk::Free);
        assert_eq!(client.puback().await, (7, 0));
        assert_eq!(values(&house.log), [1.0]);
    }
}

#[tokio::test]
async fn a_refusal_is_answered_once_its_record_is_durable() {
    let house = house().await;
    let mut client = Client::connected(&house, 5, "g1").await;
    house.disk(Disk::Held);
    client.publish(7, "nonsense").await;
    house.log.begun(1).await;
    client.only_pong().await;
    house.disk(Disk::Free);
    assert_eq!(client.puback().await, (7, 0x99));
    assert_eq!(house.log.topic(topics::REJECTED).len(), 1);
}

#[tokio::test]
async fn answers_leave_in_the_order_of_the_messages() {
    let house = house().await;
    let mut client = Client::connected(&house, 5, "g1").await;
    let ids = [9_u16, 3, 65_535, 1, 500, 2];
    let good = |at: usize| at.is_multiple_of(2);
    house.disk(Disk::Held);
    let payload = |at| if good(at) { reading(1.0) } else { "nonsense".to_owned() };
    let said: Vec<_> =
        ids.into_iter().enumerate().map(|(at, id)| publish(5, 1, id, TOPIC, &payload(at))).collect();
    for together in said.chunks(3) {
        client.send(&together.concat()).await;
        client.only_pong().await;
    }
    house.disk(Disk::Free);
    for (at, id) in ids.into_iter().enumerate() {
        assert_eq!(client.puback().await, (id, if good(at) { 0 } else { 0x99 }));
    }
}

#[tokio::test]
async fn a_full_disk_makes_senders_wait_and_nothing_else() {
    let house = house().await;
    let mut client = Client::connected(&house, 4, "g1").await;
    house.disk(Disk::Full);
    client.publish(1, &reading(1.0)).await;
    house.log.begun(2).await;
    client.only_pong().await;
    house.disk(Disk::Free);
    assert_eq!(client.puback().await, (1, 0));
    assert_eq!(values(&house.log), [1.0]);
}

#[tokio::test]
async fn of_an_array_the_good_readings_are_kept() {
    let payload = format!("[{},{}]", reading(1.0), reading(-1.0));
    for (version, code) in [(4, 0), (5, 0x99)] {
        let house = house().await;
        let mut client = Client::connected(&house, version, "g1").await;
        client.publish(1, &payload).await;
        assert_eq!(client.puback().await, (1, code));
        assert_eq!(values(&house.log), [1.0]);
        assert_eq!(house.log.topic(topics::REJECTED).len(), 1);
    }
}

#[tokio::test]
async fn version_5_is_told_why() {
    let house = house().await;
    let mut client = Client::connected(&house, 5, "g1").await;
    for (topic, payload, code, why) in [
        (TOPIC, "{".to_owned(), 0x99, "not JSON"),
        (TOPIC, reading(-1.0), 0x99, "not possible"),
        ("yw/v1/nowhere", reading(1.0), 0x87, "not in the catalogue"),
        ("home/lamp", reading(1.0), 0x90, "publish to yw/v1/"),
    ] {
        client.send(&publish(5, 1, 1, topic, &payload)).await;
        let (_, body) = client.read().await.unwrap();
        assert_eq!(body[2], code);
        let said = String::from_utf8_lossy(&body[7..]);
        assert!(said.contains(why), "{said}");
    }
}

#[tokio::test]
async fn version_3_gets_a_plain_answer_to_a_refusal() {
    let house = house().await;
    let mut client = Client::connected(&house, 4, "g1").await;
    for topic in [TOPIC, "home/lamp"] {
        client.send(&publish(4, 1, 1, topic, "{")).await;
        assert_eq!(client.read().await, Some((0x40, vec![0, 1])));
    }
    assert_eq!(house.log.topic(topics::REJECTED).len(), 2);
}

#[tokio::test]
async fn ten_thousand_messages_at_once_are_read_no_faster_than_they_become_durable() {
    const MESSAGES: u16 = 10_000;
    let house = house().await;
    let client = Client::connected(&house, 4, "g1").await;
    house.disk(Disk::Held);
    let all: Vec<u8> = (1..=MESSAGES).flat_map(|id| publish(4, 1, id, TOPIC, &reading(1.0))).collect();
    let length = u64::try_from(all.len()).unwrap() / u64::from(MESSAGES);
    let (read, mut write) = client.socket.into_split();
    let sending = tokio::spawn(async move {
        tokio::io::AsyncWriteExt::write_all(&mut write, &all).await.unwrap();
        write
    });
    let most = u64::from(super::RECEIVE_MAXIMUM) + (64 << 10) / length + 1;
    while house.ingest.counters.mqtt_messages.get() <= u64::from(super::RECEIVE_MAXIMUM) {
        tokio::task::yield_now().await;
    }
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    let taken = house.ingest.counters.mqtt_messages.get();
    assert!(taken <= most, "{taken} messages taken, at most {most} may wait");
    house.disk(Disk::Free);
    let write = sending.await.unwrap();
    let mut client = Client::of(read.reunite(write).unwrap());
    for id in 1..=MESSAGES {
        assert_eq!(client.puback().await, (id, 0));
    }
    assert_eq!(values(&house.log).len(), usize::from(MESSAGES));
}

#[tokio::test]
async fn qos_0_is_taken_also_when_the_client_leaves_at_once() {
    let house = house().await;
    let mut client = Client::connected(&house, 4, "g1").await;
    let mut bytes = publish(4, 0, 0, TOPIC, &reading(1.0));
    bytes.extend([0xe0, 0]);
    client.send(&bytes).await;
    assert_eq!(client.read().await, None);
    let log = std::sync::Arc::clone(&house.log);
    log.begun(1).await;
    assert_eq!(house.closed("goodbye"), 1);
    while values(&log).is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(values(&log), [1.0]);
}

#[tokio::test]
async fn a_repeat_is_taken_and_answered() {
    let house = house().await;
    let mut client = Client::connected(&house, 4, "g1").await;
    let mut bytes = publish(4, 1, 1, TOPIC, &reading(1.0));
    client.send(&bytes).await;
    bytes[0] |= 0x08;
    client.send(&bytes).await;
    assert_eq!((client.puback().await, client.puback().await), ((1, 0), (1, 0)));
}
