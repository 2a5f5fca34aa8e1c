//! What devices in the field do otherwise than the standard says, and is understood all the same.

/// One such habit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Leniency {
    /// The sum is CRC-16/Modbus.
    ModbusCrc,
    /// The sum is CRC-16/Modbus, low byte first.
    ModbusCrcSwapped,
    /// The sum is the standard's, low byte first.
    SwappedCrc,
    /// The sum is written in small letters.
    LowerCaseCrc,
    /// The data segment is longer than 1,024 bytes.
    Oversize,
    /// The packet before this one did not end with CR LF.
    NoLineEnd,
    /// The packet is not UTF-8.
    NotUtf8,
    /// Blanks around fields or values.
    Blanks,
    /// There is no QN.
    MissingQn,
    /// QN is not 17 digits.
    OddQn,
    /// There is no Flag.
    MissingFlag,
    /// There is no PW.
    MissingPassword,
    /// MN is not 24 hex digits.
    OddMn,
    /// The edition in Flag is newer than 2025.
    NewerEdition,
    /// Flag says parts and there is no PNUM and PNO, or the other way round.
    PartBit,
    /// The fields do not stand in the standard's order.
    FieldOrder,
    /// A field that the standard does not know.
    UnknownField,
    /// An item without content, as after a semicolon too many.
    EmptyItem,
    /// A comma in place of a semicolon: values of several factors in one item.
    MixedItem,
    /// A semicolon in place of a comma: values of one factor in several items.
    TornItem,
    /// DataTime with milliseconds.
    MillisDataTime,
}

impl Leniency {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 21] = [
        Self::ModbusCrc,
        Self::ModbusCrcSwapped,
        Self::SwappedCrc,
        Self::LowerCaseCrc,
        Self::Oversize,
        Self::NoLineEnd,
        Self::NotUtf8,
        Self::Blanks,
        Self::MissingQn,
        Self::OddQn,
        Self::MissingFlag,
        Self::MissingPassword,
        Self::OddMn,
        Self::NewerEdition,
        Self::PartBit,
        Self::FieldOrder,
        Self::UnknownField,
        Self::EmptyItem,
        Self::MixedItem,
        Self::TornItem,
        Self::MillisDataTime,
    ];

    /// Its name in metrics and refusals.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ModbusCrc => "modbus_crc",
            Self::ModbusCrcSwapped => "modbus_crc_swapped",
            Self::SwappedCrc => "swapped_crc",
            Self::LowerCaseCrc => "lower_case_crc",
            Self::Oversize => "oversize",
            Self::NoLineEnd => "no_line_end",
            Self::NotUtf8 => "not_utf8",
            Self::Blanks => "blanks",
            Self::MissingQn => "missing_qn",
            Self::OddQn => "odd_qn",
            Self::MissingFlag => "missing_flag",
            Self::MissingPassword => "missing_password",
            Self::OddMn => "odd_mn",
            Self::NewerEdition => "newer_edition",
            Self::PartBit => "part_bit",
            Self::FieldOrder => "field_order",
            Self::UnknownField => "unknown_field",
            Self::EmptyItem => "empty_item",
            Self::MixedItem => "mixed_item",
            Self::TornItem => "torn_item",
            Self::MillisDataTime => "millis_data_time",
        }
    }
}

/// The habits that one packet shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leniencies(u32);

impl Leniencies {
    /// Notes one.
    pub fn add(&mut self, leniency: Leniency) {
        self.0 |= 1 << leniency as u32;
    }

    /// Notes one if it is shown.
    pub(super) fn add_if(&mut self, shown: bool, leniency: Leniency) {
        if shown {
            self.add(leniency);
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that are shown, in the order of [`Leniency::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Leniency> {
        Leniency::ALL.into_iter().filter(move |leniency| self.0 & 1 << *leniency as u32 != 0)
    }
}
