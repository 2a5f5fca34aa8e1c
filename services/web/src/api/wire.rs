//! Orders as JSON. The fields are those of [`yiwang_model::WorkOrder`], so that a program in Rust reads one from
//! the answer, and two more: what may follow, and whether it is overdue.

use serde::Serialize;
use serde_json::Value;
use utoipa::{IntoResponses, ToSchema};
use yiwang_model::{Timestamp, WorkOrder};

use crate::view;

/// A work order, with what may follow.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Order {
    #[serde(flatten)]
    order: WorkOrder,
    allowed: Vec<&'static str>,
    overdue: bool,
}

impl Order {
    /// An order as it is at `now` in city time; without a clock nothing is overdue.
    pub(crate) fn at(order: WorkOrder, now: Option<Timestamp>) -> Self {
        let allowed = order.state.allowed().iter().map(|state| state.word()).collect();
        let overdue = now.is_some_and(|now| view::is_overdue(&order, now));
        Self { order, allowed, overdue }
    }
}

/// A page of orders.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OrdersPage {
    /// Newest received first.
    #[schema(value_type = Vec<WorkOrderSchema>)]
    pub(crate) orders: Vec<Order>,
    /// What to hand in as `after` for the next page; null at the end.
    pub(crate) next: Option<String>,
}

/// A mistake: what is wrong, and what helps to do better.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Mistake {
    /// What is wrong, in English.
    error: String,
    /// The parameter that is wrong.
    parameter: Option<String>,
    /// The field of the body that is wrong.
    field: Option<String>,
    /// The parameters that are known.
    known: Option<Vec<String>>,
    /// The states that may follow.
    allowed: Option<Vec<String>>,
    /// What is wrong with an entry of the registry: `key`, `found`, `wanted`, and where.
    #[schema(value_type = Option<Vec<Object>>)]
    faults: Option<Vec<Value>>,
}

/// What any address may answer instead.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) enum Refused {
    /// A parameter or the body is wrong.
    #[response(status = 400)]
    Wrong(Mistake),
    /// No credential, or one that is not known.
    #[response(status = 401)]
    Unauthorised(Mistake),
    /// The credential may not do this, or the request comes from another site.
    #[response(status = 403)]
    Forbidden(Mistake),
    /// A console without credentials does not answer for this host.
    #[response(status = 421)]
    Host(Mistake),
    /// Not now: a store or the clock is not ready.
    #[response(status = 503)]
    Later(Mistake),
}

/// What an order looks like; a test holds it to what is sent.
#[derive(ToSchema)]
#[schema(as = WorkOrder)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct WorkOrderSchema {
    /// Number, as YW20260302-000017.
    no: String,
    /// sensor, hotline or alert.
    channel: String,
    /// The episode that opened it, 32 hexadecimal digits.
    anomaly: Option<String>,
    /// Key of the subject.
    category: String,
    title: TextSchema,
    text: TextSchema,
    place: PlaceSchema,
    /// ordinary, urgent, emergency.
    priority: String,
    /// Key of the department that must act.
    department: String,
    department_name: TextSchema,
    /// City time, RFC 3339.
    received: String,
    due: DueSchema,
    evidence: EvidenceSchema,
    state: StateSchema,
    /// What happened to it, oldest first.
    timeline: Vec<StepSchema>,
    /// The states that may follow.
    allowed: Vec<StateSchema>,
    /// Open and past due.
    overdue: bool,
}

/// The state of an order.
#[derive(ToSchema)]
#[schema(as = OrderState, rename_all = "snake_case")]
#[expect(dead_code, reason = "described, never built")]
pub(crate) enum StateSchema {
    Opened,
    Accepted,
    Dispatched,
    Handling,
    Replied,
    Closed,
    Returned,
    Reopened,
}

/// A text in both languages.
#[derive(ToSchema)]
#[schema(as = Text)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct TextSchema {
    zh: String,
    en: String,
}

/// Where it is.
#[derive(ToSchema)]
#[schema(as = Place)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct PlaceSchema {
    /// Key of the district.
    district: String,
    district_name: TextSchema,
    /// Id of the station.
    station: String,
    station_name: TextSchema,
    /// Longitude and latitude in degrees, WGS-84.
    point: Option<Vec<f64>>,
}

/// By when.
#[derive(ToSchema)]
#[schema(as = Due)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct DueSchema {
    /// City time, RFC 3339.
    at: String,
    /// The catalogue's deadline that says so.
    policy: String,
    /// Whether it reaches into a year whose calendar is not published.
    provisional: bool,
}

/// Why it was opened.
#[derive(ToSchema)]
#[schema(as = Evidence)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct EvidenceSchema {
    /// The episode, or the occurrence of an alert, whose extreme is its severity from 1, notice, to 4, critical: id, detector, series, phase, begin, end, extreme, limit, edition, severity. Its phase is what was said last: raised, worsened, cleared, revised, withdrawn. Of a revised or withdrawn one there is because, the reading that made it so, with time, value, and was if it was corrected; of a withdrawn one that is part of another, into, the id of that.
    anomaly: Value,
    /// The series to look at.
    series: Vec<SeriesSchema>,
    /// The unit of extreme and limit.
    unit: String,
    /// How long before the beginning to look, in nanoseconds.
    lead: i64,
    /// The last judged values at the time of opening, in `unit`.
    points: Vec<JudgedSchema>,
    /// Where another system shows what it saw, of http or https.
    links: Vec<String>,
}

/// A series by source and metric.
#[derive(ToSchema)]
#[schema(as = SeriesName)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct SeriesSchema {
    source: String,
    metric: String,
}

/// A judged value.
#[derive(ToSchema)]
#[schema(as = JudgedValue)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct JudgedSchema {
    /// Event time, RFC 3339.
    time: String,
    value: f64,
}

/// A line of the timeline.
#[derive(ToSchema)]
#[schema(as = Step)]
#[expect(dead_code, reason = "described, never built")]
pub(crate) struct StepSchema {
    /// Its place in the history, from 1.
    seq: u32,
    /// opened, moved, worsened, cleared, revised, withdrawn, restored.
    kind: String,
    /// The state after it.
    state: StateSchema,
    who: String,
    /// What people said; else what the episode did, in numbers and times: `120.5 µg/m³` (worsened), the end (cleared),
    /// `BEGIN..END severity extreme unit; READING` (revised, restored), `READING; → NUMBER` (withdrawn; the order of the
    /// episode that it is part of). READING is `TIME VALUE` of one that came late, `TIME WAS→VALUE` of one that was corrected.
    note: String,
    /// City time, RFC 3339.
    at: String,
    /// Wall time, RFC 3339.
    wall: String,
}
