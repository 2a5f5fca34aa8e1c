//! `OrderService` over TCP and a real order store: followed, cut off at random, moved.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use yiwang_model::OrderIntent;
use yiwang_orders::{Moment, OrderFeed, OrderStore, SqliteOrders};
use yiwang_proto::v1::order_service_client::OrderServiceClient;
use yiwang_proto::v1::{OrderEvent, TransitionOrderRequest, WatchOrdersReply, WatchOrdersRequest};

use super::*;
use crate::live::MAX_WATCHERS;

/// Far more than any reply takes to come.
const LONG: Duration = Duration::from_secs(120);

/// A city whose orders lie in a file, with a door for gRPC.
struct Served {
    city: City,
    store: Arc<SqliteOrders>,
    at: SocketAddr,
    _folder: TempDir,
}

impl Served {
    async fn open(gate: Arc<dyn Gate>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteOrders::open(&folder.path().join("orders"), "Asia/Shanghai").await.unwrap();
        let store = Arc::new(store);
        let mut city = city();
        (city.parts.orders, city.parts.feed, city.parts.gate) = (store.clone(), store.clone(), gate);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let server =
            tonic::transport::Server::builder().add_service(crate::order_service(city.parts.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Self { city, store, at, _folder: folder }
    }

    async fn client(&self) -> OrderServiceClient<Channel> {
        OrderServiceClient::connect(format!("http://{}", self.at)).await.unwrap()
    }

    /// An epoch that opens the `nth` order of the demo city.
    async fn open_order(&self, nth: usize) {
        let order = city::order(
            &self.city.parts.catalogue.in_force().catalogue,
            nth,
            Span::HOUR,
            now() - Span::SECOND.times(nth as i64),
        );
        let intent = OrderIntent::Open(Box::new(order.draft));
        let moment = Moment { city: now(), wall: now() };
        self.store.apply(nth as u64, moment, &[intent]).await.unwrap();
    }
}

fn from(token: &str) -> WatchOrdersRequest {
    WatchOrdersRequest { token: token.into(), ..Default::default() }
}

fn from_start() -> WatchOrdersRequest {
    WatchOrdersRequest { from_start: true, ..Default::default() }
}

async fn next(stream: &mut Streaming<WatchOrdersReply>) -> Result<WatchOrdersReply, Status> {
    let reply = tokio::time::timeout(LONG, stream.message()).await.expect("a reply in time");
    reply.map(|reply| reply.expect("the stream does not end by itself"))
}

async fn next_event(stream: &mut Streaming<WatchOrdersReply>) -> (String, OrderEvent) {
    loop {
        let reply = next(stream).await.unwrap();
        if let Some(event) = reply.event {
            return (reply.token, event);
        }
    }
}

fn key(event: &OrderEvent) -> (String, u32) {
    (event.no.clone(), event.step.as_ref().unwrap().seq)
}

/// Orders are opened and moved while a client is cut off hundreds of times, by chance; it comes back with its last token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_cut_off_at_random_misses_nothing_and_gets_nothing_twice() {
    const ORDERS: usize = 200;
    const CUTS: usize = 300;
    let seed: u64 = std::env::var("YIWANG_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(31);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let served = Arc::new(Served::open(Arc::new(OpenGate)).await);
    let done = CancellationToken::new();
    let working = tokio::spawn(work(Arc::clone(&served), ORDERS, seed, done.clone()));
    let (mut token, mut got) = (None::<String>, Vec::new());
    let mut client = served.client().await;
    for _ in 0..CUTS {
        if random.random_bool(0.2) {
            // the whole connection goes, not only the stream
            client = served.client().await;
        }
        let request = token.as_deref().map_or_else(from_start, from);
        let mut stream = client.watch(request).await.unwrap().into_inner();
        for _ in 0..random.random_range(0..6) {
            let reply = tokio::select! {
                reply = next(&mut stream) => reply.unwrap(),
                () = done.cancelled() => break,
            };
            got.extend(reply.event.as_ref().map(key));
            token = Some(reply.token);
        }
    }
    working.await.unwrap();
    let last = served.store.extent().await.unwrap().last;
    let mut stream = client.watch(from(&token.unwrap())).await.unwrap().into_inner();
    while (got.len() as u64) < last {
        got.push(key(&next_event(&mut stream).await.1));
    }
    assert_eq!(got, steps(&served.store).await, "YIWANG_SEED={seed}");
    assert!(last > 400, "the story wants many steps, not {last}");
}

/// Opens orders, and moves some of those that are there; says when it is done.
async fn work(served: Arc<Served>, orders: usize, seed: u64, done: CancellationToken) {
    let _done = done.drop_guard();
    let mut random = ChaCha8Rng::seed_from_u64(seed + 1);
    let mut states = Vec::new();
    for nth in 1..=orders {
        served.open_order(nth).await;
        let event =
            served.store.events(served.store.extent().await.unwrap().last - 1, 1).await.unwrap().remove(0);
        states.push((event.event.no, event.event.step.state));
        for _ in 0..random.random_range(0..6) {
            let at = random.random_range(0..states.len());
            let (no, state) = &mut states[at];
            let moment = Moment { city: now(), wall: now() };
            let to = state.allowed()[0];
            served.store.transition(no, to, "li", "reason", moment).await.unwrap();
            *state = to;
        }
    }
}

/// All steps by their places, as the histories have them: the places of each order's steps rise.
async fn steps(store: &SqliteOrders) -> Vec<(String, u32)> {
    let (mut all, mut after) = (Vec::new(), 0);
    let last = store.extent().await.unwrap().last;
    while after < last {
        let events = store.events(after, 100).await.unwrap();
        after = events.last().unwrap().event.seq;
        all.extend(events.into_iter().map(|told| (told.event.no.0, told.event.step.seq)));
    }
    let mut histories: BTreeMap<String, u32> = BTreeMap::new();
    for (no, seq) in &all {
        let steps = histories.entry(no.clone()).or_default();
        *steps += 1;
        assert_eq!(steps, seq, "{no}");
    }
    for (no, steps) in histories {
        let order = store.get(&yiwang_model::OrderNo(no)).await.unwrap().unwrap();
        assert_eq!(order.timeline.len(), steps as usize);
    }
    all
}

#[tokio::test]
async fn a_client_that_saw_nothing_yet_has_a_place_to_come_back_to() {
    let served = Served::open(Arc::new(OpenGate)).await;
    served.open_order(1).await;
    let mut client = served.client().await;
    let mut stream = client.watch(from("")).await.unwrap().into_inner();
    let first = next(&mut stream).await.unwrap();
    assert_eq!(first.event, None);
    drop(stream);
    served.open_order(2).await;
    let mut stream = client.watch(from(&first.token)).await.unwrap().into_inner();
    let (_, event) = next_event(&mut stream).await;
    let order =
        client.get(yiwang_proto::v1::GetOrderRequest { no: event.no.clone() }).await.unwrap().into_inner();
    assert_eq!((event.step, event.title), (order.timeline.first().cloned(), order.title));
    assert_eq!(
        (event.category, event.department, event.due_unix_nanos),
        (order.category, order.department, order.due_unix_nanos)
    );
}

#[tokio::test]
async fn only_what_is_wanted_comes_and_the_token_moves_all_the_same() {
    let served = Served::open(Arc::new(OpenGate)).await;
    for nth in 1..=240 {
        served.open_order(nth).await;
    }
    let mut client = served.client().await;
    let asked = WatchOrdersRequest { kinds: vec!["moved".into()], ..from_start() };
    let mut stream = client.watch(asked.clone()).await.unwrap().into_inner();
    let mut tokens = Vec::new();
    for _ in 0..3 {
        let reply = next(&mut stream).await.unwrap();
        assert_eq!(reply.event, None);
        tokens.push(reply.token);
    }
    tokens.dedup();
    assert_eq!(tokens.len(), 3, "the beginning, and after each hundred that nobody wanted");
    let no = served.store.events(0, 1).await.unwrap()[0].event.no.0.clone();
    client
        .transition(TransitionOrderRequest { no: no.clone(), to: "accepted".into(), note: String::new() })
        .await
        .unwrap();
    assert_eq!(next_event(&mut stream).await.1.no, no);
    let asked = WatchOrdersRequest { category: "air".into(), ..from_start() };
    let mut stream = client.watch(asked).await.unwrap().into_inner();
    for _ in 0..20 {
        assert_eq!(next_event(&mut stream).await.1.category, "air");
    }
}

#[tokio::test]
async fn tokens_that_are_none_or_of_elsewhere_are_refused_with_the_way_on() {
    let served = Served::open(Arc::new(OpenGate)).await;
    served.open_order(1).await;
    let mut client = served.client().await;
    let extent = served.store.extent().await.unwrap();
    let token = |store, seq| yiwang_orders::feed::Place { store, seq }.text();
    let none = ["17", "01", "\u{1}", "0100000000000000000000000000000000 ", &"9".repeat(40_000)];
    for text in none {
        let refused = refusal(client.watch(from(text)).await);
        assert_eq!(refused.code(), Code::InvalidArgument, "{text:.40}");
        assert!(refused.message().len() < 200);
    }
    for (place, why) in
        [(token(extent.store ^ 1, 1), "another order store"), (token(extent.store, 2), "restored")]
    {
        let refused = refusal(client.watch(from(&place)).await);
        assert_eq!(refused.code(), Code::OutOfRange);
        assert!(refused.message().contains(why) && refused.message().contains("from_start"), "{refused}");
    }
    let both = WatchOrdersRequest { from_start: true, ..from(&token(extent.store, 1)) };
    assert_eq!(refusal(client.watch(both).await).code(), Code::InvalidArgument);
    let word = WatchOrdersRequest { states: vec!["lost".into()], ..from_start() };
    assert!(refusal(client.watch(word).await).message().contains("known are opened, accepted"));
    let many = WatchOrdersRequest { kinds: vec!["moved".into(); 17], ..from_start() };
    assert_eq!(refusal(client.watch(many).await).code(), Code::InvalidArgument);
}

/// A store whose oldest events are gone, as none is yet.
struct Cut(Arc<SqliteOrders>);

#[async_trait::async_trait]
impl OrderFeed for Cut {
    async fn extent(&self) -> Result<yiwang_orders::feed::Extent, yiwang_orders::Error> {
        Ok(yiwang_orders::feed::Extent { before: 2, ..self.0.extent().await? })
    }

    async fn events(
        &self,
        after: u64,
        limit: u32,
    ) -> Result<Vec<yiwang_orders::feed::Happening>, yiwang_orders::Error> {
        self.0.events(after, limit).await
    }

    async fn cursor(&self, name: &str) -> Result<Option<u64>, yiwang_orders::Error> {
        self.0.cursor(name).await
    }

    async fn move_cursor(&self, name: &str, seq: u64) -> Result<(), yiwang_orders::Error> {
        self.0.move_cursor(name, seq).await
    }
}

#[tokio::test]
async fn a_past_that_is_no_longer_kept_is_out_of_range() {
    use yiwang_proto::v1::order_service_server::OrderService;
    let served = Served::open(Arc::new(OpenGate)).await;
    for nth in 1..=4 {
        served.open_order(nth).await;
    }
    let store = served.store.extent().await.unwrap().store;
    let mut parts = served.city.parts.clone();
    parts.feed = Arc::new(Cut(served.store.clone()));
    let service = crate::grpc::Orders::new(parts);
    let ask = async |request| service.watch(tonic::Request::new(request)).await.map(|_| ());
    let token = |seq| from(&yiwang_orders::feed::Place { store, seq }.text());
    let refused = ask(token(1)).await.unwrap_err();
    assert!(refused.code() == Code::OutOfRange && refused.message().contains("no longer kept"), "{refused}");
    ask(token(2)).await.unwrap();
    ask(from_start()).await.unwrap();
}

#[tokio::test]
async fn those_who_watch_are_bounded_and_leave_their_seats() {
    let served = Served::open(Arc::new(OpenGate)).await;
    let mut client = served.client().await;
    let mut seated = Vec::new();
    for _ in 0..MAX_WATCHERS {
        seated.push(client.watch(from("")).await.unwrap());
    }
    assert_eq!(refusal(client.watch(from("")).await).code(), Code::ResourceExhausted);
    assert!(served.city.get("/metrics").await.body.contains("yiwang_web_watchers 256\n"));
    seated.pop();
    let freed = async {
        while client.watch(from("")).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, freed).await.expect("the seat of who left is free");
}

#[tokio::test]
async fn a_stop_ends_every_stream_and_says_so() {
    let served = Served::open(Arc::new(OpenGate)).await;
    let mut stream = served.client().await.watch(from("")).await.unwrap().into_inner();
    next(&mut stream).await.unwrap();
    served.city.parts.live.close();
    let ended = next(&mut stream).await.unwrap_err();
    assert_eq!(ended.code(), Code::Unavailable);
    assert!(ended.message().contains("last token"), "{ended}");
}

#[tokio::test]
async fn an_order_moves_by_grpc_as_by_http() {
    let served = Served::open(Arc::new(Locked)).await;
    served.open_order(1).await;
    let no = served.store.events(0, 1).await.unwrap()[0].event.no.0.clone();
    let mut client = served.client().await;
    let mut ask = async |who: &str, no: &str, to: &str, note: &str| {
        let asked = TransitionOrderRequest { no: no.into(), to: to.into(), note: note.into() };
        let mut request = tonic::Request::new(asked);
        request.metadata_mut().insert("authorization", who.parse().unwrap());
        client.transition(request).await.map(tonic::Response::into_inner)
    };
    let desk = "Bearer desk-secret";
    for (who, code) in [
        ("Bearer wrong", Code::Unauthenticated),
        ("Bearer wall-secret", Code::PermissionDenied),
        ("Bearer gateway-secret", Code::PermissionDenied),
    ] {
        assert_eq!(ask(who, &no, "accepted", "").await.unwrap_err().code(), code, "{who}");
    }
    for (no, to, note, code, why) in [
        ("YW1", "accepted", "", Code::NotFound, "YW1"),
        ("../etc", "accepted", "", Code::NotFound, "no order"),
        (&no, "closed", "", Code::FailedPrecondition, "allowed: accepted"),
        (&no, "lost", "", Code::InvalidArgument, "known are opened"),
        (&no, "", "", Code::InvalidArgument, "known are opened"),
        (&no, "accepted", &"说".repeat(4_001), Code::InvalidArgument, "at most 4000"),
        (&no, "accepted", "a\0b", Code::InvalidArgument, "zero character"),
    ] {
        let refused = ask(desk, no, to, note).await.unwrap_err();
        assert_eq!(refused.code(), code, "{to}: {refused}");
        assert!(refused.message().contains(why), "{refused}");
    }
    let order = ask(desk, &no, "accepted", "seen").await.unwrap();
    let step = order.timeline.last().unwrap();
    assert_eq!(
        (&*step.who, &*step.note, &*step.state, order.timeline.len()),
        ("desk", "seen", "accepted", 2)
    );
    ask(desk, &no, "dispatched", "").await.unwrap();
    assert_eq!(ask(desk, &no, "returned", " ").await.unwrap_err().code(), Code::InvalidArgument);
}

fn refusal<T>(answer: Result<T, Status>) -> Status {
    answer.err().expect("refused")
}
