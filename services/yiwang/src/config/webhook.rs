//! Receivers of webhooks: `[[webhook]]` entries.
//!
//! | key | what |
//! |---|---|
//! | `name` | what it is called in health, metrics and the log; with another name it begins with what happens from then on |
//! | `url` | `http://HOST[:PORT][/PATH]`; there is no TLS |
//! | `secret_file` | a file with what is signed with, `whsec_` and 24 to 64 bytes in base64; a second line while one takes the place of another |
//! | `departments`, `categories`, `districts` | keys in the catalogue; only orders of these are told, of all when not said |
//! | `kinds` | `opened`, `moved`, `worsened`, `cleared`; only these steps are told, all when not said |

use std::collections::BTreeSet;
use std::path::Path;

use toml::de::{DeTable, DeValue};
use yiwang_catalogue::Fault;
use yiwang_model::order::StepKind;
use yiwang_model::series::check_name;
use yiwang_orders::feed::Wanted;
use yiwang_webhook::{Patience, Secret, Target, Url};

use super::{line_of, plain};

/// A receiver.
#[derive(Clone, Debug)]
pub struct Webhook(pub Target);

/// Two are the same when they would be written the same.
impl PartialEq for Webhook {
    fn eq(&self, other: &Self) -> bool {
        self.to_toml() == other.to_toml()
    }
}

const KEYS: [&str; 7] = ["name", "url", "secret_file", "departments", "categories", "districts", "kinds"];
const MAX_WEBHOOKS: usize = 16;
const MAX_WORDS: usize = 64;
const MAX_CHARS: usize = 1024;
const MAX_SECRET_FILE_BYTES: u64 = 1024;
const MAX_SECRETS: usize = 2;
const SECRET: &str = "a readable file with whsec_ and 24 to 64 bytes in base64, on one line or two";

impl Webhook {
    pub(super) fn to_toml(&self) -> String {
        let Target { name, url, wanted, .. } = &self.0;
        let mut text =
            format!("[[webhook]]\nname = {name:?}\nurl = {:?}\nsecret_file = \"***\"\n", url.text());
        let kinds: Vec<String> = wanted.kinds.iter().map(|kind| kind.word().to_owned()).collect();
        let lists = [
            ("departments", &wanted.departments),
            ("categories", &wanted.categories),
            ("districts", &wanted.districts),
            ("kinds", &kinds),
        ];
        for (key, words) in lists.into_iter().filter(|(_, words)| !words.is_empty()) {
            text.push_str(&format!("{key} = {words:?}\n"));
        }
        text + "\n"
    }
}

/// Reads `[[webhook]]` entries; what is wrong is told, what is right is given. `secret_file` is relative to the folder of the
/// configuration file.
pub(super) fn read_webhooks(
    file: &str,
    text: &str,
    base: &Path,
    value: &DeValue<'_>,
    faults: &mut Vec<Fault>,
) -> Vec<Webhook> {
    let mut entry = Entry { file, text, faults, line: 0 };
    let DeValue::Array(entries) = value else {
        entry.fault("webhook", "no list of entries", "[[webhook]] entries");
        return Vec::new();
    };
    let (mut found, mut names) = (Vec::new(), BTreeSet::new());
    for value in entries {
        entry.line = line_of(text, value.span().start);
        let DeValue::Table(table) = value.get_ref() else {
            entry.fault("webhook", "no entry", "[[webhook]] with name, url and secret_file");
            continue;
        };
        found.extend(entry.read(base, table, &mut names));
        if found.len() > MAX_WEBHOOKS {
            entry.fault("webhook", "another entry", &format!("at most {MAX_WEBHOOKS} webhooks"));
            break;
        }
    }
    found
}

struct Entry<'a> {
    file: &'a str,
    text: &'a str,
    faults: &'a mut Vec<Fault>,
    line: usize,
}

impl Entry<'_> {
    fn read(&mut self, base: &Path, table: &DeTable<'_>, names: &mut BTreeSet<String>) -> Option<Webhook> {
        let begins = self.line;
        for key in table.keys().filter(|key| !KEYS.contains(&key.get_ref().as_ref())) {
            self.line = line_of(self.text, key.span().start);
            self.fault(key.get_ref(), "an unknown key", &format!("one of {}", KEYS.join(", ")));
        }
        self.line = begins;
        let name = self.name(table, names);
        let url = self.url(table);
        let secrets = self.secrets(base, table);
        let wanted = self.wanted(table);
        let (name, url, secrets, wanted) = (name?, url?, secrets?, wanted?);
        Some(Webhook(Target { name, url, secrets, wanted, patience: Patience::default() }))
    }

    fn name(&mut self, table: &DeTable<'_>, names: &mut BTreeSet<String>) -> Option<String> {
        let name = self.needed(table, "name", "a name")?;
        if let Err(error) = check_name("name", &name) {
            return self.at(table, "name", &error.to_string(), "letters, digits and _ - . / :");
        }
        if !names.insert(name.clone()) {
            return self.at(table, "name", &format!("{name:?} twice"), "a name of its own");
        }
        Some(name)
    }

    fn url(&mut self, table: &DeTable<'_>) -> Option<Url> {
        let wanted = "an address, as http://127.0.0.1:9000/orders";
        let text = self.needed(table, "url", wanted)?;
        match Url::read(&text) {
            Ok(url) => Some(url),
            Err(why) => self.at(table, "url", &format!("{text:.200} {why}"), wanted),
        }
    }

    fn secrets(&mut self, base: &Path, table: &DeTable<'_>) -> Option<Vec<Secret>> {
        let path = self.needed(table, "secret_file", SECRET)?;
        match read_secrets(&base.join(&path)) {
            Ok(secrets) => Some(secrets),
            Err(why) => self.at(table, "secret_file", &format!("{path:.200}: {why}"), SECRET),
        }
    }

    fn wanted(&mut self, table: &DeTable<'_>) -> Option<Wanted> {
        let departments = self.words(table, "departments");
        let categories = self.words(table, "categories");
        let districts = self.words(table, "districts");
        let kinds = self.kinds(table);
        Some(Wanted {
            departments: departments?,
            categories: categories?,
            districts: districts?,
            kinds: kinds?,
            ..Wanted::default()
        })
    }

    fn kinds(&mut self, table: &DeTable<'_>) -> Option<Vec<StepKind>> {
        let words = self.words(table, "kinds")?;
        let kinds: Result<Vec<StepKind>, _> = words.iter().map(|word| word.parse()).collect();
        match kinds {
            Ok(kinds) => Some(kinds),
            Err(error) => self.at(table, "kinds", &error.to_string(), "opened, moved, worsened, cleared"),
        }
    }

    /// A list of texts; an empty one when it is not said.
    fn words(&mut self, table: &DeTable<'_>, key: &str) -> Option<Vec<String>> {
        let wanted = format!("a list of 1 to {MAX_WORDS} texts");
        let Some(value) = table.get(key) else { return Some(Vec::new()) };
        let DeValue::Array(items) = value.get_ref() else {
            return self.at(table, key, &plain(value.get_ref()), &wanted);
        };
        let words: Option<Vec<String>> = items
            .iter()
            .map(|item| item.get_ref().as_str().filter(|word| !word.is_empty()).map(str::to_owned))
            .collect();
        match words.filter(|words| (1..=MAX_WORDS).contains(&words.len())) {
            Some(words) => Some(words),
            None => self.at(table, key, "another list", &wanted),
        }
    }

    fn needed(&mut self, table: &DeTable<'_>, key: &str, wanted: &str) -> Option<String> {
        let Some(value) = table.get(key) else {
            self.fault(key, "nothing", wanted);
            return None;
        };
        let text = value.get_ref().as_str().map(str::trim);
        match text.filter(|text| !text.is_empty() && text.chars().count() <= MAX_CHARS) {
            Some(text) => Some(text.to_owned()),
            None => self.at(table, key, &format!("{:.100?}", plain(value.get_ref())), wanted),
        }
    }

    /// A fault of the value of this key, at its line.
    fn at<T>(&mut self, table: &DeTable<'_>, key: &str, found: &str, wanted: &str) -> Option<T> {
        let begins = self.line;
        if let Some(value) = table.get(key) {
            self.line = line_of(self.text, value.span().start);
        }
        self.fault(key, found, wanted);
        self.line = begins;
        None
    }

    fn fault(&mut self, key: &str, found: &str, wanted: &str) {
        let key = if key == "webhook" { key.to_owned() } else { format!("webhook.{key:.64}") };
        let (file, line) = (self.file.to_owned(), self.line);
        self.faults.push(Fault { file, line, key, found: found.to_owned(), wanted: wanted.to_owned() });
    }
}

fn read_secrets(path: &Path) -> Result<Vec<Secret>, String> {
    let length = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > MAX_SECRET_FILE_BYTES {
        return Err(format!("{length} bytes"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let secrets: Option<Vec<Secret>> = lines.iter().map(|line| Secret::read(line)).collect();
    let secrets = secrets.filter(|secrets| (1..=MAX_SECRETS).contains(&secrets.len()));
    secrets.ok_or_else(|| "no such secret".to_owned())
}
