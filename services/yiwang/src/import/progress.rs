//! How far it is, told on the standard error: a bar on a terminal, else a line every few seconds.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::batches::Read;
use super::state::Tally;

/// How often a line is told where there is no terminal.
const TOLD_EVERY: Duration = Duration::from_secs(5);

/// Tells.
pub(super) struct Progress {
    bar: ProgressBar,
    read: Arc<Read>,
    is_terminal: bool,
    bytes: u64,
    began: Instant,
    told: Instant,
}

impl Progress {
    /// Of so many bytes.
    pub(super) fn new(bytes: u64, read: Arc<Read>) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let target = if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(bytes), target);
        if let Ok(style) =
            ProgressStyle::with_template("{bar:30} {percent:>3} % of {total_bytes}, {msg}, {eta} to go")
        {
            bar.set_style(style);
        }
        let now = Instant::now();
        Self { bar, read, is_terminal, bytes, began: now, told: now }
    }

    /// Tells how far it is.
    pub(super) fn show(&mut self, tally: &Tally) {
        let bytes = self.read.bytes.load(Ordering::Relaxed);
        let rows = self.read.rows.load(Ordering::Relaxed);
        // a rate for people
        let rate = rows as f64 / self.began.elapsed().as_secs_f64().max(0.001);
        let message = format!(
            "{rows} rows, {rate:.0}/s, {} acknowledged, {} refused",
            tally.acked,
            tally.refused_total()
        );
        if self.is_terminal {
            self.bar.set_position(bytes);
            self.bar.set_message(message);
        } else if self.told.elapsed() >= TOLD_EVERY {
            self.told = Instant::now();
            eprintln!("{bytes} of {} bytes, {message}", self.bytes);
        }
    }

    /// Since the beginning.
    pub(super) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
