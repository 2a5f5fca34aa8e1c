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

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Judge {
    #[default]
    Calm,
    /// Beyond the limit for less than the minimum duration.
    Pending(Box<Episode>),
    /// Said; `kept_since` while the limit is kept again for less than `hold`.
    Open { episode: Box<Episode>, kept_since: Option<Timestamp> },
}

impl Judge {
    /// Whether a lapse of the limit would matter.
    pub(super) fn is_calm(&self) -> bool {
        matches!(self, Self::Calm)
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
        *self = match std::mem::take(self) {
            Self::Calm => said(rules, Episode::new(window.stamp, sight), window.until, out),
            Self::Pending(mut episode) => {
                episode.see(sight, true);
                said(rules, episode, window.until, out)
            }
            Self::Open { mut episode, .. } => {
                let graver = episode.see(sight, true);
                out.extend(episode.worsened(graver, WORSEN_STEP * row.value.abs()));
                Self::Open { episode, kept_since: None }
            }
        };
    }

    fn kept(&mut self, rules: &Rules, row: &LimitRow, window: Window, value: f64, out: &mut Vec<Event>) {
        let distance = rules.hysteresis.at_limit(row.value);
        let far_enough = !rules.beyond(value, row.value + if rules.above { -distance } else { distance });
        match self {
            Self::Calm => {}
            Self::Pending(_) => *self = Self::Calm,
            Self::Open { kept_since, .. } if !far_enough => *kept_since = None,
            Self::Open { episode, kept_since } => {
                let since = *kept_since.get_or_insert(window.stamp);
                if window.until - since >= rules.hold {
                    out.push(episode.cleared(since));
                    *self = Self::Calm;
                }
            }
        }
    }

    fn lapsed(&mut self, rules: &Rules, window: Window, out: &mut Vec<Event>) {
        if let Self::Open { episode, .. } = self {
            out.push(episode.cleared(rules.lapsed_before(window.limit_at).unwrap_or(window.stamp)));
        }
        *self = Self::Calm;
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Calm => put_byte(out, 0),
            Self::Pending(episode) => {
                put_byte(out, 1);
                episode.put(out);
            }
            Self::Open { episode, kept_since } => {
                put_byte(out, 2);
                put_option(out, *kept_since, put_time);
                episode.put(out);
            }
        }
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, Error> {
        match from.byte()? {
            0 => Ok(Self::Calm),
            1 => Ok(Self::Pending(Episode::read(from)?)),
            2 => {
                let kept_since = from.option(Reader::time)?;
                Ok(Self::Open { episode: Episode::read(from)?, kept_since })
            }
            other => Err(from.damaged(format!("{other} is no phase of an episode"))),
        }
    }
}

/// An episode that lasts until `until`: said when that is long enough.
fn said(rules: &Rules, mut episode: Box<Episode>, until: Timestamp, out: &mut Vec<Event>) -> Judge {
    let lasted: Span = until - episode.begin();
    if lasted < rules.min_duration {
        return Judge::Pending(episode);
    }
    out.push(episode.raised());
    Judge::Open { episode, kept_since: None }
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
