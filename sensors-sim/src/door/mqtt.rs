//! MQTT 3.1.1, QoS 1: one PUBLISH a batch, the PUBACK of its packet identifier acknowledges it.
//!
//! The packets are those of `rumqttc`; the loop is our own. `rumqttc`'s flushes the socket after every message, keeps
//! to itself which packet identifier a message got, and forgets what is pending when a session is not resumed.
//!
//! Sessions are clean. The packet identifier of batch n is n mod 65,535, plus 1, so it means the same batch over every
//! connection; the buffer is shorter than that, so no two under way share one.

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use bytes::BytesMut;
use rumqttc::mqttbytes::v4::{Connect, ConnectReturnCode, Packet, PingReq, Publish};
use rumqttc::mqttbytes::{Error as Malformed, QoS};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::{Batch, Ended, Options, Outbox, json};

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// How much is made ready for the socket at a time, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;
/// The city sends acknowledgements only: a few bytes each.
const MAX_INCOMING_BYTES: usize = 64 * 1024;
const PACKET_IDS: u64 = 65_535;

/// Sends until everything is done or the connection breaks.
pub(super) async fn session(at: &str, options: &Options, outbox: &mut Outbox) -> anyhow::Result<Ended> {
    let mut link =
        match timeout(CONNECT_WITHIN, connect(at, options)).await.context("no answer to CONNECT")?? {
            Ok(link) => link,
            Err(refused) => return Ok(Ended::Refused(refused)),
        };
    let mut next = outbox.unacked.first();
    let mut heard = Instant::now();
    let mut ping = tokio::time::interval(KEEP_ALIVE / 2);
    loop {
        if outbox.is_done() {
            return Ok(Ended::Done);
        }
        fill(&mut link.outgoing, outbox, &mut next)?;
        tokio::select! {
            read = link.reader.read_buf(&mut link.incoming) => {
                if read? == 0 {
                    bail!("the city closed the connection");
                }
                heard = Instant::now();
                take_acks(&mut link.incoming, outbox)?;
            }
            wrote = link.writer.write_buf(&mut link.outgoing), if !link.outgoing.is_empty() => drop(wrote?),
            received = outbox.queue.recv(), if outbox.wants_more() => {
                outbox.take(received);
                take_waiting(outbox);
            }
            _ = ping.tick() => {
                if heard.elapsed() > KEEP_ALIVE * 2 {
                    bail!("nothing heard for {:?}", heard.elapsed());
                }
                PingReq.write(&mut link.outgoing)?;
            }
        }
    }
}

struct Link {
    reader: tokio::net::tcp::OwnedReadHalf,
    writer: tokio::net::tcp::OwnedWriteHalf,
    incoming: BytesMut,
    outgoing: BytesMut,
}

/// A connection that the city took, or why it never will.
async fn connect(at: &str, options: &Options) -> anyhow::Result<Result<Link, anyhow::Error>> {
    let stream = TcpStream::connect(at).await?;
    stream.set_nodelay(true)?;
    let (reader, writer) = stream.into_split();
    let mut link = Link { reader, writer, incoming: BytesMut::new(), outgoing: BytesMut::new() };
    hello(options).write(&mut link.outgoing)?;
    link.writer.write_all_buf(&mut link.outgoing).await?;
    loop {
        match Packet::read(&mut link.incoming, MAX_INCOMING_BYTES) {
            Ok(Packet::ConnAck(answer)) => return Ok(accepted(answer.code).map(|()| link)),
            Ok(other) => bail!("CONNACK was expected, not {other:?}"),
            Err(Malformed::InsufficientBytes(_)) => {}
            Err(error) => return Err(error.into()),
        }
        if link.reader.read_buf(&mut link.incoming).await? == 0 {
            bail!("the city closed the connection before it answered CONNECT");
        }
    }
}

fn hello(options: &Options) -> Connect {
    let mut connect = Connect::new(format!("{}-{:016x}", options.gateway, options.stream_id));
    connect.keep_alive = u16::try_from(KEEP_ALIVE.as_secs()).unwrap_or(u16::MAX);
    if let Some(credential) = &options.credential {
        connect.set_login(credential.name(), credential.secret());
    }
    connect
}

fn accepted(code: ConnectReturnCode) -> anyhow::Result<()> {
    match code {
        ConnectReturnCode::Success => Ok(()),
        other => Err(anyhow!("CONNECT refused: {other:?}")),
    }
}

/// Makes the next batches ready for the socket.
fn fill(outgoing: &mut BytesMut, outbox: &Outbox, next: &mut u64) -> anyhow::Result<()> {
    while outgoing.len() < CHUNK_BYTES && *next < outbox.unacked.end() {
        if let Some(batch) = outbox.unacked.get(*next) {
            message(*next, batch)?.write(outgoing)?;
        }
        *next += 1;
    }
    Ok(())
}

fn message(number: u64, batch: &Batch) -> anyhow::Result<Publish> {
    let source = &batch.items().next().context("a batch without readings")?.key.source;
    let mut publish = Publish::new(format!("yw/v1/{source}"), QoS::AtLeastOnce, json::payload(batch)?);
    publish.pkid = packet_id(number);
    Ok(publish)
}

fn packet_id(number: u64) -> u16 {
    u16::try_from(number % PACKET_IDS + 1).expect("a remainder by 65,535, plus 1, is a u16")
}

fn take_acks(incoming: &mut BytesMut, outbox: &mut Outbox) -> anyhow::Result<()> {
    loop {
        match Packet::read(incoming, MAX_INCOMING_BYTES) {
            Ok(Packet::PubAck(ack)) => settle(ack.pkid, outbox),
            Ok(Packet::PingResp) => {}
            Ok(other) => bail!("PUBACK was expected, not {other:?}"),
            Err(Malformed::InsufficientBytes(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Finds the batch of a packet identifier; there is one at most in the buffer.
fn settle(pkid: u16, outbox: &mut Outbox) {
    let first = outbox.unacked.first();
    let ahead = (u64::from(pkid) + PACKET_IDS - u64::from(packet_id(first))) % PACKET_IDS;
    outbox.progress |= outbox.unacked.ack_one(first + ahead, &mut outbox.on_ack);
}

/// Takes what else waits in the queue, without waiting.
fn take_waiting(outbox: &mut Outbox) {
    while outbox.wants_more() {
        match outbox.queue.try_recv() {
            Ok(received) => outbox.take(Some(received)),
            Err(_) => return,
        }
    }
}
