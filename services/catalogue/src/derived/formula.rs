//! What the people of the city put together: an expression for every station that has what it names.

use std::sync::Arc;

use yiwang_model::{Series, Span};

use super::read::Reckoned;
use super::{Known, Rule, Source};
use crate::detector::DetectorEntry;
use crate::entry::Entry;
use crate::expression::{Expression, MAX_WINDOW_FRAMES};
use crate::station::{Station, StationKind};

pub(super) fn expression(entry: &Entry<'_>, metric: Option<&Arc<str>>, known: &Known<'_>) -> Vec<Reckoned> {
    let (text, kind) = (entry.want_text("expression"), entry.get::<StationKind>("kind"));
    let Some(text) = text else { return Vec::new() };
    let expression = match Expression::parse(&text) {
        Ok(expression) => Arc::new(expression),
        Err(why) => {
            entry.wrong(
                "expression",
                format!("an expression that {why}"),
                "one as docs/reckoned.md has them".into(),
            );
            return Vec::new();
        }
    };
    check(entry, &expression, metric, known);
    let fits = |station: &&Station| {
        kind.is_none_or(|kind| kind == station.kind)
            && expression.metrics.iter().all(|metric| station.metrics.contains(metric))
    };
    let of = |station: &Station| {
        let words = [station.id.clone(), station.district.clone(), station.kind.word().into()];
        let source = |metric| Series::new(station.id.clone(), Arc::clone(metric)).ok();
        let sources = expression.metrics.iter().filter_map(source);
        let sources = sources.map(|series| Source { series, lag: Span::ZERO }).collect();
        (station.id.clone(), Rule::Expression(Arc::clone(&expression), words), sources)
    };
    known.stations.values().filter(fits).map(of).collect()
}

/// What an expression names must be there, and its windows must be short enough.
fn check(entry: &Entry<'_>, of: &Expression, metric: Option<&Arc<str>>, known: &Known<'_>) {
    for name in of.metrics.iter().filter(|name| !known.sent.contains(name)) {
        let wanted = "metrics that stations send".to_owned();
        entry.wrong("expression", format!("{name:?}, which no station sends"), wanted);
    }
    for name in &of.detectors {
        let found = known.detectors.iter().find(|detector| detector.name == *name);
        let watches = |detector: &Arc<DetectorEntry>| {
            detector.metrics.iter().any(|metric| known.derived.contains(&**metric))
        };
        match found {
            Some(found) if found.unless.is_some() => {
                let wanted = "a detector without \"unless\"".to_owned();
                entry.wrong("expression", format!("{name:?}, which is gated itself"), wanted);
            }
            None => entry.wrong(
                "expression",
                format!("detector {name:?}, which is not there"),
                "one of this catalogue".into(),
            ),
            Some(found) if watches(found) => {
                let wanted = "a detector of metrics that stations send".to_owned();
                entry.wrong("expression", format!("{name:?}, which watches a reckoned metric"), wanted);
            }
            Some(_) => {}
        }
    }
    let frame = metric.and_then(|metric| known.metrics.get(metric)).map(|metric| metric.period);
    let most = frame.map_or(Span::ZERO, |frame| frame.times(MAX_WINDOW_FRAMES));
    if let Some(long) = of.windows.iter().find(|window| frame.is_some() && window.span > most) {
        let wanted = format!("at most {most}, {MAX_WINDOW_FRAMES} periods of the metric");
        entry.wrong("expression", format!("a window of {}", long.span), wanted);
    }
}
