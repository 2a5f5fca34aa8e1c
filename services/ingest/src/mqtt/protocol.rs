//! One client's protocol: bytes in, what the door must know of them out, answers as bytes. Both versions, no IO.
//!
//! Everything that is said goes through `mqtt-protocol-core`, which keeps the state; nothing is acknowledged unless the
//! door says so.

use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::role::Server;
use mqtt_protocol_core::mqtt::connection::{Connection, ConnectionOptions, Event, Version};
use mqtt_protocol_core::mqtt::packet::AssignedClientIdentifier;
use mqtt_protocol_core::mqtt::packet::{
    GenericPacketTrait, MaximumQos, Packet, Property, Qos, ReasonString, ReceiveMaximum,
    SessionExpiryInterval, SharedSubscriptionAvailable, SubscriptionIdentifierAvailable, TopicAliasMaximum,
    WildcardSubscriptionAvailable, v3_1_1, v5_0,
};
use mqtt_protocol_core::mqtt::result_code::{
    ConnectReasonCode, ConnectReturnCode, DisconnectReasonCode, MqttError, SubackReasonCode,
    SubackReturnCode, UnsubackReasonCode,
};

use super::take::Verdict;
use super::{MAX_PACKET_BYTES, RECEIVE_MAXIMUM};

/// How many topics a client of version 5 may shorten to a number.
const TOPIC_ALIASES: u16 = 16;

/// Bytes that have come in.
pub(crate) type Bytes<'a> = Cursor<&'a [u8]>;

/// What a client says.
pub(crate) enum Incoming {
    Connect(Hello),
    Publish(Publish),
    Ping,
    Goodbye,
    /// A request that is answered here with a refusal: SUBSCRIBE, UNSUBSCRIBE.
    Answered,
    /// Not MQTT, or not now.
    Fault(MqttError),
}

/// What a CONNECT says.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) client: String,
    pub(crate) name: Option<String>,
    pub(crate) secret: Option<Vec<u8>>,
    pub(crate) keep_alive_seconds: u16,
    pub(crate) will_qos_2: bool,
    pub(crate) clean: bool,
}

/// A message.
pub(crate) enum Publish {
    V3(v3_1_1::Publish),
    V5(v5_0::Publish),
}

impl Publish {
    pub(crate) fn topic(&self) -> &str {
        match self {
            Self::V3(publish) => publish.topic_name(),
            Self::V5(publish) => publish.topic_name(),
        }
    }

    pub(crate) fn payload(&self) -> &[u8] {
        match self {
            Self::V3(publish) => publish.payload().as_slice(),
            Self::V5(publish) => publish.payload().as_slice(),
        }
    }

    pub(crate) fn qos(&self) -> Qos {
        match self {
            Self::V3(publish) => publish.qos(),
            Self::V5(publish) => publish.qos(),
        }
    }

    /// Whether its sender marks it as sent again.
    pub(crate) fn is_again(&self) -> bool {
        match self {
            Self::V3(publish) => publish.dup(),
            Self::V5(publish) => publish.dup(),
        }
    }

    /// The number under which it is acknowledged; 0 for QoS 0.
    pub(crate) fn id(&self) -> u16 {
        match self {
            Self::V3(publish) => publish.packet_id(),
            Self::V5(publish) => publish.packet_id(),
        }
        .unwrap_or_default()
    }
}

/// Why a CONNECT is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoEntry {
    BadClientId,
    BadSecret,
    NotAllowed,
    WillQos,
}

/// The state of one client's protocol.
pub(crate) struct Protocol {
    state: Connection<Server>,
    /// Whether the client wants to read reasons (version 5).
    reasons: bool,
}

impl Protocol {
    pub(crate) fn new() -> Self {
        let options = ConnectionOptions::new().maximum_packet_size_recv(MAX_PACKET_BYTES);
        Self { state: Connection::with_options(Version::Undetermined, options), reasons: false }
    }

    /// The next thing that the client says in these bytes; `None` once they are used up. What the protocol answers by
    /// itself is added to `out`.
    pub(crate) fn next(&mut self, bytes: &mut Bytes<'_>, out: &mut Vec<u8>) -> Option<Incoming> {
        loop {
            if bytes.position() >= bytes.get_ref().len() as u64 {
                return None;
            }
            let events = self.state.recv(bytes);
            if let Some(incoming) = self.read(events, out) {
                return Some(incoming);
            }
        }
    }

    fn read(&mut self, events: Vec<Event>, out: &mut Vec<u8>) -> Option<Incoming> {
        let mut incoming = None;
        for event in events {
            match event {
                Event::NotifyPacketReceived(packet) => incoming = Some(self.received(packet, out)),
                Event::RequestSendPacket { packet, .. } => out.extend(packet.to_continuous_buffer()),
                Event::NotifyError(error) => incoming = Some(self.fault(error, out)),
                Event::RequestClose => {
                    incoming = incoming.or(Some(Incoming::Fault(MqttError::ProtocolError)))
                }
                _ => {}
            }
        }
        incoming
    }

    fn received(&mut self, packet: Packet, out: &mut Vec<u8>) -> Incoming {
        match packet {
            Packet::V3_1_1Publish(publish) => Incoming::Publish(Publish::V3(publish)),
            Packet::V5_0Publish(publish) => Incoming::Publish(Publish::V5(publish)),
            Packet::V3_1_1Pingreq(_) => self.pong(v3_1_1::Pingresp::new().into(), out),
            Packet::V5_0Pingreq(_) => self.pong(v5_0::Pingresp::new().into(), out),
            Packet::V3_1_1Disconnect(_) | Packet::V5_0Disconnect(_) => Incoming::Goodbye,
            Packet::V3_1_1Connect(connect) => Incoming::Connect(hello_3(&connect)),
            Packet::V5_0Connect(connect) => {
                self.reasons = wants_reasons(connect.props());
                Incoming::Connect(hello_5(&connect))
            }
            request => match refusal(&request) {
                Some(answer) => {
                    self.send(answer, out);
                    Incoming::Answered
                }
                None => self.fault(MqttError::ProtocolError, out),
            },
        }
    }

    fn pong(&mut self, answer: Packet, out: &mut Vec<u8>) -> Incoming {
        self.send(answer, out);
        Incoming::Ping
    }

    /// Says what the protocol has to say of a fault, if it has not been said.
    fn fault(&mut self, error: MqttError, out: &mut Vec<u8>) -> Incoming {
        match self.state.get_protocol_version() {
            Version::Undetermined if error == MqttError::UnsupportedProtocolVersion => {
                out.extend([0x20, 2, 0, ConnectReturnCode::UnacceptableProtocolVersion as u8]);
            }
            _ => self.disconnect(error.into(), out),
        }
        Incoming::Fault(error)
    }

    /// Lets the client in; `assigned` is the id that it gets because it has none of its own.
    pub(crate) fn welcome(&mut self, assigned: Option<&str>, out: &mut Vec<u8>) {
        let packet = if self.is_5() {
            let connack =
                v5_0::Connack::builder().session_present(false).reason_code(ConnectReasonCode::Success);
            connack.props(granted(assigned)).build().map(Packet::from)
        } else {
            let connack = v3_1_1::Connack::builder().session_present(false);
            connack.return_code(ConnectReturnCode::Accepted).build().map(Packet::from)
        };
        self.send_built(packet, out);
    }

    /// Tells the client that it may not come in.
    pub(crate) fn turn_away(&mut self, why: NoEntry, out: &mut Vec<u8>) {
        let (code_5, code_3) = match why {
            NoEntry::BadClientId => {
                (ConnectReasonCode::ClientIdentifierNotValid, ConnectReturnCode::IdentifierRejected)
            }
            NoEntry::BadSecret => {
                (ConnectReasonCode::BadUserNameOrPassword, ConnectReturnCode::BadUserNameOrPassword)
            }
            NoEntry::NotAllowed => (ConnectReasonCode::NotAuthorized, ConnectReturnCode::NotAuthorized),
            NoEntry::WillQos => (ConnectReasonCode::QosNotSupported, ConnectReturnCode::NotAuthorized),
        };
        let packet = if self.is_5() {
            v5_0::Connack::builder().session_present(false).reason_code(code_5).build().map(Packet::from)
        } else {
            v3_1_1::Connack::builder().session_present(false).return_code(code_3).build().map(Packet::from)
        };
        self.send_built(packet, out);
    }

    /// Acknowledges a message.
    pub(crate) fn acknowledge(&mut self, id: u16, verdict: Option<&Verdict>, out: &mut Vec<u8>) {
        if !self.is_5() {
            return self.send_built(v3_1_1::Puback::builder().packet_id(id).build().map(Packet::from), out);
        }
        let Some(verdict) = verdict else {
            return self.send_built(v5_0::Puback::builder().packet_id(id).build().map(Packet::from), out);
        };
        let bare = v5_0::Puback::builder().packet_id(id).reason_code(verdict.code);
        let said =
            self.reasons.then(|| ReasonString::new(&verdict.reason).ok()).flatten().and_then(|reason| {
                let builder = v5_0::Puback::builder().packet_id(id).reason_code(verdict.code);
                builder.props(vec![Property::from(reason)]).build().ok()
            });
        if !said.is_some_and(|puback| self.send(puback.into(), out)) {
            self.send_built(bare.build().map(Packet::from), out);
        }
    }

    /// Says goodbye with a reason, in version 5; version 3.1.1 has no such word.
    pub(crate) fn disconnect(&mut self, code: DisconnectReasonCode, out: &mut Vec<u8>) {
        if self.is_5() {
            self.send_built(v5_0::Disconnect::builder().reason_code(code).build().map(Packet::from), out);
        }
    }

    pub(crate) fn is_5(&self) -> bool {
        self.state.get_protocol_version() == Version::V5_0
    }

    fn send_built(&mut self, packet: Result<Packet, MqttError>, out: &mut Vec<u8>) {
        match packet {
            Ok(packet) => {
                self.send(packet, out);
            }
            Err(error) => tracing::error!(%error, "an answer could not be built"),
        }
    }

    /// Whether it could be said: not if the client takes only smaller packets, or if all has been said already.
    fn send(&mut self, packet: Packet, out: &mut Vec<u8>) -> bool {
        let mut sent = false;
        for event in self.state.send(packet) {
            if let Event::RequestSendPacket { packet, .. } = event {
                out.extend(packet.to_continuous_buffer());
                sent = true;
            }
        }
        sent
    }
}

/// What the door grants a client of version 5.
fn granted(assigned: Option<&str>) -> Vec<Property> {
    let mut granted: Vec<Property> = Vec::with_capacity(8);
    granted.extend(ReceiveMaximum::new(RECEIVE_MAXIMUM).ok().map(Property::from));
    granted.extend(MaximumQos::new(1).ok().map(Property::from));
    granted.extend(TopicAliasMaximum::new(TOPIC_ALIASES).ok().map(Property::from));
    granted.extend(SessionExpiryInterval::new(0).ok().map(Property::from));
    granted.extend(WildcardSubscriptionAvailable::new(0).ok().map(Property::from));
    granted.extend(SubscriptionIdentifierAvailable::new(0).ok().map(Property::from));
    granted.extend(SharedSubscriptionAvailable::new(0).ok().map(Property::from));
    granted.extend(assigned.and_then(|id| AssignedClientIdentifier::new(id).ok()).map(Property::from));
    granted
}

fn wants_reasons(props: &[Property]) -> bool {
    !props.iter().any(|prop| matches!(prop, Property::RequestProblemInformation(wanted) if wanted.val() == 0))
}

/// The refusal of a request to subscribe or to unsubscribe.
fn refusal(request: &Packet) -> Option<Packet> {
    match request {
        Packet::V3_1_1Subscribe(subscribe) => {
            let codes = vec![SubackReturnCode::Failure; subscribe.entries().len()];
            let suback = v3_1_1::Suback::builder().packet_id(subscribe.packet_id()).return_codes(codes);
            suback.build().ok().map(Packet::from)
        }
        Packet::V5_0Subscribe(subscribe) => {
            let codes = vec![SubackReasonCode::NotAuthorized; subscribe.entries().len()];
            let suback = v5_0::Suback::builder().packet_id(subscribe.packet_id()).reason_codes(codes);
            suback.build().ok().map(Packet::from)
        }
        Packet::V3_1_1Unsubscribe(unsubscribe) => {
            v3_1_1::Unsuback::builder().packet_id(unsubscribe.packet_id()).build().ok().map(Packet::from)
        }
        Packet::V5_0Unsubscribe(unsubscribe) => {
            let codes = vec![UnsubackReasonCode::NoSubscriptionExisted; unsubscribe.entries().len()];
            let unsuback = v5_0::Unsuback::builder().packet_id(unsubscribe.packet_id()).reason_codes(codes);
            unsuback.build().ok().map(Packet::from)
        }
        _ => None,
    }
}

fn hello_3(connect: &v3_1_1::Connect) -> Hello {
    Hello {
        client: connect.client_id().to_owned(),
        name: connect.user_name().map(str::to_owned),
        secret: connect.password().map(<[u8]>::to_vec),
        keep_alive_seconds: connect.keep_alive(),
        will_qos_2: connect.will_flag() && connect.will_qos() == Qos::ExactlyOnce,
        clean: connect.clean_session(),
    }
}

fn hello_5(connect: &v5_0::Connect) -> Hello {
    Hello {
        client: connect.client_id().to_owned(),
        name: connect.user_name().map(str::to_owned),
        secret: connect.password().map(<[u8]>::to_vec),
        keep_alive_seconds: connect.keep_alive(),
        will_qos_2: connect.will_flag() && connect.will_qos() == Qos::ExactlyOnce,
        clean: connect.clean_start(),
    }
}
