//! JSON lines: an object a line, its keys are columns.

use serde_json::{Map, Value};
use yiwang_proto::v1::Reason;

use crate::gather::{Gather, Why};
use crate::mapping::Mapping;
use crate::row::{Row, Rows};

/// An object's values as texts, by place in [`Mapping::columns`].
struct Object(Vec<Option<String>>);

impl Row for Object {
    fn cell(&self, column: usize) -> Option<&[u8]> {
        self.0.get(column)?.as_deref().map(str::as_bytes)
    }
}

/// Takes a line in.
pub(crate) fn take(mapping: &Mapping, rows: &mut Rows<'_>, line: u64, text: &[u8], into: &mut Gather) {
    let object: Map<String, Value> = match serde_json::from_slice(text) {
        Ok(object) => object,
        Err(error) => return into.fault(line, "", text, Why(Reason::Malformed, error.to_string())),
    };
    match object_of(mapping, object) {
        Ok(object) => rows.take(line, &object, into),
        Err((column, why)) => into.fault(line, &column, text, Why(Reason::Malformed, why)),
    }
}

fn object_of(mapping: &Mapping, object: Map<String, Value>) -> Result<Object, (String, String)> {
    let mut cells = vec![None; mapping.columns.len()];
    for (key, value) in object {
        let Some(at) = mapping.columns.iter().position(|column| *column == key) else {
            if mapping.others {
                continue;
            }
            let key: String = key.chars().take(64).collect();
            return Err((key, format!("it is not known; known are {}", mapping.columns.join(", "))));
        };
        cells[at] = match value {
            Value::Null => None,
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                return Err((key, "it is neither text nor number".into()));
            }
        };
    }
    let lacking = |at: &usize| cells[*at].is_none() && !mapping.optional.contains(at);
    let needed = mapping.needed();
    let lacking: Vec<&str> =
        needed.iter().filter(|at| lacking(at)).map(|at| mapping.columns[*at].as_str()).collect();
    if lacking.is_empty() { Ok(Object(cells)) } else { Err((lacking.join(", "), "it is missing".into())) }
}
