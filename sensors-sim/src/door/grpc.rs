//! `IngestService.Push`: one stream, replies as they come.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};
use yiwang_proto::v1::ingest_service_client::IngestServiceClient;
use yiwang_proto::v1::push_request::Batch as Wire;
use yiwang_proto::v1::{Columns, PushReply, PushRequest, Reading, Rows, SeriesKey};

use super::{Batch, Credential, Ended, Item, Options, Outbox, Refused};

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const PING_EVERY: Duration = Duration::from_secs(10);

/// Sends until everything is done or the connection breaks.
pub(super) async fn session(at: &str, options: &Options, outbox: &mut Outbox) -> anyhow::Result<Ended> {
    let channel = connect(at).await?;
    let (wire, requests) = mpsc::channel(2);
    let request = authorised(ReceiverStream::new(requests), options.credential.as_ref())?;
    let mut replies = Replies::opening(channel, request);
    let mut next = outbox.unacked.first();
    let mut dictionary = None;
    loop {
        if outbox.is_done() {
            return Ok(Ended::Done);
        }
        tokio::select! {
            biased;
            reply = replies.next() => match reply {
                Ok(reply) => settle(reply, outbox),
                Err(status) => return Ok(broken(&status)),
            },
            room = wire.reserve(), if next < outbox.unacked.end() => {
                let Ok(room) = room else { return Ok(last_words(replies, outbox).await) };
                if let Some(batch) = outbox.unacked.get(next) {
                    room.send(request_of(next, batch, options, &mut dictionary));
                }
                next += 1;
            }
            received = outbox.queue.recv(), if outbox.wants_more() => outbox.take(received),
        }
    }
}

/// The city takes no more requests of this stream: what it still says, and why.
async fn last_words(mut replies: Replies, outbox: &mut Outbox) -> Ended {
    loop {
        match tokio::time::timeout(CONNECT_WITHIN, replies.next()).await {
            Ok(Ok(reply)) => settle(reply, outbox),
            Ok(Err(status)) => return broken(&status),
            Err(_) => return Ended::Broken(anyhow!("the city takes no more and does not say why")),
        }
    }
}

async fn connect(at: &str) -> anyhow::Result<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{at}"))?
        .connect_timeout(CONNECT_WITHIN)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PING_EVERY)
        .keep_alive_while_idle(true);
    Ok(endpoint.connect().await?)
}

fn authorised<T>(body: T, credential: Option<&Credential>) -> anyhow::Result<Request<T>> {
    let mut request = Request::new(body);
    if let Some(credential) = credential {
        let value = credential.basic().parse().context("a credential that metadata cannot carry")?;
        request.metadata_mut().insert("authorization", value);
    }
    Ok(request)
}

/// The stream of replies, from before the city answered the call at all: it may first want to see a request.
enum Replies {
    Opening(tokio::task::JoinHandle<Result<Streaming<PushReply>, Status>>),
    Open(Box<Streaming<PushReply>>),
}

impl Replies {
    fn opening(channel: Channel, request: Request<ReceiverStream<PushRequest>>) -> Self {
        let mut client = IngestServiceClient::new(channel);
        Self::Opening(tokio::spawn(async move { Ok(client.push(request).await?.into_inner()) }))
    }

    /// The next reply. May be dropped at any await and asked again.
    async fn next(&mut self) -> Result<PushReply, Status> {
        if let Self::Opening(call) = self {
            let opened = call.await.map_err(|error| Status::unavailable(error.to_string()))??;
            *self = Self::Open(Box::new(opened));
        }
        match self {
            Self::Open(stream) => {
                stream.message().await?.ok_or_else(|| Status::unavailable("the stream ended"))
            }
            Self::Opening(_) => Err(Status::internal("a call that was answered is open")),
        }
    }
}

impl Drop for Replies {
    fn drop(&mut self) {
        if let Self::Opening(call) = self {
            call.abort();
        }
    }
}

fn settle(reply: PushReply, outbox: &mut Outbox) {
    let named = reply.refused.len() as u64;
    for refusal in reply.refused {
        let (sequence, reason) = (refusal.sequence, refusal.reason());
        outbox.unacked.refuse(sequence, Refused { index: refusal.index, reason, why: refusal.message });
    }
    outbox.unacked.refuse_unnamed(reply.durable_sequence, reply.refused_total.saturating_sub(named));
    let told = outbox.unacked.ack_through(reply.durable_sequence, &mut outbox.on_ack);
    outbox.progress |= told > 0;
}

fn broken(status: &Status) -> Ended {
    let error = anyhow!("{:?}: {}", status.code(), status.message());
    match status.code() {
        Code::InvalidArgument | Code::Unauthenticated | Code::PermissionDenied | Code::Unimplemented => {
            Ended::Refused(error)
        }
        _ => Ended::Broken(error),
    }
}

fn request_of(
    sequence: u64,
    batch: &Batch,
    options: &Options,
    dictionary: &mut Option<Arc<Vec<SeriesKey>>>,
) -> PushRequest {
    let wire = if options.rows { Wire::Rows(rows(batch)) } else { Wire::Columns(columns(batch, dictionary)) };
    PushRequest {
        gateway: options.gateway.clone(),
        stream_id: options.stream_id,
        sequence,
        batch: Some(wire),
        history: options.history,
    }
}

/// As columns; the dictionary goes along only when it is not the last one of this stream.
fn columns(batch: &Batch, dictionary: &mut Option<Arc<Vec<SeriesKey>>>) -> Columns {
    let known = dictionary.as_ref().is_some_and(|last| Arc::ptr_eq(last, &batch.series));
    let series = if known { Vec::new() } else { batch.series.to_vec() };
    *dictionary = Some(batch.series.clone());
    Columns {
        series,
        index: batch.index.clone(),
        time_unix_nanos: batch.time.clone(),
        value: batch.value.clone(),
        quality: batch.quality.clone().into(),
        period_end_unix_nanos: batch.period_end.clone(),
        vintage_unix_nanos: batch.vintage.clone(),
    }
}

fn rows(batch: &Batch) -> Rows {
    Rows { readings: batch.items().map(row).collect() }
}

fn row(item: Item<'_>) -> Reading {
    Reading {
        source: item.key.source.clone(),
        metric: item.key.metric.clone(),
        time_unix_nanos: item.time,
        value: item.value,
        unit: item.key.unit.clone(),
        quality: i32::from(item.quality),
        period_end_unix_nanos: item.period_end,
        vintage_unix_nanos: item.vintage,
    }
}
