//! The passwords of loggers, which HJ 212 sends in each packet.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha256};

/// What a file of passwords is to be.
pub(super) const WANTED: &str =
    "a file of at most 16 MiB with a line \"MN PASSWORD\" for each logger, each MN once; # begins a comment";
/// The largest file, in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// SHA-256 of each logger's password, by MN.
#[derive(Clone, PartialEq, Eq)]
pub struct LoggerPasswords(BTreeMap<String, [u8; 32]>);

impl LoggerPasswords {
    /// Reads a file.
    ///
    /// # Errors
    /// The line, 0 for the file as a whole, and what was found there; a password is not repeated.
    pub(super) fn read(path: &Path) -> Result<Self, (usize, String)> {
        let whole = |error: std::io::Error| (0, error.to_string());
        let length = std::fs::metadata(path).map_err(whole)?.len();
        if length > MAX_BYTES {
            return Err((0, format!("{length} bytes")));
        }
        Self::parse(&std::fs::read_to_string(path).map_err(whole)?)
    }

    fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut passwords = BTreeMap::new();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.split('#').next().unwrap_or_default();
            let words: Vec<&str> = text.split_whitespace().collect();
            match words[..] {
                [] => {}
                [mn, pw] => {
                    if passwords.insert(mn.to_owned(), Sha256::digest(pw).into()).is_some() {
                        return Err((line, format!("{mn:.64?} again")));
                    }
                }
                _ => return Err((line, format!("{} words", words.len()))),
            }
        }
        Ok(Self(passwords))
    }
}

impl std::fmt::Debug for LoggerPasswords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the passwords of {} loggers", self.0.len())
    }
}

impl yiwang_ingest::hj212::Passwords for LoggerPasswords {
    fn allows(&self, mn: &str, pw: &str) -> bool {
        self.0.get(mn).is_some_and(|known| *known == Sha256::digest(pw)[..])
    }
}

#[cfg(test)]
mod tests {
    use yiwang_ingest::hj212::Passwords as _;

    use super::*;

    #[test]
    fn each_logger_has_its_own_and_faults_name_their_line() {
        let passwords = LoggerPasswords::parse("# all\nM1 123456 # north\n\nM2\t654321\n").unwrap();
        assert!(passwords.allows("M1", "123456") && passwords.allows("M2", "654321"));
        assert!(
            !passwords.allows("M1", "654321")
                && !passwords.allows("M3", "123456")
                && !passwords.allows("M1", "")
        );
        for (text, line) in [("M1 1\nM1 2", 2), ("M1", 1), ("M1 1 2", 1)] {
            let (found, told) = LoggerPasswords::parse(text).unwrap_err();
            assert_eq!(found, line);
            assert!(!told.contains('2') || text == "M1 1 2", "{told}");
        }
        assert!(!format!("{passwords:?}").contains("123456"));
    }
}
