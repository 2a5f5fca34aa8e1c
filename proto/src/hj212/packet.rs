//! The data segment of a packet: who says what to whom.

use std::borrow::Cow;

use super::fault::short;
use super::{Fault, Frame, Leniencies, Leniency, Mode};

/// A packet, as its data segment says it; the data area is not taken apart yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Names one exchange: 17 digits, a time to the millisecond. Not unique; an answer repeats it.
    pub qn: Option<&'a str>,
    /// The system code, two characters.
    pub st: &'a str,
    /// The command, see [`super::command`].
    pub cn: u16,
    /// The password; empty when there is none.
    pub pw: &'a str,
    /// The device.
    pub mn: &'a str,
    /// Edition, and whether an answer is wanted.
    pub flag: Option<Flag>,
    /// Which part of a split packet it is.
    pub part: Option<Part>,
    /// What stands between `CP=&&` and `&&`.
    pub content: &'a str,
    /// What was odd about frame and segment.
    pub leniencies: Leniencies,
}

/// The field Flag: bit 0 asks for an answer, bit 1 says that there are parts, the others are the edition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag(pub u8);

/// An edition of the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edition {
    /// HJ/T 212-2005.
    Of2005,
    /// HJ 212-2017.
    Of2017,
    /// HJ 212-2025, or newer.
    Of2025,
}

impl Flag {
    /// Whether the sender wants an answer.
    #[must_use]
    pub const fn wants_answer(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether PNUM and PNO are said to be there.
    #[must_use]
    pub const fn has_parts(self) -> bool {
        self.0 & 2 != 0
    }

    /// The edition that the sender goes by.
    #[must_use]
    pub const fn edition(self) -> Edition {
        match self.0 >> 2 {
            0 => Edition::Of2005,
            1 => Edition::Of2017,
            _ => Edition::Of2025,
        }
    }

    /// The flag of an answer: the same edition, no answer wanted, no parts.
    #[must_use]
    pub const fn of_answer(self) -> Self {
        Self(self.0 & !3)
    }
}

/// The longest password, in bytes; the standard has six.
const MAX_PASSWORD_BYTES: usize = 64;

/// Which part of a split packet: part `number` of `of`, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// PNUM, how many there are.
    pub of: u16,
    /// PNO, which this is.
    pub number: u16,
}

/// The fields of a segment by name, in the standard's order.
const FIELDS: [&str; 8] = ["QN", "ST", "CN", "PW", "MN", "Flag", "PNUM", "PNO"];

/// The text of a frame. What is not UTF-8 is taken with its strange bytes replaced, and noted.
#[must_use]
pub fn text<'a>(frame: &Frame<'a>) -> (Cow<'a, str>, Leniencies) {
    let text = String::from_utf8_lossy(frame.segment);
    let mut leniencies = frame.leniencies;
    leniencies.add_if(matches!(text, Cow::Owned(_)), Leniency::NotUtf8);
    (text, leniencies)
}

impl<'a> Packet<'a> {
    /// Reads a data segment whose sum is right; `leniencies` are those of its frame.
    ///
    /// # Errors
    /// What is missing, twice, or cannot be; in [`Mode::Strict`] also every leniency, the first of them.
    pub fn read(segment: &'a str, leniencies: Leniencies, mode: Mode) -> Result<Self, Fault> {
        let (head, content) = split(segment)?;
        let mut leniencies = leniencies;
        let fields = fields(head, &mut leniencies)?;
        let [qn, st, cn, pw, mn, flag, pnum, pno] = fields;
        let packet = Self {
            qn: qn.filter(|qn| !qn.is_empty()),
            st: read_st(st.ok_or(Fault::MissingField("ST"))?)?,
            cn: read_cn(cn.ok_or(Fault::MissingField("CN"))?)?,
            pw: read_pw(pw.unwrap_or_default())?,
            mn: read_mn(mn.ok_or(Fault::MissingField("MN"))?)?,
            flag: flag.map(|flag| number("Flag", flag).map(Flag)).transpose()?,
            part: read_part(pnum, pno)?,
            content,
            leniencies,
        };
        packet.noting(pw.is_some()).held_to(mode)
    }

    /// Notes what is odd about the fields.
    fn noting(mut self, has_password: bool) -> Self {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let odd = &mut self.leniencies;
        odd.add_if(self.qn.is_none(), Leniency::MissingQn);
        odd.add_if(self.qn.is_some_and(|qn| qn.len() != 17 || !digits(qn)), Leniency::OddQn);
        odd.add_if(!has_password, Leniency::MissingPassword);
        let is_hex = self.mn.len() == 24 && self.mn.bytes().all(|byte| byte.is_ascii_hexdigit());
        odd.add_if(!is_hex, Leniency::OddMn);
        odd.add_if(self.flag.is_none(), Leniency::MissingFlag);
        odd.add_if(self.flag.is_some_and(|flag| flag.0 >> 2 > 2), Leniency::NewerEdition);
        odd.add_if(self.flag.is_some_and(|flag| flag.has_parts() != self.part.is_some()), Leniency::PartBit);
        self
    }

    /// The packet, unless its sender is held to the standard and it is not as the standard has it.
    ///
    /// # Errors
    /// [`Fault::Strict`].
    pub fn held_to(self, mode: Mode) -> Result<Self, Fault> {
        match self.leniencies.iter().next() {
            Some(leniency) if mode == Mode::Strict => Err(Fault::Strict(leniency)),
            _ => Ok(self),
        }
    }

    /// Whether the sender wants an answer.
    #[must_use]
    pub fn wants_answer(&self) -> bool {
        self.flag.is_some_and(Flag::wants_answer)
    }
}

/// Fields and data area.
fn split(segment: &str) -> Result<(&str, &str), Fault> {
    let (head, content) = segment.split_once("CP=&&").ok_or(Fault::NoContent)?;
    let content = content.strip_suffix("&&").ok_or(Fault::NoContent)?;
    // A second data area, or the rest of another packet: nobody can say whose values these are.
    if content.contains("&&") { Err(Fault::BadItem("&&".to_owned())) } else { Ok((head, content)) }
}

fn fields<'a>(head: &'a str, odd: &mut Leniencies) -> Result<[Option<&'a str>; 8], Fault> {
    let (mut found, mut newest) = ([None; 8], 0);
    for field in head.strip_suffix(';').unwrap_or(head).split(';') {
        odd.add_if(field.trim().len() != field.len(), Leniency::Blanks);
        if field.trim().is_empty() {
            odd.add(Leniency::EmptyItem);
            continue;
        }
        let (name, value) = field.trim().split_once('=').ok_or_else(|| Fault::BadItem(plain(field)))?;
        let Some(at) = FIELDS.iter().position(|known| *known == name) else {
            odd.add(Leniency::UnknownField);
            continue;
        };
        odd.add_if(at < newest, Leniency::FieldOrder);
        newest = newest.max(at);
        if found[at].replace(value).is_some() {
            return Err(Fault::Twice(FIELDS[at].to_owned()));
        }
    }
    Ok(found)
}

/// A field that cannot be read, without what may be a password.
fn plain(field: &str) -> String {
    let is_password = field.trim().get(..2).is_some_and(|name| name.eq_ignore_ascii_case("PW"));
    if is_password { "PW***".to_owned() } else { short(field) }
}

fn bad(field: &'static str, found: &str) -> Fault {
    Fault::BadField { field, found: short(found) }
}

fn number<T: std::str::FromStr>(field: &'static str, text: &str) -> Result<T, Fault> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or_else(|| bad(field, text))
}

fn read_st(text: &str) -> Result<&str, Fault> {
    let is_code = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_code { Ok(text) } else { Err(bad("ST", text)) }
}

fn read_cn(text: &str) -> Result<u16, Fault> {
    if text.len() == 4 { number("CN", text) } else { Err(bad("CN", text)) }
}

fn read_pw(text: &str) -> Result<&str, Fault> {
    if text.len() <= MAX_PASSWORD_BYTES { Ok(text) } else { Err(bad("PW", "***")) }
}

fn read_mn(text: &str) -> Result<&str, Fault> {
    yiwang_model::series::check_name("MN", text).map_or_else(|_| Err(bad("MN", text)), |()| Ok(text))
}

fn read_part(pnum: Option<&str>, pno: Option<&str>) -> Result<Option<Part>, Fault> {
    let (of, number) = match (pnum, pno) {
        (None, None) => return Ok(None),
        (None, Some(_)) => return Err(Fault::MissingField("PNUM")),
        (Some(_), None) => return Err(Fault::MissingField("PNO")),
        (Some(pnum), Some(pno)) => (number("PNUM", pnum)?, number("PNO", pno)?),
    };
    if number == 0 || number > of {
        return Err(bad("PNO", &format!("{number} of {of}")));
    }
    Ok(Some(Part { of, number }))
}
