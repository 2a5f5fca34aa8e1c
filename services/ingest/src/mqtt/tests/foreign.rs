//! A client that nobody here wrote: rumqttc, in both versions.

use super::client::{House, TOPIC, house, reading};
use crate::tests_kit::values;

const MESSAGES: usize = 250;

fn port(house: &House) -> u16 {
    house.address.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap()
}

#[tokio::test]
async fn rumqttc_of_version_3_publishes() {
    use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
    let house = house().await;
    let (client, mut events) = AsyncClient::new(MqttOptions::new("rumqttc-3", "127.0.0.1", port(&house)), 10);
    tokio::spawn(async move {
        for _ in 0..MESSAGES {
            client.publish(TOPIC, QoS::AtLeastOnce, false, reading(1.0)).await.unwrap();
        }
        std::future::pending::<()>().await;
    });
    let mut acknowledged = 0;
    while acknowledged < MESSAGES {
        if let Event::Incoming(Packet::PubAck(_)) = events.poll().await.unwrap() {
            acknowledged += 1;
        }
    }
    assert_eq!(values(&house.log).len(), MESSAGES);
}

#[tokio::test]
async fn rumqttc_of_version_5_publishes_and_is_told_of_refusals() {
    use rumqttc::v5::mqttbytes::QoS;
    use rumqttc::v5::mqttbytes::v5::{Packet, PubAckReason};
    use rumqttc::v5::{AsyncClient, Event, MqttOptions};
    let house = house().await;
    let (client, mut events) = AsyncClient::new(MqttOptions::new("rumqttc-5", "127.0.0.1", port(&house)), 10);
    tokio::spawn(async move {
        for payload in [reading(1.0), "nonsense".to_owned(), reading(2.0)] {
            client.publish(TOPIC, QoS::AtLeastOnce, false, payload).await.unwrap();
        }
        std::future::pending::<()>().await;
    });
    let mut reasons = Vec::new();
    while reasons.len() < 3 {
        if let Event::Incoming(Packet::PubAck(ack)) = events.poll().await.unwrap() {
            reasons.push(ack.reason);
        }
    }
    assert_eq!(reasons, [PubAckReason::Success, PubAckReason::PayloadFormatInvalid, PubAckReason::Success]);
    assert_eq!(values(&house.log), [1.0, 2.0]);
}
