//! Holds orders against the causes of the truth: does each hold the alarms of one cause, and name it?
//!
//! The true cause of a member is the row of the plan in whose window it opened, by the rule of matching of the module above; a cause
//! comes before a fault. What opened in none has no cause, and is a cause of its own. An order is of the cause that most of its members
//! have, of equals the one that stands first in the plan.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;
use yiwang_model::Timestamp;

use super::{Kinds, by_series, newest};
use crate::planted::kind::Class;
use crate::planted::truth::Truth;

/// An order.
#[derive(Clone, Debug, Deserialize)]
pub struct Order {
    /// Its name.
    pub id: String,
    /// The kind of cause that it names, as in plans.
    #[serde(default)]
    pub cause: String,
    /// Whom or what it names as the cause, as plans do.
    #[serde(default)]
    pub target: String,
    /// The alarms that it holds.
    pub members: Vec<Member>,
}

/// An alarm of an order.
#[derive(Clone, Debug, Deserialize)]
pub struct Member {
    /// The station.
    pub source: String,
    /// The metric.
    pub metric: String,
    /// When it was first said.
    pub opened: Timestamp,
}

/// How orders fared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grouping {
    /// How many orders there are.
    pub orders: usize,
    /// Orders of no cause and no fault.
    pub stray: usize,
    /// Alarms in all of them.
    pub members: usize,
    /// Alarms that have the cause of their order.
    pub pure: usize,
    /// Causes of the plan.
    pub causes: usize,
    /// Causes that have an order.
    pub found: usize,
    /// Causes that have an order which says so.
    pub named: usize,
}

impl Order {
    /// Reads a file of them, a JSON object a line.
    ///
    /// # Errors
    /// What is no order, with its line.
    pub fn read(path: &Path) -> anyhow::Result<Vec<Self>> {
        let name = path.display().to_string();
        let file = BufReader::new(std::fs::File::open(path).with_context(|| name.clone())?);
        let each = |(at, line): (usize, std::io::Result<String>)| {
            serde_json::from_str(&line?).with_context(|| format!("{name}, line {}", at + 1))
        };
        file.lines().enumerate().map(each).collect()
    }
}

/// Judges orders. Of `kinds` only the metrics count; `tolerance` is in readings of each series.
#[must_use]
pub fn group(truth: &Truth, orders: &[Order], kinds: &Kinds, tolerance: u32) -> Grouping {
    let by_series = by_series(truth);
    let causes: BTreeMap<usize, (&str, &str)> = truth
        .rows
        .iter()
        .filter(|row| row.class == Class::Cause)
        .map(|row| (row.number, (row.kind.word(), row.target.as_str())))
        .collect();
    let mut grouping = Grouping { orders: orders.len(), causes: causes.len(), ..Grouping::default() };
    let (mut found, mut named) = (BTreeSet::new(), BTreeSet::new());
    for order in orders {
        let of_member = |member: &Member| {
            let metric = kinds.metric_of(&member.metric);
            let own = by_series.get(&(member.source.as_str(), metric.as_str()));
            let row = |class| newest(truth, own, class, member.opened, tolerance);
            row(Class::Cause).or_else(|| row(Class::Fault)).map(|at| truth.rows[at].number)
        };
        let (cause, pure) = majority(order.members.iter().map(of_member));
        grouping.members += order.members.len();
        grouping.pure += pure;
        grouping.stray += usize::from(cause.is_none());
        if let Some((number, said)) = cause.and_then(|number| Some((number, causes.get(&number)?))) {
            found.insert(number);
            if *said == (order.cause.as_str(), order.target.as_str()) {
                named.insert(number);
            }
        }
    }
    (grouping.found, grouping.named) = (found.len(), named.len());
    grouping
}

/// The cause that most have, and how many do; those without one have nothing in common.
fn majority(causes: impl Iterator<Item = Option<usize>>) -> (Option<usize>, usize) {
    let (mut counts, mut any) = (BTreeMap::<usize, usize>::new(), 0);
    for cause in causes {
        any = 1;
        if let Some(cause) = cause {
            *counts.entry(cause).or_default() += 1;
        }
    }
    let most = counts.into_iter().max_by_key(|(number, count)| (*count, std::cmp::Reverse(*number)));
    most.map_or((None, any), |(number, count)| (Some(number), count))
}

impl Grouping {
    /// As a table in markdown.
    #[must_use]
    pub fn table(&self) -> String {
        let Self { orders, stray, members, pure, causes, found, named } = self;
        let purity = if *members == 0 { 1.0 } else { *pure as f64 / *members as f64 };
        format!(
            "| alarms | orders | of no cause | causes | found | named | purity |\n|---|---|---|---|---|---|---|\n\
             | {members} | {orders} | {stray} | {causes} | {found} | {named} | {purity:.4} |\n"
        )
    }
}
