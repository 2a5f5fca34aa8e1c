//! The words of an order, in Chinese and English: what was seen, what is allowed, where that stands.

use yiwang_catalogue::{Catalogue, DetectorEntry};
use yiwang_detect::Param;
use yiwang_model::order::{Place, Text};
use yiwang_model::{Anomaly, Span, Timestamp};

/// What an episode is about, in the catalogue's words.
pub(super) struct Words<'a> {
    anomaly: &'a Anomaly,
    place: &'a Place,
    entry: Option<&'a DetectorEntry>,
    /// The kind of the rule across series, where it is of one.
    rule: Option<&'a str>,
    /// The name of the detector.
    detector: Text,
    /// The name of the metric; empty for a gateway.
    metric: Text,
    /// The metric's unit.
    unit: String,
    /// What it was judged by.
    basis: Text,
}

impl<'a> Words<'a> {
    pub(super) fn new(catalogue: &'a Catalogue, anomaly: &'a Anomaly, place: &'a Place) -> Self {
        let entry =
            catalogue.detectors.iter().find(|entry| entry.name == anomaly.detector).map(AsRef::as_ref);
        let rule = catalogue.gateway_rule().filter(|rule| rule.name == anomaly.detector);
        let metric = catalogue.metric(anomaly.series.metric());
        Self {
            anomaly,
            place,
            entry,
            rule: rule.map(|rule| rule.spec.kind.as_str()),
            detector: entry
                .map(|entry| entry.title.clone())
                .or(rule.map(|rule| rule.title.clone()))
                .unwrap_or_default(),
            metric: metric.map(|metric| metric.title.clone()).unwrap_or_default(),
            unit: metric.map(|metric| metric.unit.to_string()).unwrap_or_default(),
            basis: catalogue.basis(anomaly),
        }
    }

    /// One line: where, what. A detector of one metric has a name that says it; one of several says which metric.
    pub(super) fn title(&self) -> Text {
        let (zh, en) = (&self.place.station_name.zh, &self.place.station_name.en);
        if self.kind() == "cause" {
            let what = self.cause_name();
            return Text::new(format!("{zh}：{}", what.zh), format!("{en}: {}", what.en));
        }
        if self.entry.is_none_or(|entry| entry.metrics.len() == 1) {
            return Text::new(format!("{zh}：{}", self.detector.zh), format!("{en}: {}", self.detector.en));
        }
        let what = self.what();
        let (name_zh, name_en) = (&self.metric.zh, &self.metric.en);
        Text::new(format!("{zh}：{name_zh}{}", what.zh), format!("{en}: {name_en}{}", what.en))
    }

    /// Where, since when, what was seen against what is allowed, and where that stands.
    pub(super) fn text(&self) -> Text {
        let place = self.whereabouts();
        let begin = local(self.anomaly.begin);
        let seen = self.seen();
        let basis = &self.basis;
        Text::new(
            format!("{}：自{begin}起，{}。依据：{}。", place.zh, seen.zh, basis.zh),
            format!("{}, since {begin}: {}. Basis: {}.", place.en, seen.en, basis.en),
        )
    }

    /// The station, with its district unless its name says that.
    fn whereabouts(&self) -> Text {
        let (station, district) = (&self.place.station_name, &self.place.district_name);
        let zh = if station.zh.starts_with(&district.zh) { String::new() } else { district.zh.clone() };
        let en = if district.en.is_empty() || station.en.contains(&district.en) {
            String::new()
        } else {
            format!(", {}", district.en)
        };
        Text::new(format!("{zh}{}", station.zh), format!("{}{en}", station.en))
    }

    fn kind(&self) -> &str {
        self.entry.map(|entry| &*entry.kind).or(self.rule).unwrap_or("gateway_silent")
    }

    fn parameter(&self, key: &str) -> &str {
        match self.entry.and_then(|entry| entry.params.get(key)) {
            Some(Param::Text(text)) => text,
            _ => "",
        }
    }

    /// What happened, to be read after the metric's name.
    fn what(&self) -> Text {
        let window = window(self.parameter("window"));
        match (self.kind(), self.parameter("direction")) {
            ("limit", "below") => {
                Text::new(format!("{}低于限值", window.zh), format!("{} below its limit", comma(&window.en)))
            }
            ("limit", _) => {
                Text::new(format!("{}超标", window.zh), format!("{} above its limit", comma(&window.en)))
            }
            ("spike", _) => Text::new("读数突变", " jumps"),
            ("rate", _) => Text::new("变化过快", " changes too fast"),
            ("flat", _) => Text::new("读数长时间不变", " does not move"),
            ("silence", _) => Text::new("失联", " fell silent"),
            ("slip", _) => Text::new("滞后于计划", " behind plan"),
            ("ensemble", _) => Text::new("读数异常", " is unusual"),
            ("shift", _) => Text::new("水平突移", " moved to another level"),
            ("variance", _) => Text::new("波动异常", " has another noise"),
            ("drift", _) => Text::new("缓慢漂移", " drifts"),
            ("seasonal", _) => Text::new("与该时段规律不符", " is unlike its hour"),
            ("fault", _) => match self.parameter("form") {
                "shift" => Text::new("水平突移", " moved apart from those around it"),
                "drift" => Text::new("缓慢漂移", " drifts apart from those around it"),
                "noise" => Text::new("波动变大", " became noisy"),
                _ => Text::new("读数突变", " jumps"),
            },
            ("changepoint", _) => Text::new("规律改变", " became another series"),
            ("impossible", _) => Text::new("读数不可能", " cannot be"),
            ("trend", _) => Text::new("多年趋势显著", " has a trend over years"),
            ("finish", _) => Text::new("预计逾期", " will be done late"),
            ("year_on_year", _) => Text::new("同比异常", " is off from the year before"),
            _ => Text::new(format!("：{}", self.detector.zh), format!(": {}", self.detector.en)),
        }
    }

    /// What was seen, and what is allowed.
    fn seen(&self) -> Text {
        match self.kind() {
            "limit" => self.limit(),
            "spike" => self.spike(),
            "rate" => self.rate(),
            "flat" => self.flat(),
            "silence" => self.silence(),
            "slip" => self.slip(),
            "gateway_silent" => self.gateway(),
            "cause" => self.cause(),
            "ensemble" => self.ensemble(),
            "shift" => self.shift(),
            "variance" => self.variance(),
            "drift" => self.drift(),
            "seasonal" => self.seasonal(),
            "fault" => self.fault(),
            "changepoint" => self.changepoint(),
            "impossible" => self.impossible(),
            "trend" => self.trend(),
            "finish" => self.finish(),
            "year_on_year" => self.year_on_year(),
            _ => Text::new(
                format!("{}为{}", self.metric.zh, self.extreme()),
                format!("{} is {}", self.metric.en, self.extreme()),
            ),
        }
    }

    fn limit(&self) -> Text {
        let (zh, en) =
            if self.parameter("direction") == "below" { ("低于", "below") } else { ("高于", "above") };
        let window = window(self.parameter("window"));
        let of = if window.en.is_empty() { String::new() } else { format!("the {} of ", window.en) };
        let (extreme, limit) = (self.extreme(), self.allowed());
        Text::new(
            format!("{}{}为{extreme}，{zh}限值{limit}", self.metric.zh, window.zh),
            format!("{of}{} is {extreme}, {en} the limit of {limit}", self.metric.en),
        )
    }

    fn spike(&self) -> Text {
        let (extreme, limit) = (self.extreme(), self.allowed());
        Text::new(
            format!("{}突变为{extreme}，按近期读数应不越过{limit}", self.metric.zh),
            format!("{} jumped to {extreme}; recent readings let it go as far as {limit}", self.metric.en),
        )
    }

    fn rate(&self) -> Text {
        // Its limit has the sign of what broke it.
        let limit = quantity(self.anomaly.limit.unwrap_or_default().abs(), &self.unit);
        let extreme = self.extreme();
        Text::new(
            format!("{}每小时变化{extreme}，允许每小时{limit}", self.metric.zh),
            format!("{} changes by {extreme} an hour; {limit} an hour is allowed", self.metric.en),
        )
    }

    fn flat(&self) -> Text {
        let extreme = self.extreme();
        let lasts = self.parameter("duration").parse().map(span).unwrap_or_default();
        Text::new(
            format!("{}读数一直为{extreme}，{}以上没有变化", self.metric.zh, lasts.zh),
            format!("{} has stood still at {extreme} for {} or longer", self.metric.en, lasts.en),
        )
    }

    fn ensemble(&self) -> Text {
        let extreme = self.extreme();
        Text::new(
            format!("{}为{extreme}，与该处以往读数明显不同", self.metric.zh),
            format!("{} is {extreme}, unlike what was read here before", self.metric.en),
        )
    }

    fn shift(&self) -> Text {
        let (extreme, limit) = (self.extreme(), self.allowed());
        Text::new(
            format!("{}移到新的水平，最远为{extreme}，以往水平的界限为{limit}", self.metric.zh),
            format!(
                "{} moved to another level, as far as {extreme}; what was usual ends at {limit}",
                self.metric.en
            ),
        )
    }

    fn fault(&self) -> Text {
        let (extreme, limit) = (self.extreme(), self.allowed());
        Text::new(
            format!("{}最远为{extreme}，单次读数的界限为{limit}", self.metric.zh),
            format!("{} went as far as {extreme}; a single reading may reach {limit}", self.metric.en),
        )
    }

    fn variance(&self) -> Text {
        let (times, limit) = (number(self.anomaly.extreme), number(self.anomaly.limit.unwrap_or_default()));
        Text::new(
            format!("{}的波动为平时的{times}倍，界限为{limit}倍", self.metric.zh),
            format!("the noise of {} is {times} times what it was; the bound is {limit}", self.metric.en),
        )
    }

    fn drift(&self) -> Text {
        let (extreme, usual) = (self.extreme(), self.allowed());
        Text::new(
            format!("{}缓慢漂移到{extreme}，该时刻平时为{usual}", self.metric.zh),
            format!("{} drifted to {extreme}; {usual} was usual at that time", self.metric.en),
        )
    }

    /// The basis says whether it is the hour or a cycle that is lost.
    fn seasonal(&self) -> Text {
        let (extreme, limit) = (self.extreme(), self.allowed());
        Text::new(
            format!("{}为{extreme}，与该时段规律不符，参考值{limit}", self.metric.zh),
            format!("{} is {extreme}, unlike that hour; {limit} is the reference", self.metric.en),
        )
    }

    fn changepoint(&self) -> Text {
        let (extreme, usual) = (self.extreme(), self.allowed());
        Text::new(
            format!("{}的水平或波动已改变，最远为{extreme}，以往为{usual}", self.metric.zh),
            format!("{} changed in level or noise, as far as {extreme}; {usual} was usual", self.metric.en),
        )
    }

    fn impossible(&self) -> Text {
        let (extreme, limit) = (self.extreme(), self.allowed());
        Text::new(
            format!("{}为{extreme}，超出设备可能的范围，界限为{limit}", self.metric.zh),
            format!(
                "{} is {extreme}, which the device cannot give; its range ends at {limit}",
                self.metric.en
            ),
        )
    }

    fn trend(&self) -> Text {
        let (extreme, limit) = (self.extreme(), self.allowed());
        Text::new(
            format!("{}每年变化{extreme}，界限为每年{limit}", self.metric.zh),
            format!("{} changes by {extreme} a year; the bound is {limit} a year", self.metric.en),
        )
    }

    fn finish(&self) -> Text {
        let (days, limit) = (number(self.anomaly.extreme), number(self.anomaly.limit.unwrap_or_default()));
        Text::new(
            format!("按{}推算将比计划晚{days}天完工，允许{limit}天", self.metric.zh),
            format!("by {} it will be done {days} days after its plan; {limit} are allowed", self.metric.en),
        )
    }

    fn year_on_year(&self) -> Text {
        let (extreme, limit) = (self.extreme(), self.allowed());
        Text::new(
            format!("{}为{extreme}，按上年同期推算应不越过{limit}", self.metric.zh),
            format!(
                "{} is {extreme}; from the year before it was expected to stay within {limit}",
                self.metric.en
            ),
        )
    }

    fn silence(&self) -> Text {
        let (last, allowed) = self.last_heard();
        Text::new(
            format!("{}失联：最后一次读数在{last}，允许间隔{}", self.metric.zh, allowed.zh),
            format!("{} was last heard at {last}; a silence of {} is allowed", self.metric.en, allowed.en),
        )
    }

    fn gateway(&self) -> Text {
        let (last, allowed) = self.last_heard();
        Text::new(
            format!("网关下所有序列失联：最后一次读数在{last}，允许间隔{}", allowed.zh),
            format!("none of its series was heard after {last}; a silence of {} is allowed", allowed.en),
        )
    }

    /// What many alarms have in common.
    fn cause_name(&self) -> Text {
        match &**self.anomaly.series.metric() {
            "station" => Text::new("站点失联", "station fell silent"),
            "gateway" => Text::new("网关失联", "gateway fell silent"),
            "power" => Text::new("供电片区断电", "power area is down"),
            "broker" => Text::new("消息中继失联", "broker is down"),
            "weather" => Text::new("区域天气影响", "weather of the region"),
            "maker" => Text::new("同厂仪器校准偏移", "calibration of the maker's instruments"),
            "place" => Text::new("站点多项读数同时突变", "several readings of the station moved together"),
            "plume" => Text::new("周边污染团", "plume of pollution"),
            _ => self.detector.clone(),
        }
    }

    fn cause(&self) -> Text {
        let (what, count) = (self.cause_name(), number(self.anomaly.extreme));
        Text::new(
            format!("{}，{count}条告警出自这一原因，不再单独派单", what.zh),
            format!("{}; {count} alarms come of it and have no orders of their own", what.en),
        )
    }

    fn slip(&self) -> Text {
        let (extreme, limit) = (number(self.anomaly.extreme), number(self.anomaly.limit.unwrap_or_default()));
        Text::new(
            format!("{}落后计划{extreme}个百分点，允许{limit}个百分点", self.metric.zh),
            format!("{} is {extreme} percentage points behind plan; {limit} are allowed", self.metric.en),
        )
    }

    /// When something was last heard, and how long it may be silent: an episode begins that much later.
    fn last_heard(&self) -> (String, Text) {
        let allowed = seconds(self.anomaly.limit.unwrap_or_default());
        (local(self.anomaly.begin - allowed), span(allowed))
    }

    fn extreme(&self) -> String {
        quantity(self.anomaly.extreme, &self.unit)
    }

    fn allowed(&self) -> String {
        quantity(self.anomaly.limit.unwrap_or_default(), &self.unit)
    }
}

fn comma(window: &str) -> String {
    if window.is_empty() { String::new() } else { format!(", {window}") }
}

/// What a window of the `limit` detector is called; nothing for single readings.
fn window(word: &str) -> Text {
    match word {
        "20 min mean" => Text::new("20分钟均值", "20-minute mean"),
        "hour mean" => Text::new("小时均值", "hourly mean"),
        "8 h mean" => Text::new("8小时滑动均值", "8-hour mean"),
        "24 h mean" => Text::new("24小时滑动均值", "24-hour mean"),
        "day mean" => Text::new("日均值", "daily mean"),
        _ => Text::default(),
    }
}

fn seconds(seconds: f64) -> Span {
    Span((seconds * 1e9) as i64)
}

/// A length of time as people say it, in the largest unit that goes into it.
fn span(span: Span) -> Text {
    let units = [(Span::DAY, "天", "d"), (Span::HOUR, "小时", "h"), (Span::MINUTE, "分钟", "min")];
    let whole = units.iter().find(|(unit, ..)| span.0 >= unit.0 && span.0 % unit.0 == 0);
    let (count, zh, en) = match whole {
        Some((unit, zh, en)) => ((span.0 / unit.0).to_string(), *zh, *en),
        None => (number(span.as_secs_f64()), "秒", "s"),
    };
    Text::new(format!("{count}{zh}"), format!("{count} {en}"))
}

/// A value with its unit; a number without dimension has none.
fn quantity(value: f64, unit: &str) -> String {
    let value = number(value);
    match unit {
        "1" | "" => value,
        "%" => format!("{value}%"),
        unit => format!("{value} {unit}"),
    }
}

/// A time as people in the city write it.
fn local(at: Timestamp) -> String {
    let local = at.to_jiff().to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(8)));
    local.strftime("%Y-%m-%d %H:%M").to_string()
}

/// At most three decimals, none that say nothing.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    let short = text.trim_end_matches('0').trim_end_matches('.');
    if short == "-0" { "0".to_owned() } else { short.to_owned() }
}
