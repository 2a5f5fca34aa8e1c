//! Orders for programs that speak gRPC: `yiwang.v1.OrderService`, behind the same gate.

use tonic::{Request, Response, Status};
use yiwang_model::OrderState;
use yiwang_orders::{Filter, MAX_PAGE};
use yiwang_proto::authorization::Presented;
use yiwang_proto::v1::order_service_server::{OrderService, OrderServiceServer};
use yiwang_proto::v1::{
    GetOrderRequest, ListOrdersReply, ListOrdersRequest, TransitionOrderRequest, WatchOrdersRequest,
    WorkOrder,
};

use crate::api::orders::{Transition, apply, number};
use crate::asked::PAGE;
use crate::error::Error;
use crate::{Denied, May, Parts, Who};

mod watch;

use watch::Watching;

/// The most words of a list in a request; there are eight states.
const MAX_WORDS: usize = 16;

/// The order service.
#[derive(Clone)]
pub struct Orders(Parts);

/// The order service, ready to be served.
#[must_use]
pub fn order_service(parts: Parts) -> OrderServiceServer<Orders> {
    OrderServiceServer::new(Orders::new(parts)).max_decoding_message_size(crate::MAX_BODY_BYTES)
}

impl Orders {
    /// Over these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(parts)
    }
}

#[async_trait::async_trait]
impl OrderService for Orders {
    async fn list(&self, request: Request<ListOrdersRequest>) -> Result<Response<ListOrdersReply>, Status> {
        self.admit(&request, May::Read)?;
        let asked = request.into_inner();
        let limit = match asked.page_size {
            0 => PAGE,
            size if size <= MAX_PAGE => size,
            size => {
                return Err(Status::invalid_argument(format!(
                    "page_size is {size}; wanted is 1 to {MAX_PAGE}"
                )));
            }
        };
        let after = field(&asked.page_token);
        let found = self.0.orders.find(&filter(&asked)?, limit, after.as_deref()).await.map_err(status)?;
        let orders = found.orders.into_iter().map(WorkOrder::from).collect();
        Ok(Response::new(ListOrdersReply { orders, next_page_token: found.next.unwrap_or_default() }))
    }

    async fn get(&self, request: Request<GetOrderRequest>) -> Result<Response<WorkOrder>, Status> {
        self.admit(&request, May::Read)?;
        let no = number(&request.into_inner().no).map_err(status)?;
        let order = self.0.orders.get(&no).await.map_err(status)?;
        let order = order.ok_or_else(|| status(yiwang_orders::Error::NoSuchOrder(no)))?;
        Ok(Response::new(order.into()))
    }

    type WatchStream = Watching;

    async fn watch(&self, request: Request<WatchOrdersRequest>) -> Result<Response<Watching>, Status> {
        self.admit(&request, May::Read)?;
        watch::watch(&self.0, &request.into_inner()).await.map(Response::new)
    }

    async fn transition(
        &self,
        request: Request<TransitionOrderRequest>,
    ) -> Result<Response<WorkOrder>, Status> {
        let who = self.admit(&request, May::Act)?;
        let TransitionOrderRequest { no, to, note } = request.into_inner();
        let order = apply(&self.0, &who, &no, &Transition { to, note }).await.map_err(status)?;
        Ok(Response::new(order.into()))
    }
}

impl Orders {
    fn admit<T>(&self, request: &Request<T>, act: May) -> Result<Who, Status> {
        let header = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        let presented = header.and_then(Presented::from_header);
        self.0.gate.allows(presented.as_ref(), act).map_err(|denied| match denied {
            Denied::Unknown => Status::unauthenticated(Error::Unauthorised.to_string()),
            Denied::NotThis(Who(name)) => Status::permission_denied(crate::gate::not_this(&name, act)),
        })
    }
}

fn filter(asked: &ListOrdersRequest) -> Result<Filter, Status> {
    Ok(Filter {
        states: words::<OrderState>("states", &asked.states)?,
        department: field(&asked.department),
        district: field(&asked.district),
        category: field(&asked.category),
        source: field(&asked.source),
        ..Filter::default()
    })
}

/// The words of a list, each of which a type must know.
fn words<T: std::str::FromStr<Err = yiwang_model::Error>>(
    what: &str,
    words: &[String],
) -> Result<Vec<T>, Status> {
    if words.len() > MAX_WORDS {
        return Err(Status::invalid_argument(format!("more than {MAX_WORDS} {what}")));
    }
    let read: Result<Vec<T>, _> = words.iter().map(|word| word.parse()).collect();
    read.map_err(|error| Status::invalid_argument(error.to_string()))
}

fn field(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.chars().take(256).collect())
}

/// What went wrong, as gRPC tells it: by the status that HTTP has for it.
fn status(error: impl Into<Error>) -> Status {
    let error = error.into();
    let text = error.to_string();
    match error.status().as_u16() {
        400 => Status::invalid_argument(text),
        404 => Status::not_found(text),
        409 => Status::failed_precondition(text),
        503 => Status::unavailable(text),
        _ => Status::internal(text),
    }
}
