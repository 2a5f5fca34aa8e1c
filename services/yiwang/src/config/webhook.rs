//! Receivers of webhooks: `[[webhook]]` entries.
//!
//! | key | what |
//! |---|---|
//! | `name` | what it is called in health, metrics and the log; with another name it begins with what happens from then on |
//! | `url` | `http://HOST[:PORT][/PATH]`; there is no TLS |
//! | `secret_file` | a file with what is signed with, `whsec_` and 24 to 64 bytes in base64; a second line while one takes the place of another |
//! | `departments`, `categories`, `districts` | keys in the catalogue; only orders of these are told, of all when not said |
//! | `kinds` | `opened`, `moved`, `worsened`, `cleared`, `revised`, `withdrawn`, `restored`; only these steps are told, all when not said |

use std::path::Path;

use toml::de::DeValue;
use yiwang_catalogue::Fault;
use yiwang_model::order::StepKind;
use yiwang_orders::feed::Wanted;
use yiwang_webhook::{Patience, Secret, Target, Url};

use super::entry::{Entry, Kind, Source, read_entries, read_small};

/// A receiver.
#[derive(Clone, Debug)]
pub struct Webhook(pub Target);

/// Two are the same when they would be written the same.
impl PartialEq for Webhook {
    fn eq(&self, other: &Self) -> bool {
        self.to_toml() == other.to_toml()
    }
}

const KIND: Kind = Kind {
    name: "webhook",
    keys: &["name", "url", "secret_file", "departments", "categories", "districts", "kinds"],
    wanted: "name, url and secret_file",
    most: Some(16),
};
const MAX_WORDS: usize = 64;
const MAX_SECRET_FILE_BYTES: u64 = 1024;
const MAX_SECRETS: usize = 2;
const SECRET: &str = "a readable file with whsec_ and 24 to 64 bytes in base64, on one line or two";

impl Webhook {
    pub(super) fn to_toml(&self) -> String {
        let Target { name, url, wanted, .. } = &self.0;
        let mut text =
            format!("[[webhook]]\nname = {name:?}\nurl = {:?}\nsecret_file = \"***\"\n", shown(&url.text()));
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
    source: Source<'_>,
    value: &DeValue<'_>,
    faults: &mut Vec<Fault>,
) -> Vec<Webhook> {
    read_entries(&KIND, source, value, faults, read)
}

fn read(entry: &mut Entry<'_>) -> Option<Webhook> {
    let (name, url) = (entry.name(), url(entry));
    let secrets = entry.file("secret_file", SECRET, read_secrets);
    if matches!(secrets, Some(None)) {
        entry.fault("secret_file", "nothing", SECRET);
    }
    let wanted = wanted(entry);
    let (name, url, secrets, wanted) = (name?, url?, secrets??, wanted?);
    Some(Webhook(Target { name, url, secrets, wanted, patience: Patience::default() }))
}

/// An address without its query, where receivers often have a secret.
fn shown(url: &str) -> String {
    url.split_once('?').map_or_else(|| url.to_owned(), |(before, _)| format!("{before}?***"))
}

fn url(entry: &mut Entry<'_>) -> Option<Url> {
    let wanted = "an address, as http://127.0.0.1:9000/orders";
    let text = entry.needed("url", wanted)?;
    match Url::read(&text) {
        Ok(url) => Some(url),
        Err(why) => entry.wrong("url", &format!("{text:.200} {why}"), wanted),
    }
}

fn wanted(entry: &mut Entry<'_>) -> Option<Wanted> {
    let [departments, categories, districts] =
        ["departments", "categories", "districts"].map(|key| words(entry, key));
    let kinds = kinds(entry);
    Some(Wanted {
        departments: departments?,
        categories: categories?,
        districts: districts?,
        kinds: kinds?,
        ..Wanted::default()
    })
}

/// The words for a kind of step.
const KINDS: &str = "opened, moved, worsened, cleared, revised, withdrawn, restored";

fn kinds(entry: &mut Entry<'_>) -> Option<Vec<StepKind>> {
    let kinds: Result<Vec<StepKind>, _> = words(entry, "kinds")?.iter().map(|word| word.parse()).collect();
    match kinds {
        Ok(kinds) => Some(kinds),
        Err(error) => entry.wrong("kinds", &error.to_string(), KINDS),
    }
}

/// A list of texts; an empty one when it is not said.
fn words(entry: &mut Entry<'_>, key: &str) -> Option<Vec<String>> {
    let wanted = format!("a list of 1 to {MAX_WORDS} texts");
    if entry.value(key).is_none() {
        return Some(Vec::new());
    }
    let words: Vec<String> = entry.list(key, &wanted)?.into_iter().map(|(_, word)| word).collect();
    if words.is_empty() || words.len() > MAX_WORDS || words.iter().any(String::is_empty) {
        return entry.wrong(key, "another list", &wanted);
    }
    Some(words)
}

fn read_secrets(path: &Path) -> Result<Vec<Secret>, String> {
    let text = String::from_utf8(read_small(path, MAX_SECRET_FILE_BYTES)?).map_err(|_| "no text")?;
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let secrets: Option<Vec<Secret>> = lines.iter().map(|line| Secret::read(line)).collect();
    let secrets = secrets.filter(|secrets| (1..=MAX_SECRETS).contains(&secrets.len()));
    secrets.ok_or_else(|| "no such secret".to_owned())
}
