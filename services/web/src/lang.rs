//! The two languages of the console, and which one a visitor reads.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};
use yiwang_model::order::Text;

/// A language of the console.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lang {
    /// 中文
    #[default]
    Zh,
    /// English
    En,
}

impl Lang {
    /// As in addresses and cookies.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Zh => "zh",
            Self::En => "en",
        }
    }

    /// As in `lang` attributes of pages, so that Chinese letters are set in the forms of the mainland.
    pub(crate) const fn tag(self) -> &'static str {
        self.pick("zh-CN", "en")
    }

    /// What it calls itself.
    pub(crate) const fn name(self) -> &'static str {
        self.pick("中文", "English")
    }

    /// The other one.
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Zh => Self::En,
            Self::En => Self::Zh,
        }
    }

    /// The side of a text that this visitor reads.
    pub(crate) fn of(self, text: &Text) -> &str {
        match self {
            Self::Zh => &text.zh,
            Self::En => &text.en,
        }
    }

    /// One of two words.
    pub(crate) const fn pick<'a>(self, zh: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }

    /// By `?lang=`, then the cookie, then `Accept-Language`, then Chinese.
    pub(crate) fn choose(uri: &Uri, headers: &HeaderMap) -> Self {
        asked(uri).or_else(|| by_cookie(headers)).or_else(|| accepted(headers)).unwrap_or_default()
    }

    fn read(word: &str) -> Option<Self> {
        [Self::Zh, Self::En].into_iter().find(|lang| lang.word() == word)
    }
}

impl std::str::FromStr for Lang {
    type Err = yiwang_model::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = || crate::error::excerpt(text);
        Self::read(text).ok_or_else(|| Self::Err::Word { what: "language", found: found(), known: "zh, en" })
    }
}

/// The language that an address asks for.
pub(crate) fn asked(uri: &Uri) -> Option<Lang> {
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix("lang=")).and_then(Lang::read)
}

fn by_cookie(headers: &HeaderMap) -> Option<Lang> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix("lang="))
        .and_then(Lang::read)
}

/// The first language of `Accept-Language` that we speak; browsers list the one they want most first.
fn accepted(headers: &HeaderMap) -> Option<Lang> {
    let wanted = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
    wanted.split(',').take(32).find_map(|part| Lang::read(part.trim().split(['-', ';']).next()?))
}

impl<S: Sync> FromRequestParts<S> for Lang {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::choose(&parts.uri, &parts.headers))
    }
}
