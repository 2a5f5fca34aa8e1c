//! What the doors over plain TCP share: they take connections until they are told to stop, and no more than they may.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long to wait when the system has no room for a connection.
const NO_ROOM_PAUSE: Duration = Duration::from_millis(100);

/// A door over TCP.
pub(crate) trait Door: Send + Sync + 'static {
    /// Serves one connection to its end.
    fn serve_one(self: Arc<Self>, socket: TcpStream) -> impl Future<Output = ()> + Send + 'static;

    /// A connection more than there may be was closed.
    fn too_many(&self);

    /// Whether the last connection could not be taken: the system has no room for it, or the listener is broken.
    fn cannot_accept(&self, cannot: bool);
}

/// Serves at most so many connections at once, until `stop`; returns when the last is closed.
pub(crate) async fn accept<D: Door>(
    listener: TcpListener,
    door: Arc<D>,
    most: usize,
    stop: CancellationToken,
) {
    let room = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
    let connections = TaskTracker::new();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        door.cannot_accept(accepted.is_err());
        match (accepted, Arc::clone(&room).try_acquire_owned()) {
            (Ok((socket, _)), Ok(place)) => {
                let _ = socket.set_nodelay(true);
                let served = Arc::clone(&door).serve_one(socket);
                connections.spawn(async move {
                    served.await;
                    drop(place);
                });
            }
            (Ok(_), Err(_)) => door.too_many(),
            (Err(error), _) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(NO_ROOM_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[derive(Default)]
    struct Fails(AtomicBool);

    impl Door for Fails {
        async fn serve_one(self: Arc<Self>, _: TcpStream) {}

        fn too_many(&self) {}

        fn cannot_accept(&self, cannot: bool) {
            self.0.store(cannot, Ordering::Relaxed);
        }
    }

    /// What is left of a listener whose port is lost takes nothing, says so, and ends when it is told to.
    #[tokio::test]
    async fn a_listener_that_is_lost_is_told_and_ends_nobody() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let listener = listener.into_std().unwrap();
        let same = listener.try_clone().unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let (door, stop) = (Arc::new(Fails::default()), CancellationToken::new());
        let taking = tokio::spawn(accept(listener, Arc::clone(&door), 10, stop.clone()));
        drop(TcpStream::connect(at).await.unwrap());
        assert!(!door.0.load(Ordering::Relaxed));
        rustix::net::shutdown(&same, rustix::net::Shutdown::Both).unwrap();
        while !door.0.load(Ordering::Relaxed) {
            tokio::task::yield_now().await;
        }
        assert!(!taking.is_finished());
        stop.cancel();
        taking.await.unwrap();
    }
}
