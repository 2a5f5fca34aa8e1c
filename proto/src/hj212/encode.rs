//! Packets that are sent.

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

impl Outgoing<'_> {
    /// Appends the packet, from `##` to CR LF.
    ///
    /// # Panics
    /// Never: writing to a string does not fail.
    pub fn write(&self, out: &mut Vec<u8>) {
        let segment = self.segment();
        out.extend_from_slice(format!("##{:04}", segment.len()).as_bytes());
        out.extend_from_slice(segment.as_bytes());
        out.extend_from_slice(format!("{:04X}\r\n", crc::standard(segment.as_bytes())).as_bytes());
    }

    /// The packet.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128 + self.content.len());
        self.write(&mut out);
        out
    }

    fn segment(&self) -> String {
        let Self { qn, st, cn, pw, mn, flag, part, content } = self;
        let mut segment = String::with_capacity(112 + content.len());
        if let Some(qn) = qn {
            segment += &format!("QN={qn};");
        }
        segment += &format!("ST={st};CN={cn:04};PW={pw};MN={mn};");
        if let Some(flag) = flag {
            segment += &format!("Flag={};", flag.0);
        }
        if let Some(part) = part {
            segment += &format!("PNUM={};PNO={};", part.of, part.number);
        }
        segment + "CP=&&" + content + "&&"
    }
}
