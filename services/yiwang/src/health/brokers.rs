//! Brokers elsewhere: items and samples. One that is gone stops nobody.

use std::sync::Arc;

use yiwang_ingest::broker::{Progress, State};
use yiwang_ingest::sparkplug::Counts;
use yiwang_web::{Readiness, Sample};

/// A broker elsewhere, as health sees it.
#[derive(Clone, Debug)]
pub struct WatchedBroker {
    /// What it is called.
    pub name: String,
    /// How it goes.
    pub progress: Arc<Progress>,
    /// What the host of Sparkplug B counts that we are there, if we are one.
    pub sparkplug: Option<Arc<Counts>>,
}

/// How it is.
pub(super) fn item(broker: &WatchedBroker) -> Readiness {
    let wrong = broker.progress.wrong();
    let ok = wrong.is_none();
    let taken = || format!("connected, {} messages taken", broker.progress.messages.get());
    let mut detail = wrong.unwrap_or_else(taken);
    if let Some(counts) = &broker.sparkplug {
        let tally = counts.tally();
        detail += &format!(
            "; Sparkplug B: {} nodes online, {} stale, {} to be born again",
            tally.nodes_online, tally.nodes_stale, tally.nodes_awaited
        );
    }
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
    if let Some(counts) = &broker.sparkplug {
        sparkplug_samples(counts, &broker.name, samples);
    }
    samples.extend(
        counters.map(|(what, help, count)| Sample::counter(what, help, count as f64).with("broker", name())),
    );
    samples.extend(
        gauges.map(|(what, help, count)| Sample::gauge(what, help, count as f64).with("broker", name())),
    );
}

// counts far below 2^53
fn sparkplug_samples(counts: &Counts, broker: &str, samples: &mut Vec<Sample>) {
    let counters = [
        ("yiwang_sparkplug_births_total", "Births of nodes and devices of Sparkplug B.", counts.births.get()),
        ("yiwang_sparkplug_deaths_total", "Deaths of nodes and devices.", counts.deaths.get()),
        (
            "yiwang_sparkplug_deaths_ignored_total",
            "Deaths of nodes with another bdSeq than their last birth.",
            counts.deaths_ignored.get(),
        ),
        (
            "yiwang_sparkplug_gaps_total",
            "Messages whose number was not the next of their node.",
            counts.gaps.get(),
        ),
        (
            "yiwang_sparkplug_rebirths_asked_total",
            "Requests for a rebirth to nodes.",
            counts.rebirths_asked.get(),
        ),
        (
            "yiwang_sparkplug_unresolved_total",
            "Values refused because no birth says what they are.",
            counts.unresolved.get(),
        ),
        (
            "yiwang_sparkplug_unmapped_total",
            "Values of metrics that are not in the catalogue.",
            counts.unmapped.get(),
        ),
        ("yiwang_sparkplug_nulls_total", "Metrics that said that they have no value.", counts.nulls.get()),
    ];
    samples.extend(
        counters.map(|(what, help, count)| Sample::counter(what, help, count as f64).with("broker", broker)),
    );
    let tally = counts.tally();
    let (nodes, devices) = ("yiwang_sparkplug_nodes", "yiwang_sparkplug_devices");
    let states = [
        (nodes, "Edge nodes.", "online", tally.nodes_online),
        (nodes, "Edge nodes.", "stale", tally.nodes_stale),
        (nodes, "Edge nodes.", "awaited", tally.nodes_awaited),
        (devices, "Devices behind edge nodes.", "online", tally.devices_online),
        (devices, "Devices behind edge nodes.", "stale", tally.devices_stale),
    ];
    samples.extend(states.map(|(what, help, state, count)| {
        Sample::gauge(what, help, count as f64).with("broker", broker).with("state", state)
    }));
}
