//! What a step of an episode adds to what is known of it, and what that does to its order.
//!
//! | said | order that nobody has moved | order that people have moved |
//! |---|---|---|
//! | worsened, cleared, revised | noted | noted |
//! | withdrawn | closes | noted: its department decides |
//! | opened, when withdrawn before | closed becomes reopened | noted |
//! | opened otherwise; what is known already | nothing | nothing |
//!
//! A withdrawn episode comes back by being opened again, and by nothing else: what is said of it otherwise is noted, and it
//! stays withdrawn.

use yiwang_model::order::{Channel, StepKind};
use yiwang_model::{Anomaly, OrderState, Phase};

use super::Known;
use crate::note::{Revised, Withdrawn};

/// What changes, and the line for it.
#[derive(Debug)]
pub(super) struct News {
    pub(super) kind: StepKind,
    pub(super) note: String,
    /// The state of the order after it.
    pub(super) state: OrderState,
    /// The episode after it.
    pub(super) anomaly: Anomaly,
}

/// What is said of an episode that has an order; `into` names the one that it is part of. None when it is known.
pub(super) fn noted(known: &Known, said: &Anomaly, into: Option<String>, channel: Channel) -> Option<News> {
    let anomaly = standing(&known.anomaly, said);
    if same(&known.anomaly, &anomaly) {
        return None;
    }
    let (kind, note) = match said.phase {
        Phase::Raised => return None,
        Phase::Worsened if channel == Channel::Alert => (StepKind::Worsened, said.severity.to_string()),
        Phase::Worsened => (StepKind::Worsened, format!("{} {}", said.extreme, known.unit)),
        Phase::Cleared => (StepKind::Cleared, said.end.map(|end| end.to_string()).unwrap_or_default()),
        Phase::Revised => (StepKind::Revised, Revised::of(said, &known.unit).to_string()),
        Phase::Withdrawn => (StepKind::Withdrawn, Withdrawn { because: said.because, into }.to_string()),
    };
    let closes = said.phase == Phase::Withdrawn && !known.touched;
    let state = if closes { OrderState::Closed } else { known.state };
    Some(News { kind, note, state, anomaly })
}

/// An episode that has an order is opened. None unless it was withdrawn; or was over, as a cause is that is found again: what comes of another city's
/// alerts may come late.
pub(super) fn restored(known: &Known, said: &Anomaly, channel: Channel) -> Option<News> {
    let was_over = known.anomaly.phase == Phase::Cleared && channel != Channel::Alert;
    let comes_back = match said.phase {
        Phase::Withdrawn => false,
        Phase::Raised => was_over || known.anomaly.phase == Phase::Withdrawn,
        _ => known.anomaly.phase == Phase::Withdrawn,
    };
    if !comes_back {
        return None;
    }
    let closed_too_early = known.state == OrderState::Closed && (was_over || !known.touched);
    let state = if closed_too_early { OrderState::Reopened } else { known.state };
    let note = Revised::of(said, &known.unit).to_string();
    Some(News { kind: StepKind::Restored, note, state, anomaly: said.clone() })
}

/// The episode after what is said of it, which does not bring it back once it is withdrawn.
fn standing(known: &Anomaly, said: &Anomaly) -> Anomaly {
    let Anomaly { phase, because, into, .. } = *known;
    match (phase, said.phase) {
        (Phase::Withdrawn, Phase::Withdrawn) => said.clone(),
        (Phase::Withdrawn, _) => Anomaly { phase, because, into, ..said.clone() },
        _ => said.clone(),
    }
}

/// Whether two steps of one episode say the same; a number that is none equals itself here.
fn same(a: &Anomaly, b: &Anomaly) -> bool {
    let number = |a: f64, b: f64| a == b || a.is_nan() && b.is_nan();
    let maybe = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (Some(a), Some(b)) => number(a, b),
        (a, b) => a.is_none() && b.is_none(),
    };
    let because = match (a.because, b.because) {
        (Some(a), Some(b)) => a.time == b.time && number(a.value, b.value) && maybe(a.was, b.was),
        (a, b) => a.is_none() && b.is_none(),
    };
    because
        && maybe(a.limit, b.limit)
        && number(a.extreme, b.extreme)
        && (a.phase, a.begin, a.end, a.severity, a.into) == (b.phase, b.begin, b.end, b.severity, b.into)
        && a.edition == b.edition
}
