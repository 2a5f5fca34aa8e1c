//! Work orders of the 12345 kind: who must act, on what evidence, by when, and what came of it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Anomaly, AnomalyId, Error, Series, Severity, Span, Timestamp, excerpt};

/// The number of an order, `YW20260302-000017`: the day it was received in the city's time zone, and a count
/// within that day.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrderNo(pub String);

impl fmt::Display for OrderNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for OrderNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The state of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// 已立案: opened by an anomaly, seen by nobody yet.
    Opened,
    /// 已受理: the centre has taken it on.
    Accepted,
    /// 已派遣: sent to the department.
    Dispatched,
    /// 处理中: the department works on it.
    Handling,
    /// 已反馈: the department has answered.
    Replied,
    /// 已结案: verified and closed.
    Closed,
    /// 已退单: the department sent it back with a reason.
    Returned,
    /// 重新立案: closed too early.
    Reopened,
}

impl OrderState {
    /// All of them, in the order of an order's life.
    pub const ALL: [Self; 8] = [
        Self::Opened,
        Self::Accepted,
        Self::Dispatched,
        Self::Handling,
        Self::Replied,
        Self::Closed,
        Self::Returned,
        Self::Reopened,
    ];

    /// The states that may follow this one.
    #[must_use]
    pub const fn allowed(self) -> &'static [Self] {
        match self {
            Self::Opened => &[Self::Accepted],
            Self::Accepted => &[Self::Dispatched],
            Self::Dispatched => &[Self::Handling, Self::Returned],
            Self::Handling => &[Self::Replied, Self::Returned],
            Self::Replied => &[Self::Closed, Self::Handling],
            Self::Closed => &[Self::Reopened],
            Self::Returned | Self::Reopened => &[Self::Dispatched, Self::Closed],
        }
    }

    /// The word for it, as in APIs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Accepted => "accepted",
            Self::Dispatched => "dispatched",
            Self::Handling => "handling",
            Self::Replied => "replied",
            Self::Closed => "closed",
            Self::Returned => "returned",
            Self::Reopened => "reopened",
        }
    }

    /// Whether somebody must still act.
    #[must_use]
    pub const fn is_open(self) -> bool {
        !matches!(self, Self::Closed)
    }
}

impl fmt::Display for OrderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for OrderState {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|state| state.word() == text).ok_or_else(|| Error::Word {
            what: "order state",
            found: excerpt(text),
            known: "opened, accepted, dispatched, handling, replied, closed, returned, reopened",
        })
    }
}

/// How soon an order is to be taken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// 一般
    Ordinary,
    /// 优先
    Urgent,
    /// 紧急
    Emergency,
}

impl Priority {
    /// The word for it, as in APIs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ordinary => "ordinary",
            Self::Urgent => "urgent",
            Self::Emergency => "emergency",
        }
    }
}

impl From<Severity> for Priority {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Notice | Severity::Warning => Self::Ordinary,
            Severity::Serious => Self::Urgent,
            Severity::Critical => Self::Emergency,
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Priority {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        [Self::Ordinary, Self::Urgent, Self::Emergency]
            .into_iter()
            .find(|priority| priority.word() == text)
            .ok_or_else(|| Error::Word {
                what: "priority",
                found: excerpt(text),
                known: "ordinary, urgent, emergency",
            })
    }
}

/// A text in the two languages of the console.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Text {
    /// 中文
    pub zh: String,
    /// English
    pub en: String,
}

impl Text {
    /// A text in both languages.
    pub fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { zh: zh.into(), en: en.into() }
    }
}

/// Where it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// The district or functional zone by the catalogue's key: a division code, or a zone's own name.
    pub district: String,
    /// Its name.
    pub district_name: Text,
    /// The station, project or office, by the name of the source.
    pub station: String,
    /// Its name.
    pub station_name: Text,
    /// Longitude and latitude in degrees, WGS-84, where known.
    pub point: Option<(f64, f64)>,
}

/// When an order is due, and how that was counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// The moment by which it is to be closed, in city time.
    pub at: Timestamp,
    /// The catalogue's deadline that says so.
    pub policy: String,
    /// Whether the span reaches into a year whose calendar is not published yet.
    pub provisional: bool,
}

/// One judged value of the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvidencePoint {
    /// Event time.
    pub time: Timestamp,
    /// The value, in the metric's unit.
    pub value: f64,
}

/// Why an order was opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// What the detector says, as of the last step of the episode.
    pub anomaly: Anomaly,
    /// The series to look at; a rule across series names up to 50.
    pub series: Vec<Series>,
    /// The unit of extreme and limit.
    pub unit: String,
    /// How long before `begin` the reader should look.
    pub lead: Span,
    /// The last judged values at the time of opening, oldest first, at most 100.
    pub points: Vec<EvidencePoint>,
    /// Addresses at which another system shows what it saw, of http or https; those of an alert.
    #[serde(default)]
    pub links: Vec<String>,
}

/// A new order as the judgement words it, before the store gives it a number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderDraft {
    /// The subject, by the catalogue's key, such as `air`, `site_noise`, `project`.
    pub category: String,
    /// One line.
    pub title: Text,
    /// What happened, where, against which limit.
    pub text: Text,
    /// Where.
    pub place: Place,
    /// How soon.
    pub priority: Priority,
    /// The department that must act, by the catalogue's key.
    pub department: String,
    /// Its name.
    pub department_name: Text,
    /// City time at which it was received.
    pub received: Timestamp,
    /// By when.
    pub due: Due,
    /// Why.
    pub evidence: Evidence,
}

/// What the judgement asks of the order store for one step of one episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum OrderIntent {
    /// Open an order for an episode that has none; the order of one that was withdrawn is taken up again.
    Open(Box<OrderDraft>),
    /// The episode worsened, cleared, was revised or withdrawn: note it in the order that it opened.
    Note {
        /// The episode as it is now.
        anomaly: Anomaly,
        /// City time.
        at: Timestamp,
    },
}

impl OrderIntent {
    /// The episode that this is about.
    #[must_use]
    pub fn anomaly(&self) -> &Anomaly {
        match self {
            Self::Open(draft) => &draft.evidence.anomaly,
            Self::Note { anomaly, .. } => anomaly,
        }
    }
}

/// How an order came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// 感知: opened by an anomaly.
    Sensor,
    /// 12345: a citizen's appeal.
    Hotline,
    /// 外部告警: opened by an alert that another system made.
    Alert,
}

impl Channel {
    /// The word for it, as in APIs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sensor => "sensor",
            Self::Hotline => "hotline",
            Self::Alert => "alert",
        }
    }
}

/// What a line of the timeline records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// The order was opened.
    Opened,
    /// The state changed.
    Moved,
    /// The episode worsened.
    Worsened,
    /// The episode cleared.
    Cleared,
    /// 更正: late or corrected readings changed what is said of the episode.
    Revised,
    /// 撤销: late or corrected readings showed that the episode never was, or is part of another.
    Withdrawn,
    /// 恢复: a withdrawn episode is there after all.
    Restored,
}

impl StepKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Opened,
        Self::Moved,
        Self::Worsened,
        Self::Cleared,
        Self::Revised,
        Self::Withdrawn,
        Self::Restored,
    ];

    /// The word for it, as in APIs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Moved => "moved",
            Self::Worsened => "worsened",
            Self::Cleared => "cleared",
            Self::Revised => "revised",
            Self::Withdrawn => "withdrawn",
            Self::Restored => "restored",
        }
    }
}

impl FromStr for StepKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|kind| kind.word() == text).ok_or_else(|| Error::Word {
            what: "kind of step",
            found: excerpt(text),
            known: "opened, moved, worsened, cleared, revised, withdrawn, restored",
        })
    }
}

/// One line of the timeline. Lines are added, never changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its place in the order's history, from 1.
    pub seq: u32,
    /// What it records.
    pub kind: StepKind,
    /// The state after it.
    pub state: OrderState,
    /// Who: `yiwang`, or the name of a credential.
    pub who: String,
    /// What they said.
    pub note: String,
    /// City time.
    pub at: Timestamp,
    /// Wall time; it stands in the history and decides nothing.
    pub wall: Timestamp,
}

/// A work order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkOrder {
    /// Its number.
    pub no: OrderNo,
    /// How it came in.
    pub channel: Channel,
    /// The episode that opened it, or the occurrence of an alert; none for other channels.
    pub anomaly: Option<AnomalyId>,
    /// Its content, with the evidence as of the last step.
    #[serde(flatten)]
    pub draft: OrderDraft,
    /// Its state.
    pub state: OrderState,
    /// What happened to it, oldest first.
    pub timeline: Vec<Step>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_can_be_left_and_closed_can_be_reached_from_each() {
        for start in OrderState::ALL {
            let mut reached = vec![start];
            let mut at = 0;
            while at < reached.len() {
                let next: Vec<_> =
                    reached[at].allowed().iter().filter(|s| !reached.contains(s)).copied().collect();
                reached.extend(next);
                at += 1;
            }
            assert!(reached.contains(&OrderState::Closed), "{start} never closes");
        }
    }

    #[test]
    fn words_are_read_as_they_are_shown() {
        for state in OrderState::ALL {
            assert_eq!(state.word().parse(), Ok(state));
        }
        assert!("".parse::<OrderState>().is_err());
    }
}
