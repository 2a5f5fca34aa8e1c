//! Reading one entry of a catalogue, `[[metric]]` and the like, with every fault told by its line.
//!
//! A getter answers `None` when the key is missing or wrong; what is wrong has been told by then. Each key that
//! was asked for counts as known, so [`Entry::finish`] can refuse the others and name the nearest known one.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use yiwang_model::order::Text;

use crate::fault::{Fault, Faults, TOML, quoted};
use crate::nearest::nearest;
use crate::source::Source;
use crate::value::FromToml;

/// The most entries of one kind.
pub(crate) const MAX_ENTRIES: usize = 200_000;
/// The longest text of a key, in bytes.
const MAX_TEXT_BYTES: usize = 4096;

/// A file with its parsed document.
pub(crate) struct Document<'a> {
    pub(crate) source: &'a Source,
    pub(crate) table: DeTable<'a>,
}

/// One entry of a catalogue.
pub(crate) struct Entry<'a> {
    what: &'static str,
    source: &'a Source,
    table: &'a DeTable<'a>,
    span: Range<usize>,
    asked: RefCell<BTreeSet<&'static str>>,
    /// Keys that are not there and must be, with what would be right. They are told last: a key that is not
    /// known may be one of them, mistyped.
    missing: RefCell<BTreeMap<&'static str, String>>,
    faults: &'a Faults,
}

/// The names of all entries of one kind, with the place where each stands, whether or not it is right otherwise:
/// a mistake inside an entry must not make every reference to it a mistake too.
pub(crate) type Ids = BTreeMap<Arc<str>, String>;

/// Parses a file; what is no TOML is told.
pub(crate) fn document<'a>(source: &'a Source, faults: &Faults) -> Document<'a> {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    for error in errors {
        let line = source.line(error.span().map_or(0, |span| span.start));
        let key = TOML.to_owned();
        let found = error.message().lines().collect::<Vec<_>>().join(", ");
        faults.add(Fault { file: source.name.clone(), line, key, found, wanted: "TOML 1.0".into() });
    }
    Document { source, table: table.into_inner() }
}

/// All entries `[[what]]` of the documents, in the order of files and lines.
pub(crate) fn entries<'a>(
    documents: &'a [Document<'a>],
    what: &'static str,
    faults: &'a Faults,
) -> Vec<Entry<'a>> {
    let mut found = Vec::new();
    for document in documents {
        let Some(value) = document.table.get(what) else { continue };
        let source = document.source;
        let tables = value.get_ref().as_array().into_iter().flat_map(|array| array.iter());
        if value.get_ref().as_array().is_none() {
            faults.add(misplaced(source, what, value));
        }
        for value in tables {
            match value.get_ref().as_table() {
                Some(table) => found.push(Entry {
                    what,
                    source,
                    table,
                    span: value.span(),
                    asked: RefCell::default(),
                    missing: RefCell::default(),
                    faults,
                }),
                None => faults.add(misplaced(source, what, value)),
            }
        }
    }
    if let Some(entry) = found.get(MAX_ENTRIES) {
        entry.wrong(
            what,
            format!("more than {MAX_ENTRIES} of them"),
            format!("at most {MAX_ENTRIES} [[{what}]]"),
        );
        found.truncate(MAX_ENTRIES);
    }
    found
}

fn misplaced(source: &Source, what: &str, value: &Spanned<DeValue<'_>>) -> Fault {
    Fault {
        file: source.name.clone(),
        line: source.line(value.span().start),
        key: what.to_owned(),
        found: format!("a value of type {}", value.get_ref().type_str()),
        wanted: format!("[[{what}]]"),
    }
}

/// Refuses what stands at the top of a file and is none of the `known` kinds of entries.
pub(crate) fn check_tops(documents: &[Document<'_>], known: &[&'static str], faults: &Faults) {
    for document in documents {
        let strange = document.table.keys().filter(|key| !known.contains(&key.get_ref().as_ref()));
        for key in strange.take_while(|_| !faults.is_full()) {
            let wanted = match nearest(key.get_ref(), known.iter().copied()) {
                Some(near) => format!("[[{near}]]"),
                None => format!("one of {}", known.join(", ")),
            };
            faults.add(Fault {
                file: document.source.name.clone(),
                line: document.source.line(key.span().start),
                key: quoted(key.get_ref()),
                found: "a kind of entry that is not known".into(),
                wanted,
            });
        }
    }
}

impl<'a> Entry<'a> {
    /// `file:line` of the entry.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.source.name, self.source.line(self.span.start))
    }

    /// The value of a key that may be missing.
    pub(crate) fn get<T: FromToml>(&self, key: &'static str) -> Option<T> {
        self.know(key);
        let value = self.table.get(key)?.get_ref();
        match T::from_toml(value) {
            Ok(value) => Some(value),
            Err(wanted) => {
                self.wrong(key, shown(value), wanted.into_owned());
                None
            }
        }
    }

    /// The value of a key that must be there.
    pub(crate) fn want<T: FromToml>(&self, key: &'static str) -> Option<T> {
        if !self.has(key) {
            self.know(key);
            self.missing.borrow_mut().insert(key, T::wanted().into_owned());
        }
        self.get(key)
    }

    /// Counts a key as known.
    pub(crate) fn know(&self, key: &'static str) {
        self.asked.borrow_mut().insert(key);
    }

    /// Whether the key stands in the entry.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// A value, if it is right, without a word about what is wrong with it.
    pub(crate) fn peek<T: FromToml>(&self, key: &str) -> Option<T> {
        T::read(self.table.get(key)?.get_ref())
    }

    /// A text that must be there and say something.
    pub(crate) fn want_text(&self, key: &'static str) -> Option<Arc<str>> {
        self.want(key).and_then(|text| self.says_something(key, text))
    }

    /// A text that may be missing, and says something when it is there.
    pub(crate) fn get_text(&self, key: &'static str) -> Option<Arc<str>> {
        self.get(key).and_then(|text| self.says_something(key, text))
    }

    fn says_something(&self, key: &'static str, text: Arc<str>) -> Option<Arc<str>> {
        if text.trim().is_empty() || text.len() > MAX_TEXT_BYTES {
            self.wrong(key, quoted(&text), format!("a text of 1 to {MAX_TEXT_BYTES} bytes"));
            return None;
        }
        Some(text)
    }

    /// The keys `zh` and `en`.
    pub(crate) fn want_title(&self) -> Option<Text> {
        let (zh, en) = (self.want_text("zh"), self.want_text("en"));
        Some(Text::new(zh?.as_ref(), en?.as_ref()))
    }

    /// The name of the entry, under which others refer to it: no other of its kind may have it.
    pub(crate) fn want_id(&self, key: &'static str, ids: &mut Ids) -> Option<Arc<str>> {
        let id: Arc<str> = self.want(key)?;
        if yiwang_model::series::check_name(key, &id).is_err() {
            self.wrong(key, quoted(&id), "a name of 1 to 128 bytes, of letters, digits and _ - . / :".into());
            return None;
        }
        if let Some(first) = ids.get(&id) {
            let found = format!("{} again, first at {first}", quoted(&id));
            self.wrong(key, found, format!("one {} of that name", self.what));
            return None;
        }
        ids.insert(id.clone(), self.place());
        Some(id)
    }

    /// A reference to another entry, which must be there.
    pub(crate) fn want_ref(&self, key: &'static str, ids: &Ids) -> Option<Arc<str>> {
        let id: Arc<str> = self.want(key)?;
        self.check_ref(key, &id, ids).then_some(id)
    }

    /// A reference that may be missing.
    pub(crate) fn get_ref(&self, key: &'static str, ids: &Ids) -> Option<Arc<str>> {
        let id: Arc<str> = self.get(key)?;
        self.check_ref(key, &id, ids).then_some(id)
    }

    /// A list of references, each once, at least one; those that are there.
    pub(crate) fn want_refs(&self, key: &'static str, ids: &Ids) -> Option<Vec<Arc<str>>> {
        let mut list: Vec<Arc<str>> = self.want(key)?;
        if list.is_empty() {
            self.wrong(key, "an empty list".into(), "at least one name".into());
        }
        let mut seen = BTreeSet::new();
        for id in &list {
            if !seen.insert(id) {
                self.wrong(key, format!("{} twice", quoted(id)), "each name once".into());
            }
        }
        list.retain(|id| self.check_ref(key, id, ids));
        Some(list)
    }

    fn check_ref(&self, key: &'static str, id: &str, ids: &Ids) -> bool {
        if ids.contains_key(id) {
            return true;
        }
        if self.faults.is_full() {
            return false;
        }
        let what = key.trim_end_matches('s');
        let wanted = match nearest(id, ids.keys().map(AsRef::as_ref)) {
            Some(near) => format!("{near:?} or another {what} of this catalogue"),
            None => format!("a {what} of this catalogue"),
        };
        self.wrong(key, format!("{}, which is not there", quoted(id)), wanted);
        false
    }

    /// The keys of the entry that nobody asked for, with their values.
    pub(crate) fn rest(&self) -> impl Iterator<Item = (&'a str, &'a DeValue<'a>)> {
        let asked = self.asked.borrow().clone();
        let table = self.table;
        table
            .iter()
            .map(|(key, value)| (key.get_ref().as_ref(), value.get_ref()))
            .filter(move |(key, _)| !asked.contains(key))
    }

    /// Refuses every key that nobody asked for.
    pub(crate) fn finish(&self) {
        let strange: Vec<&str> = self.rest().map(|(key, _)| key).collect();
        strange.into_iter().take_while(|_| !self.faults.is_full()).for_each(|key| self.refuse(key, []));
    }

    /// Refuses a key; known are those that were asked for and `others`.
    pub(crate) fn refuse(&self, key: &str, others: impl IntoIterator<Item = &'static str>) {
        let known: BTreeSet<&str> = self.asked.borrow().iter().copied().chain(others).collect();
        let near = nearest(key, known.iter().copied());
        let wanted = match near {
            Some(near) => format!("{near:?}"),
            None => format!("one of {}", known.into_iter().collect::<Vec<_>>().join(", ")),
        };
        self.missing.borrow_mut().retain(|missing, _| Some(*missing) != near);
        self.wrong(key, "a key that is not known".into(), wanted);
    }

    /// Tells a fault at the line of `key`, or of the entry when the key is not there.
    pub(crate) fn wrong(&self, key: &str, found: String, wanted: String) {
        let at = self.table.get_key_value(key).map_or(self.span.start, |(key, _)| key.span().start);
        self.faults.add(Fault {
            file: self.source.name.clone(),
            line: self.source.line(at),
            key: format!("{}.{}", self.what, short(key)),
            found,
            wanted,
        });
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        for (key, wanted) in self.missing.take() {
            self.wrong(key, "nothing".into(), wanted);
        }
    }
}

fn short(key: &str) -> String {
    key.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// A value as it stands in the file, short enough for a fault.
pub(crate) fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => quoted(text),
        DeValue::Integer(number) => short(number.as_str()),
        DeValue::Float(number) => short(number.as_str()),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(array) => format!("a list of {}", array.len()),
        DeValue::Table(_) => "a table".into(),
    }
}
