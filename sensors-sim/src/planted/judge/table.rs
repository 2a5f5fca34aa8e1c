//! Outcomes as tables in markdown.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::{Outcome, Tally};

/// The row of a judge in a table of judges, whose header is [`OVERALL`].
#[must_use]
pub fn overall(name: &str, outcome: &Outcome) -> String {
    let (all, wrong) = (outcome.all(), outcome.wrong());
    format!(
        "| {name} | {} | {} | {} | {} | {} | {:.2} |\n",
        share(all.found, all.planted),
        share(all.found, all.found + wrong),
        share(all.named, all.found),
        delay(&all),
        all.repeats,
        1000.0 * wrong as f64 / outcome.series_days
    )
}

/// The header of a table of judges.
pub const OVERALL: &str = "| judge | recall | precision | kind named | median delay over the least | repeats | false per 1,000 series and day |\n\
                           |---|---|---|---|---|---|---|\n";

/// Kind by kind, and what was false.
#[must_use]
pub fn details(name: &str, outcome: &Outcome) -> String {
    let mut text = format!("{OVERALL}{}\n", overall(name, outcome));
    text.push_str("| fault | planted | found | recall | kind named | median delay over the least | repeats |\n|---|---|---|---|---|---|---|\n");
    for (kind, tally) in &outcome.faults {
        let Tally { planted, found, named, repeats, .. } = tally;
        let (recall, right) = (share(*found, *planted), share(*named, *found));
        writeln!(
            text,
            "| {} | {planted} | {found} | {recall} | {right} | {} | {repeats} |",
            kind.word(),
            delay(tally)
        )
        .expect("a text takes all");
    }
    text.push_str("\n| false in | series with it | false episodes |\n|---|---|---|\n");
    for (kind, (wrong, rows)) in &outcome.quiet {
        writeln!(text, "| {} | {rows} | {wrong} |", kind.word()).expect("a text takes all");
    }
    writeln!(text, "| nothing at all | | {} |\n", outcome.elsewhere).expect("a text takes all");
    text.push_str("| false by | episodes |\n|---|---|\n");
    for (detector, wrong) in &outcome.by_detector {
        writeln!(text, "| {detector} | {wrong} |").expect("a text takes all");
    }
    let (causes, uncounted) = (outcome.of_causes, outcome.uncounted);
    writeln!(text, "\nEpisodes of causes: {causes}; outside of what is judged: {uncounted}.")
        .expect("a text takes all");
    text
}

/// The header of a table of recall by kind over how many times the usual the faults are: of the rows of [`by_size`].
#[must_use]
pub fn sizes(outcome: &Outcome) -> String {
    let factors = factors(outcome);
    let mut text = "| judge | fault |".to_owned();
    factors
        .iter()
        .for_each(|factor| write!(text, " {} |", *factor as f64 / 100.0).expect("a text takes all"));
    writeln!(text, "\n|---|---|{}", "---|".repeat(factors.len())).expect("a text takes all");
    text
}

/// The sizes that there were, in hundredths of the usual.
fn factors(outcome: &Outcome) -> BTreeSet<i64> {
    outcome.all().by_factor.keys().copied().collect()
}

/// Recall of a judge by kind, over the sizes that [`sizes`] names.
#[must_use]
pub fn by_size(name: &str, outcome: &Outcome) -> String {
    let (all, factors, mut text) = (outcome.all(), factors(outcome), String::new());
    let rows = outcome.faults.iter().map(|(kind, tally)| (kind.word(), tally));
    for (word, tally) in rows.chain([("all", &all)]) {
        write!(text, "| {name} | {word} |").expect("a text takes all");
        for factor in &factors {
            let (planted, found) = tally.by_factor.get(factor).copied().unwrap_or_default();
            write!(text, " {} |", share(found, planted)).expect("a text takes all");
        }
        text.push('\n');
    }
    text
}

fn share(part: usize, whole: usize) -> String {
    if whole == 0 { "–".to_owned() } else { format!("{:.3}", part as f64 / whole as f64) }
}

fn delay(tally: &Tally) -> String {
    tally.median_delay().map_or_else(|| "–".to_owned(), |delay| delay.to_string())
}
