//! The pages for people. They work without a script; with one, they are alive.

use askama::Template;
use axum::http::{StatusCode, Uri};
use axum::response::Html;
use yiwang_model::order::Channel;
use yiwang_model::{OrderState, Phase, Timestamp, WorkOrder};

use crate::Web;
use crate::error::Error;
use crate::lang::Lang;
use crate::view::{self, Names};
use crate::words::{self, Words};

pub(crate) mod chart;
mod members;
pub(crate) mod order;
pub(crate) mod orders;
pub(crate) mod overview;
pub(crate) mod stations;

/// What stands around every page.
pub(crate) struct Frame {
    pub(crate) lang: Lang,
    pub(crate) w: &'static Words,
    /// Which entry of the navigation this is.
    pub(crate) here: &'static str,
    /// City time, to the second; empty until the clock has begun.
    pub(crate) clock: String,
    /// The address of the same page in the other language.
    pub(crate) other: String,
}

impl Frame {
    pub(crate) fn new(web: &Web, lang: Lang, here: &'static str, uri: &Uri) -> Self {
        let clock = (web.parts().city_now)().map(view::second).unwrap_or_default();
        Self { lang, w: Words::of(lang), here, clock, other: in_other(uri, lang) }
    }
}

/// The address of the same page in the other language, its other parameters kept.
fn in_other(uri: &Uri, lang: Lang) -> String {
    let kept = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let kept: String =
        kept.filter(|pair| !pair.starts_with("lang=")).map(|pair| format!("{pair}&")).collect();
    format!("{}?{kept}lang={}", uri.path(), lang.other().word())
}

/// A choice of a select.
pub(crate) struct Choice {
    pub(crate) key: String,
    pub(crate) title: String,
    pub(crate) chosen: bool,
}

impl Choice {
    pub(crate) fn new(key: &str, title: &str, chosen: Option<&str>) -> Self {
        Self { key: key.to_owned(), title: title.to_owned(), chosen: chosen == Some(key) }
    }
}

/// An order as a line of a list.
pub(crate) struct OrderLine {
    pub(crate) no: String,
    pub(crate) title: String,
    pub(crate) state: &'static str,
    pub(crate) state_word: &'static str,
    pub(crate) priority: &'static str,
    pub(crate) priority_word: &'static str,
    pub(crate) severity: &'static str,
    pub(crate) severity_word: &'static str,
    pub(crate) district: String,
    pub(crate) station: String,
    pub(crate) department: String,
    pub(crate) category: String,
    pub(crate) received: String,
    pub(crate) began: String,
    pub(crate) due: String,
    /// How long until it is due, or since it was.
    pub(crate) due_note: String,
    pub(crate) overdue: bool,
    pub(crate) active: bool,
    /// Whether late or corrected readings took its episode back.
    pub(crate) withdrawn: bool,
    /// The extreme and the limit with their unit.
    pub(crate) extreme: String,
    pub(crate) limit: Option<String>,
}

impl OrderLine {
    pub(crate) fn new(web: &Web, lang: Lang, order: &WorkOrder, now: Option<Timestamp>) -> Self {
        let (draft, names) = (&order.draft, Names(web.catalogue()));
        let anomaly = &draft.evidence.anomaly;
        let overdue = now.is_some_and(|now| view::is_overdue(order, now));
        let metric = web.catalogue().metric(anomaly.series.metric());
        let is_alert = order.channel == Channel::Alert;
        let with_unit = |value: f64| {
            let unit = view::unit(&draft.evidence.unit, lang);
            let text = format!("{} {unit}", view::value(value, metric));
            text.trim().to_owned()
        };
        Self {
            no: order.no.to_string(),
            title: lang.of(&draft.title).to_owned(),
            state: order.state.word(),
            state_word: words::state(lang, order.state),
            priority: draft.priority.word(),
            priority_word: words::priority(lang, draft.priority),
            severity: anomaly.severity.word(),
            severity_word: words::severity(lang, anomaly.severity),
            district: lang.of(&draft.place.district_name).to_owned(),
            station: lang.of(&draft.place.station_name).to_owned(),
            department: lang.of(&draft.department_name).to_owned(),
            category: lang.of(&names.category(&draft.category)).to_owned(),
            received: view::minute(draft.received),
            began: view::minute(anomaly.begin),
            due: view::minute(draft.due.at),
            due_note: due_note(order, now, lang),
            overdue,
            active: order.anomaly.is_some() && anomaly.is_active(),
            withdrawn: anomaly.phase == Phase::Withdrawn,
            // That of an alert is its severity, which has words.
            extreme: if is_alert {
                words::severity(lang, anomaly.severity).to_owned()
            } else {
                with_unit(anomaly.extreme)
            },
            limit: anomaly.limit.map(with_unit),
        }
    }
}

impl OrderLine {
    /// When the episode began, without the year.
    fn began_short(&self) -> &str {
        self.began.get(5..).unwrap_or(&self.began)
    }
}

/// How long until an open order is due, or since it was.
fn due_note(order: &WorkOrder, now: Option<Timestamp>, lang: Lang) -> String {
    let Some(now) = now.filter(|_| order.state != OrderState::Closed) else { return String::new() };
    let (w, span) = (Words::of(lang), order.draft.due.at - now);
    let length = view::length(span, lang);
    match (span.0 < 0, lang) {
        (true, _) => format!("{} {length}", w.due_past),
        (false, Lang::Zh) => format!("{} {length}", w.due_left),
        (false, Lang::En) => format!("{length} {}", w.due_left),
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    f: Frame,
    status: u16,
    title: &'static str,
    why: &'a str,
}

/// The page of a mistake.
pub(crate) fn error(lang: Lang, status: StatusCode, why: &str) -> Result<Html<String>, Error> {
    let other = format!("?lang={}", lang.other().word());
    let f = Frame { lang, w: Words::of(lang), here: "", clock: "—".to_owned(), other };
    let status = status.as_u16();
    render(&ErrorPage { f, status, title: words::mistake(lang, status), why })
}

pub(crate) fn render(page: &impl Template) -> Result<Html<String>, Error> {
    Ok(Html(page.render()?))
}
