//! How a logger speaks, which is how it is spoken to: with the ST, PW and edition of its own packets.

use yiwang_proto::hj212::{Flag, Outgoing, Packet, command};

use super::request::Request;

/// How a logger speaks.
#[derive(Clone, Default)]
pub(super) struct Speech {
    st: Box<str>,
    pw: Box<str>,
    flag: Option<Flag>,
}

impl Speech {
    /// Learns from a packet that the logger sent. ST 91 is that of an exchange and says nothing of the logger.
    pub(super) fn learn(&mut self, packet: &Packet<'_>) {
        if *self.st != *packet.st && (packet.st != command::ST_EXCHANGE || self.st.is_empty()) {
            self.st = packet.st.into();
        }
        if *self.pw != *packet.pw {
            self.pw = packet.pw.into();
        }
        self.flag = packet.flag.or(self.flag);
    }

    /// Whether this is the password of its last packet.
    pub(super) fn has_password(&self, pw: &str) -> bool {
        *self.pw == *pw
    }

    /// Appends a request to the logger of this MN, with an answer wanted. A logger that sends no Flag is one of 2005.
    pub(super) fn write(&self, mn: &str, qn: &str, request: &Request, out: &mut Vec<u8>) {
        let Self { st, pw, flag } = self;
        let flag = flag.map_or(Flag(1), |flag| Flag(flag.of_answer().0 | 1));
        let (cn, content) = (request.cn(), request.content());
        Outgoing { qn: Some(qn), st, cn, pw, mn, flag: Some(flag), part: None, content: &content }.write(out);
    }
}
