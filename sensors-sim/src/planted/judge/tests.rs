use super::*;
use crate::planted::truth::Row;

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_secs(1_790_000_000) + Span::MINUTE.times(minutes)
}

fn row(class: Class, kind: Kind, metric: &str, begin: i64, end: i64, least: u32) -> Row {
    Row {
        number: 1,
        class,
        kind,
        target: String::new(),
        source: "a".into(),
        metric: metric.into(),
        begin: at(begin),
        end: at(end),
        size: 1.0,
        factor: 1.0,
        least,
        period: Span::MINUTE.times(10),
    }
}

fn episode(detector: &str, metric: &str, opened: i64, end: i64) -> Episode {
    Episode {
        id: String::new(),
        detector: detector.into(),
        source: "a".into(),
        metric: metric.into(),
        begin: at(opened),
        end: Some(at(end)),
        opened: Some(at(opened)),
        severity: Severity::Notice,
    }
}

/// Ten days of 100 series are judged.
fn judged(rows: Vec<Row>, episodes: Vec<Episode>) -> Outcome {
    let truth = Truth { from: at(0), to: at(14_400), series: 100, rows };
    let kinds =
        Kinds::parse("[kinds]\n\"*-shift\" = [\"shift\"]\njump = [\"spike\"]\nregional = [\"event\"]\n")
            .unwrap();
    judge(&truth, episodes, &kinds, 12)
}

#[test]
fn a_fault_is_found_once_and_the_rest_are_repeats() {
    let rows = vec![
        row(Class::Fault, Kind::Shift, "x", 1000, 1300, 2),
        row(Class::Fault, Kind::Shift, "y", 1000, 1300, 2),
    ];
    let found = judged(
        rows,
        vec![
            episode("jump", "x", 1000, 1010),
            episode("level-shift", "x", 1040, 1300),
            episode("jump", "x", 1419, 1430),
        ],
    );
    let all = found.all();
    assert_eq!((all.planted, all.found, all.named, all.repeats, found.wrong()), (2, 1, 1, 2, 0));
    // It opened with the first reading, two before the least.
    assert_eq!(all.median_delay(), Some(-2));
}

#[test]
fn before_the_begin_and_behind_the_tolerance_is_false() {
    let rows = || vec![row(Class::Fault, Kind::Shift, "x", 1000, 1300, 2)];
    for (opened, found) in [(999, 0), (1000, 1), (1419, 1), (1420, 0)] {
        let outcome = judged(rows(), vec![episode("level-shift", "x", opened, opened + 5)]);
        assert_eq!((outcome.all().found, outcome.wrong()), (found, 1 - found), "{opened}");
    }
    let elsewhere = judged(rows(), vec![episode("level-shift", "y", 1100, 1200)]);
    assert_eq!((elsewhere.all().found, elsewhere.elsewhere), (0, 1));
    assert!((1000.0 * elsewhere.wrong() as f64 / elsewhere.series_days - 1.0).abs() < 1e-9);
}

#[test]
fn the_gravest_then_the_longest_episode_names_the_fault() {
    let rows = || vec![row(Class::Fault, Kind::Spike, "x", 1000, 1010, 0)];
    let named = |episodes| judged(rows(), episodes).all().named;
    assert_eq!(named(vec![episode("jump", "x", 1000, 1020), episode("level-shift", "x", 1000, 1010)]), 1);
    assert_eq!(named(vec![episode("jump", "x", 1000, 1010), episode("level-shift", "x", 1000, 1020)]), 0);
    let grave = Episode { severity: Severity::Warning, ..episode("jump", "x", 1000, 1010) };
    assert_eq!(named(vec![grave, episode("level-shift", "x", 1000, 1020)]), 1);
    // One that goes on is no longer than the window.
    let open = Episode { end: None, ..episode("level-shift", "x", 1000, 0) };
    assert_eq!(named(vec![episode("jump", "x", 1000, 9000), open]), 1);
}

#[test]
fn look_alikes_that_open_anything_are_false() {
    let rows = || {
        vec![
            row(Class::Quiet, Kind::Event, "x", 1000, 1300, 0),
            row(Class::Quiet, Kind::Front, "y", 1000, 1300, 0),
        ]
    };
    let outcome = judged(
        rows(),
        vec![
            episode("jump", "x", 1000, 1010),
            episode("jump", "x", 1100, 1110),
            episode("jump", "y", 1000, 1010),
        ],
    );
    assert_eq!(outcome.quiet[&Kind::Event], (2, 1));
    assert_eq!((outcome.quiet[&Kind::Front], outcome.wrong(), outcome.by_detector["jump"]), ((1, 1), 3, 3));
    // Who says what it is is right; who says it of something else is not.
    let told =
        judged(rows(), vec![episode("regional", "x", 1000, 1010), episode("regional", "y", 1000, 1010)]);
    assert_eq!((told.quiet[&Kind::Event].0, told.quiet[&Kind::Front].0), (0, 1));
}

#[test]
fn the_warm_up_does_not_count() {
    let rows = vec![row(Class::Fault, Kind::Spike, "x", -100, -90, 0)];
    let outcome = judged(rows, vec![episode("jump", "x", -100, -90), episode("jump", "x", 14_400, 14_410)]);
    assert_eq!((outcome.all().planted, outcome.wrong(), outcome.uncounted), (0, 0, 2));
}

#[test]
fn delays_are_in_readings_over_the_least_and_the_median_is_told() {
    let rows = [(1000, 0), (3000, 2), (5000, 2)]
        .map(|(begin, least)| row(Class::Fault, Kind::Shift, "x", begin, begin + 300, least));
    let episodes = [1000, 3049, 5110].map(|opened| episode("a-shift", "x", opened, opened + 10));
    let all = judged(rows.into(), episodes.into()).all();
    assert_eq!((all.delays.clone(), all.median_delay()), (vec![0, 2, 9], Some(2)));
}

#[test]
fn of_two_faults_the_newer_takes_what_opens() {
    let rows = vec![
        row(Class::Fault, Kind::Shift, "x", 1000, 1300, 2),
        row(Class::Fault, Kind::Spike, "x", 1350, 1360, 0),
    ];
    let outcome = judged(rows, vec![episode("jump", "x", 1350, 1360)]);
    assert_eq!((outcome.faults[&Kind::Shift].found, outcome.faults[&Kind::Spike].found), (0, 1));
}

#[test]
fn outcomes_of_cities_add_up() {
    let one = || {
        judged(
            vec![row(Class::Fault, Kind::Spike, "x", 1000, 1010, 0)],
            vec![episode("jump", "x", 1000, 1010), episode("jump", "y", 0, 5)],
        )
    };
    let mut sum = one();
    sum.add(one());
    assert_eq!((sum.all().planted, sum.all().found, sum.wrong()), (2, 2, 2));
    assert!(
        overall("me", &sum).starts_with("| me | 1.000 | 0.500 | 1.000 | 0 | 0 | 1.00 |"),
        "{}",
        overall("me", &sum)
    );
    assert!(
        details("me", &sum).contains("| spike | 2 | 2 | 1.000 | 1.000 | 0 | 0 |")
            && by_size("me", &sum) == "| me | spike | 1.000 |\n| me | all | 1.000 |\n"
            && sizes(&sum) == "| judge | fault | 1 |\n|---|---|---|\n"
    );
}

#[test]
fn a_table_of_kinds_with_a_word_that_is_none_is_refused() {
    let told = Kinds::parse("[kinds]\na = [\"spikes\"]\n").unwrap_err().to_string();
    assert!(told.starts_with("kinds.a has \"spikes\"; wanted is one of spike, shift"), "{told}");
    assert!(Kinds::parse("[kind]\n").is_err() && Kinds::parse("[kinds]\n[more]\n").is_err());
}

#[test]
fn a_reckoned_metric_finds_the_faults_of_another() {
    let text = "[kinds]\nlevel = [\"shift\"]\n[metrics]\n\"*_apart\" = \"*\"\nboth = \"no2\"\n";
    let kinds = Kinds::parse(text).unwrap();
    let of = |metric: &str| kinds.metric_of(metric);
    assert_eq!([of("no2_apart"), of("both"), of("no2")], ["no2", "no2", "no2"]);
    let truth = |metric: &str| Truth {
        from: at(0),
        to: at(14_400),
        series: 1,
        rows: vec![row(Class::Fault, Kind::Shift, metric, 1000, 1300, 2)],
    };
    let found =
        |metric| judge(&truth(metric), vec![episode("level", "x_apart", 1040, 1300)], &kinds, 12).all().named;
    assert_eq!((found("x"), found("y")), (1, 0));
}

fn order(id: &str, cause: &str, target: &str, members: &[(&str, i64)]) -> Order {
    let member = |(metric, opened): &(&str, i64)| Member {
        source: "a".into(),
        metric: (*metric).into(),
        opened: at(*opened),
    };
    Order {
        id: id.into(),
        cause: cause.into(),
        target: target.into(),
        members: members.iter().map(member).collect(),
    }
}

#[test]
fn orders_are_held_against_causes() {
    let cause = |number, kind, target: &str, metric| Row {
        number,
        target: target.into(),
        ..row(Class::Cause, kind, metric, 1000, 1180, 0)
    };
    let mut rows: Vec<Row> = ["m", "n", "o"].map(|metric| cause(1, Kind::Gateway, "gw-001", metric)).into();
    rows.extend(["p", "q"].map(|metric| cause(2, Kind::Maker, "maker-1", metric)));
    rows.push(Row { number: 3, ..row(Class::Fault, Kind::Spike, "f", 1000, 1010, 0) });
    let truth = Truth { from: at(0), to: at(14_400), series: 100, rows };
    let gateway = |more: &[(&str, i64)]| {
        order("1", "gateway", "gw-001", &[&[("m", 1030), ("n", 1040), ("o", 1050)], more].concat())
    };
    let fault = || order("3", "", "", &[("f", 1000)]);
    let maker = |target| order("2", "maker", target, &[("p", 1000), ("q", 1000)]);
    let judged = |orders: &[Order]| group(&truth, orders, &Kinds::default(), 12);

    let good = judged(&[gateway(&[]), maker("maker-1"), fault()]);
    let wanted = Grouping { orders: 3, stray: 0, members: 6, pure: 6, causes: 2, found: 2, named: 2 };
    assert_eq!(good, wanted);
    // All in one order: half of them do not belong there, and one cause is found.
    let one = judged(&[gateway(&[("p", 1000), ("q", 1000), ("f", 1000)])]);
    assert_eq!((one.pure, one.members, one.found, one.named), (3, 6, 1, 1));
    // Rightly grouped, wrongly named.
    assert_eq!(judged(&[gateway(&[]), maker("maker-2")]).named, 1);
    // What has no cause has nothing in common.
    let stray = judged(&[order("4", "gateway", "gw-001", &[("m", 13_000), ("x", 13_000)])]);
    assert_eq!((stray.stray, stray.pure, stray.found), (1, 1, 0));
}
