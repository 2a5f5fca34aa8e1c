//! The door for loggers: what they were told is kept over kills, hostile ones touch nobody, ten thousand are held.
//!
//! `YIWANG_LOGGER_KILLS` is how often the city is killed (8; 100 in `make long`), `YIWANG_SEED` repeats a run,
//! `YIWANG_LOGGERS` is how many loggers are held (1,000).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Output;
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use yiwang_proto::hj212::{Decoder, Flag, Outgoing};
use yiwang_tests::city::{City, story_catalogue};
use yiwang_tests::sim::{Door, Sim, number};
use yiwang_tests::{programs, wait};

/// The most that one idle connection may cost the city, in bytes of resident memory.
const MAX_BYTES_PER_CONNECTION: u64 = 16 << 10;

/// The longest that a city is left alone, in milliseconds.
const MAX_LIFE_MS: u64 = 900;

#[test]
fn what_a_logger_was_told_is_kept_over_kills_at_random_moments() {
    let kills = programs::count("YIWANG_LOGGER_KILLS", 8);
    let seed = programs::count("YIWANG_SEED", u64::from(std::process::id()));
    eprintln!("{kills} kills, YIWANG_SEED={seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut city = City::story();
    city.start();
    let acked = city.beside("hj212.acked");
    let arguments = ["load", "--connections", "4", "--rate", "2000", "--seconds", "100000", "--wait", "100"];
    let load =
        Sim::run(&city, Door::Hj212, &[&arguments[..], &["--acked", acked.to_str().unwrap()]].concat());
    for _ in 0..kills {
        std::thread::sleep(Duration::from_millis(random.random_range(0..MAX_LIFE_MS)));
        city.kill().start();
    }
    wait::until("loggers are answered", || city.metric("yiwang_hj212_answers_total") > 200.0);
    let report = load.finish();
    assert_eq!((number(&report, "refused"), number(&report, "unacknowledged")), (0, 0), "{report}");
    assert!(number(&report, "acked") > 200, "{report}");
    city.settle();
    city.kill();
    city.reconcile(true, &[&acked]).must_balance();
}

/// The first of the simulator's loggers.
const FIRST: &str = "BE0000000000000000000001";

#[test]
fn a_logger_does_what_it_is_told_while_its_data_flow() {
    let mut city = City::story();
    city.start();
    let load = Sim::run(
        &city,
        Door::Hj212,
        &["load", "--connections", "1", "--rate", "100", "--seconds", "100000", "--wait", "100"],
    );
    let answers = || city.metric("yiwang_hj212_answers_total");
    let flows = |what: &str| {
        let before = answers();
        wait::until(what, || answers() > before + 10.0);
    };
    flows("its data flow");
    let done = |command: &[&str]| {
        let output = send(&city, FIRST, command);
        assert!(output.status.success(), "{command:?}: {output:?}");
        let (said, errors) = (text(&output.stdout), text(&output.stderr));
        assert!(!said.contains("123456") && !errors.contains("123456"), "a password is shown");
        said
    };
    assert_eq!(done(&["1062", "RtdInterval=45"]), "QnRtn=1 ready\nExeRtn=1 done\n");
    assert_eq!(done(&["1061"]), "QnRtn=1 ready\nRtdInterval=45\nExeRtn=1 done\n");
    done(&["1012", "SystemTime=20000101000000"]);
    assert!(done(&["1011"]).contains("\nSystemTime=200001"));
    done(&["1012"]);
    assert!(done(&["1011"]).contains("\nSystemTime=20") && !done(&["1011"]).contains("SystemTime=2000"));
    flows("its data flow beside commands");
    done(&["2012"]);
    done(&["2011"]);
    flows("its data flow again");
    for (mn, command, code, why) in [
        ("NOBODY", &["1011"][..], 1, "add a [[logger]] of this MN"),
        ("BE0000000000000000000004", &["1011"], 1, "it is not connected"),
        (FIRST, &["1062", "RtdInterval=29"], 64, "30 to 3600 seconds are wanted"),
        (FIRST, &["2061"], 64, "cannot be sent"),
    ] {
        let output = send(&city, mn, command);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(text(&output.stderr).contains(why), "{output:?}");
    }
    assert_eq!(city.metric("yiwang_hj212_commands_total{outcome=\"done\"}"), 9.0);
    assert!(!city.said().contains("123456"), "a password is in the log");
    let report = load.finish();
    assert_eq!((number(&report, "refused"), number(&report, "unacknowledged")), (0, 0), "{report}");
}

/// `yiwang hj212 send`.
fn send(city: &City, mn: &str, command: &[&str]) -> Output {
    let http = city.at().http.to_string();
    let mut program = programs::yiwang();
    program.args(["hj212", "send", "--http", &http, "--mn", mn]).args(command);
    program.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn hostile_loggers_are_closed_and_touch_nobody() {
    let mut city = City::story();
    city.start();
    let at = city.at().hj212.unwrap();
    let mut good = Logger::connect(at, "BE0000000000000000000001");
    good.alive();
    let stranger = heartbeat("STRANGER");
    let half = &heartbeat("BE0000000000000000000002")[..40];
    for hostile in [vec![b'#'; 100_000], vec![0; 100_000], b"##9999".repeat(20_000), stranger, half.to_vec()]
    {
        let mut socket = TcpStream::connect(at).unwrap();
        // The city may have closed it before all is written.
        let _ = socket.write_all(&hostile);
        let _ = socket.shutdown(std::net::Shutdown::Write);
        let _ = socket.read_to_end(&mut Vec::new());
    }
    let closed = |why: &str| city.metric(&format!("yiwang_hj212_closed_total{{why=\"{why}\"}}"));
    wait::until("all are closed", || closed("junk") + closed("unknown_mn") + closed("lost") >= 5.0);
    assert!(closed("junk") >= 2.0 && closed("unknown_mn") == 1.0, "{}", city.get("/metrics"));
    assert!(city.refused("MALFORMED") > 0 && city.refused("FORBIDDEN") == 1);
    good.alive();
    assert!(city.readiness("hj212").1);
}

#[test]
fn thousands_of_loggers_are_held_and_cost_little() {
    let loggers = programs::count("YIWANG_LOGGERS", 1000);
    let mut city = City::new();
    let catalogue = city.beside("catalogue.toml");
    std::fs::write(&catalogue, std::fs::read_to_string(story_catalogue()).unwrap() + &entries(loggers))
        .unwrap();
    city.catalogue(&catalogue).start();
    let at = city.at().hj212.unwrap();
    for _ in 0..100 {
        Logger::connect(at, "M000000").alive();
    }
    let before = resident(&city);
    let mut held: Vec<Logger> = (0..loggers).map(|number| Logger::connect(at, &mn(number))).collect();
    held.iter_mut().for_each(Logger::alive);
    let cost = resident(&city).saturating_sub(before) / loggers;
    eprintln!("{loggers} loggers held, {cost} bytes of resident memory each");
    held.iter_mut().for_each(Logger::alive);
    assert_eq!(city.metric("yiwang_hj212_packets_total{kind=\"heartbeat\"}"), (100 + 2 * loggers) as f64);
    assert!(cost < MAX_BYTES_PER_CONNECTION, "{cost} bytes each");
}

fn mn(number: u64) -> String {
    format!("M{number:06}")
}

fn entries(loggers: u64) -> String {
    let entry = |number| {
        let mn = mn(number);
        format!("\n[[logger]]\nmn = \"{mn}\"\nstation = \"bench-{mn}\"\nunits = {{ a34004 = \"µg/m³\" }}\n")
    };
    (0..loggers).map(entry).collect()
}

fn resident(city: &City) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", city.pid().as_raw_nonzero())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

fn heartbeat(mn: &str) -> Vec<u8> {
    let qn = Some("20260302101600000");
    let flag = Some(Flag(9));
    Outgoing { qn, st: "22", cn: 9015, pw: "123456", mn, flag, part: None, content: "" }.to_bytes()
}

/// A logger that says only that it lives.
struct Logger {
    socket: TcpStream,
    mn: String,
}

impl Logger {
    fn connect(at: SocketAddr, mn: &str) -> Self {
        let socket = TcpStream::connect(at).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self { socket, mn: mn.to_owned() }
    }

    /// Says so, and is answered.
    fn alive(&mut self) {
        self.socket.write_all(&heartbeat(&self.mn)).unwrap();
        let (mut decoder, mut answers, mut bytes) = (Decoder::default(), 0, [0; 512]);
        while answers == 0 {
            let read = self.socket.read(&mut bytes).unwrap();
            assert!(read > 0, "the city closed the connection of {}", self.mn);
            decoder.feed(&bytes[..read], |frame| {
                let segment = String::from_utf8_lossy(frame.unwrap().segment).into_owned();
                assert!(segment.contains("CN=9013"), "{segment}");
                answers += 1;
            });
        }
    }
}
