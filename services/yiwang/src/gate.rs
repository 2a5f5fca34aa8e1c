//! The gate at all doors: configured credentials, or, without any, everybody on this machine.

use yiwang_proto::authorization::Presented;
use yiwang_web::{Denied, May, Who};

use crate::config::Credential;

/// Knows the configured credentials. Without any, everybody may do everything: the doors then listen on loopback only.
#[derive(Clone, Debug)]
pub struct Gate(Vec<Credential>);

impl Gate {
    /// A gate with these credentials.
    pub fn new(credentials: Vec<Credential>) -> Self {
        Self(credentials)
    }

    /// The credential with this secret, and with this name if one is given. All are compared, so that the time taken tells
    /// nothing of which.
    fn find(&self, name: Option<&str>, secret: &[u8]) -> Option<&Credential> {
        self.0.iter().fold(None, |found, credential| {
            let named = name.is_none_or(|name| name == credential.name);
            if credential.is(secret) & named { Some(credential) } else { found }
        })
    }
}

impl yiwang_web::Gate for Gate {
    fn allows(&self, presented: Option<&Presented>, act: May) -> Result<Who, Denied> {
        if self.0.is_empty() {
            return Ok(Who("local".into()));
        }
        let presented = presented.ok_or(Denied::Unknown)?;
        let found = self.find(presented.name.as_deref(), &presented.secret).ok_or(Denied::Unknown)?;
        let who = Who(found.name.clone());
        let may = match act {
            May::Read => found.read,
            May::Write => found.write,
            May::Act => found.act,
            May::Manage => found.manage,
        };
        if may { Ok(who) } else { Err(Denied::NotThis(who)) }
    }

    fn is_open(&self) -> bool {
        self.0.is_empty()
    }
}

impl yiwang_ingest::gate::Gate for Gate {
    fn write(&self, name: Option<&str>, secret: Option<&[u8]>) -> Result<(), yiwang_ingest::gate::Denied> {
        use yiwang_ingest::gate::Denied;
        if self.0.is_empty() {
            return Ok(());
        }
        let found = secret.and_then(|secret| self.find(name, secret)).ok_or(Denied::Unknown)?;
        if found.write { Ok(()) } else { Err(Denied::NotAllowed) }
    }

    fn history(&self, name: Option<&str>, secret: Option<&[u8]>) -> Result<(), yiwang_ingest::gate::Denied> {
        use yiwang_ingest::gate::Denied;
        yiwang_ingest::gate::Gate::write(self, name, secret)?;
        let found = secret.and_then(|secret| self.find(name, secret));
        let may = self.0.is_empty() || found.is_some_and(|found| found.history);
        if may { Ok(()) } else { Err(Denied::NotHistory) }
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};
    use yiwang_web::Gate as _;

    use super::*;

    fn credential(name: &str, secret: &str, [write, read, act, manage]: [bool; 4]) -> Credential {
        Credential {
            name: name.into(),
            secret: Sha256::digest(secret).into(),
            write,
            read,
            act,
            history: false,
            manage,
        }
    }

    fn presented(name: Option<&str>, secret: &str) -> Presented {
        Presented { name: name.map(str::to_owned), secret: secret.into() }
    }

    #[test]
    fn each_may_do_what_its_credential_says_and_no_more() {
        let gate = Gate::new(vec![
            credential("gateway", "aaaaaaaaaaaa", [true, false, false, false]),
            credential("office", "cccccccccccc", [false, false, false, true]),
            credential("desk", "bbbbbbbbbbbb", [false, true, true, false]),
        ]);
        let desk = Who("desk".into());
        assert_eq!(gate.allows(Some(&presented(None, "bbbbbbbbbbbb")), May::Act), Ok(desk.clone()));
        assert_eq!(
            gate.allows(Some(&presented(Some("desk"), "bbbbbbbbbbbb")), May::Write),
            Err(Denied::NotThis(desk))
        );
        assert_eq!(
            gate.allows(Some(&presented(Some("gateway"), "bbbbbbbbbbbb")), May::Read),
            Err(Denied::Unknown)
        );
        for (secret, allowed) in [("bbbbbbbbbbbb", false), ("cccccccccccc", true)] {
            assert_eq!(gate.allows(Some(&presented(None, secret)), May::Manage).is_ok(), allowed);
            assert_eq!(gate.allows(Some(&presented(None, secret)), May::Act).is_ok(), !allowed);
        }
        assert_eq!(gate.allows(None, May::Read), Err(Denied::Unknown));
        assert!(yiwang_ingest::gate::Gate::write(&gate, None, Some(b"aaaaaaaaaaaa")).is_ok());
        assert!(yiwang_ingest::gate::Gate::write(&gate, None, Some(b"bbbbbbbbbbbb")).is_err());
        assert!(yiwang_ingest::gate::Gate::write(&gate, Some("gateway"), None).is_err());
    }
}
