//! Under `strace`: no acknowledgement leaves before the fdatasync that covers it has returned.
//!
//! One client, one message in flight, each with a value that is found again as eight bytes in the write to the log. For
//! each message the trace must show, in this order: the write returned; an fdatasync of the same file began; it returned 0;
//! the acknowledgement was handed to the socket.

use std::path::Path;
use std::process::{Command, Stdio};

use yiwang_model::Span;
use yiwang_proto::v1::push_request::Batch;
use yiwang_proto::v1::{PushRequest, Rows};
use yiwang_tests::city::City;
use yiwang_tests::feed::this_minute;
use yiwang_tests::gateway::{Gateway, pm2_5};
use yiwang_tests::mqtt::Client;
use yiwang_tests::{skip, wait};

const MESSAGES: u16 = 25;
/// Sequences that are found again in a reply: five bytes as a varint.
const FIRST_SEQUENCE: u64 = 0x7_1234_5601;

#[test]
fn no_acknowledgement_leaves_before_its_fdatasync_has_returned() {
    let probe = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    if !probe.is_ok_and(|status| status.success()) {
        return skip("strace", "strace is not there, or may not trace");
    }
    let mut city = City::story();
    let trace = city.beside("trace");
    let calls = "trace=write,writev,pwrite64,pwritev,sendto,sendmsg,fdatasync,fsync,sync_file_range";
    let file = trace.to_str().unwrap();
    city.under(&["strace", "-D", "-f", "-yy", "-xx", "-s", "65536", "-e", calls, "-o", file]).fed().start();
    let wanted = [mqtt(&city), grpc(&city)].concat();
    city.stop();
    let text = wait::until_some("the trace is whole", || whole(&trace));
    let events = events(&text);
    for acknowledged in &wanted {
        acknowledged.check(&events);
    }
}

/// A value in the log and the bytes of the acknowledgement that must come after it.
#[derive(Clone, Debug)]
struct Acknowledged {
    value: f64,
    port: u16,
    answer: Vec<u8>,
}

/// Values of which no byte is trivial.
fn value(number: u16) -> f64 {
    20.0 + f64::from(number) / 7.0 + 1e-9
}

fn mqtt(city: &City) -> Vec<Acknowledged> {
    let mut client = Client::connect(city.at().mqtt, 4, "one");
    let begin = this_minute();
    let send = |number: u16| {
        let (time, value) = (begin + Span::SECOND.times(i64::from(number)), value(number));
        let payload = format!(r#"{{"metric":"pm2_5","time":"{time}","value":{value},"unit":"µg/m³"}}"#);
        assert_eq!(client.publish_and_wait(number, "yw/v1/story-01", payload.as_bytes()), Some(0));
        let [high, low] = number.to_be_bytes();
        Acknowledged { value, port: city.at().mqtt.port(), answer: vec![0x40, 2, high, low] }
    };
    (1..=MESSAGES).map(send).collect()
}

fn grpc(city: &City) -> Vec<Acknowledged> {
    let mut gateway = Gateway::open(city.at().grpc, "one");
    let begin = this_minute();
    let send = |number: u16| {
        let sequence = FIRST_SEQUENCE + u64::from(number);
        let value = value(number + 1000);
        let reading = pm2_5("story-02", begin + Span::SECOND.times(i64::from(number)), value);
        let batch = Some(Batch::Rows(Rows { readings: vec![reading] }));
        let reply = gateway
            .send(PushRequest { gateway: "one".into(), stream_id: 1, sequence, batch, history: false })
            .unwrap();
        assert_eq!((reply.durable_sequence, reply.refused_total), (sequence, 0));
        Acknowledged { value, port: city.at().grpc.port(), answer: [vec![0x08], varint(sequence)].concat() }
    };
    (1..=MESSAGES).map(send).collect()
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap());
    bytes
}

impl Acknowledged {
    fn check(&self, events: &[Event]) {
        let bits = self.value.to_le_bytes();
        let written = events.iter().position(|event| event.is_log() && event.writes() && event.has(&bits));
        let written = written.unwrap_or_else(|| panic!("{self:?} was never written to the log"));
        let left = events[written].left;
        let synced = events.iter().find(|event| {
            event.call == "fdatasync"
                && event.file == events[written].file
                && event.entered > left
                && event.ok
        });
        let synced = synced.unwrap_or_else(|| panic!("{self:?} was never synced"));
        let socket = format!(":{}->", self.port);
        let sent = events
            .iter()
            .find(|event| event.writes() && event.file.contains(&socket) && event.has(&self.answer));
        let sent = sent.unwrap_or_else(|| panic!("{self:?} was never sent"));
        assert!(
            sent.entered > synced.left,
            "{self:?} was acknowledged in line {} of the trace, before the fdatasync that covers it returned in line {}",
            sent.entered,
            synced.left
        );
    }
}

/// A system call of the trace, with the lines in which it was entered and left.
#[derive(Debug)]
struct Event {
    call: String,
    /// The file or socket of its first argument.
    file: String,
    /// Everything behind that, texts in hexadecimal.
    rest: String,
    entered: usize,
    left: usize,
    ok: bool,
}

impl Event {
    fn is_log(&self) -> bool {
        self.file.ends_with(".seg")
    }

    fn writes(&self) -> bool {
        ["write", "writev", "pwrite64", "pwritev", "sendto", "sendmsg"].contains(&self.call.as_str())
    }

    fn has(&self, bytes: &[u8]) -> bool {
        let hexadecimal: String = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
        self.rest.contains(&hexadecimal)
    }
}

/// The trace, once the traced process has ended in it.
fn whole(trace: &Path) -> Option<String> {
    let text = std::fs::read_to_string(trace).ok()?;
    text.trim_end().lines().last()?.contains("+++ exited with 0 +++").then_some(text)
}

fn events(trace: &str) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    for (line, text) in trace.lines().enumerate() {
        let Some((thread, text)) = text.split_once(' ') else { continue };
        let text = text.trim_start();
        if text.starts_with("<... ") {
            let unfinished = events
                .iter_mut()
                .rev()
                .find(|event| event.left == usize::MAX && event.call.starts_with(&format!("{thread}:")));
            let Some(event) = unfinished else { continue };
            (event.left, event.ok) = (line, text.ends_with("= 0"));
            event.call = event.call.split_off(thread.len() + 1);
        } else if let Some((call, rest)) = text.split_once('(') {
            let (file, rest) = named(rest);
            let unfinished = text.ends_with("<unfinished ...>");
            events.push(Event {
                call: if unfinished { format!("{thread}:{call}") } else { call.to_owned() },
                file,
                rest,
                entered: line,
                left: if unfinished { usize::MAX } else { line },
                ok: text.ends_with("= 0"),
            });
        }
    }
    events
}

/// `17</path/of/file>, …` as the name and the rest.
fn named(arguments: &str) -> (String, String) {
    let Some((_, behind)) = arguments.split_once('<') else { return (String::new(), arguments.to_owned()) };
    // The address of a socket has an arrow in it.
    let end = behind
        .match_indices('>')
        .find(|(at, _)| !behind[..*at].ends_with('-'))
        .map_or(behind.len(), |(at, _)| at);
    (unhex(&behind[..end]), behind[end..].to_owned())
}

/// Paths are in hexadecimal as well.
fn unhex(text: &str) -> String {
    if !text.starts_with("\\x") {
        return text.to_owned();
    }
    let digits = text.split("\\x").filter(|digits| !digits.is_empty());
    let bytes = digits.map(|digits| u8::from_str_radix(&digits[..2], 16).unwrap_or(b'?')).collect();
    String::from_utf8(bytes).unwrap_or_default()
}
