use super::*;

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

#[test]
fn years_have_their_working_days() {
    let calendar = Calendar::shipped();
    for (year, wanted) in [(2024, 251), (2025, 248), (2026, 248)] {
        let first = Date::new(year, 1, 1).unwrap();
        let days = std::iter::successors(Some(first), |day| day.tomorrow().ok())
            .take_while(|day| day.year() == year);
        assert_eq!(days.filter(|day| calendar.working_day(*day).0).count(), wanted, "{year}");
    }
}

#[test]
fn make_up_days_are_working_days_and_holidays_are_not() {
    let calendar = Calendar::shipped();
    for day in ["2024-02-04", "2025-01-26", "2026-02-14", "2026-02-28", "2026-10-10"] {
        assert_eq!(calendar.working_day(date(day)), (true, false), "{day}");
    }
    for day in ["2024-02-10", "2025-10-08", "2026-02-16", "2026-06-19", "2026-03-01"] {
        assert_eq!(calendar.working_day(date(day)), (false, false), "{day}");
    }
}

#[test]
fn detectors_are_told_the_days_that_are_not_what_their_weekday_says() {
    let mut calendar = Calendar { notices: BTreeMap::new(), local: Notice::new() };
    assert_eq!(calendar.days(), Days::default());
    let notice = ["2026-10-01", "2026-10-03"].map(|day| (date(day), false)).into_iter();
    calendar.notices.insert(2026, Arc::new(notice.chain([(date("2026-10-10"), true)]).collect()));
    // A Thursday off and a Saturday worked; that the other Saturday is off goes without saying.
    assert_eq!(calendar.days(), Days::new([(20_727, false), (20_736, true)]));
    calendar.local.insert(date("2026-10-01"), true);
    assert_eq!(calendar.days(), Days::new([(20_736, true)]));
    assert_ne!(Calendar::shipped().days(), Days::default());
}

#[test]
fn the_notice_of_the_following_year_rules_its_december() {
    let calendar = Calendar::shipped();
    assert_eq!(
        calendar.working_day(date("2018-12-29")),
        (true, false),
        "a Saturday, made up by 2019's notice"
    );
    assert_eq!(calendar.working_day(date("2018-12-31")), (false, false), "a Monday, off by 2019's notice");
    assert_eq!(calendar.working_day(date("2022-12-31")), (false, false));
}

#[test]
fn what_a_missing_notice_may_change_is_provisional() {
    let calendar = Calendar::shipped();
    for (day, wanted) in [
        ("2026-12-24", (true, false)),
        ("2026-12-25", (true, true)),
        ("2027-01-01", (true, true)),
        ("2027-01-02", (false, true)),
        ("2012-12-31", (true, true)),
        ("2013-01-01", (false, false)),
    ] {
        assert_eq!(calendar.working_day(date(day)), wanted, "{day}");
    }
}

#[test]
fn a_catalogue_adds_a_year_and_rules_single_days() {
    let city = crate::tests::parse(crate::tests::SMALL).unwrap();
    for (day, wanted) in [
        ("2027-01-01", (false, false)),
        ("2026-12-27", (true, false)),
        ("2026-12-25", (true, false)),
        ("2027-12-24", (true, false)),
        ("2027-12-31", (true, true)),
        ("2026-03-03", (false, false)),
        ("2026-10-01", (false, false)),
    ] {
        assert_eq!(city.working_day(date(day)), wanted, "{day}");
    }
}
