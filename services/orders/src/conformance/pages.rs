//! Pages, filters and counts.

use yiwang_model::{OrderIntent, OrderNo, OrderState, Span, Timestamp};

use super::sample::{MORNING, after, draft, moment, note, nth, open as opened, over};
use crate::{Error, Filter, MAX_TEXT_CHARS, OrderStore};

async fn numbers<S: OrderStore>(store: &S, filter: &Filter, limit: u32) -> Vec<OrderNo> {
    let (mut all, mut next) = (Vec::new(), None);
    loop {
        let page = store.find(filter, limit, next.as_deref()).await.expect("a page");
        assert!(page.orders.len() <= limit as usize);
        all.extend(page.orders.into_iter().map(|order| order.no));
        assert!(all.len() <= 100, "pages come again and again");
        next = page.next;
        if next.is_none() {
            return all;
        }
    }
}

pub(super) async fn pages_join_without_gap_or_repeat<S: OrderStore, F: Future<Output = S>>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = open("pages").await;
    let intents: Vec<_> = (0..30).map(|n| opened(&format!("s{n}"), after(n / 7))).collect();
    store.apply(1, moment(MORNING), &intents).await.expect("applied");
    store.transition(&nth(9), OrderState::Accepted, "li", "", moment(MORNING)).await.expect("allowed");
    let newest_first: Vec<_> = (1..=30).rev().map(nth).collect();
    let some = vec![OrderState::Accepted, OrderState::Opened, OrderState::Opened];
    for filter in [Filter::default(), Filter { states: some, ..Filter::default() }] {
        for limit in [1, 6, 7, 30, 31, 500] {
            assert_eq!(numbers(&store, &filter, limit).await, newest_first, "pages of {limit}");
        }
    }
    let first = store.find(&Filter::default(), 0, None).await.expect("a page");
    assert_eq!(first.orders.len(), 1, "a limit of none is one");
    assert_eq!(first.orders[0], store.get(&nth(30)).await.expect("read").expect("the order"));
    store.apply(2, moment(MORNING), &[opened("new", after(99))]).await.expect("applied");
    let second = store.find(&Filter::default(), 1, first.next.as_deref()).await.expect("a page");
    assert_eq!(second.orders[0].no, nth(29), "a new order pushed others to the next page");
    assert!(store.find(&Filter::default(), u32::MAX, None).await.expect("a page").next.is_none());
}

pub(super) async fn filters_find_what_they_say<S: OrderStore, F: Future<Output = S>>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = open("filters").await;
    let mut other = draft("b", after(1));
    (other.category, other.department) = ("water".into(), "water".into());
    other.place.district = "510105".into();
    other.evidence.anomaly.detector = "water-level".into();
    other.due.at = after(100);
    let intents = [
        opened("a", MORNING),
        OrderIntent::Open(Box::new(other)),
        opened("c", after(2)),
        note(over("c", after(2), after(3)), after(3)),
    ];
    store.apply(1, moment(MORNING), &intents).await.expect("applied");
    store.transition(&nth(3), OrderState::Accepted, "li", "", moment(MORNING)).await.expect("allowed");
    let text = |text: &str| Some(text.to_string());
    let all = Filter::default();
    let cases: [(&str, Filter, &[u32]); 14] = [
        ("nothing", all.clone(), &[3, 2, 1]),
        ("state", Filter { states: vec![OrderState::Accepted], ..all.clone() }, &[3]),
        ("every state", Filter { states: OrderState::ALL.to_vec(), ..all.clone() }, &[3, 2, 1]),
        ("no such state", Filter { states: vec![OrderState::Closed], ..all.clone() }, &[]),
        ("department", Filter { department: text("water"), ..all.clone() }, &[2]),
        ("district", Filter { district: text("510104"), ..all.clone() }, &[3, 1]),
        ("category", Filter { category: text("air"), ..all.clone() }, &[3, 1]),
        ("source", Filter { source: text("b"), ..all.clone() }, &[2]),
        ("detector", Filter { detector: text("water-level"), ..all.clone() }, &[2]),
        ("active", Filter { active: Some(true), ..all.clone() }, &[2, 1]),
        ("not active", Filter { active: Some(false), ..all.clone() }, &[3]),
        ("overdue", Filter { overdue_at: Some(after(101)), ..all.clone() }, &[2]),
        ("text", Filter { text: text("at b"), ..all.clone() }, &[2]),
        ("two", Filter { category: text("air"), active: Some(true), ..all.clone() }, &[1]),
    ];
    for (name, filter, wanted) in cases {
        let wanted: Vec<_> = wanted.iter().copied().map(nth).collect();
        assert_eq!(numbers(&store, &filter, 2).await, wanted, "{name}");
    }
}

pub(super) async fn wildcards_stand_for_themselves<S: OrderStore, F: Future<Output = S>>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = open("wildcards").await;
    let titles = ["100% over", "100 over", "a_b", "axb", "c\\d", "cd", "it's 锦江"];
    let intents = titles.iter().enumerate().map(|(n, title)| {
        let mut draft = draft("s", after(n as i64));
        draft.title.en = (*title).into();
        OrderIntent::Open(Box::new(draft))
    });
    store.apply(1, moment(MORNING), &intents.collect::<Vec<_>>()).await.expect("applied");
    let cases: [(&str, &[u32]); 9] = [
        ("100%", &[1]),
        ("a_b", &[3]),
        ("c\\d", &[5]),
        ("%", &[1]),
        ("\\", &[5]),
        ("it's 锦", &[7]),
        ("' OR 1=1 --", &[]),
        ("-000004", &[4]),
        ("", &[7, 6, 5, 4, 3, 2, 1]),
    ];
    for (text, wanted) in cases {
        let filter = Filter { text: Some(text.into()), ..Filter::default() };
        let wanted: Vec<_> = wanted.iter().copied().map(nth).collect();
        assert_eq!(numbers(&store, &filter, 500).await, wanted, "{text:?}");
    }
    let long = Filter { text: Some("%".repeat(MAX_TEXT_CHARS + 1)), ..Filter::default() };
    assert!(matches!(store.find(&long, 1, None).await, Err(Error::TooLong { .. })));
}

pub(super) async fn tokens_of_others_are_refused<S: OrderStore, F: Future<Output = S>>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = open("tokens").await;
    let long = "0".repeat(100_000);
    for token in ["", "1", "YW20260302-000001", "01", "' OR 1=1", "é", "\0", &long] {
        let page = store.find(&Filter::default(), 1, Some(token)).await;
        assert!(matches!(page, Err(Error::Token(_))), "{token:?} was taken for a token");
    }
}

pub(super) async fn counts_are_what_a_recount_gives<S: OrderStore, F: Future<Output = S>>(
    open: &impl Fn(&'static str) -> F,
) {
    let store = open("counts").await;
    let none = store.counts(Timestamp(i64::MAX)).await.expect("read");
    assert_eq!(none.by_state, OrderState::ALL.map(|state| (state, 0)));
    assert_eq!((none.overdue, none.active, none.open_by_department.len()), (0, 0, 0));
    let intents: Vec<_> = (0..5).map(|n| opened("a", after(n))).collect();
    store.apply(1, moment(MORNING), &intents).await.expect("applied");
    use OrderState::{Accepted, Closed, Dispatched, Handling, Replied};
    for step in [Accepted, Dispatched, Handling, Replied, Closed] {
        store.transition(&nth(1), step, "li", "", moment(MORNING)).await.expect("allowed");
    }
    let due = MORNING + Span::DAY.times(3);
    let counts = store.counts(due + Span::SECOND.times(2)).await.expect("read");
    assert_eq!(counts.by_state.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [4, 0, 0, 0, 0, 1, 0, 0]);
    assert_eq!(counts.open_by_department, [("ecology".to_string(), 4)]);
    assert_eq!((counts.overdue, counts.active), (1, 5), "due at this very moment is not past due");
}
