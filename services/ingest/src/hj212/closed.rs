//! Why a connection of the HJ 212 door ended; each is counted.

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The logger closed it, or the network did.
    Lost,
    /// No packet came in time.
    NoPacket,
    /// A logger that had sent was silent for too long.
    Silent,
    /// The logger does not read its answers.
    Slow,
    /// The first packet has an MN that is not in the catalogue.
    UnknownMn,
    /// A packet has the wrong password.
    Denied,
    /// A later packet has another MN.
    OtherMn,
    /// Too much that is no packet.
    Junk,
    /// The same logger connected again.
    TakenOver,
    /// The city is stopping.
    Stopping,
    /// There were too many connections.
    TooMany,
}

impl Closed {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 11] = [
        Self::Lost,
        Self::NoPacket,
        Self::Silent,
        Self::Slow,
        Self::UnknownMn,
        Self::Denied,
        Self::OtherMn,
        Self::Junk,
        Self::TakenOver,
        Self::Stopping,
        Self::TooMany,
    ];

    /// Its name in metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::NoPacket => "no_packet",
            Self::Silent => "silent",
            Self::Slow => "slow",
            Self::UnknownMn => "unknown_mn",
            Self::Denied => "denied",
            Self::OtherMn => "other_mn",
            Self::Junk => "junk",
            Self::TakenOver => "taken_over",
            Self::Stopping => "stopping",
            Self::TooMany => "too_many",
        }
    }
}
