use std::sync::Arc;

use yiwang_model::{AnomalyId, Series, Severity};

use super::*;

/// An order about an episode of a detector of the demo city, by an edition that no catalogue knows.
fn order(detector: &str, source: &str, metric: &str, extreme: f64, limit: Option<f64>) -> OrderDraft {
    order_by("GB 1, edition 2", detector, source, metric, extreme, limit)
}

fn order_by(
    edition: &str,
    detector: &str,
    source: &str,
    metric: &str,
    extreme: f64,
    limit: Option<f64>,
) -> OrderDraft {
    order_in(&Catalogue::demo(), edition, detector, source, metric, extreme, limit)
}

fn order_in(
    catalogue: &Catalogue,
    edition: &str,
    detector: &str,
    source: &str,
    metric: &str,
    extreme: f64,
    limit: Option<f64>,
) -> OrderDraft {
    let series = Series::new(source, metric).unwrap();
    let begin: Timestamp = "2026-03-02T10:15:00+08:00".parse().unwrap();
    let anomaly = Anomaly {
        id: AnomalyId::of(detector, &series, begin),
        detector: detector.into(),
        series: series.clone(),
        phase: Phase::Raised,
        begin,
        end: None,
        extreme,
        limit,
        edition: Arc::from(edition),
        severity: Severity::Warning,
        because: None,
        into: None,
        silenced: None,
    };
    let found = Found { anomaly, points: Vec::new(), series: vec![series] };
    match intent(catalogue, &found, begin) {
        Some(OrderIntent::Open(draft)) => *draft,
        other => panic!("{other:?}"),
    }
}

fn assert_words(order: &OrderDraft, title: [&str; 2], text: [&str; 2]) {
    assert_eq!([&order.title.zh, &order.title.en], title);
    assert_eq!([&order.text.zh, &order.text.en], text);
}

#[test]
fn a_daily_mean_above_its_limit() {
    assert_words(
        &order("pm2_5-day", "510104-air-1", "pm2_5", 81.25, Some(60.0)),
        ["锦江区空气一站：PM2.5 日均值超标", "Jinjiang air station 1: PM2.5 daily mean above limit"],
        [
            "锦江区空气一站：自2026-03-02 10:15起，细颗粒物（PM2.5）日均值为81.25 µg/m³，高于限值60 µg/m³。依据：GB 1, edition 2。",
            "Jinjiang air station 1, Jinjiang District, since 2026-03-02 10:15: the daily mean of Fine particles (PM2.5) is 81.25 µg/m³, above the limit of 60 µg/m³. Basis: GB 1, edition 2.",
        ],
    );
}

#[test]
fn a_detector_of_several_metrics_says_which() {
    assert_words(
        &order("gases-hour", "510104-air-1", "so2", 612.0, Some(500.0)),
        [
            "锦江区空气一站：二氧化硫小时均值超标",
            "Jinjiang air station 1: Sulphur dioxide, hourly mean above its limit",
        ],
        [
            "锦江区空气一站：自2026-03-02 10:15起，二氧化硫小时均值为612 µg/m³，高于限值500 µg/m³。依据：GB 1, edition 2。",
            "Jinjiang air station 1, Jinjiang District, since 2026-03-02 10:15: the hourly mean of Sulphur dioxide is 612 µg/m³, above the limit of 500 µg/m³. Basis: GB 1, edition 2.",
        ],
    );
}

#[test]
fn a_value_below_its_limit() {
    let order = order("water-low", "510104-air-1", "ph", 5.1, Some(6.0));
    assert!(order.title.zh.ends_with("小时均值低于限值"), "{}", order.title.zh);
    assert!(order.title.en.ends_with(", hourly mean below its limit"), "{}", order.title.en);
    assert!(order.text.zh.contains("小时均值为5.1，低于限值6。"), "{}", order.text.zh);
    assert!(order.text.en.contains(" is 5.1, below the limit of 6."), "{}", order.text.en);
}

#[test]
fn a_jump() {
    assert_words(
        &order("particles-spike", "510104-air-1", "pm10", 900.0, Some(240.5)),
        [
            "锦江区空气一站：可吸入颗粒物（PM10）读数突变",
            "Jinjiang air station 1: Inhalable particles (PM10) jumps",
        ],
        [
            "锦江区空气一站：自2026-03-02 10:15起，可吸入颗粒物（PM10）突变为900 µg/m³，按近期读数应不越过240.5 µg/m³。依据：GB 1, edition 2。",
            "Jinjiang air station 1, Jinjiang District, since 2026-03-02 10:15: Inhalable particles (PM10) jumped to 900 µg/m³; recent readings let it go as far as 240.5 µg/m³. Basis: GB 1, edition 2.",
        ],
    );
}

#[test]
fn a_rate_is_said_by_the_hour() {
    assert_words(
        &order("water_level-rate", "510104-air-1", "water_level", -3.5, Some(-2.0)),
        ["锦江区空气一站：水位骤变", "Jinjiang air station 1: Water level changes fast"],
        [
            "锦江区空气一站：自2026-03-02 10:15起，水位每小时变化-3.5 m，允许每小时2 m。依据：GB 1, edition 2。",
            "Jinjiang air station 1, Jinjiang District, since 2026-03-02 10:15: Water level changes by -3.5 m an hour; 2 m an hour is allowed. Basis: GB 1, edition 2.",
        ],
    );
}

#[test]
fn a_value_that_does_not_move() {
    assert_words(
        &order("air-flat", "510104-air-1", "o3", 88.0, None),
        ["锦江区空气一站：臭氧读数长时间不变", "Jinjiang air station 1: Ozone does not move"],
        [
            "锦江区空气一站：自2026-03-02 10:15起，臭氧读数一直为88 µg/m³，6小时以上没有变化。依据：GB 1, edition 2。",
            "Jinjiang air station 1, Jinjiang District, since 2026-03-02 10:15: Ozone has stood still at 88 µg/m³ for 6 h or longer. Basis: GB 1, edition 2.",
        ],
    );
}

#[test]
fn a_silence_says_when_it_was_heard_last() {
    assert_words(
        &order("sensor-silent", "510104-air-1", "so2", 300.0, Some(300.0)),
        ["锦江区空气一站：二氧化硫失联", "Jinjiang air station 1: Sulphur dioxide fell silent"],
        [
            "锦江区空气一站：自2026-03-02 10:15起，二氧化硫失联：最后一次读数在2026-03-02 10:10，允许间隔5分钟。依据：GB 1, edition 2。",
            "Jinjiang air station 1, Jinjiang District, since 2026-03-02 10:15: Sulphur dioxide was last heard at 2026-03-02 10:10; a silence of 5 min is allowed. Basis: GB 1, edition 2.",
        ],
    );
}

#[test]
fn a_project_behind_plan() {
    let order = order("project-slip", "510104-p01-metro", "project_percent", 12.4, Some(5.0));
    assert!(order.title.zh.ends_with("：项目进度滞后"), "{}", order.title.zh);
    assert!(order.title.en.ends_with(": Project behind plan"), "{}", order.title.en);
    assert!(order.text.zh.starts_with("锦江区轨道交通新线土建：自2026-03-02 10:15起，"), "{}", order.text.zh);
    assert!(order.text.zh.contains("落后计划12.4个百分点，允许5个百分点。"), "{}", order.text.zh);
    assert!(
        order.text.en.contains(" is 12.4 percentage points behind plan; 5 are allowed."),
        "{}",
        order.text.en
    );
}

#[test]
fn a_silent_gateway_stands_where_its_stations_do() {
    let order = order("gateway-silent", "air-south", "gateway", 150.0, Some(150.0));
    assert!(order.title.zh.ends_with("：网关失联"), "{}", order.title.zh);
    assert!(order.title.en.ends_with(": Gateway fell silent"), "{}", order.title.en);
    assert!(
        order.text.zh.contains("网关下所有序列失联：最后一次读数在2026-03-02 10:12，允许间隔150秒。"),
        "{}",
        order.text.zh
    );
    assert!(
        order
            .text
            .en
            .contains("none of its series was heard after 2026-03-02 10:12; a silence of 150 s is allowed."),
        "{}",
        order.text.en
    );
    assert!(!order.place.district.is_empty() && order.place.point.is_some());
    assert_eq!(order.evidence.unit, "s");
}

/// Whether a text has an English word in it. Signs of units and substances, as `m`, `dB(A)`, `pH`, have fewer small
/// letters in a row.
fn has_english(text: &str) -> bool {
    text.as_bytes().windows(3).any(|letters| letters.iter().all(u8::is_ascii_lowercase))
}

/// Asserts that an order quotes its basis in the language of its reader.
fn assert_basis(edition: &str, detector: &str, source: &str, metric: &str) {
    let order = order_by(edition, detector, source, metric, 1.0, Some(2.0));
    let (_, basis) = order.text.zh.split_once("依据：").unwrap();
    assert!(
        basis.len() > "。".len() && !has_english(basis),
        "{detector} of {metric} by {edition:?}: {basis}"
    );
    assert!(order.text.en.ends_with(&format!("Basis: {edition}.")), "{detector}: {}", order.text.en);
    assert_eq!(&*order.evidence.anomaly.edition, edition, "what is stored stays");
}

#[test]
fn every_basis_of_the_demo_city_is_said_in_chinese() {
    let catalogue = Catalogue::demo();
    let mut limits = 0;
    for entry in &catalogue.detectors {
        for metric in &entry.metrics {
            limits += entry.limits(metric).len();
            for row in entry.limits(metric) {
                assert_basis(&row.edition, &entry.name, "510104-air-1", metric);
            }
            assert_basis(&entry.source, &entry.name, "510104-air-1", metric);
        }
    }
    assert_eq!(limits, catalogue.limits.len(), "every limit is watched");
    let rule = catalogue.gateway_rule().unwrap();
    assert_basis(&rule.source, &rule.name, "air-south", "gateway");
}

#[test]
fn a_limit_is_quoted_by_its_standard_in_chinese() {
    let edition = "GB 3095-2026 transitional, grade II";
    let order = order_by(edition, "pm2_5-day", "510104-air-1", "pm2_5", 81.25, Some(60.0));
    assert!(
        order.text.zh.ends_with("高于限值60 µg/m³。依据：GB 3095—2026 过渡值 二级标准 24小时平均。"),
        "{}",
        order.text.zh
    );
}

#[test]
fn every_detector_of_the_demo_city_finds_words() {
    let catalogue = Catalogue::demo();
    for entry in &catalogue.detectors {
        for metric in &entry.metrics {
            let order = order(&entry.name, "510104-air-1", metric, 1.0, Some(2.0));
            for text in [&order.title.zh, &order.title.en, &order.text.zh, &order.text.en] {
                assert!(
                    !text.contains("  ") && !text.contains("：：") && !text.is_empty(),
                    "{}: {text}",
                    entry.name
                );
            }
            assert!(!order.category.is_empty() && !order.department.is_empty());
        }
    }
}

/// Kinds that no entry of the demo city has: what their orders say of a metric, in both languages.
#[test]
fn kinds_that_judge_by_a_series_own_past_have_words() {
    for (kind, title, text) in [
        (
            "shift",
            ["水平突移", " moved to another level"],
            ["移到新的水平，最远为3 µg/m³", "as far as 3 µg/m³; what was usual ends at 2 µg/m³"],
        ),
        (
            "variance",
            ["波动异常", " has another noise"],
            ["波动为平时的3倍，界限为2倍", "is 3 times what it was; the bound is 2"],
        ),
        ("drift", ["缓慢漂移", " drifts"], ["缓慢漂移到3 µg/m³", "drifted to 3 µg/m³; 2 µg/m³ was usual"]),
        (
            "seasonal",
            ["与该时段规律不符", " is unlike its hour"],
            ["与该时段规律不符，参考值2 µg/m³", "unlike that hour; 2 µg/m³ is the reference"],
        ),
        (
            "changepoint",
            ["规律改变", " became another series"],
            ["水平或波动已改变", "changed in level or noise, as far as 3 µg/m³"],
        ),
        (
            "impossible",
            ["读数不可能", " cannot be"],
            ["超出设备可能的范围，界限为2 µg/m³", "its range ends at 2 µg/m³"],
        ),
        (
            "trend",
            ["多年趋势显著", " has a trend over years"],
            ["每年变化3 µg/m³", "changes by 3 µg/m³ a year"],
        ),
        (
            "finish",
            ["预计逾期", " will be done late"],
            ["比计划晚3天完工，允许2天", "3 days after its plan; 2 are allowed"],
        ),
        (
            "year_on_year",
            ["同比异常", " is off from the year before"],
            ["按上年同期推算应不越过2 µg/m³", "expected to stay within 2 µg/m³"],
        ),
    ] {
        let least = if kind == "impossible" { "least = 0\n" } else { "" };
        let entry = format!(
            "[[detector]]\nname = \"new\"\nzh = \"新\"\nen = \"New\"\nkind = \"{kind}\"\nmetrics = [\"pm2_5\", \"pm10\"]\n{least}category = \"air\"\nseverity = \"notice\"\nsource = \"a test\"\n"
        );
        let files = [("demo.toml", yiwang_catalogue::demo_text()), ("new.toml", &entry)];
        let catalogue = Catalogue::parse(&files).unwrap_or_else(|faults| panic!("{kind}: {}", faults[0]));
        let order = order_in(&catalogue, "a test", "new", "510104-air-1", "pm2_5", 3.0, Some(2.0));
        assert!(
            order.title.zh.ends_with(title[0]) && order.title.en.ends_with(title[1]),
            "{:?}",
            order.title
        );
        assert!(order.text.zh.contains(text[0]) && order.text.en.contains(text[1]), "{:?}", order.text);
    }
}
