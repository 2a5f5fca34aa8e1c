//! The life of an episode that opens with one broken reading and ends with several kept ones in a row.

use yiwang_model::Timestamp;

use crate::episode::{Episode, Sight, put_open, read_open};
use crate::state::{Reader, put_byte, put_option, put_time};
use crate::{Error, Event};

/// Saved as the number of kept readings in a row, the time of the first of them (option), episode (option).
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Watch {
    open: Option<Box<Episode>>,
    kept_since: Option<Timestamp>,
    kept: u8,
}

impl Watch {
    /// A reading broke the rule.
    pub(crate) fn broken(&mut self, at: Timestamp, sight: Sight, step: f64, out: &mut Vec<Event>) {
        (self.kept, self.kept_since) = (0, None);
        if let Some(open) = &mut self.open {
            let graver = open.see(sight, false);
            out.extend(open.worsened(graver, step));
        } else {
            let mut episode = Episode::new(at, sight);
            out.push(episode.raised());
            self.open = Some(episode);
        }
    }

    /// A reading kept the rule; `wanted` of them in a row end the episode, at the first of them.
    pub(crate) fn kept(&mut self, at: Timestamp, wanted: u8, out: &mut Vec<Event>) {
        let Some(open) = &self.open else { return };
        let since = *self.kept_since.get_or_insert(at);
        self.kept = self.kept.saturating_add(1);
        if self.kept >= wanted {
            out.push(open.cleared(since));
            *self = Self::default();
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Ends the open episode at `at`, whatever was kept.
    pub(crate) fn end(&mut self, at: Timestamp, out: &mut Vec<Event>) {
        out.extend(self.open.as_ref().map(|open| open.cleared(at)));
        *self = Self::default();
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_byte(out, self.kept);
        put_option(out, self.kept_since, put_time);
        put_open(out, self.open.as_deref());
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, Error> {
        let kept = from.byte()?;
        let kept_since = from.option(Reader::time)?;
        Ok(Self { kept, kept_since, open: read_open(from)? })
    }
}
