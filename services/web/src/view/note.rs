//! What was noted at a step, as a reader says it: times of the city, values with decimals and unit, in the reader's language.

use yiwang_catalogue::Metric;
use yiwang_model::order::{Step, StepKind};
use yiwang_model::{Because, OrderNo};
use yiwang_orders::note::{Revised, Withdrawn};

use super::{second, unit, value};
use crate::lang::Lang;
use crate::words;

/// The length of an episode's id, in hexadecimal digits.
const ID_DIGITS: usize = 32;

/// A note. What an episode noted itself is read and said anew; what cannot be read stays as it is.
pub(crate) fn note(step: &Step, metric: Option<&Metric>, lang: Lang) -> String {
    let own = match step.kind {
        StepKind::Worsened => worsened(&step.note, metric, lang),
        StepKind::Cleared => step.note.parse().ok().map(second),
        StepKind::Revised | StepKind::Restored => {
            step.note.parse().ok().map(|note| revised(&note, metric, lang))
        }
        StepKind::Withdrawn => step.note.parse().ok().map(|note| withdrawn(&note, metric, lang)),
        StepKind::Opened | StepKind::Moved => None,
    };
    own.unwrap_or_else(|| step.note.clone())
}

/// The order of the episode that a withdrawn one is part of, where the note of that names one.
pub(crate) fn joined(step: &Step) -> Option<OrderNo> {
    let Withdrawn { into, .. } = step.note.parse().ok().filter(|_| step.kind == StepKind::Withdrawn)?;
    into.filter(|into| into.len() != ID_DIGITS).map(OrderNo)
}

fn worsened(note: &str, metric: Option<&Metric>, lang: Lang) -> Option<String> {
    let extreme = note.split_once(' ').and_then(|(extreme, of)| {
        Some(format!("{} {}", value(extreme.parse().ok()?, metric), unit(of, lang)))
    });
    extreme.or_else(|| Some(words::severity(lang, note.parse().ok()?).to_owned()))
}

fn revised(note: &Revised, metric: Option<&Metric>, lang: Lang) -> String {
    let extreme = format!("{} {}", value(note.extreme, metric), unit(&note.unit, lang));
    let (begin, grave) = (second(note.begin), words::severity(lang, note.severity));
    let span = match (lang, note.end.map(second)) {
        (Lang::Zh, Some(end)) => format!("{begin} 至 {end}"),
        (Lang::Zh, None) => format!("{begin} 起，仍在持续"),
        (Lang::En, Some(end)) => format!("{begin} to {end}"),
        (Lang::En, None) => format!("Since {begin}, going on"),
    };
    let now = match lang {
        Lang::Zh => format!("{span}；极值 {}；{grave}", extreme.trim()),
        Lang::En => format!("{span}; extreme {}; {}", extreme.trim(), grave.to_lowercase()),
    };
    lines([Some(now), note.because.map(|because| reading(&because, metric, lang))])
}

/// What took an episode back. The order that it is part of, if there is one, is [`joined`].
fn withdrawn(note: &Withdrawn, metric: Option<&Metric>, lang: Lang) -> String {
    let into = note.into.as_ref().filter(|into| into.len() == ID_DIGITS);
    let into = into.map(|id| format!("{} {id}", lang.pick("并入异常", "Part of anomaly")));
    lines([note.because.map(|because| reading(&because, metric, lang)), into])
}

/// The reading that changed an episode.
fn reading(because: &Because, metric: Option<&Metric>, lang: Lang) -> String {
    let at = second(because.time);
    let of = metric.map_or("", |metric| metric.unit.as_str());
    let shown = |of_metric: f64| format!("{} {of}", value(of_metric, metric)).trim().to_owned();
    let is = shown(because.value);
    match (lang, because.was.map(shown)) {
        (Lang::Zh, Some(was)) => format!("{at} 的读数由 {was} 更正为 {is}"),
        (Lang::Zh, None) => format!("{at} 的读数 {is} 迟到"),
        (Lang::En, Some(was)) => format!("The reading of {at} was corrected from {was} to {is}"),
        (Lang::En, None) => format!("The reading of {at}, {is}, came late"),
    }
}

fn lines(parts: [Option<String>; 2]) -> String {
    parts.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use yiwang_catalogue::Catalogue;
    use yiwang_model::{OrderState, Timestamp};

    use super::*;

    fn step(kind: StepKind, note: &str) -> Step {
        let at = Timestamp::from_millis(0);
        let (who, note) = ("yiwang".into(), note.into());
        Step { seq: 1, kind, at, wall: at, who, state: OrderState::Opened, note }
    }

    /// As of PM2.5, which the demo city shows without decimals.
    fn shown(kind: StepKind, noted: &str, lang: Lang) -> String {
        let city = Catalogue::demo();
        note(&step(kind, noted), city.metric("pm2_5"), lang)
    }

    #[test]
    fn what_an_episode_noted_is_rounded_and_translated() {
        let zh = |kind, noted| note(&step(kind, noted), None, Lang::Zh);
        assert_eq!(zh(StepKind::Worsened, "10.54615384615385 percentage points"), "10.5 个百分点");
        assert_eq!(zh(StepKind::Worsened, "critical"), "危急");
        assert_eq!(zh(StepKind::Cleared, "2026-03-01T16:30:05Z"), "2026-03-02 00:30:05");
        for kind in StepKind::ALL {
            assert_eq!(zh(kind, "看过 twice"), "看过 twice", "what a person noted stays");
        }
    }

    #[test]
    fn a_revision_says_what_holds_now_and_which_reading_did_it() {
        let late = "2026-03-01T16:30:05Z.. serious 10.54615 percentage points; 2026-03-01T16:00:00Z 12.04";
        assert_eq!(
            shown(StepKind::Revised, late, Lang::Zh),
            "2026-03-02 00:30:05 起，仍在持续；极值 11 个百分点；严重\n2026-03-02 00:00:00 的读数 12 µg/m³ 迟到"
        );
        assert_eq!(
            shown(StepKind::Restored, late, Lang::En),
            "Since 2026-03-02 00:30:05, going on; extreme 11 percentage points; serious\n\
             The reading of 2026-03-02 00:00:00, 12 µg/m³, came late"
        );
        let over = "2026-03-01T16:30:05Z..2026-03-01T17:00:00Z notice 80 µg/m³";
        assert_eq!(
            shown(StepKind::Revised, over, Lang::Zh),
            "2026-03-02 00:30:05 至 2026-03-02 01:00:00；极值 80 µg/m³；提示"
        );
    }

    #[test]
    fn a_withdrawal_names_the_reading_and_the_order_that_it_joined() {
        let joins = "2026-03-01T16:00:00Z 99→12.04; → YW20260302-000007";
        assert_eq!(
            shown(StepKind::Withdrawn, joins, Lang::Zh),
            "2026-03-02 00:00:00 的读数由 99 µg/m³ 更正为 12 µg/m³"
        );
        assert_eq!(joined(&step(StepKind::Withdrawn, joins)), Some(OrderNo("YW20260302-000007".into())));
        assert_eq!(joined(&step(StepKind::Moved, joins)), None, "what people write is no link");
        let elsewhere = format!("→ {}", "0a".repeat(16));
        let said = shown(StepKind::Withdrawn, &elsewhere, Lang::En);
        assert_eq!(said, format!("Part of anomaly {}", "0a".repeat(16)));
        assert_eq!(joined(&step(StepKind::Withdrawn, &elsewhere)), None);
    }
}
