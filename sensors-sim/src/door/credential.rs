//! Who the sender is.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The most bytes of a secret file that are read.
const MAX_SECRET_BYTES: u64 = 4096;

/// A name and its secret. Never shown with the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    name: String,
    secret: String,
}

impl Credential {
    /// A name and its secret.
    #[must_use]
    pub fn new(name: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { name: name.into(), secret: secret.into() }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The secret.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// The value of the metadata `authorization`: Basic, of name and secret.
    #[must_use]
    pub fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.name, self.secret)))
    }
}

impl FromStr for Credential {
    type Err = anyhow::Error;

    /// Reads `NAME:SECRET_FILE`; white space around the secret in the file does not count.
    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (name, file) = text.split_once(':').context("NAME:SECRET_FILE is wanted")?;
        let secret = read_secret(Path::new(file)).with_context(|| format!("secret file {file}"))?;
        Ok(Self::new(name, secret))
    }
}

fn read_secret(path: &Path) -> anyhow::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_SECRET_BYTES).read_to_string(&mut text)?;
    let secret = text.trim();
    if secret.is_empty() {
        bail!("is empty");
    }
    Ok(secret.to_owned())
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:***", self.name)
    }
}
