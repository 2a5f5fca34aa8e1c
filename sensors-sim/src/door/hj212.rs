//! HJ 212, edition 2017: one packet of real-time data (CN 2011) a batch, the 9014 with its QN acknowledges it.
//!
//! A connection is one logger, and a batch is what it measures at one time; QN is that time, so it means the same batch
//! over every connection. Times that are not whole seconds go out with milliseconds, which the standard does not have and
//! the city's lenient mode takes. The protocol knows no refusal: what is acknowledged may have been refused. What the city
//! tells a logger to do is done, see [`commanded`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use yiwang_catalogue::{Averaging, Catalogue, Logger};
use yiwang_model::{Quality, Timestamp};
use yiwang_proto::hj212::{Decoder, Flag, Mode, Outgoing, Packet, command, packet, time};

use super::{Batch, Ended, Options, Outbox};

mod commanded;

use commanded::Machine;

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How much is made ready for the socket at a time, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;
/// The password without a credential.
const PASSWORD: &str = "123456";
/// The most bytes of a data segment that the standard allows for the data area.
const MAX_CONTENT_BYTES: usize = 950;

/// How one logger speaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Speaks {
    /// Its MN.
    pub mn: String,
    /// Its factor codes by metric.
    pub codes: BTreeMap<String, String>,
}

impl Speaks {
    /// The logger of a station, with the codes of real-time data that it sends in the unit of their metric.
    #[must_use]
    pub fn of(catalogue: &Catalogue, station: &str) -> Option<Self> {
        let logger: &Logger = catalogue.loggers.values().find(|logger| &*logger.station == station)?;
        let code = |(code, taken): (&Arc<str>, &yiwang_catalogue::logger::Taken)| {
            let (metric, shift) = taken.metric(Averaging::Instant)?;
            (shift == 0).then(|| (metric.to_string(), code.to_string()))
        };
        Some(Self { mn: logger.mn.to_string(), codes: logger.factors.iter().filter_map(code).collect() })
    }
}

/// Sends until everything is done or the connection breaks.
pub(super) async fn session(
    at: &str,
    speaks: &Speaks,
    options: &Options,
    outbox: &mut Outbox,
) -> anyhow::Result<Ended> {
    let stream = timeout(CONNECT_WITHIN, TcpStream::connect(at)).await.context("no connection in time")??;
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = stream.into_split();
    let (mut decoder, mut incoming) = (Decoder::default(), vec![0; 4096]);
    let mut outgoing = bytes::BytesMut::new();
    let mut machine = Machine::default();
    let mut next = outbox.unacked.first();
    loop {
        if outbox.is_done() {
            return Ok(Ended::Done);
        }
        if machine.sends() {
            fill(&mut outgoing, speaks, options, outbox, &mut next)?;
        }
        tokio::select! {
            read = reader.read(&mut incoming) => {
                let read = read?;
                if read == 0 {
                    bail!("the city closed the connection");
                }
                take_answers(&incoming[..read], &mut decoder, outbox, &mut machine, &mut outgoing);
            }
            wrote = writer.write_buf(&mut outgoing), if !outgoing.is_empty() => drop(wrote?),
            received = outbox.queue.recv(), if outbox.wants_more() => outbox.take(received),
        }
    }
}

/// Makes the next batches ready for the socket.
fn fill(
    outgoing: &mut bytes::BytesMut,
    speaks: &Speaks,
    options: &Options,
    outbox: &Outbox,
    next: &mut u64,
) -> anyhow::Result<()> {
    while outgoing.len() < CHUNK_BYTES && *next < outbox.unacked.end() {
        if let Some(batch) = outbox.unacked.get(*next) {
            outgoing.extend_from_slice(&message(speaks, options, batch)?);
        }
        *next += 1;
    }
    Ok(())
}

fn message(speaks: &Speaks, options: &Options, batch: &Batch) -> anyhow::Result<Vec<u8>> {
    let at = instant(batch).context("a batch without readings")?;
    let qn = time::to_milli(at);
    let whole = qn.strip_suffix("000");
    let mut content = format!("DataTime={}", whole.unwrap_or(&qn));
    for item in batch.items() {
        let code = speaks.codes.get(&item.key.metric);
        let code =
            code.with_context(|| format!("logger {} has no code for {}", speaks.mn, item.key.metric))?;
        content += &format!(";{code}-Rtd={},{code}-Flag={}", item.value, flag(item.quality));
    }
    if content.len() > MAX_CONTENT_BYTES {
        bail!("{} bytes of data in one packet; {MAX_CONTENT_BYTES} are allowed", content.len());
    }
    let pw = options.credential.as_ref().map_or(PASSWORD, |credential| credential.secret());
    let sent = Outgoing {
        qn: Some(&qn),
        st: "22",
        cn: command::REAL_TIME,
        pw,
        mn: &speaks.mn,
        flag: Some(Flag(5)),
        part: None,
        content: &content,
    };
    Ok(sent.to_bytes())
}

fn instant(batch: &Batch) -> Option<Timestamp> {
    batch.time.first().map(|nanos| Timestamp(*nanos))
}

fn flag(quality: u8) -> char {
    match Quality::from_number(quality).unwrap_or_default() {
        Quality::Good | Quality::ClockOff => 'N',
        Quality::Suspect => 'T',
        Quality::Maintenance => 'M',
        Quality::Calibration => 'C',
        Quality::Fault => 'D',
        Quality::Stopped => 'F',
        Quality::Manual => 'S',
        Quality::Disconnected => 'B',
    }
}

fn take_answers(
    bytes: &[u8],
    decoder: &mut Decoder,
    outbox: &mut Outbox,
    machine: &mut Machine,
    outgoing: &mut bytes::BytesMut,
) {
    decoder.feed(bytes, |frame| {
        let Ok(frame) = frame else { return };
        let (text, leniencies) = packet::text(&frame);
        let Ok(packet) = Packet::read(&text, leniencies, Mode::Lenient) else { return };
        if let Some(answers) = machine.command(&packet) {
            outgoing.extend_from_slice(&answers);
            return;
        }
        let at = packet.qn.filter(|_| packet.cn == command::DATA_ACK).and_then(time::read);
        let unacked = &outbox.unacked;
        let is = |number: &u64| at.is_some() && unacked.get(*number).and_then(instant) == at;
        // Answers come in the order of the packets, so this is the first that is looked at.
        if let Some(number) = (unacked.first()..unacked.end()).find(is) {
            outbox.progress |= outbox.unacked.ack_one(number, &mut outbox.on_ack);
        }
    });
}

#[cfg(test)]
mod tests {
    use yiwang_proto::v1::SeriesKey;

    use super::*;

    #[test]
    fn a_batch_is_a_packet_that_keeps_to_the_standard() {
        let catalogue = Catalogue::demo();
        let speaks = Speaks::of(&catalogue, "bench-000001").unwrap();
        let key = SeriesKey { source: "bench-000001".into(), metric: "co".into(), unit: "mg/m³".into() };
        let mut batch = Batch::of(&Arc::new(vec![key]));
        batch.push(0, 1_772_417_700_000_000_000, 0.7);
        let options = Options {
            address: super::super::Address::Hj212(String::new(), Arc::new(speaks.clone())),
            gateway: String::new(),
            stream_id: 0,
            credential: None,
            inflight: 1,
            rows: false,
            history: false,
        };
        let bytes = message(&speaks, &options, &batch).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains("QN=20260302101500000;ST=22;CN=2011;PW=123456;MN=BE00"), "{text}");
        assert!(text.contains("CP=&&DataTime=20260302101500;a21005-Rtd=0.7,a21005-Flag=N&&"), "{text}");
    }
}
