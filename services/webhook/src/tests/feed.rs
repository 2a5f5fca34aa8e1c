//! A feed in memory, and a place for what is set aside.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use tokio::sync::watch;
use yiwang_model::order::{Step, StepKind, Text};
use yiwang_model::{OrderNo, OrderState, Priority, Span, Timestamp};
use yiwang_orders::feed::{Extent, Facts, Happening, OrderFeed};
use yiwang_orders::{Error, OrderEvent};

use crate::{Aside, SetAside};

#[derive(Default)]
pub(super) struct Memory {
    held: Mutex<Held>,
    added: watch::Sender<()>,
}

#[derive(Default)]
struct Held {
    last: u64,
    cursors: BTreeMap<String, u64>,
    aside: Vec<SetAside>,
}

impl Memory {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap()
    }

    /// So many orders more are opened, half of them for `water`.
    pub(super) fn add(&self, more: u64) {
        self.held().last += more;
        self.added.send_replace(());
    }

    /// Where a follower is.
    pub(super) fn at(&self, cursor: &str) -> Option<u64> {
        self.held().cursors.get(cursor).copied()
    }

    pub(super) fn set(&self, cursor: &str, seq: u64) {
        self.held().cursors.insert(cursor.into(), seq);
    }

    pub(super) fn aside(&self) -> Vec<SetAside> {
        self.held().aside.clone()
    }
}

#[async_trait]
impl OrderFeed for Memory {
    async fn extent(&self) -> Result<Extent, Error> {
        Ok(Extent { store: 1, before: 0, last: self.held().last })
    }

    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Happening>, Error> {
        let mut added = self.added.subscribe();
        loop {
            added.mark_unchanged();
            let last = self.held().last;
            if after < last {
                return Ok((after + 1..=last.min(after + u64::from(limit))).map(happening).collect());
            }
            added.changed().await.unwrap();
        }
    }

    async fn cursor(&self, name: &str) -> Result<Option<u64>, Error> {
        Ok(self.at(name))
    }

    async fn move_cursor(&self, name: &str, seq: u64) -> Result<(), Error> {
        self.set(name, seq);
        Ok(())
    }
}

#[async_trait]
impl Aside for Memory {
    async fn keep(&self, event: SetAside) {
        self.held().aside.push(event);
    }
}

/// The opening of the `seq`th order.
pub(super) fn happening(seq: u64) -> Happening {
    let at = Timestamp(1_772_416_800_000_000_000) + Span::from_secs(seq.cast_signed());
    let department = if seq.is_multiple_of(2) { "water" } else { "ecology" };
    let step = Step {
        seq: 1,
        kind: StepKind::Opened,
        state: OrderState::Opened,
        who: "yiwang".into(),
        note: "说".repeat(4_000),
        at,
        wall: at,
    };
    let no = OrderNo(format!("YW20260302-{seq:06}"));
    let event = OrderEvent { seq, no, anomaly: None, department: department.into(), step };
    let facts = Facts {
        category: "air".into(),
        title: Text::new("超标", "above the limit"),
        text: Text::new("请核查", "please verify"),
        district: "510104".into(),
        station: "a".into(),
        priority: Priority::Ordinary,
        received: at,
        due: at + Span::DAY,
        detector: "pm2_5-day".into(),
        source: "a".into(),
        metric: "pm2_5".into(),
    };
    Happening { event, facts }
}
