//! `truth.csv`: what was planted, a line for each series that it touches.
//!
//! | column | what |
//! |---|---|
//! | `number` | the row of the plan, from 1 |
//! | `class` | `fault`, `quiet` or `cause` |
//! | `kind`, `target` | as in the plan; a cause is named by both |
//! | `source`, `metric` | the series |
//! | `begin`, `end` | event time of the first reading that is bent, and the first moment at which it is over, RFC 3339 |
//! | `size` | what this series got, in the unit of the kind |
//! | `factor` | how many times the usual |
//! | `least` | how many readings behind the first it can be known at the earliest; see `docs/planted.md` |
//! | `period` | how far apart the readings of the series are, seconds |
//!
//! Its first line is a comment that says when judging begins and ends, and of how many series.

use std::path::Path;

use anyhow::{Context, anyhow, bail};
use yiwang_model::{Span, Timestamp};

use super::kind::{Class, Kind};
use super::plant::{Planted, is_of_series};
use super::{City, WARM_UP, least};

const COLUMNS: [&str; 11] =
    ["number", "class", "kind", "target", "source", "metric", "begin", "end", "size", "factor", "least"];
const PERIOD: &str = "period";

/// One line of the truth.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The row of the plan.
    pub number: usize,
    /// What it is for.
    pub class: Class,
    /// What is planted.
    pub kind: Kind,
    /// The target as the plan names it.
    pub target: String,
    /// The station.
    pub source: String,
    /// The metric.
    pub metric: String,
    /// Event time of the first reading that is bent.
    pub begin: Timestamp,
    /// The first moment at which it is over.
    pub end: Timestamp,
    /// What this series got.
    pub size: f64,
    /// How many times the usual.
    pub factor: f64,
    /// The least delay, in readings.
    pub least: u32,
    /// How far apart readings are.
    pub period: Span,
}

/// The whole truth.
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    /// From when on is judged.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
    /// How many series there are.
    pub series: usize,
    /// What was planted.
    pub rows: Vec<Row>,
}

/// The truth about a city, as CSV.
pub(super) fn of(city: &City) -> anyhow::Result<String> {
    let row = |one: &Planted| {
        let member = &city.survey.members[one.member];
        let place = city.survey.place_of(member);
        Row {
            number: one.number,
            class: one.kind.class(),
            kind: one.kind,
            target: one.target.clone(),
            source: place.id.to_string(),
            metric: member.recipe.metric.to_owned(),
            begin: one.begin,
            end: one.end,
            size: one.size,
            factor: one.factor,
            least: least::delay(one, &city.signals, member),
            period: member.period(),
        }
    };
    let rows = city.planted.iter().flat_map(|one| seen(city, one)).map(|one| row(&one)).collect();
    let (from, to, series) = (city.life.begin + WARM_UP, city.life.end(), city.survey.members.len());
    Truth { from, to, series, rows }.to_csv()
}

/// What can be seen of something in an area: not what happens while the series is not heard.
fn seen(city: &City, one: &Planted) -> Vec<Planted> {
    let outage = |kind| matches!(kind, Kind::Gateway | Kind::Power | Kind::Broker);
    if is_of_series(one.kind) || outage(one.kind) {
        return vec![one.clone()];
    }
    let (mut seen, mut from) = (Vec::new(), one.begin);
    let own = &city.planted[city.of_member[one.member].clone()];
    for gap in own.iter().filter(|other| outage(other.kind) && other.end > one.begin && other.begin < one.end)
    {
        if from < gap.begin {
            seen.push(Planted { begin: from, end: gap.begin, ..one.clone() });
        }
        from = from.max(gap.end);
    }
    if from < one.end {
        seen.push(Planted { begin: from, ..one.clone() });
    }
    seen
}

impl Truth {
    /// As CSV.
    ///
    /// # Errors
    /// None that a vector could have.
    pub fn to_csv(&self) -> anyhow::Result<String> {
        let mut file = csv::Writer::from_writer(Vec::new());
        file.write_record(COLUMNS.iter().chain([&PERIOD]))?;
        for row in &self.rows {
            file.write_record([
                &row.number.to_string(),
                row.class.word(),
                row.kind.word(),
                &row.target,
                &row.source,
                &row.metric,
                &row.begin.to_string(),
                &row.end.to_string(),
                &row.size.to_string(),
                &row.factor.to_string(),
                &row.least.to_string(),
                &row.period.as_secs_f64().to_string(),
            ])?;
        }
        let text = String::from_utf8(file.into_inner()?)?;
        Ok(format!("# judged from {} to {}, {} series\n{text}", self.from, self.to, self.series))
    }

    /// Reads what [`Truth::to_csv`] wrote.
    ///
    /// # Errors
    /// What does not fit, with its line.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).with_context(|| name.clone())?;
        Self::parse(&text).with_context(|| name)
    }

    /// As [`Truth::read`], of a text.
    ///
    /// # Errors
    /// What does not fit, with its line.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        let (from, to, series) = read_head(first).ok_or_else(|| {
            anyhow!("line 1: {first:?} is no head; wanted is \"# judged from T to T, N series\"")
        })?;
        let mut file = csv::Reader::from_reader(rest.as_bytes());
        let header: Vec<String> = file.headers()?.iter().map(str::to_owned).collect();
        let wanted: Vec<&str> = COLUMNS.iter().copied().chain([PERIOD]).collect();
        if header != wanted {
            bail!("line 2: the header is {header:?}; wanted is {wanted:?}");
        }
        let row = |(at, record): (usize, Result<csv::StringRecord, csv::Error>)| {
            read_row(&record?).with_context(|| format!("line {}", at + 3))
        };
        let rows: anyhow::Result<Vec<Row>> = file.records().enumerate().map(row).collect();
        Ok(Self { from, to, series, rows: rows? })
    }
}

fn read_head(line: &str) -> Option<(Timestamp, Timestamp, usize)> {
    let rest = line.strip_prefix("# judged from ")?.strip_suffix(" series")?;
    let (from, rest) = rest.split_once(" to ")?;
    let (to, series) = rest.split_once(", ")?;
    Some((from.parse().ok()?, to.parse().ok()?, series.parse().ok()?))
}

fn read_row(record: &csv::StringRecord) -> anyhow::Result<Row> {
    let field = |at: usize| record.get(at).unwrap_or("");
    let class = Class::of(field(1))
        .ok_or_else(|| anyhow!("class {:?}; wanted is fault, quiet or cause", field(1)))?;
    let kind =
        Kind::of(field(2)).map_err(|known| anyhow!("kind {:?}; wanted is one of {known}", field(2)))?;
    let time = |at: usize| {
        field(at).parse::<Timestamp>().with_context(|| format!("{} {:?}", COLUMNS[at], field(at)))
    };
    let number =
        |at: usize| field(at).parse::<f64>().with_context(|| format!("column {} {:?}", at + 1, field(at)));
    Ok(Row {
        number: field(0).parse().with_context(|| format!("number {:?}", field(0)))?,
        class,
        kind,
        target: field(3).to_owned(),
        source: field(4).to_owned(),
        metric: field(5).to_owned(),
        begin: time(6)?,
        end: time(7)?,
        size: number(8)?,
        factor: number(9)?,
        least: field(10).parse().with_context(|| format!("least {:?}", field(10)))?,
        // some days
        period: Span((number(11)? * 1e9) as i64),
    })
}
