//! A receiver that answers as a test wants.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a receiver does with a request.
pub(super) enum Answer {
    /// Writes these bytes and closes.
    Bytes { bytes: Vec<u8>, taken: bool },
    /// Closes.
    Cut,
    /// Never says anything.
    Hang,
    /// This status, and a body without end.
    Endless(u16),
    /// This status, and a body that does not come.
    Stalled(u16),
}

impl Answer {
    pub(super) fn status(status: u16) -> Self {
        let bytes =
            format!("HTTP/1.1 {status} Said\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").into_bytes();
        Self::Bytes { bytes, taken: (200..300).contains(&status) }
    }

    pub(super) fn raw(text: &str) -> Self {
        Self::Bytes { bytes: text.as_bytes().to_vec(), taken: false }
    }

    pub(super) fn header(self, name: &str, value: &str) -> Self {
        self.with(|text| text.replacen("\r\n\r\n", &format!("\r\n{name}: {value}\r\n\r\n"), 1))
    }

    pub(super) fn body(self, body: &str) -> Self {
        self.with(|text| text.replace("content-length: 0", &format!("content-length: {}", body.len())) + body)
    }

    fn with(self, change: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Bytes { bytes, taken } => {
                let text = String::from_utf8(bytes).unwrap();
                Self::Bytes { bytes: change(text).into_bytes(), taken }
            }
            other => other,
        }
    }
}

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub(super) struct Got {
    pub(super) id: String,
    pub(super) timestamp: i64,
    pub(super) signature: String,
    pub(super) body: Bytes,
    /// Whether it was answered 2xx.
    pub(super) taken: bool,
}

type Script = Box<dyn FnMut(&Got) -> Answer + Send>;

#[derive(Clone)]
pub(super) struct Receiver {
    at: std::net::SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
    script: Arc<Mutex<Script>>,
}

impl Receiver {
    pub(super) async fn start(script: impl FnMut(&Got) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let receiver = Self { at, got: Arc::default(), script: Arc::new(Mutex::new(Box::new(script))) };
        let serving = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let receiver = serving.clone();
                tokio::spawn(async move { receiver.serve(stream).await });
            }
        });
        receiver
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hook?a=b", self.at)
    }

    pub(super) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// From now on it answers so.
    pub(super) fn answer(&self, script: impl FnMut(&Got) -> Answer + Send + 'static) {
        *self.script.lock().unwrap() = Box::new(script);
    }

    async fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut got = read(&mut stream).await?;
        let answer = (self.script.lock().unwrap())(&got);
        got.taken = matches!(answer, Answer::Bytes { taken: true, .. } | Answer::Endless(200));
        self.got.lock().unwrap().push(got);
        match answer {
            Answer::Bytes { bytes, .. } => stream.write_all(&bytes).await.ok()?,
            Answer::Cut => {}
            Answer::Hang => std::future::pending().await,
            Answer::Stalled(status) => {
                let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: 10\r\n\r\n");
                stream.write_all(head.as_bytes()).await.ok()?;
                std::future::pending().await
            }
            Answer::Endless(status) => {
                stream.write_all(format!("HTTP/1.1 {status} Said\r\n\r\n").as_bytes()).await.ok()?;
                while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
            }
        }
        stream.shutdown().await.ok()
    }
}

async fn read(stream: &mut TcpStream) -> Option<Got> {
    let mut bytes = Vec::new();
    let head = loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
    assert!(text.starts_with("POST /hook?a=b HTTP/1.1\r\n"), "{text}");
    let header = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).to_owned()
    };
    assert_eq!(header("content-type"), "application/json");
    let length: usize = header("content-length").parse().unwrap();
    while bytes.len() < head + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some(Got {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp").parse().unwrap(),
        signature: header("webhook-signature"),
        body: bytes.split_off(head).into(),
        taken: false,
    })
}
