//! The envelope of the small files: magic, version, body, checksum.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | magic of the kind of file |
//! | u16 | format version |
//! | … | body |
//! | u32 | CRC-32C of everything before it |
//!
//! All numbers in all files of the log are little-endian.

use bytes::{Buf, BufMut, TryGetError};

use crate::Error;

/// What kind of file, and the newest version of it that we write and read.
pub(super) struct Kind {
    pub(super) magic: &'static [u8; 8],
    pub(super) version: u16,
}

const HEAD_BYTES: usize = 10;
const CRC_BYTES: usize = 4;

impl Kind {
    pub(super) fn seal(&self, body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = self.magic.to_vec();
        bytes.put_u16_le(self.version);
        body(&mut bytes);
        let crc = crc32c::crc32c(&bytes);
        bytes.put_u32_le(crc);
        bytes
    }

    /// The body of a whole file of this kind.
    pub(super) fn unseal<'a>(&self, file: &str, bytes: &'a [u8]) -> Result<&'a [u8], Error> {
        let corrupt = |at: usize, why: &str| corrupt(file, at as u64, why);
        if bytes.len() < HEAD_BYTES + CRC_BYTES {
            return Err(corrupt(0, "the file is too short"));
        }
        if !bytes.starts_with(self.magic) {
            return Err(corrupt(0, "this is another kind of file"));
        }
        let found = u16::from_le_bytes([bytes[8], bytes[9]]);
        if found > self.version {
            return Err(Error::Newer { file: file.to_owned(), found, known: self.version });
        }
        let (sealed, crc) = bytes.split_at(bytes.len() - CRC_BYTES);
        if found != self.version || crc32c::crc32c(sealed).to_le_bytes() != crc {
            return Err(corrupt(0, "the checksum does not fit"));
        }
        Ok(&sealed[HEAD_BYTES..])
    }
}

pub(super) fn corrupt(file: &str, at: u64, why: &str) -> Error {
    Error::Corrupt { file: file.to_owned(), at, why: why.to_owned() }
}

/// Reads a name written as `u8` length and UTF-8 bytes.
pub(super) fn get_name(from: &mut &[u8]) -> Result<String, TryGetError> {
    let length = usize::from(from.try_get_u8()?);
    let mut bytes = vec![0; length];
    from.try_copy_to_slice(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Writes a name as `u8` length and UTF-8 bytes; longer ones are refused before.
pub(super) fn put_name(into: &mut Vec<u8>, name: &str) {
    into.put_u8(u8::try_from(name.len()).expect("names were checked to be short"));
    into.put_slice(name.as_bytes());
}
