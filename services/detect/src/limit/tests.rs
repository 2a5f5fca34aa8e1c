//! Tests of the limit: every hour of eight Beijing stations against a naive oracle; memory. The edges are cases.

mod beijing;

use std::sync::Arc;

use proptest::prelude::*;
use yiwang_model::{Quality, Span, Timestamp};

use super::cells::Cells;
use crate::registry::build;
use crate::{Event, Input, LimitRow, Param, Sample, SeriesContext, Spec};

proptest! {
    #[test]
    fn a_mean_is_the_sum_in_time_order_bit_by_bit(values in prop::collection::vec(0.1..999.0, 24), first in 0_i64..24) {
        // In force for the last window only.
        let valid_from = Timestamp::default() + Span::HOUR.times(first + 24) - Span(1);
        let limit = LimitRow { value: 0.0, valid_from, valid_to: None, edition: "A".into() };
        let spec = Spec {
            name: "sum".into(),
            kind: "limit".into(),
            severity: yiwang_model::Severity::Notice,
            params: [("window".to_owned(), Param::Text("24 h mean".to_owned()))].into(),
            limits: Arc::new([limit]),
        };
        let series = SeriesContext { period: Span::HOUR, ..SeriesContext::default() };
        let mut detector = build(&spec).map_err(|faults| format!("{faults:?}")).expect("right").make(&series);
        let mut events = Vec::new();
        for (hour, value) in (0..).zip(&values) {
            let time = Timestamp::default() + Span::HOUR.times(first + hour);
            let sample = Sample { time, value: *value, quality: Quality::Good };
            detector.step(&Input::Reading(sample), &mut events);
        }
        let [Event::Raised(found)] = &events[..] else { panic!("{events:?}") };
        let expected = values.iter().fold(0.0, |sum, value| sum + value) / 24.0;
        prop_assert_eq!(found.extreme.to_bits(), expected.to_bits());
    }
}

#[test]
fn cells_take_the_memory_that_is_stated() {
    let bytes = |cells: Cells| match cells {
        Cells::Values { ring, .. } => size_of_val(&*ring),
        Cells::Sums { sums, counts, .. } => size_of_val(&*sums) + size_of_val(&*counts),
    };
    assert_eq!(bytes(Cells::values(24)), 24 * 8);
    assert_eq!(bytes(Cells::sums(24, 45, false)), 24 * 20);
}

/// Standard, edition and grade may each be as long as a catalogue lets a text be; the quote has all of them.
#[test]
fn a_long_quote_is_taken_back_with_its_episode() {
    let edition = "限".repeat(4_096).as_str().into();
    let limit = LimitRow { value: 1.0, valid_from: Timestamp::default(), valid_to: None, edition };
    let spec = Spec {
        name: "long".into(),
        kind: "limit".into(),
        severity: yiwang_model::Severity::Notice,
        params: [("window".to_owned(), Param::Text("instant".to_owned()))].into(),
        limits: Arc::new([limit]),
    };
    let prototype = build(&spec).map_err(|faults| format!("{faults:?}")).expect("right");
    let mut detector = prototype.make(&SeriesContext::default());
    let sample = Sample { time: Timestamp::default(), value: 2.0, quality: Quality::Good };
    let (mut events, mut state) = (Vec::new(), Vec::new());
    detector.step(&Input::Reading(sample), &mut events);
    assert_eq!(events.len(), 1);
    detector.snapshot(&mut state);
    prototype.make(&SeriesContext::default()).restore(&state).expect("its own state");
}
