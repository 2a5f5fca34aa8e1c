//! What was sent and what of it is acknowledged.
//!
//! The reader enters a [`Cut`] for each batch before it sends it; acknowledgements come in the order of the batches, and
//! each moves the mark of its file. A cut without readings moves it as soon as all before it are acknowledged.

use std::collections::VecDeque;
use std::path::PathBuf;

use sensors_sim::door::{Acked, Item};
use yiwang_files::Mark;
use yiwang_files::gather::Fault;
use yiwang_model::Timestamp;

use super::Options;
use super::plan::Plan;
use super::refused::{Refusal, Refusals};
use super::state::{State, Tally};
use crate::cli::Failed;

/// A piece of a file.
#[derive(Debug, Default)]
pub(super) struct Cut {
    /// The file's name in the state.
    pub(super) file: String,
    /// Its end.
    pub(super) mark: Mark,
    /// Whether that is the end of the file.
    pub(super) is_last: bool,
    pub(super) rows: u64,
    pub(super) missing: u64,
    /// What is no reading.
    pub(super) faults: Vec<Fault>,
    /// Line and column of each reading.
    pub(super) places: Vec<(u64, u16)>,
}

/// The books.
pub(super) struct Books {
    path: PathBuf,
    state: State,
    waiting: VecDeque<Cut>,
    refusals: Refusals,
    /// The columns of values, by slot.
    columns: Vec<String>,
    /// What went wrong with a file of ours; nothing is marked after it.
    failed: Option<anyhow::Error>,
}

impl Books {
    /// Opens the books, and writes the state, so that a place where it cannot be written is told before anything is sent.
    pub(super) fn open(options: &Options, plan: &Plan) -> Result<Self, Failed> {
        let (path, state) = (plan.state_file.clone(), plan.state.clone());
        state
            .save(&path)
            .map_err(|error| Failed::Usage(format!("{error:#}; give another place with --state")))?;
        let refusals = Refusals::open(options.refused.as_deref(), plan.is_resumed)?;
        Ok(Self { path, state, waiting: VecDeque::new(), refusals, columns: Vec::new(), failed: None })
    }

    /// Names the columns of values.
    pub(super) fn name_columns(&mut self, columns: Vec<String>) {
        self.columns = columns;
    }

    /// A piece was read and, if it has readings, is about to be sent.
    pub(super) fn enter(&mut self, cut: Cut) {
        self.waiting.push_back(cut);
        self.settle_empty();
    }

    /// The oldest batch was answered for.
    pub(super) fn answered(&mut self, acked: &Acked<'_>) {
        if let Some(cut) = self.waiting.pop_front() {
            self.settle(&cut, Some(acked));
        }
        self.settle_empty();
    }

    /// A file cannot be read further.
    pub(super) fn broken(&mut self, file: &str, line: u64, why: &str) {
        let refusal = Refusal { file, line, column: "", reason: UNREADABLE, text: "", message: why };
        self.refuse(&refusal, 1);
    }

    fn settle_empty(&mut self) {
        while self.waiting.front().is_some_and(|cut| cut.places.is_empty()) {
            let Some(cut) = self.waiting.pop_front() else { return };
            self.settle(&cut, None);
        }
    }

    fn settle(&mut self, cut: &Cut, acked: Option<&Acked<'_>>) {
        for fault in &cut.faults {
            let Fault { line, column, text, message, .. } = fault;
            let reason = &word(fault.reason.as_str_name());
            self.refuse(&Refusal { file: &cut.file, line: *line, column, reason, text, message }, 1);
        }
        let refused = acked.map_or(0, |acked| self.refused(cut, acked));
        if self.failed.is_some() {
            return;
        }
        let readings = cut.places.len() as u64;
        let known = self.state.files.entry(cut.file.clone()).or_default();
        known.mark = cut.mark;
        known.is_whole = cut.is_last;
        let Tally { rows, readings: sent, acked, missing, .. } = &mut known.tally;
        *rows += cut.rows;
        *missing += cut.missing;
        *sent += readings;
        *acked += readings.saturating_sub(refused);
    }

    /// Tells what the city refused of a batch; answers how many.
    fn refused(&mut self, cut: &Cut, acked: &Acked<'_>) -> u64 {
        for refused in acked.refused {
            let at = refused.index as usize;
            let (line, slot) = cut.places.get(at).copied().unwrap_or_default();
            let text = acked.batch.items().nth(at).map(shown).unwrap_or_default();
            let column = self.columns.get(usize::from(slot)).cloned().unwrap_or_default();
            let reason = &word(refused.reason.as_str_name());
            let message = &refused.why;
            self.refuse(&Refusal { file: &cut.file, line, column: &column, reason, text: &text, message }, 1);
        }
        if acked.unnamed > 0 {
            let line = cut.places.first().map_or(0, |(line, _)| *line);
            let message = format!(
                "{} more of lines {line} to {}, which the city did not name",
                acked.unnamed, cut.mark.lines
            );
            let refusal =
                Refusal { file: &cut.file, line, column: "", reason: UNNAMED, text: "", message: &message };
            self.refuse(&refusal, acked.unnamed);
        }
        acked.refused.len() as u64 + acked.unnamed
    }

    fn refuse(&mut self, refusal: &Refusal<'_>, count: u64) {
        let known = self.state.files.entry(refusal.file.to_owned()).or_default();
        known.tally.refuse(refusal.reason, count);
        if let Err(error) = self.refusals.add(refusal) {
            self.failed.get_or_insert(error);
        }
    }

    /// The state as it may be written: the refusals before its marks are in their file.
    pub(super) fn ready(&mut self) -> anyhow::Result<(PathBuf, State)> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.refusals.flush()?;
        Ok((self.path.clone(), self.state.clone()))
    }

    /// Pieces that were entered and are not answered for.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether everything that was entered is answered for.
    pub(super) fn is_settled(&self) -> bool {
        self.waiting.is_empty()
    }

    /// All that was counted, over all runs.
    pub(super) fn total(&self) -> Tally {
        self.state.total()
    }

    /// The first refusals of this run.
    pub(super) fn first_refusals(&self) -> &[String] {
        &self.refusals.first
    }
}

/// A file that ends in the middle, or whose gzip is broken.
const UNREADABLE: &str = "unreadable";
/// Refused, and the city did not say which.
const UNNAMED: &str = "unnamed";

/// A reason as it is told: `too_late`.
fn word(name: &str) -> String {
    name.trim_start_matches("REASON_").to_ascii_lowercase()
}

fn shown(item: Item<'_>) -> String {
    format!("{},{},{},{}", item.key.source, item.key.metric, Timestamp(item.time), item.value)
}
