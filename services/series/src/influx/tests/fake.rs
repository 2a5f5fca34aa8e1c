//! A store that answers as it is told, byte by byte, and keeps what it said yes to.

use std::collections::VecDeque;
use std::io::Read as _;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What to do with a request.
#[derive(Clone, Debug)]
pub(super) enum Do {
    /// Answer with status, further headers, body.
    Say(u16, &'static str, String),
    /// Say yes to so many lines at most, 413 to more.
    AtMost(usize),
    /// Never answer.
    Hang,
    /// Close the connection.
    Cut,
    /// Answer with what is no HTTP.
    Babble,
}

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    pub(super) head: String,
    pub(super) text: String,
}

#[derive(Default)]
struct Held {
    script: VecDeque<Do>,
    requests: Vec<Request>,
    kept: Vec<String>,
}

/// The store. What its script does not say is 204.
#[derive(Clone, Default)]
pub(super) struct Fake(Arc<Mutex<Held>>);

impl Fake {
    /// Opens it; the address is `http://…`.
    pub(super) async fn open(script: impl IntoIterator<Item = Do>) -> (Self, String) {
        let fake = Self::default();
        fake.0.lock().unwrap().script.extend(script);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = fake.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        (fake, url)
    }

    /// All requests, in order.
    pub(super) fn requests(&self) -> Vec<Request> {
        self.0.lock().unwrap().requests.clone()
    }

    /// Lines of the requests that it said 204 to, in order.
    pub(super) fn kept(&self) -> Vec<String> {
        self.0.lock().unwrap().kept.clone()
    }

    async fn serve(self, mut stream: TcpStream) {
        while let Some(request) = read(&mut stream).await {
            let what = self.next(&request);
            let said = match what {
                Do::Hang => std::future::pending().await,
                Do::Cut => return,
                Do::Babble => "220 mail.example ESMTP\r\n\r\n".to_owned(),
                Do::Say(status, headers, body) => answer(status, headers, &body),
                Do::AtMost(_) => unreachable!("decided before"),
            };
            if stream.write_all(said.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    fn next(&self, request: &Request) -> Do {
        let mut held = self.0.lock().unwrap();
        held.requests.push(request.clone());
        let lines = || request.text.lines().map(str::to_owned);
        let what = match held.script.front() {
            // It stands for good.
            Some(Do::AtMost(most)) if lines().count() > *most => Do::Say(413, "", "too large".into()),
            Some(Do::AtMost(_)) | None => Do::Say(204, "", String::new()),
            Some(_) => held.script.pop_front().unwrap(),
        };
        if matches!(what, Do::Say(204, ..)) {
            held.kept.extend(lines());
        }
        what
    }
}

fn answer(status: u16, headers: &str, body: &str) -> String {
    let length = if status == 204 { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!("HTTP/1.1 {status} So\r\n{headers}{length}\r\n{body}")
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
    let mut body = bytes.split_off(end);
    let mut rest = vec![0; length.unwrap_or(0) - body.len()];
    stream.read_exact(&mut rest).await.ok()?;
    body.extend(rest);
    Some(Request { text: unpacked(&head, &body), head })
}

fn unpacked(head: &str, body: &[u8]) -> String {
    let mut text = String::new();
    if head.contains("content-encoding: gzip") {
        flate2::read::GzDecoder::new(body).read_to_string(&mut text).unwrap();
    } else {
        text.push_str(std::str::from_utf8(body).unwrap());
    }
    text
}
