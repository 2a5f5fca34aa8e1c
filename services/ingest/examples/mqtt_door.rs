//! Opens the MQTT door of a city whose log is in memory: to try clients by hand.
//!
//! `mqtt_door ADDRESS [SECRET]` asks for this secret, of any name, if there is one; it ends with its standard input.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use yiwang_catalogue::Catalogue;
use yiwang_ingest::gate::{Denied, Gate, Open};
use yiwang_ingest::{Ingest, Options, clock::ClockKind, mqtt};

#[path = "../src/testing.rs"]
mod testing;

struct Secret(Vec<u8>);

impl Gate for Secret {
    fn write(&self, _name: Option<&str>, secret: Option<&[u8]>) -> Result<(), Denied> {
        if secret == Some(&self.0) { Ok(()) } else { Err(Denied::Unknown) }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:1883".to_owned());
    let gate: Arc<dyn Gate> = match std::env::args().nth(2) {
        Some(secret) => Arc::new(Secret(secret.into_bytes())),
        None => Arc::new(Open),
    };
    let stop = CancellationToken::new();
    let options = Options { clock: Some(ClockKind::Feed), ..Options::default() };
    let log = Arc::new(testing::MemoryLog::forgetful(4));
    let (ingest, _tasks) = Ingest::start(log, Arc::new(Catalogue::demo()), &options, stop.clone()).await?;
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("open at {}", listener.local_addr()?);
    let door = mqtt::serve(listener, Arc::clone(&ingest), gate, mqtt::Options::default(), stop.clone());
    let door = tokio::spawn(door);
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await??;
    stop.cancel();
    door.await?;
    println!("admitted {}, messages {}", ingest.counters.admitted.get(), ingest.counters.mqtt_messages.get());
    let refused = ingest.counters.refusals().filter(|(_, count)| *count > 0);
    refused.for_each(|(reason, count)| println!("refused {count}: {reason}"));
    let closed = ingest.counters.mqtt_closings().filter(|(_, count)| *count > 0);
    closed.for_each(|(why, count)| println!("closed {count}: {why}"));
    Ok(())
}
