//! Episodes that silences keep from opening orders: what the judgement tells of them.

use std::sync::Arc;

use yiwang_model::Anomaly;

/// The episodes that go on and are kept quiet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quiet {
    /// How many there are.
    pub count: usize,
    /// Some of them, those that began last first; each names its silence.
    pub episodes: Vec<Anomaly>,
}

/// Tells them as of now.
pub type QuietNow = Arc<dyn Fn() -> Quiet + Send + Sync>;
