//! Brokers that refuse, lie, or hand over what nobody can take.

use yiwang_proto::topics;

use super::fake::{Fake, TOPIC, published};
use crate::broker::{MAX_READ_BYTES, State};
use crate::mqtt::tests::client::{packet, reading, text};
use crate::tests_kit::values;

#[tokio::test]
async fn a_refused_connect_says_what_is_to_be_done() {
    for (version, code, why) in [
        (4, 4, "wrong user or password"),
        (4, 5, "not authorized"),
        (4, 2, "BadClientId"),
        (5, 0x86, "wrong user or password"),
        (5, 0x87, "not authorized"),
        (5, 0x8a, "Banned"),
    ] {
        let mut fake = Fake::begin(version).await;
        let _peer = fake.answered(false, code).await;
        fake.down("refused CONNECT").await;
        fake.down(why).await;
        assert_eq!(fake.progress.connections.get(), 0);
        // It goes on trying, and comes in when it is let in.
        fake.subscribed(false).await;
    }
}

#[tokio::test]
async fn a_refused_filter_is_named_and_the_others_hold() {
    for (version, refusal, why) in [(4, 0x80, "refused"), (5, 0x87, "NotAuthorized"), (5, 0, "QoS 0 only")] {
        let mut fake = Fake::begin(version).await;
        let mut peer = fake.granted(false, &[1, refusal]).await;
        let wrong = fake.progress.wrong().expect("something is wrong");
        assert!(wrong.contains("filter \"senml/#\"") && wrong.contains(why), "{wrong}");
        peer.publish(1, &reading(1.0)).await;
        assert_eq!(peer.puback().await, (1, 0));
        assert_eq!(values(fake.log()), [1.0]);
    }
}

#[tokio::test]
async fn a_message_above_the_bound_is_refused_and_acknowledged() {
    for version in [4, 5] {
        let mut fake = Fake::begin(version).await;
        let mut peer = fake.subscribed(false).await;
        peer.send(&published(version, 1, TOPIC, &"x".repeat(100_001))).await;
        peer.publish(2, &reading(2.0)).await;
        assert_eq!((peer.puback().await, peer.puback().await), ((1, 0), (2, 0)));
        assert_eq!(values(fake.log()), [2.0]);
        let [record] = fake.log().topic(topics::REJECTED).try_into().expect("one record");
        let record = <yiwang_proto::log::Rejected as prost::Message>::decode(record).unwrap();
        assert!(record.message.contains("100001 bytes"), "{}", record.message);
        assert_eq!((record.door.as_str(), record.sender.as_str()), ("broker", "main"));
    }
}

/// It would come again on each connection: only people can help, and are told how.
#[tokio::test]
async fn a_packet_that_cannot_be_read_is_told_with_its_size() {
    for version in [4, 5] {
        let mut fake = Fake::begin(version).await;
        let mut peer = fake.subscribed(false).await;
        // 32 MiB are announced, none comes.
        peer.send(&[0x32, 0x80, 0x80, 0x80, 0x10]).await;
        fake.down(&format!("{} bytes", MAX_READ_BYTES * 2)).await;
        fake.down("message_size_limit").await;
        assert!(matches!(fake.progress.state(), State::Down(_)));
    }
}

#[tokio::test]
async fn a_broker_that_lies_is_left_and_tried_again() {
    for version in [4, 5] {
        for lie in [
            vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            vec![0; 64],
            packet(0x20, &[0, 0, 0]),
            packet(0x40, &[0, 9]),
            packet(0x32, &[0xff, 0xff, b'x']),
            packet(0x32, &[text("yw/v1/x"), vec![0, 0]].concat()),
            packet(0x36, b"x"),
            packet(0xd0, &[1, 2, 3]),
        ] {
            let mut fake = Fake::begin(version).await;
            let mut peer = fake.subscribed(false).await;
            peer.send(&lie).await;
            let _ = peer.socket.readable().await;
            drop(peer);
            let mut peer = fake.subscribed(true).await;
            peer.publish(1, &reading(1.0)).await;
            assert_eq!(peer.puback().await, (1, 0), "after {lie:x?}");
        }
    }
}

#[tokio::test]
async fn topics_of_others_are_refused_and_acknowledged() {
    for version in [4, 5] {
        let mut fake = Fake::begin(version).await;
        let mut peer = fake.subscribed(false).await;
        for (id, topic) in [(1, "home/lamp"), (2, "yw/v1/nowhere"), (3, "$SYS/uptime"), (4, "yw/v1/")] {
            peer.send(&published(version, id, topic, &reading(1.0))).await;
            assert_eq!(peer.puback().await, (id, 0));
        }
        assert_eq!(fake.log().topic(topics::REJECTED).len(), 4);
    }
}
