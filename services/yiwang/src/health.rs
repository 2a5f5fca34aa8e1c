//! How the rooms are: for probes and for Prometheus.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use yiwang_ingest::clock::CityClock;
use yiwang_ingest::counters::Counters;
use yiwang_ingest::names::Names;
use yiwang_ingest::quarantine::Quarantine;
use yiwang_ingest::seq::Seqs;
use yiwang_log::Log;
use yiwang_series::SeriesStore;
use yiwang_stream::Stream;
use yiwang_stream::finish::{CURSOR, Progress};
use yiwang_stream::waits;
use yiwang_web::{Health, Readiness, Sample};

use crate::city::{Rooms, Told, Watched};

mod brokers;

pub use brokers::WatchedBroker;

/// How many ticks the judgement may be behind before the city is not ready.
const MAX_LAG_TICKS: u64 = 50;

/// The item of the log.
const LOG: &str = "log";
/// What `/readyz` says while the doors take nothing in.
const NO_ROOM: &str = "no reading is acknowledged, senders wait: the log has no room, make some on its disk";
/// What it says while the city's clock stands.
const NO_TICK: &str =
    "the city's clock stands, nothing is judged: the log has no room, make some on its disk";

/// Whether something waits, as an item. Without the log no reading is taken in; whatever else waits stops no sender.
fn wait(name: &str, why: Option<String>) -> Readiness {
    let (ok, needed) = (why.is_none(), name == LOG);
    Readiness { name: name.into(), ok, needed, detail: why.unwrap_or_else(|| "goes on".into()) }
}

/// What is asked for health.
pub struct CityHealth {
    log: Arc<dyn Log>,
    series: Arc<dyn SeriesStore>,
    counters: Arc<Counters>,
    names: Arc<Names>,
    quarantine: Arc<Quarantine>,
    clock: Arc<CityClock>,
    progress: Arc<Progress>,
    elsewhere: Vec<Watched>,
    brokers: Vec<WatchedBroker>,
    seqs: Arc<Seqs>,
    webhooks: Vec<Told>,
    /// The number of the tick before the first of this process.
    ticks_before: u64,
    /// Whether there is no door for loggers, because nobody there would be asked who he is.
    closed_to_loggers: bool,
}

impl CityHealth {
    /// The health of these rooms.
    pub fn new(
        rooms: &Rooms,
        ingest: &yiwang_ingest::Ingest,
        stream: &Stream,
        (brokers, webhooks): (Vec<WatchedBroker>, Vec<Told>),
        closed_to_loggers: bool,
    ) -> Self {
        Self {
            log: Arc::clone(&rooms.log),
            series: Arc::clone(&rooms.series),
            counters: Arc::clone(&ingest.counters),
            names: Arc::clone(&ingest.names),
            quarantine: Arc::clone(&ingest.quarantine),
            clock: Arc::clone(&ingest.clock),
            progress: Arc::clone(&stream.progress),
            elsewhere: rooms.elsewhere.iter().map(|store| store.watched()).collect(),
            brokers,
            seqs: Arc::clone(&ingest.seqs),
            webhooks,
            ticks_before: ingest.ticks_before,
            closed_to_loggers,
        }
    }

    /// Epochs that were cut and are not finished.
    fn lag_ticks(&self) -> u64 {
        let cut = self.ticks_before + self.counters.ticks.get();
        cut.saturating_sub(self.progress.epoch.load(Ordering::Acquire).max(self.ticks_before))
    }

    /// Why the log does not take all that is to go into it.
    fn log_waits(&self) -> Option<String> {
        let counters = &self.counters;
        let doors = counters.is_full.load(Ordering::Relaxed).then(|| NO_ROOM.to_owned());
        let ticks = || counters.ticks_wait.load(Ordering::Relaxed).then(|| NO_TICK.to_owned());
        doors.or_else(ticks).or_else(|| self.progress.waits.why(waits::LOG))
    }

    /// How the MQTT listener is.
    fn mqtt(&self) -> Readiness {
        listener("mqtt", self.counters.mqtt_cannot_accept.load(Ordering::Relaxed), "open")
    }

    /// How the door for loggers is.
    fn hj212(&self) -> Readiness {
        let closed = "closed: there are credentials and no hj212_passwords";
        let well = if self.closed_to_loggers { closed } else { "open" };
        listener("hj212", self.counters.hj212.cannot_accept.load(Ordering::Relaxed), well)
    }

    /// What the door for loggers counts.
    fn hj212_samples(&self) -> Vec<Sample> {
        let counts = &self.counters.hj212;
        let counter = |name, help, value: u64| Sample::counter(name, help, value as f64);
        let mut samples = vec![
            counter("yiwang_hj212_connections_total", "HJ 212 connections opened.", counts.connections.get()),
            counter("yiwang_hj212_answers_total", "Answers written to loggers.", counts.answers.get()),
            counter(
                "yiwang_hj212_answers_waited_total",
                "How often a logger's socket did not take at once what was written.",
                counts.answers_waited.get(),
            ),
            counter(
                "yiwang_hj212_unasked_total",
                "Answers of loggers that belong to no open command, came twice, or cannot be read.",
                counts.unasked.get(),
            ),
            counter(
                "yiwang_hj212_values_beside_total",
                "Values of loggers that become no reading: extremes, sums, converted values.",
                counts.values_beside.get(),
            ),
            counter(
                "yiwang_hj212_resent_total",
                "Packets that loggers marked as sent again.",
                counts.resent.get(),
            ),
            counter(
                "yiwang_hj212_split_whole_total",
                "Split packets of which all parts came.",
                counts.whole.get(),
            ),
            counter("yiwang_hj212_split_torn_total", "Split packets with a part missing.", counts.torn.get()),
        ];
        let mut label = |name, help, label, all: &mut dyn Iterator<Item = (&'static str, u64)>| {
            for (word, count) in all.filter(|(_, count)| *count > 0) {
                samples.push(counter(name, help, count).with(label, word));
            }
        };
        label(
            "yiwang_hj212_closed_total",
            "HJ 212 connections that ended, by why.",
            "why",
            &mut counts.closings(),
        );
        label(
            "yiwang_hj212_packets_total",
            "Packets understood, by what they are.",
            "kind",
            &mut counts.packets(),
        );
        label(
            "yiwang_hj212_lenient_total",
            "Packets understood that were not as the standard has them, by how.",
            "habit",
            &mut counts.lenient(),
        );
        label("yiwang_hj212_faults_total", "Packets refused, by why.", "fault", &mut counts.faults());
        label(
            "yiwang_hj212_commands_total",
            "Commands to loggers, by how they ended.",
            "outcome",
            &mut counts.commands(),
        );
        samples
    }

    /// What waits for room, and why.
    fn put_off(&self) -> [(&'static str, Option<String>); 5] {
        let store = self.series.stats();
        [
            (LOG, self.log_waits()),
            ("orders", self.progress.waits.why(waits::ORDERS)),
            ("checkpoints", self.progress.waits.why(waits::CHECKPOINTS)),
            ("series", store.flush_put_off),
            ("merges", store.merge_put_off),
        ]
    }
}

impl Health for CityHealth {
    fn readiness(&self) -> Vec<Readiness> {
        let lag = self.lag_ticks();
        let clock = self.clock.now();
        let city = clock.map_or_else(|| "waits for the first reading".to_owned(), |city| city.to_string());
        let mut items = vec![
            Readiness { name: "clock".into(), ok: true, needed: true, detail: city },
            Readiness {
                name: "judgement".into(),
                ok: lag <= MAX_LAG_TICKS,
                needed: true,
                detail: format!("{lag} ticks behind; up to {MAX_LAG_TICKS} are well"),
            },
        ];
        items.extend([self.mqtt(), self.hj212()]);
        items.extend(self.put_off().map(|(name, why)| wait(name, why)));
        items.extend(self.elsewhere.iter().map(far));
        items.extend(self.brokers.iter().map(brokers::item));
        items.extend(self.webhooks.iter().map(told));
        items
    }

    // counts far below 2^53
    fn samples(&self) -> Vec<Sample> {
        let counters = &self.counters;
        let judged = self.progress.counted();
        let store = self.series.stats();
        let counter = |name, help, value: u64| Sample::counter(name, help, value as f64);
        let gauge = |name, help, value: u64| Sample::gauge(name, help, value as f64);
        let mut samples = vec![
            counter("yiwang_readings_admitted_total", "Readings made durable.", counters.admitted.get()),
            counter(
                "yiwang_readings_quarantined_total",
                "Readings made durable in quarantine, because their source is not in the catalogue; among the admitted.",
                counters.quarantined.get(),
            ),
            counter(
                "yiwang_readings_released_total",
                "Readings that left the quarantine, because their source was registered.",
                counters.released.get(),
            ),
            gauge("yiwang_quarantine_series", "Series in quarantine.", self.quarantine.count().0),
            gauge("yiwang_quarantine_readings", "Readings in quarantine.", self.quarantine.count().1),
            counter(
                "yiwang_rejected_not_kept_total",
                "Refused readings that topic rejected had no room for.",
                counters.rejected_not_kept.get(),
            ),
            counter(
                "yiwang_no_room_total",
                "Commits that found the disk full and were tried again.",
                counters.no_room.get(),
            ),
            counter("yiwang_grpc_streams_total", "gRPC streams opened.", counters.grpc_streams.get()),
            counter(
                "yiwang_mqtt_connections_total",
                "MQTT connections opened.",
                counters.mqtt_connections.get(),
            ),
            counter(
                "yiwang_mqtt_messages_total",
                "MQTT messages taken, good and refused.",
                counters.mqtt_messages.get(),
            ),
            counter(
                "yiwang_influx_requests_total",
                "Requests with line protocol, good and refused.",
                counters.influx_requests.get(),
            ),
            counter(
                "yiwang_gateway_seq_missing_total",
                "Messages that did not come, by the numbers of their gateways.",
                self.seqs.missing.get(),
            ),
            counter(
                "yiwang_gateway_seq_restarts_total",
                "How often a gateway began anew with a lower number.",
                self.seqs.restarts.get(),
            ),
            counter(
                "yiwang_gateway_seq_unwatched_total",
                "Numbered messages of gateways beyond those whose numbers are watched.",
                self.seqs.unwatched.get(),
            ),
            counter("yiwang_ticks_total", "Ticks appended.", counters.ticks.get()),
            gauge("yiwang_series", "Series known.", self.names.len() as u64),
            counter("yiwang_judged_total", "Readings taken into the judgement.", judged.judged),
            counter("yiwang_repeats_total", "Repeats, which changed nothing.", judged.repeats),
            counter(
                "yiwang_corrections_total",
                "Corrections: another value under the same key.",
                judged.corrections,
            ),
            counter(
                "yiwang_too_late_total",
                "Readings that came later than is allowed for their metric: stored, not judged.",
                judged.too_late,
            ),
            counter(
                "yiwang_marked_minutes_total",
                "Minutes of series that readings came too late for, named in topic derived and in the store's records late_minutes.",
                self.progress.marked.load(Ordering::Relaxed),
            ),
            counter(
                "yiwang_unknown_total",
                "Readings of series that the catalogue in force does not have.",
                judged.unknown,
            ),
            counter(
                "yiwang_unexplained_total",
                "Episodes of which nothing was kept that explains them, because it would be too large or does not hold.",
                judged.unexplained,
            ),
            counter(
                "yiwang_silenced_total",
                "Episodes that opened no order because a silence held when they began.",
                judged.silenced,
            ),
            gauge(
                "yiwang_silenced_episodes",
                "Episodes that go on and have no order because a silence holds.",
                self.progress.quiet().count as u64,
            ),
            counter(
                "yiwang_orders_opened_total",
                "Orders opened by anomalies.",
                self.progress.opened.load(Ordering::Relaxed),
            ),
            gauge(
                "yiwang_epoch",
                "The last epoch whose orders are durable.",
                self.progress.epoch.load(Ordering::Relaxed),
            ),
            gauge(
                "yiwang_checkpoint_epoch",
                "The last epoch in a checkpoint.",
                self.progress.saved.load(Ordering::Relaxed),
            ),
            gauge("yiwang_lag_ticks", "Epochs that were cut and are not finished.", self.lag_ticks()),
            gauge("yiwang_store_series", "Series in the series store.", store.series),
            gauge(
                "yiwang_store_buffered_rows",
                "Rows of the series store that no file holds yet.",
                store.buffered_rows,
            ),
            gauge("yiwang_store_files", "Files of the series store.", store.files),
            gauge("yiwang_store_file_bytes", "Bytes of the files of the series store.", store.file_bytes),
            counter(
                "yiwang_log_gap_total",
                "Records that a cursor missed because it lagged too far.",
                self.log.gap(CURSOR),
            ),
        ];
        for (what, why) in self.put_off() {
            let sample =
                gauge("yiwang_put_off", "Whether this waits, as for room on a disk.", why.is_some().into());
            samples.push(sample.with("what", what));
        }
        for (reason, count) in counters.refusals().filter(|(_, count)| *count > 0) {
            let sample = counter("yiwang_readings_refused_total", "Readings refused, by reason.", count);
            samples.push(sample.with("reason", reason));
        }
        for (why, count) in counters.mqtt_closings().filter(|(_, count)| *count > 0) {
            let sample = counter("yiwang_mqtt_closed_total", "MQTT connections that ended, by why.", count);
            samples.push(sample.with("why", why));
        }
        samples.extend(self.hj212_samples());
        for extent in self.log.extents() {
            let (topic, _) = yiwang_proto::topics::ALL[usize::from(extent.partition.topic.0)];
            let sample = gauge("yiwang_log_bytes", "Bytes of payload in the log.", extent.bytes);
            samples.push(sample.with("topic", topic).with("partition", extent.partition.index.to_string()));
        }
        self.elsewhere.iter().for_each(|store| far_samples(store, &mut samples));
        self.brokers.iter().for_each(|broker| brokers::samples(broker, &mut samples));
        self.webhooks.iter().for_each(|webhook| told_samples(webhook, &mut samples));
        samples
    }
}

/// A door over TCP as an item: the others go on without it.
fn listener(name: &str, fails: bool, well: &str) -> Readiness {
    let detail = if fails { "takes no connection: the system has no room for one" } else { well };
    Readiness { name: name.into(), ok: !fails, needed: false, detail: detail.into() }
}

/// A store elsewhere as an item: it stops nobody.
fn far(store: &Watched) -> Readiness {
    let (wrong, behind) = (store.progress.wrong(), store.lag_records());
    let ok = wrong.is_none();
    let detail = match wrong {
        None => format!("goes on, {behind} records behind"),
        Some(why) => format!("{behind} records behind: {why}"),
    };
    Readiness { name: format!("store {}", store.name), ok, needed: false, detail }
}

// counts far below 2^53
fn far_samples(store: &Watched, samples: &mut Vec<Sample>) {
    let counted = store.progress.counted();
    let counters = [
        ("yiwang_far_written_points_total", "Points that a store elsewhere has taken.", counted.written),
        (
            "yiwang_far_refused_points_total",
            "Points that it refused among others that it took.",
            counted.refused,
        ),
        (
            "yiwang_far_set_aside_points_total",
            "Points set aside with the body that it refused.",
            counted.set_aside,
        ),
        ("yiwang_far_unsaid_points_total", "Points that line protocol cannot say.", counted.unsaid),
        ("yiwang_far_retries_total", "Bodies sent to it again.", counted.retries),
        (
            "yiwang_far_gap_records_total",
            "Records of the log that it missed: it lagged too far.",
            store.gap(),
        ),
    ];
    let gauges = [
        (
            "yiwang_far_lag_records",
            "Records of the log that a store elsewhere has not got.",
            store.lag_records(),
        ),
        ("yiwang_far_lag_bytes", "About how many bytes of payload they have.", store.lag_bytes()),
        (
            "yiwang_far_down",
            "Whether its last answer was other than well.",
            store.progress.wrong().is_some().into(),
        ),
    ];
    let name = || store.name.clone();
    samples.extend(
        counters.map(|(what, help, count)| Sample::counter(what, help, count as f64).with("store", name())),
    );
    samples.extend(
        gauges.map(|(what, help, count)| Sample::gauge(what, help, count as f64).with("store", name())),
    );
}

/// A receiver of webhooks as an item: it stops nobody.
fn told(Told { name, progress }: &Told) -> Readiness {
    let (wrong, behind) = (progress.wrong(), progress.counted().behind);
    let ok = wrong.is_none();
    let detail = match wrong {
        None => "goes on".to_owned(),
        Some(why) => format!("{behind} events behind: {why}"),
    };
    Readiness { name: format!("webhook {name}"), ok, needed: false, detail }
}

// counts far below 2^53
fn told_samples(Told { name, progress }: &Told, samples: &mut Vec<Sample>) {
    let counted = progress.counted();
    let counters = [
        ("yiwang_webhook_delivered_total", "Events that a receiver has taken.", counted.delivered),
        ("yiwang_webhook_set_aside_total", "Events that it refused for good.", counted.set_aside),
        ("yiwang_webhook_retries_total", "Tries that went wrong.", counted.retries),
    ];
    let gauges = [
        ("yiwang_webhook_behind_events", "Events that it has not got, as of the last look.", counted.behind),
        ("yiwang_webhook_down", "Whether the last try went wrong.", progress.wrong().is_some().into()),
    ];
    let sample = |sample: Sample| sample.with("webhook", name.clone());
    samples.extend(counters.map(|(what, help, count)| sample(Sample::counter(what, help, count as f64))));
    samples.extend(gauges.map(|(what, help, count)| sample(Sample::gauge(what, help, count as f64))));
}
