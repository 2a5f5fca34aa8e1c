//! Sends an input window by window.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::bail;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use yiwang_model::Span;

use super::read::{Input, Record};
use super::{Options, Report, windows};
use crate::acked::AckedFile;
use crate::door::{self, Acked, Address, Batch, OnAck, Open};

/// The most readings of a batch over gRPC, and over MQTT.
const BATCH: (usize, usize) = (5_000, 200);
const INFLIGHT: (usize, usize) = (16, 1_000);
/// With a speed, windows are as short as this in wall time.
const PACE: f64 = 0.1;

/// A door, and which sources go through it.
struct Way {
    open: Open,
    mqtt: bool,
    sent: u64,
    /// How many batches were acknowledged.
    acked: watch::Receiver<u64>,
}

#[derive(Clone, Default)]
struct Counts {
    acked: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
}

/// Sends everything as often as asked for.
pub(super) async fn all(
    options: &Options,
    input: &Input,
    file: Option<AckedFile>,
    stop: CancellationToken,
) -> anyhow::Result<Report> {
    let (start, counts) = (Instant::now(), Counts::default());
    let mut ways: Vec<Way> =
        options.doors.iter().map(|door| way(options, door, &counts, file.clone())).collect();
    let mut sent = 0;
    let _ = stop.run_until_cancelled(send_times(options, input, &mut ways, &mut sent)).await;
    let mut unacknowledged = 0;
    for way in ways {
        unacknowledged += way.open.finish_within(options.wait).await? as u64;
    }
    Ok(Report {
        readings: input.records.len() as u64,
        missing: input.missing,
        sent,
        acked: counts.acked.load(Ordering::Relaxed),
        refused: counts.refused.load(Ordering::Relaxed),
        unacknowledged,
        seconds: start.elapsed().as_secs_f64(),
    })
}

fn way(options: &Options, door: &Address, counts: &Counts, file: Option<AckedFile>) -> Way {
    let mqtt = matches!(door, Address::Mqtt(_));
    let (tell, acked) = watch::channel(0);
    let door = door::Options {
        address: door.clone(),
        gateway: options.gateway.clone(),
        stream_id: door::fresh_id(),
        credential: options.credential.clone(),
        inflight: if mqtt { INFLIGHT.1 } else { INFLIGHT.0 },
        rows: false,
        history: false,
    };
    let open = door::open(door, on_ack(counts.clone(), file, tell), CancellationToken::new());
    Way { open, mqtt, sent: 0, acked }
}

fn on_ack(counts: Counts, file: Option<AckedFile>, tell: watch::Sender<u64>) -> OnAck {
    Box::new(move |acked: &Acked<'_>| {
        if let Some(file) = &file {
            file.write(acked);
        }
        let refused = acked.refused.len() as u64 + acked.unnamed;
        if counts.refused.fetch_add(refused, Ordering::Relaxed) == 0 && refused > 0 {
            let why = acked.refused.first().map_or("", |refused| &refused.why);
            tracing::warn!(refused, why, "readings refused");
        }
        counts.acked.fetch_add((acked.batch.len() as u64).saturating_sub(refused), Ordering::Relaxed);
        tell.send_modify(|batches| *batches += 1);
    })
}

async fn send_times(
    options: &Options,
    input: &Input,
    ways: &mut [Way],
    sent: &mut u64,
) -> anyhow::Result<()> {
    for _ in 0..options.times {
        send_once(options, input, ways, sent).await?;
        wait_for_all(ways).await?;
    }
    Ok(())
}

async fn send_once(options: &Options, input: &Input, ways: &mut [Way], sent: &mut u64) -> anyhow::Result<()> {
    let way_of = share_out(input, ways.len());
    let (start, first) = (Instant::now(), input.records.first().map_or(0, |record| record.time));
    for window in windows(input, window(options)) {
        let records = &input.records[window];
        keep_pace(options.speed, start, records.first().map_or(0, |record| record.time - first)).await;
        for (number, way) in ways.iter_mut().enumerate() {
            for batch in batches(input, records, way.mqtt, |series| way_of[series] == number) {
                *sent += batch.len() as u64;
                way.sent += 1;
                way.open.sender.send(batch, Instant::now()).await?;
            }
        }
        if ways.len() > 1 {
            wait_for_all(ways).await?;
        }
    }
    Ok(())
}

fn window(options: &Options) -> Span {
    if options.speed == 0.0 {
        return options.window;
    }
    // bounded by the window beside it
    let by_speed = Span((options.speed * PACE * 1e9).min(1e18) as i64);
    by_speed.clamp(Span::SECOND, options.window)
}

async fn keep_pace(speed: f64, start: Instant, event_nanos: i64) {
    if speed > 0.0 {
        let after = Duration::from_secs_f64(Span(event_nanos).as_secs_f64().max(0.0) / speed);
        tokio::time::sleep_until((start + after).into()).await;
    }
}

/// Which door each series of the dictionary goes through: sources in turn, sorted by name.
fn share_out(input: &Input, ways: usize) -> Vec<usize> {
    let mut sources: Vec<&str> = input.dictionary.iter().map(|key| key.source.as_str()).collect();
    sources.sort_unstable();
    sources.dedup();
    let way = |source: &str| sources.binary_search(&source).unwrap_or(0) % ways;
    input.dictionary.iter().map(|key| way(&key.source)).collect()
}

/// Records of one door in batches: in the order of time, and for MQTT each of one source.
fn batches(input: &Input, records: &[Record], mqtt: bool, of: impl Fn(usize) -> bool) -> Vec<Batch> {
    let mut open: BTreeMap<&str, Batch> = BTreeMap::new();
    let mut full = Vec::new();
    let most = if mqtt { BATCH.1 } else { BATCH.0 };
    for record in records.iter().filter(|record| of(record.series as usize)) {
        let source = if mqtt { input.dictionary[record.series as usize].source.as_str() } else { "" };
        let batch = open.entry(source).or_insert_with(|| Batch::of(&input.dictionary));
        let some = |nanos: i64| Some(nanos).filter(|nanos| *nanos != 0);
        let (end, vintage) = (some(record.period_end), some(record.vintage));
        batch.push_whole(record.series, record.time, record.value, record.quality, end, vintage);
        if batch.len() >= most {
            full.push(std::mem::replace(batch, Batch::of(&input.dictionary)));
        }
    }
    full.extend(open.into_values().filter(|batch| !batch.is_empty()));
    full
}

/// Waits until everything that was sent is acknowledged.
async fn wait_for_all(ways: &mut [Way]) -> anyhow::Result<()> {
    for way in ways {
        let sent = way.sent;
        if way.acked.wait_for(|acked| *acked >= sent).await.is_err() {
            bail!("a door takes no more");
        }
    }
    Ok(())
}
