//! InfluxDB's line protocol: one `POST /write` a batch over one connection that is kept open; 204 acknowledges it.
//!
//! Requests go one after the other, so that at most one batch is under way; who wants more opens more doors.

use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response, StatusCode, body::Incoming};
use hyper_util::rt::TokioIo;
use influxdb_line_protocol::LineProtocolBuilder;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::{Batch, Ended, Options, Outbox};

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Sends until everything is done or the connection breaks.
pub(super) async fn session(at: &str, options: &Options, outbox: &mut Outbox) -> anyhow::Result<Ended> {
    let mut link = timeout(CONNECT_WITHIN, Link::open(at)).await.context("no connection in time")??;
    loop {
        if outbox.is_done() {
            return Ok(Ended::Done);
        }
        let next = outbox.unacked.first();
        let Some(batch) = outbox.unacked.get(next) else {
            let received = outbox.queue.recv().await;
            outbox.take(received);
            continue;
        };
        let request = request(at, options, lines(batch)?)?;
        let answer = timeout(ANSWER_WITHIN, link.send(request)).await.context("no answer in time")??;
        if let Some(refused) = settle(answer, next, outbox).await? {
            return Ok(Ended::Refused(refused));
        }
    }
}

/// One connection, and the task that drives it.
struct Link {
    sender: SendRequest<Full<Bytes>>,
    driver: AbortHandle,
}

impl Link {
    async fn open(at: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(at).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection).abort_handle();
        Ok(Self { sender, driver })
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> anyhow::Result<Response<Incoming>> {
        self.sender.ready().await?;
        Ok(self.sender.send_request(request).await?)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

fn request(at: &str, options: &Options, body: Vec<u8>) -> anyhow::Result<Request<Full<Bytes>>> {
    let mut request = Request::post("/write?db=city&precision=ns").header("host", at);
    if let Some(credential) = &options.credential {
        request = request.header("authorization", credential.basic());
    }
    Ok(request.body(Full::new(body.into()))?)
}

/// The lines of a batch. The protocol carries readings of sensors, no figures of a period.
fn lines(batch: &Batch) -> anyhow::Result<Vec<u8>> {
    let mut lines = LineProtocolBuilder::new();
    for item in batch.items() {
        if item.period_end.is_some() || item.vintage.is_some() {
            bail!("line protocol carries no figures of a period: send {} by another door", item.key.metric);
        }
        let line =
            lines.measurement("readings").tag("source", &item.key.source).tag("metric", &item.key.metric);
        let line = line.field("value", item.value);
        lines = match yiwang_model::Quality::from_number(item.quality) {
            Some(quality) if item.quality != 0 => {
                line.field("quality", quality.word()).timestamp(item.time).close_line()
            }
            _ => line.timestamp(item.time).close_line(),
        };
    }
    Ok(lines.build())
}

/// Acknowledges a batch that was answered for; answers why, when the city will never have it.
async fn settle(
    answer: Response<Incoming>,
    number: u64,
    outbox: &mut Outbox,
) -> anyhow::Result<Option<anyhow::Error>> {
    let status = answer.status();
    let body = timeout(ANSWER_WITHIN, answer.into_body().collect()).await.context("no answer in time")??;
    let told = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    if status == StatusCode::NO_CONTENT {
        outbox.progress |= outbox.unacked.ack_one(number, &mut outbox.on_ack);
        return Ok(None);
    }
    let refused = serde_json::from_str::<Value>(&told).ok().and_then(|told| dropped(told["error"].as_str()?));
    match refused {
        Some(count) if status == StatusCode::BAD_REQUEST => {
            outbox.unacked.refuse_unnamed(number, count);
            outbox.progress |= outbox.unacked.ack_one(number, &mut outbox.on_ack);
            Ok(None)
        }
        _ if status.is_client_error() => Ok(Some(anyhow::anyhow!("{status}: {told:.300}"))),
        _ => bail!("{status}: {told:.300}"),
    }
}

/// How many points a partial write left out.
fn dropped(error: &str) -> Option<u64> {
    error.starts_with("partial write").then(|| error.rsplit_once("dropped=")?.1.parse().ok())?
}
