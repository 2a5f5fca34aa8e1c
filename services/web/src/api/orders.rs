//! Orders: a page of them, one, and moving one.

use axum::extract::{FromRequest, Path, Request, State};
use axum::http::{StatusCode, Uri, header};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use yiwang_model::{OrderNo, OrderState, Timestamp, WorkOrder};
use yiwang_orders::Moment;

use super::wire::{Mistake, Order, OrdersPage, Refused, StateSchema, WorkOrderSchema};
use crate::asked::{self, Asked};
use crate::error::{Error, excerpt};
use crate::params::Params;
use crate::{MAX_BODY_BYTES, Parts, Web, Who};

/// A page of orders, newest received first.
#[utoipa::path(get, path = "/api/v1/orders", operation_id = "list_orders", tag = "orders",
    params(
        ("state" = Option<String>, Query, description = "One or several states, with commas"),
        ("department" = Option<String>, Query, description = "Key of a department"),
        ("district" = Option<String>, Query, description = "Key of a district"),
        ("category" = Option<String>, Query, description = "Key of a subject"),
        ("source" = Option<String>, Query, description = "Id of a station"),
        ("detector" = Option<String>, Query, description = "Name of a detector"),
        ("active" = Option<bool>, Query, description = "Whether the episode still goes on"),
        ("overdue" = Option<bool>, Query, description = "true: only those open and past due"),
        ("q" = Option<String>, Query, description = "A text in number, title, station or district"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500, description = "At most this many, 1 to 500; 50 when not said"),
        ("after" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, body = OrdersPage), Refused))]
pub(crate) async fn list(State(web): State<Web>, uri: Uri) -> Result<Json<OrdersPage>, Error> {
    let params = Params::read(&uri, asked::KNOWN)?;
    let now = (web.parts().city_now)();
    let page = Asked::read(&params, now)?.find(&web).await?;
    let orders = page.orders.into_iter().map(|order| Order::at(order, now)).collect();
    Ok(Json(OrdersPage { orders, next: page.next }))
}

/// One order.
#[utoipa::path(get, path = "/api/v1/orders/{no}", operation_id = "get_order", tag = "orders",
    params(("no" = String, Path, description = "Number, as YW20260302-000017")),
    responses((status = 200, body = WorkOrderSchema), (status = 404, body = Mistake), Refused))]
pub(crate) async fn one(
    State(web): State<Web>,
    Path(no): Path<String>,
    uri: Uri,
) -> Result<Json<Order>, Error> {
    Params::read(&uri, &[])?;
    let order = find(&web, &no).await?;
    Ok(Json(Order::at(order, (web.parts().city_now)())))
}

/// The order of this number.
pub(crate) async fn find(web: &Web, no: &str) -> Result<WorkOrder, Error> {
    let order = web.parts().orders.get(&number(no)?).await?;
    order.ok_or_else(|| yiwang_orders::Error::NoSuchOrder(OrderNo(no.to_owned())).into())
}

/// A text that may be the number of an order; any other is the number of none.
pub(crate) fn number(no: &str) -> Result<OrderNo, Error> {
    let may_be = no.len() <= 32 && no.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if may_be {
        Ok(OrderNo(no.to_owned()))
    } else {
        Err(Error::NotFound { what: format!("order {}", excerpt(no)) })
    }
}

/// What an order is to become.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Transition {
    /// The state.
    #[schema(value_type = StateSchema)]
    pub(crate) to: String,
    /// What is said about it, at most 4,000 characters; needed to return an order.
    #[serde(default)]
    #[schema(max_length = 4000)]
    pub(crate) note: String,
}

/// Moves an order to another state, in the name of the credential.
#[utoipa::path(post, path = "/api/v1/orders/{no}/transitions", operation_id = "move_order", tag = "orders",
    params(("no" = String, Path, description = "Number, as YW20260302-000017")),
    request_body = Transition,
    responses((status = 200, body = WorkOrderSchema), (status = 404, body = Mistake), (status = 413, body = Mistake),
        (status = 415, body = Mistake), Refused,
        (status = 409, body = Mistake, description = "The state may not follow; `allowed` names those that may")))]
pub(crate) async fn transition(
    State(web): State<Web>,
    Extension(who): Extension<Who>,
    Path(no): Path<String>,
    request: Request,
) -> Result<Json<Order>, Error> {
    Params::read(request.uri(), &[])?;
    let wanted = read_json(request).await?;
    let order = apply(web.parts(), &who, &no, &wanted).await?;
    Ok(Json(Order::at(order, (web.parts().city_now)())))
}

/// Moves an order, now.
pub(crate) async fn apply(
    parts: &Parts,
    who: &Who,
    no: &str,
    wanted: &Transition,
) -> Result<WorkOrder, Error> {
    let no = number(no)?;
    let to: OrderState = wanted.to.parse().map_err(|error: yiwang_model::Error| {
        let why = format!("is wrong: {error}");
        Error::Field { field: "to", why }
    })?;
    if wanted.note.contains('\0') {
        return Err(Error::Field { field: "note", why: "has a zero character".into() });
    }
    let wall = Timestamp::from_jiff(jiff::Timestamp::now());
    let at = Moment { city: (parts.city_now)().ok_or(Error::NoTime)?, wall };
    Ok(parts.orders.transition(&no, to, &who.0, &wanted.note, at).await?)
}

/// The body of a transition, read as JSON.
async fn read_json(request: Request) -> Result<Transition, Error> {
    let kind =
        request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().map(str::trim) != Some("application/json") {
        return Err(Error::MediaType { wanted: "JSON, as application/json" });
    }
    fields(&body(request).await?)
}

/// The fields of a JSON body, each mistake told by its field.
fn fields(body: &[u8]) -> Result<Transition, Error> {
    let wrong = |field, why: String| Error::Field { field, why };
    let fields: Map<String, Value> = serde_json::from_slice(body)
        .map_err(|error| wrong("body", format!("is not a JSON object: {error}")))?;
    if let Some(field) = fields.keys().find(|field| !matches!(field.as_str(), "to" | "note")) {
        return Err(wrong("body", format!("has the field \"{}\"; known are to, note", excerpt(field))));
    }
    let text = |field| match fields.get(field) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(wrong(field, "must be a text".into())),
    };
    let to = text("to")?.ok_or_else(|| wrong("to", "is missing".into()))?;
    Ok(Transition { to, note: text("note")?.unwrap_or_default() })
}

/// A body of at most [`MAX_BODY_BYTES`].
pub(crate) async fn body(request: Request) -> Result<axum::body::Bytes, Error> {
    axum::body::Bytes::from_request(request, &()).await.map_err(|error| {
        let too_large =
            axum::response::IntoResponse::into_response(error).status() == StatusCode::PAYLOAD_TOO_LARGE;
        if too_large {
            Error::TooLarge { most_bytes: MAX_BODY_BYTES }
        } else {
            Error::Field { field: "body", why: "did not arrive whole".into() }
        }
    })
}
