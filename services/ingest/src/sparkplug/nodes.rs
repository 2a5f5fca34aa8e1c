//! Edge nodes: who is born, what its metrics are called, which number comes next.
//!
//! A node is online from its birth to its death, with the table of that birth and of those of its devices. Whatever may have
//! hidden another birth makes it *awaited*: its tables are forgotten, because an alias may have another meaning by now.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use yiwang_proto::sparkplug::Metric;
use yiwang_proto::v1::Reason;

use super::payload::{self, Payload};
use super::{Counts, Kind, MAX_REMEMBERED_BYTES, REBIRTH_PAUSE, Tally, Topic};
use crate::names::Refused;

/// What a node, a device or a metric counts for besides its names, in bytes.
pub(super) const ENTRY_BYTES: usize = 256;

/// All nodes of a broker.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    /// By group and node, as in [`Topic::node_source`].
    nodes: HashMap<Box<str>, Node>,
    /// What all of it counts for.
    bytes: usize,
}

/// How a node is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Life {
    #[default]
    Awaited,
    Online,
    Stale,
}

#[derive(Debug, Default)]
struct Node {
    life: Life,
    /// The number of its last message.
    seq: u8,
    /// The `bdSeq` of the last birth that was heard, if one was.
    birth: Option<Option<u64>>,
    /// The node itself, and its devices; those that died have no metrics.
    parts: HashMap<Option<Box<str>>, Part>,
    /// Of all parts: an alias is unique in a node.
    aliases: HashMap<u64, (Option<Box<str>>, Arc<str>)>,
    /// When it was last asked for a rebirth.
    asked: Option<Instant>,
}

/// A node itself, or a device behind it.
#[derive(Debug, Default)]
struct Part {
    is_online: bool,
    /// The metrics of its birth, with their types.
    metrics: HashMap<Arc<str>, Option<u32>>,
    /// Whether it was recorded that it has metrics that the catalogue does not have.
    told: bool,
}

impl Part {
    /// What its metrics count for.
    fn bytes(&self) -> usize {
        self.metrics.keys().map(|name| cost(name)).sum()
    }

    /// It has no metrics any more.
    fn end(&mut self) {
        *self = Self { told: self.told, ..Self::default() };
    }
}

impl Nodes {
    /// Takes note of a message; whether the node has to be born before its values can be trusted.
    ///
    /// # Errors
    /// The reason and the sentence for a message of which nothing can be taken.
    pub(super) fn hear(
        &mut self,
        topic: &Topic<'_>,
        payload: &Payload,
        again: bool,
        counts: &Counts,
    ) -> Result<bool, Refused> {
        let table = match topic.kind {
            Kind::Birth => Some(Table::read(payload)?),
            Kind::Data | Kind::Death => None,
        };
        self.make_room(topic, table.as_ref())?;
        let name = topic.node_source();
        let Some(node) = self.nodes.get_mut(name.as_str()) else { return Ok(false) };
        let (before, held) = (node.life, node.bytes());
        let lacks_birth = match (topic.kind, topic.device) {
            (Kind::Birth, None) => {
                node.be_born(payload, table.unwrap_or_default(), counts);
                false
            }
            (Kind::Birth, Some(device)) => {
                let follows = node.follows(payload, again, counts);
                if follows {
                    node.bear(Some(device.into()), table.unwrap_or_default(), counts);
                }
                !follows
            }
            (Kind::Data, device) => !node.follows(payload, again, counts) || !node.is_born(device),
            (Kind::Death, None) => {
                node.die(payload, counts);
                false
            }
            (Kind::Death, Some(device)) => {
                let follows = node.follows(payload, again, counts);
                counts.deaths.add(u64::from(node.is_born(Some(device))));
                node.forget(&Some(device.into()));
                !follows
            }
        };
        let (life, holds) = (node.life, node.bytes());
        self.bytes = self.bytes + holds - held;
        if before != life || topic.kind != Kind::Data {
            counts.set_tally(self.tally());
        }
        Ok(lacks_birth)
    }

    /// Name and type of a metric; none when nobody has said what it is.
    pub(super) fn resolve<'a>(
        &'a self,
        topic: &Topic<'_>,
        metric: &'a Metric,
    ) -> Option<(&'a str, Option<u32>)> {
        let node = self.nodes.get(topic.node_source().as_str());
        let device: Option<Box<str>> = topic.device.map(Into::into);
        let name = match (&metric.name, metric.alias) {
            (Some(name), _) => name.as_str(),
            (None, Some(alias)) if topic.kind == Kind::Data => {
                let (of, name) = node?.aliases.get(&alias)?;
                (*of == device).then_some(name.as_ref())?
            }
            _ => return None,
        };
        let part = node.and_then(|node| node.parts.get(&device));
        let born = part.and_then(|part| part.metrics.get(name).copied().flatten());
        let datatype = metric.datatype.or(born);
        (datatype.is_some() || payload::says_type(metric)).then_some((name, datatype))
    }

    /// Whether a node may be asked for a rebirth now; it then counts as asked.
    pub(super) fn may_ask(&mut self, topic: &Topic<'_>, now: Instant) -> bool {
        let Some(node) = self.nodes.get_mut(topic.node_source().as_str()) else { return false };
        let may = node.asked.is_none_or(|asked| now.saturating_duration_since(asked) >= REBIRTH_PAUSE);
        if may {
            node.asked = Some(now);
        }
        may
    }

    /// Whether it was recorded before that this node or device has metrics which are not in the catalogue; it is from now
    /// on. One that is not born is not remembered, and waits for its birth.
    pub(super) fn was_told(&mut self, topic: &Topic<'_>) -> bool {
        let node = self.nodes.get_mut(topic.node_source().as_str());
        let part = node.and_then(|node| node.parts.get_mut(&topic.device.map(Into::into)));
        part.is_none_or(|part| std::mem::replace(&mut part.told, true))
    }

    /// Nothing was heard for a while: every birth may have been followed by another.
    pub(super) fn lose_all(&mut self, counts: &Counts) {
        self.nodes.values_mut().for_each(Node::lose);
        self.bytes = self.count();
        counts.set_tally(self.tally());
    }

    /// Refuses what would go beyond the bound; a node that is not known gets its entry.
    fn make_room(&mut self, topic: &Topic<'_>, table: Option<&Table>) -> Result<(), Refused> {
        let name = topic.node_source();
        if self.needs(&name, topic, table) > MAX_REMEMBERED_BYTES {
            self.forget_unborn();
        }
        let is_known = self.nodes.contains_key(name.as_str());
        let entry = if is_known { 0 } else { cost(&name) };
        if self.needs(&name, topic, table) > MAX_REMEMBERED_BYTES {
            let why = format!("what is remembered of nodes has no room for \"{}\"", topic.source());
            return Err((Reason::TooManySeries, why));
        }
        if !is_known {
            self.bytes += entry;
            self.nodes.insert(name.into(), Node::default());
        }
        Ok(())
    }

    /// What all would count for with this message. A birth takes the place of the one before.
    fn needs(&self, name: &str, topic: &Topic<'_>, table: Option<&Table>) -> usize {
        let device: Option<Box<str>> = topic.device.map(Into::into);
        let node = self.nodes.get(name);
        let entry = if node.is_some() { 0 } else { cost(name) };
        let part = node.and_then(|node| node.parts.get(&device));
        let own = if part.is_some() { 0 } else { topic.device.map_or(0, cost) };
        let gone = table.and(part).map_or(0, Part::bytes);
        self.bytes + entry + own + table.map_or(0, Table::bytes) - gone
    }

    /// Nodes of which no birth was heard have nothing to be remembered: whoever is there is asked for one again.
    fn forget_unborn(&mut self) {
        self.nodes.retain(|_, node| node.birth.is_some());
        self.bytes = self.count();
    }

    fn count(&self) -> usize {
        self.nodes.iter().map(|(name, node)| cost(name) + node.bytes()).sum()
    }

    fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for node in self.nodes.values() {
            *match node.life {
                Life::Awaited => &mut tally.nodes_awaited,
                Life::Online => &mut tally.nodes_online,
                Life::Stale => &mut tally.nodes_stale,
            } += 1;
            for (_, part) in node.parts.iter().filter(|(device, _)| device.is_some()) {
                *if part.is_online { &mut tally.devices_online } else { &mut tally.devices_stale } += 1;
            }
        }
        tally
    }
}

fn cost(name: &str) -> usize {
    ENTRY_BYTES + name.len()
}

impl Node {
    /// A birth of the node: nothing of an earlier one holds.
    fn be_born(&mut self, payload: &Payload, table: Table, counts: &Counts) {
        self.lose();
        self.life = Life::Online;
        self.seq = payload.seq;
        self.birth = Some(payload::bd_seq(payload));
        self.bear(None, table, counts);
    }

    /// The node itself or a device has these metrics from now on.
    fn bear(&mut self, device: Option<Box<str>>, table: Table, counts: &Counts) {
        self.forget(&device);
        counts.births.add(1);
        let named = table.aliases.into_iter().map(|(alias, name)| (alias, (device.clone(), name)));
        self.aliases.extend(named);
        let part = self.parts.entry(device).or_default();
        (part.is_online, part.metrics) = (true, table.metrics);
    }

    /// The death of the birth that is named by its `bdSeq`; of a node whose birth was not heard, of any.
    fn die(&mut self, payload: &Payload, counts: &Counts) {
        if self.birth.is_some_and(|birth| birth != payload::bd_seq(payload)) {
            return counts.deaths_ignored.add(1);
        }
        self.lose();
        self.life = Life::Stale;
        counts.deaths.add(1);
    }

    /// Whether this message is the next of a node that is born. One that was delivered again says nothing of what is missing.
    fn follows(&mut self, payload: &Payload, again: bool, counts: &Counts) -> bool {
        if self.life != Life::Online {
            self.life = Life::Awaited;
            return false;
        }
        if payload.seq == self.seq.wrapping_add(1) {
            self.seq = payload.seq;
            return true;
        }
        if !again {
            counts.gaps.add(1);
            self.lose();
        }
        again
    }

    fn is_born(&self, device: Option<&str>) -> bool {
        self.parts.get(&device.map(Into::into)).is_some_and(|part| part.is_online)
    }

    /// The last birth may not be the last.
    fn lose(&mut self) {
        if self.life == Life::Online {
            self.life = Life::Awaited;
        }
        self.aliases.clear();
        self.parts.values_mut().for_each(Part::end);
    }

    /// The node itself or a device has no metrics any more.
    fn forget(&mut self, device: &Option<Box<str>>) {
        self.aliases.retain(|_, (of, _)| of != device);
        if let Some(part) = self.parts.get_mut(device) {
            part.end();
        }
    }

    /// What it counts for besides its own entry.
    fn bytes(&self) -> usize {
        let part = |(device, part): (&Option<Box<str>>, &Part)| {
            cost(device.as_deref().unwrap_or_default()) + part.bytes()
        };
        self.parts.iter().map(part).sum()
    }
}

/// The metrics that a birth tells.
#[derive(Debug, Default)]
struct Table {
    metrics: HashMap<Arc<str>, Option<u32>>,
    aliases: HashMap<u64, Arc<str>>,
}

impl Table {
    /// Refuses a birth in which an alias stands for two names, or a name has two aliases.
    fn read(payload: &Payload) -> Result<Self, Refused> {
        let (mut table, mut alias_of) = (Self::default(), HashMap::new());
        for metric in &payload.metrics {
            let Some(name) = metric.name.as_deref() else { continue };
            let name: Arc<str> = name.into();
            table.metrics.insert(Arc::clone(&name), metric.datatype);
            let Some(alias) = metric.alias else { continue };
            let before = table.aliases.insert(alias, Arc::clone(&name));
            let had = alias_of.insert(Arc::clone(&name), alias);
            if before.is_some_and(|other| other != name) || had.is_some_and(|other| other != alias) {
                let why =
                    format!("a BIRTH says alias {alias} of two names, or two aliases of \"{name:.128}\"");
                return Err((Reason::Malformed, why));
            }
        }
        Ok(table)
    }

    fn bytes(&self) -> usize {
        self.metrics.keys().map(|name| cost(name)).sum()
    }
}

#[cfg(test)]
mod tests;
