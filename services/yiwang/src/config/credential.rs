//! Credentials: who may write readings, read, act on orders, manage what is judged.

use std::path::Path;

use sha2::{Digest, Sha256};
use toml::de::DeValue;
use yiwang_catalogue::Fault;

use super::entry::{Entry, Kind, Source, read_entries, read_small};

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
    /// May register sources and calibrations, and send commands to loggers.
    pub manage: bool,
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
        let may = MAY.iter().zip([self.write, self.read, self.act, self.history, self.manage]);
        let may: Vec<_> = may.filter(|(_, may)| *may).map(|(word, _)| format!("\"{word}\"")).collect();
        format!(
            "[[credential]]\nname = {:?}\nsecret_file = \"***\"\nmay = [{}]\n\n",
            self.name,
            may.join(", ")
        )
    }
}

const KIND: Kind = Kind {
    name: "credential",
    keys: &["name", "secret_file", "may"],
    wanted: "name, secret_file, may",
    most: None,
};
const MAY: [&str; 5] = ["write", "read", "act", "history", "manage"];

/// Reads `[[credential]]` entries; what is wrong is told, what is right is given. `secret_file` is relative to the
/// folder of the configuration file.
pub(super) fn read_credentials(
    source: Source<'_>,
    value: &DeValue<'_>,
    faults: &mut Vec<Fault>,
) -> Vec<Credential> {
    read_entries(&KIND, source, value, faults, |entry| {
        let name = entry.name();
        let secret = secret(entry);
        let may = may(entry);
        let ([write, read, act, history, manage], name, secret) = (may?, name?, secret?);
        Some(Credential { name, secret, write, read, act, history, manage })
    })
}

fn secret(entry: &mut Entry<'_>) -> Option<[u8; 32]> {
    let wanted = format!("a readable file with a secret of {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes");
    let secret = entry.file("secret_file", &wanted, read_secret)?;
    if secret.is_none() {
        entry.fault("secret_file", "nothing", &wanted);
    }
    secret
}

/// In the order of [`MAY`].
fn may(entry: &mut Entry<'_>) -> Option<[bool; MAY.len()]> {
    let wanted = "a list of \"write\", \"read\", \"act\", \"history\", \"manage\"";
    if entry.value("may").is_none() {
        entry.fault("may", "no list", wanted);
        return None;
    }
    let mut may = [false; MAY.len()];
    for (at, word) in entry.list("may", wanted)? {
        match MAY.iter().position(|known| *known == word) {
            Some(known) => may[known] = true,
            None => entry.wrong_at(at, "may", &word, wanted)?,
        }
    }
    Some(may)
}

/// The digest of a secret in a file; white space around it is not part of it.
fn read_secret(path: &Path) -> Result<[u8; 32], String> {
    let bytes = read_small(path, MAX_SECRET_BYTES)?;
    let secret = bytes.trim_ascii();
    if secret.len() < MIN_SECRET_BYTES {
        return Err(format!("{} bytes", secret.len()));
    }
    Ok(Sha256::digest(secret).into())
}
