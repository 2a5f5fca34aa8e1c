//! Asking a running city by its HTTP API, as commands do.

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use sensors_sim::door::Credential;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a city may take to be reached, and to answer beyond what it waits for itself.
pub const CITY_WITHIN: Duration = Duration::from_secs(10);

/// A city, and who asks it.
#[derive(Clone, Copy)]
pub struct City<'a> {
    /// host:port of its HTTP door.
    pub http: &'a str,
    /// Who asks, if it wants to know.
    pub credential: Option<&'a Credential>,
    /// The largest answer, in bytes.
    pub max_bytes: usize,
}

impl City<'_> {
    /// Asks, and waits so long for the answer.
    ///
    /// # Errors
    /// When no city answers there, or what answers speaks no JSON.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        within: Duration,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let no_city = || format!("no city answers at {}", self.http);
        let exchange = self.exchange(self.request(method, path, body)?);
        timeout(within, exchange).await.with_context(no_city)?.with_context(no_city)
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Request<Full<Bytes>>> {
        let mut request = Request::builder().method(method).uri(path).header("host", self.http);
        if let Some(credential) = self.credential {
            request = request.header("authorization", credential.basic());
        }
        let Some(body) = body else { return Ok(request.body(Full::default())?) };
        let request = request.header("content-type", "application/json");
        Ok(request.body(Full::new(body.to_string().into()))?)
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> anyhow::Result<(StatusCode, Value)> {
        let stream = timeout(CITY_WITHIN, TcpStream::connect(self.http)).await??;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let driving = tokio::spawn(connection);
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), self.max_bytes).collect().await;
        let body = body.map_err(|error| anyhow!("{error}"))?.to_bytes();
        driving.abort();
        match serde_json::from_slice(&body) {
            Ok(told) => Ok((status, told)),
            Err(_) => bail!("it says {status} and no JSON"),
        }
    }
}

/// Why the city did not do what it was asked for, in its own words.
pub fn reason(told: &Value) -> String {
    told["error"].as_str().unwrap_or("the city gave no reason").to_owned()
}
