//! A broker that can be made to misbehave, and a city that is its client.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::super::{Broker, Consumer, Login, Pauses, Progress, Readings, Target, Version};
use crate::Ingest;
pub(super) use crate::mqtt::tests::client::TOPIC;
use crate::mqtt::tests::client::{Client, packet, publish};
use crate::names::Limits;
use crate::testing::{Disk, MemoryLog};
use crate::tests_kit::{Start, city, values};

/// A pause that no test waits for.
pub(super) const NEVER: Duration = Duration::from_secs(100_000);

pub(super) struct Fake {
    listener: TcpListener,
    version: u8,
    city: Start,
    running: JoinHandle<()>,
    pub(super) progress: Arc<Progress>,
    pub(super) stop: CancellationToken,
}

pub(super) fn target(version: u8, port: u16) -> Target {
    Target {
        name: "main".into(),
        host: "127.0.0.1".into(),
        port,
        client_id: "the-city".into(),
        login: Some(Login { user: "city".into(), secret: "password".into() }),
        topics: vec!["yw/v1/#".into(), "senml/#".into()],
        version: if version == 5 { Version::V5 } else { Version::V3 },
        group: None,
        keep_alive: Duration::from_secs(60),
        max_packet_bytes: 100_000,
        sparkplug_host: None,
    }
}

pub(super) fn published(version: u8, id: u16, topic: &str, payload: &str) -> Vec<u8> {
    publish(version, 1, id, topic, payload)
}

impl Fake {
    pub(super) async fn begin(version: u8) -> Self {
        Self::begin_as(version, Box::new(Readings)).await
    }

    pub(super) async fn begin_as(version: u8, consumer: Box<dyn Consumer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = target(version, listener.local_addr().unwrap().port());
        Self::open(listener, target, Duration::from_millis(1), consumer).await
    }

    /// A client of this broker; after the second failure it is patient.
    pub(super) async fn begin_with(target: Target, pause: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::open(listener, target, pause, Box::new(Readings)).await
    }

    async fn open(
        listener: TcpListener,
        target: Target,
        pause: Duration,
        consumer: Box<dyn Consumer>,
    ) -> Self {
        let city = city(MemoryLog::new(4), Limits::default()).await;
        let version = if target.version == Version::V5 { 5 } else { 4 };
        let broker = Broker::new(target, Arc::clone(&city.ingest), consumer);
        let broker = broker.with_pauses(Pauses::new(pause, pause));
        let (progress, stop) = (broker.progress(), CancellationToken::new());
        let running = tokio::spawn(broker.run(stop.clone()));
        Self { listener, version, city, running, progress, stop }
    }

    /// The next connection, whose CONNECT was read.
    pub(super) async fn connecting(&mut self) -> (Client, Vec<u8>) {
        let (socket, _) = self.listener.accept().await.unwrap();
        let mut peer = Client::peer(socket, self.version);
        let (kind, body) = peer.read().await.expect("CONNECT");
        assert_eq!((kind, body[6]), (0x10, self.version));
        // A session that lasts, a user and a password.
        assert_eq!(body[7] & 0xc2, 0xc0, "{body:x?}");
        (peer, body)
    }

    /// The next connection, let in with this answer.
    pub(super) async fn answered(&mut self, resumed: bool, code: u8) -> Client {
        let (mut peer, _) = self.connecting().await;
        let mut answer = vec![u8::from(resumed), code];
        if self.version == 5 {
            answer.push(0);
        }
        peer.send(&packet(0x20, &answer)).await;
        peer
    }

    /// The next connection, let in and granted its two filters.
    pub(super) async fn subscribed(&mut self, resumed: bool) -> Client {
        self.granted(resumed, &[1, 1]).await
    }

    pub(super) async fn granted(&mut self, resumed: bool, codes: &[u8]) -> Client {
        let mut peer = self.answered(resumed, 0).await;
        let (kind, body) = peer.read().await.expect("SUBSCRIBE");
        assert_eq!(kind, 0x82);
        let mut answer = body[..2].to_vec();
        if self.version == 5 {
            answer.push(0);
        }
        answer.extend(codes);
        peer.send(&packet(0x90, &answer)).await;
        until(|| self.progress.is_connected()).await;
        peer
    }

    pub(super) fn disk(&self, disk: Disk) {
        self.city.log.set(disk);
    }

    pub(super) fn log(&self) -> &MemoryLog {
        &self.city.log
    }

    pub(super) fn ingest(&self) -> &Ingest {
        &self.city.ingest
    }

    /// Waits until so many messages are taken.
    pub(super) async fn taken(&self, messages: u64) {
        until(|| self.progress.messages.get() >= messages).await;
    }

    /// Waits until so many readings are in the log.
    pub(super) async fn durable(&self, readings: usize) {
        until(|| values(&self.city.log).len() >= readings).await;
    }

    /// Waits until it is down for this reason.
    pub(super) async fn down(&self, why: &str) {
        until(|| self.progress.wrong().is_some_and(|wrong| wrong.contains(why))).await;
    }

    /// Whether nothing has been said to the broker that it has not read.
    pub(super) async fn silent(&self, peer: &mut Client) -> bool {
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        let mut byte = [0];
        peer.socket.try_read(&mut byte).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }

    /// Waits until the client has ended.
    pub(super) async fn ended(self) {
        self.running.await.unwrap();
    }
}

/// Waits until it holds; real sockets need real time.
pub(super) async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
