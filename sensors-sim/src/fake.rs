//! Doors to test against: they note what comes, answer as they are told, and break on request.
#![expect(unreachable_pub, reason = "what the tests of all modules may use")]

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::BytesMut;
use rumqttc::mqttbytes::Error as Malformed;
use rumqttc::mqttbytes::v4::{ConnAck, ConnectReturnCode, Packet, PubAck};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};
use yiwang_model::Timestamp;
use yiwang_proto::v1::ingest_service_server::{IngestService, IngestServiceServer};
use yiwang_proto::v1::push_request::Batch;
use yiwang_proto::v1::{PushReply, PushRequest, Refusal, SeriesKey};

/// What one connection does.
#[derive(Clone, Default)]
pub struct Manner {
    /// Breaks after so many batches came.
    pub dies_after: Option<usize>,
    /// Acknowledges only the first so many batches of the connection.
    pub acks_only: Option<usize>,
    /// Acknowledges nothing before this is true.
    pub released: Option<watch::Receiver<bool>>,
    /// Refuses this place of every batch (gRPC).
    pub refuses: Option<u32>,
    /// Says that it refused so many without naming them (gRPC).
    pub refuses_unnamed: u64,
    /// Answers two by two, the second first (MQTT).
    pub swaps: bool,
    /// Does not let anybody in.
    pub locked: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Got {
    pub door: &'static str,
    pub connection: usize,
    pub number: u64,
    pub gateway: String,
    /// Length of the dictionary that came along.
    pub dictionary: usize,
    /// Source, metric, time, value, unit.
    pub readings: Vec<(String, String, i64, f64, String)>,
}

/// What came, over all doors that share it, in order.
#[derive(Clone)]
pub struct Seen {
    pub got: Arc<Mutex<Vec<Got>>>,
    pub count: Arc<watch::Sender<usize>>,
    pub logins: Arc<Mutex<Vec<String>>>,
}

impl Seen {
    pub fn new() -> Self {
        Self { got: Arc::default(), count: Arc::new(watch::channel(0).0), logins: Arc::default() }
    }

    fn note(&self, got: Got) {
        self.got.lock().unwrap().push(got);
        self.count.send_modify(|count| *count += 1);
    }

    pub async fn wait_for(&self, batches: usize) {
        self.count.subscribe().wait_for(|count| *count >= batches).await.unwrap();
    }

    pub fn all(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

type Manners = Arc<dyn Fn(usize) -> Manner + Send + Sync>;

/// Starts a gRPC door; connection n behaves as `manners(n)` says.
pub async fn grpc(seen: &Seen, manners: impl Fn(usize) -> Manner + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let door = Grpc { seen: seen.clone(), manners: Arc::new(manners), connections: Arc::default() };
    let service = IngestServiceServer::new(door).max_decoding_message_size(64 << 20);
    let server = tonic::transport::Server::builder().add_service(service);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    address
}

struct Grpc {
    seen: Seen,
    manners: Manners,
    connections: Arc<Mutex<usize>>,
}

fn next(connections: &Mutex<usize>) -> usize {
    let mut connections = connections.lock().unwrap();
    *connections += 1;
    *connections - 1
}

#[tonic::async_trait]
impl IngestService for Grpc {
    type PushStream = Pin<Box<dyn Stream<Item = Result<PushReply, Status>> + Send>>;

    async fn push(
        &self,
        request: Request<Streaming<PushRequest>>,
    ) -> Result<Response<Self::PushStream>, Status> {
        let connection = next(&self.connections);
        let manner = (self.manners)(connection);
        if let Some(login) = request.metadata().get("authorization") {
            self.seen.logins.lock().unwrap().push(login.to_str().unwrap().to_owned());
        }
        if manner.locked {
            return Err(Status::unauthenticated("who are you"));
        }
        let (tell, replies) = mpsc::channel(16);
        tokio::spawn(answer(self.seen.clone(), manner, connection, request.into_inner(), tell));
        Ok(Response::new(Box::pin(ReceiverStream::new(replies))))
    }
}

async fn answer(
    seen: Seen,
    manner: Manner,
    connection: usize,
    mut requests: Streaming<PushRequest>,
    tell: mpsc::Sender<Result<PushReply, Status>>,
) {
    let (mut dictionary, mut last) = (Vec::new(), None);
    let waits = manner.released.clone();
    let (later, mut acks) = mpsc::unbounded_channel::<PushReply>();
    let to = tell.clone();
    tokio::spawn(async move {
        if let Some(mut released) = waits {
            released.wait_for(|released| *released).await.unwrap();
        }
        while let Some(ack) = acks.recv().await {
            let _ = to.send(Ok(ack)).await;
        }
    });
    let mut came = 0;
    while let Some(Ok(request)) = requests.next().await {
        assert!(last.is_none_or(|last| last + 1 == request.sequence), "a gap in the sequence");
        last = Some(request.sequence);
        let (count, readings) = decode(request.batch.unwrap(), &mut dictionary);
        seen.note(Got {
            door: "grpc",
            connection,
            number: request.sequence,
            gateway: request.gateway,
            dictionary: count,
            readings,
        });
        came += 1;
        if manner.acks_only.is_none_or(|only| came <= only) {
            let _ = later.send(reply(&manner, request.sequence));
        }
        if manner.dies_after == Some(came) {
            // The acknowledgements go first, so that the test knows what was told.
            drop(later);
            tell.closed_or_idle().await;
            let _ = tell.send(Err(Status::unavailable("dying"))).await;
            return;
        }
    }
}

trait Idle {
    async fn closed_or_idle(&self);
}

impl<T> Idle for mpsc::Sender<T> {
    /// Until all that was sent has been taken and nobody else sends.
    async fn closed_or_idle(&self) {
        while self.strong_count() > 1 {
            tokio::task::yield_now().await;
        }
    }
}

fn reply(manner: &Manner, sequence: u64) -> PushReply {
    let refusal = |index| Refusal { sequence, index, reason: 5, message: "impossible".into() };
    let refused: Vec<_> = manner.refuses.map(refusal).into_iter().collect();
    PushReply {
        durable_sequence: sequence,
        refused_total: refused.len() as u64 + manner.refuses_unnamed,
        refused,
    }
}

/// Source, metric, time in nanoseconds, value, unit.
type Told = (String, String, i64, f64, String);

/// How many series a batch names, and its readings.
fn decode(batch: Batch, dictionary: &mut Vec<SeriesKey>) -> (usize, Vec<Told>) {
    match batch {
        Batch::Rows(rows) => {
            let row = |row: yiwang_proto::v1::Reading| {
                (row.source, row.metric, row.time_unix_nanos, row.value, row.unit)
            };
            (0, rows.readings.into_iter().map(row).collect())
        }
        Batch::Columns(columns) => {
            let count = columns.series.len();
            if count > 0 {
                *dictionary = columns.series;
            }
            let key = |index: u32| dictionary[index as usize].clone();
            let times = columns.time_unix_nanos.iter().zip(&columns.value);
            let readings = columns.index.iter().zip(times).map(|(index, (time, value))| {
                let key = key(*index);
                (key.source, key.metric, *time, *value, key.unit)
            });
            (count, readings.collect())
        }
    }
}

/// Starts an MQTT 3.1.1 door; connection n behaves as `manners(n)` says.
pub async fn mqtt(seen: &Seen, manners: impl Fn(usize) -> Manner + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let seen = seen.clone();
    tokio::spawn(async move {
        let mut connection = 0;
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket, seen.clone(), manners(connection), connection));
            connection += 1;
        }
    });
    address
}

async fn serve(mut socket: TcpStream, seen: Seen, manner: Manner, connection: usize) {
    let (mut incoming, mut outgoing) = (BytesMut::new(), BytesMut::new());
    let (mut came, mut gateway, mut held) = (0, String::new(), Vec::new());
    loop {
        let packet = match Packet::read(&mut incoming, 1 << 20) {
            Ok(packet) => packet,
            Err(Malformed::InsufficientBytes(_)) => {
                socket.write_all_buf(&mut outgoing).await.unwrap();
                match socket.read_buf(&mut incoming).await {
                    Ok(1..) => continue,
                    _ => return,
                }
            }
            Err(error) => panic!("{error}"),
        };
        match packet {
            Packet::Connect(hello) => {
                assert!(hello.clean_session);
                if let Some(login) = hello.login {
                    seen.logins.lock().unwrap().push(format!("{}:{}", login.username, login.password));
                }
                gateway = hello.client_id;
                let code =
                    if manner.locked { ConnectReturnCode::NotAuthorized } else { ConnectReturnCode::Success };
                ConnAck::new(code, false).write(&mut outgoing).unwrap();
            }
            Packet::Publish(publish) => {
                let source = publish.topic.strip_prefix("yw/v1/").unwrap();
                let readings = parse(source, &publish.payload);
                let number = u64::from(publish.pkid);
                seen.note(Got {
                    door: "mqtt",
                    connection,
                    number,
                    gateway: gateway.clone(),
                    dictionary: 0,
                    readings,
                });
                came += 1;
                if manner.acks_only.is_none_or(|only| came <= only) {
                    held.push(publish.pkid);
                }
                if !manner.swaps || held.len() == 2 {
                    for pkid in held.drain(..).rev() {
                        PubAck::new(pkid).write(&mut outgoing).unwrap();
                    }
                }
                if manner.dies_after == Some(came) {
                    socket.write_all_buf(&mut outgoing).await.unwrap();
                    return;
                }
            }
            Packet::PingReq => drop(rumqttc::mqttbytes::v4::PingResp.write(&mut outgoing).unwrap()),
            other => panic!("{other:?}"),
        }
    }
}

fn parse(source: &str, payload: &[u8]) -> Vec<(String, String, i64, f64, String)> {
    let json: serde_json::Value = serde_json::from_slice(payload).unwrap();
    let rows = json.as_array().cloned().unwrap_or_else(|| vec![json]);
    let text = |row: &serde_json::Value, key: &str| row[key].as_str().unwrap().to_owned();
    let row = |row: &serde_json::Value| {
        let time: Timestamp = text(row, "time").parse().unwrap();
        (
            source.to_owned(),
            text(row, "metric"),
            time.nanos(),
            row["value"].as_f64().unwrap(),
            text(row, "unit"),
        )
    };
    rows.iter().map(row).collect()
}
