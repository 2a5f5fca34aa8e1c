//! One order: its evidence as a chart with the limit drawn in, what happened to it, and what may be done.

use askama::Template;
use axum::Extension;
use axum::extract::{Form, FromRequest, Path, Request, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use yiwang_catalogue::Metric;
use yiwang_model::order::{Channel, WorkOrder};
use yiwang_model::{Phase, Span, Timestamp, Unit};

use super::chart::{Chart, LimitLine, Line};
use super::members::{Covered, covered};
use super::{Frame, OrderLine, render};
use crate::api::orders::{Transition, apply, find};
use crate::api::why as api;
use crate::error::{self, Error};
use crate::lang::Lang;
use crate::params::Params;
use crate::view::{self, Names};
use crate::why::{Why, Witness};
use crate::words::{self, Words};
use crate::{Web, Who};

/// How many series of a rule across series are drawn.
const LINES: usize = 6;

/// A line of the timeline.
struct StepLine {
    kind: &'static str,
    word: &'static str,
    state_word: &'static str,
    who: String,
    note: String,
    /// The order of the episode that a withdrawn one is part of.
    joined: Option<String>,
    at: String,
    wall: String,
}

/// Why the order was opened, as far as it was kept.
struct Reason {
    /// Why what was kept does not hold; all else is then empty.
    differs: Option<String>,
    kind: String,
    params: Vec<(String, String)>,
    raised: String,
    revision: u32,
    hash: String,
    witnesses: Vec<(String, String)>,
    chart: Option<String>,
    /// The limit to begin with, the least and the greatest to try, and the step.
    slider: Option<[String; 4]>,
}

/// Something that may be done.
struct Action {
    to: &'static str,
    word: &'static str,
}

/// What was asked for and not done, so that nothing has to be typed twice.
#[derive(Default)]
struct Refused {
    why: String,
    allowed: String,
    note: String,
}

#[derive(Template)]
#[template(path = "order.html")]
struct OrderPage {
    f: Frame,
    line: OrderLine,
    text: String,
    channel: &'static str,
    provisional: bool,
    point: Option<String>,
    detector: String,
    metric: String,
    basis: String,
    ended: Option<String>,
    anomaly_id: Option<String>,
    why: Option<Reason>,
    /// None of an alert that names no series of the catalogue.
    chart: Option<String>,
    links: Vec<String>,
    covers: Option<Covered>,
    steps: Vec<StepLine>,
    actions: Vec<Action>,
    refused: Option<Refused>,
}

/// `/orders/{no}`
pub(crate) async fn page(
    State(web): State<Web>,
    lang: Lang,
    Path(no): Path<String>,
    uri: Uri,
) -> Result<Html<String>, Error> {
    Params::of_page(&uri, &[])?;
    let order = find(&web, &no).await?;
    shown(&web, lang, &uri, &order, None).await
}

/// The form of the page: done, it leads back; not done, the page says why.
pub(crate) async fn transition(
    State(web): State<Web>,
    Extension(who): Extension<Who>,
    lang: Lang,
    Path(no): Path<String>,
    request: Request,
) -> Result<Response, Error> {
    Params::read(request.uri(), &[])?;
    let wanted = read_form(request).await?;
    let error = match apply(web.parts(), &who, &no, &wanted).await {
        Ok(order) => return Ok(Redirect::to(&format!("/orders/{}", order.no)).into_response()),
        Err(error) if error.status().is_client_error() && error.status() != StatusCode::NOT_FOUND => error,
        Err(error) => return Err(error),
    };
    let order = find(&web, &no).await?;
    let allowed = error::allowed(&error).unwrap_or_default().iter().map(|state| words::state(lang, *state));
    let allowed = allowed.collect::<Vec<_>>().join(lang.pick("、", ", "));
    let refused = Refused { why: error.to_string(), allowed, note: wanted.note };
    let uri = Uri::try_from(format!("/orders/{no}")).unwrap_or_default();
    Ok((error.status(), shown(&web, lang, &uri, &order, Some(refused)).await?).into_response())
}

async fn read_form(request: Request) -> Result<Transition, Error> {
    let kind =
        request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().map(str::trim) != Some("application/x-www-form-urlencoded") {
        return Err(Error::MediaType { wanted: "a form, as application/x-www-form-urlencoded" });
    }
    let (parts, body) = request.into_parts();
    let body = crate::api::orders::body(Request::from_parts(parts.clone(), body)).await?;
    let whole = Request::from_parts(parts, body.into());
    let Form(wanted) = Form::<Transition>::from_request(whole, &()).await.map_err(|rejection| {
        Error::Field { field: "body", why: format!("cannot be read: {}", rejection.body_text()) }
    })?;
    Ok(wanted)
}

async fn shown(
    web: &Web,
    lang: Lang,
    uri: &Uri,
    order: &WorkOrder,
    refused: Option<Refused>,
) -> Result<Html<String>, Error> {
    let now = (web.parts().city_now)();
    let (draft, anomaly) = (&order.draft, &order.draft.evidence.anomaly);
    let names = Names(web.catalogue());
    let known = web.catalogue().metric(anomaly.series.metric());
    render(&OrderPage {
        line: OrderLine::new(web, lang, order, now),
        text: lang.of(&draft.text).to_owned(),
        channel: words::channel(lang, order.channel),
        provisional: draft.due.provisional,
        point: draft.place.point.map(|(longitude, latitude)| format!("{longitude:.4}°E, {latitude:.4}°N")),
        detector: lang.of(&names.detector(&anomaly.detector)).to_owned(),
        metric: match known {
            None if order.channel == Channel::Alert => words::channel(lang, order.channel).to_owned(),
            _ => lang.of(&names.metric(anomaly.series.metric())).to_owned(),
        },
        basis: lang.of(&web.catalogue().basis(anomaly)).to_owned(),
        ended: anomaly.end.map(view::minute),
        why: reason(web, lang, order).await?,
        anomaly_id: order.anomaly.map(|id| id.to_string()),
        chart: if draft.evidence.series.is_empty() {
            None
        } else {
            Some(chart(web, lang, order, now).await?.json())
        },
        links: draft.evidence.links.clone(),
        covers: covered(web, lang, order).await?,
        steps: order.timeline.iter().rev().map(|step| step_line(step, known, lang)).collect(),
        actions: order
            .state
            .allowed()
            .iter()
            .map(|to| Action { to: to.word(), word: words::action(lang, *to) })
            .collect(),
        refused,
        f: Frame::new(web, lang, "orders", uri),
    })
}

/// Why the order was opened; `None` when nothing was kept of it.
async fn reason(web: &Web, lang: Lang, order: &WorkOrder) -> Result<Option<Reason>, Error> {
    let Some(id) = order.anomaly else { return Ok(None) };
    let why = match api::why(web, id).await {
        Ok(None) => return Ok(None),
        Ok(Some(why)) => why,
        Err(Error::Capsule(why)) => return Ok(Some(Reason::broken(why))),
        Err(error) => return Err(error),
    };
    let anomaly = &order.draft.evidence.anomaly;
    let params = why.params.iter().map(|param| (param.key.clone(), param.value.clone())).collect();
    let share = |of: &Witness| {
        let a_day = of.a_day.map(|times| often(times, lang));
        (of.name.clone(), view::number(of.share, 2) + &a_day.unwrap_or_default())
    };
    Ok(Some(Reason {
        chart: grounds(web, lang, order, &why).map(|chart| chart.json()),
        slider: why.limit.filter(|limit| why.adjustable && *limit != 0.0).map(slider),
        params,
        raised: why.raised.parse().map_or(why.raised, view::second),
        witnesses: why.witnesses.iter().map(share).collect(),
        kind: format!("{} · {}", anomaly.detector, why.kind),
        revision: why.catalogue_revision,
        hash: why.hash,
        differs: why.differs,
    }))
}

/// How often a day a measure comes.
fn often(times: f64, lang: Lang) -> String {
    let times = if times < 0.001 { "< 0.001".to_owned() } else { view::number(times, 3) };
    format!(" · {times} {}", lang.pick("次/天", "a day"))
}

impl Reason {
    fn broken(why: String) -> Self {
        Self {
            differs: Some(why),
            kind: String::new(),
            params: Vec::new(),
            raised: String::new(),
            revision: 0,
            hash: String::new(),
            witnesses: Vec::new(),
            chart: None,
            slider: None,
        }
    }
}

/// From a quarter of the limit to twice it, in steps of a hundredth of it.
fn slider(limit: f64) -> [String; 4] {
    let (near, far) = (limit / 4.0, limit * 2.0);
    [limit, near.min(far), near.max(far), limit.abs() / 100.0].map(|number| number.to_string())
}

/// The readings that the order was opened by, with the limit where it is in their unit.
fn grounds(web: &Web, lang: Lang, order: &WorkOrder, why: &Why) -> Option<Chart> {
    let (first, last) = why.readings.first().zip(why.readings.last())?;
    let anomaly = &order.draft.evidence.anomaly;
    let span = (Timestamp::from_millis(first.0), Timestamp::from_millis(last.0));
    let mut chart = Chart::of_metric(web, anomaly.series.metric(), span);
    let w = Words::of(lang);
    let (period, _) = view::pace(web.catalogue(), &anomaly.series);
    chart.gap_ms = chart.gap_ms.max(period.times(4).0 / 1_000_000);
    chart.lines.push(Line::standing(w.readings.to_owned(), "line", why.readings.clone()));
    let own_unit = Unit::new(&order.draft.evidence.unit).as_str() == chart.unit;
    let limit = why.limit.filter(|_| own_unit);
    chart.limits.extend(limit.map(|value| LimitLine { value, label: w.limit.to_owned() }));
    Some(chart)
}

fn step_line(step: &yiwang_model::order::Step, metric: Option<&Metric>, lang: Lang) -> StepLine {
    StepLine {
        kind: step.kind.word(),
        word: words::step(lang, step.kind),
        state_word: words::state(lang, step.state),
        who: step.who.clone(),
        note: view::note(step, metric, lang),
        joined: view::joined(step).map(|no| no.to_string()),
        at: view::second(step.at),
        wall: view::second(step.wall),
    }
}

/// The evidence: the readings around the episode, the plan, the judged values and the limit.
async fn chart(web: &Web, lang: Lang, order: &WorkOrder, now: Option<Timestamp>) -> Result<Chart, Error> {
    let (evidence, w) = (&order.draft.evidence, Words::of(lang));
    let anomaly = &evidence.anomaly;
    let (from, to) = window(order, now);
    // a cause has no metric of its own: it is shown by what it did
    let own = web.catalogue().metric(anomaly.series.metric()).map(|_| &anomaly.series);
    let metric = own.or(evidence.series.first()).unwrap_or(&anomaly.series).metric();
    let mut chart = Chart::of_metric(web, metric, (from, to));
    let is_there = anomaly.phase != Phase::Withdrawn;
    chart.episode = is_there.then(|| (anomaly.begin.millis(), anomaly.end.map(Timestamp::millis)));
    for series in evidence.series.iter().take(LINES) {
        let label = match evidence.series.len() {
            1 => w.readings.to_owned(),
            _ => lang.of(&Names(web.catalogue()).station(series.source())).to_owned(),
        };
        let (period, _) = view::pace(web.catalogue(), series);
        chart.gap_ms = chart.gap_ms.max(period.times(4).0 / 1_000_000);
        chart.add(web, series, label, w).await?;
    }
    judge(&mut chart, web, order, lang);
    let goes_on = anomaly.is_active() && now.is_some_and(|now| to == now);
    Ok(if goes_on { chart.follow(None) } else { chart })
}

/// What was judged, against what. Against a plan the limit runs beside the plan; what was judged in another unit
/// than the readings, as the length of a silence, has no place on their axis.
fn judge(chart: &mut Chart, web: &Web, order: &WorkOrder, lang: Lang) {
    let (evidence, w) = (&order.draft.evidence, Words::of(lang));
    let anomaly = &evidence.anomaly;
    let limit = format!("{} {}", w.limit, lang.of(&web.catalogue().basis(anomaly)));
    if chart.add_plan(web, &anomaly.series, w.plan) {
        if let (Some(behind), Some(plan)) = (anomaly.limit, chart.lines.last()) {
            let points = plan.points.iter().map(|(at, value)| (*at, (value - behind).max(0.0))).collect();
            chart.lines.push(Line::standing(limit, "limit", points));
        }
        return;
    }
    if Unit::new(&evidence.unit).as_str() != chart.unit {
        return;
    }
    if !evidence.points.is_empty() {
        let points = evidence.points.iter().map(|point| (point.time.millis(), point.value)).collect();
        chart.lines.push(Line::standing(w.judged.to_owned(), "dots", points));
    }
    if let Some(value) = anomaly.limit {
        chart.limits.push(LimitLine { value, label: limit });
    }
}

/// From the lead before the episode, or its first judged value, to a quarter of that after its end; to now while
/// it goes on. One that was withdrawn ends with its last judged value.
fn window(order: &WorkOrder, now: Option<Timestamp>) -> (Timestamp, Timestamp) {
    let evidence = &order.draft.evidence;
    let anomaly = &evidence.anomaly;
    let lead = Span(evidence.lead.0.max(Span::MINUTE.times(10).0));
    let first = evidence.points.first().map_or(anomaly.begin, |point| point.time);
    let from = (anomaly.begin - lead).min(first);
    let last = evidence.points.last().map_or(anomaly.begin, |point| point.time).max(anomaly.begin);
    let to = match (anomaly.end, now.filter(|_| anomaly.is_active())) {
        (Some(end), _) => end.max(last) + Span(lead.0 / 4),
        (None, Some(now)) => now.max(last),
        (None, None) => last + Span(lead.0 / 4),
    };
    (from, to)
}
