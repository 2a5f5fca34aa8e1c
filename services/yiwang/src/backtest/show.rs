//! A backtest as people read it in a terminal.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::differ::{Changed, Group, Order, Report, Side};
use super::judge::Live;

/// All that is told, in lines.
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    // writing into a text cannot fail
    let _ = write(report, &mut out);
    out
}

fn write(report: &Report, out: &mut String) -> std::fmt::Result {
    if let Some(live) = &report.live {
        writeln!(out, "{}", said(live))?;
    }
    let Report { before, after, same, added, removed, changed, .. } = report;
    writeln!(
        out,
        "orders: {} as it was, {} under the new catalogue; {same} the same",
        before.orders, after.orders
    )?;
    group(out, "added", added, one)?;
    group(out, "removed", removed, one)?;
    group(out, "changed", changed, pair)?;
    hours(out, before, after)
}

fn said(live: &Live) -> String {
    let Live { same, episodes, differs, cut } = live;
    let cut = if *cut { "; the log was cut, what came before is not known" } else { "" };
    match differs {
        None => {
            format!("first run: identical to what the city derived, {same} steps of {episodes} episodes{cut}")
        }
        Some(why) => format!("first run: NOT what the city derived{cut}: {why}"),
    }
}

fn group<T>(out: &mut String, what: &str, group: &Group<T>, line: impl Fn(&T) -> String) -> std::fmt::Result {
    writeln!(out, "{what}: {}", group.count)?;
    group.examples.iter().try_for_each(|example| writeln!(out, "  {}", line(example)))?;
    let more = group.count - group.examples.len();
    if more > 0 { writeln!(out, "  and {more} more") } else { Ok(()) }
}

fn one(order: &Order) -> String {
    let Order { anomaly, detector, series, severity, department, .. } = order;
    format!("{anomaly} {detector} of {series}, {}, {severity}, for {department}", measure(order))
}

fn measure(order: &Order) -> String {
    let end = order.end.map_or_else(|| "on".to_owned(), |end| end.to_string());
    let limit = order.limit.map_or_else(String::new, |limit| format!(" against {limit}"));
    format!("{} to {end}, {}{limit}", order.begin, order.extreme)
}

fn pair(Changed { before, after }: &Changed) -> String {
    let words = |order: &Order| {
        format!("{}, {}, {}, for {}", measure(order), order.severity, order.priority.word(), order.department)
    };
    let Order { anomaly, detector, series, .. } = before;
    format!("{anomaly} {detector} of {series}\n    was {}\n    now {}", words(before), words(after))
}

fn hours(out: &mut String, before: &Side, after: &Side) -> std::fmt::Result {
    let departments: BTreeSet<&String> = before.work_hours.keys().chain(after.work_hours.keys()).collect();
    for department in departments {
        let of = |side: &Side| side.work_hours.get(department).copied().unwrap_or_default();
        let (was, is) = (of(before), of(after));
        writeln!(out, "hours of work for {department}: {was}, then {is} ({:+})", is - was)?;
    }
    let unsaid = before.without_hours.max(after.without_hours);
    if unsaid > 0 {
        writeln!(out, "{unsaid} orders are of categories whose work_hours the catalogue does not say")?;
    }
    Ok(())
}
