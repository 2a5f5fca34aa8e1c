//! Alerts that other systems make: which alert, and which of its occurrences.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::{AnomalyId, Series, Timestamp};

/// Names an alert: the first 16 bytes of the SHA-256 of its sender, zero byte, fingerprint. So no sender can speak of
/// another's alerts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertKey(pub [u8; 16]);

/// What stands for detector and metric in the name of an occurrence.
const ALERT: &str = "alert";

impl AlertKey {
    /// The name of the alert that this sender knows by this fingerprint.
    #[must_use]
    pub fn of(sender: &str, fingerprint: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(sender.as_bytes());
        hash.update([0]);
        hash.update(fingerprint.as_bytes());
        let mut key = [0; 16];
        key.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
        Self(key)
    }

    /// The name of its occurrence that began at `begin`, as an episode's: whoever reports it, however often, finds the
    /// same.
    #[must_use]
    pub fn occurrence(self, begin: Timestamp) -> AnomalyId {
        let series = Series::new(self.to_string(), ALERT).expect("hexadecimal digits are a good name");
        AnomalyId::of(ALERT, &series, begin)
    }
}

impl fmt::Display for AlertKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for AlertKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_an_alert_and_its_occurrence_never_change() {
        let key = AlertKey::of("alertmanager", "9ab3f1c0d2e4a5b6");
        assert_ne!(
            key,
            AlertKey::of("alertmanage", "r9ab3f1c0d2e4a5b6"),
            "sender and fingerprint stay apart"
        );
        assert_ne!(key.occurrence(Timestamp(1)), key.occurrence(Timestamp(2)));
        assert_eq!(key.to_string(), "568932d7fa5ecf989e72b17976ccd617");
        assert_eq!(
            key.occurrence(Timestamp::from_secs(1_772_416_800)).to_string(),
            "cf0a180e482635190201b1ec005d77ca"
        );
    }
}
