//! How it went.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use hdrhistogram::Histogram;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use crate::acked::AckedFile;
use crate::door::{Acked, OnAck};

/// What a generator tells at its end, as one line of JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Readings handed over, each counted once however often it went over the wire.
    pub sent: u64,
    /// Readings that were acknowledged and not refused.
    pub acked: u64,
    /// Readings that were refused.
    pub refused: u64,
    /// Readings that were not answered in time.
    pub unacknowledged: u64,
    /// From the start to the last acknowledgement.
    pub seconds: f64,
    /// Acknowledged readings a second.
    pub readings_per_second: f64,
    /// User and system time of this process.
    pub cpu_seconds: f64,
    /// From when a batch was due to its acknowledgement, ms.
    pub ack_ms: Latency,
}

/// Quantiles, in ms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Latency {
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

/// Longer latencies count as this: an hour, in µs.
const MOST_MICROS: u64 = 3_600_000_000;

/// Counts what is sent and answered; all clones count together.
#[derive(Clone)]
pub(super) struct Tally {
    sent: Arc<AtomicU64>,
    answered: Arc<Mutex<Answered>>,
    file: Option<AckedFile>,
}

struct Answered {
    acked: u64,
    refused: u64,
    last: Option<Instant>,
    /// In µs.
    latency: Histogram<u64>,
}

impl Tally {
    pub(super) fn new(file: Option<AckedFile>) -> Self {
        let latency =
            Histogram::new_with_bounds(1, MOST_MICROS, 3).expect("these are bounds that histograms have");
        let answered = Answered { acked: 0, refused: 0, last: None, latency };
        Self { sent: Arc::default(), answered: Arc::new(Mutex::new(answered)), file }
    }

    pub(super) fn sent(&self, readings: usize) {
        self.sent.fetch_add(readings as u64, Ordering::Relaxed);
    }

    pub(super) fn on_ack(&self) -> OnAck {
        let tally = self.clone();
        Box::new(move |acked| tally.count(acked))
    }

    fn count(&self, acked: &Acked<'_>) {
        if let Some(file) = &self.file {
            file.write(acked);
        }
        let now = Instant::now();
        let refused = acked.refused.len() as u64 + acked.unnamed;
        let micros = u64::try_from(now.saturating_duration_since(acked.due).as_micros()).unwrap_or(u64::MAX);
        let mut answered = self.lock();
        if answered.refused == 0 && refused > 0 {
            let why = acked.refused.first().map_or("", |refused| &refused.why);
            tracing::warn!(refused, why, "readings refused");
        }
        answered.acked += (acked.batch.len() as u64).saturating_sub(refused);
        answered.refused += refused;
        answered.last = Some(now);
        answered.latency.saturating_record(micros);
    }

    pub(super) fn report(&self, start: Instant, unacknowledged: usize, cpu_seconds: f64) -> Report {
        let answered = self.lock();
        let seconds = answered.last.map_or(0.0, |last| (last - start).as_secs_f64());
        let ms = |quantile| answered.latency.value_at_quantile(quantile) as f64 / 1000.0;
        Report {
            sent: self.sent.load(Ordering::Relaxed),
            acked: answered.acked,
            refused: answered.refused,
            unacknowledged: unacknowledged as u64,
            seconds,
            readings_per_second: if seconds > 0.0 { answered.acked as f64 / seconds } else { 0.0 },
            cpu_seconds,
            ack_ms: Latency { p50: ms(0.5), p99: ms(0.99), p999: ms(0.999), max: ms(1.0) },
        }
    }

    fn lock(&self) -> MutexGuard<'_, Answered> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// User and system time of this process.
pub(super) fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::door::Batch;

    #[test]
    fn latencies_are_told_as_long_as_they_were() {
        let tally = Tally::new(None);
        let (batch, due) = (Batch::default(), Instant::now() - Duration::from_millis(250));
        tally.count(&Acked { batch: &batch, due, refused: &[], unnamed: 0, unsure: false });
        let told = tally.report(due, 0, 0.0).ack_ms;
        assert!(told.p50 >= 249.0 && told.max >= told.p50, "{told:?}");
    }
}
