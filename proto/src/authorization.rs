//! The header `authorization`, as every door reads it: `Basic` (base64 of `name:secret`, RFC 7617), `Bearer` (RFC 6750)
//! or `Token`, in any case of letters.
//!
//! Here a header becomes a name and a secret, no more. Whether they are known is for a gate to say, which compares in
//! constant time.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The longest header that is read, in bytes. A longer one is no credential.
pub const MAX_BYTES: usize = 4096;

/// Who came in, by the name of a credential; it stands in the histories of orders and beside what was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who(pub String);

/// A credential as it was presented. Its secret is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Presented {
    /// The name; bearers have none.
    pub name: Option<String>,
    /// The secret; never empty in a bearer's.
    pub secret: Vec<u8>,
}

impl std::fmt::Debug for Presented {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Presented").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Presented {
    /// From the value of the header. `None` for anything but the three schemes.
    ///
    /// ```
    /// use yiwang_proto::authorization::Presented;
    ///
    /// let found = Presented::from_header("Basic Z2F0ZTpzZXNhbWU=").expect("well formed");
    /// assert_eq!((found.name.as_deref(), found.secret.as_slice()), (Some("gate"), b"sesame".as_slice()));
    /// ```
    #[must_use]
    pub fn from_header(header: &str) -> Option<Self> {
        if header.len() > MAX_BYTES {
            return None;
        }
        let (scheme, rest) = header.trim().split_once(' ')?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("basic") {
            return Self::from_basic(rest);
        }
        let bearer = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
        bearer.then(|| Self { name: None, secret: rest.as_bytes().to_vec() })
    }

    fn from_basic(encoded: &str) -> Option<Self> {
        let decoded = STANDARD.decode(encoded).ok()?;
        let colon = decoded.iter().position(|byte| *byte == b':')?;
        let name = std::str::from_utf8(&decoded[..colon]).ok()?.to_owned();
        Some(Self { name: Some(name), secret: decoded[colon + 1..].to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(header: &str) -> Option<(Option<String>, Vec<u8>)> {
        Presented::from_header(header).map(|found| (found.name, found.secret))
    }

    #[test]
    fn all_three_schemes_are_read() {
        for header in ["Bearer abc", "bearer abc", "Token  abc ", "TOKEN abc"] {
            assert_eq!(found(header), Some((None, b"abc".to_vec())), "{header:?}");
        }
        let basic = STANDARD.encode("g1:pass:word");
        assert_eq!(found(&format!("BASIC {basic}")), Some((Some("g1".into()), b"pass:word".to_vec())));
    }

    #[test]
    fn anything_else_is_no_credential() {
        let no_colon = format!("Basic {}", STANDARD.encode("nocolon"));
        let no_text = format!("Basic {}", STANDARD.encode(b"\xff\xfe:secret"));
        let others =
            ["", "Basic", "Basic !!!", &no_colon, &no_text, "Bearer", "Bearer ", "Token   ", "Digest abc"];
        for header in others {
            assert_eq!(found(header), None, "{header:?}");
        }
    }

    #[test]
    fn a_header_that_is_too_long_is_not_read() {
        let of = |bytes: usize| format!("Bearer {}", "s".repeat(bytes - "Bearer ".len()));
        assert!(found(&of(MAX_BYTES)).is_some());
        assert_eq!(found(&of(MAX_BYTES + 1)), None);
    }

    #[test]
    fn a_secret_is_never_shown() {
        let shown = format!("{:?}", Presented { name: Some("g1".into()), secret: b"sesame".to_vec() });
        assert!(shown.contains("g1") && !shown.contains("115") && !shown.contains("sesame"), "{shown}");
    }

    proptest! {
        #[test]
        fn a_basic_credential_comes_back(name in "[^:]{0,40}", secret in prop::collection::vec(any::<u8>(), 0..60)) {
            let pair = [name.as_bytes(), b":", &secret].concat();
            prop_assert_eq!(found(&format!("Basic {}", STANDARD.encode(pair))), Some((Some(name), secret)));
        }

        #[test]
        fn no_header_is_too_strange_to_be_refused(scheme in "(?i)basic|bearer|token|.{0,8}", rest in "\\PC{0,80}") {
            let _ = found(&format!("{scheme} {rest}"));
        }
    }
}
