//! Which store, and how to come to it.

use std::fmt;
use std::time::Duration;

pub use reqwest::Url;

/// A store elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// What it is called here: in health, metrics and the log's cursor.
    pub name: String,
    /// Where it is, as [`url`] gives it.
    pub url: Url,
    /// Where in it the points go.
    pub place: Place,
    /// What proves that we may write.
    pub token: Option<Token>,
    /// Whether bodies are compressed.
    pub gzip: bool,
    /// How long it may keep in memory only what it said yes to: so much is written again after a break. Zero for a store
    /// that answers when it is on disk.
    pub settle: Duration,
    /// How long to wait for it.
    pub patience: Patience,
}

/// Where in a store the points go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A bucket, written at `/api/v2/write`.
    Bucket {
        /// The organisation that it belongs to.
        org: String,
        /// Its name.
        bucket: String,
    },
    /// A database, written at `/write`.
    Database {
        /// Its name.
        database: String,
    },
}

/// How long to wait for a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For a whole answer, the connection included.
    pub answer: Duration,
    /// Before the second try; then twice as long each time.
    pub first_pause: Duration,
    /// Between tries at most; a store that asks for more gets up to ten times as much.
    pub longest_pause: Duration,
    /// For an answer once the city is closing.
    pub last: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(30),
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
            last: Duration::from_secs(1),
        }
    }
}

/// A secret, which does not show itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// The longest token, in bytes.
const MAX_TOKEN_BYTES: usize = 4096;

impl Token {
    /// A token of visible ASCII, which a header can carry; white space around it is not part of it.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let fits = !text.is_empty() && text.len() <= MAX_TOKEN_BYTES;
        (fits && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| Self(text.to_owned()))
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The address of a store, or why it cannot be one. A path is for databases only: where buckets are written is fixed.
///
/// # Errors
/// What was found and what would be right.
pub fn url(text: &str, place: &Place) -> Result<Url, String> {
    let url =
        Url::parse(text).map_err(|error| format!("is no address ({error}); http://HOST:PORT is wanted"))?;
    let has_path = !matches!(url.path(), "" | "/");
    let why = if url.scheme() == "https" {
        "asks for TLS, which is not spoken to stores yet; name an http:// address, as of a proxy beside the city"
    } else if url.scheme() != "http" || url.host_str().is_none_or(str::is_empty) {
        "is not of the form http://HOST:PORT"
    } else if !url.username().is_empty() || url.password().is_some() {
        "has a user in it; put user:password into token_file"
    } else if url.query().is_some() || url.fragment().is_some() {
        "has something behind the path; org, bucket and database are keys of their own"
    } else if has_path && matches!(place, Place::Bucket { .. }) {
        "has a path, and where buckets are written is fixed; leave it out, or name a database instead"
    } else {
        return Ok(url);
    };
    Err(why.to_owned())
}
