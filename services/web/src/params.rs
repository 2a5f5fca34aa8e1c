//! Query parameters, checked one by one: what is not known is refused, what is known is bounded.
//!
//! An empty value says nothing, so that an HTML form with empty fields works as an address.

use std::ops::RangeInclusive;
use std::str::FromStr;

use axum::extract::Query;
use axum::http::Uri;
use yiwang_model::Timestamp;

use crate::error::{Error, excerpt};
use crate::lang::Lang;

/// The longest query, in bytes.
const MAX_QUERY_BYTES: usize = 4096;
/// The most parameters of a query.
const MAX_PARAMETERS: usize = 32;

/// The parameters of a request.
#[derive(Debug)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// The parameters of an address, each of which must be among `known`.
    pub(crate) fn read(uri: &Uri, known: &[&'static str]) -> Result<Self, Error> {
        let too_much = || Error::Query { bytes: MAX_QUERY_BYTES, parameters: MAX_PARAMETERS };
        if uri.query().is_some_and(|query| query.len() > MAX_QUERY_BYTES) {
            return Err(too_much());
        }
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(|_| too_much())?;
        if pairs.len() > MAX_PARAMETERS {
            return Err(too_much());
        }
        match pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => Err(Error::UnknownParameter { name: excerpt(name), known: known.to_vec() }),
            None => Ok(Self(pairs)),
        }
    }

    /// The parameters of a page: `known`, and the language.
    pub(crate) fn of_page(uri: &Uri, known: &[&'static str]) -> Result<Self, Error> {
        let params = Self::read(uri, &[known, &["lang"]].concat())?;
        params.word::<Lang>("lang")?;
        Ok(params)
    }

    /// A text of at most `most_chars` characters.
    pub(crate) fn text(&self, name: &'static str, most_chars: usize) -> Result<Option<&str>, Error> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        if text.chars().nth(most_chars).is_some() || text.chars().any(char::is_control) {
            return Err(wrong(name, text, format!("at most {most_chars} characters on one line")));
        }
        Ok(Some(text))
    }

    /// A whole number within bounds.
    pub(crate) fn number(
        &self,
        name: &'static str,
        bounds: RangeInclusive<u32>,
    ) -> Result<Option<u32>, Error> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        let number = text.parse().ok().filter(|number| bounds.contains(number));
        let wanted = || format!("a whole number from {} to {}", bounds.start(), bounds.end());
        number.map(Some).ok_or_else(|| wrong(name, text, wanted()))
    }

    /// Yes or no.
    pub(crate) fn flag(&self, name: &'static str) -> Result<Option<bool>, Error> {
        match self.one(name)? {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(text) => Err(wrong(name, text, "true or false".into())),
        }
    }

    /// A time in RFC 3339. A `+` that arrived as a space, because nobody escaped it, is taken for what it was.
    pub(crate) fn time(&self, name: &'static str) -> Result<Option<Timestamp>, Error> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        let wanted = || "a time as 2026-03-02T10:15:00+08:00".to_owned();
        text.replace(' ', "+").parse().map(Some).map_err(|_| wrong(name, text, wanted()))
    }

    /// One of the words of a type.
    pub(crate) fn word<T: FromStr<Err = yiwang_model::Error>>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, Error> {
        self.one(name)?.map(|text| parse(name, text)).transpose()
    }

    /// Several words, repeated or with commas between them; at most 16.
    pub(crate) fn words<T: FromStr<Err = yiwang_model::Error>>(
        &self,
        name: &'static str,
    ) -> Result<Vec<T>, Error> {
        let values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let parts = values.flat_map(|value| value.split(',')).map(str::trim).filter(|part| !part.is_empty());
        parts.take(16).map(|part| parse(name, part)).collect()
    }

    /// The one value of a parameter, if it says something.
    fn one(&self, name: &'static str) -> Result<Option<&str>, Error> {
        let mut values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let first = values.next().filter(|value| !value.is_empty());
        match values.next() {
            None => Ok(first),
            Some(second) => Err(wrong(name, second, "one value, not several".into())),
        }
    }
}

fn parse<T: FromStr<Err = yiwang_model::Error>>(name: &'static str, text: &str) -> Result<T, Error> {
    text.parse().map_err(|error| match error {
        yiwang_model::Error::Word { known, .. } => wrong(name, text, format!("one of {known}")),
        other => wrong(name, text, format!("something else ({other})")),
    })
}

/// A parameter that cannot have this value.
pub(crate) fn wrong(name: &'static str, found: &str, wanted: String) -> Error {
    Error::Parameter { name, found: excerpt(found), wanted }
}
