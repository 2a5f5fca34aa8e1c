//! What happens to orders is told to a receiver that nobody here wrote, which verifies each signature with the reference
//! implementation of Standard Webhooks. It refuses some, it is killed, the city is killed: each event arrives, in the order of
//! its history, always under the same id and with the same body.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use yiwang_model::Span;
use yiwang_tests::city::City;
use yiwang_tests::feed::{Feed, this_minute};
use yiwang_tests::orders::orders;
use yiwang_tests::sim::{Door, Sim, number};
use yiwang_tests::{http, programs, skip, wait};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const STATIONS: u32 = 3;
const LASTS: Span = Span::HOUR.times(2);
const PARTS: usize = 4;

/// The receiver; killed when dropped.
struct Receiver {
    python: PathBuf,
    at: SocketAddr,
    into: PathBuf,
    child: Option<Child>,
}

impl Receiver {
    fn run(&mut self) {
        let mut command = Command::new(&self.python);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/webhook_receiver.py"));
        command.args([&self.at.ip().to_string(), &self.at.port().to_string(), SECRET]).arg(&self.into);
        self.child = Some(command.stdin(Stdio::null()).spawn().unwrap());
        wait::until("the receiver listens", || TcpStream::connect(self.at).is_ok());
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// The whole lines that it wrote, in words.
    fn got(&self) -> Vec<Vec<String>> {
        let text = std::fs::read_to_string(&self.into).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| line.split(' ').map(str::to_owned).collect()).collect()
    }

    /// The ids of what it has taken.
    fn taken(&self) -> BTreeSet<String> {
        let taken = self.got().into_iter().filter(|words| words[0].starts_with('2'));
        taken.map(|words| words[1].clone()).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.kill();
    }
}

#[test]
fn each_event_is_told_whoever_is_killed() {
    let Some(python) = programs::python() else {
        return skip("webhooks", "tests/.venv is not there; tests/install.sh makes it");
    };
    let mut city = City::story();
    // A free port, which the receiver has for itself from now on.
    let at = std::net::TcpListener::bind((city.home(), 0)).unwrap().local_addr().unwrap();
    let mut receiver = Receiver { python, at, into: city.beside("got.txt"), child: None };
    receiver.run();
    configure(&mut city, "desk", at);
    configure(&mut city, "dead", SocketAddr::new(at.ip(), 1));
    city.fed().start();
    let begin = this_minute() - LASTS;
    let feed = Feed::rhythm(STATIONS, begin, LASTS);
    for part in 0..PARTS {
        let input = city.beside(&format!("part-{part}.csv"));
        let (from, to) = (share(part), share(part + 1));
        feed.write_where(&input, |reading| begin + from <= reading.time && reading.time < begin + to);
        let report = Sim::replay(&city, Door::Grpc, &[&input], &[]).report();
        assert_eq!(number(&report, "acked"), number(&report, "readings"), "{report}");
        city.settle();
        let taken = receiver.taken().len();
        let steps = steps(&city).len();
        wait::until("it is in the middle of it", || receiver.taken().len() > taken || taken >= steps);
        if part % 2 == 0 {
            city.kill().start();
        } else {
            receiver.kill();
            move_one(&city);
            wait::until("the dead receiver is told", || !city.readiness("webhook desk").1);
            // An event is under way, which nobody has taken.
            city.kill().start();
            receiver.run();
        }
    }
    let wanted = steps(&city);
    wait::until("all is told", || receiver.taken().len() >= wanted.len());
    assert_eq!(receiver.taken(), wanted);
    assert_told(&receiver.got());
    let (ready, ok, why) = city.readiness("webhook dead");
    assert!(ready && !ok && why.contains("no connection"), "{why}");
    wait::until("it is told to be well", || city.readiness("webhook desk").1);
    assert!(city.metric("yiwang_webhook_delivered_total{webhook=\"desk\"}") > 0.0);
    city.stop();
}

fn configure(city: &mut City, name: &str, at: SocketAddr) {
    let secret = city.beside("hook.secret");
    std::fs::write(&secret, SECRET).unwrap();
    city.config("[[webhook]]").config(&format!("name = {name:?}"));
    city.config(&format!("url = \"http://{at}/orders\"")).config(&format!("secret_file = {secret:?}"));
}

/// The part of the feed before this one.
fn share(part: usize) -> Span {
    Span(LASTS.0 / PARTS as i64 * part as i64)
}

/// Accepts an order, so that something happens.
fn move_one(city: &City) {
    let opened = orders(city, "state=opened");
    let path = format!("/api/v1/orders/{}/transitions", opened[0].no);
    let (status, body) = http::post(city.at().http, &path, "{\"to\":\"accepted\"}").unwrap();
    assert_eq!(status, 200, "{body}");
}

/// The ids of all steps of all orders.
fn steps(city: &City) -> BTreeSet<String> {
    let of = |order: yiwang_model::WorkOrder| {
        let no = order.no;
        order.timeline.into_iter().map(move |step| format!("{no}-{}", step.seq))
    };
    orders(city, "").into_iter().flat_map(of).collect()
}

/// All was signed, the same id came with the same body, and the steps of an order in their order.
fn assert_told(got: &[Vec<String>]) {
    let (mut bodies, mut last) = (BTreeMap::new(), BTreeMap::new());
    for words in got {
        let [_, id, kind, digest] = &words[..] else { panic!("not signed well: {words:?}") };
        assert_eq!(bodies.entry(id).or_insert((kind, digest)), &(kind, digest), "{id}");
        let (no, seq) = id.rsplit_once('-').unwrap();
        let (seq, last): (u32, &mut u32) = (seq.parse().unwrap(), last.entry(no).or_default());
        // A repeat after a kill, or the next.
        assert!(seq == *last || seq == *last + 1, "{id} after {last}");
        *last = seq;
    }
    assert!(bodies.len() > 5, "the story wants more events than {}", bodies.len());
}
