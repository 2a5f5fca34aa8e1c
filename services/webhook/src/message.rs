//! What a receiver is sent about an event: its id, and a body in JSON.
//!
//! The id is the order's number and the step's place in its history, as `YW20260302-000017-3`: the same at every try and after
//! every restart, so that a receiver knows a repeat. The body says what of the order never changes, and the step:
//!
//! ```json
//! {"type": "order.moved", "timestamp": "2026-03-02T02:00:01Z",
//!  "data": {"no": "YW20260302-000017", "department": "ecology", "anomaly": "…", "category": "air", "title": {"zh": "…", "en": "…"},
//!           "text": {…}, "district": "510104", "station": "…", "priority": "urgent", "received": "…", "due": "…",
//!           "detector": "…", "source": "…", "metric": "pm2_5",
//!           "step": {"seq": 3, "kind": "moved", "state": "dispatched", "who": "li", "note": "", "at": "…", "wall": "…"}}}
//! ```
//!
//! `type` is `order.` and the kind of the step: `opened`, `moved`, `worsened`, `cleared`, `revised`, `withdrawn`, `restored`;
//! `timestamp` is its wall time. What the note of such a step says is described in [`yiwang_orders::note`]. A body has some
//! kilobytes: a note has at most 4,000 characters.

use bytes::Bytes;
use serde::Serialize;
use yiwang_model::order::Step;
use yiwang_model::{AnomalyId, OrderNo, Timestamp};
use yiwang_orders::feed::{Facts, Happening};

/// What is sent about an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The header `webhook-id`, by which a receiver knows a repeat.
    pub id: String,
    /// JSON.
    pub body: Bytes,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    timestamp: Timestamp,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    no: &'a OrderNo,
    department: &'a str,
    anomaly: Option<AnomalyId>,
    #[serde(flatten)]
    facts: &'a Facts,
    step: &'a Step,
}

impl Message {
    /// The message about this event.
    #[must_use]
    pub fn of(Happening { event, facts }: &Happening) -> Self {
        let step = &event.step;
        let data = Data { no: &event.no, department: &event.department, anomaly: event.anomaly, facts, step };
        let body = Body { r#type: format!("order.{}", step.kind.word()), timestamp: step.wall, data };
        let body = serde_json::to_vec(&body).expect("names, texts and times have a JSON form");
        Self { id: format!("{}-{}", event.no, step.seq), body: body.into() }
    }
}
