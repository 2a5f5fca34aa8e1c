use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Code;
use tonic::transport::Server;
use yiwang_proto::v1::ingest_service_client::IngestServiceClient;
use yiwang_proto::v1::{Reason, SeriesKey};

use super::*;
use crate::names::Limits;
use crate::testing::{Disk, MemoryLog};
use crate::tests_kit::{Start, city, reading, values};

struct Sesame;

impl Gate for Sesame {
    fn write(&self, name: Option<&str>, secret: Option<&[u8]>) -> Result<(), Denied> {
        match (name, secret) {
            (None, Some(b"sesame")) => Ok(()),
            (None, Some(b"looker")) => Err(Denied::NotAllowed),
            _ => Err(Denied::Unknown),
        }
    }
}

struct House {
    city: Start,
    address: SocketAddr,
}

async fn house() -> House {
    house_behind(Arc::new(Open)).await
}

async fn house_behind(gate: Arc<dyn Gate>) -> House {
    let city = city(MemoryLog::new(4), Limits::default()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let door = GrpcDoor::guarded(Arc::clone(&city.ingest), gate);
    tokio::spawn(Server::builder().add_service(door).serve_with_incoming(TcpListenerStream::new(listener)));
    House { city, address }
}

/// An open stream: what is sent, what is answered.
struct Stream {
    requests: mpsc::Sender<PushRequest>,
    replies: Streaming<PushReply>,
}

impl House {
    async fn open(&self, authorization: Option<&str>) -> Result<Stream, Status> {
        let mut client = IngestServiceClient::connect(format!("http://{}", self.address)).await.unwrap();
        let (requests, sent) = mpsc::channel(64);
        let mut request = Request::new(ReceiverStream::new(sent));
        if let Some(authorization) = authorization {
            request.metadata_mut().insert("authorization", authorization.parse().unwrap());
        }
        let replies = client.push(request).await?.into_inner();
        Ok(Stream { requests, replies })
    }

    async fn stream(&self) -> Stream {
        self.open(None).await.unwrap()
    }
}

impl Stream {
    async fn send(&self, gateway: &str, sequence: u64, batch: Option<Batch>) {
        self.send_as(gateway, sequence, batch, false).await;
    }

    async fn send_as(&self, gateway: &str, sequence: u64, batch: Option<Batch>, history: bool) {
        let request = PushRequest { gateway: gateway.into(), stream_id: 1, sequence, batch, history };
        self.requests.send(request).await.unwrap();
    }

    async fn reply(&mut self) -> Result<PushReply, Status> {
        self.replies.next().await.expect("an answer")
    }

    async fn durable(&mut self) -> u64 {
        self.reply().await.unwrap().durable_sequence
    }

    async fn refused(&mut self, code: Code, why: &str) {
        let status = self.reply().await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(why), "{status}");
        assert!(self.replies.next().await.is_none());
    }
}

fn rows(values: &[f64]) -> Option<Batch> {
    let readings = values.iter().map(|value| v1::Reading::from(&reading("pm2_5", *value))).collect();
    Some(Batch::Rows(v1::Rows { readings }))
}

fn columns(index: Vec<u32>) -> Columns {
    let key = |metric: &str| SeriesKey {
        source: "510104-air-1".into(),
        metric: metric.into(),
        unit: "µg/m³".into(),
    };
    Columns {
        series: vec![key("pm2_5"), key("nonsense")],
        time_unix_nanos: index.iter().map(|_| 1_772_417_700_000_000_000).collect(),
        value: index.iter().map(|_| 1.0).collect(),
        index,
        ..Columns::default()
    }
}

#[tokio::test]
async fn nothing_is_acknowledged_before_it_is_durable_and_then_in_order() {
    let house = house().await;
    let mut stream = house.stream().await;
    house.city.log.set(Disk::Held);
    for sequence in 5..9 {
        stream.send("g1", sequence, rows(&[1.0])).await;
    }
    house.city.log.begun(1).await;
    let mut other = house.stream().await;
    other.send("no name", 1, None).await;
    other.refused(Code::InvalidArgument, "gateway").await;
    assert!(futures::poll!(Box::pin(stream.replies.next())).is_pending());
    assert!(values(&house.city.log).is_empty());
    house.city.log.set(Disk::Free);
    for sequence in 5..9 {
        assert_eq!(stream.durable().await, sequence);
        assert!(values(&house.city.log).len() as u64 > sequence - 5);
    }
}

#[tokio::test]
async fn a_gap_in_the_sequence_ends_the_stream() {
    let house = house().await;
    for next in [1, 3, 0] {
        let mut stream = house.stream().await;
        stream.send("g1", 1, rows(&[1.0])).await;
        stream.send("g1", next, rows(&[2.0])).await;
        assert_eq!(stream.durable().await, 1);
        stream.refused(Code::InvalidArgument, "where 2 was due").await;
    }
    assert!(values(&house.city.log).iter().all(|value| *value < 2.0));
}

#[tokio::test]
async fn a_stream_is_of_one_gateway() {
    let house = house().await;
    let mut stream = house.stream().await;
    stream.send("g1", 1, rows(&[1.0])).await;
    stream.send("g2", 2, rows(&[2.0])).await;
    assert_eq!(stream.durable().await, 1);
    stream.refused(Code::InvalidArgument, "of gateway \"g1\"").await;
    let mut stream = house.stream().await;
    stream.send("", 1, rows(&[1.0])).await;
    stream.refused(Code::InvalidArgument, "gateway").await;
}

#[tokio::test]
async fn empty_batches_are_acknowledged() {
    let house = house().await;
    let mut stream = house.stream().await;
    for (sequence, batch) in [(1, None), (2, rows(&[])), (3, Some(Batch::Columns(Columns::default())))] {
        stream.send("g1", sequence, batch).await;
        assert_eq!(
            stream.reply().await.unwrap(),
            PushReply { durable_sequence: sequence, ..PushReply::default() }
        );
    }
}

#[tokio::test]
async fn what_was_refused_is_said_and_the_rest_is_kept() {
    let house = house().await;
    let mut stream = house.stream().await;
    stream.send("g1", 1, rows(&[1.0, -1.0, 2.0, f64::NAN])).await;
    let reply = stream.reply().await.unwrap();
    let said: Vec<_> =
        reply.refused.iter().map(|refusal| (refusal.sequence, refusal.index, refusal.reason())).collect();
    assert_eq!(said, [(1, 1, Reason::ImpossibleValue), (1, 3, Reason::ImpossibleValue)]);
    assert_eq!((reply.refused_total, values(&house.city.log)), (2, vec![1.0, 2.0]));
    stream.send("g1", 2, Some(Batch::Columns(columns(vec![0, 1, 0])))).await;
    let reply = stream.reply().await.unwrap();
    assert_eq!((reply.refused_total, reply.refused[0].index), (1, 1));
    assert_eq!(reply.refused[0].reason(), Reason::UnknownMetric);
}

#[tokio::test]
async fn a_dictionary_holds_until_the_next() {
    let house = house().await;
    let mut stream = house.stream().await;
    stream.send("g1", 1, Some(Batch::Columns(columns(vec![0])))).await;
    let again = Columns { series: Vec::new(), ..columns(vec![0, 0]) };
    stream.send("g1", 2, Some(Batch::Columns(again))).await;
    assert_eq!((stream.durable().await, stream.durable().await), (1, 2));
    assert_eq!(values(&house.city.log).len(), 3);
    stream.send("g1", 3, Some(Batch::Columns(columns(vec![2])))).await;
    stream.refused(Code::InvalidArgument, "outside the dictionary of 2 series").await;
}

#[tokio::test]
async fn too_much_at_once_is_refused() {
    let house = house().await;
    let mut stream = house.stream().await;
    let many = Columns { index: vec![0; MAX_READINGS + 1], ..columns(vec![]) };
    stream.send("g1", 1, Some(Batch::Columns(many))).await;
    stream.refused(Code::ResourceExhausted, "at most 1000000").await;
    let mut stream = house.stream().await;
    let long = Columns { value: vec![0.0; MAX_REQUEST_BYTES / 8], ..columns(vec![]) };
    stream.send("g1", 1, Some(Batch::Columns(long))).await;
    assert_eq!(stream.reply().await.unwrap_err().code(), Code::OutOfRange);
    let mut stream = house.stream().await;
    let series = vec![SeriesKey::default(); MAX_DICTIONARY + 1];
    stream.send("g1", 1, Some(Batch::Columns(Columns { series, ..Columns::default() }))).await;
    stream.refused(Code::ResourceExhausted, "at most 200000").await;
}

#[tokio::test]
async fn stop_ends_streams_after_what_was_taken_is_answered() {
    let house = house().await;
    let mut stream = house.stream().await;
    house.city.log.set(Disk::Held);
    stream.send("g1", 1, rows(&[1.0])).await;
    house.city.log.begun(1).await;
    house.city.stop.cancel();
    house.city.log.set(Disk::Free);
    assert_eq!(stream.durable().await, 1);
    stream.refused(Code::Unavailable, "stopping").await;
}

#[tokio::test]
async fn a_log_that_failed_acknowledges_nothing() {
    let house = house().await;
    let mut stream = house.stream().await;
    house.city.log.set(Disk::Broken);
    stream.send("g1", 1, rows(&[1.0])).await;
    stream.refused(Code::Unavailable, "send again").await;
}

#[tokio::test]
async fn credentials_are_asked_for() {
    let house = house_behind(Arc::new(Sesame)).await;
    let code = async |authorization| house.open(authorization).await.err().map(|status| status.code());
    assert_eq!(code(None).await, Some(Code::Unauthenticated));
    assert_eq!(code(Some("Bearer wrong")).await, Some(Code::Unauthenticated));
    assert_eq!(code(Some("Bearer looker")).await, Some(Code::PermissionDenied));
    assert_eq!(code(Some("Token sesame")).await, None);
}

#[tokio::test]
async fn the_past_is_taken_from_who_says_that_it_is() {
    let house = house().await;
    let old = || {
        let mut columns = columns(vec![0]);
        columns.time_unix_nanos = vec![0];
        Some(Batch::Columns(columns))
    };
    let mut late = house.stream().await;
    late.send("g1", 1, rows(&[1.0])).await;
    assert_eq!(late.durable().await, 1);
    late.send("g1", 2, old()).await;
    assert_eq!(late.reply().await.unwrap().refused[0].reason(), v1::Reason::TooLate);
    late.send_as("g1", 3, old(), true).await;
    late.refused(Code::InvalidArgument, "the same in all requests").await;
    let mut history = house.stream().await;
    history.send_as("g1", 1, old(), true).await;
    assert_eq!(history.reply().await.unwrap().refused_total, 0);
}

#[tokio::test]
async fn the_past_needs_a_right_of_its_own() {
    let house = house_behind(Arc::new(Sesame)).await;
    let mut stream = house.open(Some("Bearer sesame")).await.unwrap();
    stream.send("g1", 1, rows(&[1.0])).await;
    assert_eq!(stream.durable().await, 1);
    let mut stream = house.open(Some("Bearer sesame")).await.unwrap();
    stream.send_as("g1", 1, rows(&[1.0]), true).await;
    stream.refused(Code::PermissionDenied, "history").await;
}
