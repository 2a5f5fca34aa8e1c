use super::*;
use crate::Catalogue;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn deadline(clock: Clock, start: Start) -> Deadline {
    let validity = Validity::of(None, None);
    Deadline { id: "d".into(), category: None, priority: None, clock, start, source: "test".into(), validity }
}

fn due(clock: Clock, start: Start, received: &str) -> Due {
    let hours = OfficeHours(vec![
        (Time::constant(9, 0, 0, 0), Time::constant(12, 0, 0, 0)),
        (Time::constant(13, 0, 0, 0), Time::constant(17, 0, 0, 0)),
    ]);
    deadline(clock, start).due(at(received), &Calendar::shipped(), &hours)
}

/// The last day of a deadline in working days: it ends with that day.
fn last_day(days: u32, start: Start, received: &str) -> String {
    let due = due(Clock::WorkingDay(days), start, received);
    assert_eq!(due.at, midnight(date_of(due.at)), "a day ends at midnight");
    date_of(due.at - Span(1)).to_string()
}

#[test]
fn working_days_are_counted_by_the_statutory_calendar() {
    for (days, received, wanted) in [
        (5, "2026-02-12", "2026-02-26"),
        (5, "2026-02-14", "2026-02-28"),
        (5, "2026-09-24", "2026-10-09"),
        (5, "2025-09-26", "2025-10-10"),
        (5, "2024-02-08", "2024-02-21"),
        (15, "2026-02-13", "2026-03-12"),
    ] {
        for time in ["T00:00:00+08:00", "T10:15:00+08:00", "T23:59:59+08:00"] {
            assert_eq!(
                last_day(days, Start::NextDay, &format!("{received}{time}")),
                wanted,
                "{received}{time}"
            );
        }
    }
}

#[test]
fn the_day_of_receipt_counts_only_when_the_time_runs_at_once() {
    assert_eq!(last_day(1, Start::NextDay, "2026-03-03T10:00:00+08:00"), "2026-03-04");
    assert_eq!(last_day(1, Start::Immediate, "2026-03-03T10:00:00+08:00"), "2026-03-03");
    assert_eq!(last_day(1, Start::Immediate, "2026-03-07T10:00:00+08:00"), "2026-03-09", "a Saturday");
    assert_eq!(
        last_day(1, Start::NextDay, "2026-03-06T23:00:00Z"),
        "2026-03-09",
        "Saturday morning in the city"
    );
}

#[test]
fn a_deadline_that_reaches_into_an_unpublished_year_is_provisional() {
    assert!(!due(Clock::WorkingDay(5), Start::NextDay, "2026-12-10T10:00:00+08:00").provisional);
    assert!(due(Clock::WorkingDay(5), Start::NextDay, "2026-12-28T10:00:00+08:00").provisional);
    assert!(!due(Clock::WorkingDay(5), Start::NextDay, "2018-12-27T10:00:00+08:00").provisional);
}

#[test]
fn december_days_are_ruled_by_the_next_years_notice() {
    // 29 December 2018, a Saturday, is made up; 30 December to 1 January are off.
    assert_eq!(last_day(2, Start::NextDay, "2018-12-28T10:00:00+08:00"), "2019-01-02");
}

#[test]
fn calendar_time_always_runs() {
    let two_hours = Clock::Calendar(Span::HOUR.times(2));
    assert_eq!(
        due(two_hours, Start::Immediate, "2026-02-16T23:00:00+08:00").at,
        at("2026-02-17T01:00:00+08:00")
    );
    assert_eq!(
        due(two_hours, Start::NextDay, "2026-02-16T23:00:00+08:00").at,
        at("2026-02-17T02:00:00+08:00")
    );
}

#[test]
fn working_hours_run_within_office_hours() {
    for (hours, received, wanted) in [
        (2, "2026-03-03T09:30:00+08:00", "2026-03-03T11:30:00+08:00"),
        (4, "2026-03-03T09:30:00+08:00", "2026-03-03T14:30:00+08:00"),
        (4, "2026-03-06T16:00:00+08:00", "2026-03-09T12:00:00+08:00"),
        (7, "2026-03-03T03:00:00+08:00", "2026-03-03T17:00:00+08:00"),
        (1, "2026-03-03T12:30:00+08:00", "2026-03-03T14:00:00+08:00"),
        (8, "2026-02-27T09:00:00+08:00", "2026-02-28T10:00:00+08:00"), // made up
    ] {
        let due = due(Clock::WorkingHour(hours), Start::Immediate, received);
        assert_eq!((due.at, due.provisional), (at(wanted), false), "{hours} h from {received}");
    }
}

#[test]
fn a_calendar_without_working_days_still_answers() {
    let none = OfficeHours::default();
    let due = deadline(Clock::WorkingHour(4), Start::Immediate).due(
        at("2026-03-03T09:30:00+08:00"),
        &Calendar::shipped(),
        &none,
    );
    assert!(due.provisional);
    deadline(Clock::WorkingDay(1_000), Start::NextDay).due(Timestamp(i64::MAX), &Calendar::shipped(), &none);
    deadline(Clock::WorkingDay(1_000), Start::NextDay).due(Timestamp::MIN, &Calendar::shipped(), &none);
}

#[test]
fn priority_comes_before_category_and_both_before_the_default() {
    let demo = Catalogue::demo();
    let received = at("2026-03-02T10:15:00+08:00");
    let policy = |category, priority| demo.due(category, priority, received).policy;
    assert_eq!(policy("air", Priority::Ordinary), "ordinary-7wd");
    assert_eq!(policy("project", Priority::Ordinary), "complex-project-15wd");
    assert_eq!(policy("project", Priority::Urgent), "urgent-24h");
    assert_eq!(policy("unknown", Priority::Emergency), "emergency-2h");
    let city = crate::tests::parse(crate::tests::SMALL).unwrap();
    assert_eq!(city.due("air", Priority::Urgent, received).policy, "hours");
    assert_eq!(city.due("air", Priority::Ordinary, received).policy, "ordinary");
}

#[test]
fn a_deadline_holds_for_orders_received_while_it_is_valid() {
    let text = crate::tests::SMALL
        .replace("id = \"hours\"\n", "id = \"hours\"\nvalid_from = 2026-03-02\nvalid_to = 2026-03-02\n");
    let city = crate::tests::parse(&text).unwrap();
    for (received, wanted) in [
        ("2026-03-01T23:59:59+08:00", "ordinary"),
        ("2026-03-02T00:00:00+08:00", "hours"),
        ("2026-03-02T23:59:59+08:00", "hours"),
        ("2026-03-03T00:00:00+08:00", "ordinary"),
    ] {
        assert_eq!(city.due("air", Priority::Urgent, at(received)).policy, wanted, "{received}");
    }
}
