//! Packets that are sent.

use std::io::Write;

use super::crc;

/// A packet to send. Its fields are written as they are: none may hold `;`, `#` or control characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing<'a> {
    /// Names the exchange; left out when there is none.
    pub qn: Option<&'a str>,
    /// The system code.
    pub st: &'a str,
    /// The command.
    pub cn: u16,
    /// The password.
    pub pw: &'a str,
    /// The device.
    pub mn: &'a str,
    /// Edition, and whether an answer is wanted; left out when there is none.
    pub flag: Option<super::Flag>,
    /// Which part it is, if it is one.
    pub part: Option<super::Part>,
    /// What stands between `CP=&&` and `&&`.
    pub content: &'a str,
}

/// `##` and the length.
const HEAD_BYTES: usize = 6;

impl Outgoing<'_> {
    /// Appends the packet, from `##` to CR LF.
    pub fn write(&self, out: &mut Vec<u8>) {
        let begin = out.len();
        out.extend_from_slice(b"##0000");
        self.segment(out);
        let (length, sum) = (out.len() - begin - HEAD_BYTES, crc::standard(&out[begin + HEAD_BYTES..]));
        put(out, format_args!("{sum:04X}\r\n"));
        for (place, power) in [(2, 1000), (3, 100), (4, 10), (5, 1)] {
            // a digit
            out[begin + place] = b'0' + (length / power % 10) as u8;
        }
    }

    /// The packet.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128 + self.content.len());
        self.write(&mut out);
        out
    }

    fn segment(&self, out: &mut Vec<u8>) {
        let Self { qn, st, cn, pw, mn, flag, part, content } = self;
        if let Some(qn) = qn {
            put(out, format_args!("QN={qn};"));
        }
        put(out, format_args!("ST={st};CN={cn:04};PW={pw};MN={mn};"));
        if let Some(flag) = flag {
            put(out, format_args!("Flag={};", flag.0));
        }
        if let Some(part) = part {
            put(out, format_args!("PNUM={};PNO={};", part.of, part.number));
        }
        put(out, format_args!("CP=&&{content}&&"));
    }
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a vector takes all that is written");
}
