//! Orders for programs that speak gRPC: `yiwang.v1.OrderService`, behind the same gate.

use tonic::{Request, Response, Status};
use yiwang_model::{OrderNo, OrderState};
use yiwang_orders::{Filter, MAX_PAGE};
use yiwang_proto::authorization::Presented;
use yiwang_proto::v1::order_service_server::{OrderService, OrderServiceServer};
use yiwang_proto::v1::{GetOrderRequest, ListOrdersReply, ListOrdersRequest, WorkOrder};

use crate::asked::PAGE;
use crate::error::{Error, excerpt};
use crate::{Denied, May, Parts};

/// The most states of a request; there are eight.
const MAX_STATES: usize = 16;

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
        self.admit(&request)?;
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
        self.admit(&request)?;
        let no = OrderNo(excerpt(&request.into_inner().no));
        let order = self.0.orders.get(&no).await.map_err(status)?;
        let order = order.ok_or_else(|| status(yiwang_orders::Error::NoSuchOrder(no)))?;
        Ok(Response::new(order.into()))
    }
}

impl Orders {
    fn admit<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let header = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        let presented = header.and_then(Presented::from_header);
        match self.0.gate.allows(presented.as_ref(), May::Read) {
            Ok(_) => Ok(()),
            Err(Denied::Unknown) => Err(Status::unauthenticated(Error::Unauthorised.to_string())),
            Err(Denied::NotThis(who)) => {
                Err(Status::permission_denied(format!("credential \"{}\" may not read", who.0)))
            }
        }
    }
}

fn filter(asked: &ListOrdersRequest) -> Result<Filter, Status> {
    if asked.states.len() > MAX_STATES {
        return Err(Status::invalid_argument(format!("more than {MAX_STATES} states")));
    }
    let states: Result<Vec<OrderState>, _> = asked.states.iter().map(|word| word.parse()).collect();
    let states = states.map_err(|error: yiwang_model::Error| Status::invalid_argument(error.to_string()))?;
    Ok(Filter {
        states,
        department: field(&asked.department),
        district: field(&asked.district),
        category: field(&asked.category),
        source: field(&asked.source),
        ..Filter::default()
    })
}

fn field(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.chars().take(256).collect())
}

fn status(error: yiwang_orders::Error) -> Status {
    use yiwang_orders::Error as Orders;
    let text = error.to_string();
    match error {
        Orders::NoSuchOrder(_) => Status::not_found(text),
        Orders::Token(_) | Orders::TooLong { .. } => Status::invalid_argument(text),
        Orders::Outside(_) => Status::unavailable(text),
        _ => Status::internal(text),
    }
}
