//! One try: a connection, a request, the beginning of an answer.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::message::Message;
use crate::verdict::Verdict;
use crate::{Target, sign};

/// The most bytes that are read of an answer's body, and only when it is not well.
pub const MAX_READ_BYTES: usize = 4096;
/// How long the beginning of a body may take to come once the status is there.
const BODY_TIME: Duration = Duration::from_secs(2);
/// The most bytes of an answer's head.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// Where a receiver is: `http://HOST[:PORT][/PATH][?QUERY]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url(Uri);

impl Url {
    /// Reads an address.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<Self, &'static str> {
        let uri: Uri = text.parse().map_err(|_| "is no address")?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err("asks for TLS, which there is not: lay a proxy of your own between"),
            _ => return Err("does not begin with http://"),
        }
        let authority = uri.authority().ok_or("names no host")?;
        if authority.as_str().contains('@') {
            return Err("has a user in it; receivers know us by the signature");
        }
        if authority.host().is_empty() { Err("names no host") } else { Ok(Self(uri)) }
    }

    /// The address as it was read.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.to_string()
    }

    fn host(&self) -> &str {
        // An address of IPv6 stands in brackets, which no resolver takes.
        self.0.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
    }
}

/// Sends a message once.
pub(crate) async fn once(target: &Target, message: &Message) -> Verdict {
    match tokio::time::timeout(target.patience.answer, attempt(target, message)).await {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(why)) => Verdict::silence(why),
        Err(_) => Verdict::silence(format!("no answer within {:?}", target.patience.answer)),
    }
}

async fn attempt(target: &Target, message: &Message) -> Result<Verdict, String> {
    let url = &target.url;
    let stream = TcpStream::connect((url.host(), url.0.port_u16().unwrap_or(80))).await;
    let stream = stream.map_err(|error| format!("no connection: {error}"))?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(told)?;
    let request = request(target, message)?;
    let answer = async {
        let answer = sender.send_request(request).await.map_err(told)?;
        Ok(judged(answer).await)
    };
    tokio::pin!(connection);
    tokio::pin!(answer);
    // The connection is driven here and ends with this try.
    tokio::select! {
        biased;
        verdict = &mut answer => verdict,
        ended = &mut connection => match ended {
            Err(error) => Err(told(error)),
            Ok(()) => answer.await,
        },
    }
}

fn request(target: &Target, Message { id, body }: &Message) -> Result<Request<Full<Bytes>>, String> {
    let uri = &target.url.0;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let timestamp = jiff::Timestamp::now().as_second();
    Request::post(path)
        .header(HOST, host)
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, "yiwang")
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", sign::signatures(&target.secrets, id, timestamp, body))
        .body(Full::new(body.clone()))
        .map_err(|error| error.to_string())
}

async fn judged(answer: Response<Incoming>) -> Verdict {
    let status = answer.status();
    let asked = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let said = match status.is_success() {
        true => Bytes::new(),
        false => beginning(answer.into_body()).await,
    };
    Verdict::of(status.as_u16(), asked.as_deref(), &said)
}

/// The beginning of a body, as far as it comes in one piece and soon: what counts is the status.
async fn beginning(body: Incoming) -> Bytes {
    let mut body = Limited::new(body, MAX_READ_BYTES);
    match tokio::time::timeout(BODY_TIME, body.frame()).await {
        Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        _ => Bytes::new(),
    }
}

fn told(error: hyper::Error) -> String {
    match std::error::Error::source(&error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_addresses_are_taken() {
        for text in ["http://127.0.0.1:9000/hook?a=b", "http://[::1]:9000", "http://desk.example"] {
            assert!(Url::read(text).is_ok(), "{text}");
        }
        assert_eq!(Url::read("http://[::1]:9000").map(|url| url.host().to_owned()).as_deref(), Ok("::1"));
        for (text, why) in [
            ("https://desk.example", "TLS"),
            ("desk.example", "http://"),
            ("/hook", "http://"),
            ("http://", "no address"),
            ("http://a b", "no address"),
            ("http://me:secret@desk.example", "user"),
            ("ftp://desk.example", "http://"),
            ("", "no address"),
        ] {
            let error = Url::read(text).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
