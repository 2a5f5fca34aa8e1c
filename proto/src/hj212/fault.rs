//! Why a packet is refused.

use super::Leniency;

/// Why a packet, or what stands in its place, cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Bytes outside of any packet.
    #[error("{bytes} bytes that belong to no packet")]
    Junk {
        /// How many, as far as they were seen at once.
        bytes: usize,
    },
    /// `##` without four digits behind it.
    #[error("## without the four digits of a length")]
    NoLength,
    /// The length is above [`super::MAX_LENIENT_SEGMENT_BYTES`].
    #[error("a data segment of {declared} bytes; at most 4096 are read")]
    TooLong {
        /// The length that is said.
        declared: usize,
    },
    /// Another packet, or the end of the line, within the length that is said; or no `&&` and four hex digits at its end.
    #[error("the data segment is not as long as it says, which is {declared} bytes")]
    BadLength {
        /// The length that is said.
        declared: usize,
    },
    /// The sum is not that of the data segment.
    #[error("the CRC is {calculated:04X}, not {printed:04X}")]
    BadCrc {
        /// The sum behind the packet.
        printed: u16,
        /// The sum of the data segment.
        calculated: u16,
    },
    /// There is no data area `CP=&&…&&` at the end.
    #[error("the data segment does not end with CP=&&…&&")]
    NoContent,
    /// A field that must be there is not.
    #[error("field {0} is missing")]
    MissingField(&'static str),
    /// A field has a value that it cannot have.
    #[error("field {field} cannot be \"{found}\"")]
    BadField {
        /// The field.
        field: &'static str,
        /// The beginning of what stands there.
        found: String,
    },
    /// A field or a value of a factor stands twice.
    #[error("\"{0}\" stands twice")]
    Twice(String),
    /// Something in the data area is no `name=value`.
    #[error("\"{0}\" in the data area is no name=value")]
    BadItem(String),
    /// More factors than a packet may have.
    #[error("more than 256 factors in one packet")]
    TooManyFactors,
    /// A habit that is not allowed to this sender.
    #[error("this sender is held to the standard, and the packet shows \"{}\"", .0.word())]
    Strict(Leniency),
}

impl Fault {
    /// The names of all kinds, in the order of their counters.
    pub const WORDS: [&str; 12] = [
        "junk",
        "no_length",
        "too_long",
        "bad_length",
        "bad_crc",
        "no_content",
        "missing_field",
        "bad_field",
        "twice",
        "bad_item",
        "too_many_factors",
        "strict",
    ];

    /// The place of its kind in [`Fault::WORDS`].
    #[must_use]
    pub const fn number(&self) -> usize {
        match self {
            Self::Junk { .. } => 0,
            Self::NoLength => 1,
            Self::TooLong { .. } => 2,
            Self::BadLength { .. } => 3,
            Self::BadCrc { .. } => 4,
            Self::NoContent => 5,
            Self::MissingField(_) => 6,
            Self::BadField { .. } => 7,
            Self::Twice(_) => 8,
            Self::BadItem(_) => 9,
            Self::TooManyFactors => 10,
            Self::Strict(_) => 11,
        }
    }

    /// The name of its kind.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        Self::WORDS[self.number()]
    }
}

/// The beginning of a text from outside, fit for a message.
pub(super) fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}
