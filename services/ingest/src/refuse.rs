//! Refusals: what was not admitted, why, and what of it is kept.

use yiwang_model::Timestamp;
use yiwang_proto::log::Rejected;
use yiwang_proto::v1::Reason;

/// The most of a refused payload that is kept, in bytes.
pub const MAX_EXCERPT_BYTES: usize = 1024;
/// The most of a message, in bytes: those of libraries quote what they could not read, however long it is.
pub const MAX_MESSAGE_BYTES: usize = 1024;

/// A reading that was not admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its place in its batch, from 0.
    pub index: u32,
    /// Why, for programs.
    pub reason: Reason,
    /// Why, for people.
    pub message: String,
}

/// The refusals of one batch, bounded: all are counted, the first [`Refusals::KEPT`] are kept whole.
#[derive(Clone, Debug, Default)]
pub struct Refusals {
    /// The first ones, in order.
    pub kept: Vec<Refusal>,
    /// How many for each reason, in the order in which reasons first came up.
    pub by_reason: Vec<(Reason, u64)>,
    /// The beginning of what came, for the log.
    pub excerpt: Vec<u8>,
}

impl Refusals {
    /// How many refusals of one batch are kept whole.
    pub const KEPT: usize = 1000;

    /// Counts a refusal; the message is only made if it is kept.
    pub fn add(&mut self, index: usize, reason: Reason, message: impl FnOnce() -> String) {
        match self.by_reason.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => self.by_reason.push((reason, 1)),
        }
        if self.kept.len() < Self::KEPT {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            let mut message = message();
            message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES));
            message.shrink_to_fit();
            self.kept.push(Refusal { index, reason, message });
        }
    }

    /// Keeps the beginning of the payload that the refusals are about.
    pub fn set_excerpt(&mut self, payload: &[u8]) {
        self.excerpt = payload[..payload.len().min(MAX_EXCERPT_BYTES)].to_vec();
    }

    /// How many readings were refused.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_reason.iter().map(|(_, count)| count).sum()
    }

    /// Whether nothing was refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_reason.is_empty()
    }

    /// The records for the log's topic `rejected`: one for each reason, with the first message of its kind.
    #[must_use]
    pub fn records(
        &self,
        door: &str,
        sender: &str,
        city: Option<Timestamp>,
        wall: Timestamp,
    ) -> Vec<Rejected> {
        let record = |(reason, count): &(Reason, u64)| Rejected {
            door: door.to_owned(),
            sender: sender.to_owned(),
            reason: u32::try_from(*reason as i32).unwrap_or_default(),
            message: self.first_message(*reason),
            excerpt: self.excerpt.clone(),
            count: *count,
            city_nanos: city.map(Timestamp::nanos),
            wall_nanos: wall.nanos(),
        };
        self.by_reason.iter().map(record).collect()
    }

    fn first_message(&self, reason: Reason) -> String {
        let first = self.kept.iter().find(|refusal| refusal.reason == reason);
        first.map(|refusal| refusal.message.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
