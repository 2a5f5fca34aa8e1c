//! Orders as `yiwang replay --orders` shows them: one JSON a line for each episode that has an order in the end, with the episodes
//! that it holds.
//!
//! An episode that is part of another (`into`) is held by that, and by what that is part of in turn; one that is part of none holds
//! itself. An episode of the rule across series holds what is part of it, and says its cause: the kind of thing and its name.

use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;
use yiwang_catalogue::Catalogue;
use yiwang_model::{Anomaly, AnomalyId, Phase, Severity, Timestamp};

use super::Episodes;

/// An order.
#[derive(Serialize)]
struct Order<'a> {
    id: AnomalyId,
    detector: &'a str,
    /// What sort of thing the cause is; empty for what is its own.
    cause: &'a str,
    /// Which of them.
    target: &'a str,
    begin: Timestamp,
    end: Option<Timestamp>,
    opened: Option<Timestamp>,
    severity: Severity,
    members: Vec<Member<'a>>,
}

/// An episode that an order holds.
#[derive(Serialize)]
struct Member<'a> {
    id: AnomalyId,
    detector: &'a str,
    source: &'a str,
    metric: &'a str,
    begin: Timestamp,
    opened: Option<Timestamp>,
}

/// Writes the orders, sorted by begin and name.
pub(super) fn show(episodes: &Episodes, catalogue: &Catalogue, mut out: impl Write) -> anyhow::Result<()> {
    let rule = catalogue.gateway_rule().map(|rule| &rule.name);
    let mut members: BTreeMap<AnomalyId, Vec<Member<'_>>> = BTreeMap::new();
    for (opened, anomaly) in episodes.values().filter(|(_, anomaly)| Some(&anomaly.detector) != rule) {
        if let Some(holder) = holder(episodes, anomaly) {
            members.entry(holder).or_default().push(Member::of(*opened, anomaly));
        }
    }
    let has_order = |of: &Anomaly| of.phase != Phase::Withdrawn && of.silenced.is_none();
    let mut standing: Vec<_> = episodes.values().filter(|(_, of)| has_order(of)).collect();
    standing.sort_by_key(|(_, anomaly)| (anomaly.begin, anomaly.id));
    for (opened, anomaly) in standing {
        let members = members.remove(&anomaly.id).unwrap_or_default();
        let of_rule = Some(&anomaly.detector) == rule;
        let order = Order {
            id: anomaly.id,
            detector: &anomaly.detector,
            cause: if of_rule { anomaly.series.metric() } else { "" },
            target: if of_rule { anomaly.series.source() } else { "" },
            begin: anomaly.begin,
            end: anomaly.end,
            opened: *opened,
            severity: anomaly.severity,
            members,
        };
        serde_json::to_writer(&mut out, &order)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// The episode with the order that holds this one; `None` when it was taken back.
fn holder(episodes: &Episodes, anomaly: &Anomaly) -> Option<AnomalyId> {
    let mut at = anomaly;
    // a chain is no longer than there are episodes, and one that runs in a circle ends nowhere
    for _ in 0..episodes.len() {
        match (at.phase, at.into) {
            (Phase::Withdrawn, None) => return None,
            (Phase::Withdrawn, Some(into)) => at = &episodes.get(&into)?.1,
            _ => return Some(at.id),
        }
    }
    None
}

impl<'a> Member<'a> {
    fn of(opened: Option<Timestamp>, anomaly: &'a Anomaly) -> Self {
        Self {
            id: anomaly.id,
            detector: &anomaly.detector,
            source: anomaly.series.source(),
            metric: anomaly.series.metric(),
            begin: anomaly.begin,
            opened,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use yiwang_model::Series;

    use super::*;

    const RULE: &str = "gateway-silent";

    fn episode(detector: &str, source: &str, metric: &str, into: Option<AnomalyId>, phase: Phase) -> Anomaly {
        let series = Series::new(source, metric).unwrap();
        let begin = Timestamp::from_secs(1_000);
        Anomaly {
            id: AnomalyId::of(detector, &series, begin),
            detector: detector.into(),
            series,
            phase,
            begin,
            end: None,
            extreme: 1.0,
            limit: None,
            edition: "test".into(),
            severity: Severity::Notice,
            because: None,
            into,
            silenced: None,
        }
    }

    fn shown(all: &[Anomaly]) -> Vec<Value> {
        let catalogue = Catalogue::demo();
        assert_eq!(*catalogue.gateway_rule().unwrap().name, *RULE);
        let opened = Some(Timestamp::from_secs(2_000));
        let episodes = all.iter().map(|anomaly| (anomaly.id, (opened, anomaly.clone()))).collect();
        let mut out = Vec::new();
        show(&episodes, &catalogue, &mut out).unwrap();
        String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn an_order_holds_what_is_part_of_it_and_what_is_part_of_that() {
        let cause = episode(RULE, "gw-1", "gateway", None, Phase::Cleared);
        let child = episode("silent", "a", "x", Some(cause.id), Phase::Withdrawn);
        let grandchild = episode("silent", "b", "x", Some(child.id), Phase::Withdrawn);
        let gone = episode("silent", "c", "x", None, Phase::Withdrawn);
        let lost = episode("silent", "d", "x", Some(gone.id), Phase::Withdrawn);
        let [order] = &shown(&[cause, child, grandchild, gone, lost])[..] else { panic!("one order") };
        assert_eq!((&order["cause"], &order["target"]), (&"gateway".into(), &"gw-1".into()));
        let sources: Vec<_> = order["members"].as_array().unwrap().iter().map(|of| &of["source"]).collect();
        assert_eq!(sources.len(), 2);
        assert!(sources.contains(&&"a".into()) && sources.contains(&&"b".into()), "{sources:?}");
    }

    #[test]
    fn an_episode_that_is_part_of_none_is_an_order_of_itself() {
        let alone = episode("spike", "a", "x", None, Phase::Raised);
        let [order] = &shown(std::slice::from_ref(&alone))[..] else { panic!("one order") };
        assert_eq!((&order["cause"], &order["members"][0]["id"]), (&"".into(), &alone.id.to_string().into()));
        assert_eq!(order["members"][0]["opened"], "1970-01-01T00:33:20Z");
    }

    #[test]
    fn a_circle_of_parts_is_held_by_nobody() {
        let mut a = episode("spike", "a", "x", None, Phase::Withdrawn);
        let b = episode("spike", "b", "x", Some(a.id), Phase::Withdrawn);
        a.into = Some(b.id);
        assert!(shown(&[a, b]).is_empty());
    }
}
