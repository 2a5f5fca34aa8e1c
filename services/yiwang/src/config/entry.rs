//! Entries of a configuration file, as `[[store]]`: a list of tables of one kind, each read key by key.
//!
//! Every fault is told with the line of the value that it is about, or of the entry when a value is missing. What is right is
//! given.

use std::collections::BTreeSet;
use std::path::Path;

use toml::de::{DeTable, DeValue};
use yiwang_catalogue::Fault;
use yiwang_model::Span;
use yiwang_model::series::check_name;

use super::{line_of, plain};

/// The most entries of a kind.
const MAX_ENTRIES: usize = 1000;
/// The longest text, in characters.
const MAX_TEXT_CHARS: usize = 256;

/// What entries of a kind are.
pub(super) struct Kind {
    /// The name of the list.
    pub(super) name: &'static str,
    /// All keys.
    pub(super) keys: &'static [&'static str],
    /// What an entry needs, for people.
    pub(super) wanted: &'static str,
    /// The most of them; none for a bound that nobody meets.
    pub(super) most: Option<usize>,
}

/// A file that is read.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    /// Its name.
    pub(super) file: &'a str,
    /// What stands in it.
    pub(super) text: &'a str,
    /// Its folder, to which paths are relative.
    pub(super) base: &'a Path,
}

/// Reads the entries of a kind; `read` gives one, or none when a fault of it was told.
pub(super) fn read_entries<T>(
    kind: &'static Kind,
    source: Source<'_>,
    value: &DeValue<'_>,
    faults: &mut Vec<Fault>,
    mut read: impl FnMut(&mut Entry<'_>) -> Option<T>,
) -> Vec<T> {
    let empty = DeTable::new();
    let mut names = BTreeSet::new();
    let mut entry = Entry { kind, source, table: &empty, faults, names: &mut names, line: 0 };
    let DeValue::Array(entries) = value else {
        entry.fault("", "no list of entries", &format!("[[{}]] entries", kind.name));
        return Vec::new();
    };
    let mut found = Vec::new();
    for value in entries {
        entry.line = line_of(source.text, value.span().start);
        let DeValue::Table(table) = value.get_ref() else {
            entry.fault("", "no entry", &format!("[[{}]] with {}", kind.name, kind.wanted));
            continue;
        };
        let mut entry = Entry { table, faults: entry.faults, names: entry.names, ..entry };
        entry.check_keys();
        found.extend(read(&mut entry));
        if found.len() > kind.most.unwrap_or(MAX_ENTRIES) {
            let most = kind.most.unwrap_or(MAX_ENTRIES);
            entry.fault("", "another entry", &format!("at most {most} of [[{}]]", kind.name));
            break;
        }
    }
    found
}

/// An entry that is read. Each of its questions answers none when a fault was told.
pub(super) struct Entry<'a> {
    kind: &'static Kind,
    source: Source<'a>,
    table: &'a DeTable<'a>,
    faults: &'a mut Vec<Fault>,
    /// The names of those before it.
    names: &'a mut BTreeSet<String>,
    line: usize,
}

impl Entry<'_> {
    fn check_keys(&mut self) {
        let begins = self.line;
        for key in self.table.keys().filter(|key| !self.kind.keys.contains(&key.get_ref().as_ref())) {
            self.line = line_of(self.source.text, key.span().start);
            self.fault(key.get_ref(), "an unknown key", &format!("one of {}", self.kind.keys.join(", ")));
        }
        self.line = begins;
    }

    /// What stands there, if anything does.
    pub(super) fn value(&self, key: &str) -> Option<&DeValue<'_>> {
        self.table.get(key).map(|value| value.get_ref())
    }

    /// Its name, which no other of its kind has.
    pub(super) fn name(&mut self) -> Option<String> {
        let name = self.needed("name", "a name")?;
        if let Err(error) = check_name("name", &name) {
            return self.wrong("name", &error.to_string(), "letters, digits and _ - . / :");
        }
        if !self.names.insert(name.clone()) {
            return self.wrong("name", &format!("{name:?} twice"), "a name of its own");
        }
        Some(name)
    }

    /// A text that must be there.
    pub(super) fn needed(&mut self, key: &str, wanted: &str) -> Option<String> {
        let found = self.text(key, wanted)?;
        if found.is_none() {
            self.fault(key, "nothing", wanted);
        }
        found
    }

    /// A text that may be missing.
    #[expect(clippy::option_option, reason = "what is missing is not yet a fault")]
    pub(super) fn text(&mut self, key: &str, wanted: &str) -> Option<Option<String>> {
        let Some(value) = self.value(key) else { return Some(None) };
        let text = value.as_str().map(str::trim);
        match text.filter(|text| !text.is_empty() && text.chars().count() <= MAX_TEXT_CHARS) {
            Some(text) => Some(Some(text.to_owned())),
            None => {
                let found = format!("{:.100?}", plain(value));
                self.wrong(key, &found, wanted)
            }
        }
    }

    /// What is made of the file that this key names; none when the key is missing. A path is relative to the folder of the
    /// configuration file.
    #[expect(clippy::option_option, reason = "what is missing is not yet a fault")]
    pub(super) fn file<T>(
        &mut self,
        key: &str,
        wanted: &str,
        read: impl FnOnce(&Path) -> Result<T, String>,
    ) -> Option<Option<T>> {
        let Some(path) = self.text(key, wanted)? else { return Some(None) };
        match read(&self.source.base.join(&path)) {
            Ok(read) => Some(Some(read)),
            Err(why) => self.wrong(key, &format!("{path:.200}: {why}"), wanted),
        }
    }

    /// True or false.
    pub(super) fn flag(&mut self, key: &str, default: bool) -> Option<bool> {
        match self.value(key) {
            None => Some(default),
            Some(DeValue::Boolean(flag)) => Some(*flag),
            Some(other) => {
                let found = plain(other);
                self.wrong(key, &found, "true or false")
            }
        }
    }

    /// A whole number between these.
    pub(super) fn number(
        &mut self,
        key: &str,
        default: u64,
        [least, most]: [u64; 2],
        wanted: &str,
    ) -> Option<u64> {
        let Some(value) = self.value(key) else { return Some(default) };
        let found = plain(value);
        let number = found.parse().ok().filter(|_| matches!(value, DeValue::Integer(_)));
        match number.filter(|number| (least..=most).contains(number)) {
            Some(number) => Some(number),
            None => self.wrong(key, &found, wanted),
        }
    }

    /// A time between these.
    pub(super) fn span(
        &mut self,
        key: &str,
        default: Span,
        [least, most]: [Span; 2],
        wanted: &str,
    ) -> Option<Span> {
        let Some(text) = self.text(key, wanted)? else { return Some(default) };
        match text.parse::<Span>() {
            Ok(span) if span >= least && span <= most => Some(span),
            Ok(span) => self.wrong(key, &span.to_string(), wanted),
            Err(_) => self.wrong(key, "no time", wanted),
        }
    }

    /// Tells a fault of the value of this key, at its line.
    pub(super) fn wrong<T>(&mut self, key: &str, found: &str, wanted: &str) -> Option<T> {
        let line = self.table.get(key).map(|value| line_of(self.source.text, value.span().start));
        self.tell(line.unwrap_or(self.line), key, found, wanted);
        None
    }

    /// Tells a fault of an element of a list, which begins there in the file.
    pub(super) fn wrong_at<T>(&mut self, at: usize, key: &str, found: &str, wanted: &str) -> Option<T> {
        self.tell(line_of(self.source.text, at), key, found, wanted);
        None
    }

    /// Tells a fault of the entry, at its line.
    pub(super) fn fault(&mut self, key: &str, found: &str, wanted: &str) {
        self.tell(self.line, key, found, wanted);
    }

    fn tell(&mut self, line: usize, key: &str, found: &str, wanted: &str) {
        let name = self.kind.name;
        let key = if key.is_empty() { name.to_owned() } else { format!("{name}.{key:.64}") };
        let (file, found, wanted) = (self.source.file.to_owned(), found.to_owned(), wanted.to_owned());
        self.faults.push(Fault { file, line, key, found, wanted });
    }

    /// The list of a key, with where each element begins in the file; empty when the key is missing.
    pub(super) fn list(&mut self, key: &str, wanted: &str) -> Option<Vec<(usize, String)>> {
        match self.value(key) {
            None => Some(Vec::new()),
            Some(DeValue::Array(elements)) => {
                let element = |element: &toml::Spanned<DeValue<'_>>| {
                    (
                        element.span().start,
                        element.get_ref().as_str().map_or(plain(element.get_ref()), str::to_owned),
                    )
                };
                Some(elements.iter().map(element).collect())
            }
            Some(_) => self.wrong(key, "no list", wanted),
        }
    }
}

/// The text of a file of at most so many bytes.
pub(super) fn read_small(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let length = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > most {
        return Err(format!("{length} bytes"));
    }
    std::fs::read(path).map_err(|error| error.to_string())
}
