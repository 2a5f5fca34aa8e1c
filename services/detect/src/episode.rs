//! An episode while it is open: what was said of it, and when there is more to say.

use std::sync::Arc;

use yiwang_model::{Severity, Timestamp};

use crate::state::{Reader, put_byte, put_number, put_option, put_text, put_time};
use crate::{Error, Event, Finding};

/// An open episode. Detectors keep it in a box, so that a calm series pays 8 bytes for it.
///
/// Saved as begin, extreme, badness, said, limit (option), edition, severity.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Episode {
    begin: Timestamp,
    /// The value that was furthest out.
    extreme: f64,
    /// How far out it was; more is worse.
    badness: f64,
    /// The badness when the episode was last spoken of.
    said: f64,
    limit: Option<f64>,
    edition: Arc<str>,
    severity: Severity,
}

/// One sight of a broken rule.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sight {
    /// The value judged.
    pub(crate) value: f64,
    /// How far out it is; more is worse.
    pub(crate) badness: f64,
    /// The limit that it was judged against.
    pub(crate) limit: Option<f64>,
    /// Where that limit stands.
    pub(crate) edition: Arc<str>,
    /// How grave.
    pub(crate) severity: Severity,
}

impl Sight {
    /// With numbers that a state can hold: a quotient by the least of parameters may be none.
    fn finite(self) -> Self {
        let number = |number: f64| number.clamp(f64::MIN, f64::MAX);
        Self {
            value: number(self.value),
            badness: number(self.badness),
            limit: self.limit.map(number),
            ..self
        }
    }
}

impl Episode {
    /// An episode that began at `begin` and of which nothing was said yet.
    pub(crate) fn new(begin: Timestamp, sight: Sight) -> Box<Self> {
        let Sight { value, badness, limit, edition, severity } = sight.finite();
        Box::new(Self { begin, extreme: value, badness, said: badness, limit, edition, severity })
    }

    /// Event time at which it began.
    pub(crate) fn begin(&self) -> Timestamp {
        self.begin
    }

    /// Takes one more sight of it: extreme, badness and severity only grow. With `limit_moves` the limit shown
    /// is the newest; else the one of the extreme.
    pub(crate) fn see(&mut self, sight: Sight, limit_moves: bool) -> bool {
        let sight = sight.finite();
        let worse = sight.badness > self.badness;
        let graver = sight.severity > self.severity;
        if worse {
            (self.extreme, self.badness) = (sight.value, sight.badness);
        }
        if worse || limit_moves {
            (self.limit, self.edition) = (sight.limit, sight.edition);
        }
        self.severity = self.severity.max(sight.severity);
        graver
    }

    /// [`Event::Worsened`] when `graver`, or when the badness rose by at least `step` since it was last said.
    pub(crate) fn worsened(&mut self, graver: bool, step: f64) -> Option<Event> {
        let rose = self.badness > self.said && self.badness - self.said >= step;
        (graver || rose).then(|| {
            self.said = self.badness;
            Event::Worsened(self.finding(None))
        })
    }

    /// [`Event::Raised`] as of now.
    pub(crate) fn raised(&mut self) -> Event {
        self.said = self.badness;
        Event::Raised(self.finding(None))
    }

    /// [`Event::Cleared`] at `end`, never before the beginning.
    pub(crate) fn cleared(&self, end: Timestamp) -> Event {
        Event::Cleared(self.finding(Some(end.max(self.begin))))
    }

    fn finding(&self, end: Option<Timestamp>) -> Finding {
        Finding {
            begin: self.begin,
            end,
            extreme: self.extreme,
            limit: self.limit,
            edition: Arc::clone(&self.edition),
            severity: self.severity,
        }
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_time(out, self.begin);
        put_number(out, self.extreme);
        put_number(out, self.badness);
        put_number(out, self.said);
        put_option(out, self.limit, put_number);
        put_text(out, &self.edition);
        put_byte(out, self.severity as u8);
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Box<Self>, Error> {
        Ok(Box::new(Self {
            begin: from.time()?,
            extreme: from.number()?,
            badness: from.number()?,
            said: from.number()?,
            limit: from.option(Reader::number)?,
            edition: from.text()?,
            severity: from.severity()?,
        }))
    }
}

/// Saves the open episode, if there is one.
pub(crate) fn put_open(out: &mut Vec<u8>, open: Option<&Episode>) {
    put_option(out, open, |out, episode| episode.put(out));
}

/// Reads what [`put_open`] saved.
pub(crate) fn read_open(from: &mut Reader<'_>) -> Result<Option<Box<Episode>>, Error> {
    from.option(Episode::read)
}
