mod fake;
mod hostile;
mod seam;

use fake::{Fake, NEVER, TOPIC, published, target};
use yiwang_proto::topics;

use super::State;
use crate::mqtt::tests::client::reading;
use crate::testing::Disk;
use crate::tests_kit::values;

#[tokio::test]
async fn nothing_is_acknowledged_before_it_is_durable_and_all_in_order() {
    for version in [4, 5] {
        let mut fake = Fake::begin(version).await;
        let mut peer = fake.subscribed(true).await;
        fake.disk(Disk::Held);
        for (id, payload) in [(9, reading(1.0)), (3, "nonsense".to_owned()), (7, reading(2.0))] {
            peer.publish(id, &payload).await;
        }
        fake.taken(3).await;
        fake.log().begun(1).await;
        assert!(fake.silent(&mut peer).await && values(fake.log()).is_empty());
        fake.disk(Disk::Free);
        for id in [9, 3, 7] {
            assert_eq!(peer.puback().await, (id, 0));
        }
        assert!(fake.silent(&mut peer).await);
        assert_eq!(values(fake.log()), [1.0, 2.0]);
        assert_eq!(fake.log().topic(topics::REJECTED).len(), 1);
    }
}

/// The identifier 9 of the first connection is another message's on the second: it must not be acknowledged for the first.
#[tokio::test]
async fn an_acknowledgement_of_an_earlier_connection_is_thrown_away() {
    for version in [4, 5] {
        let mut fake = Fake::begin(version).await;
        let mut first = fake.subscribed(false).await;
        fake.disk(Disk::Held);
        first.publish(9, &reading(1.0)).await;
        fake.taken(1).await;
        fake.log().begun(1).await;
        drop(first);
        let mut second = fake.subscribed(true).await;
        assert_eq!(fake.progress.thrown_away.get(), 1);
        // Durable while the second message has not come: nobody may say so any more.
        fake.disk(Disk::Free);
        fake.durable(1).await;
        fake.disk(Disk::Held);
        second.publish(9, &reading(2.0)).await;
        fake.taken(2).await;
        fake.log().begun(2).await;
        second.send(&[0xd0, 0]).await;
        assert_eq!(values(fake.log()), [1.0]);
        assert!(fake.silent(&mut second).await);
        fake.disk(Disk::Free);
        assert_eq!(second.puback().await, (9, 0));
        assert_eq!(values(fake.log()), [1.0, 2.0]);
        assert_eq!(fake.progress.sessions_lost.get(), 0);
    }
}

/// Many messages are in one read, and the connection ends behind them: those that rumqttc had not handed over yet are of an
/// earlier connection on the next.
#[tokio::test]
async fn what_was_heard_and_not_taken_dies_with_its_connection() {
    let mut fake = Fake::begin(4).await;
    let mut first = fake.subscribed(false).await;
    let all: Vec<u8> = (1..=8).flat_map(|id| published(4, id, TOPIC, &reading(f64::from(id)))).collect();
    // Then something that no broker says, in the same read.
    first.send(&[all, vec![0x10, 0]].concat()).await;
    let mut second = fake.subscribed(true).await;
    second.publish(1, &reading(100.0)).await;
    assert_eq!(second.puback().await, (1, 0));
    assert!(fake.silent(&mut second).await);
    assert!(values(fake.log()).contains(&100.0));
}

#[tokio::test]
async fn a_long_stall_costs_the_connection_and_nothing_else() {
    let mut fake = Fake::begin(5).await;
    let mut first = fake.subscribed(false).await;
    fake.disk(Disk::Full);
    let most = super::MAX_MESSAGES;
    let (read, mut write) = first.socket.into_split();
    let said: Vec<u8> = (1..=most + 100).flat_map(|id| published(5, id, TOPIC, &reading(1.0))).collect();
    let sending = tokio::spawn(async move {
        let _ = tokio::io::AsyncWriteExt::write_all(&mut write, &said).await;
        write
    });
    fake.taken(u64::from(most)).await;
    assert_eq!(fake.progress.messages.get(), u64::from(most));
    // As a broker does that heard no ping.
    drop((read, sending.await.unwrap()));
    fake.disk(Disk::Free);
    let mut second = fake.subscribed(true).await;
    first = {
        second.send(&again(published(5, 1, TOPIC, &reading(1.0)))).await;
        second
    };
    assert_eq!(first.puback().await, (1, 0));
    assert_eq!(fake.progress.redelivered.get(), 1);
}

fn again(mut packet: Vec<u8>) -> Vec<u8> {
    packet[0] |= 0x08;
    packet
}

#[tokio::test]
async fn a_stop_acknowledges_what_is_under_way_and_says_goodbye() {
    for version in [4, 5] {
        let mut fake = Fake::begin(version).await;
        let mut peer = fake.subscribed(false).await;
        fake.disk(Disk::Held);
        peer.publish(1, &reading(1.0)).await;
        fake.taken(1).await;
        fake.stop.cancel();
        fake.disk(Disk::Free);
        assert_eq!(peer.puback().await, (1, 0));
        assert_eq!(peer.read().await.expect("DISCONNECT").0, 0xe0);
        fake.ended().await;
    }
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_broker_that_is_not_there() {
    let fake = Fake::begin_with(target(4, 1), NEVER).await;
    fake.down("cannot be reached").await;
    fake.stop.cancel();
    fake.ended().await;
}

#[tokio::test]
async fn the_session_is_asked_for_and_its_loss_is_counted() {
    let mut fake = Fake::begin(5).await;
    drop(fake.subscribed(false).await);
    assert_eq!(fake.progress.sessions_lost.get(), 0);
    let peer = fake.subscribed(false).await;
    assert_eq!((fake.progress.sessions_lost.get(), fake.progress.connections.get()), (1, 2));
    assert_eq!(fake.progress.state(), State::Connected(vec![]));
    drop(peer);
}

#[tokio::test]
async fn gaps_in_the_numbers_of_a_gateway_are_counted_and_retained_messages_say_nothing() {
    let mut fake = Fake::begin(4).await;
    let mut peer = fake.subscribed(false).await;
    let numbered = |seq: u64| reading(1.0).replace('}', &format!(",\"seq\":{seq},\"gateway\":\"g7\"}}"));
    for (id, seq, flags) in [(1, 5, 0), (2, 2, 1), (3, 6, 0), (4, 5, 8), (5, 9, 0), (6, 1, 0)] {
        let mut packet = published(4, id, TOPIC, &numbered(seq));
        packet[0] |= flags;
        peer.send(&packet).await;
        assert_eq!(peer.puback().await, (id, 0));
    }
    let seqs = &fake.ingest().seqs;
    assert_eq!((seqs.missing.get(), seqs.restarts.get()), (2, 1));
}
