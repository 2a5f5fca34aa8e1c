//! A client that speaks MQTT byte by byte, so that it can also speak it wrongly.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::super::{Options, serve};
use crate::Ingest;
use crate::gate::{Gate, Open};
use crate::names::Limits;
use crate::testing::{Disk, MemoryLog};
use crate::tests_kit::{Start, city};

pub(crate) const TOPIC: &str = "yw/v1/510104-air-1";

/// A city with an MQTT door.
pub(crate) struct House {
    pub(crate) ingest: Arc<Ingest>,
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) stop: CancellationToken,
    pub(crate) serving: JoinHandle<()>,
    pub(crate) address: String,
    pub(crate) city: Start,
}

pub(crate) async fn house() -> House {
    house_with(Arc::new(Open), Options::default(), Limits::default()).await
}

pub(crate) async fn house_with(gate: Arc<dyn Gate>, options: Options, limits: Limits) -> House {
    let city = city(MemoryLog::new(4), limits).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, Arc::clone(&city.ingest), gate, options, stop.clone()));
    House { ingest: Arc::clone(&city.ingest), log: Arc::clone(&city.log), stop, serving, address, city }
}

impl House {
    pub(crate) fn disk(&self, disk: Disk) {
        self.log.set(disk);
    }

    /// How many connections ended for this reason.
    pub(crate) fn closed(&self, word: &str) -> u64 {
        self.ingest.counters.mqtt_closings().find(|(known, _)| *known == word).unwrap().1
    }

    /// Closes the door and waits until all connections have ended.
    pub(crate) async fn shut(self) -> Arc<Ingest> {
        self.stop.cancel();
        self.serving.await.unwrap();
        self.ingest
    }
}

/// A packet: its first byte, and what follows its length.
pub(crate) type Packet = (u8, Vec<u8>);

pub(crate) struct Client {
    pub(crate) socket: TcpStream,
    version: u8,
}

impl Client {
    pub(crate) async fn raw(house: &House) -> Self {
        Self { socket: TcpStream::connect(&house.address).await.unwrap(), version: 4 }
    }

    /// A client of version 4 that was let in on this socket.
    pub(crate) fn of(socket: TcpStream) -> Self {
        Self::peer(socket, 4)
    }

    /// Whoever is at the other end of this socket.
    pub(crate) fn peer(socket: TcpStream, version: u8) -> Self {
        Self { socket, version }
    }

    /// A client of version 4 (3.1.1) or 5 that was let in.
    pub(crate) async fn connected(house: &House, version: u8, id: &str) -> Self {
        let mut client = Self::raw(house).await;
        client.version = version;
        client.send(&connect(version, id, 0x02, &[], 0)).await;
        let (kind, body) = client.read().await.expect("CONNACK");
        assert_eq!((kind, body[0], body[1]), (0x20, 0, 0), "{body:x?}");
        client
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
    }

    pub(crate) async fn publish(&mut self, id: u16, payload: &str) {
        let packet = publish(self.version, 1, id, TOPIC, payload);
        self.send(&packet).await;
    }

    /// The next packet; `None` when the door closed the connection.
    pub(crate) async fn read(&mut self) -> Option<Packet> {
        let kind = self.socket.read_u8().await.ok()?;
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = self.socket.read_u8().await.ok()?;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.socket.read_exact(&mut body).await.ok()?;
        Some((kind, body))
    }

    /// The id and reason code of the next packet, which is a PUBACK.
    pub(crate) async fn puback(&mut self) -> (u16, u8) {
        let (kind, body) = self.read().await.expect("PUBACK");
        assert_eq!(kind, 0x40, "{body:x?}");
        (u16::from_be_bytes([body[0], body[1]]), body.get(2).copied().unwrap_or_default())
    }

    /// Shows that nothing was answered so far but this PING: answers leave in the order in which they can.
    pub(crate) async fn only_pong(&mut self) {
        self.send(&[0xc0, 0]).await;
        assert_eq!(self.read().await, Some((0xd0, vec![])));
    }

    /// Reads a DISCONNECT with this reason, then the end of the connection.
    pub(crate) async fn disconnected(&mut self, code: u8) {
        let (kind, body) = self.read().await.expect("DISCONNECT");
        assert_eq!((kind, body[0]), (0xe0, code), "{body:x?}");
        assert_eq!(self.read().await, None);
    }
}

pub(crate) fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    let mut rest = body.len();
    loop {
        let byte = u8::try_from(rest % 128).unwrap();
        rest /= 128;
        bytes.push(if rest > 0 { byte | 0x80 } else { byte });
        if rest == 0 {
            break;
        }
    }
    bytes.extend(body);
    bytes
}

pub(crate) fn text(text: &str) -> Vec<u8> {
    let mut bytes = u16::try_from(text.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

/// A CONNECT with these flags; `rest` follows the client id.
pub(crate) fn connect(version: u8, id: &str, flags: u8, rest: &[u8], keep_alive: u16) -> Vec<u8> {
    let mut body = text("MQTT");
    body.extend([version, flags]);
    body.extend(keep_alive.to_be_bytes());
    if version == 5 {
        body.push(0);
    }
    body.extend(text(id));
    body.extend(rest);
    packet(0x10, &body)
}

pub(crate) fn publish(version: u8, qos: u8, id: u16, topic: &str, payload: &str) -> Vec<u8> {
    let mut body = text(topic);
    if qos > 0 {
        body.extend(id.to_be_bytes());
    }
    if version == 5 {
        body.push(0);
    }
    body.extend(payload.as_bytes());
    packet(0x30 | qos << 1, &body)
}

/// A good reading of this value.
pub(crate) fn reading(value: f64) -> String {
    format!(r#"{{"metric":"pm2_5","time":"2026-03-02T10:15:00+08:00","value":{value},"unit":"µg/m³"}}"#)
}
