//! Which series are reckoned from which; mistakes in entries are told among all others.

use yiwang_model::{Series, Span};

use super::*;
use crate::Catalogue;
use crate::fault::Fault;

/// The small city with a second and a third station beside the first, and this entry.
fn city(entry: &str) -> Result<Catalogue, Vec<Fault>> {
    let station = |id: &str, lon: f64| {
        format!(
            "[[station]]\nid = \"{id}\"\nzh = \"站\"\nen = \"Station\"\nkind = \"air\"\ndistrict = \"d\"\ngateway = \"g\"\npoint = [{lon}, 30.0]\nmetrics = [\"pm2_5\", \"no2\"]\n"
        )
    };
    let metric = |name: &str| {
        format!(
            "[[metric]]\nname = \"{name}\"\nzh = \"量\"\nen = \"Metric\"\nkind = \"environment\"\nunit = \"µg/m³\"\nmin = 0\nmax = 9\nperiod = \"60s\"\nlateness = \"2m\"\nsource = \"test\"\n"
        )
    };
    let text = [
        metric("pm2_5"),
        metric("no2"),
        metric("made"),
        "[[category]]\nkey = \"air\"\nzh = \"气\"\nen = \"Air\"\n[[district]]\nkey = \"d\"\nzh = \"区\"\nen = \"D\"\nkind = \"zone\"\n".into(),
        "[[department]]\nkey = \"c\"\nzh = \"中\"\nen = \"C\"\n[[gateway]]\nid = \"g\"\nzh = \"网\"\nen = \"G\"\n".into(),
        station("a", 104.0),
        station("b", 104.01),
        station("c", 104.1),
        station("far", 110.0),
        "[[detector]]\nname = \"jump\"\nzh = \"跳\"\nen = \"Jump\"\nkind = \"spike\"\nmetrics = [\"pm2_5\"]\nmin_scale = 1\ncategory = \"air\"\nseverity = \"notice\"\nsource = \"test\"\n".into(),
        "[[detector]]\nname = \"own\"\nzh = \"跳\"\nen = \"Own\"\nkind = \"spike\"\nmetrics = [\"made\"]\nmin_scale = 1\ncategory = \"air\"\nseverity = \"notice\"\nsource = \"test\"\n".into(),
        "[[route]]\ndepartment = \"c\"\n[[deadline]]\nid = \"o\"\nclock = \"working_day\"\namount = 5\nstart = \"next_day\"\nsource = \"test\"\n".into(),
        format!("[[derived]]\nmetric = \"made\"\nsource = \"test\"\n{entry}\n"),
    ]
    .concat();
    Catalogue::parse(&[("city.toml", &text)])
}

fn series(station: &str, metric: &str) -> Series {
    Series::new(station, metric).expect("a good name")
}

fn sources(of: &Derivation) -> Vec<String> {
    of.sources.iter().map(|source| source.series.source().to_string()).collect()
}

#[test]
fn neighbours_are_the_nearest_within_the_radius() {
    let city = city("rule = \"neighbours\"\nof = \"pm2_5\"\nradius_km = 15\nleast = 2").expect("good");
    let derived = city.derived();
    let of = |station: &str| derived.of(&series(station, "made")).map(|how| sources(how));
    assert_eq!(of("a"), Some(vec!["a".into(), "b".into(), "c".into()]));
    assert_eq!(of("c"), Some(vec!["c".into(), "b".into(), "a".into()]));
    assert_eq!(of("far"), None);
    let made = derived.of(&series("a", "made")).expect("there");
    assert_eq!((made.frame, made.patience), (Span::MINUTE, Span::MINUTE.times(2)));
    let fed: Vec<_> = derived.fed_by(&series("b", "pm2_5")).to_vec();
    assert_eq!(fed, [(series("a", "made"), 1), (series("b", "made"), 0), (series("c", "made"), 1)]);
    assert_eq!(derived.fed_by(&series("b", "no2")), []);
    assert_eq!(city.series_context(&series("a", "made")).period, Span::MINUTE);
}

#[test]
fn a_balance_looks_up_the_river_and_back_in_time() {
    let city = city(
        "rule = \"balance\"\nof = \"no2\"\nupstream = \"a\"\ndownstream = \"b\"\nlag = \"30m\"\nas = \"ratio\"",
    );
    let city = city.expect("good");
    let how = city.derived().of(&series("b", "made")).expect("there");
    assert_eq!((sources(how), &how.rule), (vec!["b".into(), "a".into()], &Rule::Balance { ratio: true }));
    assert_eq!((how.sources[0].lag, how.sources[1].lag), (Span::ZERO, Span::MINUTE.times(30)));
}

#[test]
fn a_station_is_ranked_among_its_peers_at_one_event_time() {
    let ranked = |more: &str| {
        city(&format!("rule = \"rank\"\nof = \"no2\"\nstations = [\"c\"]\nleast = 2\n{more}")).expect("good")
    };
    let (all, named) = (ranked(""), ranked("peers = [\"a\", \"c\", \"far\"]\nbest = \"smallest\""));
    let how = all.derived().of(&series("c", "made")).expect("there");
    assert_eq!(
        (sources(how), &how.rule),
        (vec!["c".into(), "a".into(), "b".into(), "far".into()], &Rule::Rank { least: 2, smallest: false })
    );
    assert_eq!(
        (how.frame, how.patience),
        (Span(1), Span::MINUTE.times(3)),
        "a period and the usual lateness"
    );
    let how = named.derived().of(&series("c", "made")).expect("there");
    assert_eq!(
        (sources(how), &how.rule),
        (vec!["c".into(), "a".into(), "far".into()], &Rule::Rank { least: 2, smallest: true })
    );
    assert_eq!(named.derived().of(&series("a", "made")), None);
}

#[test]
fn an_expression_is_for_every_station_that_has_what_it_names() {
    let city =
        city("rule = \"expression\"\nexpression = 'pm2_5 > 2 * no2 && active(\"jump\")'").expect("good");
    assert_eq!(city.derived().series().count(), 4);
    let asking = city.derived().asking(&"jump".into(), &"far".into());
    assert_eq!(asking, [(series("far", "made"), 0)]);
}

#[test]
fn a_clock_is_told_when_readings_come_and_not_what_they_say() {
    let city = city("rule = \"clock\"\nof = \"no2\"").expect("good");
    let derived = city.derived();
    assert_eq!(derived.timed_by(&series("a", "no2")), [(series("a", "made"), 0)]);
    assert_eq!(derived.fed_by(&series("a", "no2")), []);
    assert_eq!(derived.of(&series("far", "made")).map(|how| &how.rule), Some(&Rule::Clock));
}

#[test]
fn mistakes_are_told_with_what_would_be_right() {
    for (entry, key, wanted) in [
        ("rule = \"mean\"", "derived.rule", "\"neighbours\""),
        ("rule = \"neighbours\"\nof = \"pm2_5\"", "derived.radius_km", "a finite number"),
        ("rule = \"neighbours\"\nof = \"pm2_5\"\nradius_km = -1", "derived.radius_km", "above zero"),
        ("rule = \"neighbours\"\nof = \"made\"\nradius_km = 1", "derived.of", "reckoned itself"),
        ("rule = \"neighbours\"\nof = \"pm2_5\"\nradius_km = 1\nleast = 9", "derived.least", "at most 8"),
        ("rule = \"neighbours\"\nof = \"pm2_5\"\nradius_km = 1\nmost = 99", "derived.most", "from 1 to 16"),
        ("rule = \"neighbours\"\nof = \"pm2_5\"\nradius_km = 1\nlag = \"1h\"", "derived.lag", "of"),
        (
            "rule = \"balance\"\nof = \"no2\"\nupstream = \"a\"\ndownstream = \"a\"",
            "derived.upstream",
            "another station",
        ),
        (
            "rule = \"balance\"\nof = \"no2\"\nupstream = \"x\"\ndownstream = \"a\"",
            "derived.upstream",
            "\"x\"",
        ),
        ("rule = \"rank\"\nof = \"no2\"\nstations = [\"a\"]", "derived.least", "a finite number"),
        ("rule = \"rank\"\nof = \"no2\"\nstations = [\"a\"]\nleast = 4", "derived.least", "from 1 to 3"),
        ("rule = \"rank\"\nof = \"no2\"\nstations = [\"a\"]\nleast = 1.5", "derived.least", "whole number"),
        ("rule = \"rank\"\nof = \"made\"\nstations = [\"a\"]\nleast = 1", "derived.of", "reckoned itself"),
        ("rule = \"rank\"\nof = \"no2\"\nstations = [\"z\"]\nleast = 1", "derived.stations", "not there"),
        (
            "rule = \"rank\"\nof = \"no2\"\nstations = [\"a\"]\nleast = 1\nbest = \"worst\"",
            "derived.best",
            "largest",
        ),
        ("rule = \"expression\"\nexpression = 'pm2_5 >'", "derived.expression", "no expression"),
        ("rule = \"expression\"\nexpression = 'so2 > 1'", "derived.expression", "no station sends"),
        (
            "rule = \"expression\"\nexpression = 'pm2_5 > 1 && active(\"x\")'",
            "derived.expression",
            "not there",
        ),
        (
            "rule = \"expression\"\nexpression = 'pm2_5 > 1 && active(\"own\")'",
            "derived.expression",
            "watches a reckoned metric",
        ),
        (
            "rule = \"expression\"\nexpression = 'mean(pm2_5, \"900d\") > 1'",
            "derived.expression",
            "1000 periods",
        ),
    ] {
        let faults = city(entry).err().unwrap_or_else(|| panic!("{entry} was accepted"));
        let told = faults.iter().any(|fault| fault.key == key && fault.to_string().contains(wanted));
        assert!(told, "{entry}: {faults:#?}");
    }
    let sent = city(
        "rule = \"expression\"\nexpression = 'pm2_5 > 1'\n[[derived]]\nmetric = \"no2\"\nrule = \"expression\"\nexpression = 'pm2_5 > 1'\nsource = \"test\"",
    );
    assert!(
        sent.expect_err("a metric that is sent")
            .iter()
            .any(|fault| fault.to_string().contains("which stations send"))
    );
}

#[test]
fn sections_are_held_against_the_same_water() {
    let entry = |stations: &str| {
        format!("rule = \"sections\"\nof = \"pm2_5\"\nlag = \"3m\"\nleast = 1\nstations = [{stations}]")
    };
    let with_lags = |catalogue: &Catalogue, station: &str| {
        let how = catalogue.derived().of(&series(station, "made")).expect("there");
        let source = |source: &Source| (source.series.source().to_string(), source.lag);
        how.sources.iter().map(source).collect::<Vec<_>>()
    };
    let minutes = |count| Span::MINUTE.times(count);
    let city = city(&entry("\"a\", \"b\", \"c\", \"far\"")).expect("good");
    let at = |id: &str, lag| (id.to_owned(), minutes(lag));
    assert_eq!(with_lags(&city, "b"), [at("b", 6), at("a", 9), at("c", 3), at("far", 0)]);
    // at the ends they are three on one side, and at the last there is nothing to wait for
    assert_eq!(with_lags(&city, "a"), [at("a", 9), at("b", 6), at("c", 3), at("far", 0)]);
    assert_eq!(with_lags(&city, "far"), [at("far", 0), at("a", 9), at("b", 6), at("c", 3)]);
}

#[test]
fn sections_held_against_those_above_wait_for_no_water() {
    let stations = "stations = [\"b\", \"a\", \"c\", \"far\"]";
    let entry = |around: &str| {
        city(&format!("rule = \"sections\"\nof = \"pm2_5\"\nlag = \"3m\"\nleast = 1\n{stations}\n{around}"))
    };
    let lag_of_first = |catalogue: &Catalogue, station: &str| {
        catalogue.derived().of(&series(station, "made")).expect("there").sources[0].lag
    };
    let (both, above) = (entry("").expect("good"), entry("around = \"above\"").expect("good"));
    // of the last there are three above, of those before there are not
    assert_eq!(lag_of_first(&above, "far"), Span::ZERO);
    assert_eq!(lag_of_first(&above, "a"), lag_of_first(&both, "a"));
    assert_eq!(above.derived().of(&series("far", "made")).expect("there").sources.len(), 4);
    assert!(entry("around = \"below\"").is_err());
}

#[test]
fn companions_are_of_the_same_stations_and_need_what_is_usual() {
    let entry = |more: &str| {
        city(&format!("rule = \"neighbours\"\nof = \"pm2_5\"\nradius_km = 15\nleast = 2\n{more}"))
    };
    let good = entry("usual = \"28d\"\nagainst = [\"no2\"]").expect("good");
    let how = good.derived().of(&series("a", "made")).expect("there");
    let named: Vec<String> = how.sources.iter().map(|source| source.series.to_string()).collect();
    assert_eq!(named, ["a pm2_5", "b pm2_5", "c pm2_5", "a no2", "b no2", "c no2"]);
    let groups = vec![Group { sources: 3, turned: false }, Group { sources: 3, turned: true }];
    let wanted = Apart { least: 2, memory: Span::DAY.times(28), groups };
    assert_eq!(how.rule, Rule::Apart(Arc::new(wanted)));
    let told =
        |more: &str| entry(more).expect_err("wrong").iter().map(ToString::to_string).collect::<String>();
    assert!(told("with = [\"no2\"]").contains("companions without usual"));
    assert!(told("usual = \"1h\"").contains("a day or more"));
    assert!(told("usual = \"2d\"\nwith = [\"so2\"]").contains("so2"));
}

#[test]
fn a_metric_was_its_own_companion() {
    let told = |more: &str| {
        let faults = city(&format!(
            "rule = \"neighbours\"\nof = \"pm2_5\"\nradius_km = 15\nleast = 2\nusual = \"28d\"\n{more}"
        ));
        faults.expect_err(more).iter().map(ToString::to_string).collect::<String>()
    };
    assert!(
        told("with = [\"pm2_5\"]").contains("derived.with")
            && told("with = [\"pm2_5\"]").contains("which is of")
    );
    assert!(told("against = [\"pm2_5\"]").contains("derived.against"));
    assert!(told("with = [\"no2\"]\nagainst = [\"no2\"]").contains("which is in with"));
    assert!(told("with = [\"made\"]").contains("which no station sends"), "it is reckoned itself");
    assert!(told("with = [\"no2\", \"no2\"]").contains("which is there twice"));
}

#[test]
fn sections_without_the_metric_are_named() {
    let wrong = "rule = \"sections\"\nof = \"made\"\nlag = \"3m\"\nstations = [\"a\", \"b\", \"c\"]";
    let faults = city(wrong).expect_err("a metric that no station has");
    assert!(
        faults.iter().any(|fault| fault.to_string().contains("\"a\", which has no \"made\"")),
        "{faults:?}"
    );
}

/// The same city with a detector that has this condition.
fn gated(unless: &str) -> Result<Catalogue, Vec<Fault>> {
    city(&format!(
        "rule = \"clock\"\nof = \"pm2_5\"\n[[detector]]\nname = \"gated\"\nzh = \"门\"\nen = \"Gated\"\nkind = \"spike\"\n\
         metrics = [\"pm2_5\"]\nmin_scale = 1\nunless = '{unless}'\ncategory = \"air\"\nseverity = \"notice\"\nsource = \"test\""
    ))
}

#[test]
fn a_detector_with_a_condition_watches_what_comes_while_that_does_not_hold() {
    let city = gated("max(no2, \"10m\") > 5.0").expect("good");
    let (own, gate) = (series("a", "pm2_5"), series("a", "pm2_5:unless:gated"));
    let how = city.derived().of(&gate).expect("there");
    let metrics: Vec<_> = how.sources.iter().map(|source| source.series.metric().to_string()).collect();
    assert_eq!(metrics, ["no2", "pm2_5"], "what the condition names, then what is watched");
    assert_eq!(city.derived().told_as(&gate), &own, "people are told of the station's own series");
    assert_eq!(city.derived().told_as(&own), &own);
    assert_eq!(city.metric("pm2_5:unless:gated"), city.metric("pm2_5"));
    assert_eq!(city.series_context(&gate), city.series_context(&own));
    let names =
        |metric: &str| city.detectors_for(metric).iter().map(|of| of.name.to_string()).collect::<Vec<_>>();
    assert_eq!(
        (names("pm2_5"), names("pm2_5:unless:gated")),
        (vec!["jump".into(), "gated".into()], vec!["gated".into()])
    );
    let is_gated: Vec<bool> =
        city.detectors_for("pm2_5").iter().map(|of| city.derived().is_gated(of, &own)).collect();
    assert_eq!(is_gated, [false, true]);
}

#[test]
fn a_condition_over_a_year_was_taken() {
    let told = |unless: &str| {
        gated(unless).err().map(|faults| faults.iter().map(ToString::to_string).collect::<String>())
    };
    assert_eq!(told("max(no2, \"1000m\") > 5.0"), None);
    let said = told("max(no2, \"1001m\") > 5.0").expect("a frame too many");
    assert!(said.contains("detector.unless") && said.contains("a window of 16h41m"), "{said}");
    assert!(told("max(no2, \"365d\") > 5.0").is_some());
}

/// The small city with a station that has a slower and later metric, and this.
fn with_rain(entry: &str) -> Result<Catalogue, Vec<Fault>> {
    city(&format!(
        "{entry}\n[[metric]]\nname = \"rain\"\nzh = \"雨\"\nen = \"Rain\"\nkind = \"environment\"\nunit = \"mm\"\nmin = 0\nmax = 9\n\
         period = \"10m\"\nsource = \"test\"\n[[station]]\nid = \"wet\"\nzh = \"站\"\nen = \"Wet\"\nkind = \"air\"\ndistrict = \"d\"\n\
         gateway = \"g\"\nmetrics = [\"pm2_5\", \"rain\"]\n"
    ))
}

#[test]
fn a_reckoned_series_may_be_as_late_as_what_it_is_reckoned_from() {
    let river = "rule = \"balance\"\nof = \"no2\"\nupstream = \"a\"\ndownstream = \"b\"\nlag = \"3h\"";
    let allowed = |of: &Catalogue, station: &str, metric: &str| of.allowed_lateness(&series(station, metric));
    let minutes = |count| Span::MINUTE.times(count);
    // 32 periods of its source, the lag, and two frames
    assert_eq!(allowed(&city(river).expect("good"), "b", "made"), minutes(32 + 180 + 2));
    let rain =
        with_rain("rule = \"expression\"\nexpression = 'pm2_5 > 1 && max(rain, \"30m\") > 1'").expect("good");
    assert_eq!(allowed(&rain, "wet", "pm2_5"), minutes(32));
    assert_eq!(allowed(&rain, "wet", "made"), minutes(320 + 2));
    let gate = "rule = \"clock\"\nof = \"pm2_5\"\n[[detector]]\nname = \"gated\"\nzh = \"门\"\nen = \"G\"\nkind = \"spike\"\n\
        metrics = [\"pm2_5\"]\nmin_scale = 1\nunless = 'rain > 1'\ncategory = \"air\"\nseverity = \"notice\"\nsource = \"test\"";
    let gate = with_rain(gate).expect("good");
    assert_eq!(allowed(&gate, "wet", "pm2_5:unless:gated"), minutes(320 + 2));
    assert_eq!(allowed(&gate, "wet", "made"), minutes(32 + 2));
    let asking = "rule = \"expression\"\nexpression = 'pm2_5 > 1 && active(\"rain-jump\")'\n[[detector]]\nname = \"rain-jump\"\nzh = \"雨\"\n\
        en = \"R\"\nkind = \"spike\"\nmetrics = [\"rain\"]\nmin_scale = 1\ncategory = \"air\"\nseverity = \"notice\"\nsource = \"test\"";
    let asking = with_rain(asking).expect("good");
    assert_eq!(
        allowed(&asking, "wet", "made"),
        minutes(320 + 2),
        "its episodes come as late as what they are found in"
    );
    assert_eq!(allowed(&asking, "a", "made"), minutes(32 + 2));
}

#[test]
fn a_lag_of_more_frames_than_are_held_was_taken() {
    let river = |lag: &str| {
        city(&format!(
            "rule = \"balance\"\nof = \"no2\"\nupstream = \"a\"\ndownstream = \"b\"\nlag = \"{lag}\""
        ))
    };
    assert!(river("968m").is_ok(), "with 32 minutes it is 1,000 frames");
    let faults = river("969m").expect_err("a frame too many");
    let said = faults[0].to_string();
    assert!(
        said.contains("derived.metric") && said.contains("16h41m") && said.contains("at most 16h40m"),
        "{said}"
    );
    assert!(river("9000000h").is_err());
}

#[test]
fn a_condition_that_can_say_nothing_is_refused() {
    for (unless, told) in [
        ("no2", "gives a number"),
        ("no2 >", "is no expression"),
        ("nothing > 1.0", "\"nothing\", which is not there"),
        ("no2 > 1.0 && active(\"jump\")", "asks about detectors"),
        ("made > 1.0", "no station can say anything of"),
    ] {
        let faults = gated(unless).expect_err(unless);
        let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert!(
            said.iter().any(|said| said.contains("detector.unless") && said.contains(told)),
            "{unless}: {said:?}"
        );
    }
    let asking = "rule = \"expression\"\nexpression = 'no2 > 1.0 && active(\"gated\")'\n[[detector]]\nname = \"gated\"\nzh = \"门\"\nen = \"G\"\n\
        kind = \"spike\"\nmetrics = [\"pm2_5\"]\nmin_scale = 1\nunless = 'no2 > 5.0'\ncategory = \"air\"\nseverity = \"notice\"\nsource = \"test\"";
    let faults = city(asking).expect_err("it would hear nothing");
    assert!(faults[0].to_string().contains("which is gated itself"), "{faults:?}");
}
