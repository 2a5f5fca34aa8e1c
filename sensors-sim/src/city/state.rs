//! What a city remembers over a restart: when it first began. One line, RFC 3339, written beside and renamed.

use std::path::Path;

use anyhow::Context;
use yiwang_model::Timestamp;

/// When the city first began: what the file says, or `now`, which is then written to it.
pub(super) fn began(path: Option<&Path>, now: Timestamp) -> anyhow::Result<Timestamp> {
    let Some(path) = path else { return Ok(now) };
    let shown = || format!("state file {}", path.display());
    match std::fs::read_to_string(path) {
        Ok(text) => text.trim().parse().with_context(shown),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let beside = path.with_extension("new");
            std::fs::write(&beside, format!("{now}\n")).with_context(shown)?;
            std::fs::rename(&beside, path).with_context(shown)?;
            Ok(now)
        }
        Err(error) => Err(error).with_context(shown),
    }
}
