//! Expressions by the people of the city, in the Common Expression Language (CEL): over the metrics of one station, means of the last
//! hours, what the station is, and whether other detectors have something to say there.
//!
//! | what | is |
//! |---|---|
//! | `pm2_5` | the value of the station's metric, a number in the metric's unit |
//! | `mean(pm2_5, "3h")`, `min(…)`, `max(…)` | over the values of the last so many hours, this one with them |
//! | `active("dust-limit")` | whether that detector has an open episode in a series of the station |
//! | `station.id`, `station.district`, `station.kind` | texts, as the catalogue has them |
//!
//! With them numbers, texts, `true`, `false`, `+ - * / %`, comparisons, `&& || !`, `a ? b : c` and parentheses. All numbers are
//! doubles: `2` is `2.0`. A metric that is named by itself must have a value, and so must each window. The types are checked when the catalogue is, so that an expression that is there gives a yes or no, or a
//! number, always the same of both.
//!
//! Cost is bounded by form: there are no lists, macros or calls but those above, [`MAX_CHARS`] characters, [`MAX_NODES`] nodes, and
//! [`MAX_WINDOW_FRAMES`] values in a window. Parsing and evaluation are the `cel` crate's.

use std::sync::{Arc, LazyLock};

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators as op};
use cel::parser::PrattParser;
use cel::{Context, Env, Value};
use yiwang_model::Span;

/// The longest expression, in characters.
pub const MAX_CHARS: usize = 1_000;
/// The most nodes of an expression.
pub const MAX_NODES: usize = 200;
/// How deep parentheses and signs may nest.
const MAX_DEPTH: u16 = 32;
/// The most values that a window may span.
pub const MAX_WINDOW_FRAMES: i64 = 1_000;

/// What is made of the values of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Their arithmetic mean.
    Mean,
    /// The smallest.
    Min,
    /// The greatest.
    Max,
}

/// A window of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Which of [`Expression::metrics`].
    pub metric: usize,
    /// What is made of its values.
    pub over: Over,
    /// How far back it reaches.
    pub span: Span,
}

/// What an expression gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    /// Yes or no, as 1 or 0.
    YesNo,
    /// A number.
    Number,
}

/// An expression that was checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    text: Arc<str>,
    /// With names that stand for values: m0, w0, a0 and so on.
    tree: IdedExpr,
    /// What it gives.
    pub gives: Gives,
    /// The metrics that it names, each once.
    pub metrics: Vec<Arc<str>>,
    /// Which of [`Self::metrics`] it names by themselves, and not in windows alone: their values are wanted.
    wanted: Vec<usize>,
    /// Its windows.
    pub windows: Vec<Window>,
    /// The detectors that it asks about, each once.
    pub detectors: Vec<Arc<str>>,
}

/// What an expression is evaluated on; values in the order of the expression's own lists.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    /// The metrics' values; NaN where there is none.
    pub metrics: &'a [f64],
    /// What was made of the windows; NaN where there is no value in one.
    pub windows: &'a [f64],
    /// Whether the detectors have an open episode.
    pub active: &'a [bool],
    /// Id, district and kind of the station.
    pub station: [&'a str; 3],
}

const STATION: [&str; 3] = ["id", "district", "kind"];

#[derive(Clone, Copy, PartialEq)]
enum Type {
    Number,
    YesNo,
    Text,
}

impl Type {
    const fn word(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::YesNo => "yes or no",
            Self::Text => "a text",
        }
    }
}

impl Expression {
    /// Parses and checks an expression.
    ///
    /// # Errors
    /// What is wrong, and what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.chars().count() > MAX_CHARS {
            return Err(format!("is longer than {MAX_CHARS} characters"));
        }
        if depth(text) > MAX_DEPTH {
            return Err(format!("nests deeper than {MAX_DEPTH} parentheses"));
        }
        let parsed = PrattParser::new().max_recursion_depth(MAX_DEPTH).parse(text);
        let tree = parsed.map_err(|errors| {
            let first = errors.errors.first().map_or("it cannot be read", |error| error.msg.as_str());
            format!("is no expression: {}", first.chars().take(200).collect::<String>())
        })?;
        let mut reading = Reading::default();
        let (tree, kind) = reading.read(&tree)?;
        let gives = match kind {
            Type::YesNo => Gives::YesNo,
            Type::Number => Gives::Number,
            Type::Text => return Err("gives a text; yes or no, or a number, is wanted".into()),
        };
        let Reading { metrics, wanted, windows, detectors, .. } = reading;
        if metrics.is_empty() {
            return Err("names no metric; it is evaluated when values of one come".into());
        }
        Ok(Self { text: text.into(), tree, gives, metrics, wanted, windows, detectors })
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it gives on these values; `None` where a metric that it names by itself is missing or a window has no value, or the result is no
    /// finite number.
    #[must_use]
    pub fn value(&self, values: &Values<'_>) -> Option<f64> {
        static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));
        let mut wanted = self.wanted.iter().filter_map(|place| values.metrics.get(*place));
        if wanted.any(|value| value.is_nan()) || values.windows.iter().any(|value| value.is_nan()) {
            return None;
        }
        let mut context = Context::with_env(Arc::clone(&ENV));
        let mut bind = |kind: char, at: usize, value: Value| {
            context.add_variable_from_value(format!("{kind}{at}"), value);
        };
        values.metrics.iter().enumerate().for_each(|(at, value)| bind('m', at, Value::Float(*value)));
        values.windows.iter().enumerate().for_each(|(at, value)| bind('w', at, Value::Float(*value)));
        values.active.iter().enumerate().for_each(|(at, value)| bind('a', at, Value::Bool(*value)));
        values.station.iter().enumerate().for_each(|(at, text)| bind('s', at, (*text).into()));
        match context.resolve(&self.tree) {
            Ok(Value::Bool(yes)) => Some(f64::from(u8::from(yes))),
            Ok(Value::Float(value)) => Some(value).filter(|value| value.is_finite()),
            _ => None,
        }
    }
}

/// An expression while it is read.
#[derive(Default)]
struct Reading {
    metrics: Vec<Arc<str>>,
    wanted: Vec<usize>,
    windows: Vec<Window>,
    detectors: Vec<Arc<str>>,
    nodes: usize,
}

type Read = Result<(IdedExpr, Type), String>;

impl Reading {
    fn read(&mut self, of: &IdedExpr) -> Read {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(format!("has more than {MAX_NODES} parts"));
        }
        match &of.expr {
            Expr::Literal(literal) => literal_of(of.id, literal),
            Expr::Ident(name) => {
                let place = self.metric(name);
                self.wanted.push(place);
                Ok((ident(of.id, 'm', place), Type::Number))
            }
            Expr::Select(select) => match (&select.operand.expr, select.test) {
                (Expr::Ident(station), false) if station == "station" => {
                    let place = STATION.iter().position(|known| *known == select.field);
                    let place = place.ok_or_else(|| {
                        format!(
                            "asks for station.{}; there are station.id, .district and .kind",
                            select.field
                        )
                    })?;
                    Ok((ident(of.id, 's', place), Type::Text))
                }
                _ => Err(format!("asks for .{}, which only station has", select.field)),
            },
            Expr::Call(call) => self.call(of.id, call),
            _ => Err("has a list, a map or a macro; none of them is known here".into()),
        }
    }

    fn metric(&mut self, name: &str) -> usize {
        place_of(&mut self.metrics, name)
    }

    fn call(&mut self, id: u64, call: &CallExpr) -> Read {
        let over = match call.func_name.as_str() {
            "mean" => Some(Over::Mean),
            "min" => Some(Over::Min),
            "max" => Some(Over::Max),
            _ => None,
        };
        match (over, call.func_name.as_str(), call.args.as_slice()) {
            (Some(over), name, [metric, span]) if call.target.is_none() => {
                self.window(id, (over, name), metric, span)
            }
            (None, "active", [detector]) if call.target.is_none() => {
                let name = text_of(detector).ok_or("active() wants the name of a detector in quotes")?;
                Ok((ident(id, 'a', place_of(&mut self.detectors, name)), Type::YesNo))
            }
            (None, name, args) if call.target.is_none() && name.contains(['_', '!']) => {
                self.operator(id, name, args)
            }
            (_, name, _) => Err(format!(
                "calls {name}(); there are mean(metric, \"3h\"), min, max and active(\"detector\")"
            )),
        }
    }

    fn window(&mut self, id: u64, (over, name): (Over, &str), metric: &IdedExpr, span: &IdedExpr) -> Read {
        let (Expr::Ident(metric), Some(text)) = (&metric.expr, text_of(span)) else {
            return Err(format!("{name}() wants a metric and a span in quotes, as {name}(pm2_5, \"3h\")"));
        };
        let span: Span = text.parse().map_err(|_| format!("has {text:?} for a span, as \"3h\" is one"))?;
        if span <= Span::ZERO {
            return Err(format!("has {text:?} for a span; one above zero is wanted"));
        }
        let metric = self.metric(metric);
        self.windows.push(Window { metric, over, span });
        Ok((ident(id, 'w', self.windows.len() - 1), Type::Number))
    }

    fn operator(&mut self, id: u64, name: &str, args: &[IdedExpr]) -> Read {
        let read: Vec<(IdedExpr, Type)> = args.iter().map(|arg| self.read(arg)).collect::<Result<_, _>>()?;
        let kinds: Vec<Type> = read.iter().map(|(_, kind)| *kind).collect();
        use Type::{Number, Text, YesNo};
        let gives = match (name, kinds.as_slice()) {
            (op::ADD | op::SUBSTRACT | op::MULTIPLY | op::DIVIDE, [Number, Number])
            | (op::NEGATE, [Number]) => Number,
            (op::GREATER | op::GREATER_EQUALS | op::LESS | op::LESS_EQUALS, [Number, Number]) => YesNo,
            (op::EQUALS | op::NOT_EQUALS, [Number, Number] | [Text, Text] | [YesNo, YesNo]) => YesNo,
            (op::LOGICAL_AND | op::LOGICAL_OR, [YesNo, YesNo]) | (op::LOGICAL_NOT, [YesNo]) => YesNo,
            (op::CONDITIONAL, [YesNo, one, other]) if one == other => *one,
            _ => {
                let found = kinds.iter().map(|kind| kind.word()).collect::<Vec<_>>().join(" and ");
                return Err(format!("has {} between {found}, which do not go together", sign(name)));
            }
        };
        let args = read.into_iter().map(|(arg, _)| arg).collect();
        Ok((
            IdedExpr { id, expr: Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args }) },
            gives,
        ))
    }
}

/// Where a name is in a list, in which it then is.
fn place_of(names: &mut Vec<Arc<str>>, name: &str) -> usize {
    names.iter().position(|known| **known == *name).unwrap_or_else(|| {
        names.push(name.into());
        names.len() - 1
    })
}

fn ident(id: u64, kind: char, at: usize) -> IdedExpr {
    IdedExpr { id, expr: Expr::Ident(format!("{kind}{at}")) }
}

fn text_of(of: &IdedExpr) -> Option<&str> {
    match &of.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

/// A literal; whole numbers become doubles, for all values here are.
fn literal_of(id: u64, literal: &LiteralValue) -> Read {
    let number = |value: f64| (LiteralValue::Double(value.into()), Type::Number);
    let (literal, kind) = match literal {
        LiteralValue::Int(whole) => number(*whole.inner() as f64),
        LiteralValue::UInt(whole) => number(*whole.inner() as f64),
        LiteralValue::Double(double) => number(*double.inner()),
        LiteralValue::Boolean(_) => (literal.clone(), Type::YesNo),
        LiteralValue::String(_) => (literal.clone(), Type::Text),
        LiteralValue::Bytes(_) | LiteralValue::Null => {
            return Err("has bytes or null; neither is known here".into());
        }
    };
    Ok((IdedExpr { id, expr: Expr::Literal(literal) }, kind))
}

/// How deep parentheses of all kinds nest, those in texts counted too.
fn depth(text: &str) -> u16 {
    let (mut now, mut deepest) = (0_u16, 0_u16);
    for sign in text.chars() {
        match sign {
            '(' | '[' | '{' => now = now.saturating_add(1),
            ')' | ']' | '}' => now = now.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(now);
    }
    deepest
}

/// An operator as people write it.
fn sign(name: &str) -> String {
    name.replace('_', " ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, metrics: &[f64], windows: &[f64], active: &[bool]) -> Option<f64> {
        let expression = Expression::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        expression.value(&Values { metrics, windows, active, station: ["air-1", "510104", "air"] })
    }

    #[test]
    fn expressions_give_what_they_say() {
        for (text, metrics, windows, active, wanted) in [
            ("pm2_5 > 75", &[76.0][..], &[][..], &[][..], Some(1.0)),
            ("pm2_5 > 75", &[75.0], &[], &[], Some(0.0)),
            ("pm10 / pm2_5 - 2 * 3", &[90.0, 10.0], &[], &[], Some(3.0)),
            ("pm10 / pm2_5", &[90.0, 0.0], &[], &[], None),
            ("pm10 > 1", &[f64::NAN], &[], &[], None),
            ("pm2_5 > mean(pm2_5, \"3h\") * 2 && active(\"spike\")", &[50.0], &[20.0], &[true], Some(1.0)),
            ("pm2_5 > mean(pm2_5, \"3h\") * 2 && active(\"spike\")", &[50.0], &[20.0], &[false], Some(0.0)),
            ("pm2_5 > mean(pm2_5, \"3h\")", &[50.0], &[f64::NAN], &[], None),
            ("station.kind == \"air\" && !(no2 > 1.0)", &[0.5], &[], &[], Some(1.0)),
            ("station.district == '510105' ? no2 : -no2", &[0.5], &[], &[], Some(-0.5)),
        ] {
            assert_eq!(value(text, metrics, windows, active), wanted, "{text}");
        }
        let of =
            Expression::parse("max(a, \"90m\") > min(b, \"1h\") || a > b || active(\"x\") || active(\"x\")")
                .expect("good");
        assert_eq!(of.metrics, ["a".into(), "b".into()] as [Arc<str>; 2]);
        let window = |metric, over, span: &str| Window { metric, over, span: span.parse().expect("a span") };
        assert_eq!(of.windows, [window(0, Over::Max, "90m"), window(1, Over::Min, "1h")]);
        assert_eq!((of.detectors.len(), of.gives), (1, Gives::YesNo));
    }

    /// Weather that comes every ten minutes, and readings that come every minute.
    #[test]
    fn a_metric_that_only_a_window_names_was_demanded_of_every_frame() {
        let text = "max(wind, \"10m\") >= 5.0 && noise > 60.0";
        assert_eq!(value(text, &[f64::NAN, 61.0], &[6.0], &[]), Some(1.0));
        assert_eq!(value(text, &[4.0, f64::NAN], &[6.0], &[]), None, "what is named by itself must be there");
        assert_eq!(value(text, &[f64::NAN, 61.0], &[f64::NAN], &[]), None, "so must something in the window");
        let both = "wind > 1.0 || max(wind, \"10m\") > 5.0";
        assert_eq!(value(both, &[f64::NAN], &[6.0], &[]), None);
        let both = "max(wind, \"10m\") > 5.0 || wind > 1.0";
        assert_eq!(value(both, &[f64::NAN], &[6.0], &[]), None);
    }

    #[test]
    fn what_is_none_is_refused_with_what_would_be_right() {
        let deep = format!("{}a{}", "(".repeat(200), ")".repeat(200));
        let (long, many) = ("a".repeat(1_001), format!("a{}", "+a".repeat(120)));
        for (text, wanted) in [
            ("", "is no expression"),
            ("a >", "is no expression"),
            ("a + \"x\"", "has + between a number and a text"),
            ("a && b", "has && between a number and a number"),
            ("!a", "has !"),
            ("a == true", "do not go together"),
            ("station.kind", "gives a text"),
            ("station.owner == \"x\"", "asks for station.owner"),
            ("a.b", "only station has"),
            ("true", "names no metric"),
            ("[a][0] > 1.0", "a list, a map or a macro"),
            ("[1,2].all(x, x > a)", "macro"),
            ("size(\"x\") > a", "calls size()"),
            ("mean(a) > 1", "calls mean()"),
            ("mean(a, 3) > 1", "wants a metric and a span"),
            ("mean(a, \"x\") > 1", "for a span"),
            ("mean(a, \"0s\") > 1", "above zero"),
            ("active(a)", "in quotes"),
            ("a > b\"x\"", "bytes"),
            (&deep, "nests deeper"),
            (&long, "longer than"),
            (&many, "more than 200"),
        ] {
            let why = Expression::parse(text).expect_err(text);
            assert!(why.contains(wanted), "{text}: {why}");
        }
    }
}
