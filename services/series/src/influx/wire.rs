//! The way to a store: one POST a body.
//!
//! A bucket is written through the `influxdb2` crate (`/api/v2/write`: InfluxDB 2 and 3, InfluxDB 1.8, VictoriaMetrics). A database is
//! written at `/write?db=`, which that crate does not know, through the same `reqwest` that it is built on. The crate's own
//! compression is the slowest that there is, so bodies are compressed here and its client says so in a default header.
//!
//! Of an answer the crate gives status and text and drops the headers: `Retry-After` is honoured for databases only, and
//! only there is the answer read no further than [`MAX_ANSWER_BYTES`]; for buckets the time-out bounds it.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use influxdb2::RequestError;
use influxdb2::api::write::TimestampPrecision;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, HeaderMap, HeaderValue, RETRY_AFTER};

use super::target::{Place, Target};
use super::verdict::Answer;

/// The most of an answer that is read.
const MAX_ANSWER_BYTES: usize = 64 << 10;
/// Zlib's fastest level; see `BENCHMARKS.md` for what the others cost.
const LEVEL: u32 = 1;

/// A way to a store.
pub(super) enum Wire {
    Bucket { client: influxdb2::Client, org: String, bucket: String },
    Database { client: reqwest::Client, url: Url },
}

impl Wire {
    /// Opens no connection yet.
    pub(super) fn new(target: &Target) -> Result<Self, String> {
        let mut headers = HeaderMap::new();
        if target.gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let token = target.token.as_ref().map_or("", |token| token.reveal());
        match &target.place {
            Place::Bucket { org, bucket } => {
                let client = influxdb2::ClientBuilder::with_builder(
                    builder(target, headers),
                    target.url.as_str(),
                    org,
                    token,
                );
                let client = client.build().map_err(|error| error.to_string())?;
                Ok(Self::Bucket { client, org: org.clone(), bucket: bucket.clone() })
            }
            Place::Database { database } => {
                if !token.is_empty() {
                    let mut value = HeaderValue::try_from(format!("Token {token}"))
                        .map_err(|_| "its token cannot stand in a header".to_owned())?;
                    value.set_sensitive(true);
                    headers.insert(AUTHORIZATION, value);
                }
                let client = builder(target, headers).build().map_err(|error| error.to_string())?;
                Ok(Self::Database { client, url: write_url(&target.url, database) })
            }
        }
    }

    /// Sends a body and gives the answer.
    pub(super) async fn send(&self, body: bytes::Bytes) -> Result<Answer, Unanswered> {
        match self {
            Self::Bucket { client, org, bucket } => {
                let precision = TimestampPrecision::Nanoseconds;
                match client.write_line_protocol_with_precision(org, bucket, body, precision).await {
                    Ok(()) => Ok(Answer { status: 204, ..Answer::default() }),
                    Err(RequestError::Http { status, text }) => {
                        Ok(Answer { status: status.as_u16(), text, retry_after: None })
                    }
                    Err(RequestError::ReqwestProcessing { source }) => Err(Unanswered::of(source)),
                    Err(error) => Err(Unanswered { why: error.to_string(), gone: false }),
                }
            }
            Self::Database { client, url } => {
                let response = client.post(url.clone()).body(body).send().await;
                answer(response.map_err(Unanswered::of)?).await
            }
        }
    }
}

/// Why there was no answer.
#[derive(Debug)]
pub(super) struct Unanswered {
    pub(super) why: String,
    /// The connection was cut or refused: the store may have died. One that is only slow has not.
    pub(super) gone: bool,
}

impl Unanswered {
    fn of(error: reqwest::Error) -> Self {
        let error = error.without_url();
        Self { gone: error.is_connect() || !error.is_timeout(), why: told(&error) }
    }
}

/// No redirects, which would make a GET of a write, and no proxy of the environment: what is configured is spoken to.
fn builder(target: &Target, headers: HeaderMap) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .http1_only()
        .default_headers(headers)
        .connect_timeout(target.patience.connect)
        .timeout(target.patience.answer)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
}

fn write_url(base: &Url, database: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/write", base.path().trim_end_matches('/')));
    url.query_pairs_mut().append_pair("db", database).append_pair("precision", "ns");
    url
}

async fn answer(mut response: reqwest::Response) -> Result<Answer, Unanswered> {
    let status = response.status().as_u16();
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let mut text = Vec::new();
    while text.len() < MAX_ANSWER_BYTES {
        match response.chunk().await.map_err(Unanswered::of)? {
            Some(chunk) => text.extend_from_slice(&chunk[..chunk.len().min(MAX_ANSWER_BYTES - text.len())]),
            None => break,
        }
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    Ok(Answer { status, text, retry_after: seconds.map(Duration::from_secs) })
}

/// An error with its causes, each said once.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let why = error.to_string();
        if !text.contains(&why) {
            text = format!("{text}: {why}");
        }
        cause = error.source();
    }
    text
}

/// A body as it goes out.
pub(super) fn packed(text: &str, gzip: bool) -> bytes::Bytes {
    if !gzip {
        return bytes::Bytes::copy_from_slice(text.as_bytes());
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 6), Compression::new(LEVEL));
    encoder.write_all(text.as_bytes()).expect("memory takes what is written");
    encoder.finish().expect("memory takes what is written").into()
}
