mod faults;

use proptest::prelude::*;

use super::*;

/// A city with one of everything, small enough to break on purpose.
pub(crate) const SMALL: &str = include_str!("tests/small.toml");

pub(crate) fn parse(text: &str) -> Result<Catalogue, Vec<Fault>> {
    Catalogue::parse(&[("small.toml", text)])
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The day-mean limit of PM2.5 that the demo city judges this moment by.
fn limit_at(demo: &Catalogue, metric: &str, window: &str, time: &str) -> Option<f64> {
    let time = at(time);
    let entry = demo
        .detectors_for(metric)
        .iter()
        .find(|entry| entry.params.get("window") == Some(&yiwang_detect::Param::Text(window.to_owned())))?;
    let holds =
        |row: &&yiwang_detect::LimitRow| row.valid_from <= time && row.valid_to.is_none_or(|to| time < to);
    let rows: Vec<f64> = entry.limits(metric).iter().filter(holds).map(|row| row.value).collect();
    assert!(rows.len() <= 1, "{metric} has two limits at {time}");
    rows.first().copied()
}

#[test]
fn the_demo_city_has_no_faults() {
    if let Err(faults) = Catalogue::parse(&[("demo.toml", demo_text())]) {
        panic!("{}", faults.iter().map(|fault| format!("{fault}\n")).collect::<String>());
    }
}

#[test]
fn the_demo_city_is_a_whole_city() {
    let demo = Catalogue::demo();
    let of = |kind| demo.districts.values().filter(|district| district.kind == kind).count();
    assert_eq!((of(DistrictKind::Division), of(DistrictKind::Zone)), (20, 1));
    assert_eq!(demo.districts["510104"].code().unwrap().as_ref(), "510104");
    assert_eq!(demo.districts["gaoxin"].code(), None);
    let stations = |kind| demo.stations.values().filter(|station| station.kind == kind).count();
    assert_eq!(stations(StationKind::Air), 15 + 12);
    assert_eq!(stations(StationKind::Project), 10);
    for kind in [MetricKind::Environment, MetricKind::Water, MetricKind::Project, MetricKind::Economy] {
        let of_kind = |series: &Series| demo.metric(series.metric()).unwrap().kind == kind;
        assert!(demo.series().any(|series| of_kind(&series)), "{kind:?}");
    }
    for project in demo.stations.values().filter(|station| station.kind == StationKind::Project) {
        let plan = project.plan.as_ref().unwrap();
        assert_eq!(plan.metric.as_ref(), "project_percent");
        assert_eq!(plan.points.last().unwrap().1, 100.0);
        assert!(demo.plan(&project.id, "project_investment").is_some());
    }
}

#[test]
fn every_station_and_every_gateway_of_the_demo_city_is_used() {
    let demo = Catalogue::demo();
    for gateway in demo.gateways.keys() {
        let family = demo.families().any(|family| family.gateway == *gateway);
        assert!(family || !demo.series_of(gateway).is_empty(), "{gateway}");
    }
    let behind: usize = demo.gateways.keys().map(|gateway| demo.series_of(gateway).len()).sum();
    assert_eq!(behind, demo.series().count());
    assert!(demo.gateway_rule().unwrap().build().is_ok());
    for entry in &demo.detectors {
        assert!(entry.metrics.iter().all(|metric| entry.prototype(metric).is_some()), "{entry:?}");
    }
}

#[test]
fn points_of_the_city_lie_in_it() {
    for station in Catalogue::demo().stations.values() {
        let Some((longitude, latitude)) = station.point else { continue };
        assert!((102.9..104.9).contains(&longitude) && (30.0..31.5).contains(&latitude), "{}", station.id);
    }
}

#[test]
fn the_text_of_a_catalogue_is_the_same_catalogue() {
    for catalogue in [Catalogue::demo(), parse(SMALL).unwrap()] {
        let again = Catalogue::parse(&[("other name", catalogue.text())]).unwrap();
        assert_eq!((again.text(), again.hash()), (catalogue.text(), catalogue.hash()));
        assert_eq!(
            (&again.metrics, &again.stations, &again.limits),
            (&catalogue.metrics, &catalogue.stations, &catalogue.limits)
        );
    }
}

#[test]
fn the_order_of_files_and_line_endings_mean_nothing() {
    let (one, two) = SMALL.split_at(SMALL.find("[[station]]").unwrap());
    let there = Catalogue::parse(&[("a.toml", one), ("b.toml", two)]).unwrap();
    let back = Catalogue::parse(&[("b.toml", two), ("a.toml", &one.replace('\n', "\r\n"))]).unwrap();
    assert_eq!(there.hash(), back.hash());
    assert_ne!(there.hash(), parse(SMALL).unwrap().hash());
}

#[test]
fn a_folder_is_read_as_one_catalogue() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = SMALL.split_at(SMALL.find("[[station]]").unwrap());
    std::fs::write(folder.path().join("b.toml"), two).unwrap();
    std::fs::write(folder.path().join("a.toml"), one).unwrap();
    std::fs::write(folder.path().join("notes.txt"), "not a catalogue").unwrap();
    let read = Catalogue::load(folder.path()).unwrap();
    assert_eq!(read.hash(), Catalogue::parse(&[("a.toml", one), ("b.toml", two)]).unwrap().hash());
    std::fs::write(folder.path().join("c.toml"), [0xff, 0xfe]).unwrap();
    let faults = Catalogue::load(folder.path()).unwrap_err();
    assert!(
        faults[0].to_string().contains("c.toml: catalogue: found that it cannot be read"),
        "{}",
        faults[0]
    );
    assert!(Catalogue::load(&folder.path().join("none.toml")).is_err());
}

#[test]
fn limits_flip_at_midnight_in_the_city() {
    let demo = Catalogue::demo();
    for (time, pm2_5, pm10) in [
        ("2012-12-31T23:59:59.999999999+08:00", None, None),
        ("2013-01-01T00:00:00+08:00", Some(75.0), Some(150.0)),
        ("2026-02-28T23:59:59.999999999+08:00", Some(75.0), Some(150.0)),
        ("2026-03-01T00:00:00+08:00", Some(60.0), Some(120.0)),
        ("2030-12-31T23:59:59.999999999+08:00", Some(60.0), Some(120.0)),
        ("2031-01-01T00:00:00+08:00", Some(50.0), Some(100.0)),
    ] {
        for window in ["day mean", "24 h mean"] {
            assert_eq!(limit_at(&demo, "pm2_5", window, time), pm2_5, "{window} at {time}");
            assert_eq!(limit_at(&demo, "pm10", window, time), pm10, "{window} at {time}");
        }
    }
    assert_eq!(limit_at(&demo, "so2", "hour mean", "2031-01-01T00:00:00+08:00"), Some(150.0));
    assert_eq!(limit_at(&demo, "site_noise", "20 min mean", "2025-12-31T23:59:59+08:00"), Some(70.0));
}

#[test]
fn an_order_quotes_standard_edition_and_grade() {
    let demo = Catalogue::demo();
    let quotes: Vec<_> =
        demo.detectors_for("pm2_5")[0].limits("pm2_5").iter().map(|row| row.edition.as_ref()).collect();
    let wanted = ["GB 3095-2012, grade II", "GB 3095-2026 transitional, grade II", "GB 3095-2026, grade II"];
    assert_eq!(quotes, wanted);
}

/// An episode of a detector of a city, by this edition.
fn episode(detector: &str, metric: &str, edition: &str) -> Anomaly {
    let series = Series::new("air-1", metric).unwrap();
    Anomaly {
        id: yiwang_model::AnomalyId::of(detector, &series, Timestamp(0)),
        detector: detector.into(),
        series,
        phase: yiwang_model::Phase::Raised,
        begin: Timestamp(0),
        end: None,
        extreme: 1.0,
        limit: None,
        edition: edition.into(),
        severity: yiwang_model::Severity::Warning,
        because: None,
        into: None,
        silenced: None,
    }
}

#[test]
fn a_basis_has_the_chinese_words_of_its_limit_or_its_detector() {
    let text = SMALL
        .replacen("grade = \"grade II\"\n", "grade = \"grade II\"\nsource_zh = \"二级\"\n", 1)
        .replacen("severity = \"warning\"\n", "severity = \"warning\"\nsource_zh = \"规则\"\n", 1)
        .replacen("severity = \"serious\"\n", "severity = \"serious\"\nsource_zh = \"网关规则\"\n", 1);
    let city = parse(&text).unwrap();
    for (detector, metric, edition, zh) in [
        ("pm2_5-day", "pm2_5", "GB 3095-2012, grade II", "二级"),
        ("pm2_5-day", "pm2_5", "GB 3095-2026, grade II", "GB 3095-2026, grade II"), // a limit without words
        ("pm2_5-day", "pm2_5", "test", "规则"),
        ("pm2_5-day", "pm2_5", "an older source", "an older source"),
        ("pm2_5-day", "project_percent", "test", "test"),
        ("gateway-silent", "gateway", "test", "网关规则"),
        ("gateway-silent", "gateway", "an older source", "an older source"),
        ("no detector", "pm2_5", "test", "test"),
    ] {
        let basis = city.basis(&episode(detector, metric, edition));
        assert_eq!((basis.zh.as_str(), basis.en.as_str()), (zh, edition), "{detector} of {metric}");
    }
}

#[test]
fn every_limit_and_detector_of_the_demo_city_has_a_chinese_basis() {
    let demo = Catalogue::demo();
    let limits = demo.limits.iter().map(|limit| (&limit.id, &limit.source_zh));
    let detectors = demo.detectors.iter().map(|entry| (&entry.name, &entry.source_zh));
    let rule = demo.gateway_rule().map(|rule| (&rule.name, &rule.source_zh));
    let without: Vec<_> =
        limits.chain(detectors).chain(rule).filter(|(_, zh)| zh.is_none()).map(|(name, _)| name).collect();
    assert!(without.is_empty(), "{without:?}");
}

#[test]
fn a_member_of_a_family_is_known_without_an_entry() {
    let city = parse(&SMALL.replace("prefix = \"bench-\"", "prefix = \"b\"")).unwrap();
    assert_eq!(city.station("bx").unwrap().id.as_ref(), "b");
    let city = parse(SMALL).unwrap();
    assert_eq!(city.station("bench-00017").unwrap().gateway.as_ref(), "bench");
    assert_eq!(city.station("bench-fast-1").unwrap().id.as_ref(), "bench-fast-", "the longest prefix");
    assert_eq!(city.station("bench-named").unwrap().id.as_ref(), "bench-named", "a name before a prefix");
    for stranger in ["bench", "", "xbench-1", "benché", "be"] {
        assert_eq!(city.station(stranger), None, "{stranger}");
    }
    let context = city.series_context(&Series::new("bench-fast-1", "pm2_5").unwrap());
    assert_eq!(context.period, yiwang_model::Span::from_millis(100));
    assert_eq!(context.days.as_deref(), Some(&city.calendar.days()));
}

#[test]
fn a_period_is_the_stations_or_else_the_metrics() {
    let demo = Catalogue::demo();
    let period =
        |source, metric| demo.series_context(&Series::new(source, metric).unwrap()).period.to_string();
    assert_eq!(period("Aotizhongxin", "pm2_5"), "1h");
    assert_eq!(period("510104-air-1", "pm2_5"), "1m");
    assert_eq!(period("510104-site-1", "site_noise"), "10s");
    let plan = demo.series_context(&Series::new("510104-p01-metro", "project_percent").unwrap()).plan;
    assert!(plan.unwrap().windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1));
}

#[test]
fn a_plan_is_straight_between_its_points() {
    let city = parse(SMALL).unwrap();
    let plan = city.plan("school", "project_percent").unwrap();
    for (time, value) in [
        ("2026-01-01T00:00:00+08:00", 0.0),
        ("2025-01-01T00:00:00+08:00", 0.0),
        ("2026-01-06T00:00:00+08:00", 25.0),
        ("2026-01-11T00:00:00+08:00", 50.0),
        ("2030-01-01T00:00:00+08:00", 100.0),
    ] {
        assert_eq!(plan.at(at(time)), value, "{time}");
    }
}

#[test]
fn the_most_specific_route_is_taken() {
    let demo = Catalogue::demo();
    let to = |category, district| demo.route(category, district).department.to_string();
    assert_eq!(to("air", "510104"), "ecology");
    assert_eq!(to("air", "gaoxin"), "gaoxin_ecology");
    assert_eq!(to("water", "gaoxin"), "water_affairs");
    assert_eq!(to("nobody knows", "510104"), "operations");
    assert_eq!(to("air", "nowhere"), "ecology");
}

#[test]
fn steps_of_severity_and_what_a_change_does_are_read_from_an_entry() {
    let with = |more: &str| {
        let detector = format!(
            "[[detector]]\nname = 'long'\nzh = '久'\nen = 'Long'\nkind = 'flat'\nmetrics = ['pm10']\nduration = '1h'\n\
             category = 'air'\nseverity = 'notice'\nsource = 'test'\n{more}\n"
        );
        Catalogue::parse(&[("demo.toml", crate::demo_text()), ("long.toml", &detector)])
    };
    let rises =
        "rises = [{ after = '6h', to = 'serious' }, { after = '24h', to = 'critical' }]\non_change = 'anew'";
    let catalogue = with(rises).unwrap();
    let entry = catalogue.detectors.iter().find(|entry| &*entry.name == "long").unwrap();
    assert_eq!(entry.on_change, OnChange::Anew);
    let steps = yiwang_detect::Param::Text("6h serious, 24h critical".into());
    assert_eq!(entry.params.get("rises"), Some(&steps));
    for (more, key, told) in [
        ("rises = '6h serious'", "detector.rises", "a list of steps"),
        ("rises = [{ after = '6h' }]", "detector.rises", "a list of steps"),
        ("rises = [{ after = '6h', to = 'grave' }]", "detector.rises", "each later and graver"),
        ("on_change = 'maybe'", "detector.on_change", "\"keep\""),
    ] {
        let faults = with(more).unwrap_err();
        let said = faults[0].to_string();
        assert!(faults.len() == 1 && said.contains(key) && said.contains(told), "{more}: {faults:?}");
    }
}

#[test]
fn an_order_about_a_device_goes_to_the_owner_of_the_station() {
    let demo = Catalogue::demo();
    let station = |id: &str, owner: &str| {
        format!(
            "[[station]]\nid = '{id}'\nzh = '站'\nen = 'S'\nkind = 'air'\ndistrict = '510104'\ngateway = 'g-own'\n\
             metrics = ['pm10']\n{owner}\n"
        )
    };
    let name = &demo.departments["water_affairs"].title.zh;
    let own = ["[[gateway]]\nid = 'g-own'\nzh = '网'\nen = 'G'\n".to_owned()]
        .into_iter()
        .chain([station("by-key", "owner = 'housing'"), station("by-name", &format!("owner = '{name}'"))])
        .chain([station("stranger", "owner = 'a firm'"), station("nobody", "")])
        .collect::<String>();
    let catalogue = Catalogue::parse(&[("demo.toml", demo.text()), ("own.toml", &own)]).unwrap();
    let to = |category, source| catalogue.route_of(category, "510104", source).department.to_string();
    assert_eq!((to("device", "by-key"), to("device", "by-name")), ("housing".into(), "water_affairs".into()));
    for source in ["stranger", "nobody", "g-own"] {
        assert_eq!(to("device", source), "operations", "{source} has no owner among the departments");
    }
    assert_eq!(to("air", "by-key"), "ecology", "what is measured is not the owner's");
}

#[test]
fn the_first_label_that_fits_says_what_an_alert_is_about() {
    let more = "
        [[category]]\nkey = \"device\"\nzh = \"x\"\nen = \"x\"
        [[alert]]\nlabel = \"team\"\nvalue = \"air\"\ncategory = \"air\"\ndistrict = \"gaoxin\"
        [[alert]]\nlabel = \"job\"\nvalue = \"node\"\ncategory = \"device\"";
    let of = |catalogue: &Catalogue, labels: &[(&str, &str)]| {
        let labels = labels.iter().map(|(label, value)| (label.to_string(), value.to_string())).collect();
        catalogue.alert_subject(&labels).map(|subject| subject.category.to_string())
    };
    let small = Catalogue::parse(&[("small.toml", SMALL), ("alerts.toml", more)]).unwrap();
    assert_eq!(of(&small, &[("team", "air"), ("x", "y")]).as_deref(), Some("air"));
    assert_eq!(
        of(&small, &[("team", "air"), ("job", "node")]).as_deref(),
        Some("device"),
        "job is before team"
    );
    assert_eq!(of(&small, &[("team", "water")]), None);
    assert_eq!(of(&Catalogue::demo(), &[("team", "water")]).as_deref(), Some("device"), "all else");
}

#[test]
fn the_metric_says_what_is_possible_and_plausible() {
    let demo = Catalogue::demo();
    let (sensor, figure) = (demo.metric("pm2_5").unwrap(), demo.metric("gdp").unwrap());
    assert!(sensor.is_possible(0.0) && sensor.is_possible(2000.0));
    assert!(!sensor.is_possible(-0.1) && !sensor.is_possible(f64::NAN) && !sensor.is_possible(f64::INFINITY));
    let city = at("2026-03-02T12:00:00+08:00");
    assert!(!sensor.is_early(at("2026-03-02T12:05:00+08:00"), city));
    assert!(sensor.is_early(at("2026-03-02T12:05:00.000000001+08:00"), city));
    assert!(!sensor.is_late(at("2026-03-01T12:00:00+08:00"), city));
    assert!(sensor.is_late(at("2026-03-01T11:59:59.999999999+08:00"), city));
    assert!(!figure.is_late(at("2023-03-02T00:00:00+08:00"), city));
    assert!(figure.is_late(at("1970-01-01T00:00:00Z"), city));
}

/// A key of the small city with any text, which need not fit.
fn any_value() -> impl Strategy<Value = String> {
    let keys: Vec<&str> = SMALL.lines().filter_map(|line| Some(line.split_once(" = ")?.0)).collect();
    let text =
        any::<String>().prop_map(|text| text.replace(|c: char| c == '\'' || c.is_control(), "").repeat(3));
    (prop::sample::select(keys), text).prop_map(|(key, text)| format!("{key} = '{text}'\n"))
}

/// A piece of a catalogue, or anything else.
fn piece() -> impl Strategy<Value = String> {
    let lines: Vec<String> = SMALL.lines().map(|line| format!("{line}\n")).collect();
    prop_oneof![
        8 => prop::sample::select(lines),
        4 => any_value(),
        1 => any::<String>(),
        1 => "[\\[\\]a-z_=\"'.0-9#: \n-]{0,40}",
        1 => Just("#: file x.toml\n".to_owned()),
    ]
}

/// What is taken is taken whole: each entry of the text is in the catalogue, and the text says it all again.
fn assert_whole(catalogue: &Catalogue) {
    assert_eq!(parse(catalogue.text()).unwrap().hash(), catalogue.hash());
    let parts = source::split(&[("small.toml", catalogue.text())]).unwrap();
    let entries = |what: &str| -> usize {
        let count = |part: &source::Source| {
            let table = toml::de::DeTable::parse(&part.text).unwrap();
            table.get_ref().get(what).map_or(0, |list| list.get_ref().as_array().map_or(0, |list| list.len()))
        };
        parts.iter().map(count).sum()
    };
    let rules = usize::from(catalogue.gateway_rule().is_some());
    for (what, taken) in [
        ("metric", catalogue.metrics.len()),
        ("district", catalogue.districts.len()),
        ("department", catalogue.departments.len()),
        ("gateway", catalogue.gateways.len()),
        ("station", catalogue.stations.len()),
        ("limit", catalogue.limits.len()),
        ("detector", catalogue.detectors.len() + rules),
        ("deadline", catalogue.deadlines.len()),
    ] {
        assert_eq!(taken, entries(what), "{what}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_catalogue_or_a_list_of_faults(pieces in prop::collection::vec(piece(), 0..60)) {
        let text = pieces.concat();
        match parse(&text) {
            Ok(catalogue) => assert_whole(&catalogue),
            Err(faults) => {
                prop_assert!(!faults.is_empty() && faults.len() <= fault::MAX_FAULTS);
                prop_assert!(faults.iter().all(|fault| !fault.to_string().is_empty()));
            }
        }
    }

    #[test]
    fn a_city_with_some_lines_lost_or_changed_never_panics(
        gone in prop::collection::btree_set(0..SMALL.lines().count(), 0..6),
        with in piece(),
    ) {
        let line = |(number, line): (usize, &str)| if gone.contains(&number) { with.clone() } else { format!("{line}\n") };
        if let Ok(catalogue) = parse(&SMALL.lines().enumerate().map(line).collect::<String>()) {
            assert_whole(&catalogue);
        }
    }
}

#[test]
fn values_beside_the_main_one_have_the_unit_of_their_quantity() {
    let values =
        "values = { \"2061-Max\" = \"pm2_5\", \"2061-Cou\" = \"pm2_5\" }\nmetric = \"pm2_5\"\nsource";
    let named = SMALL.replacen("metric = \"pm2_5\"\nsource", values, 1);
    let shifts = |text: &str| -> Vec<_> {
        let taken = &parse(text).unwrap().loggers["M1"].factors["a34004"];
        taken.beside.iter().map(|beside| (beside.named.suffix, beside.shift)).collect()
    };
    assert_eq!(shifts(&named), [("Cou", None), ("Max", Some(3))], "a sum is no concentration");
    let stated = named.replace("{ a34004 = ", "{ \"a34004-Cou\" = \"µg/m³\", a34004 = ");
    assert_eq!(shifts(&stated), [("Cou", Some(0)), ("Max", Some(3))]);
}
