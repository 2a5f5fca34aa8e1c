//! Credentials: who may write readings, read, act on orders.

use std::path::Path;

use sha2::{Digest, Sha256};
use toml::de::{DeTable, DeValue};
use yiwang_catalogue::Fault;
use yiwang_model::series::check_name;

use super::line_of;

/// Somebody with a secret. What is kept is only the secret's SHA-256: comparing that leaks no time of the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The name, which stands in the histories of orders.
    pub name: String,
    /// SHA-256 of the secret.
    pub secret: [u8; 32],
    /// May send readings.
    pub write: bool,
    /// May see.
    pub read: bool,
    /// May move orders.
    pub act: bool,
    /// May send readings of the past, however old they are.
    pub history: bool,
}

/// The shortest secret, in bytes.
const MIN_SECRET_BYTES: usize = 12;
/// The longest secret, in bytes.
const MAX_SECRET_BYTES: u64 = 4096;

impl Credential {
    /// Whether this is the secret.
    #[must_use]
    pub fn is(&self, secret: &[u8]) -> bool {
        Sha256::digest(secret)[..] == self.secret
    }

    pub(super) fn to_toml(&self) -> String {
        let may = [("write", self.write), ("read", self.read), ("act", self.act), ("history", self.history)];
        let may: Vec<_> = may.iter().filter(|(_, may)| *may).map(|(word, _)| format!("\"{word}\"")).collect();
        format!(
            "[[credential]]\nname = {:?}\nsecret_file = \"***\"\nmay = [{}]\n\n",
            self.name,
            may.join(", ")
        )
    }
}

/// Reads `[[credential]]` entries; what is wrong is told, what is right is given. `secret_file` is relative to the
/// folder of the configuration file.
pub(super) fn read_credentials(
    file: &str,
    text: &str,
    base: &Path,
    value: &DeValue<'_>,
    faults: &mut Vec<Fault>,
) -> Vec<Credential> {
    let mut entry = Entry { file, text, faults, line: 0 };
    let DeValue::Array(entries) = value else {
        entry.fault("credential", "no list of entries", "[[credential]] entries");
        return Vec::new();
    };
    let mut found: Vec<Credential> = Vec::new();
    for value in entries {
        entry.line = line_of(text, value.span().start);
        let DeValue::Table(table) = value.get_ref() else {
            entry.fault("credential", "no entry", "[[credential]] with name, secret_file, may");
            continue;
        };
        if let Some(credential) = entry.read(base, table) {
            if found.iter().any(|other| other.name == credential.name) {
                entry.fault("credential.name", &format!("{:?} twice", credential.name), "a name of its own");
            }
            found.push(credential);
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
    fn read(&mut self, base: &Path, table: &DeTable<'_>) -> Option<Credential> {
        for key in
            table.keys().filter(|key| !["name", "secret_file", "may"].contains(&key.get_ref().as_ref()))
        {
            self.line = line_of(self.text, key.span().start);
            let key = format!("credential.{:.64}", key.get_ref());
            self.fault(&key, "an unknown key", "one of name, secret_file, may");
        }
        let name = self.name(table);
        let secret = self.secret(base, table);
        let may = self.may(table);
        let ([write, read, act, history], name, secret) = (may?, name?, secret?);
        Some(Credential { name, secret, write, read, act, history })
    }

    fn name(&mut self, table: &DeTable<'_>) -> Option<String> {
        let name = self.word(table, "name", "a name")?;
        match check_name("name", &name) {
            Ok(()) => Some(name),
            Err(error) => {
                self.fault("credential.name", &error.to_string(), "letters, digits and _ - . / :");
                None
            }
        }
    }

    fn secret(&mut self, base: &Path, table: &DeTable<'_>) -> Option<[u8; 32]> {
        let path = self.word(table, "secret_file", "the path of a file that holds the secret")?;
        let wanted =
            format!("a readable file with a secret of {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes");
        match read_secret(&base.join(&path)) {
            Ok(digest) => Some(digest),
            Err(why) => {
                self.fault("credential.secret_file", &format!("{path:.200}: {why}"), &wanted);
                None
            }
        }
    }

    /// write, read, act, history
    fn may(&mut self, table: &DeTable<'_>) -> Option<[bool; 4]> {
        let wanted = "a list of \"write\", \"read\", \"act\", \"history\"";
        let Some(DeValue::Array(words)) = table.get("may").map(|value| value.get_ref()) else {
            self.fault("credential.may", "no list", wanted);
            return None;
        };
        let mut may = [false; 4];
        for word in words {
            let words = ["write", "read", "act", "history"];
            let known = words.iter().position(|known| word.get_ref().as_str() == Some(known));
            match known {
                Some(at) => may[at] = true,
                None => {
                    self.line = line_of(self.text, word.span().start);
                    self.fault("credential.may", &super::plain(word.get_ref()), wanted);
                }
            }
        }
        Some(may)
    }

    fn word(&mut self, table: &DeTable<'_>, key: &str, wanted: &str) -> Option<String> {
        let found = table.get(key).and_then(|value| value.get_ref().as_str());
        if found.is_none() {
            self.fault(&format!("credential.{key}"), "nothing", wanted);
        }
        found.map(str::to_owned)
    }

    fn fault(&mut self, key: &str, found: &str, wanted: &str) {
        let (file, key) = (self.file.to_owned(), key.to_owned());
        self.faults.push(Fault {
            file,
            line: self.line,
            key,
            found: found.to_owned(),
            wanted: wanted.to_owned(),
        });
    }
}

/// The digest of a secret in a file; white space around it is not part of it.
fn read_secret(path: &Path) -> Result<[u8; 32], String> {
    let length = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > MAX_SECRET_BYTES {
        return Err(format!("{length} bytes"));
    }
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    let secret = bytes.trim_ascii();
    if secret.len() < MIN_SECRET_BYTES {
        return Err(format!("{} bytes", secret.len()));
    }
    Ok(Sha256::digest(secret).into())
}
