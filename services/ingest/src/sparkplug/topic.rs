//! The topics of Sparkplug B: `spBv1.0/{group}/{type}/{node}[/{device}]`, clause 4.1.

use yiwang_model::series::check_name;
use yiwang_proto::v1::Reason;

use super::PREFIX;
use crate::names::Refused;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `NBIRTH` and `DBIRTH`.
    Birth,
    /// `NDATA` and `DDATA`.
    Data,
    /// `NDEATH` and `DDEATH`.
    Death,
}

impl Kind {
    pub(super) fn has_values(self) -> bool {
        self != Self::Death
    }
}

/// The topic of a message of a node, or of a device behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Topic<'a> {
    pub(super) group: &'a str,
    pub(super) node: &'a str,
    /// None for the node itself.
    pub(super) device: Option<&'a str>,
    pub(super) kind: Kind,
}

impl<'a> Topic<'a> {
    /// Whether it is that of a host.
    pub(super) fn is_state(topic: &str) -> bool {
        topic.strip_prefix(PREFIX).is_some_and(|rest| rest.starts_with("STATE/"))
    }

    /// Reads a topic; none for commands, which are not for us.
    ///
    /// # Errors
    /// The reason and the sentence for one that is none of Sparkplug B, or whose names no source can have.
    pub(super) fn read(topic: &'a str) -> Result<Option<Self>, Refused> {
        let parts: Vec<&str> = topic.strip_prefix(PREFIX).unwrap_or_default().splitn(5, '/').collect();
        let (kind, [group, node], device) = match parts[..] {
            [_, "NCMD", _] | [_, "DCMD", _, _] => return Ok(None),
            [group, "NBIRTH", node] => (Kind::Birth, [group, node], None),
            [group, "NDATA", node] => (Kind::Data, [group, node], None),
            [group, "NDEATH", node] => (Kind::Death, [group, node], None),
            [group, "DBIRTH", node, device] => (Kind::Birth, [group, node], Some(device)),
            [group, "DDATA", node, device] => (Kind::Data, [group, node], Some(device)),
            [group, "DDEATH", node, device] => (Kind::Death, [group, node], Some(device)),
            _ => {
                let why = format!(
                    "topic \"{topic:.128}\" is none of Sparkplug B: spBv1.0/group/type/node[/device]"
                );
                return Err((Reason::BadName, why));
            }
        };
        let read = Self { group, node, device, kind };
        if group.is_empty() || node.is_empty() || device == Some("") {
            return Err((Reason::BadName, format!("topic \"{topic:.128}\" has an empty name")));
        }
        check_name("source", &read.source()).map_err(|error| (Reason::BadName, error.to_string()))?;
        Ok(Some(read))
    }

    /// The source of the node itself.
    pub(super) fn node_source(&self) -> String {
        format!("{}/{}", self.group, self.node)
    }

    /// The source of its values.
    pub(super) fn source(&self) -> String {
        match self.device {
            Some(device) => format!("{}/{}/{device}", self.group, self.node),
            None => self.node_source(),
        }
    }
}
