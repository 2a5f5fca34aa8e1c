//! The life of an episode that opens with one broken reading and ends with several kept ones in a row.

use yiwang_model::Timestamp;

use crate::episode::{Episode, Sight, put_open, read_open};
use crate::state::{Reader, put_byte, put_option, put_time};
use crate::{Error, Event};

/// 8 bytes while none is open. Saved as the number of kept readings in a row, the time of the first of them (option), episode (option).
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Watch(Option<Box<Open>>);

/// An open episode, and what was kept of the rule since it was last broken.
#[derive(Debug, PartialEq)]
struct Open {
    episode: Episode,
    kept_since: Option<Timestamp>,
    kept: u8,
}

impl Watch {
    /// A reading broke the rule.
    pub(crate) fn broken(&mut self, at: Timestamp, sight: Sight, step: f64, out: &mut Vec<Event>) {
        if let Some(open) = &mut self.0 {
            (open.kept, open.kept_since) = (0, None);
            let graver = open.episode.see(sight, false);
            out.extend(open.episode.worsened(graver, step));
        } else {
            let mut episode = *Episode::new(at, sight);
            out.push(episode.raised());
            self.0 = Some(Box::new(Open { episode, kept_since: None, kept: 0 }));
        }
    }

    /// A reading kept the rule; `wanted` of them in a row end the episode, at the first of them.
    pub(crate) fn kept(&mut self, at: Timestamp, wanted: u8, out: &mut Vec<Event>) {
        let Some(open) = &mut self.0 else { return };
        let since = *open.kept_since.get_or_insert(at);
        open.kept = open.kept.saturating_add(1);
        if open.kept >= wanted {
            out.push(open.episode.cleared(since));
            self.0 = None;
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.0.is_some()
    }

    /// Ends the open episode at `at`, whatever was kept.
    pub(crate) fn end(&mut self, at: Timestamp, out: &mut Vec<Event>) {
        out.extend(self.0.take().map(|open| open.episode.cleared(at)));
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let open = self.0.as_deref();
        put_byte(out, open.map_or(0, |open| open.kept));
        put_option(out, open.and_then(|open| open.kept_since), put_time);
        put_open(out, open.map(|open| &open.episode));
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, Error> {
        let kept = from.byte()?;
        let kept_since = from.option(Reader::time)?;
        let episode = read_open(from)?;
        if episode.is_none() && (kept > 0 || kept_since.is_some()) {
            return Err(from.damaged("a rule is kept of which no episode is open"));
        }
        Ok(Self(episode.map(|episode| Box::new(Open { episode: *episode, kept_since, kept }))))
    }
}
