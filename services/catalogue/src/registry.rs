//! What was registered by API: gateways, sources, loggers, calibrations and silences that stand in no file of the city.
//!
//! They are one more file of the catalogue, [`FILE`], in the same words as the others and checked together with them; a
//! program writes it. So the log's record of a catalogue has all that held, and there is one set of rules for both ways. An
//! entry of a file is never changed here: who keeps files finds in them what holds.

use std::collections::BTreeMap;
use std::fmt;

use toml::{Table, Value};

use crate::fault::{Fault, MAX_FAULTS};
use crate::source::{MARK, Source, split, split_one};
use crate::{Catalogue, build};

/// An entry: its keys and values, as in a catalogue's file.
pub type Entry = Table;

/// The name of the file. It stands behind the files of people, so that of two equal names theirs is the first.
pub const FILE: &str = "~registered";

/// What can be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A `[[gateway]]`.
    Gateway,
    /// A `[[station]]`: a source.
    Station,
    /// A `[[logger]]` of HJ 212, with its unit map.
    Logger,
    /// A `[[calibration]]`: a window in which values of a source are not to be judged.
    Calibration,
    /// A `[[silence]]`: a time in which some episodes open no orders.
    Silence,
}

impl Kind {
    /// All of them, each behind those that it may refer to.
    pub const ALL: [Self; 5] = [Self::Gateway, Self::Station, Self::Logger, Self::Calibration, Self::Silence];

    /// The entry's name in a catalogue.
    #[must_use]
    pub const fn entry(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Station => "station",
            Self::Logger => "logger",
            Self::Calibration => "calibration",
            Self::Silence => "silence",
        }
    }

    /// The key that names one.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Logger => "mn",
            _ => "id",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entry())
    }
}

/// An entry's kind and name.
type Name = (Kind, String);

/// The entries that were registered, by kind and name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Registry(BTreeMap<Name, Table>);

impl Registry {
    /// Those of a catalogue's text; none where it has none that can be read.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let file = split_one("", text).into_iter().find(|file| file.name == FILE);
        let document = file.and_then(|file| file.text.parse::<Table>().ok()).unwrap_or_default();
        let mut registry = Self::default();
        for kind in Kind::ALL {
            let entries = document.get(kind.entry()).and_then(Value::as_array);
            for entry in entries.into_iter().flatten().filter_map(Value::as_table) {
                if let Some(id) = entry.get(kind.key()).and_then(Value::as_str) {
                    registry.put(kind, id, entry.clone());
                }
            }
        }
        registry
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys of an entry.
    #[must_use]
    pub fn get(&self, kind: Kind, id: &str) -> Option<&Table> {
        self.0.get(&(kind, id.to_owned()))
    }

    /// Registers an entry of this name, in place of the one before.
    pub fn put(&mut self, kind: Kind, id: &str, mut entry: Table) {
        entry.insert(kind.key().to_owned(), Value::String(id.to_owned()));
        self.0.insert((kind, id.to_owned()), entry);
    }

    /// Those that these files do not have themselves: an entry that stands in a file is the file's.
    #[must_use]
    pub fn less(mut self, files: &Catalogue) -> Self {
        self.0.retain(|(kind, id), _| !files.has(*kind, id));
        self
    }

    /// Takes an entry out; false when there is none of this name.
    pub fn remove(&mut self, kind: Kind, id: &str) -> bool {
        self.0.remove(&(kind, id.to_owned())).is_some()
    }

    /// The file: one entry after the other, and the line at which each begins.
    fn file(&self) -> (String, Vec<(usize, &Name)>) {
        let (mut text, mut lines, mut line) = (String::new(), Vec::new(), 1);
        for (name, entry) in &self.0 {
            lines.push((line, name));
            let one = Table::from_iter([(
                name.0.entry().to_owned(),
                Value::Array(vec![Value::Table(entry.clone())]),
            )]);
            let one = toml::to_string(&one).expect("keys are texts and values are values of TOML");
            line += one.lines().count();
            text.push_str(&one);
        }
        (text, lines)
    }

    /// The entries that have faults, each with its first.
    fn faulty(&self, faults: &[Fault]) -> Vec<LeftOut> {
        let (_, lines) = self.file();
        let of = |fault: &Fault| {
            let before = lines.partition_point(|(line, _)| *line <= fault.line);
            let (_, (kind, id)) = lines.get(before.checked_sub(1)?).filter(|_| fault.file == FILE)?;
            Some(LeftOut { kind: *kind, id: id.clone(), fault: fault.clone() })
        };
        let mut faulty: Vec<LeftOut> = faults.iter().filter_map(of).collect();
        faulty.dedup_by(|one, before| (one.kind, &one.id) == (before.kind, &before.id));
        faulty
    }
}

/// An entry that was registered and does not fit the files any more.
#[derive(Clone, Debug, PartialEq)]
pub struct LeftOut {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub id: String,
    /// What is wrong with it first.
    pub fault: Fault,
}

impl Catalogue {
    /// What was registered by API.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The catalogue of the same files with these entries registered, and no others.
    ///
    /// # Errors
    /// All faults.
    pub fn with(&self, registry: &Registry) -> Result<Self, Vec<Fault>> {
        self.build_with(registry, MAX_FAULTS)
    }

    /// The catalogue of these other files, with what was registered by API here; an entry that the files have themselves now is
    /// theirs.
    ///
    /// # Errors
    /// All faults, when something that was registered does not fit those files.
    pub fn reloaded(&self, files: &Self) -> Result<Self, Vec<Fault>> {
        files.with(&self.registry.clone().less(files))
    }

    /// Whether there is an entry of this kind and name, whoever wrote it.
    #[must_use]
    pub fn has(&self, kind: Kind, id: &str) -> bool {
        match kind {
            Kind::Gateway => self.gateways.contains_key(id),
            Kind::Station => self.stations.contains_key(id),
            Kind::Logger => self.loggers.contains_key(id),
            Kind::Calibration => self.calibrations.contains_key(id),
            Kind::Silence => self.silences.contains_key(id),
        }
    }

    fn build_with(&self, registry: &Registry, most_faults: usize) -> Result<Self, Vec<Fault>> {
        let mut files = split_one("", self.text());
        files.retain(|file| file.name != FILE);
        let (text, _) = registry.file();
        if let Some(at) = text.lines().position(|line| line.starts_with(MARK)) {
            return Err(vec![forged(at + 1)]);
        }
        let mut files: Vec<(&str, &str)> =
            files.iter().map(|Source { name, text, .. }| (name.as_str(), text.as_str())).collect();
        if !registry.is_empty() {
            files.push((FILE, &text));
        }
        build::build(&split(&files)?, most_faults)
    }

    /// The catalogue with those entries that fit, and what is wrong with the others.
    ///
    /// # Errors
    /// All faults, when no entry that was registered is to blame for them: then a file of the city is wrong.
    pub fn with_what_fits(&self, mut registry: Registry) -> Result<(Self, Vec<LeftOut>), Vec<Fault>> {
        let mut left_out = Vec::new();
        loop {
            // Room for a fault of each, so that one look mostly finds them all.
            let faults = match self.build_with(&registry, MAX_FAULTS + registry.0.len()) {
                Ok(catalogue) => return Ok((catalogue, left_out)),
                Err(faults) => faults,
            };
            let faulty = registry.faulty(&faults);
            if faulty.is_empty() {
                return Err(faults);
            }
            for LeftOut { kind, id, .. } in &faulty {
                registry.remove(*kind, id);
            }
            left_out.extend(faulty);
        }
    }
}

/// A text that would read as the beginning of another file.
fn forged(line: usize) -> Fault {
    let found = format!("a line that begins with {MARK:?}");
    Fault { file: FILE.into(), line, key: "text".into(), found, wanted: "texts without such a line".into() }
}

#[cfg(test)]
mod tests;
