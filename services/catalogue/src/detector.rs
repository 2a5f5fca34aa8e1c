//! Detectors: which rules watch which metrics, with which limits, and what an order about them is.
//!
//! An entry has a few keys of its own; all others are parameters of its kind and are checked by
//! [`yiwang_detect`]. Limits are chosen by metric, `window`, `direction` and, where several are known, `grade`.
//!
//! `on_change` says what becomes of the state of its detectors when an entry of this name comes that judges otherwise: with `keep`
//! they go on with it where it still fits, which it does while only parameters of judging differ, and begin anew where it does not;
//! with `anew` they begin anew in any case. A detector that begins anew ends its open episode.
//!
//! `unless` is an expression of yes or no over metrics of the same station (see [`crate::expression`]), as weather in which a measurement is
//! not valid. While it says yes, readings of the station do not reach the detector. Where it cannot say, because nothing of what it names
//! came, they do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use toml::de::DeValue;
use yiwang_detect::registry::{self, Kind, Make};
use yiwang_detect::rule::Rule;
use yiwang_detect::{LimitRow, Param, Params, Prototype, Spec, rises};
use yiwang_model::order::Text;
use yiwang_model::{Severity, Span};

use crate::derived::gate_metric;
use crate::entry::{Entry, Ids, shown};
use crate::expression::{Expression, Gives};
use crate::fault::quoted;
use crate::limit::{Direction, Limit};
use crate::value::{number, readable, word, words};

/// What becomes of a detector's state when its entry is changed so that it judges otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnChange {
    /// It goes on with its state where that still fits: `keep`.
    #[default]
    Keep,
    /// It begins anew: `anew`.
    Anew,
}

const ON_CHANGE: [(OnChange, &str); 2] = [(OnChange::Keep, "keep"), (OnChange::Anew, "anew")];

/// By which steps severity rises, as detectors are told.
struct Rises(String);

readable!(
    Rises,
    "a list of steps, as [{ after = \"6h\", to = \"serious\" }], each later and graver than the one before",
    |value| {
        let step = |step: &toml::Spanned<DeValue<'_>>| {
            let step = step.get_ref().as_table().filter(|step| step.len() == 2)?;
            let text = |key: &str| step.get(key)?.get_ref().as_str();
            Some(format!("{} {}", text("after")?, text("to")?))
        };
        let steps: Vec<String> = value.as_array()?.iter().map(step).collect::<Option<_>>()?;
        Some(Rises(steps.join(", ")))
    }
);

readable!(OnChange, words(&ON_CHANGE), |value| word(value, &ON_CHANGE));

/// A rule that watches every series of its metrics.
pub struct DetectorEntry {
    /// Its own name: the first part of the name of each episode.
    pub name: Arc<str>,
    /// The name for people.
    pub title: Text,
    /// Which kind of detector.
    pub kind: Arc<str>,
    /// What it watches.
    pub metrics: Vec<Arc<str>>,
    /// The subject of the orders that it opens.
    pub category: Arc<str>,
    /// How grave an episode is when it begins.
    pub severity: Severity,
    /// The parameters of its kind.
    pub params: Params,
    /// Where its numbers come from.
    pub source: Arc<str>,
    /// The same in Chinese, as an order quotes it.
    pub source_zh: Option<Arc<str>>,
    /// What becomes of the state of its detectors when this entry takes the place of one that judges otherwise.
    pub on_change: OnChange,
    /// While this says yes of a station, its readings are not judged by it.
    pub unless: Option<Arc<Expression>>,
    watched: BTreeMap<Arc<str>, Watched>,
}

/// What an entry is for one of its metrics.
#[derive(Clone)]
struct Watched {
    limits: Arc<[LimitRow]>,
    /// The Chinese words of each of the limits.
    limits_zh: Vec<Option<Arc<str>>>,
    prototype: Arc<dyn Prototype>,
}

impl DetectorEntry {
    /// What detectors for series of this metric are made by; `None` when the entry does not watch it.
    #[must_use]
    pub fn prototype(&self, metric: &str) -> Option<&Arc<dyn Prototype>> {
        self.watched.get(metric).map(|watched| &watched.prototype)
    }

    /// Whether it judges a metric exactly as another entry does, whatever people are told of it.
    #[must_use]
    pub fn judges_like(&self, other: &Self, metric: &str) -> bool {
        self.name == other.name
            && self.kind == other.kind
            && self.severity == other.severity
            && self.params == other.params
            && self.source == other.source
            && self.limits(metric) == other.limits(metric)
    }

    /// The limits of this metric that it judges by, sorted by the time from which they hold.
    #[must_use]
    pub fn limits(&self, metric: &str) -> &[LimitRow] {
        self.watched.get(metric).map_or(&[], |watched| &watched.limits)
    }

    /// The Chinese words for the basis of an episode of this metric, whether it is one of the limits or the entry's
    /// own source; `None` when it is neither, or nobody wrote them.
    pub(crate) fn basis_zh(&self, metric: &str, edition: &str) -> Option<&Arc<str>> {
        let watched = self.watched.get(metric)?;
        let of_limit = watched.limits.iter().position(|row| row.edition.as_ref() == edition);
        match of_limit {
            Some(limit) => watched.limits_zh.get(limit)?.as_ref(),
            None => self.source_zh.as_ref().filter(|_| self.source.as_ref() == edition),
        }
    }

    /// Reads an entry as far as it goes, so that its parameters are checked even if a name is missing: with a fault
    /// told there will be no catalogue.
    pub(crate) fn read(entry: &Entry<'_>, ids: &mut Ids, known: &Known<'_>) -> Option<Self> {
        let (name, title) = (entry.want_id("name", ids), entry.want_title());
        let kind = want_kind(entry, |make| matches!(make, Make::Series(_)));
        let metrics = entry.want_refs("metrics", known.metrics);
        let category = entry.want_ref("category", known.categories);
        let (severity, source) = (entry.want("severity"), entry.want_text("source"));
        let source_zh = entry.get_text("source_zh");
        let grade = entry.get_text("grade");
        let on_change = entry.get("on_change").unwrap_or_default();
        let unless = read_unless(entry, known);
        let rises = entry.get::<Rises>("rises");
        let mut params = read_params(entry, kind, source.as_ref());
        params.extend(rises.map(|Rises(steps)| (rises::KEY.to_owned(), Param::Text(steps))));
        let kind = kind?;
        let mut detector = Self {
            name: name.unwrap_or_default(),
            title: title.unwrap_or_default(),
            kind: kind.name.into(),
            metrics: metrics.unwrap_or_default(),
            category: category.unwrap_or_default(),
            severity: severity.unwrap_or(Severity::Notice),
            params,
            source: source.unwrap_or_default(),
            source_zh,
            on_change,
            unless,
            watched: BTreeMap::new(),
        };
        detector.watch(entry, kind, grade.as_deref(), known);
        if detector.unless.is_some() {
            let gate = |(metric, watched): (&Arc<str>, &Watched)| {
                (gate_metric(&detector.name, metric), watched.clone())
            };
            let gates: Vec<_> = detector.watched.iter().map(gate).collect();
            detector.watched.extend(gates);
        }
        Some(detector)
    }

    fn watch(&mut self, entry: &Entry<'_>, kind: Kind, grade: Option<&str>, known: &Known<'_>) {
        for metric in &self.metrics {
            let chosen =
                if kind.needs_limits { self.select(metric, grade, known.limits) } else { Ok(Vec::new()) };
            let rows: Arc<[LimitRow]> = chosen.iter().flatten().map(|limit| limit.row()).collect();
            let spec = Spec {
                name: self.name.clone(),
                kind: self.kind.to_string(),
                severity: self.severity,
                params: self.params.clone(),
                limits: rows.clone(),
            };
            match (registry::build(&spec), chosen) {
                (Ok(prototype), Ok(chosen)) => {
                    let prototype = Arc::from(prototype);
                    let limits_zh = chosen.iter().map(|limit| limit.source_zh.clone()).collect();
                    self.watched.insert(metric.clone(), Watched { limits: rows, limits_zh, prototype });
                }
                (Err(errors), _) if errors.iter().any(is_of_entry) => {
                    return errors
                        .iter()
                        .filter(|error| is_of_entry(error))
                        .for_each(|error| tell(entry, error));
                }
                (_, Err(misfit)) if known.limits_are_whole => {
                    entry.wrong(misfit.key, misfit.found, misfit.wanted);
                }
                (Err(errors), Ok(_)) => errors.iter().for_each(|error| tell(entry, error)),
                (_, Err(_)) => {} // the limit itself is faulty, which was told
            }
        }
    }

    /// The limits of a metric that the entry asks for.
    fn select<'a>(
        &self,
        metric: &str,
        grade: Option<&str>,
        limits: &LimitsOf<'a>,
    ) -> Result<Vec<&'a Limit>, Misfit> {
        let (window, side) = (self.text("window").unwrap_or_default(), self.side());
        let of_metric = || limits.get(metric).into_iter().flatten().copied();
        let mut chosen: Vec<&Limit> = of_metric()
            .filter(|limit| limit.window.as_ref() == window && limit.direction == side)
            .filter(|limit| grade.is_none() || limit.grade.as_deref() == grade)
            .collect();
        chosen.sort_by_key(|limit| limit.valid_from);
        if chosen.is_empty() {
            let windows: BTreeSet<String> = of_metric().map(|limit| format!("{:?}", limit.window)).collect();
            let windows = windows.into_iter().collect::<Vec<_>>().join(", ");
            let found = format!("{window:?}, and no limit of {metric:?} of that window, direction and grade");
            return Err(Misfit {
                key: "window",
                found,
                wanted: format!("a window of its limits ({windows})"),
            });
        }
        if let Some(pair) = chosen.windows(2).find(|pair| pair[0].validity().overlaps(&pair[1].validity())) {
            let found = format!("limits {:?} and {:?}, which hold at the same time", pair[0].id, pair[1].id);
            return Err(Misfit { key: "grade", found, wanted: "one grade of the two".into() });
        }
        Ok(chosen)
    }

    fn side(&self) -> Direction {
        if self.text("direction") == Some("below") { Direction::Below } else { Direction::Above }
    }

    fn text(&self, key: &str) -> Option<&str> {
        match self.params.get(key) {
            Some(Param::Text(text)) => Some(text),
            _ => None,
        }
    }
}

impl fmt::Debug for DetectorEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DetectorEntry")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("metrics", &self.metrics)
            .field("params", &self.params)
            .finish_non_exhaustive()
    }
}

/// Why no limits fit an entry.
struct Misfit {
    key: &'static str,
    found: String,
    wanted: String,
}

/// Whether an error is of the entry's own keys; of limits the catalogue itself knows more.
fn is_of_entry(error: &yiwang_detect::Error) -> bool {
    !matches!(error, yiwang_detect::Error::Param { key, .. } if key == "limits")
}

/// The limits of each metric.
pub(crate) type LimitsOf<'a> = BTreeMap<&'a str, Vec<&'a Limit>>;

/// What a detector may refer to.
pub(crate) struct Known<'a> {
    pub(crate) metrics: &'a Ids,
    pub(crate) categories: &'a Ids,
    /// Limits by metric.
    pub(crate) limits: &'a LimitsOf<'a>,
    /// Whether no limit is missing because it is faulty.
    pub(crate) limits_are_whole: bool,
}

/// The expression of `unless`: yes or no, over metrics of the catalogue.
fn read_unless(entry: &Entry<'_>, known: &Known<'_>) -> Option<Arc<Expression>> {
    let text = entry.get_text("unless")?;
    let wanted =
        || "yes or no over metrics of the same station, as docs/reckoned.md has expressions".to_owned();
    let expression = match Expression::parse(&text) {
        Ok(expression) => expression,
        Err(why) => {
            entry.wrong("unless", format!("an expression that {why}"), wanted());
            return None;
        }
    };
    if expression.gives != Gives::YesNo {
        entry.wrong("unless", "an expression that gives a number".into(), wanted());
    }
    if !expression.detectors.is_empty() {
        entry.wrong("unless", "an expression that asks about detectors".into(), wanted());
    }
    for name in expression.metrics.iter().filter(|name| !known.metrics.contains_key(*name)) {
        entry.wrong(
            "unless",
            format!("{}, which is not there", quoted(name)),
            "metrics of this catalogue".into(),
        );
    }
    if entry.peek::<Arc<str>>("kind").as_deref() == Some("silence") {
        entry.wrong(
            "unless",
            "a condition of a detector of silence".into(),
            "none: it looks at no values".into(),
        );
    }
    Some(Arc::new(expression))
}

/// The kind of an entry, if it is one of those that are made so.
fn want_kind(entry: &Entry<'_>, fits: fn(Make) -> bool) -> Option<Kind> {
    let name = entry.want_text("kind")?;
    let kind = registry::kind(&name).filter(|kind| fits(kind.make));
    if kind.is_none() {
        let names: Vec<&str> = registry::kinds().map(|kind| kind.name).collect();
        entry.wrong("kind", quoted(&name), format!("one of {}", names.join(", ")));
    }
    kind
}

/// The keys that are not the catalogue's own; and `source`, where the kind wants to quote it. What is no parameter
/// is refused and left out.
fn read_params(entry: &Entry<'_>, kind: Option<Kind>, source: Option<&Arc<str>>) -> Params {
    let mut params = Params::new();
    let Some(kind) = kind else { return params };
    let rest: Vec<_> = entry.rest().collect();
    for (key, value) in rest {
        if !knows(kind, key) {
            entry.refuse(key, kind.params.iter().map(|parameter| parameter.key));
        } else if let Some(param) = read_param(value) {
            params.insert(key.to_owned(), param);
        } else {
            entry.wrong(key, shown(value), "a finite number, a text, true or false".into());
        }
    }
    if let Some(source) = source.filter(|_| knows(kind, "source")) {
        params.insert("source".to_owned(), Param::Text(source.to_string()));
    }
    params
}

fn knows(kind: Kind, key: &str) -> bool {
    kind.params.iter().any(|parameter| parameter.key == key)
}

fn read_param(value: &DeValue<'_>) -> Option<Param> {
    match value {
        DeValue::String(text) => Some(Param::Text(text.to_string())),
        DeValue::Boolean(flag) => Some(Param::Flag(*flag)),
        _ => number(value).filter(|number| number.is_finite()).map(Param::Number),
    }
}

/// Tells what a detector says of its entry, at the line of the key that it names.
fn tell(entry: &Entry<'_>, error: &yiwang_detect::Error) {
    let yiwang_detect::Error::Param { key, why } = error else {
        return entry.wrong("kind", error.to_string(), "an entry that its detector can be made from".into());
    };
    let (found, wanted) = match (why.strip_prefix("is missing: "), why.split_once("; ")) {
        (Some(meaning), _) => ("nothing".to_owned(), meaning.to_owned()),
        (None, Some((found, wanted))) => (found.trim_start_matches("is ").to_owned(), wanted.to_owned()),
        (None, None) => (format!("that it {why}"), "another value".to_owned()),
    };
    let wanted = wanted.trim_end_matches(" is wanted").replacen("known are", "one of", 1);
    entry.wrong(key, found, wanted);
}

/// A rule that looks across series: all of a gateway fell silent at once.
#[derive(Clone, Debug)]
pub struct GatewayRule {
    /// Its own name, which stands for the detector in its episodes.
    pub name: Arc<str>,
    /// The name for people.
    pub title: Text,
    /// How long nothing came of any of a gateway's series; none where the rule goes by their own periods.
    pub after: Option<Span>,
    /// The subject of the orders that it opens.
    pub category: Arc<str>,
    /// How grave it is.
    pub severity: Severity,
    /// Where its numbers come from.
    pub source: Arc<str>,
    /// The same in Chinese, as an order quotes it.
    pub source_zh: Option<Arc<str>>,
    /// What the rule is built from, by [`yiwang_detect::registry::build_rule`].
    pub spec: Spec,
}

impl GatewayRule {
    /// Whether an entry is of a kind that looks across series.
    pub(crate) fn is(entry: &Entry<'_>) -> bool {
        let kind = entry.peek::<Arc<str>>("kind").and_then(|name| registry::kind(&name));
        kind.is_some_and(|kind| matches!(kind.make, Make::Across(_)))
    }

    /// The rule itself, with nothing seen yet.
    ///
    /// # Errors
    /// None for a rule of a catalogue, which was built once when it was checked.
    pub fn build(&self) -> Result<Box<dyn Rule>, Vec<yiwang_detect::Error>> {
        registry::build_rule(&self.spec)
    }

    pub(crate) fn read(entry: &Entry<'_>, ids: &mut Ids, categories: &Ids) -> Option<Self> {
        let (name, title) = (entry.want_id("name", ids), entry.want_title());
        let kind = want_kind(entry, |make| matches!(make, Make::Across(_)));
        let category = entry.want_ref("category", categories);
        let (severity, source) = (entry.want("severity"), entry.want_text("source"));
        let source_zh = entry.get_text("source_zh");
        let params = read_params(entry, kind, source.as_ref());
        let after = match params.get("after") {
            Some(Param::Text(text)) => text.parse().ok(),
            _ => None,
        };
        let (name, severity) = (name?, severity?);
        let kind = kind?.name.to_owned();
        let spec = Spec { name: name.clone(), kind, severity, params, limits: Arc::default() };
        let errors = registry::build_rule(&spec).err().unwrap_or_default();
        errors.iter().for_each(|error| tell(entry, error));
        Some(Self {
            name,
            title: title?,
            after,
            category: category?,
            severity,
            source: source?,
            source_zh,
            spec,
        })
    }
}
