//! The gRPC door: `yiwang.v1.IngestService`.
//!
//! Each stream has a reader, which admits and submits, and a writer, which answers in the order of the requests once
//! they are durable. Between them waits at most [`IN_FLIGHT`] requests; then the reader stops reading, and HTTP/2's
//! own windows stop the sender.

use std::pin::Pin;
use std::sync::Arc;

use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};
use yiwang_model::series::check_name;
use yiwang_proto::authorization::Presented;
use yiwang_proto::v1::ingest_service_server::{IngestService, IngestServiceServer};
use yiwang_proto::v1::push_request::Batch;
use yiwang_proto::v1::{self, Columns, PushReply, PushRequest};

use crate::Ingest;
use crate::admit::{Admitted, Plausible, admit};
use crate::columns::{Dictionary, MAX_DICTIONARY};
use crate::commit::{Receipt, Submission};
use crate::gate::{Denied, Gate, Open};
use crate::refuse::Refusals;

/// The most requests of one stream that wait for the disk.
pub const IN_FLIGHT: usize = 32;
/// The largest request, in bytes.
pub const MAX_REQUEST_BYTES: usize = 32 << 20;
/// The most readings of one request.
pub const MAX_READINGS: usize = 1_000_000;
/// The most refusals that one reply lists.
const MAX_LISTED: usize = 1000;

/// The door.
#[derive(Clone)]
pub struct GrpcDoor {
    ingest: Arc<Ingest>,
    gate: Arc<dyn Gate>,
}

impl GrpcDoor {
    /// The service, open to everybody, ready to be added to a server.
    #[must_use]
    pub fn service(ingest: Arc<Ingest>) -> IngestServiceServer<Self> {
        Self::guarded(ingest, Arc::new(Open))
    }

    /// The service behind a gate, which is shown the metadata `authorization` of each stream.
    #[must_use]
    pub fn guarded(ingest: Arc<Ingest>, gate: Arc<dyn Gate>) -> IngestServiceServer<Self> {
        IngestServiceServer::new(Self { ingest, gate }).max_decoding_message_size(MAX_REQUEST_BYTES)
    }

    /// Whether readings may come in at all, and whether those of the past may.
    fn check(&self, metadata: &MetadataMap) -> Result<Result<(), Denied>, Status> {
        let header = metadata.get("authorization").and_then(|value| value.to_str().ok());
        let found = header.and_then(Presented::from_header);
        let name = found.as_ref().and_then(|found| found.name.as_deref());
        let secret = found.as_ref().map(|found| found.secret.as_slice());
        self.gate.write(name, secret).map_err(status)?;
        Ok(self.gate.history(name, secret))
    }
}

fn status(denied: Denied) -> Status {
    match denied {
        Denied::Unknown => Status::unauthenticated(denied.to_string()),
        Denied::NotAllowed | Denied::NotHistory => Status::permission_denied(denied.to_string()),
    }
}

type Replies = Pin<Box<dyn Stream<Item = Result<PushReply, Status>> + Send>>;

#[tonic::async_trait]
impl IngestService for GrpcDoor {
    type PushStream = Replies;

    async fn push(&self, request: Request<Streaming<PushRequest>>) -> Result<Response<Replies>, Status> {
        let may_history = self.check(request.metadata())?;
        self.ingest.counters.grpc_streams.add(1);
        let (pending, waiting) = mpsc::channel(IN_FLIGHT);
        let (replies, answer) = mpsc::channel(IN_FLIGHT);
        tokio::spawn(Reader::new(Arc::clone(&self.ingest), may_history).run(request.into_inner(), pending));
        tokio::spawn(write(waiting, replies));
        Ok(Response::new(Box::pin(ReceiverStream::new(answer))))
    }
}

/// A request on its way to the disk, or the error that ends the stream.
enum Pending {
    Submitted { sequence: u64, refusals: Refusals, receipt: Receipt },
    End(Status),
}

/// Reads, admits and submits the requests of one stream.
struct Reader {
    ingest: Arc<Ingest>,
    gateway: String,
    last_sequence: Option<u64>,
    dictionary: Dictionary,
    /// Whether its readings are of the past, once the first request has said so.
    history: Option<bool>,
    may_history: Result<(), Denied>,
}

impl Reader {
    fn new(ingest: Arc<Ingest>, may_history: Result<(), Denied>) -> Self {
        let (gateway, dictionary) = (String::new(), Dictionary::default());
        Self { ingest, gateway, last_sequence: None, dictionary, history: None, may_history }
    }

    async fn run(mut self, mut requests: Streaming<PushRequest>, pending: mpsc::Sender<Pending>) {
        let stop = self.ingest.stop.clone();
        loop {
            let request = tokio::select! {
                request = requests.next() => request,
                () = stop.cancelled() => Some(Err(Status::unavailable("the city is stopping; send again what was not acknowledged"))),
                () = pending.closed() => None,
            };
            let step = match request {
                None => return,
                Some(Err(status)) => Pending::End(status),
                Some(Ok(request)) => self.take(request).await.unwrap_or_else(Pending::End),
            };
            let end = matches!(step, Pending::End(_));
            if pending.send(step).await.is_err() || end {
                return;
            }
        }
    }

    async fn take(&mut self, request: PushRequest) -> Result<Pending, Status> {
        self.check_gateway(&request.gateway)?;
        self.check_sequence(request.sequence)?;
        self.check_history(request.history)?;
        let sequence = request.sequence;
        let (rows, refusals) = match request.batch {
            None => (Vec::new(), Refusals::default()),
            Some(Batch::Rows(rows)) => self.admit_rows(rows)?,
            Some(Batch::Columns(columns)) => self.admit_columns(columns)?,
        };
        let rejected = self.ingest.rejected("grpc", &self.gateway, &refusals);
        let submission = Submission { rows, rejected, history: self.history.unwrap_or_default() };
        let receipt = self.ingest.committer.submit(submission).await;
        let receipt = receipt.map_err(|stopping| Status::unavailable(stopping.to_string()))?;
        Ok(Pending::Submitted { sequence, refusals, receipt })
    }

    fn check_gateway(&mut self, gateway: &str) -> Result<(), Status> {
        if self.gateway.is_empty() {
            check_name("gateway", gateway).map_err(|error| Status::invalid_argument(error.to_string()))?;
            gateway.clone_into(&mut self.gateway);
        }
        if self.gateway == gateway {
            return Ok(());
        }
        let own = &self.gateway;
        Err(Status::invalid_argument(format!(
            "this stream is of gateway \"{own}\", the request is of \"{gateway:.128}\""
        )))
    }

    fn check_history(&mut self, history: bool) -> Result<(), Status> {
        if *self.history.get_or_insert(history) != history {
            return Err(Status::invalid_argument("history is the same in all requests of a stream"));
        }
        if history { self.may_history.map_err(status) } else { Ok(()) }
    }

    fn plausible(&self) -> Plausible {
        let plausible = self.ingest.plausible();
        if self.history == Some(true) { plausible.for_history() } else { plausible }
    }

    fn check_sequence(&mut self, sequence: u64) -> Result<(), Status> {
        let wanted = self.last_sequence.and_then(|last| last.checked_add(1));
        self.last_sequence = Some(sequence);
        match wanted {
            Some(wanted) if wanted != sequence => {
                let message = format!("sequence {sequence} came where {wanted} was due: it rises by one");
                Err(Status::invalid_argument(message))
            }
            _ => Ok(()),
        }
    }

    fn admit_rows(&self, rows: v1::Rows) -> Result<(Vec<Admitted>, Refusals), Status> {
        check_count(rows.readings.len())?;
        let plausible = self.plausible();
        let mut admitted = Vec::with_capacity(rows.readings.len());
        let mut refusals = Refusals::default();
        for (at, reading) in rows.readings.into_iter().enumerate() {
            let first = refusals.is_empty().then(|| reading.clone());
            let taken = yiwang_model::Reading::try_from(reading)
                .and_then(|reading| admit(&self.ingest.names, plausible, &self.gateway, &(&reading).into()));
            match taken {
                Ok(row) => admitted.push(row),
                Err((reason, message)) => {
                    refusals.add(at, reason, || message);
                    first.iter().for_each(|first| refusals.set_excerpt(&first.encode_to_vec()));
                }
            }
        }
        Ok((admitted, refusals))
    }

    fn admit_columns(&mut self, mut columns: Columns) -> Result<(Vec<Admitted>, Refusals), Status> {
        check_count(columns.index.len())?;
        if columns.series.len() > MAX_DICTIONARY {
            let found = columns.series.len();
            return Err(Status::resource_exhausted(format!(
                "{found} series in a dictionary; at most {MAX_DICTIONARY}"
            )));
        }
        if !columns.series.is_empty() {
            let series = std::mem::take(&mut columns.series);
            self.dictionary = Dictionary::resolve(&self.ingest.names, &self.gateway, series);
        }
        self.dictionary.renew(&self.ingest.names, &self.gateway);
        self.dictionary.check(&columns).map_err(Status::invalid_argument)?;
        Ok(self.dictionary.admit(self.plausible(), &columns))
    }
}

fn check_count(found: usize) -> Result<(), Status> {
    if found <= MAX_READINGS {
        return Ok(());
    }
    Err(Status::resource_exhausted(format!("{found} readings in a request; at most {MAX_READINGS}")))
}

/// Answers in order. A receipt that is dropped means that the city stops: the stream ends, nothing is acknowledged.
async fn write(mut waiting: mpsc::Receiver<Pending>, replies: mpsc::Sender<Result<PushReply, Status>>) {
    while let Some(next) = waiting.recv().await {
        let reply = match next {
            Pending::End(status) => Err(status),
            Pending::Submitted { sequence, refusals, receipt } => match receipt.await {
                Ok(()) => Ok(reply(sequence, refusals)),
                Err(_) => {
                    Err(Status::unavailable("the city is stopping; send again what was not acknowledged"))
                }
            },
        };
        let end = reply.is_err();
        if replies.send(reply).await.is_err() || end {
            return;
        }
    }
}

fn reply(sequence: u64, refusals: Refusals) -> PushReply {
    let refused_total = refusals.total();
    let listed = refusals.kept.into_iter().take(MAX_LISTED).map(|refusal| v1::Refusal {
        sequence,
        index: refusal.index,
        reason: refusal.reason.into(),
        message: refusal.message,
    });
    PushReply { durable_sequence: sequence, refused: listed.collect(), refused_total }
}

#[cfg(test)]
mod tests;
