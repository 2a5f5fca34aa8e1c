//! Points that a store elsewhere will never take, and events that a receiver refused for good, kept beside the readings that a door refused: in topic `rejected`, the
//! beginning of each body, as long as the topic has room. They are counted by the store's own progress.

use std::sync::Arc;

use async_trait::async_trait;
use yiwang_log::{Class, Log};
use yiwang_model::Timestamp;
use yiwang_proto::log::Rejected;
use yiwang_proto::topics;
use yiwang_proto::v1::Reason;
use yiwang_series::influx::{Aside, SetAside};

use crate::append;

/// What stands in a record of topic `rejected` as the door.
pub const DOOR: &str = "store";

/// Keeps them in the log.
pub struct ToLog {
    /// The log.
    pub log: Arc<dyn Log>,
    /// The most bytes that topic `rejected` may hold.
    pub max_bytes: u64,
    /// The wall's time.
    pub wall: fn() -> Timestamp,
}

impl ToLog {
    fn has_room(&self, bytes: usize) -> bool {
        let extents = self.log.extents();
        let rejected = extents.iter().filter(|extent| extent.partition.topic.0 == topics::REJECTED);
        rejected.map(|extent| extent.bytes).sum::<u64>() + bytes as u64 <= self.max_bytes
    }
}

/// Something that will never be taken elsewhere.
pub struct Beside {
    /// What stands in the record as the door.
    pub door: &'static str,
    /// Who refused it.
    pub sender: String,
    /// Why.
    pub why: String,
    /// The beginning of what it was.
    pub excerpt: Vec<u8>,
    /// How many points or events it stands for.
    pub count: u64,
}

impl ToLog {
    /// Keeps it, if there is room.
    pub async fn put(&self, Beside { door, sender, why, excerpt, count }: Beside) {
        let record = Rejected {
            door: door.to_owned(),
            sender: sender.clone(),
            reason: u32::try_from(Reason::Unspecified as i32).unwrap_or_default(),
            message: why,
            excerpt,
            count,
            city_nanos: None,
            wall_nanos: (self.wall)().nanos(),
        };
        let record = append(topics::REJECTED, &record);
        if !self.has_room(record.payload.len()) {
            tracing::warn!(door, sender, count, "set aside and not kept: no room");
            return;
        }
        if let Err(error) = self.log.append(Class::Intake, vec![record]).await {
            tracing::warn!(door, sender, count, %error, "set aside and not kept");
        }
    }
}

#[async_trait]
impl Aside for ToLog {
    async fn keep(&self, lines: SetAside) {
        let SetAside { store: sender, why, excerpt, points: count } = lines;
        self.put(Beside { door: DOOR, sender, why, excerpt, count }).await;
    }
}
