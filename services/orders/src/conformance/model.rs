//! A store beside a model of it, under random actions: histories only grow and have no holes, an order's state
//! is that of its last step, the outbox has every step once and in order, counts are what a recount gives.

use std::collections::BTreeMap;

use yiwang_model::order::StepKind;
use yiwang_model::{Anomaly, AnomalyId, Because, OrderIntent, OrderNo, OrderState, Phase, Timestamp};

use super::sample::{after, episode, moment, note, open as opened, over, worse};
use crate::{Error, Filter, OrderStore};

/// Names of stores for [`live`].
pub const NAMES: [&str; 8] = ["life-0", "life-1", "life-2", "life-3", "life-4", "life-5", "life-6", "life-7"];

/// Something that happens to a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// An epoch asks to open an episode's order, or says that a withdrawn one is there after all.
    Open(u8),
    /// An epoch notes that an episode worsened to this extreme.
    Worsen(u8, u8),
    /// An epoch notes that an episode ended.
    Clear(u8),
    /// An epoch notes that a reading made this extreme of an episode.
    Revise(u8, u8),
    /// An epoch notes that this reading took an episode back, which is part of the next one then.
    Withdraw(u8, u8),
    /// Somebody moves the order of an episode.
    Move(u8, OrderState),
    /// The last epoch comes again, asking for something new.
    Again(u8),
    /// The carrier takes that many events.
    Take(u8),
    /// The store is opened again.
    Reopen,
}

impl Action {
    /// The action that these bytes stand for.
    #[must_use]
    pub fn of([kind, episode, what]: [u8; 3]) -> Self {
        let episode = episode % 6;
        match kind % 20 {
            0..=2 => Self::Open(episode),
            3 | 4 => Self::Worsen(episode, what % 4),
            5 => Self::Clear(episode),
            6 => Self::Again(episode),
            7 => Self::Take(what % 8),
            8 => Self::Reopen,
            9 => Self::Revise(episode, what % 4),
            10..=12 => Self::Withdraw(episode, what % 2),
            _ => Self::Move(episode, OrderState::ALL[usize::from(what % 8)]),
        }
    }
}

/// `count` actions by this seed, the same on every machine.
#[must_use]
pub fn actions(seed: u64, count: usize) -> Vec<Action> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let bytes = state.to_be_bytes();
        Action::of([bytes[1], bytes[3], bytes[5]])
    };
    (0..count).map(|_| next()).collect()
}

#[derive(Default)]
struct Model {
    epoch: u64,
    orders: BTreeMap<u8, Order>,
    /// Every line: the order's number, its place in the history.
    lines: Vec<(OrderNo, u32)>,
    taken: usize,
}

struct Order {
    no: OrderNo,
    history: Vec<(StepKind, OrderState)>,
    /// The episode as the store should have it.
    anomaly: Anomaly,
    /// Whether people have moved it.
    touched: bool,
}

impl Order {
    fn state(&self) -> OrderState {
        self.history.last().expect("an order begins with a step").1
    }
}

/// Lets the actions happen to the store of this name, which must be empty, and compares it with the model.
///
/// # Panics
/// When the store and the model differ.
pub async fn live<S: OrderStore, F: Future<Output = S>>(
    open: &impl Fn(&'static str) -> F,
    name: &'static str,
    actions: &[Action],
) {
    let mut store = open(name).await;
    let mut model = Model::default();
    for action in actions {
        match *action {
            Action::Reopen => {
                drop(store);
                store = open(name).await;
            }
            Action::Take(count) => take(&store, &mut model, usize::from(count)).await,
            Action::Move(episode, to) => shift(&store, &mut model, episode, to).await,
            Action::Again(episode) => again(&store, &model, episode).await,
            _ => judge(&store, &mut model, *action).await,
        }
        match *action {
            Action::Open(it) | Action::Clear(it) => compare_order(&store, &model, it).await,
            Action::Worsen(it, _) | Action::Revise(it, _) => compare_order(&store, &model, it).await,
            Action::Withdraw(it, _) | Action::Move(it, _) => compare_order(&store, &model, it).await,
            Action::Again(_) | Action::Take(_) | Action::Reopen => (),
        }
    }
    compare(&store, &model).await;
}

fn begin(episode: u8) -> Timestamp {
    after(i64::from(episode))
}

/// What the judgement says of an episode.
fn said(action: Action) -> (u8, Anomaly) {
    let because = |value: u8| Some(Because { time: after(7), value: f64::from(value), was: None });
    match action {
        Action::Open(it) => (it, episode("a", begin(it))),
        Action::Worsen(it, extreme) => (it, worse("a", begin(it), f64::from(extreme))),
        Action::Clear(it) => (it, over("a", begin(it), after(99))),
        Action::Revise(it, extreme) => {
            let (extreme, because) = (f64::from(extreme), because(extreme));
            (it, Anomaly { phase: Phase::Revised, extreme, because, ..episode("a", begin(it)) })
        }
        Action::Withdraw(it, value) => {
            let (because, into) = (because(value), Some(episode("a", begin(it + 1)).id));
            (it, Anomaly { phase: Phase::Withdrawn, because, into, ..episode("a", begin(it)) })
        }
        other => unreachable!("{other:?} is not of the judgement"),
    }
}

async fn judge<S: OrderStore>(store: &S, model: &mut Model, action: Action) {
    model.epoch += 1;
    let (it, anomaly) = said(action);
    let (intent, changes): (OrderIntent, u64) = match action {
        Action::Open(_) => (opened("a", begin(it)), model.opened(it, anomaly).into()),
        _ => (note(anomaly.clone(), begin(it)), model.noted(it, anomaly).into()),
    };
    let applied = store.apply(model.epoch, moment(after(50)), &[intent]).await.expect("applied");
    assert_eq!((applied.opened + applied.noted, applied.repeated), (changes, 1 - changes), "{action:?}");
}

impl Model {
    /// An intent to open; whether it changes something.
    fn opened(&mut self, episode: u8, anomaly: Anomaly) -> bool {
        let Some(order) = self.orders.get_mut(&episode) else {
            let no = super::sample::nth(u32::try_from(self.orders.len()).expect("few") + 1);
            let history = vec![(StepKind::Opened, OrderState::Opened)];
            self.lines.push((no.clone(), 1));
            self.orders.insert(episode, Order { no, history, anomaly, touched: false });
            return true;
        };
        let was_over = order.anomaly.phase == Phase::Cleared;
        let comes_back = was_over || order.anomaly.phase == Phase::Withdrawn;
        if comes_back {
            order.anomaly = anomaly;
            let reopens = order.state() == OrderState::Closed && (was_over || !order.touched);
            self.line(episode, StepKind::Restored, reopens.then_some(OrderState::Reopened));
        }
        comes_back
    }

    /// A note; whether it changes something.
    fn noted(&mut self, episode: u8, mut anomaly: Anomaly) -> bool {
        let Some(order) = self.orders.get_mut(&episode) else { return false };
        let (kind, to) = match anomaly.phase {
            Phase::Worsened => (StepKind::Worsened, None),
            Phase::Cleared => (StepKind::Cleared, None),
            Phase::Revised => (StepKind::Revised, None),
            Phase::Withdrawn => (StepKind::Withdrawn, Some(OrderState::Closed).filter(|_| !order.touched)),
            Phase::Raised => unreachable!("no action notes it"),
        };
        if order.anomaly.phase == Phase::Withdrawn && kind != StepKind::Withdrawn {
            anomaly.phase = Phase::Withdrawn;
            (anomaly.because, anomaly.into) = (order.anomaly.because, order.anomaly.into);
        }
        let news = order.anomaly != anomaly;
        if news {
            order.anomaly = anomaly;
            self.line(episode, kind, to);
        }
        news
    }

    fn line(&mut self, episode: u8, kind: StepKind, to: Option<OrderState>) {
        let order = self.orders.get_mut(&episode).expect("lines are added to orders");
        order.history.push((kind, to.unwrap_or(order.state())));
        self.lines.push((order.no.clone(), u32::try_from(order.history.len()).expect("few")));
    }
}

async fn again<S: OrderStore>(store: &S, model: &Model, episode: u8) {
    if model.epoch > 0 {
        let intents = [opened("again", begin(episode))];
        let applied = store.apply(model.epoch, moment(after(50)), &intents).await.expect("answered");
        assert_eq!((applied.opened, applied.repeated), (0, 1), "epoch {} came again", model.epoch);
    }
}

async fn shift<S: OrderStore>(store: &S, model: &mut Model, episode: u8, to: OrderState) {
    let no = model.orders.get(&episode).map_or(OrderNo("none".into()), |order| order.no.clone());
    let moved = store.transition(&no, to, "li", "reason", moment(after(51))).await;
    match model.orders.get(&episode).map(Order::state) {
        None => assert!(matches!(moved, Err(Error::NoSuchOrder(_)))),
        Some(state) if state.allowed().contains(&to) => {
            assert_eq!(moved.expect("allowed").state, to);
            model.orders.get_mut(&episode).expect("there").touched = true;
            model.line(episode, StepKind::Moved, Some(to));
        }
        Some(state) => assert!(matches!(moved, Err(Error::NotAllowed { from, .. }) if from == state)),
    }
}

async fn take<S: OrderStore>(store: &S, model: &mut Model, count: usize) {
    let events = store.outbox(u32::try_from(count).expect("few")).await.expect("read");
    let Some(last) = events.last() else { return assert_eq!(model.taken, model.lines.len()) };
    let told = events.iter().map(|event| (event.no.clone(), event.step.seq));
    assert!(told.eq(model.lines[model.taken..].iter().take(count.max(1)).cloned()), "{events:?}");
    store.outbox_taken(last.seq).await.expect("taken");
    model.taken += events.len();
    assert_eq!(last.seq, model.taken as u64);
}

async fn compare_order<S: OrderStore>(store: &S, model: &Model, it: u8) {
    let found = store.of_anomaly(episode("a", begin(it)).id).await.expect("read");
    let Some(order) = model.orders.get(&it) else { return assert_eq!(found, None) };
    let found = found.expect("an order");
    assert_eq!((&found.no, found.state), (&order.no, order.state()));
    assert_eq!(found.draft.evidence.anomaly, order.anomaly);
    let history: Vec<_> = found.timeline.iter().map(|step| (step.kind, step.state)).collect();
    assert_eq!(history, order.history);
    assert!((1..).zip(&found.timeline).all(|(place, step)| step.seq == place), "{:?}", found.timeline);
}

async fn compare<S: OrderStore>(store: &S, model: &Model) {
    assert_eq!(store.applied().await.expect("read"), Some(model.epoch).filter(|epoch| *epoch > 0));
    let counts = store.counts(after(0)).await.expect("read");
    for (state, orders) in counts.by_state {
        let wanted = model.orders.values().filter(|order| order.state() == state).count();
        assert_eq!(orders, wanted as u64, "{state}");
        let filter = Filter { states: vec![state], ..Filter::default() };
        assert_eq!(store.find(&filter, 500, None).await.expect("read").orders.len(), wanted);
    }
    let rows = store.episodes(None, 500).await.expect("read");
    let is_over = |order: &Order| order.anomaly.phase == Phase::Withdrawn || order.anomaly.end.is_some();
    let mut wanted: Vec<(AnomalyId, &OrderNo, bool)> = Vec::new();
    wanted.extend(model.orders.values().map(|order| (order.anomaly.id, &order.no, !is_over(order))));
    wanted.sort_unstable();
    assert_eq!(rows.iter().map(|row| (row.anomaly.id, &row.no, row.active)).collect::<Vec<_>>(), wanted);
    assert_eq!(counts.active, wanted.iter().filter(|(.., active)| *active).count() as u64);
    let left = store.outbox(500).await.expect("read");
    assert!(left.iter().map(|e| (e.no.clone(), e.step.seq)).eq(model.lines[model.taken..].iter().cloned()));
}
