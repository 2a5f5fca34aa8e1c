//! Every word of the console in one table, Chinese and English.
//!
//! A word that is used and not in the table does not compile; a test holds that none is empty and none is in the
//! wrong language.

use yiwang_catalogue::{MetricKind, StationKind};
use yiwang_model::order::{Channel, StepKind};
use yiwang_model::{OrderState, Priority, Quality, Severity};

use crate::lang::Lang;
use crate::view::Condition;

macro_rules! words {
    ($($name:ident: $zh:literal, $en:literal;)*) => {
        /// The words of the console in one language.
        #[derive(Debug)]
        pub(crate) struct Words {
            $(pub(crate) $name: &'static str,)*
        }

        const ZH: Words = Words { $($name: $zh,)* };
        const EN: Words = Words { $($name: $en,)* };

        #[cfg(test)]
        pub(crate) const TABLE: &[(&str, &str, &str)] = &[$((stringify!($name), $zh, $en),)*];
    };
}

words! {
    brand: "一网", "Yiwang";
    tagline: "城市运行控制台", "City operations console";
    nav_overview: "总览", "Overview";
    nav_orders: "工单", "Orders";
    nav_stations: "站点", "Stations";
    skip: "跳到正文", "Skip to content";
    city_time: "城市时间", "City time";
    live_on: "实时", "Live";
    live_off: "已断开，正在重连", "Disconnected, reconnecting";
    open_orders: "未结工单", "Open orders";
    overdue: "超期", "Overdue";
    active_anomalies: "持续异常", "Ongoing anomalies";
    closed_orders: "已结案", "Closed";
    stations_reporting: "在线站点", "Stations reporting";
    live_anomalies: "实时异常", "Live anomalies";
    live_anomalies_none: "目前没有持续的异常", "No anomaly is going on";
    silences: "静默中", "Silences";
    silences_until: "至", "until";
    silences_quiet: "个异常未开单", "anomalies without an order";
    by_state: "工单状态", "Orders by state";
    by_department: "各部门未结", "Open by department";
    all_orders: "全部工单", "All orders";
    chart_waiting: "等待读数", "Waiting for readings";
    chart_failed: "暂时无法读取数据，正在重试", "Readings cannot be fetched now; trying again";
    chart_cut: "更早的读数未画出", "older readings are not drawn";
    chart_24h: "近 24 小时，城市时间", "last 24 hours, city time";
    chart_6h: "近 6 小时，城市时间", "last 6 hours, city time";
    chart_project: "实际与计划", "actual and plan";
    chart_36m: "近 36 个月", "last 36 months";
    actual: "实际", "Actual";
    plan: "计划", "Plan";
    limit: "限值", "Limit";
    judged: "判定值", "Judged values";
    readings: "读数", "Readings";
    order: "工单", "Order";
    number: "工单号", "Number";
    state: "状态", "State";
    subject: "事项", "Subject";
    place: "地点", "Place";
    district: "区域", "District";
    department: "承办部门", "Department";
    category: "类别", "Category";
    received: "受理时间", "Received";
    due: "截止时间", "Due";
    any: "全部", "All";
    search: "搜索", "Search";
    search_hint: "单号、标题、站点或区域", "number, title, station or district";
    filter: "筛选", "Filter";
    clear: "清除条件", "Clear";
    only_active: "仅看持续异常", "Ongoing only";
    only_overdue: "仅看超期", "Overdue only";
    next_page: "下一页", "Next page";
    first_page: "回到首页", "First page";
    no_orders: "没有符合条件的工单", "No order fits";
    no_orders_hint: "放宽条件再试；新的异常会自动立案。", "Ask for less; new anomalies open orders by themselves.";
    channel: "来源", "Channel";
    evidence: "证据", "Evidence";
    detector: "判定规则", "Rule";
    severity: "严重程度", "Severity";
    extreme: "极值", "Extreme";
    began: "开始", "Began";
    ended: "结束", "Ended";
    going_on: "仍在持续", "going on";
    withdrawn: "已撤销", "Withdrawn";
    part_of: "并入工单", "Part of order";
    covers: "并入本单的告警", "Alarms that this order covers";
    covers_more: "条未列出", "more are not shown";
    anomaly_id: "异常编号", "Anomaly id";
    why: "为什么立案", "Why this order";
    why_holds: "由立案时封存的内容重新推算，结果一致", "derived again from what was kept when it opened: the same";
    why_differs: "封存的内容不成立", "What was kept does not hold";
    why_readings: "立案所依据的读数", "Readings that it was opened by";
    why_rule: "规则参数", "Parameters";
    why_raised: "立案时刻（数据时间）", "Opened, by event time";
    why_revision: "目录版本", "Catalogue revision";
    why_hash: "封存指纹", "SHA-256";
    why_witnesses: "各见证（占报警线）", "Witnesses, share of an alarm";
    what_if: "换一个限值会怎样", "What if the limit were";
    what_if_week: "近 7 天，同一规则从头计算", "last 7 days, the same rule begun anew";
    what_if_episodes: "异常次数", "Episodes";
    what_if_beyond: "超限读数", "Readings beyond";
    what_if_now: "现行", "As it is";
    what_if_then: "改后", "Then";
    timeline: "办理过程", "Timeline";
    actions: "办理", "Actions";
    note: "说明", "Note";
    note_hint: "退单须写明理由", "Returning needs a reason";
    provisional: "节假日安排未公布，暂定", "provisional: calendar not published";
    due_left: "剩余", "left";
    due_past: "已超期", "past due by";
    wall_time: "系统时间", "wall time";
    back_to_orders: "返回工单列表", "Back to orders";
    metric: "指标", "Metric";
    last_value: "最新值", "Last value";
    age: "距今", "Age";
    condition: "运行状况", "Health";
    kind: "类型", "Kind";
    no_stations: "没有符合条件的站点", "No station fits";
    gateway: "网关", "Gateway";
    page_of: "页", "Page";
    not_done: "未能办理", "Not done";
    may_follow: "可办理为", "May follow";
    error_home: "回到总览", "Back to the overview";
    clock_waiting: "城市时钟尚未开始", "The city's clock has not begun";
    footer: "感知即立案，每一条读数皆有着落。", "Sensed, judged, assigned: no reading is lost.";
}

impl Words {
    /// The words of a language.
    pub(crate) const fn of(lang: Lang) -> &'static Self {
        match lang {
            Lang::Zh => &ZH,
            Lang::En => &EN,
        }
    }
}

/// What went wrong, in a few words, by the status of HTTP.
pub(crate) const fn mistake(lang: Lang, status: u16) -> &'static str {
    match status {
        400 => lang.pick("请求有误", "Not understood"),
        401 => lang.pick("需要凭据", "A credential is needed"),
        403 => lang.pick("无权操作", "Not allowed"),
        404 => lang.pick("没有找到", "Not found"),
        405 | 415 => lang.pick("不支持这种请求", "Not taken here"),
        409 => lang.pick("当前状态不能这样办理", "The state does not allow it"),
        413 => lang.pick("内容过大", "Too large"),
        503 => lang.pick("暂时不可用，请稍后再试", "Not available now, try again"),
        _ => lang.pick("出错了", "Something is wrong"),
    }
}

/// The word of an order's state.
pub(crate) const fn state(lang: Lang, state: OrderState) -> &'static str {
    match state {
        OrderState::Opened => lang.pick("已立案", "Opened"),
        OrderState::Accepted => lang.pick("已受理", "Accepted"),
        OrderState::Dispatched => lang.pick("已派遣", "Dispatched"),
        OrderState::Handling => lang.pick("处理中", "Handling"),
        OrderState::Replied => lang.pick("已反馈", "Replied"),
        OrderState::Closed => lang.pick("已结案", "Closed"),
        OrderState::Returned => lang.pick("已退单", "Returned"),
        OrderState::Reopened => lang.pick("重新立案", "Reopened"),
    }
}

/// What a person does to bring an order into a state.
pub(crate) const fn action(lang: Lang, to: OrderState) -> &'static str {
    match to {
        OrderState::Opened => lang.pick("立案", "Open"),
        OrderState::Accepted => lang.pick("受理", "Accept"),
        OrderState::Dispatched => lang.pick("派遣", "Dispatch"),
        OrderState::Handling => lang.pick("开始处理", "Begin handling"),
        OrderState::Replied => lang.pick("反馈", "Reply"),
        OrderState::Closed => lang.pick("结案", "Close"),
        OrderState::Returned => lang.pick("退单", "Return"),
        OrderState::Reopened => lang.pick("重新立案", "Reopen"),
    }
}

/// The word of a priority.
pub(crate) const fn priority(lang: Lang, priority: Priority) -> &'static str {
    match priority {
        Priority::Ordinary => lang.pick("一般", "Ordinary"),
        Priority::Urgent => lang.pick("优先", "Urgent"),
        Priority::Emergency => lang.pick("紧急", "Emergency"),
    }
}

/// The word of a severity.
pub(crate) const fn severity(lang: Lang, severity: Severity) -> &'static str {
    match severity {
        Severity::Notice => lang.pick("提示", "Notice"),
        Severity::Warning => lang.pick("预警", "Warning"),
        Severity::Serious => lang.pick("严重", "Serious"),
        Severity::Critical => lang.pick("危急", "Critical"),
    }
}

/// The word of a channel.
pub(crate) const fn channel(lang: Lang, channel: Channel) -> &'static str {
    match channel {
        Channel::Sensor => lang.pick("感知设备", "Sensor"),
        Channel::Hotline => lang.pick("12345 热线", "12345 hotline"),
        Channel::Alert => lang.pick("外部告警", "External alert"),
    }
}

/// What a line of the timeline records.
pub(crate) const fn step(lang: Lang, kind: StepKind) -> &'static str {
    match kind {
        StepKind::Opened => lang.pick("自动立案", "Opened"),
        StepKind::Moved => lang.pick("状态变更", "Moved"),
        StepKind::Worsened => lang.pick("异常加重", "Anomaly worsened"),
        StepKind::Cleared => lang.pick("异常解除", "Anomaly cleared"),
        StepKind::Revised => lang.pick("异常更正", "Anomaly revised"),
        StepKind::Withdrawn => lang.pick("异常撤销", "Anomaly withdrawn"),
        StepKind::Restored => lang.pick("异常恢复", "Anomaly restored"),
    }
}

/// The word of a condition.
pub(crate) const fn condition(lang: Lang, condition: Condition) -> &'static str {
    match condition {
        Condition::Fresh => lang.pick("正常", "Fresh"),
        Condition::Suspect => lang.pick("存疑", "Suspect"),
        Condition::Late => lang.pick("迟到", "Late"),
        Condition::Silent => lang.pick("失联", "Silent"),
        Condition::Never => lang.pick("从未上报", "Never sent"),
    }
}

/// The word of a quality.
pub(crate) const fn quality(lang: Lang, quality: Quality) -> &'static str {
    match quality {
        Quality::Good => lang.pick("有效", "good"),
        Quality::Suspect => lang.pick("存疑", "suspect"),
        Quality::Maintenance => lang.pick("维护", "maintenance"),
        Quality::Calibration => lang.pick("校准", "calibration"),
        Quality::Fault => lang.pick("故障", "fault"),
        Quality::Stopped => lang.pick("停运", "stopped"),
        Quality::Manual => lang.pick("人工录入", "manual"),
        Quality::Disconnected => lang.pick("通讯中断", "disconnected"),
        Quality::ClockOff => lang.pick("时钟不准", "clock off"),
    }
}

/// The word of a kind of metrics.
pub(crate) const fn metric_kind(lang: Lang, kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Environment => lang.pick("环境", "Environment"),
        MetricKind::Water => lang.pick("水务", "Water"),
        MetricKind::Project => lang.pick("项目进度", "Projects"),
        MetricKind::Economy => lang.pick("经济", "Economy"),
    }
}

/// All kinds of stations, as they are listed.
pub(crate) const STATION_KINDS: [StationKind; 5] = [
    StationKind::Air,
    StationKind::ConstructionSite,
    StationKind::Water,
    StationKind::Project,
    StationKind::StatisticsOffice,
];

/// The word of a kind of stations.
pub(crate) const fn station_kind(lang: Lang, kind: StationKind) -> &'static str {
    match kind {
        StationKind::Air => lang.pick("空气", "Air"),
        StationKind::ConstructionSite => lang.pick("工地", "Construction site"),
        StationKind::Water => lang.pick("水体", "Water"),
        StationKind::Project => lang.pick("项目", "Project"),
        StationKind::StatisticsOffice => lang.pick("统计", "Statistics"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a text is in Chinese letters.
    fn is_han(text: &str) -> bool {
        text.chars().any(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter))
    }

    #[test]
    fn no_word_is_missing_or_in_the_wrong_language() {
        for (name, zh, en) in TABLE {
            assert!(is_han(zh), "{name} has no Chinese: {zh:?}");
            assert!(!en.trim().is_empty() && !is_han(en), "{name} has no English: {en:?}");
        }
    }

    #[test]
    fn words_of_types_differ_from_each_other() {
        for lang in [Lang::Zh, Lang::En] {
            let mut words: Vec<&str> = OrderState::ALL.map(|of| state(lang, of)).into();
            words.sort_unstable();
            words.dedup();
            assert_eq!(words.len(), OrderState::ALL.len());
            let steps: std::collections::BTreeSet<_> = StepKind::ALL.map(|of| step(lang, of)).into();
            assert_eq!(steps.len(), StepKind::ALL.len());
        }
    }
}
