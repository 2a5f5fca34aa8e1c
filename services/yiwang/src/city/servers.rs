//! The doors, each on its listener.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::IntoResponse;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use yiwang_ingest::Ingest;
use yiwang_ingest::broker::{Broker, Consumer, Readings};
use yiwang_ingest::grpc::GrpcDoor;
use yiwang_ingest::hj212::Passwords;
use yiwang_ingest::sparkplug::Host;

use super::Listeners;
use crate::config::Config;
use crate::gate::Gate;
use crate::health::WatchedBroker;

/// How long a door that closes waits for those inside.
const CLOSING: Duration = Duration::from_secs(2);

/// The most requests by HTTP that are answered at a time, bodies that are still coming in included. Pages that stay open have
/// seats of their own.
const MAX_REQUESTS: usize = 512;

/// The brokers that are configured; nothing is connected yet.
pub fn brokers(config: &Config, ingest: &Arc<Ingest>) -> Vec<(WatchedBroker, Broker)> {
    let broker = |target: &crate::config::Broker| {
        let host = target.sparkplug_host.as_ref().map(Host::new);
        let sparkplug = host.as_ref().map(Host::counts);
        let consumer = host.map_or_else(|| Box::new(Readings) as Box<dyn Consumer>, |host| Box::new(host));
        let broker = Broker::new(target.clone(), Arc::clone(ingest), consumer);
        (WatchedBroker { name: target.name.clone(), progress: broker.progress(), sparkplug }, broker)
    };
    config.brokers.iter().map(broker).collect()
}

/// The open doors.
pub struct Doors {
    running: JoinSet<anyhow::Result<()>>,
    stop: CancellationToken,
    /// Requests by HTTP that are not answered by then are given up.
    cut: CancellationToken,
}

impl Doors {
    /// Opens all that have a listener.
    pub fn open(
        listeners: Listeners,
        ingest: &Arc<Ingest>,
        parts: yiwang_web::Parts,
        passwords: Arc<dyn Passwords>,
        gate: Arc<Gate>,
        stop: CancellationToken,
    ) -> Self {
        let Listeners { grpc, mqtt, http, hj212 } = listeners;
        let mut running = JoinSet::new();
        running.spawn(serve_grpc(grpc, Arc::clone(ingest), parts.clone(), gate.clone(), stop.clone()));
        let door = yiwang_ingest::mqtt::serve(
            mqtt,
            Arc::clone(ingest),
            gate,
            yiwang_ingest::mqtt::Options::default(),
            stop.clone(),
        );
        running.spawn(async move {
            door.await;
            Ok(())
        });
        let added = yiwang_web::Added {
            writes: ingest.router(),
            commands: ingest.commands(),
            described: yiwang_ingest::described::described(),
        };
        let router = yiwang_web::router(parts, added);
        let cut = CancellationToken::new();
        running.spawn(serve_http(http, bounded(router, MAX_REQUESTS, cut.clone()), stop.clone()));
        if let Some(hj212) = hj212 {
            let options = yiwang_ingest::hj212::Options::default();
            let ingest = Arc::clone(ingest);
            let door = yiwang_ingest::hj212::serve(hj212, ingest, passwords, options, stop.clone());
            running.spawn(async move {
                door.await;
                Ok(())
            });
        }
        Self { running, stop, cut }
    }

    /// Connects to brokers elsewhere, and comes back to those that are gone.
    pub fn connect(&mut self, brokers: Vec<Broker>) {
        for broker in brokers {
            let connected = broker.run(self.stop.clone());
            self.running.spawn(async move {
                connected.await;
                Ok(())
            });
        }
    }

    /// Resolves when a door has closed by itself, which it must not.
    pub async fn failed(&mut self) -> anyhow::Error {
        match self.running.join_next().await {
            Some(Ok(Err(error))) => error,
            Some(Err(panic)) => anyhow!("a door failed: {panic}"),
            _ => anyhow!("a door closed by itself"),
        }
    }

    /// Closes all; those inside get their answers, but not for ever.
    pub async fn close(mut self) {
        self.stop.cancel();
        let closed = async { while self.running.join_next().await.is_some() {} };
        if tokio::time::timeout(CLOSING, closed).await.is_err() {
            tracing::warn!("some peers did not leave; their requests are given up");
            self.cut.cancel();
        }
        self.running.shutdown().await;
    }
}

async fn serve_grpc(
    listener: tokio::net::TcpListener,
    ingest: Arc<Ingest>,
    parts: yiwang_web::Parts,
    gate: Arc<Gate>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("yiwang.v1.IngestService", tonic_health::ServingStatus::Serving).await;
    reporter.set_service_status("yiwang.v1.OrderService", tonic_health::ServingStatus::Serving).await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(yiwang_proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    tonic::transport::Server::builder()
        .initial_stream_window_size(4 << 20)
        .initial_connection_window_size(8 << 20)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .add_service(health)
        .add_service(reflection)
        .add_service(GrpcDoor::guarded(ingest, gate))
        .add_service(yiwang_web::order_service(parts))
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stop.cancelled_owned())
        .await?;
    Ok(())
}

/// No more than so many requests are answered at a time. They end when they are cut: each lives in a task of its own, and what it
/// holds would hold up the stages that follow.
fn bounded(router: axum::Router, most: usize, cut: CancellationToken) -> axum::Router {
    let seats = Arc::new(Semaphore::new(most));
    let refused = |why: &'static str| (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    router.layer(axum::middleware::from_fn(move |request: Request, next: Next| {
        let (seats, cut) = (Arc::clone(&seats), cut.clone());
        async move {
            let Ok(_seat) = seats.try_acquire() else {
                return refused("too many requests at once: send again in a moment");
            };
            let answered = cut.run_until_cancelled(next.run(request)).await;
            answered.unwrap_or_else(|| refused("the city stops"))
        }
    }))
}

async fn serve_http(
    listener: tokio::net::TcpListener,
    router: axum::Router,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn requests_are_bounded_and_end_when_they_are_cut() {
        let cut = CancellationToken::new();
        let slow = get(std::future::pending::<()>);
        let router = axum::Router::new().route("/", get(|| async {})).route("/slow", slow);
        let router = bounded(router, 2, cut.clone());
        let ask = |path: &'static str| {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let asked = router.clone().oneshot(request);
            async { asked.await.unwrap().status() }
        };
        assert_eq!(ask("/").await, StatusCode::OK);
        let slow = [tokio::spawn(ask("/slow")), tokio::spawn(ask("/slow"))];
        tokio::task::yield_now().await;
        assert_eq!(ask("/").await, StatusCode::SERVICE_UNAVAILABLE);
        cut.cancel();
        for slow in slow {
            assert_eq!(slow.await.unwrap(), StatusCode::SERVICE_UNAVAILABLE);
        }
    }
}
