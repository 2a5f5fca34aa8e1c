//! MQTT 3.1.1.

use rumqttc::mqttbytes::Error as Malformed;
use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, LastWill, MqttOptions, Outgoing,
    Packet, Publish, QoS, StateError, SubscribeFilter, SubscribeReasonCode,
};

use super::{BAD_LOGIN, CONNECT_SECONDS, Heard, Incoming, Lost, NOT_ALLOWED, OWN_MESSAGES, ROOM, Topic};
use crate::broker::{MAX_READ_BYTES, Say, Target};

/// The hearing end.
pub(in crate::broker) struct Ears(EventLoop);

pub(super) fn open(target: &Target, will: Option<Say>) -> (AsyncClient, Ears) {
    let mut options = MqttOptions::new(&target.client_id, &target.host, target.port);
    let most = MAX_READ_BYTES as usize;
    options
        .set_clean_session(false)
        .set_manual_acks(true)
        .set_keep_alive(target.keep_alive)
        .set_max_packet_size(most, most)
        .set_inflight(OWN_MESSAGES);
    if let Some(login) = &target.login {
        options.set_credentials(&login.user, &login.secret);
    }
    if let Some(Say { topic, payload, acknowledged, retain }) = will {
        options.set_last_will(LastWill::new(topic, payload, qos(acknowledged), retain));
    }
    let (client, mut events) = AsyncClient::new(options, ROOM);
    events.network_options.set_connection_timeout(CONNECT_SECONDS);
    (client, Ears(events))
}

pub(super) fn filter(path: String) -> SubscribeFilter {
    SubscribeFilter::new(path, QoS::AtLeastOnce)
}

pub(super) fn qos(acknowledged: bool) -> QoS {
    if acknowledged { QoS::AtLeastOnce } else { QoS::AtMostOnce }
}

/// As much of a message as its acknowledgement needs.
pub(super) fn received(id: u16) -> Publish {
    let mut publish = Publish::new("", QoS::AtLeastOnce, Vec::new());
    publish.pkid = id;
    publish
}

impl Ears {
    pub(super) async fn next(&mut self) -> Result<Heard, Lost> {
        loop {
            match self.0.poll().await.map_err(|error| self.lost(&error))? {
                Event::Incoming(Packet::Publish(publish)) => return Ok(Heard::Message(message(publish))),
                Event::Incoming(Packet::ConnAck(ack)) => {
                    return Ok(Heard::Entered { resumed: ack.session_present });
                }
                Event::Incoming(Packet::SubAck(ack)) => {
                    return Ok(Heard::Subscribed(ack.return_codes.iter().map(wrong).collect()));
                }
                Event::Outgoing(Outgoing::Disconnect) => return Ok(Heard::Left),
                Event::Incoming(_) | Event::Outgoing(_) => {}
            }
        }
    }

    fn lost(&self, error: &ConnectionError) -> Lost {
        let (host, port) = self.0.mqtt_options.broker_address();
        match error {
            ConnectionError::Io(why) => {
                Lost::Unreachable { at: format!("{host}:{port}"), why: why.to_string() }
            }
            ConnectionError::NetworkTimeout => {
                Lost::Unreachable { at: format!("{host}:{port}"), why: "no answer in time".to_owned() }
            }
            ConnectionError::ConnectionRefused(code) => Lost::Refused(refusal(*code)),
            ConnectionError::MqttState(state) => state_lost(state),
            other => Lost::Other(other.to_string()),
        }
    }
}

fn state_lost(error: &StateError) -> Lost {
    match error {
        StateError::Deserialization(Malformed::PayloadSizeLimitExceeded(bytes)) => Lost::TooLarge(*bytes),
        StateError::ConnectionAborted | StateError::Io(_) | StateError::Deserialization(Malformed::Io(_)) => {
            Lost::Closed
        }
        StateError::AwaitPingResp => Lost::Other("the broker answered no ping".to_owned()),
        other => Lost::Other(other.to_string()),
    }
}

fn refusal(code: ConnectReturnCode) -> String {
    match code {
        ConnectReturnCode::BadUserNamePassword => BAD_LOGIN.to_owned(),
        ConnectReturnCode::NotAuthorized => NOT_ALLOWED.to_owned(),
        other => format!("{other:?}"),
    }
}

fn message(publish: Publish) -> Incoming {
    Incoming {
        topic: Topic::Text(publish.topic),
        payload: publish.payload,
        id: (publish.qos != QoS::AtMostOnce).then_some(publish.pkid),
        retained: publish.retain,
        again: publish.dup,
    }
}

fn wrong(code: &SubscribeReasonCode) -> Option<String> {
    match code {
        SubscribeReasonCode::Success(QoS::AtMostOnce) => Some("granted at QoS 0 only".to_owned()),
        SubscribeReasonCode::Success(_) => None,
        SubscribeReasonCode::Failure => Some("refused".to_owned()),
    }
}
