//! Parameters: what a kind of detector can be told, and how an entry of the catalogue is read against it.
//!
//! Each kind lists its [`Parameter`]s once; from that list come the defaults, the checks, the refusal of
//! unknown keys, and what `yiwang check` and the documentation print. All faults of an entry are collected.

use std::sync::Arc;

use yiwang_model::{Severity, Span};

use crate::{Error, Param, Spec};

/// One parameter that a kind of detector knows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// Its key in the catalogue.
    pub key: &'static str,
    /// What may stand there.
    pub form: Form,
    /// What holds when it is not given, as it would be typed.
    pub default: Option<&'static str>,
    /// Whether an entry without it is refused.
    pub required: bool,
    /// What it means, with its unit.
    pub meaning: &'static str,
}

/// What may stand for a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// A number from `least` to `most`, both included.
    Number {
        /// The smallest that is taken.
        least: f64,
        /// The largest that is taken.
        most: f64,
    },
    /// A positive span or zero, as `90s`, `5m`, `24h`.
    Span,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A distance: a number in the metric's unit, or a text as `5%`, a share of the limit.
    Distance,
    /// A number, or a text of numbers with commas between.
    Numbers,
    /// Any text.
    Text,
    /// Yes or no.
    Flag,
}

/// A parameter that may be left out, without a default.
pub(crate) const fn optional(key: &'static str, form: Form, meaning: &'static str) -> Parameter {
    Parameter { key, form, default: None, required: false, meaning }
}

/// A parameter that must be given.
pub(crate) const fn required(key: &'static str, form: Form, meaning: &'static str) -> Parameter {
    Parameter { key, form, default: None, required: true, meaning }
}

/// A parameter that is `default` when it is not given.
pub(crate) const fn defaulted(
    key: &'static str,
    form: Form,
    default: &'static str,
    meaning: &'static str,
) -> Parameter {
    Parameter { key, form, default: Some(default), required: false, meaning }
}

/// Any number that is not negative.
pub(crate) const NOT_NEGATIVE: Form = Form::Number { least: 0.0, most: f64::MAX };
/// Any number above zero.
pub(crate) const POSITIVE: Form = Form::Number { least: f64::MIN_POSITIVE, most: f64::MAX };

/// `serious_at`: shared by every kind whose findings have a size.
pub(crate) const SERIOUS_AT: Parameter =
    optional("serious_at", POSITIVE, "multiple of the limit from which an episode is serious");
/// `critical_at`: shared by every kind whose findings have a size.
pub(crate) const CRITICAL_AT: Parameter =
    optional("critical_at", POSITIVE, "multiple of the limit from which an episode is critical");
/// `source`: where the numbers of a kind without limit rows stand.
pub(crate) const SOURCE: Parameter =
    optional("source", Form::Text, "where the numbers of this entry stand, as an order quotes it");

/// How far the numbers of a finding must move before it is said again: a share of the limit.
pub(crate) const WORSEN_STEP: f64 = 0.1;

/// Reads the parameters of one entry and collects what is wrong with them.
pub(crate) struct Entry<'a> {
    spec: &'a Spec,
    known: &'static [Parameter],
    faults: Vec<Error>,
}

impl<'a> Entry<'a> {
    /// Begins to read `spec`; unknown and missing keys are faults at once.
    pub(crate) fn new(spec: &'a Spec, known: &'static [Parameter]) -> Self {
        let mut entry = Self { spec, known, faults: Vec::new() };
        entry.check_keys();
        entry
    }

    fn check_keys(&mut self) {
        let names: Vec<_> = self.known.iter().map(|parameter| parameter.key).collect();
        for key in self.spec.params.keys() {
            if !names.contains(&key.as_str()) {
                let shown: String = key.chars().take(64).collect();
                self.fault(&shown, format!("is not known; known are {}", names.join(", ")));
            }
        }
        for parameter in self.known.iter().filter(|parameter| parameter.required) {
            if !self.spec.params.contains_key(parameter.key) {
                self.fault(parameter.key, format!("is missing: {}", parameter.meaning));
            }
        }
    }

    /// Adds a fault.
    pub(crate) fn fault(&mut self, key: &str, why: impl Into<String>) {
        self.faults.push(Error::Param { key: key.to_owned(), why: why.into() });
    }

    /// What was built, unless there were faults.
    pub(crate) fn finish<T>(self, built: T) -> Result<T, Vec<Error>> {
        if self.faults.is_empty() { Ok(built) } else { Err(self.faults) }
    }

    fn parameter(&self, key: &str) -> &'static Parameter {
        self.known.iter().find(|parameter| parameter.key == key).expect("a kind asks for what it lists")
    }

    /// What was given, or the default as the text that it is documented as.
    fn given(&self, key: &str) -> Option<Param> {
        let default = || self.parameter(key).default.map(|text| Param::Text(text.to_owned()));
        self.spec.params.get(key).cloned().or_else(default)
    }

    /// A number; `None` when not given, or when it is wrong and the fault is noted.
    pub(crate) fn number(&mut self, key: &str) -> Option<f64> {
        let given = self.given(key)?;
        let value = match &given {
            Param::Number(value) => Some(*value),
            Param::Text(text) if !self.spec.params.contains_key(key) => text.parse().ok(),
            _ => None,
        };
        let Some(value) = value else {
            self.fault(key, format!("is {}; a number is wanted", shown(&given)));
            return None;
        };
        self.within(key, value)
    }

    fn within(&mut self, key: &str, value: f64) -> Option<f64> {
        let Form::Number { least, most } = self.parameter(key).form else { return Some(value) };
        if value.is_finite() && (least..=most).contains(&value) {
            return Some(value);
        }
        let wanted = match (least, most) {
            (0.0, f64::MAX) => "a number that is not negative is wanted".to_owned(),
            (f64::MIN_POSITIVE, f64::MAX) => "a number above 0 is wanted".to_owned(),
            _ => format!("a number from {least} to {most} is wanted"),
        };
        self.fault(key, format!("is {value}; {wanted}"));
        None
    }

    /// A whole number.
    pub(crate) fn count(&mut self, key: &str) -> Option<usize> {
        let value = self.number(key)?;
        if value.fract() != 0.0 {
            self.fault(key, format!("is {value}; a whole number is wanted"));
            return None;
        }
        // the form bounds it
        Some(value as usize)
    }

    /// A whole number that its form keeps below 256.
    pub(crate) fn small(&mut self, key: &str) -> u8 {
        self.count(key).and_then(|count| count.try_into().ok()).unwrap_or(u8::MAX)
    }

    /// A span that is not negative.
    pub(crate) fn span(&mut self, key: &str) -> Option<Span> {
        let given = self.given(key)?;
        let span = match &given {
            Param::Text(text) => text.parse().ok().filter(|span: &Span| *span >= Span::ZERO),
            _ => None,
        };
        if span.is_none() {
            self.fault(key, format!("is {}; a span is wanted, as \"90s\", \"5m\" or \"24h\"", shown(&given)));
        }
        span
    }

    /// One of the words of the parameter's form.
    pub(crate) fn word(&mut self, key: &str) -> Option<&'static str> {
        let given = self.given(key)?;
        let Form::Word(words) = self.parameter(key).form else { return None };
        let found = match &given {
            Param::Text(text) => words.iter().find(|word| *word == text).copied(),
            _ => None,
        };
        if found.is_none() {
            self.fault(key, format!("is {}; known are {}", shown(&given), words.join(", ")));
        }
        found
    }

    /// Yes or no; no when not given.
    pub(crate) fn flag(&mut self, key: &str) -> bool {
        match self.spec.params.get(key) {
            Some(Param::Flag(flag)) => *flag,
            Some(other) => {
                self.fault(key, format!("is {}; true or false is wanted", shown(other)));
                false
            }
            None => self.parameter(key).default == Some("true"),
        }
    }

    /// Any text.
    pub(crate) fn text(&mut self, key: &str) -> Option<Arc<str>> {
        match self.given(key)? {
            Param::Text(text) => Some(text.into()),
            other => {
                self.fault(key, format!("is {}; a text is wanted", shown(&other)));
                None
            }
        }
    }

    /// A number in the metric's unit, or a share of the limit.
    pub(crate) fn distance(&mut self, key: &str) -> Option<Distance> {
        let given = self.given(key)?;
        let distance = match &given {
            Param::Number(value) => Some(Distance::Absolute(*value)),
            Param::Text(text) => Distance::parse(text),
            Param::Flag(_) => None,
        };
        let distance = distance.filter(|distance| distance.is_possible());
        if distance.is_none() {
            let wanted = "a number that is not negative, or a share of the limit as \"5%\", is wanted";
            self.fault(key, format!("is {}; {wanted}", shown(&given)));
        }
        distance
    }

    /// A list of numbers; empty when not given.
    pub(crate) fn numbers(&mut self, key: &str) -> Box<[f64]> {
        let Some(given) = self.given(key) else { return Box::default() };
        let numbers = match &given {
            Param::Number(value) => Some(vec![*value]),
            Param::Text(text) => text.split(',').map(|part| part.trim().parse().ok()).collect(),
            Param::Flag(_) => None,
        };
        let numbers = numbers.filter(|numbers| numbers.iter().all(|value| value.is_finite()));
        if numbers.is_none() {
            self.fault(key, format!("is {}; numbers with commas are wanted, as \"0, 100\"", shown(&given)));
        }
        numbers.unwrap_or_default().into()
    }

    /// How grave a finding of what size is.
    pub(crate) fn grades(&mut self) -> Grades {
        Grades {
            base: self.spec.severity,
            serious_at: self.number("serious_at"),
            critical_at: self.number("critical_at"),
        }
    }

    /// Where the numbers stand: `source`, or else the entry's own name.
    pub(crate) fn source(&mut self) -> Arc<str> {
        self.text("source").unwrap_or_else(|| format!("catalogue, detector {}", self.spec.name).into())
    }
}

fn shown(param: &Param) -> String {
    match param {
        Param::Number(value) => format!("the number {value}"),
        Param::Text(text) => format!("the text \"{}\"", text.chars().take(64).collect::<String>()),
        Param::Flag(flag) => format!("{flag}"),
    }
}

/// How far a value must come back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Distance {
    /// In the metric's unit.
    Absolute(f64),
    /// A share of the limit.
    Share(f64),
}

impl Distance {
    fn parse(text: &str) -> Option<Self> {
        match text.trim().strip_suffix('%') {
            Some(percent) => percent.trim().parse().ok().map(|percent: f64| Self::Share(percent / 100.0)),
            None => text.trim().parse().ok().map(Self::Absolute),
        }
    }

    fn is_possible(self) -> bool {
        let (Self::Absolute(size) | Self::Share(size)) = self;
        size.is_finite() && size >= 0.0
    }

    /// The distance from `limit`, in the metric's unit.
    pub(crate) fn at_limit(self, limit: f64) -> f64 {
        match self {
            Self::Absolute(distance) => distance,
            Self::Share(share) => share * limit.abs(),
        }
    }
}

/// How grave a finding is by its size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Grades {
    base: Severity,
    serious_at: Option<f64>,
    critical_at: Option<f64>,
}

impl Grades {
    /// The severity where `reached` says whether the finding is as large as a multiple of the limit.
    pub(crate) fn grade(&self, reached: impl Fn(f64) -> bool) -> Severity {
        if self.critical_at.is_some_and(&reached) {
            self.base.max(Severity::Critical)
        } else if self.serious_at.is_some_and(&reached) {
            self.base.max(Severity::Serious)
        } else {
            self.base
        }
    }
}
