//! Charts, described: which series, which points so far, which limits. The script draws them and asks
//! `/api/v1/query` for what comes.
//!
//! Times are milliseconds since the epoch, values have the unit of the chart.

use serde::Serialize;
use yiwang_model::{Series, Span, Timestamp};
use yiwang_series::AsOf;

use crate::Web;
use crate::api::query::{self, Wanted};
use crate::error::Error;
use crate::lang::Lang;
use crate::thin;
use crate::view::Names;
use crate::words::Words;

/// The most points of one line.
const MAX_LINE_POINTS: usize = 2_000;
/// The most limits of one chart.
const MAX_LIMITS: usize = 2;

/// A chart.
#[derive(Debug, Serialize)]
pub(crate) struct Chart {
    /// `line` or `bars`.
    pub(crate) kind: &'static str,
    pub(crate) unit: String,
    pub(crate) decimals: u8,
    /// How wide the time axis is when it follows the city's clock; none when it stands.
    pub(crate) follow_ms: Option<i64>,
    /// Seconds of a step; none for readings as they came.
    pub(crate) step_s: Option<i64>,
    /// The time axis as drawn first.
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) lines: Vec<Line>,
    pub(crate) limits: Vec<LimitLine>,
    /// From when to when the episode went, to be shaded.
    pub(crate) episode: Option<(i64, Option<i64>)>,
    /// The longest distance between two points that a line crosses.
    pub(crate) gap_ms: i64,
}

/// One line of a chart.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) label: String,
    /// `line`, `plan`, `limit`, `dots`.
    pub(crate) style: &'static str,
    /// What to ask for more; none for a line that stands.
    pub(crate) source: Option<String>,
    pub(crate) metric: Option<String>,
    pub(crate) points: Vec<(i64, f64)>,
}

/// A limit drawn across a chart.
#[derive(Debug, Serialize)]
pub(crate) struct LimitLine {
    pub(crate) value: f64,
    pub(crate) label: String,
}

impl Line {
    /// A line that has all its points.
    pub(crate) fn standing(label: String, style: &'static str, points: Vec<(i64, f64)>) -> Self {
        Self { label, style, source: None, metric: None, points }
    }
}

impl Chart {
    /// An empty chart of a metric over a span.
    pub(crate) fn of_metric(web: &Web, metric: &str, (from, to): (Timestamp, Timestamp)) -> Self {
        let known = web.catalogue().metric(metric);
        Self {
            kind: "line",
            unit: known.map(|metric| metric.unit.to_string()).unwrap_or_default(),
            decimals: known.map_or(1, |metric| metric.decimals),
            follow_ms: None,
            step_s: None,
            from: from.millis(),
            to: to.millis(),
            lines: Vec::new(),
            limits: Vec::new(),
            episode: None,
            gap_ms: known.map_or(0, |metric| metric.period.times(4).0 / 1_000_000),
        }
    }

    /// Follows the city's clock, with the mean of each step.
    pub(crate) fn follow(mut self, step: Option<Span>) -> Self {
        self.follow_ms = Some(self.to - self.from);
        self.step_s = step.map(|step| step.0 / Span::SECOND.0);
        self.gap_ms = self.gap_ms.max(step.map_or(0, |step| step.times(4).0 / 1_000_000));
        self
    }

    /// Adds the readings of a series, all of the span, thinned when they are more than a line can show; its label says
    /// when even that left the oldest out.
    pub(crate) async fn add(
        &mut self,
        web: &Web,
        series: &Series,
        mut label: String,
        w: &Words,
    ) -> Result<(), Error> {
        let span = (Timestamp::from_millis(self.from), Timestamp::from_millis(self.to));
        let wanted = match self.step_s {
            Some(seconds) => Wanted::Means(Span::from_secs(seconds), MAX_LINE_POINTS),
            None => Wanted::Thinned(MAX_LINE_POINTS),
        };
        let found = query::points(&*web.parts().series, series, span, AsOf::Latest, wanted).await?;
        if found.truncated {
            label = format!("{label} ({})", w.chart_cut);
        }
        if found.thinned {
            let column = thin::column_width(span, MAX_LINE_POINTS);
            self.gap_ms = self.gap_ms.max(column.times(2).0 / 1_000_000);
        }
        self.lines.push(Line {
            label,
            style: "line",
            source: Some(series.source().to_string()),
            metric: Some(series.metric().to_string()),
            points: found.points.into_iter().map(|point| (point.time.millis(), point.value)).collect(),
        });
        Ok(())
    }

    /// Adds the planned curve of a series; whether it has one.
    pub(crate) fn add_plan(&mut self, web: &Web, series: &Series, label: &str) -> bool {
        let Some(plan) = web.catalogue().plan(series.source(), series.metric()) else { return false };
        let inside = |at: Timestamp| self.from < at.millis() && at.millis() < self.to;
        let mut times: Vec<Timestamp> =
            plan.points.iter().map(|(at, _)| *at).filter(|at| inside(*at)).collect();
        times.insert(0, Timestamp::from_millis(self.from));
        times.push(Timestamp::from_millis(self.to));
        let points = times.into_iter().map(|at| (at.millis(), plan.at(at))).collect();
        self.lines.push(Line::standing(label.to_owned(), "plan", points));
        true
    }

    /// Adds the limits of a metric that hold at a moment, highest last, each value once.
    pub(crate) fn add_limits(&mut self, web: &Web, metric: &str, at: Timestamp, lang: Lang) {
        let names = Names(web.catalogue());
        for limit in names.limits(metric, at) {
            if self.limits.len() < MAX_LIMITS && self.limits.iter().all(|seen| seen.value != limit.value) {
                let label = format!("{} {}", lang.pick("限值", "limit"), lang.of(&limit.basis()));
                self.limits.push(LimitLine { value: limit.value, label });
            }
        }
    }

    /// As JSON that can stand inside a page: nothing in it ends the element that it stands in.
    pub(crate) fn json(&self) -> String {
        embed(&serde_json::to_string(self).unwrap_or_else(|_| "null".into()))
    }
}

/// JSON with every character escaped that means something to HTML.
fn embed(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026").replace('\'', "\\u0027")
}
