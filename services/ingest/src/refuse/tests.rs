use super::*;

#[test]
fn all_are_counted_and_the_first_are_kept() {
    let mut refusals = Refusals::default();
    for at in 0..Refusals::KEPT + 500 {
        let reason = if at % 3 == 0 { Reason::TooLate } else { Reason::WrongUnit };
        let kept = at < Refusals::KEPT;
        refusals.add(at, reason, || {
            assert!(kept, "a message that is not kept is not made");
            format!("message {at}")
        });
    }
    assert_eq!((refusals.total(), refusals.kept.len()), (1500, Refusals::KEPT));
    assert_eq!(refusals.by_reason, [(Reason::TooLate, 500), (Reason::WrongUnit, 1000)]);
}

#[test]
fn one_record_stands_for_each_reason() {
    let mut refusals = Refusals::default();
    refusals.set_excerpt(&[b'x'; 5000]);
    for (at, reason) in [Reason::WrongUnit, Reason::TooLate, Reason::WrongUnit].into_iter().enumerate() {
        refusals.add(at, reason, || format!("message {at}"));
    }
    let records = refusals.records("mqtt", "g1", None, Timestamp(7));
    let said: Vec<_> =
        records.iter().map(|record| (record.reason, record.count, record.message.as_str())).collect();
    assert_eq!(said, [(Reason::WrongUnit as u32, 2, "message 0"), (Reason::TooLate as u32, 1, "message 1")]);
    assert!(records.iter().all(|record| record.excerpt.len() == MAX_EXCERPT_BYTES && record.wall_nanos == 7));
}

#[test]
fn nothing_refused_is_nothing_recorded() {
    let refusals = Refusals::default();
    assert!(refusals.is_empty() && refusals.records("mqtt", "g1", None, Timestamp(0)).is_empty());
}
