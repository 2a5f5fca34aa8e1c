//! Page tokens: where a page ended.
//!
//! 34 lower-case hexadecimal digits: the version `01`, then as 8 big-endian bytes each the nanoseconds of
//! receipt and the order's place in the store.

use yiwang_model::Timestamp;

use crate::{Error, excerpt};

const VERSION: &str = "01";
const DIGITS: usize = 34;

/// The last order of a page, in the order in which pages run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// When it was received.
    pub(crate) received: Timestamp,
    /// Its place in the store, from 1.
    pub(crate) seq: i64,
}

impl Token {
    /// The token as a page gives it.
    pub(crate) fn text(self) -> String {
        format!("{VERSION}{:016x}{:016x}", self.received.nanos(), self.seq)
    }

    /// Reads what [`Token::text`] gives and nothing else.
    pub(crate) fn read(text: &str) -> Result<Self, Error> {
        Self::parse(text).ok_or_else(|| Error::Token(excerpt(text)))
    }

    fn parse(text: &str) -> Option<Self> {
        let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let rest = text.strip_prefix(VERSION)?;
        if text.len() != DIGITS || !rest.bytes().all(lower) {
            return None;
        }
        let (received, seq) = rest.split_at_checked(16)?;
        let number = |hex| u64::from_str_radix(hex, 16).ok().map(u64::cast_signed);
        let token = Self { received: Timestamp(number(received)?), seq: number(seq)? };
        (token.seq > 0).then_some(token)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_token_is_read_as_it_was_given(nanos: i64, seq in 1..=i64::MAX) {
            let token = Token { received: Timestamp(nanos), seq };
            prop_assert_eq!(Token::parse(&token.text()), Some(token));
        }

        #[test]
        fn whatever_is_read_is_what_would_be_given(text in "(01)?[0-9a-fA-F+ -]{30,34}|.{0,40}") {
            if let Some(token) = Token::parse(&text) {
                prop_assert_eq!(token.text(), text);
            }
        }
    }

    #[test]
    fn a_long_text_is_cut_in_the_error() {
        let error = Token::read(&"é".repeat(1_000_000)).expect_err("not a token");
        assert!(error.to_string().len() < 256, "{error}");
    }
}
