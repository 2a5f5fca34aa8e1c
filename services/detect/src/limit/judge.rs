//! What one judged value after the other says: calm, beyond but not yet said, open.

use yiwang_model::{Span, Timestamp};

use super::Rules;
use crate::episode::{Episode, Sight};
use crate::params::WORSEN_STEP;
use crate::state::{Reader, put_byte, put_option, put_time};
use crate::{Error, Event, LimitRow};

/// Where a value, or the mean of a window, stands in time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// The event time that it is known by.
    pub(super) stamp: Timestamp,
    /// Up to when it reaches.
    pub(super) until: Timestamp,
    /// The event time that chooses its limit.
    pub(super) limit_at: Timestamp,
}

/// `None` while the limit is kept, which takes 8 bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Judge(Option<Box<Begun>>);

#[derive(Clone, Debug, PartialEq)]
struct Begun {
    episode: Episode,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// Beyond the limit for less than the minimum duration.
    Pending,
    /// Said; `kept_since` while the limit is kept again for less than `hold`.
    Open { kept_since: Option<Timestamp> },
}

impl Judge {
    /// Whether a lapse of the limit would matter.
    pub(super) fn is_calm(&self) -> bool {
        self.0.is_none()
    }

    /// Judges a value by the limit in force.
    pub(super) fn value(&mut self, rules: &Rules, window: Window, value: f64, out: &mut Vec<Event>) {
        match rules.in_force(window.limit_at) {
            Some(row) if rules.beyond(value, row.value) => self.broken(rules, row, window, value, out),
            Some(row) => self.kept(rules, row, window, value, out),
            None => self.lapsed(rules, window, out),
        }
    }

    /// Takes note of a window without a valid value: only a lapse of the limit matters.
    pub(super) fn nothing(&mut self, rules: &Rules, window: Window, out: &mut Vec<Event>) {
        if !self.is_calm() && rules.in_force(window.limit_at).is_none() {
            self.lapsed(rules, window, out);
        }
    }

    fn broken(&mut self, rules: &Rules, row: &LimitRow, window: Window, value: f64, out: &mut Vec<Event>) {
        let sight = sight(rules, row, value);
        if let Some(Begun { episode, phase: Phase::Open { kept_since } }) = self.0.as_deref_mut() {
            let graver = episode.see(sight, true);
            out.extend(episode.worsened(graver, WORSEN_STEP * row.value.abs()));
            *kept_since = None;
            return;
        }
        let begun = match &mut self.0 {
            Some(begun) => {
                begun.episode.see(sight, true);
                begun
            }
            calm => {
                let episode = *Episode::new(window.stamp, sight);
                calm.insert(Box::new(Begun { episode, phase: Phase::Pending }))
            }
        };
        let lasted: Span = window.until - begun.episode.begin();
        if lasted >= rules.min_duration {
            out.push(begun.episode.raised());
            begun.phase = Phase::Open { kept_since: None };
        }
    }

    fn kept(&mut self, rules: &Rules, row: &LimitRow, window: Window, value: f64, out: &mut Vec<Event>) {
        let Some(Begun { episode, phase }) = self.0.as_deref_mut() else { return };
        let Phase::Open { kept_since } = phase else {
            self.0 = None;
            return;
        };
        let distance = rules.hysteresis.at_limit(row.value);
        if rules.beyond(value, row.value + if rules.above { -distance } else { distance }) {
            *kept_since = None;
            return;
        }
        let since = *kept_since.get_or_insert(window.stamp);
        if window.until - since >= rules.hold {
            out.push(episode.cleared(since));
            self.0 = None;
        }
    }

    fn lapsed(&mut self, rules: &Rules, window: Window, out: &mut Vec<Event>) {
        if let Some(begun) = self.0.take()
            && begun.phase != Phase::Pending
        {
            out.push(begun.episode.cleared(rules.lapsed_before(window.limit_at).unwrap_or(window.stamp)));
        }
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let Some(Begun { episode, phase }) = self.0.as_deref() else { return put_byte(out, 0) };
        match phase {
            Phase::Pending => put_byte(out, 1),
            Phase::Open { kept_since } => {
                put_byte(out, 2);
                put_option(out, *kept_since, put_time);
            }
        }
        episode.put(out);
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, Error> {
        let phase = match from.byte()? {
            0 => return Ok(Self::default()),
            1 => Phase::Pending,
            2 => Phase::Open { kept_since: from.option(Reader::time)? },
            other => return Err(from.damaged(format!("{other} is no phase of an episode"))),
        };
        Ok(Self(Some(Box::new(Begun { episode: *Episode::read(from)?, phase }))))
    }
}

fn sight(rules: &Rules, row: &LimitRow, value: f64) -> Sight {
    let badness = if rules.above { value } else { -value };
    let reached = |times: f64| value == row.value * times || rules.beyond(value, row.value * times);
    Sight {
        value,
        badness,
        limit: Some(row.value),
        edition: row.edition.clone(),
        severity: rules.grades.grade(reached),
    }
}
