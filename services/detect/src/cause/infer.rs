//! Which causes explain a set of alarms; the model stands with the rule.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use yiwang_model::{Span, Timestamp};

use crate::topology::{Cause, Scope, Topology};

mod outage;
mod place;
mod plume;
mod value;

pub(super) use outage::{behind, outages};
pub(super) use value::{reaches, values};

/// One alarm as evidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sight {
    /// The station.
    pub(super) site: usize,
    /// Of a silence when its series was last heard, else when its values began to be strange.
    pub(super) onset: Timestamp,
    /// 1 where the values rose, −1 where they fell, 0 where nobody knows.
    pub(super) sign: i8,
    /// How far out they were, in the metric's unit.
    pub(super) size: f64,
}

/// Alarms that no cause explains yet, by the number of their series.
pub(super) type Sights = BTreeMap<usize, Sight>;

/// A cause that was found.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pick {
    pub(super) cause: Cause,
    /// The metrics that it moves, and which way; empty for outages.
    pub(super) moves: Vec<(Arc<str>, i8)>,
    /// The sites that it can touch, of values.
    pub(super) sites: Vec<usize>,
    /// When it began, as near as the alarms say.
    pub(super) begin: Timestamp,
    /// The series that it explains.
    pub(super) taken: Vec<usize>,
    /// Series that another cause explains better, by how far their values went; sorted.
    pub(super) others: Vec<usize>,
}

/// What is known before an inference.
pub(super) struct Known<'a> {
    pub(super) topology: &'a Topology,
    /// Series whose alarms an open cause explains; they speak for nothing else.
    pub(super) explained: &'a BTreeSet<usize>,
    /// The causes that are open, with the metrics that they move and which way; of those that move values the ones that began near.
    pub(super) open: &'a BTreeMap<Cause, Vec<(Arc<str>, i8)>>,
    /// City time.
    pub(super) now: Timestamp,
    /// Begins are not known better than this: what fits a narrower cause as well is its.
    pub(super) grain: Span,
}

/// Gives each alarm that several causes could explain to the one whose begin fits best. `could` says which picks may explain an alarm, `begin` finds from
/// its own alarms when a cause began, `far` how badly an alarm fits that.
fn settle<B>(
    sights: &Sights,
    picks: &mut Vec<Pick>,
    could: impl Fn(&[Pick], usize, &Sight) -> Vec<usize>,
    begin: impl Fn(&[Sight]) -> (Timestamp, B),
    far: impl Fn(Timestamp, &B) -> i64,
) {
    let mut own: Vec<Vec<Sight>> = vec![Vec::new(); picks.len()];
    let mut shared: Vec<(usize, Vec<usize>)> = Vec::new();
    for (series, sight) in sights {
        let fits = could(picks, *series, sight);
        match fits[..] {
            [only] => own[only].push(*sight),
            [] => {}
            _ => shared.push((*series, fits)),
        }
    }
    let mut begins = Vec::new();
    for (pick, mut own) in picks.iter_mut().zip(own) {
        if own.is_empty() {
            own.extend(pick.taken.iter().filter_map(|series| sights.get(series)));
        }
        own.sort_by_key(|sight| sight.onset);
        let (at, fit) = begin(&own);
        pick.begin = at;
        begins.push(fit);
    }
    let is_shared: BTreeSet<usize> = shared.iter().map(|(series, _)| *series).collect();
    picks.iter_mut().for_each(|pick| pick.taken.retain(|taken| !is_shared.contains(taken)));
    for (series, fits) in shared {
        let onset = sights[&series].onset;
        let best = fits.into_iter().min_by_key(|pick| (far(onset, &begins[*pick]), &picks[*pick].cause));
        best.into_iter().for_each(|pick| picks[pick].taken.push(series));
    }
    picks.iter_mut().for_each(|pick| pick.taken.sort_unstable());
    picks.retain(|pick| !pick.taken.is_empty());
}

/// Of equally good ones the narrower cause, then the first by name.
fn better<'a>(a: &(f64, &'a Cause), b: &(f64, &'a Cause)) -> bool {
    a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)).is_gt()
}

/// The logarithm of what a scope is worth before anything is seen: wider things fail more rarely.
fn prior(scope: Scope) -> f64 {
    match scope {
        Scope::Station => -3.0,
        Scope::Gateway | Scope::Power | Scope::Place => -4.0,
        Scope::Broker | Scope::Plume => -5.0,
        Scope::Region | Scope::Maker => -6.0,
    }
}
