//! Regular expressions of the language.

/// How many bytes a compiled pattern may take.
const MOST_BYTES: usize = 1 << 20;

/// A regular expression, compiled: RE2's syntax, as InfluxDB's, in time linear in the text that it looks at.
#[derive(Clone, Debug)]
pub struct Pattern(regex::Regex);

/// Why a pattern cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("error parsing regexp: {0}")]
pub struct BadPattern(String);

impl Pattern {
    /// Compiles a pattern, written as between the slashes but with `/` for `\/`.
    ///
    /// # Errors
    /// [`BadPattern`] for what is no pattern, and for one that would take more than 1 MiB compiled.
    pub fn new(text: &str) -> Result<Self, BadPattern> {
        let built = regex::RegexBuilder::new(text).size_limit(MOST_BYTES).nest_limit(100).build();
        built
            .map(Self)
            .map_err(|why| BadPattern(why.to_string().lines().last().unwrap_or_default().to_owned()))
    }

    /// Whether it is found somewhere in this text.
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// As it was written, with `/` for `\/`.
    pub fn text(&self) -> &str {
        self.0.as_str()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}
