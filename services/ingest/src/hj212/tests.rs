//! The door by its bytes: answers after durable, refusals told, hostile peers closed and counted.

use std::sync::Arc;

use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use yiwang_catalogue::Catalogue;
use yiwang_model::{Quality, Row};
use yiwang_proto::hj212::{Decoder, Flag, Mode, Outgoing, Packet, Part, crc, packet};
use yiwang_proto::log::{ReadingsRecord, Rejected, readings_record::Kind};
use yiwang_proto::topics;
use yiwang_proto::v1::Reason;

use super::{AnyPassword, Counts, Options, Passwords, serve};
use crate::names::Limits;
use crate::testing::{Disk, MemoryLog};
use crate::tests_kit::{Start, city_of, values};

mod beside;
mod commands;
mod hostile;

/// The air logger of the demo city.
const AIR: &str = "510107A8900016F000169DC0";
/// The one that is held to the standard, and sends all in mg/m³.
const STRICT: &str = "510104A8900016F000169DC1";
const WATER: &str = "510104C2000000E200000032";
const QN: &str = "20260302101500123";
const NOON: &str = "DataTime=20260302101500";

struct House {
    city: Start,
    log: Arc<MemoryLog>,
    address: String,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

/// Knows one password for all.
struct One(&'static str);

impl Passwords for One {
    fn allows(&self, _mn: &str, pw: &str) -> bool {
        pw == self.0
    }
}

async fn house() -> House {
    house_with(Options::default(), Arc::new(AnyPassword)).await
}

async fn house_with(options: Options, passwords: Arc<dyn Passwords>) -> House {
    house_of(Catalogue::demo(), options, passwords).await
}

async fn house_of(catalogue: Catalogue, options: Options, passwords: Arc<dyn Passwords>) -> House {
    let city = city_of(MemoryLog::new(4), Limits::default(), catalogue).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let stop = CancellationToken::new();
    let door = serve(listener, Arc::clone(&city.ingest), passwords, options, stop.clone());
    House { log: Arc::clone(&city.log), city, address, stop, serving: tokio::spawn(door) }
}

impl House {
    async fn client(&self) -> Client {
        let socket = TcpStream::connect(&self.address).await.unwrap();
        Client { socket, decoder: Decoder::default(), heard: Vec::new() }
    }

    fn counts(&self) -> &Counts {
        &self.city.ingest.counters.hj212
    }

    async fn closed(&self, word: &str) {
        while self.counts().closings().find(|(known, _)| *known == word).unwrap().1 == 0 {
            tokio::task::yield_now().await;
        }
    }

    fn lenient(&self, word: &str) -> u64 {
        self.counts().lenient().find(|(known, _)| *known == word).unwrap().1
    }

    fn fault(&self, word: &str) -> u64 {
        self.counts().faults().find(|(known, _)| *known == word).unwrap().1
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for payload in self.log.topic(topics::READINGS) {
            if let Some(Kind::Block(block)) = ReadingsRecord::decode(payload).unwrap().kind {
                rows.extend(block.rows().unwrap().map(|(_, row)| row));
            }
        }
        rows
    }

    fn rejected(&self) -> Vec<Rejected> {
        self.log
            .topic(topics::REJECTED)
            .into_iter()
            .map(|payload| Rejected::decode(payload).unwrap())
            .collect()
    }

    fn reasons(&self) -> Vec<Reason> {
        let reason = |record: Rejected| Reason::try_from(i32::try_from(record.reason).unwrap()).unwrap();
        self.rejected().into_iter().map(reason).collect()
    }
}

struct Client {
    socket: TcpStream,
    decoder: Decoder,
    heard: Vec<(String, u16, String)>,
}

impl Client {
    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).await.unwrap();
    }

    /// The next answer: QN, CN, data area; `None` at the end of the connection.
    async fn answer(&mut self) -> Option<(String, u16, String)> {
        while self.heard.is_empty() {
            let mut bytes = [0; 4096];
            let read = self.socket.read(&mut bytes).await.unwrap_or(0);
            if read == 0 {
                return None;
            }
            let heard = &mut self.heard;
            self.decoder.feed(&bytes[..read], |frame| {
                let (text, leniencies) = packet::text(&frame.unwrap());
                let packet = Packet::read(&text, leniencies, Mode::Lenient).unwrap();
                assert!(leniencies.is_empty(), "an answer keeps to the standard");
                heard.push((packet.qn.unwrap_or_default().into(), packet.cn, packet.content.into()));
            });
        }
        Some(self.heard.remove(0))
    }
}

fn message<'a>(mn: &'a str, cn: u16, content: &'a str) -> Outgoing<'a> {
    Outgoing { qn: Some(QN), st: "22", cn, pw: "123456", mn, flag: Some(Flag(5)), part: None, content }
}

fn air(factors: &str) -> Vec<u8> {
    message(AIR, 2011, &format!("{NOON};{factors}")).to_bytes()
}

#[tokio::test]
async fn nothing_is_answered_before_it_is_durable() {
    let house = house().await;
    let mut client = house.client().await;
    house.log.set(Disk::Held);
    client.send(air("a34004-Rtd=41.0,a34004-Flag=N")).await;
    house.log.begun(1).await;
    assert_eq!(house.counts().answers.get(), 0);
    assert!(client.socket.try_read(&mut [0; 10]).is_err(), "nothing to read yet");
    house.log.set(Disk::Free);
    assert_eq!(client.answer().await, Some((QN.into(), 9014, String::new())));
    assert_eq!(values(&house.log), [41.0]);
}

#[tokio::test]
async fn an_answer_is_given_only_to_who_wants_one() {
    let house = house().await;
    let mut client = house.client().await;
    let quiet =
        Outgoing { flag: Some(Flag(4)), ..message(AIR, 2011, "DataTime=20260302101501;a34004-Rtd=1") };
    let of_2005 =
        Outgoing { flag: None, qn: None, ..message(AIR, 2011, "DataTime=20260302101502;a34004-Rtd=2") };
    client.send([quiet.to_bytes(), of_2005.to_bytes(), air("a34004-Rtd=3")].concat()).await;
    assert_eq!(client.answer().await.unwrap().0, QN);
    assert_eq!(house.counts().answers.get(), 1);
    assert_eq!(values(&house.log).len(), 3);
    assert_eq!((house.lenient("missing_flag"), house.lenient("missing_qn")), (1, 1));
}

#[tokio::test]
async fn values_come_in_the_metrics_unit_with_the_quality_of_their_flag() {
    let house = house().await;
    let mut client = house.client().await;
    let content = format!("{NOON};a34004-Rtd=0.0523,a34004-Flag=D");
    client.send(message(STRICT, 2011, &content).to_bytes()).await;
    client.answer().await.unwrap();
    let rows = house.rows();
    assert_eq!(
        (rows[0].value, rows[0].quality),
        (52.3, Quality::Fault),
        "52.3 µg/m³ of 0.0523 mg/m³, exactly"
    );
    assert_eq!(rows[0].time.to_string(), "2026-03-02T02:15:00Z", "local time of China");
}

#[tokio::test]
async fn a_factor_that_cannot_be_taken_does_not_cost_the_others() {
    let house = house().await;
    let mut client = house.client().await;
    let factors = "a34004-Rtd=41,a34004-Flag=N;w01018-Rtd=5;z1-Rtd=1;a34002-Rtd=x;a21026-Rtd=1,a21026-Flag=Q;a21004-Rtd=-9;a21005-Flag=N";
    client.send(air(factors)).await;
    assert_eq!(client.answer().await.unwrap().1, 9014);
    assert_eq!(values(&house.log), [41.0]);
    let wanted = [
        Reason::NoUnit,
        Reason::UnknownMetric,
        Reason::Malformed,
        Reason::BadQuality,
        Reason::ImpossibleValue,
    ];
    assert_eq!(house.reasons(), wanted);
    let excerpt = String::from_utf8(house.rejected()[0].excerpt.clone()).unwrap();
    assert!(excerpt.contains("PW=***;") && !excerpt.contains("123456"), "{excerpt}");
}

#[tokio::test]
async fn means_without_a_metric_are_acknowledged_and_not_judged() {
    let house = house().await;
    let mut client = house.client().await;
    client
        .send(message(WATER, 2061, "DataTime=20260302100000;w01018-Avg=46.2,w01018-Flag=D").to_bytes())
        .await;
    assert_eq!(client.answer().await.unwrap().1, 9014);
    assert!(values(&house.log).is_empty());
    assert_eq!(house.reasons(), [Reason::NotJudged]);
    let noise = message("510107B1000000D100000039", 2051, "DataTime=20260302101000;Leq-Data=68.4,Leq-Flag=N");
    let mut client = house.client().await;
    client.send(noise.to_bytes()).await;
    client.answer().await.unwrap();
    assert_eq!(values(&house.log), [68.4]);
}

#[tokio::test]
async fn parts_are_taken_each_alone_and_counted_together() {
    let house = house().await;
    let mut client = house.client().await;
    for (number, content) in [(2, "w21011-Rtd=0.12"), (1, "w01001-Rtd=7.5")] {
        let content = format!("{NOON};{content}");
        let part = Some(Part { of: 2, number });
        client
            .send(Outgoing { flag: Some(Flag(7)), part, ..message(WATER, 2011, &content) }.to_bytes())
            .await;
        client.answer().await.unwrap();
        assert_eq!(house.counts().whole.get(), u64::from(number == 1));
    }
    assert_eq!(values(&house.log).len(), 2);
}

#[tokio::test]
async fn signs_of_life_and_questions_are_answered_in_their_edition() {
    let house = house().await;
    let mut client = house.client().await;
    let ask = |cn| Outgoing { flag: Some(Flag(9)), ..message(AIR, cn, "") }.to_bytes();
    client.send(ask(9015)).await;
    assert_eq!(client.answer().await, Some((QN.into(), 9013, String::new())));
    client.send(ask(1013)).await;
    assert_eq!(client.answer().await.unwrap().1, 9013);
    let (_, cn, content) = client.answer().await.unwrap();
    assert_eq!(cn, 1012);
    assert!(content.starts_with("SystemTime=20") && content.len() == 25, "{content}");
    client.send(ask(2081)).await;
    assert_eq!(client.answer().await.unwrap().1, 9014);
    client.send([ask(3020), ask(9015)].concat()).await;
    assert_eq!(client.answer().await.unwrap().1, 9013, "3020 is not answered");
    assert_eq!(house.reasons(), [Reason::NotJudged]);
}

#[tokio::test]
async fn a_repeat_is_taken_and_answered() {
    let house = house().await;
    let mut client = house.client().await;
    client.send(air("a34004-Rtd=41").repeat(2)).await;
    assert_eq!(client.answer().await, client.answer().await);
}

#[tokio::test]
async fn a_wrong_sum_gets_no_answer_and_the_next_packet_gets_its() {
    let house = house().await;
    let mut client = house.client().await;
    let mut wrong = air("a34004-Rtd=41");
    let at = wrong.len() - 30;
    wrong[at] ^= 1;
    client.send([&wrong[..], b"\0junk", &air("a34004-Rtd=42")].concat()).await;
    client.answer().await.unwrap();
    assert_eq!(values(&house.log), [42.0]);
    assert_eq!((house.fault("bad_crc"), house.fault("junk")), (1, 1));
    assert_eq!(house.rejected().len(), 2);
}

#[tokio::test]
async fn who_is_held_to_the_standard_may_not_send_the_sum_of_modbus() {
    let house = house().await;
    for (mn, taken) in [(AIR, 1), (STRICT, 0)] {
        let good = message(mn, 2011, &format!("{NOON};a34004-Rtd=0.001")).to_bytes();
        let segment = &good[6..good.len() - 6];
        let sum = format!("{:04X}\r\n", crc::modbus(segment));
        let mut client = house.client().await;
        client.send([&good[..6], segment, sum.as_bytes()].concat()).await;
        client.send(message(mn, 9015, "").to_bytes()).await;
        let first = client.answer().await.unwrap().1;
        assert_eq!(first, if taken == 1 { 9014 } else { 9013 });
    }
    assert_eq!((house.lenient("modbus_crc"), house.fault("strict")), (1, 1));
}

#[tokio::test]
async fn strangers_are_closed_and_counted() {
    let house = house_with(Options::default(), Arc::new(One("123456"))).await;
    for (packet, word) in [
        (message("NOBODY", 9015, ""), "unknown_mn"),
        (Outgoing { pw: "000000", ..message(AIR, 9015, "") }, "denied"),
    ] {
        let mut client = house.client().await;
        client.send(packet.to_bytes()).await;
        assert_eq!(client.answer().await, None);
        house.closed(word).await;
    }
    let mut client = house.client().await;
    client.send([message(AIR, 9015, "").to_bytes(), message(WATER, 9015, "").to_bytes()].concat()).await;
    assert_eq!(client.answer().await.unwrap().1, 9013, "what was before is answered");
    assert_eq!(client.answer().await, None);
    house.closed("other_mn").await;
    assert_eq!(house.reasons(), [Reason::Forbidden; 3]);
}

#[tokio::test]
async fn junk_without_end_is_closed() {
    let house = house().await;
    let mut client = house.client().await;
    client.send(vec![b'x'; 20_000]).await;
    assert_eq!(client.answer().await, None);
    house.closed("junk").await;
}

#[tokio::test]
async fn the_same_logger_again_takes_the_place() {
    let house = house().await;
    let (mut older, mut newer) = (house.client().await, house.client().await);
    older.send(message(AIR, 9015, "").to_bytes()).await;
    older.answer().await.unwrap();
    newer.send(message(AIR, 9015, "").to_bytes()).await;
    newer.answer().await.unwrap();
    assert_eq!(older.answer().await, None);
    house.closed("taken_over").await;
    newer.send(message(AIR, 9015, "").to_bytes()).await;
    assert_eq!(newer.answer().await.unwrap().1, 9013);
}

#[tokio::test(start_paused = true)]
async fn the_silent_are_closed() {
    let house = house().await;
    let mut silent = house.client().await;
    assert_eq!(silent.answer().await, None);
    house.closed("no_packet").await;
    let mut client = house.client().await;
    client.send(message(AIR, 9015, "").to_bytes()).await;
    client.answer().await.unwrap();
    assert_eq!(client.answer().await, None);
    house.closed("silent").await;
}

#[tokio::test]
async fn one_too_many_is_closed_at_once() {
    let house = house_with(Options { max_connections: 1, ..Options::default() }, Arc::new(AnyPassword)).await;
    let mut first = house.client().await;
    first.send(message(AIR, 9015, "").to_bytes()).await;
    first.answer().await.unwrap();
    let mut second = house.client().await;
    assert_eq!(second.answer().await, None);
    house.closed("too_many").await;
}

#[tokio::test]
async fn a_full_disk_stops_the_reading_and_a_stop_answers_what_was_read() {
    let house = house().await;
    let mut client = house.client().await;
    house.log.set(Disk::Held);
    client.send(air("a34004-Rtd=41")).await;
    house.log.begun(1).await;
    client.send(air("a34004-Rtd=42")).await;
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    let real_time = |house: &House| house.counts().packets().next().unwrap().1;
    assert_eq!(real_time(&house), 1, "the second is not read before the first is durable");
    house.stop.cancel();
    house.log.set(Disk::Free);
    assert_eq!(client.answer().await.unwrap().1, 9014);
    assert_eq!(client.answer().await, None);
    house.serving.await.unwrap();
    assert_eq!(values(&house.log), [41.0]);
}
