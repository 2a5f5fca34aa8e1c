use std::time::Duration;

use proptest::prelude::*;

use super::*;
use yiwang_proto::sparkplug::metric::Value;

const DOUBLE: Option<u32> = Some(10);

fn topic<'a>(kind: Kind, node: &'a str, device: Option<&'a str>) -> Topic<'a> {
    Topic { group: "g", node, device, kind }
}

fn payload(seq: u8, metrics: Vec<Metric>) -> Payload {
    Payload { timestamp: Some(1), seq, metrics }
}

fn named(name: &str, alias: u64) -> Metric {
    Metric { name: Some(name.into()), alias: Some(alias), datatype: DOUBLE, ..Metric::default() }
}

/// A value that says its own type, so that nothing but its alias has to be known.
fn aliased(alias: u64) -> Metric {
    Metric { alias: Some(alias), value: Some(Value::DoubleValue(1.0)), ..Metric::default() }
}

fn bd_seq(number: u64) -> Metric {
    Metric { value: Some(Value::LongValue(number)), ..named("bdSeq", 1_000_000) }
}

/// Nodes, and what is counted of them.
#[derive(Default)]
struct Heard {
    nodes: Nodes,
    counts: Counts,
}

impl Heard {
    fn hear(&mut self, kind: Kind, device: Option<&'static str>, seq: u8, metrics: Vec<Metric>) -> bool {
        self.nodes.hear(&topic(kind, "n", device), &payload(seq, metrics), false, &self.counts).unwrap()
    }

    fn name(&self, device: Option<&'static str>, alias: u64) -> Option<String> {
        let metric = aliased(alias);
        let found = self.nodes.resolve(&topic(Kind::Data, "n", device), &metric);
        found.map(|(name, datatype)| {
            assert_eq!(datatype, DOUBLE);
            name.to_owned()
        })
    }
}

#[test]
fn numbers_go_round_and_a_gap_forgets_the_birth() {
    let mut heard = Heard::default();
    assert!(!heard.hear(Kind::Birth, None, 254, vec![named("a", 1)]));
    assert!(!heard.hear(Kind::Birth, Some("d"), 255, vec![named("b", 2)]));
    for seq in 0..=255 {
        assert!(!heard.hear(Kind::Data, Some("d"), seq, vec![]));
    }
    assert_eq!((heard.name(Some("d"), 2), heard.name(None, 1)), (Some("b".into()), Some("a".into())));
    // An alias of the device is none of the node, and the other way round.
    assert_eq!((heard.name(None, 2), heard.name(Some("d"), 1), heard.name(Some("e"), 2)), (None, None, None));
    assert!(heard.hear(Kind::Data, None, 1, vec![]));
    assert_eq!((heard.name(Some("d"), 2), heard.counts.gaps.get()), (None, 1));
    // The next number of a birth that is forgotten says nothing.
    assert!(heard.hear(Kind::Data, None, 2, vec![]));
    assert_eq!(heard.counts.gaps.get(), 1);
}

#[test]
fn what_is_delivered_again_is_no_gap() {
    let mut heard = Heard::default();
    heard.hear(Kind::Birth, None, 0, vec![named("a", 1)]);
    heard.hear(Kind::Data, None, 1, vec![]);
    let again = heard.nodes.hear(&topic(Kind::Data, "n", None), &payload(1, vec![]), true, &heard.counts);
    assert_eq!(again, Ok(false));
    assert!(!heard.hear(Kind::Data, None, 2, vec![]));
    assert_eq!(heard.counts.gaps.get(), 0);
}

#[test]
fn a_death_counts_with_the_number_of_the_last_birth() {
    let mut heard = Heard::default();
    heard.hear(Kind::Birth, None, 0, vec![named("a", 1), bd_seq(7)]);
    heard.hear(Kind::Birth, Some("d"), 1, vec![named("b", 2)]);
    heard.hear(Kind::Death, None, 0, vec![bd_seq(6)]);
    let online = Tally { nodes_online: 1, devices_online: 1, ..Tally::default() };
    assert_eq!((heard.counts.deaths_ignored.get(), heard.counts.tally()), (1, online));
    heard.hear(Kind::Death, None, 0, vec![bd_seq(7)]);
    let stale = Tally { nodes_stale: 1, devices_stale: 1, ..Tally::default() };
    assert_eq!((heard.counts.deaths.get(), heard.counts.tally()), (1, stale));
    assert_eq!(heard.name(Some("d"), 2), None);
    assert!(heard.hear(Kind::Data, Some("d"), 2, vec![]), "data of a dead node ask for its birth");
    assert_eq!(heard.counts.tally().nodes_awaited, 1);
}

#[test]
fn a_device_that_died_has_no_aliases_and_its_node_lives_on() {
    let mut heard = Heard::default();
    heard.hear(Kind::Birth, None, 0, vec![named("a", 1)]);
    heard.hear(Kind::Birth, Some("d"), 1, vec![named("b", 2)]);
    heard.hear(Kind::Death, Some("d"), 2, vec![]);
    assert_eq!((heard.name(Some("d"), 2), heard.name(None, 1)), (None, Some("a".into())));
    let tally = Tally { nodes_online: 1, devices_stale: 1, ..Tally::default() };
    assert_eq!((heard.counts.deaths.get(), heard.counts.tally()), (1, tally));
    assert!(heard.hear(Kind::Data, Some("d"), 3, vec![]), "data of a dead device ask for its birth");
}

#[test]
fn a_node_is_asked_once_in_a_while() {
    let mut heard = Heard::default();
    assert!(heard.hear(Kind::Data, None, 0, vec![]));
    let (topic, now) = (topic(Kind::Data, "n", None), Instant::now());
    let asks = [Duration::ZERO, Duration::from_secs(9), Duration::from_secs(10), Duration::from_secs(11)];
    let asks = asks.map(|later| heard.nodes.may_ask(&topic, now + later));
    assert_eq!(asks, [true, false, true, false]);
}

#[test]
fn an_alias_has_one_meaning_in_a_birth() {
    let mut heard = Heard::default();
    for metrics in [vec![named("a", 1), named("b", 1)], vec![named("a", 1), named("a", 2)]] {
        let topic = topic(Kind::Birth, "n", None);
        let refused = heard.nodes.hear(&topic, &payload(0, metrics), false, &heard.counts).unwrap_err();
        assert_eq!(refused.0, Reason::Malformed);
    }
    assert_eq!(heard.name(None, 1), None);
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut heard = Heard::default();
    let metrics = |birth: u64| (0..5000).map(|metric| named(&format!("{birth}-{metric}"), metric)).collect();
    let mut refused = 0;
    for birth in 0..100 {
        let node = format!("n{birth}");
        let topic = topic(Kind::Birth, &node, None);
        let told = heard.nodes.hear(&topic, &payload(0, metrics(birth)), false, &heard.counts);
        refused += u64::from(told.is_err_and(|(reason, _)| reason == Reason::TooManySeries));
        assert!(heard.nodes.bytes <= MAX_REMEMBERED_BYTES);
    }
    assert!((1..100).contains(&refused), "{refused}");
    // A node that is known may be born again and again.
    let before = heard.nodes.bytes;
    for birth in 0..100 {
        heard.hear_of("n0", metrics(birth % 2)).unwrap();
    }
    assert!(heard.nodes.bytes.abs_diff(before) < ENTRY_BYTES);
    heard.nodes.lose_all(&heard.counts);
    assert!(heard.nodes.bytes < 100 * 2 * ENTRY_BYTES + 1000);
}

#[test]
fn names_that_are_never_born_keep_nobody_out() {
    let mut heard = Heard::default();
    let data = |heard: &mut Heard, node: &str| {
        heard.nodes.hear(&topic(Kind::Data, node, None), &payload(0, vec![]), false, &heard.counts)
    };
    heard.hear_of("n", vec![named("a", 1)]).unwrap();
    for number in 0..=MAX_REMEMBERED_BYTES / ENTRY_BYTES {
        data(&mut heard, &format!("nobody-{number}")).unwrap();
        assert!(heard.nodes.bytes <= MAX_REMEMBERED_BYTES);
    }
    heard.hear_of("m", vec![named("b", 1)]).unwrap();
    assert_eq!(heard.name(None, 1), Some("a".into()), "a node that was born is forgotten");
}

impl Heard {
    fn hear_of(&mut self, node: &str, metrics: Vec<Metric>) -> Result<bool, Refused> {
        self.nodes.hear(&topic(Kind::Birth, node, None), &payload(0, metrics), false, &self.counts)
    }
}

const NODES: [&str; 2] = ["n", "m"];
const PARTS: [Option<&str>; 3] = [None, Some("d"), Some("e")];

/// What a node would be if all that was heard of it were looked through.
#[derive(Default)]
struct Model {
    /// The last number of a birth that holds.
    seq: Option<u8>,
    bd_seq: Option<u64>,
    aliases: HashMap<u64, (Option<&'static str>, String)>,
}

impl Model {
    fn hear(&mut self, kind: Kind, device: Option<&'static str>, seq: u8, bd: u64, said: &[(u64, String)]) {
        match (kind, device) {
            (Kind::Birth, None) => *self = Self { seq: Some(seq), bd_seq: Some(bd), ..Self::default() },
            (Kind::Death, None) if self.bd_seq.is_none_or(|birth| birth == bd) => self.seq = None,
            (Kind::Death, None) => return,
            _ if self.seq.is_some_and(|last| (u16::from(last) + 1) % 256 == u16::from(seq)) => {
                self.seq = Some(seq);
            }
            _ => self.seq = None,
        }
        if self.seq.is_none() {
            return self.aliases.clear();
        }
        if kind != Kind::Data {
            self.aliases.retain(|_, (of, _)| *of != device);
        }
        if kind == Kind::Birth {
            self.aliases.extend(said.iter().map(|(alias, name)| (*alias, (device, name.clone()))));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Whatever comes in whatever order: an alias means what the last birth of its own device said, or nothing.
    #[test]
    fn an_alias_means_what_its_own_last_birth_said(
        steps in prop::collection::vec(
            (0..2_usize, 0..3_usize, 0..8_u8, 0..12_u8, 0..2_u64, prop::collection::btree_set(0..6_u64, 0..4)),
            1..80,
        )
    ) {
        let (mut nodes, counts) = (Nodes::default(), Counts::default());
        let mut models = [Model::default(), Model::default()];
        for (at, (node, part, kind, jump, bd, aliases)) in steps.into_iter().enumerate() {
            let (name, device, model) = (NODES[node], PARTS[part], &mut models[node]);
            let kind = match kind { 0..=2 => Kind::Birth, 3..=6 => Kind::Data, _ => Kind::Death };
            // Mostly the next number, near the wrap.
            let seq = model.seq.unwrap_or(250).wrapping_add(if jump > 9 { jump } else { 1 });
            let said: Vec<_> = aliases.iter().map(|alias| (*alias, format!("{name}-{device:?}-{at}-{alias}"))).collect();
            let mut metrics: Vec<_> = said.iter().map(|(alias, name)| named(name, *alias)).collect();
            metrics.push(bd_seq(bd));
            let lacks = nodes.hear(&topic(kind, name, device), &payload(seq, metrics), false, &counts).unwrap();
            let bd_alias = (1_000_000, "bdSeq".to_owned());
            model.hear(kind, device, seq, bd, &[said, vec![bd_alias]].concat());
            prop_assert!(lacks || model.seq.is_some() || (kind == Kind::Death && device.is_none()));
            for (node, model) in NODES.iter().zip(&models) {
                for device in PARTS {
                    for alias in 0..6 {
                        let metric = aliased(alias);
                        let found = nodes.resolve(&topic(Kind::Data, node, device), &metric).map(|(name, _)| name);
                        let wanted = model.aliases.get(&alias).filter(|(of, _)| *of == device);
                        prop_assert_eq!(found, wanted.map(|(_, name)| name.as_str()));
                    }
                }
            }
        }
        nodes.lose_all(&counts);
        let metric = aliased(1);
        prop_assert!(NODES.iter().all(|node| nodes.resolve(&topic(Kind::Data, node, None), &metric).is_none()));
    }
}
