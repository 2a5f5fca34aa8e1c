//! Measures the MQTT door alone: a log in memory, QoS 1, one reading a message, clients in a process of their own.
//!
//! `bench_mqtt CONNECTIONS IN_FLIGHT SECONDS` starts itself once more as the clients and prints messages per second of the
//! door's own CPU.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use yiwang_catalogue::Catalogue;
use yiwang_ingest::{Ingest, Options, clock::ClockKind, gate::Open, mqtt};

#[path = "../src/testing.rs"]
mod testing;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number =
        |at: usize, default: usize| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    match arguments.get(1).map(String::as_str) {
        Some("clients") => {
            runtime.block_on(clients(&arguments[2], number(3, 1), number(4, 100), number(5, 5)))
        }
        _ => runtime.block_on(door(number(1, 1), number(2, 1000), number(3, 5))),
    }
}

async fn door(connections: usize, in_flight: usize, seconds: usize) {
    let log = Arc::new(testing::MemoryLog::forgetful(4));
    let options = Options { clock: Some(ClockKind::Feed), ..Options::default() };
    let stop = CancellationToken::new();
    let catalogue = Arc::new(Catalogue::demo());
    let (ingest, _tasks) = Ingest::start(log, catalogue, &options, stop.clone()).await.expect("it starts");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let serving = tokio::spawn(mqtt::serve(
        listener,
        Arc::clone(&ingest),
        Arc::new(Open),
        mqtt::Options::default(),
        stop.clone(),
    ));
    let idle = resident_bytes();
    let began = (cpu(), Instant::now());
    let mut clients = tokio::process::Command::new(std::env::current_exe().expect("a program"))
        .args(["clients", &address, &connections.to_string(), &in_flight.to_string(), &seconds.to_string()])
        .spawn()
        .expect("it starts");
    clients.wait().await.expect("it ends");
    let (cpu, wall) = (cpu() - began.0, began.1.elapsed().as_secs_f64());
    let messages = ingest.counters.mqtt_messages.get();
    let admitted = ingest.counters.admitted.get();
    let per_core = messages as f64 / cpu;
    println!(
        "{connections} connections, {in_flight} in flight: {messages} messages ({admitted} admitted) in {wall:.1} s, \
         {cpu:.2} s CPU: {per_core:.0} messages per core-second; {} KiB more resident",
        (resident_bytes() - idle) / 1024
    );
    stop.cancel();
    drop(ingest);
    serving.await.expect("it ends");
}

async fn clients(address: &str, connections: usize, in_flight: usize, seconds: usize) {
    let until = Instant::now() + Duration::from_secs(seconds as u64);
    let clients =
        (0..connections).map(|number| tokio::spawn(client(address.to_owned(), number, in_flight, until)));
    futures::future::join_all(clients).await;
}

async fn client(address: String, number: usize, in_flight: usize, until: Instant) {
    let mut socket = TcpStream::connect(address).await.expect("it connects");
    let name = format!("g{number}");
    let mut hello = vec![0x10, 12 + u8::try_from(name.len()).expect("short"), 0, 4];
    hello.extend(b"MQTT\x04\x02\0\0\0");
    hello.push(u8::try_from(name.len()).expect("short"));
    hello.extend(name.as_bytes());
    socket.write_all(&hello).await.expect("it writes");
    let mut answer = [0; 65536];
    socket.read_exact(&mut answer[..4]).await.expect("it reads");
    if in_flight == 0 {
        tokio::time::sleep_until(until.into()).await;
        return;
    }
    let half = in_flight.div_ceil(2);
    let batch = publishes(half);
    let (mut waiting, mut read) = (0, 0);
    while Instant::now() < until {
        while waiting + half <= in_flight {
            socket.write_all(&batch).await.expect("it writes");
            waiting += half;
        }
        while waiting + half > in_flight {
            read += socket.read(&mut answer).await.expect("it reads");
            waiting -= read / 4;
            read %= 4;
        }
    }
}

fn publishes(count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for at in 0..count {
        let topic = b"yw/v1/510104-air-1";
        let payload = format!(
            r#"{{"metric":"pm2_5","time":"2026-03-02T10:{:02}:{:02}+08:00","value":{}.5,"unit":"µg/m³"}}"#,
            at / 60 % 60,
            at % 60,
            at % 100
        );
        let length = 2 + topic.len() + 2 + payload.len();
        bytes.extend([0x32]);
        if length < 128 {
            bytes.push(u8::try_from(length).expect("checked"));
        } else {
            bytes.extend([
                u8::try_from(length % 128).expect("a remainder") | 0x80,
                u8::try_from(length / 128).expect("short"),
            ]);
        }
        bytes.extend([0, u8::try_from(topic.len()).expect("short")]);
        bytes.extend(topic);
        bytes.extend(u16::try_from(at + 1).expect("at most 65535").to_be_bytes());
        bytes.extend(payload.as_bytes());
    }
    bytes
}

/// User and system time of this process, without its children, in seconds.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("linux");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("a name").split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<f64>().expect("a number");
    (ticks(11) + ticks(12)) / 100.0
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("linux");
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("a number") * 4096
}
