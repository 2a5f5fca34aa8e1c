//! Saved states: how detectors write themselves down.
//!
//! Format: one byte names kind (the high four bits, and 16 more with bit 3) and version (the low three bits). Then fields without names, in
//! the order that each kind states: whole numbers as zigzag LEB128, numbers as 8 little-endian bytes of IEEE
//! 754 or 4 where a kind says single, texts as length and UTF-8, options as a byte 0 or 1 before the field. Nothing may follow.

use std::sync::Arc;

use yiwang_model::{Severity, Timestamp};

use crate::Error;

/// The longest text that a state may hold, in bytes: some are put together of several of a catalogue, each of at most 4,096.
const MAX_TEXT_BYTES: usize = 16_384;

pub(crate) fn put_byte(out: &mut Vec<u8>, byte: u8) {
    out.push(byte);
}

pub(crate) fn put_whole(out: &mut Vec<u8>, number: i64) {
    // zigzag: small numbers of either sign become short
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    while rest >= 0x80 {
        // the low seven bits
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    // below 0x80
    out.push(rest as u8);
}

pub(crate) fn put_count(out: &mut Vec<u8>, count: usize) {
    put_whole(out, i64::try_from(count).expect("nothing here has 2^63 parts"));
}

pub(crate) fn put_number(out: &mut Vec<u8>, number: f64) {
    out.extend_from_slice(&number.to_le_bytes());
}

pub(crate) fn put_single(out: &mut Vec<u8>, number: f32) {
    out.extend_from_slice(&number.to_le_bytes());
}

pub(crate) fn put_time(out: &mut Vec<u8>, time: Timestamp) {
    put_whole(out, time.nanos());
}

pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_count(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

pub(crate) fn put_option<T>(out: &mut Vec<u8>, option: Option<T>, put: impl FnOnce(&mut Vec<u8>, T)) {
    put_byte(out, option.is_some().into());
    if let Some(field) = option {
        put(out, field);
    }
}

/// Reads a state; every method answers [`Error::Snapshot`] when the bytes do not fit.
pub(crate) struct Reader<'a> {
    kind: &'static str,
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Begins to read a state that must open with `head`.
    pub(crate) fn new(kind: &'static str, head: u8, bytes: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Self { kind, bytes };
        match reader.byte()? {
            found if found == head => Ok(reader),
            found => Err(reader.damaged(format!("it opens with {found:#04x} instead of {head:#04x}"))),
        }
    }

    /// The error that says `why`.
    pub(crate) fn damaged(&self, why: impl Into<String>) -> Error {
        Error::Snapshot { kind: self.kind, why: why.into() }
    }

    /// Refuses bytes that are left over.
    pub(crate) fn end(self) -> Result<(), Error> {
        match self.bytes.len() {
            0 => Ok(()),
            left => Err(self.damaged(format!("{left} bytes are left over"))),
        }
    }

    /// All that is left, which another state is read from.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.bytes
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len()
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) =
            self.bytes.split_at_checked(count).ok_or_else(|| self.damaged("it ends too early"))?;
        self.bytes = rest;
        Ok(taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Error> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn whole(&mut self) -> Result<i64, Error> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                break;
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                // undoes the zigzag
                return Ok((number >> 1) as i64 ^ -((number & 1) as i64));
            }
        }
        Err(self.damaged("a whole number has more than 64 bits"))
    }

    /// A number of parts, at most `most`: what is about to be allocated is bounded before it is.
    pub(crate) fn count(&mut self, most: usize) -> Result<usize, Error> {
        let count = self.whole()?;
        let fits = usize::try_from(count).ok().filter(|count| *count <= most);
        fits.ok_or_else(|| self.damaged(format!("it counts {count} parts where at most {most} can be")))
    }

    /// A finite number.
    pub(crate) fn number(&mut self) -> Result<f64, Error> {
        let bytes = self.take(8)?.try_into().expect("8 bytes were taken");
        match f64::from_le_bytes(bytes) {
            number if number.is_finite() => Ok(number),
            number => Err(self.damaged(format!("{number} is no value"))),
        }
    }

    /// A number that is at most so far from 0.
    pub(crate) fn within(&mut self, most: f64) -> Result<f64, Error> {
        let number = self.number()?;
        self.check(number, -most, most)?;
        Ok(number)
    }

    /// A number in single precision that is at most about so far from 0.
    pub(crate) fn single(&mut self, most: f64) -> Result<f32, Error> {
        self.single_in(-most, most)
    }

    /// The same, not below 0.
    pub(crate) fn single_to(&mut self, most: f64) -> Result<f32, Error> {
        self.single_in(0.0, most)
    }

    fn single_in(&mut self, least: f64, most: f64) -> Result<f32, Error> {
        let bytes = self.take(4)?.try_into().expect("4 bytes were taken");
        let number = f32::from_le_bytes(bytes);
        // what was rounded when it was saved may lie a little beyond
        self.check(f64::from(number), 1.001 * least, 1.001 * most)?;
        Ok(number)
    }

    fn check(&self, number: f64, least: f64, most: f64) -> Result<(), Error> {
        let lies = (least..=most).contains(&number);
        if lies { Ok(()) } else { Err(self.damaged(format!("{number} is not from {least} to {most}"))) }
    }

    pub(crate) fn wide(&mut self) -> Result<i128, Error> {
        Ok(i128::from_le_bytes(self.take(16)?.try_into().expect("16 bytes were taken")))
    }

    pub(crate) fn time(&mut self) -> Result<Timestamp, Error> {
        self.whole().map(Timestamp)
    }

    pub(crate) fn text(&mut self) -> Result<Arc<str>, Error> {
        let length = self.count(MAX_TEXT_BYTES)?;
        let bytes = self.take(length)?;
        let text = str::from_utf8(bytes).map_err(|_| self.damaged("a text is not UTF-8"))?;
        Ok(text.into())
    }

    pub(crate) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        match self.byte()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            other => Err(self.damaged(format!("an option says {other} instead of 0 or 1"))),
        }
    }

    pub(crate) fn severity(&mut self) -> Result<Severity, Error> {
        match self.byte()? {
            1 => Ok(Severity::Notice),
            2 => Ok(Severity::Warning),
            3 => Ok(Severity::Serious),
            4 => Ok(Severity::Critical),
            other => Err(self.damaged(format!("{other} is no severity"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn fields_are_read_as_they_were_put(
            whole in any::<i64>(), number in -1e300..1e300, text in ".{0,40}", option in any::<Option<i64>>(),
        ) {
            let mut state = vec![0x11];
            put_whole(&mut state, whole);
            put_number(&mut state, number);
            put_text(&mut state, &text);
            put_option(&mut state, option, put_whole);
            let mut from = Reader::new("test", 0x11, &state).unwrap();
            prop_assert_eq!(from.whole(), Ok(whole));
            prop_assert_eq!(from.number(), Ok(number));
            prop_assert_eq!(from.text().unwrap().to_string(), text);
            prop_assert_eq!(from.option(Reader::whole), Ok(option));
            prop_assert_eq!(from.end(), Ok(()));
        }
    }

    #[test]
    fn damage_is_told() {
        let why = |result: Result<(), Error>| result.unwrap_err().to_string();
        let open = |bytes| Reader::new("test", 0x11, bytes);
        assert!(why(open(&[0x12]).map(drop)).contains("opens with 0x12 instead of 0x11"));
        assert!(why(open(&[]).map(drop)).contains("ends too early"));
        assert!(why(open(&[0x11, 0]).unwrap().end()).contains("1 bytes are left over"));
        let nan = [&[0x11][..], &f64::NAN.to_le_bytes()].concat();
        assert!(why(open(&nan).unwrap().number().map(drop)).contains("NaN is no value"));
        assert!(why(open(&[0x11; 12]).unwrap().count(3).map(drop)).contains("at most 3"));
        let long = [&[0x11][..], &[0xff; 10]].concat();
        assert!(why(open(&long).unwrap().whole().map(drop)).contains("more than 64 bits"));
        assert!(why(open(&[0x11, 4, 0xff, 0xfe]).unwrap().text().map(drop)).contains("not UTF-8"));
        assert!(why(open(&[0x11, 2]).unwrap().option(Reader::byte).map(drop)).contains("instead of 0 or 1"));
        assert!(why(open(&[0x11, 5]).unwrap().severity().map(drop)).contains("no severity"));
    }
}
