//! Who may come in: asked by every door before it takes a reading.
//!
//! The program hands the doors a gate that knows its credentials; [`Open`] is for a city that has none and therefore
//! listens on loopback only.

/// Knows who may write.
pub trait Gate: Send + Sync + 'static {
    /// Whether the holder of this name and secret may send readings. Asked once per connection or stream, from async
    /// code: it must not block.
    ///
    /// # Errors
    /// [`Denied`]; the door tells the sender no more than that.
    fn write(&self, name: Option<&str>, secret: Option<&[u8]>) -> Result<(), Denied>;

    /// Whether the holder may also store readings of the past, however old they are.
    ///
    /// # Errors
    /// As [`Gate::write`]. A gate that does not say who may lets nobody.
    fn history(&self, name: Option<&str>, secret: Option<&[u8]>) -> Result<(), Denied> {
        self.write(name, secret)?;
        Err(Denied::NotHistory)
    }
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
    /// A good credential that is not for the past.
    #[error("this credential may not import history: use one with may = [\"write\", \"history\"]")]
    NotHistory,
}

/// Lets everybody in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Open;

impl Gate for Open {
    fn write(&self, _name: Option<&str>, _secret: Option<&[u8]>) -> Result<(), Denied> {
        Ok(())
    }

    fn history(&self, _name: Option<&str>, _secret: Option<&[u8]>) -> Result<(), Denied> {
        Ok(())
    }
}
