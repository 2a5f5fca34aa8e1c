//! An explanation as people read it in a terminal.

use std::fmt::Write as _;

use yiwang_stream::explain::{Explanation, Reading, Said};

use super::Told;
use super::compare::Compared;

/// The most readings that are shown, the last.
const SHOWN: usize = 24;
/// How wide a bar of the chart is, in characters.
const WIDE: f64 = 40.0;

/// All that is told, in lines.
pub fn text(told: &Told) -> String {
    let mut out = String::new();
    // writing into a text cannot fail
    let _ = write(told, &mut out);
    out
}

fn write(told: &Told, out: &mut String) -> std::fmt::Result {
    let Told { explanation: why, order, compared } = told;
    writeln!(out, "{} of {}, kind {}", why.detector, why.series, why.kind)?;
    if let Some(order) = order {
        let end = order.end.map_or_else(|| "goes on".to_owned(), |end| format!("ended {end}"));
        writeln!(out, "order       {}, {}; began {}, {end}", order.no, order.state, order.begin)?;
        writeln!(out, "            extreme {} {} so far", order.extreme, order.unit)?;
    }
    rule(why, out)?;
    writeln!(
        out,
        "from        the state at {}, {} bytes, and {} readings",
        why.mark,
        why.state_bytes,
        why.readings.len()
    )?;
    chart(why, out)?;
    writeln!(out, "said")?;
    why.said.iter().try_for_each(|said| writeln!(out, "  {}", step(said)))?;
    witnesses(why, out)?;
    writeln!(out, "catalogue   revision {}", why.catalogue_revision)?;
    writeln!(out, "capsule     SHA-256 {}", why.hash)?;
    match &why.differs {
        None => writeln!(out, "holds       the detector says the same again, from the capsule alone")?,
        Some(differs) => writeln!(out, "DOES NOT HOLD: {differs}")?,
    }
    compare(compared, out)
}

/// Parameters and limits.
fn rule(why: &Explanation, out: &mut String) -> std::fmt::Result {
    let params: Vec<String> = why.params.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    writeln!(
        out,
        "rule        {}",
        if params.is_empty() { "as its kind has it".into() } else { params.join(", ") }
    )?;
    for limit in &why.limits {
        let to = limit.valid_to.map_or_else(String::new, |to| format!(" to {to}"));
        writeln!(out, "limit       {} by {}, from {}{to}", limit.value, limit.edition, limit.valid_from)?;
    }
    Ok(())
}

/// The last readings, each with a bar from the least to the greatest.
fn chart(why: &Explanation, out: &mut String) -> std::fmt::Result {
    let last = &why.readings[why.readings.len().saturating_sub(SHOWN)..];
    let values = || last.iter().map(|reading| reading.value).filter(|value| value.is_finite());
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    for Reading { time, value, quality } in last {
        let share = if high > low { (value - low) / (high - low) } else { 0.0 };
        // from 0 to WIDE; what is no number has no bar
        let bar = "█".repeat((share * WIDE).round() as usize);
        let doubt = if quality.is_judged() { "" } else { "  not judged" };
        writeln!(out, "  {time}  {value:>12} {bar}{doubt}")?;
    }
    Ok(())
}

fn step(said: &Said) -> String {
    let limit = said.limit.map_or_else(String::new, |limit| format!(", limit {limit}"));
    let end = said.end.map_or_else(String::new, |end| format!(", ended {end}"));
    let Said { at, phase, begin, extreme, edition, severity, .. } = said;
    format!("{at}  {}: began {begin}{end}, extreme {extreme}{limit}, {severity}; {edition}", phase.word())
}

fn witnesses(why: &Explanation, out: &mut String) -> std::fmt::Result {
    if why.witnesses.is_empty() {
        return Ok(());
    }
    writeln!(out, "witnesses   as shares of what each takes for an alarm, the loudest first")?;
    let mut witnesses = why.witnesses.iter();
    witnesses.try_for_each(|witness| {
        let a_day =
            witness.a_day.map(|times| format!("  so far out {times:.3} times a day")).unwrap_or_default();
        writeln!(out, "  {:<10} {:.3}{a_day}", witness.name, witness.share)
    })
}

fn compare(compared: &Compared, out: &mut String) -> std::fmt::Result {
    match compared {
        Compared::Held(why) => writeln!(out, "log, store  not asked: {why}"),
        Compared::With { log, store, derived } => {
            writeln!(out, "log         {log}")?;
            writeln!(out, "store       {store}")?;
            let derived = match derived {
                Some(true) => "has the same capsule",
                Some(false) => "HAS ANOTHER CAPSULE",
                None => "no longer has it",
            };
            writeln!(out, "derived     {derived}")
        }
    }
}
