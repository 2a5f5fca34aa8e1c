//! What a statement is answered with.

use std::sync::Arc;

/// A value of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// None.
    Null,
    /// A float; one that is no number or not finite is written as null.
    Float(f64),
    /// An integer.
    Integer(i64),
    /// A text.
    String(Arc<str>),
    /// Yes or no.
    Boolean(bool),
    /// Nanoseconds since 1970, which are written as the request wants to have times.
    Time(i64),
}

/// Rows with the same name and tags: what InfluxDB calls a series of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// The measurement, or what a statement about metadata calls its table; empty where it has no name.
    pub name: Arc<str>,
    /// The tags that were grouped by, sorted by key; an absent one has an empty value. None where nothing was grouped by tags.
    pub tags: Vec<(Arc<str>, Arc<str>)>,
    /// What the columns are called.
    pub columns: Arc<[Arc<str>]>,
    /// The rows, each with a value for each column.
    pub values: Vec<Vec<Value>>,
}
