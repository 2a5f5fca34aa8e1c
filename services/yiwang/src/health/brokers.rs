//! Brokers elsewhere: items and samples. One that is gone stops nobody.

use std::sync::Arc;

use yiwang_ingest::broker::{Progress, State};
use yiwang_web::{Readiness, Sample};

/// A broker elsewhere, as health sees it.
#[derive(Clone, Debug)]
pub struct WatchedBroker {
    /// What it is called.
    pub name: String,
    /// How it goes.
    pub progress: Arc<Progress>,
}

/// How it is.
pub(super) fn item(broker: &WatchedBroker) -> Readiness {
    let wrong = broker.progress.wrong();
    let ok = wrong.is_none();
    let taken = || format!("connected, {} messages taken", broker.progress.messages.get());
    let detail = wrong.unwrap_or_else(taken);
    Readiness { name: format!("broker {}", broker.name), ok, needed: false, detail }
}

/// What is counted of it.
// counts far below 2^53
pub(super) fn samples(broker: &WatchedBroker, samples: &mut Vec<Sample>) {
    let progress = &broker.progress;
    let connections = progress.connections.get();
    let refused_filters = match progress.state() {
        State::Connected(refused) => refused.len() as u64,
        _ => 0,
    };
    let counters = [
        (
            "yiwang_broker_messages_total",
            "Messages taken from a broker, good and refused.",
            progress.messages.get(),
        ),
        ("yiwang_broker_bytes_total", "Bytes of their payload.", progress.bytes.get()),
        ("yiwang_broker_redelivered_total", "Messages that it delivered again.", progress.redelivered.get()),
        ("yiwang_broker_connections_total", "Connections that it took.", connections),
        ("yiwang_broker_reconnects_total", "Those after the first.", connections.saturating_sub(1)),
        (
            "yiwang_broker_acks_thrown_away_total",
            "Acknowledgements thrown away because their connection was gone.",
            progress.thrown_away.get(),
        ),
        (
            "yiwang_broker_sessions_lost_total",
            "Connections on which it no longer had our session.",
            progress.sessions_lost.get(),
        ),
    ];
    let gauges = [
        ("yiwang_broker_connected", "Whether it is connected.", u64::from(progress.is_connected())),
        ("yiwang_broker_filters_refused", "Filters that it did not grant.", refused_filters),
    ];
    let name = || broker.name.clone();
    samples.extend(
        counters.map(|(what, help, count)| Sample::counter(what, help, count as f64).with("broker", name())),
    );
    samples.extend(
        gauges.map(|(what, help, count)| Sample::gauge(what, help, count as f64).with("broker", name())),
    );
}
