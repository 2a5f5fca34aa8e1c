//! A gateway over gRPC that says whatever a story wants it to say, right or wrong.

use std::net::SocketAddr;

use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use yiwang_model::Timestamp;
use yiwang_proto::v1::ingest_service_client::IngestServiceClient;
use yiwang_proto::v1::push_request::Batch;
use yiwang_proto::v1::{Columns, PushReply, PushRequest, Reading, Rows};

/// One stream.
#[derive(Debug)]
pub struct Gateway {
    runtime: Runtime,
    name: String,
    sequence: u64,
    requests: mpsc::Sender<PushRequest>,
    replies: Streaming<PushReply>,
}

/// What the largest request of a story may have; larger than what the city takes.
const MAX_BYTES: usize = 256 << 20;

impl Gateway {
    /// Opens a stream. Its connection lives on a thread of its own, so that it answers pings while the story does other
    /// things: it never goes away by itself.
    pub fn open(at: SocketAddr, name: &str) -> Self {
        Self::knock(at, name, None).expect("a stream")
    }

    /// The same, with this metadata `authorization`.
    ///
    /// # Errors
    /// The status with which the city refused the stream.
    pub fn knock(at: SocketAddr, name: &str, who: Option<&str>) -> Result<Self, Status> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().expect("a runtime");
        let (requests, waiting) = mpsc::channel(4);
        let replies = runtime.block_on(async {
            let client =
                IngestServiceClient::connect(format!("http://{at}")).await.expect("the door is open");
            let mut client = client.max_encoding_message_size(MAX_BYTES);
            client.push(as_whom(ReceiverStream::new(waiting), who)).await.map(Response::into_inner)
        })?;
        Ok(Self { runtime, name: name.to_owned(), sequence: 0, requests, replies })
    }

    /// Sends a batch under the next sequence and waits for its answer.
    ///
    /// # Errors
    /// The status with which the city ended the stream.
    pub fn push(&mut self, batch: Option<Batch>) -> Result<PushReply, Status> {
        self.sequence += 1;
        let request = PushRequest {
            gateway: self.name.clone(),
            stream_id: 7,
            sequence: self.sequence,
            batch,
            history: false,
        };
        self.send(request)
    }

    /// Sends a request as it is.
    ///
    /// # Errors
    /// The status with which the city ended the stream.
    pub fn send(&mut self, request: PushRequest) -> Result<PushReply, Status> {
        self.runtime.block_on(async {
            // A stream that has ended says why below.
            let _ = self.requests.send(request).await;
            let reply = self.replies.message().await?;
            reply.ok_or_else(|| Status::unknown("the stream ended without a word"))
        })
    }

    /// Sends readings as rows.
    ///
    /// # Errors
    /// The status with which the city ended the stream.
    pub fn rows(&mut self, readings: Vec<Reading>) -> Result<PushReply, Status> {
        self.push(Some(Batch::Rows(Rows { readings })))
    }

    /// Sends readings as columns.
    ///
    /// # Errors
    /// The status with which the city ended the stream.
    pub fn columns(&mut self, columns: Columns) -> Result<PushReply, Status> {
        self.push(Some(Batch::Columns(columns)))
    }
}

/// A request with this metadata `authorization`.
pub fn as_whom<T>(message: T, who: Option<&str>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(who) = who {
        request.metadata_mut().insert("authorization", who.parse().expect("plain text"));
    }
    request
}

/// A good reading of PM2.5.
pub fn pm2_5(source: &str, time: Timestamp, value: f64) -> Reading {
    Reading {
        source: source.into(),
        metric: "pm2_5".into(),
        time_unix_nanos: time.nanos(),
        value,
        unit: "µg/m³".into(),
        ..Reading::default()
    }
}
