//! The overview: how many orders, which anomalies go on, and a chart of each kind.

use askama::Template;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Html;
use yiwang_catalogue::{MetricKind, Silence, Station, StationKind};
use yiwang_model::{OrderState, Series, Span, Timestamp};
use yiwang_orders::{Counts, Filter};

use super::chart::Chart;
use super::stations::{self, Reporting};
use super::{Frame, OrderLine, render};
use crate::Web;
use crate::error::Error;
use crate::lang::Lang;
use crate::params::Params;
use crate::view::{self, Names};
use crate::words;

/// How many anomalies are listed.
const ANOMALIES: u32 = 12;
/// How many stations a chart compares.
const LINES: usize = 5;

/// A chart with what stands above it.
struct Panel {
    kind: &'static str,
    title: String,
    note: String,
    chart: String,
}

/// A state and how many orders have it; `share` is of all, in percent.
struct StateCount {
    state: &'static str,
    word: &'static str,
    count: u64,
    share: u64,
}

struct DepartmentCount {
    key: String,
    title: String,
    count: u64,
    share: u64,
}

/// A silence that holds, and how many episodes it keeps quiet, as far as they are told one by one.
struct SilenceLine {
    id: String,
    why: String,
    who: String,
    until: String,
    quiet: usize,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    f: Frame,
    open: u64,
    overdue: u64,
    active: u64,
    closed: u64,
    reporting: Reporting,
    states: Vec<StateCount>,
    departments: Vec<DepartmentCount>,
    anomalies: Vec<OrderLine>,
    silences: Vec<SilenceLine>,
    panels: Vec<Panel>,
}

/// `/`
pub(crate) async fn page(State(web): State<Web>, lang: Lang, uri: Uri) -> Result<Html<String>, Error> {
    Params::of_page(&uri, &[])?;
    let now = (web.parts().city_now)();
    let counts = web.parts().orders.counts(now.unwrap_or_default()).await?;
    let closed =
        counts.by_state.iter().find(|(state, _)| *state == OrderState::Closed).map_or(0, |(_, n)| *n);
    let active = Filter { active: Some(true), ..Filter::default() };
    let found = web.parts().orders.find(&active, ANOMALIES, None).await?.orders;
    render(&Overview {
        open: view::open_orders(&counts),
        overdue: counts.overdue,
        active: counts.active,
        closed,
        reporting: stations::reporting(&web, now).await?,
        states: states(&counts, lang),
        departments: departments(&web, &counts, lang),
        anomalies: found.iter().map(|order| OrderLine::new(&web, lang, order, now)).collect(),
        silences: silences(&web, now),
        panels: panels(&web, lang, now).await?,
        f: Frame::new(&web, lang, "overview", &uri),
    })
}

fn states(counts: &Counts, lang: Lang) -> Vec<StateCount> {
    let most = counts.by_state.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    let row = |(state, count): &(OrderState, u64)| StateCount {
        state: state.word(),
        word: words::state(lang, *state),
        count: *count,
        share: count * 100 / most,
    };
    counts.by_state.iter().map(row).collect()
}

fn silences(web: &Web, now: Option<Timestamp>) -> Vec<SilenceLine> {
    let quiet = (web.parts().quiet)().episodes;
    let holding =
        web.catalogue().silences.values().filter(|silence| now.is_some_and(|now| silence.holds(now)));
    let line = |silence: &Silence| SilenceLine {
        id: silence.id.to_string(),
        why: silence.why.to_string(),
        who: silence.who.to_string(),
        until: view::minute(silence.to),
        quiet: quiet.iter().filter(|of| of.silenced.as_ref() == Some(&silence.id)).count(),
    };
    holding.map(line).collect()
}

fn departments(web: &Web, counts: &Counts, lang: Lang) -> Vec<DepartmentCount> {
    let names = Names(web.catalogue());
    let mut rows: Vec<&(String, u64)> = counts.open_by_department.iter().collect();
    rows.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let most = rows.first().map_or(1, |row| row.1.max(1));
    let row = |(key, count): &(String, u64)| DepartmentCount {
        key: key.clone(),
        title: lang.of(&names.department(key)).to_owned(),
        count: *count,
        share: count * 100 / most,
    };
    rows.into_iter().take(8).map(row).collect()
}

/// One chart of each kind, as far as the catalogue has something to draw.
async fn panels(web: &Web, lang: Lang, now: Option<Timestamp>) -> Result<Vec<Panel>, Error> {
    let Some(now) = now else { return Ok(Vec::new()) };
    let known = stations::known_sources(web).await?;
    let mut panels = Vec::new();
    let (hours, wide) = (Span::HOUR.times(6), Span::DAY);
    let w = words::Words::of(lang);
    for (metric, kind, span, step, note) in [
        ("pm2_5", StationKind::Air, wide, Span::MINUTE.times(10), w.chart_24h),
        ("site_noise", StationKind::ConstructionSite, hours, Span::MINUTE.times(2), w.chart_6h),
    ] {
        let stations = stations::of_kind(web, kind, metric, &known);
        let mut chart = Chart::of_metric(web, metric, (now - span, now)).follow(Some(step));
        for station in stations.into_iter().take(LINES) {
            add(&mut chart, web, station, metric, lang).await?;
        }
        chart.add_limits(web, metric, now, lang);
        panels.extend(panel(web, lang, metric, note.to_owned(), chart));
    }
    panels.extend(project(web, lang, now, &known).await?);
    panels.extend(economy(web, lang, now, &known).await?);
    Ok(panels)
}

async fn add(chart: &mut Chart, web: &Web, station: &Station, metric: &str, lang: Lang) -> Result<(), Error> {
    let Ok(series) = Series::new(station.id.clone(), metric) else { return Ok(()) };
    chart.add(web, &series, lang.of(&station.title).to_owned(), words::Words::of(lang)).await
}

fn panel(web: &Web, lang: Lang, metric: &str, note: String, chart: Chart) -> Option<Panel> {
    let known = web.catalogue().metric(metric)?;
    Some(Panel {
        kind: words::metric_kind(lang, known.kind),
        title: lang.of(&known.title).to_owned(),
        note,
        chart: chart.json(),
    })
}

/// The project that is furthest behind its plan, from its beginning to its end.
async fn project(
    web: &Web,
    lang: Lang,
    now: Timestamp,
    known: &stations::Known,
) -> Result<Option<Panel>, Error> {
    let metric = "project_percent";
    let slip = |station: &&Station| {
        let plan = web.catalogue().plan(&station.id, metric);
        let last = known.get(&Series::new(station.id.clone(), metric).ok()?);
        plan.zip(last).map(|(plan, last)| plan.at(last.time) - last.value)
    };
    let candidates = stations::of_kind(web, StationKind::Project, metric, known);
    let worst = candidates.into_iter().max_by(|a, b| {
        let (a, b) = (slip(a).unwrap_or(f64::MIN), slip(b).unwrap_or(f64::MIN));
        a.total_cmp(&b)
    });
    let Some(station) = worst else { return Ok(None) };
    let Ok(series) = Series::new(station.id.clone(), metric) else { return Ok(None) };
    let plan = web.catalogue().plan(&station.id, metric).map(|plan| &plan.points);
    let begin = plan.and_then(|points| points.first()).map_or(now - Span::DAY.times(365), |(at, _)| *at);
    let end = plan.and_then(|points| points.last()).map_or(now, |(at, _)| (*at).max(now));
    let mut chart = Chart::of_metric(web, metric, (begin, end));
    chart.step_s = Some(7 * 86_400);
    chart.gap_ms = Span::DAY.times(120).0 / 1_000_000;
    let w = words::Words::of(lang);
    chart.add(web, &series, w.actual.to_owned(), w).await?;
    chart.add_plan(web, &series, w.plan);
    let note = format!("{} · {}", lang.of(&station.title), w.chart_project);
    Ok(panel(web, lang, metric, note, chart))
}

/// The first figure of the statistics office that is an amount, by month.
async fn economy(
    web: &Web,
    lang: Lang,
    now: Timestamp,
    known: &stations::Known,
) -> Result<Option<Panel>, Error> {
    let catalogue = web.catalogue();
    let figures = ["industrial_value_added", "retail_sales", "fixed_asset_investment"].into_iter();
    let others = catalogue.metrics.values().filter(|metric| metric.kind == MetricKind::Economy);
    let mut found = figures.chain(others.map(|metric| &*metric.name)).filter_map(|metric| {
        let station =
            stations::of_kind(web, StationKind::StatisticsOffice, metric, known).into_iter().next()?;
        Some((metric, station))
    });
    let Some((metric, station)) = found.next() else { return Ok(None) };
    let mut chart = Chart::of_metric(web, metric, (now - Span::DAY.times(36 * 31), now)).follow(None);
    chart.kind = "bars";
    add(&mut chart, web, station, metric, lang).await?;
    let w = words::Words::of(lang);
    Ok(panel(web, lang, metric, format!("{} · {}", lang.of(&station.title), w.chart_36m), chart))
}
