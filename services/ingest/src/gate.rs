//! Who may come in: asked by every door before it takes a reading.
//!
//! The program hands the doors a gate that knows its credentials; [`Open`] is for a city that has none and therefore
//! listens on loopback only.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Knows who may write.
pub trait Gate: Send + Sync + 'static {
    /// Whether the holder of this name and secret may send readings. Asked once per connection or stream, from async
    /// code: it must not block.
    ///
    /// # Errors
    /// [`Denied`]; the door tells the sender no more than that.
    fn write(&self, name: Option<&str>, secret: Option<&[u8]>) -> Result<(), Denied>;
}

/// Why somebody may not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No credential, or a name and secret that do not belong together.
    #[error("the name or the secret is not known: use a configured credential")]
    Unknown,
    /// A good credential that is not for writing.
    #[error("this credential may not write: use one with may = [\"write\"]")]
    NotAllowed,
}

/// Lets everybody in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Open;

impl Gate for Open {
    fn write(&self, _name: Option<&str>, _secret: Option<&[u8]>) -> Result<(), Denied> {
        Ok(())
    }
}

/// A name, if there is one, and a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name; bearers have none.
    pub name: Option<String>,
    /// The secret.
    pub secret: Vec<u8>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Credentials {
    /// From the value of an `authorization` header: `Basic` (base64 of `name:secret`, RFC 7617), `Bearer` (RFC 6750) or
    /// `Token`, in any case of letters. `None` for anything else.
    ///
    /// ```
    /// use yiwang_ingest::gate::Credentials;
    ///
    /// let found = Credentials::from_header("Basic Z2F0ZTpzZXNhbWU=").expect("well formed");
    /// assert_eq!((found.name.as_deref(), found.secret.as_slice()), (Some("gate"), b"sesame".as_slice()));
    /// ```
    #[must_use]
    pub fn from_header(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ')?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("basic") {
            let decoded = STANDARD.decode(rest).ok()?;
            let colon = decoded.iter().position(|byte| *byte == b':')?;
            let name = String::from_utf8(decoded[..colon].to_vec()).ok()?;
            return Some(Self { name: Some(name), secret: decoded[colon + 1..].to_vec() });
        }
        let bearer = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
        (bearer && !rest.is_empty()).then(|| Self { name: None, secret: rest.as_bytes().to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(header: &str) -> Option<(Option<String>, Vec<u8>)> {
        Credentials::from_header(header).map(|found| (found.name, found.secret))
    }

    #[test]
    fn all_three_schemes_are_read() {
        assert_eq!(found("bearer abc"), Some((None, b"abc".to_vec())));
        assert_eq!(found("Token  abc "), Some((None, b"abc".to_vec())));
        let basic = STANDARD.encode("g1:pass:word");
        assert_eq!(found(&format!("BASIC {basic}")), Some((Some("g1".into()), b"pass:word".to_vec())));
    }

    #[test]
    fn anything_else_is_no_credential() {
        let no_colon = format!("Basic {}", STANDARD.encode("nocolon"));
        for header in ["", "Bearer", "Bearer ", "Digest abc", "Basic !!!", no_colon.as_str()] {
            assert_eq!(found(header), None, "{header:?}");
        }
    }

    #[test]
    fn a_secret_is_never_shown() {
        let shown = format!("{:?}", Credentials { name: Some("g1".into()), secret: b"sesame".to_vec() });
        assert!(shown.contains("g1") && !shown.contains("115") && !shown.contains("sesame"), "{shown}");
    }
}
