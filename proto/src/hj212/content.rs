//! The data area of a packet: factors with their values, and what stands beside them.
//!
//! Items are separated by `;`, the values of one item by `,`. A value is `code-Suffix=text` of a factor or equipment, or
//! `Name=text` of the packet as a whole, as `DataTime`.

use super::fault::short;
use super::{Fault, Leniencies, Leniency};

/// The most factors of one packet.
pub const MAX_FACTORS: usize = 256;

/// What a value of a factor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Measured now.
    Rtd,
    /// The least of a period.
    Min,
    /// The mean of a period.
    Avg,
    /// The most of a period.
    Max,
    /// The sum of a period.
    Cou,
    /// `Rtd`, converted to the reference condition.
    ZsRtd,
    /// `Min`, converted.
    ZsMin,
    /// `Avg`, converted.
    ZsAvg,
    /// `Max`, converted.
    ZsMax,
    /// A figure of noise.
    Data,
    /// A figure of noise of the day hours.
    DayData,
    /// A figure of noise of the night hours.
    NightData,
    /// The data flag.
    Flag,
    /// The flag of the device.
    EFlag,
    /// When the sample was taken.
    SampleTime,
    /// The state of equipment.
    Rs,
    /// How long equipment ran.
    Rt,
}

const KINDS: [(&str, Kind); 17] = [
    ("Rtd", Kind::Rtd),
    ("Flag", Kind::Flag),
    ("Avg", Kind::Avg),
    ("Min", Kind::Min),
    ("Max", Kind::Max),
    ("Cou", Kind::Cou),
    ("ZsRtd", Kind::ZsRtd),
    ("ZsMin", Kind::ZsMin),
    ("ZsAvg", Kind::ZsAvg),
    ("ZsMax", Kind::ZsMax),
    ("Data", Kind::Data),
    ("DayData", Kind::DayData),
    ("NightData", Kind::NightData),
    ("EFlag", Kind::EFlag),
    ("SampleTime", Kind::SampleTime),
    ("RS", Kind::Rs),
    ("RT", Kind::Rt),
];

impl Kind {
    /// The kind with this suffix.
    #[must_use]
    pub fn named(suffix: &str) -> Option<Self> {
        KINDS.iter().find(|(known, _)| *known == suffix).map(|(_, kind)| *kind)
    }
}

/// A factor, or a piece of equipment, with what the packet says of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Factor<'a> {
    /// Its code.
    pub code: &'a str,
    values: [Option<&'a str>; KINDS.len()],
    /// Values with a suffix that the standard does not know.
    pub unknown: u16,
}

impl<'a> Factor<'a> {
    /// Its value of this kind, as it was sent.
    #[must_use]
    pub fn get(&self, kind: Kind) -> Option<&'a str> {
        self.values[kind as usize]
    }
}

/// A data area.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content<'a> {
    /// The factors, in the order in which they first came up.
    pub factors: Vec<Factor<'a>>,
    /// What is said of the packet as a whole, by name.
    pub named: Vec<(&'a str, &'a str)>,
    /// What was odd about it.
    pub leniencies: Leniencies,
}

impl<'a> Content<'a> {
    /// Takes a data area apart.
    ///
    /// # Errors
    /// Something that is no `name=value`, a value that stands twice, more than [`MAX_FACTORS`] factors.
    pub fn read(area: &'a str) -> Result<Self, Fault> {
        let mut content = Self::default();
        if area.is_empty() {
            return Ok(content);
        }
        for item in area.split(';') {
            content.item(item)?;
        }
        let data_time = content.named("DataTime");
        content.leniencies.add_if(data_time.is_some_and(|time| time.len() == 17), Leniency::MillisDataTime);
        Ok(content)
    }

    /// What is said under this name of the packet as a whole.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&'a str> {
        self.named.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    fn item(&mut self, item: &'a str) -> Result<(), Fault> {
        let mut first: Option<&str> = None;
        for value in item.split(',') {
            let trimmed = value.trim();
            self.leniencies.add_if(trimmed.len() != value.len(), Leniency::Blanks);
            if trimmed.is_empty() {
                self.leniencies.add(Leniency::EmptyItem);
                continue;
            }
            let (name, text) = trimmed.split_once('=').ok_or_else(|| Fault::BadItem(short(trimmed)))?;
            let (code, suffix) = name.rsplit_once('-').unwrap_or((name, ""));
            if code.is_empty() {
                return Err(Fault::BadItem(short(trimmed)));
            }
            self.leniencies.add_if(first.is_some_and(|first| first != code), Leniency::MixedItem);
            self.value(code, suffix, text, first.is_none())?;
            first = Some(code);
        }
        Ok(())
    }

    fn name(&mut self, name: &'a str, text: &'a str) -> Result<(), Fault> {
        if self.named.len() == MAX_FACTORS {
            return Err(Fault::TooManyFactors);
        }
        if self.named(name).is_some() {
            return Err(Fault::Twice(short(name)));
        }
        self.named.push((name, text));
        Ok(())
    }

    fn value(&mut self, code: &'a str, suffix: &str, text: &'a str, new_item: bool) -> Result<(), Fault> {
        if suffix.is_empty() {
            return self.name(code, text);
        }
        let last = self.factors.iter().rposition(|factor| factor.code == code);
        self.leniencies.add_if(new_item && last.is_some(), Leniency::TornItem);
        let factor = match last {
            Some(at) => &mut self.factors[at],
            None if self.factors.len() == MAX_FACTORS => return Err(Fault::TooManyFactors),
            None => {
                self.factors.push(Factor { code, ..Factor::default() });
                self.factors.last_mut().expect("one was pushed")
            }
        };
        match Kind::named(suffix) {
            None => factor.unknown = factor.unknown.saturating_add(1),
            Some(kind) if factor.values[kind as usize].replace(text).is_some() => {
                return Err(Fault::Twice(format!("{}-{suffix}", short(code))));
            }
            Some(_) => {}
        }
        Ok(())
    }
}
