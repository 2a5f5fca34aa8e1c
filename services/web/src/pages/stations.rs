//! Stations: what each sent last, how old that is, and how it is doing.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Html;
use yiwang_catalogue::{Station, StationKind};
use yiwang_model::{Row, Series, Span, Timestamp};

use super::{Choice, Frame, render};
use crate::Web;
use crate::error::Error;
use crate::lang::Lang;
use crate::params::{Params, wrong};
use crate::view::{self, Condition, Names};
use crate::words::{self, STATION_KINDS};

/// How many stations a page has.
const PAGE: usize = 60;

/// The newest reading of each series of the stations that the catalogue names.
pub(crate) type Known = BTreeMap<Series, Row>;

/// How many stations are fresh, of how many.
pub(crate) struct Reporting {
    pub(crate) fresh: usize,
    pub(crate) all: usize,
}

/// A station.
struct Card {
    id: String,
    title: String,
    kind: &'static str,
    district: String,
    gateway: String,
    condition: &'static str,
    condition_word: &'static str,
    lines: Vec<LastLine>,
}

/// The newest reading of one of its series.
struct LastLine {
    metric: String,
    value: Option<String>,
    unit: String,
    age: String,
    time: String,
    /// Said only when the value is not good.
    quality: &'static str,
    condition: &'static str,
}

#[derive(Template)]
#[template(path = "stations.html")]
struct Stations {
    f: Frame,
    districts: Vec<Choice>,
    kinds: Vec<Choice>,
    conditions: Vec<Choice>,
    counts: Vec<(&'static str, &'static str, usize)>,
    cards: Vec<Card>,
    page: usize,
    pages: usize,
    next: Option<String>,
}

/// The newest readings of all named stations.
pub(crate) async fn known_sources(web: &Web) -> Result<Known, Error> {
    let sources: Vec<Arc<str>> = web.catalogue().stations.keys().cloned().collect();
    if sources.is_empty() {
        return Ok(Known::new());
    }
    let latest = web.parts().series.latest(&sources).await?;
    Ok(latest.into_iter().map(|latest| (latest.series, latest.row)).collect())
}

/// The named stations of a kind that measure a metric and have sent it; all of them while none has.
pub(crate) fn of_kind<'a>(web: &'a Web, kind: StationKind, metric: &str, known: &Known) -> Vec<&'a Station> {
    let stations = web.catalogue().stations.values();
    let fitting = stations
        .filter(|station| station.kind == kind && station.metrics.iter().any(|own| own.as_ref() == metric));
    let fitting: Vec<&Station> = fitting.collect();
    let sent = |station: &&Station| {
        Series::new(station.id.clone(), metric).is_ok_and(|series| known.contains_key(&series))
    };
    let sending: Vec<&Station> = fitting.iter().copied().filter(sent).collect();
    if sending.is_empty() { fitting } else { sending }
}

/// How many of the named stations are fresh. Those that are only here to be replayed count once they have sent.
pub(crate) async fn reporting(web: &Web, now: Option<Timestamp>) -> Result<Reporting, Error> {
    let known = known_sources(web).await?;
    let conditions: Vec<Condition> = web
        .catalogue()
        .stations
        .values()
        .map(|station| condition(web, station, &known, now))
        .filter(|condition| *condition != Condition::Never)
        .collect();
    let fresh = conditions.iter().filter(|condition| **condition <= Condition::Suspect).count();
    Ok(Reporting { fresh, all: conditions.len() })
}

/// How a station is doing: as its best series, for one dead meter does not make a dead station.
fn condition(web: &Web, station: &Station, known: &Known, now: Option<Timestamp>) -> Condition {
    let conditions = station.series().map(|series| of_series(web, &series, known.get(&series), now));
    conditions.min().unwrap_or(Condition::Never)
}

fn of_series(web: &Web, series: &Series, last: Option<&Row>, now: Option<Timestamp>) -> Condition {
    let Some(last) = last else { return Condition::Never };
    let (period, lateness) = view::pace(web.catalogue(), series);
    let age = now.map_or(Span::ZERO, |now| now - last.period_end.unwrap_or(last.time));
    Condition::of(age, period, lateness, last.quality)
}

/// `/stations`
pub(crate) async fn page(State(web): State<Web>, lang: Lang, uri: Uri) -> Result<Html<String>, Error> {
    let params = Params::of_page(&uri, &["district", "kind", "health", "page"])?;
    let (district, kind) = (params.text("district", 128)?, kind(&params)?);
    let health = health(&params)?;
    let page = params.number("page", 1..=100_000)?.unwrap_or(1) as usize;
    let now = (web.parts().city_now)();
    let known = known_sources(&web).await?;
    let all = web.catalogue().stations.values();
    let chosen = all.filter(|station| district.is_none_or(|key| key == station.district.as_ref()));
    let chosen: Vec<(&Station, Condition)> = chosen
        .filter(|station| kind.is_none_or(|kind| kind == station.kind))
        .map(|station| (station, condition(&web, station, &known, now)))
        .collect();
    let counts = Condition::ALL.map(|of| {
        (
            of.word(),
            words::condition(lang, of),
            chosen.iter().filter(|(_, condition)| *condition == of).count(),
        )
    });
    let fitting: Vec<_> =
        chosen.into_iter().filter(|(_, of)| health.is_none_or(|health| health == *of)).collect();
    let pages = fitting.len().div_ceil(PAGE).max(1);
    let here = fitting.iter().skip((page - 1).saturating_mul(PAGE)).take(PAGE);
    let cards = here.map(|(station, condition)| card(&web, station, *condition, &known, now, lang)).collect();
    render(&Stations {
        districts: districts(&web, district, lang),
        kinds: kinds(kind, lang),
        conditions: conditions(health, lang),
        counts: counts.into_iter().filter(|(_, _, count)| *count > 0).collect(),
        cards,
        page,
        pages,
        next: (page < pages).then(|| super::orders::with(&uri, "page", &(page + 1).to_string())),
        f: Frame::new(&web, lang, "stations", &uri),
    })
}

fn kind(params: &Params) -> Result<Option<StationKind>, Error> {
    let Some(text) = params.text("kind", 128)? else { return Ok(None) };
    let kind = STATION_KINDS.into_iter().find(|kind| kind.word() == text);
    kind.map(Some).ok_or_else(|| {
        let known = STATION_KINDS.map(StationKind::word).join(", ");
        wrong("kind", text, format!("one of {known}"))
    })
}

fn health(params: &Params) -> Result<Option<Condition>, Error> {
    let Some(text) = params.text("health", 128)? else { return Ok(None) };
    let condition = Condition::ALL.into_iter().find(|condition| condition.word() == text);
    condition.map(Some).ok_or_else(|| {
        let known = Condition::ALL.map(Condition::word).join(", ");
        wrong("health", text, format!("one of {known}"))
    })
}

/// The districts that have a station.
fn districts(web: &Web, chosen: Option<&str>, lang: Lang) -> Vec<Choice> {
    let catalogue = web.catalogue();
    let has_station = |key: &str| catalogue.stations.values().any(|station| station.district.as_ref() == key);
    let districts = catalogue.districts.values().filter(|district| has_station(&district.key));
    districts.map(|district| Choice::new(&district.key, lang.of(&district.title), chosen)).collect()
}

fn kinds(chosen: Option<StationKind>, lang: Lang) -> Vec<Choice> {
    let chosen = chosen.map(StationKind::word);
    STATION_KINDS.map(|kind| Choice::new(kind.word(), words::station_kind(lang, kind), chosen)).into()
}

fn conditions(chosen: Option<Condition>, lang: Lang) -> Vec<Choice> {
    let chosen = chosen.map(Condition::word);
    Condition::ALL.map(|of| Choice::new(of.word(), words::condition(lang, of), chosen)).into()
}

fn card(
    web: &Web,
    station: &Station,
    condition: Condition,
    known: &Known,
    now: Option<Timestamp>,
    lang: Lang,
) -> Card {
    let catalogue = web.catalogue();
    let gateway = catalogue.gateways.get(&station.gateway).map(|gateway| lang.of(&gateway.title).to_owned());
    Card {
        id: station.id.to_string(),
        title: lang.of(&station.title).to_owned(),
        kind: words::station_kind(lang, station.kind),
        district: lang.of(&Names(catalogue).district(&station.district)).to_owned(),
        gateway: gateway.unwrap_or_else(|| station.gateway.to_string()),
        condition: condition.word(),
        condition_word: words::condition(lang, condition),
        lines: station.series().map(|series| line(web, &series, known.get(&series), now, lang)).collect(),
    }
}

fn line(web: &Web, series: &Series, last: Option<&Row>, now: Option<Timestamp>, lang: Lang) -> LastLine {
    let catalogue = web.catalogue();
    let metric = catalogue.metric(series.metric());
    let (period, _) = view::pace(catalogue, series);
    let age = last.zip(now).map(|(last, now)| view::length(now - last.time, lang)).unwrap_or_default();
    let poor = last.filter(|last| !last.quality.is_judged());
    LastLine {
        metric: lang.of(&Names(catalogue).metric(series.metric())).to_owned(),
        value: last.map(|last| view::value(last.value, metric)),
        unit: metric.map(|metric| metric.unit.to_string()).unwrap_or_default(),
        age,
        time: last.map(|last| view::of_period(last.time, period)).unwrap_or_default(),
        quality: poor.map_or("", |last| words::quality(lang, last.quality)),
        condition: of_series(web, series, last, now).word(),
    }
}
